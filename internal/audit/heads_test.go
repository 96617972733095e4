package audit_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/internal/auditlog"
)

// forks gives a machine's log a second history from here on, with the same key, and returns what switches between the two: whoever asks is shown the one that is on.
func (n *network) forks(name string) (show func(second bool)) {
	n.t.Helper()
	m := n.nodes[name]
	n.stop(name)
	other := m.dir + "-other"
	if err := os.CopyFS(other, os.DirFS(m.dir)); err != nil {
		n.t.Fatal(err)
	}
	first := m.dir
	n.start(name)
	return func(second bool) {
		n.t.Helper()
		n.stop(name)
		if m.dir = first; second {
			m.dir = other
		}
		n.start(name)
	}
}

// TestSplitView: a node that shows one history to one node and another to the next is caught when they compare the heads that they hold, by both of them, and the two
// heads with its signature are kept. Each of the two alone finds nothing.
func TestSplitView(t *testing.T) {
	for name, c := range map[string]struct {
		first, second int // commands in each history after the common ones
	}{"as long": {3, 3}, "the second is longer": {1, 4}, "the second is shorter": {4, 1}, "one is the beginning of the other": {4, 0}} {
		t.Run(name, func(t *testing.T) {
			n := newNetwork(t, "n1", "n2", "n3")
			for i := range 3 {
				n.does("n3", fmt.Sprintf("redoubt group set g%d", i))
			}
			show := n.forks("n3")
			does := func(second bool, what string, times int) {
				show(second)
				for i := range times {
					n.does("n3", fmt.Sprintf("redoubt group set %s%d", what, i))
				}
			}
			does(false, "good", c.first)
			n.nodes["n2"].down.Store(true)
			if found := n.looks("n1", "n3"); found != "" {
				t.Fatalf("the first history alone: %s", found)
			}
			if c.second > 0 {
				does(true, "evil", c.second)
			} else {
				n.stop("n3")
				if err := os.RemoveAll(n.nodes["n3"].dir + "-other"); err != nil {
					t.Fatal(err)
				}
				if err := os.CopyFS(n.nodes["n3"].dir+"-other", os.DirFS(n.nodes["n3"].dir)); err != nil {
					t.Fatal(err)
				}
				n.start("n3")
				n.does("n3", "redoubt group set more")
			}
			n.nodes["n2"].down.Store(false)
			n.nodes["n1"].down.Store(true)
			if found := n.looks("n2", "n3"); found != "" {
				t.Fatalf("the second history alone: %s", found)
			}
			n.nodes["n1"].down.Store(false)
			if c.second > 0 {
				show(false)
			} else {
				show(true)
			}
			if found := n.looks("n1", "n3"); !strings.Contains(found, "its command log") && !strings.Contains(found, "different command logs to different nodes: node n2 holds") {
				t.Errorf("n1 does not catch it: %q", found)
			}
			if b, err := os.ReadFile(filepath.Join(n.nodes["n1"].dir, "peers", "n3", "evidence.jsonl")); err != nil || strings.Count(string(b), `"before":`) == 0 {
				t.Errorf("no evidence is kept: %s %v", b, err)
			}
			if found := n.looks("n1", "n2"); found != "" {
				t.Errorf("n2 is accused: %s", found)
			}
			if c.second > 0 {
				show(true)
				if found := n.looks("n2", "n3"); !strings.Contains(found, "node n1 holds a head of") {
					t.Errorf("n2 does not catch it: %q", found)
				}
			}
			n.stopAll()
		})
	}
}

// TestHeadsAccuseNobodyFalsely: what another node says counts for the signature of the accused alone, a node of an older version is asked again only after a while, and
// what an operator has accepted is not brought up again by who holds heads of before.
func TestHeadsAccuseNobodyFalsely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, "n1", "n2", "n3")
		n.does("n3", "redoubt group set g")
		for _, by := range []string{"n1", "n2"} {
			if found := n.looks(by, "n3"); found != "" {
				t.Fatal(found)
			}
		}
		key, err := auditlog.NewKey([]byte(strings.Repeat("k", auditlog.SeedSize)))
		if err != nil {
			t.Fatal(err)
		}
		forged, err := key.Sign(auditlog.Head{Size: 2, Root: auditlog.LeafHash([]byte("x"))})
		if err != nil {
			t.Fatal(err)
		}
		for name, tells := range map[string]func(h []v1.LogHead) []v1.LogHead{
			"a head with another key":  func(h []v1.LogHead) []v1.LogHead { h[0].Head = forged; return h },
			"another key and its head": func(h []v1.LogHead) []v1.LogHead { h[0].Public, h[0].Head = key.Public(), forged; return h },
			"noise":                    func(h []v1.LogHead) []v1.LogHead { h[0].Head = []byte("noise"); return h },
			"a node that there is not": func(h []v1.LogHead) []v1.LogHead { h[0].Node = "../n3"; return h },
			"without end":              func(h []v1.LogHead) []v1.LogHead { return append(h, make([]v1.LogHead, 10000)...) },
			"nothing":                  func([]v1.LogHead) []v1.LogHead { return nil },
			"about itself and who asks it": func(h []v1.LogHead) []v1.LogHead {
				h[0].Node = "n2"
				return append(h, v1.LogHead{Node: "n1", Head: forged})
			},
		} {
			n.nodes["n2"].tells = tells
			for _, about := range []string{"n2", "n3"} {
				if found := n.looks("n1", about); found != "" {
					t.Errorf("%s: %s is accused: %s", name, about, found)
				}
			}
		}
		n.nodes["n2"].tells = nil
		n.rewrite("n3", 4)
		if found := n.looks("n1", "n3"); found == "" {
			t.Fatal("a log that was written anew is not caught")
		}
		time.Sleep(time.Second)
		if err := n.nodes["n1"].journal.Accept("n3"); err != nil {
			t.Fatal(err)
		}
		if found := n.looks("n1", "n3"); found != "" {
			t.Errorf("after it was accepted: %s", found)
		}
		n.stopAll()
	})
}

// forked is a network in which n3 has shown n1 and n2 different logs, and neither knows it yet: they are asked for the heads that they hold as machines of before, which do not know
// the question. From now on n3 shows what it showed n1.
func forked(t *testing.T) *network {
	t.Helper()
	n := newNetwork(t, "n1", "n2", "n3")
	n.does("n3", "redoubt group set g")
	show := n.forks("n3")
	for by, second := range map[string]bool{"n1": false, "n2": true} {
		show(second)
		n.does("n3", "redoubt group set for-"+by)
		n.nodes["n1"].older.Store(true)
		n.nodes["n2"].older.Store(true)
		if found := n.looks(by, "n3"); found != "" {
			t.Fatal(found)
		}
	}
	show(false)
	return n
}

// TestHeadsAreAsked: the exchange compares heads by itself, and asks a node that does not know the question again only after a while.
func TestHeadsAreAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := forked(t)
		before := n.nodes["n2"].asked.Load()
		stop := n.exchange("n1")
		time.Sleep(5 * time.Minute)
		if a, b := n.nodes["n2"].asked.Load()-before, n.nodes["n3"].asked.Load(); a != 1 || b < 9 {
			t.Errorf("the older one was asked %d times and the other one %d times", a, b)
		}
		if f := n.nodes["n1"].journal.Findings(); len(f) != 0 {
			t.Errorf("%+v", f)
		}
		n.nodes["n2"].older.Store(false)
		time.Sleep(6 * time.Minute)
		if f := n.nodes["n1"].journal.Findings(); len(f) != 1 || f[0].Node != "n3" || !strings.Contains(f[0].Text, "node n2 holds a head") {
			t.Errorf("%+v", f)
		}
		stop()
		n.stopAll()
	})
}

// TestHeadsBehindMany: a node may hold heads of more nodes than there are any more, and what it tells of the others counts all the same.
func TestHeadsBehindMany(t *testing.T) {
	n := forked(t)
	n.nodes["n2"].older.Store(false)
	n.nodes["n2"].tells = func(h []v1.LogHead) []v1.LogHead {
		var old []v1.LogHead
		for i := range 500 {
			old = append(old, v1.LogHead{Node: fmt.Sprintf("gone%d", i), Head: []byte("x")})
		}
		return append(old, h...)
	}
	if found := n.looks("n1", "n3"); !strings.Contains(found, "node n2 holds a head") {
		t.Errorf("found %q", found)
	}
	n.stopAll()
}

// TestSlowHeadsHoldUpNothing: while a node lets another one wait for the heads that it holds, or for its log when one is compared, what the others do is fetched
// within a moment, and heads of the others are compared.
func TestSlowHeadsHoldUpNothing(t *testing.T) {
	for _, verb := range []string{"log-heads", "log-offer", "log-leaves"} {
		t.Run(verb, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t, "n1", "n2", "n3")
				for by, of := range map[string]string{"n1": "n2", "n3": "n2"} {
					n.does("n2", "redoubt group set for-"+by) // so that n3 holds a head that n1 has not, or the other way round
					if found := n.looks(by, of); found != "" {
						t.Fatal(found)
					}
				}
				n.does("n2", "redoubt group set last")
				n.nodes["n2"].hangs = map[string]bool{verb: true}
				stop := n.exchange("n1")
				asked := n.nodes["n3"].asked.Load()
				for i := range 100 {
					want := fmt.Sprintf("redoubt group set g%d", i)
					n.does("n3", want)
					n.nodes["n1"].journal.News("n3")
					time.Sleep(time.Second)
					if got := n.commands("n1", auditlog.Query{}); !slices.Contains(got, "n3 "+want+" done") {
						t.Fatalf("after a second %q is not known: %q", want, got)
					}
				}
				if a := n.nodes["n3"].asked.Load() - asked; a < 2 {
					t.Errorf("n3 was asked %d times for the heads that it holds", a)
				}
				stop()
				n.stopAll()
			})
		})
	}
}
