package check_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"redoubt/internal/cluster"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/model"
)

// tiers is a state of groups a, b and c with one resource each: ra, rb and rc.
func tiers() model.State {
	s := model.State{
		Nodes: []model.NodeState{{Node: model.Node{Name: "n1"}}},
		Types: []model.Type{{Name: "app", Driver: "exec", Methods: []model.MethodSpec{{Method: model.MethodStart}, {Method: model.MethodStop}}}},
	}
	for _, n := range []string{"a", "b", "c"} {
		g, _ := check.NewGroup(s, cluster.GroupName(n), nil)
		s = check.WithGroup(s, g)
		s = with(s, cluster.ResourceName("r"+n), g.Name)
	}
	return s
}

func with(s model.State, r cluster.ResourceName, g cluster.GroupName) model.State {
	res, _ := check.NewResource(s, check.ResourceRequest{Name: r, Group: g, Type: "app"})
	return check.WithResource(s, res)
}

func dependOn(t *testing.T, s model.State, r cluster.ResourceName, on ...cluster.ResourceName) model.State {
	t.Helper()
	res, ok := check.Resource(s, r)
	if !ok {
		t.Fatal("no resource", r)
	}
	res.Dependencies = nil
	for _, o := range on {
		res.Dependencies = append(res.Dependencies, model.Dependency{On: o, Kind: model.DependWeak})
	}
	return check.WithResource(s, res)
}

func groupAfter(s model.State, g cluster.GroupName, on ...cluster.GroupName) model.State {
	x, _ := check.Group(s, g)
	x.Dependencies = on
	return check.WithGroup(s, x)
}

func affine(s model.State, g cluster.GroupName, kind model.AffinityKind, to cluster.GroupName) model.State {
	x, _ := check.Group(s, g)
	x.Affinities = []model.Affinity{{Kind: kind, Target: to}}
	return check.WithGroup(s, x)
}

// A circle over resources and groups is refused wherever it is closed, and printed.
func TestCyclesOverGroups(t *testing.T) {
	for _, c := range []struct {
		name string
		s    model.State
		says string // the cycle as a whole sees it; "": there is none
	}{
		{"none", dependOn(t, groupAfter(tiers(), "b", "a"), "rb", "ra"), ""},
		{"against the group's order", dependOn(t, groupAfter(tiers(), "b", "a"), "ra", "rb"), "ra -> rb -> group b -> group a (RG_dependencies) -> ra"},
		{"through a third", dependOn(t, groupAfter(groupAfter(tiers(), "c", "b"), "b", "a"), "ra", "rc"), "ra -> rc -> group c -> group b (RG_dependencies) -> group a (RG_dependencies) -> ra"},
		{"through a resource of a third", dependOn(t, dependOn(t, groupAfter(tiers(), "c", "b"), "rb", "ra"), "ra", "rc"), "ra -> rc -> group c -> group b (RG_dependencies) -> rb -> ra"},
		{"three resources", dependOn(t, dependOn(t, dependOn(t, tiers(), "ra", "rb"), "rb", "rc"), "rc", "ra"), "ra -> rb -> rc -> ra"},
		{"groups alone", groupAfter(groupAfter(tiers(), "a", "b"), "b", "a"), "dependencies form a cycle: group a -> group b (RG_dependencies) -> group a (RG_dependencies)"},
		{"affinities alone", affine(affine(tiers(), "a", "++", "b"), "b", "+++", "a"), "strong affinities form a cycle: group a -> group b (RG_affinities) -> group a (RG_affinities)"},
		{"the one that is followed comes after", affine(groupAfter(tiers(), "a", "b"), "b", "++", "a"), "group a -> group b (RG_dependencies) -> group a (RG_affinities)"},
		{"a resource of it does", affine(dependOn(t, tiers(), "ra", "rb"), "b", "++", "a"), ""},
		{"a wish is no order", affine(groupAfter(tiers(), "a", "b"), "b", "+", "a"), ""},
		{"nor is what keeps apart", affine(groupAfter(tiers(), "a", "b"), "b", "--", "a"), ""},
	} {
		var texts []string
		for _, p := range check.All(c.s) {
			texts = append(texts, p.Text)
		}
		if c.says == "" && len(texts) > 0 || c.says != "" && (len(texts) != 1 || !strings.Contains(texts[0], c.says+"; take one")) {
			t.Errorf("%s: %q, not %q", c.name, texts, c.says)
		}
		// Whoever is part of it is refused too, when it is he that is changed.
		for _, n := range []string{"a", "b", "c"} {
			g, _ := check.Group(c.s, cluster.GroupName(n))
			r, _ := check.Resource(c.s, cluster.ResourceName("r"+n))
			named := strings.Contains(c.says, "group "+n) || strings.Contains(c.says, "r"+n)
			if got := len(check.CheckGroup(c.s, g)) > 0; got != named {
				t.Errorf("%s: group %s is refused: %v", c.name, n, got)
			}
			if got := len(check.CheckResource(c.s, r)) > 0; !got && strings.Contains(c.says, "r"+n) {
				t.Errorf("%s: resource r%s is not refused", c.name, n)
			}
		}
	}
}

// A circle is found exactly when there is no order in which all could come online.
func TestCyclesAgainstSorting(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := tiers()
		for i := range rapid.IntRange(0, 3).Draw(rt, "more") {
			s = with(s, cluster.ResourceName(fmt.Sprintf("x%d", i)), rapid.SampledFrom([]cluster.GroupName{"a", "b", "c"}).Draw(rt, "group"))
		}
		for _, r := range s.Resources {
			for _, o := range s.Resources {
				if r.Name != o.Name && rapid.IntRange(0, 5).Draw(rt, "depends") == 0 {
					r.Dependencies = append(slices.Clone(r.Dependencies), model.Dependency{On: o.Name, Kind: model.DependStrong})
				}
			}
			s = check.WithResource(s, r)
		}
		for _, g := range s.Groups {
			for _, o := range s.Groups {
				if g.Name == o.Name {
					continue
				}
				switch rapid.IntRange(0, 7).Draw(rt, "bound") {
				case 0:
					g.Dependencies = append(slices.Clone(g.Dependencies), o.Name)
				case 1:
					g.Affinities = append(slices.Clone(g.Affinities), model.Affinity{Kind: model.AffinityRequire, Target: o.Name})
				}
			}
			s = check.WithGroup(s, g)
		}
		// A dumb twin: again and again let come what may come.
		began, up := map[cluster.GroupName]bool{}, map[cluster.ResourceName]bool{}
		done := func(g cluster.GroupName) bool {
			return began[g] && !slices.ContainsFunc(check.ResourcesOf(s, g), func(r model.Resource) bool { return !up[r.Name] })
		}
		for range len(s.Groups) + len(s.Resources) {
			for _, g := range s.Groups {
				began[g.Name] = !slices.ContainsFunc(g.Dependencies, func(d cluster.GroupName) bool { return !done(d) }) &&
					!slices.ContainsFunc(g.Affinities, func(a model.Affinity) bool { return !began[a.Target] })
			}
			for _, r := range s.Resources {
				up[r.Name] = began[r.Group] && !slices.ContainsFunc(r.Dependencies, func(d model.Dependency) bool { return !up[d.On] })
			}
		}
		stuck := slices.ContainsFunc(s.Groups, func(g model.Group) bool { return !done(g.Name) })
		if ps := check.All(s); (len(ps) > 0) != stuck {
			rt.Fatalf("stuck %v, found %v", stuck, ps)
		}
	})
}

// What is refused when a group that others name goes.
func TestDeletingGroupsThatOthersName(t *testing.T) {
	s := affine(groupAfter(tiers(), "b", "a"), "c", "--", "a")
	a, _ := check.Group(s, "a")
	says(t, check.DeleteGroup(s, a, true), "group b names it in RG_dependencies; run `redoubt group set -p RG_dependencies-=a b` first", "group c names it in RG_affinities; run `redoubt group set -p RG_affinities-=--a c` first")
	says(t, check.DeleteGroup(s, a, true, "b"), "group c names it")
	says(t, check.DeleteGroup(s, a, true, "b", "c"))
	b, _ := check.Group(s, "b")
	if cut, changed := check.CutGroup(b, "a"); !changed || cut.Dependencies != nil {
		t.Errorf("%v %+v", changed, cut)
	}
	if _, changed := check.CutGroup(b, "c"); changed {
		t.Error("what was not there is cut")
	}
}

// A target that has to be on the same node needs a node that both groups have: also when it is an affinity that says so, and when it is the group that changes.
func TestReachOfDependencies(t *testing.T) {
	s := tiers()
	s.Nodes = append(s.Nodes, model.NodeState{Node: model.Node{Name: "n2"}})
	b, _ := check.Group(s, "b")
	b.Nodelist = []cluster.NodeName{"n2"}
	s = dependOn(t, check.WithGroup(s, b), "rb", "ra")
	if ps := check.All(s); len(ps) > 0 {
		t.Fatal(ps.Err())
	}
	near := affine(s, "b", "+", "a")
	b, _ = check.Group(near, "b")
	says(t, check.CheckGroup(near, b), "ra, on the same node because of the affinity to group a, can never be met: no node of the nodelist of group b is in that of group a")
	a, _ := check.Group(near, "a")
	says(t, check.CheckGroup(near, a), "can never be met") // the target's group has been changed
	rb, _ := check.Resource(near, "rb")
	for qualifier, want := range map[string]string{"ANY_NODE": "", "@n1": "n1 is not in the nodelist of group b", "@n2": "node n2 is not in the nodelist of group a", "LOCAL_NODE": "can never be met", "@n9": "n9 is not in the cluster"} {
		rb.Dependencies = []model.Dependency{{On: "ra", Kind: model.DependStrong, Qualifier: qualifier}}
		if ps := check.CheckResource(check.WithResource(near, rb), rb); want == "" {
			says(t, ps)
		} else {
			says(t, ps, want)
		}
	}
}

// The written forms of qualifiers, as they are typed and as they are kept.
func TestQualifiersAsWritten(t *testing.T) {
	s := tiers()
	s.Nodes = append(s.Nodes, model.NodeState{Node: model.Node{Name: "n2"}})
	rb, _ := check.Resource(s, "rb")
	for text, want := range map[string]string{
		"ra": "", "ra{}": "?", "ra{FROM_RG_AFFINITIES}": "", "ra{from_rg_affinities}": "", "ra{Local_Node}": "LOCAL_NODE", "ra{ANY_NODE}": "ANY_NODE", "ra{@n1}": "@n1", "ra@n1": "@n1",
		"ra{@}": "?", "ra@": "?", "@n1": "?", "ra{@n9}": "?", "ra@n1{ANY_NODE}": "?", "ra{NEAR}": "?", "ra{ANY_NODE": "?",
	} {
		r, _, ps := check.SetResource(s, rb, check.Changes{Any: []check.Setting{{Name: "Resource_dependencies", Text: text}}})
		switch {
		case want == "?" && len(ps) == 0:
			t.Errorf("%s is taken as %+v", text, r.Dependencies)
		case want != "?" && (len(ps) > 0 || len(r.Dependencies) != 1 || r.Dependencies[0].On != "ra" || r.Dependencies[0].Qualifier != want):
			t.Errorf("%s is %+v, not %q: %v", text, r.Dependencies, want, ps)
		}
	}
}
