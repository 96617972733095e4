package client

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"iter"
	"net/http"
	"strings"
	"time"

	"redoubt/internal/fault"
)

// How the watch copes with a daemon that is away, and with one that has become silent: the daemon sends a sign of life every 15 s.
const (
	retryFirst = 100 * time.Millisecond
	retryLast  = 2 * time.Second
	silence    = 40 * time.Second
	maxEvent   = 64 << 20
)

// Event is one message of a watch: its name and its document.
type Event struct {
	Name string // "status" or "note"
	Data json.RawMessage
}

// Watch follows the cluster until ctx ends or the caller stops. It yields each event of the daemon's watch; when the daemon can not be
// reached, or goes away, it yields the error once and goes on trying, except when the daemon refuses: then the error is the last it yields.
func (c *Client) Watch(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		wait, told := retryFirst, false
		for ctx.Err() == nil {
			stopped := false
			err := c.follow(ctx, func(e Event) bool {
				wait, told = retryFirst, false
				stopped = !yield(e, nil)
				return !stopped
			})
			if stopped || ctx.Err() != nil {
				return
			}
			final := fault.Is(err, fault.Denied) || fault.Is(err, fault.Unsupported) || fault.Is(err, fault.NotFound)
			if !told && !yield(Event{}, err) || final {
				return
			}
			told = true
			select {
			case <-ctx.Done():
			case <-time.After(wait):
			}
			wait = min(2*wait, retryLast)
		}
	}
}

// follow reads one connection of the watch to its end.
func (c *Client) follow(ctx context.Context, each func(Event) bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/v1/watch", nil)
	if err != nil {
		return fault.Errorf(fault.Invalid, "watch: %w", err)
	}
	req.Header.Set("Accept", "text/event-stream")
	resp, err := c.send(req, "watch", "")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	quiet := time.AfterFunc(silence, cancel)
	defer quiet.Stop()
	lines := bufio.NewReaderSize(resp.Body, 64<<10)
	var e Event
	for {
		line, err := readLine(lines)
		if err != nil {
			return fault.Errorf(fault.Unavailable, "watch: the daemon at %s went away: %w", c.where, err)
		}
		quiet.Reset(silence)
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "" && len(e.Data) > 0:
			if !each(e) {
				return nil
			}
			e = Event{}
		case name == "event":
			e.Name = value
		case name == "data":
			e.Data = append(e.Data, value...)
		}
	}
}

// readLine reads one line of bounded length.
func readLine(r *bufio.Reader) (string, error) {
	var line []byte
	for {
		part, more, err := r.ReadLine()
		if err != nil {
			return "", err
		}
		line = append(line, part...)
		if !more {
			return string(line), nil
		}
		if len(line) > maxEvent {
			return "", io.ErrShortBuffer
		}
	}
}
