package admission

import (
	"net/netip"
	"time"
)

// Bounds on attempts to join.
const (
	maxFailures = 5               // from one address, until it is locked out
	firstLock   = time.Minute     // the first lockout; each further one is twice as long
	longestLock = time.Hour       //
	forgetAfter = 2 * time.Hour   // without a failure, an address begins anew
	maxTracked  = 1024            // addresses that are remembered
	burst       = 60              // attempts of all strangers together, at once
	refill      = 2 * time.Second // one more attempt of all strangers together
	ipv6Network = 64              // who has one address of such a network has them all
	lockFactor  = 2               //
	tellAtLeast = 1 * time.Second // the shortest time that a stranger is told to wait
)

// Limits bounds how often strangers may try to join, or to be known by a session: each address by lockouts, all together by a rate. The zero value is ready. It is not safe for several
// goroutines.
type Limits struct {
	from  map[netip.Prefix]attempts
	spent int // of burst
	since time.Time
}

type attempts struct {
	failures int
	locks    int
	until    time.Time // locked out till then
	last     time.Time
}

// Network is what an address is counted as.
func Network(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := a.BitLen()
	if a.Is6() {
		bits = ipv6Network
	}
	p, _ := a.Prefix(bits)
	return p
}

// Locked says for how long an address is still locked out; zero if it is not.
func (l *Limits) Locked(from netip.Addr, now time.Time) (wait time.Duration) {
	if a, ok := l.from[Network(from)]; ok && now.Before(a.until) {
		return max(tellAtLeast, a.until.Sub(now))
	}
	return 0
}

// Try asks whether an address may try now; zero says yes, otherwise how long it has to wait.
func (l *Limits) Try(from netip.Addr, now time.Time) (wait time.Duration) {
	if wait := l.Locked(from, now); wait > 0 {
		return wait
	}
	if l.since.IsZero() || now.Before(l.since) {
		l.since = now
	}
	if back := int(now.Sub(l.since) / refill); back > 0 {
		l.spent = max(0, l.spent-back)
		l.since = l.since.Add(time.Duration(back) * refill)
	}
	if l.spent >= burst {
		return max(tellAtLeast, l.since.Add(refill).Sub(now))
	}
	l.spent++
	return 0
}

// Failed counts an attempt that proved nothing, and reports for how long the address is locked out now.
func (l *Limits) Failed(from netip.Addr, now time.Time) (lockedFor time.Duration) {
	if l.from == nil {
		l.from = map[netip.Prefix]attempts{}
	}
	n := Network(from)
	a, known := l.from[n]
	if !known && len(l.from) >= maxTracked {
		l.evict(now)
	}
	if now.Sub(a.last) > forgetAfter {
		a = attempts{}
	}
	a.last = now
	if a.failures++; a.failures >= maxFailures {
		a.failures = 0
		lock := firstLock
		for range a.locks {
			if lock *= lockFactor; lock >= longestLock {
				lock = longestLock
				break
			}
		}
		a.locks++
		a.until, lockedFor = now.Add(lock), lock
	}
	l.from[n] = a
	return lockedFor
}

// Succeeded forgets what an address did wrong before.
func (l *Limits) Succeeded(from netip.Addr) { delete(l.from, Network(from)) }

// evict makes room: what is old goes, and when nothing is, the one that failed longest ago.
func (l *Limits) evict(now time.Time) {
	var oldest netip.Prefix
	var at time.Time
	for n, a := range l.from {
		if now.Sub(a.last) > forgetAfter {
			delete(l.from, n)
			continue
		}
		if at.IsZero() || a.last.Before(at) {
			oldest, at = n, a.last
		}
	}
	if len(l.from) >= maxTracked {
		delete(l.from, oldest)
	}
}
