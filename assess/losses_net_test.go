package assess_test

import (
	"math"
	"testing"

	"redoubt/assess"
	"redoubt/assess/model"
)

// netModel has two threats of which one has a deductible and a cap of its own.
func netModel() *model.Model {
	m := twoThreats()
	m.Frequency.Horizon = nil
	for i := range 2 {
		m.Frequency.Threats[i] = model.ThreatFrequency{Threat: m.Threats[i].Name, Prior: &model.Gamma{A: 2, B: 1}}
		m.Damage.Threats[i] = model.ThreatDamage{Threat: m.Threats[i].Name, Law: "fixed-lognormal", Mu: 8, Sigma: 1}
	}
	m.Losses = &model.Losses{Simulation: &model.Simulation{Trials: 40000, Seed: 5}, Limits: []model.Limit{{Threat: m.Threats[1].Name, Deductible: 2000, Cap: 15000}}}
	return m
}

// TestNetOfThreats: with insurance the parts add up to what was drawn of all; without it they are computed, quantiles go through the limits, and the sum agrees with what was drawn.
func TestNetOfThreats(t *testing.T) {
	m := netModel()
	l := section(t, m, assess.SectionLosses).Losses
	s := l.Simulation
	if len(l.Net) != 2 || s.Computed == nil {
		t.Fatalf("%+v", l.Net)
	}
	sum := 0.0
	for i, n := range l.Net {
		if n.Name != l.Threats[i].Name || !n.Computed || *n.Mean != *n.Own || n.Paid != nil {
			t.Errorf("%+v", n)
		}
		sum += *n.Mean
	}
	close(t, "sum", sum, *s.Computed, 1e-12)
	if math.Abs(*s.Computed-s.Mean.Value) > 5*s.Mean.Error || *s.ComputedError > s.Mean.Error {
		t.Errorf("computed %v with %v, drawn %+v", *s.Computed, *s.ComputedError, s.Mean)
	}
	close(t, "a threat without limits", *l.Net[0].Mean, *l.Threats[0].Mean, 1e-12)
	for p, q := range l.Threats[1].Quantiles {
		close(t, p, l.Net[1].Quantiles[p], min(max(0, q-2000), 15000), 1e-12)
	}

	m.Losses.Insurance = []model.Layer{{Attachment: 9000, Limit: 30000, Share: 0.8}, {Attachment: 60000, Limit: 1e6}}
	m.Losses.Quantiles = []float64{0.99, 0.9}
	l = section(t, m, assess.SectionLosses).Losses
	var mean, paid, tail, shares float64
	for i, n := range l.Net {
		mean, paid, tail, shares = mean+*n.Mean, paid+*n.Paid, tail+*n.Tail, shares+*n.MeanShare+*n.TailShare
		if n.Computed || !n.OwnComputed || math.Abs(*n.Own-*n.Paid-*n.Mean) > 6*(*n.MeanError+*n.PaidError) {
			t.Errorf("%d: %+v", i, n)
		}
	}
	close(t, "mean", mean, l.Simulation.Mean.Value, 1e-9)
	close(t, "paid", paid, l.Simulation.Layers[0].Pays.Value+l.Simulation.Layers[1].Pays.Value, 1e-9)
	close(t, "tail", tail, l.Simulation.TailValue["0.99"].Value, 1e-9)
	close(t, "shares", shares, 2, 1e-9)
	if l.Simulation.Computed != nil {
		t.Error("with insurance nothing is computed of the total")
	}
}

// TestNetUnderAShock: a shock that all share widens the law of a threat's cost, so what is left after limits is drawn; a cost without a mean has none, unless its cap gives it one.
func TestNetUnderAShock(t *testing.T) {
	m := netModel()
	m.Losses.Dependence = &model.Dependence{Kind: "shock", Shape: 2}
	n := section(t, m, assess.SectionLosses).Losses.Net
	if !n[0].Computed || n[1].Computed || n[1].Mean == nil || *n[1].MeanError <= 0 || n[1].Quantiles != nil {
		t.Errorf("%+v", n)
	}
	m = netModel()
	m.Damage.Threats[1] = model.ThreatDamage{Threat: m.Threats[1].Name, Prior: &model.NormalGamma{M: 900, Kappa: 1, Alpha: 0.4, Beta: 1000}}
	n = section(t, m, assess.SectionLosses).Losses.Net
	if n[1].Mean == nil || n[1].Computed || *n[1].Mean > 15000 || n[1].MeanShare == nil {
		t.Errorf("capped: %+v", n[1])
	}
	m.Losses.Limits[0].Cap = 0
	n = section(t, m, assess.SectionLosses).Losses.Net
	if n[1].Mean != nil || n[1].Own != nil || n[1].Tail != nil || n[0].Mean == nil || n[0].MeanShare != nil || n[1].Quantiles == nil {
		t.Errorf("without a mean: %+v", n)
	}
}
