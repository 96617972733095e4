package main

import (
	"context"
	"math/rand/v2"
	"slices"
	"syscall"
	"time"

	"redoubt/internal/lab"
)

// The trials, by the names they have in results.
const (
	trialDeath        = "node death"
	trialMove         = "planned move"
	trialProcess      = "process killed"
	trialProcess10    = "process killed, monitor 10 s"
	trialDaemon       = "daemon killed"
	trialKilled       = "all daemons killed"
	trialFrozenDaemon = "daemon frozen"
	trialFrozen       = "all daemons frozen"
	trialCutIC        = "interconnects cut"
	trialCutAll       = "everything cut"
)

// weight is how often a trial is made, as a part of the repetitions asked for.
type weight int

const (
	full weight = iota
	half
)

// trial is a fault with its observation. It leaves the mending to its caller.
type trial struct {
	name   string
	weight weight
	make   func(ctx context.Context, r *rig, active string) (Sample, error)
}

// takeoverLimit bounds the wait for somebody else to serve. The slowest peer needs about 10 s.
const takeoverLimit = 25 * time.Second

// lead is how long a probe runs before an event, at the least.
const lead = 400 * time.Millisecond

// settle waits a random while, so that events meet every phase of the timers.
func settle(ctx context.Context) error {
	return pause(ctx, 500*time.Millisecond+rand.N(time.Second))
}

// observe is the frame of every trial: a probe, an event, somebody who has to answer afterwards, a last look.
func observe(ctx context.Context, r *rig, active string, also []string, wanted func(string) bool, after time.Duration, event func() (time.Time, error)) (Sample, error) {
	s := Sample{Node: active}
	if err := settle(ctx); err != nil {
		return s, err
	}
	w := newWatch(ctx, r.lab, also...)
	defer func() { _, _ = w.end() }()
	if ok, err := w.steady(ctx, 10*time.Second, func(string) bool { return true }); err != nil || !ok {
		s.Error = "the service did not answer before the event"
		return s, err
	}
	if err := pause(ctx, lead); err != nil {
		return s, err
	}
	at, err := event()
	if err != nil {
		return s, err
	}
	w.forget(at)
	ok, err := w.steady(ctx, takeoverLimit, wanted)
	if err != nil {
		return s, err
	}
	if err := pause(ctx, after); err != nil {
		return s, err
	}
	res, err := w.end()
	if err != nil {
		return s, err
	}
	var open bool
	s.Values, open = reading(res, at, active)
	s.Double = s.Values[valueOverlap] > 0
	s.Watched = len(also) > 0
	if !ok || open {
		s.Lost = true
	}
	return s, nil
}

func other(active string) func(string) bool { return func(who string) bool { return who != active } }

func nodeDies(ctx context.Context, r *rig, active string) (Sample, error) {
	return observe(ctx, r, active, nil, other(active), 300*time.Millisecond, func() (time.Time, error) { return r.lab.Kill(active) })
}

func planned(ctx context.Context, r *rig, active string) (Sample, error) {
	others := slices.DeleteFunc(r.lab.Nodes(), func(n string) bool { return n == active })
	to := others[rand.N(len(others))]
	var took time.Duration
	s, err := observe(ctx, r, active, nil, other(active), 300*time.Millisecond, func() (time.Time, error) {
		at := time.Now()
		err := r.sys.move(ctx, active, to)
		took = time.Since(at)
		return at, err
	})
	if err == nil && s.Values != nil {
		s.Values[valueCommand] = ms(took)
		err = r.sys.moved(ctx, to)
	}
	return s, err
}

func processDies(ctx context.Context, r *rig, active string) (Sample, error) {
	return observe(ctx, r, active, nil, func(string) bool { return true }, 200*time.Millisecond, func() (time.Time, error) {
		return signalAll(r.name, active, syscall.SIGKILL, isAnswer)
	})
}

// partition cuts a node's networks, all of them when none is named. Frames are dropped in the switch: the node's own interfaces stay up.
// A second probe on the cut node stands for the clients on its side.
func partition(networks ...string) func(ctx context.Context, r *rig, active string) (Sample, error) {
	return func(ctx context.Context, r *rig, active string) (Sample, error) {
		return observe(ctx, r, active, []string{active}, other(active), r.run.look, func() (time.Time, error) {
			at := time.Now()
			return at, r.lab.Cut(lab.Fault{Machine: active, Networks: networks})
		})
	}
}

// harm is something done to the cluster's own software on a node whose service lives on.
type harm func(r *rig, node string) (at time.Time, mend func(context.Context) error, err error)

func daemonsFail(h harm) func(ctx context.Context, r *rig, active string) (Sample, error) {
	return func(ctx context.Context, r *rig, active string) (s Sample, err error) {
		mend := func(context.Context) error { return nil }
		s, err = observe(ctx, r, active, []string{active}, other(active), r.run.look, func() (at time.Time, err error) {
			at, mend, err = h(r, active)
			return at, err
		})
		if e := mend(context.WithoutCancel(ctx)); err == nil {
			err = e
		}
		return s, err
	}
}

func nothing(context.Context) error { return nil }

// killedDaemon kills redoubtd and leaves its guard. The lab starts it again after a second, as a service manager would.
func killedDaemon(r *rig, node string) (time.Time, func(context.Context) error, error) {
	at, err := signalAll(r.name, node, syscall.SIGKILL, isDaemonAlone)
	return at, nothing, err
}

// killedAll kills everything of the cluster's software.
func killedAll(r *rig, node string) (time.Time, func(context.Context) error, error) {
	at, err := signalAll(r.name, node, syscall.SIGKILL, r.sys.daemon)
	mend := nothing
	if _, own := r.sys.(*redoubt); !own { // nobody starts the others again: there is no service manager in the lab
		mend = func(ctx context.Context) error { return r.restart(ctx, node) }
	}
	return at, mend, err
}

// frozenDaemon stops redoubtd and leaves its guard.
func frozenDaemon(r *rig, node string) (time.Time, func(context.Context) error, error) {
	return freeze(r, node, isDaemonAlone)
}

// frozenAll stops everything of the cluster's software.
func frozenAll(r *rig, node string) (time.Time, func(context.Context) error, error) {
	return freeze(r, node, r.sys.daemon)
}

func freeze(r *rig, node string, match func(process) bool) (time.Time, func(context.Context) error, error) {
	at, err := signalAll(r.name, node, syscall.SIGSTOP, match)
	return at, func(context.Context) error {
		// What was killed meanwhile is not there to be thawed.
		_, err := signalAll(r.name, node, syscall.SIGCONT, match)
		if len(slices.DeleteFunc(processes(r.name, node), func(p process) bool { return !match(p) })) == 0 {
			return nil
		}
		return err
	}, err
}
