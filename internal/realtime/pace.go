package realtime

import (
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Pace lets a process that has hardly anything to do run its goroutines on one processor at a time. Whatever wakes a goroutine while another processor is free also
// wakes a thread that looks for more, so that work is spread quickly; with nothing to spread that is a wake-up in vain, and costs a sixth of a daemon at rest. The
// zero value is a process at work.
type Pace struct {
	// Changed, if there is one, is told when the process has come to rest, and when it has work again.
	Changed func(rests bool)

	mu      sync.Mutex
	full    int // processors of a process at work; 0: not known yet
	slow    bool
	busy    time.Time
	looked  time.Time
	used    time.Duration // processor time when it was looked at last
	setting func(int) int // runtime.GOMAXPROCS, but for tests
}

const (
	// restAfter is how long nothing may have happened before a process counts as resting.
	restAfter = 5 * time.Second
	// restShare is the share of one processor, in thousandths, that a process at rest stays below.
	restShare = 150
)

// Busy says that something happens: all processors are used from now on. It is cheap while they are.
func (p *Pace) Busy() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy = time.Now()
	p.fast()
}

// Look is to be called every second or so; it finds out whether the process rests, and whether it has come to work without anybody's saying so.
func (p *Pace) Look() {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return
	}
	p.look(time.Now(), time.Duration(u.Utime.Nano()+u.Stime.Nano()))
}

func (p *Pace) look(now time.Time, used time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.looked.IsZero() || now.Sub(p.looked) <= 0 {
		p.looked, p.used = now, used
		return
	}
	share := (used - p.used) * 1000 / now.Sub(p.looked)
	p.looked, p.used = now, used
	switch {
	case share >= restShare:
		p.busy = now
		p.fast()
	case !p.slow && now.Sub(p.busy) >= restAfter:
		p.slow, p.full = true, p.set(1)
		p.tell()
	}
}

// Rests reports whether the process counts as resting.
func (p *Pace) Rests() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.slow
}

// Full goes back to all processors.
func (p *Pace) Full() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fast()
}

func (p *Pace) fast() {
	if p.slow {
		p.slow = false
		p.set(p.full)
		p.tell()
	}
}

func (p *Pace) tell() {
	if p.Changed != nil {
		p.Changed(p.slow)
	}
}

// set returns the setting before.
func (p *Pace) set(n int) int {
	if p.setting != nil {
		return p.setting(n)
	}
	return runtime.GOMAXPROCS(n)
}
