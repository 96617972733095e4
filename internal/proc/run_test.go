package proc

import (
	"os"
	"testing"
)

// A program whose end somebody else has taken note of has not succeeded for all that is known.
func TestStatusThatIsNotKnown(t *testing.T) {
	r := running{pid: os.Getppid(), status: -1, done: make(chan struct{})} // no child of this process
	r.reap()
	close(r.done)
	if got := r.exit(); got != -1 {
		t.Errorf("status %d", got)
	}
}
