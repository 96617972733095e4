package order

import (
	"reflect"
	"slices"

	"redoubt/internal/cluster"
	"redoubt/internal/rgm/model"
	"redoubt/internal/rgm/place"
	"redoubt/internal/rgm/plan"
)

// View is the placement of all groups of one snapshot, with what spoke for and against each node.
type View struct {
	solved
	planners []*planner // in the order of the state's groups, as the groups of the problem
	number   map[cluster.GroupName]int
	in       *facts
	alone    [][]int // with Err: where each group goes
}

// solved is a problem with its result.
type solved struct {
	Problem plan.Problem
	Result  plan.Result
	Err     error // the planner can not work with the configuration: groups are placed one by one, by the rule of singly
}

// Look places the groups of a snapshot.
func Look(s model.State) *View { return look(s, nil) }

// prepared has a planner for each group of a state.
func prepared(s *model.State) *View {
	v := &View{in: index(s), number: make(map[cluster.GroupName]int, len(s.Groups))}
	all := make([]planner, len(s.Groups))
	v.planners = make([]*planner, len(s.Groups))
	for i := range s.Groups {
		p := &all[i]
		p.in, p.s, p.g = v.in, s, &s.Groups[i]
		if old, exists := v.in.assignments[p.g.Name]; exists {
			p.old, p.exists = *old, true
		}
		v.number[p.g.Name], v.planners[i] = i, p
	}
	return v
}

func look(s model.State, last *solved) *View {
	v := prepared(&s)
	for {
		for _, p := range v.planners {
			p.prepare()
		}
		v.Problem = v.problem(&s)
		if last != nil && reflect.DeepEqual(v.Problem, last.Problem) {
			v.solved = *last
		} else {
			v.Result, v.Err = plan.Solve(v.Problem, plan.Effort{})
		}
		if v.Err != nil {
			v.alone = singly(&v.Problem)
		}
		if !v.refuse() {
			break
		}
	}
	v.choose()
	return v
}

// Fits reports why the groups of a state can not be placed together.
func Fits(s model.State) error {
	v := prepared(&s)
	for _, p := range v.planners {
		p.prepare()
	}
	return v.problem(&s).Check()
}

// refuse takes back the requests that the planner refuses, and reports whether there were any.
func (v *View) refuse() bool {
	again := false
	for i, p := range v.planners {
		if p.ignored != "" {
			continue
		}
		if v.Err != nil {
			if len(v.Problem.Groups[i].Explicit) > 0 && len(v.alone[i]) == 0 {
				p.ignored, again = "what was asked for was not done: none of these nodes can run the group beside what runs there", true
			}
			continue
		}
		if note, refused := v.Result.Refused(i); refused {
			p.ignored, again = "what was asked for was not done: "+note.Text, true
		}
	}
	return again
}

// problem is the snapshot as the planner of places sees it.
func (v *View) problem(s *model.State) plan.Problem {
	p := plan.Problem{Concentrate: s.Cluster.Concentrates(), Kinds: kinds(s)}
	kind := map[string]int{}
	for i, k := range p.Kinds {
		kind[k] = i
	}
	number := map[cluster.NodeName]int{}
	for i := range s.Nodes {
		if n := &s.Nodes[i]; !n.QuorumServer {
			number[n.Name] = len(p.Nodes)
			p.Nodes = append(p.Nodes, plan.Node{Name: string(n.Name), Down: !n.Member, Limits: limits(n, p.Kinds, kind)})
		}
	}
	p.Groups = make([]plan.Group, len(s.Groups))
	for i, x := range v.planners {
		x.describe(&p.Groups[i], number, kind, len(p.Kinds))
		for _, a := range x.g.Affinities {
			if t, ok := v.number[a.Target]; ok && t != i {
				p.Groups[i].Affinities = append(p.Groups[i].Affinities, plan.Affinity{Kind: affinityKinds[a.Kind], Target: t})
			}
		}
	}
	for i, x := range v.planners {
		for _, n := range x.stuck() {
			if at := number[n]; !slices.Contains(p.Groups[i].Current, at) || !x.targets(n) {
				p.Groups = remain(p.Groups, i, at, string(n))
			}
		}
	}
	return p
}

// remain adds what is left of a group on a node where its stop failed, as a group of its own that does not move: it takes its load, and keeps those away that may not
// share the node with it, until somebody clears it.
func remain(groups []plan.Group, of, node int, name string) []plan.Group {
	g := &groups[of]
	rest := plan.Group{
		Name: g.Name + ", whose stop failed on " + name + ",", Suspended: true, Priority: g.Priority, Desired: 1, Maximum: 1, Nodelist: []int{node}, Current: []int{node}, Loads: g.Loads,
	}
	for _, a := range g.Affinities {
		if a.Kind == plan.Forbid {
			rest.Affinities = append(rest.Affinities, a)
		}
	}
	for i := range groups {
		if i != of && slices.Contains(groups[i].Affinities, plan.Affinity{Kind: plan.Forbid, Target: of}) {
			groups[i].Affinities = append(groups[i].Affinities, plan.Affinity{Kind: plan.Forbid, Target: len(groups)})
		}
	}
	return append(groups, rest)
}

// stuck are the living nodes on which a stop of the group failed. Unless they are targets, it can not start there before that is cleared.
func (p *planner) stuck() []cluster.NodeName {
	var out []cluster.NodeName
	for _, i := range p.in.instances[p.g.Name] {
		if i.State == model.GroupErrorStopFailed && p.in.live[target(i)] {
			out = append(out, i.Node)
		}
	}
	return out
}

var affinityKinds = map[model.AffinityKind]plan.Kind{
	model.AffinityPrefer: plan.Prefer, model.AffinityRequire: plan.Require, model.AffinityDelegate: plan.Delegate, model.AffinityAvoid: plan.Avoid, model.AffinityForbid: plan.Forbid,
}

var preemptions = map[model.PreemptionMode]plan.Preemption{model.PreemptionNoCost: plan.NoCost, model.PreemptionNever: plan.Never}

// kinds are the names of the loads, sorted: those that are limited somewhere, and, as far as the planner takes so many, those that groups have without any limit: they
// are spread evenly, and keep nothing from anywhere.
func kinds(s *model.State) []string {
	var out, free []string
	for i := range s.Nodes {
		for _, l := range s.Nodes[i].LoadLimits {
			out = append(out, l.Name)
		}
	}
	slices.Sort(out)
	out = slices.Compact(out)
	for i := range s.Groups {
		for _, f := range s.Groups[i].LoadFactors {
			if _, limited := slices.BinarySearch(out, f.Name); !limited {
				free = append(free, f.Name)
			}
		}
	}
	slices.Sort(free)
	free = slices.Compact(free)
	out = append(out, free[:min(len(free), max(plan.MaxKinds-len(out), 0))]...)
	slices.Sort(out)
	return out
}

func limits(n *model.NodeState, kinds []string, kind map[string]int) []plan.Limit {
	if len(n.LoadLimits) == 0 {
		return nil
	}
	out := make([]plan.Limit, len(kinds))
	for i := range out {
		out[i] = plan.Limit{Soft: plan.Unlimited, Hard: plan.Unlimited}
	}
	bound := func(n int64) int64 {
		if n == model.Unlimited {
			return plan.Unlimited
		}
		return n
	}
	for _, l := range n.LoadLimits {
		out[kind[l.Name]] = plan.Limit{Soft: bound(l.Soft), Hard: bound(l.Hard)}
	}
	return out
}

// describe gives the planner's view of one group, but for its affinities.
func (p *planner) describe(g *plan.Group, number map[cluster.NodeName]int, kind map[string]int, kinds int) {
	*g = plan.Group{
		Name: string(p.g.Name), Suspended: p.g.Suspended, Failback: p.g.Failback, Remaster: p.remaster, Priority: p.g.Priority, Preemption: preemptions[p.g.PreemptionMode],
		Desired: p.desiring(), Maximum: p.g.MaximumPrimaries,
	}
	numbers := func(names []cluster.NodeName) (out []int) {
		if len(names) > 0 {
			out = make([]int, 0, len(names))
		}
		for _, n := range names {
			if i, ok := number[n]; ok {
				out = append(out, i)
			}
		}
		return out
	}
	g.Nodelist = numbers(p.g.Nodelist)
	if len(p.g.LoadFactors) > 0 {
		g.Loads = make([]int64, kinds)
		for _, f := range p.g.LoadFactors {
			if k, counts := kind[f.Name]; counts {
				g.Loads[k] = f.Load
			}
		}
	}
	if g.Off = p.off(); g.Off {
		return
	}
	under := p.underWay()
	g.Current, g.Coming, g.Explicit = numbers(p.current(under)), len(under) > 0, numbers(p.explicit)
	g.Held = p.next.HeldAt != 0 && p.next.HeldAt == p.s.Basis.Epoch && len(g.Current) >= g.Desired
	g.Draws = numbers(p.joined())
	for _, n := range p.stuck() {
		if i, ok := number[n]; ok && !p.targets(n) {
			g.Refused = append(g.Refused, plan.Refusal{Node: i, Reason: plan.Reason(place.StopFailed), Text: "a stop of the group failed here and has to be cleared first"})
		}
	}
	p.refusals = place.Refusals(p.s.Now, p.in.nodes, p.request(under))
	for _, note := range p.refusals {
		if i, ok := number[note.Node]; ok && note.Name != place.NotMember {
			g.Refused = append(g.Refused, plan.Refusal{Node: i, Reason: plan.Reason(note.Name), Text: note.Text, Stays: note.Name == place.Giveover})
		}
	}
}

// current is where the group counts as running: on its living targets, or, while a move is under way, where it goes.
func (p *planner) current(underWay []cluster.NodeName) []cluster.NodeName {
	if len(underWay) > 0 {
		return underWay
	}
	var out []cluster.NodeName
	for _, t := range p.next.Targets {
		if p.in.live[t] {
			out = append(out, t.Node)
		}
	}
	return out
}

// underWay are the nodes of a move that is not finished, if each of them can still take the group: its goal holds as if it had been reached.
func (p *planner) underWay() []cluster.NodeName {
	goal := p.next.Wanted
	if p.explicit != nil || p.remaster || len(p.pending()) == 0 || slices.ContainsFunc(goal, func(n cluster.NodeName) bool { return !p.able(n) || slices.Contains(p.stuck(), n) && !p.targets(n) }) {
		return nil
	}
	if slices.ContainsFunc(place.Refusals(p.s.Now, p.in.nodes, p.request(goal)), func(n model.Note) bool { return slices.Contains(goal, n.Node) }) {
		return nil
	}
	return goal
}

func (p *planner) request(underWay []cluster.NodeName) place.Request {
	return place.Request{Group: p.g, Explicit: p.explicit, UnderWay: underWay, OffNodes: p.next.OffNodes, Failures: p.next.Failures, Overruled: p.next.Overruled}
}

// joined are the nodes of the nodelist that came into the cluster after the group's place was decided last: Failback looks at each of them once. One that
// is evacuated as it comes is looked at when that is over, and none as long as the group is suspended.
func (p *planner) joined() (nodes []cluster.NodeName) {
	if p.old.Epoch >= p.in.newest {
		return nil
	}
	for _, n := range p.g.Nodelist {
		if x := p.in.nodes[n]; x != nil && x.Member && p.old.Epoch != 0 && x.Since > p.old.Epoch {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// considered notes that the nodes that joined have been looked at, if it matters: the group did or did not go to one of them now, and does not go there days later, when
// room is found or Failback is set.
func (p *planner) considered(g *plan.Group) {
	joined := p.joined()
	if g.Suspended || len(joined) == 0 || len(g.Current) == 0 {
		return
	}
	last := 0 // of those where it runs, in the nodelist
	for i, n := range g.Nodelist {
		if slices.Contains(g.Current, n) {
			last = i
		}
	}
	matters := len(g.Current) < g.Desired
	for _, n := range joined {
		x := p.in.nodes[n]
		if x.EvacuatedUntil.After(p.s.Now) {
			return
		}
		matters = matters || slices.Index(p.g.Nodelist, n) < last
	}
	if matters {
		p.next.Epoch = p.s.Basis.Epoch
	}
}

// choose takes the placement over: where each group shall run, and the notes that say why not elsewhere.
func (v *View) choose() {
	for i, p := range v.planners {
		g := &v.Problem.Groups[i]
		if g.Off {
			continue
		}
		at := v.places(i)
		for _, n := range g.Nodelist {
			if slices.Contains(at, n) {
				p.wanted = append(p.wanted, cluster.NodeName(v.Problem.Nodes[n].Name))
			}
		}
		p.holds(g, at)
		p.considered(g)
		v.explain(p, i)
	}
}

// places are the numbers of the nodes where a group goes, in their order.
func (v *View) places(i int) []int {
	if v.Err != nil {
		return v.alone[i]
	}
	return v.Result.Nodes(i)
}

// holds notes that the group is where an administrator put it.
func (p *planner) holds(g *plan.Group, at []int) {
	switch {
	case len(g.Explicit) > 0 && len(at) > 0:
		p.next.HeldAt = p.s.Basis.Epoch
	case !g.Held || !slices.Equal(slices.Sorted(slices.Values(g.Current)), at):
		p.next.HeldAt = 0
	}
}

// explain notes what keeps a group from nodes, or from running at all.
func (v *View) explain(p *planner, i int) {
	for _, note := range p.refusals {
		if note.Name == place.Giveover && slices.Contains(p.wanted, note.Node) {
			note = model.Note{Node: note.Node, Name: place.Surrounded, Text: plan.Stayed(p.g.Suspended)}
		}
		p.next.Notes = append(p.next.Notes, note)
	}
	if p.g.Suspended {
		p.note("", place.Suspended, "automatic recovery is suspended; resume it with `redoubt group resume "+string(p.g.Name)+"`")
	}
	if v.Err != nil {
		p.note("", place.Unplanned, v.Err.Error()+"; each group goes, in order of priority, where it may and where there is room, and none is moved to make some")
		return
	}
	if left, ok := v.Result.Left(i); ok && !p.g.Suspended && p.desiring() > 0 {
		p.note("", string(left.Reason), left.Text)
	}
}

// targets reports whether the group is ordered online on a node.
func (p *planner) targets(n cluster.NodeName) bool {
	return slices.ContainsFunc(p.next.Targets, func(t model.Target) bool { return t.Node == n })
}

// Groups are the groups of the state as the planner of places sees them. Behind them the problem may hold what is left of groups whose stop failed.
func (v *View) Groups() []plan.Group { return v.Problem.Groups[:len(v.planners)] }

// Of gives the number of a group in the problem and its result, and whether there is one.
func (v *View) Of(name cluster.GroupName) (int, bool) {
	i, ok := v.number[name]
	return i, ok
}

// Wanted is where a group shall run in the end, in the order of its nodelist.
func (v *View) Wanted(i int) []cluster.NodeName { return v.planners[i].wanted }

// Notes are what is to be said of a group's place.
func (v *View) Notes(i int) []model.Note { return v.planners[i].next.Notes }

// Choose is where a group would be placed beside all others if it ran on the nodes of current, with so many primaries desired, but not on those
// of without. Suspension does not count: it is asked for an administrator.
func Choose(s model.State, name cluster.GroupName, current, without []cluster.NodeName, primaries int) []cluster.NodeName {
	v := Look(s)
	i, ok := v.Of(name)
	if !ok {
		return nil
	}
	numbers := func(of []cluster.NodeName) (out []int) {
		for n, x := range v.Problem.Nodes {
			if slices.Contains(of, cluster.NodeName(x.Name)) {
				out = append(out, n)
			}
		}
		return out
	}
	on, off := numbers(current), numbers(without)
	p := plan.With(v.Problem, func(p *plan.Problem) {
		g := &p.Groups[i]
		g.Off, g.Suspended, g.Held, g.Explicit, g.Current, g.Desired = false, false, false, nil, on, primaries
		g.Refused = slices.Clone(g.Refused)
		for _, n := range off {
			g.Refused = append(g.Refused, plan.Refusal{Node: n, Reason: plan.Reason(place.TakenOff), Text: "is left out"})
		}
	})
	var at []int
	if r, err := plan.Solve(p, plan.Effort{}); err == nil {
		at = r.Nodes(i)
	} else {
		at = singly(&p)[i]
	}
	var out []cluster.NodeName
	for _, n := range p.Groups[i].Nodelist {
		if slices.Contains(at, n) {
			out = append(out, cluster.NodeName(p.Nodes[n].Name))
		}
	}
	return out
}
