package server

import (
	"container/list"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"redoubt/internal/admission"
	"redoubt/internal/control"
	"redoubt/internal/fault"
)

// The bounds on what one caller may take of the daemon, so that none keeps the others away. Root of the node and the nodes among themselves are not counted.
const (
	localConns = 32  // open at once, of one user of this machine
	allLocal   = 512 // of all of them: one user may have thousands of numbers
	userConns  = 32  // of one user or partner who has shown his certificate
	perSecond  = 50  // requests
	burst      = 150
	maxCounted = 4096
	ownWatches = 8  // of one caller
	allWatches = 64 // of all that are counted; the rest of maxWatches is for root
)

// counters counts what callers have open.
type counters struct {
	mu sync.Mutex
	of map[string]int
}

// take counts one more for somebody, if that is not too much.
func (c *counters) take(who string, limit int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == nil {
		c.of = map[string]int{}
	}
	if c.of[who] >= limit {
		return false
	}
	c.of[who]++
	return true
}

func (c *counters) give(who string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of[who]--; c.of[who] <= 0 {
		delete(c.of, who)
	}
}

// limited is the listener of the unix socket: it takes no more connections of one caller than he may have.
type limited struct {
	net.Listener
	open *counters
}

// counted is a connection that is counted until it is closed.
type counted struct {
	net.Conn
	done func() // it is closed; callable several times

	network netip.Prefix
	place   *list.Element // in the crowd, whose lock guards it
	known   func() bool   // takes it out of the crowd; nil: it never was in one, or is not any more. Used by the connection's own goroutine alone

	mu     sync.Mutex
	closed bool
	later  func() // what is given back when it is closed
}

// Close implements net.Conn.
func (c *counted) Close() error {
	c.done()
	c.mu.Lock()
	later := c.later
	c.later, c.closed = nil, true
	c.mu.Unlock()
	if later != nil {
		later()
	}
	return c.Conn.Close()
}

// given has something given back when the connection is closed, or now if it is.
func (c *counted) given(back func()) {
	c.mu.Lock()
	closed := c.closed
	if !closed {
		c.later = back
	}
	c.mu.Unlock()
	if closed {
		back()
	}
}

// Accept implements net.Listener. A connection too many is closed at once: whoever opens it knows why.
func (l limited) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		who, limit := peerOf(c)
		if who == "" {
			return c, nil
		}
		if !l.open.take(anyUser, allLocal) {
			_ = c.Close()
			continue
		}
		if !l.open.take(who, limit) {
			l.open.give(anyUser)
			_ = c.Close()
			continue
		}
		return &counted{Conn: c, done: sync.OnceFunc(func() { l.open.give(who); l.open.give(anyUser) })}, nil
	}
}

// anyUser counts the connections of all users of the machine but root.
const anyUser = "any user"

// peerOf says under which name a connection on the unix socket counts, and how many there may be of it; "" if it is not counted.
func peerOf(c net.Conn) (who string, limit int) {
	if u, ok := c.(*net.UnixConn); ok {
		cred, _, err := credentials(u)
		if err == nil && cred.Uid == 0 {
			return "", 0
		}
		if err != nil {
			return "unknown", 1
		}
		return "uid " + strconv.FormatUint(uint64(cred.Uid), 10), localConns
	}
	return "", 0
}

// unixConn finds the socket below what was made of it.
func unixConn(c net.Conn) (*net.UnixConn, bool) {
	if n, ok := c.(*counted); ok {
		c = n.Conn
	}
	u, ok := c.(*net.UnixConn)
	return u, ok
}

// credentials asks the kernel who is at the other end of a unix socket, and in which groups.
func credentials(u *net.UnixConn) (cred *unix.Ucred, groups []int, err error) {
	raw, err := u.SyscallConn()
	if err != nil {
		return nil, nil, err
	}
	ask := func(fd uintptr) {
		if cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			groups, err = peerGroups(int(fd))
		}
	}
	if cerr := raw.Control(ask); cerr != nil {
		return nil, nil, cerr
	}
	return cred, groups, err
}

// rates lets each caller make so many requests and no more.
type rates struct {
	mu sync.Mutex
	of map[string]*bucket
}

type bucket struct {
	left float64
	at   time.Time
}

func (r *rates) allow(who string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.of == nil {
		r.of = map[string]*bucket{}
	}
	b := r.of[who]
	if b == nil {
		if len(r.of) >= maxCounted {
			for name, old := range r.of { // those that are full again need not be remembered
				if now.Sub(old.at).Seconds()*perSecond+old.left >= burst {
					delete(r.of, name)
				}
			}
			if len(r.of) >= maxCounted {
				return false
			}
		}
		b = &bucket{left: burst, at: now}
		r.of[who] = b
	}
	b.left = min(burst, b.left+max(0, now.Sub(b.at).Seconds())*perSecond)
	b.at = now
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}

// countedAs is the name under which the requests of a caller count; "" if they do not.
func countedAs(who control.Caller) string {
	switch who.Kind {
	case control.CallerNode:
		return ""
	case control.CallerLocal:
		if who.UID == 0 {
			return ""
		}
		return "uid " + strconv.Itoa(who.UID)
	case control.CallerUser, control.CallerSession, control.CallerPartner:
		return string(who.Kind) + " " + who.User
	}
	return "at " + admission.Network(who.From).String()
}

// paced refuses a caller who asks too often.
func (s *Server) paced(who control.Caller) error {
	rates := &s.rates
	if who.Kind == control.CallerNone {
		rates = &s.strangers // however many there are, none of them takes the place of somebody who is known
	}
	if name := countedAs(who); name != "" && !rates.allow(name, time.Now()) {
		return fault.Errorf(fault.Unavailable, "too many requests: more than %d in a second; ask less often", perSecond)
	}
	return nil
}

// mayWatch counts a watch; done takes it off again.
func (s *Server) mayWatch(who control.Caller) (done func(), err error) {
	name := countedAs(who)
	if name == "" {
		return func() {}, nil
	}
	const all = "all"
	if !s.watchers.take(all, allWatches) {
		return nil, fault.Errorf(fault.Unavailable, "watch: users have %d watches open already; close one", allWatches)
	}
	if !s.watchers.take(name, ownWatches) {
		s.watchers.give(all)
		return nil, fault.Errorf(fault.Unavailable, "watch: you have %d watches open already; close one", ownWatches)
	}
	return func() { s.watchers.give(name); s.watchers.give(all) }, nil
}
