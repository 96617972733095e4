// Package model is the model file of the assessor: what is known about a system and its protection, section by section. It holds the shapes, reads them from YAML,
// and finds what is wrong with them. It computes nothing.
//
// Conventions: probabilities and shares are numbers from 0 to 1; money is in the model's currency; times and frequencies are in its period, a year unless it says
// otherwise. Every entry may name the source it comes from, and reports repeat it. Names refer to entries of `objects`, `threats` and `means`.
package model

// Version is the version of the format that this package reads.
const Version = 1

// Model is a whole model file. Every section is optional.
type Model struct {
	Version  int    `yaml:"version" json:"version"`                       // version of the format: 1
	Title    string `yaml:"title,omitempty" json:"title,omitempty"`       // what the report is called
	System   string `yaml:"system,omitempty" json:"system,omitempty"`     // the system that is assessed
	Owner    string `yaml:"owner,omitempty" json:"owner,omitempty"`       // who answers for it
	Date     string `yaml:"date,omitempty" json:"date,omitempty"`         // the day on which the model describes the system, as 2026-11-28
	Currency string `yaml:"currency,omitempty" json:"currency,omitempty"` // of all amounts; default USD
	Period   string `yaml:"period,omitempty" json:"period,omitempty"`     // of all frequencies; default year
	Source   string `yaml:"source,omitempty" json:"source,omitempty"`     // where the model as a whole comes from

	Objects []Object `yaml:"objects,omitempty" json:"objects,omitempty"` // what is protected
	Threats []Threat `yaml:"threats,omitempty" json:"threats,omitempty"` // what it is protected from
	Means   []Mean   `yaml:"means,omitempty" json:"means,omitempty"`     // what it is protected with

	Frequency     *Frequency     `yaml:"frequency,omitempty" json:"frequency,omitempty"`         // how often threats come true
	Damage        *Damage        `yaml:"damage,omitempty" json:"damage,omitempty"`               // what they cost when they do
	Losses        *Losses        `yaml:"losses,omitempty" json:"losses,omitempty"`               // how the total is computed
	IBM           *IBM           `yaml:"ibm,omitempty" json:"ibm,omitempty"`                     // expected loss by orders of magnitude
	Costs         *Costs         `yaml:"costs,omitempty" json:"costs,omitempty"`                 // what protection costs and what it saves
	Game          *Game          `yaml:"game,omitempty" json:"game,omitempty"`                   // attacker and defender
	Coverage      *Coverage      `yaml:"coverage,omitempty" json:"coverage,omitempty"`           // which means stands between which threat and which object
	Vulnerability *Vulnerability `yaml:"vulnerability,omitempty" json:"vulnerability,omitempty"` // unauthorised acquisition through zones and channels
	Integrity     *Integrity     `yaml:"integrity,omitempty" json:"integrity,omitempty"`         // violation of integrity along a technological route
	Copying       *Copying       `yaml:"copying,omitempty" json:"copying,omitempty"`             // unauthorised multiplication
	Access        *Access        `yaml:"access,omitempty" json:"access,omitempty"`               // decisions of ADEPT-50 and of Hartson's five-dimensional space
	Codes         *Codes         `yaml:"codes,omitempty" json:"codes,omitempty"`                 // access codes of a hierarchy
}

// Object is something that is protected.
type Object struct {
	Name   string  `yaml:"name" json:"name"`
	Title  string  `yaml:"title,omitempty" json:"title,omitempty"`
	Kind   string  `yaml:"kind,omitempty" json:"kind,omitempty"`   // free: database, service, node, ...
	Value  float64 `yaml:"value,omitempty" json:"value,omitempty"` // what its loss costs, in the currency
	Source string  `yaml:"source,omitempty" json:"source,omitempty"`
}

// Threat is something that may happen to objects.
type Threat struct {
	Name   string `yaml:"name" json:"name"`
	Title  string `yaml:"title,omitempty" json:"title,omitempty"`
	Kind   string `yaml:"kind,omitempty" json:"kind,omitempty"` // free: failure, disaster, malicious, ...
	Source string `yaml:"source,omitempty" json:"source,omitempty"`
}

// Mean is a means of protection.
type Mean struct {
	Name    string             `yaml:"name" json:"name"`
	Title   string             `yaml:"title,omitempty" json:"title,omitempty"`
	Kind    string             `yaml:"kind,omitempty" json:"kind,omitempty"`
	Cost    float64            `yaml:"cost,omitempty" json:"cost,omitempty"`       // per period
	Present bool               `yaml:"present,omitempty" json:"present,omitempty"` // it is in place already
	Reduces map[string]float64 `yaml:"reduces,omitempty" json:"reduces,omitempty"` // by threat: the share of its expected loss that this means takes away
	Source  string             `yaml:"source,omitempty" json:"source,omitempty"`
}

// CurrencyName is the currency, or its default.
func (m *Model) CurrencyName() string { return either(m.Currency, "USD") }

// PeriodName is the period, or its default.
func (m *Model) PeriodName() string { return either(m.Period, "year") }

func either(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// FindThreat finds a threat by name.
func (m *Model) FindThreat(name string) (Threat, bool) {
	return find(m.Threats, name, func(t Threat) string { return t.Name })
}

// FindObject finds an object by name.
func (m *Model) FindObject(name string) (Object, bool) {
	return find(m.Objects, name, func(o Object) string { return o.Name })
}

// FindMean finds a means by name.
func (m *Model) FindMean(name string) (Mean, bool) {
	return find(m.Means, name, func(x Mean) string { return x.Name })
}

func find[T any](all []T, name string, of func(T) string) (found T, ok bool) {
	for _, x := range all {
		if of(x) == name {
			return x, true
		}
	}
	return found, false
}
