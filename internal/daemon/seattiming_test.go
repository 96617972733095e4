package daemon

import (
	"testing"
	"time"

	"redoubt/internal/cluster"
)

// The repository has a leader again about when the voters have made up their minds, whatever the timing, and its heartbeats are what etcd accepts.
func TestSeatTiming(t *testing.T) {
	for profile, want := range map[string]time.Duration{"default": 75, "fast": 30, "wan": 500} {
		timing, _ := cluster.ProfileTiming(profile)
		heartbeat, election := seatTiming((&identity{Timing: timing}).timing())
		if heartbeat != want*time.Millisecond || election != 5*heartbeat || heartbeat%time.Millisecond != 0 {
			t.Errorf("profile %s: %v and %v", profile, heartbeat, election)
		}
		if election > timing.Timeout {
			t.Errorf("profile %s: an election is called after %v, the voters need %v", profile, election, timing.Timeout)
		}
	}
	first, _ := seatTiming((&identity{Profile: "fast"}).timing())
	unknown, _ := seatTiming((&identity{}).timing())
	if first != 30*time.Millisecond || unknown != 75*time.Millisecond {
		t.Errorf("without a record: %v for profile fast, %v for none", first, unknown)
	}
}
