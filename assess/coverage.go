package assess

// Coverage is section coverage of the report.
type Coverage struct {
	Trace Trace `json:"trace"`
}

func (r *run) coverage() error { return nil }
