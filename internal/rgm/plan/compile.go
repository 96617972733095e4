package plan

import (
	"cmp"
	"slices"
)

// part is the load of a group of one kind.
type part struct {
	kind int
	load int64
}

// item is a group as the solver sees it.
type item struct {
	cand     uint64 // the nodes that may run it
	last     uint64 // the node where it stays only if there is no other place
	ran      uint64 // where it runs, whether it may or not
	current  uint64 // where it runs and may run on
	draws    uint64
	home     uint64 // where it would be if nothing else counted: on the first of near, as many as it wants
	near     uint64 // current and draws
	want     int    // primaries at most: as many as desired, or as run
	desired  int
	due      int  // of desired: those that are missing if it has not even them, wherever its targets are
	bound    bool // the target of its ++ stays on last
	off      bool // never runs
	fixed    bool // suspended: is where it is
	pinned   bool // Never preempted
	remaster bool
	explicit bool
	dynamic  bool // a move of a strong target may draw it
	evicts   bool // is the target of -- of a group of its priority
	class    int32
	weight   int64 // of a move
	position []int8
	loads    []part
	pull     []pull  // targets of ++ and +++
	apart    []int32 // sources and targets of --
	prefer   []int32
	avoid    []int32
	sources  []int32 // groups with + - ++ or +++ to it
}

type pull struct {
	target   int32
	delegate bool
	stay     uint64 // for ++: where the target will be unless it has to move
}

// instance is a Problem in the form that solving needs; immutable once compiled.
type instance struct {
	p          *Problem
	nodes      int
	kinds      int
	classes    int
	items      []item
	order      []int32 // by importance, targets of ++ before their sources
	rank       []int32 // the place in order
	soft, hard []int64 // node*kinds+kind
	full       []int64 // likewise: the load that counts as a full node in the measure of balance
	mean       []int64 // by kind: the mean of full
}

// compile prepares a problem; requests of groups in refused count as not made.
func compile(p *Problem, refused []bool) *instance {
	in := &instance{p: p, nodes: len(p.Nodes), kinds: len(p.Kinds), items: make([]item, len(p.Groups))}
	var up, closed uint64
	for n, x := range p.Nodes {
		if !x.Down {
			up |= 1 << n
		}
		if x.Closed {
			closed |= 1 << n
		}
	}
	in.limits()
	positions := make([]int8, len(p.Groups)*in.nodes)
	parts := make([]part, 0, len(p.Groups)*in.kinds)
	for g := range p.Groups {
		x, t := &p.Groups[g], &in.items[g]
		t.position = positions[g*in.nodes : (g+1)*in.nodes]
		parts = in.compileGroup(x, t, up, closed, refused[g], parts)
	}
	in.link()
	in.owe()
	in.rankAll()
	in.pin()
	return in
}

func (in *instance) compileGroup(x *Group, t *item, up, closed uint64, refused bool, parts []part) []part {
	list := set(x.Nodelist)
	usable := list & up
	var stays uint64
	for _, r := range x.Refused {
		if r.Stays && x.Suspended && slices.Contains(x.Current, r.Node) {
			continue // nothing but an administrator moves it
		}
		usable &^= 1 << r.Node
		if r.Stays {
			stays |= 1 << r.Node
		}
	}
	current := set(x.Current)
	t.ran = current
	usable &^= closed &^ (current | set(x.Explicit))
	for i, n := range x.Nodelist {
		t.position[n] = int8(i)
	}
	t.off, t.remaster = x.Off, x.Remaster
	t.desired = min(x.Desired, x.Maximum)
	t.current = current & usable
	// What has to start anyway goes where the nodelist says.
	if x.Failback && !x.Remaster && t.current != 0 {
		t.draws = set(x.Draws) & usable
	}
	for _, n := range x.Nodelist {
		if stays&current&up&^usable&(1<<n) != 0 {
			t.last = 1 << n
			break
		}
	}
	t.cand, t.want = usable, t.desired
	ask := set(x.Explicit)
	if len(x.Explicit) == 0 && x.Held && !x.Suspended {
		ask = t.current
	}
	switch {
	case (len(x.Explicit) > 0 || ask != 0) && !refused && !x.Off:
		t.explicit, t.last, t.draws = true, 0, 0
		t.cand = usable & ask
		t.current &= ask
		t.want = min(max(1, count(t.cand)), x.Maximum)
		t.desired = t.want
		t.home = in.firstOf(x, t.cand, t.want)
		t.near = t.cand
	case x.Off:
		t.cand, t.last, t.current, t.desired, t.want = 0, 0, 0, 0, 0
	case x.Suspended:
		t.fixed = true
		t.want = min(count(t.current), x.Maximum)
		t.home = in.firstOf(x, t.current, t.want)
		t.near, t.cand, t.last, t.desired = t.home, t.home, 0, 0
	case !x.Remaster:
		t.want = min(max(t.desired, count(t.current)), x.Maximum)
		t.near = t.current | t.draws
		t.home = in.firstOf(x, t.near, t.want)
		t.pinned = x.Preemption == Never && t.current != 0
		t.dynamic = x.Failback && t.current != 0
	}
	switch x.Preemption {
	case Never:
		t.weight = 4000 + int64(x.Priority)
	case NoCost:
		t.weight = 500 + int64(x.Priority)/4
	default:
		t.weight = 2000 + int64(x.Priority)
	}
	from := len(parts)
	for k, l := range x.Loads {
		if l > 0 {
			parts = append(parts, part{k, l})
		}
	}
	t.loads = parts[from:len(parts):len(parts)]
	return parts
}

// firstOf is the first want nodes of m in the order of the nodelist.
func (in *instance) firstOf(x *Group, m uint64, want int) uint64 {
	if count(m) <= want {
		return m
	}
	var out uint64
	for _, n := range x.Nodelist {
		if want > 0 && m&(1<<n) != 0 {
			out |= 1 << n
			want--
		}
	}
	return out
}

func (in *instance) limits() {
	cells := make([]int64, 3*in.nodes*in.kinds+in.kinds)
	n := in.nodes * in.kinds
	in.soft, in.hard, in.full, in.mean = cells[:n], cells[n:2*n], cells[2*n:3*n], cells[3*n:]
	for k := range in.kinds {
		var most, sum int64
		for i := range in.p.Nodes {
			c := i*in.kinds + k
			in.soft[c], in.hard[c] = Unlimited, Unlimited
			if k < len(in.p.Nodes[i].Limits) {
				in.soft[c], in.hard[c] = in.p.Nodes[i].Limits[k].Soft, in.p.Nodes[i].Limits[k].Hard
			}
			in.full[c] = min(in.soft[c], in.hard[c])
			if in.full[c] != Unlimited {
				most = max(most, in.full[c])
			}
		}
		if most == 0 {
			for g := range in.p.Groups {
				if k < len(in.p.Groups[g].Loads) {
					most += in.p.Groups[g].Loads[k]
				}
			}
		}
		for i := range in.p.Nodes {
			c := i*in.kinds + k
			if in.full[c] == Unlimited {
				in.full[c] = most
			}
			in.full[c] = min(max(in.full[c], 1), 1<<46)
			sum += in.full[c]
		}
		in.mean[k] = max(sum/int64(max(in.nodes, 1)), 1)
	}
}

// link makes the lists of affinities, in both directions, out of two arrays.
func (in *instance) link() {
	var pulls, plain int
	type sizes struct{ pull, apart, prefer, avoid, sources int32 }
	size := make([]sizes, len(in.items))
	for g := range in.p.Groups {
		for _, a := range in.p.Groups[g].Affinities {
			switch a.Kind {
			case Require, Delegate:
				size[g].pull++
				size[a.Target].sources++
				pulls++
				plain++
			case Forbid:
				size[g].apart++
				size[a.Target].apart++
				plain += 2
			case Prefer:
				size[g].prefer++
				size[a.Target].sources++
				plain += 2
			default:
				size[g].avoid++
				size[a.Target].sources++
				plain += 2
			}
		}
	}
	ps, ids := make([]pull, 0, pulls), make([]int32, 0, plain)
	carve := func(n int32) []int32 {
		from := len(ids)
		ids = ids[:from+int(n)]
		return ids[from : from : from+int(n)]
	}
	for g := range in.items {
		t, s := &in.items[g], size[g]
		if s == (sizes{}) {
			continue
		}
		t.pull = ps[len(ps) : len(ps) : len(ps)+int(s.pull)]
		ps = ps[:len(ps)+int(s.pull)]
		t.apart, t.prefer, t.avoid, t.sources = carve(s.apart), carve(s.prefer), carve(s.avoid), carve(s.sources)
	}
	for g := range in.p.Groups {
		s := &in.items[g]
		for _, a := range in.p.Groups[g].Affinities {
			t := &in.items[a.Target]
			switch a.Kind {
			case Require, Delegate:
				s.pull = append(s.pull, pull{target: int32(a.Target), delegate: a.Kind == Delegate})
				t.sources = append(t.sources, int32(g))
			case Forbid:
				s.apart = append(s.apart, int32(a.Target))
				t.apart = append(t.apart, int32(g))
				t.evicts = t.evicts || in.p.Groups[g].Priority == in.p.Groups[a.Target].Priority
			case Prefer:
				s.prefer = append(s.prefer, int32(a.Target))
				t.sources = append(t.sources, int32(g))
			default:
				s.avoid = append(s.avoid, int32(a.Target))
				t.sources = append(t.sources, int32(g))
			}
		}
	}
	for g := range in.items {
		in.items[g].dynamic = in.items[g].dynamic && len(in.items[g].pull) > 0
	}
}

// owe notes the targets that run and may stay: they do not move for the sake of a ++ source. What the source can not have beside such a target is not
// missing, unless the target moves for another reason; and the source does not want to be elsewhere.
func (in *instance) owe() {
	homes := make([]uint64, len(in.items))
	for g := range in.items {
		if x := &in.items[g]; x.explicit || x.fixed || x.current&x.home != 0 {
			homes[g] = x.home
		}
	}
	for g := range in.items {
		t := &in.items[g]
		t.due = t.desired
		for i := range t.pull {
			q := &t.pull[i]
			if q.stay = homes[q.target]; q.delegate || q.stay == 0 {
				q.stay = 0
				continue
			}
			t.due = min(t.due, count((t.cand|t.last)&q.stay))
			t.bound = t.bound || t.last&q.stay != 0
			if !t.fixed {
				t.near &= q.stay
				t.home = in.firstOf(&in.p.Groups[g], t.near, t.want)
			}
		}
	}
	for changed := true; changed; {
		changed = false
		for g := range in.items {
			t := &in.items[g]
			for _, q := range t.pull {
				if x := &in.items[q.target]; !q.delegate && x.due == 0 && x.desired > 0 && t.due > 0 {
					t.due, changed = 0, true
				}
			}
		}
	}
}

// rankAll gives the classes of priority and the order in which groups are placed.
func (in *instance) rankAll() {
	var used [2002]int32
	raw := func(g int) int {
		if in.items[g].explicit {
			return 1000 - in.p.Groups[g].Priority
		}
		return 2001 - in.p.Groups[g].Priority
	}
	for g := range in.items {
		used[raw(g)] = 1
	}
	for i, u := range used {
		used[i] = int32(in.classes)
		in.classes += int(u)
	}
	type key struct{ eff, depth, load int64 }
	keys := make([]key, len(in.items))
	in.order, in.rank = make([]int32, len(in.items)), make([]int32, len(in.items))
	for g := range in.items {
		t := &in.items[g]
		t.class = used[raw(g)]
		keys[g].eff = int64(t.class)
		keys[g].load = in.weigh(t)
		in.order[g] = int32(g)
	}
	// Targets are as important as their most important source, and come before it. Rings end at MaxNodes rounds.
	for changed, round := true, 0; changed && round < MaxNodes; round++ {
		changed = false
		for g := range in.items {
			for _, q := range in.items[g].pull {
				if keys[q.target].eff > keys[g].eff {
					keys[q.target].eff, changed = keys[g].eff, true
				}
				if keys[g].depth <= keys[q.target].depth {
					keys[g].depth, changed = keys[q.target].depth+1, true
				}
			}
		}
	}
	slices.SortFunc(in.order, func(a, b int32) int {
		x, y := &keys[a], &keys[b]
		return cmp.Or(cmp.Compare(x.eff, y.eff), cmp.Compare(x.depth, y.depth), cmp.Compare(y.load, x.load), cmp.Compare(a, b))
	})
	for i, g := range in.order {
		in.rank[g] = int32(i)
	}
}

// pin lets go of groups that are Never preempted where they and the suspended ones alone exceed a hard limit, the least important first.
func (in *instance) pin() {
	load := make([]int64, len(in.hard))
	add := func(g int32) {
		for m := in.items[g].home; m != 0; m &= m - 1 {
			for _, l := range in.items[g].loads {
				load[first(m)*in.kinds+l.kind] += l.load
			}
		}
	}
	for g := range in.items {
		if in.items[g].fixed {
			add(int32(g))
		}
	}
	for _, g := range in.order {
		t := &in.items[g]
		if !t.pinned {
			continue
		}
		for m := t.home; m != 0; m &= m - 1 {
			for _, l := range t.loads {
				c := first(m)*in.kinds + l.kind
				t.pinned = t.pinned && load[c]+l.load <= in.hard[c]
			}
		}
		if t.pinned {
			add(g)
		}
	}
}
