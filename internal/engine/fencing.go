package engine

import (
	"slices"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/membership"
)

// A fence agent that failed is asked again after fencePause, and after twice as long each time, up to fencePauseMax.
const (
	fencePause    = 5 * time.Second
	fencePauseMax = time.Minute
)

// Fencing decides which fence agents a president asks, and when: those of the leavers that the membership calls unproven, each once at a time, and again after a pause for as long as
// it fails. It reads no clock and asks nobody; the zero value is ready. A president that is none any more starts with another.
type Fencing struct {
	cases map[membership.NodeIncarnation]*fenceCase
}

type fenceCase struct {
	running  bool
	off      bool               // the agent has confirmed it
	failures int                // in a row
	next     membership.Instant // when it is asked again
	told     membership.Instant // when the record was last asked for; 0: never
}

// FencingStep is what is to be done now.
type FencingStep struct {
	Begin   []membership.NodeIncarnation // whose agents are to be asked
	Abandon []membership.NodeIncarnation // whose agents are to be asked no longer: it was proven meanwhile, or taken away
	Asks    []membership.Ask             // for the record
}

// Step looks at the leavers that are unproven now; has reports whether a node has a fence agent.
func (f *Fencing) Step(unproven []membership.NodeIncarnation, has func(cluster.NodeName) bool, now membership.Instant) FencingStep {
	var s FencingStep
	for who, c := range f.cases {
		if !slices.Contains(unproven, who) {
			if c.running {
				s.Abandon = append(s.Abandon, who)
			}
			delete(f.cases, who)
		}
	}
	for _, who := range unproven {
		c, ok := f.cases[who]
		if !ok {
			if f.cases == nil {
				f.cases = map[membership.NodeIncarnation]*fenceCase{}
			}
			c = &fenceCase{next: now}
			f.cases[who] = c
		}
		due := c.told == 0 || now >= c.told.Add(int64(again))
		switch {
		case c.off:
			if due {
				s.Asks, c.told = append(s.Asks, membership.AskFenced{Who: who}), now
			}
		case !has(who.Node):
			if c.running {
				s.Abandon, c.running = append(s.Abandon, who), false
			}
			if due {
				s.Asks, c.told = append(s.Asks, membership.AskUnfence{Who: who}), now
			}
		case !c.running && now >= c.next:
			c.running = true
			s.Begin = append(s.Begin, who)
		}
	}
	return s
}

// Ended says that an agent that was asked has confirmed, or not.
func (f *Fencing) Ended(who membership.NodeIncarnation, confirmed bool, now membership.Instant) {
	c, ok := f.cases[who]
	if !ok || !c.running {
		return
	}
	c.running, c.off = false, confirmed
	if !confirmed {
		c.next = now.Add(int64(backoff(c.failures)))
		c.failures++
	}
}

// backoff is the pause after so many failures before this one.
func backoff(failures int) time.Duration {
	return min(fencePause<<min(failures, 10), fencePauseMax)
}

// Next is when the agent of a leaver is asked again; 0: it is not waiting for that.
func (f *Fencing) Next(who membership.NodeIncarnation) membership.Instant {
	if c, ok := f.cases[who]; ok && !c.running && !c.off && c.failures > 0 {
		return c.next
	}
	return 0
}
