package scenario_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/life"
	"redoubt/internal/rgm/model"
	"redoubt/internal/rgm/order"
)

// world is a cluster as its president sees it. Its executors do what they are told one small step at a time.
type world struct {
	s         model.State
	lives     map[cluster.NodeName]uint64
	broken    map[spot]bool // starts that fail
	jammed    map[spot]bool // stops that fail
	president order.Planner // remembers
	alone     []breach      // groups that were told to start where a strong target is not
	told      []string      // what the planner ordered, for the log
	given     given         // the reasons at the beginning and at the end of every settling, if they are to be kept
	pace      pace
}

// pace says which executors do their step in a beat; nil: all.
type pace func(w *world, beat int) func(spot) bool

func everywhere(spot) bool { return true }

// spot is a group on a node.
type spot struct {
	group cluster.GroupName
	node  cluster.NodeName
}

func newWorld(nodes ...cluster.NodeName) *world {
	w := &world{lives: map[cluster.NodeName]uint64{}, broken: map[spot]bool{}, jammed: map[spot]bool{}}
	w.s = model.State{Basis: model.Basis{Epoch: 10}, Formation: 2, Now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}
	for _, n := range nodes {
		w.s.Nodes = append(w.s.Nodes, model.NodeState{Node: model.Node{Name: n}, Member: true, Incarnation: w.life(n), Since: 2})
	}
	return w
}

// life gives a node a new incarnation.
func (w *world) life(n cluster.NodeName) cluster.Incarnation {
	w.lives[n]++
	return cluster.Incarnation{Number: w.lives[n], Tag: string(n)}
}

func (w *world) node(n cluster.NodeName) (*model.NodeState, error) {
	i := slices.IndexFunc(w.s.Nodes, func(x model.NodeState) bool { return x.Name == n })
	if i < 0 {
		return nil, fmt.Errorf("there is no node %s", n)
	}
	w.s.Nodes = slices.Clone(w.s.Nodes)
	return &w.s.Nodes[i], nil
}

func (w *world) group(g cluster.GroupName) (*model.Group, error) {
	i := slices.IndexFunc(w.s.Groups, func(x model.Group) bool { return x.Name == g })
	if i < 0 {
		return nil, fmt.Errorf("there is no group %s", g)
	}
	w.s.Groups = slices.Clone(w.s.Groups)
	return &w.s.Groups[i], nil
}

func (w *world) assignment(g cluster.GroupName) model.Assignment {
	a, _ := check.Assignment(w.s, g)
	return a
}

// starts puts a group where it runs when the story begins.
func (w *world) starts(g cluster.GroupName, nodes []cluster.NodeName) error {
	a := model.Assignment{Group: g, Version: 1, Epoch: w.s.Basis.Epoch, Formation: w.s.Formation, WantSeq: 1, Wanted: slices.Sorted(slices.Values(nodes))}
	for _, n := range a.Wanted {
		x, err := w.node(n)
		if err != nil {
			return err
		}
		a.Targets = append(a.Targets, model.Target{Node: n, Incarnation: x.Incarnation})
		w.report(model.Instance{Node: n, Incarnation: x.Incarnation, Group: g, Version: 1, State: model.GroupOnline})
	}
	w.put(a)
	w.want(model.Want{Group: g, Online: true})
	return nil
}

func (w *world) put(a model.Assignment) {
	w.s.Assignments = slices.DeleteFunc(slices.Clone(w.s.Assignments), func(o model.Assignment) bool { return o.Group == a.Group })
	w.s.Assignments = append(w.s.Assignments, a)
	slices.SortFunc(w.s.Assignments, func(a, b model.Assignment) int { return cmp.Compare(a.Group, b.Group) })
}

// report takes over what a node reports of a group; its resources are online when it is.
func (w *world) report(i model.Instance) {
	i.Resources = nil
	for _, r := range w.s.Resources {
		state := model.ResourceOffline
		if i.State == model.GroupOnline {
			state = model.ResourceOnline
		}
		if r.Group == i.Group {
			i.Resources = append(i.Resources, model.ResourceInstance{Name: r.Name, State: state})
		}
	}
	w.s.Instances = slices.DeleteFunc(slices.Clone(w.s.Instances), func(o model.Instance) bool { return o.Group == i.Group && o.Node == i.Node })
	w.s.Instances = append(w.s.Instances, i)
	slices.SortFunc(w.s.Instances, func(a, b model.Instance) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Node, b.Node))
	})
}

func (w *world) want(x model.Want) {
	for _, o := range w.s.Wants {
		if o.Group == x.Group {
			x.Seq = o.Seq
		}
	}
	x.Seq++
	w.s.Wants = slices.DeleteFunc(slices.Clone(w.s.Wants), func(o model.Want) bool { return o.Group == x.Group })
	w.s.Wants = append(w.s.Wants, x)
	slices.SortFunc(w.s.Wants, func(a, b model.Want) int { return cmp.Compare(a.Group, b.Group) })
}

// plan lets the president decide once, and writes what it decided to the repository. It reports whether there was anything.
func (w *world) plan() bool {
	steps := order.Plan(w.s)
	old := w.s.Assignments
	defer func() { w.startsAlone(old) }()
	for _, s := range steps {
		w.put(s.Assignment)
		if s.Why != "" {
			w.told = append(w.told, fmt.Sprintf("%s: %s", s.Assignment.Group, s.Why))
		}
	}
	return len(steps) > 0
}

// startsAlone notes who was told to start where a strong target of it is not ordered, suspended or not.
func (w *world) startsAlone(old []model.Assignment) {
	for _, g := range w.s.Groups {
		before, _ := check.Assignment(model.State{Assignments: old}, g.Name)
		for _, t := range w.assignment(g.Name).Targets {
			for _, a := range g.Affinities {
				if a.Kind.Strong() && !slices.Contains(before.Targets, t) && !w.ordered(a.Target, t.Node) {
					w.alone = append(w.alone, breach{"alone", fmt.Sprintf("group %s was told to start on %s without %s", g.Name, t.Node, a.Target)})
				}
			}
		}
	}
}

// beat lets the executors that may act do one step, and reports whether any did.
func (w *world) beat(may func(spot) bool) bool {
	moved := false
	for _, n := range w.s.Nodes {
		if !n.Member {
			continue
		}
		for _, a := range w.s.Assignments {
			at := spot{a.Group, n.Name}
			if !may(at) {
				continue
			}
			old := w.instance(at, n.Incarnation)
			if now := w.step(at, a, n.Incarnation, old); !sameInstance(old, now) {
				w.report(now)
				moved = true
			}
		}
	}
	return moved
}

func sameInstance(a, b model.Instance) bool {
	return a.Incarnation == b.Incarnation && a.Version == b.Version && a.Restart == b.Restart && a.State == b.State && a.Plea == b.Plea
}

// instance is what this life of the node last reported, nothing if it has reported nothing yet.
func (w *world) instance(at spot, life cluster.Incarnation) model.Instance {
	for _, i := range w.s.Instances {
		if i.Group == at.group && i.Node == at.node && i.Incarnation == life {
			return i
		}
	}
	return model.Instance{Node: at.node, Group: at.group}
}

// step is one step of one executor.
func (w *world) step(at spot, a model.Assignment, life cluster.Incarnation, i model.Instance) model.Instance {
	if i.State == "" {
		i.State = model.GroupOffline
	}
	stale := i.Version < a.Version
	i.Incarnation, i.Version = life, a.Version
	on := a.On(at.node, life)
	if i.Plea != nil && (stale && i.Plea.Version < a.Version && i.State == model.GroupOffline || !on) {
		i.Plea = nil
	}
	switch i.State {
	case model.GroupOffline:
		if on && (i.Plea == nil || i.Plea.Kind == model.PleaGiveover) {
			i.State, i.Restart, i.Plea = model.GroupPendingOnline, a.Restart, nil
		}
	case model.GroupPendingOnline, model.GroupPendingOnlineBlocked:
		before := w.before(at)
		switch {
		case !on:
			i.State = model.GroupPendingOffline
		case before != "":
			i.State, i.BlockedOn = model.GroupPendingOnlineBlocked, string(before)
		case i.State == model.GroupPendingOnlineBlocked:
			i.State, i.BlockedOn = model.GroupPendingOnline, ""
		case w.broken[at]:
			i.State = model.GroupOffline
			i.Plea = &model.Plea{Kind: model.PleaStartFailed, Resource: cluster.ResourceName(at.group + "-rs"), Version: a.Version, Why: "its Start failed", At: w.s.Now}
		default:
			i.State = model.GroupOnline
		}
	case model.GroupOnline:
		if !on || a.Restart > i.Restart {
			i.State = model.GroupPendingOffline
		}
	case model.GroupPendingOffline:
		i.State = model.GroupOffline
		if w.jammed[at] {
			i.State, i.BlockedOn = model.GroupErrorStopFailed, string(at.group)+"-rs"
		}
	}
	return i
}

// resource adds a resource to a group, with what it depends on: NAME or NAME{QUALIFIER}. What it names may be added later.
func (w *world) resource(name cluster.ResourceName, group cluster.GroupName, needs []string) error {
	if _, err := w.group(group); err != nil {
		return err
	}
	r := model.Resource{Name: name, Group: group, Enabled: true}
	for _, n := range needs {
		on, qualifier, qualified := strings.Cut(n, "{")
		d := model.Dependency{On: cluster.ResourceName(on), Kind: model.DependStrong, Qualifier: strings.TrimSuffix(qualifier, "}")}
		node, single := strings.CutPrefix(d.Qualifier, "@")
		_, err := w.node(cluster.NodeName(node))
		if known := d.Qualifier == model.LocalNode || d.Qualifier == model.AnyNode || single && err == nil; qualified && !known {
			return fmt.Errorf("%s: there is no such qualifier", n)
		}
		r.Dependencies = append(r.Dependencies, d)
	}
	w.s.Resources = append(w.s.Resources, r)
	slices.SortFunc(w.s.Resources, func(a, b model.Resource) int { return cmp.Compare(a.Name, b.Name) })
	return nil
}

// waits reports whether a resource of a group waits on a node for one of another group that does not come by itself: life's own word.
func (w *world) waits(at spot) bool {
	lives := map[cluster.NodeName]cluster.Incarnation{}
	for _, n := range w.s.Nodes {
		if n.Member {
			lives[n.Name] = n.Incarnation
		}
	}
	return !life.Survey(w.s, lives).Comes(at.group, at.node)
}

func target(i model.Instance) model.Target {
	return model.Target{Node: i.Node, Incarnation: i.Incarnation}
}

// before is a group that has to be online anywhere before this one comes up, or the group itself if one of its resources waits; "" if there is none.
func (w *world) before(at spot) cluster.GroupName {
	if slices.ContainsFunc(w.s.Resources, func(r model.Resource) bool { return r.Group == at.group }) && w.waits(at) {
		return at.group
	}
	g, err := w.group(at.group)
	if err != nil {
		return ""
	}
	for _, d := range g.Dependencies {
		if len(w.on(d)) == 0 {
			return d
		}
	}
	return ""
}

// on are the nodes where a group is online.
func (w *world) on(g cluster.GroupName) (nodes []cluster.NodeName) {
	for _, n := range w.s.Nodes {
		if n.Member && w.instance(spot{g, n.Name}, n.Incarnation).State == model.GroupOnline {
			nodes = append(nodes, n.Name)
		}
	}
	slices.Sort(nodes)
	return nodes
}

// mayRun are the nodes on which something of a group may be running, or is about to: those that were told to run it, and the lost ones that nobody is sure of, included.
func (w *world) mayRun(g cluster.GroupName) (nodes []cluster.NodeName) {
	for _, i := range w.s.Instances {
		if i.Group != g || !i.MayRun() {
			continue
		}
		if t := target(i); w.alive(t) || slices.Contains(w.s.Held, t) {
			nodes = append(nodes, i.Node)
		}
	}
	for _, t := range w.assignment(g).Targets {
		if !slices.Contains(nodes, t.Node) && w.alive(t) {
			nodes = append(nodes, t.Node)
		}
	}
	return nodes
}

func (w *world) alive(t model.Target) bool {
	return slices.ContainsFunc(w.s.Nodes, func(n model.NodeState) bool { return n.Member && n.Name == t.Node && n.Incarnation == t.Incarnation })
}

// stuck reports whether a stop of a group has failed on a node.
func (w *world) stuck(at spot) bool {
	return slices.ContainsFunc(w.s.Instances, func(i model.Instance) bool {
		return i.Group == at.group && i.Node == at.node && i.State == model.GroupErrorStopFailed
	})
}

// ordered reports whether a group is ordered online on a node.
func (w *world) ordered(g cluster.GroupName, n cluster.NodeName) bool {
	return slices.ContainsFunc(w.assignment(g).Targets, func(t model.Target) bool { return t.Node == n })
}

// lose takes nodes out of the membership; what they ran is held until they are fenced.
func (w *world) lose(nodes ...cluster.NodeName) error {
	w.s.Basis.Epoch++
	for _, n := range nodes {
		x, err := w.node(n)
		if err != nil {
			return err
		}
		if !x.Member {
			return fmt.Errorf("node %s is no member", n)
		}
		w.s.Held = append(slices.Clone(w.s.Held), model.Target{Node: n, Incarnation: x.Incarnation})
		x.Member, x.Incarnation, x.Since = false, cluster.Incarnation{}, 0
	}
	slices.SortFunc(w.s.Held, func(a, b model.Target) int { return cmp.Compare(a.Node, b.Node) })
	return nil
}

// fence makes it certain that nodes run nothing any more.
func (w *world) fence(nodes ...cluster.NodeName) {
	w.s.Held = slices.DeleteFunc(slices.Clone(w.s.Held), func(t model.Target) bool { return slices.Contains(nodes, t.Node) })
}

func (w *world) join(nodes ...cluster.NodeName) error {
	w.s.Basis.Epoch++
	for _, n := range nodes {
		x, err := w.node(n)
		if err != nil {
			return err
		}
		if x.Member {
			return fmt.Errorf("node %s is a member already", n)
		}
		x.Member, x.Incarnation, x.Since = true, w.life(n), w.s.Basis.Epoch
	}
	return nil
}

// anew is the whole cluster down and up again.
func (w *world) anew() error {
	var all []cluster.NodeName
	for _, n := range w.s.Nodes {
		all = append(all, n.Name)
		if n.Member {
			if err := w.lose(n.Name); err != nil {
				return err
			}
		}
	}
	w.fence(all...)
	err := w.join(all...)
	w.s.Formation = w.s.Basis.Epoch
	for i := range w.s.Nodes {
		w.s.Nodes[i].Since = w.s.Formation
	}
	return err
}

// succeed is another president: it knows what is in the repository, and decides under a new record.
func (w *world) succeed() error {
	b, err := json.Marshal(w.s)
	if err != nil {
		return err
	}
	var s model.State
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	s.Basis.Epoch++
	w.s = s
	return nil
}

// gives makes a monitor ask for another node, when the Monitor_check of some has refused.
func (w *world) gives(at spot, refused ...cluster.NodeName) error {
	x, err := w.node(at.node)
	if err != nil {
		return err
	}
	i := w.instance(at, x.Incarnation)
	if i.State != model.GroupOnline {
		return fmt.Errorf("group %s is not online on %s", at.group, at.node)
	}
	i.Plea = &model.Plea{Kind: model.PleaGiveover, Resource: cluster.ResourceName(at.group + "-rs"), Version: i.Version, Why: "its probe failed", At: w.s.Now}
	for _, n := range refused {
		i.Plea.Refused = append(i.Plea.Refused, model.Refusal{Node: n, Why: "its Monitor_check failed"})
	}
	w.report(i)
	return nil
}

// clear is an administrator who has seen to a stop that failed.
func (w *world) clear(at spot) error {
	x, err := w.node(at.node)
	if err != nil {
		return err
	}
	i := w.instance(at, x.Incarnation)
	if i.State != model.GroupErrorStopFailed {
		return fmt.Errorf("group %s has no stop that failed on %s, but is %s", at.group, at.node, i.State)
	}
	delete(w.jammed, at)
	i.State, i.BlockedOn = model.GroupOffline, ""
	w.report(i)
	return nil
}

// breach is a law that what runs at one moment breaks.
type breach struct{ law, text string }

// breaches are those of this moment; at rest, more is expected.
func (w *world) breaches(rest bool) (out []breach) {
	out = slices.Clone(w.alone)
	found := func(law, format string, args ...any) { out = append(out, breach{law, fmt.Sprintf(format, args...)}) }
	on := map[cluster.GroupName][]cluster.NodeName{}
	for _, g := range w.s.Groups {
		on[g.Name] = w.mayRun(g.Name)
	}
	load := map[cluster.NodeName]map[string]int64{}
	from := map[cluster.NodeName][]string{}
	suspended := map[cluster.NodeName]map[string]int64{}
	for _, g := range w.s.Groups {
		if n := len(on[g.Name]); n > g.MaximumPrimaries {
			found("primaries "+string(g.Name), "group %s runs on %v, more than Maximum_primaries %d", g.Name, on[g.Name], g.MaximumPrimaries)
		}
		for _, n := range on[g.Name] {
			for _, a := range g.Affinities {
				there := slices.Contains(on[a.Target], n)
				law := fmt.Sprint(g.Name, a.Kind, a.Target, n)
				if there && a.Kind == model.AffinityForbid {
					found(law, "groups %s and %s both run on %s in spite of --", g.Name, a.Target, n)
				}
				// While both start or stop, one may be a step ahead; what counts is that the source is not told to run where its target is not.
				// A suspended group stays as it is, and so does one that can not be stopped.
				if a.Kind.Strong() && !there && !g.Suspended && !w.stuck(spot{g.Name, n}) && (rest || w.ordered(g.Name, n) && !w.ordered(a.Target, n)) {
					found(law, "group %s runs on %s without %s in spite of %s", g.Name, n, a.Target, a.Kind)
				}
			}
			for _, f := range g.LoadFactors {
				if load[n] == nil {
					load[n], suspended[n] = map[string]int64{}, map[string]int64{}
				}
				load[n][f.Name] += f.Load
				if g.Suspended {
					suspended[n][f.Name] += f.Load
				}
				from[n] = append(from[n], fmt.Sprintf("%s %s@%d", g.Name, f.Name, f.Load))
			}
		}
	}
	for _, n := range w.s.Nodes {
		for _, l := range n.LoadLimits {
			// What suspended groups alone exceed can not be helped.
			if l.Hard != model.Unlimited && load[n.Name][l.Name] > l.Hard && suspended[n.Name][l.Name] <= l.Hard {
				found("limit "+l.Name+" "+string(n.Name), "node %s carries %s %d, above its hard limit %d: %s", n.Name, l.Name, load[n.Name][l.Name], l.Hard, strings.Join(from[n.Name], ", "))
			}
		}
	}
	return out
}

// settle goes on until nothing changes any more. It says what broke a law on the way, or that there was no end. What the event itself has broken may be so on the way,
// but not in the end.
func (w *world) settle() error {
	w.given.collect(w)
	defer func() { w.given.collect(w) }()
	before := w.breaches(false)
	idle, turns := 0, 1
	if w.pace != nil {
		turns = len(w.s.Nodes) + len(w.s.Groups) // until everybody has had his turn
	}
	for beat := range 1000 {
		may := everywhere
		if w.pace != nil {
			may = w.pace(w, beat)
		}
		changed := w.plan()
		if err := w.lawful(before, false); err != nil {
			return err
		}
		changed = w.beat(may) || changed
		if err := w.lawful(before, false); err != nil {
			return err
		}
		if idle++; changed {
			idle = 0
		}
		if idle >= turns {
			return w.lawful(nil, true)
		}
	}
	return fmt.Errorf("does not come to rest; the last that was ordered: %v", w.told[max(0, len(w.told)-10):])
}

// lawful says which laws are broken beside those that were before.
func (w *world) lawful(before []breach, rest bool) error {
	var texts []string
	for _, b := range w.breaches(rest) {
		if !slices.ContainsFunc(before, func(o breach) bool { return o.law == b.law }) {
			texts = append(texts, b.text)
		}
	}
	if len(texts) == 0 {
		return nil
	}
	return fmt.Errorf("%s; ordered so far:\n      %s", strings.Join(texts, "; "), strings.Join(w.told, "\n      "))
}
