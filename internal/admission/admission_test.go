package admission

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"redoubt/internal/fault"
)

var (
	noon  = time.Date(2030, 1, 2, 12, 0, 0, 0, time.UTC)
	right = fingerprint(1)
	wrong = fingerprint(2)
	here  = netip.MustParseAddr("10.0.0.2")
	there = netip.MustParseAddr("10.0.0.66")
)

func fingerprint(n byte) string { return HashToken(string([]byte{n})) }

func must(t *testing.T, entries ...Entry) List {
	t.Helper()
	l, err := NewList(entries)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestDecide(t *testing.T) {
	token, err := NewToken(make([]byte, TokenSecret()), fingerprint(9))
	if err != nil {
		t.Fatal(err)
	}
	other, err := NewToken([]byte(strings.Repeat("x", TokenSecret())), fingerprint(9))
	if err != nil {
		t.Fatal(err)
	}
	l := must(t,
		Entry{Host: "old", Key: right, ExpiresAt: noon},
		Entry{Host: "keyed", Key: right, ExpiresAt: noon.Add(time.Second)},
		Entry{Host: "asks"},
		Entry{Host: "told", Protocol: Token, Token: HashToken(token)},
		Entry{Host: "both", Protocol: Token, Token: HashToken(token), Key: right, Addresses: []string{here.String()}},
		Entry{Host: "near", Protocol: Sys, Addresses: []string{here.String()}},
		Entry{Host: "used", Key: right, Admitted: &Admitted{Key: right, At: noon}},
	)
	open := must(t, append(slices.Clone(l), Entry{Host: Everyone})...)
	for _, c := range []struct {
		list    List
		r       Request
		outcome Outcome
		says    string
	}{
		{nil, Request{Host: "keyed", Key: right}, Refused, "redoubt access allow -h keyed --key " + right},
		{l, Request{Host: "old", Key: right}, Refused, "ended at 2030-01-02T12:00:00Z"},
		{l, Request{Host: "keyed", Key: right}, Allowed, ""},
		{l, Request{Host: "keyed", Key: wrong}, Refused, "another key"},
		{l, Request{Host: "keyed"}, Refused, "not proved its key"},
		{open, Request{Host: "keyed", Key: wrong}, Refused, "another key"}, // allow-all opens nothing that the host's own entry closes
		{l, Request{Host: "asks", Key: right}, Waits, "is approved"},
		{l, Request{Host: "told", Key: right}, Refused, "with a token"},
		{l, Request{Host: "told", Key: right, Token: token}, Allowed, ""},
		{l, Request{Host: "told", Key: right, Token: other}, Refused, "not the one"},
		{l, Request{Host: "told", Key: right, Token: HashToken(token)}, Refused, "not the one"}, // what the repository holds lets nobody in
		{l, Request{Host: "asks", Key: right, Token: token}, Waits, ""},                         // a token of another host is worth nothing
		{l, Request{Host: "both", Key: right, Token: token, From: here}, Allowed, ""},
		{l, Request{Host: "both", Key: right, Token: token, From: there}, Refused, "other addresses"},
		{l, Request{Host: "both", Key: wrong, Token: token, From: here}, Refused, "another key"},
		{l, Request{Host: "near", Key: right, From: here}, Allowed, ""},
		{l, Request{Host: "near", Key: right, From: netip.MustParseAddr("::ffff:10.0.0.2")}, Allowed, ""},
		{l, Request{Host: "near", Key: right, From: there}, Refused, "other addresses"},
		{l, Request{Host: "used", Key: right}, Again, "not settled"},
		{l, Request{Host: "used", Key: wrong}, Refused, "was used"},
		{open, Request{Host: "used", Key: wrong}, Refused, "was used"},
		{open, Request{Host: "new", Key: right}, Waits, ""},
		{open, Request{Host: Everyone, Key: right}, Refused, "no valid host"},
		{open, Request{Host: "a/b", Key: right}, Refused, "no valid host"},
		{open, Request{Host: "", Key: right}, Refused, "no valid host"},
	} {
		d := c.list.Decide(c.r, noon)
		if d.Outcome != c.outcome || !strings.Contains(d.Reason, c.says) {
			t.Errorf("%+v: %+v, want %d and %q", c.r, d, c.outcome, c.says)
		}
		if strings.Contains(d.Reason, token) || strings.Contains(d.Reason, other) {
			t.Errorf("the token stands in %q", d.Reason)
		}
		if (d.Warning != "") != (d.Outcome == Allowed && d.Use.Protocol == Sys) {
			t.Errorf("%+v: warning %q", c.r, d.Warning)
		}
	}
}

func TestOneJoinClosesTheDoor(t *testing.T) {
	l := must(t, Entry{Host: Everyone, Protocol: Sys, ExpiresAt: noon.Add(time.Minute)}, Entry{Host: "n9", Key: right})
	if p := l.Policy(noon); p != AllowAll {
		t.Errorf("policy %s", p)
	}
	d := l.Decide(Request{Host: "n2", Key: right, From: here}, noon)
	if d.Outcome != Allowed || d.Warning == "" {
		t.Fatalf("%+v", d)
	}
	if p := d.Next.Policy(noon); p != Listed {
		t.Errorf("after the join everybody may still join: %s", p)
	}
	if again := d.Next.Decide(Request{Host: "n3", Key: wrong, From: here}, noon); again.Outcome != Refused {
		t.Errorf("a second machine: %+v", again)
	}
	// The same machine may come again, for as long as it has to settle, and only with its key.
	late := noon.Add(SettleTime - time.Second)
	if again := d.Next.Decide(Request{Host: "n2", Key: right, From: there}, late); again.Outcome != Again {
		t.Errorf("the same machine: %+v", again)
	}
	if again := d.Next.Decide(Request{Host: "n2", Key: right}, noon.Add(SettleTime)); again.Outcome != Refused {
		t.Errorf("the same machine, too late: %+v", again)
	}
	if _, err := d.Next.Deny("n2", noon); !fault.Is(err, fault.Precondition) {
		t.Errorf("deny a node that is settling: %v", err)
	}
	if p := d.Next.DenyAll().Policy(noon); p != DenyAll || len(d.Next.DenyAll()) != 1 {
		t.Errorf("deny-all left %+v", d.Next.DenyAll())
	}
	if p := l.Policy(noon.Add(time.Hour)); p != Listed {
		t.Errorf("allow-all did not end: %s", p)
	}
}

func TestPending(t *testing.T) {
	l := must(t, Entry{Host: "n2", ExpiresAt: noon.Add(time.Hour)})
	ask := func(key byte, from string, at time.Time) Decision {
		d := l.Decide(Request{Host: "n2", Key: fingerprint(key), From: netip.MustParseAddr(from)}, at)
		if d.Outcome == Waits {
			l = d.Next
		}
		return d
	}
	waiting := func(at time.Time) int { e, _ := l.Of("n2"); return len(e.Waiting(at)) }
	// A flood, from one address and from many, ends at the bounds, and does not push out who was there.
	ask(1, "10.0.0.2", noon)
	for i := range byte(100) {
		ask(10+i, "10.0.0.66", noon)
	}
	if n := waiting(noon); n != 1+MaxFrom {
		t.Errorf("%d wait after a flood from one address", n)
	}
	for i := range byte(100) {
		ask(110+i, netip.AddrFrom4([4]byte{10, 1, 0, i}).String(), noon)
	}
	if n := waiting(noon); n != MaxPending {
		t.Errorf("%d wait after a flood from many addresses", n)
	}
	if d := ask(200, "10.2.0.1", noon); d.Outcome != Refused || !strings.Contains(d.Reason, "too many") {
		t.Errorf("one more: %+v", d)
	}
	if b, err := json.Marshal(l); err != nil || len(b) > 4096 {
		t.Errorf("strangers made an entry of %d bytes", len(b))
	}
	if d := ask(1, "10.0.0.2", noon); d.Outcome != Waits || !slices.EqualFunc(l, d.Next, Entry.Same) {
		t.Errorf("asking again so soon changes something: %+v", d)
	}
	// Who goes on asking goes on waiting; who does not, no longer does.
	ask(1, "10.0.0.2", noon.Add(PendingLife-time.Second))
	if n := waiting(noon.Add(PendingLife)); n != 1 {
		t.Errorf("%d wait later", n)
	}
	if _, err := l.Approve("n2", fingerprint(10), "root", noon.Add(PendingLife)); !fault.Is(err, fault.NotFound) {
		t.Errorf("approved who no longer waits: %v", err)
	}
	approved, err := l.Approve("n2", right, "root", noon.Add(PendingLife))
	if err != nil {
		t.Fatal(err)
	}
	if d := approved.Decide(Request{Host: "n2", Key: wrong}, noon); d.Outcome != Refused {
		t.Errorf("another key after the approval: %+v", d)
	}
	if d := approved.Decide(Request{Host: "n2", Key: right}, noon); d.Outcome != Allowed {
		t.Errorf("the approved key: %+v", d)
	}
	if d := approved.Decide(Request{Host: "n2", Key: right}, noon.Add(time.Hour)); d.Outcome != Refused {
		t.Errorf("an approval outlives the permission: %+v", d)
	}
}

func TestApproveOneOfEveryone(t *testing.T) {
	l := must(t, Entry{Host: Everyone, ExpiresAt: noon.Add(time.Hour)})
	for _, h := range []string{"n2", "n3"} {
		l = l.Decide(Request{Host: h, Key: right, From: here}, noon).Next
	}
	if _, err := l.Approve("n2", wrong, "root", noon); !fault.Is(err, fault.NotFound) {
		t.Errorf("approved a key that nobody has: %v", err)
	}
	if _, err := l.Approve("n2", "SHA256:short", "root", noon); !fault.Is(err, fault.Invalid) {
		t.Errorf("approved no key at all: %v", err)
	}
	l, err := l.Approve("n2", right, "root", noon)
	if err != nil {
		t.Fatal(err)
	}
	if d := l.Decide(Request{Host: "n3", Key: right, From: here}, noon); d.Outcome != Waits {
		t.Errorf("the approval of n2 let n3 in: %+v", d)
	}
	d := l.Decide(Request{Host: "n2", Key: right, From: here}, noon)
	if d.Outcome != Allowed || d.Next.Policy(noon) != DenyAll {
		t.Errorf("n2: %+v", d)
	}
}

func TestChanges(t *testing.T) {
	l := must(t, Entry{Host: "b"}, Entry{Host: "a", By: "x"})
	replaced, err := l.Allow(Entry{Host: "a", By: "y"})
	if err != nil || len(replaced) != 2 || replaced[0].By != "y" || l[0].By != "x" {
		t.Fatalf("replaced: %+v, former: %+v, %v", replaced, l, err)
	}
	open := must(t, Entry{Host: "a"}, Entry{Host: Everyone, ExpiresAt: noon})
	if _, err := open.Deny("a", noon.Add(-1)); !fault.Is(err, fault.Precondition) {
		t.Errorf("deny one of all: %v", err)
	}
	if got, err := open.Deny("a", noon); err != nil || len(got) != 1 {
		t.Errorf("deny after the end of allow-all: %+v, %v", got, err)
	}
	if _, err := l.Deny("c", noon); !fault.Is(err, fault.NotFound) {
		t.Errorf("deny a stranger: %v", err)
	}
	for _, e := range []Entry{{Host: "a/b"}, {Host: "a", Key: "short"}, {Host: Everyone, Key: right}, {Host: "a", Protocol: Token}, {Host: "a", Protocol: Sys}} {
		if _, err := l.Allow(e); !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v", e, err)
		}
	}
	if _, err := NewList([]Entry{{Host: "a"}, {Host: "a"}}); !fault.Is(err, fault.Invalid) {
		t.Errorf("a host twice: %v", err)
	}
	if b, err := json.Marshal(Entry{Host: "a", By: "root"}); err != nil || string(b) != `{"host":"a","by":"root"}` {
		t.Errorf("%s, %v", b, err)
	}
}

func TestProtocols(t *testing.T) {
	for name, want := range map[string]Protocol{"key": Key, "DES": Key, "token": Token, "sys": Sys, "unix": Sys} {
		p, note, err := ParseProtocol(name)
		if err != nil || p != want || (note != "") != (name == "DES" || name == "unix") {
			t.Errorf("%s: %s %q %v", name, p, note, err)
		}
	}
	if _, _, err := ParseProtocol("tls"); !fault.Is(err, fault.Invalid) {
		t.Errorf("tls: %v", err)
	}
}

func TestLimits(t *testing.T) {
	var l Limits
	now := noon
	// Each lockout is longer than the one before, up to a bound, and holds for the address alone.
	var last time.Duration
	for range 10 {
		for range maxFailures {
			if wait := l.Try(here, now); wait != 0 {
				t.Fatalf("locked out for %v before %d failures", wait, maxFailures)
			}
			if lock := l.Failed(here, now); lock != 0 {
				if lock < last || lock > longestLock {
					t.Errorf("lockout of %v after one of %v", lock, last)
				}
				last = lock
			}
			now = now.Add(refill)
		}
		if wait := l.Try(here, now); wait == 0 {
			t.Fatal("not locked out")
		}
		if wait := l.Try(there, now); wait != 0 {
			t.Fatalf("another address waits %v", wait)
		}
		now = now.Add(last)
	}
	if last != longestLock {
		t.Errorf("the longest lockout was %v", last)
	}
	l.Succeeded(here)
	if wait := l.Try(here, now); wait != 0 {
		t.Errorf("after a success it waits %v", wait)
	}
	// All of a network of IPv6 addresses are one.
	for i := range maxFailures {
		l.Failed(netip.AddrFrom16([16]byte{0x20, 1, 15: byte(i)}), now)
	}
	if wait := l.Try(netip.MustParseAddr("2001::77"), now); wait == 0 {
		t.Error("another address of the same IPv6 network may go on")
	}
	// A flood from ever new addresses is bounded in rate and in what is remembered.
	passed := 0
	for i := range 5000 {
		from := netip.AddrFrom4([4]byte{11, byte(i >> 8), byte(i), 1})
		if l.Try(from, now) == 0 {
			passed++
		}
		l.Failed(from, now)
	}
	if passed > burst || len(l.from) > maxTracked {
		t.Errorf("%d of a flood passed, %d addresses are remembered", passed, len(l.from))
	}
	if wait := l.Try(here, now.Add(2*refill)); wait != 0 {
		t.Errorf("the flood keeps others out for %v", wait)
	}
}

// TestNobodyGetsInTwice drives the list with random requests, approvals and time, and holds it to what it promises.
func TestNobodyGetsInTwice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		token, _ := NewToken(make([]byte, TokenSecret()), fingerprint(9))
		l, err := NewList([]Entry{
			{Host: "a", ExpiresAt: noon.Add(time.Hour)}, {Host: "b", Protocol: Token, Token: HashToken(token), ExpiresAt: noon.Add(time.Hour)},
			{Host: "c", Key: right, ExpiresAt: noon.Add(time.Hour)},
		})
		if err != nil {
			t.Fatal(err)
		}
		now := noon
		owner, approved := map[string]string{}, map[string]bool{"c" + right: true}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			host := rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "host")
			key := fingerprint(rapid.ByteRange(1, 4).Draw(t, "key"))
			switch rapid.IntRange(0, 5).Draw(t, "do") {
			case 0:
				now = now.Add(time.Duration(rapid.IntRange(1, 900).Draw(t, "seconds")) * time.Second)
			case 1:
				if next, err := l.Approve(host, key, "root", now); err == nil {
					l, approved[host+key] = next, true
				}
			default:
				r := Request{Host: host, Key: key, From: here}
				if rapid.Bool().Draw(t, "with token") {
					r.Token = token
				}
				d := l.Decide(r, now)
				switch d.Outcome {
				case Allowed:
					if owner[host] != "" {
						t.Fatalf("%s got in twice", host)
					}
					if !approved[host+key] && (host != "b" || r.Token == "") {
						t.Fatalf("%s got in with key %s, which nobody approved", host, key)
					}
					owner[host] = key
					l = d.Next
				case Again:
					if owner[host] != key {
						t.Fatalf("%s with key %s took over what %s has", host, key, owner[host])
					}
				case Waits:
					l = d.Next
				case Refused:
				}
			}
			if len(l) > 3 {
				t.Fatalf("the list has grown: %+v", l)
			}
		}
	})
}

func FuzzToken(f *testing.F) {
	good, _ := NewToken(make([]byte, TokenSecret()), fingerprint(9))
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add("redoubt-join..")
	f.Fuzz(func(t *testing.T, token string) {
		print, err := ParseToken(token)
		if err != nil {
			if token != "" && len(token) > 8 && strings.Contains(err.Error(), token) {
				t.Errorf("the error holds the token: %v", err)
			}
			return
		}
		if !IsFingerprint(print) || !MatchToken(token, HashToken(token)) || token != good && MatchToken(token, HashToken(good)) {
			t.Errorf("%q: %q", token, print)
		}
	})
}

func FuzzDecide(f *testing.F) {
	f.Add("n2", right, "", []byte{10, 0, 0, 2}, int64(0))
	f.Add("*", "SHA256:", "redoubt-join.", []byte{}, int64(1<<40))
	f.Fuzz(func(t *testing.T, host, key, token string, from []byte, after int64) {
		l := List{{Host: "n2", ExpiresAt: noon.Add(time.Hour)}, {Host: "n3", Key: right}}
		a, _ := netip.AddrFromSlice(from)
		d := l.Decide(Request{Host: host, Key: key, Token: token, From: a}, noon.Add(time.Duration(after)))
		if d.Outcome == Allowed && (host != "n3" || key != right) || d.Outcome == Again {
			t.Errorf("%q with %q: %+v", host, key, d)
		}
	})
}
