package etcdstore

import (
	"context"
	"time"

	"redoubt/internal/cluster"
)

// A network that is whole again does not make the members whole again at once. What one member says to another goes over a connection that the other has made; while nothing
// arrives its kernel tries again after 0.2 s, and then after twice as long each time, so that a connection that was cut for four seconds is silent for two more. The member
// follows its leader meanwhile, and its answers do not arrive: it counts for no majority, and the loss of another member stops the repository. And what it asked for in that
// time is answered all at once, which can stop it for a second, see keepReading.

// Relink ends the connections over which this member speaks to the one of a node, which makes new ones at once: for whoever knows that the node was not to be reached and is
// again. It returns how many there were.
func (m *Member) Relink(node cluster.NodeName) int {
	gone := m.peerDoor.expel(string(node))
	for _, v := range gone {
		v.cut()
	}
	m.stir()
	return len(gone)
}

// expel takes their places from all connections of a node, and returns them.
func (d *door) expel(node string) (gone []*visitor) {
	d.mu.Lock()
	defer d.mu.Unlock()
	own := d.nodes[node]
	for own != nil && own.Len() > 0 {
		v := own.Front().Value.(*visitor) //nolint:forcetypeassert // the list has nothing else
		d.leave(v)
		gone = append(gone, v)
	}
	return gone
}

const (
	readsFor   = 2 * time.Second
	readEvery  = 20 * time.Millisecond
	readsLimit = time.Second            // of one read
	readsSlow  = 400 * time.Millisecond // after which etcd has asked again by itself, or is about to
)

// keepReading reads for a while whenever the leader has changed, has committed for the first time, or a connection was made anew. etcd's loop for reads asks again when no answer
// comes; of the answers that come in the end it takes one, and has room for a second. A third one holds up the member's whole work, its part in every commit of the others, until
// somebody reads or a second is over. So somebody reads.
func (m *Member) keepReading() {
	server := m.etcd.Server
	m.loops.Go(func() {
		for leader, commit := server.LeaderChangedNotify(), server.FirstCommitInTermNotify(); ; m.stir() {
			select {
			case <-m.ctx.Done():
				return
			case <-leader:
				leader = server.LeaderChangedNotify()
			case <-commit:
				commit = server.FirstCommitInTermNotify()
			}
		}
	})
	readOn(m.ctx, m.stirred, func(ctx context.Context) {
		if server.Leader() != 0 { // otherwise nobody answers, and what is not asked is not answered too late
			_ = server.LinearizableReadNotify(ctx)
		}
	})
}

// stir has keepReading begin.
func (m *Member) stir() {
	select {
	case m.stirred <- struct{}{}:
	default:
	}
}

// readOn reads every readEvery after each token, until readsFor have passed since then and since the last read that took long.
func readOn(ctx context.Context, tokens <-chan struct{}, read func(context.Context)) {
	pause := time.NewTimer(0)
	defer pause.Stop()
	<-pause.C
	var until time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-tokens:
			until = time.Now().Add(readsFor)
		case <-pause.C:
		}
		began := time.Now()
		attempt, cancel := context.WithTimeout(ctx, readsLimit)
		read(attempt)
		cancel()
		now := time.Now()
		if now.Sub(began) > readsSlow {
			until = now.Add(readsFor)
		}
		if now.Before(until) {
			pause.Reset(readEvery)
		}
	}
}
