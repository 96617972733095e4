package etcdstore

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"redoubt/internal/confdb"
	"redoubt/internal/fault"
)

// What a repository knew can be read after its member has stopped, and from a snapshot: the newest value of each record, and none that was deleted.
func TestRecordsOfARepositoryThatDoesNotRun(t *testing.T) {
	t.Parallel()
	m, s, path, info := saved(t)
	put(t, s, "s/00", "later")
	if _, err := s.Txn(bounded(t), nil, []confdb.Op{{Key: confdb.Root + "s/01"}}); err != nil {
		t.Fatal(err)
	}
	some := func(key string) bool { return strings.HasPrefix(key, confdb.Root+"s/0") }
	dir := m.cfgs["n1"].Dir
	if _, _, err := Records(t.Context(), dir, some); !fault.Is(err, fault.Unavailable) {
		t.Errorf("while its member runs: %v", err)
	}
	m.stop("n1")
	values := func(path string) (map[string]string, int64) {
		t.Helper()
		list, at, err := Records(t.Context(), path, some)
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]string{}
		for _, e := range list {
			out[strings.TrimPrefix(e.Key, confdb.Root)] = string(e.Value)
		}
		return out, int64(at)
	}
	now, at := values(dir)
	if _, there := now["s/01"]; there || now["s/00"] != "later" || now["s/09"] != "v" || len(now) != 9 || at <= int64(info.Revision) {
		t.Errorf("at %d it knew %v", at, now)
	}
	if then, at := values(path); then["s/00"] != "changed" || then["s/01"] != "v" || len(then) != 10 || at != int64(info.Revision) {
		t.Errorf("the snapshot, at %d, knew %v", at, then)
	}
	if err := os.WriteFile(dbFile(dir), []byte("no database"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Records(t.Context(), dir, some); !fault.Is(err, fault.Internal) {
		t.Errorf("of a damaged one: %v", err)
	}
	if _, _, err := Records(t.Context(), filepath.Join(dir, "nowhere"), some); !os.IsNotExist(err) && !strings.Contains(err.Error(), "no such file") {
		t.Errorf("of none: %v", err)
	}
}
