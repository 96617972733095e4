package posture

import (
	"net/netip"
	"slices"
	"strconv"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/rgm/model"
)

// hostChecks are about the machines.
func hostChecks() []Check {
	return []Check{
		{v1.CheckInfo{
			ID: "RC-NET-002", Severity: Error, Area: areaHost, Title: "The daemon listens where the documentation says, and nowhere else",
			Rationale: "A port that nobody knows of is in no packet filter and in no review.", Remedy: "see docs/reference/network.md, and make sure that it is the program that was installed",
		}, func(f Facts, r *report) {
			r.each(f, func(node string, p *v1.NodePosture) {
				found := false
				for _, s := range p.Sockets {
					if !s.Own {
						continue
					}
					found = true
					switch {
					case !documented(s):
						r.fail("node "+node, "the daemon listens on %s %s port %d, which is in no table", s.Network, s.Address, s.Port)
					case !where(s, f.State, node):
						r.fail("node "+node, "the daemon listens on %s port %d at %s, which is not an address that the table has for it", s.Network, s.Port, s.Address)
					}
				}
				if !found {
					r.unknown("node "+node, "none of the daemon's sockets was found among those of the kernel")
				}
			})
		}},
		{v1.CheckInfo{
			ID: "RC-NET-003", Severity: Info, Area: areaHost, Title: "Nothing else on the machine takes connections from the network",
			Rationale: "Each further port is a way in that Redoubt does not guard. Services of resource groups are among them: look whether you know them all.",
			Remedy:    "stop what is not needed; a packet filter for what is needed from few hosts only",
		}, func(f Facts, r *report) {
			r.each(f, func(node string, p *v1.NodePosture) {
				var seen []string
				for _, s := range p.Sockets {
					if s.Own || loopback(s.Address) || documented(s) {
						continue
					}
					what := s.Network + " port " + strconv.Itoa(s.Port)
					if s.Program != "" {
						what += " (" + s.Program + ")"
					}
					if !slices.Contains(seen, what) {
						seen = append(seen, what)
						r.fail("node "+node, "%s is open", what)
					}
				}
			})
		}},
		{v1.CheckInfo{
			ID: "RC-HST-001", Severity: Warning, Area: areaHost, Title: "The kernel writes no core file of the daemon",
			Rationale: "Keys and private strings would stand in it.", Remedy: "see the log of that node: the daemon asks the kernel for it when it starts",
		}, func(f Facts, r *report) {
			r.each(f, func(node string, p *v1.NodePosture) {
				if p.Core {
					r.fail("node "+node, "a core file of redoubtd may be written")
				}
			})
		}},
		{v1.CheckInfo{
			ID: "RC-HST-002", Severity: Warning, Area: areaHost, Title: "Every node could look at all of itself",
			Rationale: "What a node could not look at may be as it should be, or not.", Remedy: "see the finding",
		}, func(f Facts, r *report) {
			r.each(f, func(node string, p *v1.NodePosture) {
				for _, m := range p.Missing {
					r.unknown("node "+node, "%s", m)
				}
			})
		}},
	}
}

// documented reports whether a socket is in the table of the network, or in the configuration of the node.
func documented(s v1.SocketFact) bool {
	return s.Own && s.Wanted || slices.ContainsFunc(cluster.Listeners(), func(l cluster.Listener) bool { return l.Network == s.Network && l.Port == s.Port })
}

// where reports whether a socket of a node's daemon, which is in the table, is on an address that the table has for it.
func where(s v1.SocketFact, state model.State, node string) bool {
	i := slices.IndexFunc(state.Nodes, func(n model.NodeState) bool { return string(n.Name) == node })
	at, err := netip.ParseAddr(s.Address)
	if s.Wanted || i < 0 || err != nil {
		return err == nil
	}
	own := addressesOf(state, state.Nodes[i].Node)
	return slices.ContainsFunc(cluster.Listeners(), func(l cluster.Listener) bool {
		return l.Network == s.Network && l.Port == s.Port && l.Covers(at, own)
	})
}

// addressesOf are the addresses of a node by their kind.
func addressesOf(state model.State, node model.Node) cluster.Addresses {
	var out cluster.Addresses
	parse := func(text string) netip.Addr {
		a, _ := netip.ParseAddr(text)
		return a
	}
	out.Private = parse(node.PrivateAddress)
	for _, text := range node.Addresses {
		out.Interconnects = append(out.Interconnects, parse(text))
	}
	for _, other := range state.Nodes {
		if model.Apart(node, other.Node) {
			out.Public = parse(node.PublicAddress)
			out.Carried = append(out.Carried, parse(other.PrivateAddress))
		}
	}
	return out
}

func loopback(address string) bool {
	a, err := netip.ParseAddr(address)
	return err == nil && a.Unmap().IsLoopback()
}
