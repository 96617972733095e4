package assess

import (
	"maps"
	"math"
	"slices"
	"strings"

	"redoubt/assess/cost"
	"redoubt/assess/expression"
	"redoubt/assess/model"
)

// Optimum is section optimum of the report: how much to spend, and on what.
type Optimum struct {
	Trace      Trace              `json:"trace"`
	Continuous *ContinuousOptimum `json:"continuous,omitempty"` // on the curve of loss against cost
	Measures   *MeasureChoice     `json:"measures,omitempty"`   // of the means that are not yet present
}

// ContinuousOptimum is where cost and expected loss together are least.
type ContinuousOptimum struct {
	Kind       string       `json:"kind"`
	Q          *float64     `json:"q,omitempty"` // level of protection, where the curve is given by it
	C          float64      `json:"c"`           // what is spent
	Loss       float64      `json:"loss"`
	Total      float64      `json:"total"`
	Boundary   bool         `json:"boundary"`           // the optimum is at an end of the range: c = 0 says that protection does not pay
	Method     string       `json:"method"`             // closed form, or search
	Without    *float64     `json:"without,omitempty"`  // the total with nothing spent, where it is finite
	Crossing   *Crossing    `json:"crossing,omitempty"` // the lecture's rule: spend what is lost
	Decreasing bool         `json:"decreasing"`         // more protection never loses more: the crossing's total is at most twice the least only then
	Points     [][3]float64 `json:"points"`             // c, loss, total, for a plot
}

// Crossing is where cost equals expected loss. It is a rule of thumb: its total is at most twice the least.
type Crossing struct {
	Q     *float64 `json:"q,omitempty"`
	C     float64  `json:"c"`
	Loss  float64  `json:"loss"`
	Total float64  `json:"total"`
	Ratio *float64 `json:"ratio,omitempty"` // of its total to the least
}

// MeasureChoice is the set of measures with the least total of cost and expected loss.
type MeasureChoice struct {
	Losses   string   `json:"losses"` // where the expected losses come from: ibm, or losses
	Budget   *float64 `json:"budget,omitempty"`
	Without  float64  `json:"without"` // expected loss with no measure taken
	Chosen   []string `json:"chosen"`
	Cost     float64  `json:"cost"`
	Residual float64  `json:"residual"` // expected loss that is left
	Total    float64  `json:"total"`
	Proved   bool     `json:"proved"`
	Bound    float64  `json:"bound"` // no choice within the budget has a total below this
	Nodes    int      `json:"nodes"` // of the search

	Greedy        MeasureSet      `json:"greedy"` // one after the other by what it saves beyond its cost, for comparison
	Front         []MeasureSet    `json:"front"`  // choices that no other betters in cost and residual loss, by rising cost
	FrontComplete bool            `json:"front_complete"`
	FrontSize     int             `json:"front_size"` // points that were found; front has no more than 200 of them
	Returns       []MeasureReturn `json:"returns"`
	Threats       []ThreatResidue `json:"threats"`
}

// MeasureSet is one choice of measures.
type MeasureSet struct {
	Chosen   []string `json:"chosen"`
	Cost     float64  `json:"cost"`
	Residual float64  `json:"residual"`
	Total    float64  `json:"total"`
}

// MeasureReturn is what one measure saves: alone, and beside the others that are chosen. A return is what is saved beyond the cost for each unit of cost; a measure that
// costs nothing has none.
type MeasureReturn struct {
	Name           string   `json:"name"`
	Cost           float64  `json:"cost"`
	Chosen         bool     `json:"chosen"`
	Alone          float64  `json:"alone"`
	ReturnAlone    *float64 `json:"return_alone,omitempty"`
	Marginal       float64  `json:"marginal"`
	ReturnMarginal *float64 `json:"return_marginal,omitempty"`
}

// ThreatResidue is what a threat costs in a period without and with the chosen measures.
type ThreatResidue struct {
	Name     string  `json:"name"`
	Loss     float64 `json:"loss"`
	Residual float64 `json:"residual"`
}

func (r *run) optimum() error {
	out := &Optimum{Trace: Trace{Formulas: []string{}}}
	if in := r.model.Costs; in != nil && in.Curve != nil {
		r.continuous(in.Curve, out)
	}
	if err := r.measures(out); err != nil {
		return err
	}
	if out.Continuous != nil || out.Measures != nil {
		r.report.Optimum = out
	}
	if out.Measures != nil {
		// The curve of losses with what is proposed stands beside that of today.
		return r.proposeLosses(out.Measures.Chosen)
	}
	return nil
}

// continuous finds the optimum on the curve. A curve that has none is noted: it does not spoil the rest of the report.
func (r *run) continuous(in *model.Curve, out *Optimum) {
	most := in.Maximum
	if most == 0 {
		most = math.Inf(1)
	}
	var found cost.Optimum
	var err error
	switch in.Kind {
	case "exponential":
		found, err = cost.Exponential(in.Loss, in.K, most)
	case "hyperbola":
		found, err = cost.Hyperbola(in.B, most)
	default:
		found, err = searchCurve(in)
	}
	if err != nil {
		r.note(SectionOptimum, "costs.curve", "there is no optimum: %v", err)
		return
	}
	c := &ContinuousOptimum{
		Kind: in.Kind, C: found.C, Loss: found.Loss, Total: found.Total, Boundary: found.Boundary, Method: "search", Decreasing: found.Decreasing, Points: [][3]float64{},
	}
	if found.Closed {
		c.Method = "closed form"
	}
	level := in.Cost != ""
	if level {
		c.Q = &found.Q
	}
	if in.Kind == "exponential" {
		c.Without = &in.Loss
	} else if len(found.Points) > 0 && in.Kind == "expression" && (level && found.Points[0].Q == 0 || !level && found.Points[0].C == 0) {
		c.Without = &found.Points[0].Total
	}
	if x := found.Crossing; x != nil {
		c.Crossing = &Crossing{C: x.C, Loss: x.Loss, Total: x.Total}
		if level {
			c.Crossing.Q = &x.Q
		}
		if found.Total > 0 {
			ratio := x.Total / found.Total
			c.Crossing.Ratio = &ratio
		}
	} else {
		r.note(SectionOptimum, "costs.curve", "cost and expected loss are nowhere equal within the range: there is no crossing")
	}
	if !found.Decreasing {
		r.note(SectionOptimum, "costs.curve", "more protection loses more somewhere on this curve, or costs less: the optimum stands, that the crossing is at most twice as dear does not")
	}
	for _, p := range found.Points {
		c.Points = append(c.Points, [3]float64{p.C, p.Loss, p.Total})
	}
	out.Continuous = c
	out.Trace.Formulas = append(out.Trace.Formulas, "B.curve", "B.crossing")
	out.Trace.Inputs = append(out.Trace.Inputs, "costs.curve")
	out.Trace.source(in.Source)
}

func searchCurve(in *model.Curve) (cost.Optimum, error) {
	variable := "c"
	if in.Cost != "" {
		variable = "q"
	}
	compile := func(text string) (func(float64) float64, error) {
		f, err := expression.Compile(text, []string{variable}, in.Parameters)
		if err != nil {
			return nil, err
		}
		at := make([]float64, 1)
		return func(v float64) float64 { at[0] = v; return f.Eval(at) }, nil
	}
	loss, err := compile(in.Expression)
	if err != nil {
		return cost.Optimum{}, err
	}
	if in.Cost == "" {
		return cost.Search(loss, in.Maximum)
	}
	price, err := compile(in.Cost)
	if err != nil {
		return cost.Optimum{}, err
	}
	most := in.Maximum
	if most == 0 {
		most = 1
	}
	return cost.SearchLevel(price, loss, most)
}

// presentLosses are the expected losses of a period by threat, as things are, with the section that they are from. Where the model does not say which, it is ibm if the
// model has it.
func (r *run) presentLosses() (losses map[string]float64, from string) {
	if in := r.model.Costs; in != nil {
		from = in.Losses
	}
	if from == "" {
		from = "losses"
		if r.model.IBM != nil {
			from = "ibm"
		}
	}
	if from == "losses" {
		return r.expectedLosses(), from
	}
	losses = map[string]float64{}
	if r.report.IBM != nil {
		for _, t := range r.report.IBM.Threats {
			losses[t.Name] = t.R
		}
	}
	return losses, from
}

// candidates are the means that may be taken.
func (r *run) candidates() []model.Mean {
	var out []model.Mean
	for _, m := range r.model.Means {
		if !m.Present && len(m.Reduces) > 0 {
			out = append(out, m)
		}
	}
	return out
}

func (r *run) measures(out *Optimum) error {
	means := r.candidates()
	if len(means) == 0 {
		return nil
	}
	losses, from := r.presentLosses()
	if len(losses) == 0 {
		r.note(SectionOptimum, "means", "%d means say what they reduce, but no expected losses are known: give section ibm, or frequency and damage with finite means", len(means))
		return nil
	}
	p := cost.Problem{Budget: math.Inf(1)}
	var names []string
	index := map[string]int{}
	for _, t := range r.model.Threats {
		if l, ok := losses[t.Name]; ok {
			index[t.Name] = len(names)
			names, p.Losses = append(names, t.Name), append(p.Losses, l)
		}
	}
	for i, m := range means {
		p.Measures = append(p.Measures, cost.Measure{Cost: m.Cost, Reduces: map[int]float64{}})
		for _, threat := range slices.Sorted(maps.Keys(m.Reduces)) {
			share := m.Reduces[threat]
			if at, ok := index[threat]; ok {
				p.Measures[i].Reduces[at] = share
			} else {
				r.note(SectionOptimum, "means", "%s reduces %s, of which no expected loss is known: that counts as nothing", m.Name, threat)
			}
		}
		out.Trace.source(m.Source)
	}
	result := &MeasureChoice{Losses: from}
	if in := r.model.Costs; in != nil && in.Budget != nil {
		p.Budget, result.Budget = *in.Budget, in.Budget
	}
	best, err := r.chooseMeasures(p, means, result)
	if err != nil {
		return err
	}
	left := slices.Clone(p.Losses)
	for _, m := range best.Chosen {
		for i, share := range p.Measures[m].Reduces {
			left[i] *= 1 - share
		}
	}
	for i, n := range names {
		result.Without += p.Losses[i]
		result.Threats = append(result.Threats, ThreatResidue{Name: n, Loss: p.Losses[i], Residual: left[i]})
	}
	out.Measures = result
	r.contradictions(result)
	out.Trace.Formulas = append(out.Trace.Formulas, "B.measures", "B.pareto", "B.return")
	out.Trace.Inputs = append(out.Trace.Inputs, "means", from)
	if r.model.Costs != nil {
		out.Trace.source(r.model.Costs.Source)
	}
	return nil
}

// contradictions notes means that pay by the losses that the choice is made by, and do not by those of section losses, or the other way round.
func (r *run) contradictions(chosen *MeasureChoice) {
	if chosen.Losses != "ibm" || r.report.Losses == nil {
		return
	}
	pays := map[string]bool{}
	for _, x := range chosen.Returns {
		pays[x.Name] = x.Alone > x.Cost
	}
	var names []string
	for _, x := range r.report.Losses.Returns {
		if p, ok := pays[x.Name]; ok && p != (x.Saves > x.Cost) {
			names = append(names, x.Name)
		}
	}
	if len(names) > 0 {
		r.note(SectionOptimum, "costs.losses", "whether these pay is not the same by the losses of section ibm, which the choice is made by, as by those of section losses: %s; costs.losses says which counts", strings.Join(names, ", "))
	}
}

// frontMost is how many points of the frontier a report gets.
const frontMost = 200

func (r *run) chooseMeasures(p cost.Problem, means []model.Mean, result *MeasureChoice) (cost.Choice, error) {
	set := func(c cost.Choice) MeasureSet {
		s := MeasureSet{Chosen: []string{}, Cost: c.Cost, Residual: c.Residual, Total: c.Total}
		for _, m := range c.Chosen {
			s.Chosen = append(s.Chosen, means[m].Name)
		}
		return s
	}
	best, err := p.Best(0)
	if err != nil {
		return best, err
	}
	s := set(best)
	result.Chosen, result.Cost, result.Residual, result.Total = s.Chosen, s.Cost, s.Residual, s.Total
	result.Proved, result.Bound, result.Nodes = best.Proved, best.Bound, best.Nodes
	if !best.Proved {
		r.note(SectionOptimum, "means", "the choice of measures is the best that was found; that there is none better was not proved: the total is at least %.6g", best.Bound)
	}
	greedy, err := p.Greedy()
	if err != nil {
		return best, err
	}
	result.Greedy = set(greedy)
	front, complete, err := p.Frontier(0)
	if err != nil {
		return best, err
	}
	result.FrontComplete, result.FrontSize, result.Front = complete, len(front), []MeasureSet{}
	if !complete {
		r.note(SectionOptimum, "means", "with so many measures the frontier of cost against residual loss has only points that were proved one by one, not all of them")
	}
	for i, c := range front {
		// Evenly thinned, the ends kept.
		if len(front) > frontMost && i > 0 && i < len(front)-1 && i*frontMost/len(front) == (i-1)*frontMost/len(front) {
			continue
		}
		result.Front = append(result.Front, set(c))
	}
	returns, err := p.Returns(best.Chosen)
	if err != nil {
		return best, err
	}
	for i, m := range means {
		ret := MeasureReturn{Name: m.Name, Cost: m.Cost, Chosen: slices.Contains(best.Chosen, i), Alone: returns[i].Alone, Marginal: returns[i].Marginal}
		if m.Cost > 0 {
			alone, marginal := (ret.Alone-m.Cost)/m.Cost, (ret.Marginal-m.Cost)/m.Cost
			if !math.IsInf(alone, 0) && !math.IsInf(marginal, 0) {
				ret.ReturnAlone, ret.ReturnMarginal = &alone, &marginal
			}
		}
		result.Returns = append(result.Returns, ret)
	}
	return best, nil
}
