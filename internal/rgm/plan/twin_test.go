package plan_test

import (
	"cmp"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"redoubt/internal/rgm/plan"
)

// The twin knows the rules as the package's comment has them, tries every placement and has no other cleverness.
type twin struct {
	p      plan.Problem
	asked  [][]int // by group: the nodes that it has to be on; nil: no request
	can    [][]bool
	last   []int
	want   []int
	most   []int
	pinned []bool
}

func has(list []int, n int) bool { return slices.Contains(list, n) }

func (w *twin) prepare(dropped []bool) {
	p := w.p
	w.asked, w.can, w.last = make([][]int, len(p.Groups)), make([][]bool, len(p.Groups)), make([]int, len(p.Groups))
	w.want, w.most, w.pinned = make([]int, len(p.Groups)), make([]int, len(p.Groups)), make([]bool, len(p.Groups))
	for g, x := range p.Groups {
		can := make([]bool, len(p.Nodes))
		var kept []int
		w.last[g] = -1
		for _, n := range x.Nodelist {
			i := slices.IndexFunc(x.Refused, func(r plan.Refusal) bool { return r.Node == n && (!r.Stays || !x.Suspended || !has(x.Current, n)) })
			can[n] = !p.Nodes[n].Down && i < 0 && (!p.Nodes[n].Closed || has(x.Current, n) || has(x.Explicit, n))
			if can[n] && has(x.Current, n) {
				kept = append(kept, n)
			}
			if i >= 0 && x.Refused[i].Stays && has(x.Current, n) && !p.Nodes[n].Down && w.last[g] < 0 {
				w.last[g] = n
			}
		}
		w.can[g] = can
		w.want[g] = min(x.Desired, x.Maximum)
		w.most[g] = w.want[g]
		ask := x.Explicit
		if len(ask) == 0 && x.Held && len(kept) > 0 && !x.Suspended {
			ask = kept
		}
		switch {
		case x.Off:
			w.want[g], w.most[g], w.last[g] = 0, 0, -1
		case len(ask) > 0 && !dropped[g]:
			w.asked[g], w.last[g] = ask, -1
			k := 0
			for n := range can {
				can[n] = can[n] && has(ask, n)
				if can[n] {
					k++
				}
			}
			w.want[g] = min(max(k, 1), x.Maximum)
			w.most[g] = w.want[g]
		case x.Suspended:
			w.want[g] = 0
			w.most[g] = min(len(kept), x.Maximum)
			for n := range can {
				can[n] = has(kept, n)
			}
			w.last[g] = -1
		case !x.Remaster:
			w.most[g] = min(max(w.want[g], len(kept)), x.Maximum)
			w.pinned[g] = x.Preemption == plan.Never && len(kept) > 0
		}
	}
}

func (w *twin) suspended(g int) bool {
	return w.p.Groups[g].Suspended && !w.p.Groups[g].Off && w.asked[g] == nil
}

// home is where a group would be if nothing else counted, and the nodes that count as near, in a placement: not away from a ++ target that stays.
func (w *twin) home(g int, at [][]int) (home, near []int) {
	x := w.p.Groups[g]
	runs := w.runs(g)
	_, static := w.would(g)
	for _, n := range x.Nodelist {
		is := has(static, n)
		for _, a := range x.Affinities {
			if s := w.stays(a.Target); a.Kind == plan.Require && s != nil && !has(s, n) && !w.suspended(g) {
				is = false
			}
		}
		for _, a := range x.Affinities {
			if at != nil && runs && x.Failback && !x.Remaster && w.asked[g] == nil && !w.suspended(g) && w.can[g][n] && (a.Kind == plan.Require || a.Kind == plan.Delegate) &&
				has(at[a.Target], n) && !has(w.p.Groups[a.Target].Current, n) {
				is = true
			}
		}
		if is {
			near = append(near, n)
		}
	}
	return near[:min(len(near), w.most[g])], near
}

// runs reports whether a group runs anywhere where it may.
func (w *twin) runs(g int) bool {
	return slices.ContainsFunc(w.p.Groups[g].Current, func(n int) bool { return w.can[g][n] })
}

// would is home for a group that thinks of no target.
func (w *twin) would(g int) (home, near []int) {
	x := w.p.Groups[g]
	for _, n := range x.Nodelist {
		if !w.can[g][n] || x.Remaster && w.asked[g] == nil && !w.suspended(g) {
			continue
		}
		drawn := x.Failback && w.runs(g) && w.asked[g] == nil && has(x.Draws, n)
		if has(x.Current, n) || drawn || w.asked[g] != nil {
			near = append(near, n)
		}
	}
	return near[:min(len(near), w.most[g])], near
}

func (w *twin) load(at [][]int, n, k int) (sum int64) {
	for g, x := range w.p.Groups {
		if k < len(x.Loads) && has(at[g], n) {
			sum += x.Loads[k]
		}
	}
	return sum
}

func (w *twin) limit(n, k int) plan.Limit {
	if k < len(w.p.Nodes[n].Limits) {
		return w.p.Nodes[n].Limits[k]
	}
	return plan.Limit{Soft: plan.Unlimited, Hard: plan.Unlimited}
}

// legal reports the hard rule that a placement breaks.
func (w *twin) legal(at [][]int) string {
	p := w.p
	for g, x := range p.Groups {
		for _, n := range at[g] {
			if !w.can[g][n] && (n != w.last[g] || len(at[g]) > 1) {
				return "a node that may not run it"
			}
		}
		if len(at[g]) > max(w.most[g], 0) && (len(at[g]) > 1 || at[g][0] != w.last[g]) {
			return "too many"
		}
		if w.suspended(g) {
			home, _ := w.home(g, nil)
			if w.last[g] >= 0 {
				home = []int{w.last[g]}
			}
			if !slices.Equal(sorted(home), sorted(at[g])) {
				return "suspended, but moved"
			}
		}
		for _, a := range x.Affinities {
			for _, n := range at[g] {
				switch {
				case (a.Kind == plan.Require || a.Kind == plan.Delegate) && !has(at[a.Target], n) && !w.suspended(g):
					return "not where its target is"
				case a.Kind == plan.Forbid && has(at[a.Target], n) && (!w.suspended(g) || !w.suspended(a.Target)):
					return "together, though --"
				}
			}
		}
		for k := range x.Loads {
			for _, n := range at[g] {
				if x.Loads[k] > 0 && !w.suspended(g) && w.load(at, n, k) > w.limit(n, k).Hard {
					return "above a hard limit"
				}
			}
		}
	}
	for g := range p.Groups {
		if n := w.strayed(g, at); n >= 0 && w.pinsFit()[g] {
			return "never preempted, but moved"
		}
	}
	return ""
}

// strayed is a node that a group that is Never preempted left without need, or -1.
func (w *twin) strayed(g int, at [][]int) int {
	if !w.pinned[g] {
		return -1
	}
	home, _ := w.home(g, at)
	for _, n := range home {
		if !has(w.p.Groups[g].Current, n) || has(at[g], n) {
			continue
		}
		free := true
		for o, y := range w.p.Groups {
			for _, a := range y.Affinities {
				pulled := o == g && (a.Kind == plan.Require || a.Kind == plan.Delegate) && !has(at[a.Target], n)
				apart := a.Kind == plan.Forbid && (o == g && has(at[a.Target], n) || a.Target == g && has(at[o], n))
				free = free && !pulled && !apart
			}
		}
		if free {
			return n
		}
	}
	return -1
}

// pinsFit says which of the groups that are Never preempted have room beside each other and the suspended ones where they run. What gives way where they
// have not is the planner's to choose.
func (w *twin) pinsFit() []bool {
	out := slices.Clone(w.pinned)
	at := make([][]int, len(w.p.Groups))
	for g, x := range w.p.Groups {
		if w.pinned[g] || w.suspended(g) {
			at[g] = x.Current
		}
	}
	for g, x := range w.p.Groups {
		for k := range x.Loads {
			for _, n := range x.Current {
				out[g] = out[g] && (x.Loads[k] == 0 || w.load(at, n, k) <= w.limit(n, k).Hard)
			}
		}
	}
	return out
}

func sorted(list []int) []int {
	return slices.Sorted(slices.Values(list))
}

type figures struct {
	offline, missing [2002]int
	rest             [9]int64
}

func (f *figures) compare(o *figures) int {
	return cmp.Or(slices.Compare(f.offline[:], o.offline[:]), slices.Compare(f.missing[:], o.missing[:]), slices.Compare(f.rest[:], o.rest[:]))
}

// those are how many of some nodes a group could have.
func (w *twin) those(g int, nodes []int) (m int) {
	for _, n := range nodes {
		if w.can[g][n] || n == w.last[g] {
			m++
		}
	}
	return m
}

// due is how many primaries a group can be blamed for not having: not those that it can not have where a ++ target runs and may stay, or was asked to
// be, nor, if that moves after all, where it went.
func (w *twin) due(g int, at [][]int, seen []int) int {
	due := w.want[g]
	for _, a := range w.p.Groups[g].Affinities {
		if a.Kind != plan.Require {
			continue
		}
		if home := w.stays(a.Target); home != nil && len(at[a.Target]) > 0 {
			due = min(due, max(w.those(g, home), w.those(g, at[a.Target])))
		} else if t := a.Target; len(at[t]) == 0 && w.want[t] > 0 && !w.suspended(t) && !has(seen, t) && w.due(t, at, append(seen, g)) == 0 {
			due = 0
		}
	}
	return due
}

// stays are the nodes where a group will be unless it has to move; nil if it has to, or runs nowhere.
func (w *twin) stays(t int) []int {
	home, _ := w.would(t)
	if w.suspended(t) {
		return home
	}
	if w.p.Groups[t].Off || w.asked[t] == nil && !slices.ContainsFunc(home, func(n int) bool { return has(w.p.Groups[t].Current, n) }) {
		return nil
	}
	if len(home) == 0 {
		return nil
	}
	return home
}

func (w *twin) figures(at [][]int) figures {
	var f figures
	p := w.p
	evicting, stays, soft, excess, moves, unserved, weak, balance, rank := &f.rest[0], &f.rest[1], &f.rest[2], &f.rest[3], &f.rest[4], &f.rest[5], &f.rest[6], &f.rest[7], &f.rest[8]
	for g, x := range p.Groups {
		if x.Off || w.suspended(g) {
			continue
		}
		class := 2001 - x.Priority
		if w.asked[g] != nil {
			class = 1000 - x.Priority
		}
		due := w.due(g, at, nil)
		if len(at[g]) == 0 && due > 0 {
			f.offline[class]++
			for _, y := range p.Groups {
				if slices.Contains(y.Affinities, plan.Affinity{Kind: plan.Forbid, Target: g}) && y.Priority == x.Priority {
					*evicting++
					break
				}
			}
		}
		f.missing[class] += max(0, due-len(at[g]))
		*unserved += int64(max(0, w.want[g]-max(due, len(at[g]))))
		home, near := w.home(g, at)
		weight := map[plan.Preemption]int64{plan.HasCost: 2000 + int64(x.Priority), plan.NoCost: 500 + int64(x.Priority)/4, plan.Never: 4000 + int64(x.Priority)}[x.Preemption]
		for _, n := range home {
			if !has(at[g], n) {
				*moves += 2 * weight
			}
		}
		for _, n := range at[g] {
			*rank += int64(slices.Index(x.Nodelist, n))
			if has(near, n) && !has(home, n) {
				*moves -= weight
			}
			if n == w.last[g] {
				*moves++
				blamed := true
				for _, a := range x.Affinities {
					if a.Kind == plan.Require && has(w.stays(a.Target), n) {
						blamed = false
					}
				}
				if blamed {
					*stays++
				}
			}
			for _, a := range x.Affinities {
				if a.Kind == plan.Prefer && len(at[a.Target]) > 0 && !has(at[a.Target], n) || a.Kind == plan.Avoid && has(at[a.Target], n) {
					*weak++
				}
			}
		}
	}
	for k := range p.Kinds {
		var mean, most, all int64
		fulls := make([]int64, len(p.Nodes))
		for _, x := range p.Groups {
			if k < len(x.Loads) {
				all += x.Loads[k]
			}
		}
		for n := range p.Nodes {
			if l := min(w.limit(n, k).Soft, w.limit(n, k).Hard); l != plan.Unlimited {
				most = max(most, l)
			}
		}
		if most == 0 {
			most = all
		}
		for n := range p.Nodes {
			fulls[n] = min(w.limit(n, k).Soft, w.limit(n, k).Hard)
			if fulls[n] == plan.Unlimited {
				fulls[n] = most
			}
			fulls[n] = max(fulls[n], 1)
			mean += fulls[n]
		}
		mean = max(mean/int64(len(p.Nodes)), 1)
		for n := range p.Nodes {
			l := w.load(at, n, k)
			if s := w.limit(n, k).Soft; l > s {
				*soft++
				*excess += l - s
			}
			if !p.Concentrate {
				*balance += min(l*65536/fulls[n], 1<<25) * min(l*65536/mean, 1<<25)
			}
		}
	}
	if p.Concentrate {
		for n := range p.Nodes {
			for g, x := range p.Groups {
				if has(at[g], n) && slices.ContainsFunc(x.Loads, func(l int64) bool { return l > 0 }) {
					*balance++
					break
				}
			}
		}
	}
	return f
}

// best tries every placement.
func (w *twin) best() (figures, [][]int) {
	var best figures
	var where [][]int
	at := make([][]int, len(w.p.Groups))
	var try func(g int)
	try = func(g int) {
		if g == len(at) {
			if w.legal(at) != "" {
				return
			}
			if f := w.figures(at); where == nil || f.compare(&best) < 0 {
				best, where = f, slices.Clone(at)
			}
			return
		}
		for m := range 1 << len(w.p.Nodes) {
			var s []int
			for n := range w.p.Nodes {
				if m>>n&1 == 1 {
					s = append(s, n)
				}
			}
			ok := len(s) <= w.most[g]
			for _, n := range s {
				ok = ok && w.can[g][n]
			}
			if w.suspended(g) {
				home, _ := w.home(g, nil)
				ok = ok && slices.Equal(sorted(home), s)
			}
			if ok || len(s) == 1 && s[0] == w.last[g] {
				at[g] = s
				try(g + 1)
			}
		}
		at[g] = nil
	}
	try(0)
	return best, where
}

// solve is best, with requests that can not be obeyed taken back.
func (w *twin) solve() (figures, [][]int) {
	dropped := make([]bool, len(w.p.Groups))
	for {
		w.prepare(dropped)
		f, at := w.best()
		again := false
		for g := range dropped {
			if at != nil && w.asked[g] != nil && len(at[g]) == 0 {
				dropped[g], again = true, true
			}
		}
		if !again {
			return f, at
		}
	}
}

// On small problems nothing is better than what Solve finds.
func TestSolveEqualsExhaustiveSearch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawSmall(t, rapid.SampledFrom([]int{6, 5, 4, 3, 2, 1}).Draw(t, "groups"))
		r, err := plan.Solve(p, plan.Effort{Branches: 1 << 22})
		if err != nil {
			t.Fatal(err)
		}
		if !r.Exact {
			t.Fatal("a small problem was not solved exactly")
		}
		w := twin{p: p}
		want, where := w.solve()
		got := make([][]int, len(p.Groups))
		for g := range got {
			got[g] = r.Nodes(g)
		}
		if where == nil {
			t.Fatal("the twin found nothing legal")
		}
		if rule := w.legal(got); rule != "" {
			t.Fatalf("%v breaks a rule: %s; the best is %v\n%s", got, rule, where, brief(p))
		}
		if f := w.figures(got); f.compare(&want) != 0 {
			t.Fatalf("%v: %v\n%v is better: %v\n%+v\n%s", got, f.rest, where, want.rest, r.Figures, brief(p))
		}
	})
}
