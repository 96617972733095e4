package etcdstore

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"redoubt/internal/fault"
)

// saved is a snapshot of a repository with some records, and the client it was made with.
func saved(t *testing.T) (m *members, s *Store, path string, info Info) {
	t.Helper()
	m = newMembers(t)
	m.start(1, ModeNew, nil)
	s = m.open(1)
	for i := range 20 {
		put(t, s, fmt.Sprintf("s/%02d", i), "v")
	}
	put(t, s, "s/00", "changed")
	path = filepath.Join(t.TempDir(), "snapshot")
	told := int64(0)
	info, err := SaveSnapshot(bounded(t), s, path, func(done, total int64) {
		if done < told || total < done {
			t.Errorf("progress %d of %d after %d", done, total, told)
		}
		told = done
	})
	if err != nil {
		t.Fatal(err)
	}
	if info.Keys != 20 || info.Revision < 21 || info.Size != told || len(info.SHA256) != 64 {
		t.Fatalf("the snapshot: %+v, progress to %d", info, told)
	}
	return m, s, path, info
}

func TestSnapshotRoundTrip(t *testing.T) {
	t.Parallel()
	m, s, path, info := saved(t)
	if _, err := SaveSnapshot(bounded(t), s, path, nil); !fault.Is(err, fault.Exists) {
		t.Fatalf("a snapshot over another: %v", err)
	}
	if again, err := VerifySnapshot(t.Context(), path, nil); err != nil || again != info {
		t.Fatalf("verified: %+v, %v; saved: %+v", again, err, info)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); len(left) != 0 {
		t.Fatalf("left behind: %v", left)
	}

	// The repository goes on, is lost, and comes back as it was at the snapshot. A watch that lives through it starts anew.
	changes := follow(t, s, "s/")
	put(t, s, "s/99", "lost")
	last := next(t, changes).Revision
	cfg := m.cfgs["n1"]
	if _, err := RestoreSnapshot(t.Context(), path, cfg, nil); !fault.Is(err, fault.Exists) {
		t.Fatalf("a restore over a repository: %v", err)
	}
	m.stop("n1")
	if err := os.RemoveAll(cfg.Dir); err != nil {
		t.Fatal(err)
	}
	told := int64(0)
	cfg.Log = nil
	if HasData(cfg.Dir) {
		t.Fatal("a directory that is gone has data")
	}
	if _, err := RestoreSnapshot(t.Context(), path, cfg, func(done, total int64) { told = 100 * done / total }); err != nil || told != 100 {
		t.Fatalf("restore at %d%%: %v", told, err)
	}
	if !HasData(cfg.Dir) {
		t.Fatal("the restored directory has no data")
	}
	m.start(1, ModeRestart, nil)
	c := next(t, changes)
	if c.Reset == nil || len(c.Reset.Entries) != 20 || c.Revision <= last {
		t.Fatalf("after the restore the watch of revision %d got %+v", last, c)
	}
	if got := get(t, s, "s/00"); got != "changed" {
		t.Fatalf("restored: %q", got)
	}
	put(t, s, "s/00", "goes on") // with a slot from before
	m.seat(s, 2)
}

func TestDamagedSnapshotIsRefused(t *testing.T) {
	m, _, path, _ := saved(t)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	cfg := m.config(2, ModeRestart, nil)
	for what, b := range map[string][]byte{
		"cut by its sum":   good[:len(good)-32],
		"cut by a page":    append(good[:len(good)-4096-32:len(good)-4096-32], good[len(good)-32:]...),
		"cut":              good[:len(good)/2+1],
		"empty":            {},
		"something else":   []byte("#!/bin/sh\n"),
		"one bit changed":  flip(good, len(good)/2),
		"its sum changed":  flip(good, len(good)-1),
		"longer by a byte": append(good[:len(good):len(good)], 0),
	} {
		bad := filepath.Join(t.TempDir(), "bad")
		if err := os.WriteFile(bad, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := VerifySnapshot(t.Context(), bad, nil); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", what, err)
		}
		if _, err := RestoreSnapshot(t.Context(), bad, cfg, nil); !fault.Is(err, fault.Invalid) {
			t.Errorf("restore, %s: %v", what, err)
		}
		if _, err := os.Stat(cfg.Dir); err == nil {
			t.Errorf("%s: the refused restore has left a directory", what)
		}
	}
	if _, err := VerifySnapshot(t.Context(), path+"-missing", nil); !fault.Is(err, fault.NotFound) {
		t.Errorf("missing: %v", err)
	}
}

func flip(b []byte, at int) []byte {
	c := append([]byte(nil), b...)
	c[at] ^= 1
	return c
}

// TestSnapshotIsNotOld checks that a snapshot holds what was written before it was asked for.
func TestSnapshotIsNotOld(t *testing.T) {
	t.Parallel()
	m := newMembers(t)
	s := m.grow(2)
	for _, at := range []int{1, 2} {
		rev := put(t, s, "k", "v")
		info, err := SaveSnapshot(bounded(t), m.open(at), filepath.Join(t.TempDir(), "snapshot"), nil)
		if err != nil || info.Revision < rev {
			t.Fatalf("at member %d: revision %d was written, the snapshot has %+v, %v", at, rev, info, err)
		}
	}
}
