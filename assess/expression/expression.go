// Package expression reads the formulas that a model file holds: functions of named variables over the real numbers, and conditions over a state. The language is that of
// expr-lang/expr with nothing in it but arithmetic, comparison, choice and the usual functions: no loops, no closures, nothing that allocates by its argument. A text is
// bounded in length, in depth and in the number of its parts, so that evaluating it takes bounded time.
package expression

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
)

// The bounds of a text.
const (
	MaxLength = 4000 // bytes
	MaxDepth  = 100  // of nesting
	maxNodes  = 1000
)

// Error is what is wrong with a text, and where.
type Error struct {
	Line   int // from 1
	Column int // from 1, in characters
	Text   string
}

func (e *Error) Error() string { return fmt.Sprintf("%d:%d: %s", e.Line, e.Column, e.Text) }

// Function is a compiled formula. It is safe for concurrent use.
type Function struct {
	text      string
	variables []string
	body      func([]float64) float64
	uses      []bool

	node       ast.Node
	parameters map[string]float64
}

// singles are the functions of one argument, pairs those of two; min and max take more, from the left.
var (
	singles = map[string]func(float64) float64{
		"abs": math.Abs, "sqrt": math.Sqrt, "cbrt": math.Cbrt, "exp": math.Exp, "expm1": math.Expm1, "log": math.Log, "ln": math.Log, "log10": math.Log10, "log2": math.Log2,
		"log1p": math.Log1p, "sin": math.Sin, "cos": math.Cos, "tan": math.Tan, "atan": math.Atan, "sinh": math.Sinh, "cosh": math.Cosh, "tanh": math.Tanh, "erf": math.Erf,
		"floor": math.Floor, "ceil": math.Ceil, "round": math.Round,
	}
	pairs = map[string]func(x, y float64) float64{"pow": math.Pow, "min": math.Min, "max": math.Max}
)

// isFunction reports whether the language has a function of that name.
func isFunction(name string) bool { return singles[name] != nil || pairs[name] != nil }

// constants are names that stand for a number.
var constants = map[string]float64{"pi": math.Pi}

// Functions are the names of the functions of the language, sorted.
func Functions() []string {
	return slices.Sorted(slices.Values(append(slices.Collect(maps.Keys(singles)), slices.Collect(maps.Keys(pairs))...)))
}

// Compile reads a formula of the variables, in the order in which Eval gets their values; parameters are names that stand for numbers. The error is an *Error.
func Compile(text string, variables []string, parameters map[string]float64) (*Function, error) {
	for _, name := range append(slices.Sorted(maps.Keys(parameters)), variables...) {
		if isFunction(name) || constants[name] != 0 {
			return nil, &Error{1, 1, fmt.Sprintf("%q is the name of a function or constant of the language: give the parameter another name", name)}
		}
	}
	for _, v := range variables {
		if _, taken := parameters[v]; taken {
			return nil, &Error{1, 1, fmt.Sprintf("%q is the variable: a parameter needs another name", v)}
		}
	}
	tree, err := parse(text)
	if err != nil {
		return nil, err
	}
	c := &compiler{source: tree.Source, variables: variables, parameters: parameters, uses: make([]bool, len(variables))}
	body := c.number(tree.Node, 0)
	if c.err != nil {
		return nil, c.err
	}
	return &Function{text: text, variables: slices.Clone(variables), body: body.of, uses: c.uses, node: tree.Node, parameters: maps.Clone(parameters)}, nil
}

// Eval computes the formula. The result may be infinite or no number; At refuses those.
func (f *Function) Eval(values []float64) float64 { return f.body(values) }

// At computes the formula, and refuses a result that is not a finite number.
func (f *Function) At(values ...float64) (float64, error) {
	v := f.body(values)
	if math.IsNaN(v) || math.IsInf(v, 0) {
		at := make([]string, len(values))
		for i, x := range values {
			at[i] = fmt.Sprintf("%s = %g", f.variables[i], x)
		}
		return 0, fmt.Errorf("%q is %v at %s: it has to be a finite number there", f.text, v, strings.Join(at, ", "))
	}
	return v, nil
}

// Uses reports whether the formula has the variable in it.
func (f *Function) Uses(variable string) bool {
	i := slices.Index(f.variables, variable)
	return i >= 0 && f.uses[i]
}

func (f *Function) String() string { return f.text }

// parse reads the text within the bounds, as far as the syntax goes.
func parse(text string) (*parser.Tree, error) {
	if len(text) > MaxLength {
		return nil, &Error{1, 1, fmt.Sprintf("it is %d bytes long: %d are the most", len(text), MaxLength)}
	}
	if strings.TrimSpace(text) == "" {
		return nil, &Error{1, 1, "it is empty"}
	}
	config := conf.CreateNew()
	config.MaxNodes = maxNodes
	for name := range config.Builtins {
		config.Disabled[name] = true
	}
	tree, err := parser.ParseWithConfig(text, config)
	var wrong *file.Error
	if errors.As(err, &wrong) {
		return nil, &Error{max(wrong.Line, 1), wrong.Column + 1, wrong.Message}
	}
	if err != nil {
		return nil, &Error{1, 1, err.Error()}
	}
	return tree, nil
}

// at says where a node stands.
func at(source file.Source, n ast.Node, format string, args ...any) *Error {
	line, column, from := 1, 1, n.Location().From
	for i, r := range []rune(source.String()) {
		if i == from {
			break
		}
		column++
		if r == '\n' {
			line, column = line+1, 1
		}
	}
	return &Error{line, column, fmt.Sprintf(format, args...)}
}
