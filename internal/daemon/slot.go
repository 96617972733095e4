package daemon

import (
	"context"
	"sync"
	"time"

	"redoubt/internal/agent"
	"redoubt/internal/fault"
	"redoubt/internal/guardlink"
	"redoubt/internal/membership"
)

// slot holds the guard of the present incarnation, of which there is none while one life has ended and the next has not begun. It is the guard that the
// membership loop and the drivers see.
type slot struct {
	mu   sync.Mutex
	link *guardlink.Link
}

func (s *slot) set(l *guardlink.Link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.link = l
}

// get returns the guard, or an error that says that none is there.
func (s *slot) get() (*guardlink.Link, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link == nil {
		return nil, fault.Errorf(fault.Unavailable, "this node has no guard at this moment: its services have ended, and the next life has not begun")
	}
	return s.link, nil
}

// Lease implements engine.Guard. The zero instant takes the lease back: the node was removed, so the guard fences at once.
func (s *slot) Lease(until membership.Instant) error {
	l, err := s.get()
	if err != nil {
		return err
	}
	if until == 0 {
		go s.fence(l)
		return nil
	}
	return l.Lease(until)
}

// Halt implements engine.Halter: every service of this node ends now.
func (s *slot) Halt(string) {
	if l, err := s.get(); err == nil {
		go s.fence(l)
	}
}

// fence asks the guard to fence, and kills it when it does not answer: the kernel then ends what it guards.
func (s *slot) fence(l *guardlink.Link) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if _, err := l.Fence(ctx); err != nil {
		l.Kill()
	}
}

// Owe implements agent.Obligations.
func (s *slot) Owe(ctx context.Context, o agent.Obligation) error {
	l, err := s.get()
	if err != nil {
		return err
	}
	return l.Owe(ctx, o)
}

// Settle implements agent.Obligations. Without a guard everything owed was undone by its last one.
func (s *slot) Settle(ctx context.Context, o agent.Obligation) error {
	l, err := s.get()
	if err != nil {
		return nil //nolint:nilerr // nothing is owed to a guard that is gone
	}
	return l.Settle(ctx, o)
}
