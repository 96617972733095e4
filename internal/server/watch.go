package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	v1 "redoubt/api/v1"
	"redoubt/internal/fault"
)

// The bounds of the watch: how many may watch at once, how many notes wait for a slow watcher, how often a silent one is told that we live.
const (
	maxWatches = 128
	maxNotes   = 256
	alive      = 15 * time.Second
)

// serveWatch sends events until the watcher goes, is too slow, or the server ends.
func (s *Server) serveWatch(w http.ResponseWriter, r *http.Request) {
	req := about(r.Context())
	refuse := func(err error) {
		req.err = err
		failed(err, req.id).write(w)
	}
	if s.watches.Add(1) > maxWatches {
		s.watches.Add(-1)
		refuse(fault.Errorf(fault.Unavailable, "watch: %d watches are open already; close one", maxWatches))
		return
	}
	defer s.watches.Add(-1)
	done, err := s.mayWatch(req.who)
	if err != nil {
		refuse(err)
		return
	}
	defer done()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	events, err := s.events(ctx, req.who)
	if err != nil {
		refuse(err)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	_ = http.NewResponseController(w).Flush() // the watcher knows at once that it is accepted
	in := newInbox()
	go in.fill(events)
	beat := time.NewTicker(alive)
	defer beat.Stop()
	for {
		var err error
		select {
		case <-in.news:
			err = in.send(w)
		case <-beat.C:
			_, err = fmt.Fprint(w, ": alive\n\n")
		case <-ctx.Done():
			return
		case <-ending(r.Context()):
			return
		}
		if err == nil {
			err = http.NewResponseController(w).Flush()
		}
		if err != nil {
			if !errors.Is(err, errEnded) {
				s.cfg.Log.Info("a watch was dropped: its reader is too slow or gone", "request", req.id, "caller", req.who.String(), "error", err.Error())
			}
			return
		}
	}
}

var errEnded = errors.New("the watch has ended")

// inbox keeps what a watcher has not been sent yet: the newest status, and notes in order. Filling it never waits for the watcher.
type inbox struct {
	news   chan struct{}
	mu     sync.Mutex
	status *v1.Status
	notes  []v1.Notice
	ended  bool
}

func newInbox() *inbox { return &inbox{news: make(chan struct{}, 1)} }

// fill takes events until there are no more.
func (in *inbox) fill(events <-chan v1.Event) {
	for e := range events {
		in.mu.Lock()
		if e.Status != nil {
			in.status = e.Status
		}
		if e.Note != nil {
			if len(in.notes) == maxNotes {
				in.notes = in.notes[1:]
			}
			in.notes = append(in.notes, *e.Note)
		}
		in.mu.Unlock()
		in.tell()
	}
	in.mu.Lock()
	in.ended = true
	in.mu.Unlock()
	in.tell()
}

func (in *inbox) tell() {
	select {
	case in.news <- struct{}{}:
	default:
	}
}

// send writes what is there.
func (in *inbox) send(w http.ResponseWriter) error {
	in.mu.Lock()
	status, notes, ended := in.status, in.notes, in.ended
	in.status, in.notes = nil, nil
	in.mu.Unlock()
	for _, n := range notes {
		if err := event(w, "note", n); err != nil {
			return err
		}
	}
	if status != nil {
		if err := event(w, "status", status); err != nil {
			return err
		}
	}
	if ended {
		return errEnded
	}
	return nil
}

func event(w http.ResponseWriter, name string, doc any) error {
	text, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "event: %s\ndata: %s\n\n", name, text)
	return err
}

// describeWatch puts the watch into the description; huma does not serve it.
func (r registrar) describeWatch() {
	schemas := r.api.OpenAPI().Components.Schemas
	r.api.OpenAPI().AddOperation(&huma.Operation{
		OperationID: "watch", Method: http.MethodGet, Path: "/v1/watch", Summary: "Follow the state of the cluster", Tags: []string{"cluster"},
		Description: "Server-sent events: `status` with the whole state at once and after each change, `note` for what happened. A line `: alive` comes when nothing else does.",
		Responses: map[string]*huma.Response{
			"200": {Description: "The data of a `status` is a Status, that of a `note` a Notice", Content: map[string]*huma.MediaType{
				"text/event-stream": {Schema: &huma.Schema{OneOf: []*huma.Schema{schemas.Schema(statusType, true, ""), schemas.Schema(noticeType, true, "")}}},
			}},
			"default": r.refusal(),
		},
	})
}
