package model

// Frequency says how often threats come true: a prior and what was observed, by threat (formulas 3.3 to 3.9).
type Frequency struct {
	Horizon    *float64          `yaml:"horizon,omitempty" json:"horizon,omitempty"`         // how far to look ahead, in periods; default 1. At 0 nothing has happened yet
	Forgetting float64           `yaml:"forgetting,omitempty" json:"forgetting,omitempty"`   // weight that an observation loses with each period of age, 0 to 1; default 0: none
	ChooseBy   string            `yaml:"choose_by,omitempty" json:"choose_by,omitempty"`     // given, or held-back: the forgetting is chosen by how well earlier periods foretell later ones
	YearEffect bool              `yaml:"year_effect,omitempty" json:"year_effect,omitempty"` // periods differ among each other by more than chance
	Quantiles  []float64         `yaml:"quantiles,omitempty" json:"quantiles,omitempty"`     // levels to report; default 0.05, 0.5, 0.95
	Threats    []ThreatFrequency `yaml:"threats" json:"threats"`
}

// ThreatFrequency is what is known of how often one threat comes true.
type ThreatFrequency struct {
	Threat       string        `yaml:"threat" json:"threat"`
	Prior        *Gamma        `yaml:"prior,omitempty" json:"prior,omitempty"` // default: Jeffreys' (0.5, nearly 0)
	Observations []Observation `yaml:"observations,omitempty" json:"observations,omitempty"`
	Source       string        `yaml:"source,omitempty" json:"source,omitempty"`
}

// Gamma is a gamma distribution of the mean number per period: shape a, rate b in periods.
type Gamma struct {
	A float64 `yaml:"a" json:"a"`
	B float64 `yaml:"b" json:"b"`
}

// Observation is a number of manifestations in a span of time. They stand in the order of time.
type Observation struct {
	Count    float64 `yaml:"count" json:"count"`
	Exposure float64 `yaml:"exposure,omitempty" json:"exposure,omitempty"` // periods; default 1
	Label    string  `yaml:"label,omitempty" json:"label,omitempty"`       // as 2024
	Source   string  `yaml:"source,omitempty" json:"source,omitempty"`
}

// Damage says what threats cost when they come true.
type Damage struct {
	Threats []ThreatDamage `yaml:"threats" json:"threats"`
}

// ThreatDamage is what is known of the damage of one manifestation of a threat. The law is one of normal (normal-gamma conjugate, formulas 3.10 to 3.13; the default),
// lognormal (normal-gamma on the logarithm: the mean is infinite, so a maximum is required), fixed-lognormal, pareto (with a shape of 1 or less a maximum is required too), table.
type ThreatDamage struct {
	Threat       string       `yaml:"threat" json:"threat"`
	Law          string       `yaml:"law,omitempty" json:"law,omitempty"`
	Prior        *NormalGamma `yaml:"prior,omitempty" json:"prior,omitempty"`
	Observations []float64    `yaml:"observations,omitempty" json:"observations,omitempty"` // single damages
	Mu           float64      `yaml:"mu,omitempty" json:"mu,omitempty"`                     // fixed-lognormal: mean of the logarithm
	Sigma        float64      `yaml:"sigma,omitempty" json:"sigma,omitempty"`               // fixed-lognormal: its standard deviation
	Minimum      float64      `yaml:"minimum,omitempty" json:"minimum,omitempty"`           // pareto: the least damage
	Shape        float64      `yaml:"shape,omitempty" json:"shape,omitempty"`               // pareto; where it is not above 1, a maximum is required
	Table        []Amount     `yaml:"table,omitempty" json:"table,omitempty"`               // table: damages and their probabilities
	Maximum      float64      `yaml:"maximum,omitempty" json:"maximum,omitempty"`           // the most that one manifestation can cost; 0: not bounded
	Source       string       `yaml:"source,omitempty" json:"source,omitempty"`
}

// NormalGamma is the prior of a normal damage with unknown mean and precision: either m, kappa, alpha, beta, or the same by the names of Raiffa and Schlaifer:
// m, n = kappa, nu = 2 alpha, v = beta/alpha.
type NormalGamma struct {
	M     float64 `yaml:"m" json:"m"`
	Kappa float64 `yaml:"kappa,omitempty" json:"kappa,omitempty"`
	Alpha float64 `yaml:"alpha,omitempty" json:"alpha,omitempty"`
	Beta  float64 `yaml:"beta,omitempty" json:"beta,omitempty"`
	N     float64 `yaml:"n,omitempty" json:"n,omitempty"`
	Nu    float64 `yaml:"nu,omitempty" json:"nu,omitempty"`
	V     float64 `yaml:"v,omitempty" json:"v,omitempty"`
}

// Amount is one damage of a table.
type Amount struct {
	Amount      float64 `yaml:"amount" json:"amount"`
	Probability float64 `yaml:"probability" json:"probability"`
}

// Losses says how the distribution of the total loss is computed, and what it is held against.
type Losses struct {
	Error      float64     `yaml:"error,omitempty" json:"error,omitempty"`           // wanted relative half width of the bracket of the quantiles; default 1e-3
	Quantiles  []float64   `yaml:"quantiles,omitempty" json:"quantiles,omitempty"`   // default 0.5, 0.9, 0.95, 0.99, 0.999
	Simulation *Simulation `yaml:"simulation,omitempty" json:"simulation,omitempty"` // needed for dependence, limits and insurance
	Dependence *Dependence `yaml:"dependence,omitempty" json:"dependence,omitempty"`
	Limits     []Limit     `yaml:"limits,omitempty" json:"limits,omitempty"`
	Insurance  []Layer     `yaml:"insurance,omitempty" json:"insurance,omitempty"`
	Tolerance  []Tolerance `yaml:"tolerance,omitempty" json:"tolerance,omitempty"` // the owner's: how likely a loss may be at most
}

// Simulation is how the extensions are drawn.
type Simulation struct {
	Trials int    `yaml:"trials,omitempty" json:"trials,omitempty"` // default 100000
	Seed   uint64 `yaml:"seed,omitempty" json:"seed,omitempty"`
}

// Dependence says how threats come together. The kind is shock (a common factor on all frequencies), gaussian or t (a copula of the threats' losses).
type Dependence struct {
	Kind        string   `yaml:"kind" json:"kind"`
	Correlation float64  `yaml:"correlation,omitempty" json:"correlation,omitempty"` // gaussian, t: between any two of the threats, 0 to 1
	Freedom     float64  `yaml:"freedom,omitempty" json:"freedom,omitempty"`         // t: degrees of freedom
	Shape       float64  `yaml:"shape,omitempty" json:"shape,omitempty"`             // shock: the common factor is gamma with mean 1 and this shape
	Threats     []string `yaml:"threats,omitempty" json:"threats,omitempty"`         // default: all
}

// Limit bounds the losses of a threat.
type Limit struct {
	Threat     string  `yaml:"threat" json:"threat"`
	Deductible float64 `yaml:"deductible,omitempty" json:"deductible,omitempty"` // taken off the period's loss
	Cap        float64 `yaml:"cap,omitempty" json:"cap,omitempty"`               // on the period's loss; 0: none
	Source     string  `yaml:"source,omitempty" json:"source,omitempty"`
}

// Layer is an insurance of the total loss of the horizon: what exceeds the attachment, up to the limit, by the share.
type Layer struct {
	Name       string  `yaml:"name,omitempty" json:"name,omitempty"`
	Attachment float64 `yaml:"attachment" json:"attachment"`
	Limit      float64 `yaml:"limit" json:"limit"`
	Share      float64 `yaml:"share,omitempty" json:"share,omitempty"` // default 1
	Premium    float64 `yaml:"premium,omitempty" json:"premium,omitempty"`
	Source     string  `yaml:"source,omitempty" json:"source,omitempty"`
}

// Tolerance is a point of the owner's curve.
type Tolerance struct {
	Loss        float64 `yaml:"loss" json:"loss"`
	Probability float64 `yaml:"probability" json:"probability"`
}
