package etcdstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"

	"go.etcd.io/etcd/server/v3/etcdserver/api/membership"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// newZap gives etcd a logger that writes warnings and worse to log. What etcd would end the process with ("fatal", "panic") ends only the goroutine that
// said it, after onFatal has heard why: the process carries services that do not depend on this member.
func newZap(log *slog.Logger, onFatal func(why string), onRemoved func()) *zap.Logger {
	hook := lastWords(onFatal)
	return zap.New(bridge{log: log, onRemoved: onRemoved}, zap.WithFatalHook(hook), zap.WithPanicHook(hook))
}

// expected are the beginnings of etcd's messages about what this package does on purpose or reports itself, and about connections between members:
// that a node is lost is for the heartbeats to say.
var expected = []string{
	"Running http and grpc server on single port. This is not recommended for production.",
	"simple token is not cryptographically signed",
	"setting up serving from embedded etcd failed.",
	"stopping secure grpc server due to error",
	"stopped secure grpc server due to error",
	"rejecting promote learner: learner is not ready",
	"rejecting member add request",
	"rejecting member remove request",
	"failed to find remote peer in cluster",
	"check file permission",
	"Validation on configuration change failed",
	"failed to update storage version",
	"Failed to detect schema version",
	"leadership transfer failed",
	"lost TCP streaming connection",
	"closed TCP streaming connection",
	"peer became inactive",
	"prober detected unhealthy status",
	"failed to reach the peer URL",
	"failed to get version",
	"failed to publish local member to cluster through raft",
	"retry of publish stopped",
	"dropped internal Raft message",
	"dropped Raft message",
	"closed dangling stream",
	"failed to process Raft message",
	"rejected a stream",
	"rejected stream from remote peer",
	"rejected Raft message",
	"request cluster ID mismatch",
	"ignored streaming request; ID mismatch",  // of a member that was given another seat
	"ignored out-of-date read index response", // see keepReading
	"the member has been permanently removed",
	"data-dir used by this member must be removed",
}

// removedText is what the others answer to a member that they have removed, as etcd hands it on: of an error that it keeps to itself.
const removedText = "the member has been permanently removed from the cluster"

// bridge is a zapcore.Core over slog.
type bridge struct {
	log       *slog.Logger
	onRemoved func()
}

func (b bridge) Enabled(l zapcore.Level) bool { return l >= zapcore.WarnLevel }

func (b bridge) With(fields []zapcore.Field) zapcore.Core {
	return bridge{log: b.log.With(attributes(fields)...), onRemoved: b.onRemoved}
}

func (b bridge) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if !b.Enabled(e.Level) {
		return ce
	}
	return ce.AddCore(e, b)
}

func (b bridge) Write(e zapcore.Entry, fields []zapcore.Field) error {
	for _, f := range fields {
		if err, ok := f.Interface.(error); ok && b.onRemoved != nil && (errors.Is(err, membership.ErrIDRemoved) || err.Error() == removedText) {
			b.onRemoved()
		}
	}
	level := slog.LevelWarn
	switch {
	case slices.ContainsFunc(expected, func(begin string) bool { return strings.HasPrefix(e.Message, begin) }):
		level = slog.LevelDebug
	case e.Level > zapcore.WarnLevel:
		level = slog.LevelError
	}
	b.log.Log(context.Background(), level, e.Message, attributes(fields)...)
	return nil
}

func (b bridge) Sync() error { return nil }

// attributes turns the fields of zap into pairs for slog.
func attributes(fields []zapcore.Field) []any {
	enc := zapcore.NewMapObjectEncoder()
	out := make([]any, 0, 2*len(fields))
	for _, f := range fields {
		f.AddTo(enc)
		if v, ok := enc.Fields[f.Key]; ok {
			out = append(out, f.Key, v)
		}
	}
	return out
}

// lastWords hears what etcd says before it would end the process.
type lastWords func(why string)

func (f lastWords) OnWrite(ce *zapcore.CheckedEntry, fields []zapcore.Field) {
	why := ce.Message
	for _, field := range fields {
		if err, ok := field.Interface.(error); ok {
			why = fmt.Sprintf("%s: %v", why, err)
		}
	}
	f(why)
	runtime.Goexit()
}
