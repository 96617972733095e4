package beat

import (
	"sync/atomic"
)

// Why a datagram was dropped.
const (
	dropShort     = iota // shorter than any datagram of ours
	dropLong             // longer than any datagram of ours
	dropVersion          // another version of the format
	dropReceiver         // sealed for another node number
	dropSender           // no peer has the sender's number
	dropForged           // the seal does not fit: another key, cluster, direction or address, or it was altered
	dropMalformed        // sealed by the peer, but no message
	dropReasons
)

var dropNames = [dropReasons]string{"short", "long", "version", "receiver", "sender", "forged", "malformed"}

// pathCount counts what happens on a path.
type pathCount struct {
	received, sent, unsent atomic.Uint64
	dropped                [dropReasons]atomic.Uint64
}

// Counts are what happened on one path since the transport began to listen on it.
type Counts struct {
	Path     int
	Received uint64            // messages delivered
	Sent     uint64            // datagrams handed to the network
	Unsent   uint64            // datagrams that the network did not take
	Dropped  map[string]uint64 // datagrams dropped, by reason; every reason is there
}

func (c *pathCount) read(path int) Counts {
	out := Counts{Path: path, Received: c.received.Load(), Sent: c.sent.Load(), Unsent: c.unsent.Load(), Dropped: map[string]uint64{}}
	for i := range c.dropped {
		out.Dropped[dropNames[i]] = c.dropped[i].Load()
	}
	return out
}

// Counts returns the counters of every path that is in use, for the metrics.
func (t *Transport) Counts() []Counts {
	var out []Counts
	for i, p := range *t.paths.Load() {
		if p != nil {
			out = append(out, p.count.read(i))
		}
	}
	return out
}
