package model

// Coverage is the system of full overlap: threats that are real for objects, and the strength with which means counter them.
type Coverage struct {
	Edges      []Edge     `yaml:"edges" json:"edges"`
	Strengths  []Strength `yaml:"strengths,omitempty" json:"strengths,omitempty"`
	Chosen     []string   `yaml:"chosen,omitempty" json:"chosen,omitempty"`         // the means that are looked at; default: those that are present
	Combine    bool       `yaml:"combine,omitempty" json:"combine,omitempty"`       // several means add up: 1-Π(1-r); only where strengths and weights are probabilities
	Redundancy int        `yaml:"redundancy,omitempty" json:"redundancy,omitempty"` // how many means shall cover each edge; default 1
	Effort     float64    `yaml:"effort,omitempty" json:"effort,omitempty"`         // how many million steps the search for the cheapest cover may take; default 4000
	Barriers   []Barrier  `yaml:"barriers,omitempty" json:"barriers,omitempty"`
	Fuzzy      *Fuzzy     `yaml:"fuzzy,omitempty" json:"fuzzy,omitempty"`
}

// Edge says that a threat is real for an object, and how strong it is.
type Edge struct {
	Threat string  `yaml:"threat" json:"threat"`
	Object string  `yaml:"object" json:"object"`
	Weight float64 `yaml:"weight" json:"weight"`
	Source string  `yaml:"source,omitempty" json:"source,omitempty"`
}

// Strength says how strong a means is against a threat, for one object or for all.
type Strength struct {
	Mean     string  `yaml:"mean" json:"mean"`
	Threat   string  `yaml:"threat" json:"threat"`
	Object   string  `yaml:"object,omitempty" json:"object,omitempty"` // default: every object
	Strength float64 `yaml:"strength" json:"strength"`
	Source   string  `yaml:"source,omitempty" json:"source,omitempty"`
}

// Barrier is an element of the five-tuple of Clements and Hoffman: means against a threat to an object, with the threat's probability, the damage and the resistance.
// A vulnerability without a barrier has no mean and resistance 0.
type Barrier struct {
	Threat      string  `yaml:"threat" json:"threat"`
	Object      string  `yaml:"object" json:"object"`
	Mean        string  `yaml:"mean,omitempty" json:"mean,omitempty"`
	Probability float64 `yaml:"probability" json:"probability"`
	Damage      float64 `yaml:"damage" json:"damage"`
	Resistance  float64 `yaml:"resistance,omitempty" json:"resistance,omitempty"`
	Source      string  `yaml:"source,omitempty" json:"source,omitempty"`
}

// Fuzzy is a rating in words: trapezoids from 0 to 1, four corners each.
type Fuzzy struct {
	Words     map[string][]float64 `yaml:"words" json:"words"`                             // as low: [0, 0, 0.1, 0.3]
	Ratings   []FuzzyRating        `yaml:"ratings" json:"ratings"`                         //
	Threshold float64              `yaml:"threshold,omitempty" json:"threshold,omitempty"` // of importance, for the selective weakest link; default 0.5
	Cuts      []float64            `yaml:"cuts,omitempty" json:"cuts,omitempty"`           // default 0, 0.5, 1
}

// FuzzyRating rates one means against one threat to one object.
type FuzzyRating struct {
	Object     string `yaml:"object,omitempty" json:"object,omitempty"`
	Threat     string `yaml:"threat,omitempty" json:"threat,omitempty"`
	Mean       string `yaml:"mean,omitempty" json:"mean,omitempty"`
	Rating     string `yaml:"rating" json:"rating"`         // a word
	Importance string `yaml:"importance" json:"importance"` // a word
	Source     string `yaml:"source,omitempty" json:"source,omitempty"`
}

// Vulnerability is unauthorised acquisition: components with zones, channels of unauthorised acquisition, violators. For each combination four probabilities have to
// come together in a zone; a table that says nothing of a combination means 0. "*" stands for all. Of several entries for a combination the one with the fewest "*" counts,
// and of equal ones the later.
type Vulnerability struct {
	Components  []Component  `yaml:"components" json:"components"`
	Channels    []Channel    `yaml:"channels,omitempty" json:"channels,omitempty"` // default: the six classes, by the names no-access, no-access-processing, access, access-processing, change, change-processing
	Violators   []Violator   `yaml:"violators" json:"violators"`
	Presence    []ZoneChance `yaml:"presence,omitempty" json:"presence,omitempty"`       // Pd: a violator gets into the zone (component, violator)
	Manifest    []ZoneChance `yaml:"manifest,omitempty" json:"manifest,omitempty"`       // Pk: the channel shows there (component, channel)
	Accessible  []ZoneChance `yaml:"accessible,omitempty" json:"accessible,omitempty"`   // Pn: the violator can use it (component, channel, violator)
	Information []ZoneChance `yaml:"information,omitempty" json:"information,omitempty"` // Pi: protected information is in it (component, channel)
	Base        []BaseChance `yaml:"base,omitempty" json:"base,omitempty"`               // base indicators that are known as such
	Subsets     []Subset     `yaml:"subsets,omitempty" json:"subsets,omitempty"`         // partly generalised indicators that are asked for
	Intervals   int          `yaml:"intervals,omitempty" json:"intervals,omitempty"`     // in how many equal intervals the time falls; default 1
}

// Component is a structural component.
type Component struct {
	Name   string `yaml:"name" json:"name"`
	Title  string `yaml:"title,omitempty" json:"title,omitempty"`
	Source string `yaml:"source,omitempty" json:"source,omitempty"`
}

// Channel is a channel of unauthorised acquisition of information. Its class is 1 to 6: by access (none, without change, with change of elements) and by whether
// it shows only during processing.
type Channel struct {
	Name   string `yaml:"name" json:"name"`
	Title  string `yaml:"title,omitempty" json:"title,omitempty"`
	Class  int    `yaml:"class,omitempty" json:"class,omitempty"`
	Source string `yaml:"source,omitempty" json:"source,omitempty"`
}

// Violator is a category of violators.
type Violator struct {
	Name   string `yaml:"name" json:"name"`
	Title  string `yaml:"title,omitempty" json:"title,omitempty"`
	Count  int    `yaml:"count,omitempty" json:"count,omitempty"` // how many of them; default 1
	Source string `yaml:"source,omitempty" json:"source,omitempty"`
}

// ZoneChance is one probability by zone, from the outermost (1, outside) to the innermost (5, databases).
type ZoneChance struct {
	Component string    `yaml:"component" json:"component"`
	Channel   string    `yaml:"channel,omitempty" json:"channel,omitempty"`
	Violator  string    `yaml:"violator,omitempty" json:"violator,omitempty"`
	P         []float64 `yaml:"p" json:"p"` // five
	Source    string    `yaml:"source,omitempty" json:"source,omitempty"`
}

// BaseChance is a base indicator.
type BaseChance struct {
	Component string  `yaml:"component" json:"component"`
	Channel   string  `yaml:"channel" json:"channel"`
	Violator  string  `yaml:"violator" json:"violator"`
	P         float64 `yaml:"p" json:"p"`
	Source    string  `yaml:"source,omitempty" json:"source,omitempty"`
}

// Subset names components, channels and violators; an empty list means all.
type Subset struct {
	Name       string   `yaml:"name" json:"name"`
	Components []string `yaml:"components,omitempty" json:"components,omitempty"`
	Channels   []string `yaml:"channels,omitempty" json:"channels,omitempty"`
	Violators  []string `yaml:"violators,omitempty" json:"violators,omitempty"`
}

// Integrity is the violation of integrity along a technological route, a graph without cycles.
type Integrity struct {
	Exposure float64     `yaml:"exposure" json:"exposure"`                   // time at each step, in the unit of the rates
	Variant  string      `yaml:"variant,omitempty" json:"variant,omitempty"` // thinned, or one-shot
	Steps    []RouteStep `yaml:"steps" json:"steps"`
}

// RouteStep is an object of the route.
type RouteStep struct {
	Name      string        `yaml:"name" json:"name"`
	After     []string      `yaml:"after,omitempty" json:"after,omitempty"`         // the steps whose output it takes
	Branches  []Branch      `yaml:"branches,omitempty" json:"branches,omitempty"`   // or one of these, with probabilities that sum to 1
	Input     *float64      `yaml:"input,omitempty" json:"input,omitempty"`         // integrity of what comes from outside; default 1
	Exposure  *float64      `yaml:"exposure,omitempty" json:"exposure,omitempty"`   // default: that of the section
	Factors   []RouteFactor `yaml:"factors,omitempty" json:"factors,omitempty"`     //
	Malicious float64       `yaml:"malicious,omitempty" json:"malicious,omitempty"` // probability of a malicious violation here
	Subset    string        `yaml:"subset,omitempty" json:"subset,omitempty"`       // or: the subset of section vulnerability whose indicator it is
	Local     *float64      `yaml:"local,omitempty" json:"local,omitempty"`         // probability of a violation here, where it is known as such
	Source    string        `yaml:"source,omitempty" json:"source,omitempty"`
}

// Branch is an alternative way into a step.
type Branch struct {
	After       string  `yaml:"after" json:"after"`
	Probability float64 `yaml:"probability" json:"probability"`
}

// RouteFactor is a random factor with its rate and the effectiveness of what protects from it.
type RouteFactor struct {
	Name          string  `yaml:"name" json:"name"`
	Rate          float64 `yaml:"rate" json:"rate"`
	Effectiveness float64 `yaml:"effectiveness,omitempty" json:"effectiveness,omitempty"`
	Source        string  `yaml:"source,omitempty" json:"source,omitempty"`
}

// Copying is unauthorised multiplication: where it is developed, where it is used, and by third parties.
type Copying struct {
	Development       float64        `yaml:"development,omitempty" json:"development,omitempty"`               // P_dev
	DevelopmentSubset string         `yaml:"development_subset,omitempty" json:"development_subset,omitempty"` // or: the subset of section vulnerability whose indicator it is
	Use               float64        `yaml:"use,omitempty" json:"use,omitempty"`                               // P_asod
	UseSubset         string         `yaml:"use_subset,omitempty" json:"use_subset,omitempty"`                 // or: the subset of section vulnerability whose indicator it is
	Third             []Organisation `yaml:"third,omitempty" json:"third,omitempty"`
	Source            string         `yaml:"source,omitempty" json:"source,omitempty"`
}

// Organisation is a third party that gets the information legally or illegally, and copies it by one method or another.
type Organisation struct {
	Name      string  `yaml:"name" json:"name"`
	Legal     Receipt `yaml:"legal,omitempty" json:"legal,omitempty"`
	Illegal   Receipt `yaml:"illegal,omitempty" json:"illegal,omitempty"`
	Exclusive bool    `yaml:"exclusive,omitempty" json:"exclusive,omitempty"` // it gets it in one way or the other, not in both
	Source    string  `yaml:"source,omitempty" json:"source,omitempty"`
}

// Receipt is a way to get the information, and the methods that lead to a copy.
type Receipt struct {
	Get     float64   `yaml:"get,omitempty" json:"get,omitempty"`
	Methods []float64 `yaml:"methods,omitempty" json:"methods,omitempty"` // probabilities of success
	Costs   []float64 `yaml:"costs,omitempty" json:"costs,omitempty"`     // or what methods cost, in the currency: they succeed with 1-exp(-budget/cost)
	Budget  float64   `yaml:"budget,omitempty" json:"budget,omitempty"`   // what who copies can spend on each of these
}
