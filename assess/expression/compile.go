package expression

import (
	"math"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
)

// value is a compiled part; what does not depend on a variable is computed once.
type value struct {
	of    func([]float64) float64
	fixed bool
}

func fixed(v float64) value { return value{func([]float64) float64 { return v }, true} }

// truth is a compiled condition within a formula.
type truth struct {
	of    func([]float64) bool
	fixed bool
}

type compiler struct {
	source     file.Source
	variables  []string
	parameters map[string]float64
	uses       []bool
	err        error // the first fault
}

func (c *compiler) bad(n ast.Node, format string, args ...any) value {
	if c.err == nil {
		c.err = at(c.source, n, format, args...)
	}
	return fixed(0)
}

// number compiles a part that is a number.
func (c *compiler) number(n ast.Node, depth int) value {
	if c.err != nil {
		return fixed(0)
	}
	if depth > MaxDepth {
		return c.bad(n, "it is nested more than %d deep", MaxDepth)
	}
	switch n := n.(type) {
	case *ast.IntegerNode:
		return fixed(float64(n.Value))
	case *ast.FloatNode:
		if math.IsInf(n.Value, 0) || math.IsNaN(n.Value) {
			return c.bad(n, "the number is too large")
		}
		return fixed(n.Value)
	case *ast.IdentifierNode:
		return c.name(n)
	case *ast.UnaryNode:
		x := c.number(n.Node, depth+1)
		switch n.Operator {
		case "+":
			return x
		case "-":
			return c.settle(value{func(v []float64) float64 { return -x.of(v) }, x.fixed})
		}
		return c.bad(n, "%q gives no number", n.Operator)
	case *ast.BinaryNode:
		return c.binary(n, depth)
	case *ast.ConditionalNode:
		cond, yes, no := c.condition(n.Cond, depth+1), c.number(n.Exp1, depth+1), c.number(n.Exp2, depth+1)
		return c.settle(value{func(v []float64) float64 {
			if cond.of(v) {
				return yes.of(v)
			}
			return no.of(v)
		}, cond.fixed && yes.fixed && no.fixed})
	case *ast.CallNode:
		return c.call(n, depth)
	case *ast.BoolNode, *ast.StringNode, *ast.NilNode:
		return c.bad(n, "%s is not a number", n.String())
	}
	return c.bad(n, "only numbers, names, + - * / %% ^, comparisons, a ? b : c and functions can stand here")
}

// settle computes what does not depend on a variable.
func (c *compiler) settle(v value) value {
	if v.fixed && c.err == nil {
		return fixed(v.of(nil))
	}
	return v
}

func (c *compiler) name(n *ast.IdentifierNode) value {
	for i, name := range c.variables {
		if name == n.Value {
			c.uses[i] = true
			return value{func(v []float64) float64 { return v[i] }, false}
		}
	}
	if p, ok := c.parameters[n.Value]; ok {
		return fixed(p)
	}
	if k, ok := constants[n.Value]; ok {
		return fixed(k)
	}
	if isFunction(n.Value) {
		return c.bad(n, "%s is a function: it needs its arguments in parentheses", n.Value)
	}
	return c.bad(n, "%q is neither a variable (%s) nor a parameter", n.Value, strings.Join(c.variables, ", "))
}

func (c *compiler) binary(n *ast.BinaryNode, depth int) value {
	if !strings.Contains("+ - * / % ^ **", n.Operator) {
		return c.bad(n, "%q gives no number", n.Operator)
	}
	x, y := c.number(n.Left, depth+1), c.number(n.Right, depth+1)
	both := x.fixed && y.fixed
	f, g := x.of, y.of
	var of func([]float64) float64
	switch n.Operator {
	case "+":
		of = func(v []float64) float64 { return f(v) + g(v) }
	case "-":
		of = func(v []float64) float64 { return f(v) - g(v) }
	case "*":
		of = func(v []float64) float64 { return f(v) * g(v) }
	case "/":
		of = func(v []float64) float64 { return f(v) / g(v) }
	case "%":
		of = func(v []float64) float64 { return math.Mod(f(v), g(v)) }
	default: // ^ and **
		of = func(v []float64) float64 { return math.Pow(f(v), g(v)) }
	}
	return c.settle(value{of, both})
}

func (c *compiler) call(n *ast.CallNode, depth int) value {
	callee, ok := n.Callee.(*ast.IdentifierNode)
	if !ok {
		return c.bad(n, "only the functions of the language can be called")
	}
	if !isFunction(callee.Value) {
		return c.bad(callee, "there is no function %q: there are %s", callee.Value, strings.Join(Functions(), ", "))
	}
	args := make([]value, len(n.Arguments))
	for i, a := range n.Arguments {
		args[i] = c.number(a, depth+1)
	}
	if f := singles[callee.Value]; f != nil {
		if len(args) != 1 {
			return c.bad(n, "%s takes 1 argument, not %d", callee.Value, len(args))
		}
		x := args[0].of
		return c.settle(value{func(v []float64) float64 { return f(x(v)) }, args[0].fixed})
	}
	f, open := pairs[callee.Value], callee.Value != "pow"
	if len(args) != 2 && (!open || len(args) < 1) {
		return c.bad(n, "%s takes %s, not %d", callee.Value, map[bool]string{true: "1 argument or more", false: "2 arguments"}[open], len(args))
	}
	out := args[0]
	for _, a := range args[1:] {
		x, y := out.of, a.of
		out = c.settle(value{func(v []float64) float64 { return f(x(v), y(v)) }, out.fixed && a.fixed})
	}
	return out
}

// condition compiles a part that is true or false.
func (c *compiler) condition(n ast.Node, depth int) truth {
	never := truth{func([]float64) bool { return false }, true}
	if c.err != nil {
		return never
	}
	if depth > MaxDepth {
		c.bad(n, "it is nested more than %d deep", MaxDepth)
		return never
	}
	switch n := n.(type) {
	case *ast.BoolNode:
		v := n.Value
		return truth{func([]float64) bool { return v }, true}
	case *ast.UnaryNode:
		if n.Operator == "!" || n.Operator == "not" {
			x := c.condition(n.Node, depth+1)
			return truth{func(v []float64) bool { return !x.of(v) }, x.fixed}
		}
	case *ast.BinaryNode:
		switch n.Operator {
		case "and", "&&":
			x, y := c.condition(n.Left, depth+1), c.condition(n.Right, depth+1)
			return truth{func(v []float64) bool { return x.of(v) && y.of(v) }, x.fixed && y.fixed}
		case "or", "||":
			x, y := c.condition(n.Left, depth+1), c.condition(n.Right, depth+1)
			return truth{func(v []float64) bool { return x.of(v) || y.of(v) }, x.fixed && y.fixed}
		}
		if compare, ok := comparisons[n.Operator]; ok {
			x, y := c.number(n.Left, depth+1), c.number(n.Right, depth+1)
			return truth{func(v []float64) bool { return compare(x.of(v), y.of(v)) }, x.fixed && y.fixed}
		}
	}
	c.bad(n, "a comparison has to stand here, as x < 3")
	return never
}

var comparisons = map[string]func(x, y float64) bool{
	"<": func(x, y float64) bool { return x < y }, "<=": func(x, y float64) bool { return x <= y }, ">": func(x, y float64) bool { return x > y },
	">=": func(x, y float64) bool { return x >= y }, "==": func(x, y float64) bool { return x == y }, "!=": func(x, y float64) bool { return x != y },
}
