package control

import (
	"context"
	"strconv"
	"strings"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/balance"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/life"
	"redoubt/internal/rgm/model"
)

func number(n int) string { return strconv.Itoa(n) }

// SchaResourceGetCall gives a property of a resource.
func (c *Control) SchaResourceGetCall(ctx context.Context, who Caller, in v1.SchaResourceGetCall) ([]string, error) {
	r, v, err := c.reading(ctx, who, "scha_resource_get call")
	if err != nil {
		return nil, err
	}
	res, t, err := v.ofGroup(in.Resource, in.Group)
	if err != nil {
		return nil, err
	}
	return resourceAnswers(res, t).answer(question{view: v, here: r.Node, args: in.Names}, in.Operation)
}

// ofGroup finds a resource and makes sure that it is in the group, if one is named.
func (v view) ofGroup(resource, group string) (model.Resource, model.Type, error) {
	if resource == "" {
		return model.Resource{}, model.Type{}, fault.Errorf(fault.Invalid, "name the resource with -R")
	}
	res, t, err := v.resource(cluster.ResourceName(resource))
	if err == nil && group != "" && string(res.Group) != group {
		err = fault.Errorf(fault.NotFound, "group %s has no resource %s; that is in group %s", group, resource, res.Group)
	}
	return res, t, err
}

func resourceAnswers(res model.Resource, t model.Type) answers {
	// on gives what the instance on the tag's node says.
	on := func(f func(n cluster.NodeName, ri model.ResourceInstance) []string) func(question, string) ([]string, error) {
		return func(q question, tag string) ([]string, error) {
			n, err := q.nodeFor(tag)
			if err != nil {
				return nil, err
			}
			i, _ := q.instance(res.Group, n)
			return f(n, resourceIn(i, res.Name)), nil
		}
	}
	status := on(func(_ cluster.NodeName, ri model.ResourceInstance) []string {
		word := string(ri.Status)
		if ri.Status == model.StatusOnline {
			word = "OK"
		}
		return []string{word, ri.Message}
	})
	state := on(func(_ cluster.NodeName, ri model.ResourceInstance) []string { return []string{string(ri.State)} })
	enabled := on(func(n cluster.NodeName, _ model.ResourceInstance) []string {
		return []string{map[bool]string{true: "ENABLED", false: "DISABLED"}[res.EnabledOn(n)]}
	})
	monitored := on(func(n cluster.NodeName, _ model.ResourceInstance) []string {
		return []string{map[bool]string{true: "ENABLED", false: "DISABLED"}[res.MonitoredOn(n)]}
	})
	a := answers{
		"STATUS": status, "STATUS_NODE": status, "RESOURCE_STATE": state, "RESOURCE_STATE_NODE": state,
		"ON_OFF_SWITCH": enabled, "ON_OFF_SWITCH_NODE": enabled, "MONITORED_SWITCH": monitored, "MONITORED_SWITCH_NODE": monitored,
		"NUM_RESOURCE_RESTARTS": on(func(_ cluster.NodeName, ri model.ResourceInstance) []string {
			return []string{number(len(ri.Restarts))}
		}),
		"NUM_RG_RESTARTS": func(q question, _ string) ([]string, error) {
			i, _ := q.instance(res.Group, q.here)
			return one(strconv.FormatUint(i.Restart, 10))
		},
		"GROUP":                  func(question, string) ([]string, error) { return one(string(res.Group)) },
		"TYPE_VERSION":           func(question, string) ([]string, error) { return one(t.Version) },
		"NETWORK_RESOURCES_USED": func(q question, _ string) ([]string, error) { return addresses(q.view, res), nil },
		"ALL_EXTENSIONS": func(question, string) ([]string, error) {
			var out []string
			for _, p := range check.Extensions(t) {
				out = append(out, p.Name)
			}
			return out, nil
		},
		"EXTENSION":      extension(res, t),
		"EXTENSION_NODE": extension(res, t),
	}
	for _, p := range check.StandardValues(t, res) {
		a[strings.ToUpper(p.Name)] = func(question, string) ([]string, error) { return spoken(p.Values), nil }
	}
	a["TYPE"] = func(question, string) ([]string, error) { return one(string(res.Type)) }
	// Properties that Solaris Cluster counts among the standard ones and that types declare here.
	for _, name := range []string{"Port_list", "Scalable", "Load_balancing_policy", "Load_balancing_weights", "Affinity_timeout", "UDP_affinity", "Weak_affinity", "Network_aware"} {
		if _, ok := check.Value(t, res, name, ""); ok {
			a[strings.ToUpper(name)] = func(q question, _ string) ([]string, error) {
				values, _ := check.Value(t, res, name, q.here)
				return spoken(values), nil
			}
		}
	}
	return a
}

// extension gives an extension property as the agent commands do: its type on the first line, the value on the others.
func extension(res model.Resource, t model.Type) func(question, string) ([]string, error) {
	return func(q question, tag string) ([]string, error) {
		name, err := q.argument(tag, "the name of an extension property")
		if err != nil {
			return nil, err
		}
		node := q.here
		if tag == "EXTENSION_NODE" {
			if len(q.args) < 2 {
				return nil, fault.Errorf(fault.Invalid, "tag %s needs two further arguments: the property and the node", tag)
			}
			n, err := q.node(cluster.NodeName(q.args[1]))
			if err != nil {
				return nil, err
			}
			node = n.Name
		}
		var known []string
		for _, p := range check.Extensions(t) {
			if strings.EqualFold(p.Name, name) {
				values, _ := check.Value(t, res, name, node)
				return append([]string{strings.ToUpper(string(p.Type))}, spoken(values)...), nil
			}
			known = append(known, p.Name)
		}
		return nil, fault.Errorf(fault.Invalid, "resource %s has no extension property %s; %s", res.Name, name, check.DidYouMean(name, known, "ALL_EXTENSIONS lists them"))
	}
}

// addresses are the address resources that a resource uses: those of its group, and the shared addresses of a scalable one.
func addresses(v view, res model.Resource) []string {
	var out []string
	for _, o := range check.ResourcesOf(v.state, res.Group) {
		if t, ok := check.Type(v.state, o.Type); ok && t.NetworkAddress && o.Name != res.Name {
			out = append(out, string(o.Name))
		}
	}
	for _, a := range balance.Uses(v.state, res) {
		if balance.Scalable(res) && a.Group != res.Group {
			out = append(out, string(a.Name))
		}
	}
	return out
}

// SchaResourceSetstatusCall reports the health of a resource on this node, as its monitor sees it.
func (c *Control) SchaResourceSetstatusCall(ctx context.Context, who Caller, in v1.SchaResourceSetstatusCall) (v1.Result, error) {
	r, v, err := c.reading(ctx, who, "scha_resource_setstatus call")
	if err != nil {
		return v1.Result{}, err
	}
	res, _, err := v.ofGroup(in.Resource, in.Group)
	if err != nil {
		return v1.Result{}, err
	}
	status, ok := map[string]model.Status{
		"OK": model.StatusOnline, "ONLINE": model.StatusOnline, "DEGRADED": model.StatusDegraded, "FAULTED": model.StatusFaulted,
		"OFFLINE": model.StatusOffline, "UNKNOWN": model.StatusUnknown,
	}[strings.ToUpper(in.Status)]
	if !ok {
		return v1.Result{}, fault.Errorf(fault.Invalid, "status %q is none of OK, DEGRADED, FAULTED, OFFLINE, UNKNOWN", in.Status)
	}
	return v1.Result{}, r.Executor.Ask(ctx, res.Group, life.Asked{Kind: life.AskStatus, Resource: res.Name, Status: status, Message: in.Message})
}
