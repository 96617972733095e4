package assess

import (
	"errors"

	"golang.org/x/sync/errgroup"

	"redoubt/assess/risk"
)

// NetLoss is what is left to bear of one threat with dependence, limits and insurance. The error of a mean is the half width of a bracket that holds it where the mean is computed, and the standard
// error where it was drawn.
type NetLoss struct {
	Name        string             `json:"name"`
	Mean        *float64           `json:"mean"` // what the owner bears, in the mean; null: there is none
	MeanError   *float64           `json:"mean_error,omitempty"`
	Computed    bool               `json:"computed"`
	MeanShare   *float64           `json:"mean_share,omitempty"`
	Tail        *float64           `json:"tail,omitempty"` // its part of the simulation's tail value, at the greatest level
	TailShare   *float64           `json:"tail_share,omitempty"`
	Own         *float64           `json:"own"` // mean after its own deductible and cap, before insurance; null: there is none
	OwnError    *float64           `json:"own_error,omitempty"`
	OwnComputed bool               `json:"own_computed"`
	Paid        *float64           `json:"paid,omitempty"` // what the insurances pay for it, in the mean
	PaidError   *float64           `json:"paid_error,omitempty"`
	Quantiles   map[string]float64 `json:"quantiles,omitempty"` // after its own deductible and cap, before insurance
}

// netThreats says of each threat what is left of it. A mean after the threat's own limits is computed from its own law wherever that is no worse than what was drawn, and where there is no
// insurance that is what the owner bears. What insurances of the total pay is divided among the threats year by year, as drawn.
func (r *run) netThreats(out *Losses, s risk.Simulation, d *risk.Drawn) error {
	computed := make([]*risk.Bracket, len(out.Threats))
	eg, ctx := errgroup.WithContext(r.ctx)
	eg.SetLimit(r.workers())
	for i, t := range s.Threats {
		if s.Kind == risk.Shock && t.Dependent && t.Limits != (risk.Limits{}) {
			continue // a shock that all share widens the law of the number
		}
		eg.Go(func() error {
			b, ok, err := t.Limits.Mean(ctx, t.Threat, 1)
			if errors.Is(err, risk.ErrReach) {
				return nil
			}
			if ok {
				computed[i] = &b
			}
			return err
		})
	}
	if err := eg.Wait(); err != nil {
		return err
	}
	mean, off, tail, known, sure := 0.0, 0.0, 0.0, true, true
	for i, t := range s.Threats {
		n := NetLoss{Name: out.Threats[i].Name}
		if b := computed[i]; b != nil {
			n.Own, n.OwnError, n.OwnComputed = number(b.Point), number((b.High-b.Low)/2), true
		}
		if len(d.Threats) > 0 {
			x := d.Threats[i]
			if n.Own == nil || x.Own.Error > 0 && x.Own.Error < *n.OwnError {
				n.Own, n.OwnError, n.OwnComputed = number(x.Own.Value), number(x.Own.Error), false
			}
			n.Mean, n.MeanError, n.Tail = number(x.Left.Value), number(x.Left.Error), number(x.Tail)
			tail += x.Tail
			if len(s.Layers) > 0 {
				n.Paid, n.PaidError = number(x.Paid.Value), number(x.Paid.Error)
			}
		}
		if len(s.Layers) == 0 {
			n.Mean, n.MeanError, n.Computed = n.Own, n.OwnError, n.OwnComputed
		}
		if n.Mean == nil {
			known = false
		} else {
			mean, off = mean+*n.Mean, off+*n.MeanError
		}
		sure = sure && n.Computed
		if s.Kind != risk.Shock || !t.Dependent {
			n.Quantiles = limited(out.Threats[i].Quantiles, t.Limits)
		}
		out.Net = append(out.Net, n)
	}
	if known && sure {
		out.Simulation.Computed, out.Simulation.ComputedError = number(mean), number(off)
	}
	for i := range out.Net {
		n := &out.Net[i]
		if known && mean > 0 {
			n.MeanShare = number(*n.Mean / mean)
		}
		if n.Tail != nil && tail > 0 {
			n.TailShare = number(*n.Tail / tail)
		}
	}
	return nil
}

// limited are the quantiles of what is left after limits: these never take more off a smaller cost than leaves it the smaller, so each quantile goes through them as it is.
func limited(quantiles map[string]float64, l risk.Limits) map[string]float64 {
	if quantiles == nil {
		return nil
	}
	out := make(map[string]float64, len(quantiles))
	for p, x := range quantiles {
		out[p] = l.Net(x)
	}
	return out
}
