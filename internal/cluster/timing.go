package cluster

import (
	"fmt"
	"time"
)

// Timing holds the time spans of heartbeat, suspicion and lease. All are on the local CLOCK_BOOTTIME of whoever counts them.
//
//	Quantum  every node sends a heartbeat to every voter this often
//	Timeout  a voter that has not heard a node for this long suspects it (Timeout >= Hold)
//	Hold     a voter promises with each answer not to release the node for this long
//
// The lease that follows from a heartbeat is Run, which is less than Hold by drift and the guard's reaction.
type Timing struct {
	Profile string        `json:"profile,omitempty"`
	Quantum time.Duration `json:"quantum"`
	Timeout time.Duration `json:"timeout"`
	Hold    time.Duration `json:"hold"`
}

// DriftPerMille bounds how much two local clocks may differ in rate, in thousandths. Run is computed with it.
const DriftPerMille = 2

// GuardReaction bounds the time from the end of a lease to the moment when the guard has ended every service and removed
// every address; Run is shorter than Hold by it.
const GuardReaction = 50 * time.Millisecond

// Run is the length of the lease that an answer with the promise hold gives, counted from the sending of
// the heartbeat: hold less GuardReaction and less twice the drift over hold. It is never negative.
func Run(hold time.Duration) time.Duration {
	r := hold - GuardReaction - 2*DriftPerMille*hold/1000
	if r < 0 {
		return 0
	}
	return r
}

// Timing limits.
const (
	MinQuantum = 10 * time.Millisecond
	MaxQuantum = 10 * time.Second
	MaxTimeout = 60 * time.Second
)

// Profiles are the named timings. "default" fails over in less than one second, "fast" in less than 400 ms on a quiet
// LAN, "wan" tolerates a second of loss and delay.
func Profiles() []Timing {
	return []Timing{
		{Profile: "default", Quantum: 100 * time.Millisecond, Timeout: 500 * time.Millisecond, Hold: 450 * time.Millisecond},
		{Profile: "fast", Quantum: 30 * time.Millisecond, Timeout: 180 * time.Millisecond, Hold: 170 * time.Millisecond},
		{Profile: "wan", Quantum: 500 * time.Millisecond, Timeout: 5 * time.Second, Hold: 4500 * time.Millisecond},
	}
}

// ProfileTiming returns the timing of a profile.
func ProfileTiming(name string) (Timing, bool) {
	for _, t := range Profiles() {
		if t.Profile == name {
			return t, true
		}
	}
	return Timing{}, false
}

// CustomTiming derives a timing from the two properties an administrator sets: heartbeat_quantum and heartbeat_timeout. Hold is
// nine tenths of the timeout, so that promises run out while the suspicion ripens.
func CustomTiming(quantum, timeout time.Duration) Timing {
	return Timing{Profile: "custom", Quantum: quantum, Timeout: timeout, Hold: timeout * 9 / 10}
}

// Check reports what is wrong with t, or nil. A lease must outlast the loss of two heartbeats in a row: Run >= 3 quanta.
func (t Timing) Check() error {
	switch {
	case t.Quantum < MinQuantum || t.Quantum > MaxQuantum:
		return fmt.Errorf("heartbeat_quantum %v is out of bounds: %v to %v", t.Quantum, MinQuantum, MaxQuantum)
	case t.Timeout > MaxTimeout:
		return fmt.Errorf("heartbeat_timeout %v is out of bounds: at most %v", t.Timeout, MaxTimeout)
	case t.Hold > t.Timeout:
		return fmt.Errorf("hold %v is longer than heartbeat_timeout %v", t.Hold, t.Timeout)
	case Run(t.Hold) < 3*t.Quantum:
		return fmt.Errorf("heartbeat_timeout %v is too short for heartbeat_quantum %v: the lease of %v must outlast three heartbeats; raise the timeout or lower the quantum", t.Timeout, t.Quantum, Run(t.Hold))
	}
	return nil
}
