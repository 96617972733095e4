package report

import (
	"math"
	"slices"
	"strconv"

	"redoubt/assess"
	"redoubt/assess/report/chart"
)

// maxThreatPlots is how many threats have a plot of their own.
const maxThreatPlots = 6

// maxTornado is how many inputs the plot of sensitivity shows, those that move most.
const maxTornado = 12

// row is a point of a curve with one or more heights.
type row interface {
	[2]float64 | [3]float64
}

// points are a curve: the first number of each row across, and number y of it up.
func points[T row](rows []T, y int) []chart.Point {
	out := make([]chart.Point, len(rows))
	for i, r := range rows {
		out[i] = chart.Point{X: r[0], Y: r[y]}
	}
	return out
}

// dynamicsPlots show for the first threats what is thought of their frequency before and after the observations; those that were observed come first.
func (d drawing) dynamicsPlots() []plot {
	var out []plot
	for _, observed := range []bool{true, false} {
		for i, t := range d.r.Dynamics.Threats {
			f := t.Frequency
			if len(out) == maxThreatPlots || f == nil || len(f.Density) < 2 || observed != (f.Seen != nil && f.Seen.Observations > 0) {
				continue
			}
			name := d.title(t.Name)
			p := chart.Curves{
				Head: d.head("frequency-"+strconv.Itoa(i), d.w("posterior_title", name), d.w("posterior_alt", name)), X: d.w("rate_axis") + " (" + Unit(d.lang, d.r.Period) + ")", Y: d.w("density_axis"),
				Curves: []chart.Curve{{Name: d.w("posterior"), Points: points(f.Density, 2)}},
			}
			if !observed {
				p.Curves[0].Name = d.w("unobserved")
			} else {
				p.Curves = append(p.Curves, chart.Curve{Name: d.w("prior"), Points: lower(points(f.Density, 1), p.Curves[0].Points), Colour: 1, Dashed: true})
			}
			out = append(out, p)
		}
	}
	return out
}

// lower cuts a curve where it rises far above another: a density that has no bound at 0 would flatten the one that matters.
func lower(points, other []chart.Point) []chart.Point {
	top := 0.0
	for _, p := range other {
		top = max(top, p.Y)
	}
	return slices.DeleteFunc(points, func(p chart.Point) bool { return p.Y > 2*top })
}

// lossPlots are the exceedance curve, the threats' shares and what the expected loss is sensitive to.
func (d drawing) lossPlots() []plot {
	v := d.r.Losses
	var out []plot
	if v.Total != nil && len(v.Total.Exceedance) > 1 {
		out = append(out, d.exceedance())
	}
	var names []string
	var means []float64
	for _, t := range v.Threats {
		if t.Mean != nil {
			names, means = append(names, t.Name), append(means, *t.Mean)
		}
	}
	if len(names) > 1 {
		out = append(out, d.amounts("losses", names, means))
	}
	if p, ok := d.tornado(); ok {
		out = append(out, p)
	}
	return out
}

// exceedance is the probability that the total exceeds each loss, on logarithmic axes, with its bracket, the owner's tolerance, and the other states of protection.
func (d drawing) exceedance() chart.Curves {
	v := d.r.Losses
	current := "current"
	if v.Simulation != nil {
		current = "current_gross"
	}
	p := chart.Curves{
		Head: d.head("exceedance", d.w("exceed_title"), d.w("exceed_alt")), X: d.w("loss_axis", Unit(d.lang, d.r.Currency)), Y: d.w("exceed_axis"), LogX: true, LogY: true,
		Curves: []chart.Curve{{Name: d.w(current), Points: rare(points(v.Total.Exceedance, 1))}},
	}
	p.Bands = append(p.Bands, chart.Band{Name: d.w("bracket"), Lower: rare(edge(v.Total, 0)), Upper: rare(edge(v.Total, 1))})
	for _, x := range []struct {
		key    string
		total  *assess.TotalLoss // of today it is drawn already
		net    *assess.SimulationResult
		colour int
	}{{"inherent", v.Inherent, v.NetInherent, 1}, {"proposed", v.Proposed, v.NetProposed, 2}, {"current", nil, v.Simulation, 4}} {
		switch {
		case x.net != nil && len(x.net.Exceedance) > 1: // what is left stands beside what is left today, gross figures are in the table
			left := slices.DeleteFunc(rare(points(x.net.Exceedance, 1)), func(p chart.Point) bool { return p.X <= 0 })
			if len(left) > 1 { // insured wholly, nothing is left
				p.Curves = append(p.Curves, chart.Curve{Name: d.w(x.key + "_net"), Points: left, Colour: x.colour})
			}
		case x.total != nil && v.Simulation != nil:
			p.Curves = append(p.Curves, chart.Curve{Name: d.w(x.key + "_gross"), Points: rare(points(x.total.Exceedance, 1)), Colour: x.colour})
		case x.total != nil:
			p.Curves = append(p.Curves, chart.Curve{Name: d.w(x.key), Points: rare(points(x.total.Exceedance, 1)), Colour: x.colour})
		}
	}
	if d.m != nil && d.m.Losses != nil && len(d.m.Losses.Tolerance) > 0 {
		var points []chart.Point
		for _, t := range d.m.Losses.Tolerance {
			points = append(points, chart.Point{X: t.Loss, Y: t.Probability})
		}
		slices.SortFunc(points, func(a, b chart.Point) int { return compare(&a.X, &b.X) })
		p.Curves = append(p.Curves, chart.Curve{Name: d.w("tolerance"), Points: points, Colour: 3, Dashed: true})
	}
	return p
}

// edge is one side of the bracket of the curve.
func edge(t *assess.TotalLoss, side int) []chart.Point {
	out := make([]chart.Point, min(len(t.Exceedance), len(t.Exceeding)))
	for i := range out {
		out[i] = chart.Point{X: t.Exceedance[i][0], Y: t.Exceeding[i][side]}
	}
	return out
}

// rare leaves out what is so unlikely, or so small, that the rest of the curve would shrink to a line.
func rare(points []chart.Point) []chart.Point {
	const least = 1e-5
	largest := 0.0
	for _, p := range points {
		if p.Y >= least {
			largest = max(largest, p.X)
		}
	}
	return slices.DeleteFunc(points, func(p chart.Point) bool { return p.Y < least || p.X < largest*1e-5 })
}

// tornado is how far the expected loss moves with each input.
func (d drawing) tornado() (chart.Bars, bool) {
	v := d.r.Losses
	p := chart.Bars{Head: d.head("tornado", d.w("tornado_title"), d.w("tornado_alt")), X: d.w("loss_axis", Unit(d.lang, d.r.Currency))}
	for _, x := range v.Sensitivity {
		bar := chart.Bar{Name: chart.Cut(d.title(x.Threat), 32) + ": " + Word(d.lang, "figure."+x.Input), From: x.Low, To: x.High}
		if x.Input == "damage" {
			bar.Colour = 1
		}
		p.Bars = append(p.Bars, bar)
	}
	if v.Total != nil {
		p.Base = v.Total.Mean
	}
	slices.SortStableFunc(p.Bars, func(a, b chart.Bar) int {
		x, y := math.Abs(a.To-a.From), math.Abs(b.To-b.From)
		return compare(&y, &x)
	})
	p.Bars = p.Bars[:min(len(p.Bars), maxTornado)]
	return p, len(p.Bars) > 0
}
