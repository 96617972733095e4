package risk

import (
	"context"
	"math"
)

// Mean brackets the mean of what is left of a threat's cost after its limits: E[X] - E[(X-c)+] under a cap c alone, E[(X-d)+] - E[(X-d-c)+] with a deductible d. It is false where the cost has no mean.
func (l Limits) Mean(ctx context.Context, t Threat, workers int) (Bracket, bool, error) {
	mean, ok := t.Mean()
	if !ok {
		return Bracket{}, false, nil
	}
	if l == (Limits{}) {
		return Bracket{mean, mean, mean}, true, nil
	}
	law, err := Sum(ctx, []Threat{t}, Request{Error: 5e-4, Levels: []float64{0.5, 0.9, 0.99, 0.999, 1 - 1e-6}, Workers: workers, Cells: 1 << 17})
	if err != nil {
		return Bracket{}, false, err
	}
	out := Bracket{mean, mean, mean}
	if l.Deductible > 0 {
		out = law.over(l.Deductible, mean)
	}
	if l.Cap > 0 {
		cut := law.over(l.Deductible+l.Cap, mean)
		out = Bracket{out.Low - cut.High, out.Point - cut.Point, out.High - cut.Low}
		out.High = math.Min(out.High, l.Cap)
	}
	if l.Deductible > 0 {
		out.Low = math.Max(0, out.Low)
	}
	out.Point = math.Max(out.Low, math.Min(out.High, out.Point))
	return out, true, nil
}

// over brackets the mean of what a total with this mean has above x >= 0: E[S] - x + E[(x-S)+]. Beyond what is known of the law it is no more than above the end of that.
func (t *Total) over(x, mean float64) Bracket {
	at := math.Min(x, t.Top())
	if len(t.laws) > 0 {
		if _, everywhere := t.laws[0].(*closed); everywhere {
			at = x
		}
	}
	short := t.Shortfall(at)
	b := Bracket{math.Max(0, mean-at+short.Low), math.Max(0, mean-at+short.Point), math.Max(0, mean-at+short.High)}
	if slack := 1e-13 * (math.Abs(mean) + at); at == x {
		b.Low, b.High = math.Max(0, b.Low-slack), b.High+slack
	} else {
		b = Bracket{0, b.High / 2, b.High + slack}
	}
	return b
}
