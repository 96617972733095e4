package etcdstore

import (
	"time"
	_ "unsafe" // for go:linkname
)

// Each member of etcd measures the way to every other one by two requests every four seconds, whose result is a line in its log and a metric of its own. Each of them is a
// connection, with its handshake at both ends, and together they were an eighth of what a daemon at rest costs. The membership knows what they find out, earlier. etcd has no
// setting for it; its two variables are set here, and TestProbesAreRare finds out when they are no longer there.

const probesEvery = 5 * time.Minute

//go:linkname proberInterval go.etcd.io/etcd/server/v3/etcdserver/api/rafthttp.proberInterval
var proberInterval time.Duration

// statusErrorInterval is how long etcd waits for the first probe before it complains.
//
//go:linkname statusErrorInterval go.etcd.io/etcd/server/v3/etcdserver/api/rafthttp.statusErrorInterval
var statusErrorInterval time.Duration

// etcdProbes is what etcd has by itself.
var etcdProbes = [2]time.Duration{proberInterval, statusErrorInterval}

func init() { proberInterval, statusErrorInterval = probesEvery, probesEvery+5*time.Second }
