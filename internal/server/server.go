// Package server is the HTTP face of the daemon: it knows who calls (the kernel's word on the unix socket, a certificate on TLS), reads the
// request against the schema of its operation, hands it to the control layer and writes the answer. It decides nothing itself. The API is
// described by /openapi.json, which is made from the same table as the handlers.
package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/control"
	"redoubt/internal/fault"
	"redoubt/internal/metrics"
)

// Config is what a Server needs.
type Config struct {
	Control *control.Control
	Log     *slog.Logger
	// TLS gives the configuration of the next TLS connection: the node's certificate in Certificates and the cluster's authority in ClientCAs. It
	// is called for every connection, so that a renewed certificate counts at once. Nil, or a nil result: there is no cluster yet, TLS is refused.
	TLS func() *tls.Config
	// Identify says whose a certificate is that the handshake has verified, or why it does not count: it is asked with every request, and again while
	// one goes on.
	Identify func(chain []*x509.Certificate) (control.Caller, error)
	// Metrics counts requests and is served at /metrics.
	Metrics *metrics.Metrics
	// Healthy says why this daemon does not do its work, for /healthz; nil, or a nil error, when it does.
	Healthy func() error
	// Resource names the resource for which a local process runs, "" if for none.
	Resource func(pid int) cluster.ResourceName
	// SocketMode is the mode of the unix socket; 0600 if it is 0. Who may do what is decided by the caller's identity, not by the mode.
	SocketMode os.FileMode
	// Busy, if there is one, is told of each request that may mean work, before it is looked at: all but what nodes ask each other about themselves.
	Busy func()
	// Grace is how long requests may go on when the server ends; 5 s if it is 0.
	Grace time.Duration
}

// The bounds on what a caller may send and take: nothing a caller does or does not do holds more than this.
const (
	headerTimeout = 5 * time.Second
	bodyTimeout   = 30 * time.Second
	idleTimeout   = 2 * time.Minute
	writeTimeout  = 10 * time.Second // one piece of an answer, not the whole
	maxHeader     = 32 << 10
	maxBody       = 8 << 20
	maxUser       = 1 << 20  // of a user of whom nobody knows yet what he may
	maxStranger   = 64 << 10 // of a caller that has shown nothing
)

// Server serves one control layer on any number of sockets.
type Server struct {
	cfg      Config
	handler  http.Handler
	events   func(context.Context, control.Caller) (<-chan v1.Event, error)
	watches  atomic.Int32
	patience time.Duration // how long one write may take
	ids      requestIDs
	rates    rates    // of callers who are known
	conns    counters // of users: on the unix socket, and by certificate
	watchers counters

	strangers rates
	crowd     crowd // on TLS: who has not shown yet who he is
}

// New makes a server. It serves nothing before one of the Serve methods is called.
func New(cfg Config) *Server {
	if cfg.SocketMode == 0 {
		cfg.SocketMode = 0o600
	}
	if cfg.Grace == 0 {
		cfg.Grace = 5 * time.Second
	}
	s := &Server{cfg: cfg, events: cfg.Control.Watch, ids: newRequestIDs(), patience: writeTimeout}
	s.handler = s.guarded(s.routes())
	return s
}

// ServeUnix serves on a unix socket until ctx ends. A socket that a dead daemon left at path is replaced, one that answers is not.
func (s *Server) ServeUnix(ctx context.Context, path string) error {
	l, err := s.listenUnix(path)
	if err != nil {
		return err
	}
	return s.serve(ctx, limited{l, &s.conns}, s.handler, s.plainLog())
}

// ServeTLS serves on TLS 1.3 until ctx ends. A certificate that the cluster's authority did not sign ends the connection; a caller without one is
// known as nobody.
func (s *Server) ServeTLS(ctx context.Context, addr string) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return fault.Errorf(fault.Unavailable, "serve the API on %s: %w", addr, err)
	}
	return s.ServeListener(ctx, l)
}

// ServeListener is ServeTLS on a listener that somebody else made. It closes it.
func (s *Server) ServeListener(ctx context.Context, l net.Listener) error {
	return s.serve(ctx, tls.NewListener(crowded{l, &s.crowd, s.cfg.Log}, &tls.Config{MinVersion: tls.VersionTLS13, GetConfigForClient: s.tlsConfig}), s.handler, s.handshakeLog())
}

// ServeMetrics serves only /metrics and /healthz, to anybody, on a plain socket of the loopback network until ctx ends.
func (s *Server) ServeMetrics(ctx context.Context, addr string) error {
	at, err := netip.ParseAddrPort(addr)
	if err != nil || !at.Addr().IsLoopback() {
		return fault.Errorf(fault.Invalid, "serve metrics on %s: it has to be an address of the loopback network, such as 127.0.0.1:9464: what is served there is not protected", addr)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return fault.Errorf(fault.Unavailable, "serve metrics on %s: %w", addr, err)
	}
	mux := http.NewServeMux()
	if s.cfg.Metrics != nil {
		mux.Handle("GET /metrics", s.cfg.Metrics.Handler())
	}
	mux.HandleFunc("GET /healthz", s.health)
	return s.serve(ctx, crowded{l, new(crowd), s.cfg.Log}, mux, s.plainLog())
}

// serve runs an HTTP server on l. When ctx ends the watches end at once and the other requests get the grace.
func (s *Server) serve(ctx context.Context, l net.Listener, h http.Handler, complaints *log.Logger) error {
	requests, abandon := context.WithCancel(context.WithoutCancel(ctx))
	defer abandon()
	srv := &http.Server{
		Handler: h, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		ErrorLog:    complaints,
		ConnState:   s.proven,
		BaseContext: func(net.Listener) context.Context { return context.WithValue(requests, endingKey{}, ctx.Done()) },
		ConnContext: s.connContext,
	}
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.Grace)
		defer cancel()
		if srv.Shutdown(bounded) != nil {
			abandon()
			_ = srv.Close()
		}
	})
	err := srv.Serve(l)
	if stop() { // it did not end because of ctx
		_ = srv.Close()
		return fault.Errorf(fault.Unavailable, "serve the API on %s: %w", l.Addr(), err)
	}
	<-done
	if !errors.Is(err, http.ErrServerClosed) {
		return fault.Errorf(fault.Unavailable, "serve the API on %s: %w", l.Addr(), err)
	}
	return nil
}

// plainLog takes what the library complains of where nobody proves who he is.
func (s *Server) plainLog() *log.Logger {
	return slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelDebug)
}

// endingKey is where a request finds the channel that is closed when its server ends.
type endingKey struct{}

func ending(ctx context.Context) <-chan struct{} {
	ch, _ := ctx.Value(endingKey{}).(<-chan struct{})
	return ch
}

// listenUnix makes the socket in a directory only root can enter and moves it into place with its final mode, so that there is no moment in
// which it has another.
func (s *Server) listenUnix(path string) (net.Listener, error) {
	failed := func(err error) error {
		return fault.Errorf(fault.Unavailable, "serve the API on %s: %w", path, err)
	}
	if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
		c.Close()
		return nil, fault.Errorf(fault.Exists, "serve the API on %s: another daemon answers there; stop it first", path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, failed(err)
	}
	private, err := os.MkdirTemp(filepath.Dir(path), ".")
	if err != nil {
		return nil, failed(err)
	}
	defer os.RemoveAll(private)
	made := filepath.Join(private, "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: made, Net: "unix"})
	if err != nil {
		return nil, failed(err)
	}
	l.SetUnlinkOnClose(false)
	if err := os.Chmod(made, s.cfg.SocketMode); err != nil {
		return nil, failed(errors.Join(err, l.Close()))
	}
	if err := os.Rename(made, path); err != nil {
		return nil, failed(errors.Join(err, l.Close()))
	}
	info, err := os.Lstat(path)
	if err != nil {
		return nil, failed(errors.Join(err, l.Close()))
	}
	return unixSocket{l, path, info}, nil
}

// unixSocket takes its file away when it is closed, if the file is still its own.
type unixSocket struct {
	*net.UnixListener
	path string
	info os.FileInfo
}

// Close implements net.Listener.
func (u unixSocket) Close() error {
	err := u.UnixListener.Close()
	if now, serr := os.Lstat(u.path); serr == nil && os.SameFile(now, u.info) {
		os.Remove(u.path)
	}
	return err
}
