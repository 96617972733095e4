package etcdstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"redoubt/internal/confdb"
	"redoubt/internal/fault"
)

// fill writes a file until the disk is full.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); errors.Is(err, syscall.ENOSPC) {
			size /= 16
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// TestFullDisk fills the disk under a repository of one member: it goes on as long as what it has reserved lasts, stops in order, and comes back when there is room.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	m := newMembers(t)
	p := m.spawn(1, ModeNew, nil, "96m")
	p.expect("ready")
	s := m.open(1)
	rev := put(t, s, "k", "before")
	hog := filepath.Join(fmt.Sprintf("/proc/%d/root", p.cmd.Process.Pid), m.cfgs["n1"].Dir, "hog")
	fill(t, hog)
	put(t, s, "k", "on the reserve")
	var err error
	value := []byte(strings.Repeat("v", 20_000))
	for i := range 5000 {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		_, err = s.Txn(ctx, nil, []confdb.Op{{Key: fmt.Sprintf("%sbig/%d", confdb.Root, i), Value: value}})
		cancel()
		if err != nil {
			break
		}
	}
	if !fault.Is(err, fault.Unavailable) && !fault.Is(err, fault.Timeout) {
		t.Fatalf("writing to a full disk: %v", err)
	}
	if line := p.expect("stopped"); !strings.HasPrefix(line, "stopped unavailable") || !strings.Contains(line, "is full") {
		t.Fatal(line)
	}
	if err := os.Remove(hog); err != nil {
		t.Fatal(err)
	}
	p.expect("ready")
	if e, err := s.Get(bounded(t), confdb.Root+"k"); err != nil || string(e.Value) != "on the reserve" || e.ModRevision <= rev {
		t.Fatalf("after the disk was full: %+v, %v", e, err)
	}
	put(t, s, "k", "after")
}

// once is a log that is waited for: said is closed with the first line that has the words.
type once struct {
	words string
	said  chan struct{}
	sync.Once
}

func saysOnce(words string) *once { return &once{words: words, said: make(chan struct{})} }

func (o *once) Write(line []byte) (int, error) {
	if strings.Contains(string(line), o.words) {
		o.Do(func() { close(o.said) })
	}
	return len(line), nil
}

// TestQuota fills the repository with history, which is forgotten, and then with records, which have to be removed.
func TestQuota(t *testing.T) {
	t.Parallel()
	m := newMembers(t)
	cfg := m.config(1, ModeNew, nil)
	cfg.Quota = 4 << 20
	vain := saysOnce("takes no writes: remove objects")
	cfg.Log = slog.New(slog.NewTextHandler(vain, nil))
	m.startWith(cfg)
	s := m.open(1)
	value := []byte(strings.Repeat("v", 300_000))
	write := func(key string) error {
		return second(s.Txn(bounded(t), nil, []confdb.Op{{Key: confdb.Root + key, Value: value}}))
	}
	full := func(key func(i int) string) {
		t.Helper()
		for i := range 100 {
			if err := write(key(i)); err != nil && strings.Contains(err.Error(), "remove objects") {
				return
			} else if err != nil {
				t.Fatal(err)
			}
		}
		t.Fatal("the repository never fills")
	}
	full(func(int) string { return "one" })
	eventually(t, "the history is forgotten", func() error { return write("one") })
	// An alarm that was raised twice may come back once after it was ended, and refuses a write although there is room.
	count := 0
	eventually(t, "the member has given pages back, in vain", func() error {
		for {
			select {
			case <-vain.said:
				return nil
			default:
			}
			if err := write(fmt.Sprint("many/", count)); err != nil {
				return err
			}
			count++
		}
	})
	eventually(t, "records are removed", func() error {
		snap, err := s.Read(bounded(t), confdb.Root+"many/")
		if err != nil {
			return err
		}
		for _, e := range snap.Entries {
			_, err := s.Txn(bounded(t), []confdb.Compare{{Key: e.Key, Revision: e.ModRevision}}, []confdb.Op{{Key: e.Key}})
			if err != nil {
				return err
			}
		}
		return nil
	})
	eventually(t, "there is room again", func() error { return write("one") })
}

// TestStillness: the reserve is looked after while something is written, once more afterwards, and every tenth time when nothing is.
func TestStillness(t *testing.T) {
	var s stillness
	var looked []int
	for i := range 30 {
		index := uint64(7)
		if i >= 5 {
			index = 9
		}
		if s.due(index) {
			looked = append(looked, i)
		}
	}
	if want := []int{0, 1, 5, 6, 15, 25}; !slices.Equal(looked, want) {
		t.Errorf("looked at %v, want %v", looked, want)
	}
	fresh := stillness{}
	if !fresh.due(0) {
		t.Error("a new repository is not looked at")
	}
}
