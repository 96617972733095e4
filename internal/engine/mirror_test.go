package engine

import (
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/rgm/model"
)

// record encodes one for a key.
func record(t interface{ Fatal(args ...any) }, kind confdb.Kind, v any) []byte {
	value, err := confdb.EncodeFor(confdb.Newest(), kind, v)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// TestMirrorFollows changes a repository at random. However it came there, a snapshot is what one would be that read the repository whole; and a snapshot that was given stays
// as it was.
func TestMirrorFollows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := NewMirror(nil, slog.New(slog.DiscardHandler))
		m.absorb(confdb.Change{Reset: &confdb.Snapshot{}})
		now := map[string]confdb.Entry{}
		type given struct {
			serial        uint64
			shown, copied model.State
			entries       map[string]confdb.Entry
		}
		var old []given
		var rev cluster.Revision
		name := rapid.SampledFrom([]string{"a", "a-b", "b", "c.d"})
		for range rapid.IntRange(1, 40).Draw(t, "changes") {
			rev++
			n, node := name.Draw(t, "name"), cluster.NodeName(rapid.SampledFrom([]string{"n1", "n2", "n10"}).Draw(t, "node"))
			g, note := cluster.GroupName(n), fmt.Sprint(rev)
			e := confdb.Entry{ModRevision: rev}
			switch rapid.IntRange(0, 4).Draw(t, "kind") {
			case 0:
				e.Key, e.Value = confdb.KeyGroup(g), record(t, confdb.KindGroup, model.Group{Name: g, Description: note})
			case 1:
				e.Key, e.Value = confdb.KeyResource(cluster.ResourceName(n)), record(t, confdb.KindResource, model.Resource{Name: cluster.ResourceName(n), Group: g, Description: note})
			case 2:
				e.Key, e.Value = confdb.KeyInstance(node, g), record(t, confdb.KindInstance, model.Instance{Group: g, Node: node, Version: uint64(rev)})
			case 3:
				e.Key, e.Value = confdb.KeyNode(node), record(t, confdb.KindNode, model.Node{Name: node})
			case 4:
				e.Key, e.Value = confdb.KeyAssign(g), record(t, confdb.KindAssignment, model.Assignment{Group: g, Version: uint64(rev)})
			}
			switch rapid.IntRange(0, 5).Draw(t, "how") {
			case 0:
				e.Value = nil
			case 1:
				e.Value = []byte("damaged")
			}
			if e.Value == nil {
				delete(now, e.Key)
			} else {
				now[e.Key] = e
			}
			m.absorb(confdb.Change{Revision: rev, Entries: []confdb.Entry{e}})
			if rapid.Bool().Draw(t, "publish") {
				m.publish(rev)
				s := m.Snapshot().State
				kept := s
				kept.Groups, kept.Resources = slices.Clone(s.Groups), slices.Clone(s.Resources)
				kept.Assignments, kept.Instances = slices.Clone(s.Assignments), slices.Clone(s.Instances)
				old = append(old, given{m.Snapshot().Serial, s, kept, maps.Clone(now)})
			}
		}
		m.publish(rev)
		whole := NewMirror(nil, slog.New(slog.DiscardHandler))
		reset := confdb.Snapshot{Revision: rev}
		for _, e := range now {
			reset.Entries = append(reset.Entries, e)
		}
		whole.absorb(confdb.Change{Reset: &reset})
		whole.publish(rev)
		got, want := m.Snapshot(), whole.Snapshot()
		for key := range now {
			if got.Revision(key) != now[key].ModRevision || want.Revision(key) != now[key].ModRevision {
				t.Errorf("%s has revision %d, and read whole %d, instead of %d", key, got.Revision(key), want.Revision(key), now[key].ModRevision)
			}
		}
		if got.Revision("nothing") != 0 {
			t.Error("what does not exist has a revision")
		}
		for _, g := range old {
			// What is different is known, and it is not taken for more than what was written.
			changed, known := got.Since(g.serial)
			for key := range union(g.entries, now) {
				if g.entries[key].ModRevision != now[key].ModRevision && !slices.Contains(changed, key) || !known {
					t.Errorf("%s is different since snapshot %d, and nobody is told: %v, %v", key, g.serial, changed, known)
				}
			}
			if g.serial == got.Serial && len(changed) > 0 {
				t.Errorf("nothing came after the last snapshot, and %v is said to be different", changed)
			}
		}
		got.Revision, want.Revision, want.Serial, got.journal, want.journal = nil, nil, got.Serial, journal{}, journal{}
		if !reflect.DeepEqual(normal(got), normal(want)) {
			t.Errorf("followed: %+v\nread whole: %+v", got, want)
		}
		if !slices.IsSortedFunc(got.State.Instances, func(a, b model.Instance) int {
			return slices.Compare([]string{string(a.Group), string(a.Node)}, []string{string(b.Group), string(b.Node)})
		}) {
			t.Errorf("reports out of order: %+v", got.State.Instances)
		}
		for _, g := range old {
			if !reflect.DeepEqual(g.shown, g.copied) {
				t.Errorf("a snapshot was changed after it was given: %+v, and was %+v", g.shown, g.copied)
			}
		}
	})
}

// union has the keys of both.
func union(a, b map[string]confdb.Entry) map[string]confdb.Entry {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// A mirror that has to begin anew, or has seen more changes since than it remembers, does not know what is different from before; from then on it does.
func TestMirrorForgetsWhatChanged(t *testing.T) {
	m := NewMirror(nil, slog.New(slog.DiscardHandler))
	entry := func(i int) confdb.Entry {
		return confdb.Entry{Key: confdb.KeyGroup(cluster.GroupName(fmt.Sprintf("g%d", i))), Value: []byte("damaged"), ModRevision: cluster.Revision(i)}
	}
	differ := func(serial uint64, want int) {
		t.Helper()
		keys, known := m.Snapshot().Since(serial)
		if known != (want >= 0) || known && len(keys) != want {
			t.Errorf("since snapshot %d: %d changes, known: %v; want %d", serial, len(keys), known, want)
		}
	}
	differ(0, -1)
	m.publish(m.absorb(confdb.Change{Reset: &confdb.Snapshot{Entries: []confdb.Entry{entry(1)}}}))
	differ(0, -1)
	differ(1, 0)
	m.publish(m.absorb(confdb.Change{Entries: []confdb.Entry{entry(2), entry(3)}}))
	differ(1, 2)
	first := m.Snapshot()
	for i := range journalLimit {
		m.absorb(confdb.Change{Entries: []confdb.Entry{entry(4 + i)}})
	}
	m.publish(4)
	differ(1, -1)
	differ(3, 0)
	if keys, known := first.Since(1); !known || len(keys) != 2 {
		t.Errorf("an older snapshot has come to say %v, %v", keys, known)
	}
	m.publish(m.absorb(confdb.Change{Reset: &confdb.Snapshot{}}))
	differ(3, -1)
	differ(4, 0)
}

// normal makes no difference between none and no list.
func normal(s Snapshot) Snapshot {
	if len(s.State.Groups) == 0 {
		s.State.Groups = nil
	}
	if len(s.State.Resources) == 0 {
		s.State.Resources = nil
	}
	if len(s.State.Assignments) == 0 {
		s.State.Assignments = nil
	}
	if len(s.State.Instances) == 0 {
		s.State.Instances = nil
	}
	if len(s.Damaged) == 0 {
		s.Damaged = nil
	}
	return s
}
