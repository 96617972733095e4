package auditlog

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// What says how something that was found differs from what should be there.
type What string

// What can be found.
const (
	Changed   What = "changed"   // a line is not the one that was written
	Missing   What = "missing"   // a line is not there
	Added     What = "added"     // a line was never written
	Moved     What = "moved"     // a line stands in another place
	Replaced  What = "replaced"  // nothing from this line on is what was written
	Truncated What = "truncated" // the end is not there
	Unsigned  What = "unsigned"  // the signed head is not there, or not signed with the key of the node
	Forked    What = "forked"    // it is not the log that another node has seen
)

// Finding is one thing that is not as it was written.
type Finding struct {
	What What    `json:"what"`
	File string  `json:"file"`           // "commandlog", "commandlog.0", ..., or what else it was found in
	Line int     `json:"line,omitempty"` // of the file, from 1; 0: the file as a whole
	Seq  *uint64 `json:"seq,omitempty"`  // the record
	Text string  `json:"text"`           // a sentence that says all of this
}

// File is a text file and what is in it.
type File struct {
	Name    string
	Content []byte
}

// Stored is a log as it lies on disk.
type Stored struct {
	Base   Base
	Twin   []byte // the records, one a line: the leaves
	Tree   []byte // their hashes
	Head   []byte // the newest signed head
	Public string // the key to verify it with
	Text   []File // the text files, the newest first; nil: there are none to verify
	// Witnesses know what the log was: the daemon that writes it, and nodes that have copies.
	Witnesses []Witness
}

// Witness knows the hashes of a part of a log.
type Witness struct {
	Name   string
	Base   uint64 // of the first one
	Hashes [][]byte
}

// Report is what a verification found.
type Report struct {
	Size     uint64    // of the log
	Root     string    // hexadecimal
	Findings []Finding // what was changed
	Notes    []string  // what is worth knowing and is no change
}

// The names of the files.
const (
	NameText = "commandlog"
	NameTwin = "commandlog.jsonl"
	NameTree = "commandlog.tree"
	NameHead = "commandlog.head"
)

// Archives is how many archives of the text file are kept.
const Archives = 8

// Verify holds the parts of a stored log against each other.
func Verify(s Stored) Report {
	v := verifier{}
	lines, torn := Lines(s.Twin)
	if torn > 0 {
		v.note("%s ends with %d bytes of a line that was not finished", NameTwin, torn)
	}
	hashes, torn := splitHashes(s.Tree)
	if torn > 0 {
		v.note("%s ends with %d bytes of a hash that was not finished", NameTree, torn)
	}
	own := make([]string, len(lines))
	for i, l := range lines {
		own[i] = string(LeafHash(l))
	}
	v.signed(s, own, hashes)
	v.records(s.Base.Size, lines)
	if s.Text != nil {
		v.text(s.Text, lines)
	}
	return v.Report
}

type verifier struct{ Report }

func (v *verifier) note(format string, args ...any) {
	v.Notes = append(v.Notes, fmt.Sprintf(format, args...))
}

func (v *verifier) found(what What, file string, line int, seq *uint64, format string, args ...any) {
	v.Findings = append(v.Findings, Finding{what, file, line, seq, fmt.Sprintf(format, args...)})
}

// Lines splits a file into its lines; torn is the length of a last line without an end.
func Lines(content []byte) (lines [][]byte, torn int) {
	for len(content) > 0 {
		line, rest, ok := bytes.Cut(content, []byte("\n"))
		if !ok {
			return lines, len(content)
		}
		lines = append(lines, line)
		content = rest
	}
	return lines, 0
}

func splitHashes(b []byte) (hashes []string, torn int) {
	for len(b) >= HashSize {
		hashes = append(hashes, string(b[:HashSize]))
		b = b[HashSize:]
	}
	return hashes, len(b)
}

// signed compares records, hashes and signed head.
func (v *verifier) signed(s Stored, own, hashes []string) {
	head, err := OpenHead(s.Public, s.Head)
	switch {
	case len(s.Head) == 0 && len(own) == 0 && len(hashes) == 0:
		v.note("the log is empty")
		return
	case err != nil:
		v.found(Unsigned, NameHead, 0, nil, "%s: %v", NameHead, err)
	}
	// Whichever of the two gives the root that was signed is right; when neither does, the hashes are the older witness.
	right, file, wrong := hashes, NameTwin, own
	if err == nil && !gives(s.Base, hashes, head) && gives(s.Base, own, head) {
		right, file, wrong = own, NameTree, hashes
	}
	for _, e := range compare(right, wrong) {
		v.edit(file, "entry", e, s.Base.Size)
	}
	tree, terr := grow(s.Base, right)
	if terr != nil {
		v.found(Changed, NameTree, 0, nil, "the beginning of the log is not described: %v", terr)
		return
	}
	v.Size, v.Root = tree.Size(), hex.EncodeToString(tree.Root())
	for _, w := range s.Witnesses {
		v.witness(w, tree)
	}
	if err != nil {
		return
	}
	switch at, aerr := tree.RootAt(head.Size); {
	case head.Size > tree.Size():
		v.found(Truncated, NameTwin, len(own)+1, new(tree.Size()), "%s was signed for %d entries, and %d are there: the last %d are missing", NameHead, head.Size, tree.Size(), head.Size-tree.Size())
	case aerr != nil:
		v.found(Changed, NameHead, 0, nil, "%s: %v", NameHead, aerr)
	case !bytes.Equal(at, head.Root):
		v.found(Changed, NameTree, 0, nil, "neither the records nor their hashes give the root that was signed for %d entries: both were changed", head.Size)
	case head.Size < tree.Size():
		v.note("the last %d entries are newer than the signed head", tree.Size()-head.Size)
	}
}

// witness looks for the first entry that somebody knows otherwise.
func (v *verifier) witness(w Witness, tree *Tree) {
	for i, h := range w.Hashes {
		n := w.Base + uint64(i)
		have, ok := tree.Leaf(n)
		if n >= tree.Size() {
			v.found(Forked, NameTwin, int(n-tree.Base().Size)+1, new(n), "%s knows %d entries, and %d are there: the first one that is missing is entry %d", w.Name, w.Base+uint64(len(w.Hashes)), tree.Size(), n)
			return
		}
		if ok && !bytes.Equal(have, h) {
			v.found(Forked, NameTwin, int(n-tree.Base().Size)+1, new(n), "entry %d is not the one that %s knows", n, w.Name)
			return
		}
	}
}

func grow(base Base, hashes []string) (*Tree, error) {
	t, err := NewTree(base)
	if err != nil {
		return nil, err
	}
	for _, h := range hashes {
		t.Append([]byte(h))
	}
	return t, nil
}

func gives(base Base, hashes []string, head Head) bool {
	t, err := grow(base, hashes)
	if err != nil {
		return false
	}
	root, err := t.RootAt(head.Size)
	return err == nil && bytes.Equal(root, head.Root)
}

// edit turns a difference into a finding.
func (v *verifier) edit(file, unit string, e edit, base uint64) {
	var seq *uint64
	number := "?"
	if e.want >= 0 {
		n := base + uint64(e.want)
		seq, number = &n, fmt.Sprint(n)
	}
	text := map[What]string{
		Changed:  "line %d of %s was changed: it is not " + unit + " %s as it was written",
		Missing:  "at line %d of %s something is missing: " + unit + " %s",
		Added:    "line %d of %s was never written to the log",
		Moved:    "line %d of %s stands in the wrong place: it is " + unit + " %s",
		Replaced: "from line %d on %s is not what was written, beginning with " + unit + " %s",
	}[e.what]
	if e.what == Added {
		v.found(e.what, file, e.at, seq, text, e.at, file)
		return
	}
	v.found(e.what, file, e.at, seq, text, e.at, file, number)
}

// records looks into the records themselves.
func (v *verifier) records(base uint64, lines [][]byte) {
	var last Record
	for i, l := range lines {
		r, err := Decode(l)
		if err != nil {
			v.found(Changed, NameTwin, i+1, new(base+uint64(i)), "line %d of %s: %v", i+1, NameTwin, err)
			continue
		}
		if r.Seq != base+uint64(i) {
			v.found(Moved, NameTwin, i+1, new(r.Seq), "line %d of %s calls itself entry %d and stands in the place of entry %d", i+1, NameTwin, r.Seq, base+uint64(i))
		}
		if back := last.Time.Sub(r.Time); !last.Time.IsZero() && back.Seconds() > 1 {
			v.note("the clock went back by %s before entry %d (%s)", back.Round(1e9), r.Seq, r.Time.Format("2006-01-02 15:04:05"))
		}
		last = r
	}
}

// text compares the text files with what follows from the records.
func (v *verifier) text(files []File, lines [][]byte) {
	var records []Record
	for _, l := range lines {
		if r, err := Decode(l); err == nil {
			records = append(records, r)
		}
	}
	want := Files(records)
	for i, w := range want {
		if i > Archives {
			break // rotated away
		}
		name := NameText
		if i > 0 {
			name = fmt.Sprintf("%s.%d", NameText, i-1)
		}
		at := slices.IndexFunc(files, func(f File) bool { return f.Name == name })
		if at < 0 {
			if len(w) > 0 {
				v.found(Missing, name, 0, new(w[0].Seq), "%s is not there: it should have %d lines, from entry %d on", name, len(w), w[0].Seq)
			}
			continue
		}
		v.textFile(name, w, files[at].Content)
	}
}

func (v *verifier) textFile(name string, want []Line, content []byte) {
	lines, torn := Lines(content)
	if torn > 0 {
		v.note("%s ends with %d bytes of a line that was not finished", name, torn)
	}
	texts, have := make([]string, len(want)), make([]string, len(lines))
	for i, l := range want {
		texts[i] = l.Text
	}
	for i, l := range lines {
		have[i] = string(l)
	}
	for _, e := range compare(texts, have) {
		var seq *uint64
		was := ""
		if e.want >= 0 {
			seq, was = new(want[e.want].Seq), cut(want[e.want].Text, 200)
		}
		is := ""
		if e.have >= 0 {
			is = cut(oneLine(have[e.have]), 200)
		}
		at := fmt.Sprintf("line %d of %s", e.at, name)
		switch e.what {
		case Changed, Replaced:
			v.found(e.what, name, e.at, seq, "%s was changed: it says %q, and entry %d was %q", at, is, *seq, was)
		case Missing:
			v.found(e.what, name, e.at, seq, "at %s something is missing: entry %d, %q", at, *seq, was)
		case Added:
			v.found(e.what, name, e.at, nil, "%s was never written to the log: %q", at, is)
		case Moved:
			v.found(e.what, name, e.at, seq, "%s stands in the wrong place: it is entry %d, %q", at, *seq, was)
		}
	}
}

// Summary says in one line what was found first.
func (r Report) Summary() string {
	if len(r.Findings) == 0 {
		return ""
	}
	s := r.Findings[0].Text
	if n := len(r.Findings) - 1; n > 0 {
		s += fmt.Sprintf(" (and %d more)", n)
	}
	return strings.TrimSpace(s)
}
