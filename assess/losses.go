package assess

import (
	"errors"
	"math"

	"redoubt/assess/model"
	"redoubt/assess/risk"
)

// Losses is section losses of the report: what all threats may cost together within the horizon.
type Losses struct {
	Trace       Trace             `json:"trace"`
	Horizon     float64           `json:"horizon"` // in periods
	Error       float64           `json:"error"`   // wanted relative half width of the brackets
	Threats     []ThreatLoss      `json:"threats"`
	Net         []NetLoss         `json:"net,omitempty"`        // of the threats, with dependence, limits and insurance where the model has them
	Total       *TotalLoss        `json:"total,omitempty"`      // as things are
	Inherent    *TotalLoss        `json:"inherent,omitempty"`   // without the means that are present
	Proposed    *TotalLoss        `json:"proposed,omitempty"`   // with the measures that section optimum chose
	Sensitivity []Sensitivity     `json:"sensitivity"`          // of the expected total, the greatest first
	Tolerance   []ToleranceCheck  `json:"tolerance,omitempty"`  // the owner's curve
	Returns     []LossReturn      `json:"returns,omitempty"`    // what each means saves
	Simulation  *SimulationResult `json:"simulation,omitempty"` // with dependence, limits and insurance

	NetInherent *SimulationResult `json:"simulation_inherent,omitempty"` // the same without the means that are present; threats that these do not touch have the same draws
	NetProposed *SimulationResult `json:"simulation_proposed,omitempty"` // the same with the measures that section optimum chose

	drawn risk.Simulation
	parts []risk.Threat // as Threats
	rates []float64     // as Threats, per period
}

// ThreatLoss is what one threat may cost.
type ThreatLoss struct {
	Name        string             `json:"name"`
	Mean        *float64           `json:"mean"`         // null: there is none
	Variance    *float64           `json:"variance"`     // null: there is none
	VarianceIID *float64           `json:"variance_iid"` // if damages were independent of each other; null where they are taken so, or where there is none
	SD          *float64           `json:"sd"`
	P0          float64            `json:"p0"` // that the threat does not come true
	Quantiles   map[string]float64 `json:"quantiles,omitempty"`
	MeanShare   *float64           `json:"mean_share,omitempty"` // of the expected total
	Tail        *float64           `json:"tail,omitempty"`       // its part of the tail value at risk, at the greatest level
	TailShare   *float64           `json:"tail_share,omitempty"`
}

// TotalLoss is the law of the sum.
type TotalLoss struct {
	Mean       *float64              `json:"mean"`     // null: there is none
	Variance   *float64              `json:"variance"` // null: there is none
	SD         *float64              `json:"sd"`
	Quantiles  map[string]float64    `json:"quantiles"`                     // values at risk
	Brackets   map[string][2]float64 `json:"quantile_brackets"`             // proved: each quantile is between the two
	TailValue  map[string]float64    `json:"tail_value,omitempty"`          // mean of the losses beyond each quantile
	Tails      map[string][2]float64 `json:"tail_value_brackets,omitempty"` // proved: each tail value is between the two
	Exceedance [][2]float64          `json:"exceedance"`                    // loss, and the probability of more
	Exceeding  [][2]float64          `json:"exceedance_brackets"`           // proved: each of those probabilities is between the two
	ErrorBound float64               `json:"error_bound"`                   // the widest half width of a bracket, relative to its quantile
	LostMass   float64               `json:"lost_mass"`                     // probability that was not accounted for; it is part of the brackets
	Met        bool                  `json:"met"`                           // all brackets are as narrow as was asked for
}

// Sensitivity is how far the expected total moves with what is not known of one input.
type Sensitivity struct {
	Threat string     `json:"threat"`
	Input  string     `json:"input"`  // frequency, or damage
	Inputs [2]float64 `json:"inputs"` // its 5 % and 95 % values: a rate per period, or a mean damage
	Low    float64    `json:"low"`    // expected total at the first
	High   float64    `json:"high"`   // and at the second
}

// ToleranceCheck holds the total against one point of the owner's curve: what was drawn where the model has dependence, limits or insurance, the law of the total otherwise.
type ToleranceCheck struct {
	Loss        float64    `json:"loss"`
	Tolerated   float64    `json:"tolerated"` // probability
	Probability float64    `json:"probability"`
	Bracket     [2]float64 `json:"bracket"`
	Exceeded    bool       `json:"exceeded"`
	Sure        bool       `json:"sure"`      // the bracket lies on one side
	Simulated   bool       `json:"simulated"` // probability and bracket are those of the simulation
}

// LossReturn is what one means saves of the expected total within the horizon.
type LossReturn struct {
	Name    string   `json:"name"`
	Present bool     `json:"present"` // then it is what it saves today
	Cost    float64  `json:"cost"`    // within the horizon
	Saves   float64  `json:"saves"`
	Return  *float64 `json:"return,omitempty"` // what is saved beyond the cost for each unit of cost; a means that costs nothing has none
}

// losses computes section losses.
func (r *run) losses() error {
	if r.report.Dynamics == nil || r.model.Frequency == nil || r.model.Damage == nil {
		return nil
	}
	in := r.model.Losses
	if in == nil {
		in = &model.Losses{}
	}
	out := &Losses{Horizon: r.horizon(), Error: 1e-3}
	if in.Error > 0 {
		out.Error = in.Error
	}
	out.Trace.Formulas = []string{"3.14", "3.15", "C3.exact", "C3.variance", "C3.iid", "C3.bracket", "C3.quantile", "C3.tail", "C3.exceedance", "C3.contribution", "C3.tornado"}
	out.Trace.Inputs = []string{"frequency", "damage", "losses"}
	out.Trace.Sources = append(out.Trace.Sources, r.report.Dynamics.Trace.Sources...)
	sources := newSourceSet(&out.Trace)
	for _, l := range in.Limits {
		sources.add(l.Source)
	}
	for _, l := range in.Insurance {
		sources.add(l.Source)
	}
	r.lossThreats(out)
	if len(out.Threats) == 0 {
		r.note(SectionLosses, "damage", "no threat has both a frequency and a damage, so there is no loss to compute")
		return nil
	}
	r.report.Losses = out
	levels := lossLevels(in)
	total, law, err := r.total(out.parts, levels, out.Error)
	if errors.Is(err, risk.ErrReach) {
		r.note(SectionLosses, "damage", "the losses were not computed: %v. Look for a rate or a damage that is too great to be meant", err)
		r.report.Losses = nil
		return nil
	}
	if err != nil {
		return err
	}
	out.Total = total
	if err := r.threatQuantiles(out, levels); err != nil {
		return err
	}
	if !total.Met {
		r.note(SectionLosses, "losses.error", "the wanted error of %g was not reached within the memory that is used; the widest bracket is half %.2g of its quantile", out.Error, total.ErrorBound)
	}
	if total.Mean == nil {
		r.note(SectionLosses, "damage", "there is no expected total loss, because so little is known of the damage of a threat that its mean is not defined; go by the quantiles")
	} else if total.SD == nil {
		r.note(SectionLosses, "damage", "the total loss has no finite variance; go by the quantiles")
	}
	if err := r.contributions(out, levels); err != nil {
		return err
	}
	r.sensitivity(out)
	r.lossReturns(out)
	factors, any := r.inherentFactors(out)
	if any {
		out.Inherent, _, err = r.total(scaled(out.parts, factors), levels, math.Max(out.Error, 1e-3))
		if errors.Is(err, risk.ErrReach) {
			r.note(SectionLosses, "means", "the losses without the means that are present were not computed: %v", err)
		} else if err != nil {
			return err
		}
	}
	if err := r.simulate(out, in, levels); err != nil {
		return err
	}
	if any {
		if out.NetInherent, err = r.redraw(out, in, factors); err != nil {
			return err
		}
	}
	r.tolerance(out, in, law)
	return nil
}

// tolerance holds what the owner will have to bear against his curve.
func (r *run) tolerance(out *Losses, in *model.Losses, law *risk.Total) {
	for i, t := range in.Tolerance {
		if s := out.Simulation; s != nil {
			out.Tolerance = append(out.Tolerance, held(s.tolerated[i], t, true))
		} else {
			out.Tolerance = append(out.Tolerance, held(law.Exceed(t.Loss), t, false))
		}
	}
	switch {
	case out.Simulation != nil:
		r.note(SectionLosses, "losses", "total, inherent and proposed, the figures in threats and what means save are of independent threats before limits and insurance; what is left with them is in simulation, simulation_inherent and simulation_proposed and, of each threat, in net, and the tolerance is held against simulation")
	case len(in.Tolerance) > 0 && extended(in):
		r.note(SectionLosses, "losses.tolerance", "without a simulation the tolerance was held against the total of independent threats before limits and insurance")
	}
}

func lossLevels(in *model.Losses) []float64 {
	if len(in.Quantiles) > 0 {
		return in.Quantiles
	}
	return []float64{0.5, 0.9, 0.95, 0.99, 0.999}
}

// lossThreats finds the threats that have both a frequency and a damage.
func (r *run) lossThreats(out *Losses) {
	drift := risk.Drift{}
	if d := r.report.Dynamics.Drift; d != nil {
		drift = risk.Drift{Forgetting: d.Forgetting, Spread: d.YearEffect}
	}
	sum, all := 0.0, true
	for _, t := range r.report.Dynamics.Threats {
		if t.Frequency == nil || t.Damage == nil {
			if t.Frequency == nil {
				r.note(SectionLosses, "frequency", "%s has no frequency, so it is not part of the losses", t.Name)
			} else {
				r.note(SectionLosses, "damage", "%s has no damage, so it is not part of the losses", t.Name)
			}
			continue
		}
		x := t.Damage.threat
		x.Counts = drift.Forecast(risk.Gamma{A: t.Frequency.A, B: t.Frequency.B}, out.Horizon)
		l := ThreatLoss{Name: t.Name, Mean: perhaps(x.Mean()), Variance: perhaps(x.Variance()), P0: x.Counts.PMF(0)}
		if l.Variance != nil {
			l.SD = number(math.Sqrt(*l.Variance))
		}
		if x.Severity == nil {
			l.VarianceIID = perhaps(risk.Cost{Counts: x.Counts, Damage: x.Damage}.VarianceIID())
		}
		if l.Mean == nil {
			all = false
		} else {
			sum += *l.Mean
		}
		out.Threats, out.parts, out.rates = append(out.Threats, l), append(out.parts, x), append(out.rates, t.Frequency.Rate)
	}
	if all && sum > 0 {
		for i := range out.Threats {
			out.Threats[i].MeanShare = number(*out.Threats[i].Mean / sum)
		}
	}
}

// total is the law of the sum of threats.
func (r *run) total(parts []risk.Threat, levels []float64, wanted float64) (*TotalLoss, *risk.Total, error) {
	law, err := risk.Sum(r.ctx, parts, risk.Request{Error: wanted, Levels: levels, Workers: r.options.Workers})
	if err != nil {
		return nil, nil, err
	}
	out := &TotalLoss{Quantiles: map[string]float64{}, Brackets: map[string][2]float64{}, LostMass: law.Lost(), Met: true}
	mean, variance, haveMean, haveVariance := 0.0, 0.0, true, true
	for _, p := range parts {
		m, ok := p.Mean()
		mean, haveMean = mean+m, haveMean && ok
		v, ok := p.Variance()
		variance, haveVariance = variance+v, haveVariance && ok
	}
	out.Mean, out.Variance = perhaps(mean, haveMean), perhaps(variance, haveVariance && haveMean)
	if out.Variance != nil {
		out.SD = number(math.Sqrt(variance))
	}
	for i, p := range levels {
		b := law.Quantiles[i]
		out.Quantiles[level(p)] = b.Point
		out.Brackets[level(p)] = [2]float64{b.Low, b.High}
		out.ErrorBound = math.Max(out.ErrorBound, b.Half())
		out.Met = out.Met && law.Met[i]
		if out.Mean != nil {
			if out.TailValue == nil {
				out.TailValue, out.Tails = map[string]float64{}, map[string][2]float64{}
			}
			tail := law.Tail(p, mean, b)
			out.TailValue[level(p)], out.Tails[level(p)] = tail.Point, [2]float64{tail.Low, tail.High}
		}
	}
	out.Exceedance, out.Exceeding = exceedance(law)
	return out, law, nil
}

// exceedance are the points of the curve, and the brackets of their probabilities: from 0 to the end of what is known, in steps of the same ratio.
func exceedance(law *risk.Total) (curve, brackets [][2]float64) {
	top := law.Top()
	if top <= 0 {
		return [][2]float64{}, [][2]float64{}
	}
	const points, ratio = 100, 2000
	curve, brackets = make([][2]float64, 0, points+1), make([][2]float64, 0, points+1)
	for i := range points + 1 {
		x := 0.0
		if i > 0 {
			x = top * math.Pow(ratio, float64(i-points)/(points-1))
		}
		b := law.Exceed(x)
		if n := len(curve); n > 0 { // it never rises; lattices of different fineness may differ by their error
			b.Point, b.High = math.Min(b.Point, curve[n-1][1]), math.Min(b.High, brackets[n-1][1])
			b.Low = math.Min(b.Low, b.Point)
		}
		curve, brackets = append(curve, [2]float64{x, b.Point}), append(brackets, [2]float64{b.Low, b.High})
	}
	return curve, brackets
}

func held(b risk.Bracket, t model.Tolerance, simulated bool) ToleranceCheck {
	return ToleranceCheck{
		Loss: t.Loss, Tolerated: t.Probability, Probability: b.Point, Bracket: [2]float64{b.Low, b.High},
		Exceeded: b.Point > t.Probability, Sure: b.Low > t.Probability || b.High <= t.Probability, Simulated: simulated,
	}
}

// expectedLosses are what each threat costs in a period in the mean, as things are; threats without a finite mean are left out.
func (r *run) expectedLosses() map[string]float64 {
	out := map[string]float64{}
	if l := r.report.Losses; l != nil {
		for i, t := range l.Threats {
			switch {
			case t.Mean == nil:
			case l.Horizon > 0:
				out[t.Name] = *t.Mean / l.Horizon
			default: // there is no loss yet, but a period has one
				p := l.parts[i]
				p.Counts.Mean = l.rates[i]
				if m, ok := p.Mean(); ok {
					out[t.Name] = m
				}
			}
		}
	}
	return out
}

// proposeLosses computes the losses with more means than there are today.
func (r *run) proposeLosses(chosen []string) error {
	out := r.report.Losses
	if out == nil || len(chosen) == 0 {
		return nil
	}
	in := r.model.Losses
	if in == nil {
		in = &model.Losses{}
	}
	factors := map[string]float64{}
	for _, name := range chosen {
		if m, ok := r.model.FindMean(name); ok && !m.Present {
			for _, t := range out.Threats {
				factors[t.Name] = factor(factors, t.Name) * (1 - m.Reduces[t.Name])
			}
		}
	}
	list := make([]float64, len(out.Threats))
	for i, t := range out.Threats {
		list[i] = factor(factors, t.Name)
	}
	var err error
	out.Proposed, _, err = r.total(scaled(out.parts, list), lossLevels(in), math.Max(out.Error, 1e-3))
	if errors.Is(err, risk.ErrReach) {
		r.note(SectionLosses, "means", "the losses with the chosen measures were not computed: %v", err)
		return nil
	}
	if err != nil {
		return err
	}
	out.NetProposed, err = r.redraw(out, in, list)
	return err
}

func factor(of map[string]float64, name string) float64 {
	if f, ok := of[name]; ok {
		return f
	}
	return 1
}

// scaled are threats with their rates times factors.
func scaled(parts []risk.Threat, factors []float64) []risk.Threat {
	out := make([]risk.Threat, len(parts))
	for i, p := range parts {
		p.Counts = p.Counts.Scale(factors[i])
		out[i] = p
	}
	return out
}
