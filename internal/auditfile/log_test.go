package auditfile

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"redoubt/internal/auditlog"
	"redoubt/internal/fault"
)

// wall is a clock that the test sets.
type wall struct {
	mu  sync.Mutex
	now time.Time
}

func (w *wall) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *wall) add(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func newWall() *wall { return &wall{now: time.Date(2030, 1, 2, 12, 0, 0, 0, time.UTC)} }

func open(t testing.TB, dir string, w *wall) *Log {
	t.Helper()
	l, err := Open(Config{Dir: dir, Node: "n1", Now: w.Now, User: "redoubtd"})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// command writes a start and its end.
func command(t testing.TB, l *Log, w *wall, line string) {
	t.Helper()
	start, err := l.Append(auditlog.Record{Kind: auditlog.Start, User: "root", PID: 7, From: "uid 0", Operation: "group set", Command: line})
	if err != nil {
		t.Fatal(err)
	}
	w.add(time.Second)
	if _, err := l.Append(auditlog.Record{Kind: auditlog.End, User: "root", PID: 7, Operation: "group set", Start: &start[0].Seq, Exit: new(0)}); err != nil {
		t.Fatal(err)
	}
	w.add(time.Second)
}

// written makes a log of some commands in a directory and closes it.
func written(t testing.TB, commands int) (dir string, w *wall) {
	t.Helper()
	dir, w = filepath.Join(t.TempDir(), "log"), newWall()
	l := open(t, dir, w)
	for i := range commands {
		command(t, l, w, fmt.Sprintf("redoubt group set -p Failback=true g%d", i))
	}
	l.Close()
	return dir, w
}

func verify(t testing.TB, dir string) auditlog.Report {
	t.Helper()
	s, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	if s.Public, err = PublicKey(dir); err != nil {
		t.Fatal(err)
	}
	return auditlog.Verify(s)
}

func edit(t testing.TB, path string, f func(lines []string) []string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := f(strings.Split(strings.TrimSuffix(string(b), "\n"), "\n"))
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsWritten(t *testing.T) {
	dir, _ := written(t, 2)
	b, err := os.ReadFile(filepath.Join(dir, auditlog.NameText))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(b), "\n")
	if want := "01/02/2030 12:00:00 n1 7 root START - redoubt group set -p Failback=true g0"; lines[1] != want {
		t.Errorf("%q, want %q", lines[1], want)
	}
	if want := "01/02/2030 12:00:01 n1 7 root END 0"; lines[2] != want {
		t.Errorf("%q, want %q", lines[2], want)
	}
	for _, name := range []string{auditlog.NameText, auditlog.NameTwin, auditlog.NameTree, auditlog.NameHead, nameKey} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	if r := verify(t, dir); len(r.Findings) > 0 || r.Size != 5 {
		t.Errorf("a log that nobody touched: %+v", r)
	}
}

// TestAttacksOnFiles changes the files as somebody with a shell could, and wants each change named with its line.
func TestAttacksOnFiles(t *testing.T) {
	text, twin := auditlog.NameText, auditlog.NameTwin
	for _, attack := range []struct {
		name string
		file string
		do   func(lines []string) []string
		what auditlog.What
		line int
	}{
		{"text altered", text, func(l []string) []string { l[3] = strings.Replace(l[3], "g1", "g9", 1); return l }, auditlog.Changed, 4},
		{"text dropped", text, func(l []string) []string { return slices.Delete(l, 3, 4) }, auditlog.Missing, 4},
		{"text added", text, func(l []string) []string {
			return slices.Insert(l, 2, "01/02/2030 12:00:00 n1 7 root START - true")
		}, auditlog.Added, 3},
		{"text swapped", text, func(l []string) []string { l[3], l[5] = l[5], l[3]; return l }, auditlog.Moved, 4},
		{"text truncated", text, func(l []string) []string { return l[:4] }, auditlog.Missing, 5},
		{"twin altered", twin, func(l []string) []string { l[3] = strings.Replace(l[3], "g1", "g9", 1); return l }, auditlog.Changed, 4},
		{"twin dropped", twin, func(l []string) []string { return slices.Delete(l, 3, 4) }, auditlog.Missing, 4},
		{"twin swapped", twin, func(l []string) []string { l[3], l[5] = l[5], l[3]; return l }, auditlog.Moved, 4},
		{"twin truncated", twin, func(l []string) []string { return l[:4] }, auditlog.Missing, 5},
	} {
		t.Run(attack.name, func(t *testing.T) {
			dir, w := written(t, 4)
			edit(t, filepath.Join(dir, attack.file), attack.do)
			check := func(when string, r auditlog.Report) {
				if !slices.ContainsFunc(r.Findings, func(f auditlog.Finding) bool {
					return f.What == attack.what && f.File == attack.file && f.Line == attack.line
				}) {
					t.Errorf("%s: want %s at line %d of %s, got %+v", when, attack.what, attack.line, attack.file, r.Findings)
				}
			}
			check("offline", verify(t, dir))
			if attack.name == "text truncated" {
				return // what is missing at the very end is written again from the records, and noted
			}
			l := open(t, dir, w)
			defer l.Close()
			check("when it is opened", l.Trouble())
			command(t, l, w, "redoubt group delete g1")
			s, err := l.Stored()
			if err != nil {
				t.Fatal(err)
			}
			check("later", auditlog.Verify(s))
		})
	}
}

// TestWholeLogReplaced: who signs a shorter, equal or longer log with the same key satisfies a verification without witnesses, and no witness.
func TestWholeLogReplaced(t *testing.T) {
	for _, commands := range []int{2, 4, 6} {
		dir, w := written(t, 4)
		l := open(t, dir, w)
		s, err := l.Stored()
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		other, _ := written(t, commands)
		edit(t, filepath.Join(dir, nameKey), func(k []string) []string { return k }) // the key is known to the attacker
		key, err := os.ReadFile(filepath.Join(dir, nameKey))
		if err != nil {
			t.Fatal(err)
		}
		forged := filepath.Join(t.TempDir(), "log")
		if err := os.MkdirAll(forged, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(forged, nameKey), key, 0o600); err != nil {
			t.Fatal(err)
		}
		f := open(t, forged, newWall())
		for i := range commands {
			command(t, f, newWall(), fmt.Sprintf("redoubt group list x%d", i))
		}
		f.Close()
		_ = other
		if r := verify(t, forged); len(r.Findings) > 0 {
			t.Errorf("the forged log is not even whole: %+v", r.Findings)
		}
		stored, err := Read(forged)
		if err != nil {
			t.Fatal(err)
		}
		stored.Public, stored.Witnesses = s.Public, []auditlog.Witness{{Name: "node n2", Hashes: s.Witnesses[0].Hashes}}
		r := auditlog.Verify(stored)
		if len(r.Findings) != 1 || r.Findings[0].What != auditlog.Forked || *r.Findings[0].Seq != 1 {
			t.Errorf("%d commands: %+v", commands, r.Findings)
		}
	}
}

func TestKeyReplaced(t *testing.T) {
	dir, w := written(t, 2)
	if err := os.Remove(filepath.Join(dir, nameKey)); err != nil {
		t.Fatal(err)
	}
	l := open(t, dir, w)
	defer l.Close()
	if r := l.Trouble(); !slices.ContainsFunc(r.Findings, func(f auditlog.Finding) bool { return f.What == auditlog.Unsigned }) {
		t.Errorf("%+v", r)
	}
}

// TestTornLines: what a power failure leaves is put right and noted, and is not called tampering.
func TestTornLines(t *testing.T) {
	dir, w := written(t, 3)
	twin, text := filepath.Join(dir, auditlog.NameTwin), filepath.Join(dir, auditlog.NameText)
	add(t, twin, `{"seq":7,"time":"2030-01-0`)
	content, err := os.ReadFile(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(text, content[:len(content)-10], 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(dir, auditlog.NameTree), 5*auditlog.HashSize+7); err != nil {
		t.Fatal(err)
	}
	l := open(t, dir, w)
	if r := l.Trouble(); len(r.Findings) > 0 {
		t.Errorf("it is called a change: %+v", r.Findings)
	}
	l.Close()
	r := verify(t, dir)
	if len(r.Findings) > 0 {
		t.Errorf("after the repair: %+v", r.Findings)
	}
	b, err := os.ReadFile(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"NOTE - # 26 bytes of records that were not finished", "NOTE - # 2 hashes were missing", "NOTE - # 10 bytes were missing at the end of commandlog"} {
		if !strings.Contains(string(b), want) {
			t.Errorf("the repair is not noted: %s\n%s", want, b)
		}
	}
}

func add(t testing.TB, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

// TestCrashBetweenStartAndEnd: a command without an end is interrupted as soon as another daemon begins.
func TestCrashBetweenStartAndEnd(t *testing.T) {
	dir, w := written(t, 1)
	l := open(t, dir, w)
	if _, err := l.Append(auditlog.Record{Kind: auditlog.Start, User: "root", Operation: "group delete", Command: "redoubt group delete g0"}); err != nil {
		t.Fatal(err)
	}
	l.Close()
	l = open(t, dir, w)
	defer l.Close()
	s, err := l.Stored()
	if err != nil {
		t.Fatal(err)
	}
	lines, _ := auditlog.Lines(s.Twin)
	entries := auditlog.Commands(decoded(lines))
	if last := entries[len(entries)-1]; last.State != auditlog.StateInterrupted {
		t.Errorf("%+v", last)
	}
	if text := string(s.Text[0].Content); !strings.Contains(text, "1 commands did not end before the last one did: entry 4, group delete") {
		t.Errorf("it is not visible in the text:\n%s", text)
	}
}

func TestTwoWriters(t *testing.T) {
	dir, w := filepath.Join(t.TempDir(), "log"), newWall()
	l := open(t, dir, w)
	if _, err := Open(Config{Dir: dir, Node: "n1", Now: w.Now}); !fault.Is(err, fault.Exists) {
		t.Errorf("a second writer: %v", err)
	}
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for j := range 10 {
				command(t, l, w, fmt.Sprintf("redoubt group set g%d-%d", i, j))
			}
		})
	}
	group.Wait()
	l.Close()
	if r := verify(t, dir); len(r.Findings) > 0 || r.Size != 161 {
		t.Errorf("%+v", r)
	}
}

// TestReplacedWhileOpen: an editor puts another file in the place of the open one. It is found, also by whoever asks for the records, and nothing more is lost.
func TestReplacedWhileOpen(t *testing.T) {
	dir, w := written(t, 3)
	l := open(t, dir, w)
	defer l.Close()
	for _, name := range []string{auditlog.NameTwin, auditlog.NameText} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := replace(filepath.Join(dir, name), []byte(strings.Replace(string(b), "g1", "g7", 1))); err != nil {
			t.Fatal(err)
		}
	}
	lines, err := l.Leaves(3, 1)
	if err != nil || len(lines) != 1 || !strings.Contains(string(lines[0]), "g7") {
		t.Errorf("%q, %v", lines, err)
	}
	command(t, l, w, "redoubt group delete after")
	s, err := l.Stored()
	if err != nil {
		t.Fatal(err)
	}
	r := auditlog.Verify(s)
	if len(r.Findings) != 1 || r.Findings[0].Line != 4 || r.Findings[0].What != auditlog.Changed { // the text follows from the records, also from changed ones
		t.Errorf("%+v", r.Findings)
	}
	if !strings.Contains(string(s.Twin), "delete after") || !strings.Contains(string(s.Text[0].Content), "delete after") {
		t.Error("what was done after it is lost")
	}
}

func TestRotation(t *testing.T) {
	dir, w := written(t, 1)
	for range 11 {
		l := open(t, dir, w)
		w.add(RotateAfter)
		command(t, l, w, "redoubt group set g")
		l.Close()
	}
	archives, err := filepath.Glob(filepath.Join(dir, auditlog.NameText+".[0-9]*"))
	if err != nil || len(archives) != auditlog.Archives {
		t.Errorf("%d archives, %v", len(archives), err)
	}
	if r := verify(t, dir); len(r.Findings) > 0 {
		t.Errorf("%+v", r.Findings)
	}
	edit(t, filepath.Join(dir, "commandlog.3"), func(l []string) []string { return l[:len(l)-1] })
	if r := verify(t, dir); len(r.Findings) != 1 || r.Findings[0].File != "commandlog.3" {
		t.Errorf("%+v", r.Findings)
	}
}

// TestCrashInRotation: the record of the rotation is there and the files are not renamed.
func TestCrashInRotation(t *testing.T) {
	dir, w := written(t, 2)
	l := open(t, dir, w)
	if _, err := l.Append(auditlog.Record{Kind: auditlog.Mark, Event: auditlog.MarkRotated}); err != nil {
		t.Fatal(err)
	}
	l.Close()
	l = open(t, dir, w)
	l.Close()
	if r := verify(t, dir); len(r.Findings) > 0 {
		t.Errorf("%+v", r.Findings)
	}
	if _, err := os.Stat(filepath.Join(dir, "commandlog.0")); err != nil {
		t.Error(err)
	}
}

func TestClockGoesBack(t *testing.T) {
	dir, w := written(t, 2)
	l := open(t, dir, w)
	w.add(-time.Hour)
	command(t, l, w, "redoubt group set g")
	l.Close()
	r := verify(t, dir)
	if len(r.Findings) > 0 || !slices.ContainsFunc(r.Notes, func(n string) bool { return strings.Contains(n, "the clock went back by 1h") }) {
		t.Errorf("%+v", r)
	}
}

// fill writes to a file until its file system is full.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	_ = f.Close()
}

// TestFullDisk: a record is on disk as a whole or not at all, and the log goes on when there is room again.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=512k"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	w := newWall()
	l := open(t, filepath.Join(dir, "log"), w)
	defer l.Close()
	command(t, l, w, "redoubt group set g")
	ballast := filepath.Join(dir, "ballast")
	fill(t, ballast)
	if err := l.Room(); !fault.Is(err, fault.Unavailable) {
		t.Errorf("room on a full disk: %v", err)
	}
	refused := 0
	for range 50 { // the last page of each file has room for some
		if _, err := l.Append(auditlog.Record{Kind: auditlog.Start, User: "root", Operation: "group set", Command: strings.Repeat("x", 1000)}); err != nil {
			if !fault.Is(err, fault.Unavailable) {
				t.Fatal(err)
			}
			refused++
		}
	}
	if refused < 40 {
		t.Fatalf("%d of 50 were refused on a full disk", refused)
	}
	if err := os.Truncate(ballast, 0); err != nil {
		t.Fatal(err)
	}
	if err := l.Room(); err != nil {
		t.Errorf("room again: %v", err)
	}
	fill(t, ballast) // what was made sure of is there whatever comes
	command(t, l, w, "redoubt group set h")
	s, err := l.Stored()
	if err != nil {
		t.Fatal(err)
	}
	if r := auditlog.Verify(s); len(r.Findings) > 0 {
		t.Errorf("%+v", r.Findings)
	}
}
