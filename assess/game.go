package assess

// Game is section game of the report.
type Game struct {
	Trace Trace `json:"trace"`
}

func (r *run) game() error { return nil }
