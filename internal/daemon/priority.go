package daemon

import (
	"context"
	"time"

	"redoubt/internal/realtime"
)

// protection is what a daemon asks for so that it is not delayed.
var protection = realtime.Options{Priority: realtime.Priority, LockMemory: true, Relax: true}

// renewPriority is how often threads are looked for that were made without the priority. That is seldom, and only a machine under full load notices.
const renewPriority = 10 * time.Second

// keepPriority gives the priority to such threads until ctx ends.
func (d *Daemon) keepPriority(ctx context.Context) {
	tick := time.NewTicker(renewPriority)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := realtime.Renew(protection); err != nil {
				d.log.Debug("threads without real-time priority", "err", err)
			}
		}
	}
}
