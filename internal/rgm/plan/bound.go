package plan

import (
	"cmp"
	"math/big"
	"slices"
)

// Figures are the quality of a placement, in the order in which they count; less is better.
type Figures struct {
	Offline           int
	OfflineByPriority []Count // from the highest priority down; requests first
	Missing           int
	MissingByPriority []Count
	Evicting          int // targets of -- that are offline
	Stays             int // groups that stay where they were asked to leave
	Soft              int // soft limits exceeded
	Excess            int64
	Moves             int64 // weighted by preemption mode and priority
	Unserved          int   // primaries that sources of ++ lack because their targets stay where they run
	Weak              int   // weak affinities broken
	Balance           int64 // imbalance, or nodes that carry load
	Rank              int64 // places in the nodelists
}

// Count is how many groups of one priority.
type Count struct {
	Priority int
	Asked    bool // groups that an administrator asked for
	Groups   int
}

// Compare compares figures in the order in which they count, and names the first that differs.
func (f Figures) Compare(o Figures) (int, string) {
	for _, c := range [...]struct {
		r    int
		name string
	}{
		{compareCounts(f.OfflineByPriority, o.OfflineByPriority), "offline"},
		{compareCounts(f.MissingByPriority, o.MissingByPriority), "missing"},
		{cmp.Compare(f.Evicting, o.Evicting), "evicting"},
		{cmp.Compare(f.Stays, o.Stays), "stays"},
		{cmp.Compare(f.Soft, o.Soft), "soft"},
		{cmp.Compare(f.Excess, o.Excess), "excess"},
		{cmp.Compare(f.Moves, o.Moves), "moves"},
		{cmp.Compare(f.Unserved, o.Unserved), "unserved"},
		{cmp.Compare(f.Weak, o.Weak), "weak"},
		{cmp.Compare(f.Balance, o.Balance), "balance"},
		{cmp.Compare(f.Rank, o.Rank), "rank"},
	} {
		if c.r != 0 {
			return c.r, c.name
		}
	}
	return 0, ""
}

// compareCounts compares by the highest priority at which the counts differ.
func compareCounts(a, b []Count) int {
	for i := 0; i < len(a) || i < len(b); i++ {
		switch {
		case i >= len(a):
			return -1
		case i >= len(b):
			return 1
		case a[i] == b[i]:
		case a[i].Asked != b[i].Asked:
			if a[i].Asked {
				return 1
			}
			return -1
		case a[i].Priority != b[i].Priority:
			return cmp.Compare(a[i].Priority, b[i].Priority)
		default:
			return cmp.Compare(a[i].Groups, b[i].Groups)
		}
	}
	return 0
}

// Gap is how far the placement may be from the best: the first figure in which the bound differs, and by how much. "" says that it is the best.
func (r Result) Gap() (figure string, by int64) {
	_, figure = r.Figures.Compare(r.Bound)
	a, b := r.Figures, r.Bound
	switch figure {
	case "offline":
		by = int64(a.Offline - b.Offline)
	case "missing":
		by = int64(a.Missing - b.Missing)
	case "evicting":
		by = int64(a.Evicting - b.Evicting)
	case "stays":
		by = int64(a.Stays - b.Stays)
	case "soft":
		by = int64(a.Soft - b.Soft)
	case "excess":
		by = a.Excess - b.Excess
	case "moves":
		by = a.Moves - b.Moves
	case "unserved":
		by = int64(a.Unserved - b.Unserved)
	case "weak":
		by = int64(a.Weak - b.Weak)
	case "balance":
		by = a.Balance - b.Balance
	case "rank":
		by = a.Rank - b.Rank
	}
	return figure, by
}

func (in *instance) counts(by []int64) (int, []Count) {
	names := make([]Count, in.classes)
	for g := range in.items {
		names[in.items[g].class] = Count{Priority: in.p.Groups[g].Priority, Asked: in.items[g].explicit}
	}
	var out []Count
	sum := 0
	for c, n := range by {
		if n > 0 {
			sum += int(n)
			names[c].Groups = int(n)
			out = append(out, names[c])
		}
	}
	return sum, out
}

func (s *state) figures() Figures {
	c := s.cost
	f := Figures{
		Evicting: int(c.evicting), Stays: int(c.stays), Soft: int(c.softs), Excess: c.excess, Moves: c.moves, Unserved: int(c.unserved), Weak: int(c.weak), Balance: c.balance, Rank: c.rank,
	}
	f.Offline, f.OfflineByPriority = s.in.counts(s.offline)
	f.Missing, f.MissingByPriority = s.in.counts(s.missing)
	return f
}

// bound reckons figures that no placement can beat from sums over all nodes: what has no candidate stays offline; loads need their sum of room.
func (s *state) bound() Figures {
	in := s.in
	off, miss := make([]int64, in.classes), make([]int64, in.classes)
	counted := func(t *item) bool { return !t.off && !t.fixed && t.due > 0 }
	var f Figures
	for g := range in.items {
		t := &in.items[g]
		if counted(t) && t.cand|t.last == 0 {
			off[t.class]++
		}
	}
	worst := slices.Clone(off)
	for k := range in.kinds {
		if by := s.tooMuch(k, counted); by != nil && slices.Compare(by, worst) > 0 {
			worst = by
		}
	}
	for c := range miss {
		miss[c] = worst[c]
	}
	f.Offline, f.OfflineByPriority = in.counts(worst)
	for g := range in.items {
		if t := &in.items[g]; counted(t) {
			miss[t.class] += int64(max(0, t.due-max(1, count(t.cand))))
		}
	}
	f.Missing, f.MissingByPriority = in.counts(miss)
	if s.complete() {
		for k := range in.kinds {
			n, over := s.softBound(k)
			f.Soft, f.Excess = f.Soft+n, f.Excess+over
			if !in.p.Concentrate {
				f.Balance += s.balanceBound(k)
			}
		}
	}
	return f
}

// complete reports whether every group that could be wanted has all its primaries: then the sum of the loads is known.
func (s *state) complete() bool {
	for g := range s.at {
		if t := &s.in.items[g]; !t.off && !t.fixed && count(s.at[g]) < t.desired {
			return false
		}
	}
	return true
}

// tooMuch is how many groups of each class the hard limits of one kind leave offline at least, the highest class first; nil if there is room for all.
func (s *state) tooMuch(k int, counted func(*item) bool) []int64 {
	in := s.in
	var room int64
	for n := range in.nodes {
		h := in.hard[n*in.kinds+k]
		if in.p.Nodes[n].Down {
			continue
		}
		if h == Unlimited {
			return nil
		}
		room += min(h, 1<<50)
	}
	type need struct {
		load  int64
		class int32
	}
	var needs []need
	var sum int64
	off := make([]int64, in.classes)
	for g := range in.items {
		t := &in.items[g]
		var load int64
		for _, l := range t.loads {
			if l.kind == k {
				load = l.load
			}
		}
		switch {
		case t.fixed:
			room -= load * int64(count(s.at[g]))
		case !counted(t):
		case t.cand|t.last == 0:
			off[t.class]++
		case load > 0:
			needs = append(needs, need{load, t.class})
			sum += load
		}
	}
	if sum <= room {
		return nil
	}
	slices.SortFunc(needs, func(a, b need) int { return cmp.Or(cmp.Compare(a.load, b.load), cmp.Compare(a.class, b.class)) })
	var before int64
	for c := range in.classes {
		left, out := room, int64(0)
		for _, n := range needs {
			switch {
			case int(n.class) > c:
			case n.load <= left:
				left -= n.load
			default:
				out++
			}
		}
		off[c] += out - before
		before = out
		if off[c] < 0 {
			off[c] = 0
		}
	}
	return off
}

// softBound is how many soft limits of one kind have to be exceeded, and by how much, for the load that there is.
func (s *state) softBound(k int) (int, int64) {
	in := s.in
	var total, soft int64
	var more []int64
	for n := range in.nodes {
		c := n*in.kinds + k
		total += s.load[c]
		if in.p.Nodes[n].Down {
			continue
		}
		if in.soft[c] == Unlimited {
			return 0, 0
		}
		soft += min(in.soft[c], 1<<50)
		more = append(more, min(in.hard[c], 1<<50)-min(in.soft[c], 1<<50))
	}
	over := total - s.extra(k) - soft
	if over <= 0 {
		return 0, 0
	}
	slices.Sort(more)
	n, left := 0, over
	for i := len(more) - 1; i >= 0 && left > 0; i-- {
		left -= more[i]
		n++
	}
	return n, over
}

// extra is the load of primaries beyond those desired, which a placement could do without.
func (s *state) extra(k int) int64 {
	var sum int64
	for g := range s.at {
		t := &s.in.items[g]
		if more := count(s.at[g]) - t.desired; more > 0 && !t.fixed {
			for _, l := range t.loads {
				if l.kind == k {
					sum += l.load * int64(more)
				}
			}
		}
	}
	return sum
}

// balanceBound is the imbalance of one kind of load if it could be cut at will, less what rounding may hide.
func (s *state) balanceBound(k int) int64 {
	in := s.in
	var total, full int64
	least := int64(Unlimited)
	for n := range in.nodes {
		c := n*in.kinds + k
		total += s.load[c]
		if !in.p.Nodes[n].Down {
			full += in.full[c]
			least = min(least, in.full[c])
		}
	}
	total -= s.extra(k)
	if full == 0 || total <= 0 || total > min(least, in.mean[k])*512 {
		// Beyond that the measure itself is cut off.
		return 0
	}
	b := func(x int64) *big.Int { return big.NewInt(x) }
	scaled := new(big.Int).Lsh(b(total), 16)
	out := new(big.Int).Mul(scaled, scaled)
	out.Div(out, new(big.Int).Mul(b(in.mean[k]), b(full)))
	out.Sub(out, new(big.Int).Div(scaled, b(in.mean[k])))
	out.Sub(out, new(big.Int).Div(scaled, b(least)))
	out.Sub(out, b(2))
	if out.Sign() < 0 || !out.IsInt64() {
		return 0
	}
	return out.Int64()
}
