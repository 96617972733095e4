package membership

import (
	"redoubt/internal/cluster"
	"redoubt/internal/quorum"
)

// Copy is what a node says of its own copy of the repository, in every message: that it votes and is heard does not mean that the repository could go
// on from what it has. The machine decides nothing on it; it hands it on.
type Copy struct {
	State CopyState
	Seat  uint64 // which seat of the repository this is about, as the repository numbers its members; 0: none, or not known
	Index uint64 // how much of the repository's log it has
}

// CopyState is the condition of a node's copy of the repository.
type CopyState uint8

// The states. The numbers are on the wire.
const (
	CopyNone   CopyState = iota // it has none, and has not said that it should
	CopyUsable                  // its member is up, follows a leader, and has what the others have
	CopyBehind                  // its member is up, but has no vote yet, follows nobody, or lacks much of what the others have
	CopyDown                    // its member is not up; what it has on its disk is whole, as far as is known
	CopyLost                    // what it had is gone or damaged: Seat can never be filled again
	copyStates                  // how many there are
)

// Known reports whether s is a state that this version has.
func (s CopyState) Known() bool { return s < copyStates }

// String gives the word that people read.
func (s CopyState) String() string {
	switch s {
	case CopyUsable:
		return "usable"
	case CopyBehind:
		return "behind"
	case CopyDown:
		return "down"
	case CopyLost:
		return "lost"
	}
	return "none"
}

// same reports whether two reports differ at most in what they have of the log.
func (c Copy) same(o Copy) bool { return c.State == o.State && c.Seat == o.Seat }

// SetCopy says how this node's own copy of the repository is. A change is told at once, not with the next heartbeat.
func (m *Machine) SetCopy(c Copy) {
	if !c.same(m.copy) {
		m.news = true
		m.nextBeat = m.now
	}
	m.copy = c
}

// Hears reports whether a node is heard at now, or is this one.
func (v View) Hears(n cluster.NodeName, now Instant) bool {
	_, heard := v.CopyOf(n, now)
	return heard
}

// CopyOf is what a node that is heard at now says of its copy; this node's own counts as heard.
func (v View) CopyOf(n cluster.NodeName, now Instant) (c Copy, heard bool) {
	if n == v.Self {
		return v.Copy, true
	}
	for _, p := range v.Peers {
		if p.Node == n && v.Record != nil && p.LastHeard != 0 && now-p.LastHeard < Instant(v.Record.Timing.Timeout) {
			return p.Copy, true
		}
	}
	return Copy{}, false
}

// Tally counts the voters.
type Tally struct {
	Needed  int // a majority of the voters, and how many of them are heard; while they change, of the set with less to spare
	Present int
	Copies  int // a majority of the copies, and how many of those that are heard are usable
	Usable  int
	Margin  int // how many more of the voters may be lost, whichever they are, before the others can decide nothing any more; negative when that is so already
}

// Tally counts the voters at now. While the voters change both sets need their majority. A newcomer gets its vote in the repository only when it has caught up,
// so that its copy, as long as it is behind, can not make less of the others than "none may be lost".
func (v View) Tally(now Instant) Tally {
	if v.Record == nil {
		return Tally{}
	}
	count := func(voters []Voter) (needed, present, usable int) {
		for _, x := range voters {
			c, heard := v.CopyOf(x.Node, now)
			if heard {
				present++
			}
			if heard && c.State == CopyUsable {
				usable++
			}
		}
		return quorum.Majority(len(voters)), present, usable
	}
	var t Tally
	t.Needed, t.Present, t.Usable = count(v.Record.Voters)
	t.Copies = t.Needed
	t.Margin = min(t.Present, t.Usable) - t.Needed
	if v.Record.NextVoters != nil {
		needed, present, usable := count(v.Record.NextVoters)
		t.Margin = min(t.Margin, present-needed, max(usable-needed, 0))
		if present-needed < t.Present-t.Needed {
			t.Needed, t.Present = needed, present
		}
	}
	return t
}
