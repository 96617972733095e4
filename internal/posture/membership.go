package posture

import (
	"slices"
	"strings"

	v1 "redoubt/api/v1"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/model"
)

// The areas of the checks.
const (
	areaMembership   = "membership"
	areaGroups       = "resource groups"
	areaNodes        = "nodes"
	areaCertificates = "certificates"
	areaFiles        = "files"
	areaAccess       = "access"
	areaHost         = "host"
	areaDependencies = "dependencies"
)

// membershipChecks are about the cluster as a whole.
func membershipChecks() []Check {
	return []Check{
		{v1.CheckInfo{
			ID: "RC-MEM-001", Severity: Error, Area: areaMembership, Title: "Every member answers",
			Rationale: "A member whose daemon does not answer keeps its vote and its groups, but nothing of it can be looked at or changed.",
			Remedy:    "see whether redoubtd runs there and whether the private network reaches it",
		}, func(f Facts, r *report) {
			for _, n := range f.Silent {
				r.fail("node "+n, "it is a member or a quorum server, and heard, but does not answer")
			}
		}},
		{v1.CheckInfo{
			ID: "RC-MEM-002", Severity: Error, Area: areaMembership, Title: "Nodes, votes, copies of the repository and paths are as they should be",
			Rationale: "What `redoubt status` shows as a problem now is the first thing to put right: the next failure may find nothing to fall back on.",
			Remedy:    "what the finding says",
		}, func(f Facts, r *report) { r.problems(f.Problems.Membership) }},
		{v1.CheckInfo{
			ID: "RC-MEM-003", Severity: Warning, Area: areaMembership, Title: "There is a second node to take over",
			Rationale: "One node alone is restarted, not replaced.", Remedy: "let a second machine join",
		}, func(f Facts, r *report) {
			if len(check.NodesThatRun(f.State)) == 1 {
				r.fail(f.cluster(), "there is one node: nothing can take over from it")
			}
		}},
		{v1.CheckInfo{
			ID: "RC-MEM-004", Severity: Warning, Area: areaMembership, Title: "Two nodes have a third vote",
			Rationale: "Of two nodes one holds the vote that counts; without a third vote the other one can not go on alone.",
			Remedy:    "add a quorum server with `redoubt quorum add`, or a third node",
		}, func(f Facts, r *report) {
			if running := len(check.NodesThatRun(f.State)); running == 2 && len(f.State.Nodes) == running {
				r.fail(f.cluster(), "two nodes have one vote that counts: when the node with the vote is lost, the other one stops too")
			}
		}},
		{v1.CheckInfo{
			ID: "RC-MEM-005", Severity: Warning, Area: areaMembership, Title: "All nodes run the same version",
			Rationale: "A mixture is meant for the time of an upgrade; what one version corrects, another still has.", Remedy: "bring the nodes to one version, one after the other",
		}, func(f Facts, r *report) {
			first := ""
			for _, n := range f.Nodes {
				switch {
				case n.Version == "" || n.Version == first:
				case first == "":
					first = n.Version
				default:
					r.fail("node "+n.Node, "it runs version %s, others run %s", n.Version, first)
				}
			}
		}},
		{v1.CheckInfo{
			ID: "RC-NET-001", Severity: Warning, Area: areaMembership, Title: "There is more than one interconnect",
			Rationale: "With one private network a single cable or switch parts the nodes from each other.", Remedy: "add a second network with `redoubt interconnect add`",
		}, func(f Facts, r *report) {
			enabled := 0
			for _, i := range f.State.Cluster.Interconnects {
				if !i.Disabled {
					enabled++
				}
			}
			if enabled == 1 && len(f.State.Nodes) > 1 {
				r.fail(f.cluster(), "there is one interconnect: when it fails the nodes lose each other")
			}
		}},
		{v1.CheckInfo{
			ID: "RC-CFG-001", Severity: Error, Area: areaGroups, Title: "The configuration is consistent",
			Rationale: "Records that contradict each other are worked around one way or another, and not as anybody meant.", Remedy: "change the object that the finding names",
		}, func(f Facts, r *report) {
			for _, p := range check.All(f.State) {
				r.failed(Error, p.Path, "", "%s", p.Text)
			}
		}},
		{v1.CheckInfo{
			ID: "RC-RGM-001", Severity: Error, Area: areaGroups, Title: "Resource groups and resources are as they should be",
			Rationale: "A group that is blocked, suspended or faulted is not taken over when its node is lost.", Remedy: "what the finding says",
		}, func(f Facts, r *report) { r.problems(f.Problems.Groups) }},
	}
}

// quorumServer reports whether a node is one, and runs nothing.
func (f Facts) quorumServer(name string) bool {
	return slices.ContainsFunc(f.State.Nodes, func(n model.NodeState) bool { return n.QuorumServer && string(n.Name) == name })
}

func (f Facts) cluster() string { return "cluster " + f.State.Cluster.Name }

// bare are the nodes on which nothing helps against a machine that freezes as a whole and thaws again.
func (f Facts) bare() string {
	watchdog := map[string]bool{}
	for _, n := range f.Nodes {
		watchdog[n.Node] = n.Watchdog != ""
	}
	var out []string
	for _, n := range f.State.Nodes {
		if !n.QuorumServer && n.Fence == nil && !watchdog[string(n.Name)] {
			out = append(out, string(n.Name))
		}
	}
	return strings.Join(out, ", ")
}
