package incident

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"redoubt/assess/model"
)

// Mark begins the source of every observation that was counted from a store: they are counted anew the next time.
const Mark = "incident store"

// maxPeriods bounds how many observations a threat gets.
const maxPeriods = 10_000

// Span is what is counted. Threats that did not come true in a period count as none, so the span has to be one in which every incident would have been noted.
type Span struct {
	From  time.Time // the beginning of its period is taken; zero: the earliest incident of all
	Until time.Time // the last period is cut off here, and counts for the part that has passed; zero: today, or the end of the period of the latest incident if that is earlier
	Today time.Time
	Store string // what observations name as their source
}

// Applied is what the incidents did to a model.
type Applied struct {
	From    string        // the first period
	To      string        // the last period
	Threats []ThreatCount // in the order of the model
	Notes   []string      // what was not taken, and why
}

// ThreatCount is what was counted of one threat.
type ThreatCount struct {
	Threat    string
	Incidents int       // manifestations
	Damages   []float64 // that were added to the observations
}

// Apply counts incidents into the observations of a model: of frequencies one for each period of the span, and of damages those that are not there already.
// Observations that were counted before are replaced, others stay. The model is changed.
func Apply(m *model.Model, incidents []Incident, s Span) (*Applied, error) {
	p, err := periodOf(m.PeriodName())
	if err != nil {
		return nil, err
	}
	if len(incidents) == 0 {
		return nil, fmt.Errorf("there is no incident to count")
	}
	a := &Applied{}
	earliest, latest := extent(incidents)
	if s.From.IsZero() {
		s.From = earliest
	}
	from := p.start(s.From.UTC())
	if s.Until.IsZero() {
		s.Until = s.Today
		if end := p.next(p.start(latest)); end.Before(s.Until) {
			s.Until = end
			a.note("counted up to %s, the end of the period of the latest incident; if everything was noted after that too, the end of that time has to be given (--until)", end.Format(time.DateOnly))
		}
	}
	if !s.Until.After(from) {
		return nil, fmt.Errorf("the span ends at %s, before it begins at %s", s.Until.Format(time.DateOnly), from.Format(time.DateOnly))
	}
	spans, err := p.spans(from, s.Until.UTC())
	if err != nil {
		return nil, err
	}
	a.From, a.To = spans[0].label, spans[len(spans)-1].label
	counts := a.count(m, incidents, spans, p)
	for _, t := range m.Threats {
		c, ok := counts[t.Name]
		if !ok && !has(m, t.Name) {
			continue // nothing is known of it, and nobody asked
		}
		if c == nil {
			c = &counted{numbers: make([]int, len(spans))}
		}
		a.observe(m, t.Name, c, spans, Mark+" "+s.Store)
		damages := a.damages(m, t.Name, c.damages)
		total := 0
		for _, n := range c.numbers {
			total += n
		}
		a.Threats = append(a.Threats, ThreatCount{t.Name, total, damages})
	}
	return a, nil
}

// extent is the time of the earliest and of the latest incident.
func extent(incidents []Incident) (earliest, latest time.Time) {
	for n, i := range incidents {
		at, err := When(i.Time)
		if err != nil {
			continue
		}
		if n == 0 || at.Before(earliest) {
			earliest = at
		}
		if n == 0 || at.After(latest) {
			latest = at
		}
	}
	return earliest, latest
}

func has(m *model.Model, threat string) bool {
	return m.Frequency != nil && slices.ContainsFunc(m.Frequency.Threats, func(t model.ThreatFrequency) bool { return t.Threat == threat })
}

// span is one period, or the part of it that has passed.
type span struct {
	label    string
	from, to time.Time
	exposure float64
}

// counted is what is known of one threat.
type counted struct {
	numbers []int // by span
	damages []float64
}

// count sorts the incidents by threat and period.
func (a *Applied) count(m *model.Model, incidents []Incident, spans []span, p period) map[string]*counted {
	out := map[string]*counted{}
	strange, outside, coarse, foreign := map[string]int{}, 0, 0, map[string]int{}
	begin, end := spans[0].from, spans[len(spans)-1].to
	threats := make(map[string]bool, len(m.Threats))
	for _, t := range m.Threats {
		threats[t.Name] = true
	}
	for _, i := range incidents {
		if !threats[i.Threat] {
			strange[i.Threat] += i.Number()
			continue
		}
		at, err := When(i.Time)
		if err != nil || at.Before(begin) || !at.Before(end) {
			outside += i.Number()
			continue
		}
		if len(i.Time) < p.digits {
			coarse += i.Number()
		}
		c := out[i.Threat]
		if c == nil {
			c = &counted{numbers: make([]int, len(spans))}
			out[i.Threat] = c
		}
		n, _ := slices.BinarySearchFunc(spans, at, func(s span, t time.Time) int {
			switch {
			case t.Before(s.from):
				return 1
			case !t.Before(s.to):
				return -1
			}
			return 0
		})
		c.numbers[n] += i.Number()
		switch {
		case i.Damage == nil || i.Number() > 1: // what several cost together says nothing of one
		case i.Currency != "" && i.Currency != m.CurrencyName():
			foreign[i.Currency]++
		default:
			c.damages = append(c.damages, *i.Damage)
		}
	}
	if len(strange) > 0 {
		names, sum := slices.Sorted(maps.Keys(strange)), 0
		for i, t := range names {
			sum += strange[t]
			names[i] = fmt.Sprintf("%q (%d)", t, strange[t])
		}
		if len(names) > 10 {
			names = append(names[:10], fmt.Sprintf("and %d more", len(names)-10))
		}
		a.note("%d are not counted, for the model has no such threat: %s", sum, strings.Join(names, ", "))
	}
	if outside > 0 {
		a.note("%d lie outside the span", outside)
	}
	if coarse > 0 {
		a.note("%d have a time that is coarser than the period; they count for its first one", coarse)
	}
	for _, c := range slices.Sorted(maps.Keys(foreign)) {
		a.note("%d damages in %s are not taken: the model's currency is %s", foreign[c], c, m.CurrencyName())
	}
	return out
}

func (a *Applied) note(format string, args ...any) {
	a.Notes = append(a.Notes, fmt.Sprintf(format, args...))
}

// observe puts the numbers of a threat among its observations, in the order of their labels.
func (a *Applied) observe(m *model.Model, threat string, c *counted, spans []span, source string) {
	if m.Frequency == nil {
		m.Frequency = &model.Frequency{}
	}
	n := slices.IndexFunc(m.Frequency.Threats, func(t model.ThreatFrequency) bool { return t.Threat == threat })
	if n < 0 {
		n = len(m.Frequency.Threats)
		m.Frequency.Threats = append(m.Frequency.Threats, model.ThreatFrequency{Threat: threat})
	}
	t := &m.Frequency.Threats[n]
	var keep []model.Observation
	given := map[string]bool{}
	for _, o := range t.Observations {
		if !counts(o) {
			keep = append(keep, o)
			given[o.Label] = true
		}
	}
	var added []model.Observation
	for i, s := range spans {
		if given[s.label] {
			a.note("%s: the observation of %s stays as the model has it; the store has %d", threat, s.label, c.numbers[i])
			continue
		}
		o := model.Observation{Count: float64(c.numbers[i]), Label: s.label, Source: source}
		if s.exposure < 1 {
			o.Exposure = s.exposure
		}
		added = append(added, o)
	}
	t.Observations = inOrder(keep, added)
}

// counts reports whether an observation was counted from a store.
func counts(o model.Observation) bool {
	return len(o.Source) >= len(Mark) && o.Source[:len(Mark)] == Mark
}

// inOrder puts what was counted where its label belongs among what the model has: labels of periods are in the order of time.
func inOrder(keep, added []model.Observation) []model.Observation {
	out := make([]model.Observation, 0, len(keep)+len(added))
	for _, k := range keep {
		for len(added) > 0 && k.Label != "" && added[0].Label < k.Label {
			out = append(out, added[0])
			added = added[1:]
		}
		out = append(out, k)
	}
	return append(out, added...)
}

// damages adds the damages that a threat's observations do not have yet.
func (a *Applied) damages(m *model.Model, threat string, found []float64) []float64 {
	if len(found) == 0 {
		return nil
	}
	n := -1
	if m.Damage != nil {
		n = slices.IndexFunc(m.Damage.Threats, func(t model.ThreatDamage) bool { return t.Threat == threat })
	}
	if n < 0 {
		a.note("%s: %d damages are not taken: section damage says nothing of this threat", threat, len(found))
		return nil
	}
	t := &m.Damage.Threats[n]
	if t.Law != "" && t.Law != "normal" && t.Law != "lognormal" {
		a.note("%s: %d damages are not taken: the law %s is given, and does not learn", threat, len(found), t.Law)
		return nil
	}
	there := map[float64]int{}
	for _, d := range t.Observations {
		there[d]++
	}
	var added []float64
	nothing := 0
	for _, d := range found {
		switch {
		case there[d] > 0:
			there[d]--
		case t.Law == "lognormal" && d == 0:
			nothing++
		default:
			added = append(added, d)
		}
	}
	if nothing > 0 {
		a.note("%s: %d damages of 0 are not taken: the law lognormal has none", threat, nothing)
	}
	t.Observations = append(t.Observations, added...)
	return added
}

// period is the unit in which a model counts.
type period struct {
	layout string // of the label
	digits int    // of a time that names one period
	start  func(time.Time) time.Time
	next   func(time.Time) time.Time
}

func day(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, time.UTC) }

func periodOf(name string) (period, error) {
	switch name {
	case "year":
		return period{"2006", 4, func(t time.Time) time.Time { return day(t.Year(), 1, 1) }, func(t time.Time) time.Time { return t.AddDate(1, 0, 0) }}, nil
	case "quarter":
		return period{"2006-01", 7, func(t time.Time) time.Time { return day(t.Year(), (t.Month()-1)/3*3+1, 1) }, func(t time.Time) time.Time { return t.AddDate(0, 3, 0) }}, nil
	case "month":
		return period{"2006-01", 7, func(t time.Time) time.Time { return day(t.Year(), t.Month(), 1) }, func(t time.Time) time.Time { return t.AddDate(0, 1, 0) }}, nil
	case "week":
		return period{time.DateOnly, 10, func(t time.Time) time.Time { return day(t.Year(), t.Month(), t.Day()-(int(t.Weekday())+6)%7) }, func(t time.Time) time.Time { return t.AddDate(0, 0, 7) }}, nil
	case "day":
		return period{time.DateOnly, 10, func(t time.Time) time.Time { return day(t.Year(), t.Month(), t.Day()) }, func(t time.Time) time.Time { return t.AddDate(0, 0, 1) }}, nil
	}
	return period{}, fmt.Errorf("the model's period is %q; incidents are counted by year, quarter, month, week or day", name)
}

// spans parts the time into periods; the last ends at until.
func (p period) spans(from, until time.Time) ([]span, error) {
	var out []span
	for at := from; at.Before(until); at = p.next(at) {
		if len(out) == maxPeriods {
			return nil, fmt.Errorf("from %s to %s there are more than %d periods", from.Format(time.DateOnly), until.Format(time.DateOnly), maxPeriods)
		}
		s := span{label: at.Format(p.layout), from: at, to: p.next(at), exposure: 1}
		if until.Before(s.to) {
			s.exposure = float64(until.Sub(at)) / float64(s.to.Sub(at))
			s.to = until
		}
		out = append(out, s)
	}
	return out, nil
}
