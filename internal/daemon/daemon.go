package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"redoubt/internal/control"
	"redoubt/internal/fault"
	"redoubt/internal/metrics"
	"redoubt/internal/realtime"
	"redoubt/internal/server"
	"redoubt/internal/version"
)

// Stop says how a daemon ends.
type Stop int

// The ways to end.
const (
	// Restart leaves the services running for the daemon that follows; where that can not be, it is Leave.
	Restart Stop = iota
	// Leave stops every service in order and takes the node out of the membership.
	Leave
)

// Daemon is redoubtd.
type Daemon struct {
	cfg     Config
	book    *Logbook
	log     *slog.Logger
	control *control.Control
	server  *server.Server
	meter   *metrics.Metrics

	commands *commandLog
	guard    *os.File // the program of the guard; nil: this one
	weak     []string // what this daemon could not have, in words for people; written before anybody can ask

	node    atomic.Pointer[node] // nil: in no cluster, or not yet up
	changed chan struct{}        // an identity was written
	down    chan struct{}        // the cluster is shut down: this daemon ends
	joining atomic.Bool
	// holdsAPI: this daemon, in no cluster, listens where the API of a node does, for the control node that may configure it.
	holdsAPI atomic.Bool
}

// New prepares a daemon; Run starts it. stderr gets the log beside the file.
func New(cfg Config, stderr io.Writer) (*Daemon, error) {
	for dir, mode := range map[string]os.FileMode{cfg.Data: 0o700, cfg.Run: 0o755, cfg.Etc: 0o755} {
		if err := os.MkdirAll(dir, mode); err != nil {
			return nil, fault.Errorf(fault.Invalid, "directory of the configuration: %w", err)
		}
	}
	book, err := OpenLogbook(cfg, stderr)
	if err != nil {
		return nil, err
	}
	d := &Daemon{cfg: cfg, book: book, log: book.Logger(), changed: make(chan struct{}, 1), down: make(chan struct{}, 1)}
	if d.commands, err = d.openCommandLog(); err != nil {
		return nil, err
	}
	d.control = control.New(control.Config{Clock: clock{cfg.Test.Clock}, Log: d.log, Local: d, Sponsor: d, Resolve: resolve,
		Recorder: d.commands, CommandLog: d.commands, LogKeeper: d.commands, Forwarding: d.commands.forwarding, Surveyor: d,
	})
	d.meter = metrics.New(metrics.Sources{Membership: d.membershipNow, State: d.stateNow, Beats: d.beats, CertificateDays: d.certificateDays, Certificates: d.certificatesNow, CommandLog: d.logState})
	d.server = server.New(server.Config{Control: d.control, Log: d.log, TLS: d.tls, Identify: d.identify, Metrics: d.meter, Healthy: d.healthy, SocketMode: 0o666, Resource: d.cfg.resourceOf, Busy: processors.Busy})
	return d, nil
}

// Reopen opens the log file anew, after a rotation.
func (d *Daemon) Reopen() { d.book.Reopen() }

// Run works until stop says how to end, or until something fails that this daemon can not go on without.
func (d *Daemon) Run(ctx context.Context, stop <-chan Stop) error {
	defer d.book.Flush()
	defer d.commands.close()
	d.log.Info("redoubtd begins", "version", version.Version, "node", d.cfg.Node)
	if err := d.installTools(); err != nil {
		d.lacks("agents will not find the commands that they call: " + err.Error())
	}
	if !d.cfg.QuorumServer {
		d.takeGuard(ctx)
	}
	saveMemory(false) // it begins with work
	realtime.ReserveHeap(heapReserve)
	// After the last program that would inherit it.
	for _, w := range realtime.Process(protection) {
		d.lacks(w)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return d.commands.Run(ctx) })
	g.Go(func() error { return d.server.ServeUnix(ctx, d.cfg.Socket()) })
	g.Go(func() error { d.serveMetrics(ctx); return nil })
	g.Go(func() error { return d.live(ctx) })
	g.Go(func() error { d.keepPriority(ctx); return nil })
	g.Go(func() error {
		select {
		case how := <-stop:
			d.conclude(ctx, how)
			cancel(errStopped)
		case <-d.down:
			// The answer to whoever asked is still on its way.
			_ = wait(ctx, 500*time.Millisecond)
			cancel(errStopped)
		case <-ctx.Done():
		}
		return nil
	})
	err := g.Wait()
	if errors.Is(context.Cause(ctx), errStopped) {
		d.log.Info("redoubtd ends")
		return nil
	}
	if err != nil {
		d.log.Error("redoubtd ends: it can not go on", "err", err)
	}
	return err
}

// lacks notes what this daemon could not have, for its log and for whoever asks the node.
func (d *Daemon) lacks(what string) {
	d.log.Warn("this daemon is weaker than it should be", "cause", what)
	d.weak = append(d.weak, what)
}

// takeGuard opens the program of the guard, or notes why it is this one.
func (d *Daemon) takeGuard(ctx context.Context) {
	program, err := d.findGuard(ctx)
	if err != nil {
		d.lacks("the guard's own program can not be used: the daemon's is its own guard until the daemon is started again, safe as ever, but it locks more memory: " + err.Error())
	}
	d.guard = program
}

var errStopped = errors.New("told to stop")

// conclude prepares the end.
func (d *Daemon) conclude(ctx context.Context, how Stop) {
	n := d.node.Load()
	if n == nil || d.cfg.QuorumServer {
		return
	}
	if how == Restart {
		err := n.handOver(ctx)
		if err == nil {
			d.log.Info("the services run on for the next daemon", "for", restartHold)
			return
		}
		if fault.Is(err, fault.Precondition) {
			return
		}
		d.log.Warn("the services can not be handed to the next daemon; they are stopped", "err", err)
	}
	if err := n.drain(ctx); err != nil {
		d.log.Error("this node does not leave in good order; the guard ends what is left", "err", err)
	}
}

// live is in a cluster whenever there is an identity.
func (d *Daemon) live(ctx context.Context) error {
	for {
		id, err := loadIdentity(d.cfg)
		if err != nil {
			return err
		}
		if id == nil {
			d.log.Info("this node is in no cluster: create one with `redoubt cluster create` or join one with `redoubt node join`")
			if _, err := d.cfg.joinKey(); err != nil {
				d.log.Error("this machine has no key to join with", "err", err)
			}
			if err := d.await(ctx); err != nil {
				return err
			}
			continue
		}
		err = d.belong(ctx, id)
		if !errors.Is(err, errRemoved) {
			return err
		}
		if err := d.forget(err.Error()); err != nil {
			return err
		}
	}
}

// belong is one membership of a cluster, from its identity to its end.
func (d *Daemon) belong(ctx context.Context, id *identity) error {
	if err := readable(id.Schema, d.cfg.Node, id.Cluster.Name); err != nil {
		return err
	}
	cred, err := loadCredentials(d.cfg)
	if err != nil {
		return err
	}
	if cred, err = freshen(d.cfg, id, cred, d.clock()); err != nil {
		return err
	}
	if days := cred.expiry(d.clock()); days < 0 {
		d.log.Error("the certificate of this node has ended, and it can not sign another: let it be removed and join again, or correct its clock", "days", days)
	}
	n, err := newNode(d.cfg, d.log, d.meter, id, cred)
	if err != nil {
		return err
	}
	n.guard, n.control = d.guard, d.control
	defer d.node.Store(nil)
	defer d.control.Exit()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		return n.run(ctx, func() {
			d.node.Store(n)
			r := n.running()
			d.control.Enter(r)
			g.Go(func() error { return d.control.KeepSecrets(ctx, r) })
			g.Go(func() error { return d.control.KeepEvents(ctx, r) })
			g.Go(func() error { return d.commands.Exchange(ctx, control.LogPeers(r)) })
			g.Go(func() error { return d.forward(ctx, n) })
			g.Go(func() error { return d.control.KeepAdmissions(ctx, r) })
		})
	})
	g.Go(func() error { return d.server.ServeTLS(ctx, d.cfg.Listen.API) })
	return g.Wait()
}

func (d *Daemon) clock() time.Time { return clock{d.cfg.Test.Clock}.Wall() }

// forget sets aside what a node that was removed knew of its cluster. The keys are of no use to anybody any more, and go.
func (d *Daemon) forget(why string) error {
	d.log.Error("this node was removed from its cluster: it runs nothing and forgets it; to have it back, let it join again", "why", why)
	aside := d.cfg.path(dirRemoved)
	if err := os.RemoveAll(aside); err != nil {
		return fault.Errorf(fault.Internal, "forget the cluster: %w", err)
	}
	if err := os.Mkdir(aside, 0o700); err != nil {
		return fault.Errorf(fault.Internal, "forget the cluster: %w", err)
	}
	for _, key := range []string{fileNodeKeys, fileUserKeys, fileCert, fileHeartbeat, fileSecret, fileJoin, fileSponsor} {
		if err := os.Remove(d.cfg.path(key)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fault.Errorf(fault.Internal, "forget the cluster: %w", err)
		}
	}
	if err := d.cfg.noteRemoved(why, d.clock()); err != nil {
		return err
	}
	// The identity last: until it is gone the next start tries again.
	for _, name := range []string{dirEtcd, dirEtcd + ".old", fileNodeRoots, fileUserRoots, fileRevoked, fileIdentity} {
		if err := os.Rename(d.cfg.path(name), filepath.Join(aside, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fault.Errorf(fault.Internal, "forget the cluster: %w", err)
		}
	}
	return nil
}

// installTools fills the directory that agents have first on their PATH: the scha_ commands and what OCF agents call.
func (d *Daemon) installTools() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	dir := filepath.Join(d.cfg.Run, "bin")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, filepath.Join(filepath.Dir(self), "redoubt"), "links", "install", "--agents", dir).CombinedOutput()
	if err != nil {
		return fmt.Errorf("install links in %s: %w: %s", dir, err, out)
	}
	return nil
}
