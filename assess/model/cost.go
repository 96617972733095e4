package model

// IBM is the expected loss by orders of magnitude: frequency S and damage V from 0 to 7 each (formulas 3.1, 3.2).
type IBM struct {
	Scale   string      `yaml:"scale,omitempty" json:"scale,omitempty"` // ibm, or courtney
	Threats []IBMThreat `yaml:"threats" json:"threats"`
}

// IBMThreat rates one threat: by grades, or by the frequency per period and the damage from which the grades follow.
type IBMThreat struct {
	Threat    string   `yaml:"threat" json:"threat"`
	S         *int     `yaml:"S,omitempty" json:"S,omitempty"`
	V         *int     `yaml:"V,omitempty" json:"V,omitempty"`
	Frequency *float64 `yaml:"frequency,omitempty" json:"frequency,omitempty"`
	Damage    *float64 `yaml:"damage,omitempty" json:"damage,omitempty"`
	Source    string   `yaml:"source,omitempty" json:"source,omitempty"`
}

// Costs is what protection costs and what it saves. Discrete measures are those of section means that say what they reduce.
type Costs struct {
	Curve  *Curve   `yaml:"curve,omitempty" json:"curve,omitempty"`
	Losses string   `yaml:"losses,omitempty" json:"losses,omitempty"` // what the measures reduce: ibm, or losses (the expected losses of section losses)
	Budget *float64 `yaml:"budget,omitempty" json:"budget,omitempty"` // the most that the measures may cost; default: not bounded
	Source string   `yaml:"source,omitempty" json:"source,omitempty"`
}

// Curve is the expected loss as a function of what is spent. The kind is exponential: loss*exp(-k*c); hyperbola: b/c; expression: a formula in c, or in the level of
// protection q with its cost.
type Curve struct {
	Kind       string             `yaml:"kind" json:"kind"`
	Loss       float64            `yaml:"loss,omitempty" json:"loss,omitempty"`
	K          float64            `yaml:"k,omitempty" json:"k,omitempty"`
	B          float64            `yaml:"b,omitempty" json:"b,omitempty"`
	Expression string             `yaml:"expression,omitempty" json:"expression,omitempty"` // of c, or of q
	Cost       string             `yaml:"cost,omitempty" json:"cost,omitempty"`             // of q; with it the expression is of q too
	Parameters map[string]float64 `yaml:"parameters,omitempty" json:"parameters,omitempty"`
	Maximum    float64            `yaml:"maximum,omitempty" json:"maximum,omitempty"` // of c or q; default: for c what is lost without protection, for q 1
	Source     string             `yaml:"source,omitempty" json:"source,omitempty"`
}

// Game is the attacker who spends x and the defender who spends y (formulas 3.16 to 3.18), given by expressions, by matrices, or by a file of gambit.
type Game struct {
	Information string             `yaml:"information,omitempty" json:"information,omitempty"` // I(x, y): what the attacker gets
	Gain        string             `yaml:"gain,omitempty" json:"gain,omitempty"`               // f(I): what it is worth to him
	Loss        string             `yaml:"loss,omitempty" json:"loss,omitempty"`               // g(I): what it costs the defender
	Parameters  map[string]float64 `yaml:"parameters,omitempty" json:"parameters,omitempty"`
	MaxAttack   float64            `yaml:"max_attack,omitempty" json:"max_attack,omitempty"`   // default: what the information is worth to the attacker at most
	MaxDefence  float64            `yaml:"max_defence,omitempty" json:"max_defence,omitempty"` // default: what it costs the defender at most
	Matrix      *Matrix            `yaml:"matrix,omitempty" json:"matrix,omitempty"`
	NFG         string             `yaml:"nfg,omitempty" json:"nfg,omitempty"` // the text of a two-player .nfg file
	Source      string             `yaml:"source,omitempty" json:"source,omitempty"`
}

// Matrix is a game in normal form. Rows are the attacker's strategies, columns the defender's.
type Matrix struct {
	Rows     []string    `yaml:"rows,omitempty" json:"rows,omitempty"`
	Columns  []string    `yaml:"columns,omitempty" json:"columns,omitempty"`
	Attacker [][]float64 `yaml:"attacker" json:"attacker"`                     // what the attacker gains
	Defender [][]float64 `yaml:"defender,omitempty" json:"defender,omitempty"` // what the defender gains; without it the game is zero-sum
}
