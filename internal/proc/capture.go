package proc

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"redoubt/internal/agent"
)

// Limits of what is kept and logged.
const (
	pipeSize   = 1 << 20
	maxLine    = 4 << 10
	burstLines = 200 // a second and program
)

// pipePath is the named pipe of a program, from its cgroup.
func (l *Launcher) pipePath(leaf string) string {
	rel, err := filepath.Rel(l.cfg.Cgroup, leaf)
	if err != nil {
		rel = filepath.Base(leaf)
	}
	name := strings.ReplaceAll(rel, "/", "+")
	if len(name) > 200 { // a file name may have 255 bytes
		sum := sha256.Sum256([]byte(name))
		name = name[:100] + "+" + hex.EncodeToString(sum[:8])
	}
	return filepath.Join(l.cfg.RunDir, name+".out")
}

// capture reads the output of one program: keeps the beginning and the end of it, and logs it by lines.
type capture struct {
	launcher *Launcher
	leaf     string
	pipe     *os.File
	log      *slog.Logger

	mu       sync.Mutex
	keeping  bool
	head     []byte
	tail     []byte // ring
	tailAt   int
	dropped  int64
	line     []byte
	overlong bool
	second   int64
	logged   int
	unlogged int

	settled chan struct{} // closed when everything written before the program's exit has been read
	once    sync.Once
}

// newCapture makes the pipe. The program's end can be read too, so that the program never finds it closed.
func (l *Launcher) newCapture(leaf string, ref agent.Ref, label string) (*capture, *os.File, error) {
	path := l.pipePath(leaf)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, nil, fmt.Errorf("remove old output pipe: %w", err)
	}
	if err := unix.Mkfifo(path, 0o600); err != nil {
		return nil, nil, fmt.Errorf("make output pipe %s: %w", path, err)
	}
	out, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("open output pipe: %w", err)
	}
	c, err := l.openCapture(leaf, path, ref, label)
	if err != nil {
		out.Close()
		return nil, nil, err
	}
	return c, out, nil
}

func (l *Launcher) openCapture(leaf, path string, ref agent.Ref, label string) (*capture, error) {
	in, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open output pipe: %w", err)
	}
	if rc, err := in.SyscallConn(); err == nil {
		// A smaller pipe only makes a fast writer wait more often.
		_ = rc.Control(func(fd uintptr) { _, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, pipeSize) })
	}
	log := l.cfg.Log.With("group", string(ref.Group), "resource", string(ref.Resource), "method", label)
	return &capture{launcher: l, leaf: leaf, pipe: in, log: log, keeping: true, settled: make(chan struct{})}, nil
}

// follow reads until nobody holds the pipe any more or stop is called.
func (c *capture) follow() {
	for {
		err := c.read()
		switch {
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded):
			// The program has exited: read what it left, at most a full pipe, then go on for those who still hold it.
			c.drain()
			c.flush()
			c.markSettled()
			_ = c.pipe.SetReadDeadline(time.Time{})
		default:
			if !errors.Is(err, io.EOF) && !errors.Is(err, os.ErrClosed) {
				c.log.Warn("output can not be read any more", "cause", err.Error())
			}
			c.flush()
			c.finish(errors.Is(err, io.EOF))
			return
		}
	}
}

// buffers are what is read into. There can be thousands of services that say nothing for months: each has one only while it is read from.
var buffers = sync.Pool{New: func() any { return new([64 << 10]byte) }}

// read waits until there is something, and takes it; io.EOF: nobody holds the pipe any more.
func (c *capture) read() error {
	rc, err := c.pipe.SyscallConn()
	if err != nil {
		return err
	}
	var n int
	cerr := rc.Read(func(fd uintptr) bool {
		buf := buffers.Get().(*[64 << 10]byte)
		defer buffers.Put(buf)
		for n, err = unix.Read(int(fd), buf[:]); errors.Is(err, unix.EINTR); {
			n, err = unix.Read(int(fd), buf[:])
		}
		if errors.Is(err, unix.EAGAIN) {
			return false
		}
		c.take(buf[:max(n, 0)])
		return true
	})
	switch {
	case errors.Is(cerr, os.ErrDeadlineExceeded):
		return cerr
	case cerr != nil: // stop was called
		return os.ErrClosed
	case err == nil && n == 0:
		return io.EOF
	}
	return err
}

func (c *capture) drain() {
	buf := buffers.Get().(*[64 << 10]byte)
	defer buffers.Put(buf)
	rc, err := c.pipe.SyscallConn()
	if err != nil {
		return
	}
	for total := 0; total < pipeSize; {
		n := 0
		cerr := rc.Control(func(fd uintptr) { n, err = unix.Read(int(fd), buf[:]) })
		if cerr != nil || err != nil || n <= 0 {
			return
		}
		c.take(buf[:n])
		total += n
	}
}

func (c *capture) finish(ended bool) {
	c.markSettled()
	c.pipe.Close()
	c.launcher.mu.Lock()
	if c.launcher.readers[c.leaf] == c {
		delete(c.launcher.readers, c.leaf)
	}
	c.launcher.mu.Unlock()
	if ended {
		os.Remove(c.launcher.pipePath(c.leaf))
		c.launcher.remove(c.leaf)
	}
}

func (c *capture) markSettled() { c.once.Do(func() { close(c.settled) }) }

// exited is called when the program has ended and was reaped.
func (c *capture) exited() { _ = c.pipe.SetReadDeadline(time.Unix(1, 0)) }

// stop ends the reading; follow notices.
func (c *capture) stop() {
	c.pipe.Close()
	c.markSettled()
}

// settle waits for what the program wrote before its exit and returns it. It does not wait for others that hold the pipe.
func (c *capture) settle() string {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	select {
	case <-c.settled:
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keeping = false
	out := string(c.head)
	tail := append(append([]byte{}, c.tail[c.tailAt:]...), c.tail[:c.tailAt]...)
	if c.dropped > 0 {
		out += fmt.Sprintf("\n[%d bytes left out]\n", c.dropped)
	}
	out += string(tail)
	c.head, c.tail = nil, nil
	return out
}

// half of MaxOutput is kept from the beginning, the rest, less room for the note between them, from the end.
const (
	headSize = agent.MaxOutput / 2
	tailSize = agent.MaxOutput/2 - 64
)

func (c *capture) take(b []byte) {
	if len(b) == 0 {
		return
	}
	c.mu.Lock()
	if c.keeping {
		c.keep(b)
	}
	c.mu.Unlock()
	for len(b) > 0 {
		i := bytes.IndexByte(b, '\n')
		part := b
		if i >= 0 {
			part = b[:i]
		}
		if room := maxLine - len(c.line); len(part) > room {
			part, c.overlong = part[:room], true
		}
		c.line = append(c.line, part...)
		if i < 0 {
			return
		}
		c.flush()
		b = b[i+1:]
	}
}

func (c *capture) keep(b []byte) {
	n := min(headSize-len(c.head), len(b))
	c.head = append(c.head, b[:n]...)
	b = b[n:]
	if len(b) > tailSize {
		c.dropped += int64(len(c.tail) + len(b) - tailSize)
		c.tail, c.tailAt = append(c.tail[:0], b[len(b)-tailSize:]...), 0
		return
	}
	grow := min(tailSize-len(c.tail), len(b))
	if grow > 0 {
		c.tail = append(c.tail, b[:grow]...) // tailAt is 0 until the ring is full
		b = b[grow:]
	}
	c.dropped += int64(len(b))
	for len(b) > 0 {
		n := copy(c.tail[c.tailAt:], b)
		c.tailAt = (c.tailAt + n) % len(c.tail)
		b = b[n:]
	}
}

// flush logs the line that was read. Only the reading goroutine calls it.
func (c *capture) flush() {
	if len(c.line) == 0 && !c.overlong {
		return
	}
	text := strings.ToValidUTF8(strings.TrimRight(string(c.line), "\r"), "\uFFFD")
	cut := c.overlong
	c.line, c.overlong = c.line[:0], false
	if now := time.Now().Unix(); now != c.second {
		if c.unlogged > 0 {
			c.log.Warn("output was too fast to log it all", "lines", c.unlogged)
		}
		c.second, c.logged, c.unlogged = now, 0, 0
	}
	if c.logged++; c.logged > burstLines {
		c.unlogged++
		return
	}
	if cut {
		text += "…"
	}
	c.log.Info("output", "line", text)
}
