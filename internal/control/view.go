package control

import (
	"slices"
	"strings"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/engine"
	"redoubt/internal/fault"
	"redoubt/internal/membership"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/model"
)

// view is one reading of everything, on which a command decides. It is shared and never changed.
type view struct {
	snap   engine.Snapshot
	member membership.View
	state  model.State // with the facts of the membership
	now    time.Time
}

// look takes the newest reading there is.
func (c *Control) look(r *Running) view {
	v := view{snap: r.Source.Snapshot(), member: r.Membership.View(), now: c.cfg.Clock.Wall()}
	v.state = engine.BuildState(v.snap, v.member, v.now)
	if v.member.Record == nil && v.snap.Record != nil {
		// The membership has not started; what the repository says is better than nothing.
		v.member.Record = v.snap.Record
		v.state = engine.BuildState(v.snap, v.member, v.now)
	}
	return v
}

// read is what an operation that only reads decides on: it answers also without a majority, from what was last heard.
func (c *Control) read(r *Running) (view, error) {
	v := c.look(r)
	if v.snap.State.Basis.Revision == 0 {
		return v, fault.Errorf(fault.Unavailable, "this node has not read the configuration yet; try again in a moment, and look into its log if that does not help")
	}
	return v, nil
}

func (v view) group(name cluster.GroupName) (model.Group, error) {
	g, ok := check.Group(v.state, name)
	if !ok {
		return g, unknown("group", string(name), groupNames(v.state))
	}
	return g, nil
}

func (v view) resource(name cluster.ResourceName) (model.Resource, model.Type, error) {
	r, ok := check.Resource(v.state, name)
	if !ok {
		return r, model.Type{}, unknown("resource", string(name), resourceNames(v.state))
	}
	t, ok := check.Type(v.state, r.Type)
	if !ok {
		return r, t, fault.Errorf(fault.Precondition, "resource %s: its type %s is not registered; register it with `redoubt type register %s`", name, r.Type, r.Type)
	}
	return r, t, nil
}

func (v view) node(name cluster.NodeName) (model.NodeState, error) {
	n, ok := check.Node(v.state, name)
	if !ok {
		return n, unknown("node", string(name), nodeNames(v.state))
	}
	return n, nil
}

// instance is what a living node reports of a group.
func (v view) instance(g cluster.GroupName, n cluster.NodeName) (model.Instance, bool) {
	return check.Instance(v.state, g, n)
}

// assignment is the president's order for a group; the zero value when there is none yet.
func (v view) assignment(g cluster.GroupName) model.Assignment {
	a, _ := check.Assignment(v.state, g)
	return a
}

// isMember reports whether a node is in the cluster now.
func (v view) isMember(n cluster.NodeName) bool {
	s, ok := check.Node(v.state, n)
	return ok && s.Member
}

// members are the nodes that are in the cluster now.
func (v view) members() []cluster.NodeName {
	var out []cluster.NodeName
	for _, n := range v.state.Nodes {
		if n.Member {
			out = append(out, n.Name)
		}
	}
	return out
}

// runsOn are the nodes on which a group is ordered online or may still run something.
func (v view) runsOn(g cluster.GroupName) []cluster.NodeName {
	var out []cluster.NodeName
	add := func(n cluster.NodeName) {
		if !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	for _, t := range v.assignment(g).Targets {
		add(t.Node)
	}
	for _, i := range check.Instances(v.state, g) {
		if i.MayRun() {
			add(i.Node)
		}
	}
	slices.Sort(out)
	return out
}

func groupNames(s model.State) []string {
	out := []string{}
	for _, g := range s.Groups {
		out = append(out, string(g.Name))
	}
	return out
}

func resourceNames(s model.State) []string {
	out := []string{}
	for _, r := range s.Resources {
		out = append(out, string(r.Name))
	}
	return out
}

func typeNames(s model.State) []string {
	out := []string{}
	for _, t := range s.Types {
		out = append(out, string(t.Name))
	}
	return out
}

func nodeNames(s model.State) []string {
	out := []string{}
	for _, n := range s.Nodes {
		out = append(out, string(n.Name))
	}
	return out
}

// unknown is the error about a name that names nothing.
func unknown(kind, name string, known []string) error {
	return fault.Errorf(fault.NotFound, "%s %s does not exist; %s", kind, name, check.DidYouMean(name, known, "`redoubt "+kind+" list` shows those that do"))
}

// selected gives the operands of an operation: every name once, in the order given, or all there are.
func selected(kind string, names []string, all bool, known []string) ([]string, error) {
	switch {
	case all && len(names) > 0:
		return nil, fault.Errorf(fault.Invalid, "either names of %ss or all of them; both were given", kind)
	case all:
		return known, nil
	case len(names) == 0:
		return nil, fault.Errorf(fault.Invalid, "name at least one %s, or + for all", kind)
	}
	var out []string
	var errs []error
	for _, n := range names {
		if !slices.Contains(known, n) {
			errs = append(errs, unknown(kind, n, known))
		} else if !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out, together(errs)
}

// shownNames is selected for reads, where no operand means all.
func shownNames(kind string, names []string, known []string) ([]string, error) {
	return selected(kind, names, len(names) == 0, known)
}

// together makes one error of several: the first, with all of them in the detail.
func together(errs []error) error {
	errs = slices.DeleteFunc(errs, func(e error) bool { return e == nil })
	switch len(errs) {
	case 0:
		return nil
	case 1:
		return errs[0]
	}
	// The first is the text and the others the detail: each is said once.
	text, rest, _ := strings.Cut(errs[0].Error(), "\n")
	first := fault.Errorf(fault.CodeOf(errs[0]), "%s", text)
	first.Cause = errs[0]
	var lines []string
	if rest != "" {
		lines = append(lines, rest)
	}
	for _, e := range errs[1:] {
		lines = append(lines, e.Error())
	}
	return first.WithDetail(strings.Join(lines, "\n"))
}

func nodesOf(names []string) []cluster.NodeName {
	var out []cluster.NodeName
	for _, n := range names {
		if n = strings.TrimSpace(n); !slices.Contains(out, cluster.NodeName(n)) {
			out = append(out, cluster.NodeName(n))
		}
	}
	return out
}

func words[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = string(s)
	}
	return out
}

func commas[T ~string](list []T) string { return strings.Join(words(list), ", ") }

func namesOf[T ~string](list []string) []T {
	out := make([]T, len(list))
	for i, s := range list {
		out[i] = T(s)
	}
	return out
}
