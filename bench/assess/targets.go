package main

import (
	"context"
	"fmt"
	"math"
	"strings"

	"redoubt/assess/risk"
)

// mark is what was measured of a program before, on a machine like this one.
type mark struct {
	program string
	seconds float64
	half    float64 // half width of its bracket, relative; 0 for none
}

// target is that one of ours is faster than another at equal or better accuracy, and what came of it.
type target struct{ target, ours, theirs, ratio, verdict string }

// verdicts hold the result against its peers and what is known of others.
func (r result) verdicts() []target {
	ours := r.rows[0]
	var out []target
	verdict := func(name string, seconds, half float64) target {
		t := target{
			target: "faster than " + name + " at equal or better accuracy", ours: fmt.Sprintf("%.4g", median(ours.cpu)), theirs: fmt.Sprintf("%.4g", seconds),
			ratio: fmt.Sprintf("%.2g", seconds/median(ours.cpu)), verdict: "met",
		}
		switch {
		case seconds < median(ours.cpu):
			t.verdict = "not met"
		case half > 0 && r.trial.drawn == 0 && width(ours.figure) > half: // what is drawn has a width by chance: it is equal for as many years
			t.verdict = fmt.Sprintf("not met: faster, with a bracket of %.1e instead of %.1e", width(ours.figure), half)
		}
		return t
	}
	if ours.failed != "" {
		return nil
	}
	for _, w := range r.rows[1:] {
		if w.failed != "" {
			out = append(out, target{"faster than " + w.system, fmt.Sprintf("%.4g", median(ours.cpu)), "-", "-", "not measured: " + w.failed})
			continue
		}
		out = append(out, verdict(w.system, median(w.cpu), width(w.figure)))
	}
	for _, m := range r.trial.marks {
		out = append(out, verdict(m.program+" (known before)", m.seconds, m.half))
	}
	return out
}

// width is half the width of the bracket, relative to the value; 0 for none.
func width(f figure) float64 {
	if f.Low == nil {
		return 0
	}
	h := (*f.High - *f.Low) / 2
	if f.Value != 0 {
		h /= math.Abs(f.Value)
	}
	return h
}

// targets is the table of all of them.
func targets(results []result) string {
	var b strings.Builder
	b.WriteString(`## Targets

Ratios are those of the medians. "Known before" are processor seconds that were measured on a machine like this one at another time, some with programs that are not run here: they are only to be compared
with a run on an idle machine. A bracket that is asked for has to be no wider than that of the peer; a peer without a bound is compared by time alone.

| problem | target | ours, CPU seconds | theirs | ratio | |
| --- | --- | --- | --- | --- | --- |
`)
	for _, r := range results {
		for _, t := range r.verdicts() {
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", r.trial.name, t.target, t.ours, t.theirs, t.ratio, t.verdict)
		}
	}
	return b.String()
}

// remark says how wide the brackets of a simulation have to be expected: of the order statistics between which the quantile is with 95 % for so many years of this law.
func (r result) remark() string {
	t := r.trial
	if t.drawn == 0 {
		return ""
	}
	law, err := risk.Sum(context.Background(), t.law.threats(), risk.Request{Error: 1e-4, Levels: []float64{t.law.Level}})
	if err != nil {
		return ""
	}
	q, n, p := law.Quantiles[0].Point, float64(t.drawn), t.law.Level
	const step = 0.01
	density := (law.Exceed(q*(1-step)).Point - law.Exceed(q*(1+step)).Point) / (2 * step * q)
	half := 1.959964 * math.Sqrt(p*(1-p)/n) / density / q
	return fmt.Sprintf("The exact value is %.9g. The bracket at 95 %% of so many years of this law has a half width of %.2f %% in the mean, whoever draws them (1.96 standard errors of the "+
		"order statistic); the one of a run differs from that by a tenth or two.", q, 100*half)
}
