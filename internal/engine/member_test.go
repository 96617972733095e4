package engine

import (
	"log/slog"
	"testing"
	"time"

	"redoubt/internal/membership"
)

// hearing is a machine to which nothing happens but that it hears n2.
type hearing struct{ at membership.Instant }

func (h *hearing) Step(now membership.Instant, _ membership.Event) []membership.Effect {
	h.at = now
	return nil
}
func (h *hearing) Deadline() membership.Instant { return 0 }
func (h *hearing) View() membership.View {
	return membership.View{Peers: []membership.Peer{{Node: "n2", LastHeard: h.at}}}
}

// Who was heard just now must not look silent because nothing else has changed: for one, a lease that was prolonged for the restart of a daemon brings no
// news for seconds.
func TestViewDoesNotAge(t *testing.T) {
	m := NewMember(Config{Clock: &stoppedClock{}, Log: slog.New(slog.DiscardHandler)}, &hearing{}, nil, nil, nil)
	for at := membership.Instant(0); at < membership.Instant(time.Second); at += membership.Instant(10 * time.Millisecond) {
		m.step(t.Context(), at, membership.Tick{})
		if age := time.Duration(at - m.View().Peers[0].LastHeard); age > viewAge {
			t.Fatalf("the view is %v old", age)
		}
	}
}
