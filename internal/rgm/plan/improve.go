package plan

import (
	"cmp"
	"slices"
)

// improve changes the placement while a change makes it better, for at most so many transactions. It reports whether it ended because
// nothing more was found.
func (s *state) improve(budget int) bool {
	limit := s.steps + budget
	for s.steps < limit {
		if s.raise(limit) || s.relieve(limit) || s.comeHome(limit) {
			continue
		}
		if !s.shuffle(limit) {
			return true
		}
	}
	return false
}

// raise brings groups online that are offline or have too few primaries, by making room or by moving what they have to follow.
func (s *state) raise(limit int) bool {
	changed := false
	var free []int64
	least := int32(-1)
	s.waiting = s.waiting[:0]
	for _, g := range s.in.order {
		if s.shares[g].offline > 0 {
			s.waiting = append(s.waiting, g)
		}
	}
	slices.SortStableFunc(s.waiting, func(a, b int32) int {
		x, y := &s.in.items[a], &s.in.items[b]
		return cmp.Or(cmp.Compare(x.class, y.class), cmp.Compare(s.in.weigh(x), s.in.weigh(y)))
	})
	for _, g := range s.in.order {
		if sh := &s.shares[g]; sh.offline == 0 && sh.missing == 0 && sh.stays == 0 {
			continue
		}
		if free == nil {
			free, least = s.slack()
		}
		if s.hopeless(g, free, least) {
			continue
		}
		if s.raiseOne(g, limit) {
			changed, free = true, nil
		}
	}
	return changed
}

// slack is the room left under the hard limits of all nodes together, by kind, and the least important class of the groups that have places.
func (s *state) slack() (free []int64, least int32) {
	in := s.in
	free, least = make([]int64, in.kinds), -1
	for k := range in.kinds {
		for n := range in.nodes {
			if c := n*in.kinds + k; !in.p.Nodes[n].Down {
				free[k] += min(max(in.hard[c]-s.load[c], 0), 1<<50)
			}
		}
	}
	for g := range s.at {
		if t := &in.items[g]; s.at[g] != 0 && !t.fixed {
			least = max(least, t.class)
		}
	}
	return free, least
}

// hopeless reports whether a group can not come online however others are moved: there is not enough room in all, and nobody to evict who is not more important.
func (s *state) hopeless(g int32, free []int64, least int32) bool {
	t := &s.in.items[g]
	if t.class <= least || s.shares[g].stays > 0 {
		return false
	}
	for _, l := range t.loads {
		if l.load > free[l.kind] {
			return true
		}
	}
	return false
}

func (s *state) raiseOne(g int32, limit int) bool {
	t := &s.in.items[g]
	best := -1
	var from cost
	var off, miss []int64
	for m := t.cand &^ s.at[g]; m != 0 && s.steps < limit; m &= m - 1 {
		n := first(m)
		s.begin()
		if s.attempt(g, n, s.at[g]&t.last) && s.welcome().better(true) {
			if best < 0 || compareStates(s, &from, off, miss) < 0 {
				best, from = n, s.cost
				off, miss = append(off[:0], s.offline...), append(miss[:0], s.missing...)
			}
		}
		s.rollback()
	}
	if best < 0 {
		return false
	}
	s.attempt(g, best, s.at[g]&t.last)
	s.welcome()
	s.begin()
	return true
}

// welcome puts groups that wait into room that an eviction has left: two small ones may be worth more than the one that had to go.
func (s *state) welcome() *state {
	const most = 8
	tried := 0
	for _, g := range s.waiting {
		if s.shares[g].offline == 0 {
			continue
		}
		if tried++; tried > most {
			break
		}
		s.fill(g)
	}
	return s
}

// weigh is the load of a group, all kinds together, in shares of a full node.
func (in *instance) weigh(t *item) (sum int64) {
	for _, l := range t.loads {
		sum += l.load << 16 / in.mean[l.kind]
	}
	return sum
}

// attempt forces a group onto a node and finds new places for whatever had to go.
func (s *state) attempt(g int32, n int, from uint64) bool {
	s.dirty = s.dirty[:0]
	if !s.force(g, n, from, map[int32]bool{}) {
		s.dirty = s.dirty[:0]
		return false
	}
	s.refill()
	return s.lawful()
}

// lawful reports whether what the transaction changed keeps the hard rules of affinity and of Never; those of load are kept at every step.
func (s *state) lawful() bool {
	for _, u := range s.log {
		t := &s.in.items[u.group]
		if at := s.at[u.group]; !t.fixed && (at&^s.allowed(u.group)&^t.last != 0 || at&t.last != 0 && (at != t.last || !s.pullsTo(u.group, first(at)))) || s.unpinned(u.group) != 0 {
			return false
		}
		for _, a := range t.apart {
			if s.unpinned(a) != 0 {
				return false
			}
		}
	}
	return true
}

func compareStates(s *state, c *cost, off, miss []int64) int {
	for i := range off {
		if s.offline[i] != off[i] {
			return int(s.offline[i] - off[i])
		}
	}
	for i := range miss {
		if s.missing[i] != miss[i] {
			return int(s.missing[i] - miss[i])
		}
	}
	return s.cost.compare(c)
}

// relieve moves groups off nodes whose soft limits are exceeded.
func (s *state) relieve(limit int) bool {
	in := s.in
	if s.cost.softs == 0 {
		return false
	}
	changed := false
	for c := range s.load {
		if s.load[c] <= in.soft[c] {
			continue
		}
		n, k := c/in.kinds, c%in.kinds
		for i := len(in.order) - 1; i >= 0 && s.load[c] > in.soft[c] && s.steps < limit; i-- {
			g := in.order[i]
			if s.at[g]&(1<<n) == 0 || in.items[g].fixed || in.items[g].pinned || !in.items[g].carries(k) {
				continue
			}
			changed = s.moveOff(g, n, limit, true) || changed
		}
	}
	return changed
}

func (t *item) carries(kind int) bool { return t.carried(kind) > 0 }

// moveOff moves a group from one node to where the placement as a whole is best, if that is better.
func (s *state) moveOff(g int32, n int, limit int, hard bool) bool {
	t := &s.in.items[g]
	m := t.cand &^ s.at[g] &^ (1 << n)
	for _, a := range t.apart {
		m &^= s.at[a]
	}
	alone := hard && !t.leads(s.in)
	softs, excess := s.relief(g, n)
	best := -1
	var from cost
	for ; m != 0 && s.steps < limit; m &= m - 1 {
		to := first(m)
		if !s.fits(g, to) {
			continue
		}
		if alone {
			if a, b := s.burden(g, to); a > softs || a == softs && b >= excess {
				continue
			}
		}
		s.begin()
		if s.shiftTo(g, n, to) && s.better(hard) && s.compareClasses() == 0 && (best < 0 || s.cost.compare(&from) < 0) {
			best, from = to, s.cost
		}
		s.rollback()
	}
	if best < 0 {
		return false
	}
	s.shiftTo(g, n, best)
	s.begin()
	return true
}

// leads reports whether other groups follow a group.
func (t *item) leads(in *instance) bool {
	for _, r := range t.sources {
		if len(in.items[r].pull) > 0 {
			return true
		}
	}
	return false
}

// relief is by how much a group's leaving a node lessens the number of soft limits exceeded and their excess.
func (s *state) relief(g int32, n int) (softs, excess int64) {
	for _, l := range s.in.items[g].loads {
		c := n*s.in.kinds + l.kind
		if soft := s.in.soft[c]; s.load[c] > soft {
			excess += min(l.load, s.load[c]-soft)
			if s.load[c]-l.load <= soft {
				softs++
			}
		}
	}
	return softs, excess
}

// burden is by how much its coming adds to them.
func (s *state) burden(g int32, n int) (softs, excess int64) {
	for _, l := range s.in.items[g].loads {
		c := n*s.in.kinds + l.kind
		if soft := s.in.soft[c]; s.load[c]+l.load > soft {
			excess += s.load[c] + l.load - max(s.load[c], soft)
			if s.load[c] <= soft {
				softs++
			}
		}
	}
	return softs, excess
}

// shiftTo moves a group from one node to another, its followers with it.
func (s *state) shiftTo(g int32, from, to int) bool {
	s.dirty = s.dirty[:0]
	if !s.pullsTo(g, to) || !s.drop(g, 1<<from) {
		return false
	}
	s.set(g, s.at[g]|1<<to)
	s.refill()
	return s.lawful()
}

// comeHome sends groups back to where they run or are drawn.
func (s *state) comeHome(limit int) bool {
	changed := false
	for _, g := range s.in.order {
		t := &s.in.items[g]
		if t.fixed || s.steps >= limit {
			continue
		}
		home, _ := s.homeOf(g)
		if t.last != 0 && s.at[g] == t.last {
			continue
		}
		for m := home &^ s.at[g]; m != 0; m &= m - 1 {
			s.begin()
			leave := s.at[g] &^ home
			if count(s.at[g]) < t.want {
				leave = 0
			}
			if leave != 0 {
				leave = 1 << first(leave)
			}
			if s.attempt(g, first(m), leave) && s.better(false) {
				s.begin()
				changed = true
			} else {
				s.rollback()
			}
		}
	}
	return changed
}

// shuffle moves what is not at home anyway to where it fits best.
func (s *state) shuffle(limit int) bool {
	changed := false
	for _, g := range s.in.order {
		t := &s.in.items[g]
		if t.fixed || s.at[g] == 0 || s.at[g] == t.last || s.steps >= limit {
			continue
		}
		home, near := s.homeOf(g)
		for m := s.at[g] &^ home; m != 0; m &= m - 1 {
			if n := first(m); s.at[g]&(1<<n) != 0 && s.promising(g, n, home, near) {
				changed = s.moveOff(g, n, limit, false) || changed
			}
		}
	}
	return changed
}

// promising reports whether some other node would cost a group less, by itself, than the one that it has.
func (s *state) promising(g int32, n int, home, near uint64) bool {
	t := &s.in.items[g]
	if t.leads(s.in) {
		return true // its followers count too
	}
	s.begin()
	s.set(g, s.at[g]&^(1<<n))
	mine := s.price(g, n, home, near)
	found := false
	for m := s.allowed(g) &^ s.at[g] &^ (1 << n); m != 0 && !found; m &= m - 1 {
		if o := first(m); s.fits(g, o) {
			p := s.price(g, o, home, near)
			found = p.compare(&mine) < 0
		}
	}
	s.rollback()
	return found
}
