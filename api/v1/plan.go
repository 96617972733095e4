package v1

// GroupWhy asks why groups are where they are; the answer is a list of Explanation.
type GroupWhy struct {
	Names []string `json:"names,omitempty" query:"names"`
	All   bool     `json:"all,omitempty" query:"all"`
}

// Explanation says why a group is where it is, and why not elsewhere.
type Explanation struct {
	Group      string      `json:"group"`
	On         []string    `json:"on"`               // where it is ordered online now
	Wanted     []string    `json:"wanted"`           // where it shall run in the end
	Left       *Reason     `json:"left,omitempty"`   // why it shall run nowhere
	Waits      []Reason    `json:"waits,omitempty"`  // what is said of the way there
	Candidates []Candidate `json:"candidates"`       // every node of the nodelist, in its order
	Proved     bool        `json:"proved"`           // no placement of all groups is better
	Gap        string      `json:"gap,omitempty"`    // by how much one could be better at most, where that is not proved
	Moving     bool        `json:"moving,omitempty"` // it is not where it shall be yet
}

// Candidate is one node that a group could have.
type Candidate struct {
	Node    string   `json:"node"`
	Chosen  bool     `json:"chosen"`
	For     []Reason `json:"for"`
	Against []Reason `json:"against"`
}

// Reason is one thing that speaks for or against a node. Name is one of a closed set, Text is for people.
type Reason struct {
	Name string `json:"name"`
	Node string `json:"node,omitempty"`
	Text string `json:"text"`
}

// ClusterPlan asks what would become of the groups if something changed; nothing is changed. The answer is a PlanReport.
type ClusterPlan struct {
	Without []string `json:"without,omitempty" query:"without" doc:"nodes that would be lost"`
	Back    []string `json:"back,omitempty" query:"back" doc:"nodes that would come back into the cluster"`
	With    []string `json:"with,omitempty" query:"with" doc:"changes, each as it would be written after redoubt: group set -p Priority=900 web-rg"`
}

// PlanReport is where groups would run.
type PlanReport struct {
	Without []string       `json:"without"`
	Back    []string       `json:"back"`
	With    []string       `json:"with"`
	Groups  []PlannedGroup `json:"groups"`
	Nodes   []PlannedNode  `json:"nodes"`
	Proved  bool           `json:"proved"`        // no placement is better
	Gap     string         `json:"gap,omitempty"` // by how much one could be better at most, where that is not proved
	Figures PlanFigures    `json:"figures"`
}

// PlanFigures is how good a placement is; less is better, the earlier figures count before the later ones.
type PlanFigures struct {
	Offline int   `json:"offline"` // groups that find no place
	Missing int   `json:"missing"` // primaries that are desired and find none
	Soft    int   `json:"soft"`    // soft limits exceeded
	Excess  int64 `json:"excess"`  // by how much
	Weak    int   `json:"weak"`    // weak affinities broken
}

// PlannedGroup is what becomes of one group. Change is stays, starts, moves, stops, or offline: it has no place where it had none before, or not any more.
type PlannedGroup struct {
	Group  string   `json:"group"`
	Now    []string `json:"now"`
	Then   []string `json:"then"`
	Change string   `json:"change"`
	Why    *Reason  `json:"why,omitempty"` // why it is offline, or what was asked is refused
}

// PlannedNode is what a node would carry.
type PlannedNode struct {
	Node   string        `json:"node"`
	Member bool          `json:"member"`
	Groups int           `json:"groups"`
	Loads  []PlannedLoad `json:"loads"`
}

// PlannedLoad is one kind of load on a node. Soft and Hard are its limits, absent where there are none.
type PlannedLoad struct {
	Name string `json:"name"`
	Now  int64  `json:"now"`
	Then int64  `json:"then"`
	Soft *int64 `json:"soft,omitempty"`
	Hard *int64 `json:"hard,omitempty"`
}

// NodeCreateLoadlimit limits a kind of load on nodes.
type NodeCreateLoadlimit struct {
	Names    []string `json:"names,omitempty"`
	All      bool     `json:"all,omitempty"`
	Property []string `json:"property,omitempty" doc:"limitname=NAME, softlimit=NUMBER, hardlimit=NUMBER"`
}

// NodeSetLoadlimit changes a load limit of nodes.
type NodeSetLoadlimit struct {
	Names    []string `json:"names,omitempty"`
	All      bool     `json:"all,omitempty"`
	Property []string `json:"property,omitempty" doc:"limitname=NAME, softlimit=NUMBER, hardlimit=NUMBER"`
}

// NodeDeleteLoadlimit takes a load limit of nodes away.
type NodeDeleteLoadlimit struct {
	Names    []string `json:"names,omitempty"`
	All      bool     `json:"all,omitempty"`
	Property []string `json:"property,omitempty" doc:"limitname=NAME"`
}
