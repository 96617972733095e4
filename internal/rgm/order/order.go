// Package order turns placements into the next safe assignments. Plan is a pure function of one snapshot; the president commits its steps
// under the guard of the membership record, so that a plan made on an older membership is never carried out.
//
// A group moves in steps. Taking a node out of the targets makes it leave: it stays in Leaving until it reports OFFLINE under a
// version in which it is no target, or until its incarnation is certain to run nothing (released by a majority, fenced, or followed by a later one).
// Only then is another node made a target in its place. So at every moment at most Maximum_primaries nodes can run the group, whoever is president and
// however late anybody's view is.
package order

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"redoubt/internal/cluster"
	"redoubt/internal/rgm/model"
	"redoubt/internal/rgm/place"
)

// Step is one assignment to write. Why is for the log; empty when only notes changed.
type Step struct {
	Assignment model.Assignment
	Why        string
}

// Plan returns the assignments that have to change now: first those that change where groups run, then those of which only the notes change, each sorted by group.
func Plan(s model.State) []Step { return new(Planner).Plan(s) }

// Planner is Plan with a memory: what was solved last is not solved again while nothing that the places depend on has changed. It is not safe for use by
// several goroutines; the zero value is ready.
type Planner struct{ last *solved }

// Plan is Plan of the package.
func (p *Planner) Plan(s model.State) []Step {
	v := look(s, p.last)
	last := v.solved // without the rest of the view
	p.last = &last
	return v.steps()
}

// steps carries the placement out as far as it is safe now.
func (v *View) steps() []Step {
	for _, p := range v.planners {
		p.depart()
	}
	v.admit()
	var changed []*planner
	for _, p := range v.planners {
		if !p.exists && !p.g.Managed {
			continue
		}
		// By pointers, or each would be copied for the comparison.
		if p.said = p.done(); !p.exists || !reflect.DeepEqual(&p.next, &p.old) {
			changed = append(changed, p)
		}
	}
	if len(changed) == 0 {
		return nil
	}
	// They may be too many to be written at once: what moves does not wait for what is only said.
	slices.SortStableFunc(changed, func(a, b *planner) int {
		return cmp.Compare(min(len(b.said), 1), min(len(a.said), 1))
	})
	steps := make([]Step, len(changed))
	for i, p := range changed {
		steps[i] = Step{Assignment: p.next, Why: p.said}
	}
	return steps
}

// facts are the state's slices as maps; only looked up, never ranged over.
type facts struct {
	assignments map[cluster.GroupName]*model.Assignment
	wants       map[cluster.GroupName]*model.Want
	instances   map[cluster.GroupName][]model.Instance
	live        map[model.Target]bool
	held        map[model.Target]bool
	incarnation map[cluster.NodeName]cluster.Incarnation
	nodes       map[cluster.NodeName]*model.NodeState
	newest      cluster.Epoch // at which the last member joined
}

func index(s *model.State) *facts {
	groups := len(s.Groups)
	in := &facts{
		assignments: make(map[cluster.GroupName]*model.Assignment, groups), wants: make(map[cluster.GroupName]*model.Want, groups), instances: make(map[cluster.GroupName][]model.Instance, groups),
		live: map[model.Target]bool{}, held: map[model.Target]bool{}, incarnation: map[cluster.NodeName]cluster.Incarnation{},
		nodes: make(map[cluster.NodeName]*model.NodeState, len(s.Nodes)),
	}
	for i := range s.Assignments {
		in.assignments[s.Assignments[i].Group] = &s.Assignments[i]
	}
	for i := range s.Wants {
		in.wants[s.Wants[i].Group] = &s.Wants[i]
	}
	// They are sorted by group: each group has a part of the slice. There may be as many as groups times nodes, too many to be copied at every plan.
	for from := 0; from < len(s.Instances); {
		to := from + 1
		for to < len(s.Instances) && s.Instances[to].Group == s.Instances[from].Group {
			to++
		}
		g := s.Instances[from].Group
		if part := s.Instances[from:to:to]; len(in.instances[g]) == 0 {
			in.instances[g] = part
		} else {
			in.instances[g] = append(in.instances[g], part...)
		}
		from = to
	}
	for i := range s.Nodes {
		n := &s.Nodes[i]
		in.nodes[n.Name] = n
		if n.Member {
			in.live[model.Target{Node: n.Name, Incarnation: n.Incarnation}] = true
			in.incarnation[n.Name] = n.Incarnation
			in.newest = max(in.newest, n.Since)
		}
	}
	for _, t := range s.Held {
		in.held[t] = true
	}
	return in
}

func clone(a model.Assignment) model.Assignment {
	a.Targets = slices.Clone(a.Targets)
	a.Leaving = slices.Clone(a.Leaving)
	a.Wanted = slices.Clone(a.Wanted)
	a.OffNodes = slices.Clone(a.OffNodes)
	a.Failures = slices.Clone(a.Failures)
	a.Overruled = slices.Clone(a.Overruled)
	a.Notes = nil
	return a
}

// planner plans one group.
type planner struct {
	in       *facts
	s        *model.State
	g        *model.Group
	old      model.Assignment
	next     model.Assignment
	exists   bool // the assignment
	explicit []cluster.NodeName
	remaster bool
	reason   string
	again    bool   // a start that failed longer ago than Pingpong_interval is tried again
	ignored  string // why what was asked for is not done
	refusals []model.Note
	wanted   []cluster.NodeName // where the group shall run in the end, in the order of its nodelist
	keep     []model.Target
	waiting  []model.Note // what an admission waits for
	said     string       // of the change, for the log
}

// prepare applies what was asked and what was reported to the assignment, but for the nodes.
func (p *planner) prepare() {
	p.next, p.explicit, p.remaster, p.reason, p.again = clone(p.old), nil, false, "", false
	p.next.Group = p.g.Name
	p.newFormation()
	p.heedWant()
	p.heedPleas()
}

// done gives the assignment its version and the log its line.
func (p *planner) done() string {
	if p.old.Version == 0 || p.again || p.next.Restart != p.old.Restart || !slices.Equal(p.next.Targets, p.old.Targets) {
		p.next.Version = p.old.Version + 1
		p.next.Epoch = p.s.Basis.Epoch
		if p.next.WantSeq == p.old.WantSeq {
			p.next.Notes = slices.DeleteFunc(p.next.Notes, func(n model.Note) bool { return n.Name == place.Ignored })
		}
	}
	p.next.Overruled = slices.DeleteFunc(p.next.Overruled, func(e model.Evacuation) bool { return !slices.Contains(p.wanted, e.Node) || !e.Until.After(p.s.Now) })
	if len(p.next.Overruled) == 0 {
		p.next.Overruled = nil
	}
	p.omit()
	if len(p.next.Notes) == 0 {
		p.next.Notes = nil
	}
	return p.why()
}

// omit leaves out which nodes are away when the group has as many as it shall have: whoever reads it knows the members, and the assignments of all groups would be written anew whenever one goes or comes.
func (p *planner) omit() {
	if len(p.wanted) >= p.desiring() {
		p.next.Notes = slices.DeleteFunc(p.next.Notes, func(n model.Note) bool { return n.Name == place.NotMember })
	}
}

// newFormation applies Auto_start_on_new_cluster when the cluster formed anew.
func (p *planner) newFormation() {
	if p.next.Formation == p.s.Formation || !p.g.Managed {
		return
	}
	// A group that nobody has brought online yet stays offline, whatever Auto_start_on_new_cluster says.
	p.next.Off = p.old.Formation == 0 || !p.g.AutoStartOnNewCluster
	p.next.Formation = p.s.Formation
	p.next.OffNodes, p.next.Failures = nil, nil
	p.next.Primaries, p.next.PrimariesOf = 0, 0
}

// fewer notes that the group was switched to fewer nodes than Desired_primaries: it stays on so many, be it on others when one of them is lost.
func (p *planner) fewer(nodes []cluster.NodeName) {
	able := 0
	for _, n := range nodes {
		if p.able(n) {
			able++
		}
	}
	p.next.Primaries, p.next.PrimariesOf = 0, 0
	if able < p.g.DesiredPrimaries {
		p.next.Primaries, p.next.PrimariesOf = able, p.g.DesiredPrimaries
	}
}

// desiring is the number of primaries that the group shall have now.
func (p *planner) desiring() int {
	if p.next.Primaries > 0 && p.next.PrimariesOf == p.g.DesiredPrimaries {
		return min(p.g.DesiredPrimaries, p.next.Primaries)
	}
	p.next.Primaries, p.next.PrimariesOf = 0, 0
	return p.g.DesiredPrimaries
}

// heedWant carries out, once, what an administrator asked for.
func (p *planner) heedWant() {
	w, ok := p.in.wants[p.g.Name]
	if !ok || w.Seq <= p.next.WantSeq {
		p.remind()
		return
	}
	p.next.WantSeq = w.Seq
	switch {
	case p.ignored != "":
		// What runs is not stopped for a place that does not exist.
		p.note("", place.Ignored, p.ignored)
	case w.Restart:
		p.next.Restart++
		p.reason = "restart asked for"
	case w.Online && len(w.Nodes) > 0 && !slices.ContainsFunc(w.Nodes, p.able):
		p.note("", place.Ignored, fmt.Sprintf("none of the nodes asked for last (%v) was in the cluster and in the nodelist; nothing was changed", w.Nodes))
	case w.Online && len(w.Nodes) > 0:
		p.next.Off = false
		p.explicit = w.Nodes
		p.fewer(w.Nodes)
		p.overrule(w.Nodes)
		in := func(n cluster.NodeName) bool { return slices.Contains(w.Nodes, n) }
		p.next.OffNodes = slices.DeleteFunc(p.next.OffNodes, in)
		p.next.Failures = slices.DeleteFunc(p.next.Failures, func(f model.Failure) bool { return in(f.Node) })
		p.reason = "asked for"
	case w.Online:
		p.next.Off, p.next.OffNodes = false, nil
		p.next.Primaries, p.next.PrimariesOf, p.next.HeldAt = 0, 0, 0
		p.remaster = w.Remaster
		if w.Force {
			p.next.Failures = nil
		}
		p.reason = "asked for"
	case len(w.Nodes) > 0:
		for _, n := range w.Nodes {
			if !slices.Contains(p.next.OffNodes, n) {
				p.next.OffNodes = append(p.next.OffNodes, n)
			}
		}
		slices.Sort(p.next.OffNodes)
		p.reason = "taken off these nodes"
	default:
		p.next.Off = true
		p.reason = "taken offline"
	}
}

// remind keeps the note of a request that was not carried out, until something else happens to the group.
func (p *planner) remind() {
	for _, n := range p.old.Notes {
		if n.Name == place.Ignored {
			p.next.Notes = append(p.next.Notes, n)
		}
	}
}

// overrule notes the evacuations in spite of which the group is put on nodes.
func (p *planner) overrule(nodes []cluster.NodeName) {
	p.next.Overruled = nil
	for i := range p.s.Nodes {
		if n := &p.s.Nodes[i]; slices.Contains(nodes, n.Name) && n.EvacuatedUntil.After(p.s.Now) {
			p.next.Overruled = append(p.next.Overruled, model.Evacuation{Node: n.Name, Until: n.EvacuatedUntil})
		}
	}
}

// able reports whether a node could be told to run the group at all.
func (p *planner) able(n cluster.NodeName) bool {
	_, member := p.in.incarnation[n]
	return member && slices.Contains(p.g.Nodelist, n)
}

// heedPleas notes, once, the starts that failed and the requests to give the group away; old ones are forgotten.
func (p *planner) heedPleas() {
	for _, i := range p.in.instances[p.g.Name] {
		if i.Plea == nil || i.Plea.Version != p.old.Version || !p.in.live[target(i)] {
			continue
		}
		f := model.Failure{Node: i.Node, Kind: i.Plea.Kind, Resource: i.Plea.Resource, Why: i.Plea.Why, At: i.Plea.At}
		known := slices.ContainsFunc(p.next.Failures, func(k model.Failure) bool { return k.Node == f.Node && k.At.Equal(f.At) })
		if !known {
			p.next.Failures = append(p.next.Failures, f)
			p.reason = fmt.Sprintf("resource %s on %s: %s", f.Resource, f.Node, f.Why)
			for _, r := range i.Plea.Refused {
				p.next.Failures = append(p.next.Failures, model.Failure{Node: r.Node, Kind: model.MonitorRefused, Resource: f.Resource, Why: r.Why, At: f.At})
			}
		}
		// Who heard of it too late to keep the node out has to say that it may be tried again, or it would wait for ever.
		p.again = p.again || f.Kind == model.PleaStartFailed && !p.g.Suspended && !place.Fresh(p.s.Now, p.g, f)
	}
	p.next.Failures = slices.DeleteFunc(p.next.Failures, func(f model.Failure) bool { return !place.Fresh(p.s.Now, p.g, f) })
	if len(p.next.Failures) == 0 {
		p.next.Failures = nil
	}
}

func target(i model.Instance) model.Target {
	return model.Target{Node: i.Node, Incarnation: i.Incarnation}
}

// off reports whether the group is not to run at all, and notes why.
func (p *planner) off() bool {
	switch {
	case !p.g.Managed:
		p.note("", place.Unmanaged, "not managed; manage it with `redoubt group manage "+string(p.g.Name)+"`")
	case p.next.Off && p.old.WantSeq == 0 && p.next.WantSeq == 0:
		p.note("", place.Off, "never brought online; `redoubt group online "+string(p.g.Name)+"` does")
	case p.next.Off:
		p.note("", place.Off, "taken offline, or not started with a new cluster; `redoubt group online "+string(p.g.Name)+"` brings it back")
	default:
		return false
	}
	return true
}

// pending are the nodes that were chosen but could not be made targets yet.
func (p *planner) pending() []cluster.NodeName {
	var nodes []cluster.NodeName
	for _, n := range p.next.Wanted {
		if !slices.ContainsFunc(p.next.Targets, func(t model.Target) bool { return t.Node == n }) {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// depart computes who leaves and who stays on the way to the nodes that are wanted.
func (p *planner) depart() {
	// Wanted is kept in node order so that equal choices compare equal.
	p.next.Wanted = slices.Sorted(slices.Values(p.wanted))
	if len(p.next.Wanted) == 0 {
		p.next.Wanted = nil
	}
	var stopFailed []cluster.NodeName
	for _, i := range p.in.instances[p.g.Name] {
		if i.State == model.GroupErrorStopFailed && p.in.live[target(i)] {
			stopFailed = append(stopFailed, i.Node)
			p.note(i.Node, place.StopFailed, "a stop failed ("+i.BlockedOn+"); see what is wrong, then `redoubt resource clear`")
		}
	}
	for _, t := range p.next.Targets {
		switch {
		case p.in.live[t] && (slices.Contains(p.wanted, t.Node) || slices.Contains(stopFailed, t.Node)):
			p.keep = append(p.keep, t)
		case p.in.live[t] || p.in.held[t]:
			p.leave(t)
		}
	}
	p.next.Leaving = slices.DeleteFunc(p.next.Leaving, func(t model.Target) bool { return p.left(t) })
	p.strays(p.keep)
	if len(p.next.Leaving) == 0 {
		p.next.Leaving = nil
	}
	slices.SortFunc(p.next.Leaving, byNode)
	p.next.Targets = p.keep
}

// leave makes a target leave, once.
func (p *planner) leave(t model.Target) {
	if !slices.Contains(p.next.Leaving, t) {
		p.next.Leaving = append(p.next.Leaving, t)
	}
}

// left reports whether a leaver certainly runs nothing of the group any more.
func (p *planner) left(t model.Target) bool {
	if p.in.held[t] {
		return false
	}
	if !p.in.live[t] {
		return true
	}
	if slices.Contains(p.old.Targets, t) {
		return false // it is told only now
	}
	for _, i := range p.in.instances[p.g.Name] {
		if target(i) == t {
			return !i.MayRun() && i.Version >= p.old.Version
		}
	}
	return false
}

// strays adds whatever runs the group without being ordered to: a repository that was restored from an older snapshot does not know.
func (p *planner) strays(keep []model.Target) {
	for _, i := range p.in.instances[p.g.Name] {
		t := target(i)
		if i.MayRun() && (p.in.live[t] || p.in.held[t]) && !slices.Contains(keep, t) && !slices.Contains(p.next.Leaving, t) {
			p.next.Leaving = append(p.next.Leaving, t)
		}
	}
}

func byNode(a, b model.Target) int {
	return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.Incarnation.Number, b.Incarnation.Number))
}

func (p *planner) note(n cluster.NodeName, name, text string) {
	p.next.Notes = append(p.next.Notes, model.Note{Node: n, Name: name, Text: text})
}

// why describes the change for the log.
func (p *planner) why() string {
	if slices.Equal(p.next.Targets, p.old.Targets) && p.next.Restart == p.old.Restart && !p.again {
		return ""
	}
	var parts []string
	for _, t := range p.old.Targets {
		if !slices.Contains(p.next.Targets, t) {
			switch {
			case p.in.live[t]:
				parts = append(parts, "leaves "+string(t.Node))
			default:
				parts = append(parts, "lost "+string(t.Node))
			}
		}
	}
	for _, t := range p.next.Targets {
		if !slices.Contains(p.old.Targets, t) {
			parts = append(parts, "starts on "+string(t.Node))
		}
	}
	if p.again {
		parts = append(parts, "tried again")
	}
	if p.reason != "" {
		parts = append(parts, p.reason)
	}
	return strings.Join(parts, "; ")
}
