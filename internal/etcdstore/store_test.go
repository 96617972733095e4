package etcdstore

import (
	"testing"
	"time"

	"redoubt/internal/confdb"
	"redoubt/internal/confdb/confdbtest"
	"redoubt/internal/fault"
)

func TestStore(t *testing.T) {
	m := newMembers(t)
	m.start(1, ModeNew, nil)
	confdbtest.Run(t, func(*testing.T) confdb.Store { return m.open(1) })
}

// TestClientComesBack has a client that uses the slots of its earlier life.
func TestClientComesBack(t *testing.T) {
	m := newMembers(t)
	m.start(1, ModeNew, nil)
	cfg := ClientConfig{Name: "n1", Endpoints: []string{m.endpoint(1)}, TLS: m.authority.files("n1", "127.0.0.1", time.Now()), Log: m.log}
	for life := range 3 {
		s, err := Dial(cfg)
		if err != nil {
			t.Fatal(err)
		}
		key := confdb.Root + "k"
		e, err := s.Get(bounded(t), key)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Txn(bounded(t), []confdb.Compare{{Key: key, Revision: e.ModRevision + 1}}, []confdb.Op{{Key: key, Value: []byte("wrong")}}); !fault.Is(err, fault.Conflict) {
			t.Fatalf("life %d: %v", life, err)
		}
		if _, err := s.Txn(bounded(t), []confdb.Compare{{Key: key, Revision: e.ModRevision}}, []confdb.Op{{Key: key, Value: []byte("v")}}); err != nil {
			t.Fatalf("life %d: %v", life, err)
		}
		s.Close()
		if _, err := s.Get(bounded(t), key); !fault.Is(err, fault.Unavailable) {
			t.Fatalf("a closed store: %v", err)
		}
	}
	s := m.open(1)
	snap, err := s.Read(bounded(t), slotPrefix)
	if err != nil || len(snap.Entries) != 1 {
		t.Fatalf("slots: %+v, %v", snap, err)
	}
}

// How long the repository has been silent is measured by what it says to watches: calls that are answered say nothing of what a watch that hangs has missed.
func TestSilenceIsThatOfTheWatches(t *testing.T) {
	m := newMembers(t)
	m.start(1, ModeNew, nil)
	s := m.open(1)
	s.began = time.Now().Add(-time.Hour)
	key := confdb.Root + "k"
	put(t, s, key, "v1")
	get(t, s, key)
	if silent := s.Silent(); silent < time.Hour {
		t.Errorf("calls that were answered count: %v", silent)
	}
	first, second := s.Watch(t.Context(), confdb.Root), s.Watch(t.Context(), confdb.Root)
	<-first // the content
	<-second
	s.mu.Lock()
	for w := range s.watches {
		w.heard.Store(time.Now().Add(-time.Hour).UnixNano())
	}
	s.mu.Unlock()
	put(t, s, key, "v2")
	<-first
	<-second
	put(t, s, key, "v3")
	<-first // what came before is noted by now
	<-second
	if silent := s.Silent(); silent >= time.Hour {
		t.Errorf("a watch that has heard does not count: %v", silent)
	}
	hung := &watch{}
	hung.heard.Store(time.Now().Add(-time.Hour).UnixNano())
	s.mu.Lock()
	s.watches[hung] = struct{}{}
	s.mu.Unlock()
	if silent := s.Silent(); silent < time.Hour {
		t.Errorf("the watch that hangs does not count: %v", silent)
	}
}
