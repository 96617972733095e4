package plan

import (
	"cmp"
	"slices"
)

// construct makes the first placement: what is fixed, what is pinned, what was asked for, what runs and may stay; then the rest by importance.
func (s *state) construct() {
	in := s.in
	for g := range in.items {
		if in.items[g].fixed {
			s.set(int32(g), in.items[g].home)
		}
	}
	for pass := range 3 {
		for _, g := range in.order {
			t := &in.items[g]
			if t.fixed || t.home == 0 || pass != t.keeping() {
				continue
			}
			s.keep(g)
		}
	}
	// What was kept beside a target that could not be kept after all is taken back.
	for changed := true; changed; {
		changed = false
		for _, g := range in.order {
			if t := &in.items[g]; !t.fixed && s.at[g]&^s.allowed(g) != 0 {
				s.set(g, s.at[g]&s.allowed(g))
				changed = true
			}
		}
	}
	for _, g := range in.order {
		s.fill(g)
	}
	s.begin()
}

// keeping is the pass in which a group is kept: pinned ones first, then requests, then all others.
func (t *item) keeping() int {
	switch {
	case t.pinned:
		return 0
	case t.explicit:
		return 1
	default:
		return 2
	}
}

// keep puts a group where it wants to be, as far as there is room. A target that has not had its turn yet is trusted to stay.
func (s *state) keep(g int32) {
	t := &s.in.items[g]
	m := t.home
	for _, q := range t.pull {
		x := &s.in.items[q.target]
		if s.at[q.target] != 0 || x.home == 0 {
			m &= s.at[q.target]
		} else {
			m &= x.home
		}
	}
	for _, a := range t.apart {
		m &^= s.at[a]
	}
	for ; m != 0; m &= m - 1 {
		if n := first(m); s.fits(g, n) {
			s.set(g, s.at[g]|1<<n)
		}
	}
}

// placed is what one more node would cost a group.
type placed struct {
	softs, excess  int64
	far            int64 // 0 at home, 1 where it runs or is drawn to, else 2
	weak           int64
	balance, rank  int64
	conflictsAhead int64 // groups after it in the order that could not follow or not come here
	node           int
}

func (a *placed) compare(b *placed) int {
	return cmp.Or(cmp.Compare(a.softs, b.softs), cmp.Compare(a.excess, b.excess), cmp.Compare(a.far, b.far), cmp.Compare(a.conflictsAhead, b.conflictsAhead),
		cmp.Compare(a.weak, b.weak), cmp.Compare(a.balance, b.balance), cmp.Compare(a.rank, b.rank))
}

// price reckons what a node would cost, without trying.
func (s *state) price(g int32, n int, home, near uint64) placed {
	in, t := s.in, &s.in.items[g]
	p := placed{far: 2, node: n, rank: int64(t.position[n])}
	bit := uint64(1) << n
	switch {
	case home&bit != 0:
		p.far = 0
	case near&bit != 0:
		p.far = 1
	}
	p.softs, p.excess = s.burden(g, n)
	if !in.p.Concentrate {
		for _, l := range t.loads {
			c := n*in.kinds + l.kind
			p.balance += in.imbalance(c, l.kind, s.load[c]+l.load) - in.imbalance(c, l.kind, s.load[c])
		}
	}
	if in.p.Concentrate && len(t.loads) > 0 && s.carrying[n] == 0 {
		p.balance++
	}
	for _, x := range t.prefer {
		if s.at[x] != 0 && s.at[x]&bit == 0 {
			p.weak++
		}
	}
	for _, x := range t.avoid {
		if s.at[x]&bit != 0 {
			p.weak++
		}
	}
	for _, r := range t.sources {
		u := &in.items[r]
		for _, x := range u.avoid {
			if x == g && s.at[r]&bit != 0 {
				p.weak++
			}
		}
		for _, x := range u.prefer {
			if x == g && s.at[r] != 0 && s.at[r]&bit == 0 {
				p.weak++
			}
		}
		if s.at[r] == 0 && u.desired > 0 {
			for _, q := range u.pull {
				if q.target == g && u.cand&bit == 0 {
					p.conflictsAhead++
				}
			}
		}
	}
	for _, a := range t.apart {
		if u := &in.items[a]; s.at[a] == 0 && u.cand != 0 && u.cand&^bit == 0 {
			p.conflictsAhead++
		}
	}
	return p
}

// fill gives a group nodes until it has as many as desired, and beyond that those where it runs.
func (s *state) fill(g int32) {
	t := &s.in.items[g]
	if t.off || t.fixed {
		return
	}
	for count(s.at[g]&^t.last) < t.want {
		home, near := s.homeOf(g)
		m := s.allowed(g) &^ s.at[g]
		if count(s.at[g]) >= t.desired {
			m &= near
		}
		best := placed{node: -1}
		for ; m != 0; m &= m - 1 {
			n := first(m)
			if !s.fits(g, n) {
				continue
			}
			p := s.price(g, n, home, near)
			if p.far == 2 || best.node < 0 || best.far == 2 {
				p.conflictsAhead += s.strands(g, n)
			}
			if best.node < 0 || p.compare(&best) < 0 {
				best = p
			}
		}
		if best.node < 0 {
			break
		}
		s.set(g, s.at[g]&^t.last|1<<best.node)
	}
	if s.at[g] == 0 && t.last != 0 {
		if n := first(t.last); s.pullsTo(g, n) && s.fits(g, n) {
			s.set(g, t.last)
		}
	}
}

// pullsTo reports whether the strong affinities of a group let it be on a node.
func (s *state) pullsTo(g int32, n int) bool {
	for _, q := range s.in.items[g].pull {
		if s.at[q.target]&(1<<n) == 0 {
			return false
		}
	}
	for _, a := range s.in.items[g].apart {
		if s.at[a]&(1<<n) != 0 {
			return false
		}
	}
	return true
}

// strands counts the waiting followers of a group that would not fit on a node beside it.
func (s *state) strands(g int32, n int) int64 {
	in, t := s.in, &s.in.items[g]
	var lost int64
	var sum [8]int64
	any := false
	for _, r := range t.sources {
		u := &in.items[r]
		if s.at[r] != 0 || u.desired == 0 || len(u.pull) == 0 || len(u.loads) == 0 {
			continue
		}
		for _, q := range u.pull {
			if q.target != g {
				continue
			}
			for _, l := range u.loads {
				if l.kind < len(sum) {
					sum[l.kind] += l.load
					any = true
				}
			}
		}
	}
	if !any {
		return 0
	}
	for _, l := range t.loads {
		if l.kind < len(sum) {
			sum[l.kind] += l.load
		}
	}
	for k := range min(in.kinds, len(sum)) {
		if c := n*in.kinds + k; sum[k] > 0 && s.load[c] > in.hard[c]-sum[k] {
			lost++
		}
	}
	return lost
}

// drop takes nodes from a group, and from whatever has to be where it is. It reports false if something that can not move would have to.
func (s *state) drop(g int32, m uint64) bool {
	if s.at[g]&m == 0 {
		return true
	}
	if s.in.items[g].fixed {
		return false
	}
	s.set(g, s.at[g]&^m)
	s.dirty = append(s.dirty, g)
	return s.followers(g)
}

// followers takes the sources of ++ off the nodes on which their target is no more.
func (s *state) followers(g int32) bool {
	for _, r := range s.in.items[g].sources {
		for _, q := range s.in.items[r].pull {
			if q.target == g && !s.in.items[r].fixed && !s.drop(r, s.at[r]&^s.at[g]) {
				return false
			}
		}
	}
	return true
}

// refill finds new nodes for what was dropped, and for what hopes to follow it.
func (s *state) refill() {
	for i := 0; i < len(s.dirty); i++ {
		for _, r := range s.in.items[s.dirty[i]].sources {
			if len(s.in.items[r].pull) > 0 && count(s.at[r]) < s.in.items[r].desired && !slices.Contains(s.dirty, r) {
				s.dirty = append(s.dirty, r)
			}
		}
	}
	slices.SortFunc(s.dirty, func(a, b int32) int { return cmp.Compare(s.in.rank[a], s.in.rank[b]) })
	for _, g := range slices.Compact(s.dirty) {
		s.fill(g)
	}
	s.dirty = s.dirty[:0]
}

// force puts a group on one more node, whatever has to leave it for that: forbidden neighbours, and as many others as the hard limits need. Its
// strong targets come along if they are offline or, when they may be moved for it, from where they are.
func (s *state) force(g int32, n int, from uint64, open map[int32]bool) bool {
	t := &s.in.items[g]
	bit := uint64(1) << n
	if open[g] {
		return true
	}
	if t.fixed || t.off || (t.cand|t.last)&bit == 0 {
		return false
	}
	open[g] = true
	if from != 0 && !s.drop(g, from) {
		return false
	}
	if count(s.at[g]) >= max(t.want, 1) {
		// It moves: the node least near its home is given up.
		home, _ := s.homeOf(g)
		leave := s.at[g] &^ home
		if leave == 0 {
			leave = s.at[g]
		}
		if t.pinned && leave&t.home != 0 || !s.drop(g, 1<<first(leave)) {
			return false
		}
	}
	for _, q := range t.pull {
		if s.at[q.target]&bit != 0 {
			open[q.target] = true
		} else if !s.force(q.target, n, 0, open) {
			return false
		}
	}
	for _, a := range t.apart {
		if open[a] || !s.drop(a, bit) {
			if s.at[a]&bit != 0 {
				return false
			}
		}
	}
	if !s.room(g, n, open) {
		return false
	}
	s.set(g, s.at[g]|bit)
	s.dirty = append(s.dirty, g)
	return true
}

// room makes groups leave a node until another fits there under the hard limits.
func (s *state) room(g int32, n int, open map[int32]bool) bool {
	in := s.in
	for _, l := range in.items[g].loads {
		c := n*in.kinds + l.kind
		for s.load[c] > in.hard[c]-l.load {
			v := s.victim(n, l.kind, s.load[c]+l.load-in.hard[c], open)
			if v < 0 || !s.drop(v, 1<<n) {
				return false
			}
		}
	}
	return true
}

// victim is the group that leaves a node most easily: the smallest that frees enough, or else the largest; of No_cost before others, of the least priority.
func (s *state) victim(n, kind int, need int64, open map[int32]bool) int32 {
	best := int32(-1)
	var bestEnough bool
	var bestLoad int64
	consider := func(g int32) {
		t := &s.in.items[g]
		if t.fixed || t.pinned || open[g] {
			return
		}
		load := t.carried(kind)
		if load == 0 {
			return
		}
		enough := load >= need
		better := best < 0 || enough && !bestEnough
		if best >= 0 && enough == bestEnough {
			b := &s.in.items[best]
			prefer := cmp.Compare(load, bestLoad)
			if enough {
				prefer = cmp.Or(cmp.Compare(b.class, t.class), cmp.Compare(b.weight, t.weight), -prefer)
			}
			better = prefer > 0
		}
		if better {
			best, bestEnough, bestLoad = g, enough, load
		}
	}
	for i, w := range s.on[n*s.words : (n+1)*s.words] {
		for ; w != 0; w &= w - 1 {
			consider(int32(i<<6 + first(w)))
		}
	}
	return best
}
