package control

import (
	"testing"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/internal/fault"
	"redoubt/internal/membership"
)

// leaps is a machine whose clock is set.
type leaps struct {
	wall time.Time
	boot membership.Instant
}

func (l *leaps) Boot() membership.Instant { return l.boot }
func (l *leaps) Wall() time.Time          { return l.wall }

func (l *leaps) pass(d time.Duration) { l.wall, l.boot = l.wall.Add(d), l.boot.Add(int64(d)) }

// Whoever guesses the password of a role waits as long as he has to, however the clock of the machine is set: forward it frees him not, and back it does not lock him out for good.
func TestLockoutOutlastsClocks(t *testing.T) {
	c, _ := tableOf(t)
	at := &leaps{wall{}.Wall(), membership.Instant(time.Hour)}
	c.cfg.Clock = at
	member := Caller{Kind: CallerLocal, UID: 1000, User: "member"}
	assume := func(password string) error {
		_, err := c.RoleAssume(t.Context(), member, v1.RoleAssume{Names: []string{"arole"}, Password: []byte(password)})
		return err
	}
	lock := func() {
		for range freeFailures {
			if err := assume("guess"); !fault.Is(err, fault.Denied) {
				t.Fatal(err)
			}
		}
	}
	lock()
	at.wall = at.wall.Add(24 * time.Hour)
	if err := assume(rolePassword); !fault.Is(err, fault.Denied) {
		t.Errorf("the clock was set forward: %v", err)
	}
	at.pass(firstLock)
	if err := assume(rolePassword); err != nil {
		t.Errorf("after the wait: %v", err)
	}
	lock()
	at.wall = at.wall.Add(-7 * 24 * time.Hour)
	at.pass(firstLock)
	if err := assume(rolePassword); err != nil {
		t.Errorf("the clock was set back, and the wait is over: %v", err)
	}
}
