package assess

// Optimum is section optimum of the report.
type Optimum struct {
	Trace Trace `json:"trace"`
}

func (r *run) optimum() error { return nil }
