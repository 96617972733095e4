package control

import (
	"context"
	"slices"
	"strings"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/balance"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/execsec"
	"redoubt/internal/rgm/model"
)

// question is one call of a scha_..._get command: a tag, and further arguments that some tags take.
type question struct {
	view
	here cluster.NodeName
	args []string

	reveal func(args []string) ([]string, error) // gives the value of a private string to whom it may
}

// argument is the first further argument, which the tag needs.
func (q question) argument(tag, what string) (string, error) {
	if len(q.args) == 0 {
		return "", fault.Errorf(fault.Invalid, "tag %s needs a further argument: %s", tag, what)
	}
	return q.args[0], nil
}

// nodeFor is the node that a tag is about: with _NODE at its end the one in the arguments, otherwise this one.
func (q question) nodeFor(tag string) (cluster.NodeName, error) {
	if !strings.HasSuffix(tag, "_NODE") {
		return q.here, nil
	}
	name, err := q.argument(tag, "a node")
	if err != nil {
		return "", err
	}
	n, err := q.node(cluster.NodeName(name))
	return n.Name, err
}

// answers maps the tags of one command to what they give.
type answers map[string]func(q question, tag string) ([]string, error)

// tagPrivateString is the tag that gives the value of a private string.
const tagPrivateString = "PSTRING"

// tagOf is a tag as the tables have it, however it was written.
func tagOf(text string) string { return strings.ToUpper(strings.TrimSpace(text)) }

// answer finds a tag, in any case.
func (a answers) answer(q question, tag string) ([]string, error) {
	upper := tagOf(tag)
	if upper == "" {
		return nil, fault.Errorf(fault.Invalid, "name the tag with -O")
	}
	f, ok := a[upper]
	if !ok {
		return nil, badTag(tag, a)
	}
	out, err := f(q, upper)
	if out == nil {
		out = []string{}
	}
	return out, err
}

// badTag is the error about a tag that there is none of.
func badTag(tag string, a answers) error {
	var known []string
	for k := range a {
		known = append(known, k)
	}
	slices.Sort(known)
	return fault.Errorf(fault.Invalid, "there is no tag %s; %s", tag, check.DidYouMean(tag, known, "there are "+strings.Join(known, ", ")))
}

func one(s string) ([]string, error) { return []string{s}, nil }

// shout gives a truth value as the agent commands do.
func shout(b bool) string {
	if b {
		return "TRUE"
	}
	return "FALSE"
}

// spoken gives a property's values as the agent commands do: truth values in capitals.
func spoken(values []string) []string {
	if len(values) == 1 && (values[0] == "true" || values[0] == "false") {
		return []string{strings.ToUpper(values[0])}
	}
	return values
}

// SchaResourcegroupGetCall gives a property of a group.
func (c *Control) SchaResourcegroupGetCall(ctx context.Context, who Caller, in v1.SchaResourcegroupGetCall) ([]string, error) {
	r, v, err := c.reading(ctx, who, "scha_resourcegroup_get call")
	if err != nil {
		return nil, err
	}
	if in.Group == "" {
		return nil, fault.Errorf(fault.Invalid, "name the group with -G")
	}
	g, err := v.group(cluster.GroupName(in.Group))
	if err != nil {
		return nil, err
	}
	return groupAnswers(g).answer(question{view: v, here: r.Node, args: in.Names}, in.Operation)
}

func groupAnswers(g model.Group) answers {
	state := func(q question, tag string) ([]string, error) {
		n, err := q.nodeFor(tag)
		if err != nil {
			return nil, err
		}
		i, ok := q.instance(g.Name, n)
		switch {
		case ok:
			return one(string(i.State))
		case !g.Managed:
			return one(string(model.GroupUnmanaged))
		}
		return one(string(model.GroupOffline))
	}
	a := answers{
		"RG_STATE": state, "RG_STATE_NODE": state,
		"RESOURCE_LIST": func(q question, _ string) ([]string, error) {
			var out []string
			for _, r := range check.ResourcesOf(q.state, g.Name) {
				out = append(out, string(r.Name))
			}
			return out, nil
		},
		"RG_IS_FROZEN": func(question, string) ([]string, error) { return one(shout(false)) },
	}
	for _, p := range check.GroupValues(g) {
		a[strings.ToUpper(p.Name)] = func(question, string) ([]string, error) { return spoken(p.Values), nil }
	}
	return a
}

// SchaResourcetypeGetCall gives a property of a type.
func (c *Control) SchaResourcetypeGetCall(ctx context.Context, who Caller, in v1.SchaResourcetypeGetCall) ([]string, error) {
	r, v, err := c.reading(ctx, who, "scha_resourcetype_get call")
	if err != nil {
		return nil, err
	}
	if in.Type == "" {
		return nil, fault.Errorf(fault.Invalid, "name the resource type with -T")
	}
	t, ok := check.Type(v.state, cluster.TypeName(in.Type))
	if !ok {
		return nil, unknown("type", in.Type, typeNames(v.state))
	}
	return typeAnswers(t).answer(question{view: v, here: r.Node, args: in.Names}, in.Operation)
}

func typeAnswers(t model.Type) answers {
	say := func(values ...string) func(question, string) ([]string, error) {
		return func(question, string) ([]string, error) { return values, nil }
	}
	installed := func(q question, _ string) ([]string, error) {
		if len(t.InstalledNodes) > 0 {
			return t.InstalledNodes, nil
		}
		return words(check.NodesThatRun(q.state)), nil
	}
	wire := typeOf(t)
	a := answers{
		"RT_DESCRIPTION": say(t.Description), "RT_VERSION": say(t.Version), "RT_BASEDIR": say(t.BaseDir), "RT_NAME": say(string(t.Name)), "VENDOR_ID": say(t.Vendor),
		"FAILOVER": say(shout(t.Failover)), "SINGLE_INSTANCE": say(shout(t.SingleInstance)), "INIT_NODES": say(wire.InitNodes), "INSTALLED_NODES": installed,
		"API_VERSION": say(number(t.APIVersion)), "IS_LOGICAL_HOSTNAME": say(shout(t.NetworkAddress && t.Name != balance.SharedAddress)), "IS_SHARED_ADDRESS": say(shout(t.Name == balance.SharedAddress)),
		"RT_SYSTEM": say(shout(false)), "PKGLIST": say(), "PROXY": say(shout(t.Proxy)), "GLOBAL_ZONE": say(shout(false)), "SCALABLE": say(shout(false)),
	}
	for _, m := range model.Methods() {
		spec, ok := t.Method(m)
		if !ok {
			spec.Program = ""
		}
		a[strings.ToUpper(string(m))] = say(spec.Program)
	}
	return a
}

// SchaClusterGetCall gives a property of the cluster.
func (c *Control) SchaClusterGetCall(ctx context.Context, who Caller, in v1.SchaClusterGetCall) ([]string, error) {
	r, v, err := c.reading(ctx, who, "scha_cluster_get call")
	if err != nil {
		return nil, err
	}
	reveal := func(args []string) ([]string, error) { return c.pstring(r, v, who, args) }
	return clusterAnswers().answer(question{view: v, here: r.Node, args: in.Names, reveal: reveal}, in.Operation)
}

func clusterAnswers() answers {
	nodeState := func(q question, tag string) ([]string, error) {
		n, err := q.nodeFor(tag)
		if err != nil {
			return nil, err
		}
		if q.isMember(n) {
			return one("UP")
		}
		return one("DOWN")
	}
	private := func(q question, tag string) ([]string, error) {
		n, err := q.nodeFor(tag)
		if err != nil {
			return nil, err
		}
		node, err := q.node(n)
		for _, p := range node.Properties {
			if p.Name == "privatehostname" && len(p.Values) > 0 && p.Values[0] != "" {
				return one(p.Values[0])
			}
		}
		return []string{node.PrivateAddress}, err
	}
	return answers{
		"CLUSTERNAME":    func(q question, _ string) ([]string, error) { return one(q.state.Cluster.Name) },
		"NODENAME_LOCAL": func(q question, _ string) ([]string, error) { return one(string(q.here)) },
		"NODEID_LOCAL": func(q question, _ string) ([]string, error) {
			n, err := q.node(q.here)
			return []string{number(n.ID)}, err
		},
		"NODEID_NODENAME": func(q question, tag string) ([]string, error) {
			name, err := q.argument(tag, "a node's name")
			if err != nil {
				return nil, err
			}
			n, err := q.node(cluster.NodeName(name))
			return []string{number(n.ID)}, err
		},
		"NODENAME_NODEID": func(q question, tag string) ([]string, error) {
			id, err := q.argument(tag, "a node's number")
			if err != nil {
				return nil, err
			}
			for _, n := range q.state.Nodes {
				if number(n.ID) == id {
					return one(string(n.Name))
				}
			}
			return nil, fault.Errorf(fault.NotFound, "no node has the number %s", id)
		},
		"ALL_NODENAMES": func(q question, _ string) ([]string, error) { return words(check.NodesThatRun(q.state)), nil },
		"ALL_NODEIDS": func(q question, _ string) ([]string, error) {
			var out []string
			for _, n := range q.state.Nodes {
				if !n.QuorumServer {
					out = append(out, number(n.ID))
				}
			}
			return out, nil
		},
		"NODESTATE_LOCAL": nodeState, "NODESTATE_NODE": nodeState,
		"PRIVATELINK_HOSTNAME_LOCAL": private, "PRIVATELINK_HOSTNAME_NODE": private,
		"ALL_PRIVATELINK_HOSTNAMES": func(q question, _ string) ([]string, error) {
			var out []string
			for _, n := range check.NodesThatRun(q.state) {
				host, err := private(question{view: q.view, here: n}, "PRIVATELINK_HOSTNAME_LOCAL")
				if err != nil {
					return nil, err
				}
				out = append(out, host...)
			}
			return out, nil
		},
		"ALL_RESOURCEGROUPS": func(q question, _ string) ([]string, error) { return groupNames(q.state), nil },
		"ALL_RESOURCETYPES":  func(q question, _ string) ([]string, error) { return typeNames(q.state), nil },
		"SYSLOG_FACILITY":    func(question, string) ([]string, error) { return one("daemon") },
		"RESOURCE_SECURITY":  func(q question, _ string) ([]string, error) { return one(string(execsec.LevelOf(q.state.Cluster))) },
		tagPrivateString:     func(q question, _ string) ([]string, error) { return q.reveal(q.args) },
	}
}
