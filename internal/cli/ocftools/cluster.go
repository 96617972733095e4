package ocftools

import (
	"context"
	"encoding/xml"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// release is the Pacemaker whose tools these stand in for: agents choose spellings by it.
const release = "2.1.5"

var nodeOptions = []option{
	{"name", nothing, "n name"},
	{"id", nothing, "i cluster-id"},
	{"list", nothing, "l list"},
	{"partition", nothing, "p partition"},
	{"quorum", nothing, "q quorum"},
	{"name-for-id", aValue, "N name-for-id"},
	{"remove", aValue, "R remove"},
	{"ignored", nothing, "V verbose f force Q quiet"},
}

// crmNode is crm_node: who is in the cluster. Of several questions the last counts.
func crmNode(ctx context.Context, c *call) int {
	if !c.parse(nodeOptions) {
		return exitUsage
	}
	what := c.opt.last("name", "id", "list", "partition", "quorum", "name-for-id", "remove")
	if what == "" {
		return c.usage("one of --name, --cluster-id, --list, --partition, --quorum is needed")
	}
	if what == "remove" {
		return c.refused("--remove (use redoubt node remove)")
	}
	nodes, err := c.Client.Nodes(ctx)
	if err != nil {
		return c.failed(err)
	}
	switch what {
	case "name":
		fmt.Fprintln(c.Stdout, nodes.Local)
	case "quorum":
		fmt.Fprintln(c.Stdout, map[bool]string{true: "1", false: "0"}[nodes.Quorate])
	case "partition":
		names := []string{}
		for _, n := range nodes.Nodes {
			if n.Member {
				names = append(names, n.Name)
			}
		}
		fmt.Fprintln(c.Stdout, strings.Join(names, " "))
	case "list":
		for _, n := range nodes.Nodes {
			fmt.Fprintf(c.Stdout, "%d %s %s\n", n.ID, n.Name, map[bool]string{true: "member", false: "lost"}[n.Member])
		}
	default:
		found := func(n Node) bool { return n.Name == nodes.Local }
		if what == "name-for-id" {
			found = func(n Node) bool { return strconv.Itoa(n.ID) == c.opt.get("name-for-id") }
		}
		i := slices.IndexFunc(nodes.Nodes, found)
		if i < 0 {
			return c.missing()
		}
		if what == "name-for-id" {
			fmt.Fprintln(c.Stdout, nodes.Nodes[i].Name)
		} else {
			fmt.Fprintln(c.Stdout, nodes.Nodes[i].ID)
		}
	}
	return exitOK
}

var resourceOptions = []option{
	{"resource", aValue, "r resource"},
	{"get", aValue, "g get-parameter"},
	{"set", aValue, "p set-parameter"},
	{"remove", aValue, "d delete-parameter"},
	{"value", aValue, "v parameter-value"},
	{"utilization", nothing, "z utilization"},
	{"meta", nothing, "m meta"},
	{"ban", nothing, "B ban"},
	{"move", nothing, "M move"},
	{"clear", nothing, "U clear"},
	{"locate", nothing, "W locate"},
	{"operations", nothing, "O list-operations o list-all-operations"},
	{"list", nothing, "L list l list-raw"},
	{"cleanup", nothing, "C cleanup P refresh"},
	{"ignored", aValue, "N node u lifetime i nvpair s set-name"},
	{"ignored", nothing, "Q q quiet V verbose f force"},
}

// crmResource is crm_resource as far as agents keep their resource's utilization with it (VirtualDomain, Xen). Where resources run is not for agents
// to say here.
func crmResource(ctx context.Context, c *call) int {
	if !c.parse(resourceOptions) {
		return exitUsage
	}
	what := c.opt.last("get", "set", "remove", "ban", "move", "clear", "locate", "operations", "list", "cleanup")
	switch what {
	case "":
		return c.usage("nothing to do")
	case "get", "set", "remove":
	default:
		return c.refused("--" + what)
	}
	if !c.opt.has("utilization") {
		return c.refused("--" + what + " without --utilization")
	}
	if c.opt.get("resource") == "" || c.opt.get(what) == "" {
		return c.usage("a resource (--resource) and a parameter's name are needed")
	}
	a := attribute{name: "utilization-" + c.opt.get("resource") + "-" + c.opt.get(what), lifetime: Forever}
	switch what {
	case "set":
		if !c.opt.has("value") {
			return c.usage("a value (--parameter-value) is needed")
		}
		return c.update(ctx, a, c.opt.get("value"))
	case "remove":
		if err := c.Client.Delete(ctx, a.node, a.name); err != nil {
			return c.failed(err)
		}
		return exitOK
	}
	value, ok, err := c.Client.Get(ctx, a.node, a.name)
	if err != nil {
		return c.failed(err)
	}
	if !ok {
		return c.missing()
	}
	fmt.Fprintln(c.Stdout, value)
	return exitOK
}

var monOptions = []option{
	{"once", nothing, "1 one-shot"},
	{"xml", nothing, "X as-xml"},
	{"as", aValue, "output-as"},
	{"daemon", nothing, "d daemonize"},
	{"html", aValue, "h as-html"},
	{"ignored", aValue, "i interval p pid-file include exclude"},
	{"ignored", nothing, "r inactive n group-by-node A show-node-attributes V verbose f failcounts Q q quiet N no-headers"},
}

type xmlNode struct {
	Name    string `xml:"name,attr"`
	ID      int    `xml:"id,attr"`
	Online  bool   `xml:"online,attr"`
	Standby bool   `xml:"standby,attr"`
	Pending bool   `xml:"pending,attr"`
	Unclean bool   `xml:"unclean,attr"`
	DC      bool   `xml:"is_dc,attr"`
	Type    string `xml:"type,attr"`
}

type xmlResult struct {
	XMLName   xml.Name
	Version   string    `xml:"version,attr"`
	Nodes     []xmlNode `xml:"nodes>node"`
	Resources string    `xml:"resources"`
}

// crmMon is crm_mon -1: which nodes are online. There is nothing promoted in this cluster, and no resource is listed.
func crmMon(ctx context.Context, c *call) int {
	if !c.parse(monOptions) {
		return exitUsage
	}
	as := c.opt.get("as")
	switch {
	case c.opt.has("daemon"), c.opt.has("html"), as != "" && as != "xml" && as != "text":
		return c.refused("a page that is kept up to date (use redoubt status -w)")
	case !c.opt.has("once") && !c.opt.has("xml") && as != "xml":
		return c.refused("a display that is kept up to date (use redoubt status -w)")
	}
	nodes, err := c.Client.Nodes(ctx)
	if err != nil {
		return c.failed(err)
	}
	if as != "xml" && !c.opt.has("xml") {
		online, offline := []string{}, []string{}
		for _, n := range nodes.Nodes {
			if n.Member {
				online = append(online, n.Name)
			} else {
				offline = append(offline, n.Name)
			}
		}
		fmt.Fprintf(c.Stdout, "Node List:\n  * Online: [ %s ]\n", strings.Join(online, " "))
		if len(offline) > 0 {
			fmt.Fprintf(c.Stdout, "  * OFFLINE: [ %s ]\n", strings.Join(offline, " "))
		}
		return exitOK
	}
	r := xmlResult{XMLName: xml.Name{Local: "pacemaker-result"}, Version: release}
	if as != "xml" {
		r.XMLName.Local = "crm_mon" // the root of the older spelling
	}
	for _, n := range nodes.Nodes {
		r.Nodes = append(r.Nodes, xmlNode{Name: n.Name, ID: n.ID, Online: n.Member, Type: "member"})
	}
	b, err := xml.MarshalIndent(r, "", "  ")
	if err != nil {
		return c.failed(err)
	}
	fmt.Fprintf(c.Stdout, "%s%s\n", xml.Header, b)
	return exitOK
}

// pacemakerd answers the agents' library, which asks for a release before it takes the node's name from crm_node.
func pacemakerd(_ context.Context, c *call) int {
	if len(c.args) == 1 && (c.args[0] == "-$" || c.args[0] == "--version") {
		fmt.Fprintln(c.Stdout, "Pacemaker "+release)
		return exitOK
	}
	return c.refused("to start it")
}

// ofNodes is the one search that an agent makes (rabbitmq-cluster): which values an attribute has on the nodes, or on those that are in the cluster.
var ofNodes = regexp.MustCompile(`^//node_state(\[@crmd='online'\])?//nvpair\[@name='([^']+)'\]$`)

type xmlPair struct {
	XMLName xml.Name `xml:"nvpair"`
	ID      string   `xml:"id,attr"`
	Name    string   `xml:"name,attr"`
	Value   string   `xml:"value,attr"`
}

// cibadmin answers the agents' library, which hands the configuration on to crm_mon; there is none here in that form. What the nodes have of an attribute can be searched for.
func cibadmin(ctx context.Context, c *call) int {
	query := len(c.args) > 0 && (c.args[0] == "-Q" || c.args[0] == "--query")
	switch {
	case query && len(c.args) == 1:
		fmt.Fprintln(c.Stdout, `<cib validate-with="none"/>`)
		return exitOK
	case query && len(c.args) == 3 && (c.args[1] == "-A" || c.args[1] == "--xpath"):
		if m := ofNodes.FindStringSubmatch(c.args[2]); m != nil {
			return c.search(ctx, m[2], m[1] != "")
		}
	}
	return c.refused("a change or a search of the configuration (use redoubt cluster export and apply)")
}

// search prints the values that an attribute has on nodes, each on a line of its own, which agents look at one by one.
func (c *call) search(ctx context.Context, name string, members bool) int {
	nodes, err := c.Client.Nodes(ctx)
	if err != nil {
		return c.failed(err)
	}
	var lines []string
	for _, n := range nodes.Nodes {
		if members && !n.Member {
			continue
		}
		value, ok, err := c.Client.Get(ctx, n.Name, name)
		if err != nil {
			return c.failed(err)
		}
		if !ok {
			continue
		}
		b, err := xml.Marshal(xmlPair{ID: fmt.Sprintf("status-%d-%s", n.ID, name), Name: name, Value: value})
		if err != nil {
			return c.failed(err)
		}
		lines = append(lines, string(b))
	}
	switch len(lines) {
	case 0:
		return c.missing()
	case 1:
	default:
		lines = slices.Concat([]string{"<xpath-query>"}, lines, []string{"</xpath-query>"})
	}
	fmt.Fprintln(c.Stdout, strings.Join(lines, "\n"))
	return exitOK
}
