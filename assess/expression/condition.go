package expression

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"
)

// Condition is a compiled condition over a state, as `hour < 18 and mode in ["normal", "test"]`. It is safe for concurrent use.
type Condition struct {
	text    string
	program *vm.Program
	names   []string
}

// operators are what a condition may combine values with.
var operators = []string{
	"==", "!=", "<", "<=", ">", ">=", "and", "&&", "or", "||", "not", "!", "in", "+", "-", "*", "/", "%", "contains", "startsWith", "endsWith",
}

// CompileCondition reads a condition. Names are entries of the state, parts of a nested entry are reached by a dot; it has comparisons, and, or, not, in, lists, texts,
// numbers, arithmetic, contains, startsWith and endsWith. The error is an *Error.
func CompileCondition(text string) (*Condition, error) {
	tree, err := parse(text)
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	if err := admit(tree.Source, tree.Node, names, 0); err != nil {
		return nil, err
	}
	program, err := expr.Compile(text, expr.Env(map[string]any{}), expr.AllowUndefinedVariables(), expr.DisableAllBuiltins(), expr.MaxNodes(maxNodes))
	var wrong *file.Error
	if errors.As(err, &wrong) {
		return nil, &Error{max(wrong.Line, 1), wrong.Column + 1, wrong.Message}
	}
	if err != nil {
		return nil, &Error{1, 1, err.Error()}
	}
	return &Condition{text: text, program: program, names: slices.Sorted(maps.Keys(names))}, nil
}

// admit refuses what a condition may not have in it, and notes the names that it has.
func admit(source file.Source, n ast.Node, names map[string]bool, depth int) error {
	if depth > MaxDepth {
		return at(source, n, "it is nested more than %d deep", MaxDepth)
	}
	var parts []ast.Node
	switch n := n.(type) {
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.StringNode:
	case *ast.IdentifierNode:
		if strings.HasPrefix(n.Value, "$") {
			return at(source, n, "%s is not an entry of the state", n.Value)
		}
		names[n.Value] = true
	case *ast.UnaryNode:
		if !slices.Contains(operators, n.Operator) {
			return at(source, n, "%q can not stand in a condition", n.Operator)
		}
		parts = []ast.Node{n.Node}
	case *ast.BinaryNode:
		if !slices.Contains(operators, n.Operator) {
			return at(source, n, "%q can not stand in a condition: there are %s", n.Operator, strings.Join(operators, " "))
		}
		parts = []ast.Node{n.Left, n.Right}
	case *ast.ConditionalNode:
		parts = []ast.Node{n.Cond, n.Exp1, n.Exp2}
	case *ast.ArrayNode:
		parts = n.Nodes
	case *ast.MemberNode:
		if _, plain := n.Property.(*ast.StringNode); !plain || n.Optional {
			return at(source, n, "only a part of an entry that is named can be taken, as session.hour")
		}
		parts = []ast.Node{n.Node}
	default:
		return at(source, n, "only entries of the state, texts, numbers, lists, comparisons, and, or, not, in can stand in a condition")
	}
	for _, p := range parts {
		if err := admit(source, p, names, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// Names are the entries of the state that the condition looks at, sorted.
func (c *Condition) Names() []string { return slices.Clone(c.names) }

func (c *Condition) String() string { return c.text }

// Eval reports whether the condition holds in the state. It is an error when the state lacks an entry that the condition has in it, when values can not be compared, and
// when the result is neither true nor false; a decision that fails is to be taken for no.
func (c *Condition) Eval(state map[string]any) (bool, error) {
	for _, name := range c.names {
		if _, ok := state[name]; !ok {
			return false, fmt.Errorf("condition %q looks at %q, which the state does not have", c.text, name)
		}
	}
	out, err := expr.Run(c.program, state)
	var wrong *file.Error
	if errors.As(err, &wrong) {
		return false, fmt.Errorf("condition %q can not be evaluated: %s", c.text, wrong.Message)
	}
	if err != nil {
		return false, fmt.Errorf("condition %q can not be evaluated: %w", c.text, err)
	}
	holds, ok := out.(bool)
	if !ok {
		return false, fmt.Errorf("condition %q gives %v, which is neither true nor false", c.text, out)
	}
	return holds, nil
}
