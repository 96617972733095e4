package etcdstore

import (
	"container/list"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	"go.etcd.io/etcd/server/v3/etcdserver/api/etcdhttp"
	"go.etcd.io/etcd/server/v3/etcdserver/api/rafthttp"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3rpc"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"redoubt/internal/admission"
	"redoubt/internal/fault"
)

// etcd's own listeners let nobody stand before them, and answer pages of HTTP beside the calls. So etcd listens on nothing, and the member does: with the same certificates, bounds on
// connections, and nothing but the calls of clients on one port and of members on the other.

// The bounds on connections of each port. Who has asked for nothing yet that he may have waits; of those that wait the oldest one makes room for the next, so that a node that comes
// while a stranger opens connections without end needs its place for the moment of its handshake and its first call only. From then on it has one of the places of its node, where
// the oldest one makes room too: no node takes those of another, and nobody who has made himself a certificate takes any.
const (
	mostWaiting   = 256
	networkWaits  = 64 // of one network: an IPv4 address, or what an IPv6 address has around it
	nodePlaces    = 64 // of one node; the others have about ten with each
	headerTimeout = 10 * time.Second
	bodyTimeout   = 5 * time.Minute // a whole repository may be sent
)

// door is a listener that bounds connections.
type door struct {
	net.Listener
	patience time.Duration // without a byte read or written; 0: no bound
	log      *slog.Logger

	mu      sync.Mutex
	waiting list.List // of *visitor, the oldest first
	of      map[netip.Prefix]int
	nodes   map[string]*list.List // those of each node, the same
	said    map[string]time.Time  // of what it was said last that there are too many
}

// visitor is a connection.
type visitor struct {
	net.Conn
	door    *door
	network netip.Prefix
	place   *list.Element // among those that wait, or those of a node
	node    string        // whose place it has; "": it waits
}

// caller is the address of a connection, from which a call leads back to it.
type caller struct {
	net.Addr
	visitor *visitor
}

// RemoteAddr implements net.Conn.
func (v *visitor) RemoteAddr() net.Addr { return caller{v.Conn.RemoteAddr(), v} }

// Accept implements net.Listener.
func (d *door) Accept() (net.Conn, error) {
	c, err := d.Listener.Accept()
	if err != nil {
		return nil, err
	}
	v := &visitor{Conn: c, door: d}
	if at, err := netip.ParseAddrPort(c.RemoteAddr().String()); err == nil {
		v.network = admission.Network(at.Addr())
	}
	if gone := d.enter(v); gone != nil {
		gone.cut()
		d.tell("", "too many connections of callers who do not show a certificate that counts: the oldest ones are closed", "of", gone.network.String())
	}
	return v, nil
}

// cut ends a connection that makes room.
func (v *visitor) cut() {
	if t, ok := v.Conn.(*net.TCPConn); ok {
		_ = t.SetLinger(0) // nothing of it stays
	}
	_ = v.Conn.Close()
}

// enter lets a connection wait, and returns the one that has to go for it, or nil.
func (d *door) enter(v *visitor) (gone *visitor) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.of == nil {
		d.of = map[netip.Prefix]int{}
	}
	if own := d.of[v.network] >= networkWaits; own || d.waiting.Len() >= mostWaiting {
		gone = d.oldest(v.network, own)
		d.leave(gone)
	}
	v.place = d.waiting.PushBack(v)
	d.of[v.network]++
	return gone
}

// oldest is the connection that has waited for the longest time, of one network or of any.
func (d *door) oldest(network netip.Prefix, own bool) *visitor {
	for e := d.waiting.Front(); e != nil; e = e.Next() {
		if v := e.Value.(*visitor); !own || v.network == network { //nolint:forcetypeassert // the list has nothing else
			return v
		}
	}
	return nil
}

// leave takes a connection's place from it.
func (d *door) leave(v *visitor) {
	switch {
	case v == nil || v.place == nil:
		return
	case v.node != "":
		own := d.nodes[v.node]
		if own.Remove(v.place); own.Len() == 0 {
			delete(d.nodes, v.node)
		}
	default:
		d.waiting.Remove(v.place)
		if d.of[v.network]--; d.of[v.network] <= 0 {
			delete(d.of, v.network)
		}
	}
	v.place = nil
}

// admit gives a connection that waits one of the places of a node, and returns the one that has to go for it, or nil.
func (d *door) admit(v *visitor, node string) (gone *visitor) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if v.place == nil || v.node != "" || node == "" {
		return nil
	}
	d.leave(v)
	own := d.nodes[node]
	if own != nil && own.Len() >= nodePlaces {
		gone = own.Front().Value.(*visitor) //nolint:forcetypeassert // the list has nothing else
		d.leave(gone)
	}
	if own = d.nodes[node]; own == nil {
		if d.nodes == nil {
			d.nodes = map[string]*list.List{}
		}
		own = list.New()
		d.nodes[node] = own
	}
	v.node, v.place = node, own.PushBack(v)
	return gone
}

func (d *door) out(v *visitor) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.leave(v)
}

// welcome is told of a connection that it asked for something which its certificate allows.
func (v *visitor) welcome(cert *x509.Certificate) {
	node := cert.Subject.CommonName
	if gone := v.door.admit(v, node); gone != nil {
		gone.cut()
		v.door.tell(node, "a node has too many connections to this node's member of the repository: its oldest ones are closed", "of", node)
	}
}

// tell says at most once a minute of one node, or of all who wait, that connections had to make room.
func (d *door) tell(of, what string, more ...any) {
	d.mu.Lock()
	now := time.Now()
	last, before := d.said[of]
	quiet := before && now.Sub(last) < time.Minute
	if d.said == nil {
		d.said = map[string]time.Time{}
	}
	if !quiet {
		d.said[of] = now
	}
	d.mu.Unlock()
	if !quiet {
		d.log.Warn(what, append([]any{"on", d.Addr().String()}, more...)...)
	}
}

// Close implements net.Conn.
func (v *visitor) Close() error {
	v.door.out(v)
	return v.Conn.Close()
}

// Read implements net.Conn.
func (v *visitor) Read(b []byte) (int, error) {
	if v.door.patience > 0 {
		if err := v.SetReadDeadline(time.Now().Add(v.door.patience)); err != nil {
			return 0, err
		}
	}
	return v.Conn.Read(b)
}

// Write implements net.Conn.
func (v *visitor) Write(b []byte) (int, error) {
	if v.door.patience > 0 {
		if err := v.SetWriteDeadline(time.Now().Add(v.door.patience)); err != nil {
			return 0, err
		}
	}
	return v.Conn.Write(b)
}

func visitorOf(c net.Conn) *visitor {
	over, ok := c.(*tls.Conn)
	if !ok {
		return nil
	}
	v, _ := over.NetConn().(*visitor)
	return v
}

// openPorts begins to listen; what comes waits until the member answers.
func (m *Member) openPorts() (err error) {
	m.peerDoor = &door{patience: rafthttp.ConnReadTimeout, log: m.cfg.Log}
	if m.clientPort, err = m.listen(m.cfg.ClientPort, &door{log: m.cfg.Log}); err != nil {
		return err
	}
	if m.peerPort, err = m.listen(m.cfg.PeerPort, m.peerDoor); err != nil {
		_ = m.clientPort.Close()
	}
	return err
}

// listen opens a port behind a door.
func (m *Member) listen(port int, front *door) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(m.ctx, "tcp", hostPort(m.cfg.Address, port))
	if err != nil {
		return nil, m.explain(err)
	}
	files := m.cfg.served()
	front.Listener = l
	over, err := transport.NewTLSListener(front, &files)
	if err != nil {
		_ = l.Close()
		return nil, fault.Errorf(fault.Internal, "port %d of the repository on node %s: %w", port, m.cfg.Node, err)
	}
	return over, nil
}

// shaken are connections whose handshake is over, for a server of gRPC.
type shaken struct {
	credentials.TransportCredentials
}

// ServerHandshake implements credentials.TransportCredentials.
func (shaken) ServerHandshake(c net.Conn) (net.Conn, credentials.AuthInfo, error) {
	over, ok := c.(*tls.Conn)
	if !ok {
		return nil, nil, errors.New("a connection without TLS")
	}
	return c, credentials.TLSInfo{State: over.ConnectionState(), CommonAuthInfo: credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity}}, nil
}

// Clone implements credentials.TransportCredentials.
func (s shaken) Clone() credentials.TransportCredentials { return s }

// serveClients answers the calls of clients as soon as etcd takes part.
func (m *Member) serveClients() {
	m.calls = v3rpc.Server(m.etcd.Server, nil, nil, append(m.gate.options(), grpc.Creds(shaken{credentials.NewTLS(nil)}), grpc.ConnectionTimeout(headerTimeout))...)
	go func() {
		select {
		case <-m.etcd.Server.ReadyNotify():
		case <-m.ctx.Done():
			return
		}
		if err := m.calls.Serve(m.clientPort); err != nil && m.ctx.Err() == nil {
			m.fail(fault.Errorf(fault.Unavailable, "the repository's member on node %s does not answer clients any more: %w", m.cfg.Node, err))
		}
	}()
}

// servePeers answers the other members.
func (m *Member) servePeers(quiet *zap.Logger) {
	only := new(http.Protocols)
	only.SetHTTP1(true)
	m.peers = &http.Server{
		Handler: m.peerGate.peers(etcdhttp.NewPeerHandler(quiet, m.etcd.Server)), Protocols: only, ErrorLog: log.New(io.Discard, "", 0),
		ReadTimeout: bodyTimeout, ReadHeaderTimeout: headerTimeout,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connOf{}, c) },
	}
	go func() {
		if err := m.peers.Serve(m.peerPort); err != nil && m.ctx.Err() == nil {
			m.fail(fault.Errorf(fault.Unavailable, "the repository's member on node %s does not answer the others any more: %w", m.cfg.Node, err))
		}
	}()
}

// shutClients ends the port of clients and what is open on it.
func (m *Member) shutClients() {
	_ = m.clientPort.Close()
	if m.calls != nil {
		m.calls.Stop()
	}
}

// shutPeers ends the port of the other members. What this one says to them goes over connections that they have made to it.
func (m *Member) shutPeers() {
	_ = m.peerPort.Close()
	if m.peers != nil {
		_ = m.peers.Close()
	}
}

// connOf is the key of a request's connection in its context.
type connOf struct{}

// peers holds each request of another member to its certificate. What goes on for long, as the streams between members do, ends with its connection when that counts no more.
func (g *gate) peers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, ok := r.Context().Value(connOf{}).(net.Conn)
		if !ok || r.TLS == nil {
			http.Error(w, "a request without TLS", http.StatusForbidden)
			return
		}
		leave, err := g.note(r.TLS.PeerCertificates, func() { _ = c.Close() })
		if v := visitorOf(c); err == nil && v != nil {
			v.welcome(r.TLS.PeerCertificates[0])
		}
		switch {
		case fault.Is(err, fault.Unavailable):
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		case err != nil:
			http.Error(w, err.Error(), http.StatusForbidden)
		default:
			defer leave()
			next.ServeHTTP(w, r)
		}
	})
}
