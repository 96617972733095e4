package check_test

import (
	"testing"

	"redoubt/internal/cluster"
	"redoubt/internal/rgm/balance"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/model"
)

func TestScalableResource(t *testing.T) {
	s := state()
	s = check.WithType(s, model.Type{
		Name: balance.SharedAddress, Driver: "native", Failover: true, NetworkAddress: true, Methods: []model.MethodSpec{{Method: model.MethodStart}, {Method: model.MethodStop}},
		Properties: []model.PropertySpec{{Name: "Address", Type: model.TypeStringArray, Required: true, Unique: true, Tunable: model.TunableWhenDisabled}},
	})
	create := func(name, group, typ string, texts ...string) check.Problems {
		r, ps := check.NewResource(s, check.ResourceRequest{Name: named(name), Group: grouped(group), Type: typed(typ), Changes: check.Changes{Any: settings(t, texts...)}})
		if len(ps) == 0 {
			s = check.WithResource(s, r)
		}
		return ps
	}
	says(t, create("ip", "web-rg", string(balance.SharedAddress), "Address=10.0.0.9/24"))
	says(t, create("ip2", "many-rg", string(balance.SharedAddress), "Address=10.0.0.10/24"), "runs on one node at a time")
	many := func(texts ...string) check.Problems {
		return create("svc", "many-rg", "redoubt.many", append([]string{"Scalable=true"}, texts...)...)
	}
	says(t, many(), "Port_list: names no port", "uses no shared address")
	says(t, many("Port_list=80/tcp", "Network_resources_used=web-ip"), "is of type redoubt.logicalhostname and no shared address")
	says(t, many("Port_list=80/tcp", "Network_resources_used=nothing"), "resource nothing does not exist")
	says(t, many("Port_list=80/tcp", "Network_resources_used=ip", "Load_balancing_weights=1@n3"), "node n3 is not in the nodelist")
	says(t, many("Port_list=80/tcp", "Network_resources_used=ip", "Load_balancing_weights=0@n1,0@n2"), "every node has weight 0")
	says(t, many("Port_list=80/tcp", "Network_resources_used=ip", "Load_balancing_policy=round"), "Load_balancing_policy")
	says(t, many("Port_list=80/tcp", "Network_resources_used=ip", "Affinity_timeout=-2"), "Affinity_timeout")
	says(t, create("svc", "far-rg", "redoubt.many", "Scalable=true", "Port_list=80/tcp", "Network_resources_used=ip"), "group far-rg runs on one node at a time")
	// One that depends on the address needs no other word; names of policies are written as people like.
	says(t, many("Port_list=80/tcp,53/udp", "Resource_dependencies=ip", "Load_balancing_policy=LB_STICKY"))
	says(t, create("svc2", "many-rg", "redoubt.many", "Scalable=true", "Port_list=80/tcp", "Network_resources_used=ip"), "80/tcp of shared address ip belongs to resource svc already")
	says(t, create("svc3", "many-rg", "redoubt.many", "Scalable=true", "Port_list=53/tcp", "Network_resources_used=ip"))
	says(t, create("any", "many-rg", "redoubt.many", "Scalable=true", "Load_balancing_policy=Lb_sticky_wild", "Network_resources_used=ip"))
	says(t, create("any2", "many-rg", "redoubt.many", "Scalable=true", "Load_balancing_policy=Lb_sticky_wild", "Network_resources_used=ip"), "resource any has all ports of shared address ip already")
	// What is used stays, and what is scalable stays in groups that are.
	ip, _ := check.Resource(s, "ip")
	ip.Enabled = false
	says(t, check.DeleteResource(s, ip, nil, false), "resource svc shares its load by it", "resource svc3 shares", "resource any shares")
	g, _ := check.Group(s, "many-rg")
	_, ps := check.SetGroup(s, g, settings(t, "Desired_primaries=1", "Maximum_primaries=1"))
	says(t, ps, "resource svc:", "resource svc3:", "resource any:")
}

func named(s string) cluster.ResourceName { return cluster.ResourceName(s) }
func grouped(s string) cluster.GroupName  { return cluster.GroupName(s) }
func typed(s string) cluster.TypeName     { return cluster.TypeName(s) }
