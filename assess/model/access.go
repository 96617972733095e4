package model

// Access holds requests and what decides them.
type Access struct {
	Adept   *Adept   `yaml:"adept50,omitempty" json:"adept50,omitempty"`
	Hartson *Hartson `yaml:"hartson,omitempty" json:"hartson,omitempty"`
}

// Adept is the model ADEPT-50: profiles of users, terminals and files.
type Adept struct {
	Mode      string         `yaml:"mode,omitempty" json:"mode,omitempty"`     // strict: all modes of the file; request: the mode that is asked for
	Levels    []string       `yaml:"levels,omitempty" json:"levels,omitempty"` // names of the levels from the lowest, 0; profiles may use numbers
	Users     []AdeptProfile `yaml:"users" json:"users"`
	Terminals []AdeptProfile `yaml:"terminals" json:"terminals"`
	Files     []AdeptProfile `yaml:"files" json:"files"`
	Requests  []AdeptRequest `yaml:"requests" json:"requests"`
}

// AdeptProfile is the four-tuple of authority, category, franchise and mode.
type AdeptProfile struct {
	Name       string   `yaml:"name" json:"name"`
	Authority  string   `yaml:"authority" json:"authority"`                       // a name of a level, or its number
	Categories []string `yaml:"categories,omitempty" json:"categories,omitempty"` //
	Franchise  []string `yaml:"franchise,omitempty" json:"franchise,omitempty"`   // users
	Modes      []string `yaml:"modes,omitempty" json:"modes,omitempty"`           // as r, w, x
	Source     string   `yaml:"source,omitempty" json:"source,omitempty"`
}

// AdeptRequest is a user at a terminal who opens a file, or makes one. Requests of the same user at the same terminal are one session.
type AdeptRequest struct {
	User     string `yaml:"user" json:"user"`
	Terminal string `yaml:"terminal" json:"terminal"`
	File     string `yaml:"file,omitempty" json:"file,omitempty"`
	Mode     string `yaml:"mode,omitempty" json:"mode,omitempty"`
	Create   string `yaml:"create,omitempty" json:"create,omitempty"` // name of a new file
}

// Hartson is the five-dimensional security space of users, authorisations, resources, states and operations.
type Hartson struct {
	Mode           string                 `yaml:"mode,omitempty" json:"mode,omitempty"`       // element, or class
	Inner          string                 `yaml:"inner,omitempty" json:"inner,omitempty"`     // class: how conditions within a class combine: or, and
	Outer          string                 `yaml:"outer,omitempty" json:"outer,omitempty"`     // class: how classes combine: and, or
	Partial        bool                   `yaml:"partial,omitempty" json:"partial,omitempty"` // a request may be granted in part
	Groups         map[string][]string    `yaml:"groups,omitempty" json:"groups,omitempty"`   // of users; everybody is in GENERAL
	Units          map[string][]string    `yaml:"units,omitempty" json:"units,omitempty"`     // names for sets of resources
	Authorisations []HartsonAuthorisation `yaml:"authorisations" json:"authorisations"`
	Requests       []HartsonRequest       `yaml:"requests" json:"requests"`
}

// HartsonAuthorisation allows operations on a unit of resources to groups, under a condition on the state.
type HartsonAuthorisation struct {
	Name       string   `yaml:"name" json:"name"`
	Groups     []string `yaml:"groups" json:"groups"` // groups or users
	Operations []string `yaml:"operations" json:"operations"`
	Unit       []string `yaml:"unit" json:"unit"`                               // resources, or names of units
	Condition  string   `yaml:"condition,omitempty" json:"condition,omitempty"` // an expression of the state, as hour < 18, of user and operation, and of history: what was granted to the user before, as not ("read plans" in history); default: always
	Authorizer string   `yaml:"authorizer,omitempty" json:"authorizer,omitempty"`
	Source     string   `yaml:"source,omitempty" json:"source,omitempty"`
}

// HartsonRequest is a query q = (u, e, R', s).
type HartsonRequest struct {
	Name      string         `yaml:"name,omitempty" json:"name,omitempty"`
	User      string         `yaml:"user" json:"user"`
	Operation string         `yaml:"operation" json:"operation"`
	Resources []string       `yaml:"resources" json:"resources"`
	State     map[string]any `yaml:"state,omitempty" json:"state,omitempty"`
}
