package risk

import (
	"context"
	"math/rand/v2"
	"testing"
)

func marks(n int) []Threat {
	ts := make([]Threat, n)
	for i := range ts {
		ts[i] = Threat{Counts: Poisson(2.5), Severity: Lognormal{10, 1.5, 0}}
	}
	return ts
}

// portfolio is n different threats of the normal-gamma model, drawn by the seed: rare and frequent ones, with damages of 100 to 100,000.
func portfolio(n int, seed uint64) []Threat {
	r := rand.New(rand.NewPCG(seed, 1))
	ts := make([]Threat, n)
	for i := range ts {
		a := 0.5 + float64(r.IntN(20))
		b := 1 + 9*r.Float64()
		m := 100 * float64(1+r.IntN(1000))
		kappa := float64(1 + r.IntN(10))
		alpha := 2 + 0.5*float64(r.IntN(12))
		ts[i] = Threat{Counts: Gamma{a, b}.Counts(1), Damage: NormalGamma{m, kappa, alpha, (alpha - 1) * 0.1 * m * m}}
	}
	return ts
}

// different is n different threats with independent lognormal damages.
func different(n int, seed uint64) []Threat {
	r := rand.New(rand.NewPCG(seed, 1))
	ts := make([]Threat, n)
	for i := range ts {
		ts[i] = Threat{Counts: Poisson(0.2 + 3*r.Float64()), Severity: Lognormal{9 + 2*r.Float64(), 0.8 + 0.8*r.Float64(), 0}}
	}
	return ts
}

func BenchmarkTotal(b *testing.B) {
	for _, c := range []struct {
		name string
		ts   []Threat
		err  float64
	}{
		{"mark/1/1e-3", marks(1), 1e-3},
		{"mark/1/3.5e-5", marks(1), 3.5e-5},
		{"mark/100/1e-3", marks(100), 1e-3},
		{"mark/100/1e-4", marks(100), 1e-4},
		{"mark/100/1e-5", marks(100), 1e-5},
		{"mark/10000/1e-3", marks(10000), 1e-3},
		{"normal-gamma/1/1e-3", portfolio(1, 1), 1e-3},
		{"normal-gamma/100/1e-3", portfolio(100, 1), 1e-3},
		{"normal-gamma/1000/1e-3", portfolio(1000, 1), 1e-3},
		{"normal-gamma/10000/1e-3", portfolio(10000, 1), 1e-3},
		{"lognormal/100/1e-3", different(100, 1), 1e-3},
		{"lognormal/100/1e-4", different(100, 1), 1e-4},
		{"lognormal/10000/1e-3", different(10000, 1), 1e-3},
		{"negative-binomial/100/1e-3", learnt(100, 1), 1e-3},
		{"negative-binomial/1000/1e-3", learnt(1000, 1), 1e-3},
		{"negative-binomial/10000/1e-3", learnt(10000, 1), 1e-3},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				x, err := Sum(context.Background(), c.ts, Request{Error: c.err, Levels: []float64{0.999}})
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(x.Quantiles[0].Half()*1e6, "ppm")
				b.ReportMetric(x.Quantiles[0].Point, "VaR")
			}
		})
	}
}

func BenchmarkSimulate(b *testing.B) {
	for _, c := range []struct {
		name string
		ts   []Threat
	}{{"mark/1", marks(1)}, {"normal-gamma/10", portfolio(10, 1)}} {
		b.Run(c.name, func(b *testing.B) {
			s := Simulation{Trials: 1000000, Seed: 1, Levels: []float64{0.999}, Kind: Shock, Shape: 4}
			for _, t := range c.ts {
				s.Threats = append(s.Threats, Simulated{Threat: t, Dependent: true})
			}
			for b.Loop() {
				if _, err := Simulate(context.Background(), s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// learnt is n different threats with negative binomial numbers and independent lognormal damages.
func learnt(n int, seed uint64) []Threat {
	ts := different(n, seed)
	r := rand.New(rand.NewPCG(seed, 2))
	for i := range ts {
		ts[i].Counts.Shape = 0.5 + 20*r.Float64()
	}
	return ts
}
