package control

import (
	"testing"
	"time"
)

// A watch of a cluster so large that each look takes long takes a twentieth of a processor and no more.
func TestAWatchRestsAsLongAsItsLooksAsk(t *testing.T) {
	for took, want := range map[time.Duration]time.Duration{
		0: watchEvery, time.Millisecond: watchEvery, 20 * time.Millisecond: 380 * time.Millisecond, 200 * time.Millisecond: 3800 * time.Millisecond, time.Minute: watchMost,
	} {
		if got := watchPause(took); got != want {
			t.Errorf("after a look of %v: a rest of %v, want %v", took, got, want)
		}
	}
}
