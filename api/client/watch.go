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

	v1 "redoubt/api/v1"
	"redoubt/internal/fault"
)

// How the watch copes with a daemon that is away, and with one that has become silent: the daemon sends a sign of life every 15 s.
const (
	retryFirst = 100 * time.Millisecond
	retryLast  = 2 * time.Second
	silence    = 40 * time.Second
	maxEvent   = 64 << 20
)

// Watch follows the cluster until ctx ends or the caller stops. It yields each event of the daemon's watch; when the daemon can not be
// reached, or goes away, it yields the error once and goes on trying, except when the daemon refuses: then the error is the last it yields.
func (c *Client) Watch(ctx context.Context) iter.Seq2[v1.Event, error] {
	return func(yield func(v1.Event, error) bool) {
		wait, told := retryFirst, false
		for ctx.Err() == nil {
			stopped := false
			err := c.follow(ctx, func(e v1.Event) bool {
				wait, told = retryFirst, false
				stopped = !yield(e, nil)
				return !stopped
			})
			if stopped || ctx.Err() != nil {
				return
			}
			final := fault.Is(err, fault.Denied) || fault.Is(err, fault.Unsupported) || fault.Is(err, fault.NotFound)
			if !told && !yield(v1.Event{}, err) || final {
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
func (c *Client) follow(ctx context.Context, each func(v1.Event) bool) error {
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
	var kind string
	var data []byte
	for {
		line, err := readLine(lines)
		if err != nil {
			return fault.Errorf(fault.Unavailable, "watch: the daemon at %s went away: %w", c.where, err)
		}
		quiet.Reset(silence)
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "" && len(data) > 0:
			e, err := decode(kind, data)
			if err != nil {
				return fault.Errorf(fault.Internal, "watch: an event of the daemon at %s can not be read; are both of the same version? %w", c.where, err)
			}
			if e.Kind != "" && !each(e) {
				return nil
			}
			kind, data = "", nil
		case name == "event":
			kind = value
		case name == "data":
			data = append(data, value...)
		}
	}
}

// decode reads the document of an event. An event of a kind that this build does not know is none.
func decode(kind string, data []byte) (v1.Event, error) {
	e := v1.Event{Kind: kind}
	switch kind {
	case "status":
		return e, json.Unmarshal(data, &e.Status)
	case "note":
		return e, json.Unmarshal(data, &e.Note)
	}
	return v1.Event{}, nil
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
