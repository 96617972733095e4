package guard

import (
	"testing"
	"time"
)

// While the lease is short an address that is not renewed lives a second, otherwise as long as was configured: it never goes before the lease does.
func TestLifeFollowsTheLease(t *testing.T) {
	now := int64(time.Hour)
	for left, want := range map[time.Duration]uint32{450 * time.Millisecond: 1, shortLease - 1: 1, shortLease: 2, 15 * time.Second: 2} {
		g := &guard{lease: now + int64(left)}
		g.cfg.addressLife = AddressLife
		if got := g.life(now); got != want {
			t.Errorf("with a lease of %v: %d s, want %d", left, got, want)
		}
	}
	g := &guard{}
	g.cfg.addressLife = AddressLife
	if got := g.life(now); got != 2 {
		t.Errorf("without a lease: %d s", got)
	}
	if tick := AddressLife / 10; shortLease+tick >= time.Second {
		t.Errorf("a lease of %v and a tick of %v outlive the second", shortLease, tick)
	}
}
