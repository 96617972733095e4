package control

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/balance"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/model"
)

// logicalHostname is the type of addresses that move with their group; that of addresses that scalable services share is balance.SharedAddress.
const logicalHostname cluster.TypeName = "redoubt.logicalhostname"

// ResourceCreate creates resources. Each Init_node that is up has to agree first (Validate).
func (c *Control) ResourceCreate(ctx context.Context, who Caller, in v1.ResourceCreate) (v1.Result, error) {
	r, err := c.enter(ctx, who, "resource create")
	if err != nil {
		return v1.Result{}, err
	}
	changes, err := changesOf(in.Names, in.Property, in.Standard, in.Extension)
	if err != nil {
		return v1.Result{}, err
	}
	q := check.ResourceRequest{Group: cluster.GroupName(in.Group), Type: cluster.TypeName(in.Type), Disabled: in.Disabled, Changes: changes}
	return c.createResources(ctx, r, who, in.Names, in.All, q, wait(in.NoWait, in.Timeout))
}

// ResourceCreateLogicalhostname creates an address that moves with its group, of addresses or of host names that every node resolves alike.
func (c *Control) ResourceCreateLogicalhostname(ctx context.Context, who Caller, in v1.ResourceCreateLogicalhostname) (v1.Result, error) {
	r, err := c.enter(ctx, who, "resource create-logicalhostname")
	if err != nil {
		return v1.Result{}, err
	}
	return c.createAddress(ctx, r, who, in, logicalHostname)
}

// ResourceCreateSharedaddress creates an address whose load scalable services share. Host names are resolved once, here: all nodes have to mean the same addresses.
func (c *Control) ResourceCreateSharedaddress(ctx context.Context, who Caller, in v1.ResourceCreateSharedaddress) (v1.Result, error) {
	r, err := c.enter(ctx, who, "resource create-sharedaddress")
	if err != nil {
		return v1.Result{}, err
	}
	return c.createAddress(ctx, r, who, v1.ResourceCreateLogicalhostname(in), balance.SharedAddress)
}

// resolveAddresses gives the addresses of host names.
func (c *Control) resolveAddresses(ctx context.Context, hosts []string) ([]string, error) {
	var out []string
	for _, host := range hosts {
		if c.cfg.Resolve == nil {
			return nil, fault.Errorf(fault.Unavailable, "host name %s can not be resolved here; give the address with --address", host)
		}
		addrs, err := c.cfg.Resolve(ctx, host)
		if err != nil || len(addrs) == 0 {
			return nil, fault.Hide(fault.NotFound, err, "host name %s has no address on this node; add it to /etc/hosts or to the name service, or give the address with --address", host)
		}
		for _, a := range addrs {
			if text := a.Unmap().String(); !slices.Contains(out, text) {
				out = append(out, text)
			}
		}
	}
	return out, nil
}

// createAddress creates a resource that is an address.
func (c *Control) createAddress(ctx context.Context, r *Running, who Caller, in v1.ResourceCreateLogicalhostname, typ cluster.TypeName) (v1.Result, error) {
	changes, err := changesOf(in.Names, in.Property, in.Standard, in.Extension)
	if err != nil {
		return v1.Result{}, err
	}
	var errs []error
	for _, a := range in.Address {
		if _, err := netip.ParsePrefix(a); err != nil {
			errs = append(errs, fault.Errorf(fault.Invalid, "address %q: give it with its prefix length, such as 10.77.0.100/24", a))
		}
	}
	if err := together(errs); err != nil {
		return v1.Result{}, err
	}
	hosts := in.Host
	if len(hosts) == 0 && len(in.Address) == 0 && len(in.Names) == 1 {
		hosts = in.Names // as in Solaris Cluster: the resource's name is the host name
	}
	if typ == balance.SharedAddress {
		resolved, err := c.resolveAddresses(ctx, hosts)
		if err != nil {
			return v1.Result{}, err
		}
		in.Address, hosts = slices.Concat(in.Address, resolved), nil
	}
	var settings []check.Setting
	if len(in.Address) > 0 {
		settings = append(settings, check.Setting{Name: "Address", Values: in.Address})
	}
	if len(hosts) > 0 {
		settings = append(settings, check.Setting{Name: "Hostnames", Values: hosts})
	}
	if len(in.Netif) > 0 {
		settings = append(settings, check.Setting{Name: "Netif", Values: in.Netif})
	}
	changes.Any = slices.Concat(settings, changes.Any)
	q := check.ResourceRequest{Group: cluster.GroupName(in.Group), Type: typ, Disabled: in.Disabled, Changes: changes}
	if _, there := check.Type(c.look(r).state, typ); !there {
		// Every cluster has the type, as in Solaris Cluster; it is registered when it is first used.
		_, err := c.TypeRegister(ctx, who, v1.TypeRegister{Names: []string{string(typ)}})
		if err != nil && !fault.Is(err, fault.Exists) {
			return v1.Result{}, err
		}
	}
	return c.createResources(ctx, r, who, in.Names, in.All, q, wait(in.NoWait, in.Timeout))
}

// changesOf reads the property settings of -p, -y and -x.
func changesOf(names, anyKind, standard, extension []string) (check.Changes, error) {
	path := "resource " + strings.Join(names, ",")
	a, p1 := check.ParseSettings(path, anyKind)
	s, p2 := check.ParseSettings(path, standard)
	x, p3 := check.ParseSettings(path, extension)
	return check.Changes{Any: a, Standard: s, Extension: x}, slices.Concat(p1, p2, p3).Err()
}

func (c *Control) createResources(ctx context.Context, r *Running, who Caller, names []string, all bool, q check.ResourceRequest, w waiting) (v1.Result, error) {
	if len(names) == 0 || all {
		return v1.Result{}, fault.Errorf(fault.Invalid, "name the resources to create")
	}
	var created []cluster.ResourceName
	out, err := c.change(ctx, r, who, configuration(func(d *draft) error {
		created = nil
		state := d.state
		var ps check.Problems
		var validations []validation
		for _, n := range names {
			q.Name = cluster.ResourceName(n)
			res, more := check.NewResource(state, q)
			if ps = append(ps, more...); len(more) > 0 {
				continue
			}
			if g, _ := check.Group(state, q.Group); g.Deleting {
				return mayPlace(g, true)
			}
			state = check.WithResource(state, res)
			validations = append(validations, validation{resource: res, create: true})
			d.put(confdb.KeyResource(res.Name), confdb.KindResource, res)
			d.say("resource " + n + " is created in group " + string(q.Group))
			created = append(created, res.Name)
		}
		if err := ps.Err(); err != nil {
			return err
		}
		d.rely(confdb.KeyGroup(q.Group))
		d.rely(confdb.KeyType(q.Type))
		return d.validated(c.validate(ctx, r, state, validations))
	}))
	if err != nil {
		return out, err
	}
	return out, c.awaitUp(ctx, r, w, created, nil)
}

// ResourceSet changes properties of resources. Each Init_node that is up has to agree first (Validate); running resources are told afterwards (Update).
func (c *Control) ResourceSet(ctx context.Context, who Caller, in v1.ResourceSet) (v1.Result, error) {
	r, err := c.enter(ctx, who, "resource set")
	if err != nil {
		return v1.Result{}, err
	}
	changes, err := changesOf(in.Names, in.Property, in.Standard, in.Extension)
	if err != nil {
		return v1.Result{}, err
	}
	if len(changes.Any)+len(changes.Standard)+len(changes.Extension) == 0 {
		return v1.Result{}, fault.Errorf(fault.Invalid, "resource set: name the properties to change with -p")
	}
	var updated []model.Resource
	out, err := c.change(ctx, r, who, configuration(func(d *draft) error {
		updated = nil
		list, err := d.selectResources(in.Names, in.All, in.Group, in.Type)
		if err != nil {
			return err
		}
		var ps check.Problems
		var validations []validation
		state := d.state
		for _, old := range list {
			res, changed, more := check.SetResource(state, old, changes)
			ps = append(ps, more...)
			if len(changed) == 0 {
				continue
			}
			state = check.WithResource(state, res)
			validations = append(validations, validation{resource: res, changes: changed})
			d.put(confdb.KeyResource(res.Name), confdb.KindResource, res)
			d.rely(confdb.KeyGroup(res.Group))
			d.rely(confdb.KeyType(res.Type))
			if slices.ContainsFunc(changed, func(p model.Property) bool { return restricted(state, res, p.Name) }) {
				d.relyOnPlace(res.Group)
			}
			updated = append(updated, res)
			d.say("resource " + string(res.Name) + ": " + changedNames(changed) + " changed")
		}
		if err := ps.Err(); err != nil {
			return err
		}
		return d.validated(c.validate(ctx, r, state, validations))
	}))
	if err != nil {
		return out, err
	}
	return out, c.until(ctx, r, finiLimit/4, func(v view) bool { return told(v, updated) })
}

// restricted reports whether a property may be changed only while the resource or the group is down.
func restricted(s model.State, r model.Resource, name string) bool {
	t, _ := check.Type(s, r.Type)
	for _, p := range check.ResourceProperties(t) {
		if strings.EqualFold(p.Spec.Name, name) {
			return p.Spec.Tunable != model.TunableAnytime
		}
	}
	return true
}

func changedNames(ps []model.Property) string {
	var names []string
	for _, p := range ps {
		if !slices.Contains(names, p.Name) {
			names = append(names, p.Name)
		}
	}
	return strings.Join(names, ", ")
}

// told reports whether the Update methods of running resources have been given their new properties.
func told(v view, list []model.Resource) bool {
	for _, r := range list {
		for _, i := range check.Instances(v.state, r.Group) {
			for _, ri := range i.Resources {
				if ri.Name == r.Name && isUp(ri.State) && ri.Generation < r.Generation {
					return false
				}
			}
		}
	}
	return true
}

// selectResources gives the resources named, or all, that are in the group and of the type, if these are given.
func (v view) selectResources(names []string, all bool, group, typ string) ([]model.Resource, error) {
	if len(names) == 0 && (group != "" || typ != "") {
		all = true
	}
	if group != "" {
		if _, err := v.group(cluster.GroupName(group)); err != nil {
			return nil, err
		}
	}
	list, err := selected("resource", names, all, resourceNames(v.state))
	if err != nil {
		return nil, err
	}
	var out []model.Resource
	for _, n := range list {
		r, _ := check.Resource(v.state, cluster.ResourceName(n))
		fits := (group == "" || string(r.Group) == group) && (typ == "" || string(r.Type) == typ)
		switch {
		case fits:
			out = append(out, r)
		case !all && group != "" && string(r.Group) != group:
			return nil, fault.Errorf(fault.Invalid, "resource %s is in group %s, not in %s", n, r.Group, group)
		case !all:
			return nil, fault.Errorf(fault.Invalid, "resource %s is of type %s, not of %s", n, r.Type, typ)
		}
	}
	return out, nil
}
