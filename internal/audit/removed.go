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
)

// removing are the operations that remove nodes; without a name it is every quorum server.
var removing = []string{"node remove", "quorum remove"}

// removed reports whether the node whose log is pinned was removed, so that one of its name that joined later has another log with another key. Who may write the
// repository, and every node may, can give himself another record and revoke his own certificate. What he cannot write is the log of another node, and no node
// removes itself: so both are wanted, the revocation of the certificate that it had and the removal in the log of another node, at the same time. It fails as long as
// the latter may still be on its way.
func (x *exchange) removed(p Peer, pinned auditlog.Pinned) (bool, error) {
	var at []time.Time
	for _, r := range p.Removals {
		if pinned.Certificate == "" || pinned.Certificate == r.Certificate { // older versions did not remember the certificate
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
		if slices.Contains(removing, e.Operation) && e.Node != p.Name && e.State != auditlog.StateDenied && (len(e.Objects) == 0 || slices.Contains(e.Objects, p.Name)) && slices.ContainsFunc(at, func(t time.Time) bool { return during(e, t) }) {
			return true, nil
		}
	}
	return false, x.j.unheard(p.Name, missing)
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

// during reports whether a command was under way at a time of its own node's clock. One without an end may have been.
func during(e auditlog.Entry, t time.Time) bool {
	return !t.Before(e.Time.Add(-removalSlack)) && (e.Outcome.Time.IsZero() || !t.After(e.Outcome.Time.Add(removalSlack)))
}
