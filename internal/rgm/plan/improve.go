package plan

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
	for _, g := range s.in.order {
		if sh := &s.shares[g]; sh.offline == 0 && sh.missing == 0 && sh.stays == 0 {
			continue
		}
		changed = s.raiseOne(g, limit) || changed
	}
	return changed
}

func (s *state) raiseOne(g int32, limit int) bool {
	t := &s.in.items[g]
	best := -1
	var from cost
	var off, miss []int64
	for m := t.cand &^ s.at[g]; m != 0 && s.steps < limit; m &= m - 1 {
		n := first(m)
		s.begin()
		if s.attempt(g, n, s.at[g]&t.last) && s.better(true) {
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
	s.begin()
	return true
}

// attempt forces a group onto a node and finds new places for whatever had to go.
func (s *state) attempt(g int32, n int, from uint64) bool {
	s.dirty = s.dirty[:0]
	if !s.force(g, n, from, map[int32]bool{}) {
		s.dirty = s.dirty[:0]
		return false
	}
	s.refill(nil)
	return s.lawful()
}

// lawful reports whether what the transaction changed keeps the hard rules of affinity; those of load are kept at every step.
func (s *state) lawful() bool {
	for _, u := range s.log {
		t := &s.in.items[u.group]
		if at := s.at[u.group]; !t.fixed && (at&^s.allowed(u.group)&^t.last != 0 || at&t.last != 0 && (at != t.last || !s.pullsTo(u.group, first(at)))) {
			return false
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

func (t *item) carries(kind int) bool {
	for _, l := range t.loads {
		if l.kind == kind {
			return true
		}
	}
	return false
}

// moveOff moves a group from one node to where the placement as a whole is best, if that is better.
func (s *state) moveOff(g int32, n int, limit int, hard bool) bool {
	t := &s.in.items[g]
	m := t.cand &^ s.at[g] &^ (1 << n)
	for _, a := range t.apart {
		m &^= s.at[a]
	}
	best := -1
	var from cost
	for ; m != 0 && s.steps < limit; m &= m - 1 {
		to := first(m)
		if !s.fits(g, to) {
			continue
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

// shiftTo moves a group from one node to another, its followers with it.
func (s *state) shiftTo(g int32, from, to int) bool {
	s.dirty = s.dirty[:0]
	if !s.pullsTo(g, to) || !s.drop(g, 1<<from) {
		return false
	}
	s.set(g, s.at[g]|1<<to)
	s.refill(nil)
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
	for _, r := range t.sources {
		if len(s.in.items[r].pull) > 0 {
			return true // its followers count too
		}
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
