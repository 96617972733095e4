package game

import (
	"math"
	"slices"

	"redoubt/assess/search"
)

// Result is what was found of a contest.
type Result struct {
	MaxX, MaxY  float64 // the most that either spends
	Tolerance   float64 // of regret, in money: what counts as none
	Nash        []Play  // pure equilibria, by rising y; none where no pure one was found
	Mixed       *Mixed  // where there is no pure one
	Stackelberg Play    // the defender goes first and the attacker answers; Regret is 0 by meaning: the attacker's answer is his best
	ZeroSum     *Saddle // where g = θ f
	Refuted     []Play  // what searches took for equilibria and bounds showed not to be; Regret is what one of them can gain
	Interior    []Condition
	Attacks     [][2]float64 // the attacker's best answers: x, y
	Defences    [][2]float64 // the defender's best answers: x, y
}

// Condition is how formula 3.18 stands at a Nash equilibrium: the marginal profit f'(I) ∂I/∂x is 1 inside and at most 1 at x = 0; g'(I) ∂I/∂y is -1 inside and at least -1
// at y = 0.
type Condition struct {
	Attack, Defence             float64
	AttackInside, DefenceInside bool
}

// Mixed is an equilibrium in mixed strategies on a few expenditures each.
type Mixed struct {
	Xs, Ys []float64 // expenditures
	P, Q   []float64 // their probabilities
	V, U   float64   // on the average
	Regret float64   // against every expenditure of the range, not only those of the lists
}

// Saddle is the equivalent zero-sum game K(x, y) = θ f(I) - θ x + y of a contest where g = θ f.
type Saddle struct {
	Theta  float64
	Value  float64
	Lo, Hi float64 // K of the best defence against x, and of the best attack against y, that searches found: the value is between them if these are the best there are
	X, Y   float64
	Proved bool // Lo and Hi are bounds of what these can be
}

// Solve finds the equilibria of a contest. A pure Nash equilibrium is a fixed point of the two best answers; the defender's answer to the attacker's answer to y, less y,
// is followed along the whole range of y, each change of its sign is narrowed down, and each candidate is sharpened by Newton's steps on formula 3.18 where it is inside.
// A candidate counts only when searches of the whole range find no regret.
func (c Contest) Solve() (Result, error) {
	a, err := c.arena()
	if err != nil {
		return Result{}, err
	}
	r := Result{MaxX: a.MaxX, MaxY: a.MaxY, Tolerance: 1e-7 * a.scale}
	for _, p := range a.nash(r.Tolerance) {
		if a.prove(&p); p.Regret > r.Tolerance {
			r.Refuted = append(r.Refuted, p)
			continue
		}
		r.Nash = append(r.Nash, p)
	}
	if len(r.Nash) == 0 {
		r.Mixed = a.mixed(r.Tolerance)
		if m := r.Mixed; m != nil && len(m.Xs) == 1 && len(m.Ys) == 1 { // a pair too narrow for the way to pure ones
			p := a.play(m.Xs[0], m.Ys[0])
			if a.prove(&p); p.Regret <= r.Tolerance {
				r.Nash, r.Mixed = []Play{p}, nil
			}
		}
	}
	for _, p := range r.Nash {
		r.Interior = append(r.Interior, a.condition(p))
	}
	r.Stackelberg = a.stackelberg()
	for _, p := range r.Nash {
		// Ties are for the leader, who could always play his part of an equilibrium.
		if p.U < r.Stackelberg.U {
			r.Stackelberg = p
			r.Stackelberg.Regret = 0
		}
	}
	r.ZeroSum = a.saddle(r.Nash)
	r.responses(a)
	return r, nil
}

// coarse is how many points the searches have that are made again and again.
const coarse = 300

func (a *arena) nash(tolerance float64) []Play {
	back := func(y float64) float64 { return a.defend(a.attack(y, coarse), coarse) - y }
	ys := search.Grid(0, a.MaxY, 160)
	values := make([]float64, len(ys))
	for i, y := range ys {
		values[i] = back(y)
	}
	var candidates [][2]float64
	add := func(y float64) {
		x := a.attack(y, search.Points)
		candidates = append(candidates, [2]float64{x, y}, [2]float64{x, a.defend(x, search.Points)})
	}
	for i, y := range ys {
		if math.Abs(values[i]) <= 1e-9*a.MaxY {
			add(y)
		}
		if i > 0 && values[i-1] > 0 && values[i] < 0 {
			add(search.Root(back, ys[i-1], y))
		}
		if i > 0 && values[i-1] < 0 && values[i] > 0 {
			add(search.Root(func(y float64) float64 { return -back(y) }, ys[i-1], y))
		}
	}
	candidates = append(candidates, a.damped()...)
	var out []Play
	for _, s := range candidates {
		p := a.play(s[0], s[1])
		if sharp := a.newton(s[0], s[1]); sharp != s {
			if q := a.play(sharp[0], sharp[1]); q.Regret <= p.Regret+1e-14*a.scale {
				p = q
			}
		}
		if p.Regret > tolerance {
			continue
		}
		near := func(o Play) bool {
			return math.Abs(o.X-p.X) <= 1e-5*a.MaxX && math.Abs(o.Y-p.Y) <= 1e-5*a.MaxY
		}
		if i := slices.IndexFunc(out, near); i >= 0 {
			if p.Regret < out[i].Regret {
				out[i] = p
			}
			continue
		}
		out = append(out, p)
	}
	slices.SortStableFunc(out, func(p, q Play) int {
		switch {
		case p.Y < q.Y:
			return -1
		case p.Y > q.Y:
			return 1
		}
		return 0
	})
	return out
}

// damped follows best answers from a few places, each time part of the way: half at first, less when the steps do not shrink.
func (a *arena) damped() (ends [][2]float64) {
	for _, start := range [][2]float64{{0, 0}, {a.MaxX / 2, a.MaxY / 2}} {
		x, y, part, last := start[0], start[1], 0.5, math.Inf(1)
		for range 60 {
			dx, dy := a.attack(y, coarse)-x, a.defend(x, coarse)-y
			x, y = x+part*dx, y+part*dy
			step := math.Abs(dx)/a.MaxX + math.Abs(dy)/a.MaxY
			if step < 1e-10 {
				break
			}
			if step > 0.95*last {
				part = max(part*0.7, 0.05)
			}
			last = step
		}
		ends = append(ends, [2]float64{x, y})
	}
	return ends
}

// slopes are ∂V/∂x and ∂U/∂y, by differences over steps that stay inside.
func (a *arena) slopes(x, y float64) (vx, uy float64) {
	hx, hy := 1e-3*x, 1e-3*y
	return search.Slope(func(x float64) float64 { return a.profit(x, y) }, x, hx), search.Slope(func(y float64) float64 { return a.loss(x, y) }, y, hy)
}

// newton sharpens a point inside by Newton's steps on ∂V/∂x = 0, ∂U/∂y = 0; a point at the boundary, or from which the steps lead away, is left as it is.
func (a *arena) newton(x, y float64) [2]float64 {
	start := [2]float64{x, y}
	if x < 1e-6*a.MaxX || y < 1e-6*a.MaxY {
		return start
	}
	for range 12 {
		vx, uy := a.slopes(x, y)
		hx, hy := 1e-3*x, 1e-3*y
		vxPlus, uyPlus := a.slopes(x+hx, y)
		vxMinus, uyMinus := a.slopes(x-hx, y)
		vxx, uyx := (vxPlus-vxMinus)/(2*hx), (uyPlus-uyMinus)/(2*hx)
		vxPlus, uyPlus = a.slopes(x, y+hy)
		vxMinus, uyMinus = a.slopes(x, y-hy)
		vxy, uyy := (vxPlus-vxMinus)/(2*hy), (uyPlus-uyMinus)/(2*hy)
		det := vxx*uyy - vxy*uyx
		dx, dy := (vx*uyy-vxy*uy)/det, (vxx*uy-vx*uyx)/det
		if math.IsNaN(dx+dy) || math.Abs(dx) > 0.2*x || math.Abs(dy) > 0.2*y {
			return start
		}
		x, y = x-dx, y-dy
		if math.Abs(dx) < 1e-14*x && math.Abs(dy) < 1e-14*y {
			break
		}
	}
	if x < 0 || y < 0 || x > a.MaxX || y > a.MaxY {
		return start
	}
	return [2]float64{x, y}
}

// Holds reports whether formula 3.18 is kept at a play to within a part of slack. Where it is not, a function has a corner there, or a player could do better.
func (c Condition) Holds(p Play, slack float64) bool {
	attack, defence := math.Abs(c.Attack-1) <= slack, math.Abs(c.Defence+1) <= slack
	if !c.AttackInside {
		attack = p.X > 0 || c.Attack <= 1+slack // the other end is a bound that somebody gave
	}
	if !c.DefenceInside {
		defence = p.Y > 0 || c.Defence >= -1-slack
	}
	return attack && defence
}

// condition computes both sides of formula 3.18; at a boundary the slope is taken to the inside.
func (a *arena) condition(p Play) Condition {
	one := func(f func(float64) float64, at, most float64) (float64, bool) {
		if h := 1e-3 * at; at > 1e-9*most && at+2*h <= most {
			return search.Slope(f, at, h), true
		}
		h := 1e-6 * most
		if at+2*h > most {
			h = -h
		}
		return (-3*f(at) + 4*f(at+h) - f(at+2*h)) / (2 * h), false
	}
	var c Condition
	c.Attack, c.AttackInside = one(func(x float64) float64 { return a.Gain(a.Information(x, p.Y)) }, p.X, a.MaxX)
	c.Defence, c.DefenceInside = one(func(y float64) float64 { return a.Loss(a.Information(p.X, y)) }, p.Y, a.MaxY)
	return c
}

// stackelberg is the defence that costs least when the attacker knows it. What it costs as a function of y may jump where the attacker is deterred.
func (a *arena) stackelberg() Play {
	total := func(n int) func(float64) float64 {
		return func(y float64) float64 { return a.loss(a.attack(y, n), y) }
	}
	best := search.Valley{Y: math.Inf(1)}
	for _, v := range search.Valleys(total(coarse), 0, a.MaxY, 400) {
		if v.Y < best.Y {
			best = v
		}
	}
	fine := total(search.Points)
	y := best.X
	if p := search.Polish(fine, y, 0, a.MaxY); fine(p) <= fine(y) {
		y = p
	}
	x := a.attack(y, search.Points)
	return Play{X: x, Y: y, I: a.Information(x, y), V: a.profit(x, y), U: a.loss(x, y)}
}

// saddle recognises g = θ f, and gives the value of the zero-sum game that is equivalent then, with its bracket.
func (a *arena) saddle(nash []Play) *Saddle {
	theta, n := 0.0, 0
	for _, i := range search.Grid(0, a.most, 60) {
		f, g := a.Gain(i), a.Loss(i)
		if f <= 1e-9*a.Gain(a.most) || i == 0 {
			continue
		}
		if n++; n == 1 {
			theta = g / f
		}
		if math.Abs(g-theta*f) > 1e-9*math.Abs(g) {
			return nil
		}
	}
	if n == 0 || !(theta > 0) || len(nash) == 0 {
		return nil
	}
	k := func(x, y float64) float64 { return theta*a.profit(x, y) + y }
	p := nash[0]
	s := &Saddle{Theta: theta, X: p.X, Y: p.Y, Value: k(p.X, p.Y)}
	s.Lo = min(s.Value, lowest(func(y float64) float64 { return k(p.X, y) }, a.MaxY, p.Y).Y)
	s.Hi = max(s.Value, -lowest(func(x float64) float64 { return -k(x, p.Y) }, a.MaxX, p.X).Y)
	a.bracket(s)
	return s
}

// responses are the best answers of both, over a range that shows the equilibria.
func (r *Result) responses(a *arena) {
	x, y := 0.0, r.Stackelberg.Y
	for _, p := range append(slices.Clone(r.Nash), r.Stackelberg) {
		x, y = max(x, p.X), max(y, p.Y)
	}
	if r.Mixed != nil {
		x, y = max(x, slices.Max(r.Mixed.Xs)), max(y, slices.Max(r.Mixed.Ys))
	}
	x = max(x, a.attack(0, coarse))
	if x == 0 {
		x = a.MaxX
	}
	if y == 0 {
		y = a.MaxY
	}
	const n = 80
	for k := range n + 1 {
		v, w := min(1.3*y, a.MaxY)*float64(k)/n, min(1.3*x, a.MaxX)*float64(k)/n
		r.Attacks = append(r.Attacks, [2]float64{a.attack(v, coarse), v})
		r.Defences = append(r.Defences, [2]float64{w, a.defend(w, coarse)})
	}
}
