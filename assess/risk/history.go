package risk

import "math"

// Span is a number of manifestations in a time of exposure.
type Span struct{ Count, Exposure float64 }

// Drift says in what way the past is no full guide to the future.
type Drift struct {
	// Forgetting is the weight that an observation loses with each period of age, 0 to 1. The last observation has age 0.
	Forgetting float64
	// Spread is the squared coefficient of variation of the periods' rates about the mean rate: 0 says that they are all the same. In each period the rate is the mean one
	// times a factor of its own, with mean 1 and this variance.
	Spread float64
}

// Learn is the knowledge of the mean rate after the spans, which stand in the order of time.
//
// The prior is kept whole. An observation of age g counts with weight (1-forgetting)^g. With a spread, a count of expectation m has the variance m + spread m^2, which is
// 1 + spread m times that of Poisson's law, so both the count and the exposure are divided by that (quasi-likelihood; m is taken at the weighted mean rate of all spans).
// Without either it is (3.5) exactly.
func (d Drift) Learn(prior Gamma, spans []Span) Gamma {
	weights := make([]float64, len(spans))
	pooled, age := prior, 0.0
	for i := len(spans) - 1; i >= 0; i-- {
		weights[i] = 1
		if d.Forgetting > 0 {
			weights[i] = math.Pow(1-d.Forgetting, age)
		}
		age += spans[i].Exposure
		pooled = pooled.Observe(weights[i]*spans[i].Count, weights[i]*spans[i].Exposure)
	}
	if d.Spread == 0 {
		return pooled
	}
	g := prior
	for i, s := range spans {
		w := weights[i] / (1 + d.effect(s.Exposure)*pooled.Mean()*s.Exposure)
		g = g.Observe(w*s.Count, w*s.Exposure)
	}
	return g
}

// effect is the squared coefficient of variation of the mean factor over a time: periods have factors of their own, so it falls with their number.
func (d Drift) effect(time float64) float64 { return d.Spread / math.Max(1, time) }

// Forecast is the law of the number in the time ahead. With a spread it is the negative binomial law that has the mean a t/b and the variance
// m + v m^2 + (1+v) a t^2/b^2, v the spread over that time; without one it is (3.7).
func (d Drift) Forecast(g Gamma, time float64) Counts {
	if d.Spread == 0 || time == 0 {
		return g.Counts(time)
	}
	m, v := g.Mean()*time, d.effect(time)
	return Dispersed(m, m+v*m*m+(1+v)*g.Variance()*time*time)
}

// Backtest says how well forecasts of each span from those before it, one step ahead, would have done.
type Backtest struct {
	Forecasts int     // spans that were forecast
	Inside    int     // of these, spans whose count was inside the central interval
	Level     float64 // of the intervals
	Score     float64 // mean logarithm of the probability that the forecasts gave to what came; the higher, the better
	Plain     float64 // the same for Poisson's law with the mean of the spans before
	Each      []Judged
}

// Judged is one forecast of a back-test.
type Judged struct {
	At        int     // the span that was forecast
	Low, High float64 // the interval
	Count     float64 // what came
	Score     float64
	Plain     float64
	Drift     Drift // with which the forecast was made
}

// Add puts two backtests together.
func (b Backtest) Add(o Backtest) Backtest {
	n := float64(b.Forecasts + o.Forecasts)
	if n == 0 {
		return b
	}
	return Backtest{
		b.Forecasts + o.Forecasts, b.Inside + o.Inside, math.Max(b.Level, o.Level),
		(b.Score*float64(b.Forecasts) + o.Score*float64(o.Forecasts)) / n, (b.Plain*float64(b.Forecasts) + o.Plain*float64(o.Forecasts)) / n,
		append(b.Each[:len(b.Each):len(b.Each)], o.Each...),
	}
}

// Series is what was observed of one threat.
type Series struct {
	Prior Gamma
	Spans []Span
}

// Candidates are the drifts among which Choose looks: every forgetting with every spread.
func Candidates(forgetting, spread bool) []Drift {
	fs, vs := []float64{0}, []float64{0}
	if forgetting {
		fs = []float64{0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8}
	}
	if spread {
		vs = []float64{0, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28}
	}
	var out []Drift
	for _, f := range fs {
		for _, v := range vs {
			out = append(out, Drift{f, v})
		}
	}
	return out
}

// scores holds, for each candidate, the logarithm of the probability that a forecast gave to each span of each series.
type scores struct {
	series     []Series
	candidates []Drift
	score      [][][]float64 // by candidate, series, span; the first span of a series is not forecast
}

func score(series []Series, candidates []Drift) scores {
	out := scores{series, candidates, make([][][]float64, len(candidates))}
	for c, d := range candidates {
		out.score[c] = make([][]float64, len(series))
		for i, s := range series {
			of := make([]float64, len(s.Spans))
			for k := 1; k < len(s.Spans); k++ {
				of[k] = d.Forecast(d.Learn(s.Prior, s.Spans[:k]), s.Spans[k].Exposure).LogPMF(s.Spans[k].Count)
			}
			out.score[c][i] = of
		}
	}
	return out
}

// best is the candidate whose forecasts did best on all series together, leaving out the last skip spans of each; the first one where there is nothing to go by.
func (s scores) best(skip int) int {
	best, at := math.Inf(-1), 0
	for c := range s.candidates {
		sum := 0.0
		for i := range s.series {
			of := s.score[c][i]
			for k := 1; k < len(of)-skip; k++ {
				sum += of[k]
			}
		}
		if sum > best+1e-9 {
			best, at = sum, c
		}
	}
	return at
}

// Choose finds the drift whose forecasts, one step ahead and each from the spans before it only, gave what came the highest probability, over all series together.
// The series end at the same time.
func Choose(series []Series, candidates []Drift) Drift {
	return candidates[score(series, candidates).best(0)]
}

// Test makes the back-test of each series: every span but the first is forecast from those before it, with the drift that the spans before it, of all series, would have
// chosen among the candidates: what is judged never took part in the choice.
func Test(series []Series, candidates []Drift, level float64) []Backtest {
	s := score(series, candidates)
	longest := 0
	for _, x := range series {
		longest = max(longest, len(x.Spans))
	}
	chosen := make([]int, longest+1) // by the number of spans left out at the end
	for skip := 1; skip <= longest; skip++ {
		chosen[skip] = s.best(skip)
	}
	out := make([]Backtest, len(series))
	for i, x := range series {
		b := Backtest{Level: level}
		for k := 1; k < len(x.Spans); k++ {
			c := chosen[len(x.Spans)-k]
			d, span := candidates[c], x.Spans[k]
			law := d.Forecast(d.Learn(x.Prior, x.Spans[:k]), span.Exposure)
			plain := Poisson(Drift{}.Learn(x.Prior, x.Spans[:k]).Mean() * span.Exposure)
			of := Judged{k, law.Quantile((1 - level) / 2), law.Quantile((1 + level) / 2), span.Count, s.score[c][i][k], plain.LogPMF(span.Count), d}
			if b.Forecasts++; of.Low <= of.Count && of.Count <= of.High {
				b.Inside++
			}
			b.Score += of.Score
			b.Plain += of.Plain
			b.Each = append(b.Each, of)
		}
		if b.Forecasts > 0 {
			b.Score /= float64(b.Forecasts)
			b.Plain /= float64(b.Forecasts)
		}
		out[i] = b
	}
	return out
}
