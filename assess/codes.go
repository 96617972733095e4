package assess

// Codes is section codes of the report.
type Codes struct {
	Trace Trace `json:"trace"`
}

func (r *run) codes() error { return nil }
