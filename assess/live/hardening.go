package live

import (
	"slices"
	"strings"

	v1 "redoubt/api/v1"
)

// hardened is the status of an item that is as it should be.
const hardened = "good"

// hardening adds the items of the nodes' reports to the results of checks. An item passes where every node reported it as it should be; it is unknown where a node has no
// report, or one without the item.
func (b *builder) hardening(results map[string]v1.CheckResult) {
	reports := map[string]map[string]string{}
	items := map[string]bool{}
	for _, h := range b.e.Hardening {
		if reports[h.Node] == nil {
			reports[h.Node] = map[string]string{}
		}
		for _, i := range h.Items {
			reports[h.Node][i.ID] = i.Status
			items[i.ID] = true
		}
	}
	var without []string
	for _, n := range b.e.Status.Nodes {
		if reports[n.Name] == nil {
			without = append(without, n.Name)
		}
	}
	switch {
	case len(b.e.Hardening) == 0:
		b.note(sayHardening)
		return
	case len(without) > 0:
		b.note(sayHardeningOf, strings.Join(without, ", "))
	}
	for id := range items {
		r := v1.CheckResult{CheckInfo: v1.CheckInfo{ID: id}, Status: v1.CheckPass}
		for _, n := range b.e.Status.Nodes {
			switch status, ok := reports[n.Name][id]; {
			case !ok:
				if r.Status == v1.CheckPass {
					r.Status = v1.CheckUnknown
				}
			case status != hardened:
				r.Status = v1.CheckFail
				r.Findings = append(r.Findings, v1.CheckFinding{Object: "node " + n.Name, Text: status})
			}
		}
		results[id] = r
	}
}

// unknownNodes are nodes of hardening reports that the cluster does not have.
func (e *Export) unknownNodes() []string {
	var out []string
	for _, h := range e.Hardening {
		if !slices.ContainsFunc(e.Status.Nodes, func(n v1.NodeState) bool { return n.Name == h.Node }) {
			out = append(out, h.Node)
		}
	}
	return out
}
