package posture

import (
	"slices"
	"strings"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/rgm/model"
	"redoubt/internal/rgm/outside"
)

// leastFree is how much room there has to be on the file system of the repository.
const leastFree = 512 << 20

// farOff is by how much the clocks of two nodes may differ.
const farOff = time.Second

// nodeChecks are about what runs on each node.
func nodeChecks() []Check {
	return []Check{
		{v1.CheckInfo{
			ID: "RC-GRD-001", Severity: Warning, Area: areaNodes, Title: "The guard has every right that it asks for",
			Rationale: "The guard ends the services of a node that has lost its lease. Without locked memory and real-time priority a machine under load can delay it.",
			Remedy:    "give redoubtd the rights that its unit file asks for",
		}, func(f Facts, r *report) {
			for _, n := range f.Nodes {
				for _, w := range n.GuardWarnings {
					r.fail("node "+n.Node, "guard: %s", w)
				}
			}
		}},
		{v1.CheckInfo{
			ID: "RC-GRD-002", Severity: Warning, Area: areaNodes, Title: "Every node has a hardware watchdog or a fence agent",
			Rationale: "A machine that freezes as a whole runs no guard. When it thaws after its groups were taken over, its services run on for an instant.",
			Remedy:    "give these machines a hardware watchdog, or configure a fence agent with `redoubt node set-fence`",
		}, func(f Facts, r *report) {
			if bare := f.bare(); bare != "" {
				r.fail(f.cluster(), "neither a watchdog nor a fence agent protects against a machine that freezes whole and thaws after its groups were taken over: %s", bare)
			}
		}},
		{v1.CheckInfo{
			ID: "RC-GRD-003", Severity: Error, Area: areaNodes, Title: "The fence agents that are configured are installed on every node",
			Rationale: "Whoever is president when a node is lost fences it; where the agent is missing, nothing is taken over.", Remedy: "install the package fence-agents",
		}, func(f Facts, r *report) {
			for _, n := range f.State.Nodes {
				if n.QuorumServer || n.Fence == nil {
					continue
				}
				for _, at := range f.Nodes {
					if at.Node != string(n.Name) && !f.quorumServer(at.Node) && !slices.Contains(at.FenceAgents, n.Fence.Agent) {
						r.failed(Error, "node "+string(n.Name), "install the package fence-agents on node "+at.Node,
							"its fence agent %s is not installed on node %s: if that is president when the node is lost, its groups are not taken over", n.Fence.Agent, at.Node)
					}
				}
			}
		}},
		{v1.CheckInfo{
			ID: "RC-GRD-004", Severity: Warning, Area: areaNodes, Title: "Services that the guard can not end run only on nodes with a fence agent",
			Rationale: "A virtual machine, a container or a device of the kernel is none of the processes that the guard ends when its node loses its lease: it runs on while another node starts it. A watchdog does not help, for the machine is well.",
			Remedy:    "configure a fence agent for the node with `redoubt node set-fence`, or have the resource start the service itself",
		}, outlasting},
		{v1.CheckInfo{
			ID: "RC-NOD-001", Severity: Warning, Area: areaNodes, Title: "No node has anything to say against itself",
			Rationale: "A node knows best what does not work on it.", Remedy: "see the log of that node",
		}, func(f Facts, r *report) {
			for _, n := range f.Nodes {
				for _, w := range n.Warnings {
					r.failed(Warning, "node "+n.Node, "", "%s", w)
				}
			}
		}},
		{v1.CheckInfo{
			ID: "RC-NOD-002", Severity: Error, Area: areaNodes, Title: "The repository has room to grow",
			Rationale: "A voter whose disk is full drops out of the quorum.", Remedy: "make room on the file system of its data directory",
		}, func(f Facts, r *report) {
			for _, n := range f.Nodes {
				if n.FreeBytes > 0 && n.FreeBytes < leastFree {
					r.fail("node "+n.Node, "%d MB are free for the repository, which needs %d MB", n.FreeBytes>>20, leastFree>>20)
				}
			}
		}},
		{v1.CheckInfo{
			ID: "RC-CLK-001", Severity: Warning, Area: areaNodes, Title: "The clocks of the nodes agree",
			Rationale: "Leases do not depend on the time of day, but certificates, permissions to join and the command log do.", Remedy: "correct it, and let NTP keep the clocks together",
		}, func(f Facts, r *report) {
			for _, n := range f.Nodes {
				switch {
				case n.ClockSure == 0 || n.ClockSure > farOff:
					r.unknown("node "+n.Node, "it did not tell the time, or too slowly to compare")
				case n.ClockOff.Abs() > farOff+n.ClockSure:
					word := "ahead of"
					if n.ClockOff < 0 {
						word = "behind"
					}
					r.fail("node "+n.Node, "its clock is %s %s that of the node that looked", n.ClockOff.Abs().Round(100*time.Millisecond), word)
				}
			}
		}},
		{v1.CheckInfo{
			ID: "RC-CLK-002", Severity: Warning, Area: areaNodes, Title: "The clock of every node is kept by NTP or another source",
			Rationale: "Clocks that nobody keeps drift apart by seconds a week.", Remedy: "install and start chrony, ntpsec or systemd-timesyncd",
		}, func(f Facts, r *report) {
			r.each(f, func(node string, p *v1.NodePosture) {
				switch {
				case p.ClockSynced == nil:
					r.unknown("node "+node, "its kernel does not say")
				case !*p.ClockSynced:
					r.fail("node "+node, "its kernel says that nothing keeps its clock")
				}
			})
		}},
		{v1.CheckInfo{
			ID: "RC-LOG-001", Severity: Error, Area: areaNodes, Title: "The command log of every node is whole",
			Rationale: "Who changes what was recorded hides what was done.", Remedy: "see `redoubt log verify`",
		}, func(f Facts, r *report) { r.problems(f.Problems.Log) }},
	}
}

// outlasting finds the nodes without a fence agent on which a service may run that the guard can not end.
func outlasting(f Facts, r *report) {
	fenced := map[cluster.NodeName]bool{}
	for _, n := range f.State.Nodes {
		fenced[n.Name] = n.Fence != nil
	}
	for _, res := range f.State.Resources {
		where := outside.Resource(res)
		i := slices.IndexFunc(f.State.Groups, func(g model.Group) bool { return g.Name == res.Group })
		if where == "" || i < 0 {
			continue
		}
		var bare []string
		for _, n := range f.State.Groups[i].Nodelist {
			if !fenced[n] {
				bare = append(bare, string(n))
			}
		}
		if len(bare) > 0 && len(f.State.Groups[i].Nodelist) > 1 {
			r.fail("resource "+string(res.Name), "it %s: the guard can not end it when its node loses its lease, and these nodes have no fence agent: %s", where, strings.Join(bare, ", "))
		}
	}
}
