package engine

import (
	"fmt"
	"log/slog"
	"testing"

	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/rgm/model"
)

// BenchmarkPublish makes a snapshot of 2,500 groups with 10,000 resources after the report of one node about one group has changed: what a storm of starts asks of every node
// again and again.
func BenchmarkPublish(b *testing.B) {
	m := NewMirror(nil, slog.New(slog.DiscardHandler))
	var rev cluster.Revision
	put := func(key string, kind confdb.Kind, record any) {
		value, err := confdb.EncodeFor(confdb.Newest(), kind, record)
		if err != nil {
			b.Fatal(err)
		}
		rev++
		m.take(confdb.Entry{Key: key, Value: value, ModRevision: rev})
	}
	instance := func(n cluster.NodeName, g cluster.GroupName) {
		put(confdb.KeyInstance(n, g), confdb.KindInstance, model.Instance{Group: g, Node: n})
	}
	for i := range 2500 {
		g := cluster.GroupName(fmt.Sprintf("g%04d", i))
		put(confdb.KeyGroup(g), confdb.KindGroup, model.Group{Name: g, Nodelist: []cluster.NodeName{"n1", "n2", "n3"}})
		put(confdb.KeyWant(g), confdb.KindWant, model.Want{Group: g})
		put(confdb.KeyAssign(g), confdb.KindAssignment, model.Assignment{Group: g})
		for _, n := range []cluster.NodeName{"n1", "n2", "n3"} {
			instance(n, g)
		}
		for j := range 4 {
			r := cluster.ResourceName(fmt.Sprintf("%s-r%d", g, j))
			put(confdb.KeyResource(r), confdb.KindResource, model.Resource{Name: r, Group: g})
		}
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		instance("n2", cluster.GroupName(fmt.Sprintf("g%04d", i%2500)))
		m.publish(rev)
	}
}
