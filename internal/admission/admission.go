// Package admission decides which machines may join the cluster: the access list that claccess shows and changes, how a machine on it has to prove
// itself, and how often a stranger may try. What is not allowed is denied, and after a join or a time it is so again by itself.
package admission

import (
	"slices"
	"strings"
	"time"

	"redoubt/internal/fault"
)

// Everyone is the host name that stands for all machines.
const Everyone = "*"

// Bounds of what requests to join may leave behind.
const (
	MaxPending  = 8                // machines that wait for an approval under one entry
	MaxFrom     = 2                // of them from one address
	PendingLife = 10 * time.Minute // a machine that has not asked again for so long does not wait any more
	SettleTime  = 10 * time.Minute // how long, at least, an admitted machine has to settle
)

// Entry is one line of the access list, stored under confdb.PrefixAccess + Host with kind confdb.KindAccess. It lets one machine in, once.
type Entry struct {
	Host      string    `json:"host"`               // node name, or Everyone
	By        string    `json:"by"`                 // who allowed it
	ExpiresAt time.Time `json:"expiresAt,omitzero"` // from then on it counts no more; zero: never
	Once      bool      `json:"once,omitempty"`     // always, since every entry admits one machine; read from older repositories
	Protocol  Protocol  `json:"protocol,omitempty"` // how the machine proves itself; empty: by its key
	Key       string    `json:"key,omitempty"`      // the fingerprint that its key has to have
	Token     string    `json:"token,omitempty"`    // the hash of its token; the token itself is nowhere
	Addresses []string  `json:"addresses,omitempty"`
	Pending   []Pending `json:"pending,omitempty"` // who has asked and waits for an approval
	Admitted  *Admitted `json:"admitted,omitempty"`

	QuorumServer bool `json:"quorumServer,omitempty"` // the host was added as a quorum server, and joins as nothing else
}

// Pending is a machine that has proved to hold a key and waits until somebody approves the key.
type Pending struct {
	Host string    `json:"host"`
	Key  string    `json:"key"`  // fingerprint
	From string    `json:"from"` // its address
	At   time.Time `json:"at"`   // when it asked, last
}

// Admitted says that the entry is used up: its machine got a certificate. Until it has settled the same machine, and no other, gets one again.
type Admitted struct {
	Key string    `json:"key"` // fingerprint of the key that proved itself
	At  time.Time `json:"at"`
}

// Expired reports whether the entry counts no more.
func (e Entry) Expired(now time.Time) bool { return !e.ExpiresAt.IsZero() && !now.Before(e.ExpiresAt) }

// Waiting are those that have asked lately and are not approved.
func (e Entry) Waiting(now time.Time) []Pending {
	return slices.DeleteFunc(slices.Clone(e.Pending), func(p Pending) bool { return now.Sub(p.At) >= PendingLife })
}

// Same reports whether two entries say the same.
func (e Entry) Same(o Entry) bool {
	a, b := e.Admitted, o.Admitted
	if (a == nil) != (b == nil) || a != nil && (a.Key != b.Key || !a.At.Equal(b.At)) {
		return false
	}
	return e.Host == o.Host && e.By == o.By && e.ExpiresAt.Equal(o.ExpiresAt) && e.Once == o.Once && e.QuorumServer == o.QuorumServer && e.Protocol == o.Protocol && e.Key == o.Key && e.Token == o.Token &&
		slices.Equal(e.Addresses, o.Addresses) && slices.EqualFunc(e.Pending, o.Pending, func(p, q Pending) bool {
		return p.Host == q.Host && p.Key == q.Key && p.From == q.From && p.At.Equal(q.At)
	})
}

// List is the access list, sorted by host, each host once. The zero List denies everyone. Its methods leave it as it is.
type List []Entry

// NewList sorts entries into a list. Two entries of one host are refused.
func NewList(entries []Entry) (List, error) {
	l := List{}
	for _, e := range entries {
		if _, found := l.find(e.Host); found {
			return nil, fault.Errorf(fault.Invalid, "the access list names host %s twice; remove one of the entries", e.Host)
		}
		var err error
		if l, err = l.Allow(e); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// Policy is the state of the list in one word.
type Policy string

// The policies.
const (
	DenyAll  Policy = "deny-all"  // nobody may join: the default
	Listed   Policy = "listed"    // some hosts may
	AllowAll Policy = "allow-all" // any host may ask
)

// Policy says how open the cluster is at the moment now. An entry that is used up opens nothing.
func (l List) Policy(now time.Time) Policy {
	p := DenyAll
	for _, e := range l {
		switch {
		case e.Expired(now) || e.Admitted != nil:
		case e.Host == Everyone:
			return AllowAll
		default:
			p = Listed
		}
	}
	return p
}

// Allow returns the list with the entry added, or put in the place of the host's former one.
func (l List) Allow(e Entry) (List, error) {
	if err := checkEntry(e); err != nil {
		return nil, err
	}
	out := slices.Clone(l)
	i, found := out.find(e.Host)
	if found {
		out[i] = e
		return out, nil
	}
	return slices.Insert(out, i, e), nil
}

// Deny returns the list without the host. While everyone is allowed a single host can not be denied, and that is an error, so that
// nobody believes a machine is kept out that is not.
func (l List) Deny(host string, now time.Time) (List, error) {
	i, found := l.find(host)
	if all, open := l.find(Everyone); host != Everyone && open && !l[all].Expired(now) {
		return nil, fault.Errorf(fault.Precondition, "host %s can not be denied while every host is allowed; run `redoubt access deny-all` first", host)
	}
	if !found {
		return nil, fault.Errorf(fault.NotFound, "host %s is not on the access list; `redoubt access list` shows them", host)
	}
	if l[i].Admitted != nil && !l[i].Expired(now) {
		return nil, fault.Errorf(fault.Precondition, "host %s was admitted already; remove it with `redoubt node remove %s`", host, host)
	}
	return slices.Delete(slices.Clone(l), i, i+1), nil
}

// DenyAll returns the list that admits nobody. Machines that are admitted and have not settled stay in it: they are nodes already.
func (l List) DenyAll() List {
	return slices.DeleteFunc(slices.Clone(l), func(e Entry) bool { return e.Admitted == nil })
}

// Forget returns the list without the host's entry and without its requests.
func (l List) Forget(host string) List {
	out := slices.DeleteFunc(slices.Clone(l), func(e Entry) bool { return e.Host == host })
	for i, e := range out {
		out[i].Pending = slices.DeleteFunc(slices.Clone(e.Pending), func(p Pending) bool { return p.Host == host })
	}
	return out
}

// Approve returns the list in which the machine that asks as host with the key may join. Who asked among everyone gets an entry of its own, as long as
// the one for everyone counts.
func (l List) Approve(host, key, by string, now time.Time) (List, error) {
	if !IsFingerprint(key) {
		return nil, fault.Errorf(fault.Invalid, "%q is no fingerprint of a key; it looks like SHA256: and 43 letters and digits", key)
	}
	for _, name := range []string{host, Everyone} {
		i, found := l.find(name)
		if !found || l[i].Expired(now) || l[i].Admitted != nil {
			continue
		}
		e := l[i]
		if !slices.ContainsFunc(e.Waiting(now), func(p Pending) bool { return p.Host == host && p.Key == key }) {
			continue
		}
		out := l
		if name == Everyone {
			rest := e
			rest.Pending = slices.DeleteFunc(slices.Clone(e.Pending), func(p Pending) bool { return p.Host == host })
			out = slices.Clone(l)
			out[i] = rest
		}
		return out.Allow(Entry{Host: host, By: by, ExpiresAt: e.ExpiresAt, Once: true, Protocol: e.Protocol, Addresses: e.Addresses, Key: key, QuorumServer: e.QuorumServer})
	}
	return nil, fault.Errorf(fault.NotFound, "no machine waits as %s with the key %s; compare with `redoubt access show`, or allow it with `redoubt access allow -h %s --key %s`", host, key, host, key)
}

// Current is what claccess list shows: the entries that count at the moment now, with those who wait.
func (l List) Current(now time.Time) List {
	out := slices.DeleteFunc(slices.Clone(l), func(e Entry) bool { return e.Expired(now) && e.Admitted == nil })
	for i := range out {
		out[i].Pending = out[i].Waiting(now)
	}
	return out
}

// find gives the index of the host's entry, or where it would stand.
func (l List) find(host string) (int, bool) {
	return slices.BinarySearchFunc(l, host, func(e Entry, h string) int { return strings.Compare(e.Host, h) })
}

// Of returns the entry of a host.
func (l List) Of(host string) (Entry, bool) {
	i, found := l.find(host)
	if !found {
		return Entry{}, false
	}
	return l[i], true
}

// checkEntry refuses what could not have been meant.
func checkEntry(e Entry) error {
	if err := checkHost(e.Host); err != nil {
		return err
	}
	switch {
	case e.Key != "" && !IsFingerprint(e.Key):
		return fault.Errorf(fault.Invalid, "host %s: %q is no fingerprint of a key; `redoubt node key` on the machine prints it: SHA256: and 43 letters and digits", e.Host, e.Key)
	case e.Host == Everyone && e.Key != "":
		return fault.Errorf(fault.Invalid, "a key belongs to one host; name it")
	case e.Protocol == Token && e.Token == "" && e.Admitted == nil:
		return fault.Errorf(fault.Invalid, "host %s: the protocol token needs a token", e.Host)
	case e.Protocol == Sys && len(e.Addresses) == 0 && e.Host != Everyone && e.Admitted == nil:
		return fault.Errorf(fault.Invalid, "host %s: the protocol sys needs to know its address; give it with --address", e.Host)
	}
	return nil
}

// checkHost refuses what can not be the last part of a key or the name of a machine.
func checkHost(host string) error {
	if host == Everyone {
		return nil
	}
	ok := host != "" && len(host) <= 253 && !strings.ContainsFunc(host, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '.' && r != '-' && r != '_' && r != ':'
	})
	if !ok {
		return fault.Errorf(fault.Invalid, "%q is not a host name; give letters, digits, dots, hyphens, or %q for all hosts", host, Everyone)
	}
	return nil
}
