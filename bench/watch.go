package main

import (
	"context"
	"sync"
	"time"

	"redoubt/internal/fault"
	"redoubt/internal/lab"
	"redoubt/internal/lab/probe"
)

// The address that all systems keep up.
const (
	address = "10.77.0.100"
	service = address + ":8080"
)

// steadyAnswers is how many answers in a row show that the service is there to stay.
const steadyAnswers = 40

// watch is a probe in the background: a client, and perhaps somebody inside a node, asks the service every 5 ms.
type watch struct {
	stop context.CancelFunc
	done chan struct{}
	res  *lab.ProbeResult
	err  error

	mu     sync.Mutex
	after  time.Time     // what was asked before that does not count
	last   string        // who answered the client last
	count  int           // how often in a row
	change chan struct{} // closed and replaced when the above changes
}

func newWatch(ctx context.Context, l *lab.Lab, also ...string) *watch {
	ctx, stop := context.WithCancel(ctx)
	w := &watch{stop: stop, done: make(chan struct{}), change: make(chan struct{})}
	from := append([]string{lab.Client}, also...)
	go func() {
		defer close(w.done)
		w.res, w.err = l.Probe(ctx, probe.Options{Address: service, Each: w.each, Outstanding: 48}, from...)
	}()
	return w
}

func (w *watch) each(a probe.Attempt) {
	asked := time.Now().Add(a.Start - a.End)
	w.mu.Lock()
	defer w.mu.Unlock()
	if a.Source != lab.Client || asked.Before(w.after) {
		return
	}
	switch a.Answer {
	case "":
		w.last, w.count = "", 0
	case w.last:
		w.count++
	default:
		w.last, w.count = a.Answer, 1
	}
	close(w.change)
	w.change = make(chan struct{})
}

// forget makes only those answers count that are asked for after a moment.
func (w *watch) forget(until time.Time) {
	w.mu.Lock()
	w.after, w.last, w.count = until, "", 0
	w.mu.Unlock()
}

// steady waits until somebody who is wanted has answered the client again and again. It reports whether that happened within the limit.
func (w *watch) steady(ctx context.Context, limit time.Duration, wanted func(string) bool) (bool, error) {
	t := time.NewTimer(limit)
	defer t.Stop()
	for {
		w.mu.Lock()
		ok := w.count >= steadyAnswers && wanted(w.last)
		change := w.change
		w.mu.Unlock()
		if ok {
			return true, nil
		}
		select {
		case <-change:
		case <-w.done:
			return false, fault.Errorf(fault.Internal, "the probe ended early: %w", w.err)
		case <-ctx.Done():
			return false, context.Cause(ctx)
		case <-t.C:
			return false, nil
		}
	}
}

// end stops the probe and gives what it found.
func (w *watch) end() (*lab.ProbeResult, error) {
	w.stop()
	<-w.done
	return w.res, w.err
}

// The values of a sample, in milliseconds.
const (
	valueGap     = "gap"     // the longest time without an answer to the client, from the end of one answer to the end of the next
	valueOld     = "old"     // from the event to the last answer of the node that served, given to anybody
	valueNew     = "new"     // from the event to the first answer of another node
	valueOverlap = "overlap" // from the first answer of another node to the beginning of the last one of the old node; negative when it came before
	valueCommand = "command" // how long the command of a planned move took
	valueWatched = "watched" // from the event to the end of the observation
)

// reading turns what a probe saw into the values of a sample. at is the moment of the event, old the node that served then.
func reading(res *lab.ProbeResult, at time.Time, old string) (values map[string]float64, open bool) {
	values = map[string]float64{valueWatched: ms(res.Took - at.Sub(res.Began))}
	event := at.Sub(res.Began)
	var last, gap time.Duration
	var oldStart, oldEnd, newEnd time.Duration
	for _, a := range res.Attempts {
		if a.Answer == "" {
			continue
		}
		if a.Answer == old {
			oldStart, oldEnd = max(oldStart, a.Start), max(oldEnd, a.End)
		} else if newEnd == 0 && a.End > event {
			newEnd = a.End
		}
		if a.Source != lab.Client {
			continue
		}
		if a.End > event && last > 0 {
			gap = max(gap, a.End-last)
		}
		last = a.End
	}
	values[valueGap] = ms(gap)
	if rest := res.Took - last; rest > gap && rest > time.Second {
		values[valueGap], open = ms(rest), true
	}
	if oldEnd > 0 {
		values[valueOld] = max(0, ms(oldEnd-event))
	}
	if newEnd > 0 {
		values[valueNew] = ms(newEnd - event)
		values[valueOverlap] = ms(oldStart - newEnd)
	}
	return values, open
}

func ms(d time.Duration) float64 { return float64(d.Round(10*time.Microsecond)) / 1e6 }
