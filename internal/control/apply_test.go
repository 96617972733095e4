package control_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/model"
)

// drawn is a configuration drawn at random: settings as people could have given them.
type drawn struct {
	groups    []v1.GroupCreate
	resources []v1.ResourceCreate
	disabled  []string
	managed   []string
}

func draw(t *rapid.T) drawn {
	var d drawn
	nodes := []string{"n1", "n2", "n3"}
	for g := range rapid.IntRange(0, 3).Draw(t, "groups") {
		name := "rg" + strconv.Itoa(g)
		list := rapid.Permutation(nodes).Draw(t, "nodelist")[:rapid.IntRange(1, 3).Draw(t, "nodes")]
		d.groups = append(d.groups, v1.GroupCreate{Names: []string{name}, Node: list, Property: []string{
			"Failback=" + strconv.FormatBool(rapid.Bool().Draw(t, "failback")), "Pingpong_interval=" + strconv.Itoa(rapid.IntRange(0, 9999).Draw(t, "pingpong")),
			"RG_description=" + rapid.SampledFrom([]string{"", "a, b", `c\,d`, "ü = ö", "{x}"}).Draw(t, "description"),
			"Suspend_automatic_recovery=" + strconv.FormatBool(rapid.Bool().Draw(t, "suspended")),
			"Pathprefix=" + rapid.SampledFrom([]string{"", "/srv/data"}).Draw(t, "path"),
		}})
		if rapid.Bool().Draw(t, "managed") {
			d.managed = append(d.managed, name)
		}
		var names []string
		for i := range rapid.IntRange(0, 3).Draw(t, "resources") {
			r := v1.ResourceCreate{Names: []string{name + "-" + string(rune('z'-i))}, Group: name, Type: "redoubt.web", Property: []string{
				"Start_command=" + rapid.SampledFrom([]string{"/bin/x", "a=b", "x,y"}).Draw(t, "command"), "Retry_count=" + strconv.Itoa(rapid.IntRange(-1, 9).Draw(t, "retry")),
				"Failover_mode=" + rapid.SampledFrom([]string{"NONE", "SOFT", "HARD", "RESTART_ONLY", "LOG_ONLY"}).Draw(t, "mode"),
				"Start_timeout=" + strconv.Itoa(rapid.SampledFrom([]int{30, 31, 3600}).Draw(t, "timeout")),
				"Port_list=" + rapid.SampledFrom([]string{"", "80/tcp", `80/tcp,x\,y`}).Draw(t, "ports"),
				"R_description=" + rapid.SampledFrom([]string{"", "web", "1,2"}).Draw(t, "about"),
			}}
			if rapid.Bool().Draw(t, "per node") {
				r.Property = append(r.Property, "Level{"+list[0]+"}="+strconv.Itoa(rapid.IntRange(0, 9).Draw(t, "level")))
			}
			if len(names) > 0 && rapid.Bool().Draw(t, "depends") {
				kind := rapid.SampledFrom([]string{"", "_weak", "_restart", "_offline_restart"}).Draw(t, "kind")
				qualifier := rapid.SampledFrom([]string{"", "{LOCAL_NODE}", "{ANY_NODE}", "{@" + list[0] + "}"}).Draw(t, "qualifier")
				r.Property = append(r.Property, "Resource_dependencies"+kind+"="+names[len(names)-1]+qualifier)
			}
			names = append(names, r.Names[0])
			d.resources = append(d.resources, r)
			if rapid.Bool().Draw(t, "disabled") {
				d.disabled = append(d.disabled, r.Names[0])
			}
		}
	}
	return d
}

// specs are what people asked for, without what counts changes.
func specs(w *world) (groups []model.Group, resources []model.Resource, types []model.Type) {
	synctest.Wait()
	s := w.nodes["n1"].mirror.Snapshot().State
	for _, r := range s.Resources {
		r.Generation = 0
		resources = append(resources, r)
	}
	return s.Groups, resources, s.Types
}

// TestExportApply: a configuration that is exported and applied to an empty cluster is the same again, and applying it once more changes nothing.
func TestExportApply(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := draw(rt)
		var doc v1.Document
		var groups []model.Group
		var resources []model.Resource
		var types []model.Type
		inWorld(t, func(w *world) {
			res := ok[v1.Result](w.t)
			res(w.c().TypeRegister(w.ctx, root, v1.TypeRegister{Names: []string{"redoubt.web", "redoubt.logicalhostname", "redoubt.many"}}))
			res(w.c().TypeSet(w.ctx, root, v1.TypeSet{Names: []string{"redoubt.many"}, Node: []string{"n2", "n1"}}))
			res(w.c().NodeSet(w.ctx, root, v1.NodeSet{Names: []string{"n2"}, Property: []string{"host=n2.example"}}))
			for _, g := range d.groups {
				res(w.c().GroupCreate(w.ctx, root, g))
			}
			for _, r := range d.resources {
				res(w.c().ResourceCreate(w.ctx, root, r))
			}
			for _, n := range d.disabled {
				res(w.c().ResourceDisable(w.ctx, root, v1.ResourceDisable{Names: []string{n}, Recursive: true}))
			}
			for _, n := range d.managed {
				res(w.c().GroupManage(w.ctx, root, v1.GroupManage{Names: []string{n}}))
			}
			doc = ok[v1.Document](w.t)(w.c().ClusterExport(w.ctx, root, v1.ClusterExport{}))
			groups, resources, types = specs(w)
		})
		inWorld(t, func(w *world) {
			res := ok[v1.Result](w.t)
			// The order in the document does not matter.
			slices.Reverse(doc.Resources)
			dry := res(w.c().ClusterApply(w.ctx, root, v1.ClusterApply{Document: doc, DryRun: true}))
			if g, r, _ := specs(w); len(g)+len(r) > 0 {
				w.t.Fatalf("a dry run wrote something: %v %v", g, r)
			}
			out := res(w.c().ClusterApply(w.ctx, root, v1.ClusterApply{Document: doc}))
			if !slices.Equal(dry.Messages, out.Messages) {
				w.t.Errorf("dry run: %v\nthen: %v", dry.Messages, out.Messages)
			}
			g, r, ty := specs(w)
			if diff := cmp.Diff(groups, g) + cmp.Diff(resources, r) + cmp.Diff(types, ty); diff != "" {
				w.t.Fatalf("not the same again:\n%s", diff)
			}
			if again := res(w.c().ClusterApply(w.ctx, root, v1.ClusterApply{Document: doc, Prune: true})); len(again.Messages) > 0 {
				w.t.Fatalf("applying it again changes something: %v", again.Messages)
			}
			back := ok[v1.Document](w.t)(w.c().ClusterExport(w.ctx, root, v1.ClusterExport{}))
			slices.Reverse(doc.Resources)
			if diff := cmp.Diff(doc, back); diff != "" {
				w.t.Fatalf("the export of what was applied differs:\n%s", diff)
			}
			res(w.c().ClusterApply(w.ctx, root, v1.ClusterApply{Document: v1.Document{}, Prune: true}))
			if g, r, ty := specs(w); len(g)+len(r)+len(ty) > 0 {
				w.t.Fatalf("prune left %v %v %v", g, r, ty)
			}
		})
	})
}

func TestApplyRefusesAsAWhole(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.web()
		doc := ok[v1.Document](t)(w.c().ClusterExport(w.ctx, root, v1.ClusterExport{}))
		doc.Groups = append(doc.Groups, v1.GroupDocument{Name: "good-rg", Properties: map[string][]string{}}, v1.GroupDocument{Name: "bad-rg", Properties: map[string][]string{"Nodelist": {"n9"}}})
		doc.Nodes = append(doc.Nodes, v1.NodeDocument{Name: "n7"})
		doc.Resources[0].Properties["Prot"] = []string{"x"}
		_, err := w.c().ClusterApply(w.ctx, root, v1.ClusterApply{Document: doc})
		refuse[v1.Result](t, fault.Invalid, "faults were found")(v1.Result{}, err)
		for _, want := range []string{"node n7: is not in the cluster", "property Prot"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("nothing about %s in %v", want, err)
			}
		}
		if g, _, _ := specs(w); len(g) != 1 {
			t.Errorf("something was written: %v", g)
		}
		delete(doc.Resources[0].Properties, "Prot")
		doc.Nodes = nil
		refuse[v1.Result](t, fault.Invalid, `node "n9" is not in the cluster`)(w.c().ClusterApply(w.ctx, root, v1.ClusterApply{Document: doc}))
		doc.Groups = doc.Groups[:2]
		doc.Groups = append(doc.Groups, doc.Groups[1])
		refuse[v1.Result](t, fault.Invalid, "group good-rg: stands in the document twice")(w.c().ClusterApply(w.ctx, root, v1.ClusterApply{Document: doc}))
		doc.Groups = doc.Groups[:2]
		w.acts.fail("web Validate n2", "no")
		i := slices.IndexFunc(doc.Resources, func(r v1.ResourceDocument) bool { return r.Name == "web" })
		doc.Resources[i].Properties["Level"] = []string{"8"}
		refuse[v1.Result](t, fault.Invalid, "Validate of resource web on node n2 refuses")(w.c().ClusterApply(w.ctx, root, v1.ClusterApply{Document: doc}))
		doc.Level = v1.Level + 1
		refuse[v1.Result](t, fault.Unsupported, "this build reads up to")(w.c().ClusterApply(w.ctx, root, v1.ClusterApply{Document: doc}))
	})
}

// TestApplyALot writes more than one transaction holds.
// TestManyAreValidatedTogether: a node is asked about many resources in one request, and each refusal is that of its resource; of a daemon that takes one question at a time, one is asked at a time.
func TestManyAreValidatedTogether(t *testing.T) {
	const resources = 150
	for _, old := range []bool{false, true} {
		inWorld(t, func(w *world) {
			doc := v1.Document{Types: []v1.TypeDocument{{Name: "redoubt.web"}}, Groups: []v1.GroupDocument{{Name: "rg", Properties: map[string][]string{}}}}
			for i := range resources {
				doc.Resources = append(doc.Resources, v1.ResourceDocument{
					Name: fmt.Sprintf("r%03d", i), Group: "rg", Type: "redoubt.web", Enabled: true, Properties: map[string][]string{"Start_command": {"/bin/true"}},
				})
			}
			asked := map[cluster.NodeName]int{}
			w.mu.Lock()
			w.heard = func(to cluster.NodeName, operation string, in any) error {
				if operation != "peer validate" {
					return nil
				}
				w.mu.Lock()
				defer w.mu.Unlock()
				if old && len(in.(v1.PeerValidate).More) > 0 {
					return fault.Errorf(fault.Invalid, "unexpected property more")
				}
				asked[to]++
				return nil
			}
			w.mu.Unlock()
			w.acts.fail("r077 Validate n2", "it does not suit me")
			w.acts.fail("r140 Validate n3", "nor me")
			_, err := w.c().ClusterApply(w.ctx, root, v1.ClusterApply{Document: doc})
			if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "r077 on node n2") {
				w.t.Errorf("got %v", err)
			}
			var whole *fault.Error
			if !errors.As(err, &whole) {
				w.t.Fatalf("got %v", err)
			}
			if detail := whole.Detail; !strings.Contains(detail, "r140 on node n3") || strings.Contains(detail, "r078") {
				w.t.Errorf("the detail: %s", detail)
			}
			least, most := 3, 6 // a call has all resources of the group with it
			if old {
				least, most = resources, resources
			}
			for _, n := range []cluster.NodeName{"n2", "n3"} {
				if asked[n] < least || asked[n] > most {
					w.t.Errorf("%d requests to %s, want %d to %d", asked[n], n, least, most)
				}
			}
			if _, r, _ := specs(w); len(r) != 0 {
				w.t.Errorf("%d resources were written", len(r))
			}
		})
	}
}

func TestApplyALot(t *testing.T) {
	inWorld(t, func(w *world) {
		doc := v1.Document{Types: []v1.TypeDocument{{Name: "redoubt.many"}}}
		for i := range 1200 {
			n := strconv.Itoa(1000 + i)
			doc.Groups = append(doc.Groups, v1.GroupDocument{Name: "rg" + n, Properties: map[string][]string{}})
			doc.Resources = append(doc.Resources, v1.ResourceDocument{Name: "r" + n, Group: "rg" + n, Type: "redoubt.many", Enabled: true, Monitored: true})
		}
		ok[v1.Result](w.t)(w.c().ClusterApply(w.ctx, root, v1.ClusterApply{Document: doc}))
		if g, r, _ := specs(w); len(g) != 1200 || len(r) != 1200 || r[0].Name != cluster.ResourceName("r1000") {
			w.t.Errorf("%d groups and %d resources", len(g), len(r))
		}
		in := v1.GroupOnline{All: true, Enable: true, Monitor: true, Manage: true, NoWait: true}
		out := ok[v1.Result](w.t)(w.c().GroupOnline(w.ctx, root, in))
		synctest.Wait()
		wants := w.nodes["n1"].mirror.Snapshot().State.Wants
		if len(wants) != 1200 || len(out.Messages) < 1200 {
			w.t.Errorf("%d groups were asked for; %d messages", len(wants), len(out.Messages))
		}
		// The last of them all is refused: nothing is written of the others either.
		ok[v1.Result](w.t)(w.c().GroupSet(w.ctx, root, v1.GroupSet{Names: []string{"rg2199"}, Property: []string{"RG_system=TRUE"}}))
		refuse[v1.Result](w.t, fault.Precondition, "rg2199 is protected")(w.c().GroupOffline(w.ctx, root, v1.GroupOffline{All: true, NoWait: true}))
		synctest.Wait()
		if now := w.nodes["n1"].mirror.Snapshot().State.Wants; !slices.EqualFunc(wants, now, func(a, b model.Want) bool { return a.Seq == b.Seq }) {
			w.t.Error("groups were asked to go offline")
		}
	})
}
