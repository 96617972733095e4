package audit

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"redoubt/internal/auditlog"
	"redoubt/internal/tick"
)

// MaxBacklog bounds how many entries may wait for the collector, and is how many do unless something else is set.
const MaxBacklog = 1_000_000

const defaultBacklog = 100_000

// The rhythm of forwarding.
const (
	forwardBatch = 100
	retryFirst   = time.Second
	retryLast    = time.Minute
	// doubtful is how long what was sent may still be on its way: TCP tells nobody what the collector has read, so after a break as much is sent again.
	doubtful = 5 * time.Second
)

// Collector is where the log is sent.
type Collector struct {
	Server, Name, Authority string
	Backlog                 int
	Cluster                 string
}

// Sender connects to collectors over TLS.
type Sender interface {
	// Dial returns a connection on which reading ends when the collector has closed it.
	Dial(ctx context.Context, server, name, authority string) (io.ReadWriteCloser, error)
}

// Cursor keeps on disk how far the log was sent.
type Cursor interface {
	Load() (next uint64, err error)
	Save(next uint64) error
}

// Forwarding is how sending goes.
type Forwarding struct {
	Connected              bool
	Waiting, Sent, Dropped int64
	Problem                string
}

// Forwarder sends this node's log to a collector. The log itself is what waits: nothing is lost while the collector is away, up to the backlog.
type Forwarder struct {
	j      *Journal
	sender Sender
	cursor Cursor
	find   func() (Collector, error)

	mu    sync.Mutex
	state Forwarding
}

// NewForwarder makes a forwarder; find says where to send, and a Collector without a server: nowhere.
func NewForwarder(j *Journal, s Sender, c Cursor, find func() (Collector, error)) *Forwarder {
	return &Forwarder{j: j, sender: s, cursor: c, find: find}
}

// State says how sending goes.
func (f *Forwarder) State() Forwarding {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state
}

func (f *Forwarder) set(change func(*Forwarding)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(&f.state)
}

// Run sends until ctx ends. changed tells of a new configuration.
func (f *Forwarder) Run(ctx context.Context, changed <-chan struct{}) error {
	next, err := f.cursor.Load()
	if err != nil {
		f.j.cfg.Log.Warn("how far the command log was sent is not known; all of it is sent", "err", err)
	}
	retry := retryFirst
	for {
		c, err := f.find()
		if err == nil && c.Server == "" {
			f.set(func(s *Forwarding) { s.Connected, s.Problem, s.Waiting = false, "", 0 })
			select {
			case <-changed:
				continue
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		if err == nil {
			var sent bool
			next, sent, err = f.connection(ctx, c, next, changed)
			if sent {
				retry = retryFirst
			}
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			f.set(func(s *Forwarding) { s.Connected, s.Problem = false, err.Error() })
			f.j.cfg.Log.Warn("the command log is not sent", "server", c.Server, "err", err, "again", retry)
			if pause(ctx, retry) != nil {
				return context.Cause(ctx)
			}
			retry = min(2*retry, retryLast)
		}
	}
}

// connection sends over one connection. It returns from which entry on is sent again, and no error when the configuration has changed.
func (f *Forwarder) connection(ctx context.Context, c Collector, next uint64, changed <-chan struct{}) (safe uint64, sent bool, err error) {
	bounded, cancel := context.WithTimeout(ctx, callLimit)
	conn, err := f.sender.Dial(bounded, c.Server, c.Name, c.Authority)
	cancel()
	if err != nil {
		return next, false, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	defer conn.Close()
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		_, _ = io.Copy(io.Discard, conn) // a collector says nothing; this ends when it closes
	}()
	f.set(func(s *Forwarding) { s.Connected, s.Problem = true, "" })
	w := window{safe: next}
	look := tick.New(time.Second)
	defer look.Stop()
	for {
		n, werr := f.send(conn, c, next)
		if n != next {
			sent = true
			w.sent(f.j.cfg.Now(), n)
			next = n
		}
		if w.settle(f.j.cfg.Now()) {
			if err := f.cursor.Save(w.safe); err != nil {
				f.j.cfg.Log.Warn("how far the command log was sent can not be kept", "err", err)
			}
		}
		if werr != nil {
			return w.safe, sent, werr
		}
		select {
		case <-closed:
			return w.safe, sent, fmt.Errorf("%s closed the connection", c.Server)
		case <-look.C:
		case <-changed:
			if now, err := f.find(); err != nil || now != c {
				return w.safe, sent, nil
			}
		case <-ctx.Done():
			_ = f.cursor.Save(w.safe)
			return w.safe, sent, nil
		}
	}
}

// window is what was sent and may still be on its way.
type window struct {
	safe uint64
	at   []time.Time
	upTo []uint64
}

func (w *window) sent(now time.Time, next uint64) {
	w.at, w.upTo = append(w.at, now), append(w.upTo, next)
}

// settle takes for received what was sent long enough ago on a connection that still holds.
func (w *window) settle(now time.Time) bool {
	moved := false
	for len(w.at) > 0 && now.Sub(w.at[0]) >= doubtful {
		w.safe, moved = w.upTo[0], true
		w.at, w.upTo = w.at[1:], w.upTo[1:]
	}
	return moved
}

// send sends what there is from an entry on, and returns up to where.
func (f *Forwarder) send(conn io.Writer, c Collector, next uint64) (uint64, error) {
	log, err := f.j.opened()
	if err != nil {
		return next, err
	}
	_, head := log.Head()
	backlog := uint64(defaultBacklog)
	if c.Backlog > 0 {
		backlog = uint64(c.Backlog)
	}
	if next > head.Size { // it is another log than the one that was sent before
		next = 0
	}
	if head.Size > backlog && next < head.Size-backlog {
		dropped := head.Size - backlog - next
		next = head.Size - backlog
		f.set(func(s *Forwarding) { s.Dropped += int64(dropped) })
		f.j.cfg.Meter.LogForwarded(0, int(dropped))
		f.j.cfg.Log.Error("entries of the command log were not sent: more waited than the backlog allows", "entries", dropped)
	}
	for next < head.Size {
		lines, err := log.Leaves(next, forwardBatch)
		if err != nil {
			return next, err
		}
		if len(lines) == 0 {
			break
		}
		var block []byte
		for _, line := range lines {
			if r, err := auditlog.Decode(line); err == nil {
				block = append(block, auditlog.Frame(r.Syslog(c.Cluster))...)
			}
		}
		if _, err := conn.Write(block); err != nil {
			return next, err
		}
		next += uint64(len(lines))
		f.j.cfg.Meter.LogForwarded(len(lines), 0)
		f.set(func(s *Forwarding) { s.Sent, s.Waiting = s.Sent+int64(len(lines)), int64(head.Size-next) })
	}
	return next, nil
}

// CheckAuthority says why a text does not hold certificates of an authority.
func CheckAuthority(text string) error {
	rest, found := []byte(strings.TrimSpace(text)), 0
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return fmt.Errorf("it holds a %s, and only certificates belong there", strings.ToLower(block.Type))
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return fmt.Errorf("a certificate in it can not be read: %w", err)
		}
		found++
	}
	if found == 0 {
		return fmt.Errorf("it holds no certificate")
	}
	return nil
}
