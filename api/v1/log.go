package v1

import "time"

// LogCommands asks for what was done to the cluster; the answer is a list of LoggedCommand.
type LogCommands struct {
	Since  string   `json:"since,omitempty" query:"since" doc:"from this time on: RFC 3339, a day, or how long ago, such as 2h or 7d"`
	Until  string   `json:"until,omitempty" query:"until" doc:"before this time"`
	User   string   `json:"user,omitempty" query:"user" doc:"only this user's"`
	Role   string   `json:"role,omitempty" query:"role" doc:"only those in this role"`
	Node   []string `json:"node,omitempty" query:"node" doc:"only on these nodes"`
	Failed bool     `json:"failed,omitempty" query:"failed" doc:"only what failed, was denied or was interrupted"`
	Object string   `json:"object,omitempty" query:"object" doc:"only what concerns this object"`
	Limit  int      `json:"limit,omitempty" query:"limit" doc:"the newest so many; 100 if not given"`
}

// LoggedCommand is a command, or an attempt that was refused, as the command log has it.
type LoggedCommand struct {
	Time        time.Time `json:"time"`
	Node        string    `json:"node"`
	Entry       int64     `json:"entry"` // its place in the log of the node
	User        string    `json:"user"`
	Role        string    `json:"role,omitempty"`
	From        string    `json:"from,omitempty"`
	Certificate string    `json:"certificate,omitempty"`
	Resource    string    `json:"resource,omitempty"` // for which the caller ran
	PID         int       `json:"pid,omitempty"`
	State       string    `json:"state"` // done, failed, denied, running or interrupted
	Exit        *int      `json:"exit,omitempty"`
	Ms          int64     `json:"ms"`
	Operation   string    `json:"operation,omitempty"`
	Command     string    `json:"command"`
	Objects     []string  `json:"objects,omitempty"`
	Code        string    `json:"code,omitempty"`
	Error       string    `json:"error,omitempty"`
	Said        []string  `json:"said,omitempty"`
	Count       int       `json:"count,omitempty"` // refusals that this entry stands for
	Late        bool      `json:"late,omitempty"`  // recorded after the fact: the log could not be written when it happened
}

// LogEvents asks for what happened to the cluster; the answer is a list of LogEvent.
type LogEvents struct {
	Since  string   `json:"since,omitempty" query:"since" doc:"from this time on: RFC 3339, a day, or how long ago, such as 2h or 7d"`
	Until  string   `json:"until,omitempty" query:"until" doc:"before this time"`
	Node   []string `json:"node,omitempty" query:"node" doc:"only what these nodes recorded"`
	Object string   `json:"object,omitempty" query:"object" doc:"only what concerns this object"`
	Limit  int      `json:"limit,omitempty" query:"limit" doc:"the newest so many; 100 if not given"`
}

// LogEvent is something that happened to the cluster.
type LogEvent struct {
	Time   time.Time `json:"time"`
	Node   string    `json:"node"` // that recorded it
	Entry  int64     `json:"entry"`
	Kind   string    `json:"kind"`   // cluster, node, group, resource or log
	Object string    `json:"object"` // "node n2"
	State  string    `json:"state,omitempty"`
	Text   string    `json:"text"`
}

// LogVerify verifies the command logs; the answer is a list of LogVerified.
type LogVerify struct {
	Node []string `json:"node,omitempty" query:"node" doc:"only the logs of these nodes"`
}

// LogVerified is what the verification of a node's log found.
type LogVerified struct {
	Node     string       `json:"node"`
	OK       bool         `json:"ok"`
	Entries  int64        `json:"entries"`
	Root     string       `json:"root,omitempty"` // of the tree, hexadecimal
	Findings []LogFinding `json:"findings,omitempty"`
	Notes    []string     `json:"notes,omitempty"`
}

// LogFinding is something in a log that is not as it was written.
type LogFinding struct {
	What  string `json:"what"` // changed, missing, added, moved, replaced, truncated, unsigned or forked
	File  string `json:"file,omitempty"`
	Line  int    `json:"line,omitempty"`
	Entry *int64 `json:"entry,omitempty"`
	Text  string `json:"text"`
}

// LogExport gives commands and refusals in a form for other programs, the oldest first and a part at a time.
type LogExport struct {
	Format string   `json:"format,omitempty" query:"format" doc:"jsonl, ocsf or cef; jsonl if not given"`
	Since  string   `json:"since,omitempty" query:"since" doc:"from this time on: RFC 3339, a day, or how long ago, such as 2h or 7d"`
	Until  string   `json:"until,omitempty" query:"until" doc:"before this time"`
	Node   []string `json:"node,omitempty" query:"node" doc:"only of these nodes"`
	Skip   int      `json:"skip,omitempty" query:"skip" doc:"how many lines were got before"`
}

// LogExported is a part of an export.
type LogExported struct {
	Lines []string `json:"lines"`
	More  bool     `json:"more,omitempty"`
}

// LogAccept takes the log of nodes as it is now: what was known of it before is set aside, with the evidence that it was changed.
type LogAccept struct {
	Names []string `json:"names,omitempty"`
	All   bool     `json:"all,omitempty"`
}

// LogSetForward makes every node send its log to a collector.
type LogSetForward struct {
	Property []string `json:"property,omitempty" doc:"server=HOST:PORT, ca=PEM, name=NAME, backlog=ENTRIES"`
}

// LogClearForward stops sending the log.
type LogClearForward struct{}

// LogShowForward asks how the log is sent.
type LogShowForward struct{}

// LogForward says where the log is sent, and how that goes on this node.
type LogForward struct {
	Server    string `json:"server,omitempty"`
	Name      string `json:"name,omitempty"` // that the collector's certificate has to have
	Authority string `json:"authority,omitempty"`
	Backlog   int    `json:"backlog,omitempty"`
	Connected bool   `json:"connected"`
	Waiting   int64  `json:"waiting"`
	Sent      int64  `json:"sent"`
	Dropped   int64  `json:"dropped"`
	Problem   string `json:"problem,omitempty"`
}

// PeerLogNews tells a node that another one has something new in its log.
type PeerLogNews struct {
	Node string `json:"node" query:"node"`
}

// PeerLogOffer asks a node for its signed head, and for the proof that its log begins with what is known of it.
type PeerLogOffer struct {
	Known int64 `json:"known,omitempty" query:"known" minimum:"0"`
}

// LogOffer answers peer log-offer.
type LogOffer struct {
	Public string   `json:"public"`
	Head   []byte   `json:"head"`
	Proof  [][]byte `json:"proof,omitempty"`
}

// PeerLogLeaves asks a node for records of its log.
type PeerLogLeaves struct {
	From  int64 `json:"from,omitempty" query:"from" minimum:"0"`
	Limit int   `json:"limit,omitempty" query:"limit" minimum:"0"`
}

// LogLeaves answers peer log-leaves.
type LogLeaves struct {
	Leaves [][]byte `json:"leaves"`
}

// PeerLogHeads asks a node which signed heads it holds of the logs of others.
type PeerLogHeads struct{}

// LogHeads answers peer log-heads.
type LogHeads struct {
	Heads []LogHead `json:"heads"`
}

// LogHead is the newest signed head of a node's log that another node has verified.
type LogHead struct {
	Node   string    `json:"node"`
	Public string    `json:"public"` // the key of the log
	Head   []byte    `json:"head"`
	At     time.Time `json:"at,omitzero"` // when it was verified, by the clock of the node that holds it
}

// PeerLogVerify asks a node to verify its own log; the answer is a LogVerified.
type PeerLogVerify struct{}
