package assess

import (
	"cmp"
	"errors"
	"math"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"redoubt/assess/risk"
)

// Bounds of what is computed for each threat alone: beyond them, those that cost most have it.
const (
	maxOwnQuantiles  = 500
	maxContributions = 1000
	maxSensitivity   = 40
)

func (r *run) workers() int {
	if r.options.Workers > 0 {
		return r.options.Workers
	}
	return runtime.GOMAXPROCS(0)
}

// greatest are the indices of at most n threats, those with the greatest expected loss, or without a finite one, in their own order.
func greatest(threats []ThreatLoss, n int) []int {
	order := make([]int, len(threats))
	for i := range order {
		order[i] = i
	}
	if len(order) <= n {
		return order
	}
	value := func(i int) float64 {
		if m := threats[i].Mean; m != nil {
			return *m
		}
		return math.MaxFloat64
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(value(b), value(a)) })
	order = order[:n]
	slices.Sort(order)
	return order
}

// threatQuantiles computes the quantiles of each threat's own loss: in closed form where damages are normal, on a lattice otherwise.
func (r *run) threatQuantiles(out *Losses, levels []float64) error {
	chosen := greatest(out.Threats, maxOwnQuantiles)
	if len(chosen) < len(out.Threats) {
		r.note(SectionLosses, "damage.threats", "only the %d threats with the greatest expected loss have quantiles of their own", len(chosen))
	}
	failed := make([]error, len(out.Threats))
	eg, ctx := errgroup.WithContext(r.ctx)
	eg.SetLimit(r.workers())
	for _, i := range chosen {
		eg.Go(func() error {
			p := out.parts[i]
			q := make([]float64, len(levels))
			if p.Severity == nil {
				q = risk.Cost{Counts: p.Counts, Damage: p.Damage}.Quantiles(levels)
			} else {
				law, err := risk.Sum(ctx, []risk.Threat{p}, risk.Request{Error: math.Max(1e-3, out.Error), Levels: levels, Workers: 1, Cells: 1 << 16})
				if errors.Is(err, risk.ErrReach) {
					failed[i] = err
					return nil
				}
				if err != nil {
					return err
				}
				for k := range levels {
					q[k] = law.Quantiles[k].Point
				}
			}
			of := make(map[string]float64, len(levels))
			for k, l := range levels {
				of[level(l)] = q[k]
			}
			out.Threats[i].Quantiles = of
			return ctx.Err()
		})
	}
	if err := eg.Wait(); err != nil {
		return err
	}
	for i, err := range failed {
		if err != nil {
			r.note(SectionLosses, "damage.threats", "%s has no quantiles of its own: %v", out.Threats[i].Name, err)
		}
	}
	return nil
}

// contributions divides the tail value at risk, at the greatest level, among the threats.
func (r *run) contributions(out *Losses, levels []float64) error {
	p := slices.Max(levels)
	q := out.Total.Quantiles[level(p)]
	if out.Total.Mean == nil || q <= 0 {
		return nil
	}
	if len(out.parts) > maxContributions {
		r.note(SectionLosses, "damage.threats", "the tail is divided among the threats only where there are at most %d of them", maxContributions)
		return nil
	}
	below, err := risk.Contributions(r.ctx, out.parts, q, r.options.Workers)
	if err != nil {
		return err
	}
	sum := 0.0
	for i := range out.Threats {
		t := math.Max(0, *out.Threats[i].Mean-below[i]) / (1 - p)
		out.Threats[i].Tail = number(t)
		sum += t
	}
	for i := range out.Threats {
		if sum > 0 {
			out.Threats[i].TailShare = number(*out.Threats[i].Tail / sum)
		}
	}
	return nil
}

// sensitivity moves the rate and the mean damage of each threat to their 5 % and 95 % values.
func (r *run) sensitivity(out *Losses) {
	out.Sensitivity = []Sensitivity{}
	if out.Total.Mean == nil {
		return
	}
	total := *out.Total.Mean
	frequency := map[string]*FrequencyResult{}
	for _, t := range r.report.Dynamics.Threats {
		frequency[t.Name] = t.Frequency
	}
	for i, t := range out.Threats {
		p, f := out.parts[i], frequency[t.Name]
		mean := *t.Mean
		if p.Counts.Mean <= 0 {
			continue
		}
		g := risk.Gamma{A: f.A, B: f.B}
		lo, hi := g.Quantile(0.05), g.Quantile(0.95)
		out.Sensitivity = append(out.Sensitivity, Sensitivity{
			Threat: t.Name, Input: "frequency", Inputs: [2]float64{lo, hi}, Low: total - mean + mean*lo/g.Mean(), High: total - mean + mean*hi/g.Mean(),
		})
		if p.Severity == nil {
			m := p.Damage.MeanOf()
			lo, hi := m.Quantile(0.05), m.Quantile(0.95)
			out.Sensitivity = append(out.Sensitivity, Sensitivity{
				Threat: t.Name, Input: "damage", Inputs: [2]float64{lo, hi}, Low: total - mean + p.Counts.Mean*lo, High: total - mean + p.Counts.Mean*hi,
			})
		}
	}
	slices.SortStableFunc(out.Sensitivity, func(a, b Sensitivity) int { return cmp.Compare(b.High-b.Low, a.High-a.Low) })
	if len(out.Sensitivity) > maxSensitivity {
		out.Sensitivity = out.Sensitivity[:maxSensitivity]
	}
}

// lossReturns says what each means saves of the expected loss: those that are present today, the others if one of them were added.
func (r *run) lossReturns(out *Losses) {
	if out.Total.Mean == nil {
		return
	}
	for _, m := range r.model.Means {
		if len(m.Reduces) == 0 {
			continue
		}
		x := LossReturn{Name: m.Name, Present: m.Present, Cost: m.Cost * out.Horizon}
		for _, t := range out.Threats {
			e := m.Reduces[t.Name]
			switch {
			case !m.Present:
				x.Saves += *t.Mean * e
			case e < 1:
				x.Saves += *t.Mean * e / (1 - e)
			}
		}
		if x.Cost > 0 {
			x.Return = perhaps((x.Saves-x.Cost)/x.Cost, true)
		}
		out.Returns = append(out.Returns, x)
	}
}

// inherentFactors are what the rates are multiplied with to take the means that are present away again.
func (r *run) inherentFactors(out *Losses) (factors []float64, any bool) {
	factors = make([]float64, len(out.Threats))
	for i := range factors {
		factors[i] = 1
	}
	for k, m := range r.model.Means {
		if !m.Present {
			continue
		}
		for i, t := range out.Threats {
			switch e := m.Reduces[t.Name]; {
			case e == 0:
			case e > 1-1e-6:
				r.note(SectionLosses, "means", "%s (means[%d]) is said to stop %s wholly, so what would be lost without it can not be told from what is seen; it is left out of the inherent loss", m.Name, k, t.Name)
			default:
				factors[i], any = factors[i]/(1-e), true
			}
		}
	}
	return factors, any
}
