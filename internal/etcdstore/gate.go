package etcdstore

import (
	"context"
	"crypto/x509"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

// gate stands before every call of a client: it admits by certificate, and when it is shut it ends the calls that are in it, because etcd waits
// seconds for watches to end.
type gate struct {
	admit  func(*x509.Certificate) error
	closed context.Context
	shut   context.CancelFunc
}

func newGate(admit func(*x509.Certificate) error) *gate {
	g := &gate{admit: admit}
	g.closed, g.shut = context.WithCancel(context.Background())
	return g
}

func (g *gate) options() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			if err := g.check(ctx); err != nil {
				return nil, err
			}
			ctx, done := g.bind(ctx)
			defer done()
			return next(ctx, req)
		}),
		grpc.ChainStreamInterceptor(func(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
			if err := g.check(stream.Context()); err != nil {
				return err
			}
			ctx, done := g.bind(stream.Context())
			defer done()
			return next(srv, boundStream{ServerStream: stream, ctx: ctx})
		}),
	}
}

func (g *gate) check(ctx context.Context) error {
	if g.admit == nil {
		return nil
	}
	if p, ok := peer.FromContext(ctx); ok {
		if info, ok := p.AuthInfo.(credentials.TLSInfo); ok && len(info.State.PeerCertificates) > 0 {
			if err := g.admit(info.State.PeerCertificates[0]); err != nil {
				return status.Error(codes.PermissionDenied, err.Error())
			}
			return nil
		}
	}
	return status.Error(codes.Unauthenticated, "no certificate was shown")
}

// bind gives a context that ends with ctx or the gate.
func (g *gate) bind(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(g.closed, cancel)
	return ctx, func() { stop(); cancel() }
}

// boundStream is a stream under another context.
type boundStream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s boundStream) Context() context.Context { return s.ctx }
