package v1

import "time"

// Session is somebody's leave to ask over the network without a certificate. Its token stands nowhere but in the answer to SessionOpen.
type Session struct {
	ID          string    `json:"id"`
	User        string    `json:"user"`
	By          string    `json:"by"`                    // who opened it
	From        string    `json:"from"`                  // from where
	Certificate string    `json:"certificate,omitempty"` // by which it was opened, and with which it ends
	Opened      time.Time `json:"opened"`
	Ends        time.Time `json:"ends"`             // at the latest
	Idle        int       `json:"idle"`             // seconds without a request after which it is over
	Used        time.Time `json:"used"`             // its last request as far as this node knows: another's may be a quarter of Idle later
	This        bool      `json:"this,omitempty"`   // the request was made in it
	Counts      bool      `json:"counts,omitempty"` // it is not over
}

// SessionOpen opens a session; the answer is a SessionOpened.
type SessionOpen struct {
	User string `json:"user,omitempty" maxLength:"32" doc:"for whom: yourself if not given; only root opens one for somebody else"`
	For  int    `json:"for,omitempty" minimum:"0" maximum:"2592000" doc:"seconds that it lasts: 8 hours if not given, or what session_limit allows if that is less"`
	Idle int    `json:"idle,omitempty" minimum:"0" maximum:"2592000" doc:"seconds without a request after which it is over: 15 minutes if not given"`
}

// SessionOpened is a session that was opened. Requests on TLS that carry the token as "Authorization: Bearer TOKEN" are made in it, at every node.
type SessionOpened struct {
	Session
	Token     string `json:"token"`
	Authority string `json:"authority"` // of the nodes, in PEM form: by which a client knows them
}

// SessionList asks for the identifiers of the sessions that last: one's own; those of all for whoever holds cluster.user.read.
type SessionList struct {
	Names []string `json:"names,omitempty" query:"names"`
	All   bool     `json:"all,omitempty" query:"all"`
	User  string   `json:"user,omitempty" query:"user" maxLength:"32" doc:"only those of this user"`
}

// SessionShow asks for the same sessions whole; the answer is a list of Session.
type SessionShow struct {
	Names []string `json:"names,omitempty" query:"names"`
	All   bool     `json:"all,omitempty" query:"all"`
	User  string   `json:"user,omitempty" query:"user" maxLength:"32" doc:"only those of this user"`
}

// SessionClose closes sessions: those named; with All one's own, or with User those of somebody; without any of that the one in which it is asked for.
type SessionClose struct {
	Names []string `json:"names,omitempty" maxItems:"500"`
	All   bool     `json:"all,omitempty"`
	User  string   `json:"user,omitempty" maxLength:"32" doc:"all of this user; of others than oneself it needs cluster.user.modify, and can not be asked for in a session"`
}

// SessionCookie carries the token of a session in a browser. The prefix makes browsers take it from this host on TLS alone, for every path.
const SessionCookie = "__Host-redoubt-session"
