package report

import (
	"encoding/json"

	"redoubt/assess"
)

// The shapes below are what the forms need of a section, by the names of the report's JSON, which are fixed. Reading them from there and not from the types of
// package assess keeps this package to the contract that every other reader of a report has.

type frequencyView struct {
	A, B, Mean, Variance, P0 float64
	PMF                      []float64
	Quantiles                map[string]float64
	Prior                    *struct{ A, B float64 }
}

type damageView struct {
	M, Kappa, Alpha, Beta, DF, Scale float64
	Mean, Variance                   *float64
	PNegative                        float64 `json:"p_negative"`
	Quantiles                        map[string]float64
}

type dynamicsView struct {
	Horizon float64
	Threats []struct {
		Name      string
		Frequency *frequencyView
		Damage    *damageView
	}
}

type threatLoss struct {
	Name      string
	Mean      *float64
	Quantiles map[string]float64
}

type totalLoss struct {
	Mean       *float64
	SD         *float64
	Quantiles  map[string]float64
	Exceedance [][]float64
	ErrorBound float64 `json:"error_bound"`
	LostMass   float64 `json:"lost_mass"`
}

type lossesView struct {
	Threats []threatLoss
	Total   *totalLoss
}

type ibmView struct {
	Threats []struct {
		Name string
		R    float64
		Band []float64
	}
	Total float64
	Band  []float64
}

type optimumView struct {
	Continuous *struct {
		C, Loss, Total float64
		Crossing       *struct{ C, Total float64 }
		Curve          [][]float64 // spending, loss
	}
	Measures *struct {
		Chosen                []string
		Cost, Residual, Total float64
		Proved                bool
		Front                 []struct{ Cost, Residual float64 }
	}
}

type coverageView struct {
	Covered int
	Edges   int
	K       float64
	Full    bool
	Open    []openEdge
}

type openEdge struct {
	Threat, Object string
	Weight         float64
}

type codesView struct {
	N, M              int
	Phi               string
	Subjects, Objects map[string]string
}

// view reads a section by the names of its JSON. A section of another shape gives what fits: the forms leave out the plot and keep the table.
func view[T any](section any) (out T, ok bool) {
	text, err := json.Marshal(section)
	if err != nil || string(text) == "null" {
		return out, false
	}
	return out, json.Unmarshal(text, &out) == nil
}

// openEdges are the pairs of threat and object that nothing stops.
func openEdges(r *assess.Report) []openEdge {
	if r.Coverage == nil {
		return nil
	}
	v, _ := view[coverageView](r.Coverage)
	return v.Open
}
