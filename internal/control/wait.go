package control

import (
	"context"
	"errors"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/fault"
)

// Bounds of waiting for effects.
const (
	patience  = 300 * time.Second // for an effect, if the caller does not say how long
	glance    = 200 * time.Millisecond
	blockedIn = 2 * time.Second // how long a group may be blocked before that counts as the outcome
	finiLimit = 60 * time.Second
	seenLimit = 10 * time.Second // for what another node has written to be read here
	aYear     = 365 * 24 * 3600  // seconds: nobody waits longer
)

// errNotYet says that an effect has not happened, and has not failed either.
var errNotYet = errors.New("not yet")

// waiting is how an operation waits for its effect.
type waiting struct {
	no    bool
	limit time.Duration
}

// wait reads the two inputs that say how to wait.
func wait(no bool, seconds int) waiting {
	w := waiting{no: no, limit: patience}
	if seconds > 0 {
		w.limit = time.Duration(min(seconds, aYear)) * time.Second
	}
	return w
}

// await waits until happened returns nil (it has happened) or an error other than errNotYet (it has failed). What it was waiting for is in the error
// when the time is over.
func (c *Control) await(ctx context.Context, r *Running, w waiting, what string, happened func(view) error) error {
	if w.no {
		return nil
	}
	bounded, cancel := context.WithTimeout(ctx, w.limit)
	defer cancel()
	news := r.Source.Subscribe(bounded)
	// The membership tells nobody when it changes: look again now and then.
	tick := time.NewTicker(glance)
	defer tick.Stop()
	for {
		err := happened(c.look(r))
		if !errors.Is(err, errNotYet) {
			return err
		}
		select {
		case <-news:
		case <-tick.C:
		case <-bounded.Done():
			if ctx.Err() != nil {
				return fault.Errorf(fault.Timeout, "given up while waiting until %s; it goes on: see `redoubt status`", what)
			}
			if c.running.Load() != r {
				return errNoCluster()
			}
			return fault.Errorf(fault.Timeout, "after %v it is still not so that %s; it goes on, see `redoubt status`", w.limit, what)
		}
	}
}

// awaitEach waits for one effect of each group, all within the same limit.
func (c *Control) awaitEach(ctx context.Context, r *Running, w waiting, groups []cluster.GroupName, what string, happened func(cluster.GroupName) func(view) error) error {
	var errs []error
	end := time.Now().Add(w.limit)
	for _, g := range groups {
		left := waiting{no: w.no, limit: max(time.Until(end), glance)}
		errs = append(errs, c.await(ctx, r, left, "group "+string(g)+" "+what, happened(g)))
	}
	return together(errs)
}
