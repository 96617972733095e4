package admission

import (
	"net/netip"
	"slices"
	"time"
)

// Request is a machine that asks to join. Its key is proved: it holds the private half, on this very connection.
type Request struct {
	Host  string
	Key   string // fingerprint
	Token string // as it was sent; empty: none
	From  netip.Addr

	QuorumServer bool // it votes and runs nothing
}

// Outcome is what becomes of a request.
type Outcome int

// The outcomes. The zero value refuses.
const (
	Refused Outcome = iota
	Waits           // until somebody approves its key; Next is the list with the request in it
	Allowed         // it becomes a node; Next is the list with its entry used up
	Again           // it is a node already and has not settled: it gets its certificate once more
)

// Decision is the answer to a request to join.
type Decision struct {
	Outcome Outcome
	Reason  string // one sentence, for the log and for the machine that asked; it names nothing that the machine does not know
	Warning string // what the log has to say about an admission that rests on little
	Use     Entry  // the entry that allows it
	Next    List
}

// remedy is what lets the machine in.
func (r Request) remedy() string {
	if r.QuorumServer {
		return "run `redoubt quorum add -p key=" + r.Key + " " + r.Host + "` on a node of the cluster"
	}
	return "run `redoubt access allow -h " + r.Host + " --key " + r.Key + "` on a node of the cluster"
}

// Decide says what becomes of a request at the moment now. An entry for the host itself goes before one for everyone: what it refuses nothing else allows.
func (l List) Decide(r Request, now time.Time) Decision {
	if err := checkHost(r.Host); err != nil || r.Host == Everyone {
		return Decision{Reason: "a machine that names no valid host can not join"}
	}
	if !IsFingerprint(r.Key) {
		return Decision{Reason: "a machine that has not proved its key can not join"}
	}
	reason := "host " + r.Host + " is not on the access list; " + r.remedy()
	for _, name := range []string{r.Host, Everyone} {
		i, found := l.find(name)
		if !found {
			continue
		}
		e := l[i]
		if e.Expired(now) {
			reason = "the permission for " + name + " ended at " + e.ExpiresAt.UTC().Format(time.RFC3339) + "; " + r.remedy()
			continue
		}
		if e.Admitted != nil {
			if name == r.Host && e.Admitted.Key == r.Key && e.QuorumServer == r.QuorumServer {
				return Decision{Outcome: Again, Use: e, Reason: "host " + r.Host + " was admitted with this key and has not settled yet", Next: l}
			}
			return Decision{Reason: "the permission for host " + r.Host + " was used by a machine with another key; if that was not this machine's doing, remove node " + r.Host}
		}
		return l.judge(e, r, now)
	}
	return Decision{Reason: reason}
}

// judge asks whether the machine has proved what the entry wants proved.
func (l List) judge(e Entry, r Request, now time.Time) Decision {
	switch {
	case r.QuorumServer && !e.QuorumServer:
		return Decision{Reason: "host " + r.Host + " is a quorum server and is allowed as a node; run `redoubt quorum add " + r.Host + "` on a node of the cluster, or start it without quorum-server"}
	case e.QuorumServer && !r.QuorumServer:
		return Decision{Reason: "host " + r.Host + " is allowed as a quorum server; start it with redoubtd quorum-server, or allow it with `redoubt access allow -h " + r.Host + "`"}
	}
	if e.Key != "" && e.Key != r.Key {
		return Decision{Reason: "host " + r.Host + " is allowed with another key than " + r.Key}
	}
	if (len(e.Addresses) > 0 || e.Protocol == Sys && e.Host != Everyone) && !slices.Contains(e.Addresses, r.From.Unmap().String()) {
		return Decision{Reason: "host " + r.Host + " is allowed from other addresses than " + r.From.Unmap().String()}
	}
	warning := ""
	switch e.Protocol {
	case Token:
		if r.Token == "" {
			return Decision{Reason: "host " + r.Host + " joins with a token; give it with --token-file"}
		}
		if !MatchToken(r.Token, e.Token) {
			return Decision{Reason: "the token is not the one that host " + r.Host + " joins with"}
		}
	case Sys:
		if e.Key == "" {
			warning = "it proved nothing but its address"
			if e.Host == Everyone {
				warning = "it proved nothing at all: every host may join, by protocol sys"
			}
		}
	default:
		if e.Key == "" {
			return l.wait(e, r, now)
		}
	}
	used := e
	used.Host, used.Pending = r.Host, nil
	used.Admitted = &Admitted{Key: r.Key, At: now.UTC()}
	if until := now.Add(SettleTime).UTC(); !used.ExpiresAt.IsZero() && used.ExpiresAt.Before(until) {
		used.ExpiresAt = until
	}
	// A join ends the time in which everybody may.
	next, err := slices.DeleteFunc(slices.Clone(l), func(o Entry) bool { return o.Host == Everyone }).Allow(used)
	if err != nil {
		return Decision{Reason: err.Error()}
	}
	return Decision{Outcome: Allowed, Use: e, Next: next, Warning: warning, Reason: "host " + r.Host + " may join"}
}

// wait notes a request whose key nobody has approved. Those that are full do not push others out: a flood must not get rid of the machine that is meant.
func (l List) wait(e Entry, r Request, now time.Time) Decision {
	d := Decision{Outcome: Waits, Use: e, Next: l, Reason: "host " + r.Host + " waits until its key " + r.Key + " is approved"}
	from, e2 := r.From.Unmap().String(), e
	e2.Pending = e.Waiting(now)
	i := slices.IndexFunc(e2.Pending, func(p Pending) bool { return p.Host == r.Host && p.Key == r.Key })
	if i >= 0 && now.Sub(e2.Pending[i].At) < PendingLife/3 {
		return d
	}
	if i >= 0 {
		e2.Pending[i].At, e2.Pending[i].From = now.UTC(), from
	} else {
		same := 0
		for _, p := range e2.Pending {
			if p.From == from {
				same++
			}
		}
		if len(e2.Pending) >= MaxPending || same >= MaxFrom {
			return Decision{Reason: "too many machines wait to be approved as " + e.Host + "; run `redoubt access deny -h " + e.Host + "`, then `redoubt access allow -h " + r.Host + " --key " + r.Key + "`"}
		}
		e2.Pending = append(e2.Pending, Pending{Host: r.Host, Key: r.Key, From: from, At: now.UTC()})
	}
	next, err := l.Allow(e2)
	if err != nil {
		return Decision{Reason: err.Error()}
	}
	d.Next = next
	return d
}
