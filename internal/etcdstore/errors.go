package etcdstore

import (
	"context"
	"errors"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"redoubt/internal/fault"
)

// says reports whether err is the error that etcd sends as want.
func says(err, want error) bool {
	return err != nil && status.Code(err) == status.Code(want) && status.Convert(err).Message() == status.Convert(want).Message()
}

// final gives the fault of an answer that no other member would answer differently; nil when another try may help.
func final(err error) error {
	switch status.Code(err) {
	case codes.InvalidArgument:
		return fault.Errorf(fault.Invalid, "the repository refused the request: %s", status.Convert(err).Message())
	case codes.PermissionDenied, codes.Unauthenticated:
		return fault.Errorf(fault.Denied, "the repository refused this node: %s", status.Convert(err).Message())
	case codes.ResourceExhausted:
		switch {
		case says(err, rpctypes.ErrGRPCNoSpace):
			return fault.Errorf(fault.Unavailable, "the repository %w: remove objects that are not needed; it takes writes again within seconds of having room", errFull)
		case says(err, rpctypes.ErrGRPCRequestTooManyRequests):
			return nil
		}
		return fault.Errorf(fault.Invalid, "the request to the repository is too large: %s", status.Convert(err).Message())
	case codes.DataLoss:
		return fault.Errorf(fault.Internal, "the members of the repository differ from each other: restore the repository from a snapshot")
	case codes.NotFound:
		return fault.Errorf(fault.NotFound, "%s", status.Convert(err).Message())
	case codes.FailedPrecondition:
		if says(err, rpctypes.ErrGRPCNotSupportedForLearner) || says(err, rpctypes.ErrGRPCNotLeader) || says(err, rpctypes.ErrGRPCNotCapable) {
			return nil
		}
		return fault.Errorf(fault.Precondition, "%s", status.Convert(err).Message())
	}
	return nil
}

// neverSent reports whether a call failed before anything of it reached a member.
func neverSent(err error) bool {
	text := status.Convert(err).Message()
	return strings.Contains(text, "connection error:") || strings.Contains(text, "while waiting for new LB policy") ||
		strings.Contains(text, "waiting for connections to become ready")
}

// gaveUp is the fault of a call that has found no answer before its context ended.
func (s *Store) gaveUp(ctx context.Context, what string, last error, unknown bool) error {
	code, outcome := fault.Unavailable, ""
	if unknown {
		code, outcome = fault.Timeout, "; the outcome is unknown, read it again"
	}
	if _, err := s.cfg.TLS.pair(time.Now()); err != nil {
		return fault.Errorf(code, "%s: %w%s", what, err, outcome)
	}
	switch {
	case last == nil && ctx.Err() != nil:
		return fault.Errorf(code, "%s: %w%s", what, context.Cause(ctx), outcome)
	case last == nil:
		return fault.Errorf(code, "%s: this node knows no member of the repository%s", what, outcome)
	}
	if text := status.Convert(last).Message(); strings.Contains(text, "certificate") {
		return fault.Errorf(code, "%s: a member of the repository and this node do not accept each other's certificates: %s%s; check the clocks of both nodes and renew the certificate", what, text, outcome)
	}
	return fault.Errorf(code, "%s: no majority of the repository's members answers%s: %w", what, outcome, last)
}

// errFull is a repository that has reached its quota.
var errFull = errors.New("is full and takes no writes")

// errClosed is what calls get after Close.
var errClosed = errors.New("the store is closed")
