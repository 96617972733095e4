package engine

import (
	"maps"
	"slices"
	"testing"
	"testing/synctest"

	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/membership"
	"redoubt/internal/rgm/model"
)

// What a node looks at again is what is different and what depends on it, not all that there is; all of it when the members are others, and when the lease ends or begins.
func TestOnlyWhatChangedIsLookedAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 3, 9, 2)
		f.settle()
		f.end()
		x, self, other := f.doers["n02"], cluster.NodeName("n02"), cluster.NodeName("n01")
		depend := func(on cluster.GroupName, g cluster.GroupName) (string, confdb.Kind, any) {
			r := model.Resource{Name: cluster.ResourceName(g + "-0"), Group: g, Type: "t", Enabled: true}
			if on != "" {
				r.Dependencies = []model.Dependency{{On: cluster.ResourceName(on + "-0"), Kind: model.DependStrong}}
			}
			return confdb.KeyResource(r.Name), confdb.KindResource, r
		}
		see := func(what string, want []cluster.GroupName, key string, kind confdb.Kind, v any) {
			t.Helper()
			m := f.mirrors[self]
			e := confdb.Entry{Key: key, ModRevision: 1000}
			if v != nil {
				e.Value = record(t, kind, v)
			}
			m.publish(m.absorb(confdb.Change{Revision: 1000, Entries: []confdb.Entry{e}}))
			clear(x.stale)
			x.read()
			if got := slices.Sorted(maps.Keys(x.stale)); !slices.Equal(got, want) {
				t.Errorf("%s: looks again at %v, want %v", what, got, want)
			}
		}
		groups := func(names ...cluster.GroupName) []cluster.GroupName { return names }
		all := slices.Sorted(maps.Keys(x.groups))
		// g0003 comes to depend on g0001, and g0005 on g0003.
		key, kind, r := depend("g0001", "g0003")
		see("a new dependency", groups("g0001", "g0003"), key, kind, r)
		key, kind, r = depend("g0003", "g0005")
		see("a new dependency", groups("g0003", "g0005"), key, kind, r)
		see("an order", groups("g0001", "g0003", "g0005"), confdb.KeyAssign("g0001"), confdb.KindAssignment, model.Assignment{Group: "g0001", Version: 9})
		see("an order", groups("g0003", "g0005"), confdb.KeyAssign("g0005"), confdb.KindAssignment, model.Assignment{Group: "g0005", Version: 9})
		see("an order", groups("g0004"), confdb.KeyAssign("g0004"), confdb.KindAssignment, model.Assignment{Group: "g0004", Version: 9})
		see("what is asked for", groups("g0001", "g0003", "g0005"), confdb.KeyWant("g0001"), confdb.KindWant, model.Want{Group: "g0001", Seq: 9})
		see("a report", groups("g0001", "g0003", "g0005"), confdb.KeyInstance(other, "g0001"), confdb.KindInstance, model.Instance{Group: "g0001", Node: other})
		see("a report of its own", nil, confdb.KeyInstance(self, "g0001"), confdb.KindInstance, model.Instance{Group: "g0001", Node: self})
		see("a group", groups("g0002"), confdb.KeyGroup("g0002"), confdb.KindGroup, model.Group{Name: "g0002", Managed: true})
		see("a new group", groups("new"), confdb.KeyGroup("new"), confdb.KindGroup, model.Group{Name: "new"})
		see("a farewell", groups("gone"), confdb.KeyFarewell(self, "gone", "r"), confdb.KindFarewell, model.Farewell{Node: self, Group: model.Group{Name: "gone"}, Resource: model.Resource{Name: "r"}})
		see("a farewell elsewhere", nil, confdb.KeyFarewell(other, "gone", "r"), confdb.KindFarewell, model.Farewell{Node: other, Group: model.Group{Name: "gone"}, Resource: model.Resource{Name: "r"}})
		see("a node", nil, confdb.KeyNode(other), confdb.KindNode, model.Node{Name: other})
		key, kind, r = depend("", "g0003")
		see("a dependency that is gone", groups("g0001", "g0003", "g0005"), key, kind, r)
		see("a resource that is deleted", groups("g0003", "g0005"), confdb.KeyResource("g0005-1"), confdb.KindResource, nil)
		all = slices.Sorted(slices.Values(append(all, "new", "gone")))
		see("a type", all, confdb.KeyType("t"), confdb.KindType, model.Type{Name: "t"})
		see("the members", all, confdb.KeyMembership, confdb.KindMembership, f.rec)
		if x.groups["new"] == nil || x.groups["gone"] == nil {
			t.Errorf("nobody looks after what is new: %v", slices.Sorted(maps.Keys(x.groups)))
		}
		x.member.view.Store(&membership.View{})
		clear(x.stale)
		x.read()
		if got := slices.Sorted(maps.Keys(x.stale)); !slices.Equal(got, all) {
			t.Errorf("without a lease: looks again at %v, want %v", got, all)
		}
	})
}
