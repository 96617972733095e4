package check

import (
	"fmt"
	"slices"

	"redoubt/internal/cluster"
	"redoubt/internal/rgm/model"
	"redoubt/internal/rgm/place"
)

// Unrest says why a group counts as being on its way, by what is ordered and what was reported; "" when it is at rest. What its nodes do that they have not reported yet only they can say. A group
// that waits for another to come online is at rest: it may wait for ever.
func Unrest(s model.State, name cluster.GroupName) string {
	g, ok := Group(s, name)
	if !ok {
		return ""
	}
	a, _ := Assignment(s, name)
	w, _ := named(s.Wants, name, func(x *model.Want) cluster.GroupName { return x.Group })
	switch {
	case g.Managed && w.Seq > a.WantSeq:
		return "what was asked for last is not ordered yet"
	case len(a.Leaving) > 0:
		return fmt.Sprintf("it leaves %s", a.Leaving[0].Node)
	}
	ordered := func(n cluster.NodeName) bool {
		return slices.ContainsFunc(a.Targets, func(t model.Target) bool { return t.Node == n })
	}
	for _, n := range a.Wanted {
		if !ordered(n) {
			return fmt.Sprintf("it is to start on %s", n)
		}
	}
	for _, t := range a.Targets {
		if slices.Contains(s.Held, t) {
			return fmt.Sprintf("%s was lost, and it is not certain yet that nothing runs there any more", t.Node)
		}
		// Suspended groups leave too: an administrator has asked for it.
		if n, ok := Node(s, t.Node); ok && place.Evacuates(s.Now, &n, a.Overruled) {
			return fmt.Sprintf("it is to leave %s, which is evacuated", t.Node)
		}
	}
	for _, i := range Instances(s, name) {
		if i.State == model.GroupPendingOnline || i.State == model.GroupPendingOffline {
			return fmt.Sprintf("it is %s on %s", i.State, i.Node)
		}
		if pleads(s, g, a, i) {
			return fmt.Sprintf("%s asks that it go elsewhere", i.Node)
		}
	}
	return ""
}

// pleads reports whether a node's request to take the group elsewhere has not been heard yet.
func pleads(s model.State, g model.Group, a model.Assignment, i model.Instance) bool {
	p := i.Plea
	if p == nil || p.Version != a.Version {
		return false
	}
	heard := slices.ContainsFunc(a.Failures, func(f model.Failure) bool { return f.Node == i.Node && f.At.Equal(p.At) })
	return !heard && place.Fresh(s.Now, &g, model.Failure{Node: i.Node, Kind: p.Kind, Resource: p.Resource, At: p.At})
}
