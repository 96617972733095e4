package assess

// Losses is section losses of the report.
type Losses struct {
	Trace Trace `json:"trace"`
}

func (r *run) losses() error { return nil }
