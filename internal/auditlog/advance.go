package auditlog

import (
	"bytes"
	"fmt"
	"slices"
	"time"
)

// Pinned is what a node knows for certain of another node's log.
type Pinned struct {
	Public string `json:"public"` // the key of the log
	ID     int    `json:"id"`     // the node's number: one that was removed and joined again has another, and may have another log
	Head   []byte `json:"head"`   // the newest signed head that was verified
	Base   Base   `json:"base"`   // where the records that are kept begin
	Have   uint64 `json:"have"`   // how many there are, with those before the base
	// Certificate is the fingerprint of the one that the node had when it was asked last: what was removed is known by it.
	Certificate  string    `json:"certificate,omitempty"`
	QuorumServer bool      `json:"quorumServer,omitempty"` // whether it was one then
	At           time.Time `json:"at,omitzero"`            // when the head was verified
	Accepted     time.Time `json:"accepted,omitzero"`      // when an operator took the log as it was
	Against      string    `json:"against,omitempty"`
	Damaged      string    `json:"damaged,omitempty"`
}

// Evidence is a proof, by the node's own signatures, that its log is not what it was.
type Evidence struct {
	At    time.Time `json:"at"`
	Text  string    `json:"text"`
	First *uint64   `json:"first,omitempty"` // the first entry that differs, if it is known
	// The two signed heads that exclude each other, each with the key that it is verified with.
	Before    []byte   `json:"before,omitempty"`
	Now       []byte   `json:"now,omitempty"`
	KeyBefore string   `json:"keyBefore,omitempty"`
	KeyNow    string   `json:"keyNow,omitempty"`
	Proof     [][]byte `json:"proof,omitempty"` // that was given, and does not hold
	Was, Is   []byte   `json:",omitempty"`      // the record that differs
}

// Offer is what a node says of its log: a signed head, and the proof that the log with it begins with what the asker knows.
type Offer struct {
	Public string
	Head   []byte
	Proof  [][]byte
}

// Judge verifies an offer against what is pinned. recorded is the key in the node's record of the configuration, "" if there is none.
func Judge(p Pinned, recorded string, o Offer) (Head, error) {
	key := p.Public
	if key == "" {
		key = recorded
	}
	if key == "" {
		key = o.Public // the connection itself proved which node it is
	}
	switch {
	case recorded != "" && recorded != key:
		return Head{}, fmt.Errorf("the key of its log was replaced: it was %s and its record now has %s", Fingerprint(key), Fingerprint(recorded))
	case o.Public != key:
		return Head{}, fmt.Errorf("the key of its log was replaced: it was %s and is now %s", Fingerprint(key), Fingerprint(o.Public))
	}
	next, err := OpenHead(key, o.Head)
	if err != nil {
		return Head{}, err
	}
	if len(p.Head) == 0 {
		return next, nil
	}
	old, err := OpenHead(key, p.Head)
	if err != nil {
		return Head{}, fmt.Errorf("what is pinned here of its log is damaged: %w", err)
	}
	return next, CheckConsistency(old, next, o.Proof)
}

// Grow adds records to a copy's tree. When the tree has the size of the head, the roots have to agree, and every record has to be what it says.
func Grow(t *Tree, head Head, node string, leaves [][]byte) error {
	if uint64(len(leaves)) > head.Size-min(head.Size, t.Size()) {
		return fmt.Errorf("it sent more records than its head has")
	}
	for _, line := range leaves {
		n := t.Size()
		r, err := Decode(line)
		if err != nil {
			return fmt.Errorf("entry %d: %w", n, err)
		}
		if r.Seq != n || bytes.IndexByte(line, '\n') >= 0 {
			return fmt.Errorf("entry %d calls itself entry %d", n, r.Seq)
		}
		if r.Node != node {
			return fmt.Errorf("entry %d is of node %s", n, cut(r.Node, 64))
		}
		t.Append(LeafHash(line))
	}
	if t.Size() == head.Size && !bytes.Equal(t.Root(), head.Root) {
		return fmt.Errorf("the records up to entry %d are not those that it signed", head.Size-1)
	}
	return nil
}

// Differs returns the first of the records, which begin at from, that is not the one in the tree.
func (t *Tree) Differs(from uint64, leaves [][]byte) (first uint64, line []byte, ok bool) {
	for i, l := range leaves {
		if h, known := t.Leaf(from + uint64(i)); known && !bytes.Equal(h, LeafHash(l)) {
			return from + uint64(i), l, true
		}
	}
	return 0, nil, false
}

// Clone returns a tree that grows by itself.
func (t *Tree) Clone() *Tree {
	c, err := NewTree(t.base)
	if err != nil {
		return t
	}
	c.hashes = slices.Clone(t.hashes)
	if r, err := factory.NewRange(0, t.Size(), slices.Clone(t.all.Hashes())); err == nil {
		c.all = r
	}
	return c
}
