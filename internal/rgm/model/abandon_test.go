package model

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"redoubt/internal/cluster"
)

// exchanged is a node as the exchange of an authority finds it: what its files hold, which may be behind the repository, and what it has said of them.
type exchanged struct {
	Party
	roots, keys []string
	issuer      string
	said        *Trust
}

// exchanges is a cluster whose authority is exchanged and given up, over and over.
type exchanges struct {
	*rapid.T
	l     Lineage
	nodes []*exchanged
	made  int
}

func (e *exchanges) parties() (out []Party) {
	for _, n := range e.nodes {
		out = append(out, n.Party)
	}
	return out
}

func (e *exchanges) trusts() (out []Trust) {
	for _, n := range e.nodes {
		if n.said != nil {
			out = append(out, *n.said)
		}
	}
	return out
}

// gave is Snapshot.Gave for certificates that are on record until they are replaced.
func (e *exchanges) gave(authority string) bool {
	return slices.ContainsFunc(e.nodes, func(n *exchanged) bool { return n.issuer == authority })
}

// follow has a node do part of what its keeper does in a round: it may be interrupted after each.
func (e *exchanges) follow(n *exchanged, most int) {
	if n.roots = e.l.Fingerprints(); most < 1 {
		return
	}
	var keys []string
	for _, root := range n.roots {
		has := func(m *exchanged) bool { return slices.Contains(m.keys, root) && (m.Present || m == n) }
		if n.Signs && slices.ContainsFunc(e.nodes, has) {
			keys = append(keys, root)
		}
	}
	if n.keys = keys; most < 2 {
		return
	}
	signing, _ := e.l.Signing()
	signs := func(m *exchanged) bool { return m.Present && slices.Contains(m.keys, signing.Fingerprint) }
	if n.issuer != signing.Fingerprint && slices.ContainsFunc(e.nodes, signs) {
		n.issuer = signing.Fingerprint
	}
	if most < 3 {
		return
	}
	n.said = &Trust{Node: n.Name, NodeRoots: slices.Clone(n.roots), Keys: slices.Clone(n.keys), Issuer: n.issuer}
}

func (e *exchanges) advance() bool {
	next, changed, _ := e.l.Next("node", e.parties(), e.trusts(), false)
	e.l = next
	return changed
}

// begin has a node make a successor, whose key is on no other node yet.
func (e *exchanges) begin(n *exchanged) {
	signing, _ := e.l.Signing()
	if e.l.Stage != StageSettled || !slices.Contains(n.keys, signing.Fingerprint) {
		return
	}
	e.made++
	next := fmt.Sprintf("a%d", e.made)
	n.keys = []string{signing.Fingerprint, next}
	e.l.Roots, e.l.Stage = []Root{signing, {Fingerprint: next, Cross: []byte(signing.Fingerprint)}}, StageTrust
}

func (e *exchanges) abandon() {
	if !e.l.Keyless(e.parties(), e.trusts()) || e.l.Abandoned {
		return
	}
	before := e.l
	next, ok := e.l.Abandon(e.gave(e.l.Roots[1].Fingerprint))
	if signing, _ := next.Signing(); !ok || signing.Fingerprint != before.Roots[0].Fingerprint {
		e.Fatalf("given up in %+v: %v, %+v", before, ok, next)
	}
	e.l = next
}

// believed: every node is believed by every other that is there, and itself believes those, if need be by the certificate that the old authority signed for the new one.
func (e *exchanges) believed() {
	for _, a := range e.nodes {
		for _, b := range e.nodes {
			cross := ""
			for _, r := range e.l.Roots {
				if r.Fingerprint == b.issuer {
					cross = string(r.Cross)
				}
			}
			if (a.Present || b.Present) && !slices.Contains(a.roots, b.issuer) && !slices.Contains(a.roots, cross) {
				e.Fatalf("%s trusts %v, and %s shows a certificate of %s: %+v", a.Name, a.roots, b.Name, b.issuer, e.l)
			}
		}
	}
}

// TestAbandonedExchange: whenever nodes die, come back and are removed, giving up an exchange for which nobody has the key shuts nobody out, and it comes to an end.
func TestAbandonedExchange(t *testing.T) {
	reached := map[Stage]int{}
	rapid.Check(t, func(t *rapid.T) {
		e := &exchanges{T: t, l: Lineage{Roots: []Root{{Fingerprint: "a0"}}}}
		for i := range 4 {
			n := &exchanged{Party: Party{Name: cluster.NodeName(fmt.Sprintf("n%d", i)), Present: true, Signs: i < 3}, roots: []string{"a0"}, issuer: "a0"}
			if n.Signs {
				n.keys = []string{"a0"}
			}
			e.nodes = append(e.nodes, n)
			e.follow(n, 3)
		}
		one := func(label string) *exchanged { return rapid.SampledFrom(e.nodes).Draw(t, label) }
		t.Repeat(map[string]func(*rapid.T){
			"": func(*rapid.T) { e.believed() },
			"follow": func(t *rapid.T) {
				if n := one("node"); n.Present {
					e.follow(n, rapid.IntRange(0, 3).Draw(t, "as far as"))
				}
			},
			"advance": func(*rapid.T) { e.advance() },
			"begin": func(*rapid.T) {
				if n := one("by"); n.Present {
					e.begin(n)
				}
			},
			"die": func(*rapid.T) { one("node").Present = false },
			"swap": func(*rapid.T) {
				for _, n := range e.nodes {
					n.Present = !n.Present
				}
			},
			"carry": func(*rapid.T) {
				for _, n := range e.nodes {
					if n.Present {
						e.follow(n, 3)
					}
				}
				e.advance()
			},
			"return": func(*rapid.T) { one("node").Present = true },
			"remove": func(*rapid.T) {
				if n := one("node"); !n.Present && len(e.nodes) > 2 {
					e.nodes = slices.DeleteFunc(e.nodes, func(m *exchanged) bool { return m == n })
				}
			},
			"abandon": func(*rapid.T) {
				before := e.l
				if e.abandon(); e.l.Abandoned && !before.Abandoned {
					reached[before.Stage]++
				}
			},
		})
		// Who is away is lost for good, and removed. What is left comes to rest, with an authority that somebody can sign with.
		e.nodes = slices.DeleteFunc(e.nodes, func(n *exchanged) bool { return !n.Present })
		if !slices.ContainsFunc(e.nodes, func(n *exchanged) bool { return n.Signs }) {
			return
		}
		for range 10 {
			for _, n := range e.nodes {
				e.follow(n, 3)
				e.believed()
			}
			e.abandon()
			e.advance()
			e.believed()
		}
		if root, _ := e.l.Signing(); e.l.Stage != StageSettled || e.l.Abandoned || len(e.l.Roots) != 1 || !slices.Contains(e.trusts()[0].NodeRoots, root.Fingerprint) {
			t.Fatalf("it does not end: %+v, %+v", e.l, e.trusts())
		}
	})
	if reached[StageTrust] == 0 || reached[StageReissue] == 0 {
		t.Errorf("exchanges were given up in these stages only: %v", reached)
	}
}

func TestWhatCanNotBeGivenUp(t *testing.T) {
	two := []Root{{Fingerprint: "old"}, {Fingerprint: "new"}}
	for _, l := range []Lineage{
		{}, {Roots: two[:1]}, {Roots: two[1:], Stage: StageDrop}, {Roots: two[:1], Stage: StageTrust}, {Roots: two, Stage: StageReissue, Abandoned: true},
	} {
		if next, ok := l.Abandon(false); ok {
			t.Errorf("%+v was given up: %+v", l, next)
		}
	}
	if next, ok := (Lineage{Roots: two, Stage: StageTrust}).Abandon(true); !ok || next.Stage != StageReissue || next.Roots[1].Fingerprint != "old" || len(next.Roots) != 2 {
		t.Errorf("what the successor gave would count no more: %v, %+v", ok, next)
	}
}
