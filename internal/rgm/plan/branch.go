package plan

import (
	"cmp"
	"math/bits"
	"slices"
)

// parts divides the groups into independent parts: those joined by an affinity or by load of the same kind. Groups that are a part by
// themselves and carry no load are left out: the construction has placed them as well as possible.
func (in *instance) parts() [][]int32 {
	parent := make([]int32, len(in.items)+in.kinds)
	for i := range parent {
		parent[i] = int32(i)
	}
	find := func(x int32) int32 {
		for parent[x] != x {
			parent[x] = parent[parent[x]]
			x = parent[x]
		}
		return x
	}
	for g := range in.items {
		for _, a := range in.p.Groups[g].Affinities {
			parent[find(int32(g))] = find(int32(a.Target))
		}
		for _, l := range in.items[g].loads {
			k := l.kind
			if in.p.Concentrate {
				k = 0
			}
			parent[find(int32(g))] = find(int32(len(in.items) + k))
		}
	}
	where := make([]int32, len(parent))
	var out [][]int32
	for _, g := range in.order {
		t := &in.items[g]
		if t.off || t.fixed || len(t.loads) == 0 && len(t.pull)+len(t.apart)+len(t.prefer)+len(t.avoid)+len(t.sources) == 0 {
			continue
		}
		r := find(g)
		if where[r] == 0 {
			out = append(out, nil)
			where[r] = int32(len(out))
		}
		out[where[r]-1] = append(out[where[r]-1], g)
	}
	return out
}

// search is branch and bound over one part; what is outside it stays.
type search struct {
	s         *state
	part      []int32
	options   [][]uint64
	cost      cost
	off, miss []int64
	best      []uint64
	left      int // branches that may still be taken
}

// exact places one part as well as possible, or reports false if that takes too many branches; the placement is then no worse than before.
func (s *state) exact(part []int32, branches int) bool {
	if len(part) > 24 {
		return false
	}
	b := search{s: s, part: part, left: branches, cost: s.cost, off: slices.Clone(s.offline), miss: slices.Clone(s.missing)}
	for _, g := range part {
		o := s.in.options(g)
		if o == nil {
			return false
		}
		b.options = append(b.options, o)
		b.best = append(b.best, s.at[g])
	}
	// A placement that breaks the rule for groups that are Never preempted is no bound.
	if !s.pinsHold(part) {
		b.off[0] = int64(len(s.at)) + 1
	}
	for _, g := range part {
		s.set(g, 0)
	}
	for _, g := range part {
		s.active[g] = false
		s.refresh(g)
	}
	done := b.branch(0)
	for _, g := range part {
		s.active[g] = true
	}
	for i, g := range part {
		s.set(g, b.best[i])
	}
	for _, g := range part {
		s.refresh(g)
	}
	s.begin()
	return done
}

// options are the sets of nodes that a group could have, the largest and most preferred first; nil if they are too many.
func (in *instance) options(g int32) []uint64 {
	const most = 1 << 10
	t := &in.items[g]
	var m [MaxNodes]int
	n := 0
	for _, x := range in.p.Groups[g].Nodelist {
		if t.cand&(1<<x) != 0 {
			m[n] = x
			n++
		}
	}
	if n > 10 && t.want > 1 {
		return nil
	}
	sets := []uint64{0}
	if t.want <= 1 {
		for i := range n {
			if t.want == 1 {
				sets = append(sets, 1<<m[i])
			}
		}
	} else {
		for v := uint64(1); v < 1<<n && len(sets) <= most; v++ {
			if bits.OnesCount64(v) > t.want {
				continue
			}
			var x uint64
			for w := v; w != 0; w &= w - 1 {
				x |= 1 << m[first(w)]
			}
			sets = append(sets, x)
		}
	}
	if t.last != 0 {
		sets = append(sets, t.last)
	}
	slices.SortStableFunc(sets, func(a, b uint64) int {
		return cmp.Or(-cmp.Compare(count(a&t.home), count(b&t.home)), -cmp.Compare(count(a), count(b)))
	})
	return sets
}

func (b *search) branch(i int) bool {
	s := b.s
	if i == len(b.part) {
		if b.compare() < 0 && s.pinsHold(b.part) {
			b.cost = s.cost
			copy(b.off, s.offline)
			copy(b.miss, s.missing)
			for j, g := range b.part {
				b.best[j] = s.at[g]
			}
		}
		return true
	}
	g := b.part[i]
	for _, m := range b.options[i] {
		if b.left--; b.left < 0 {
			return false
		}
		if !b.legal(g, m) {
			continue
		}
		s.active[g] = true
		s.put(g, m)
		goesOn := true
		if b.compare() < 0 {
			goesOn = b.branch(i + 1)
		}
		s.active[g] = false
		s.put(g, 0)
		if !goesOn {
			return false
		}
	}
	return true
}

// legal reports whether a group may have these nodes beside the groups that have theirs.
func (b *search) legal(g int32, m uint64) bool {
	s := b.s
	t := &s.in.items[g]
	for _, q := range t.pull {
		if s.active[q.target] && m&^s.at[q.target] != 0 {
			return false
		}
	}
	for _, a := range t.apart {
		if m&s.at[a] != 0 {
			return false
		}
	}
	for _, r := range t.sources {
		u := &s.in.items[r]
		if !s.active[r] || u.fixed || s.at[r]&^m == 0 {
			continue
		}
		for _, q := range u.pull {
			if q.target == g {
				return false
			}
		}
	}
	for x := m; x != 0; x &= x - 1 {
		if !s.fits(g, first(x)) {
			return false
		}
	}
	return true
}

func (b *search) compare() int {
	if c := slices.Compare(b.s.offline, b.off); c != 0 {
		return c
	}
	if c := slices.Compare(b.s.missing, b.miss); c != 0 {
		return c
	}
	return b.s.cost.compare(&b.cost)
}

// pinsHold reports whether all groups that are Never preempted are where they ran, but for what a strong affinity rules out.
func (s *state) pinsHold(part []int32) bool {
	for _, g := range part {
		if s.unpinned(g) != 0 {
			return false
		}
	}
	return true
}

// unpinned are the nodes that a group that is Never preempted has left without need.
func (s *state) unpinned(g int32) uint64 {
	t := &s.in.items[g]
	if !t.pinned {
		return 0
	}
	home, _ := s.homeOf(g)
	m := home & t.current &^ s.at[g]
	for _, q := range t.pull {
		m &= s.at[q.target]
	}
	for _, a := range t.apart {
		m &^= s.at[a]
	}
	return m
}
