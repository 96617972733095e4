// Package tick makes tickers whose ticks coincide.
package tick

import (
	"sync"
	"time"
)

// Ticker ticks when the time of day is a multiple of its period. All loops of a process that look around every second do so in the same moment then: what a process at
// rest costs is how often it wakes, not what it does. Like a time.Ticker it drops ticks for a slow reader. The first tick, and the one after the clock was set, comes after half a period
// to one and a half.
type Ticker struct {
	C <-chan time.Time

	c     chan time.Time
	every time.Duration

	mu    sync.Mutex
	timer *time.Timer // nil: stopped
}

// New starts a ticker; every must be greater than 0.
func New(every time.Duration) *Ticker {
	t := &Ticker{c: make(chan time.Time, 1), every: every}
	t.C = t.c
	t.mu.Lock()
	defer t.mu.Unlock()
	t.timer = time.AfterFunc(Until(time.Now(), every), t.fire)
	return t
}

// Stop ends the ticks. It does not close C.
func (t *Ticker) Stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.timer != nil {
		t.timer.Stop()
		t.timer = nil
	}
}

func (t *Ticker) fire() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.timer == nil {
		return
	}
	now := time.Now()
	select {
	case t.c <- now:
	default:
	}
	t.timer.Reset(Until(now, t.every))
}

// Until is how long it takes to the next multiple of the period, at least half of it: a timer may run out a moment before the clock says so.
func Until(now time.Time, every time.Duration) time.Duration {
	d := every - time.Duration(now.UnixNano())%every
	if d < every/2 {
		d += every
	}
	return d
}
