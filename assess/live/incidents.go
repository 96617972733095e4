package live

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/assess/catalogue"
	"redoubt/assess/model"
)

// yearHours is the length of a year.
const yearHours = 365.25 * 24

// settle is how long after a command an outage of what it was about still counts as wanted.
const settle = time.Minute

// lossError is how exactly the quantiles of the losses are wanted: the laws that they come from are known less well.
const lossError = 0.01

// window is a span of the log that was seen.
type window struct {
	from, to time.Time
}

func (w window) years() float64 { return w.to.Sub(w.from).Hours() / yearHours }

// incidents are what the log says of how often threats came true, over the time that it covers. A threat that the log can not show keeps the catalogue's law.
func (b *builder) incidents() {
	f := &model.Frequency{}
	d := &model.Damage{}
	events, eventsKnown := b.eventWindow()
	commands, commandsKnown := b.commandWindow()
	for _, t := range b.c.Threats {
		tf := model.ThreatFrequency{Threat: t.Name, Prior: &model.Gamma{A: t.Frequency.A, B: t.Frequency.B}, Source: b.from(t.Mark, t.Source)}
		var at []time.Time
		var hours []float64
		w, known, what := window{}, false, ""
		switch o := t.Observe; {
		case o == nil:
		case o.Events != nil:
			w, known, what = events, eventsKnown, "log events"
			at = countEvents(b.e.Events, *o.Events, b.e.EventsCut)
		case o.Commands != nil:
			w, known, what = commands, commandsKnown, "log commands"
			at = countCommands(b.e.Commands, *o.Commands)
		case o.Outages:
			w, known, what = events, eventsKnown && commandsKnown, "log events, without those that a command wanted"
			if commands.from.After(w.from) { // before, nobody knows what was wanted
				w = commands
			}
			if known {
				at, hours = b.outages(w.from)
			}
		}
		if known && w.years() > 0 {
			tf.Observations = observations(at, w, what)
			tf.Source += "; " + what + " from " + w.from.UTC().Format(time.DateOnly) + " to " + w.to.UTC().Format(time.DateOnly)
		}
		f.Threats = append(f.Threats, tf)
		if t.Damage != nil && (!t.Damage.Work || b.c.Prices.Given()) {
			d.Threats = append(d.Threats, b.damage(t, hours))
		}
	}
	b.m.Frequency = f
	if len(d.Threats) > 0 {
		b.m.Damage = d
		b.m.Losses = &model.Losses{Error: lossError}
		if b.c.Prices.Given() {
			b.note(sayWorkToo)
		} else {
			b.note(sayOnlyOutages)
		}
	}
}

// eventWindow is the time that the events cover.
func (b *builder) eventWindow() (window, bool) {
	if _, no := b.e.missing("log events"); no {
		return window{}, false
	}
	var first time.Time
	if len(b.e.Events) > 0 {
		first = b.e.Events[0].Time
	}
	return b.window(first, b.e.EventsCut)
}

// commandWindow is the time that the commands cover.
func (b *builder) commandWindow() (window, bool) {
	if _, no := b.e.missing("log commands"); no {
		return window{}, false
	}
	var first time.Time
	if len(b.e.Commands) > 0 {
		first = b.e.Commands[0].Time
	}
	return b.window(first, b.e.CommandsCut)
}

// window begins where the log was asked for, but not before the cluster was there, nor before the first entry of a log of which only the newest were answered.
func (b *builder) window(first time.Time, cut bool) (window, bool) {
	from := b.e.Since
	if cut {
		from = first
	} else if born := b.born(); born.After(from) {
		from = born
	}
	if from.IsZero() || !from.Before(b.e.Taken) {
		return window{}, false
	}
	return window{from, b.e.Taken}, true
}

// born is the earliest trace of the cluster: an entry of its log, or the oldest of its authorities. Zero when there is none.
func (b *builder) born() time.Time {
	var first time.Time
	see := func(t time.Time) {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	for _, c := range b.e.Certificates {
		if strings.HasSuffix(c.Kind, "-authority") {
			see(c.NotBefore)
		}
	}
	if len(b.e.Events) > 0 {
		see(b.e.Events[0].Time)
	}
	if len(b.e.Commands) > 0 {
		see(b.e.Commands[0].Time)
	}
	return first
}

// observations are the counts by calendar year.
func observations(at []time.Time, w window, source string) []model.Observation {
	var out []model.Observation
	for from := w.from.UTC(); from.Before(w.to); {
		to := time.Date(from.Year()+1, 1, 1, 0, 0, 0, 0, time.UTC)
		if to.After(w.to) {
			to = w.to
		}
		n := 0
		for _, t := range at {
			if !t.Before(from) && (t.Before(to) || to.Equal(w.to) && t.Equal(to)) {
				n++
			}
		}
		out = append(out, model.Observation{Count: float64(n), Exposure: window{from: from, to: to}.years(), Label: fmt.Sprint(from.Year()), Source: source})
		from = to
	}
	return out
}

// countEvents finds the events that a threat is seen by.
func countEvents(events []v1.LogEvent, rule catalogue.Events, cut bool) []time.Time {
	var out []time.Time
	down, seen := map[string]bool{}, map[string]bool{}
	for _, e := range events {
		if e.Kind != rule.Kind || contains(e.Text, rule.NotText) {
			continue
		}
		if len(rule.Down) > 0 {
			was, first := down[e.Object], !seen[e.Object]
			seen[e.Object] = true
			switch {
			case first && !cut && slices.Contains(rule.Initial, e.State):
				down[e.Object] = true // it is new, and was never up
			case slices.Contains(rule.Down, e.State):
				down[e.Object] = true
				if !was {
					out = append(out, e.Time)
				}
			case slices.Contains(rule.Up, e.State):
				down[e.Object] = false
			}
			continue
		}
		if (len(rule.States) == 0 || slices.Contains(rule.States, e.State)) && (len(rule.Text) == 0 || contains(e.Text, rule.Text)) {
			out = append(out, e.Time)
		}
	}
	return out
}

func contains(text string, any []string) bool {
	return slices.ContainsFunc(any, func(s string) bool { return strings.Contains(text, s) })
}

// countCommands finds the entries of the command log that a threat is seen by. An entry that stands for many refusals of a minute is one incident.
func countCommands(commands []v1.LoggedCommand, rule catalogue.Commands) []time.Time {
	var out []time.Time
	for _, c := range commands {
		if slices.Contains(rule.States, c.State) && (len(rule.Operations) == 0 || slices.Contains(rule.Operations, c.Operation)) && !slices.Contains(rule.Except, c.Operation) {
			out = append(out, c.Time)
		}
	}
	return out
}

// outages are the times from from on at which a group that was online was so on no node any more, without a command that wanted it, and how long the ones lasted that are over.
func (b *builder) outages(from time.Time) (at []time.Time, hours []float64) {
	type group struct {
		on   map[string]bool
		down time.Time
	}
	groups := map[string]*group{}
	open := 0
	for _, e := range b.e.Events {
		name, ok := strings.CutPrefix(e.Object, "group ")
		_, node, on := strings.Cut(e.Text, " on node ")
		if e.Kind != "group" || !ok || !on {
			continue
		}
		g := groups[name]
		if g == nil {
			g = &group{on: map[string]bool{}}
			groups[name] = g
		}
		was := len(g.on) > 0
		if strings.HasPrefix(e.State, "ONLINE") {
			g.on[node] = true
		} else {
			delete(g.on, node)
		}
		switch is := len(g.on) > 0; {
		case was && !is && !e.Time.Before(from) && !b.wanted(name, e.Time):
			g.down = e.Time
			at = append(at, e.Time)
			open++
		case !was && is && !g.down.IsZero():
			if h := e.Time.Sub(g.down).Hours(); h > 0 {
				hours = append(hours, h)
			}
			g.down = time.Time{}
			open--
		}
	}
	if open > 0 {
		b.note(sayOpenOutages, open)
	}
	return at, hours
}

// wants are the operations that take groups off nodes.
var wants = []string{
	"group switch", "group offline", "group online", "group restart", "group remaster", "group evacuate", "group quiesce", "group unmanage", "group delete", "group set", "group remove-node",
	"resource disable", "resource delete", "resource set", "node evacuate", "node remove", "cluster shutdown", "cluster apply",
}

// wanted reports whether a command that was about a group, or about everything, explains that it went offline at a time.
func (b *builder) wanted(group string, at time.Time) bool {
	return slices.ContainsFunc(b.e.Commands, func(c v1.LoggedCommand) bool {
		end := c.Time.Add(time.Duration(c.Ms) * time.Millisecond).Add(settle)
		if at.Before(c.Time) || at.After(end) || c.State == "denied" || !slices.Contains(wants, c.Operation) {
			return false
		}
		noun, _, _ := strings.Cut(c.Operation, " ")
		switch noun {
		case "group":
			return slices.Contains(c.Objects, group) || slices.Contains(c.Objects, "+")
		case "resource":
			return slices.ContainsFunc(b.e.Status.Resources, func(r v1.ResourceState) bool {
				return r.Group == group && (slices.Contains(c.Objects, r.Name) || slices.Contains(c.Objects, "+"))
			})
		}
		return true
	})
}

// damage is how long an outage lasts, or the work that a threat makes: the catalogue's law, and what was measured; in money where there are prices. The logarithm is normal with unknown mean and
// variance, so the mean has no bound by itself: the catalogue's maximum is one.
func (b *builder) damage(t catalogue.Threat, hours []float64) model.ThreatDamage {
	price := 1.0
	source := b.from(t.Mark, t.Source)
	if b.c.Prices.Given() {
		if price = b.c.Prices.OutageHour; t.Damage.Work {
			price = b.c.Prices.WorkHour
		}
		source += fmt.Sprintf("; %v %s for an hour", price, b.c.Prices.Currency)
	}
	d := model.ThreatDamage{
		Threat: t.Name, Law: "lognormal", Maximum: t.Damage.MaximumHours * price,
		Prior: &model.NormalGamma{M: math.Log(t.Damage.MedianHours * price), Kappa: 1, Alpha: 2, Beta: t.Damage.Spread * t.Damage.Spread},
	}
	for _, h := range hours {
		d.Observations = append(d.Observations, min(h, t.Damage.MaximumHours)*price)
	}
	if len(hours) > 0 {
		source += fmt.Sprintf("; %d outages measured in the log", len(hours))
	}
	d.Source = source
	return d
}
