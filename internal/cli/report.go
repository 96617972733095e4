package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "redoubt/api/v1"
)

// report writes the whole state for people: what there is, and then what is wrong with it and what to do.
func (l look) report(s *v1.Status) string {
	var b strings.Builder
	if !s.InCluster {
		b.WriteString("This node is in no cluster.\n\n")
		if s.Removed != "" {
			b.WriteString(l.wrapped("", l.paint(bad, s.Removed)+". It runs nothing. To have it back, allow it and let it join again.") + "\n")
		}
		b.WriteString("  redoubt cluster create --name NAME --node NODE --interconnect CIDR   makes one of this node\n")
		b.WriteString("  redoubt node join --sponsor NODE --fingerprint SHA256:...            joins another node's\n")
		l.problems(&b, s)
		return b.String()
	}
	l.cluster(&b, s)
	l.section(&b, "Nodes")
	b.WriteString(l.nodes("  ", s.Nodes))
	if len(s.Groups) > 0 {
		l.section(&b, "Resource groups")
		b.WriteString(l.groups("  ", s.Groups))
		b.WriteString(l.notes("  ", s.Groups, false))
	}
	if len(s.Resources) > 0 {
		l.section(&b, "Resources")
		b.WriteString(l.resources("  ", s.Resources, true))
	}
	if len(s.Groups) == 0 {
		b.WriteString("\nThere is no resource group yet: redoubt group create -n NODE,NODE GROUP\n")
	}
	l.problems(&b, s)
	return b.String()
}

func (l look) section(b *strings.Builder, name string) {
	b.WriteString("\n" + l.paint(heading, name) + "\n")
}

func (l look) cluster(b *strings.Builder, s *v1.Status) {
	c := s.Cluster
	if c == nil {
		c = &v1.ClusterState{}
	}
	president := "no president"
	if c.President != "" {
		president = "president " + c.President
	}
	fmt.Fprintf(b, "%s %s   epoch %d, %s, as %s sees it\n", l.paint(heading, "Cluster"), c.Name, c.Epoch, president, s.Node)
	b.WriteString(l.quorum(c.Quorum))
	if t := c.Timing; t.QuantumMs > 0 {
		profile := ""
		if t.Profile != "" {
			profile = " (profile " + t.Profile + ")"
		}
		if t.Transitions {
			profile += ", a former timing counts beside it until all nodes have the new one"
		}
		fmt.Fprintf(b, "Heartbeat every %d ms, a node is given up after %d ms%s\n", t.QuantumMs, t.TimeoutMs, profile)
		for _, w := range t.Waits {
			b.WriteString(l.wrapped("", "A change of the timing would wait: "+w))
		}
	}
	if c.Schema.Next > 0 {
		b.WriteString(l.wrapped("", fmt.Sprintf("Version %d of the repository's schema counts; every node reads version %d: redoubt cluster upgrade --commit", c.Schema.Active, c.Schema.Next)))
	}
	if s.Degraded != "" {
		b.WriteString(l.wrapped("", l.paint(bad, "This may not be the newest state: ")+s.Degraded))
	}
}

func (l look) quorum(q v1.QuorumState) string {
	var missing, bare []string
	for _, v := range q.Voters {
		switch {
		case !v.Present:
			missing = append(missing, v.Node)
		case v.Copy != "usable":
			bare = append(bare, v.Copy+" on "+v.Node)
		}
	}
	line := fmt.Sprintf("%d of %d votes present, %d copies usable, %d needed", q.Present, len(q.Voters), q.Usable, q.Needed)
	switch {
	case !q.Quorate:
		line += ": the majority is lost, services are stopped here"
	case !q.Writable:
		line += ": too few copies, nothing can be changed and nothing moves"
	case q.Margin <= 0:
		line += ": none may fail"
	default:
		line += fmt.Sprintf(": %d more may fail", q.Margin)
	}
	colour := good
	switch {
	case !q.Quorate || !q.Writable:
		colour = bad
	case len(missing)+len(bare) > 0:
		colour = working
	}
	line = l.paint(heading, "Quorum") + "  " + l.paint(colour, line)
	if len(missing) > 0 {
		line += "; missing: " + strings.Join(missing, ", ")
	}
	if len(bare) > 0 {
		line += "; copy of the repository: " + strings.Join(bare, ", ")
	}
	if len(q.Changing) > 0 {
		line += "; the voters are changing to " + strings.Join(q.Changing, ", ")
	}
	return l.wrapped("", line)
}

// nodeStates says what the states of a node mean, in the words people use for them.
var nodeStates = map[string]string{"member": "Online", "away": "Offline", "leaving": "Leaving", "quorum-server": "Quorum server"}

func (l look) nodes(indent string, nodes []v1.NodeState) string {
	var rows [][]string
	for _, n := range nodes {
		state := l.paint(meaning(n.State), stateOfNode(n))
		vote := "no"
		if n.Voter {
			vote = "yes"
		}
		rows = append(rows, []string{n.Name, state, vote, l.paths(n.Paths), strings.Join(remarks(n), "; ")})
	}
	return l.grid(indent, []string{"Node Name", "Status", "Vote", "Paths", "Remarks"}, rows)
}

func stateOfNode(n v1.NodeState) string { return cmp.Or(nodeStates[n.State], spell(n.State)) }

// remarks are what else is to be said of a node.
func remarks(n v1.NodeState) []string {
	var out []string
	if n.President {
		out = append(out, "president")
	}
	if n.Why != "" {
		out = append(out, n.Why)
	}
	if n.LeaseMs != nil && *n.LeaseMs <= 0 {
		out = append(out, "without a lease")
	}
	if n.EvacuatedUntil != nil {
		out = append(out, "evacuated until "+n.EvacuatedUntil.Local().Format(time.TimeOnly))
	}
	if n.FenceAgent != "" {
		out = append(out, "fenced by "+n.FenceAgent)
	}
	return out
}

// paths says how many paths lead to a node, and which do not.
func (l look) paths(paths []v1.PathStatus) string {
	if len(paths) == 0 {
		return "-"
	}
	online := 0
	var faulty []string
	for _, p := range paths {
		if p.State == "online" {
			online++
		} else {
			faulty = append(faulty, p.Network+" "+p.State)
		}
	}
	line := fmt.Sprintf("%d of %d online", online, len(paths))
	switch {
	case len(faulty) == 0:
		return line
	case online == 0:
		return l.paint(bad, line)
	}
	return l.paint(working, line+"; "+strings.Join(faulty, ", "))
}

func (l look) groups(indent string, groups []v1.GroupState) string {
	var rows [][]string
	for _, g := range groups {
		nodes := g.Nodes
		if len(nodes) == 0 {
			nodes = []v1.GroupNode{{Node: "-", State: g.State}}
		}
		for i, n := range nodes {
			name, suspended := g.Name, "No"
			if g.Suspended {
				suspended = l.paint(working, "Yes")
			}
			if i > 0 {
				name = ""
			}
			state := l.state(n.State) + blocked(n)
			if n.Wanted && n.State == "OFFLINE" {
				state += " (wanted here)"
			}
			rows = append(rows, []string{name, n.Node, suspended, state})
		}
	}
	return l.grid(indent, []string{"Group Name", "Node Name", "Suspended", "State"}, rows)
}

// blocked says what holds a group up on a node.
func blocked(n v1.GroupNode) string {
	switch {
	case n.BlockedOn == "":
		return ""
	case n.State == "ERROR_STOP_FAILED":
		return ", because of " + n.BlockedOn
	}
	return ", waits for " + n.BlockedOn
}

// notes says why groups are where they are. Without all only those speak that are not as they should be.
func (l look) notes(indent string, groups []v1.GroupState, all bool) string {
	var b strings.Builder
	for _, g := range groups {
		if !all && (g.State == "ONLINE" && !g.Suspended || !g.Managed) {
			continue
		}
		for _, n := range g.Notes {
			where := ""
			if n.Node != "" {
				where = " on " + n.Node
			}
			b.WriteString(l.wrapped(indent, fmt.Sprintf("%s%s: %s", g.Name, where, n.Text)))
		}
	}
	if b.Len() == 0 {
		return ""
	}
	return "\n" + b.String()
}

// resources sets the resources. In brief a node on which a resource is simply offline has no line, except where it is offline everywhere.
func (l look) resources(indent string, resources []v1.ResourceState, brief bool) string {
	var rows [][]string
	for _, r := range resources {
		nodes := r.Nodes
		if brief {
			nodes = slices.DeleteFunc(slices.Clone(nodes), func(n v1.ResourceNode) bool {
				return n.State == "OFFLINE" && n.Status != "FAULTED" && n.Status != "DEGRADED" && n.Message == ""
			})
		}
		if len(nodes) == 0 {
			enabled := slices.ContainsFunc(r.Nodes, func(n v1.ResourceNode) bool { return n.Enabled }) || len(r.Nodes) == 0
			nodes = []v1.ResourceNode{{Node: "-", State: "OFFLINE", Status: "OFFLINE", Enabled: enabled, Monitored: true}}
		}
		for i, n := range nodes {
			name := r.Name
			if i > 0 {
				name = ""
			}
			health := l.health(n)
			if i == 0 && r.MemoryFull > 0 {
				health += fmt.Sprintf(" (memory of connections %d%% full)", r.MemoryFull)
			}
			rows = append(rows, []string{name, n.Node, l.state(n.State), health})
		}
	}
	return l.grid(indent, []string{"Resource Name", "Node Name", "State", "Status Message"}, rows)
}

// health is what is known of a resource's health, as Solaris Cluster writes it: "Online - ready".
func (l look) health(n v1.ResourceNode) string {
	line := l.state(n.Status)
	if n.Message != "" {
		line += " - " + n.Message
	} else if s := n.Share; s != nil && n.State != "OFFLINE" {
		switch {
		case s.Why != "":
			line += " - takes no new connections: " + s.Why
		default:
			line += fmt.Sprintf(" - %d of %d slots, weight %d", s.Slots, s.Of, s.Weight)
		}
	}
	var more []string
	if !n.Enabled {
		more = append(more, "disabled")
	}
	if n.Enabled && !n.Monitored {
		more = append(more, "not monitored")
	}
	if n.Restarts > 0 {
		more = append(more, count(n.Restarts, "restart"))
	}
	if len(more) > 0 {
		line += " (" + strings.Join(more, ", ") + ")"
	}
	return line
}

// problems says what is not as it should be, the worst first, and what to do.
func (l look) problems(b *strings.Builder, s *v1.Status) {
	if len(s.Problems) == 0 {
		return
	}
	l.section(b, "Problems")
	b.WriteString(l.problemList(s.Problems))
}

func (l look) problemList(problems []v1.Problem) string {
	sorted := slices.Clone(problems)
	slices.SortStableFunc(sorted, func(a, b v1.Problem) int { return cmp.Compare(a.Severity, b.Severity) }) // error before warning
	var b strings.Builder
	for _, p := range sorted {
		colour := working
		if p.Severity == "error" {
			colour = bad
		}
		b.WriteString(l.wrapped("  ", l.paint(colour, p.Severity)+": "+p.Object+": "+p.Text))
		if p.Remedy != "" {
			b.WriteString(l.wrapped("    ", "-> "+p.Remedy))
		}
	}
	return b.String()
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
