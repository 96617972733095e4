package expression

import (
	"math"
	"slices"

	"github.com/expr-lang/expr/ast"
)

// Interval is all numbers from Lo to Hi; an end that is infinite says that the numbers may be too great to be computed with. With None a formula may have no value within it, or one
// that nothing is known of, and the ends say nothing.
type Interval struct {
	Lo, Hi float64
	None   bool
}

// Point is the interval of one number.
func Point(v float64) Interval { return Interval{Lo: v, Hi: v} }

var none = Interval{Lo: math.Inf(-1), Hi: math.Inf(1), None: true}

// Over bounds the formula over all values that its variables can have within intervals: what it is at any of them, in real numbers, lies in the result, which is the narrower the narrower they are.
// Every operation is rounded outwards. Of what it has no bounds for, as the remainder of a division, it says None.
func (f *Function) Over(v []Interval) Interval {
	for _, x := range v {
		if x.None {
			return none
		}
	}
	b := bounds{f, v}
	return b.number(f.node)
}

// bounds walks through a formula that was compiled before, so that nothing in it is wrong.
type bounds struct {
	*Function
	v []Interval
}

func (b bounds) number(n ast.Node) Interval {
	switch n := n.(type) {
	case *ast.IntegerNode:
		return Point(float64(n.Value))
	case *ast.FloatNode:
		return Point(n.Value)
	case *ast.IdentifierNode:
		if i := slices.Index(b.variables, n.Value); i >= 0 {
			return b.v[i]
		}
		if p, ok := b.parameters[n.Value]; ok {
			return Point(p)
		}
		return around(constants[n.Value], constants[n.Value], 1e-15)
	case *ast.UnaryNode:
		x := b.number(n.Node)
		if n.Operator == "-" {
			return Interval{-x.Hi, -x.Lo, x.None}
		}
		return x
	case *ast.BinaryNode:
		return arithmetic(n.Operator, b.number(n.Left), b.number(n.Right))
	case *ast.ConditionalNode:
		yes, no := b.condition(n.Cond)
		switch {
		case !no:
			return b.number(n.Exp1)
		case !yes:
			return b.number(n.Exp2)
		}
		return hull(b.number(n.Exp1), b.number(n.Exp2))
	case *ast.CallNode:
		name := n.Callee.(*ast.IdentifierNode).Value
		out := b.number(n.Arguments[0])
		if singles[name] != nil {
			return single(name, out)
		}
		for _, a := range n.Arguments[1:] {
			out = pair(name, out, b.number(a))
		}
		return out
	}
	return none
}

// condition tells whether a condition can hold, and whether it can fail.
func (b bounds) condition(n ast.Node) (yes, no bool) {
	switch n := n.(type) {
	case *ast.BoolNode:
		return n.Value, !n.Value
	case *ast.UnaryNode:
		yes, no = b.condition(n.Node)
		return no, yes
	case *ast.BinaryNode:
		switch n.Operator {
		case "and", "&&":
			y1, n1 := b.condition(n.Left)
			y2, n2 := b.condition(n.Right)
			return y1 && y2, n1 || n2
		case "or", "||":
			y1, n1 := b.condition(n.Left)
			y2, n2 := b.condition(n.Right)
			return y1 || y2, n1 && n2
		}
		return compared(n.Operator, b.number(n.Left), b.number(n.Right))
	}
	return true, true
}

func compared(operator string, x, y Interval) (yes, no bool) {
	if x.None || y.None {
		return true, true
	}
	equal, unequal := x.Lo <= y.Hi && y.Lo <= x.Hi, x.Lo != x.Hi || y.Lo != y.Hi || x.Lo != y.Lo
	switch operator {
	case "<":
		return x.Lo < y.Hi, x.Hi >= y.Lo
	case "<=":
		return x.Lo <= y.Hi, x.Hi > y.Lo
	case ">":
		return x.Hi > y.Lo, x.Lo <= y.Hi
	case ">=":
		return x.Hi >= y.Lo, x.Lo < y.Hi
	case "==":
		return equal, unequal
	}
	return unequal, equal
}

func hull(x, y Interval) Interval {
	return Interval{math.Min(x.Lo, y.Lo), math.Max(x.Hi, y.Hi), x.None || y.None}
}

// around is an interval with ends that were rounded to within a part of them.
func around(lo, hi, part float64) Interval {
	lo, hi = math.Min(lo, math.MaxFloat64), math.Max(hi, -math.MaxFloat64)
	lo -= math.Abs(lo)*part + math.SmallestNonzeroFloat64
	hi += math.Abs(hi)*part + math.SmallestNonzeroFloat64
	if math.IsNaN(lo) || math.IsNaN(hi) {
		return none
	}
	return Interval{Lo: lo, Hi: hi}
}

// end is the result of an operation, moved to a side by a step if it was rounded.
func end(v float64, exact bool, side int) float64 {
	if exact {
		return v
	}
	return math.Nextafter(v, math.Inf(side))
}

// sum and product tell also whether they are exact.
func sum(a, b float64) (float64, bool) {
	s := a + b
	t := s - a
	return s, (a-(s-t))+(b-t) == 0
}

func product(a, b float64) (float64, bool) {
	if a == 0 || b == 0 {
		return 0, true // numbers are finite, also those that are beyond what is computed with
	}
	p := a * b
	return p, math.Abs(p) > 1e-280 && math.FMA(a, b, -p) == 0
}

func quotient(a, b float64) (float64, bool) {
	q := a / b
	return q, a == 0 || math.Abs(q) > 1e-280 && math.Abs(a) > 1e-280 && math.FMA(q, b, -a) == 0
}

func arithmetic(operator string, x, y Interval) Interval {
	if x.None || y.None {
		return none
	}
	var of func(a, b float64) (float64, bool)
	switch operator {
	case "-":
		return arithmetic("+", x, Interval{Lo: -y.Hi, Hi: -y.Lo})
	case "+":
		lo, e1 := sum(x.Lo, y.Lo)
		hi, e2 := sum(x.Hi, y.Hi)
		return Interval{Lo: end(lo, e1, -1), Hi: end(hi, e2, 1)}
	case "*":
		of = product
	case "/":
		if y.Lo <= 0 && y.Hi >= 0 {
			return none
		}
		of = quotient
	case "^", "**":
		return power(x, y)
	default:
		return none
	}
	if x.Lo >= 0 && y.Lo >= 0 && x.Hi <= math.MaxFloat64 && y.Hi <= math.MaxFloat64 { // most are: which ends make the extremes is known
		if operator == "/" {
			y.Lo, y.Hi = y.Hi, y.Lo
		}
		lo, e1 := of(x.Lo, y.Lo)
		hi, e2 := of(x.Hi, y.Hi)
		return Interval{Lo: math.Max(0, end(lo, e1, -1)), Hi: end(hi, e2, 1)}
	}
	out := Interval{Lo: math.Inf(1), Hi: math.Inf(-1)}
	for _, a := range [2]float64{x.Lo, x.Hi} {
		for _, b := range [2]float64{y.Lo, y.Hi} {
			v, exact := of(a, b)
			if math.IsNaN(v) { // both without end: what is between the others holds
				continue
			}
			out.Lo, out.Hi = math.Min(out.Lo, end(v, exact, -1)), math.Max(out.Hi, end(v, exact, 1))
		}
	}
	return out
}

// power is x to the y. Of a base that is not negative its extremes are at the ends; a base of either sign needs a whole number as its exponent.
func power(x, y Interval) Interval {
	whole := y.Lo == y.Hi && y.Lo == math.Trunc(y.Lo) && math.Abs(y.Lo) < 1e15
	switch {
	case x.Lo < 0 && !whole:
		return none
	case y.Lo <= 0 && x.Lo <= 0 && x.Hi >= 0 && !(whole && y.Lo == 0): // 0 to a power that is not positive
		return none
	case whole && x.Lo < 0 && math.Mod(y.Lo, 2) == 0: // the same as that of the amount
		x = single("abs", x)
	case x.Lo < 0: // odd: rising, or falling on either side of 0
		lo, hi := math.Pow(x.Lo, y.Lo), math.Pow(x.Hi, y.Lo)
		return around(math.Min(lo, hi), math.Max(lo, hi), slack(x, y))
	}
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, a := range [2]float64{x.Lo, x.Hi} {
		for _, b := range [2]float64{y.Lo, y.Hi} {
			v := math.Pow(a, b)
			lo, hi = math.Min(lo, v), math.Max(hi, v)
		}
	}
	exact := lo == hi && (lo == 0 || lo == 1)
	out := around(lo, hi, slack(x, y))
	if exact {
		out = Point(lo)
	}
	out.Lo = math.Max(0, out.Lo)
	return out
}

// slack is how far the library's power may be off, as a part of it: it multiplies, and takes the exponential of a product.
func slack(x, y Interval) float64 {
	most := math.Max(math.Abs(y.Lo), math.Abs(y.Hi))
	log := 0.0
	for _, a := range [2]float64{math.Abs(x.Lo), math.Abs(x.Hi)} {
		if a > 0 {
			log = math.Max(log, math.Abs(math.Log(a)))
		}
	}
	return 1e-14 + 1e-15*most*(1+log)
}

// rounding is how far the library's functions may be off, as a part of them: they are right to a few units in the last place, 2e-16.
const rounding = 1e-14

// exactAt is where a function is exactly what the library says.
var exactAt = map[string]float64{
	"exp": 0, "expm1": 0, "log1p": 0, "sinh": 0, "tanh": 0, "atan": 0, "erf": 0, "cbrt": 0, "sin": 0, "cos": 0, "cosh": 0, "tan": 0, "sqrt": 0, "log": 1, "ln": 1, "log2": 1, "log10": 1,
}

// single bounds a function of one argument.
func single(name string, x Interval) Interval {
	if x.None {
		return none
	}
	f := singles[name]
	switch name {
	case "abs":
		lo, hi := math.Abs(x.Lo), math.Abs(x.Hi)
		if x.Lo <= 0 && x.Hi >= 0 {
			return Interval{Lo: 0, Hi: math.Max(lo, hi)}
		}
		return Interval{Lo: math.Min(lo, hi), Hi: math.Max(lo, hi)}
	case "floor", "ceil", "round":
		return Interval{Lo: f(x.Lo), Hi: f(x.Hi)}
	case "sin", "cos": // they move no faster than their argument
		if math.IsInf(x.Lo, 0) || math.IsInf(x.Hi, 0) {
			return Interval{Lo: -1, Hi: 1}
		}
		if x.Lo == x.Hi && x.Lo == exactAt[name] {
			return Point(f(x.Lo))
		}
		mid := x.Lo/2 + x.Hi/2
		far := math.Max(x.Hi-mid, mid-x.Lo) * (1 + rounding)
		v := f(mid)
		out := around(v-far, v+far, rounding)
		return Interval{Lo: math.Max(-1, out.Lo-rounding*math.Abs(v)), Hi: math.Min(1, out.Hi+rounding*math.Abs(v))}
	case "tan":
		if x.Lo < -1.57 || x.Hi > 1.57 {
			return none
		}
	case "cosh":
		x = single("abs", x)
	case "sqrt":
		if x.Lo < 0 {
			return none
		}
	case "log", "ln", "log2", "log10":
		if x.Lo <= 0 {
			return none
		}
	case "log1p":
		if x.Lo <= -1 {
			return none
		}
	}
	// All that are left rise.
	out := around(f(x.Lo), f(x.Hi), rounding)
	if at, ok := exactAt[name]; ok && !out.None {
		if x.Lo == at {
			out.Lo = f(at)
		}
		if x.Hi == at {
			out.Hi = f(at)
		}
	}
	switch name { // what they are never below
	case "exp", "sqrt":
		out.Lo = math.Max(out.Lo, 0)
	case "expm1":
		out.Lo = math.Max(out.Lo, -1)
	case "cosh":
		out.Lo = math.Max(out.Lo, 1)
	}
	return out
}

// pair bounds a function of two arguments.
func pair(name string, x, y Interval) Interval {
	if x.None || y.None {
		return none
	}
	switch name {
	case "min":
		return Interval{Lo: math.Min(x.Lo, y.Lo), Hi: math.Min(x.Hi, y.Hi)}
	case "max":
		return Interval{Lo: math.Max(x.Lo, y.Lo), Hi: math.Max(x.Hi, y.Hi)}
	}
	return power(x, y)
}
