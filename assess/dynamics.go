package assess

// Dynamics is section dynamics of the report.
type Dynamics struct {
	Trace Trace `json:"trace"`
}

func (r *run) dynamics() error { return nil }
