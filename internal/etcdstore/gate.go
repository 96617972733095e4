package etcdstore

import (
	"context"
	"crypto/x509"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"redoubt/internal/fault"
)

// gate stands before every call of a client: it admits by certificate, it ends calls whose certificate counts no more, and when it is shut it ends all that are in it,
// because etcd waits seconds for watches to end.
type gate struct {
	admit  func([]*x509.Certificate) error
	closed context.Context
	shut   context.CancelFunc

	mu    sync.Mutex
	calls map[*admitted]struct{}
}

// admitted is a call under way.
type admitted struct {
	chain []*x509.Certificate
	end   func()
}

func newGate(admit func([]*x509.Certificate) error) *gate {
	g := &gate{admit: admit, calls: map[*admitted]struct{}{}}
	g.closed, g.shut = context.WithCancel(context.Background())
	return g
}

func (g *gate) options() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			ctx, done, err := g.enter(ctx)
			if err != nil {
				return nil, err
			}
			defer done()
			return next(ctx, req)
		}),
		grpc.ChainStreamInterceptor(func(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
			ctx, done, err := g.enter(stream.Context())
			if err != nil {
				return err
			}
			defer done()
			return next(srv, boundStream{ServerStream: stream, ctx: ctx})
		}),
	}
}

// enter admits a call and gives it a context that ends with ctx, with the gate, or when its certificate counts no more.
func (g *gate) enter(ctx context.Context) (context.Context, func(), error) {
	chain, err := g.shown(ctx)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(g.closed, cancel)
	leave, err := g.note(chain, cancel)
	if err != nil {
		stop()
		cancel()
		return nil, nil, refusal(err)
	}
	if p, ok := peer.FromContext(ctx); ok && len(chain) > 0 {
		if from, ok := p.Addr.(caller); ok {
			from.visitor.welcome(chain[0])
		}
	}
	return ctx, func() { leave(); stop(); cancel() }, nil
}

// note admits what somebody asks for who has shown a chain of certificates; end ends it when they count no more. It is noted before it is judged: nothing that changes meanwhile
// is missed. The error is that of admit.
func (g *gate) note(chain []*x509.Certificate, end func()) (leave func(), err error) {
	call := &admitted{chain: chain, end: end}
	g.mu.Lock()
	g.calls[call] = struct{}{}
	g.mu.Unlock()
	leave = func() {
		g.mu.Lock()
		delete(g.calls, call)
		g.mu.Unlock()
	}
	if err := g.judge(chain); err != nil {
		leave()
		return nil, err
	}
	return leave, nil
}

// shown is the chain of certificates that a caller has shown.
func (g *gate) shown(ctx context.Context) ([]*x509.Certificate, error) {
	if p, ok := peer.FromContext(ctx); ok {
		if info, ok := p.AuthInfo.(credentials.TLSInfo); ok && len(info.State.PeerCertificates) > 0 {
			return info.State.PeerCertificates, nil
		}
	}
	if g.admit == nil {
		return nil, nil
	}
	return nil, status.Error(codes.Unauthenticated, "no certificate was shown")
}

func (g *gate) judge(chain []*x509.Certificate) error {
	if g.admit == nil {
		return nil
	}
	return g.admit(chain)
}

// refusal is an error of admit as calls have it.
func refusal(err error) error {
	if fault.Is(err, fault.Unavailable) {
		return status.Error(codes.Unavailable, err.Error())
	}
	return status.Error(codes.PermissionDenied, err.Error())
}

// readmit ends the calls that would be refused now.
func (g *gate) readmit() {
	g.mu.Lock()
	var calls []*admitted
	for c := range g.calls {
		calls = append(calls, c)
	}
	g.mu.Unlock()
	for _, c := range calls {
		if err := g.judge(c.chain); err != nil && !fault.Is(err, fault.Unavailable) {
			c.end()
		}
	}
}

// boundStream is a stream under another context.
type boundStream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s boundStream) Context() context.Context { return s.ctx }
