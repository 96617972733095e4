// Package auditlog is what the command log consists of: its records and their two written forms, the masking of secrets, the Merkle tree over the records and
// its signed heads, and the verification of all of them against each other. It reads no file and no clock.
//
// A record is written twice: as one line of JSON, whose exact bytes are a leaf of the tree, and as a line for people in the form of Solaris Cluster's
// commandlog, which follows from the record alone. So a line of either file that was changed, taken out or moved can be named.
package auditlog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Kind says what a record tells of.
type Kind string

// The kinds of records.
const (
	Start  Kind = "start"  // an operation begins
	End    Kind = "end"    // it has ended
	Denied Kind = "denied" // somebody was refused
	Event  Kind = "event"  // something happened to the cluster
	Mark   Kind = "mark"   // something happened to the log itself
)

// Stranger is the user of a record whose caller has shown nothing. No user of a machine has a colon in his name.
const Stranger = ":stranger"

// What a mark says.
const (
	MarkBegan    = "began"    // a daemon opened the log: what had not ended before it never will
	MarkRotated  = "rotated"  // the text file begins anew behind this record
	MarkRepaired = "repaired" // the end of a file was put right after a crash
)

// Record is one entry of a node's log.
type Record struct {
	Seq  uint64    `json:"seq"` // its place in the log of its node, from 0
	Time time.Time `json:"time"`
	Node string    `json:"node"`
	Kind Kind      `json:"kind"`

	// Who, and from where; of start, end and denied.
	PID         int    `json:"pid,omitempty"` // of a local caller
	User        string `json:"user,omitempty"`
	Role        string `json:"role,omitempty"`
	From        string `json:"from,omitempty"`        // "uid 0", or the address of the connection
	Certificate string `json:"certificate,omitempty"` // fingerprint of the one that was shown, or "session ID" of a caller in a session
	Resource    string `json:"resource,omitempty"`    // for which the caller runs

	Operation string   `json:"operation,omitempty"` // "group set"
	Command   string   `json:"command,omitempty"`   // as it can be pasted into a shell, secrets masked
	Objects   []string `json:"objects,omitempty"`   // the operands

	Start  *uint64  `json:"start,omitempty"` // end: the record that it belongs to
	Exit   *int     `json:"exit,omitempty"`  // end: 0, or the status of the old commands
	Code   string   `json:"code,omitempty"`  // end, denied: the fault code
	Error  string   `json:"error,omitempty"`
	Millis int64    `json:"ms,omitempty"`   // end: how long it took
	Said   []string `json:"said,omitempty"` // end: what the operation answered
	Late   bool     `json:"late,omitempty"` // written after the fact: the log could not be written when it was time
	Count  int      `json:"count,omitempty"`

	Event   string `json:"event,omitempty"`   // event: node, group, resource, cluster, log; mark: which
	Subject string `json:"subject,omitempty"` // event: "node n2"
	State   string `json:"state,omitempty"`   // event: what the subject became
	Text    string `json:"text,omitempty"`
}

// The bounds of a record. What is longer is cut: a caller does not decide how large the log becomes.
const (
	MaxCommand = 8 << 10
	maxText    = 1 << 10
	maxSaid    = 32
	maxObjects = 64
	// MaxLeaf bounds a record in its written form; what is longer is no record.
	MaxLeaf = 128 << 10
)

// Encode gives the line of JSON of a record, without its newline.
func (r Record) Encode() ([]byte, error) {
	r.bound()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(r); err != nil {
		return nil, fmt.Errorf("encode a record of the command log: %w", err)
	}
	line := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	if len(line) > MaxLeaf {
		return nil, fmt.Errorf("encode a record of the command log: it has %d bytes, more than %d", len(line), MaxLeaf)
	}
	return line, nil
}

func (r *Record) bound() {
	r.Command = cut(r.Command, MaxCommand+maxText)
	for _, s := range []*string{&r.User, &r.Role, &r.From, &r.Certificate, &r.Resource, &r.Operation, &r.Error, &r.Subject, &r.State, &r.Text, &r.Code, &r.Node} {
		*s = cut(*s, maxText)
	}
	r.Said, r.Objects = cutAll(r.Said, maxSaid), cutAll(r.Objects, maxObjects)
}

func cutAll(list []string, most int) []string {
	if len(list) == 0 {
		return nil
	}
	out := make([]string, 0, min(len(list), most+1))
	for i, s := range list {
		if i == most {
			return append(out, fmt.Sprintf("… (%d more)", len(list)-most))
		}
		out = append(out, cut(s, maxText))
	}
	return out
}

// cut shortens s to at most n bytes, at the end of a character.
func cut(s string, n int) string {
	s = strings.ToValidUTF8(s, "�")
	if len(s) <= n {
		return s
	}
	for n -= len("…"); n > 0 && !utf8.RuneStart(s[n]); n-- {
	}
	return s[:n] + "…"
}

// Decode reads a record, and only one that is as Encode writes it.
func Decode(line []byte) (Record, error) {
	var r Record
	if len(line) > MaxLeaf {
		return r, fmt.Errorf("it has %d bytes, more than %d", len(line), MaxLeaf)
	}
	dec := json.NewDecoder(bytes.NewReader(line))
	if err := dec.Decode(&r); err != nil {
		return Record{}, fmt.Errorf("it is no record: %w", err)
	}
	if dec.InputOffset() != int64(len(line)) {
		return Record{}, fmt.Errorf("something follows the record")
	}
	switch r.Kind {
	case Start, End, Denied, Event, Mark:
	default:
		return Record{}, fmt.Errorf("it is of no known kind %q", r.Kind)
	}
	if r.Kind == End && (r.Start == nil || *r.Start >= r.Seq) {
		return Record{}, fmt.Errorf("it ends what did not begin before it")
	}
	return r, nil
}
