package catalogue

import (
	"fmt"
	"maps"
	"math"
	"slices"
)

// check finds everything that is wrong with a catalogue.
func (c *Catalogue) check() []error {
	f := &faults{}
	if c.Version != Version {
		f.bad("version %d: version %d is read", c.Version, Version)
	}
	if len(c.Zones) != 5 {
		f.bad("zones: %d of them; want 5, the outermost first", len(c.Zones))
	}
	p := c.Prices
	if finite := !math.IsInf(p.OutageHour, 0) && !math.IsInf(p.WorkHour, 0); !finite || !(p.OutageHour >= 0) || !(p.WorkHour >= 0) || (p.OutageHour > 0) != (p.WorkHour > 0) || p.Given() && p.Currency == "" {
		f.bad("prices: give currency, outage_hour and work_hour, all of them, or none")
	}
	threats := f.unique("threats", collect(c.Threats, func(t Threat) string { return t.Name }))
	means := f.unique("means", collect(c.Means, func(m Mean) string { return m.Name }))
	components := f.unique("components", collect(c.Components, func(x Component) string { return x.Name }))
	channels := f.unique("channels", collect(c.Channels, func(x Channel) string { return x.Name }))
	violators := f.unique("violators", collect(c.Violators, func(x Violator) string { return x.Name }))
	for _, t := range c.Threats {
		f.threat("threat "+t.Name, t, violators)
	}
	for _, m := range c.Means {
		f.mean("means "+m.Name, m, threats)
	}
	for _, x := range c.Channels {
		if x.Class < 1 || x.Class > 6 {
			f.bad("channel %s: class %d; want 1 to 6", x.Name, x.Class)
		}
	}
	for _, v := range c.Violators {
		f.zones("violator "+v.Name+".presence", v.Presence)
	}
	shown, used := map[[2]string]bool{}, map[[2]string]bool{}
	for i, s := range c.Shows {
		at := fmt.Sprintf("shows[%d]", i)
		f.among(at+".channel", []string{s.Channel}, channels)
		f.among(at+".components", s.Components, components)
		f.zones(at+".manifest", s.Manifest)
		f.zones(at+".information", s.Information)
		f.once(at, s.Channel, s.Components, shown)
	}
	for i, u := range c.Usable {
		at := fmt.Sprintf("usable[%d]", i)
		f.among(at+".channel", []string{u.Channel}, channels)
		f.among(at+".violators", u.Violators, violators)
		f.zones(at+".p", u.P)
		f.among(at+".left", slices.Sorted(maps.Keys(u.Left)), means)
		for _, m := range slices.Sorted(maps.Keys(u.Left)) {
			f.share(at+".left."+m, u.Left[m])
		}
		f.once(at, u.Channel, u.Violators, used)
	}
	return f.list
}

// once notes a pair that an earlier entry has said something of already.
func (f *faults) once(at, channel string, others []string, seen map[[2]string]bool) {
	for _, o := range others {
		if seen[[2]string{channel, o}] {
			f.bad("%s: %s with %s is there twice", at, channel, o)
		}
		seen[[2]string{channel, o}] = true
	}
}

func (f *faults) threat(at string, t Threat, violators []string) {
	f.entry(at, t.Source, t.Mark)
	f.share(at+".weight", t.Weight)
	f.among(at+".kind", []string{t.Kind}, []string{"failure", "malicious"})
	f.among(at+".objects", t.Objects, ObjectKinds)
	f.among(at+".violators", t.Violators, violators)
	if t.Title.EN == "" {
		f.bad("%s: it has no title", at)
	}
	if !positive(t.Frequency.A) || !positive(t.Frequency.B) {
		f.bad("%s.frequency: a %v and b %v; want both greater than 0", at, t.Frequency.A, t.Frequency.B)
	}
	if d := t.Damage; d != nil && (!positive(d.MedianHours) || !positive(d.Spread) || d.Spread > 10 || !positive(d.MaximumHours) || d.MaximumHours <= d.MedianHours) {
		f.bad("%s.damage: want a median greater than 0 and less than the maximum, and a spread between 0 and 10", at)
	}
	if o := t.Observe; o != nil {
		given := 0
		for _, is := range []bool{o.Events != nil, o.Commands != nil, o.Outages} {
			if is {
				given++
			}
		}
		if given != 1 {
			f.bad("%s.observe: want one of events, commands, outages", at)
		}
		if o.Events != nil && o.Events.Kind == "" {
			f.bad("%s.observe.events: it has no kind", at)
		}
		if o.Commands != nil {
			f.among(at+".observe.commands.states", o.Commands.States, []string{"done", "failed", "denied", "interrupted"})
		}
	}
}

func (f *faults) mean(at string, m Mean, threats []string) {
	f.entry(at, m.Source, m.Mark)
	f.among(at+".facts", m.Facts, Facts)
	f.among(at+".strengths", slices.Sorted(maps.Keys(m.Strengths)), threats)
	for _, t := range slices.Sorted(maps.Keys(m.Strengths)) {
		f.share(at+".strengths."+t, m.Strengths[t])
	}
	if m.Title.EN == "" {
		f.bad("%s: it has no title", at)
	}
	if len(m.Checks)+len(m.Facts) == 0 {
		f.bad("%s: it names no check and no fact, so nobody could say whether it is in place", at)
	}
	if !(m.Work >= 0) || math.IsInf(m.Work, 0) {
		f.bad("%s.work: %v is not a number of hours", at, m.Work)
	}
}

func positive(v float64) bool { return v > 0 && !math.IsInf(v, 0) }

func collect[T any](all []T, of func(T) string) []string {
	out := make([]string, len(all))
	for i, x := range all {
		out[i] = of(x)
	}
	return out
}
