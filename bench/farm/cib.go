package farm

import (
	"bytes"
	"fmt"

	"redoubt/internal/cluster"
	"redoubt/internal/rgm/model"
)

// CIB is the same cluster as Pacemaker's configuration and status: groups of resources with their loads as utilization, hard limits as the capacity of the nodes,
// affinities as colocations, dependencies of groups as orders, the first node of the nodelist as a location, priorities, and how readily a group moves as stickiness.
// Soft limits and the rest of the nodelists have no equivalent. Every node has reported where each resource is: nothing has to be probed.
func CIB(s model.State) []byte {
	b := &bytes.Buffer{}
	b.WriteString(`<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" epoch="1" num_updates="0" admin_epoch="0" have-quorum="1" dc-uuid="` + fmt.Sprint(len(s.Nodes)) + `"><configuration>` +
		`<crm_config><cluster_property_set id="o"><nvpair id="o1" name="stonith-enabled" value="false"/><nvpair id="o2" name="placement-strategy" value="balanced"/></cluster_property_set></crm_config><nodes>` + "\n")
	for _, n := range s.Nodes {
		fmt.Fprintf(b, `<node id="%d" uname="%s"><utilization id="u-%s">`, n.ID, n.Name, n.Name)
		for _, l := range n.LoadLimits {
			pair(b, string(n.Name), l.Name, l.Hard)
		}
		b.WriteString("</utilization></node>\n")
	}
	b.WriteString("</nodes><resources>\n")
	resources := map[cluster.GroupName][]cluster.ResourceName{}
	for _, r := range s.Resources {
		resources[r.Group] = append(resources[r.Group], r.Name)
	}
	for _, g := range s.Groups {
		fmt.Fprintf(b, `<group id="%s"><meta_attributes id="m-%s">`, g.Name, g.Name)
		pair(b, string(g.Name), "priority", int64(g.Priority))
		pair(b, string(g.Name), "resource-stickiness", stickiness[g.PreemptionMode])
		b.WriteString("</meta_attributes>")
		for i, r := range resources[g.Name] {
			primitive(b, g, r, i == 0)
		}
		b.WriteString("</group>\n")
	}
	b.WriteString("</resources><constraints>\n")
	for _, g := range s.Groups {
		fmt.Fprintf(b, `<rsc_location id="l-%s" rsc="%s" node="%s" score="50"/>`, g.Name, g.Name, g.Nodelist[0])
		for _, a := range g.Affinities {
			fmt.Fprintf(b, `<rsc_colocation id="c-%s-%s" rsc="%s" with-rsc="%s" score="%s"/>`, g.Name, a.Target, g.Name, a.Target, scores[a.Kind])
		}
		for _, d := range g.Dependencies {
			fmt.Fprintf(b, `<rsc_order id="d-%s-%s" first="%s" then="%s" kind="Mandatory"/>`, g.Name, d, d, g.Name)
		}
		b.WriteString("\n")
	}
	b.WriteString("</constraints></configuration><status>\n")
	on := map[cluster.GroupName]cluster.NodeName{}
	for _, a := range s.Assignments {
		for _, t := range a.Targets {
			on[a.Group] = t.Node
		}
	}
	for _, n := range s.Nodes {
		status(b, s, n, on)
	}
	b.WriteString("</status></cib>\n")
	return b.Bytes()
}

var stickiness = map[model.PreemptionMode]int64{"": 100, model.PreemptionNoCost: 10, model.PreemptionNever: 1_000_000}

var scores = map[model.AffinityKind]string{model.AffinityForbid: "-INFINITY", model.AffinityRequire: "INFINITY", model.AffinityPrefer: "100", model.AffinityAvoid: "-100"}

func pair(b *bytes.Buffer, of, name string, value int64) {
	fmt.Fprintf(b, `<nvpair id="v-%s-%s" name="%s" value="%d"/>`, of, name, name, value)
}

// primitive is one resource; the first of a group bears its load.
func primitive(b *bytes.Buffer, g model.Group, r cluster.ResourceName, loaded bool) {
	fmt.Fprintf(b, `<primitive id="%s" class="ocf" provider="pacemaker" type="Dummy">`, r)
	if loaded {
		fmt.Fprintf(b, `<utilization id="u-%s">`, r)
		for _, f := range g.LoadFactors {
			pair(b, string(r), f.Name, f.Load)
		}
		b.WriteString("</utilization>")
	}
	fmt.Fprintf(b, `<operations><op id="m-%s" name="monitor" interval="10s" timeout="20s"/></operations></primitive>`, r)
}

// status is the state of a node with the history of every resource on it.
func status(b *bytes.Buffer, s model.State, n model.NodeState, on map[cluster.GroupName]cluster.NodeName) {
	if !n.Member {
		fmt.Fprintf(b, `<node_state id="%d" uname="%s" in_ccm="false" crmd="offline" join="down" expected="down"/>`+"\n", n.ID, n.Name)
		return
	}
	fmt.Fprintf(b, `<node_state id="%d" uname="%s" in_ccm="true" crmd="online" join="member" expected="member"><lrm id="%d"><lrm_resources>`+"\n", n.ID, n.Name, n.ID)
	for i, r := range s.Resources {
		call := 2*i + 1
		fmt.Fprintf(b, `<lrm_resource id="%s" type="Dummy" class="ocf" provider="pacemaker">`, r.Name)
		if on[r.Group] == n.Name {
			operation(b, n.Name, r.Name, "last_0", "start", 0, 0, call)
			operation(b, n.Name, r.Name, "monitor_10000", "monitor", 10000, 0, call+1)
		} else {
			operation(b, n.Name, r.Name, "last_0", "monitor", 0, 7, call)
		}
		b.WriteString("</lrm_resource>\n")
	}
	b.WriteString("</lrm_resources></lrm></node_state>\n")
}

// Pacemaker compares an operation's parameters with the current ones by a digest; where it differs or is missing, it would start the resource anew.
// These are of an operation without parameters, and of a monitor whose only one is its timeout of 20 s.
const (
	digestPlain   = "f2317cad3d54cec5d7d7aa7d0bf35cf8"
	digestMonitor = "4811cef7f7f94e3a35a70be7916cb2fd"
)

func operation(b *bytes.Buffer, n cluster.NodeName, r cluster.ResourceName, suffix, name string, interval, code, call int) {
	digest := digestPlain
	if interval > 0 {
		digest = digestMonitor
	}
	key := fmt.Sprintf("%d:1:%d:b0000000-0000-0000-0000-000000000000", call, code)
	fmt.Fprintf(b, `<lrm_rsc_op id="%s_%s" operation_key="%s_%s_%d" operation="%s" crm_feature_set="3.16.1" transition-key="%s" transition-magic="0:%d;%s" on_node="%s" call-id="%d" rc-code="%d" op-status="0" interval="%d" last-rc-change="1700000000" exec-time="10" queue-time="0" op-digest="%s"/>`,
		r, suffix, r, name, interval, name, key, code, key, n, call, code, interval, digest)
}
