package etcdstore

import (
	"container/list"
	"context"
	"crypto/tls"
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

// The bounds on connections of each port. Who has not finished the handshake waits; of those that wait the oldest one makes room for the next, so that a node that comes while
// a stranger opens connections without end needs its place for the moment of its handshake only.
const (
	mostWaiting   = 256
	networkWaits  = 64 // of one network: an IPv4 address, or what an IPv6 address has around it
	mostAdmitted  = 1024
	headerTimeout = 10 * time.Second
	bodyTimeout   = 5 * time.Minute // a whole repository may be sent
)

// door is a listener that bounds those that have not shown a certificate.
type door struct {
	net.Listener
	patience time.Duration // without a byte read or written; 0: no bound
	log      *slog.Logger

	mu       sync.Mutex
	waiting  list.List // of *visitor, the oldest first
	of       map[netip.Prefix]int
	admitted int
	said     time.Time
}

// visitor is a connection.
type visitor struct {
	net.Conn
	door    *door
	network netip.Prefix
	place   *list.Element // among those that wait
	inside  bool
}

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
		if t, ok := gone.Conn.(*net.TCPConn); ok {
			_ = t.SetLinger(0) // nothing of it stays
		}
		_ = gone.Close()
		d.tell(gone)
	}
	return v, nil
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

// leave ends the waiting of a connection.
func (d *door) leave(v *visitor) {
	if v == nil || v.place == nil {
		return
	}
	d.waiting.Remove(v.place)
	v.place = nil
	if d.of[v.network]--; d.of[v.network] <= 0 {
		delete(d.of, v.network)
	}
}

// admit lets a connection in that has shown a certificate of the cluster, unless too many are in.
func (d *door) admit(v *visitor) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if v.place == nil || d.admitted >= mostAdmitted {
		return false
	}
	d.leave(v)
	v.inside = true
	d.admitted++
	return true
}

func (d *door) out(v *visitor) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.leave(v)
	if v.inside {
		v.inside = false
		d.admitted--
	}
}

// tell says at most once a minute that connections had to make room.
func (d *door) tell(gone *visitor) {
	d.mu.Lock()
	now := time.Now()
	quiet := now.Sub(d.said) < time.Minute
	if !quiet {
		d.said = now
	}
	d.mu.Unlock()
	if !quiet {
		d.log.Warn("too many connections of callers who do not show a certificate: the oldest ones are closed", "on", d.Addr().String(), "of", gone.network.String())
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

// hall gives the connections of a door that have shown a certificate of the cluster which is not on the list of those that were revoked.
type hall struct{ net.Listener }

// Accept implements net.Listener.
func (h hall) Accept() (net.Conn, error) {
	for {
		c, err := h.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if v := visitorOf(c); v != nil && v.door.admit(v) {
			return c, nil
		}
		_ = c.Close()
	}
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
	if m.clientPort, err = m.listen(m.cfg.ClientPort, 0); err != nil {
		return err
	}
	if m.peerPort, err = m.listen(m.cfg.PeerPort, rafthttp.ConnReadTimeout); err != nil {
		_ = m.clientPort.Close()
	}
	return err
}

// listen opens a port, on which a connection ends after some time without a word; 0: it does not.
func (m *Member) listen(port int, patience time.Duration) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(m.ctx, "tcp", hostPort(m.cfg.Address, port))
	if err != nil {
		return nil, m.explain(err)
	}
	files := m.cfg.served()
	over, err := transport.NewTLSListener(&door{Listener: l, patience: patience, log: m.cfg.Log}, &files)
	if err != nil {
		_ = l.Close()
		return nil, fault.Errorf(fault.Internal, "port %d of the repository on node %s: %w", port, m.cfg.Node, err)
	}
	return hall{over}, nil
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
