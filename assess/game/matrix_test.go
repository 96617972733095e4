package game_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/optimize/convex/lp"
	"pgregory.net/rapid"

	"redoubt/assess/game"
)

func near(got, want, tolerance float64) bool {
	return math.Abs(got-want) <= tolerance*math.Max(1, math.Abs(want))
}

func same(got, want []float64, tolerance float64) bool {
	for i := range want {
		if !near(got[i], want[i], tolerance) {
			return false
		}
	}
	return len(got) == len(want)
}

func random(seed uint64, rows, columns int) [][]float64 {
	r := rand.New(rand.NewPCG(seed, 3))
	m := make([][]float64, rows)
	for i := range m {
		for range columns {
			m[i] = append(m[i], r.NormFloat64())
		}
	}
	return m
}

func TestZeroSumVectors(t *testing.T) {
	for name, x := range map[string]struct {
		a     [][]float64
		value float64
		x, y  []float64
	}{
		"two by two":          {[][]float64{{3, -1}, {-2, 4}}, 1, []float64{.6, .4}, []float64{.5, .5}},
		"rock":                {[][]float64{{0, -1, 1}, {1, 0, -1}, {-1, 1, 0}}, 0, []float64{1. / 3, 1. / 3, 1. / 3}, []float64{1. / 3, 1. / 3, 1. / 3}},
		"a saddle":            {[][]float64{{4, 2, 3}, {1, 0, 9}}, 2, []float64{1, 0}, []float64{0, 1, 0}},
		"one cell":            {[][]float64{{-7}}, -7, []float64{1}, []float64{1}},
		"all equal":           {[][]float64{{5, 5}, {5, 5}}, 5, nil, nil},
		"one row":             {[][]float64{{3, 1, 2}}, 1, []float64{1}, []float64{0, 1, 0}},
		"kopecks, billions":   {[][]float64{{0.01, 5e9}, {4e9, 0.02}}, (5e9*4e9 - 0.01*0.02) / (9e9 - 0.03), nil, nil},
		"far from the origin": {[][]float64{{1e9 + 3, 1e9 - 1}, {1e9 - 2, 1e9 + 4}}, 1e9 + 1, []float64{.6, .4}, nil},
	} {
		got, err := game.Solve(x.a, 0)
		if err != nil || !near(got.Lo, x.value, 1e-9) || !near(got.Hi, x.value, 1e-9) || x.x != nil && !same(got.X, x.x, 1e-7) || x.y != nil && !same(got.Y, x.y, 1e-7) {
			t.Errorf("%s: %+v %v, want %v", name, got, err, x.value)
		}
	}
	for _, bad := range [][][]float64{nil, {{}}, {{1, 2}, {3}}, {{math.NaN()}}, {{math.Inf(1)}}} {
		if _, err := game.Solve(bad, 0); err == nil {
			t.Errorf("%v is taken", bad)
		}
		if _, err := game.RegretMatching(bad, 0, 1); err == nil {
			t.Errorf("%v is taken", bad)
		}
	}
}

// linear solves a zero-sum game by a general simplex code, which fails on some.
func linear(a [][]float64) (value float64, ok bool) {
	// max v: v - Σ x_i a_ij + s_j = 0 after all entries are made positive, Σ x = 1.
	rows, columns := len(a), len(a[0])
	least := 0.0
	for _, r := range a {
		for _, v := range r {
			least = math.Min(least, v)
		}
	}
	c := make([]float64, 1+rows+columns)
	c[0] = -1
	m := mat.NewDense(columns+1, len(c), nil)
	b := make([]float64, columns+1)
	for j := range columns {
		m.Set(j, 0, 1)
		for i := range rows {
			m.Set(j, 1+i, -(a[i][j] - least + 1))
		}
		m.Set(j, 1+rows+j, 1)
	}
	for i := range rows {
		m.Set(columns, 1+i, 1)
	}
	b[columns] = 1
	v, _, err := lp.Simplex(c, m, b, 1e-12, nil)
	return -v + least - 1, err == nil
}

// TestZeroSumTwins holds pivots, regret matching and a general simplex code against each other.
func TestZeroSumTwins(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows, columns := rapid.IntRange(1, 7).Draw(t, "rows"), rapid.IntRange(1, 7).Draw(t, "columns")
		a := make([][]float64, rows)
		for i := range a {
			for range columns {
				a[i] = append(a[i], float64(rapid.IntRange(-5, 5).Draw(t, "entry")))
			}
		}
		got, err := game.Solve(a, 0)
		if err != nil || got.Hi < got.Lo || got.Hi-got.Lo > 1e-8 {
			t.Fatalf("%+v %v", got, err)
		}
		if want, ok := linear(a); ok && !near(got.Lo, want, 1e-7) {
			t.Fatalf("value %v, want %v", got.Lo, want)
		}
		rough, err := game.RegretMatching(a, 1e-3, 3000)
		if err != nil || rough.Lo > got.Hi+1e-9 || rough.Hi < got.Lo-1e-9 || rough.Hi-rough.Lo > 0.1 {
			t.Fatalf("%+v %v, want the value %v within", rough, err, got.Lo)
		}
		// What the one gains the other loses: the game seen from the other side has the opposite value.
		turned := make([][]float64, columns)
		for j := range turned {
			for i := range rows {
				turned[j] = append(turned[j], -a[i][j])
			}
		}
		if other, err := game.Solve(turned, 0); err != nil || !near(other.Lo, -got.Lo, 1e-8) {
			t.Fatalf("%+v %v", other, err)
		}
	})
}

func TestALargeZeroSumGame(t *testing.T) {
	a := random(1, 120, 150)
	got, err := game.Solve(a, 1e-9)
	if err != nil || got.Hi-got.Lo > 1e-8 || got.Method != "pivots" {
		t.Fatalf("%v %v %v %v", got.Lo, got.Hi, got.Method, err)
	}
	rough, err := game.RegretMatching(a, 1e-3, 10000)
	if err != nil || rough.Lo > got.Hi || rough.Hi < got.Lo {
		t.Fatal(rough.Lo, rough.Hi, got.Lo, err)
	}
}

func bimatrix(t *testing.T, g game.Bimatrix) game.Solution {
	t.Helper()
	s, err := g.Equilibria()
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Equilibria) == 0 {
		t.Fatal("no equilibrium was found")
	}
	return s
}

func TestBimatrixVectors(t *testing.T) {
	// The battle of the sexes: two pure ones, one mixed.
	s := bimatrix(t, game.Bimatrix{A: [][]float64{{3, 0}, {0, 2}}, B: [][]float64{{2, 0}, {0, 3}}})
	if len(s.Equilibria) != 3 || !s.Complete || s.Method != "support enumeration" || !same(s.Equilibria[2].X, []float64{.6, .4}, 1e-12) || !same(s.Equilibria[2].Y, []float64{.4, .6}, 1e-12) {
		t.Errorf("%+v", s)
	}
	// The prisoners: the first strategy is beaten.
	g := game.Bimatrix{A: [][]float64{{3, 0}, {5, 1}}, B: [][]float64{{3, 5}, {0, 1}}}
	if rows, columns := g.Undominated(); len(rows) != 1 || rows[0] != 1 || len(columns) != 1 || columns[0] != 1 {
		t.Error(rows, columns)
	}
	s = bimatrix(t, g)
	if len(s.Equilibria) != 1 || s.Equilibria[0].A != 1 || s.Equilibria[0].X[1] != 1 {
		t.Errorf("%+v", s)
	}
	// Matching pennies by the other way of writing.
	s = bimatrix(t, game.Bimatrix{A: [][]float64{{1, -1}, {-1, 1}}, B: [][]float64{{-1, 1}, {1, -1}}})
	if len(s.Equilibria) != 1 || !same(s.Equilibria[0].X, []float64{.5, .5}, 1e-12) || !(game.Bimatrix{A: [][]float64{{1}}, B: [][]float64{{-1}}}).ZeroSum() {
		t.Errorf("%+v", s)
	}
	for _, bad := range []game.Bimatrix{{}, {A: [][]float64{{1}}}, {A: [][]float64{{1}}, B: [][]float64{{math.NaN()}}}, {A: [][]float64{{1, 2}}, B: [][]float64{{1}}}} {
		if _, err := bad.Equilibria(); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}

// TestEquilibriaHold finds equilibria of random games, degenerate ones among them, and holds every one against all deviations; in zero-sum games they have the value.
func TestEquilibriaHold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows, columns := rapid.IntRange(1, 6).Draw(t, "rows"), rapid.IntRange(1, 6).Draw(t, "columns")
		zero := rapid.Bool().Draw(t, "zero-sum")
		g := game.Bimatrix{A: make([][]float64, rows), B: make([][]float64, rows)}
		for i := range rows {
			for range columns {
				a := float64(rapid.IntRange(-3, 3).Draw(t, "a"))
				b := -a
				if !zero {
					b = float64(rapid.IntRange(-3, 3).Draw(t, "b"))
				}
				g.A[i], g.B[i] = append(g.A[i], a), append(g.B[i], b)
			}
		}
		s, err := g.Equilibria()
		if err != nil || len(s.Equilibria) == 0 {
			t.Fatal(s, err)
		}
		for _, e := range s.Equilibria {
			sumX, sumY := 0.0, 0.0
			for _, p := range e.X {
				sumX += p
			}
			for _, p := range e.Y {
				sumY += p
			}
			if !near(sumX, 1, 1e-12) || !near(sumY, 1, 1e-12) || e.Regret > 1e-8 {
				t.Fatalf("%+v", e)
			}
			for i := range rows {
				gain := 0.0
				for j := range columns {
					gain += g.A[i][j] * e.Y[j]
				}
				if gain > e.A+1e-8 {
					t.Fatalf("row %d gains %v, the equilibrium %v", i, gain, e.A)
				}
			}
			if v, err := game.Solve(g.A, 0); zero && (err != nil || !near(e.A, v.Lo, 1e-7)) {
				t.Fatalf("%v, value %v", e.A, v.Lo)
			}
		}
	})
}

func TestLargerBimatrixGames(t *testing.T) {
	g := game.Bimatrix{A: random(1, 40, 35), B: random(2, 40, 35)}
	s := bimatrix(t, g)
	if s.Method != "Lemke-Howson" || s.Complete {
		t.Errorf("%+v", s.Method)
	}
	// Twelve strategies each: enumeration and the path agree on at least one.
	g = game.Bimatrix{A: random(5, 9, 9), B: random(6, 9, 9)}
	if s := bimatrix(t, g); len(s.Equilibria)%2 != 1 {
		t.Errorf("%d equilibria: a game that is not degenerate has an odd number", len(s.Equilibria))
	}
}

func TestNFG(t *testing.T) {
	payoffs := `NFG 1 R "Attack \"A\"" { "attacker" "defender" }
{ { "u" "d" } { "l" "m" "r" } }
"a comment"

1 -1  2/4 -.5
3 0   4 1e1
5 5,  6 -6
`
	g, err := game.ReadNFG([]byte(payoffs))
	if err != nil {
		t.Fatal(err)
	}
	if g.Title != `Attack "A"` || g.Players != [2]string{"attacker", "defender"} || strings.Join(g.Rows, "") != "ud" || strings.Join(g.Columns, "") != "lmr" {
		t.Errorf("%+v", g)
	}
	if !same(append(g.A[0], g.A[1]...), []float64{1, 3, 5, .5, 4, 6}, 0) || !same(append(g.B[0], g.B[1]...), []float64{-1, 0, 5, -.5, 10, -6}, 0) {
		t.Errorf("%v %v", g.A, g.B)
	}
	outcomes := `NFG 1 R "x" { "1" "2" } { 2 2 }
{ { "win" 1, -1 } { "lose" -2 2 } }
1 2 0 1`
	g, err = game.ReadNFG([]byte(outcomes))
	if err != nil || !same(append(g.A[0], g.A[1]...), []float64{1, 0, -2, 1}, 0) || g.Rows != nil {
		t.Errorf("%+v %v", g, err)
	}
	for text, part := range map[string]string{
		"": "NFG 1 R", "NFG 2 R": "NFG 1 R", `NFG 1 X "a"`: "where R should", `NFG 1 R "a`: "not closed",
		`NFG 1 R "a" { "1" "2" "3" } { 1 1 1 } 1 2 3`:                       "3 players",
		`NFG 1 R "a" { "1" "2" } { 2 2 } 1 2 3`:                             "row 2, column 1",
		`NFG 1 R "a" { "1" "2" } { 1 1 } 1 2 3`:                             "after the last",
		`NFG 1 R "a" { "1" "2" } { 1 1 } 1 x`:                               "not a number",
		`NFG 1 R "a" { "1" "2" } { 1 1 } 1 1/0`:                             "not a number",
		`NFG 1 R "a" { "1" "2" } { 1 1 } 1 1e999`:                           "not a number",
		`NFG 1 R "a" { "1" "2" } { 0 1 }`:                                   "0 strategies",
		`NFG 1 R "a" { "1" "2" } { 99999999 2 }`:                            "99999999 strategies",
		`NFG 1 R "a" { "1" "2" } { 2000 2000 } 1 2`:                         "too short",
		`NFG 1 R "a" { "1" "2" } { 1 1 } { { "o" 1 2 } } 2`:                 "not an outcome",
		`NFG 1 R "a" { "1" "2" } { 1 1 } { { "o" 1 2 } {"" 1 1} {"" 1 1} }`: "more outcomes",
		"NFG 1 R\n\"a\"\n{":                                                 "line 3",
	} {
		if _, err := game.ReadNFG([]byte(text)); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q: %v, want %q", text, err, part)
		}
	}
}

func TestNFGRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := game.Bimatrix{Title: rapid.StringMatching(`[a-z"\\ ]{0,9}`).Draw(t, "title"), Players: [2]string{"a", `b"`}}
		rows, columns := rapid.IntRange(1, 4).Draw(t, "rows"), rapid.IntRange(1, 4).Draw(t, "columns")
		for i := range rows {
			g.A, g.B = append(g.A, nil), append(g.B, nil)
			for range columns {
				g.A[i] = append(g.A[i], rapid.Float64Range(-1e30, 1e30).Draw(t, "a"))
				g.B[i] = append(g.B[i], rapid.Float64Range(-1, 1).Draw(t, "b"))
			}
		}
		if rapid.Bool().Draw(t, "named") {
			for range rows {
				g.Rows = append(g.Rows, rapid.StringMatching(`[a-z{}"\\]{0,5}`).Draw(t, "row"))
			}
		}
		text, err := g.NFG()
		if err != nil {
			t.Fatal(err)
		}
		got, err := game.ReadNFG(text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if got.Title != g.Title || got.Players != g.Players || strings.Join(got.Rows, "|") != strings.Join(g.Rows, "|") {
			t.Fatalf("%+v, want %+v", got, g)
		}
		for i := range rows {
			if !same(got.A[i], g.A[i], 0) || !same(got.B[i], g.B[i], 0) {
				t.Fatalf("%+v, want %+v", got, g)
			}
		}
	})
}

func FuzzReadNFG(f *testing.F) {
	f.Add([]byte(`NFG 1 R "x" { "1" "2" } { 2 { "a" "b" } } { { "win" 1, -1 } { "lose" -2 2 } } 1 2 0 1`))
	f.Add([]byte(`NFG 1 R "x" { "1" "2" } { 1 1 } "c" 1/3 2`))
	f.Fuzz(func(t *testing.T, text []byte) {
		g, err := game.ReadNFG(text)
		if err != nil {
			return
		}
		if _, err := g.NFG(); err != nil {
			t.Fatal(err)
		}
	})
}

func BenchmarkZeroSum300(b *testing.B) {
	a := random(1, 300, 300)
	for b.Loop() {
		v, err := game.Solve(a, 1e-9)
		if err != nil || v.Hi-v.Lo > 1e-8 {
			b.Fatal(v.Lo, v.Hi, err)
		}
		b.ReportMetric(v.Hi-v.Lo, "bracket")
		b.ReportMetric(float64(v.Steps), "pivots")
	}
}

func BenchmarkRegretMatching300(b *testing.B) {
	a := random(1, 300, 300)
	for b.Loop() {
		v, err := game.RegretMatching(a, 1e-4, 100_000)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(v.Hi-v.Lo, "bracket")
		b.ReportMetric(float64(v.Steps), "rounds")
	}
}

func BenchmarkSupports12(b *testing.B) {
	g := game.Bimatrix{A: random(5, 12, 12), B: random(6, 12, 12)}
	for b.Loop() {
		if _, err := g.Equilibria(); err != nil {
			b.Fatal(err)
		}
	}
}
