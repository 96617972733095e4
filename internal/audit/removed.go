package audit

import (
	"fmt"
	"slices"
	"time"

	"redoubt/internal/auditlog"
)

const (
	// removalKnown is how long the record of a removal may take to get here, before a node that claims to have been removed is accused.
	removalKnown = 10 * time.Minute
	// removalSlack is between two readings of one clock.
	removalSlack = time.Second
	// removalClocks is how far the clocks of two nodes may differ: a removal is by that of the node that removed, what was copied by the one here.
	removalClocks = 10 * time.Minute
	// removalLasts is how long a removal may have been under way whose end is on no record.
	removalLasts = time.Hour
)

// removed reports whether the node whose log is pinned was removed, so that one of its name that joined later has another log with another key. Who may write the
// repository, and every node may, can give himself another record and revoke his own certificate, at whatever time he likes. What he cannot write is the log of
// another node, and no node removes itself: so both are wanted, the revocation of the certificate that it had and the removal in the log of another node, at the same
// time, and that not before its log was copied last: what is older is about one before it. It fails as long as the removal may still be on its way.
func (x *exchange) removed(p Peer, pinned auditlog.Pinned) (bool, error) {
	var at []time.Time
	for _, r := range p.Removals {
		ofThis := pinned.Certificate == "" || pinned.Certificate == r.Certificate // older versions did not remember the certificate
		if ofThis && !r.At.Before(pinned.At.Add(-removalClocks)) {
			at = append(at, r.At)
		}
	}
	if len(at) == 0 {
		return false, nil
	}
	missing := fmt.Errorf("node %s joined again with a new command log; no log that is known here tells yet who removed the one before", p.Name)
	if x.j.lookedJustNow(p.Name) {
		return false, missing
	}
	commands, err := x.j.Commands(auditlog.Query{})
	if err != nil {
		return false, err
	}
	for _, e := range commands {
		if e.Node != p.Name && removes(e, p.Name, pinned.QuorumServer) && slices.ContainsFunc(at, func(t time.Time) bool { return during(e, t) }) {
			return true, nil
		}
	}
	return false, x.j.unheard(p.Name, missing)
}

// removes reports whether a command removed a node, or may have: nobody knows how far one came that has no end. Without names `quorum remove` is about every quorum
// server, and about no other node.
func removes(e auditlog.Entry, node string, quorumServer bool) bool {
	if e.State == auditlog.StateFailed || e.State == auditlog.StateDenied {
		return false
	}
	switch e.Operation {
	case "node remove":
		return slices.Contains(e.Objects, node)
	case "quorum remove":
		return slices.Contains(e.Objects, node) || len(e.Objects) == 0 && quorumServer
	}
	return false
}

// missed is a removal that is claimed and on no record that is known here.
type missed struct{ since, looked time.Time }

// lookedJustNow reports whether all logs were searched for a removal a moment ago: that takes long, and the node that claims it says when it has news.
func (j *Journal) lookedJustNow(node string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	m, known := j.missed[node]
	return known && j.cfg.Now().Sub(m.looked) < askEvery/2
}

// unheard gives the error until the time is over in which the record of a node's removal has to come, and nil after it. The time is the node's, whatever it offers
// meanwhile.
func (j *Journal) unheard(node string, err error) error {
	now := j.cfg.Now()
	j.mu.Lock()
	defer j.mu.Unlock()
	m, known := j.missed[node]
	if !known {
		m.since = now
	}
	m.looked = now
	j.missed[node] = m
	if now.Sub(m.since) < removalKnown {
		return err
	}
	return nil
}

// during reports whether a command was under way at a time of its own node's clock. One without an end may have been for a while.
func during(e auditlog.Entry, t time.Time) bool {
	end := e.Outcome.Time
	if end.IsZero() {
		end = e.Time.Add(removalLasts)
	}
	return !t.Before(e.Time.Add(-removalSlack)) && !t.After(end.Add(removalSlack))
}
