package check

import (
	"cmp"
	"slices"
	"strings"

	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/model"
)

// Changes are settings of a resource's properties: any, or only of standard or of extension properties (-p, -y, -x).
type Changes struct {
	Any       []Setting
	Standard  []Setting
	Extension []Setting
}

// ResourceRequest asks for a new resource.
type ResourceRequest struct {
	Name     cluster.ResourceName
	Group    cluster.GroupName
	Type     cluster.TypeName
	Disabled bool
	Changes  Changes
}

// NewResource makes the record of a new resource, complete with defaults, or says all that is wrong with it.
func NewResource(s model.State, q ResourceRequest) (model.Resource, Problems) {
	r, ps := DraftResource(s, q)
	if len(ps) > 0 {
		return r, ps
	}
	return r, CheckResource(WithResource(s, r), r)
}

// DraftResource is NewResource without a look at the resources beside it: for a document, whose resources may need each other.
func DraftResource(s model.State, q ResourceRequest) (model.Resource, Problems) {
	path := "resource " + string(q.Name)
	var ps Problems
	if err := cluster.CheckName("resource", string(q.Name)); err != nil {
		ps.add(fault.Invalid, path, "%v", err)
	}
	if _, taken := Resource(s, q.Name); taken {
		ps.add(fault.Exists, path, "a resource of this name exists; choose another name, or change it with `redoubt resource set`")
	}
	g, ok := Group(s, q.Group)
	switch {
	case q.Group == "":
		ps.add(fault.Invalid, path, "no group is given; name it with -g")
	case !ok:
		ps.add(fault.NotFound, path, "group %s does not exist; create it with `redoubt group create %s`", q.Group, q.Group)
	}
	t, ok := Type(s, q.Type)
	switch {
	case q.Type == "":
		ps.add(fault.Invalid, path, "no resource type is given; name it with -t")
	case !ok:
		ps.add(fault.NotFound, path, "resource type %s is not registered; register it with `redoubt type register %s`", q.Type, q.Type)
	}
	if len(ps) > 0 {
		return model.Resource{}, ps
	}
	r := model.Resource{Name: q.Name, Group: q.Group, Type: q.Type, Enabled: !q.Disabled, Monitored: true, Generation: 1}
	e := editor{state: s, group: g, typ: t, moment: moment{creating: true}, path: path, res: r}
	e.defaults()
	e.all(q.Changes)
	return e.res, e.problems
}

// SetResource makes the changed record of a resource and tells what changed, with the new values. A change that changes nothing is allowed at any time.
func SetResource(s model.State, old model.Resource, c Changes) (model.Resource, []model.Property, Problems) {
	r, changed, ps := DraftChange(s, old, c)
	if len(ps) == 0 && len(changed) > 0 {
		ps = CheckResource(WithResource(s, r), r)
	}
	return r, changed, ps
}

// DraftChange is SetResource without a look at the resources beside it.
func DraftChange(s model.State, old model.Resource, c Changes) (model.Resource, []model.Property, Problems) {
	path := "resource " + string(old.Name)
	var ps Problems
	g, _ := Group(s, old.Group)
	t, ok := Type(s, old.Type)
	if !ok {
		ps.add(fault.Precondition, path, "its resource type %s is not registered; register it with `redoubt type register %s`", old.Type, old.Type)
		return old, nil, ps
	}
	e := editor{state: s, group: g, typ: t, moment: momentOf(s, old), path: path, res: old}
	e.res.Properties = slices.Clone(old.Properties)
	e.all(c)
	if slices.ContainsFunc(e.changed, func(p model.Property) bool { return p.Name != "R_description" }) {
		e.res.Generation = old.Generation + 1
	}
	return e.res, e.changed, e.problems
}

// editor applies settings to one resource.
type editor struct {
	state    model.State
	group    model.Group
	typ      model.Type
	moment   moment
	path     string
	res      model.Resource
	changed  []model.Property
	problems Problems
}

// defaults gives every property its default.
func (e *editor) defaults() {
	for _, f := range resourceFields(e.typ) {
		if f.set == nil || f.spec.Default == nil {
			continue
		}
		values, err := normalize(f.spec, f.spec.Default)
		if err == nil {
			err = f.set(&e.res, values)
		}
		if err != nil {
			e.problems.add(fault.Invalid, e.at(f.spec.Name), "the default of resource type %s is wrong: %v; give a value", e.typ.Name, err)
		}
	}
	for _, p := range Extensions(e.typ) {
		if p.Default == nil {
			continue
		}
		values, err := normalize(p, p.Default)
		if err != nil && e.typ.Driver == "ocf" {
			continue // OCF metadata gives the empty word as the default of numbers that have none
		}
		if err != nil {
			e.problems.add(fault.Invalid, e.at(p.Name), "the default of resource type %s is wrong: %v; give a value", e.typ.Name, err)
			continue
		}
		e.put(p.Name, "", values)
	}
}

func (e *editor) at(property string) string { return e.path + ": property " + property }

func (e *editor) all(c Changes) {
	for _, s := range c.Any {
		e.one(s, "")
	}
	for _, s := range c.Standard {
		e.one(s, "standard")
	}
	for _, s := range c.Extension {
		e.one(s, "extension")
	}
}

// one applies one setting; kind restricts what the name may mean.
func (e *editor) one(s Setting, kind string) {
	fields := resourceFields(e.typ)
	for _, f := range fields {
		if !strings.EqualFold(f.spec.Name, s.Name) {
			continue
		}
		if kind == "extension" {
			e.problems.add(fault.Invalid, e.at(f.spec.Name), "is a standard property; set it with -y or -p")
			return
		}
		e.standard(f, s)
		return
	}
	for _, p := range Extensions(e.typ) {
		if !strings.EqualFold(p.Name, s.Name) {
			continue
		}
		if kind == "standard" && !sharesLoad(p.Name) {
			e.problems.add(fault.Invalid, e.at(p.Name), "is an extension property; set it with -x or -p")
			return
		}
		e.extension(p, s)
		return
	}
	var known []string
	for _, l := range ResourceProperties(e.typ) {
		known = append(known, l.Spec.Name)
	}
	e.problems.add(fault.Invalid, e.at(s.Name), "resource type %s has no such property; %s", e.typ.Name, DidYouMean(s.Name, known, "`redoubt type list-props "+string(e.typ.Name)+"` lists them"))
}

func (e *editor) standard(f resourceField, s Setting) {
	s.Name = f.spec.Name
	if len(s.Nodes) > 0 {
		e.problems.add(fault.Invalid, e.at(s.String()), "has one value for all nodes; leave the braces out")
		return
	}
	was := f.get(e.res)
	values, err := apply(f.spec, was, s)
	switch {
	case err != nil:
		e.problems.add(fault.Invalid, e.at(f.spec.Name), "%v", err)
		return
	case slices.Equal(values, was):
		return
	case f.set == nil:
		e.problems.add(fault.Precondition, e.at(f.spec.Name), "can not be set")
		return
	}
	if why := e.moment.refuses(f.spec.Tunable, e.res); why != "" {
		e.problems.add(fault.Precondition, e.at(f.spec.Name), "%s", why)
		return
	}
	if err := f.set(&e.res, values); err != nil {
		e.problems.add(fault.Invalid, e.at(f.spec.Name), "%v", err)
		return
	}
	e.note(model.Property{Name: f.spec.Name, Values: f.get(e.res)})
}

func (e *editor) extension(p model.PropertySpec, s Setting) {
	s.Name = p.Name // in its one spelling
	nodes := s.Nodes
	if len(nodes) == 0 {
		nodes = []cluster.NodeName{""}
	} else if !p.PerNode {
		e.problems.add(fault.Invalid, e.at(s.String()), "has one value for all nodes; leave the braces out")
		return
	}
	for _, n := range nodes {
		if n != "" && !slices.Contains(e.group.Nodelist, n) {
			e.problems.add(fault.Invalid, e.at(s.String()), "node %s is not in the nodelist of group %s", n, e.group.Name)
			continue
		}
		was, had := e.present(p.Name, n)
		values, err := apply(p, was, s)
		if err != nil {
			e.problems.add(fault.Invalid, e.at(s.String()), "%v", err)
			return
		}
		if had && slices.Equal(values, was) {
			continue
		}
		if why := e.moment.refuses(p.Tunable, e.res); why != "" {
			e.problems.add(fault.Precondition, e.at(s.String()), "%s", why)
			return
		}
		e.put(p.Name, n, values)
		e.note(model.Property{Name: p.Name, Values: values, Node: n})
	}
}

// present is the value of an extension property for exactly this node ("" for all).
func (e *editor) present(name string, n cluster.NodeName) ([]string, bool) {
	p, ok := find(e.res.Properties, func(p model.Property) bool { return strings.EqualFold(p.Name, name) && p.Node == n })
	return p.Values, ok
}

// put writes an extension property and keeps the properties sorted.
func (e *editor) put(name string, n cluster.NodeName, values []string) {
	p := model.Property{Name: name, Values: values, Node: n}
	i, found := slices.BinarySearchFunc(e.res.Properties, p, func(a, b model.Property) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Node, b.Node))
	})
	if found {
		e.res.Properties[i] = p
		return
	}
	e.res.Properties = slices.Insert(e.res.Properties, i, p)
}

// note remembers a change; the last one of a property counts.
func (e *editor) note(p model.Property) {
	e.changed = slices.DeleteFunc(e.changed, func(c model.Property) bool { return c.Name == p.Name && c.Node == p.Node })
	e.changed = append(e.changed, p)
}
