package assess

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"redoubt/assess/expression"
	"redoubt/assess/game"
	"redoubt/assess/model"
)

// Game is section game of the report: the attacker and the defender.
type Game struct {
	Trace Trace `json:"trace"`

	// Of the game of expenditures.
	MaxAttack   *float64         `json:"max_attack,omitempty"`  // the most that is considered
	MaxDefence  *float64         `json:"max_defence,omitempty"` //
	Assumptions []GameAssumption `json:"assumptions,omitempty"` // those that do not hold
	Nash        *GamePlay        `json:"nash,omitempty"`        // the pure equilibrium; of several the one that costs the defender least
	AllNash     []GamePlay       `json:"all_nash,omitempty"`    // where there are several
	Stackelberg *GamePlay        `json:"stackelberg,omitempty"` // the defender goes first, the attacker answers
	Responses   *GameResponses   `json:"responses,omitempty"`

	// Of the game of expenditures without a pure equilibrium, and of games given by matrices.
	Mixed   *GameMixed   `json:"mixed,omitempty"`
	ZeroSum *GameZeroSum `json:"zero_sum,omitempty"`
	NFG     string       `json:"nfg,omitempty"` // a game of matrices, as gambit reads it
}

// GamePlay is a pair of expenditures.
type GamePlay struct {
	X        float64      `json:"x"` // what the attacker spends
	Y        float64      `json:"y"` // what the defender spends
	I        float64      `json:"I"` // information that the attacker gets
	V        float64      `json:"V"` // the attacker's net profit
	U        float64      `json:"U"` // the defender's loss and expenditure
	Regret   *float64     `json:"regret,omitempty"`
	Bound    *float64     `json:"regret_bound,omitempty"` // proved: within the range neither could gain more by spending otherwise
	Proved   bool         `json:"proved,omitempty"`       // there is such a bound; otherwise regret is what searches found, which is no proof
	Marginal *GameMargins `json:"marginal,omitempty"`
	Attack   bool         `json:"attack"` // the attack pays
}

// GameMargins are the sides of formula 3.18: 1 and -1 inside, at most 1 and at least -1 where nothing is spent.
type GameMargins struct {
	Attack  float64 `json:"attack"`
	Defence float64 `json:"defence"`
}

// GameAssumption is an assumption of the model that the functions do not keep.
type GameAssumption struct {
	What string `json:"what"`
	Text string `json:"text"`
}

// GameResponses are best answers, for a plot: what the other spends first, then the answer.
type GameResponses struct {
	Attacker [][2]float64 `json:"attacker"` // y, x(y)
	Defender [][2]float64 `json:"defender"` // x, y(x)
}

// GameMixed are equilibria in mixed strategies.
type GameMixed struct {
	Method     string            `json:"method"`
	Complete   bool              `json:"complete"` // no equilibrium of a game that is not degenerate is missing
	Equilibria []GameEquilibrium `json:"equilibria"`
}

// GameEquilibrium is a pair of mixed strategies; only strategies that are played are listed.
type GameEquilibrium struct {
	Attacker []GameShare `json:"attacker"`
	Defender []GameShare `json:"defender"`
	V        float64     `json:"V"` // what the attacker gains on the average
	U        float64     `json:"U"` // what the defender loses on the average
	Regret   float64     `json:"regret"`
}

// GameShare is a strategy with its probability.
type GameShare struct {
	Strategy    string   `json:"strategy"`
	Amount      *float64 `json:"amount,omitempty"` // of a game of expenditures
	Probability float64  `json:"probability"`
}

// GameZeroSum is the value of a zero-sum game with the strategies that reach it.
type GameZeroSum struct {
	Value    float64     `json:"value"`
	Bracket  [2]float64  `json:"bracket"` // of a matrix computed from it and the strategies: the value is within; of a game of expenditures what searches found, unless it is proved
	Proved   bool        `json:"proved"`  // the value is within the bracket
	Method   string      `json:"method,omitempty"`
	Theta    *float64    `json:"theta,omitempty"` // of a game of expenditures whose loss is θ times the gain: K = θ f(I) - θ x + y has the same equilibria
	Attacker []GameShare `json:"attacker,omitempty"`
	Defender []GameShare `json:"defender,omitempty"`
}

func (r *run) game() error {
	in := r.model.Game
	switch {
	case in == nil:
		return nil
	case in.Matrix != nil:
		return r.matrixGame(in, game.Bimatrix{
			Title: r.model.Title, Players: [2]string{"attacker", "defender"}, Rows: in.Matrix.Rows, Columns: in.Matrix.Columns, A: in.Matrix.Attacker, B: in.Matrix.Defender,
		}, "game.matrix")
	case in.NFG != "":
		g, err := game.ReadNFG([]byte(in.NFG))
		if err != nil {
			return err
		}
		return r.matrixGame(in, g, "game.nfg")
	}
	return r.contest(in)
}

func (r *run) contest(in *model.Game) error {
	var c game.Contest
	information, err := expression.Compile(in.Information, []string{"x", "y"}, in.Parameters)
	if err != nil {
		return fmt.Errorf("information: %w", err)
	}
	gain, err := expression.Compile(in.Gain, []string{"I"}, in.Parameters)
	if err != nil {
		return fmt.Errorf("gain: %w", err)
	}
	loss, err := expression.Compile(in.Loss, []string{"I"}, in.Parameters)
	if err != nil {
		return fmt.Errorf("loss: %w", err)
	}
	// One buffer each: the solver calls them one after the other.
	var xy, i [2]float64
	undefined := false
	c.Information = func(x, y float64) float64 {
		xy[0], xy[1] = x, y
		v := information.Eval(xy[:])
		if x == 0 && math.IsNaN(v) { // as x/(x+y) at the origin: the model assumes I(0, y) = 0
			undefined = true
			return 0
		}
		return v
	}
	c.Gain = func(v float64) float64 { i[0] = v; return gain.Eval(i[:1]) }
	c.Loss = func(v float64) float64 { i[0] = v; return loss.Eval(i[:1]) }
	c.MaxX, c.MaxY = in.MaxAttack, in.MaxDefence
	c.ProfitOver = func(x, y game.Span) (game.Span, bool) {
		return overContest(gain, information, x, y, game.Span{Lo: -x.Hi, Hi: -x.Lo})
	}
	c.LossOver = func(x, y game.Span) (game.Span, bool) { return overContest(loss, information, x, y, y) }

	failed, err := c.Assumptions()
	if err != nil {
		r.note(SectionGame, "game", "the game has no solution: %v", err)
		return nil
	}
	found, err := c.Solve()
	if err != nil {
		r.note(SectionGame, "game", "the game has no solution: %v", err)
		return nil
	}
	for _, p := range append(slices.Clone(found.Nash), found.Stackelberg) {
		if !finite(p.X, p.Y, p.I, p.V, p.U, p.Regret) {
			r.note(SectionGame, "game", "the game has no solution: the functions give what is no finite number at x = %g, y = %g", p.X, p.Y)
			return nil
		}
	}
	out := &Game{
		Trace:     Trace{Formulas: []string{"3.16", "3.17", "3.18", "D.regret", "D.stackelberg"}, Inputs: []string{"game"}},
		MaxAttack: &found.MaxX, MaxDefence: &found.MaxY, Responses: &GameResponses{Defender: found.Defences},
	}
	out.Trace.source(in.Source)
	for _, p := range found.Attacks {
		out.Responses.Attacker = append(out.Responses.Attacker, [2]float64{p[1], p[0]})
	}
	if undefined {
		r.note(SectionGame, "game.information", "the information has no value somewhere at x = 0: there it is taken as 0, as the model assumes of no attack")
	}
	for _, a := range failed {
		out.Assumptions = append(out.Assumptions, GameAssumption{a.What, a.Text})
		r.note(SectionGame, "game", "the model assumes %s; here %s", a.What, a.Text)
	}
	for _, p := range found.Refuted {
		r.note(SectionGame, "game", "x = %.6g, y = %.6g looks like an equilibrium and is none: one of the two can gain %.4g by spending otherwise, which bounds of the functions found and searches did not", p.X, p.Y, p.Regret)
	}
	var plays []GamePlay
	for k, p := range found.Nash {
		play := playOf(p, true, found.Tolerance)
		if m := found.Interior[k]; finite(m.Attack, m.Defence) { // where a function has a corner or a gap beside the point there is none
			holds := m.Holds(p, 1e-3)
			if proved := p.Proved && p.Bound <= found.Tolerance; holds || !proved { // slopes by differences that contradict a proof are none
				play.Marginal = &GameMargins{m.Attack, m.Defence}
			}
			if !holds && play.Marginal != nil {
				r.note(SectionGame, "game", "at x = %.6g, y = %.6g the marginal profit is %.4g and the marginal loss %.4g, where formula 3.18 wants 1 and -1: a function has a corner there, or a gain too narrow for the %d points that were searched was missed", p.X, p.Y, m.Attack, m.Defence, game.Searched)
			}
		}
		plays = append(plays, play)
		if out.Nash == nil || play.U < out.Nash.U {
			out.Nash = &play
		}
	}
	if len(plays) > 1 {
		out.AllNash = plays
		r.note(SectionGame, "game", "there are %d equilibria: the one that costs the defender least is given first", len(plays))
	}
	leader := playOf(found.Stackelberg, false, found.Tolerance)
	out.Stackelberg = &leader
	if m := found.Mixed; m != nil {
		out.Mixed = mixedExpenditures(m)
		if m.Regret > found.Tolerance {
			r.note(SectionGame, "game", "no equilibrium was found to within %.3g: from the mixture that is given a player could still gain %.3g", found.Tolerance, m.Regret)
		}
	}
	if len(found.Nash) == 0 {
		r.note(SectionGame, "game", "no pair of expenditures was found to be an equilibrium: whatever either spends, the other would spend something else; see the mixed strategies")
	}
	if z := found.ZeroSum; z != nil {
		out.ZeroSum = &GameZeroSum{Value: z.Value, Bracket: [2]float64{z.Lo, z.Hi}, Method: "searched", Proved: z.Proved, Theta: &z.Theta}
		if z.Proved {
			out.ZeroSum.Method = "bounds of the functions"
		}
		out.Trace.Formulas = append(out.Trace.Formulas, "D.reduction")
	}
	r.report.Game = out
	return nil
}

func finite(v ...float64) bool {
	return !slices.ContainsFunc(v, func(x float64) bool { return math.IsNaN(x) || math.IsInf(x, 0) })
}

func playOf(p game.Play, regret bool, tolerance float64) GamePlay {
	out := GamePlay{X: p.X, Y: p.Y, I: p.I, V: p.V, U: p.U, Attack: p.X > 0 && p.V > tolerance}
	if regret {
		out.Regret = &p.Regret
	}
	if p.Proved && regret {
		out.Bound, out.Proved = &p.Bound, true
	}
	return out
}

// overContest bounds a function of the information plus an amount over spans of what is spent.
func overContest(f, information *expression.Function, x, y, more game.Span) (game.Span, bool) {
	xy := [2]expression.Interval{{Lo: x.Lo, Hi: x.Hi}, {Lo: y.Lo, Hi: y.Hi}}
	i := [1]expression.Interval{information.Over(xy[:])}
	v := f.Over(i[:])
	if v.None {
		return game.Span{}, false
	}
	return game.Span{Lo: math.Nextafter(v.Lo+more.Lo, math.Inf(-1)), Hi: math.Nextafter(v.Hi+more.Hi, math.Inf(1))}, true
}

func mixedExpenditures(m *game.Mixed) *GameMixed {
	shares := func(amounts, p []float64) []GameShare {
		out := make([]GameShare, len(amounts))
		for i, a := range amounts {
			out[i] = GameShare{Strategy: "spend " + strconv.FormatFloat(a, 'g', 6, 64), Amount: &a, Probability: p[i]}
		}
		return out
	}
	return &GameMixed{Method: "best answers added one by one", Equilibria: []GameEquilibrium{{
		Attacker: shares(m.Xs, m.P), Defender: shares(m.Ys, m.Q), V: m.V, U: m.U, Regret: m.Regret,
	}}}
}

// equilibriaMost is how many equilibria a report lists.
const equilibriaMost = 100

// nfgMost is up to how many cells a game is written out in the report.
const nfgMost = 10_000

func (r *run) matrixGame(in *model.Game, g game.Bimatrix, path string) error {
	out := &Game{Trace: Trace{Inputs: []string{path}}}
	out.Trace.source(in.Source)
	zero := g.B == nil
	if zero {
		g.B = make([][]float64, len(g.A))
		for i, row := range g.A {
			g.B[i] = make([]float64, len(row))
			for j, v := range row {
				g.B[i][j] = -v
			}
		}
	}
	zero = zero || g.ZeroSum()
	if zero {
		v, err := game.Solve(g.A, 0)
		if err != nil {
			return err
		}
		out.ZeroSum = &GameZeroSum{
			Value: v.Lo/2 + v.Hi/2, Bracket: [2]float64{v.Lo, v.Hi}, Proved: true, Method: v.Method, Attacker: shares(g.Rows, "row", v.X), Defender: shares(g.Columns, "column", v.Y),
		}
		out.Trace.Formulas = []string{"D.zerosum"}
	}
	if !zero || len(g.A) <= 12 && len(g.A[0]) <= 12 {
		s, err := g.Equilibria()
		if err != nil {
			return err
		}
		mixed := &GameMixed{Method: s.Method, Complete: s.Complete, Equilibria: []GameEquilibrium{}}
		if n := len(s.Equilibria); n > equilibriaMost {
			r.note(SectionGame, path, "the game has %d equilibria: the first %d are listed", n, equilibriaMost)
			mixed.Complete, s.Equilibria = false, s.Equilibria[:equilibriaMost]
		}
		for _, e := range s.Equilibria {
			mixed.Equilibria = append(mixed.Equilibria, GameEquilibrium{
				Attacker: shares(g.Rows, "row", e.X), Defender: shares(g.Columns, "column", e.Y), V: e.A, U: -e.B, Regret: e.Regret,
			})
		}
		if len(s.Equilibria) == 0 {
			r.note(SectionGame, path, "no equilibrium was found within the bound on work: the game is too large or its entries too close to each other")
		}
		out.Mixed = mixed
		out.Trace.Formulas = append(out.Trace.Formulas, "D.bimatrix", "D.regret")
	}
	if len(g.A)*len(g.A[0]) <= nfgMost {
		text, err := g.NFG()
		if err != nil {
			return err
		}
		out.NFG = string(text)
	}
	r.report.Game = out
	return nil
}

// shares are the strategies that are played, by name or by number.
func shares(names []string, kind string, p []float64) []GameShare {
	out := []GameShare{}
	for i, v := range p {
		if v <= 1e-12 {
			continue
		}
		name := kind + " " + strconv.Itoa(i+1)
		if i < len(names) && names[i] != "" {
			name = names[i]
		}
		out = append(out, GameShare{Strategy: name, Probability: v})
	}
	return out
}
