// Package catalogue is what can happen to a cluster, what stands against it, and who could bring it about: the knowledge that `redoubt assess live` puts beside what a
// cluster says of itself. It comes as a file that is shipped with the program and can be edited; every entry names its source.
package catalogue

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"slices"

	"go.yaml.in/yaml/v3"
)

// Version is the version of the format that this package reads.
const Version = 1

//go:embed catalogue.yaml
var shipped []byte

// Text is the catalogue that comes with the program, as a file to edit.
func Text() []byte { return bytes.Clone(shipped) }

// Shipped is the catalogue that comes with the program.
func Shipped() (*Catalogue, error) { return Read(bytes.NewReader(shipped)) }

// Catalogue is a whole catalogue.
type Catalogue struct {
	Version    int         `yaml:"version"`
	Date       string      `yaml:"date"`
	Source     string      `yaml:"source"`
	Prices     Prices      `yaml:"prices"`
	Zones      []string    `yaml:"zones"` // five, the outermost first
	Threats    []Threat    `yaml:"threats"`
	Means      []Mean      `yaml:"means"`
	Components []Component `yaml:"components"`
	Channels   []Channel   `yaml:"channels"`
	Violators  []Violator  `yaml:"violators"`
	Shows      []Shows     `yaml:"shows"`
	Usable     []Usable    `yaml:"usable"`
}

// Words is a text by language.
type Words struct {
	EN string `yaml:"en"`
	RU string `yaml:"ru"`
}

// In is the text in a language, or in English where there is none.
func (w Words) In(lang string) string {
	if lang == "ru" && w.RU != "" {
		return w.RU
	}
	return w.EN
}

// Prices turn hours into money. Both have to be given, or none.
type Prices struct {
	Currency   string  `yaml:"currency"`
	OutageHour float64 `yaml:"outage_hour"`
	WorkHour   float64 `yaml:"work_hour"`
}

// Given reports whether hours can be turned into money.
func (p Prices) Given() bool { return p.OutageHour > 0 && p.WorkHour > 0 }

// Threat is something that may happen to a cluster.
type Threat struct {
	Name      string   `yaml:"name"`
	Title     Words    `yaml:"title"`
	Kind      string   `yaml:"kind"`      // failure or malicious
	Violators []string `yaml:"violators"` // who could bring it about
	Objects   []string `yaml:"objects"`   // the kinds of objects that it is real for: ObjectKinds
	Weight    float64  `yaml:"weight"`    // how strong it is, 0 to 1
	Frequency struct {
		A float64 `yaml:"a"`
		B float64 `yaml:"b"` // years
	} `yaml:"frequency"`
	Damage  *Damage  `yaml:"damage"`
	Mark    string   `yaml:"mark"`
	Source  string   `yaml:"source"`
	Observe *Observe `yaml:"observe"`
}

// Damage is how long an outage by a threat lasts: half of them less than the median, the logarithm spreads by Spread.
type Damage struct {
	MedianHours  float64 `yaml:"median_hours"`
	Spread       float64 `yaml:"spread"` // standard deviation of the natural logarithm
	MaximumHours float64 `yaml:"maximum_hours"`
	Work         bool    `yaml:"work"` // the hours are of people who look into it, not of outage: they count only where they have a price
}

// Observe says by which entries of the cluster's log a threat is seen to have come true. One of the three is given.
type Observe struct {
	Events   *Events   `yaml:"events"`
	Commands *Commands `yaml:"commands"`
	Outages  bool      `yaml:"outages"` // a group that was online was so on no node, without a command that wanted it
}

// Events picks events of the log. With Down and Up each way from up to down counts once for each object; one that begins in an Initial state is new and was never up.
type Events struct {
	Kind    string   `yaml:"kind"`
	States  []string `yaml:"states"`
	Text    []string `yaml:"text"` // one of these is in it
	NotText []string `yaml:"not_text"`
	Down    []string `yaml:"down"`
	Up      []string `yaml:"up"`
	Initial []string `yaml:"initial"`
}

// Commands picks commands of the log by how they ended and by operation.
type Commands struct {
	States     []string `yaml:"states"`
	Operations []string `yaml:"operations"` // empty: all
	Except     []string `yaml:"except"`
}

// Mean is a means of protection that a cluster has or has not.
type Mean struct {
	Name      string             `yaml:"name"`
	Title     Words              `yaml:"title"`
	Checks    []string           `yaml:"checks"` // of `redoubt cluster check`
	Facts     []string           `yaml:"facts"`  // Facts
	Work      float64            `yaml:"work"`   // hours in a year
	Strengths map[string]float64 `yaml:"strengths"`
	Mark      string             `yaml:"mark"`
	Source    string             `yaml:"source"`
	Remedy    string             `yaml:"remedy"`
}

// Component is a way into the cluster.
type Component struct {
	Name   string `yaml:"name"`
	Title  Words  `yaml:"title"`
	Source string `yaml:"source"`
}

// Channel is a channel of unauthorised acquisition with its class, 1 to 6.
type Channel struct {
	Name   string `yaml:"name"`
	Title  Words  `yaml:"title"`
	Class  int    `yaml:"class"`
	Source string `yaml:"source"`
}

// Violator is a category of violators, with the probability of getting into each zone.
type Violator struct {
	Name     string    `yaml:"name"`
	Title    Words     `yaml:"title"`
	Presence []float64 `yaml:"presence"`
}

// Shows says how a channel shows itself in components, by zone.
type Shows struct {
	Channel     string    `yaml:"channel"`
	Components  []string  `yaml:"components"`
	Manifest    []float64 `yaml:"manifest"`
	Information []float64 `yaml:"information"`
}

// Usable says whether violators can use a channel, by zone, and which share of that each means leaves.
type Usable struct {
	Channel   string             `yaml:"channel"`
	Violators []string           `yaml:"violators"`
	P         []float64          `yaml:"p"`
	Left      map[string]float64 `yaml:"left"`
}

// ObjectKinds are the kinds of objects of a cluster.
var ObjectKinds = []string{"group", "resource", "node", "secret", "repository", "log"}

// Facts are what a means may rest on beside checks.
var Facts = []string{"resource-security", "quorum-margin", "groups-spread", "resources-monitored", "log-verified", "log-forwarded", "rights-known"}

// marks are those that an entry may carry.
var marks = []string{"C", "L", "M", "R"}

// Bounds of a catalogue.
const (
	maxSize    = 1 << 20
	maxEntries = 1000
)

// Read reads a catalogue and finds everything that is wrong with it.
func Read(r io.Reader) (*Catalogue, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxSize+1))
	if err != nil {
		return nil, fmt.Errorf("read the catalogue: %w", err)
	}
	if len(text) > maxSize {
		return nil, fmt.Errorf("the catalogue is larger than %d KiB", maxSize>>10)
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	var c Catalogue
	if err := d.Decode(&c); err != nil {
		return nil, fmt.Errorf("the catalogue can not be read: %w", err)
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("the catalogue is more than one YAML document; want one")
	}
	if err := errors.Join(c.check()...); err != nil {
		return nil, fmt.Errorf("the catalogue is wrong: %w", err)
	}
	return &c, nil
}

// faults collects what is wrong.
type faults struct{ list []error }

func (f *faults) bad(format string, args ...any) {
	f.list = append(f.list, fmt.Errorf(format, args...))
}

func (f *faults) share(at string, v float64) {
	if !(v >= 0 && v <= 1) {
		f.bad("%s: %v is not between 0 and 1", at, v)
	}
}

// zones notes probabilities that are not five shares.
func (f *faults) zones(at string, p []float64) {
	if len(p) != 5 {
		f.bad("%s: %d probabilities; want 5, one for each zone from the outermost", at, len(p))
	}
	for i, v := range p {
		f.share(fmt.Sprintf("%s[%d]", at, i), v)
	}
}

// unique notes names that are missing or occur twice, and gives them.
func (f *faults) unique(what string, names []string) []string {
	if len(names) > maxEntries {
		f.bad("%s: %d entries, more than the %d allowed", what, len(names), maxEntries)
	}
	seen := map[string]bool{}
	for i, n := range names {
		if n == "" {
			f.bad("%s[%d] has no name", what, i)
		} else if seen[n] {
			f.bad("%s[%d]: %q is there twice", what, i, n)
		}
		seen[n] = true
	}
	return names
}

// among notes words that are none of those known.
func (f *faults) among(at string, words, known []string) {
	for _, w := range words {
		if !slices.Contains(known, w) {
			f.bad("%s: %q is none of %q", at, w, known)
		}
	}
}

// entry notes an entry without a source or with a mark that is none.
func (f *faults) entry(at, source, mark string) {
	if source == "" {
		f.bad("%s: it names no source", at)
	}
	f.among(at+".mark", []string{mark}, marks)
}
