package main

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"redoubt/internal/fault"
	"redoubt/internal/lab"
)

// system is a cluster manager under test, in one setting. All systems run on the same machines, keep up the same service at the same address and
// suffer the same faults.
type system interface {
	// up makes the cluster and the service on machines that have just started.
	up(ctx context.Context, l *lab.Lab) error
	// options are those of the lab it needs.
	options() lab.Options
	// boot starts the cluster's software on a machine that was started again.
	boot(ctx context.Context, node string) error
	// whole says what is missing until every node takes part and the service is at rest on one of them, and which one that is.
	whole(ctx context.Context) (active, missing string)
	// move asks for the service to be moved, as an administrator would; moved takes back what the request left behind.
	move(ctx context.Context, from, to string) error
	moved(ctx context.Context, to string) error
	// daemon tells the processes of the cluster's own software.
	daemon(p process) bool
	// trials are the faults that make sense for it, with the weight of each.
	trials() []trial
}

// rig is a system with its lab.
type rig struct {
	run  *run
	sys  system
	lab  *lab.Lab
	name string // of the lab
	tell func(format string, args ...any)
}

// Times of a rig.
const (
	upTimeout    = 3 * time.Minute
	mendTimeout  = 75 * time.Second
	lookAgain    = 150 * time.Millisecond
	trialTimeout = 2 * time.Minute
)

func (r *rig) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, upTimeout)
	defer cancel()
	if err := lab.Remove(r.name); err != nil { // of a run that was killed
		return err
	}
	o := r.sys.options()
	o.Name, o.Nodes = r.name, 3
	o.Program, o.Daemon = filepath.Join(r.run.bin, "redoubt"), filepath.Join(r.run.bin, "redoubtd")
	l, err := lab.Up(ctx, o)
	if err != nil {
		return err
	}
	r.lab = l
	if err := r.sys.up(ctx, l); err != nil {
		return err
	}
	_, err = r.whole(ctx, mendTimeout)
	return err
}

func (r *rig) down() error { return lab.Remove(r.name) }

// whole waits until nothing is missing, and tells where the service is.
func (r *rig) whole(ctx context.Context, limit time.Duration) (active string, err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	missing := ""
	for {
		var now string
		if active, now = r.sys.whole(ctx); now == "" {
			return active, nil
		}
		if ctx.Err() == nil || missing == "" {
			missing = now
		}
		select {
		case <-ctx.Done():
			return "", fault.Errorf(fault.Timeout, "%s is not whole within %v: %s", r.name, limit, missing)
		case <-time.After(lookAgain):
		}
	}
}

// mend undoes every fault: the networks, machines that are off, software that is stopped or gone.
func (r *rig) mend(ctx context.Context) (active string, err error) {
	if err := r.lab.Heal(); err != nil {
		return "", err
	}
	for _, n := range r.lab.Nodes() {
		if err := r.mendNode(ctx, n); err != nil {
			return "", err
		}
	}
	return r.whole(ctx, mendTimeout)
}

func (r *rig) mendNode(ctx context.Context, node string) error {
	st, err := r.lab.Status()
	if err != nil {
		return err
	}
	for _, m := range st.Machines {
		if m.Name != node || m.State == "running" {
			continue
		}
		if m.State == "paused" {
			return r.lab.Resume(node)
		}
		if err := r.lab.Start(ctx, node); err != nil {
			return err
		}
		return r.sys.boot(ctx, node)
	}
	return nil
}

// reachable makes sure that the client gets an answer. After two had the same address its neighbour table may name the wrong one for long; then it
// is emptied, and reachable says so.
func (r *rig) reachable(ctx context.Context) (stale bool, err error) {
	const patience = 5 * time.Second
	for _, stale := range []bool{false, true} {
		if stale {
			if _, err := r.lab.Output(ctx, lab.Client, "ip", "neigh", "flush", "all"); err != nil {
				return stale, err
			}
		}
		for began := time.Now(); time.Since(began) < patience; {
			limited, cancel := context.WithTimeout(ctx, time.Second)
			c, err := r.lab.Dial(limited, lab.Client, "tcp", service)
			cancel()
			if err == nil {
				c.Close()
				return stale, nil
			}
			if err := pause(ctx, lookAgain); err != nil {
				return stale, err
			}
		}
	}
	return true, fault.Errorf(fault.Timeout, "the client can not reach the service, although the cluster says that it runs")
}

// restart takes the power from a machine and starts it again: what an administrator does with a node whose software was killed.
func (r *rig) restart(ctx context.Context, node string) error {
	if _, err := r.lab.Kill(node); err != nil {
		return err
	}
	return r.mendNode(ctx, node)
}

// launch starts a program on a machine that goes on until it ends or the machine does; what it says goes into a file on the machine's disk.
func launch(l *lab.Lab, node, log string, argv ...string) error {
	f, err := os.OpenFile(filepath.Join(l.Disk(node), "log", log), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return fault.Errorf(fault.Internal, "log of %s on %s: %w", argv[0], node, err)
	}
	defer f.Close()
	p, err := l.Run(node, lab.Stdio{Out: f, Err: f}, argv...)
	if err != nil {
		return err
	}
	go func() { _, _ = p.Wait() }()
	return nil
}

// pause waits, unless the run ends.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
