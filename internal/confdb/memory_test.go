package confdb_test

import (
	"testing"
	"testing/synctest"

	"redoubt/internal/confdb"
	"redoubt/internal/confdb/confdbtest"
)

func TestMemory(t *testing.T) {
	confdbtest.Run(t, func(*testing.T) confdb.Store { return confdb.NewMemory() })
}

func TestMemoryUnderSynctest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := confdb.NewMemory()
		var seen []confdb.Change
		go func() {
			for c := range m.Watch(t.Context(), confdb.Root) {
				seen = append(seen, c)
			}
		}()
		synctest.Wait()
		if _, err := m.Txn(t.Context(), nil, []confdb.Op{{Key: confdb.KeyCluster, Value: []byte("x")}}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if len(seen) != 2 || seen[0].Reset == nil || seen[1].Revision != 2 {
			t.Fatalf("seen: %+v", seen)
		}
	})
}
