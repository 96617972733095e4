package control_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/balance"
	"redoubt/internal/rgm/model"
)

// shop makes a shared address and a service on three nodes that shares its load by it, both online.
func (w *world) shop(weights string) {
	w.t.Helper()
	res := ok[v1.Result](w.t)
	c := w.c()
	methods := []model.MethodSpec{{Method: model.MethodStart, Timeout: 30}, {Method: model.MethodStop, Timeout: 30}}
	for _, t := range []model.Type{
		{Name: balance.SharedAddress, Version: "1", Driver: "native", Failover: true, NetworkAddress: true, Methods: methods, Properties: []model.PropertySpec{
			{Name: "Address", Type: model.TypeStringArray, Default: []string{}, Unique: true, Tunable: model.TunableWhenDisabled},
		}},
		{Name: "redoubt.everywhere", Version: "1", Driver: "exec", BaseDir: "/types/redoubt.everywhere", Methods: methods},
	} {
		w.put(confdb.KeyType(t.Name), confdb.KindType, t)
	}
	nodes := []string{"n1", "n2", "n3"}
	res(c.GroupCreate(w.ctx, root, v1.GroupCreate{Names: []string{"addr-rg"}, Node: nodes}))
	res(c.GroupCreate(w.ctx, root, v1.GroupCreate{Names: []string{"shop-rg"}, Node: nodes, Scalable: true}))
	res(c.ResourceCreateSharedaddress(w.ctx, root, v1.ResourceCreateSharedaddress{Names: []string{"ip"}, Group: "addr-rg", Address: []string{"10.0.0.9/24"}}))
	res(c.ResourceCreate(w.ctx, root, v1.ResourceCreate{Names: []string{"shop"}, Group: "shop-rg", Type: "redoubt.everywhere", Property: []string{
		"Scalable=true", "Network_resources_used=ip", "Port_list=80/tcp", "Load_balancing_weights=" + weights,
	}}))
	res(c.GroupOnline(w.ctx, root, v1.GroupOnline{Names: []string{"addr-rg", "shop-rg"}, Manage: true, Enable: true}))
}

// resource is the record of a resource.
func (w *world) resource(name cluster.ResourceName) model.Resource {
	w.t.Helper()
	key := confdb.KeyResource(name)
	e, err := w.store.Get(w.ctx, key)
	if err != nil {
		w.t.Fatal(err)
	}
	r, err := confdb.Decode[model.Resource](confdb.KindResource, key, e.Value)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// weights are those of the service.
func (w *world) weights() string {
	w.t.Helper()
	r := w.resource("shop")
	for _, p := range r.Properties {
		if p.Name == balance.PropertyWeights {
			return strings.Join(p.Values, ",")
		}
	}
	return ""
}

// An address that a service shares its load by is not taken away while the service is online, except together with it.
func TestUsedAddressStays(t *testing.T) {
	inWorld(t, func(w *world) {
		res := ok[v1.Result](w.t)
		c := w.c()
		w.shop("3@n3")
		refuse[v1.Result](w.t, fault.Precondition, "resource shop is enabled and shares its load by it")(c.ResourceDisable(w.ctx, root, v1.ResourceDisable{Names: []string{"ip"}}))
		refuse[v1.Result](w.t, fault.Precondition, "resource shop of group shop-rg is online on n1, n2, n3 and shares its load by its resource ip")(c.GroupOffline(w.ctx, root, v1.GroupOffline{Names: []string{"addr-rg"}}))
		refuse[v1.Result](w.t, fault.Precondition, "resource shop of group shop-rg")(c.GroupDelete(w.ctx, root, v1.GroupDelete{Names: []string{"addr-rg"}, Force: true}))
		// The address moves, and goes together with the service.
		res(c.GroupSwitch(w.ctx, root, v1.GroupSwitch{Names: []string{"addr-rg"}, Node: []string{"n2"}}))
		res(c.GroupOffline(w.ctx, root, v1.GroupOffline{Names: []string{"addr-rg", "shop-rg"}}))
		res(c.GroupOnline(w.ctx, root, v1.GroupOnline{Names: []string{"addr-rg", "shop-rg"}}))
		res(c.GroupOffline(w.ctx, root, v1.GroupOffline{Names: []string{"shop-rg"}}))
		res(c.GroupOffline(w.ctx, root, v1.GroupOffline{Names: []string{"addr-rg"}}))
		res(c.GroupOnline(w.ctx, root, v1.GroupOnline{Names: []string{"addr-rg", "shop-rg"}}))
		res(c.ResourceDisable(w.ctx, root, v1.ResourceDisable{Names: []string{"ip"}, Recursive: true}))
		if shop := w.resource("shop"); shop.Enabled {
			t.Error("disabled with all that need it, and shop is enabled")
		}
	})
}

// A node that goes takes its weight along, so that what is left can be changed and taken over; where nobody would have a weight it stays.
func TestWeightsOfNodesThatGo(t *testing.T) {
	inWorld(t, func(w *world) {
		res := ok[v1.Result](w.t)
		c := w.c()
		w.shop("3@n3,2@n2,0@n1")
		res(c.GroupOffline(w.ctx, root, v1.GroupOffline{Names: []string{"shop-rg"}}))
		refuse[v1.Result](w.t, fault.Invalid, "every node has weight 0")(c.GroupSet(w.ctx, root, v1.GroupSet{Names: []string{"shop-rg"}, Property: []string{"Nodelist=n1"}}))
		res(c.GroupRemoveNode(w.ctx, root, v1.GroupRemoveNode{Names: []string{"shop-rg"}, Node: []string{"n3"}}))
		if got := w.weights(); got != "2@n2,0@n1" {
			t.Errorf("after n3 left the nodelist: %s", got)
		}
		res(c.ResourceSet(w.ctx, root, v1.ResourceSet{Names: []string{"shop"}, Property: []string{"Drain_timeout=7"}}))
		// The only one with a weight can not be removed from the cluster.
		refuse[v1.Result](w.t, fault.Precondition, "node n2 is the only one with a weight in Load_balancing_weights of resource shop")(c.NodeRemove(w.ctx, root, v1.NodeRemove{Names: []string{"n2"}, Force: true}))
		res(c.ResourceSet(w.ctx, root, v1.ResourceSet{Names: []string{"shop"}, Property: []string{"Load_balancing_weights=2@n2"}}))
		w.put(confdb.PrefixNetwork+"n2", confdb.KindNetwork, model.Network{Node: "n2", Addresses: []string{"10.0.0.2/24"}})
		res(c.NodeRemove(w.ctx, root, v1.NodeRemove{Names: []string{"n2"}, Force: true}))
		if got := w.weights(); got != "" {
			t.Errorf("after n2 was removed: %s", got)
		}
		if e, err := w.store.Get(w.ctx, confdb.PrefixNetwork+"n2"); err != nil || len(e.Value) > 0 {
			t.Errorf("where n2 was reached: %s, %v", e.Value, err)
		}
		res(c.ResourceSet(w.ctx, root, v1.ResourceSet{Names: []string{"shop"}, Property: []string{"Drain_timeout=8"}}))
	})
}

// The status says how full the memory of a service is, as the holder tells; a node that is gone tells nothing any more.
func TestStatusOfTheMemory(t *testing.T) {
	inWorld(t, func(w *world) {
		w.shop("")
		for node, full := range map[string]int{"n1": 90, "n9": 100} {
			w.put(confdb.PrefixNetwork+node, confdb.KindNetwork, model.Network{Node: cluster.NodeName(node), Memory: []model.Memory{{Resource: "shop", Full: full}}})
		}
		synctest.Wait() // until every node has read it
		s := ok[v1.Status](t)(w.c().ClusterStatus(w.ctx, root, v1.ClusterStatus{}))
		i := slices.IndexFunc(s.Resources, func(r v1.ResourceState) bool { return r.Name == "shop" })
		if s.Resources[i].MemoryFull != 90 {
			t.Errorf("%+v", s.Resources[i])
		}
		if !slices.ContainsFunc(s.Problems, func(p v1.Problem) bool {
			return p.Object == "resource shop" && strings.Contains(p.Text, "90 per cent full")
		}) {
			t.Errorf("problems: %+v", s.Problems)
		}
	})
}
