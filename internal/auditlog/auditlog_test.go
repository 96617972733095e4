package auditlog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func key(t testing.TB, b byte) Key {
	t.Helper()
	k, err := NewKey(bytes.Repeat([]byte{b}, SeedSize))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func leaves(n int, tag string) [][]byte {
	var out [][]byte
	for i := range n {
		r := Record{Seq: uint64(i), Time: time.Unix(int64(i), 0).UTC(), Node: "n2", Kind: Event, Event: "node", Text: tag + fmt.Sprint(i)}
		line, err := r.Encode()
		if err != nil {
			panic(err)
		}
		out = append(out, line)
	}
	return out
}

func treeOf(lines [][]byte) *Tree {
	t, err := NewTree(Base{})
	if err != nil {
		panic(err)
	}
	for _, l := range lines {
		t.Append(LeafHash(l))
	}
	return t
}

func offer(t testing.TB, k Key, lines [][]byte, known uint64) Offer {
	t.Helper()
	tree := treeOf(lines)
	signed, err := k.Sign(Head{tree.Size(), tree.Root()})
	if err != nil {
		t.Fatal(err)
	}
	o := Offer{Public: k.Public(), Head: signed}
	if known > 0 && known < tree.Size() {
		if o.Proof, err = tree.Consistency(known, tree.Size()); err != nil {
			t.Fatal(err)
		}
	}
	return o
}

// TestJudge: every log that begins with what is pinned is taken, and no other one.
func TestJudge(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		k := key(t, 1)
		old := rapid.IntRange(1, 40).Draw(rt, "old")
		next := rapid.IntRange(old, 60).Draw(rt, "next")
		lines := leaves(next, "a")
		pinned := Pinned{Public: k.Public(), Head: offer(t, k, lines[:old], 0).Head}
		if _, err := Judge(pinned, k.Public(), offer(t, k, lines, uint64(old))); err != nil {
			rt.Fatalf("an honest log of %d after %d: %v", next, old, err)
		}
		changed := append([][]byte{}, lines...)
		at := rapid.IntRange(0, old-1).Draw(rt, "at")
		changed[at] = leaves(old, "b")[at]
		if _, err := Judge(pinned, k.Public(), offer(t, k, changed, uint64(old))); err == nil {
			rt.Fatalf("a log of %d whose entry %d was changed is taken after %d", next, at, old)
		}
		if _, err := Judge(pinned, k.Public(), offer(t, k, lines[:rapid.IntRange(0, old-1).Draw(rt, "shorter")], 0)); err == nil {
			rt.Fatal("a log that was cut is taken")
		}
		if _, err := Judge(pinned, "", offer(t, key(t, 2), lines, uint64(old))); err == nil || !strings.Contains(err.Error(), "replaced") {
			rt.Fatalf("another key: %v", err)
		}
		if _, err := Judge(pinned, key(t, 2).Public(), offer(t, k, lines, uint64(old))); err == nil {
			rt.Fatal("a record with another key")
		}
	})
}

func TestBase(t *testing.T) {
	lines := leaves(23, "a")
	whole := treeOf(lines)
	for n := range uint64(24) {
		base, err := whole.BaseAt(n)
		if err != nil {
			t.Fatal(err)
		}
		half, err := NewTree(base)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range lines[n:] {
			half.Append(LeafHash(l))
		}
		if !bytes.Equal(half.Root(), whole.Root()) {
			t.Errorf("a tree that begins at %d has another root", n)
		}
	}
	if _, err := NewTree(Base{Size: 3, Hashes: [][]byte{make([]byte, HashSize)}}); err == nil {
		t.Error("a base with too few hashes")
	}
}

func TestGrowTakesNothingFalse(t *testing.T) {
	lines := leaves(5, "a")
	head := Head{5, treeOf(lines).Root()}
	for name, sent := range map[string][][]byte{
		"another": append(append([][]byte{}, lines[:4]...), leaves(5, "b")[4]), "too many": leaves(6, "a"), "no record": {[]byte("{}")}, "out of order": {lines[1]},
	} {
		if err := Grow(treeOf(nil), head, "n2", sent); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if err := Grow(treeOf(nil), head, "n3", lines); err == nil {
		t.Error("records of another node are taken")
	}
	if err := Grow(treeOf(nil), head, "n2", lines); err != nil {
		t.Error(err)
	}
}

// TestCommandsPaste: a shell reads of the record what the operation was given.
func TestCommandsPaste(t *testing.T) {
	type Input struct {
		Names    []string `json:"names"`
		All      bool     `json:"all"`
		Property []string `json:"property"`
		Message  string   `json:"message"`
		NoWait   bool     `json:"noWait"`
		Timeout  *int     `json:"timeout"`
	}
	if _, err := exec.LookPath("bash"); err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		word := rapid.OneOf(rapid.StringN(0, 20, 60), rapid.SampledFrom([]string{"", "a b", "it's", `"`, "$(reboot)", "`x`", "a\nb", "-n", "--x", "\x1b[31m", "ü", "\u202e", "\\", "!!", "*", "~", "a;b", "\x00"}))
		in := Input{Names: rapid.SliceOfN(word, 0, 3).Draw(rt, "names"), Message: word.Draw(rt, "message"), NoWait: rapid.Bool().Draw(rt, "wait"), Timeout: new(5)}
		c := NewCommand("group", "switch", in, nil)
		if strings.ContainsAny(c.Line, "\n\r\x1b\x00") {
			rt.Fatalf("the line has characters that a terminal acts upon: %q", c.Line)
		}
		want := []string{"redoubt", "group", "switch"}
		if in.Message != "" {
			if strings.HasPrefix(in.Message, "-") {
				want = append(want, "--message="+in.Message)
			} else {
				want = append(want, "--message", in.Message)
			}
		}
		if in.NoWait {
			want = append(want, "--no-wait")
		}
		want = append(append(want, "--timeout", "5"), in.Names...)
		for i := range want {
			if want[i] = strings.ToValidUTF8(want[i], "�"); strings.Contains(want[i], "\x00") {
				return // no shell has a word with it
			}
		}
		script := `set -f; for w in ` + c.Line + `; do printf '%s\0' "$w"; done`
		out, err := exec.Command("bash", "-c", script).Output()
		if err != nil {
			rt.Fatalf("%s: %v", c.Line, err)
		}
		if got := strings.Join(want, "\x00") + "\x00"; string(out) != got {
			rt.Fatalf("%s\nis read as %q, want %q", c.Line, out, got)
		}
	})
}

func TestMasks(t *testing.T) {
	type Input struct {
		Names    []string `json:"names"`
		Value    []byte   `json:"value" secret:"true"`
		Property []string `json:"property"`
		Token    string   `json:"token"`
	}
	c := NewCommand("resource", "create", Input{
		Names: []string{"db"}, Value: []byte("canary1"), Token: "canary2",
		Property: []string{"Password=canary3", "test_passwd=secret:db-password", "Pin{n1}=canary4", "password_file=/etc/x", "Port=80", "Api_Key+=canary5"},
	}, func(name string) bool { return strings.EqualFold(name, "pin") })
	if strings.Contains(c.Line, "canary") {
		t.Error(c.Line)
	}
	for _, want := range []string{"secret:db-password", "password_file=/etc/x", "Port=80", `"Password=******"`} {
		if !strings.Contains(c.Line, want) {
			t.Errorf("%s is not in %s", want, c.Line)
		}
	}
	if s := c.Redact("value canary4 is not allowed"); strings.Contains(s, "canary") {
		t.Error(s)
	}
}

func TestSyslog(t *testing.T) {
	r := Record{Seq: 4, Time: time.Date(2030, 1, 2, 3, 4, 5, 6e6, time.UTC), Node: "n1", Kind: End, PID: 7, User: `a"b]\`, Start: new(uint64(3)), Exit: new(6), Code: "denied", Error: "two\nlines"}
	got := string(r.Syslog("demo"))
	want := `<108>1 2030-01-02T03:04:05.006Z n1 redoubt 7 end [redoubt@32473 cluster="demo" entry="4" user="a\"b\]\\" start="3" exit="6" code="denied"] ` + "\xef\xbb\xbf" + `01/02/2030 03:04:05 n1 7 'a"b]\' END 6 # two lines`
	if got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	stream := append(Frame([]byte(got)), Frame([]byte("x"))...)
	m, rest, ok, err := Unframe(stream)
	if err != nil || !ok || string(m) != got {
		t.Errorf("%q %v %v", m, ok, err)
	}
	if m, _, ok, _ = Unframe(rest); !ok || string(m) != "x" {
		t.Errorf("%q", m)
	}
	r.Error = strings.Repeat("x", 1<<20)
	if n := len(r.Syslog("demo")); n > maxSyslog {
		t.Errorf("%d bytes", n)
	}
}

func TestExport(t *testing.T) {
	start := Record{Seq: 3, Time: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC), Node: "n1", Kind: Start, PID: 7, User: "root", Role: "op|s", From: "uid 0", Operation: "group create", Command: "redoubt group create a=b|c", Objects: []string{"web"}}
	e := Commands([]Record{start, {Seq: 4, Time: start.Time.Add(time.Second), Node: "n1", Kind: End, Start: new(uint64(3)), Exit: new(39), Code: "exists", Millis: 1000, Error: "it\nexists"}})[0]
	line, err := Export(FormatOCSF, "demo", e)
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal([]byte(line), &doc); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{"class_uid": 6003.0, "category_uid": 6.0, "activity_id": 1.0, "type_uid": 600301.0, "status_id": 2.0, "time": float64(start.Time.UnixMilli())} {
		if doc[name] != want {
			t.Errorf("%s is %v, want %v", name, doc[name], want)
		}
	}
	line, err = Export(FormatCEF, "demo", e)
	if err != nil || strings.Contains(line, "\n") || !strings.HasPrefix(line, "CEF:0|Redoubt|Redoubt|1|group create|group create failed|4|rt=") || !strings.Contains(line, `msg=redoubt group create a\=b|c`) || !strings.Contains(line, `reason=it\nexists`) {
		t.Errorf("%s, %v", line, err)
	}
	if line, err = Export(FormatJSON, "demo", e); err != nil || !json.Valid([]byte(line)) {
		t.Errorf("%s, %v", line, err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, l := range leaves(2, "a") {
		f.Add(l)
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := Decode(line)
		if err != nil {
			return
		}
		if text, ok := r.TextLine(); ok && strings.ContainsAny(text, "\n\r") {
			t.Errorf("a record makes two lines: %q", text)
		}
		r.Syslog("demo")
		Commands([]Record{r})
	})
}

func FuzzHead(f *testing.F) {
	k := key(f, 1)
	signed, err := k.Sign(Head{3, LeafHash(nil)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(k.Public(), signed)
	f.Fuzz(func(t *testing.T, public string, signed []byte) {
		if h, err := OpenHead(public, signed); err == nil && len(h.Root) != HashSize {
			t.Error("a head without a root")
		}
	})
}

func FuzzJudge(f *testing.F) {
	k := key(f, 1)
	lines := leaves(9, "a")
	o := offer(f, k, lines, 4)
	f.Add(o.Head, bytes.Join(o.Proof, nil), lines[3])
	pinned := Pinned{Public: k.Public(), Head: offer(f, k, lines[:4], 0).Head}
	f.Fuzz(func(t *testing.T, head, proof, line []byte) {
		o := Offer{Public: k.Public(), Head: head}
		for len(proof) > 0 {
			n := min(HashSize, len(proof))
			o.Proof, proof = append(o.Proof, proof[:n]), proof[n:]
		}
		h, err := Judge(pinned, "", o)
		if err != nil {
			return
		}
		_ = Grow(treeOf(lines[:4]), h, "n2", [][]byte{line})
	})
}

func FuzzVerify(f *testing.F) {
	k := key(f, 1)
	lines := leaves(3, "a")
	twin := append(bytes.Join(lines, []byte("\n")), '\n')
	f.Add(twin, []byte("x\n"), bytes.Repeat([]byte{1}, 96))
	head := offer(f, k, lines, 0).Head
	f.Fuzz(func(t *testing.T, twin, text, tree []byte) {
		Verify(Stored{Twin: twin, Tree: tree, Head: head, Public: k.Public(), Text: []File{{NameText, text}}})
	})
}

func FuzzUnframe(f *testing.F) {
	f.Add([]byte("3 abc"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		if m, rest, ok, err := Unframe(stream); err == nil && ok && len(m)+len(rest) >= len(stream) {
			t.Error("a message was taken and the stream is not shorter")
		}
	})
}
