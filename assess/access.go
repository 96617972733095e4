package assess

// Access is section access of the report.
type Access struct {
	Trace Trace `json:"trace"`
}

func (r *run) access() error { return nil }
