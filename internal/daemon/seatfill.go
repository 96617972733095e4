package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/engine"
	"redoubt/internal/etcdstore"
	"redoubt/internal/fault"
)

// come starts the member: from its own copy, or as a newcomer that the others have seated.
func (s *seat) come(ctx context.Context, n *node) {
	s.mu.Lock()
	early, damaged := s.broken || time.Now().Before(s.next), s.damaged
	s.mu.Unlock()
	if early {
		return
	}
	s.after(retrySeat)
	if !damaged && etcdstore.HasData(s.cfg.path(dirEtcd)) {
		err := s.start(ctx, n, etcdstore.ModeRestart, nil)
		if err == nil {
			return
		}
		s.failed(err)
		if !errors.Is(err, etcdstore.ErrDamaged) {
			s.log.Error("this node's member of the repository did not start; trying again", "err", err)
			return
		}
	}
	s.refill(ctx, n)
}

// refill begins an empty copy when the others have given this node a seat that was never filled. Until then it says which seat is lost, so that the president
// takes that seat away.
func (s *seat) refill(ctx context.Context, n *node) {
	bounded, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	seats, err := n.electorate().Seats(bounded)
	if err != nil {
		if s.lose(0, fault.Errorf(fault.Unavailable, "its copy of the repository is lost, and no majority of the others answers: when they are back it is filled anew by itself; when their copies are lost too, restore a snapshot with `redoubtd restore`")) {
			s.log.Error("this node has no copy of the repository", "err", s.trouble(), "cause", err)
		}
		s.after(2 * askSeat)
		return
	}
	s.mu.Lock()
	lost := s.lost
	s.mu.Unlock()
	switch is, id := fateOf(seats, s.cfg.Node, lost); is {
	case seatNone:
		s.after(askSeat)
	case seatLost:
		s.after(askSeat)
		if s.lose(id, fault.Errorf(fault.Unavailable, "its copy of the repository in %s is lost; the cluster gives it another, as soon as the others are enough without it", s.cfg.path(dirEtcd))) {
			s.log.Error("this node has a vote in the repository, and its copy is lost: it waits for another seat", "seat", fmt.Sprintf("%x", id), "err", s.trouble())
		}
	case seatEmpty:
		peers, err := n.electorate().Peers(bounded)
		if err != nil {
			return
		}
		s.remove()
		if err := s.start(ctx, n, etcdstore.ModeJoin, peers); err != nil {
			s.failed(err)
			s.log.Error("this node's new member of the repository did not start; trying again", "err", err)
			s.remove()
		}
	}
}

// replaced reports whether the member that is up has lost its seat and its node was given another one. The others tell such a member that it is removed, but it may take a
// minute before it asks them.
func (s *seat) replaced(ctx context.Context, n *node) bool {
	s.mu.Lock()
	m := s.member
	s.mu.Unlock()
	if m == nil || time.Since(s.asked) < askSeat {
		return false
	}
	s.asked = time.Now()
	bounded, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	seats, err := n.electorate().Seats(bounded)
	return err == nil && givesWay(seats, s.cfg.Node, m.Standing().Seat)
}

// givesWay reports whether a seat is gone and its node has another one, still empty.
func givesWay(seats []engine.Seat, node cluster.NodeName, own uint64) bool {
	if slices.ContainsFunc(seats, func(s engine.Seat) bool { return s.ID == own }) {
		return false
	}
	is, _ := fateOf(seats, node, own)
	return is == seatEmpty
}

// What a node without a usable copy finds among the seats.
type fate int

const (
	seatNone  fate = iota // it has none (any more)
	seatLost              // one that was filled: it must not be filled again, because the node has forgotten what it acknowledged and voted for
	seatEmpty             // one that nobody has filled yet
)

// fateOf looks for the seat of a node; lost is the seat that is known to be lost.
func fateOf(seats []engine.Seat, node cluster.NodeName, lost uint64) (fate, uint64) {
	for _, s := range seats {
		switch {
		case s.Node != node:
		case s.Learner && !s.Started && s.ID != lost:
			return seatEmpty, s.ID
		default:
			return seatLost, s.ID
		}
	}
	return seatNone, 0
}
