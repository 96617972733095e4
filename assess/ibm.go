package assess

// IBM is section ibm of the report.
type IBM struct {
	Trace Trace `json:"trace"`
}

func (r *run) ibm() error { return nil }
