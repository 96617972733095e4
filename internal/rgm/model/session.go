package model

import (
	"strconv"
	"time"
)

// The cluster's properties that say whether people reach the API of a node over the network without a certificate, by a session, and for how long one may last.
const (
	Sessions     = "sessions"      // on or off
	SessionLimit = "session_limit" // minutes
)

// The bounds of SessionLimit, and what it is unless somebody says otherwise.
const (
	LeastSession   = 5 * time.Minute
	UsualSession   = 12 * time.Hour
	LongestSession = 30 * 24 * time.Hour
)

// SessionRule says whether sessions count, and how long one may last from its beginning. A value that this version does not know allows nothing, or no more than the usual.
func (c Cluster) SessionRule() (on bool, longest time.Duration) {
	longest = UsualSession
	for _, p := range c.Properties {
		switch {
		case len(p.Values) != 1:
		case p.Name == Sessions:
			on = p.Values[0] == "on"
		case p.Name == SessionLimit:
			if n, err := strconv.Atoi(p.Values[0]); err == nil && n > 0 && n <= int(LongestSession/time.Minute) {
				longest = time.Duration(n) * time.Minute
			}
		}
	}
	return on, longest
}
