package beat

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"redoubt/internal/cluster"
	"redoubt/internal/membership"
)

func incarnations() *rapid.Generator[cluster.Incarnation] {
	return rapid.Custom(func(t *rapid.T) cluster.Incarnation {
		if rapid.Bool().Draw(t, "none") {
			return cluster.Incarnation{}
		}
		return cluster.Incarnation{Number: rapid.Uint64Range(1, math.MaxUint64).Draw(t, "number"), Tag: rapid.StringMatching(`[0-9a-zA-Z]{1,32}`).Draw(t, "tag")}
	})
}

func messages() *rapid.Generator[membership.Message] {
	return rapid.Custom(func(t *rapid.T) membership.Message {
		m := membership.Message{
			Incarnation: incarnations().Draw(t, "incarnation"), Session: membership.Session(rapid.Uint64().Draw(t, "session")),
			ToSession: membership.Session(rapid.Uint64().Draw(t, "to")), Seq: rapid.Uint64().Draw(t, "seq"),
			Epoch: cluster.Epoch(rapid.Uint64().Draw(t, "epoch")), VoterEpoch: cluster.Epoch(rapid.Uint64().Draw(t, "voters")),
			Copy: membership.Copy{State: membership.CopyState(rapid.Uint8Range(0, uint8(membership.CopyLost)).Draw(t, "copy")), Seat: rapid.Uint64().Draw(t, "seat"), Index: rapid.Uint64().Draw(t, "index")},
		}
		entry := rapid.Custom(func(t *rapid.T) membership.NodeIncarnation {
			name := rapid.StringMatching(`[a-z0-9][a-z0-9.-]{0,30}`).Filter(func(s string) bool { return cluster.CheckName("node", s) == nil }).Draw(t, "name")
			return membership.NodeIncarnation{Node: cluster.NodeName(name), Incarnation: incarnations().Draw(t, "of")}
		})
		list := func(label string) []membership.NodeIncarnation {
			l := rapid.SliceOfN(entry, 0, 12).Draw(t, label)
			if len(l) == 0 {
				return nil
			}
			return l
		}
		switch rapid.IntRange(0, 2).Draw(t, "kind") {
		case 0:
			m.Heartbeat = &membership.Heartbeat{Suspects: list("suspects"), Released: list("released"), Heard: list("heard"), Farewell: rapid.Bool().Draw(t, "farewell")}
		case 1:
			m.Answer = &membership.Answer{Seq: rapid.Uint64().Draw(t, "answered"), Incarnation: incarnations().Draw(t, "promised"), Hold: rapid.Int64Range(0, math.MaxInt64).Draw(t, "hold")}
		case 2:
			i := incarnations().Filter(func(i cluster.Incarnation) bool { return !i.IsZero() }).Draw(t, "fenced")
			m.Fenced = &membership.Fenced{Incarnation: i}
		}
		return m
	})
}

func TestMessagesComeOutAsTheyWentIn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := messages().Draw(t, "message")
		b, err := appendMessage(nil, &want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := parseMessage(b, &interner{})
		if err != nil {
			t.Fatalf("parse %x: %v", b, err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatal(d)
		}
		for cut := range b {
			if _, err := parseMessage(b[:cut], &interner{}); err == nil {
				t.Fatalf("%d of %d bytes were taken for a message", cut, len(b))
			}
		}
		if _, err := parseMessage(append(bytes.Clone(b), 0), &interner{}); err == nil {
			t.Fatal("a message with something behind it was accepted")
		}
	})
}

func TestNothingSenselessIsEncoded(t *testing.T) {
	beat := &membership.Heartbeat{}
	for name, msg := range map[string]membership.Message{
		"nothing":           {},
		"two things":        {Heartbeat: beat, Answer: &membership.Answer{}},
		"negative promise":  {Answer: &membership.Answer{Hold: -1}},
		"fenced nothing":    {Fenced: &membership.Fenced{}},
		"unknown copy":      {Heartbeat: beat, Copy: membership.Copy{State: membership.CopyLost + 1}},
		"number only":       {Heartbeat: beat, Incarnation: cluster.Incarnation{Number: 4}},
		"tag only":          {Heartbeat: beat, Incarnation: cluster.Incarnation{Tag: "a"}},
		"tag of dashes":     {Heartbeat: beat, Incarnation: cluster.Incarnation{Number: 4, Tag: "--"}},
		"long tag":          {Heartbeat: beat, Incarnation: cluster.Incarnation{Number: 4, Tag: strings.Repeat("a", 33)}},
		"bad name in list":  {Heartbeat: &membership.Heartbeat{Heard: []membership.NodeIncarnation{{Node: "../n"}}}},
		"no name in a list": {Heartbeat: &membership.Heartbeat{Heard: []membership.NodeIncarnation{{}}}},
	} {
		if b, err := appendMessage(nil, &msg); err == nil {
			t.Errorf("%s was encoded as %x", name, b)
		}
	}
}

func TestSizesAreBounded(t *testing.T) {
	msg := full()
	var many []membership.NodeIncarnation
	for i := range 5000 {
		many = append(many, membership.NodeIncarnation{Node: cluster.NodeName(strings.Repeat("n", 1+i%100)), Incarnation: cluster.Incarnation{Number: math.MaxUint64, Tag: strings.Repeat("f", 32)}})
	}
	*msg.Heartbeat = membership.Heartbeat{Suspects: many, Released: many, Heard: many}
	b, err := appendMessage(nil, &msg)
	if err != nil || len(b) > maxMessage {
		t.Fatalf("%d bytes, %v: want at most %d", len(b), err, maxMessage)
	}
	got, err := parseMessage(b, &interner{})
	if err != nil || len(got.Heartbeat.Heard) == 0 || len(got.Heartbeat.Heard) != len(got.Heartbeat.Suspects) {
		t.Fatalf("a cut message does not parse: %v", err)
	}

	// Thirty-two nodes with everybody in every list still fit into one frame.
	few := many[:0:0]
	for range 32 {
		few = append(few, membership.NodeIncarnation{Node: "node-1", Incarnation: cluster.Incarnation{Number: 10, Tag: "9f3a"}})
	}
	*msg.Heartbeat = membership.Heartbeat{Suspects: few, Released: few, Heard: few}
	if b, err = appendMessage(nil, &msg); err != nil || len(b)+overhead > 1400 {
		t.Fatalf("datagram of %d bytes, %v: want at most 1400", len(b)+overhead, err)
	}
}

// FuzzParse: whatever is accepted encodes to the same bytes again.
func FuzzParse(f *testing.F) {
	m := full()
	for _, msg := range []membership.Message{
		m,
		{Answer: &membership.Answer{Seq: 3, Incarnation: m.Incarnation, Hold: 450e6}, Session: 1},
		{Fenced: &membership.Fenced{Incarnation: m.Incarnation}},
		{Heartbeat: &membership.Heartbeat{}},
	} {
		b, err := appendMessage(nil, &msg)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		msg, err := parseMessage(b, &interner{})
		if err != nil {
			return
		}
		again, err := appendMessage(nil, &msg)
		if err != nil || !bytes.Equal(b, again) {
			t.Fatalf("%x was read as %+v, which is %x (%v)", b, msg, again, err)
		}
	})
}

func TestInternerForgets(t *testing.T) {
	var i interner
	var b []byte
	for n := range 3 * maxInterned {
		b = append(b[:0], byte(n), byte(n>>8), 'x')
		if got := i.get(b); got != string(b) {
			t.Fatalf("got %q, want %q", got, b)
		}
	}
	if len(i.known) > maxInterned {
		t.Errorf("%d strings are kept, want at most %d", len(i.known), maxInterned)
	}
}

func BenchmarkEncodeAndSeal(b *testing.B) {
	own, other := newKey(b), newKey(b)
	send, _, err := pairKeys(own, "c", party{"a", 1, own.PublicKey()}, party{"b", 2, other.PublicKey()})
	if err != nil {
		b.Fatal(err)
	}
	msg, to := full(), addrs("10.1.1.1")[0]
	plain, out := make([]byte, 0, maxMessage), make([]byte, 0, maxDatagram)
	b.ReportAllocs()
	for b.Loop() {
		plain, err = appendMessage(plain[:0], &msg)
		if err != nil {
			b.Fatal(err)
		}
		out = seal(out[:0], send, 1, 2, to, plain)
	}
	b.SetBytes(int64(len(out)))
}

func BenchmarkOpenAndDecode(b *testing.B) {
	own, other := newKey(b), newKey(b)
	self, peer := party{"a", 1, own.PublicKey()}, party{"b", 2, other.PublicKey()}
	send, _, err := pairKeys(own, "c", self, peer)
	if err != nil {
		b.Fatal(err)
	}
	_, receive, err := pairKeys(other, "c", peer, self)
	if err != nil {
		b.Fatal(err)
	}
	msg, to := full(), addrs("10.1.1.1")[0]
	plain, err := appendMessage(nil, &msg)
	if err != nil {
		b.Fatal(err)
	}
	datagram := seal(nil, send, 1, 2, to, plain)
	buf, names := make([]byte, 0, maxDatagram), interner{}
	b.ReportAllocs()
	b.SetBytes(int64(len(datagram)))
	for b.Loop() {
		got, err := open(buf, receive, datagram, to)
		if err == nil {
			_, err = parseMessage(got, &names)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

// TestOtherSpellingsAreRefused changes good encodings in ways that a lenient reader would forgive.
func TestOtherSpellingsAreRefused(t *testing.T) {
	encode := func(m membership.Message) []byte {
		b, err := appendMessage(nil, &m)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	const fixed = 1 + 8 + 8 // kind and sessions; then follow the numbers, and the sender's incarnation
	beat := encode(membership.Message{Heartbeat: &membership.Heartbeat{}})
	fenced := encode(membership.Message{Fenced: &membership.Fenced{Incarnation: cluster.Incarnation{Number: 1, Tag: "a"}}})
	answer := encode(membership.Message{Answer: &membership.Answer{}})
	with := func(b []byte, at int, replace int, by ...byte) []byte {
		return append(append(bytes.Clone(b[:at]), by...), b[at+replace:]...)
	}
	for name, b := range map[string][]byte{
		"number with a superfluous byte":  with(beat, fixed, 1, 0x80, 0),
		"number that is too large":        with(beat, fixed, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02),
		"unknown copy":                    with(beat, fixed+3, 1, byte(membership.CopyLost)+1),
		"unknown kind":                    with(beat, 0, 1, 4),
		"kind zero":                       with(beat, 0, 1, 0),
		"farewell of two":                 with(beat, fixed+8, 1, 2),
		"more entries than bytes":         with(beat, fixed+9, 1, 200),
		"a great many entries":            with(beat, fixed+9, 1, 0xff, 0xff, 0xff, 0xff, 0x0f),
		"promise beyond the largest":      with(answer, fixed+9, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01),
		"fenced nothing":                  with(fenced, len(fenced)-3, 3, 0, 0),
		"tag without a number":            with(fenced, len(fenced)-3, 3, 0, 1, 'a'),
		"number without a tag":            with(fenced, len(fenced)-3, 3, 1, 0),
		"tag with a line end":             with(fenced, len(fenced)-1, 1, '\n'),
		"name of an entry that is a path": with(beat, fixed+9, 1, 1, 2, '.', '.', 0, 0),
		"list beyond its budget":          with(beat, fixed+9, 1, append([]byte{0x2c}, bytes.Repeat(append([]byte{100}, append(bytes.Repeat([]byte{'n'}, 100), 0, 0)...), 44)...)...),
	} {
		if m, err := parseMessage(b, &interner{}); err == nil {
			t.Errorf("%s was read as %+v", name, m)
		}
	}
	for name, b := range map[string][]byte{"heartbeat": beat, "fenced": fenced, "answer": answer} {
		if _, err := parseMessage(b, &interner{}); err != nil {
			t.Errorf("%s as it should be: %v", name, err)
		}
	}
}
