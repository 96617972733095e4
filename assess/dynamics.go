package assess

import (
	"math"
	"slices"
	"strconv"

	"redoubt/assess/model"
	"redoubt/assess/risk"
)

// Dynamics is section dynamics of the report: how often threats will come true, and what they will cost when they do.
type Dynamics struct {
	Trace    Trace              `json:"trace"`
	Horizon  float64            `json:"horizon"` // in periods
	Threats  []ThreatDynamics   `json:"threats"`
	Drift    *DriftResult       `json:"drift,omitempty"`    // forgetting and year effect, where there are such
	Backtest *FrequencyBacktest `json:"backtest,omitempty"` // of all threats together
}

// DriftResult is how the past was weighed.
type DriftResult struct {
	Forgetting float64 `json:"forgetting"`  // weight that an observation loses with each period of age
	YearEffect float64 `json:"year_effect"` // squared coefficient of variation of the periods' rates
	ChosenBy   string  `json:"chosen_by"`   // given, or held-back: by how well earlier periods foretold later ones
}

// ThreatDynamics is what is known of one threat.
type ThreatDynamics struct {
	Name      string           `json:"name"`
	Frequency *FrequencyResult `json:"frequency,omitempty"`
	Damage    *DamageResult    `json:"damage,omitempty"`
}

// FrequencyResult is the rate of a threat, and the number of its manifestations within the horizon.
type FrequencyResult struct {
	A        float64            `json:"a"` // of the rate per period, after the observations
	B        float64            `json:"b"` // in periods
	Rate     float64            `json:"rate"`
	RateSD   float64            `json:"rate_sd"`
	Interval [2]float64         `json:"interval"` // holds the rate with probability 0.95
	Prior    Gamma              `json:"prior"`
	Seen     *Seen              `json:"seen,omitempty"`
	Mean     float64            `json:"mean"`     // of the number within the horizon
	Variance float64            `json:"variance"` // of the number
	P0       float64            `json:"p0"`       // that there is none
	PMF      []float64          `json:"pmf"`      // probabilities of First, First+1, ...; what is left out is less than 1e-6, or more than 400 numbers would be needed
	First    int                `json:"first"`    // the number that pmf begins with
	Shape    *float64           `json:"shape,omitempty"`
	Quantile map[string]float64 `json:"quantiles"`
	Density  [][3]float64       `json:"density,omitempty"` // rate, density before, density after: for a plot
	Backtest *FrequencyBacktest `json:"backtest,omitempty"`
}

// Gamma is shape and rate of a gamma law.
type Gamma struct {
	A float64 `json:"a"`
	B float64 `json:"b"`
}

// Seen is what was observed in all.
type Seen struct {
	Observations int     `json:"observations"`
	Count        float64 `json:"count"`
	Exposure     float64 `json:"exposure"`
}

// FrequencyBacktest is how forecasts of each observation from those before it would have done.
type FrequencyBacktest struct {
	Forecasts int     `json:"forecasts"`
	Level     float64 `json:"level"` // of the intervals
	Inside    int     `json:"inside"`
	Coverage  float64 `json:"coverage"`          // share of the observations inside
	LogScore  float64 `json:"log_score"`         // mean logarithm of the probability that was given to what came
	Poisson   float64 `json:"log_score_poisson"` // the same of Poisson's law with the mean so far
	Better    bool    `json:"better"`            // than Poisson's
}

// DamageResult is the law of the damage of one manifestation. The figures of the normal-gamma law are there for the laws normal and lognormal; for the latter they are of
// the logarithm.
type DamageResult struct {
	Law      string             `json:"law"`
	M        *float64           `json:"m,omitempty"`
	Kappa    *float64           `json:"kappa,omitempty"`
	Alpha    *float64           `json:"alpha,omitempty"`
	Beta     *float64           `json:"beta,omitempty"`
	DF       *float64           `json:"df,omitempty"`
	Scale    *float64           `json:"scale,omitempty"`
	Raiffa   *RaiffaSchlaifer   `json:"raiffa_schlaifer,omitempty"`
	Seen     int                `json:"observations"`
	Mean     *float64           `json:"mean"`       // null: there is none
	Variance *float64           `json:"variance"`   // null: there is none, it is infinite
	Negative float64            `json:"p_negative"` // probability of a damage below 0, which a normal law leaves
	Maximum  *float64           `json:"maximum,omitempty"`
	Quantile map[string]float64 `json:"quantiles"`

	threat risk.Threat // but for its counts
}

// RaiffaSchlaifer is the normal-gamma law by other names.
type RaiffaSchlaifer struct {
	M  float64 `json:"m"`
	N  float64 `json:"n"`
	Nu float64 `json:"nu"`
	V  float64 `json:"v"`
}

// level is the key of a quantile.
func level(p float64) string { return strconv.FormatFloat(p, 'g', -1, 64) }

// number is a figure that is there.
func number(x float64) *float64 { return &x }

// perhaps is a figure that is there if it exists, and can be written.
func perhaps(x float64, ok bool) *float64 {
	if !ok || math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	return &x
}

// dynamics computes section dynamics.
func (r *run) dynamics() error {
	f, d := r.model.Frequency, r.model.Damage
	if f == nil && d == nil {
		return nil
	}
	out := &Dynamics{Horizon: r.horizon()}
	r.report.Dynamics = out
	sources := newSourceSet(&out.Trace)
	at := map[string]int{}
	named := map[string]bool{}
	if f != nil {
		for _, t := range f.Threats {
			named[t.Threat] = true
		}
	}
	if d != nil {
		for _, t := range d.Threats {
			named[t.Threat] = true
		}
	}
	for _, t := range r.model.Threats { // in the order of section threats
		if named[t.Name] {
			at[t.Name] = len(out.Threats)
			out.Threats = append(out.Threats, ThreatDynamics{Name: t.Name})
		}
	}
	if f != nil {
		out.Trace.Formulas = append(out.Trace.Formulas, "3.3", "3.4", "3.5", "3.6", "3.7", "3.8", "3.9", "C1.backtest")
		out.Trace.Inputs = append(out.Trace.Inputs, "frequency")
		if err := r.frequencies(out, f, at, sources); err != nil {
			return err
		}
	}
	if d != nil {
		out.Trace.Formulas = append(out.Trace.Formulas, "3.10", "3.11", "3.12", "3.13")
		out.Trace.Inputs = append(out.Trace.Inputs, "damage")
		for i, t := range d.Threats {
			sources.add(t.Source)
			out.Threats[at[t.Threat]].Damage = r.damage(i, t, &out.Trace)
		}
	}
	return nil
}

// horizon is how far to look ahead.
func (r *run) horizon() float64 {
	if f := r.model.Frequency; f != nil && f.Horizon != nil {
		return *f.Horizon
	}
	return 1
}

// backtestLevel is that of the intervals that the back-test counts.
const backtestLevel = 0.9

func (r *run) frequencies(out *Dynamics, f *model.Frequency, at map[string]int, sources sourceSet) error {
	series := make([]risk.Series, len(f.Threats))
	for i, t := range f.Threats {
		sources.add(t.Source)
		series[i].Prior = risk.Jeffreys
		if t.Prior != nil {
			series[i].Prior = risk.Gamma{A: t.Prior.A, B: t.Prior.B}
		} else if len(t.Observations) == 0 {
			r.note(SectionDynamics, model.Item("frequency.threats", i), "%s has neither prior nor observations; a rate of Jeffreys' law after one period without manifestations stands for it", t.Threat)
			series[i].Prior = risk.Gamma{A: 0.5, B: 1}
		}
		for _, o := range t.Observations {
			sources.add(o.Source)
			series[i].Spans = append(series[i].Spans, risk.Span{Count: o.Count, Exposure: exposure(o)})
		}
	}
	drift, candidates := r.drift(out, f, series)
	tests := risk.Test(series, candidates, backtestLevel)
	whole := risk.Backtest{}
	levels := f.Quantiles
	if len(levels) == 0 {
		levels = []float64{0.05, 0.5, 0.95}
	}
	for i, t := range f.Threats {
		if err := r.ctx.Err(); err != nil {
			return err
		}
		x := frequency(series[i], drift, out.Horizon, levels)
		x.Backtest = backtest(tests[i])
		whole = whole.Add(tests[i])
		out.Threats[at[t.Threat]].Frequency = x
	}
	out.Backtest = backtest(whole)
	if b := out.Backtest; b != nil && b.Forecasts >= 10 && b.Coverage < b.Level-2*math.Sqrt(b.Level*(1-b.Level)/float64(b.Forecasts)) {
		if drift == (risk.Drift{}) {
			r.note(SectionDynamics, "frequency",
				"of %d earlier observations only %d were inside the %g %% interval of their forecasts: the counts scatter more than the model says; set frequency.year_effect, or choose_by: held-back",
				b.Forecasts, b.Inside, 100*b.Level)
		} else {
			r.note(SectionDynamics, "frequency", "of %d earlier observations only %d were inside the %g %% interval of their forecasts: the counts scatter more than the model says",
				b.Forecasts, b.Inside, 100*b.Level)
		}
	}
	return nil
}

func exposure(o model.Observation) float64 {
	if o.Exposure == 0 {
		return 1
	}
	return o.Exposure
}

// drift is how the past is weighed: as given, or chosen by the earlier observations. The candidates are those that the back-test may choose among.
func (r *run) drift(out *Dynamics, f *model.Frequency, series []risk.Series) (risk.Drift, []risk.Drift) {
	candidates := []risk.Drift{{Forgetting: f.Forgetting}}
	by := "given"
	if f.ChooseBy == "held-back" {
		by = "held-back"
		candidates = risk.Candidates(true, f.YearEffect)
	} else if f.YearEffect {
		candidates = risk.Candidates(false, true)
		for i := range candidates {
			candidates[i].Forgetting = f.Forgetting
		}
	}
	drift := candidates[0]
	if len(candidates) > 1 {
		drift = risk.Choose(series, candidates)
		most := 0
		for _, s := range series {
			most = max(most, len(s.Spans))
		}
		if most < 3 {
			r.note(SectionDynamics, "frequency", "no threat has more than two observations, so there is little to choose forgetting and year effect by")
		}
	}
	if f.Forgetting > 0 || by == "held-back" {
		out.Trace.Formulas = append(out.Trace.Formulas, "C1.forget")
	}
	if f.YearEffect {
		out.Trace.Formulas = append(out.Trace.Formulas, "C1.year")
	}
	if f.Forgetting > 0 || len(candidates) > 1 {
		out.Drift = &DriftResult{Forgetting: drift.Forgetting, YearEffect: drift.Spread, ChosenBy: by}
	}
	return drift, candidates
}

// frequency is the result for one threat.
func frequency(s risk.Series, drift risk.Drift, horizon float64, levels []float64) *FrequencyResult {
	g := drift.Learn(s.Prior, s.Spans)
	law := drift.Forecast(g, horizon)
	out := &FrequencyResult{
		A: g.A, B: g.B, Rate: g.Mean(), RateSD: math.Sqrt(g.Variance()), Prior: Gamma{s.Prior.A, s.Prior.B},
		Mean: law.Mean, Variance: law.Variance(), P0: law.PMF(0), Quantile: map[string]float64{},
	}
	if !math.IsInf(law.Shape, 1) {
		out.Shape = number(law.Shape)
	}
	out.Interval[0], out.Interval[1] = g.Interval(0.95)
	if n := len(s.Spans); n > 0 {
		out.Seen = &Seen{Observations: n}
		for _, x := range s.Spans {
			out.Seen.Count += x.Count
			out.Seen.Exposure += x.Exposure
		}
	}
	const numbers, little = 400, 1e-6
	lo, hi := law.Range(little / 2)
	if hi < numbers {
		lo = 0
	} else if hi-lo >= numbers {
		lo = math.Max(0, math.Floor(law.Mean)-numbers/2)
		hi = lo + numbers - 1
	}
	out.First = int(lo)
	for k := lo; k <= hi; k++ {
		out.PMF = append(out.PMF, law.PMF(k))
	}
	for _, p := range levels {
		out.Quantile[level(p)] = law.Quantile(p)
	}
	if top := g.Quantile(0.999); top > 0 {
		const points = 120
		for i := 1; i <= points; i++ {
			x := top * float64(i) / points
			out.Density = append(out.Density, [3]float64{x, s.Prior.PDF(x), g.PDF(x)})
		}
	}
	return out
}

func backtest(b risk.Backtest) *FrequencyBacktest {
	if b.Forecasts == 0 {
		return nil
	}
	return &FrequencyBacktest{
		Forecasts: b.Forecasts, Level: b.Level, Inside: b.Inside, Coverage: float64(b.Inside) / float64(b.Forecasts), LogScore: b.Score, Poisson: b.Plain, Better: b.Score > b.Plain,
	}
}

// damage is the law of the damage of one threat.
func (r *run) damage(i int, t model.ThreatDamage, trace *Trace) *DamageResult {
	at := model.Item("damage.threats", i)
	law := t.Law
	if law == "" {
		law = "normal"
	}
	out := &DamageResult{Law: law, Quantile: map[string]float64{}}
	if t.Maximum > 0 {
		out.Maximum = number(t.Maximum)
	}
	levels := []float64{0.05, 0.5, 0.9, 0.95, 0.99}
	if law == "normal" || law == "lognormal" {
		p := learnDamage(t, law == "lognormal")
		s := p.Predict()
		out.M, out.Kappa, out.Alpha, out.Beta = number(p.M), number(p.Kappa), number(p.Alpha), number(p.Beta)
		out.DF, out.Scale = number(s.DF), number(s.Scale)
		out.Raiffa = &RaiffaSchlaifer{p.M, p.Kappa, 2 * p.Alpha, p.Beta / p.Alpha}
		out.Seen = len(t.Observations)
		appendOnce(&trace.Formulas, "C2.raiffa")
		if law == "normal" && t.Maximum == 0 {
			out.threat.Damage = p
			out.Mean, out.Variance = perhaps(s.Mean()), perhaps(s.Variance())
			out.Negative = s.Negative()
			for _, q := range levels {
				out.Quantile[level(q)] = s.Quantile(q)
			}
			if out.Negative > 0.01 {
				r.note(SectionDynamics, at, "the normal law gives a damage of %s below 0 the probability %.3g; the laws lognormal (with a maximum) or table have no such part", t.Threat, out.Negative)
			}
			if out.Mean == nil {
				r.note(SectionDynamics, at, "so little is known of the damage of %s (alpha = %.3g, not above 1/2) that it has neither mean nor variance; quantiles are given", t.Threat, p.Alpha)
			} else if out.Variance == nil {
				r.note(SectionDynamics, at, "so little is known of the damage of %s (alpha = %.3g, not above 1) that it has no variance; quantiles are given", t.Threat, p.Alpha)
			}
			return out
		}
		if law == "normal" {
			out.Negative = s.Negative()
			out.threat.Severity = risk.Clipped{Of: s, Most: t.Maximum}
			r.note(SectionDynamics, at, "the maximum cuts the normal law of %s, and what is below 0 counts as 0; its damages are taken as independent of each other, which understates how they vary together", t.Threat)
		} else {
			appendOnce(&trace.Formulas, "C2.lognormal")
			out.threat.Severity = risk.LogStudent{Log: s, Most: t.Maximum}
			r.note(SectionDynamics, at, "the mean of %s is finite only because of the maximum of %.6g, and follows it: read the quantiles first; its damages are taken as independent of each other", t.Threat, t.Maximum)
		}
	} else {
		out.threat.Severity = fixedSeverity(t)
	}
	s := out.threat.Severity
	out.Mean, out.Variance = perhaps(s.Mean()), perhaps(s.Variance())
	for _, q := range levels {
		out.Quantile[level(q)] = s.Quantile(q)
	}
	if out.Variance == nil {
		r.note(SectionDynamics, at, "the damage of %s has no finite variance; quantiles are given", t.Threat)
	}
	return out
}

// fixedSeverity is the law of a damage that is given and not learned.
func fixedSeverity(t model.ThreatDamage) risk.Severity {
	switch t.Law {
	case "fixed-lognormal":
		return risk.Lognormal{Mu: t.Mu, Sigma: t.Sigma, Most: t.Maximum}
	case "pareto":
		return risk.Pareto{Least: t.Minimum, Shape: t.Shape, Most: t.Maximum}
	}
	var amounts, p []float64
	for _, a := range t.Table {
		amounts, p = append(amounts, a.Amount), append(p, a.Probability)
	}
	return risk.NewTable(amounts, p).Limited(t.Maximum)
}

// learnDamage is the normal-gamma law after the observations, of the damage or of its logarithm.
func learnDamage(t model.ThreatDamage, logarithm bool) risk.NormalGamma {
	x := slices.Clone(t.Observations)
	if logarithm {
		for i := range x {
			x[i] = math.Log(x[i])
		}
	}
	if t.Prior != nil {
		p := risk.NormalGamma{M: t.Prior.M, Kappa: t.Prior.Kappa, Alpha: t.Prior.Alpha, Beta: t.Prior.Beta}
		if t.Prior.Nu > 0 {
			p = risk.RaiffaSchlaifer(t.Prior.M, t.Prior.N, t.Prior.Nu, t.Prior.V)
		}
		return p.ObserveAll(x)
	}
	// Without a prior: the limit in which nothing was known (kappa 0, alpha -1/2, beta 0), which needs observations that differ.
	var mean, ss float64
	for i, v := range x {
		d := v - mean
		mean += d / float64(i+1)
		ss += d * (v - mean)
	}
	n := float64(len(x))
	return risk.NormalGamma{M: mean, Kappa: n, Alpha: (n - 1) / 2, Beta: ss / 2}
}

func appendOnce(to *[]string, s string) {
	if !slices.Contains(*to, s) {
		*to = append(*to, s)
	}
}
