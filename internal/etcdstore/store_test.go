package etcdstore

import (
	"testing"

	"redoubt/internal/confdb"
	"redoubt/internal/confdb/confdbtest"
)

func TestStore(t *testing.T) {
	m := newMembers(t)
	m.start(1, ModeNew, nil)
	confdbtest.Run(t, func(*testing.T) confdb.Store { return m.open(1) })
}
