package report

import (
	"encoding/json"

	"redoubt/assess/report/chart"
)

// The shapes below are what the forms need of a section, by the names of the report's JSON, which are fixed. Reading them from there and not from the types of
// package assess keeps this package to the contract that every other reader of a report has.

type dynamicsView struct {
	Horizon float64
	Threats []struct {
		Name      string
		Frequency *struct {
			Density [][]float64 // rate, density before the observations, after them
			Seen    *struct{ Observations int }
		}
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
}

type lossesView struct {
	Threats            []threatLoss
	Total              *totalLoss
	Inherent, Proposed *totalLoss
	Sensitivity        []struct {
		Threat, Input string
		Low, High     float64
	}
	Tolerance []struct {
		Loss, Tolerated, Probability float64
		Exceeded                     bool
	}
}

// rows are the points of the exceedance curve; none where there is no curve.
func (t *totalLoss) rows() [][]float64 {
	if t == nil {
		return nil
	}
	return t.Exceedance
}

type vulnerabilityView struct {
	Generalised *float64
	Base        []struct {
		Component, Channel, Violator string
		P, All                       float64
	}
	Zones []struct {
		Component string
		P         []float64
	}
	ZoneNames []string `json:"zone_names"`
}

type gamePlay struct{ X, Y, I, V, U float64 }

type gameShare struct {
	Strategy    string
	Probability float64
}

type gameView struct {
	Nash, Stackelberg *gamePlay
	Responses         *struct{ Attacker, Defender [][]float64 }
	Mixed             *struct {
		Equilibria []struct{ Attacker, Defender []gameShare }
	}
	ZeroSum *struct{ Attacker, Defender []gameShare } `json:"zero_sum"`
}

// view reads a section by the names of its JSON. A section of another shape gives what fits: the forms leave out the plot and keep the table.
func view[T any](section any) (out T, ok bool) {
	text, err := json.Marshal(section)
	if err != nil || string(text) == "null" {
		return out, false
	}
	return out, json.Unmarshal(text, &out) == nil
}

// bracket are the curves between which the exceedance certainly lies, where the report has them as further columns.
func (t *totalLoss) bracket() (lower, upper []chart.Point) {
	for _, r := range t.rows() {
		if len(r) < 4 {
			return nil, nil
		}
	}
	return curveOf(t.rows(), 2), curveOf(t.rows(), 3)
}
