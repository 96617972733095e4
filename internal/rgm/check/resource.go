package check

import (
	"net/netip"
	"slices"
	"strings"

	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/balance"
	"redoubt/internal/rgm/model"
)

// CheckResource says what is wrong with a resource of the state, in itself and beside the others.
func CheckResource(s model.State, r model.Resource) Problems {
	return append(checkResource(s, r), cyclesThrough(s, vertex{resource: r.Name})...)
}

func checkResource(s model.State, r model.Resource) Problems {
	path := "resource " + string(r.Name)
	var ps Problems
	if err := cluster.CheckName("resource", string(r.Name)); err != nil {
		ps.add(fault.Invalid, path, "%v", err)
	}
	g, haveGroup := Group(s, r.Group)
	if !haveGroup {
		ps.add(fault.NotFound, path, "its group %s does not exist", r.Group)
	}
	t, haveType := Type(s, r.Type)
	if !haveType {
		ps.add(fault.NotFound, path, "its resource type %s is not registered; register it with `redoubt type register %s`", r.Type, r.Type)
	}
	if !haveGroup || !haveType {
		return ps
	}
	ps = append(ps, fits(s, g, t, r)...)
	ps = append(ps, values(s, t, r)...)
	ps = append(ps, unique(s, t, r)...)
	ps = append(ps, scalable(s, g, r)...)
	return append(ps, dependsRightly(s, g, r)...)
}

// fits says whether a resource of the type may be in the group.
func fits(s model.State, g model.Group, t model.Type, r model.Resource) Problems {
	path := "resource " + string(r.Name)
	var ps Problems
	if t.Failover && g.Multi() {
		ps.add(fault.Invalid, path, "resource type %s runs on one node at a time, but group %s has Maximum_primaries %d; set it to 1 or use another group", t.Name, g.Name, g.MaximumPrimaries)
	}
	if balance.Scalable(r) && !g.Multi() {
		ps.add(fault.Invalid, path+": property "+balance.PropertyScalable, "group %s runs on one node at a time; give it Maximum_primaries and Desired_primaries above 1, or create it with -S", g.Name)
	}
	if t.SingleInstance {
		if o, ok := find(s.Resources, func(o model.Resource) bool { return o.Type == t.Name && o.Name != r.Name }); ok {
			ps.add(fault.Invalid, path, "resource type %s allows one resource in the cluster, and that is %s", t.Name, o.Name)
		}
	}
	if len(t.InstalledNodes) > 0 {
		for _, n := range g.Nodelist {
			if !slices.Contains(t.InstalledNodes, string(n)) {
				ps.add(fault.Invalid, path, "resource type %s is not installed on node %s of the nodelist of group %s; install it and run `redoubt type set -n`, or take the node out of the nodelist", t.Name, n, g.Name)
			}
		}
	}
	for _, n := range slices.Concat(r.DisabledOn, r.UnmonitoredOn) {
		if _, ok := Node(s, n); !ok {
			ps.add(fault.Invalid, path, "it is switched off on node %s, which is not in the cluster", n)
		}
	}
	return ps
}

// values checks every property of the record.
func values(s model.State, t model.Type, r model.Resource) Problems {
	path := "resource " + string(r.Name)
	var ps Problems
	for _, f := range resourceFields(t) {
		if f.set == nil {
			continue
		}
		if _, err := normalize(f.spec, f.get(r)); err != nil {
			ps.add(fault.Invalid, path+": property "+f.spec.Name, "%v", err)
		}
	}
	if r.RetryCount > 0 && r.RetryInterval == 0 {
		ps.add(fault.Invalid, path+": property Retry_interval", "is 0, so that Retry_count %d could never be reached; raise it or set Retry_count to 0", r.RetryCount)
	}
	specs := Extensions(t)
	for _, p := range r.Properties {
		name := p.Name
		if p.Node != "" {
			name += "{" + string(p.Node) + "}"
		}
		spec, ok := find(specs, func(x model.PropertySpec) bool { return strings.EqualFold(x.Name, p.Name) })
		if !ok {
			ps.add(fault.Invalid, path+": property "+name, "resource type %s has no such property", t.Name)
			continue
		}
		if _, err := normalize(spec, p.Values); err != nil {
			ps.add(fault.Invalid, path+": property "+name, "%v", err)
		}
		if _, known := Node(s, p.Node); p.Node != "" && !known {
			ps.add(fault.Invalid, path+": property "+name, "node %s is not in the cluster", p.Node)
		}
	}
	for _, spec := range specs {
		if spec.Required && !hasValue(r, spec) {
			ps.add(fault.Invalid, path+": property "+spec.Name, "is required by resource type %s; give it with -p %s=VALUE", t.Name, spec.Name)
		}
	}
	return ps
}

// hasValue reports whether a required property has a value that says something, for all nodes or for single ones.
func hasValue(r model.Resource, spec model.PropertySpec) bool {
	return slices.ContainsFunc(r.Properties, func(p model.Property) bool {
		return strings.EqualFold(p.Name, spec.Name) && len(p.Values) > 0 && (len(p.Values) != 1 || p.Values[0] != "")
	})
}

// unique looks for another resource with the same value of a property that may not have it twice: of the same type, or any two addresses.
func unique(s model.State, t model.Type, r model.Resource) Problems {
	var ps Problems
	for _, spec := range t.Properties {
		if !spec.Unique {
			continue
		}
		mine := uniqueValues(r, spec.Name)
		for _, o := range s.Resources {
			ot, ok := Type(s, o.Type)
			if o.Name == r.Name || !ok {
				continue
			}
			for _, os := range ot.Properties {
				same := ot.Name == t.Name && strings.EqualFold(os.Name, spec.Name)
				if !os.Unique || !same && (!t.NetworkAddress || !ot.NetworkAddress) {
					continue
				}
				for _, v := range uniqueValues(o, os.Name) {
					if slices.Contains(mine, v) {
						ps.add(fault.Invalid, "resource "+string(r.Name)+": property "+spec.Name, "%s is used by resource %s already; it can be used once only", v, o.Name)
					}
				}
			}
		}
	}
	return ps
}

// uniqueValues are the values to compare: of an address, only the address.
func uniqueValues(r model.Resource, name string) []string {
	var out []string
	for _, p := range r.Properties {
		if !strings.EqualFold(p.Name, name) {
			continue
		}
		for _, v := range p.Values {
			if prefix, err := netip.ParsePrefix(v); err == nil {
				v = prefix.Addr().String()
			} else if a, err := netip.ParseAddr(v); err == nil {
				v = a.String()
			}
			if v != "" {
				out = append(out, v)
			}
		}
	}
	return out
}
