package servertest

import (
	"log/slog"
	"sync"
	"testing"

	"redoubt/internal/auditlog"
	"redoubt/internal/confdb"
	"redoubt/internal/control"
)

// Recorder keeps records in memory. Fail makes it refuse, as a full disk does.
type Recorder struct {
	mu     sync.Mutex
	all    []auditlog.Record
	Fail   error
	Passed int // operations that went on although they could not be recorded
	// Heard gets each refusal, for whoever has to wait for one; nil: nobody.
	Heard chan auditlog.Record
}

// Begin implements control.Recorder.
func (r *Recorder) Begin(start auditlog.Record, anyway bool) (func(auditlog.Record), error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.Fail != nil {
		if !anyway {
			return nil, r.Fail
		}
		r.Passed++
	}
	start.Kind = auditlog.Start
	r.all = append(r.all, start)
	return func(end auditlog.Record) {
		end.Kind, end.Operation = auditlog.End, start.Operation
		r.mu.Lock()
		defer r.mu.Unlock()
		r.all = append(r.all, end)
	}, nil
}

// Deny implements control.Recorder.
func (r *Recorder) Deny(d auditlog.Record) {
	d.Kind = auditlog.Denied
	if r.Heard != nil {
		r.Heard <- d
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, d)
}

// Event implements control.Recorder.
func (r *Recorder) Event(event, subject, state, text string) {}

// Take returns the records so far and forgets them.
func (r *Recorder) Take() []auditlog.Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.all
	r.all = nil
	return out
}

// AloneRecorded is Alone with a command log.
func AloneRecorded(r *Recorder) *control.Control {
	return control.New(control.Config{Clock: clock{}, Log: slog.New(slog.DiscardHandler), Local: machine{}, Recorder: r})
}

// ClusterRecorded is Cluster with a command log.
func ClusterRecorded(t testing.TB, r *Recorder) (*control.Control, confdb.Store) {
	t.Helper()
	c := AloneRecorded(r)
	return c, enter(t, c)
}
