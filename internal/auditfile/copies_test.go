package auditfile

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"redoubt/internal/auditlog"
	"redoubt/internal/fault"
)

// follower has a copy of a log that a test writes to.
type follower struct {
	t      *testing.T
	log    *Log
	wall   *wall
	copies *Copies
	dir    string
	have   uint64
}

func newFollower(t *testing.T, most int64) *follower {
	f := &follower{t: t, wall: newWall(), dir: filepath.Join(t.TempDir(), "peers")}
	f.log = open(t, filepath.Join(t.TempDir(), "log"), f.wall)
	t.Cleanup(f.log.Close)
	f.reopen(most)
	t.Cleanup(func() { f.copies.Close() })
	return f
}

func (f *follower) reopen(most int64) {
	f.t.Helper()
	c, err := OpenCopies(f.dir)
	if err != nil {
		f.t.Fatal(err)
	}
	f.copies, c.max = c, most
}

// fetch copies what is new.
func (f *follower) fetch() {
	f.t.Helper()
	head, at := f.log.Head()
	lines, err := f.log.Leaves(f.have, int(at.Size-f.have))
	if err != nil || uint64(len(lines)) != at.Size-f.have {
		f.t.Fatalf("%d of %d: %v", len(lines), at.Size-f.have, err)
	}
	p, err := f.copies.Copy("n1")
	if err != nil {
		f.t.Fatal(err)
	}
	p.Public, p.ID, p.Head = f.log.key.Public(), 1, head
	if err := f.copies.Extend("n1", f.have, p, lines); err != nil {
		f.t.Fatal(err)
	}
	f.have = at.Size
}

// refused writes refusals, and attempts of strangers that failed.
func (f *follower) refused(times int) {
	f.t.Helper()
	for i := range times {
		if _, err := f.log.Append(auditlog.Record{Kind: auditlog.Denied, User: "eve", From: "uid 1001", Operation: "group set", Command: fmt.Sprintf("redoubt group set x%d", i), Code: "denied", Error: strings.Repeat("no ", 50)}); err != nil {
			f.t.Fatal(err)
		}
		start, err := f.log.Append(auditlog.Record{Kind: auditlog.Start, User: auditlog.Stranger, From: "10.0.0.9", Operation: "node admit", Command: "redoubt node admit"})
		if err != nil {
			f.t.Fatal(err)
		}
		if _, err := f.log.Append(auditlog.Record{Kind: auditlog.End, User: auditlog.Stranger, Operation: "node admit", Start: &start[0].Seq, Exit: new(1), Code: "denied"}); err != nil {
			f.t.Fatal(err)
		}
	}
}

func (f *follower) told() string {
	f.t.Helper()
	records, err := f.copies.Records("n1")
	if err != nil {
		f.t.Fatal(err)
	}
	var out []string
	for _, e := range auditlog.Commands(records) {
		out = append(out, e.Command+" "+e.State)
	}
	return strings.Join(out, "\n")
}

// TestRefusalsGoFirst: whoever is refused without end pushes nothing out of the copies that was done, the copy stays within its bound, and it is still the log that was
// signed, also when it is opened again.
func TestRefusalsGoFirst(t *testing.T) {
	const most = 64 << 10
	f := newFollower(t, most)
	for i := range 20 {
		command(t, f.log, f.wall, fmt.Sprintf("redoubt group set g%d", i))
	}
	f.fetch()
	for range 12 {
		f.refused(20)
		f.fetch()
	}
	check := func(when string) {
		t.Helper()
		p, err := f.copies.Copy("n1")
		if err != nil || p.Damaged != "" {
			t.Fatalf("%s: %q %v", when, p.Damaged, err)
		}
		tree, err := f.copies.Tree("n1")
		head, at := f.log.Head()
		if err != nil || tree.Size() != at.Size || !bytes.Equal(tree.Root(), at.Root) || !bytes.Equal(p.Head, head) {
			t.Errorf("%s: %d entries of %d: it is another log: %v", when, tree.Size(), at.Size, err)
		}
		if size := f.copies.kept["n1"].size; size > most {
			t.Errorf("%s: %d bytes", when, size)
		}
		told := f.told()
		for i := range 20 {
			if !strings.Contains(told+"\n", fmt.Sprintf("group set g%d done\n", i)) {
				t.Errorf("%s: command %d is not there any more", when, i)
			}
		}
		if !strings.Contains(told, "x19 denied") {
			t.Errorf("%s: the newest refusals are not there", when)
		}
		// What the node gives is still held to every entry that was copied.
		lines, err := f.log.Leaves(0, int(at.Size))
		if err != nil {
			t.Fatal(err)
		}
		if first, _, differs := tree.Differs(0, lines); differs {
			t.Errorf("%s: entry %d differs", when, first)
		}
		lines[50] = []byte("{}")
		if first, _, differs := tree.Differs(0, lines); !differs || first != 50 {
			t.Errorf("%s: another entry 50 is not seen: %v at %d", when, differs, first)
		}
	}
	check("after the flood")
	f.copies.Close()
	f.reopen(most)
	check("opened again")
	command(t, f.log, f.wall, "redoubt group set late")
	f.fetch()
	check("extended")
}

// TestFetchedTwice: of two that fetch the same records one adds them, and the copy is still the log that was signed. What was found against it meanwhile is kept.
func TestFetchedTwice(t *testing.T) {
	f := newFollower(t, MaxCopy)
	command(t, f.log, f.wall, "redoubt group set g0")
	f.fetch()
	from := f.have
	slower, err := f.copies.Copy("n1")
	if err != nil {
		t.Fatal(err)
	}
	command(t, f.log, f.wall, "redoubt group set g1")
	lines, err := f.log.Leaves(from, 2)
	if err != nil {
		t.Fatal(err)
	}
	f.fetch()
	if err := f.copies.Evidence("n1", auditlog.Evidence{Text: "it was changed"}); err != nil {
		t.Fatal(err)
	}
	for name, again := range map[string][][]byte{"the same records": lines, "the head alone": nil} {
		if err := f.copies.Extend("n1", from, slower, again); !fault.Is(err, fault.Conflict) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := f.copies.Extend("n1", f.have, slower, nil); err != nil {
		t.Fatal(err)
	}
	f.copies.Close()
	f.reopen(MaxCopy)
	p, err := f.copies.Copy("n1")
	if err != nil || p.Damaged != "" || p.Against != "it was changed" {
		t.Errorf("%+v %v", p, err)
	}
	tree, err := f.copies.Tree("n1")
	if _, at := f.log.Head(); err != nil || tree.Size() != at.Size || !bytes.Equal(tree.Root(), at.Root) {
		t.Errorf("it is another log: %v", err)
	}
}

// TestCopiesAreBounded: commands alone push out the oldest ones, and the copy is the same log all the same.
func TestCopiesAreBounded(t *testing.T) {
	const most = 32 << 10
	f := newFollower(t, most)
	for i := range 150 {
		command(t, f.log, f.wall, fmt.Sprintf("redoubt group set g%d", i))
		f.fetch()
	}
	f.copies.Close()
	f.reopen(most)
	p, err := f.copies.Copy("n1")
	if err != nil || p.Damaged != "" || p.Base.Size == 0 {
		t.Fatalf("%+v %v", p, err)
	}
	if told := f.told(); strings.Contains(told, "g1 done") || !strings.Contains(told, "g149 done") {
		t.Errorf("%s", told)
	}
	tree, err := f.copies.Tree("n1")
	if _, at := f.log.Head(); err != nil || !bytes.Equal(tree.Root(), at.Root) {
		t.Errorf("it is another log: %v", err)
	}
}
