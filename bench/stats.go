package main

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Sample is one repetition of a trial.
type Sample struct {
	Trial   string             `json:"trial"`
	Rep     int                `json:"rep"`
	Node    string             `json:"node"` // that served before
	Values  map[string]float64 `json:"values,omitempty"`
	Watched bool               `json:"watched,omitempty"` // somebody on the node's own side asked too
	Double  bool               `json:"double,omitempty"`  // two nodes served at once
	Lost    bool               `json:"lost,omitempty"`    // the client got no steady answer until the end
	Stale   bool               `json:"stale,omitempty"`   // after the mending the client found the service only when its neighbour table was emptied
	Error   string             `json:"error,omitempty"`   // the repetition could not be made, or the cluster was not whole again after it
}

// Section is one system in one round, as it is kept in a file.
type Section struct {
	System  string    `json:"system"`
	Round   int       `json:"round"`
	Began   time.Time `json:"began"`
	Seconds float64   `json:"seconds"`
	Boot    float64   `json:"boot"` // seconds until the cluster and its service were there
	Load    float64   `json:"load"` // average of the last minute when it began
	Cut     bool      `json:"cut,omitempty"`
	Error   string    `json:"error,omitempty"`
	Samples []Sample  `json:"samples"`
	Idle    []Idle    `json:"idle,omitempty"`
}

// Plan is what placing costs, in milliseconds of processor time.
type Plan struct {
	Began    time.Time `json:"began"`
	Load     float64   `json:"load"`     // average of the last minute when it began
	Full     []float64 `json:"full"`     // ours: nothing runs yet
	NodeDown []float64 `json:"nodeDown"` // ours: the node is lost, its lease is still held
	Released []float64 `json:"released"` // ours: its services may start elsewhere
	// The solver in them alone.
	SolveFull []float64 `json:"solveFull"`
	SolveLost []float64 `json:"solveLost"`
	// The same as the first three of the large cluster.
	LargeFull     []float64 `json:"largeFull"`
	LargeDown     []float64 `json:"largeDown"`
	LargeReleased []float64 `json:"largeReleased"`
	// What crm_simulate takes after the loss, and when nothing runs yet, with the number of actions that it decided on.
	Simulate     []float64 `json:"simulate"`
	Actions      int       `json:"actions"`
	SimulateFull []float64 `json:"simulateFull"`
	ActionsFull  int       `json:"actionsFull"`
	ServerRun    []float64 `json:"serverRun"`
	Error        string    `json:"error,omitempty"`
}

// Summary is a row of figures.
type Summary struct {
	N                int
	Min, Median, Max float64
}

func summarize(values []float64) Summary {
	if len(values) == 0 {
		return Summary{}
	}
	v := slices.Sorted(slices.Values(values))
	n := len(v)
	median := v[n/2]
	if n%2 == 0 {
		median = (v[n/2-1] + v[n/2]) / 2
	}
	return Summary{N: n, Min: v[0], Median: median, Max: v[n-1]}
}

// String is min / median / max (n).
func (s Summary) String() string {
	if s.N == 0 {
		return "-"
	}
	return fmt.Sprintf("%s / **%s** / %s (%d)", number(s.Min), number(s.Median), number(s.Max), s.N)
}

// number writes as many digits as mean something.
func number(v float64) string {
	switch {
	case v >= 100 || v <= -100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10 || v <= -10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// ratio is how many times the other is ours.
func ratio(ours, other Summary) string {
	if ours.N == 0 || other.N == 0 || ours.Median <= 0 {
		return "-"
	}
	r := other.Median / ours.Median
	if r >= 100 {
		return strconv.FormatFloat(r, 'f', 0, 64)
	}
	return strconv.FormatFloat(r, 'f', 1, 64)
}

// shares of a target.
const (
	met        = "met"
	metMostly  = "met in the median, not in the worst case"
	notMet     = "**not met**"
	unmeasured = "not measured"
)

// judge compares with an upper bound.
func judge(s Summary, limit float64) string {
	switch {
	case s.N == 0:
		return unmeasured
	case s.Max < limit:
		return met
	case s.Median < limit:
		return metMostly
	}
	return notMet
}

// results are all sections of a run with the questions that a report asks of them.
type results struct {
	sections []Section
	plan     Plan
	scalable Scalable
}

func (r results) samples(system, trial string) (all []Sample) {
	for _, s := range r.sections {
		if s.System != system {
			continue
		}
		for _, x := range s.Samples {
			if x.Trial == trial && x.Values != nil {
				all = append(all, x)
			}
		}
	}
	return all
}

// value summarizes one value of a trial. A repetition in which the service did not come back has no gap that could be compared.
func (r results) value(system, trial, name string) Summary {
	var v []float64
	for _, s := range r.samples(system, trial) {
		if x, ok := s.Values[name]; ok && (name != valueGap || !s.Lost) {
			v = append(v, x)
		}
	}
	return summarize(v)
}

// idle summarizes what nodes cost, from all nodes of all rounds.
func (r results) idle(system string, what func(Idle) float64) Summary {
	var v []float64
	for _, s := range r.sections {
		if s.System == system {
			for _, i := range s.Idle {
				v = append(v, what(i))
			}
		}
	}
	return summarize(v)
}

// double counts repetitions in which two served at once, and all.
func (r results) double(system, trial string) (twice, n int) {
	all := r.samples(system, trial)
	for _, s := range all {
		if s.Double {
			twice++
		}
	}
	return twice, len(all)
}
