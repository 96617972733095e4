package daemon

import (
	"context"
	"os"
	"runtime/debug"
	"time"

	"redoubt/internal/realtime"
	"redoubt/internal/tick"
)

// protection is what a daemon asks for so that it is not delayed.
var protection = realtime.Options{Priority: realtime.Priority, LockMemory: true, Relax: true}

// heapReserve is what the heap of a daemon with ten thousand resources does not outgrow.
const heapReserve = 512 << 20

// heapGrowth is by how much per cent of what lives the heap grows before it is collected, where the environment (GOGC) says nothing else. The daemon's memory is locked:
// what it does not hold others have. Twice as many collections cost a node at rest nothing that can be measured.
const heapGrowth = 50

// heapGrowthAtWork is the same while the daemon is at work: in a storm a sixth of its time went into collections.
const heapGrowthAtWork = 100

// saveMemory keeps the heap small, at rest smaller than at work.
func saveMemory(rests bool) {
	if os.Getenv("GOGC") != "" {
		return
	}
	if rests {
		debug.SetGCPercent(heapGrowth)
		return
	}
	debug.SetGCPercent(heapGrowthAtWork)
}

// processors follow the pace of the whole process: there is one daemon in it. What can not be set costs a daemon at rest something, or makes one at work later.
var processors = realtime.Pace{Changed: func(rests bool) {
	saveMemory(rests)
	_ = realtime.Rest(protection, rests)
}}

// renewPriority is after how many looks at the pace threads are looked for that were made without the priority. That is seldom, and only a machine under full
// load notices.
const renewPriority = 10

// keepPriority gives the priority to such threads, and looks whether the daemon rests, until ctx ends.
func (d *Daemon) keepPriority(ctx context.Context) {
	ticks := tick.New(time.Second)
	defer ticks.Stop()
	defer processors.Full()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		processors.Look()
		if n%renewPriority != 0 {
			continue
		}
		if err := realtime.Renew(protection, processors.Rests()); err != nil {
			d.log.Debug("threads without real-time priority", "err", err)
		}
	}
}
