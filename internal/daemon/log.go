package daemon

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"log/syslog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"redoubt/internal/fault"
)

func level(name string) (slog.Level, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(strings.ToUpper(name))); err != nil {
		return l, fmt.Errorf("log level %q: want debug, info, warn or error", name)
	}
	return l, nil
}

// queueLength is how many lines wait for a slow disk before lines are dropped.
const queueLength = 4096

// line is one formatted record on its way to the writer.
type line struct {
	level slog.Level
	text  []byte
	flush chan struct{}
}

// Logbook takes the daemon's log to a file, to standard error and to syslog. Writing never blocks who logs: heartbeats must not wait for a disk. What does
// not fit into the queue is counted and said later.
type Logbook struct {
	path    string
	queue   chan line
	dropped atomic.Int64
	min     slog.Level
	syslog  *syslog.Writer
	stderr  io.Writer

	mu   sync.Mutex
	file *os.File
}

// OpenLogbook opens logDir/redoubtd.log for appending. A log that cannot be opened is said on standard error and does not stop the daemon.
func OpenLogbook(cfg Config, stderr io.Writer) (*Logbook, error) {
	min, err := level(cfg.Log.Level)
	if err != nil {
		return nil, fault.Errorf(fault.Invalid, "%w", err)
	}
	b := &Logbook{path: filepath.Join(cfg.Logs, "redoubtd.log"), queue: make(chan line, queueLength), min: min, stderr: stderr}
	if err := os.MkdirAll(cfg.Logs, 0o750); err != nil {
		fmt.Fprintf(stderr, "redoubtd: log directory: %v; logging to standard error only\n", err)
	}
	b.Reopen()
	if cfg.Log.Syslog {
		if b.syslog, err = syslog.New(syslog.LOG_DAEMON|syslog.LOG_INFO, "redoubtd"); err != nil {
			fmt.Fprintf(stderr, "redoubtd: syslog: %v; logging without it\n", err)
		}
	}
	go b.write()
	return b, nil
}

// Reopen opens the file anew, after it was renamed by a rotation.
func (b *Logbook) Reopen() {
	f, err := os.OpenFile(b.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
	if err != nil {
		fmt.Fprintf(b.stderr, "redoubtd: log file: %v\n", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.file != nil {
		_ = b.file.Close()
	}
	b.file = f
}

// Logger returns the logger that writes here.
func (b *Logbook) Logger() *slog.Logger {
	var buf bytes.Buffer
	var mu sync.Mutex
	return slog.New(&bookHandler{book: b, buf: &buf, mu: &mu, text: slog.NewTextHandler(&buf, &slog.HandlerOptions{Level: b.min})})
}

// Flush waits until everything logged so far is written.
func (b *Logbook) Flush() {
	ch := make(chan struct{})
	b.queue <- line{flush: ch}
	<-ch
}

func (b *Logbook) write() {
	for l := range b.queue {
		if l.flush != nil {
			close(l.flush)
			continue
		}
		if n := b.dropped.Swap(0); n > 0 {
			b.out(line{slog.LevelWarn, fmt.Appendf(nil, "level=WARN msg=\"lines were dropped: the log could not be written fast enough\" lines=%d\n", n), nil})
		}
		b.out(l)
	}
}

// out writes to every place; a full disk loses the line there and stops nothing.
func (b *Logbook) out(l line) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.file != nil {
		_, _ = b.file.Write(l.text)
	}
	_, _ = b.stderr.Write(l.text)
	if b.syslog == nil {
		return
	}
	text := string(bytes.TrimSuffix(l.text, []byte("\n")))
	switch {
	case l.level >= slog.LevelError:
		_ = b.syslog.Err(text)
	case l.level >= slog.LevelWarn:
		_ = b.syslog.Warning(text)
	case l.level >= slog.LevelInfo:
		_ = b.syslog.Info(text)
	default:
		_ = b.syslog.Debug(text)
	}
}

// bookHandler formats under a lock and hands the text on.
type bookHandler struct {
	book *Logbook
	text slog.Handler
	buf  *bytes.Buffer
	mu   *sync.Mutex
}

// Enabled implements slog.Handler.
func (h *bookHandler) Enabled(ctx context.Context, l slog.Level) bool { return h.text.Enabled(ctx, l) }

// Handle implements slog.Handler.
func (h *bookHandler) Handle(ctx context.Context, r slog.Record) error {
	h.mu.Lock()
	h.buf.Reset()
	err := h.text.Handle(ctx, r)
	text := bytes.Clone(h.buf.Bytes())
	h.mu.Unlock()
	if err != nil {
		return err
	}
	select {
	case h.book.queue <- line{level: r.Level, text: text}:
	default:
		h.book.dropped.Add(1)
	}
	return nil
}

// WithAttrs implements slog.Handler.
func (h *bookHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	c.text = h.text.WithAttrs(attrs)
	return &c
}

// WithGroup implements slog.Handler.
func (h *bookHandler) WithGroup(name string) slog.Handler {
	c := *h
	c.text = h.text.WithGroup(name)
	return &c
}
