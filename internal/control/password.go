package control

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/argon2"

	"redoubt/internal/fault"
)

// How passwords of roles are hashed (argon2id). The work is the same for every attempt, also for one that can not succeed.
const (
	hashTime   = 2
	hashMemory = 19 << 10 // KiB
	hashLength = 32
	saltLength = 16
	hashForm   = "$argon2id$v=19$m=19456,t=2,p=1$"

	minPassword = 8
	maxPassword = 1024
)

// The bounds of attempts to assume a role.
const (
	freeFailures  = 3 // attempts that may fail before there is a wait
	firstLock     = 2 * time.Second
	longestLock   = 15 * time.Minute
	maxAttempters = 2000
	hashQueue     = 5 * time.Second // how long an attempt waits for the one before it
)

// hashPassword makes the stored form of a password.
func hashPassword(password []byte) (string, error) {
	if len(password) < minPassword || len(password) > maxPassword {
		return "", fault.Errorf(fault.Invalid, "the password has %d bytes; it needs %d to %d", len(password), minPassword, maxPassword)
	}
	salt := make([]byte, saltLength)
	if _, err := rand.Read(salt); err != nil {
		return "", fault.Errorf(fault.Internal, "hash a password: %w", err)
	}
	return formatHash(salt, argon2.IDKey(password, salt, hashTime, hashMemory, 1, hashLength)), nil
}

func formatHash(salt, hash []byte) string {
	return hashForm + base64.RawStdEncoding.EncodeToString(salt) + "$" + base64.RawStdEncoding.EncodeToString(hash)
}

// passwordMatches compares in constant time. What is stored in a form that this build does not write matches nothing; the work is done all the same.
func passwordMatches(stored string, password []byte) bool {
	salt, want, ok := readHash(stored)
	if len(password) > maxPassword {
		password, ok = nil, false
	}
	got := argon2.IDKey(password, salt, hashTime, hashMemory, 1, hashLength)
	return subtle.ConstantTimeCompare(got, want) == 1 && ok
}

// readHash takes the stored form apart; of one that can not be read it gives something that nothing matches.
func readHash(stored string) (salt, hash []byte, ok bool) {
	none := func() ([]byte, []byte, bool) { return make([]byte, saltLength), make([]byte, hashLength), false }
	rest, ok := strings.CutPrefix(stored, hashForm)
	first, second, two := strings.Cut(rest, "$")
	if !ok || !two {
		return none()
	}
	salt, err := base64.RawStdEncoding.DecodeString(first)
	if err != nil || len(salt) != saltLength {
		return none()
	}
	hash, err = base64.RawStdEncoding.DecodeString(second)
	if err != nil || len(hash) != hashLength {
		return none()
	}
	return salt, hash, true
}

// guesses slow down whoever guesses: after a few failures he has to wait, longer each time. It counts by who tries, so that nobody can lock another out.
type guesses struct {
	mu   sync.Mutex
	of   map[string]*guesser
	work chan struct{} // one hash at a time: guessing must not take the machine
}

type guesser struct {
	failures int
	until    time.Time // no attempt before
	last     time.Time
}

// ticks is the time by which those wait who guess: of the clock that nobody sets, so that a clock which is set forward frees nobody, and one that is set back locks nobody out for as long.
func (c *Control) ticks() time.Time { return time.Unix(0, int64(c.cfg.Clock.Boot())) }

func newGuesses() *guesses {
	return &guesses{of: map[string]*guesser{}, work: make(chan struct{}, 1)}
}

// try runs an attempt of somebody and counts its outcome.
func (g *guesses) try(ctx context.Context, who string, now func() time.Time, attempt func() bool) (bool, error) {
	bounded, cancel := context.WithTimeout(ctx, hashQueue)
	defer cancel()
	select {
	case g.work <- struct{}{}:
		defer func() { <-g.work }()
	case <-bounded.Done():
		return false, fault.Errorf(fault.Unavailable, "others are giving their passwords at this moment; try again")
	}
	// Only one attempt is here at a time: none slips through while another is being counted.
	if err := g.locked(who, now()); err != nil {
		return false, err
	}
	ok := attempt()
	g.count(who, ok, now())
	return ok, nil
}

func (g *guesses) locked(who string, now time.Time) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if x, ok := g.of[who]; ok && now.Before(x.until) {
		return fault.Errorf(fault.Denied, "%d attempts have failed: the next one may be made in %s", x.failures, fmt.Sprint(x.until.Sub(now).Round(time.Second)))
	}
	return nil
}

func (g *guesses) count(who string, ok bool, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if ok {
		delete(g.of, who)
		return
	}
	for name, x := range g.of {
		if now.Sub(x.last) > 2*longestLock {
			delete(g.of, name)
		}
	}
	x := g.of[who]
	if x == nil {
		if len(g.of) >= maxAttempters {
			for name := range g.of { // any: memory is bounded, and each of them waits but once more
				delete(g.of, name)
				break
			}
		}
		x = &guesser{}
		g.of[who] = x
	}
	x.failures, x.last = x.failures+1, now
	if over := x.failures - freeFailures; over >= 0 {
		x.until = now.Add(min(longestLock, firstLock<<min(over, 20)))
	}
}
