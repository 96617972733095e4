package assess

import (
	"math"
	"slices"

	"redoubt/assess/model"
	"redoubt/assess/risk"
)

// SimulationResult is what was drawn: the total with dependence between threats, limits and insurance. Every figure has its standard error or a bracket.
type SimulationResult struct {
	Trials        int                   `json:"trials"`
	Seed          uint64                `json:"seed"`
	Dependence    string                `json:"dependence,omitempty"`          // shock, gaussian or t
	Gross         *Estimate             `json:"gross"`                         // expected total before limits and insurance; null: there is none
	Mean          *Estimate             `json:"mean"`                          // expected loss that is left, without premiums; null: there is none
	Computed      *float64              `json:"mean_computed,omitempty"`       // the mean without drawing: the sum of the threats' net means, where all of these are computed, which insurance rules out
	ComputedError *float64              `json:"mean_computed_error,omitempty"` // half width of the bracket that holds it
	SD            *float64              `json:"sd"`                            // of the draws
	Quantiles     map[string]float64    `json:"quantiles"`
	Brackets      map[string][2]float64 `json:"quantile_brackets"` // hold the quantile with the confidence, between order statistics
	Confidence    float64               `json:"confidence"`
	TailValue     map[string]Estimate   `json:"tail_value,omitempty"`
	Exceedance    [][2]float64          `json:"exceedance"`          // loss, and the probability of more
	Exceeding     [][2]float64          `json:"exceedance_brackets"` // two standard errors of those probabilities to either side, and what so many draws can not tell from 0 or 1
	Premium       float64               `json:"premium"`             // of all insurances
	Layers        []LayerResult         `json:"layers,omitempty"`

	tolerated []risk.Bracket // of the probability of more than each loss of the owner's curve
}

// Estimate is a figure that was drawn, with its standard error.
type Estimate struct {
	Value float64 `json:"value"`
	Error float64 `json:"error"`
}

// LayerResult is what an insurance pays.
type LayerResult struct {
	Name        string   `json:"name,omitempty"`
	Premium     float64  `json:"premium"`
	Pays        Estimate `json:"pays"`        // in the mean
	Probability Estimate `json:"probability"` // that it pays
	Return      *float64 `json:"return,omitempty"`
}

// maxDraws is how many single damages are drawn at most: a simulation that would need more has fewer trials.
const maxDraws = 2e9

// extended reports whether the model has what only a simulation can follow.
func extended(in *model.Losses) bool {
	return in.Dependence != nil || len(in.Limits) > 0 || len(in.Insurance) > 0
}

func (r *run) simulate(out *Losses, in *model.Losses, levels []float64) error {
	if !extended(in) {
		return nil
	}
	s := risk.Simulation{Trials: 100000, Seed: 1, Levels: levels, Workers: r.options.Workers, Allocate: true, Progress: func(done float64) { r.tell(SectionLosses, done) }}
	if x := in.Simulation; x != nil {
		if x.Trials > 0 {
			s.Trials = x.Trials
		}
		s.Seed = x.Seed
	}
	out.Trace.Formulas = append(out.Trace.Formulas, "C3.simulation")
	name := r.dependence(&s, in.Dependence, out)
	if len(in.Limits) > 0 || len(in.Insurance) > 0 {
		out.Trace.Formulas = append(out.Trace.Formulas, "C3.layer")
	}
	at := map[string]int{}
	for i, t := range out.Threats {
		at[t.Name] = i
	}
	for k, l := range in.Limits {
		i, ok := at[l.Threat]
		if !ok {
			r.note(SectionLosses, model.Item("losses.limits", k), "%s has no frequency or no damage, so there is nothing to limit", l.Threat)
			continue
		}
		s.Threats[i].Limits = risk.Limits{Deductible: l.Deductible, Cap: l.Cap}
	}
	draws := drawsOf(out.parts)
	switch trials := r.trials(s.Trials, draws); {
	case trials == 0:
		return nil
	case trials < s.Trials:
		s.Trials = trials
		r.note(SectionLosses, "losses.simulation", "a trial has %.3g draws, so only %d trials were made", draws, trials)
	}
	for _, l := range in.Insurance {
		share := l.Share
		if share == 0 {
			share = 1
		}
		s.Layers = append(s.Layers, risk.Layer{Attachment: l.Attachment, Limit: l.Limit, Share: share})
	}
	for i, row := range out.Total.Exceedance {
		if i%4 == 0 {
			s.Losses = append(s.Losses, row[0])
		}
	}
	curve := len(s.Losses)
	for _, t := range in.Tolerance {
		s.Losses = append(s.Losses, t.Loss)
	}
	d, err := risk.Simulate(r.ctx, s)
	if err != nil {
		return err
	}
	out.Simulation, out.drawn = simulated(d, s, in, name), s
	out.Trace.Formulas = append(out.Trace.Formulas, "C3.net")
	if err := r.netThreats(out, s, d); err != nil {
		return err
	}
	for _, e := range d.Exceed[curve:] {
		out.Simulation.tolerated = append(out.Simulation.tolerated, likely(e, d.Trials))
	}
	return nil
}

// drawsOf is how many draws a trial has, about.
func drawsOf(parts []risk.Threat) float64 {
	draws := 1.0
	for _, t := range parts {
		if draws++; t.Severity != nil {
			draws += t.Counts.Mean
		}
	}
	return draws
}

// trials is how many of so many trials are made when each has so many draws; 0, with a note, when they would be too few to say anything.
func (r *run) trials(wanted int, draws float64) int {
	if draws*1000 > 10*maxDraws {
		r.note(SectionLosses, "losses.simulation", "damages are too many to be drawn; there is no simulation")
		return 0
	}
	return min(wanted, max(1000, int(maxDraws/draws)))
}

// redraw is the simulation with the rates times factors, if there is one; where there are far more damages then, of fewer trials.
func (r *run) redraw(out *Losses, in *model.Losses, factors []float64) (*SimulationResult, error) {
	if out.Simulation == nil {
		return nil, nil
	}
	s := out.drawn
	s.Allocate = false
	s.Threats = slices.Clone(s.Threats)
	parts := scaled(out.parts, factors)
	for i := range s.Threats {
		s.Threats[i].Threat = parts[i]
	}
	if s.Trials = r.trials(s.Trials, drawsOf(parts)); s.Trials == 0 {
		return nil, nil
	}
	d, err := risk.Simulate(r.ctx, s)
	if err != nil {
		return nil, err
	}
	return simulated(d, s, in, out.Simulation.Dependence), nil
}

// dependence sets what is dependent, and names it.
func (r *run) dependence(s *risk.Simulation, in *model.Dependence, out *Losses) string {
	for _, p := range out.parts {
		s.Threats = append(s.Threats, risk.Simulated{Threat: p})
	}
	if in == nil {
		return ""
	}
	out.Trace.Formulas = append(out.Trace.Formulas, "C3.dependence")
	named := map[string]bool{}
	for _, n := range in.Threats {
		named[n] = true
	}
	for i, t := range out.Threats {
		s.Threats[i].Dependent = len(named) == 0 || named[t.Name]
	}
	switch in.Kind {
	case "shock":
		s.Kind, s.Shape = risk.Shock, in.Shape
	case "gaussian":
		s.Kind, s.Correlation = risk.GaussCopula, in.Correlation
	case "t":
		s.Kind, s.Correlation, s.Freedom = risk.StudentCopula, in.Correlation, in.Freedom
	}
	return in.Kind
}

func simulated(d *risk.Drawn, s risk.Simulation, in *model.Losses, name string) *SimulationResult {
	out := &SimulationResult{
		Trials: d.Trials, Seed: s.Seed, Dependence: name, Quantiles: map[string]float64{}, Brackets: map[string][2]float64{}, Confidence: d.Confident, Exceedance: [][2]float64{}, Exceeding: [][2]float64{},
	}
	if d.Finite {
		out.Gross, out.Mean, out.SD = estimate(d.Gross), estimate(d.Net), perhaps(d.SD, true)
		out.TailValue = map[string]Estimate{}
	}
	for i, p := range s.Levels {
		out.Quantiles[level(p)] = d.Quantiles[i].Point
		out.Brackets[level(p)] = [2]float64{d.Quantiles[i].Low, d.Quantiles[i].High}
		if x := estimate(d.Tail[i]); d.Finite && x != nil {
			out.TailValue[level(p)] = *x
		}
	}
	for i, x := range s.Losses[:len(s.Losses)-len(in.Tolerance)] { // the rest is held against the owner's curve
		p := likely(d.Exceed[i], d.Trials)
		out.Exceedance, out.Exceeding = append(out.Exceedance, [2]float64{x, p.Point}), append(out.Exceeding, [2]float64{p.Low, p.High})
	}
	for i, l := range in.Insurance {
		x := LayerResult{Name: l.Name, Premium: l.Premium, Pays: Estimate(d.Layers[i]), Probability: Estimate(d.Hit[i])}
		if l.Premium > 0 {
			x.Return = number((x.Pays.Value - l.Premium) / l.Premium)
		}
		out.Premium += l.Premium
		out.Layers = append(out.Layers, x)
	}
	return out
}

// likely is a probability that was drawn: two standard errors to either side. What came in no draw, or in all, has no error of its own; it is known to no more than what
// so many draws would miss once in forty times.
func likely(e risk.Estimate, trials int) risk.Bracket {
	missed := math.Log(40) / float64(trials)
	return risk.Bracket{
		Low: math.Max(0, math.Min(e.Value-2*e.Error, 1-missed)), Point: e.Value, High: math.Min(1, math.Max(e.Value+2*e.Error, missed)),
	}
}

func estimate(e risk.Estimate) *Estimate {
	if perhaps(e.Value, true) == nil || perhaps(e.Error, true) == nil {
		return nil
	}
	return &Estimate{e.Value, e.Error}
}
