package etcdstore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"redoubt/internal/fault"
)

// stopped is the data directory of a member that has stopped in order.
func stopped(t *testing.T) (MemberConfig, *members) {
	t.Helper()
	m := newMembers(t)
	m.start(1, ModeNew, nil)
	s := m.open(1)
	for i := range 300 {
		put(t, s, fmt.Sprintf("d/%03d", i), strings.Repeat("v", 200))
	}
	m.stop("n1")
	return m.config(1, ModeRestart, nil), m
}

// copyOf gives cfg with a copy of its data.
func copyOf(t *testing.T, cfg MemberConfig) MemberConfig {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "repository")
	if err := os.CopyFS(dir, os.DirFS(cfg.Dir)); err != nil {
		t.Fatal(err)
	}
	cfg.Dir = dir
	return cfg
}

// alter changes a file in place.
func alter(t *testing.T, path string, f func(b []byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, f(b), 0o600); err != nil {
		t.Fatal(err)
	}
}

// logFile is the log's file in use.
func logFile(t *testing.T, dir string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(walDir(dir), "*.wal"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no log: %v", err)
	}
	return names[len(names)-1]
}

// used is the length of what a file allocated ahead really holds.
func used(b []byte) int {
	return len(strings.TrimRight(string(b), "\x00"))
}

func TestDamagedDataIsRefused(t *testing.T) {
	cfg, _ := stopped(t)
	noise := rand.New(rand.NewPCG(1, 2))
	overwrite := func(b []byte, from, to int) []byte {
		for i := from; i < to; i++ {
			b[i] = byte(noise.Uint32())
		}
		return b
	}
	for what, damage := range map[string]func(dir string){
		"the database is cut":                   func(dir string) { alter(t, dbFile(dir), func(b []byte) []byte { return b[:5000] }) },
		"the database is empty":                 func(dir string) { alter(t, dbFile(dir), func([]byte) []byte { return nil }) },
		"the database is overwritten":           func(dir string) { alter(t, dbFile(dir), func(b []byte) []byte { return overwrite(b, 0, 200_000) }) },
		"the database is overwritten past head": func(dir string) { alter(t, dbFile(dir), func(b []byte) []byte { return overwrite(b, 8192, 200_000) }) },
		"the database is gone":                  func(dir string) { os.Remove(dbFile(dir)) },
		"the log is overwritten": func(dir string) {
			alter(t, logFile(t, dir), func(b []byte) []byte { return overwrite(b, used(b)/2, used(b)/2+200) })
		},
		"the log is overwritten from its begin": func(dir string) {
			alter(t, logFile(t, dir), func(b []byte) []byte { return overwrite(b, 0, 100) })
		},
		"the log is cut in half": func(dir string) {
			alter(t, logFile(t, dir), func(b []byte) []byte { return b[:used(b)/2] })
		},
		"the log is empty": func(dir string) { alter(t, logFile(t, dir), func([]byte) []byte { return nil }) },
	} {
		bad := copyOf(t, cfg)
		damage(bad.Dir)
		m, err := StartMember(t.Context(), bad)
		if err == nil {
			m.Close()
			t.Errorf("%s: the member starts", what)
			continue
		}
		if !fault.Is(err, fault.Internal) || !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), bad.Dir) || !strings.Contains(err.Error(), "redoubtd restore") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestTornLogIsRepaired has the last record of the log half written, as a machine leaves it that loses its power.
func TestTornLogIsRepaired(t *testing.T) {
	cfg, m := stopped(t)
	f, err := os.OpenFile(logFile(t, cfg.Dir), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	// The begin of a record: its length, and nothing of it.
	if _, err := f.WriteAt([]byte{100, 0, 0, 0, 0, 0, 0, 0}, int64((used(b)+7)/8*8)); err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(int64((used(b)+7)/8*8) + 12); err != nil {
		t.Fatal(err)
	}
	f.Close()
	m.startWith(cfg)
	if got := get(t, m.open(1), "d/299"); got == "" {
		t.Fatal("the newest record is gone")
	}
}

// TestAnyDamageIsCaught overwrites the database at random places: reading it gives a result or an error and never ends the process.
func TestAnyDamageIsCaught(t *testing.T) {
	cfg, _ := stopped(t)
	good, err := os.ReadFile(dbFile(cfg.Dir))
	if err != nil {
		t.Fatal(err)
	}
	path, refused := filepath.Join(t.TempDir(), "db"), 0
	for seed := range uint64(150) {
		r := rand.New(rand.NewPCG(seed, 0))
		b := append([]byte(nil), good[:min(len(good), 400_000)]...)
		for range 1 + r.IntN(4) {
			at := r.IntN(len(b) / 16)
			for i := range 1 + r.IntN(24) {
				b[min(16*at+i, len(b)-1)] = byte(r.Uint32())
			}
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readDatabase(context.Background(), path); err != nil {
			refused++
		}
	}
	if refused < 20 {
		t.Fatalf("only %d of 150 damages were seen", refused)
	}
}

func TestDirectoryHasToFitTheMode(t *testing.T) {
	cfg, m := stopped(t)
	cfg.Mode = ModeNew
	if _, err := StartMember(t.Context(), cfg); !fault.Is(err, fault.Exists) {
		t.Errorf("a new repository over an old one: %v", err)
	}
	empty := m.config(2, ModeRestart, nil)
	if _, err := StartMember(t.Context(), empty); !fault.Is(err, fault.Precondition) {
		t.Errorf("a restart of nothing: %v", err)
	}
	cfg.Mode = ModeRestart
	m.startWith(cfg)
	if _, err := StartMember(t.Context(), cfg); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("a directory in use: %v", err)
	}
}
