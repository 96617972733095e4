package probe

import (
	"cmp"
	"maps"
	"slices"
	"sort"
	"time"
)

// Result is what a probe found. Times count from Began.
type Result struct {
	Address string        `json:"address"`
	Began   time.Time     `json:"began"`
	Took    time.Duration `json:"took"`
	Every   time.Duration `json:"every"`
	// Sources have the counts and the gaps by where was asked from; the first is the client.
	Sources []View `json:"sources"`
	// Answerers have the stretches in which each was heard, by anybody, the first heard first.
	Answerers []Answerer `json:"answerers"`
	// Double is set when two answerers were heard in turns too fast for the service to have moved.
	Double *Double `json:"double"`
	// Attempts are all of them, in the order of their ends.
	Attempts []Attempt `json:"-"`
}

// View is what one source saw.
type View struct {
	Source   string         `json:"source"`
	Attempts int            `json:"attempts"`
	Answered int            `json:"answered"`
	Errors   map[string]int `json:"errors"`  // by kind
	Skipped  int            `json:"skipped"` // not made, because too many were outstanding
	Longest  *Gap           `json:"longestGap"`
	First    *Attempt       `json:"firstAnswer"`
	Last     *Attempt       `json:"lastAnswer"`
}

// Gap is a time without an answer: from the end of one answered attempt to the end of the next.
type Gap struct {
	From   time.Duration `json:"from"`
	To     time.Duration `json:"to"`
	Length time.Duration `json:"length"`
	Before string        `json:"before"`         // who answered last; empty: nobody yet
	After  string        `json:"after"`          // who answered then
	Open   bool          `json:"open,omitempty"` // nobody did until the end of the probe
}

// Answerer is somebody who answered.
type Answerer struct {
	Name      string    `json:"name"`
	Answers   int       `json:"answers"`
	Stretches []Stretch `json:"stretches"`
}

// Stretch is a time in which an answerer was heard without a pause.
type Stretch struct {
	First   time.Duration `json:"first"`
	Last    time.Duration `json:"last"`
	Answers int           `json:"answers"`
}

// Double says that two served at once.
type Double struct {
	A     string        `json:"a"`
	B     string        `json:"b"`
	First time.Duration `json:"first"` // the first and the last answer that prove it
	Last  time.Duration `json:"last"`
	Times int           `json:"times"` // how many answers of one lie between two of the other
}

// Window is how fast a service can not move away and back: an answer of B between two of A closer together than this means that A and B
// served at once.
const Window = time.Second

// Outage is the longest gap that the client saw; the zero Gap when it got an answer each time or never.
func (r *Result) Outage() Gap {
	if len(r.Sources) == 0 || r.Sources[0].Longest == nil {
		return Gap{}
	}
	return *r.Sources[0].Longest
}

func analyse(r *run, took time.Duration) *Result {
	slices.SortStableFunc(r.all, func(a, b Attempt) int { return cmp.Compare(a.End, b.End) })
	res := &Result{Address: r.o.Address, Began: r.began, Took: took, Every: r.o.Every, Attempts: r.all}
	for i, s := range r.o.Sources {
		res.Sources = append(res.Sources, view(s.Name, r.all, took, r.skipped[i]))
	}
	res.Answerers = answerers(r.all, max(10*r.o.Every, 100*time.Millisecond))
	res.Double = double(r.all)
	return res
}

func view(source string, all []Attempt, took time.Duration, skipped int) View {
	v := View{Source: source, Skipped: skipped, Errors: map[string]int{}}
	longest := func(g Gap) {
		g.Length = g.To - g.From
		if v.Longest == nil || g.Length > v.Longest.Length {
			v.Longest = &g
		}
	}
	for _, a := range all {
		if a.Source != source {
			continue
		}
		v.Attempts++
		if a.Answer == "" {
			v.Errors[a.Error]++
			continue
		}
		v.Answered++
		if v.First == nil {
			v.First = &a
		} else {
			longest(Gap{From: v.Last.End, To: a.End, Before: v.Last.Answer, After: a.Answer})
		}
		v.Last = &a
	}
	if v.Last != nil && took > v.Last.End {
		longest(Gap{From: v.Last.End, To: took, Before: v.Last.Answer, Open: true})
	}
	return v
}

// answerers finds the stretches of each answerer; a pause longer than pause ends one.
func answerers(all []Attempt, pause time.Duration) []Answerer {
	found := []Answerer{}
	index := map[string]int{}
	for _, a := range all {
		if a.Answer == "" {
			continue
		}
		i, known := index[a.Answer]
		if !known {
			i = len(found)
			index[a.Answer] = i
			found = append(found, Answerer{Name: a.Answer})
		}
		f := &found[i]
		f.Answers++
		if n := len(f.Stretches); n > 0 && a.End-f.Stretches[n-1].Last <= pause {
			f.Stretches[n-1].Last = a.End
			f.Stretches[n-1].Answers++
			continue
		}
		f.Stretches = append(f.Stretches, Stretch{First: a.End, Last: a.End, Answers: 1})
	}
	return found
}

// double looks for answers of one that lie between two answers of another closer together than Window. Only attempts that do not overlap
// are compared: of two that do, nobody knows which was served first.
func double(all []Attempt) *Double {
	by := map[string]*times{}
	for _, a := range all {
		if a.Answer == "" {
			continue
		}
		if by[a.Answer] == nil {
			by[a.Answer] = &times{}
		}
		by[a.Answer].add(a)
	}
	for _, t := range by {
		slices.Sort(t.starts)
	}
	names := slices.Sorted(maps.Keys(by))
	var d *Double
	for _, a := range all {
		if a.Answer == "" {
			continue
		}
		for _, other := range names {
			if other == a.Answer || !by[other].around(a) {
				continue
			}
			if d == nil {
				d = &Double{A: min(a.Answer, other), B: max(a.Answer, other), First: a.Start}
			}
			d.Last = a.End
			d.Times++
			break
		}
	}
	return d
}

// times are the starts and the ends of somebody's answers, each sorted.
type times struct{ starts, ends []time.Duration }

func (t *times) add(a Attempt) {
	t.starts = append(t.starts, a.Start)
	t.ends = append(t.ends, a.End)
}

// around reports whether answers of these lie closely before and after the attempt.
func (t *times) around(a Attempt) bool {
	before := sort.Search(len(t.ends), func(i int) bool { return t.ends[i] > a.Start })
	after := sort.Search(len(t.starts), func(i int) bool { return t.starts[i] >= a.End })
	return before > 0 && after < len(t.starts) && t.starts[after]-t.ends[before-1] < Window
}
