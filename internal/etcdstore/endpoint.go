package etcdstore

import (
	"context"
	"errors"
	"math"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"

	"redoubt/internal/fault"
)

// How soon a connection to a dead machine is given up. The client library's own keepalive can not be under ten seconds, the kernel's can: what is sent and
// not acknowledged within unackedPatience ends the connection, and an idle one is asked every second.
const (
	dialPatience    = time.Second
	unackedPatience = 2 * time.Second
	sulkFor         = time.Second // an endpoint that has failed is asked last for this long
)

// endpoint is a member of the repository as its client sees it.
type endpoint struct {
	address string
	conn    *grpc.ClientConn
	failed  atomic.Int64 // unix nanoseconds of the last failure
}

func newEndpoint(address string, files TLSFiles) (*endpoint, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fault.Errorf(fault.Invalid, "endpoint %q of the repository: want ADDRESS:PORT", address)
	}
	cfg, err := files.client(host)
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{
		Timeout:         dialPatience,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: time.Second, Interval: time.Second, Count: 2},
		Control:         limitUnacked,
	}
	conn, err := grpc.NewClient("passthrough:///"+address,
		grpc.WithTransportCredentials(credentials.NewTLS(cfg)),
		grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) { return dialer.DialContext(ctx, "tcp", addr) }),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second},
			MinConnectTimeout: dialPatience,
		}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(math.MaxInt32)),
		grpc.WithDisableServiceConfig(),
		grpc.WithDisableRetry(),
	)
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "endpoint %s of the repository: %w", address, err)
	}
	return &endpoint{address: address, conn: conn}, nil
}

// limitUnacked sets TCP_USER_TIMEOUT.
func limitUnacked(_, _ string, c syscall.RawConn) error {
	var set error
	err := c.Control(func(fd uintptr) {
		set = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(unackedPatience.Milliseconds()))
	})
	return errors.Join(err, set)
}

func (e *endpoint) note(err error) {
	if err == nil {
		e.failed.Store(0)
		return
	}
	e.failed.Store(time.Now().UnixNano())
}

func (e *endpoint) sulks() bool { return time.Since(time.Unix(0, e.failed.Load())) < sulkFor }
