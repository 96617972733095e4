package report

import (
	"fmt"
	"slices"

	"redoubt/assess"
	"redoubt/assess/model"
	"redoubt/assess/report/chart"
)

// drawing makes what the page shows of a report beside its tables.
type drawing struct {
	r    *assess.Report
	m    *model.Model
	lang string

	titles map[string]string
}

func (d drawing) w(key string, args ...any) string { return Word(d.lang, key, args...) }

// money is an amount in the report's currency.
func (d drawing) money(v float64) string {
	return chart.Number(v) + "\u00a0" + Unit(d.lang, d.r.Currency)
}

// title is what a threat, a means or an object is called.
func (d drawing) title(name string) string { return either(d.titles[name], name) }

// titles are the titles of a model's entries by name; where names are the same, a threat's before a means' before an object's.
func titles(m *model.Model) map[string]string {
	out := map[string]string{}
	if m == nil {
		return out
	}
	add := func(name, title string) {
		if _, ok := out[name]; !ok && title != "" {
			out[name] = title
		}
	}
	for _, t := range m.Threats {
		add(t.Name, t.Title)
	}
	for _, x := range m.Means {
		add(x.Name, x.Title)
	}
	for _, o := range m.Objects {
		add(o.Name, o.Title)
	}
	return out
}

// first are at most so many lines, with one that says how many more there are.
func (d drawing) first(lines []string, most int) []string {
	if len(lines) <= most {
		return lines
	}
	return append(slices.Clone(lines[:most]), fmt.Sprintf("… +%d", len(lines)-most))
}

// Summary is what of a report is read in a minute, in a language. Threats and means have their titles where the model is given.
func Summary(r *assess.Report, m *model.Model, lang string) []Card {
	lang = language(lang)
	return drawing{r: r.In(lang), m: m, lang: lang, titles: titles(m)}.summary()
}

// summary is what is read in a minute: what it costs, how bad it can get, what is open, what to do next.
func (d drawing) summary() []Card {
	var out []Card
	out = append(out, d.costCards()...)
	if d.r.Coverage != nil {
		out = append(out, d.openCard())
	}
	if c, ok := d.nextCard(); ok {
		out = append(out, c)
	}
	if v := d.r.Vulnerability; v != nil && v.Generalised != nil {
		out = append(out, Card{Title: d.w("reach"), Value: chart.Number(100**v.Generalised) + "\u00a0%", Link: "vulnerability"})
	}
	return out
}

func (d drawing) costCards() []Card {
	horizon := 1.0
	if v := d.r.Dynamics; v != nil {
		horizon = v.Horizon
	}
	span := d.w("per", Unit(d.lang, d.r.Period))
	rare := d.w("rare")
	if horizon != 1 || d.r.Period != "year" {
		span, rare = d.w("for_horizon", chart.Number(horizon), Unit(d.lang, d.r.Period)), d.w("rare_horizon")
	}
	v := d.r.Losses
	if v != nil && v.Total != nil && v.Simulation != nil {
		return append(d.netCards(span, rare), d.toleranceAndWorst()...)
	}
	var out []Card
	if v == nil || v.Total == nil {
		if d.r.IBM != nil {
			out = append(out, Card{Title: d.w("average"), Value: d.money(d.r.IBM.Total), Text: d.w("per", Unit(d.lang, d.r.Period)), Link: "ibm"})
		}
		return out
	}
	if v.Total.Mean != nil {
		out = append(out, Card{Title: d.w("average"), Value: d.money(*v.Total.Mean), Text: span, Link: "losses"})
	} else if q, ok := v.Total.Quantiles["0.5"]; ok {
		out = append(out, Card{Title: d.w("average_none"), Value: d.money(q), Text: span, Link: "losses"})
	}
	if q, ok := v.Total.Quantiles["0.99"]; ok {
		out = append(out, Card{Title: rare, Value: d.money(q), Link: "losses", Bad: true})
	}
	return append(out, d.toleranceAndWorst()...)
}

// netCards are what is left with dependence, limits and insurance, as it was drawn, and beside it what the threats would cost without them.
func (d drawing) netCards(span, rare string) []Card {
	s, total := d.r.Losses.Simulation, d.r.Losses.Total
	var out []Card
	if s.Mean != nil {
		out = append(out, Card{Title: d.w("average_net"), Value: d.money(s.Mean.Value), Text: span, Link: "losses"})
	} else if q, ok := s.Quantiles["0.5"]; ok {
		out = append(out, Card{Title: d.w("average_none"), Value: d.money(q), Text: span, Link: "losses"})
	}
	if s.Premium > 0 && len(out) > 0 {
		out[len(out)-1].Lines = []string{d.w("premiums", d.money(s.Premium))}
	}
	for _, x := range []struct {
		key string
		net *assess.SimulationResult
	}{{"inherent_net", d.r.Losses.NetInherent}, {"proposed_net", d.r.Losses.NetProposed}} {
		if s.Mean != nil && x.net != nil && x.net.Mean != nil {
			out[0].Lines = append(out[0].Lines, d.w(x.key)+": "+d.money(x.net.Mean.Value))
		}
	}
	if q, ok := s.Quantiles["0.99"]; ok {
		out = append(out, Card{Title: rare, Value: d.money(q), Text: d.w("net"), Link: "losses", Bad: true})
	}
	gross := Card{Title: d.w("gross"), Link: "losses"}
	if total.Mean != nil {
		gross.Lines = append(gross.Lines, d.w("average")+": "+d.money(*total.Mean))
	}
	if q, ok := total.Quantiles["0.99"]; ok {
		gross.Lines = append(gross.Lines, rare+": "+d.money(q))
	}
	if len(gross.Lines) > 0 {
		out = append(out, gross)
	}
	return out
}

// toleranceAndWorst say whether the owner accepts it, and which threats cost most.
func (d drawing) toleranceAndWorst() []Card {
	v := d.r.Losses
	var out []Card
	if len(v.Tolerance) > 0 {
		var lines []string
		for _, t := range v.Tolerance {
			if t.Exceeded {
				lines = append(lines, d.w("over_line", d.money(t.Loss), chart.Number(t.Probability), chart.Number(t.Tolerated)))
			}
		}
		if len(lines) > 0 {
			out = append(out, Card{Title: d.w("over_tolerance"), Lines: d.first(lines, 3), Link: "losses", Bad: true})
		} else {
			out = append(out, Card{Title: d.w("within"), Value: d.w("yes"), Link: "losses"})
		}
	}
	threats := slices.Clone(v.Threats)
	slices.SortStableFunc(threats, func(a, b assess.ThreatLoss) int { return compare(b.Mean, a.Mean) })
	var lines []string
	for _, t := range threats {
		if t.Mean != nil && *t.Mean > 0 {
			lines = append(lines, d.title(t.Name)+": "+d.money(*t.Mean))
		}
	}
	if len(lines) > 1 {
		out = append(out, Card{Title: d.w("worst"), Lines: d.first(lines, 3), Link: "losses"})
	}
	return out
}

// compare orders numbers that may be missing; those that are come first.
func compare(a, b *float64) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return -1
	case b == nil:
		return 1
	case *a < *b:
		return -1
	case *a > *b:
		return 1
	}
	return 0
}

func (d drawing) openCard() Card {
	open := d.r.Coverage.Open
	if len(open) == 0 {
		return Card{Title: d.w("open"), Value: "0", Text: d.w("open_none"), Link: "coverage"}
	}
	var lines []string
	for _, e := range open[:min(len(open), 1000)] { // the heaviest first
		if line := d.title(e.Threat); !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return Card{Title: d.w("open"), Value: fmt.Sprint(len(open)), Text: d.w("open_pairs"), Lines: d.first(lines, 4), Link: "coverage", Bad: true}
}

// nextCard is what pays best, or what closes what is open.
func (d drawing) nextCard() (Card, bool) {
	if o := d.r.Optimum; o != nil && o.Measures != nil {
		if len(o.Measures.Chosen) == 0 {
			return Card{Title: d.w("next"), Text: d.w("next_none"), Link: "optimum"}, true
		}
		chosen := slices.Clone(o.Measures.Chosen)
		saves := map[string]float64{}
		for _, x := range o.Measures.Returns {
			saves[x.Name] = x.Marginal - x.Cost
		}
		slices.SortStableFunc(chosen, func(a, b string) int { x, y := saves[b], saves[a]; return compare(&x, &y) })
		lines := make([]string, len(chosen))
		for i, name := range chosen {
			lines[i] = d.title(name)
		}
		return Card{Title: d.w("next"), Value: d.w("next_pays", d.money(o.Measures.Cost), d.money(o.Measures.Without-o.Measures.Residual)), Text: d.w("per", Unit(d.lang, d.r.Period)), Lines: d.first(lines, 5), Link: "optimum"}, true
	}
	if d.r.Coverage == nil || d.r.Coverage.Addition == nil {
		return Card{}, false
	}
	var lines []string
	for _, name := range d.r.Coverage.Addition.Means {
		lines = append(lines, d.title(name))
	}
	if len(lines) == 0 {
		return Card{}, false
	}
	return Card{Title: d.w("next"), Text: d.w("next_cover"), Lines: d.first(lines, 6), Link: "coverage"}, true
}
