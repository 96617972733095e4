package rbac

import (
	"crypto/sha256"
	"fmt"
	"time"
)

// Session lets whoever shows its token ask over the network as its user, without a certificate. It has the user's own rights and no more, and changes nobody's: see the table of operations. The
// token itself is only with whoever opened the session.
type Session struct {
	ID          string    `json:"id"` // no part of the token
	User        string    `json:"user"`
	Hash        []byte    `json:"hash"`                  // SHA-256 of the token
	By          string    `json:"by"`                    // who opened it
	From        string    `json:"from"`                  // from where
	Certificate string    `json:"certificate,omitempty"` // fingerprint of the one by which it was opened: it ends with that
	Opened      time.Time `json:"opened"`
	Ends        time.Time `json:"ends"`
	Idle        int64     `json:"idle"` // seconds without a request after which it is over
	Used        time.Time `json:"used"` // its last request, a quarter of Idle late at most: that is not written down with each
}

// The bounds of sessions.
const (
	MaxSessions     = 500 // of all users
	MaxUserSessions = 16  // of one
	// clockSkew is by how much the clock of a node may be behind that of the one that opened a session.
	clockSkew = time.Minute
)

// TokenHash is what is kept of a token. A token has 256 random bits, so a fast hash is enough.
func TokenHash(token string) [sha256.Size]byte { return sha256.Sum256([]byte(token)) }

// IdleTime is how long the session may be without a request.
func (s Session) IdleTime() time.Duration { return time.Duration(s.Idle) * time.Second }

// End is when the session is over at the latest, where none may last longer than this.
func (s Session) End(longest time.Duration) time.Time {
	if end := s.Opened.Add(longest); end.Before(s.Ends) {
		return end
	}
	return s.Ends
}

// Over says why a session that was used last at a time is over; "" while it lasts.
func (s Session) Over(now, used time.Time, longest time.Duration) string {
	if used.Before(s.Used) {
		used = s.Used
	}
	switch {
	case s.Idle <= 0 || len(s.Hash) != sha256.Size || s.User == "" || now.Before(s.Opened.Add(-clockSkew)):
		return "its record makes no sense at this time"
	case !now.Before(s.End(longest)):
		return "its time is over"
	case now.Sub(used) > s.IdleTime():
		return fmt.Sprintf("nothing was asked in it for more than %v", s.IdleTime())
	}
	return ""
}

// Gone reports whether a session is over for every node, whatever another may have heard last: its record can be deleted.
func (s Session) Gone(now time.Time, longest time.Duration) bool {
	return s.Over(now, now, longest) != "" || now.Sub(s.Used) > 2*s.IdleTime()
}

// Due reports whether the use of a session has to be written down, so that the other nodes know.
func (s Session) Due(now time.Time) bool { return now.Sub(s.Used) >= s.IdleTime()/4 }
