package daemon

import (
	"context"
	"path/filepath"
	"sync/atomic"

	"redoubt/internal/audit"
	"redoubt/internal/auditfile"
	"redoubt/internal/control"
	"redoubt/internal/metrics"
	"redoubt/internal/syslogtls"
)

// The command log lies below the data directory and belongs to the machine: it goes on when the machine leaves a cluster and joins another.
const (
	dirLog    = "log"
	dirCopies = "peers"
	fileSent  = "forward.cursor"
)

// commandLog is this node's command log with everything around it.
type commandLog struct {
	*audit.Journal
	file      atomic.Pointer[auditfile.Log]
	copies    *auditfile.Copies
	forwarder atomic.Pointer[audit.Forwarder]
	dir       string
}

// openCommandLog prepares the command log. That it can not be written is no reason not to start: services have to be kept up all the same.
func (d *Daemon) openCommandLog() (*commandLog, error) {
	l := &commandLog{dir: filepath.Join(d.cfg.Data, dirLog)}
	public, err := auditfile.PublicKey(l.dir)
	if err != nil {
		return nil, err
	}
	if l.copies, err = auditfile.OpenCopies(filepath.Join(l.dir, dirCopies)); err != nil {
		return nil, err
	}
	l.Journal = audit.New(audit.Config{
		Node: string(d.cfg.Node), Public: public, Copies: l.copies, Now: d.clock, Log: d.log, Meter: logMeter{d},
		Open: func() (audit.Log, error) {
			f, err := auditfile.Open(auditfile.Config{Dir: l.dir, Node: string(d.cfg.Node), Now: d.clock, User: "redoubtd"})
			if err != nil {
				return nil, err
			}
			l.file.Store(f)
			return f, nil
		},
	})
	return l, nil
}

func (l *commandLog) close() {
	if f := l.file.Load(); f != nil {
		f.Close()
	}
	l.copies.Close()
}

// logMeter counts into metrics that are made after the log.
type logMeter struct{ d *Daemon }

// LogRecord implements audit.Meter.
func (m logMeter) LogRecord(kind string) { m.d.meter.LogRecord(kind) }

// LogFailure implements audit.Meter.
func (m logMeter) LogFailure() { m.d.meter.LogFailure() }

// LogForwarded implements audit.Meter.
func (m logMeter) LogForwarded(sent, dropped int) { m.d.meter.LogForwarded(sent, dropped) }

// forwarding says how the log is sent.
func (l *commandLog) forwarding() audit.Forwarding {
	if f := l.forwarder.Load(); f != nil {
		return f.State()
	}
	return audit.Forwarding{}
}

// logState is what metrics read.
func (d *Daemon) logState() (metrics.LogState, bool) {
	s := metrics.LogState{Findings: len(d.commands.Findings()), Waiting: d.commands.forwarding().Waiting}
	if f := d.commands.file.Load(); f != nil {
		entries, bytes := f.Size()
		s.Entries, s.Bytes = int64(entries), bytes
	}
	return s, true
}

// forward sends the log to the collector that the repository names.
func (d *Daemon) forward(ctx context.Context, n *node) error {
	f := audit.NewForwarder(d.commands.Journal, syslogtls.Dialer{}, auditfile.Cursor{Path: filepath.Join(d.commands.dir, fileSent)}, func() (audit.Collector, error) {
		snap := n.mirror.Snapshot()
		to, err := control.Forward(snap)
		return audit.Collector{Server: to.Server, Name: to.Name, Authority: to.Authority, Backlog: to.Backlog, Cluster: snap.State.Cluster.Name}, err
	})
	d.commands.forwarder.Store(f)
	return f.Run(ctx, n.mirror.Subscribe(ctx))
}
