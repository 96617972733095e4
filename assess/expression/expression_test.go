package expression_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"redoubt/assess/expression"
)

func TestFormulas(t *testing.T) {
	params := map[string]float64{"N": 1000, "c": 100, "d": 150}
	for _, x := range []struct {
		text string
		want float64 // at x = 2, y = 3
	}{
		{"1/2", 0.5},
		{"x + y*2", 8},
		{"-x^2", -4},
		{"(-x)**2", 4},
		{"2^3^2", 512},
		{"x - y - 1", -2},
		{"7 % 4 + 0.5", 3.5},
		{"N*(1-exp(-x/c))*exp(-y/d)", 1000 * (1 - math.Exp(-2/100.0)) * math.Exp(-3/150.0)},
		{"min(x, y, 1) + max(x, y) + abs(-1)", 5},
		{"x < 3 and not (y >= 4) ? 10 : 20", 10},
		{"x > 3 or y == 4 ? 10 : 20", 20},
		{"pow(x, y) + sqrt(16) + log(exp(1)) + ln(1) + log10(1000) + log2(8)", 19},
		{"1e-3*pi", math.Pi / 1000},
		{"floor(2.7)+ceil(2.2)+round(2.5)", 8},
		{"max(3)", 3},
		{"true ? x : y", 2},
	} {
		f, err := expression.Compile(x.text, []string{"x", "y"}, params)
		if err != nil {
			t.Errorf("%s: %v", x.text, err)
			continue
		}
		if got, err := f.At(2, 3); err != nil || math.Abs(got-x.want) > 1e-12*math.Max(1, math.Abs(x.want)) {
			t.Errorf("%s = %v, %v: want %v", x.text, got, err, x.want)
		}
	}
}

func TestFaultsOfFormulas(t *testing.T) {
	for _, x := range []struct {
		text         string
		line, column int
		part         string
	}{
		{"x + z", 1, 5, `"z" is neither`},
		{"x +\n  foo(2)", 2, 3, `no function "foo"`},
		{"len([1,2])", 1, 1, "no function"},
		{"map([1], # + 1)", 1, 1, "only numbers"},
		{"filter(x, true)", 1, 1, "only numbers"},
		{"let a = 1; a", 1, 5, ""},
		{"1..1000000", 1, 2, `".." gives no number`},
		{"[1,2]", 1, 1, "only numbers"},
		{"x.y", 1, 3, "only numbers"},
		{"'a'", 1, 1, "not a number"},
		{"x and y", 1, 3, "gives no number"},
		{"x ? 1 : 2", 1, 1, "a comparison has to stand"},
		{"exp", 1, 1, "is a function"},
		{"exp(1, 2)", 1, 1, "takes 1 argument"},
		{"pow(1)", 1, 1, "takes 2"},
		{"min()", 1, 1, "takes 1 argument or more"},
		{"", 1, 1, "empty"},
		{"x +", 1, 3, ""},
		{"1e999", 1, 5, "range"},
		{strings.Repeat("(", 300) + "x" + strings.Repeat(")", 300) + " + z", 1, 605, "neither"},
		{strings.Repeat("-", 200) + "x", 1, 102, "nested"},
		{strings.Repeat("x+", 1500) + "x", 1, 0, "maximum allowed nodes"},
		{strings.Repeat("x+", 3000) + "x", 1, 1, "bytes long"},
		{"x => 1", 1, 3, ""},
		{"x matches 'a'", 1, 3, "gives no number"},
	} {
		_, err := expression.Compile(x.text, []string{"x"}, nil)
		var wrong *expression.Error
		if !errors.As(err, &wrong) {
			t.Errorf("%.40s: no fault found: %v", x.text, err)
			continue
		}
		if wrong.Line != x.line || x.column != 0 && wrong.Column != x.column || !strings.Contains(wrong.Text, x.part) {
			t.Errorf("%.40s: %v: want %d:%d %q", x.text, wrong, x.line, x.column, x.part)
		}
	}
	for _, p := range []map[string]float64{{"exp": 1}, {"x": 1}, {"pi": 3}} {
		if _, err := expression.Compile("1", []string{"x"}, p); err == nil {
			t.Errorf("parameters %v are taken", p)
		}
	}
}

func TestWhatIsNotFiniteIsRefused(t *testing.T) {
	for _, text := range []string{"1/x", "log(x)", "sqrt(x-1)", "0/0*x", "exp(1000+x)"} {
		f, err := expression.Compile(text, []string{"x"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if v, err := f.At(0); err == nil || !strings.Contains(err.Error(), "x = 0") {
			t.Errorf("%s at 0 is %v, %v", text, v, err)
		}
	}
}

func TestUses(t *testing.T) {
	f, err := expression.Compile("x*a", []string{"x", "y"}, map[string]float64{"a": 2})
	if err != nil || !f.Uses("x") || f.Uses("y") || f.Uses("a") || f.String() != "x*a" {
		t.Error(f, err)
	}
}

// TestArithmetic holds random formulas against a direct evaluation of the tree they were written from.
func TestArithmetic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.Float64Range(0.5, 4).Draw(t, "x")
		var make func(depth int) (string, float64)
		make = func(depth int) (string, float64) {
			if depth == 0 {
				return "x", x
			}
			a, va := make(depth - 1)
			b, vb := make(rapid.IntRange(0, depth-1).Draw(t, "depth"))
			switch rapid.IntRange(0, 4).Draw(t, "operator") {
			case 0:
				return "(" + a + " + " + b + ")", va + vb
			case 1:
				return "(" + a + "-" + b + ")", va - vb
			case 2:
				return "(" + a + "*" + b + ")", va * vb
			case 3:
				return "max(" + a + "," + b + ")", math.Max(va, vb)
			}
			if va < vb {
				return "(" + a + " < " + b + " ? 1 : " + a + ")", 1
			}
			return "(" + a + " < " + b + " ? 1 : " + a + ")", va
		}
		text, want := make(rapid.IntRange(0, 5).Draw(t, "size"))
		f, err := expression.Compile(text, []string{"x"}, nil)
		if err != nil {
			t.Fatal(text, err)
		}
		if got := f.Eval([]float64{x}); got != want {
			t.Fatalf("%s = %v, want %v", text, got, want)
		}
	})
}

func FuzzCompile(f *testing.F) {
	for _, s := range []string{"x + 1", "exp(-x/2)", "x < 1 ? 2 : 3", "((((", "a.b.c", "#", "filter([1],{#})", "1..9", "x ?? 1", "if x {1} else {2}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if g, err := expression.Compile(text, []string{"x"}, nil); err == nil {
			g.Eval([]float64{1})
		}
		if c, err := expression.CompileCondition(text); err == nil {
			state := map[string]any{}
			for _, n := range c.Names() {
				state[n] = 1
			}
			_, _ = c.Eval(state)
		}
	})
}

func TestConditions(t *testing.T) {
	state := map[string]any{"hour": 10, "mode": "normal", "load": 0.5, "on": true, "session": map[string]any{"level": 3}, "tags": []any{"a", "b"}, "big": uint64(7)}
	for text, want := range map[string]bool{
		"hour < 18": true, "hour >= 18": false, "true": true, "hour < 18 and mode == 'normal'": true, "not on": false, "!on || hour == 10": true,
		`mode in ["test", "normal"]`: true, `mode not in ["test"]`: true, "load * 2 <= 1": true, "session.level > 2": true, `"a" in tags`: true,
		"mode startsWith 'nor'": true, "mode contains 'x'": false, "mode endsWith 'l'": true, "hour == 10.0": true, "big > 6.5": true, "on ? hour > 1 : false": true, "on": true,
	} {
		c, err := expression.CompileCondition(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got, err := c.Eval(state); err != nil || got != want {
			t.Errorf("%s is %v, %v", text, got, err)
		}
	}
	c, err := expression.CompileCondition("b < 1 and a == 2 and b > 0")
	if err != nil || strings.Join(c.Names(), " ") != "a b" {
		t.Error(c, err)
	}
}

func TestFaultsOfConditions(t *testing.T) {
	for _, text := range []string{
		"", "hour <", "len(mode) > 2", "all([1], true)", "1..3", "let a = 1; a", "mode matches '.*'", "$env", "a[0]", "a?.b", "{a: 1}", "f(1)", "a ?? b", "a | f", "now()",
		"hour = 3", "nil", strings.Repeat("!", 200) + "a",
	} {
		_, err := expression.CompileCondition(text)
		var wrong *expression.Error
		if !errors.As(err, &wrong) || wrong.Line < 1 || wrong.Column < 1 {
			t.Errorf("%q is taken: %v", text, err)
		}
	}
	for _, text := range []string{"missing < 3", "mode < 3", "hour", "hour + 1", "mode and true", "session.none > 2"} {
		c, err := expression.CompileCondition(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got, err := c.Eval(map[string]any{"mode": "normal", "hour": 3, "session": map[string]any{}}); err == nil || got {
			t.Errorf("%s is %v without an error", text, got)
		}
	}
}

func BenchmarkFormula(b *testing.B) {
	f, err := expression.Compile("N*(1-exp(-x/c))*exp(-y/d)", []string{"x", "y"}, map[string]float64{"N": 1000, "c": 100, "d": 150})
	if err != nil {
		b.Fatal(err)
	}
	v := []float64{2, 3}
	b.ReportAllocs()
	for b.Loop() {
		f.Eval(v)
	}
}
