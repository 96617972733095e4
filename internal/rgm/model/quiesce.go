package model

import (
	"slices"
	"time"

	"redoubt/internal/cluster"
)

// Quiesce is one `group quiesce` that is going on. The group is suspended as long as it is.
type Quiesce struct {
	Node    cluster.NodeName `json:"node"`    // whose daemon runs it
	Session uint64           `json:"session"` // of that daemon; another session of the node knows nothing of it
	Number  uint64           `json:"number"`  // among those of the session
	Until   time.Time        `json:"until"`   // it has come to its end by then
}

// Same reports whether two are one: it may have been written again with a later end.
func (q Quiesce) Same(o Quiesce) bool {
	return q.Node == o.Node && q.Session == o.Session && q.Number == o.Number
}

// Quiesced is the part of a group's suspension that is not the administrator's.
type Quiesced struct {
	By    []Quiesce `json:"by,omitempty"`    // in the order in which they began
	Alone bool      `json:"alone,omitempty"` // no administrator has suspended the group: the end of the last of them resumes it
}

// SuspendedByHand reports whether an administrator has suspended the group; a quiesce may do so besides.
func (g Group) SuspendedByHand() bool { return g.Suspended && !g.Quiesced.Alone }

// SuspendByHand is what an administrator says of the suspension. One who resumes a group that is being quiesced resumes it for the time after that.
func (g *Group) SuspendByHand(is bool) {
	g.Quiesced.Alone = !is && len(g.Quiesced.By) > 0
	g.Suspended = is || g.Quiesced.Alone
}

// BeginQuiesce suspends the group for a quiesce as well.
func (g *Group) BeginQuiesce(q Quiesce) {
	if !g.Suspended {
		g.Suspended, g.Quiesced.Alone = true, true
	}
	others := slices.DeleteFunc(slices.Clone(g.Quiesced.By), q.Same)
	g.Quiesced.By = append(others, q)
}

// EndQuiesces takes away what those quiesces have suspended that are over, and reports whether there were any. What an administrator, or another quiesce, has suspended stays so.
func (g *Group) EndQuiesces(over func(Quiesce) bool) bool {
	left := slices.DeleteFunc(slices.Clone(g.Quiesced.By), over)
	if len(left) == len(g.Quiesced.By) {
		return false
	}
	if len(left) > 0 {
		g.Quiesced.By = left
		return true
	}
	g.Suspended, g.Quiesced = g.SuspendedByHand(), Quiesced{}
	return true
}

// QuiescedBy reports whether a quiesce suspends the group.
func (g Group) QuiescedBy(q Quiesce) bool { return slices.ContainsFunc(g.Quiesced.By, q.Same) }
