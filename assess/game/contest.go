package game

import (
	"errors"
	"fmt"
	"math"

	"redoubt/assess/search"
)

// Contest is the game of expenditures: the attacker spends x and gets information I(x, y) against a defender who spends y. The attacker's profit is
// V(x, y) = f(I) - x (formula 3.16), the defender's loss U(x, y) = g(I) + y (formula 3.17). The functions may be called many thousand times; they give finite numbers on
// the range.
type Contest struct {
	Information func(x, y float64) float64 // I
	Gain        func(i float64) float64    // f
	Loss        func(i float64) float64    // g
	MaxX, MaxY  float64                    // the most that either spends; 0: what cannot pay any more

	// Bounds of profit and loss over all expenditures of two spans, the narrower the narrower these are; false where nothing is known. With them regret is proved.
	ProfitOver, LossOver func(x, y Span) (Span, bool)
}

// Span is all amounts from Lo to Hi.
type Span struct{ Lo, Hi float64 }

// Play is a pair of expenditures.
type Play struct {
	X, Y   float64
	I      float64 // information that the attacker gets
	V      float64 // the attacker's profit
	U      float64 // the defender's loss
	Regret float64 // the most that searches found either could gain by changing his expenditure alone: no proof that there is no more
	Bound  float64 // where it is proved, for the Nash equilibria: within the range neither could gain more than this
	Proved bool
}

// Assumption is one that the model makes and that does not hold.
type Assumption struct {
	What string  // as I(x, y) >= 0
	X, Y float64 // where; for f and g, X is the information
	Text string
}

// arena is a contest with its bounds.
type arena struct {
	Contest
	most  float64 // information at most
	scale float64 // of amounts of money, for tolerances
}

func (c Contest) profit(x, y float64) float64 { return c.Gain(c.Information(x, y)) - x }
func (c Contest) loss(x, y float64) float64   { return c.Loss(c.Information(x, y)) + y }

// Bounds finds beyond which expenditures nobody goes. The attacker's: from where on f(I(x, 0)) does not cover x, which bounds him against any defence since more defence
// never gives him more. The defender's: g of the most information that is lost then, since no defence at all costs no more.
func (c Contest) Bounds() (maxX, maxY float64, err error) {
	maxX, maxY = c.MaxX, c.MaxY
	if maxX == 0 {
		last := 0.0
		for e := -9 * 8; e <= 15*8; e++ {
			x := math.Pow(10, float64(e)/8)
			switch v := c.profit(x, 0); {
			case math.IsNaN(v):
				return 0, 0, fmt.Errorf("the attacker's profit has no value at x = %g, y = 0: give max_attack within which it has", x)
			case v >= 0:
				last = x
			}
		}
		if last >= 1e15 {
			return 0, 0, errors.New("the attacker's profit grows with what he spends without end: give max_attack")
		}
		maxX = max(last*math.Pow(10, 1.0/8), 1e-9)
		// The last doubt is between two steps of the ladder.
		maxX = search.Root(func(x float64) float64 { return c.profit(x, 0) + 1e-12*x }, last, maxX)
	}
	if maxY == 0 {
		worst := 0.0
		for _, x := range search.Grid(0, maxX, 200) {
			v := c.Loss(c.Information(x, 0))
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return 0, 0, fmt.Errorf("the defender's loss is %v at x = %g, y = 0: it has to be a finite number", v, x)
			}
			worst = max(worst, v)
		}
		maxY = max(worst, 1e-9)
	}
	return maxX, maxY, nil
}

func (c Contest) arena() (*arena, error) {
	if c.Information == nil || c.Gain == nil || c.Loss == nil {
		return nil, errors.New("the contest lacks one of its functions I, f, g")
	}
	if !(c.MaxX >= 0) || !(c.MaxY >= 0) || math.IsInf(c.MaxX, 0) || math.IsInf(c.MaxY, 0) {
		return nil, fmt.Errorf("the most that is spent is %g and %g: numbers of at least 0", c.MaxX, c.MaxY)
	}
	maxX, maxY, err := c.Bounds()
	if err != nil {
		return nil, err
	}
	a := &arena{Contest: c}
	a.MaxX, a.MaxY = maxX, maxY
	for _, x := range search.Grid(0, maxX, 40) {
		for _, y := range search.Grid(0, maxY, 40) {
			i := c.Information(x, y)
			v, u := c.profit(x, y), c.loss(x, y)
			if bad := i + v + u; math.IsNaN(bad) || math.IsInf(bad, 0) {
				return nil, fmt.Errorf("at x = %g, y = %g the information is %g, the profit %g and the loss %g: they have to be finite numbers", x, y, i, v, u)
			}
			a.most = max(a.most, i)
			a.scale = max(a.scale, math.Abs(v), math.Abs(u))
		}
	}
	if a.scale == 0 {
		a.scale = 1
	}
	return a, nil
}

// Assumptions checks, on a grid of the range, what the model assumes: I >= 0, rising in x, falling in y, 0 without attack; f and g rising from 0. Each that fails is told
// once, with a place.
func (c Contest) Assumptions() ([]Assumption, error) {
	a, err := c.arena()
	if err != nil {
		return nil, err
	}
	var out []Assumption
	told := map[string]bool{}
	fails := func(what string, x, y float64, format string, args ...any) {
		if !told[what] {
			told[what] = true
			out = append(out, Assumption{what, x, y, fmt.Sprintf(format, args...)})
		}
	}
	xs, ys := search.Grid(0, a.MaxX, 60), search.Grid(0, a.MaxY, 60)
	slack := 1e-9 * max(a.most, 1e-300)
	for i, x := range xs {
		for j, y := range ys {
			v := c.Information(x, y)
			if v < -slack {
				fails("I(x, y) >= 0", x, y, "the information is %g at x = %g, y = %g", v, x, y)
			}
			if i == 0 && math.Abs(v) > slack {
				fails("I(0, y) = 0", x, y, "without attack the information is %g at y = %g", v, y)
			}
			if i > 0 && v < c.Information(xs[i-1], y)-slack {
				fails("I rises with x", x, y, "more attack gets less near x = %g, y = %g", x, y)
			}
			if j > 0 && v > c.Information(x, ys[j-1])+slack {
				fails("I falls with y", x, y, "more defence loses more near x = %g, y = %g", x, y)
			}
		}
	}
	for _, f := range []struct {
		name string
		of   func(float64) float64
	}{{"f", c.Gain}, {"g", c.Loss}} {
		if v := f.of(0); math.Abs(v) > 1e-9*a.scale {
			fails(f.name+"(0) = 0", 0, 0, "%s is %g for no information", f.name, v)
		}
		is := search.Grid(0, a.most, 200)
		for k := 1; k < len(is); k++ {
			if f.of(is[k]) < f.of(is[k-1])-1e-12*a.scale {
				fails(f.name+" rises", is[k], 0, "%s falls near I = %g", f.name, is[k])
			}
		}
	}
	return out, nil
}

// attack is the attacker's best answer to y. Where several are equally good for him he takes the one that costs the defender least: at the point of deterrence, none.
func (a *arena) attack(y float64, n int) float64 {
	valleys := search.Valleys(func(x float64) float64 { return -a.profit(x, y) }, 0, a.MaxX, n)
	best := math.Inf(-1)
	for _, v := range valleys {
		best = max(best, -v.Y)
	}
	x, u := 0.0, math.Inf(1)
	for _, v := range valleys {
		if -v.Y < best-1e-12*a.scale {
			continue
		}
		if l := a.loss(v.X, y); l < u {
			x, u = v.X, l
		}
	}
	if x > 0 {
		x = search.Polish(func(x float64) float64 { return -a.profit(x, y) }, x, 0, a.MaxX)
	}
	if x < 1e-10*a.MaxX && a.profit(0, y) >= best-1e-12*a.scale { // an expenditure of next to nothing for a profit of nothing
		return 0
	}
	return x
}

// defend is the defender's best answer to x; of equally good ones the cheapest.
func (a *arena) defend(x float64, n int) float64 {
	return search.Minimise(func(y float64) float64 { return a.loss(x, y) }, 0, a.MaxY, n).X
}

// Searched is how many places of each range a search looks at for what a player could do instead, before it refines the best.
const Searched = search.Points

// lowest is the least place that is found of a function: by a search of the whole range, and by searches of ever narrower parts about some places, where a peak may be too
// narrow for the first.
func lowest(f func(float64) float64, most float64, about ...float64) search.Valley {
	best := search.Minimise(f, 0, most, Searched)
	for _, at := range about {
		for width := most / 10; width > 1e-7*most; width /= 10 {
			if v := search.Minimise(f, max(0, at-width), min(most, at+width), 100); v.Y < best.Y {
				best = v
			}
		}
	}
	return best
}

// play computes a pair, and the regret by searches of what either could do instead.
func (a *arena) play(x, y float64) Play {
	p := Play{X: x, Y: y, I: a.Information(x, y), V: a.profit(x, y), U: a.loss(x, y)}
	better := -lowest(func(x float64) float64 { return -a.profit(x, y) }, a.MaxX, x).Y
	cheaper := lowest(func(y float64) float64 { return a.loss(x, y) }, a.MaxY, y).Y
	p.Regret = max(0, better-p.V, p.U-cheaper)
	return p
}
