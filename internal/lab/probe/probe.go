// Package probe asks a service again and again, with a new connection each time, and works out from the answers who served when, how long
// nobody did, and whether two served at once. It may ask from several networks at the same time; one clock orders all answers.
package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"redoubt/internal/fault"
)

// Source is a place to ask from.
type Source struct {
	Name string
	// Inside calls f on a thread whose sockets belong to the place, and returns when f does.
	Inside func(f func() error) error
}

// Options say what to ask, how often and from where. Zero values stand for the defaults named.
type Options struct {
	Address     string        // ADDRESS:PORT, numeric
	Path        string        // what to GET; default "/"
	Every       time.Duration // default 5 ms
	For         time.Duration // default: until the context ends
	Deadline    time.Duration // of one connection, its answer included; default 150 ms
	Outstanding int           // connections at a time and source; default 64
	Sources     []Source      // the first is the client whose view counts for gaps
	// Each is told every attempt as it ends, from several goroutines, one at a time. It may be nil.
	Each func(Attempt)
}

// Attempt is one connection. Times count from the start of the probe.
type Attempt struct {
	Source string        `json:"source"`
	Start  time.Duration `json:"start"`
	End    time.Duration `json:"end"`
	Answer string        `json:"answer,omitempty"` // who answered
	Error  string        `json:"error,omitempty"`  // or why nobody did: timeout, refused, reset, unreachable, empty, http NNN, other
}

func (o *Options) fill() error {
	if _, err := netip.ParseAddrPort(o.Address); err != nil {
		return fault.Errorf(fault.Invalid, "probe %q: want a numeric ADDRESS:PORT, such as 10.77.0.100:8080 or [fd77::100]:80", o.Address)
	}
	if len(o.Sources) == 0 {
		return fault.Errorf(fault.Invalid, "probe %s: no place to ask from", o.Address)
	}
	if o.Path == "" {
		o.Path = "/"
	}
	if !strings.HasPrefix(o.Path, "/") || strings.ContainsAny(o.Path, " \r\n") {
		return fault.Errorf(fault.Invalid, "probe %s: path %q: want /PATH", o.Address, o.Path)
	}
	for _, d := range []struct {
		value *time.Duration
		def   time.Duration
	}{{&o.Every, 5 * time.Millisecond}, {&o.Deadline, 150 * time.Millisecond}} {
		if *d.value == 0 {
			*d.value = d.def
		}
	}
	if o.Outstanding == 0 {
		o.Outstanding = 64
	}
	if o.Every < 100*time.Microsecond || o.Deadline < time.Millisecond || o.For < 0 || o.Outstanding < 1 || o.Outstanding > 1024 {
		return fault.Errorf(fault.Invalid, "probe %s: every %v, deadline %v, for %v, %d outstanding: out of bounds (every at least 0.1 ms, deadline 1 ms, 1 to 1024 outstanding)", o.Address, o.Every, o.Deadline, o.For, o.Outstanding)
	}
	return nil
}

// Run asks until the time is over or ctx ends, and gives what it found.
func Run(ctx context.Context, o Options) (*Result, error) {
	if err := o.fill(); err != nil {
		return nil, err
	}
	r := &run{o: o, skipped: make([]int, len(o.Sources))}
	var places, tickers, ready sync.WaitGroup
	errs := make(chan error, len(o.Sources)*o.Outstanding)
	ticks := make([]chan struct{}, len(o.Sources))
	for i, s := range o.Sources {
		ticks[i] = make(chan struct{})
		ready.Add(o.Outstanding)
		for range o.Outstanding {
			places.Go(func() {
				// The workers end with their ticks and not with ctx, so that the last attempts are not cut short.
				entered := false
				err := s.Inside(func() error {
					entered = true
					ready.Done()
					r.work(s.Name, ticks[i])
					return nil
				})
				if err == nil {
					return
				}
				errs <- err
				if !entered {
					ready.Done()
				}
				for range ticks[i] { // a place that can not be entered asks nothing
				}
			})
		}
	}
	ready.Wait()
	r.began = time.Now()
	if o.For > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.For)
		defer cancel()
	}
	for i := range o.Sources {
		tickers.Go(func() {
			defer close(ticks[i])
			r.skipped[i] = tick(ctx, o.Every, ticks[i])
		})
	}
	tickers.Wait()
	took := time.Since(r.began)
	places.Wait()
	close(errs)
	if err := <-errs; err != nil {
		return nil, err
	}
	return analyse(r, took), nil
}

type run struct {
	o       Options
	began   time.Time
	skipped []int // attempts not made because too many were outstanding, by source
	mu      sync.Mutex
	all     []Attempt
}

// tick hands out work at a fixed rate. A tick that nobody is free to take is counted and lost: nothing is made up for later.
func tick(ctx context.Context, every time.Duration, ticks chan<- struct{}) (skipped int) {
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return skipped
		case <-t.C:
		}
		select {
		case ticks <- struct{}{}:
		default:
			skipped++
		}
	}
}

func (r *run) work(source string, ticks <-chan struct{}) {
	buf := make([]byte, 4096)
	for range ticks {
		a := Attempt{Source: source, Start: time.Since(r.began)}
		answer, err := ask(r.o, buf)
		a.End = time.Since(r.began)
		if err == nil {
			a.Answer = answer
		} else {
			a.Error = why(err)
		}
		r.mu.Lock()
		r.all = append(r.all, a)
		if r.o.Each != nil {
			r.o.Each(a)
		}
		r.mu.Unlock()
	}
}

// refusal is an answer that is none.
type refusal string

func (r refusal) Error() string { return string(r) }

// ask makes one connection on the calling thread and reads who answers.
func ask(o Options, buf []byte) (string, error) {
	deadline := time.Now().Add(o.Deadline)
	c, err := (&net.Dialer{Deadline: deadline, KeepAlive: -1}).Dial("tcp", o.Address)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.SetDeadline(deadline); err != nil {
		return "", err
	}
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.0\r\nHost: %s\r\nUser-Agent: redoubt-probe\r\n\r\n", o.Path, o.Address); err != nil {
		return "", err
	}
	n := 0
	for n < len(buf) {
		m, err := c.Read(buf[n:])
		n += m
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", err
		}
		if complete(buf[:n]) {
			break
		}
	}
	return answerer(buf[:n])
}

// complete reports whether the name in the answer can not become longer: there is something behind it.
func complete(b []byte) bool {
	body, http := body(b)
	if !http && bytes.HasPrefix([]byte("HTTP/"), b[:min(len(b), 5)]) {
		return false
	}
	rest := bytes.TrimLeft(body, " \t\r\n")
	return bytes.ContainsAny(rest, " \t\r\n")
}

// body gives the text in which the name is, and whether it was behind an HTTP header.
func body(b []byte) ([]byte, bool) {
	if !bytes.HasPrefix(b, []byte("HTTP/")) {
		return b, false
	}
	if _, after, ok := bytes.Cut(b, []byte("\r\n\r\n")); ok {
		return after, true
	}
	return nil, true
}

// answerer reads the name of who answered: the first word of the body, or of the whole when it is not HTTP.
func answerer(b []byte) (string, error) {
	text, http := body(b)
	if http {
		fields := bytes.Fields(b[:min(len(b), 64)])
		if len(fields) < 2 {
			return "", refusal("empty")
		}
		if code, err := strconv.Atoi(string(fields[1])); err != nil || code >= 400 {
			return "", refusal("http " + string(fields[1]))
		}
	}
	fields := bytes.Fields(text)
	if len(fields) == 0 {
		return "", refusal("empty")
	}
	return string(fields[0]), nil
}

// why names the kind of an error.
func why(err error) string {
	if r, ok := errors.AsType[refusal](err); ok {
		return string(r)
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		return "timeout"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "reset"
	case slices.ContainsFunc([]error{syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EHOSTDOWN, syscall.ENETDOWN}, func(e error) bool { return errors.Is(err, e) }):
		return "unreachable"
	}
	if t, ok := errors.AsType[net.Error](err); ok && t.Timeout() {
		return "timeout"
	}
	return "other"
}
