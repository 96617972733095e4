package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"redoubt/internal/rgm/plan"
)

// world builds a problem with nodes n0, n1, ... and one kind of load, "cpu".
type world struct {
	p     plan.Problem
	index map[string]int
}

func newWorld(limits ...plan.Limit) *world {
	w := &world{p: plan.Problem{Kinds: []string{"cpu"}}, index: map[string]int{}}
	for n, l := range limits {
		w.p.Nodes = append(w.p.Nodes, plan.Node{Name: fmt.Sprint("n", n), Limits: []plan.Limit{l}})
	}
	return w
}

func free(nodes int) *world {
	return newWorld(slices.Repeat([]plan.Limit{{Soft: plan.Unlimited, Hard: plan.Unlimited}}, nodes)...)
}

// group adds a group that runs on a node (-1: on none) and may run on all; affinities are to groups added before: "++db".
func (w *world) group(name string, on int, load int64, affinities ...string) *plan.Group {
	g := plan.Group{Name: name, Priority: 500, Desired: 1, Maximum: 1, Loads: []int64{load}}
	for n := range w.p.Nodes {
		g.Nodelist = append(g.Nodelist, n)
	}
	if on >= 0 {
		g.Current = []int{on}
	}
	for _, a := range affinities {
		target := strings.TrimLeft(a, "+-")
		kind := slices.Index([]string{"+", "++", "+++", "-", "--"}, a[:len(a)-len(target)])
		g.Affinities = append(g.Affinities, plan.Affinity{Kind: plan.Kind(kind), Target: w.index[target]})
	}
	w.index[name] = len(w.p.Groups)
	w.p.Groups = append(w.p.Groups, g)
	return &w.p.Groups[len(w.p.Groups)-1]
}

func refuse(nodes ...int) (out []plan.Refusal) {
	for _, n := range nodes {
		out = append(out, plan.Refusal{Node: n, Reason: "start-failed", Text: "failed to start here"})
	}
	return out
}

func TestScenarios(t *testing.T) {
	tight := plan.Limit{Soft: 10, Hard: 10}
	for _, c := range []struct {
		what  string
		build func() plan.Problem
		want  string // "group:nodes" of all groups
		left  string // "group:reason" of those offline or refused
	}{
		{"a target that loses its node pulls its source along", func() plan.Problem {
			w := free(3)
			w.group("db", 0, 0)
			w.group("web", 0, 0, "++db")
			return plan.Without(w.p, 0)
		}, "db:1 web:1", ""},
		{"a source that can not follow goes offline", func() plan.Problem {
			w := free(2)
			w.group("db", 0, 0)
			w.group("web", 0, 0, "++db").Nodelist = []int{0}
			return plan.Without(w.p, 0)
		}, "db:1 web:", "web:no-candidate"},
		{"a target does not move because a ++ source failed beside it", func() plan.Problem {
			w := free(2)
			w.group("db", 0, 0)
			w.group("web", 0, 0, "++db").Refused = refuse(0)
			return w.p
		}, "db:0 web:", "web:no-target"},
		{"it does for +++", func() plan.Problem {
			w := free(2)
			w.group("db", 0, 0)
			w.group("web", 0, 0, "+++db").Refused = refuse(0)
			return w.p
		}, "db:1 web:1", ""},
		{"two that need each other start together", func() plan.Problem {
			w := free(3)
			w.group("a", -1, 0).Nodelist = []int{0, 2}
			w.group("b", -1, 0, "++a").Nodelist = []int{1, 2}
			w.p.Groups[0].Affinities = []plan.Affinity{{Kind: plan.Require, Target: 1}}
			return w.p
		}, "a:2 b:2", ""},
		{"a lost target evicts its enemy, which has another place", func() plan.Problem {
			w := free(3)
			w.group("prod", 0, 0).Nodelist = []int{0, 1}
			w.group("test", 1, 0, "--prod")
			return plan.Without(w.p, 0)
		}, "prod:1 test:2", ""},
		{"or none, and goes offline at the same priority", func() plan.Problem {
			w := free(2)
			w.group("prod", 0, 0)
			w.group("test", 1, 0, "--prod")
			return plan.Without(w.p, 0)
		}, "prod:1 test:", "test:evicted"},
		{"but not if it is the more important one", func() plan.Problem {
			w := free(2)
			w.group("prod", 0, 0)
			w.group("test", 1, 0, "--prod").Priority = 600
			return plan.Without(w.p, 0)
		}, "prod: test:1", "prod:evicted"},
		{"a request evicts", func() plan.Problem {
			w := free(2)
			w.group("prod", 0, 0).Nodelist = []int{0}
			w.group("test", 1, 0, "--prod").Explicit = []int{0}
			return w.p
		}, "prod: test:0", "prod:evicted"},
		{"a request for a source away from its target is refused, and nothing moves", func() plan.Problem {
			w := free(2)
			w.group("db", 0, 0)
			w.group("web", 0, 0, "++db").Explicit = []int{1}
			return w.p
		}, "db:0 web:0", "web:no-target"},
		{"a request for a node that is full of what may not be moved is refused", func() plan.Problem {
			w := newWorld(tight, tight)
			w.group("rock", 1, 8).Preemption = plan.Never
			w.group("web", 0, 5).Explicit = []int{1}
			return w.p
		}, "rock:1 web:0", "web:no-room"},
		{"a request makes room", func() plan.Problem {
			w := newWorld(tight, tight)
			w.group("other", 1, 8)
			w.group("web", 0, 5).Explicit = []int{1}
			return w.p
		}, "other:0 web:1", ""},
		{"a weak source stays when its target moves", func() plan.Problem {
			w := free(2)
			w.group("db", 0, 0).Refused = refuse(0)
			w.group("web", 0, 0, "+db")
			return w.p
		}, "db:1 web:0", ""},
		{"a weak affinity goes over balance and the nodelist", func() plan.Problem {
			w := newWorld(tight, tight, tight)
			w.group("db", 2, 3)
			w.group("web", -1, 3, "+db")
			w.group("job", -1, 3, "-db", "-web")
			return w.p
		}, "db:2 web:2 job:0", ""},
		{"after a death the least important is left out", func() plan.Problem {
			w := newWorld(tight, tight)
			w.group("a", 0, 6).Priority = 900
			w.group("b", 1, 6).Priority = 100
			return plan.Without(w.p, 0)
		}, "a:1 b:", "b:no-room"},
		{"unless it is Never preempted", func() plan.Problem {
			w := newWorld(tight, tight)
			w.group("a", 0, 6).Priority = 900
			b := w.group("b", 1, 6)
			b.Priority, b.Preemption = 100, plan.Never
			return plan.Without(w.p, 0)
		}, "a: b:1", "a:no-room"},
		{"two small ones are worth more than a large one", func() plan.Problem {
			w := newWorld(tight)
			w.group("large", -1, 10)
			w.group("one", -1, 5)
			w.group("two", -1, 5)
			return w.p
		}, "large: one:0 two:0", "large:no-room"},
		{"room is made by moving, No_cost first", func() plan.Problem {
			w := newWorld(tight, tight, tight)
			w.group("a", 1, 5)
			w.group("b", 1, 5).Preemption = plan.NoCost
			w.group("c", 2, 5)
			x := w.group("new", -1, 5)
			x.Nodelist = []int{0, 1}
			return plan.Without(w.p, 0)
		}, "a:1 b:2 c:2 new:1", ""},
		{"load spreads", func() plan.Problem {
			w := newWorld(tight, tight)
			w.group("a", -1, 3)
			w.group("b", -1, 3)
			return w.p
		}, "a:0 b:1", ""},
		{"or is concentrated", func() plan.Problem {
			w := newWorld(tight, tight)
			w.p.Concentrate = true
			w.group("a", -1, 3)
			w.group("b", -1, 3)
			return w.p
		}, "a:0 b:0", ""},
		{"nothing moves for balance", func() plan.Problem {
			w := newWorld(tight, tight)
			w.group("a", 0, 3)
			w.group("b", 0, 3)
			return w.p
		}, "a:0 b:0", ""},
		{"a strong target that comes to a preferred node draws its source with Failback", func() plan.Problem {
			w := free(3)
			db := w.group("db", -1, 0)
			db.Current, db.Desired, db.Maximum = []int{1, 2}, 3, 3
			w.group("web", 2, 0, "++db").Failback = true
			return w.p
		}, "db:0,1,2 web:0", ""},
		{"and not without", func() plan.Problem {
			w := free(3)
			db := w.group("db", -1, 0)
			db.Current, db.Desired, db.Maximum = []int{1, 2}, 3, 3
			w.group("web", 2, 0, "++db")
			return w.p
		}, "db:0,1,2 web:2", ""},
		{"what joined draws a group that runs with Failback", func() plan.Problem {
			w := free(3)
			a := w.group("a", 2, 0)
			a.Failback, a.Draws = true, []int{1}
			return w.p
		}, "a:1", ""},
		{"and not one that has to start anyway", func() plan.Problem {
			w := free(3)
			a := w.group("a", -1, 0)
			a.Failback, a.Draws = true, []int{2}
			b := w.group("b", 1, 0)
			b.Failback, b.Draws, b.Refused = true, []int{2}, refuse(1)
			return w.p
		}, "a:0 b:0", ""},
		{"a suspended group stays, others keep clear of it", func() plan.Problem {
			w := free(2)
			w.group("still", 0, 0).Suspended = true
			w.group("web", 0, 0, "--still").Priority = 900
			return w.p
		}, "still:0 web:1", ""},
		{"a closed node keeps what it has and takes nothing", func() plan.Problem {
			w := free(2)
			w.group("a", 0, 0)
			w.group("b", -1, 0)
			w.p.Nodes[0].Closed = true
			return w.p
		}, "a:0 b:1", ""},
	} {
		t.Run(c.what, func(t *testing.T) {
			p := c.build()
			for _, branches := range []int{0, 1} { // the heuristics alone find it as well
				r := must(t, p, plan.Effort{Branches: branches})
				var got, left []string
				for g, x := range p.Groups {
					got = append(got, x.Name+":"+strings.Trim(strings.ReplaceAll(fmt.Sprint(r.Nodes(g)), " ", ","), "[]"))
					note, out := r.Left(g)
					if !out {
						note, out = r.Refused(g)
					}
					if out {
						left = append(left, x.Name+":"+string(note.Reason))
					}
				}
				if strings.Join(got, " ") != c.want || strings.Join(left, " ") != c.left {
					t.Errorf("branches %d: %v, left %v; want %s, left %s\n%s", branches, got, left, c.want, c.left, brief(p))
				}
			}
		})
	}
}

func TestWhyOnTheWay(t *testing.T) {
	w := free(2)
	w.group("a", 1, 0).Coming = true
	want := `a: on n1
  n0  + nodelist: number 1 in the nodelist; - move: the group is on its way to n1 and has no need to go elsewhere
* n1  + comes-here: the group runs here, or is on its way here; + nodelist: number 2 in the nodelist`
	if got := strings.Join(must(t, w.p, plan.Effort{}).Why(0), "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestWhyNotWhereAFollowerCanNotRun(t *testing.T) {
	w := free(3)
	w.group("rival", 1, 0).Nodelist = []int{1}
	w.group("db", -1, 0).Nodelist = []int{1, 0, 2}
	w.group("web", -1, 0, "++db")
	w.group("log", -1, 0, "++web", "--rival").Nodelist = []int{1, 2}
	r := must(t, w.p, plan.Effort{})
	want := `db: on n2
  n1  + nodelist: number 1 in the nodelist; - source-elsewhere: log, which has to run with it, can not run here
  n0  + nodelist: number 2 in the nodelist; - source-elsewhere: log, which has to run with it, can not run here
* n2  + nodelist: number 3 in the nodelist`
	if got := strings.Join(r.Why(1), "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestWhy(t *testing.T) {
	w := newWorld(plan.Limit{Soft: 10, Hard: 10}, plan.Limit{Soft: 10, Hard: 10}, plan.Limit{Soft: 10, Hard: 10})
	w.group("db", 0, 8).Priority = 900
	w.group("web", -1, 5, "-db").Refused = refuse(2)
	r := must(t, w.p, plan.Effort{})
	want := `web: on n1
  n0  + nodelist: number 1 in the nodelist; - close-to-target: -db runs here; - hard-limit: cpu would be 13, above the hard limit 10; it is held by db (8)
* n1  + room: cpu is 5 of 10 with the group; + nodelist: number 2 in the nodelist
  n2  + nodelist: number 3 in the nodelist; - start-failed: failed to start here`
	if got := strings.Join(r.Why(1), "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
