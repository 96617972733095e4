package server

import (
	"container/list"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"redoubt/internal/admission"
	"redoubt/internal/control"
)

// Connections whose caller has not shown a certificate that counts are counted by network. There are only so many of them, and the oldest one makes room for the next: whoever
// opens them without end ends his own, and a node that comes meanwhile needs its place for the moment of a handshake only.
const (
	crowdConns   = 1024 // in all
	networkConns = 256  // of one network: an IPv4 address, or what an IPv6 address has around it
)

// crowd are connections that have proved nothing yet.
type crowd struct {
	mu   sync.Mutex
	all  list.List // of *counted, the oldest first
	of   map[netip.Prefix]int
	gone int // how many have made room since that was said
	said time.Time
}

// enter takes a connection in and returns the one that has to go for it, or nil.
func (c *crowd) enter(n *counted) (gone *counted) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == nil {
		c.of = map[netip.Prefix]int{}
	}
	if c.of[n.network] >= networkConns {
		gone = c.oldest(n.network)
	} else if c.all.Len() >= crowdConns {
		gone = c.oldest(c.fullest())
	}
	if gone != nil {
		c.leave(gone)
		c.gone++
	}
	n.place = c.all.PushBack(n)
	c.of[n.network]++
	return gone
}

func (c *crowd) oldest(network netip.Prefix) *counted {
	for e := c.all.Front(); e != nil; e = e.Next() {
		if n, ok := e.Value.(*counted); ok && n.network == network {
			return n
		}
	}
	return nil
}

// fullest is the network with the most connections; of several the one with the oldest.
func (c *crowd) fullest() (network netip.Prefix) {
	most := 0
	for e := c.all.Front(); e != nil; e = e.Next() {
		if n, ok := e.Value.(*counted); ok && c.of[n.network] > most {
			network, most = n.network, c.of[n.network]
		}
	}
	return network
}

// leave takes a connection out: it is closed, or its caller has proved who he is. It reports whether it was in.
func (c *crowd) leave(n *counted) bool {
	if n.place == nil {
		return false
	}
	c.all.Remove(n.place)
	n.place = nil
	if c.of[n.network]--; c.of[n.network] <= 0 {
		delete(c.of, n.network)
	}
	return true
}

func (c *crowd) out(n *counted) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.leave(n)
}

func (c *crowd) size() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all.Len()
}

// crowdEvery is how often it is said that connections had to make room.
const crowdEvery = time.Minute

// tell gives the number of connections that have made room, when it is time to say so.
func (c *crowd) tell(now time.Time) (many int, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.said.IsZero() && now.Sub(c.said) < crowdEvery {
		return 0, false
	}
	many, c.gone, c.said = c.gone, 0, now
	return many, many > 0
}

// crowded is a listener whose connections count in a crowd until their callers have proved who they are.
type crowded struct {
	net.Listener
	crowd *crowd
	log   *slog.Logger
}

// Crowded bounds the connections of a listener for an HTTP server on TLS that lets nobody but one known caller through the handshake: the oldest one makes room for the next.
// The function is for the server's ConnState: whoever begins a request is that caller, and makes room for nobody.
func Crowded(l net.Listener, log *slog.Logger) (net.Listener, func(net.Conn, http.ConnState)) {
	return crowded{l, new(crowd), log}, func(c net.Conn, state http.ConnState) {
		over, ok := c.(*tls.Conn)
		if !ok || state != http.StateActive {
			return
		}
		if n, ok := over.NetConn().(*counted); ok {
			n.known()
		}
	}
}

// Accept implements net.Listener.
func (l crowded) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	n := &counted{Conn: c}
	if at, err := netip.ParseAddrPort(c.RemoteAddr().String()); err == nil {
		n.network = admission.Network(at.Addr())
	}
	n.done = sync.OnceFunc(func() { l.crowd.out(n) })
	n.known = func() bool { return l.crowd.out(n) }
	if gone := l.crowd.enter(n); gone != nil {
		if t, ok := gone.Conn.(*net.TCPConn); ok {
			_ = t.SetLinger(0) // nothing of it stays
		}
		_ = gone.Close()
		if many, ok := l.crowd.tell(time.Now()); ok {
			l.log.Warn("too many connections of callers who do not show who they are: the oldest ones are closed", "on", l.Addr().String(), "closed", many, "of", gone.network.String())
		}
	}
	return n, nil
}

// proven looks at a connection on which a request begins: the handshake is over then. Who has shown the certificate of a node is not counted any more, one of a user or
// partner counts for him.
func (s *Server) proven(c net.Conn, state http.ConnState) {
	over, ok := c.(*tls.Conn)
	if !ok || state != http.StateActive {
		return
	}
	n, ok := placeOf(c)
	if !ok || n.known == nil {
		return
	}
	shown := over.ConnectionState()
	if !shown.HandshakeComplete || len(shown.PeerCertificates) == 0 {
		return
	}
	who, err := s.identified(&http.Request{TLS: &shown})
	if err != nil || !n.known() {
		return
	}
	n.known = nil
	if who.Kind == control.CallerNode {
		return
	}
	s.belongs(n, who)
}
