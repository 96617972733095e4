package assess_test

import (
	"context"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"redoubt/assess"
	"redoubt/assess/game"
	"redoubt/assess/model"
)

func section(t *testing.T, m *model.Model, s assess.Section) *assess.Report {
	t.Helper()
	m.Version = model.Version
	r, err := assess.RunSection(context.Background(), m, s, assess.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := json.Marshal(r); err != nil {
		t.Fatal("a number that JSON can not hold:", err)
	}
	return r
}

func to[T any](v T) *T { return &v }

func threats(names ...string) (out []model.Threat) {
	for _, n := range names {
		out = append(out, model.Threat{Name: n})
	}
	return out
}

func TestIBMSection(t *testing.T) {
	m := &model.Model{Threats: threats("a", "b", "c", "d"), IBM: &model.IBM{Threats: []model.IBMThreat{
		{Threat: "a", S: to(6), V: to(3), Source: "the log"}, {Threat: "b", S: to(5), V: to(1)}, {Threat: "c", S: to(3), V: to(3)},
	}}}
	r := section(t, m, assess.SectionIBM).IBM
	if r.Total != 100200 || r.Band != [2]float64{10020, 1002000} || r.Threats[0].R != 1e5 || r.Threats[0].Band != [2]float64{1e4, 1e6} || r.Threats[0].Quantised != nil {
		t.Errorf("%+v", r)
	}
	if !slices.Equal(r.Trace.Sources, []string{"the log"}) || r.Scale != "ibm" {
		t.Errorf("%+v", r.Trace)
	}
	// In another order the total is the same to the bit.
	slices.Reverse(m.IBM.Threats)
	if other := section(t, m, assess.SectionIBM).IBM; other.Total != r.Total {
		t.Error(other.Total)
	}
	m.IBM.Threats = []model.IBMThreat{{Threat: "a", Frequency: to(0.5), Damage: to(90000.0)}, {Threat: "b", S: to(4), Damage: to(300.0)}, {Threat: "c", Frequency: to(1e9), Damage: to(1e-9)}}
	whole := section(t, m, assess.SectionIBM)
	r = whole.IBM
	if r.Threats[0].R != 45000 || *r.Threats[0].Quantised != 1e5 || r.Threats[1].S != 4 || r.Threats[1].R != 300 || len(whole.Notes) != 1 {
		t.Errorf("%+v %v", r, whole.Notes)
	}
	m.IBM = &model.IBM{Scale: "courtney", Threats: []model.IBMThreat{{Threat: "a", S: to(1), V: to(1)}, {Threat: "b", Frequency: to(1 / 300.0), Damage: to(10.0)}}}
	r = section(t, m, assess.SectionIBM).IBM
	if r.Threats[0].R != 10.0/300 && math.Abs(r.Threats[0].R-10.0/300) > 1e-17 || math.Abs(r.Threats[1].S-1) > 1e-9 || math.Abs(*r.Threats[1].Quantised-10.0/300) > 1e-12 || r.Scale != "courtney" {
		t.Errorf("%+v", r)
	}
}

func TestOptimumSection(t *testing.T) {
	m := &model.Model{Threats: threats("a", "b", "c"), Means: []model.Mean{
		{Name: "lock", Cost: 10, Reduces: map[string]float64{"a": .5}}, {Name: "bolt", Cost: 10, Reduces: map[string]float64{"a": .5, "c": 1}},
		{Name: "alarm", Cost: 600, Reduces: map[string]float64{"b": 1}}, {Name: "wall", Cost: 1, Present: true, Reduces: map[string]float64{"a": .9}}, {Name: "paint", Cost: 5},
		{Name: "free", Reduces: map[string]float64{"b": .5}},
	}, IBM: &model.IBM{Threats: []model.IBMThreat{{Threat: "a", S: to(3), V: to(3)}, {Threat: "b", S: to(5), V: to(1)}}},
		Costs: &model.Costs{Losses: "ibm", Curve: &model.Curve{Kind: "exponential", Loss: 1e6, K: 1e-5, Source: "a fit"}}}
	whole := section(t, m, assess.SectionOptimum)
	c := whole.Optimum.Continuous
	if math.Abs(c.C-230258.50929940457) > 1e-9 || math.Abs(c.Crossing.C-174552.80027406992) > 1e-9 || c.Method != "closed form" || *c.Without != 1e6 || len(c.Points) != 101 || c.Crossing == nil || *c.Crossing.Ratio > 2 {
		t.Errorf("%+v %+v", c, c.Crossing)
	}
	k := whole.Optimum.Measures
	if !slices.Equal(k.Chosen, []string{"lock", "bolt", "free"}) || k.Total != 95 || k.Without != 200 || k.Residual != 75 || !k.Proved || !k.FrontComplete {
		t.Errorf("%+v", k)
	}
	if len(k.Returns) != 4 || k.Returns[0].Alone != 50 || *k.Returns[0].ReturnMarginal != 1.5 || k.Returns[3].ReturnAlone != nil || k.Returns[2].Chosen {
		t.Errorf("%+v", k.Returns)
	}
	if k.Threats[0].Residual != 25 || k.Threats[1].Residual != 50 || k.Greedy.Total < k.Total || len(whole.Notes) != 1 || !strings.Contains(whole.Notes[0].Text, "bolt reduces c") {
		t.Errorf("%+v %v", k.Threats, whole.Notes)
	}
	m.Costs.Budget = to(5.0)
	if k := section(t, m, assess.SectionOptimum).Optimum.Measures; !slices.Equal(k.Chosen, []string{"free"}) || *k.Budget != 5 {
		t.Errorf("%+v", k)
	}
	m.Costs.Curve = &model.Curve{Kind: "expression", Expression: "L*(1-q)", Cost: "p*q/(1-q)", Parameters: map[string]float64{"L": 10000, "p": 100}}
	if c := section(t, m, assess.SectionOptimum).Optimum.Continuous; math.Abs(*c.Q-0.9) > 1e-8 || c.Method != "search" || *c.Without != 10000 || c.Boundary || c.Crossing.Q == nil {
		t.Errorf("%+v", c)
	}
	m.Costs.Curve = &model.Curve{Kind: "hyperbola", B: 1e8}
	if c := section(t, m, assess.SectionOptimum).Optimum.Continuous; c.C != 10000 || c.Total != 20000 || c.Without != nil || *c.Crossing.Ratio != 1 {
		t.Errorf("%+v", c)
	}
	// What has no optimum is a note, and the measures stand.
	m.Costs.Curve = &model.Curve{Kind: "expression", Expression: "1/c"}
	if r := section(t, m, assess.SectionOptimum); r.Optimum.Continuous != nil || r.Optimum.Measures == nil || !strings.Contains(r.Notes[0].Text, "maximum") {
		t.Errorf("%+v", r.Notes)
	}
	m.IBM, m.Costs = nil, nil
	if r := section(t, m, assess.SectionOptimum); r.Optimum != nil || len(r.Notes) == 0 {
		t.Errorf("%+v", r)
	}
}

// TestMeasuresAgainstTheLossesOfObservation takes the expected losses from frequency and damage: 2 a period in the mean, of 100 each.
func TestMeasuresAgainstTheLossesOfObservation(t *testing.T) {
	m := &model.Model{Threats: threats("a"), Means: []model.Mean{{Name: "lock", Cost: 30, Reduces: map[string]float64{"a": .5}}},
		Frequency: &model.Frequency{Horizon: to(2.0), Threats: []model.ThreatFrequency{{Threat: "a", Prior: &model.Gamma{A: 20, B: 10}}}},
		Damage:    &model.Damage{Threats: []model.ThreatDamage{{Threat: "a", Law: "table", Table: []model.Amount{{Amount: 100, Probability: 1}}}}},
		Costs:     &model.Costs{Losses: "losses"},
	}
	r := section(t, m, assess.SectionOptimum)
	k := r.Optimum.Measures
	if k.Losses != "losses" || math.Abs(k.Without-200) > 1e-9 || math.Abs(k.Residual-100) > 1e-9 || !slices.Equal(k.Chosen, []string{"lock"}) {
		t.Errorf("%+v", k)
	}
	if r.Losses == nil || r.Losses.Proposed == nil {
		t.Error("the proposed losses are missing")
	}
}

func contest() *model.Game {
	return &model.Game{Information: "N*(1-exp(-x/c))*exp(-y/d)", Gain: "v*I", Loss: "w*I", Parameters: map[string]float64{"N": 1000, "c": 100, "d": 150, "v": 2, "w": 5}, Source: "interview"}
}

func TestGameSection(t *testing.T) {
	m := &model.Model{Game: contest()}
	r := section(t, m, assess.SectionGame)
	g := r.Game
	if math.Abs(g.Nash.X-47.000362924573565) > 1e-7 || math.Abs(g.Nash.U-528.8592966462384) > 1e-7 || *g.Nash.Regret > 1e-9 || math.Abs(g.Stackelberg.U-449.3598) > 1e-3 || g.Stackelberg.Attack || !g.Nash.Attack {
		t.Errorf("%+v %+v", g.Nash, g.Stackelberg)
	}
	if math.Abs(g.ZeroSum.Value-411.35838933480443) > 1e-7 || *g.ZeroSum.Theta != 2.5 || len(g.Responses.Attacker) == 0 || len(r.Notes) != 0 || g.Mixed != nil {
		t.Errorf("%+v %v", g.ZeroSum, r.Notes)
	}
	// Undefended, the attacker spends c ln(vN/c); defended beyond deterrence, nothing.
	if a := g.Responses.Attacker; a[0][0] != 0 || math.Abs(a[0][1]-100*math.Log(20)) > 1e-3 || a[80][1] != 0 || g.Responses.Defender[0] != [2]float64{0, 0} {
		t.Errorf("%v", a)
	}
	m.Game.Information = "N*(1-exp(-x/c))*exp(-y/d) + 1"
	if r := section(t, m, assess.SectionGame); len(r.Game.Assumptions) != 1 || r.Game.Assumptions[0].What != "I(0, y) = 0" || len(r.Notes) != 1 {
		t.Errorf("%+v %v", r.Game.Assumptions, r.Notes)
	}
	m.Game.Information = "log(x - y)"
	if r := section(t, m, assess.SectionGame); r.Game != nil || len(r.Notes) != 1 {
		t.Errorf("%+v %v", r.Game, r.Notes)
	}
	m.Game = contest()
	m.Game.Information = "100 / (1 + exp(-(x - 30 - y)/2)) * (1 - exp(-x))"
	m.Game.Gain, m.Game.Loss = "I", "I"
	if r := section(t, m, assess.SectionGame); r.Game.Nash != nil || len(r.Game.Mixed.Equilibria) != 1 || r.Game.Mixed.Equilibria[0].Attacker[0].Amount == nil {
		t.Errorf("%+v %v", r.Game, r.Notes)
	}
}

// TestTullock: x/(x+y) has no value at the origin, where the model assumes 0: with f = g = 10 I each spends 10/4 (f/4 by 3.18), and the note says what was taken.
func TestTullock(t *testing.T) {
	r := section(t, &model.Model{Game: &model.Game{Information: "x/(x+y)", Gain: "I*10", Loss: "I*10"}}, assess.SectionGame)
	if r.Game == nil || r.Game.Nash == nil {
		t.Fatalf("no equilibrium: %v", r.Notes)
	}
	if n := r.Game.Nash; math.Abs(n.X-2.5) > 1e-6 || math.Abs(n.Y-2.5) > 1e-6 || len(r.Notes) != 1 || r.Notes[0].Path != "game.information" {
		t.Errorf("%+v %v", n, r.Notes)
	}
}

// TestMarginalsNoted: a play whose marginals contradict formula 3.18 is told of, and the bracket says that it was searched for; the remainder has no bounds.
func TestMarginalsNoted(t *testing.T) {
	odd := &model.Game{Information: "100*x/(x+y+1) + 400*exp(-((x-37.123)/0.002)^2) + 0*(x % 7)", Gain: "I", Loss: "I"}
	r := section(t, &model.Model{Game: odd}, assess.SectionGame)
	if r.Game.Nash == nil || math.Abs(r.Game.Nash.V-423.806) > 0.01 || r.Game.ZeroSum.Method != "searched" || r.Game.ZeroSum.Proved || r.Game.Nash.Proved || r.Game.Nash.Bound != nil ||
		len(r.Notes) != 1 || !strings.Contains(r.Notes[0].Text, "formula 3.18") {
		t.Errorf("%+v %v", r.Game.Nash, r.Notes)
	}
	// With bounds there is nothing to doubt.
	odd.Information = strings.TrimSuffix(odd.Information, " + 0*(x % 7)")
	r = section(t, &model.Model{Game: odd}, assess.SectionGame)
	if n := r.Game.Nash; n == nil || math.Abs(n.V-423.806) > 0.01 || !n.Proved || *n.Bound > 1e-4 || n.Marginal != nil || len(r.Notes) != 0 {
		t.Errorf("%+v %v", n, r.Notes)
	}
}

// TestRegretProved: bounds of the functions prove regret and bracket, of powers, roots, corners and choices too.
func TestRegretProved(t *testing.T) {
	m := &model.Model{Game: contest()}
	for _, information := range []string{
		m.Game.Information, "N*x/(x+y+c)", "N*(x/(x+c))^0.5/(1+y/d)^2", "N*max(0, 1-exp(-x/c))*exp(-y/d)", "min(N, 20*sqrt(x))/(1+abs(y)/d)", "x > 0 ? N*x/(x+c)*exp(-y/d) : 0",
		"N*log1p(x/c)/log(3+y/d)", "N*tanh(x/c)*(1-erf(y/d))",
	} {
		m.Game.Information = information
		r := section(t, m, assess.SectionGame)
		if r.Game == nil || r.Game.Nash == nil {
			t.Errorf("%s: no equilibrium: %v", information, r.Notes)
			continue
		}
		n, z := r.Game.Nash, r.Game.ZeroSum
		if !n.Proved || n.Bound == nil || *n.Bound < *n.Regret || *n.Bound > 1e-3 {
			t.Errorf("%s: %+v", information, n)
		}
		if z == nil || !z.Proved || z.Bracket[0] > z.Value || z.Bracket[1] < z.Value || z.Bracket[1]-z.Bracket[0] > 1e-2 {
			t.Errorf("%s: %+v", information, z)
		}
	}
}

func TestMatrixGames(t *testing.T) {
	m := &model.Model{Game: &model.Game{Matrix: &model.Matrix{Rows: []string{"force", "deceit"}, Attacker: [][]float64{{3, -1}, {-2, 4}}}}}
	g := section(t, m, assess.SectionGame).Game
	if math.Abs(g.ZeroSum.Value-1) > 1e-12 || g.ZeroSum.Attacker[0].Strategy != "force" || math.Abs(g.ZeroSum.Attacker[0].Probability-.6) > 1e-12 || g.ZeroSum.Defender[1].Strategy != "column 2" || len(g.Mixed.Equilibria) != 1 {
		t.Errorf("%+v", g.ZeroSum)
	}
	m.Game = &model.Game{NFG: g.NFG}
	if again := section(t, m, assess.SectionGame).Game; math.Abs(again.ZeroSum.Value-1) > 1e-12 || again.ZeroSum.Attacker[0].Strategy != "force" {
		t.Errorf("%+v", again.ZeroSum)
	}
	m.Game = &model.Game{Matrix: &model.Matrix{Attacker: [][]float64{{3, 0}, {0, 2}}, Defender: [][]float64{{2, 0}, {0, 3}}}}
	if g := section(t, m, assess.SectionGame).Game; g.ZeroSum != nil || len(g.Mixed.Equilibria) != 3 || !g.Mixed.Complete || g.Mixed.Equilibria[0].U != -2 {
		t.Errorf("%+v", g.Mixed)
	}
	if _, err := game.ReadNFG([]byte(g.NFG)); err != nil {
		t.Error(err)
	}
}

// TestFaultsOfTheEconomy finds every fault of the three sections at its place.
func TestFaultsOfTheEconomy(t *testing.T) {
	m := &model.Model{Version: model.Version, Threats: threats("a"),
		IBM: &model.IBM{Scale: "other", Threats: []model.IBMThreat{
			{Threat: "a", S: to(8), V: to(-1)}, {Threat: "a"}, {Threat: "none", S: to(1), Frequency: to(1.0), Damage: to(0.0)}, {Threat: "a", Frequency: to(math.NaN()), V: to(1)},
		}},
		Costs: &model.Costs{Losses: "losses", Budget: to(-1.0), Curve: &model.Curve{Kind: "expression", Expression: "c +", B: 1, Maximum: -1, Parameters: map[string]float64{"p": math.Inf(1)}}},
		Game: &model.Game{Information: "x*z", Gain: "I", NFG: "NFG", MaxAttack: -1, Matrix: &model.Matrix{
			Rows: []string{"r"}, Attacker: [][]float64{{1, math.NaN()}, {2}}, Defender: [][]float64{{1, 2}},
		}},
	}
	var got []string
	for _, f := range m.Check() {
		got = append(got, f.Path)
	}
	for _, want := range []string{
		"ibm.scale", "ibm.threats[0].S", "ibm.threats[0].V", "ibm.threats[1]", "ibm.threats[1].threat", "ibm.threats[2].threat", "ibm.threats[2].frequency", "ibm.threats[2].damage",
		"ibm.threats[3].frequency", "costs.losses", "costs.budget", "costs.curve.expression", "costs.curve.b", "costs.curve.maximum", "costs.curve.parameters.p",
		"game", "game.information", "game.loss", "game.nfg", "game.max_attack", "game.matrix.attacker[0][1]", "game.matrix.attacker[1]", "game.matrix.defender", "game.matrix.rows",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("no fault at %s", want)
		}
	}
	for _, c := range []model.Curve{{}, {Kind: "odd"}, {Kind: "exponential"}, {Kind: "exponential", Loss: 1, K: 1, Expression: "c"}, {Kind: "hyperbola", K: 1, B: 1}, {Kind: "hyperbola"}, {Kind: "expression"}} {
		if faults := (&model.Model{Version: model.Version, Costs: &model.Costs{Curve: &c}}).Check(); len(faults) == 0 {
			t.Errorf("%+v is taken", c)
		}
	}
	if faults := (&model.Model{Version: model.Version, Game: contest(), Costs: &model.Costs{Losses: "ibm"}}).Check(); len(faults) != 1 || faults[0].Path != "costs.losses" {
		t.Error(faults)
	}
}

// TestTheEconomyOfTheExample runs the shipped example.
func TestTheEconomyOfTheExample(t *testing.T) {
	m, err := model.Read([]byte(model.Example()))
	if err != nil {
		t.Fatal(err)
	}
	r := section(t, m, assess.SectionOptimum)
	if r.IBM == nil || r.Optimum.Continuous == nil || r.Optimum.Measures == nil || !r.Optimum.Measures.Proved || r.Optimum.Measures.Cost > 40000 {
		t.Errorf("%+v", r.Optimum)
	}
	if g := section(t, m, assess.SectionGame).Game; g == nil || g.Nash == nil {
		t.Errorf("%+v", g)
	}
	// What a means saves is the same in both sections, and a choice by other losses says where it is not.
	for _, contradicted := range []bool{false, true} {
		if contradicted {
			m.Costs.Losses = "ibm"
		}
		r := section(t, m, assess.SectionOptimum)
		saves := map[string]float64{}
		for _, x := range r.Losses.Returns {
			saves[x.Name] = x.Saves / r.Losses.Horizon
		}
		for _, x := range r.Optimum.Measures.Returns {
			if same := math.Abs(x.Alone-saves[x.Name]) <= 1e-9*x.Alone; same == contradicted {
				t.Errorf("%s saves %v by section optimum, %v by section losses", x.Name, x.Alone, saves[x.Name])
			}
		}
		if noted := slices.ContainsFunc(r.Notes, func(n assess.Note) bool { return n.Path == "costs.losses" && strings.Contains(n.Text, "dual-control") }); noted != contradicted {
			t.Errorf("noted: %v, contradicted: %v", noted, contradicted)
		}
	}
}

// TestOddContests has functions with corners, steps, gaps and no end: there is a solution with its certificate, or a note that says why not, and never a number that is none.
func TestOddContests(t *testing.T) {
	for information, solved := range map[string]bool{
		"100*x/(x+y+1)":                    true,
		"10*sqrt(x)*exp(-y/5)":             true,
		"max(0, min(x, 50)-y)":             true,
		"x > 10+y ? 100 : 0":               true,
		"floor(x)*5/(1+y)":                 false, // the profit has no end
		"min(floor(x)*5, 200)/(1+y)":       true,
		"abs(sin(x))*10/(1+y)":             true,
		"1/(x-3)":                          true, // a pole, and the notes say which assumptions fail
		"min(x*3, 100)*exp(-y/10)":         true,
		"x > 2 and x < 3 ? log(2.5-x) : x": false,
		"100*(1-exp(-x))*(y < 20 ? 1 : 0)": true,
		"1e20*(1-exp(-x/1e15))":            false, // beyond the range in which a bound is looked for
		"0":                                true,
		"y":                                true,
	} {
		m := &model.Model{Game: &model.Game{Information: information, Gain: "I", Loss: "2*I"}}
		r := section(t, m, assess.SectionGame)
		if (r.Game != nil) != solved {
			t.Errorf("%s: %+v %v", information, r.Game, r.Notes)
		}
		if r.Game == nil && len(r.Notes) == 0 || r.Game != nil && r.Game.Nash == nil && r.Game.Mixed == nil {
			t.Errorf("%s: nothing is told: %v", information, r.Notes)
		}
		if r.Game == nil || r.Game.Nash != nil && *r.Game.Nash.Regret <= 1e-6*max(1, r.Game.Nash.U) {
			continue
		}
		if e := r.Game.Mixed.Equilibria[0]; e.Regret > 1e-3 && len(r.Notes) < 2 {
			t.Errorf("%s: regret %v, and it is not told: %v", information, e.Regret, r.Notes)
		}
	}
}
