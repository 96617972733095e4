package control

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"sync"
	"time"

	"redoubt/internal/fault"
)

// The bounds of sessions in roles.
const (
	sessionIdle  = 15 * time.Minute // without a request
	sessionLife  = time.Hour
	maxSessions  = 1000
	userSessions = 16 // of one user
)

// sessionID is the hash of a session's token; the token itself is only with whoever assumed the role.
type sessionID [sha256.Size]byte

// session is a role that somebody is in. It lives in the memory of the node that he asked.
type session struct {
	who         Caller // as he was when he assumed it
	role        string
	began, used time.Time
	standing    [2]uint64
}

// sessions are those of this node.
type sessions struct {
	mu sync.Mutex
	of map[sessionID]*session
}

// over reports whether a session has ended by itself.
func (s *session) over(now time.Time) bool {
	return now.Sub(s.used) > sessionIdle || now.Sub(s.began) > sessionLife || now.Before(s.began.Add(-time.Minute))
}

// same reports whether a caller is the one who assumed the role: the same person, known in the same way.
func (s *session) same(who Caller) bool {
	return who.Kind == s.who.Kind && who.UID == s.who.UID && who.User == s.who.User && who.Certificate == s.who.Certificate && who.Session == s.who.Session
}

// begin makes a session and gives its token.
func (s *sessions) begin(who Caller, role string, now time.Time, standing [2]uint64) (token string, until time.Time, err error) {
	var secret [32]byte
	if _, err := rand.Read(secret[:]); err != nil {
		return "", now, fault.Errorf(fault.Internal, "assume a role: %w", err)
	}
	token = base64.RawURLEncoding.EncodeToString(secret[:])
	s.mu.Lock()
	defer s.mu.Unlock()
	mine := 0
	for id, old := range s.of {
		if old.over(now) {
			delete(s.of, id)
		} else if old.same(who) {
			mine++
		}
	}
	if len(s.of) >= maxSessions || mine >= userSessions {
		return "", now, fault.Errorf(fault.Unavailable, "role %s: %d sessions in roles are open already; end one with `redoubt role drop`, or wait until one ends", role, max(mine, userSessions))
	}
	if s.of == nil {
		s.of = map[sessionID]*session{}
	}
	s.of[sha256.Sum256([]byte(token))] = &session{who: who, role: role, began: now, used: now, standing: standing}
	return token, now.Add(sessionLife), nil
}

// check says why a session does not count for a caller, now that the records have this standing.
func (s *sessions) check(who Caller, now time.Time, standing [2]uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	have, ok := s.of[who.session]
	switch {
	case !ok || have.role != who.Role || !have.same(who):
		return fault.Errorf(fault.Denied, "the session in role %s has ended; assume the role again", who.Role)
	case have.over(now):
		delete(s.of, who.session)
		return fault.Errorf(fault.Denied, "the session in role %s has ended after its time; assume the role again", who.Role)
	case have.standing != standing:
		delete(s.of, who.session)
		return fault.Errorf(fault.Denied, "the session in role %s has ended because the role or the user was changed; assume the role again", who.Role)
	}
	return nil
}

// end ends a session.
func (s *sessions) end(id sessionID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.of, id)
}

// InRole is a caller who shows the token of a session in a role: in that role, if the session is his. The right to be in it is looked at with each operation.
func (c *Control) InRole(who Caller, token string) (Caller, error) {
	id := sessionID(sha256.Sum256([]byte(token)))
	c.sessions.mu.Lock()
	defer c.sessions.mu.Unlock()
	now := c.cfg.Clock.Wall()
	s, ok := c.sessions.of[id]
	if !ok || !s.same(who) || s.over(now) {
		return who, fault.Errorf(fault.Denied, "the session in a role has ended, or is not yours or of another node; assume the role again")
	}
	s.used = now
	who.Role, who.session = s.role, id
	return who, nil
}
