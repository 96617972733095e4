// Package confdb is the contract of the configuration repository: a small set of keys with values, one revision that grows with every
// transaction, compare-and-swap on everything, and a watch that misses nothing. The implementations are internal/etcdstore (embedded etcd) and
// Memory (for tests and the simulator); both pass confdbtest.Run.
package confdb

import (
	"context"

	"redoubt/internal/cluster"
)

// Entry is a key with its value.
type Entry struct {
	Key         string
	Value       []byte
	ModRevision cluster.Revision // the transaction that wrote this value; 0: the key does not exist
}

// Compare is a condition of a transaction: the key's newest ModRevision is Revision (0: it does not exist).
type Compare struct {
	Key      string
	Revision cluster.Revision
}

// Op is one write of a transaction. A nil Value deletes the key.
type Op struct {
	Key   string
	Value []byte
}

// Snapshot is all keys of the repository at one revision, sorted by key.
type Snapshot struct {
	Revision cluster.Revision
	Entries  []Entry
}

// Change is what a watch reports: everything one transaction did, in order, or, with Reset, that the watcher has to start anew
// from this Snapshot because the history it asked for is gone or the connection changed.
type Change struct {
	Revision cluster.Revision
	Entries  []Entry // Value nil: deleted
	Reset    *Snapshot
}

// Store is the configuration repository.
//
// Every method ends when ctx does. Errors are *fault.Error: Unavailable (no majority, try again), Timeout (the outcome is unknown), Conflict
// (Txn only: a Compare did not hold, nothing was written).
type Store interface {
	// Get reads one key linearizably; a missing key is an Entry with ModRevision 0 and no error.
	Get(ctx context.Context, key string) (Entry, error)
	// Read returns all keys below prefix, linearizably.
	Read(ctx context.Context, prefix string) (Snapshot, error)
	// Txn writes all ops or, when a compare does not hold, nothing. It returns the revision of the transaction.
	Txn(ctx context.Context, compares []Compare, ops []Op) (cluster.Revision, error)
	// Watch delivers first a Reset with the content below prefix, then every change after it in order, until ctx ends;
	// the channel is then closed. It reconnects by itself; while it can not, nothing is delivered.
	Watch(ctx context.Context, prefix string) <-chan Change
}
