package daemon

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

// A node whose leaving failed begins another life when its guard has ended meanwhile; while it leaves none begins.
func TestAnotherLifeBeginsWhenLeavingFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &node{log: slog.New(slog.DiscardHandler)}
		l := &lives{leaving: n.leaving.Load}
		n.leaving.Store(true)
		leaves, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := l.mayLive(leaves); err == nil {
			t.Fatal("a life begins while the node leaves")
		}
		time.AfterFunc(time.Minute, n.stay)
		if err := l.mayLive(t.Context()); err != nil {
			t.Errorf("no life begins after all: %v", err)
		}
		n.stay() // it is not leaving any more
		if n.leaving.Load() {
			t.Error("it leaves again")
		}
	})
}
