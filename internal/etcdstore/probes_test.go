package etcdstore

import (
	"testing"
	"time"
)

// A name that etcd does not have any more would be a new variable, which is 0.
func TestProbesAreRare(t *testing.T) {
	if want := [2]time.Duration{4 * time.Second, 5 * time.Second}; etcdProbes != want {
		t.Errorf("etcd probes every %v and complains after %v, not %v: look where it keeps that now", etcdProbes[0], etcdProbes[1], want)
	}
}
