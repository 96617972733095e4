package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"redoubt/assess/codes"
	"redoubt/assess/cost"
	"redoubt/assess/game"
	"redoubt/assess/overlap"
	"redoubt/assess/risk"
)

const level = 0.999

// risks are threats with a Poisson number of lognormal damages.
type risks struct {
	Lambda []float64 `json:"lambda"`
	Mu     []float64 `json:"mu"`
	Sigma  []float64 `json:"sigma"`
	Level  float64   `json:"level"`
	Span   float64   `json:"span"` // of the peers' lattice
}

// someRisks are so many, no two alike; one alone is the one that figures are known of.
func someRisks(n int) risks {
	r := risks{Level: level}
	share := func(i int, step float64) float64 { _, f := math.Modf(float64(i) * step); return f }
	for i := range n {
		l, m, s := 2.5, 10.0, 1.5
		if i > 0 {
			l, m, s = 0.5+4*share(i, 0.6180339887), 9+2*share(i, 0.7548776662), 1+0.6*share(i, 0.5698402910)
		}
		r.Lambda, r.Mu, r.Sigma = append(r.Lambda, l), append(r.Mu, m), append(r.Sigma, s)
	}
	return r
}

func (r risks) threats() []risk.Threat {
	out := make([]risk.Threat, len(r.Lambda))
	for i := range out {
		out[i] = risk.Threat{Counts: risk.Poisson(r.Lambda[i]), Severity: risk.Lognormal{Mu: r.Mu[i], Sigma: r.Sigma[i]}}
	}
	return out
}

// total is the quantile of the total loss, to the error that is asked for.
func (r risks) total(err float64) func(context.Context) (figure, error) {
	threats := r.threats()
	return func(ctx context.Context) (figure, error) {
		t, e := risk.Sum(ctx, threats, risk.Request{Error: err, Levels: []float64{r.Level}})
		if e != nil {
			return figure{}, e
		}
		q := t.Quantiles[0]
		return bracketed(q.Low, q.Point, q.High), nil
	}
}

// drawn is the quantile by simulation of so many years.
func (r risks) drawn(years int) func(context.Context) (figure, error) {
	s := risk.Simulation{Trials: years, Seed: 1, Levels: []float64{r.Level}}
	for _, t := range r.threats() {
		s.Threats = append(s.Threats, risk.Simulated{Threat: t})
	}
	return func(ctx context.Context) (figure, error) {
		d, err := risk.Simulate(ctx, s)
		if err != nil {
			return figure{}, err
		}
		q := d.Quantiles[0]
		f := bracketed(q.Low, q.Point, q.High)
		f.Note = fmt.Sprintf("bracket at %.4g %%", 100*d.Confident)
		return f, nil
	}
}

// times are so many threats of each kind: alike ones together are one with the sum of the rates, which is what a peer gets to see.
func (r risks) times(n int) (all, merged risks) {
	all, merged = risks{Level: r.Level}, risks{Level: r.Level, Mu: r.Mu, Sigma: r.Sigma}
	for i, l := range r.Lambda {
		merged.Lambda = append(merged.Lambda, l*float64(n))
		for range n {
			all.Lambda, all.Mu, all.Sigma = append(all.Lambda, l), append(all.Mu, r.Mu[i]), append(all.Sigma, r.Sigma[i])
		}
	}
	return all, merged
}

func trials() []trial {
	one, hundred, many := someRisks(1), someRisks(100), someRisks(10_000)
	alike, merged := hundred.times(100)
	one.Span, hundred.Span, many.Span, merged.Span = 2e7, 1e8, 2e9, 2e9
	const years = 1_000_000
	out := []trial{
		// What is asked for is the widest that a bracket may be; what comes of it is narrower, and no wider than that of the peer.
		{name: "total loss, 1 threat, bracket of 2e-5", what: "VaR 99.9 %", ours: one.total(6e-5), input: one, peers: []peer{
			{name: "numpy FFT, bracket", script: "total.py", args: []string{"bracket", "19"}},
		}},
		{name: "total loss, 1 threat, bracket of 9e-5", what: "VaR 99.9 %", ours: one.total(2e-4), input: one, peers: []peer{
			{name: "numpy FFT, bracket", script: "total.py", args: []string{"bracket", "17"}},
		}},
		{name: "total loss, 1 threat, bracket of 2.8e-4", what: "VaR 99.9 %", ours: one.total(1e-3), input: one, peers: []peer{
			{name: "numpy FFT, no bound", script: "total.py", args: []string{"point", "17"}},
			{name: "numpy FFT, bracket", script: "total.py", args: []string{"bracket", "15"}},
			{name: "actuar, Panjer, no bound", script: "total.R", args: []string{"point", "5000"}},
			{name: "actuar, Panjer, bracket", script: "total.R", args: []string{"bracket", "20000"}},
			{name: "aggregate, no bound", script: "compound.py", args: []string{"16"}},
		}, marks: []mark{
			{"numpy FFT, error 4e-7 without a bound", 0.008, 0}, {"aggregate, error 5e-5 without a bound", 0.10, 0}, {"actuar, Panjer, error 5e-5 without a bound", 0.16, 0},
			{"numpy FFT, bracket", 0.027, 2.8e-4}, {"actuar, Panjer, bracket", 1.1, 2.8e-4},
		}},
		{name: "total loss, 100 threats, bracket 1e-3 asked for", what: "VaR 99.9 %", ours: hundred.total(1e-3), input: hundred, peers: []peer{
			{name: "numpy FFT, bracket", script: "total.py", args: []string{"bracket", "18"}},
		}},
		{name: "total loss, 100 threats, bracket 1e-5 asked for", what: "VaR 99.9 %", ours: hundred.total(1e-5), input: hundred, peers: []peer{
			{name: "numpy FFT, no bound", script: "total.py", args: []string{"point", "19"}},
		}, marks: []mark{{"numpy FFT, without a bound", 1.14, 0}}},
		{name: "total loss, 100 threats, bracket 1e-2 asked for", what: "VaR 99.9 %", ours: hundred.total(1e-2), input: hundred, peers: []peer{
			{name: "numpy FFT, no bound", script: "total.py", args: []string{"point", "17"}},
			{name: "numpy FFT, bracket", script: "total.py", args: []string{"bracket", "15"}},
		}},
		{name: "simulation of 10^6 years, 1 threat", what: "VaR 99.9 %", ours: one.drawn(years), drawn: years, law: one, input: one, peers: []peer{
			{name: "numpy simulation", script: "simulate.py", args: []string{"1000000"}},
		}},
		{name: "simulation of 10^6 years, 100 threats", what: "VaR 99.9 %", ours: hundred.drawn(years), drawn: years, law: hundred, input: hundred, peers: []peer{
			{name: "numpy simulation", script: "simulate.py", args: []string{"1000000"}, reps: 3},
		}, marks: []mark{{"numpy, simulation of 10^6 years", 5.2, 0}, {"riskquant, simulation of 10^6 years", 93, 0}}},
		{name: "total loss, 10,000 threats of 100 kinds", what: "VaR 99.9 %", ours: alike.total(1e-3), input: merged, peers: []peer{
			{name: "numpy FFT, alike ones as one, no bound", script: "total.py", args: []string{"point", "18"}, reps: 3},
		}},
		{name: "total loss, 10,000 threats, no two alike", what: "VaR 99.9 %", ours: many.total(1e-3), input: many, peers: []peer{
			{name: "numpy FFT, no bound", script: "total.py", args: []string{"point", "16"}, reps: 1, large: true},
		}},
	}
	for _, c := range []struct{ edges, means int }{{180, 60}, {500, 100}} {
		out = append(out, coverTrial(c.edges, c.means))
	}
	return append(out, gameTrial(300), measuresTrial(), contestTrial(), codesTrial(1000))
}

// coverTrial is the cheapest full cover of edges by means.
func coverTrial(edges, means int) trial {
	r := rand.New(rand.NewPCG(uint64(edges), uint64(means)))
	p := &overlap.Problem{Edges: make([]overlap.Edge, edges)}
	var input struct {
		Costs  []float64 `json:"costs"`
		Covers [][]int   `json:"covers"`
	}
	for range means {
		p.Costs = append(p.Costs, float64(10+r.IntN(90)))
	}
	for e := range p.Edges {
		p.Edges[e].Weight = 0.5
		var by []int
		for m := range means {
			if r.Float64() < 6/float64(means) || len(by) == 0 && m == means-1 {
				p.Edges[e].Means = append(p.Edges[e].Means, overlap.Strength{Mean: m, R: 0.9})
				by = append(by, m)
			}
		}
		input.Covers = append(input.Covers, by)
	}
	input.Costs = p.Costs
	peers := []peer{{name: "scipy milp (HiGHS)", script: "cover.py"}}
	var marks []mark
	if edges < 200 { // more takes gophersat many minutes
		peers = append(peers, peer{name: "gophersat", inside: satisfied(input.Costs, input.Covers)})
		marks = []mark{{"gophersat, at its quickest", 0.7, 0}}
	}
	return trial{
		name: fmt.Sprintf("cheapest cover, %d edges, %d means", edges, means), what: "cost", input: input, peers: peers, marks: marks,
		ours: func(ctx context.Context) (figure, error) {
			c, err := p.Cheapest(ctx, nil, 0)
			f := bracketed(c.LowerBound, c.Cost, c.Cost)
			f.Note = map[bool]string{true: "proved", false: "not proved"}[c.Proved]
			return f, err
		},
	}
}

func gameTrial(n int) trial {
	r := rand.New(rand.NewPCG(1, 3))
	a := make([][]float64, n)
	for i := range a {
		for range n {
			a[i] = append(a[i], r.NormFloat64())
		}
	}
	return trial{
		name: fmt.Sprintf("zero-sum game %d x %d", n, n), what: "value", input: map[string]any{"a": a},
		peers: []peer{{name: "scipy linprog (HiGHS)", script: "game.py"}}, marks: []mark{{"general simplex codes", 30, 0}},
		ours: func(context.Context) (figure, error) {
			v, err := game.Solve(a, 1e-9)
			return bracketed(v.Lo, v.Lo/2+v.Hi/2, v.Hi), err
		},
	}
}

// measuresTrial is a choice of measures under a budget, which no peer has ready.
func measuresTrial() trial {
	r := rand.New(rand.NewPCG(1, 7))
	p := cost.Problem{Budget: 300}
	for range 40 {
		p.Losses = append(p.Losses, 100*math.Exp(r.NormFloat64()))
	}
	for range 60 {
		m := cost.Measure{Reduces: map[int]float64{}}
		for i, l := range p.Losses {
			if r.Float64() < 0.25 {
				m.Reduces[i] = 0.9 * r.Float64()
				m.Cost += 0.5 * l * m.Reduces[i] * r.Float64()
			}
		}
		p.Measures = append(p.Measures, m)
	}
	return trial{
		name: "choice of 60 measures against 40 threats under a budget", what: "total",
		ours: func(context.Context) (figure, error) {
			c, err := p.Best(0)
			f := bracketed(c.Bound, c.Total, c.Total)
			f.Note = map[bool]string{true: "proved", false: "not proved"}[c.Proved]
			return f, err
		},
	}
}

func contestTrial() trial {
	c := game.Contest{
		Information: func(x, y float64) float64 { return 1000 * -math.Expm1(-x/100) * math.Exp(-y/150) },
		Gain:        func(i float64) float64 { return 2 * i }, Loss: func(i float64) float64 { return 5 * i },
	}
	return trial{
		name: "game of expenditures: Nash, Stackelberg, best answers", what: "defender's loss", input: nil,
		ours: func(context.Context) (figure, error) {
			r, err := c.Solve()
			if err != nil {
				return figure{}, err
			}
			return figure{Value: r.Nash[0].U, Note: fmt.Sprintf("regret %.1e", r.Nash[0].Regret)}, nil
		},
	}
}

func codesTrial(n int) trial {
	r := rand.New(rand.NewPCG(5, 5))
	nodes := make([]codes.Node, n)
	for i := range nodes {
		nodes[i].Name = fmt.Sprint("n", i)
		if i > 0 {
			up := r.IntN(i)
			nodes[up].Below = append(nodes[up].Below, nodes[i].Name)
		}
	}
	return trial{
		name: fmt.Sprintf("access codes of 16 bits, tree of %d nodes", n), what: "inadmissible accesses",
		ours: func(ctx context.Context) (figure, error) {
			h, err := codes.FromNodes(nodes)
			if err != nil {
				return figure{}, err
			}
			phi, err := codes.ParsePhi("subset")
			if err != nil {
				return figure{}, err
			}
			s, err := codes.Solve(ctx, h, codes.Mechanism{Phi: phi, N: 16, M: 16}, codes.Options{})
			if err != nil {
				return figure{}, err
			}
			f := bracketed(float64(s.LowerBound), float64(s.Y), float64(s.Y))
			f.Note = map[bool]string{true: "proved", false: "best known"}[s.Proved]
			return f, nil
		},
	}
}
