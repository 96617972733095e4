package main

import (
	"context"
	"errors"

	"github.com/crillab/gophersat/solver"
)

// satisfied is the cheapest cover by gophersat: a clause for each edge, and the costs to be least.
func satisfied(costs []float64, covers [][]int) func(context.Context) (figure, error) {
	return func(ctx context.Context) (figure, error) {
		var clauses []solver.PBConstr
		for _, means := range covers {
			lits := make([]int, len(means))
			for i, m := range means {
				lits[i] = m + 1
			}
			clauses = append(clauses, solver.PropClause(lits...))
		}
		p := solver.ParsePBConstrs(clauses)
		lits, weights := make([]solver.Lit, len(costs)), make([]int, len(costs))
		for i, c := range costs {
			lits[i], weights[i] = solver.IntToLit(int32(i+1)), int(c)
		}
		p.SetCostFunc(lits, weights)
		stop := make(chan struct{})
		done := context.AfterFunc(ctx, func() { close(stop) })
		defer done()
		r := solver.New(p).Optimal(nil, stop)
		switch {
		case ctx.Err() != nil:
			return figure{}, errors.New("it was not done in time")
		case r.Status != solver.Sat:
			return figure{}, errors.New("it finds no cover")
		}
		v := float64(r.Weight)
		f := bracketed(v, v, v)
		f.Note = "proved"
		return f, nil
	}
}
