package posture

import (
	"net/netip"
	"strings"

	v1 "redoubt/api/v1"
	"redoubt/internal/rgm/balance"
)

// serviceChecks are about scalable services.
func serviceChecks() []Check {
	return []Check{{v1.CheckInfo{
		ID: "RC-NET-004", Severity: Warning, Area: areaGroups, Title: "Every node of a scalable service has an address of its own in the network of each shared address",
		Rationale: "The holder of a shared address hands packets on in that network. A node that has no address there runs its instance for nothing.",
		Remedy:    "give the node an address in that network, or take it out of the nodelist",
	}, func(f Facts, r *report) {
		for _, res := range f.State.Resources {
			if !balance.Scalable(res) || res.Deleting {
				continue
			}
			for _, n := range f.State.Nodes {
				missing := balance.Unreached(f.State, res, n.Name)
				switch {
				case len(missing) == 0:
				case !n.Member:
					r.unknown("resource "+string(res.Name), "node %s is not in the cluster, and has not told of an address in the network of %s", n.Name, texts(missing))
				default:
					r.fail("resource "+string(res.Name), "node %s has no address of its own in the network of shared address %s: it takes no part in the service", n.Name, texts(missing))
				}
			}
		}
	}}}
}

func texts(addrs []netip.Addr) string {
	var out []string
	for _, a := range addrs {
		out = append(out, a.String())
	}
	return strings.Join(out, ", ")
}
