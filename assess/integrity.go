package assess

import (
	"math"
	"slices"

	"redoubt/assess/model"
	"redoubt/assess/zones"
)

// IntegrityResult is the violation of integrity along the route.
type IntegrityResult struct {
	Variant   string          `json:"variant"`
	Steps     []IntegrityStep `json:"steps"`
	Worst     IntegrityWorst  `json:"worst"`
	Ends      []Indicator     `json:"ends"`      // steps that no step takes its input from
	Violation float64         `json:"violation"` // of the end where it is likeliest
}

// IntegrityStep is one step.
type IntegrityStep struct {
	Name      string      `json:"name"`
	After     []string    `json:"after,omitempty"`
	Local     float64     `json:"local"`             // a violation here
	Violation float64     `json:"violation"`         // here or on the way here
	Exact     bool        `json:"exact"`             // false where alternatives combine in too many ways: violation is then the middle of its bounds
	Bounds    *[2]float64 `json:"bounds,omitempty"`  // where it is not exact
	Factors   []Indicator `json:"factors,omitempty"` // that each shows at least once
}

// IntegrityWorst names the worst steps; of equal ones the first.
type IntegrityWorst struct {
	Local     string `json:"local"`     // where a violation is likeliest
	Violation string `json:"violation"` // where a violation here or on the way is likeliest
}

// CopyingResult is unauthorised copying.
type CopyingResult struct {
	Development   float64     `json:"development"`
	Use           float64     `json:"use"`
	Third         float64     `json:"third"`
	Organisations []ThirdCopy `json:"organisations,omitempty"`
	P             float64     `json:"p"`
}

// ThirdCopy is what one organisation does.
type ThirdCopy struct {
	Name      string  `json:"name"`
	Legal     float64 `json:"legal"`   // it copies what it gets legally
	Illegal   float64 `json:"illegal"` // and what it gets otherwise
	Exclusive bool    `json:"exclusive,omitempty"`
	P         float64 `json:"p"`
}

// integrity follows the route.
func (r *run) integrity(in *model.Integrity, a *acquisition, out *Vulnerability) error {
	out.Trace.Formulas = append(out.Trace.Formulas, "A2", "A2.violation", "A2.route")
	out.Trace.Inputs = append(out.Trace.Inputs, "integrity")
	result := &IntegrityResult{Variant: "thinned"}
	intact := zones.Thinned
	if in.Variant == "one-shot" {
		result.Variant, intact = in.Variant, zones.OneShot
		out.Trace.Formulas = append(out.Trace.Formulas, "A2.oneshot")
	}
	index := map[string]int{}
	for i, s := range in.Steps {
		index[s.Name] = i
	}
	sources := newSourceSet(&out.Trace)
	steps := make([]zones.Step, len(in.Steps))
	end := make([]bool, len(in.Steps))
	for i := range end {
		end[i] = true
	}
	for i, s := range in.Steps {
		exposure := in.Exposure
		if s.Exposure != nil {
			exposure = *s.Exposure
		}
		sources.add(s.Source)
		steps[i].Name = s.Name
		row := IntegrityStep{Name: s.Name}
		var factors []zones.Factor
		for _, f := range s.Factors {
			x := zones.Factor{Rate: f.Rate, Effectiveness: f.Effectiveness}
			factors = append(factors, x)
			row.Factors = append(row.Factors, Indicator{f.Name, x.Manifests(exposure)})
			sources.add(f.Source)
		}
		steps[i].Intact = intact(factors, exposure) + math.Log1p(-a.fromSubset(s.Malicious, s.Subset))
		if s.Local != nil {
			steps[i].Intact = math.Log1p(-*s.Local)
		}
		if s.Input != nil {
			steps[i].Intact += math.Log(*s.Input)
		}
		for _, name := range s.After {
			steps[i].After = append(steps[i].After, index[name])
			row.After = append(row.After, name)
			end[index[name]] = false
		}
		for _, b := range s.Branches {
			steps[i].Branches = append(steps[i].Branches, zones.Branch{After: index[b.After], Probability: b.Probability})
			row.After = append(row.After, b.After)
			end[index[b.After]] = false
		}
		result.Steps = append(result.Steps, row)
	}
	outcomes, err := zones.Route(steps)
	if err != nil {
		return err
	}
	worstLocal, worst, inexact := 0, 0, 0
	for i, o := range outcomes {
		row := &result.Steps[i]
		row.Local, row.Violation, row.Exact = o.Local, o.Violation, o.Exact
		if !o.Exact {
			row.Bounds = &[2]float64{o.Bounds.Lo, o.Bounds.Hi}
			inexact++
		}
		if o.Local > outcomes[worstLocal].Local {
			worstLocal = i
		}
		if o.Violation > outcomes[worst].Violation {
			worst = i
		}
		if end[i] {
			result.Ends = append(result.Ends, Indicator{row.Name, row.Violation})
			result.Violation = max(result.Violation, row.Violation)
		}
	}
	if inexact > 0 {
		r.note(SectionVulnerability, "integrity.steps", "for %d steps the alternatives on the way combine in too many ways to be counted out: their figures are the middle of bounds that are rigorous", inexact)
	}
	result.Worst = IntegrityWorst{Local: in.Steps[worstLocal].Name, Violation: in.Steps[worst].Name}
	out.Integrity = result
	return nil
}

// copying is unauthorised multiplication.
func (r *run) copying(in *model.Copying, a *acquisition, out *Vulnerability) {
	out.Trace.Formulas = append(out.Trace.Formulas, "A3", "A3.third")
	out.Trace.Inputs = append(out.Trace.Inputs, "copying")
	sources := newSourceSet(&out.Trace)
	sources.add(in.Source)
	result := &CopyingResult{Development: a.fromSubset(in.Development, in.DevelopmentSubset), Use: a.fromSubset(in.Use, in.UseSubset)}
	receipt := func(x model.Receipt) zones.Receipt {
		out := zones.Receipt{Get: x.Get, Methods: slices.Clone(x.Methods)}
		for _, c := range x.Costs {
			out.Methods = append(out.Methods, zones.Affordable(x.Budget, c))
		}
		return out
	}
	var parties []zones.Party
	exclusive := false
	for i, o := range in.Third {
		sources.add(o.Source)
		p := zones.Party{Legal: receipt(o.Legal), Illegal: receipt(o.Illegal), Exclusive: o.Exclusive}
		parties = append(parties, p)
		exclusive = exclusive || o.Exclusive
		if i < listedBase {
			result.Organisations = append(result.Organisations, ThirdCopy{Name: o.Name, Legal: p.Legal.Both(), Illegal: p.Illegal.Both(), Exclusive: o.Exclusive, P: p.Copies()})
		}
		if !o.Exclusive && o.Legal.Get+o.Illegal.Get > 1 {
			r.note(SectionVulnerability, model.Item("copying.third", i), "%s gets the information legally with %v and illegally with %v, taken as independent: should it not be exclusive?", o.Name, o.Legal.Get, o.Illegal.Get)
		}
	}
	if exclusive {
		out.Trace.Formulas = append(out.Trace.Formulas, "A3.exclusive")
	}
	result.Third = zones.Third(parties)
	result.P = zones.Copying(result.Development, result.Use, result.Third)
	out.Copying = result
}
