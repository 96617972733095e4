package posture

import (
	"strings"
	"testing"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/rgm/balance"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/model"
)

// shop is a sound cluster with a scalable service on both nodes.
func shop(t *testing.T) Facts {
	t.Helper()
	f := sound()
	methods := []model.MethodSpec{{Method: model.MethodStart}, {Method: model.MethodStop}}
	f.State.Types = []model.Type{
		{Name: balance.SharedAddress, Driver: "native", Failover: true, NetworkAddress: true, Methods: methods, Properties: []model.PropertySpec{{Name: "Address", Type: model.TypeStringArray, Tunable: model.TunableAnytime}}},
		{Name: "redoubt.many", Driver: "exec", Methods: methods},
	}
	text := func(name, value string) check.Setting { return check.Setting{Name: name, Text: value} }
	group := func(name string, settings ...check.Setting) {
		g, ps := check.NewGroup(f.State, cluster.GroupName(name), settings)
		if err := ps.Err(); err != nil {
			t.Fatal(err)
		}
		f.State = check.WithGroup(f.State, g)
	}
	resource := func(name, group string, typ cluster.TypeName, settings ...check.Setting) {
		r, ps := check.NewResource(f.State, check.ResourceRequest{Name: cluster.ResourceName(name), Group: cluster.GroupName(group), Type: typ, Changes: check.Changes{Any: settings}})
		if err := ps.Err(); err != nil {
			t.Fatal(err)
		}
		f.State = check.WithResource(f.State, r)
	}
	group("addr-rg")
	group("shop-rg", text("Maximum_primaries", "2"), text("Desired_primaries", "2"))
	resource("ip", "addr-rg", balance.SharedAddress, text("Address", "10.9.0.9/24,fd00::9/64"))
	resource("shop", "shop-rg", "redoubt.many", text("Scalable", "true"), text("Network_resources_used", "ip"), text("Port_list", "80/tcp"))
	f.State.Networks = []model.Network{{Node: "n1", Addresses: []string{"10.9.0.1/24", "fd00::1/64"}}, {Node: "n2", Addresses: []string{"10.9.0.2/24", "fd00::2/64"}}}
	return f
}

// A node without an address in the network of a shared address is named, with the service and the address; of one that is away it is not known.
func TestSharedAddressesAreReached(t *testing.T) {
	const id = "RC-NET-004"
	f := shop(t)
	if r := result(t, Run(Checks(), f), id); r.Status != v1.CheckPass {
		t.Errorf("%+v", r)
	}
	f.State.Networks[1].Addresses = []string{"10.9.0.2/24", "fd01::2/64"}
	r := result(t, Run(Checks(), f), id)
	if len(r.Findings) != 1 || r.Findings[0].Object != "resource shop" || !strings.Contains(r.Findings[0].Text, "node n2 has no address of its own in the network of shared address fd00::9:") {
		t.Errorf("%+v", r)
	}
	f.State.Networks = f.State.Networks[:1]
	f.State.Nodes[1].Member = false
	if r := result(t, Run(Checks(), f), id); r.Status != v1.CheckUnknown || !strings.Contains(r.Unknown[0].Why, "node n2 is not in the cluster") {
		t.Errorf("%+v", r)
	}
}
