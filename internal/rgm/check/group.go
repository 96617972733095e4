package check

import (
	"path"
	"slices"
	"strings"

	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/model"
)

type groupField = field[model.Group]

func groupFields() []groupField {
	fs := []groupField{
		{
			spec: model.PropertySpec{Name: "Nodelist", Type: model.TypeStringArray, Description: "the nodes that can run the group, in order of preference", Tunable: model.TunableAnytime},
			get: func(g model.Group) []string {
				out := make([]string, len(g.Nodelist))
				for i, n := range g.Nodelist {
					out[i] = string(n)
				}
				return out
			},
			set: func(g *model.Group, v []string) error {
				g.Nodelist = nil
				for _, n := range v {
					g.Nodelist = append(g.Nodelist, cluster.NodeName(strings.TrimSpace(n)))
				}
				return nil
			},
		},
		intField("Maximum_primaries", "on how many nodes the group may be online at once", 1, bound(1), bound(1000), func(g *model.Group) *int { return &g.MaximumPrimaries }),
		intField("Desired_primaries", "on how many nodes the group shall be online", 1, bound(1), bound(1000), func(g *model.Group) *int { return &g.DesiredPrimaries }),
		boolField("Failback", "return to a more preferred node when it comes back", false, func(g *model.Group) *bool { return &g.Failback }),
		intField("Pingpong_interval", "seconds in which a node that failed to run the group is not tried again", 3600, bound(0), bound(maxSeconds), func(g *model.Group) *int { return &g.PingpongInterval }),
		boolField("Auto_start_on_new_cluster", "come online by itself when the whole cluster starts", true, func(g *model.Group) *bool { return &g.AutoStartOnNewCluster }),
		boolField("Implicit_network_dependencies", "all resources depend on the addresses of the group", true, func(g *model.Group) *bool { return &g.ImplicitNetworkDependencies }),
		textField("Pathprefix", "the directory in which the group's resources keep their files", func(g *model.Group) *string { return &g.Pathprefix }),
		textField("RG_description", "what the group is for", func(g *model.Group) *string { return &g.Description }),
		boolField("RG_system", "protected: it can not be deleted, taken offline or changed before this is false again", false, func(g *model.Group) *bool { return &g.System }),
		suspension(),
	}
	fs = append(fs, placementFields()...)
	return append(fs,
		readOnly("RG_name", "the group's name", func(g model.Group) []string { return []string{string(g.Name)} }),
		readOnly("RG_mode", "Failover or Scalable, as Maximum_primaries says", func(g model.Group) []string {
			if g.Multi() {
				return []string{"Scalable"}
			}
			return []string{"Failover"}
		}))
}

// suspension is the administrator's part of it: that of a quiesce is no property, and is over soon.
func suspension() groupField {
	f := boolField("Suspend_automatic_recovery", "neither restarted nor moved by the cluster itself", false, func(g *model.Group) *bool { return &g.Suspended })
	f.get = func(g model.Group) []string { return flag(g.SuspendedByHand()) }
	f.set = func(g *model.Group, v []string) error { g.SuspendByHand(v[0] == "true"); return nil }
	return f
}

// GroupProperties lists the properties that groups have.
func GroupProperties() []model.PropertySpec {
	var out []model.PropertySpec
	for _, f := range groupFields() {
		out = append(out, f.spec)
	}
	return out
}

// GroupValues gives the properties of a group with their values.
func GroupValues(g model.Group) []model.Property { return valuesOf(groupFields(), g) }

// NewGroup makes the record of a new group, or says all that is wrong with it. Without a Nodelist it has all nodes of the cluster.
func NewGroup(s model.State, name cluster.GroupName, settings []Setting) (model.Group, Problems) {
	g, ps := DraftGroup(s, name, settings)
	if len(ps) == 0 {
		ps = CheckGroup(WithGroup(s, g), g)
	}
	return g, ps
}

// DraftGroup is NewGroup without a look at the resources in the group and at the nodes.
func DraftGroup(s model.State, name cluster.GroupName, settings []Setting) (model.Group, Problems) {
	at := "group " + string(name)
	var ps Problems
	if _, taken := Group(s, name); taken {
		ps.add(fault.Exists, at, "a group of this name exists; choose another name, or change it with `redoubt group set`")
		return model.Group{}, ps
	}
	g := model.Group{Name: name}
	for _, f := range groupFields() {
		if f.set == nil || f.spec.Default == nil {
			continue
		}
		if err := f.set(&g, f.spec.Default); err != nil {
			ps.add(fault.Internal, at+": property "+f.spec.Name, "has a wrong default: %v", err)
		}
	}
	g.Nodelist = NodesThatRun(s)
	g, p := setGroup(g, settings)
	return g, append(ps, p...)
}

// SetGroup makes the changed record of a group.
func SetGroup(s model.State, old model.Group, settings []Setting) (model.Group, Problems) {
	g, ps := DraftGroupChange(s, old, settings)
	if len(ps) > 0 {
		return g, ps
	}
	return g, CheckGroup(WithGroup(s, g), g)
}

// DraftGroupChange is SetGroup without a look at the resources in the group and at the nodes.
func DraftGroupChange(s model.State, old model.Group, settings []Setting) (model.Group, Problems) {
	g, ps := setGroup(old, settings)
	if len(ps) > 0 {
		return g, ps
	}
	if old.System && g.System {
		probe := old
		probe.Suspended, probe.Quiesced = g.Suspended, g.Quiesced // suspending it is allowed
		if !equalGroups(probe, g) {
			ps.add(fault.Precondition, "group "+string(g.Name), "is protected (RG_system); set RG_system=FALSE first")
			return g, ps
		}
	}
	for _, n := range old.Nodelist {
		if !slices.Contains(g.Nodelist, n) {
			ps = append(ps, leavesNode(s, old, n)...)
		}
	}
	return g, ps
}

func setGroup(g model.Group, settings []Setting) (model.Group, Problems) {
	g.Nodelist = slices.Clone(g.Nodelist)
	return setPlain("group "+string(g.Name), "a group", groupFields(), g, settings)
}

// CheckGroup says what is wrong with a group of the state, in itself, with its resources and beside others.
func CheckGroup(s model.State, g model.Group) Problems {
	ps := append(checkGroup(s, g), beside(s, g)...)
	starts := []vertex{{group: g.Name}}
	for _, r := range ResourcesOf(s, g.Name) {
		starts = append(starts, vertex{resource: r.Name})
	}
	return append(ps, cyclesThrough(s, starts...)...)
}

func checkGroup(s model.State, g model.Group) Problems {
	at := "group " + string(g.Name)
	var ps Problems
	if err := cluster.CheckName("group", string(g.Name)); err != nil {
		ps.add(fault.Invalid, at, "%v", err)
	}
	ps = append(ps, nodelist(s, g)...)
	for _, f := range groupFields() {
		if f.set == nil {
			continue
		}
		if _, err := normalize(f.spec, f.get(g)); err != nil {
			ps.add(fault.Invalid, at+": property "+f.spec.Name, "%v", err)
		}
	}
	if g.DesiredPrimaries > g.MaximumPrimaries {
		ps.add(fault.Invalid, at+": property Desired_primaries", "%d is more than Maximum_primaries %d; lower it or raise Maximum_primaries", g.DesiredPrimaries, g.MaximumPrimaries)
	}
	if g.Pathprefix != "" && (!path.IsAbs(g.Pathprefix) || path.Clean(g.Pathprefix) != g.Pathprefix) {
		ps.add(fault.Invalid, at+": property Pathprefix", "%q is not the full name of a directory, beginning with /", g.Pathprefix)
	}
	ps = append(ps, placement(s, g)...)
	for _, r := range ResourcesOf(s, g.Name) {
		if t, ok := Type(s, r.Type); ok {
			ps = append(ps, fits(s, g, t, r)...)
			ps = append(ps, scalable(s, g, r)...)
		}
	}
	return ps
}

func nodelist(s model.State, g model.Group) Problems {
	at := "group " + string(g.Name) + ": property Nodelist"
	var ps Problems
	if len(g.Nodelist) == 0 {
		ps.add(fault.Invalid, at, "is empty: the group could run nowhere; name at least one node")
	}
	for i, n := range g.Nodelist {
		node, ok := Node(s, n)
		switch {
		case !ok:
			ps.add(fault.Invalid, at, "node %q is not in the cluster; %s", n, DidYouMean(string(n), nodeNames(s), "its nodes are "+joinNodes(NodesThatRun(s))))
		case node.QuorumServer:
			ps.add(fault.Invalid, at, "%s is a quorum server and runs no services", n)
		case slices.Contains(g.Nodelist[:i], n):
			ps.add(fault.Invalid, at, "names node %s twice", n)
		}
	}
	return ps
}

func equalGroups(a, b model.Group) bool {
	pa, pb := GroupValues(a), GroupValues(b)
	return slices.EqualFunc(pa, pb, func(x, y model.Property) bool { return slices.Equal(x.Values, y.Values) })
}
