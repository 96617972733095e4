// Package admission decides which machines may ask to join the cluster: the access list that claccess shows and changes. What is not
// allowed is denied. Being on the list lets a machine ask; who vouches for it is the certificate authority's matter.
package admission

import (
	"slices"
	"strings"
	"time"

	"redoubt/internal/fault"
)

// Everyone is the host name that stands for all machines.
const Everyone = "*"

// Entry is one line of the access list, stored under confdb.PrefixAccess + Host with kind confdb.KindAccess.
type Entry struct {
	Host      string    `json:"host"`               // node name, or Everyone
	By        string    `json:"by"`                 // who allowed it
	ExpiresAt time.Time `json:"expiresAt,omitzero"` // from then on it counts no more; zero: never
	Once      bool      `json:"once,omitempty"`     // the first join that uses it removes it
}

// expired reports whether the entry counts no more.
func (e Entry) expired(now time.Time) bool { return !e.ExpiresAt.IsZero() && !now.Before(e.ExpiresAt) }

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

// Decision is the answer to a request to join.
type Decision struct {
	Allowed bool
	Reason  string // one sentence, for the log and for the machine that asked
	Use     Entry  // the entry that allows it; if it has Once, the transaction that admits the node deletes it
}

// Decide says whether host may join at the moment now. An entry for the host itself goes before one for everyone.
func (l List) Decide(host string, now time.Time) Decision {
	if err := checkHost(host); err != nil || host == Everyone {
		return Decision{Reason: "a machine that names no valid host can not join"}
	}
	reason := "host " + host + " is not on the access list; run claccess allow -h " + host + " on a node of the cluster"
	for _, name := range []string{host, Everyone} {
		i, found := l.find(name)
		if !found {
			continue
		}
		e := l[i]
		if e.expired(now) {
			reason = "the entry for " + name + " ended at " + e.ExpiresAt.UTC().Format(time.RFC3339) + "; run claccess allow -h " + host + " on a node of the cluster"
			continue
		}
		if name == Everyone {
			return Decision{Allowed: true, Use: e, Reason: "every host may join, allowed by " + e.By}
		}
		return Decision{Allowed: true, Use: e, Reason: "host " + host + " may join, allowed by " + e.By}
	}
	return Decision{Reason: reason}
}

// Allow returns the list with the entry added, or put in the place of the host's former one.
func (l List) Allow(e Entry) (List, error) {
	if err := checkHost(e.Host); err != nil {
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

// AllowAll returns the list that lets every machine ask. Entries of single hosts stay and count again after Deny(Everyone).
func (l List) AllowAll(by string, expires time.Time) (List, error) {
	return l.Allow(Entry{Host: Everyone, By: by, ExpiresAt: expires})
}

// Deny returns the list without the host. While everyone is allowed a single host can not be denied, and that is an error, so that
// nobody believes a machine is kept out that is not.
func (l List) Deny(host string, now time.Time) (List, error) {
	i, found := l.find(host)
	if all, open := l.find(Everyone); host != Everyone && open && !l[all].expired(now) {
		return nil, fault.Errorf(fault.Precondition, "host %s can not be denied while every host is allowed; run claccess deny-all first", host)
	}
	if !found {
		return nil, fault.Errorf(fault.NotFound, "host %s is not on the access list; claccess list shows it", host)
	}
	return slices.Delete(slices.Clone(l), i, i+1), nil
}

// DenyAll returns the empty list.
func (l List) DenyAll() List { return List{} }

// Current is what claccess list shows: the entries that count at the moment now.
func (l List) Current(now time.Time) List {
	return slices.DeleteFunc(slices.Clone(l), func(e Entry) bool { return e.expired(now) })
}

// find gives the index of the host's entry, or where it would stand.
func (l List) find(host string) (int, bool) {
	return slices.BinarySearchFunc(l, host, func(e Entry, h string) int { return strings.Compare(e.Host, h) })
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
