package assess

import (
	"math"
	"slices"

	"redoubt/assess/cost"
	"redoubt/assess/model"
)

// IBM is section ibm of the report: expected losses by orders of magnitude.
type IBM struct {
	Trace   Trace      `json:"trace"`
	Scale   string     `json:"scale"` // ibm, or courtney
	Threats []IBMLoss  `json:"threats"`
	Total   float64    `json:"total"` // expected loss of a period
	Band    [2]float64 `json:"band"`  // what rounding to grades can do to it
}

// IBMLoss is the expected loss from one threat in a period. S and V are grades as they were given, whole numbers, or continuous ones that follow from frequency and damage.
type IBMLoss struct {
	Name      string     `json:"name"`
	S         float64    `json:"S"`
	V         float64    `json:"V"`
	R         float64    `json:"R"`
	Band      [2]float64 `json:"band"`                // R/10 to 10 R: a whole number of both grades is within
	Quantised *float64   `json:"quantised,omitempty"` // R by the nearest whole grades, where frequency or damage were given as numbers
	Share     float64    `json:"share"`               // of the total
}

func (r *run) ibm() error {
	in := r.model.IBM
	if in == nil || len(in.Threats) == 0 {
		return nil
	}
	courtney := in.Scale == "courtney"
	out := &IBM{Trace: Trace{Formulas: []string{"3.1", "3.2", "B.band"}, Inputs: []string{"ibm"}}, Scale: "ibm"}
	if courtney {
		out.Scale, out.Trace.Formulas = "courtney", []string{"B.courtney", "3.2", "B.band"}
	}
	for i, t := range in.Threats {
		loss, outside, err := rate(t, courtney)
		if err != nil {
			return err
		}
		if outside {
			r.note(SectionIBM, model.Item("ibm.threats", i), "%s: grades S = %.3g, V = %.3g are beyond the scale; the figure is exact, its whole grades are those at the end of the scale", t.Threat, loss.S, loss.V)
		}
		out.Threats = append(out.Threats, loss)
		out.Trace.source(t.Source)
	}
	// Summed from the smallest, so that the total does not depend on the order of the threats.
	values := make([]float64, 0, len(out.Threats))
	for _, t := range out.Threats {
		values = append(values, t.R)
	}
	slices.Sort(values)
	for _, v := range values {
		out.Total += v
	}
	if math.IsInf(out.Total, 0) || math.IsInf(10*out.Total, 0) {
		r.note(SectionIBM, "ibm", "the total is too large to be a number: check the frequencies and damages")
		return nil
	}
	for i := range out.Threats {
		if out.Total == 0 { // all of them are too small to be told from 0
			break
		}
		out.Threats[i].Share = out.Threats[i].R / out.Total
	}
	out.Band = cost.Band(out.Total)
	r.report.IBM = out
	return nil
}

// rate computes one threat, and tells whether what was given as a number lies beyond the scale.
func rate(t model.IBMThreat, courtney bool) (loss IBMLoss, outside bool, err error) {
	least, mostS, mostV, formula := 0, cost.MaxGrade, cost.MaxGrade, cost.IBM
	frequency := func(s int) float64 { return math.Pow(10, float64(s-4)) }
	grades := cost.IBMGrades
	if courtney {
		least, mostS, mostV, formula = 1, cost.MaxCourtneyF, cost.MaxCourtneyDamage, cost.Courtney
		frequency = func(f int) float64 { return math.Pow(10, float64(f-3)) / 3 }
		grades = cost.CourtneyGrades
	}
	loss = IBMLoss{Name: t.Threat}
	if t.S != nil && t.V != nil {
		loss.S, loss.V = float64(*t.S), float64(*t.V)
		loss.R, err = formula(*t.S, *t.V)
		loss.Band = cost.Band(loss.R)
		return loss, false, err
	}
	var f, v float64
	if t.S != nil {
		f = frequency(*t.S)
	} else {
		f = *t.Frequency
	}
	if t.V != nil {
		v = math.Pow(10, float64(*t.V))
	} else {
		v = *t.Damage
	}
	loss.S, loss.V = grades(f, v)
	if t.S != nil {
		loss.S = float64(*t.S)
	}
	if t.V != nil {
		loss.V = float64(*t.V)
	}
	loss.R = f * v
	s, inS := cost.Quantise(loss.S, least, mostS)
	g, inV := cost.Quantise(loss.V, least, mostV)
	quantised, err := formula(s, g)
	loss.Quantised, loss.Band = &quantised, cost.Band(loss.R)
	return loss, !inS || !inV, err
}

// source notes where an entry of the model comes from, each source once.
func (t *Trace) source(s string) {
	if s != "" && !slices.Contains(t.Sources, s) {
		t.Sources = append(t.Sources, s)
	}
}
