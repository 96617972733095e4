package report

import (
	"html/template"
	"math"
	"slices"

	"redoubt/assess/report/chart"
)

// plot is something to draw: one of the shapes of package chart.
type plot interface{ SVG() string }

// drawn is a plot as a part of the page. Package chart escapes every text that it draws.
func drawn(svg string) template.HTML {
	return template.HTML(svg) //nolint:gosec // see above
}

// pictures are the plots of a section as parts of the page.
func (d drawing) pictures(section string) []template.HTML {
	var out []template.HTML
	for _, p := range d.plots(section) {
		out = append(out, drawn(p.SVG()))
	}
	return out
}

// plots are those of a section.
func (d drawing) plots(section string) []plot {
	switch section {
	case "ibm":
		return d.ibmPlots()
	case "optimum":
		return d.optimumPlots()
	case "dynamics":
		return d.dynamicsPlots()
	case "losses":
		return d.lossPlots()
	case "coverage":
		return d.coveragePlots()
	case "vulnerability":
		return d.vulnerabilityPlots()
	case "game":
		return d.gamePlots()
	case "codes":
		return d.codesPlots()
	}
	return nil
}

func (d drawing) head(id, title, alt string) chart.Head {
	return chart.Head{ID: "plot-" + id, Title: title, Alt: alt}
}

// bars of amounts, the largest first.
func (d drawing) amounts(id string, names []string, values []float64) plot {
	p := chart.Bars{Head: d.head(id, d.w("share_title"), d.w("share_alt")), X: d.w("loss_axis", Unit(d.lang, d.r.Currency))}
	for i, n := range names {
		p.Bars = append(p.Bars, chart.Bar{Name: d.title(n), To: values[i]})
	}
	slices.SortStableFunc(p.Bars, func(a, b chart.Bar) int { return compare(&b.To, &a.To) })
	return p
}

func (d drawing) ibmPlots() []plot {
	var names []string
	var values []float64
	for _, t := range d.r.IBM.Threats {
		names, values = append(names, t.Name), append(values, t.R)
	}
	return []plot{d.amounts("ibm", names, values)}
}

func (d drawing) optimumPlots() []plot {
	var out []plot
	if c := d.r.Optimum.Continuous; c != nil {
		var loss, total, cost []chart.Point
		for _, p := range c.Points {
			if math.Abs(p[2]) > 20*math.Abs(c.Total) && c.Total != 0 { // the pole of a hyperbola would flatten everything else
				continue
			}
			loss = append(loss, chart.Point{X: p[0], Y: p[1]})
			total = append(total, chart.Point{X: p[0], Y: p[2]})
			cost = append(cost, chart.Point{X: p[0], Y: p[0]})
		}
		p := chart.Curves{
			Head: d.head("optimum", d.w("optimum_title"), d.w("optimum_alt")), X: d.w("spend_axis", Unit(d.lang, d.r.Currency)), Y: d.w("money_axis", Unit(d.lang, d.r.Currency)),
			Curves: []chart.Curve{{Name: d.w("loss"), Points: loss, Colour: 1}, {Name: d.w("cost"), Points: cost, Colour: 2, Dashed: true}, {Name: d.w("total"), Points: total}},
			Marks:  []chart.Mark{{Point: chart.Point{X: c.C, Y: c.Total}, Name: d.w("best") + ": " + d.money(c.C)}},
		}
		if x := c.Crossing; x != nil {
			p.Marks = append(p.Marks, chart.Mark{Point: chart.Point{X: x.C, Y: x.C}, Name: d.w("crossing") + ": " + d.money(x.C), Colour: 1})
		}
		out = append(out, p)
	}
	if m := d.r.Optimum.Measures; m != nil && len(m.Front) > 1 {
		var front []chart.Point
		for _, f := range m.Front {
			front = append(front, chart.Point{X: f.Cost, Y: f.Residual})
		}
		p := chart.Curves{
			Head: d.head("front", d.w("front_title"), d.w("front_alt")), X: d.w("spend_axis", Unit(d.lang, d.r.Currency)), Y: d.w("residual_axis", Unit(d.lang, d.r.Currency)),
			Curves: []chart.Curve{{Name: d.w("front"), Points: front, Stairs: true}},
			Marks:  []chart.Mark{{Point: chart.Point{X: m.Cost, Y: m.Residual}, Name: d.w("chosen"), Colour: 1}},
		}
		out = append(out, p)
	}
	return out
}
