package daemon

import (
	"time"

	"redoubt/internal/cluster"
)

// A leader of the repository that is gone without the membership noticing it, because only its member hangs, is replaced in one to two elections: with a timeout of
// 500 ms in 2.5 to 5 s. Whatever takes a node away the membership knows earlier, see succeed. No service depends on the leader: an election that was called too early
// costs nobody anything. Every heartbeat of the repository costs, at rest too.
const (
	seatHeartbeats   = 5   // in an election timeout, the fewest that there may be
	seatShare        = 100 // per cent of the cluster's timeout are one of them
	seatHeartbeatMin = 50 * time.Millisecond
	seatHeartbeatMax = 500 * time.Millisecond
)

// seatTiming is the repository's own timing where the cluster has this one. A member keeps the one that it began with until its daemon is restarted.
func seatTiming(t cluster.Timing) (heartbeat, election time.Duration) {
	heartbeat = min(max(t.Timeout*seatShare/100, seatHeartbeatMin), seatHeartbeatMax).Truncate(time.Millisecond)
	return heartbeat, seatHeartbeats * heartbeat
}

// timing is the cluster's, as far as this node knows it.
func (id *identity) timing() cluster.Timing {
	if id.Timing.Timeout > 0 {
		return id.Timing
	}
	if t, ok := cluster.ProfileTiming(id.Profile); ok {
		return t
	}
	t, _ := cluster.ProfileTiming("default")
	return t
}
