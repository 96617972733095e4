package daemon

import (
	"testing"
	"time"

	"redoubt/internal/cluster"
)

// The repository beats as often as the cluster's timing wants it, in numbers that etcd accepts.
func TestSeatTiming(t *testing.T) {
	for profile, want := range map[string]time.Duration{"default": 500, "fast": 180, "wan": 500} {
		timing, _ := cluster.ProfileTiming(profile)
		heartbeat, election := seatTiming((&identity{Timing: timing}).timing())
		if heartbeat != want*time.Millisecond || election != 5*heartbeat || heartbeat%time.Millisecond != 0 {
			t.Errorf("profile %s: %v and %v", profile, heartbeat, election)
		}
	}
	first, _ := seatTiming((&identity{Profile: "fast"}).timing())
	unknown, _ := seatTiming((&identity{}).timing())
	if first != 180*time.Millisecond || unknown != 500*time.Millisecond {
		t.Errorf("without a record: %v for profile fast, %v for none", first, unknown)
	}
}
