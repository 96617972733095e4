package plan

import "cmp"

// cost is the objective beside the counts by class of what is offline and missing; the fields decide in this order.
type cost struct {
	evicting int64 // targets of -- that are offline
	stays    int64 // groups that stay where they were asked to leave
	softs    int64 // soft limits exceeded
	excess   int64 // by how much in all
	moves    int64 // weighted
	unserved int64 // primaries that sources of ++ lack because their targets stay where they run
	weak     int64 // weak affinities broken
	balance  int64 // imbalance, or nodes that carry load
	rank     int64 // places in the nodelists
}

// compareHard compares what decides whether something running may be moved.
func (a *cost) compareHard(b *cost) int {
	return cmp.Or(cmp.Compare(a.evicting, b.evicting), cmp.Compare(a.stays, b.stays), cmp.Compare(a.softs, b.softs), cmp.Compare(a.excess, b.excess))
}

func (a *cost) compare(b *cost) int {
	return cmp.Or(a.compareHard(b), cmp.Compare(a.moves, b.moves), cmp.Compare(a.unserved, b.unserved), cmp.Compare(a.weak, b.weak), cmp.Compare(a.balance, b.balance), cmp.Compare(a.rank, b.rank))
}

// share is what one group adds to the objective.
type share struct {
	offline, missing int32
	excused          bool // offline because its ++ target stays where it runs
	evicting, stays  int64
	moves, weak      int64
	unserved         int64
	rank             int64
}

// state is a placement, complete or (active) in part, with its objective kept up to date.
type state struct {
	in               *instance
	at               []uint64
	active           []bool // others do not count yet
	load             []int64
	carrying         []int32  // by node: groups with load
	on               []uint64 // by node: the set of these groups, words at a time
	words            int      // of each set
	shares           []share
	cost             cost
	offline, missing []int64 // by class
	log              []undo
	touched          []int32 // classes, since begin
	off0, miss0      []int64 // for touched: the counts at begin
	mark             []bool
	cost0            cost
	dirty            []int32
	waiting          []int32 // offline, the most important and the smallest first
	steps            int     // transactions made
}

type undo struct {
	group int32
	old   uint64
}

func newState(in *instance) *state {
	n := len(in.items)
	counts := make([]int64, 4*in.classes)
	c := in.classes
	flags := make([]bool, n+c)
	s := &state{
		words: (n + 63) / 64, on: make([]uint64, in.nodes*((n+63)/64)),
		in: in, at: make([]uint64, n), active: flags[:n], load: make([]int64, len(in.hard)), carrying: make([]int32, in.nodes), shares: make([]share, n),
		offline: counts[:c], missing: counts[c : 2*c], off0: counts[2*c : 3*c], miss0: counts[3*c:], mark: flags[n:],
	}
	for g := range s.active {
		s.active[g] = true
	}
	for g := range in.items {
		s.refresh(int32(g))
	}
	s.begin()
	return s
}

// begin starts a transaction: what was done so far stands.
func (s *state) begin() {
	s.log = s.log[:0]
	for _, c := range s.touched {
		s.mark[c] = false
	}
	s.touched = s.touched[:0]
	s.cost0 = s.cost
	s.steps++
}

// rollback undoes the transaction.
func (s *state) rollback() {
	for len(s.log) > 0 {
		u := s.log[len(s.log)-1]
		s.log = s.log[:len(s.log)-1]
		s.put(u.group, u.old)
	}
	s.begin()
}

// touch notes the counts of a class before they change.
func (s *state) touch(c int32) {
	if !s.mark[c] {
		s.mark[c], s.off0[c], s.miss0[c] = true, s.offline[c], s.missing[c]
		s.touched = append(s.touched, c)
	}
}

// classes compares offline and missing now with those at begin.
func (s *state) compareClasses() int {
	offAt, missAt := int32(-1), int32(-1)
	for _, c := range s.touched {
		if s.offline[c] != s.off0[c] && (offAt < 0 || c < offAt) {
			offAt = c
		}
		if s.missing[c] != s.miss0[c] && (missAt < 0 || c < missAt) {
			missAt = c
		}
	}
	if offAt >= 0 {
		return cmp.Compare(s.offline[offAt], s.off0[offAt])
	}
	if missAt >= 0 {
		return cmp.Compare(s.missing[missAt], s.miss0[missAt])
	}
	return 0
}

// better reports whether the transaction improves the objective; hard: one of the figures that come before moves.
func (s *state) better(hard bool) bool {
	if hard {
		return cmp.Or(s.compareClasses(), s.cost.compareHard(&s.cost0)) < 0
	}
	return cmp.Or(s.compareClasses(), s.cost.compare(&s.cost0)) < 0
}

// set places a group, within the transaction.
func (s *state) set(g int32, m uint64) {
	if s.at[g] == m {
		return
	}
	s.log = append(s.log, undo{g, s.at[g]})
	s.put(g, m)
}

func (s *state) put(g int32, m uint64) {
	old := s.at[g]
	s.at[g] = m
	if len(s.in.items[g].loads) > 0 {
		for d := old &^ m; d != 0; d &= d - 1 {
			s.shift(first(d), g, -1)
		}
		for d := m &^ old; d != 0; d &= d - 1 {
			s.shift(first(d), g, 1)
		}
	}
	s.refresh(g)
	for _, r := range s.in.items[g].sources {
		s.refresh(r)
	}
}

// shift puts the load of a group on a node, or takes it away.
func (s *state) shift(n int, g int32, sign int64) {
	in := s.in
	for _, l := range in.items[g].loads {
		c := n*in.kinds + l.kind
		s.cell(c, l.kind, -1)
		s.load[c] += sign * l.load
		s.cell(c, l.kind, 1)
	}
	s.on[n*s.words+int(g>>6)] ^= 1 << (g & 63)
	before := s.carrying[n]
	s.carrying[n] += int32(sign)
	if in.p.Concentrate && (before == 0 || s.carrying[n] == 0) {
		s.cost.balance += sign
	}
}

// cell adds what the load of one kind on one node costs to the objective, or takes it away.
func (s *state) cell(c, kind int, sign int64) {
	l := s.load[c]
	if l > s.in.soft[c] {
		s.cost.softs += sign
		s.cost.excess += sign * (l - s.in.soft[c])
	}
	if !s.in.p.Concentrate {
		s.cost.balance += sign * s.in.imbalance(c, kind, l)
	}
}

// imbalance grows with the square of the load, so that its sum over nodes is least when all nodes are equally full.
func (in *instance) imbalance(c, kind int, l int64) int64 {
	const most = 1 << 25
	l = min(l, 1<<46)
	return min(l<<16/in.full[c], most) * min(l<<16/in.mean[kind], most)
}

// homeOf is where a group would be if nothing else counted, and the nodes near: with Failback, strong targets that came to a node draw it there.
func (s *state) homeOf(g int32) (home, near uint64) {
	t := &s.in.items[g]
	if !t.dynamic {
		return t.home, t.near
	}
	near = t.near
	for _, q := range t.pull {
		near |= s.at[q.target] &^ s.in.items[q.target].ran & t.cand
	}
	if near == t.near {
		return t.home, t.near
	}
	return s.in.firstOf(&s.in.p.Groups[g], near, t.want), near
}

// refresh reckons the share of a group anew.
func (s *state) refresh(g int32) {
	old := s.shares[g]
	now := s.reckon(g)
	if now == old {
		return
	}
	s.shares[g] = now
	if c := s.in.items[g].class; now.offline != old.offline || now.missing != old.missing {
		s.touch(c)
		s.offline[c] += int64(now.offline - old.offline)
		s.missing[c] += int64(now.missing - old.missing)
	}
	s.cost.evicting += now.evicting - old.evicting
	s.cost.stays += now.stays - old.stays
	s.cost.moves += now.moves - old.moves
	s.cost.weak += now.weak - old.weak
	s.cost.rank += now.rank - old.rank
	s.cost.unserved += now.unserved - old.unserved
	if now.excused != old.excused {
		for _, r := range s.in.items[g].sources {
			s.refresh(r)
		}
	}
}

func (s *state) reckon(g int32) share {
	t := &s.in.items[g]
	var w share
	if t.off || t.fixed || !s.active[g] {
		return w
	}
	for _, q := range t.pull {
		if !s.active[q.target] {
			return w
		}
	}
	at := s.at[g]
	have, due := count(at), t.desired
	for i := range t.pull {
		q := &t.pull[i]
		if beside := s.at[q.target]; q.stay != 0 && beside != 0 {
			due = min(due, max(count((t.cand|t.last)&q.stay), count((t.cand|t.last)&beside)))
		} else if beside == 0 && !q.delegate && s.shares[q.target].excused {
			due = 0
		}
	}
	w.excused = have == 0 && due == 0 && t.desired > 0
	if have == 0 && due > 0 {
		w.offline = 1
		if t.evicts {
			w.evicting = 1
		}
	}
	w.missing = int32(max(0, due-have))
	w.unserved = int64(max(0, t.desired-max(due, have)))
	home, near := s.homeOf(g)
	w.moves = t.weight * int64(2*count(home&^at)-count(at&near&^home))
	if at&t.last != 0 {
		w.moves++
		if !t.bound {
			w.stays = 1
		}
	}
	for _, x := range t.prefer {
		if s.active[x] && s.at[x] != 0 {
			w.weak += int64(count(at &^ s.at[x]))
		}
	}
	for _, x := range t.avoid {
		if s.active[x] {
			w.weak += int64(count(at & s.at[x]))
		}
	}
	for m := at; m != 0; m &= m - 1 {
		w.rank += int64(t.position[first(m)])
	}
	return w
}

// allowed are the nodes that the hard rules of affinity leave to a group.
func (s *state) allowed(g int32) uint64 {
	t := &s.in.items[g]
	m := t.cand
	for _, q := range t.pull {
		m &= s.at[q.target]
	}
	for _, a := range t.apart {
		m &^= s.at[a]
	}
	return m
}

// fits reports whether a node has room for a group under its hard limits.
func (s *state) fits(g int32, n int) bool {
	for _, l := range s.in.items[g].loads {
		c := n*s.in.kinds + l.kind
		if s.load[c] > s.in.hard[c]-l.load {
			return false
		}
	}
	return true
}
