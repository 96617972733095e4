package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const ms = time.Millisecond

// answers makes attempts of one answerer, one each step, each taking a millisecond.
func answers(who string, from, to, step time.Duration) (all []Attempt) {
	for t := from; t < to; t += step {
		a := Attempt{Source: "client", Start: t, End: t + ms, Answer: who}
		if who == "" {
			a.End, a.Error = t+150*ms, "timeout"
		}
		all = append(all, a)
	}
	return all
}

func join(parts ...[]Attempt) *Result {
	r := &run{o: Options{Every: 10 * ms, Sources: []Source{{Name: "client"}}}, skipped: make([]int, 1)}
	var last time.Duration
	for _, p := range parts {
		r.all = append(r.all, p...)
	}
	for _, a := range r.all {
		last = max(last, a.End)
	}
	return analyse(r, last)
}

func TestDouble(t *testing.T) {
	for _, c := range []struct {
		what  string
		parts [][]Attempt
		want  *Double
	}{
		{"one alone", [][]Attempt{answers("a", 0, 3000*ms, 10*ms)}, nil},
		{"a failover", [][]Attempt{answers("a", 0, 1000*ms, 10*ms), answers("", 1000*ms, 1700*ms, 10*ms), answers("b", 1700*ms, 3000*ms, 10*ms)}, nil},
		{"there and back after two seconds", [][]Attempt{answers("a", 0, 1000*ms, 10*ms), answers("b", 1000*ms, 3000*ms, 10*ms), answers("a", 3000*ms, 4000*ms, 10*ms)}, nil},
		{"a late answer of the first", [][]Attempt{answers("a", 0, 1000*ms, 10*ms), answers("b", 1300*ms, 3000*ms, 10*ms), answers("a", 2005*ms, 2006*ms, 10*ms)}, &Double{"a", "b", 2005 * ms, 2006 * ms, 1}},
		{"in turns", [][]Attempt{answers("a", 0, 100*ms, 10*ms), answers("b", 5*ms, 105*ms, 10*ms)}, &Double{"a", "b", 5 * ms, 91*ms + 0, 18}},
		// The first began to answer before the second did, and was slow.
		{"overlapping attempts", [][]Attempt{answers("a", 0, 1000*ms, 10*ms), {{Source: "client", Start: 990 * ms, End: 1100 * ms, Answer: "a"}}, answers("b", 1050*ms, 2000*ms, 10*ms)}, nil},
	} {
		if diff := cmp.Diff(c.want, join(c.parts...).Double); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.what, diff)
		}
	}
}

// TestDoubleAgreesWithTheDefinition compares the search with the definition, word for word.
func TestDoubleAgreesWithTheDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 25).Draw(t, "n")
		var all []Attempt
		for range n {
			start := time.Duration(rapid.IntRange(0, 3000).Draw(t, "start")) * ms
			took := time.Duration(rapid.IntRange(1, 400).Draw(t, "took")) * ms
			all = append(all, Attempt{Source: "client", Start: start, End: start + took, Answer: rapid.SampledFrom([]string{"", "a", "b", "c"}).Draw(t, "who")})
		}
		want := 0
		for _, y := range all {
			found := false
			for _, x := range []string{"a", "b", "c"} {
				before, after := time.Duration(-1), time.Duration(-1)
				for _, o := range all {
					if o.Answer != x || x == y.Answer || y.Answer == "" {
						continue
					}
					if o.End <= y.Start && o.End > before {
						before = o.End
					}
					if o.Start >= y.End && (after < 0 || o.Start < after) {
						after = o.Start
					}
				}
				found = found || before >= 0 && after >= 0 && after-before < Window
			}
			if found {
				want++
			}
		}
		got := 0
		if d := join(all).Double; d != nil {
			got = d.Times
		}
		if got != want {
			t.Fatalf("%d answers are between others, the definition says %d: %+v", got, want, all)
		}
	})
}

func TestGaps(t *testing.T) {
	r := join(answers("a", 0, 500*ms, 10*ms), answers("", 500*ms, 1200*ms, 10*ms), answers("b", 1200*ms, 2000*ms, 10*ms))
	if diff := cmp.Diff(Gap{From: 491 * ms, To: 1201 * ms, Length: 710 * ms, Before: "a", After: "b"}, r.Outage()); diff != "" {
		t.Errorf("gap (-want +got):\n%s", diff)
	}
	want := []Answerer{{"a", 50, []Stretch{{ms, 491 * ms, 50}}}, {"b", 80, []Stretch{{1201 * ms, 1991 * ms, 80}}}}
	if diff := cmp.Diff(want, r.Answerers); diff != "" {
		t.Errorf("answerers (-want +got):\n%s", diff)
	}
	v := r.Sources[0]
	if v.Attempts != 200 || v.Answered != 130 || v.Errors["timeout"] != 70 || v.First.Answer != "a" || v.Last.Answer != "b" {
		t.Errorf("view: %+v", v)
	}
	if g := join(answers("a", 0, 500*ms, 10*ms), answers("", 500*ms, 1200*ms, 10*ms)).Outage(); !g.Open || g.To != 1340*ms || g.After != "" {
		t.Errorf("a gap without an end: %+v", g)
	}
	if g := join(answers("", 0, 500*ms, 10*ms)).Outage(); g != (Gap{}) {
		t.Errorf("the gap of a service that never answered: %+v", g)
	}
}

func TestDraw(t *testing.T) {
	var out bytes.Buffer
	r := join(answers("n1", 0, 4000*ms, 10*ms), answers("", 4000*ms, 4600*ms, 10*ms), answers("n2", 4750*ms, 10000*ms, 10*ms))
	r.Draw(&out, Style{Width: 60, Unicode: true})
	want := `          ┌┬────────┬─────────┬────────┬─────────┬─────────
       n1 │████████████████████                            
       n2 │                      ██████████████████████████
no answer │                   ▒▒▒                          
           0s       2s        4s       6s        8s

           the longest time without an answer, enlarged:
          ┌──┬───────────────┬──────────────┬──────────────
       n1 │███████████████████                             
       n2 │                              ██████████████████
no answer │                  ▒▒▒▒▒▒▒▒▒▒▒▒                  
             3s              4s             5s

from client: 985 connections in 9.991 s, 925 answered, 60 timeout
  longest time without an answer: 0.760 s, at 3.991 s; n1 before, n2 after
nobody served twice
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("drawing (-want +got):\n%s\n%s", diff, out.String())
	}
	out.Reset()
	join(answers("n1", 0, 100*ms, 10*ms), answers("n2", 5*ms, 105*ms, 10*ms)).Draw(&out, Style{Width: 10, Colour: true})
	if s := out.String(); !strings.Contains(s, "\x1b[1;31mSERVED TWICE: n1 and n2") || strings.Contains(s, "█") || !strings.Contains(s, "#") {
		t.Errorf("drawing of a double serving:\n%s", s)
	}
	for line := range strings.Lines(out.String()) {
		if strings.Contains(line, "\x1b[0m") && strings.Count(line, "\x1b[") != 2 {
			t.Errorf("colour does not end: %q", line)
		}
	}
}

func TestAnswerer(t *testing.T) {
	for in, want := range map[string]string{
		"HTTP/1.1 200 OK\r\nServer: x\r\n\r\nn1\n":      "n1",
		"HTTP/1.1 200 OK\r\nServer: x\r\n\r\n  n2 more": "n2",
		"n3 is here\n":                 "n3",
		"HTTP/1.1 503 Sorry\r\n\r\nn1": "http 503",
		"HTTP/1.1 200 OK\r\n\r\n":      "empty",
		"":                             "empty",
		"HTTP/1.1":                     "empty",
	} {
		got, err := answerer([]byte(in))
		if err != nil {
			got = why(err)
		}
		if got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	for err, want := range map[error]string{
		os.ErrDeadlineExceeded: "timeout", fmt.Errorf("x: %w", syscall.ECONNREFUSED): "refused", syscall.ECONNRESET: "reset", syscall.EHOSTUNREACH: "unreachable", errors.New("?"): "other",
	} {
		if got := why(err); got != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
}

// FuzzAnswerer: whatever a server sends, its name is one word of it.
func FuzzAnswerer(f *testing.F) {
	for _, s := range []string{"HTTP/1.1 200 OK\r\n\r\nn1\n", "n1", "HTTP/", "HTTP/1.0 999\r\n\r\n", "\x00\xff"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		complete(b)
		who, err := answerer(b)
		if err == nil && (who == "" || !bytes.Contains(b, []byte(who)) || len(bytes.Fields([]byte(who))) != 1) {
			t.Errorf("%q: %q", b, who)
		}
	})
}

// TestRun probes a server that falls silent, over the loopback of this very network.
func TestRun(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = c.Read(make([]byte, 512))
				fmt.Fprintln(c, "here")
			}()
		}
	}()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	r, err := Run(ctx, Options{Address: l.Addr().String(), Every: ms, Deadline: 100 * ms, Outstanding: 4, For: 5 * time.Second,
		Sources: []Source{{"here", func(f func() error) error { return f() }}},
		Each: func(a Attempt) {
			switch n++; {
			case n == 50:
				l.Close()
			case n >= 100 && a.Error != "":
				cancel()
			}
		}})
	if err != nil {
		t.Fatal(err)
	}
	if v := r.Sources[0]; v.Answered < 50 || v.Errors["refused"]+v.Errors["reset"] == 0 || r.Took > 4*time.Second || len(r.Attempts) != n || !r.Outage().Open {
		t.Errorf("%+v after %v, %d attempts told of %d, gap %+v", v, r.Took, n, len(r.Attempts), r.Outage())
	}
	nowhere := errors.New("no such place")
	if _, err := Run(t.Context(), Options{Address: "127.0.0.1:1", For: 50 * ms, Sources: []Source{{"nowhere", func(func() error) error { return nowhere }}}}); !errors.Is(err, nowhere) {
		t.Errorf("probe from nowhere: %v", err)
	}
}
