package assess_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"redoubt/assess"
	"redoubt/assess/model"
)

// twoThreats is the vector of the dynamic Bayesian model, as a model file has it.
func twoThreats() *model.Model {
	return &model.Model{
		Threats: threats("first", "second"),
		Frequency: &model.Frequency{Horizon: to(2.0), Threats: []model.ThreatFrequency{
			{Threat: "first", Prior: &model.Gamma{A: 2, B: 1}, Observations: []model.Observation{{Count: 3}, {Count: 1, Exposure: 0.5}, {Count: 4, Exposure: 2}}, Source: "log"},
			{Threat: "second", Prior: &model.Gamma{A: 0.5, B: 2}},
		}},
		Damage: &model.Damage{Threats: []model.ThreatDamage{
			{Threat: "first", Prior: &model.NormalGamma{M: 1000, Kappa: 2, Alpha: 3, Beta: 80000}, Observations: []float64{900, 1200, 1500, 1100}},
			{Threat: "second", Law: "normal", Prior: &model.NormalGamma{M: 20000, N: 5, Nu: 12, V: 1e8}, Source: "book"},
		}},
	}
}

func close(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance*math.Max(1e-12, math.Abs(want))) {
		t.Errorf("%s is %.12g, not %.12g", what, got, want)
	}
}

func TestDynamicsSection(t *testing.T) {
	d := section(t, twoThreats(), assess.SectionDynamics).Dynamics
	f, x := d.Threats[0].Frequency, d.Threats[0].Damage
	close(t, "a", f.A, 10, 0)
	close(t, "b", f.B, 4.5, 0)
	close(t, "mean", f.Mean, 4.444444444444445, 1e-14)
	close(t, "variance", f.Variance, 6.419753086419753, 1e-14)
	close(t, "p0", f.P0, 0.025292489090, 1e-10)
	close(t, "p3", f.PMF[3], 0.162092966036, 1e-10)
	close(t, "q95", f.Quantile["0.95"], 9, 0)
	close(t, "m", *x.M, 1116.6666666666667, 1e-14)
	close(t, "scale", *x.Scale, 212.8510172762995, 1e-13)
	close(t, "variance", *x.Variance, 56631.94444444444, 1e-13)
	close(t, "p_negative", x.Negative, 1.877072e-04, 1e-6)
	sum := 0.0
	for _, p := range f.PMF {
		sum += p
	}
	if sum < 1-1e-6 || sum > 1+1e-12 || f.Backtest.Forecasts != 2 || d.Backtest.Forecasts != 2 || d.Threats[1].Frequency.Backtest != nil {
		t.Errorf("sum %v, back-test %+v", sum, f.Backtest)
	}
	if !reflect.DeepEqual(d.Trace.Sources, []string{"log", "book"}) {
		t.Error(d.Trace.Sources)
	}
	m := twoThreats()
	m.Frequency.ChooseBy, m.Frequency.YearEffect = "held-back", true
	if d := section(t, m, assess.SectionDynamics).Dynamics; d.Drift == nil || d.Drift.ChosenBy != "held-back" {
		t.Errorf("%+v", d.Drift)
	}
	// Too little is known for a variance: it is not there.
	m = twoThreats()
	m.Damage.Threats[1].Prior = &model.NormalGamma{M: 1, Kappa: 1, Alpha: 0.4, Beta: 1}
	r := section(t, m, assess.SectionLosses)
	for _, n := range r.Notes {
		if strings.Contains(n.Text, "infinite") {
			t.Errorf("a mean that is not defined is called infinite: %s", n.Text)
		}
	}
	if x := r.Dynamics.Threats[1].Damage; x.Mean != nil || x.Variance != nil || r.Losses.Total.Mean != nil || r.Losses.Total.SD != nil || r.Losses.Total.TailValue != nil {
		t.Errorf("%+v", x)
	}
}

func TestLossesSection(t *testing.T) {
	m := twoThreats()
	m.Means = []model.Mean{
		{Name: "guard", Present: true, Cost: 100, Reduces: map[string]float64{"first": 0.5}},
		{Name: "lock", Cost: 2000, Reduces: map[string]float64{"second": 0.8}},
	}
	m.Costs = &model.Costs{Losses: "losses"}
	m.Losses = &model.Losses{Quantiles: []float64{0.5, 0.9, 0.95, 0.99}, Error: 1e-3, Tolerance: []model.Tolerance{{Loss: 50000, Probability: 0.05}, {Loss: 1e9, Probability: 0.01}}}
	r := section(t, m, assess.SectionOptimum)
	l := r.Losses
	close(t, "mean", *l.Total.Mean, 14962.962962962964, 1e-13)
	close(t, "sd", *l.Total.SD, 22325.60327803921, 1e-13)
	close(t, "variance of the first", *l.Threats[0].Variance, 8432561.728395063, 1e-13)
	close(t, "variance_iid of the first", *l.Threats[0].VarianceIID, 8256772.976680386, 1e-13)
	close(t, "q99 of the first", l.Threats[0].Quantiles["0.99"], 13353.467419211365, 1e-10)
	for q, want := range map[string]float64{"0.5": 6069.84, "0.9": 40965.3, "0.95": 59606.2, "0.99": 106989.9} {
		close(t, "quantile", l.Total.Quantiles[q], want, 2e-4)
		if b := l.Total.Brackets[q]; b[0] > want+0.05 || b[1] < want-0.05 {
			t.Errorf("%s: %v does not hold %v", q, b, want)
		}
	}
	if !l.Total.Met || l.Total.ErrorBound > 1e-3 || l.Total.LostMass > 1e-3 {
		t.Errorf("%v %v %v", l.Total.Met, l.Total.ErrorBound, l.Total.LostMass)
	}
	last := 1.0
	for i, row := range l.Total.Exceedance {
		if b := l.Total.Exceeding[i]; row[1] > last || b[0] > row[1] || b[1] < row[1] {
			t.Fatalf("%v in %v after %v", row, b, last)
		}
		last = row[1]
	}
	if c := l.Tolerance[0]; !c.Exceeded || !c.Sure || math.Abs(c.Probability-0.070711) > 1e-4 || l.Tolerance[1].Exceeded {
		t.Errorf("%+v", l.Tolerance)
	}
	shares := *l.Threats[0].MeanShare + *l.Threats[1].MeanShare
	tails := *l.Threats[0].Tail + *l.Threats[1].Tail
	close(t, "shares", shares, 1, 1e-12)
	close(t, "parts of the tail", tails, l.Total.TailValue["0.99"], 5e-3)
	// Without the guard the first threat costs twice as much, and with the lock the second a fifth.
	close(t, "inherent", *l.Inherent.Mean, 10000+2*4962.9629629629635, 1e-12)
	if l.Proposed == nil {
		t.Fatal("no proposed losses, though the lock pays")
	}
	close(t, "proposed", *l.Proposed.Mean, 2000+4962.9629629629635, 1e-12)
	close(t, "saved by the guard", l.Returns[0].Saves, 4962.9629629629635, 1e-12)
	close(t, "return on the lock", *l.Returns[1].Return, 1, 1e-12)
	if len(l.Sensitivity) != 4 || l.Sensitivity[0].Threat != "second" || l.Sensitivity[0].Low > *l.Total.Mean || l.Sensitivity[0].High < *l.Total.Mean {
		t.Errorf("%+v", l.Sensitivity)
	}
}

func TestSimulationSection(t *testing.T) {
	m := twoThreats()
	m.Losses = &model.Losses{Simulation: &model.Simulation{Trials: 60000, Seed: 4}, Insurance: []model.Layer{{Attachment: 30000, Limit: 50000, Premium: 900}}}
	for _, d := range []*model.Dependence{nil, {Kind: "shock", Shape: 2}, {Kind: "gaussian", Correlation: 0.5}, {Kind: "t", Correlation: 0.5, Freedom: 4, Threats: []string{"first"}}} {
		m.Losses.Dependence = d
		l := section(t, m, assess.SectionLosses).Losses
		s := l.Simulation
		if math.Abs(s.Gross.Value-*l.Total.Mean) > 5*s.Gross.Error || s.Mean.Value >= s.Gross.Value || s.Layers[0].Pays.Value <= 0 {
			t.Errorf("%+v: gross %+v, left %+v, exact %v", d, s.Gross, s.Mean, *l.Total.Mean)
		}
		close(t, "what is paid and what is left", s.Mean.Value+s.Layers[0].Pays.Value, s.Gross.Value, 1e-10)
	}
}

// TestNetOfOtherStates: without the guard and with the lock what is left is drawn too; threats that they do not touch have the same draws, so that without means that reduce nothing it is the same
// to the bit.
func TestNetOfOtherStates(t *testing.T) {
	m := twoThreats()
	m.Losses = &model.Losses{Simulation: &model.Simulation{Trials: 20000, Seed: 4}, Limits: []model.Limit{{Threat: "second", Deductible: 100}}, Insurance: []model.Layer{{Attachment: 30000, Limit: 50000, Premium: 900}}}
	m.Means = []model.Mean{{Name: "guard", Present: true, Reduces: map[string]float64{"first": 0.5}}, {Name: "lock", Cost: 1, Reduces: map[string]float64{"second": 0.8}}}
	m.Costs = &model.Costs{Losses: "losses"}
	for _, kind := range []*model.Dependence{nil, {Kind: "shock", Shape: 2}, {Kind: "gaussian", Correlation: 0.5}} {
		m.Losses.Dependence = kind
		l := section(t, m, assess.SectionOptimum).Losses
		if l.NetInherent == nil || l.NetProposed == nil {
			t.Fatalf("%+v: not there", kind)
		}
		now, without, with := l.Simulation, l.NetInherent, l.NetProposed
		if math.Abs(without.Gross.Value-*l.Inherent.Mean) > 5*without.Gross.Error || math.Abs(with.Gross.Value-*l.Proposed.Mean) > 5*with.Gross.Error {
			t.Errorf("%+v: gross of the draws %v and %v, exact %v and %v", kind, without.Gross, with.Gross, *l.Inherent.Mean, *l.Proposed.Mean)
		}
		if without.Mean.Value <= now.Mean.Value || with.Mean.Value >= now.Mean.Value || without.Mean.Value >= without.Gross.Value || without.Premium != 900 {
			t.Errorf("%+v: left without %v, now %v, with %v", kind, without.Mean, now.Mean, with.Mean)
		}
	}
	m.Losses.Dependence, m.Costs = nil, nil
	m.Means = []model.Mean{{Name: "guard", Present: true, Reduces: map[string]float64{"first": 1e-12}}}
	l := section(t, m, assess.SectionLosses).Losses
	if math.Abs(l.NetInherent.Mean.Value-l.Simulation.Mean.Value) > 1e-6*l.Simulation.Mean.Value {
		t.Errorf("nothing is taken away, and yet %v instead of %v is left", l.NetInherent.Mean, l.Simulation.Mean)
	}
}

// TestHorizonOfNothing: within no time nothing happens, for sure, in every law; what is lost in a period is known all the same.
func TestHorizonOfNothing(t *testing.T) {
	for _, law := range []model.ThreatDamage{{}, {Law: "fixed-lognormal", Mu: 3, Sigma: 1}, {Law: "pareto", Minimum: 2, Shape: 3}, {Law: "table", Table: []model.Amount{{Amount: 5, Probability: 1}}}} {
		year := 0.0
		for _, dependence := range []*model.Dependence{nil, {Kind: "shock", Shape: 2}, {Kind: "gaussian", Correlation: 0.5}} {
			m := twoThreats()
			if law.Law != "" {
				law.Threat = m.Damage.Threats[0].Threat
				m.Damage.Threats[0] = law
			}
			m.Losses = &model.Losses{Dependence: dependence, Simulation: &model.Simulation{Trials: 1000}}
			m.Means = []model.Mean{{Name: "lock", Cost: 1, Reduces: map[string]float64{"second": 0.5}}}
			m.Costs = &model.Costs{Losses: "losses"}
			m.Losses.Error = 0.01
			if dependence == nil {
				year = section(t, m, assess.SectionOptimum).Optimum.Measures.Without
			}
			m.Frequency.Horizon = to(0.0)
			r := section(t, m, assess.SectionOptimum)
			for _, x := range r.Dynamics.Threats {
				if f := x.Frequency; f.Mean != 0 || f.Variance != 0 || f.P0 != 1 || len(f.PMF) != 1 || f.PMF[0] != 1 || f.Quantile["0.95"] != 0 {
					t.Errorf("%s %+v: %+v", law.Law, dependence, f)
				}
			}
			if l := r.Losses; r.Dynamics.Horizon != 0 || *l.Total.Mean != 0 || *l.Total.SD != 0 || l.Total.Quantiles["0.999"] != 0 || l.Threats[0].P0 != 1 || l.Total.Brackets["0.999"] != [2]float64{} {
				t.Errorf("%s %+v: %+v", law.Law, dependence, l.Total)
			}
			if s := r.Losses.Simulation; s != nil && (s.Mean.Value != 0 || s.Quantiles["0.999"] != 0) {
				t.Errorf("%s: %+v", law.Law, s)
			}
			close(t, "loss of a period", r.Optimum.Measures.Without, year, 1e-12)
			if _, err := json.Marshal(r); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestToleranceIsHeldAgainstWhatIsLeft: with dependence the probability is that of the simulation, and with insurance of everything nothing is left to exceed.
func TestToleranceIsHeldAgainstWhatIsLeft(t *testing.T) {
	m := twoThreats()
	m.Frequency.Horizon = nil
	for i := range 2 {
		m.Frequency.Threats[i] = model.ThreatFrequency{Threat: m.Threats[i].Name, Prior: &model.Gamma{A: 2, B: 1}}
		m.Damage.Threats[i] = model.ThreatDamage{Threat: m.Threats[i].Name, Law: "fixed-lognormal", Mu: 8, Sigma: 1}
	}
	m.Losses = &model.Losses{Tolerance: []model.Tolerance{{Loss: 60000, Probability: 0.05}}}
	if c := section(t, m, assess.SectionLosses).Losses.Tolerance[0]; c.Exceeded || !c.Sure || c.Simulated {
		t.Errorf("independent threats: %+v", c)
	}
	m.Losses.Dependence = &model.Dependence{Kind: "gaussian", Correlation: 0.9}
	l := section(t, m, assess.SectionLosses).Losses
	if c := l.Tolerance[0]; !c.Exceeded || !c.Sure || !c.Simulated || c.Bracket[0] > c.Probability || c.Bracket[1] < c.Probability || l.Simulation.Quantiles["0.95"] < 60000 {
		t.Errorf("dependent threats: %+v, 0.95: %v", c, l.Simulation.Quantiles["0.95"])
	}
	if len(l.Simulation.Exceedance) != len(l.Simulation.Exceeding) || slices.ContainsFunc(l.Simulation.Exceedance, func(p [2]float64) bool { return p[0] == 60000 }) {
		t.Error("the tolerance is among the points of the curve")
	}
	m.Losses.Insurance = []model.Layer{{Limit: 1e12}}
	m.Losses.Tolerance = []model.Tolerance{{Loss: 1, Probability: 0.05}, {Loss: 2, Probability: 0}}
	r := section(t, m, assess.SectionLosses)
	if c := r.Losses.Tolerance; c[0].Exceeded || !c[0].Sure || c[0].Probability != 0 || c[1].Exceeded || c[1].Sure {
		t.Errorf("insured wholly: %+v", c)
	}
	if !slices.ContainsFunc(r.Notes, func(n assess.Note) bool { return strings.Contains(n.Text, "before limits and insurance") }) {
		t.Error("nothing says that the total is gross")
	}
}

// TestRiskFaults: each fault has its own place.
func TestRiskFaults(t *testing.T) {
	m := &model.Model{
		Version: model.Version, Threats: threats("a", "b", "c", "d", "e", "f"),
		Frequency: &model.Frequency{Horizon: to(-1.0), Forgetting: 1, ChooseBy: "dice", Quantiles: []float64{0, 1}, Threats: []model.ThreatFrequency{
			{Threat: "a", Prior: &model.Gamma{A: 0, B: math.NaN()}, Observations: []model.Observation{{Count: -1}, {Count: 1.5}, {Count: 1e12}, {Count: 1, Exposure: -2}}}, {Threat: "a"}, {Threat: "nobody"},
		}},
		Damage: &model.Damage{Threats: []model.ThreatDamage{
			{Threat: "a"}, {Threat: "b", Law: "lognormal", Observations: []float64{1, 2, -3}}, {Threat: "c", Law: "pareto", Mu: 1}, {Threat: "d", Law: "table", Table: []model.Amount{{Amount: -1, Probability: 2}}},
			{Threat: "e", Law: "fixed-lognormal", Sigma: -1}, {Threat: "f", Law: "cubic", Prior: &model.NormalGamma{}},
		}},
		Losses: &model.Losses{
			Error: 2, Quantiles: []float64{2}, Simulation: &model.Simulation{Trials: 5}, Dependence: &model.Dependence{Kind: "t", Correlation: 1, Threats: []string{"x"}},
			Limits: []model.Limit{{Threat: "a"}}, Insurance: []model.Layer{{Attachment: -1, Share: 2}}, Tolerance: []model.Tolerance{{Loss: 1, Probability: 0.1}, {Loss: 2, Probability: 0.2}},
		},
	}
	got := map[string]bool{}
	for _, f := range m.Check() {
		got[f.Path] = true
	}
	for _, want := range []string{
		"frequency.horizon", "frequency.forgetting", "frequency.choose_by", "frequency.quantiles[0]", "frequency.quantiles[1]", "frequency.threats[0].prior.a", "frequency.threats[0].prior.b",
		"frequency.threats[0].observations[0].count", "frequency.threats[0].observations[1].count", "frequency.threats[0].observations[2].count", "frequency.threats[0].observations[3].exposure",
		"frequency.threats[1].threat", "frequency.threats[2].threat", "damage.threats[0]", "damage.threats[1].maximum", "damage.threats[1].observations[2]", "damage.threats[2].mu", "damage.threats[2].minimum",
		"damage.threats[2].shape", "damage.threats[3].table", "damage.threats[3].table[0].amount", "damage.threats[3].table[0].probability", "damage.threats[4].sigma", "damage.threats[5].law", "damage.threats[5].prior",
		"losses.error", "losses.quantiles[0]", "losses.simulation.trials", "losses.dependence.correlation", "losses.dependence.freedom", "losses.dependence.threats[0]", "losses.limits[0]",
		"losses.insurance[0].attachment", "losses.insurance[0].limit", "losses.insurance[0].share", "losses.tolerance[1]",
	} {
		if !got[want] {
			t.Errorf("no fault in %s", want)
		}
	}
}

// TestParetoWithoutAMean: a law whose mean is infinite needs a maximum.
func TestParetoWithoutAMean(t *testing.T) {
	for _, x := range []struct {
		shape, maximum float64
		bad            bool
	}{{0.9, 0, true}, {1, 0, true}, {1.01, 0, false}, {0.9, 100, false}, {1, 100, false}} {
		m := twoThreats()
		m.Version = model.Version
		m.Damage.Threats[0] = model.ThreatDamage{Threat: m.Damage.Threats[0].Threat, Law: "pareto", Minimum: 1, Shape: x.shape, Maximum: x.maximum}
		faults := m.Check()
		if bad := len(faults) == 1 && faults[0].Path == "damage.threats[0].maximum"; bad != x.bad || !bad && len(faults) > 0 {
			t.Errorf("shape %v, maximum %v: %+v", x.shape, x.maximum, faults)
		}
	}
}

// TestEdgesOfLosses runs models at the edges: the report can be written, and its figures are in order.
func TestEdgesOfLosses(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	laws := []func(scale float64) model.ThreatDamage{
		func(s float64) model.ThreatDamage {
			return model.ThreatDamage{Prior: &model.NormalGamma{M: s, Kappa: 0.01, Alpha: 0.3, Beta: s * s}}
		},
		func(s float64) model.ThreatDamage {
			return model.ThreatDamage{Prior: &model.NormalGamma{M: s, Kappa: 1e6, Alpha: 1e6, Beta: s * s}}
		},
		func(s float64) model.ThreatDamage {
			return model.ThreatDamage{Law: "lognormal", Maximum: 100 * s, Observations: []float64{s, 2 * s, s / 9}}
		},
		func(s float64) model.ThreatDamage {
			return model.ThreatDamage{Law: "pareto", Minimum: s, Shape: 0.5, Maximum: 1e4 * s}
		},
		func(s float64) model.ThreatDamage {
			return model.ThreatDamage{Law: "fixed-lognormal", Mu: math.Log(s), Sigma: 3}
		},
		func(s float64) model.ThreatDamage {
			return model.ThreatDamage{Law: "table", Table: []model.Amount{{Amount: 0, Probability: 0.5}, {Amount: s, Probability: 0.5}}}
		},
		func(s float64) model.ThreatDamage {
			return model.ThreatDamage{Maximum: 2 * s, Prior: &model.NormalGamma{M: s, Kappa: 1, Alpha: 0.5, Beta: s * s}}
		},
	}
	for i, law := range laws {
		for _, scale := range []float64{0.01, 1e9} {
			for _, count := range []float64{0, 300} {
				t.Run(fmt.Sprintf("%d/%g/%g", i, scale, count), func(t *testing.T) {
					d := law(scale * (1 + r.Float64()))
					d.Threat = "a"
					m := &model.Model{Threats: threats("a"), Damage: &model.Damage{Threats: []model.ThreatDamage{d}}, Losses: &model.Losses{Error: 0.01},
						Frequency: &model.Frequency{YearEffect: i%2 == 0, Threats: []model.ThreatFrequency{{Threat: "a", Observations: []model.Observation{{Count: count}, {Count: count}, {Count: count}}}}}}
					l := section(t, m, assess.SectionLosses).Losses
					last := math.Inf(-1)
					for _, q := range []string{"0.5", "0.9", "0.95", "0.99", "0.999"} {
						b, x := l.Total.Brackets[q], l.Total.Quantiles[q]
						if x < last-1e-9*math.Abs(last) || b[0] > x || b[1] < x {
							t.Errorf("%s: %v in %v after %v", q, x, b, last)
						}
						last = x
					}
				})
			}
		}
	}
}

// TestLossesAreTheSameForAnyNumberOfWorkers, to the bit.
func TestLossesAreTheSameForAnyNumberOfWorkers(t *testing.T) {
	m := twoThreats()
	m.Version = model.Version
	m.Losses = &model.Losses{Dependence: &model.Dependence{Kind: "shock", Shape: 2}, Simulation: &model.Simulation{Trials: 5000}}
	var first []byte
	for _, w := range []int{1, 3} {
		r, err := assess.RunSection(context.Background(), m, assess.SectionLosses, assess.Options{Workers: w})
		if err != nil {
			t.Fatal(err)
		}
		b, _ := json.Marshal(r)
		if first == nil {
			first = b
		} else if string(first) != string(b) {
			t.Error("the report depends on the workers")
		}
	}
}

// TestVastInputs: what no lattice holds gets a bracket all the same, in short time.
func TestVastInputs(t *testing.T) {
	for i := range 3 {
		m := twoThreats()
		switch i {
		case 0:
			m.Frequency.Threats[0].Prior.A = 1e12
		case 1:
			m.Frequency.Threats[0].Prior.A = 1e12
			m.Damage.Threats[0] = model.ThreatDamage{Threat: "first", Law: "fixed-lognormal", Mu: 5, Sigma: 1}
		case 2:
			m.Damage.Threats[1].Prior.M = 1e12
			m.Damage.Threats[0] = model.ThreatDamage{Threat: "first", Law: "fixed-lognormal", Mu: 1, Sigma: 1}
		}
		l := section(t, m, assess.SectionLosses).Losses
		last := -1.0
		for _, q := range []string{"0.5", "0.9", "0.95", "0.99", "0.999"} {
			b, x := l.Total.Brackets[q], l.Total.Quantiles[q]
			if x < last || b[0] > x || b[1] < x {
				t.Errorf("%d, %s: %v in %v after %v", i, q, x, b, last)
			}
			last = x
		}
		if i < 2 { // the law is that of a known number, nearly
			low, high := *l.Total.Mean-4**l.Total.SD, *l.Total.Mean+4**l.Total.SD
			if last < low || last > high || l.Total.ErrorBound > 0.01 {
				t.Errorf("%d: %v, mean %v, sd %v", i, last, *l.Total.Mean, *l.Total.SD)
			}
		}
	}
}
