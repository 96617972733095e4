package execcheck

import (
	"sync/atomic"
	"testing"
	"testing/synctest"

	"redoubt/internal/fault"
)

// TestAFileThatDoesNotAnswer: whoever asks gives up after a time, there is one question about it however many ask, and it is asked anew when it answered.
func TestAFileThatDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p patient
		var asked atomic.Int32
		server := make(chan struct{})
		slow := func() bool { asked.Add(1); <-server; return true }
		for range 3 {
			if yes, err := p.ask("/dead", slow); yes || !fault.Is(err, fault.Unavailable) {
				t.Errorf("%v, %v", yes, err)
			}
		}
		if yes, err := p.ask("/well", func() bool { return true }); !yes || err != nil {
			t.Errorf("another file: %v, %v", yes, err)
		}
		if n := asked.Load(); n != 1 {
			t.Errorf("%d questions about a file that does not answer", n)
		}
		close(server)
		synctest.Wait()
		if yes, err := p.ask("/dead", slow); !yes || err != nil || asked.Load() != 2 {
			t.Errorf("it answers again: %v, %v, asked %d times", yes, err, asked.Load())
		}
	})
}
