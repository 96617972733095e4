package control

import (
	"context"
	"sync"
	"time"

	"redoubt/internal/fault"
)

// Some questions cost much work, and whoever may read may ask them as often as he likes. So those of all callers but root are answered one after the other: they never take more than
// one processor from the decisions of the cluster.

const (
	// turnWait is how long a caller waits for his turn.
	turnWait = 10 * time.Second
	// maxSupposed is how many changes one request may suppose, each of which places all groups anew.
	maxSupposed = 64
)

// turns are those of costly questions.
type turns struct {
	once sync.Once
	free chan struct{}
}

// turn waits until it is a caller's turn; done is called when he has his answer.
func (c *Control) turn(ctx context.Context, who Caller, name string) (done func(), err error) {
	if who.root() {
		return func() {}, nil
	}
	c.turns.once.Do(func() { c.turns.free = make(chan struct{}, 1) })
	bounded, cancel := context.WithTimeout(ctx, turnWait)
	defer cancel()
	select {
	case c.turns.free <- struct{}{}:
		return func() { <-c.turns.free }, nil
	case <-bounded.Done():
		return nil, fault.Errorf(fault.Unavailable, "%s: others have asked before and are not answered yet; try again", name)
	}
}
