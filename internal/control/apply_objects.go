package control

import (
	"reflect"
	"slices"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/model"
)

// cluster compares the properties of the cluster. They are set after everything else, because a new timing takes its time.
func (p *plan) cluster(doc v1.Document) {
	settings, ps := check.SettingsOf("cluster", doc.Properties)
	p.problems = append(p.problems, ps...)
	now := p.view.settings()
	want, ps := check.SetCluster(now, settings)
	p.problems = append(p.problems, ps...)
	if len(settings) > 0 && p.view.member.Record != nil && !reflect.DeepEqual(now, want) {
		p.retimes = true
		p.messages = append(p.messages, "cluster: change properties")
	}
}

func (p *plan) node(d v1.NodeDocument) {
	at := "node " + d.Name
	old, ok := check.Node(p.view.state, cluster.NodeName(d.Name))
	if !ok {
		p.fail(at, "is not in the cluster; a document makes no nodes, let it join first")
		return
	}
	settings, ps := check.SettingsOf(at, d.Properties)
	n, more := check.SetNode(old.Node, settings)
	p.problems = append(p.problems, slices.Concat(ps, more)...)
	if d.Fence != nil {
		f := &model.Fence{Agent: d.Fence.Agent, Timeout: d.Fence.Timeout}
		for _, o := range d.Fence.Options {
			f.Options = append(f.Options, model.Property{Name: o.Name, Values: o.Values})
		}
		p.problems = append(p.problems, checkFence(f)...)
		n.Fence = f
	}
	if !reflect.DeepEqual(n, old.Node) {
		p.state = check.WithNode(p.state, n)
		p.put(confdb.KeyNode(n.Name), confdb.KindNode, n, at+": change")
	}
}

func (p *plan) typ(d v1.TypeDocument, described []model.Type) {
	at := "resource type " + d.Name
	old, known := check.Type(p.view.state, cluster.TypeName(d.Name))
	t := old
	if !known {
		i := slices.IndexFunc(described, func(t model.Type) bool { return string(t.Name) == d.Name })
		if i < 0 {
			p.fail(at, "was unregistered while the document was applied; apply it again")
			return
		}
		t = described[i]
		p.problems = append(p.problems, check.CheckType(t)...)
	}
	if d.Version != "" && d.Version != t.Version {
		p.messages = append(p.messages, "warning: "+at+": the document was made with version "+d.Version+", here it is "+t.Version)
	}
	t.InstalledNodes = words(nodesIn(d.InstalledNodes))
	if len(t.InstalledNodes) == 0 {
		t.InstalledNodes = nil
	}
	check.PutType(&p.state, t)
	switch {
	case !known:
		p.put(confdb.KeyType(t.Name), confdb.KindType, t, at+": register")
	case !slices.Equal(old.InstalledNodes, t.InstalledNodes):
		p.put(confdb.KeyType(t.Name), confdb.KindType, t, at+": change")
	}
}

func (p *plan) group(d v1.GroupDocument) {
	at := "group " + d.Name
	settings, ps := check.SettingsOf(at, d.Properties)
	p.problems = append(p.problems, ps...)
	old, known := check.Group(p.view.state, cluster.GroupName(d.Name))
	var g model.Group
	if known {
		g, ps = check.DraftGroupChange(p.view.state, old, settings)
		if old.Managed && !d.Managed && !check.Offline(p.view.state, old.Name) {
			p.fail(at, "is not offline and can not be unmanaged; run `redoubt group offline %s` first", d.Name)
		}
	} else {
		g, ps = check.DraftGroup(p.state, cluster.GroupName(d.Name), settings)
	}
	p.problems = append(p.problems, ps...)
	g.Managed = d.Managed
	check.PutGroup(&p.state, g)
	switch {
	case !known:
		p.put(confdb.KeyGroup(g.Name), confdb.KindGroup, g, at+": create")
	case !reflect.DeepEqual(old, g):
		p.put(confdb.KeyGroup(g.Name), confdb.KindGroup, g, at+": change")
		p.writes = append(p.writes, func(d *draft) { d.relyOnPlace(g.Name) })
	}
}

func (p *plan) resource(d v1.ResourceDocument) {
	at := "resource " + d.Name
	settings, ps := check.SettingsOf(at, d.Properties)
	p.problems = append(p.problems, ps...)
	old, known := check.Resource(p.view.state, cluster.ResourceName(d.Name))
	changes := check.Changes{Any: settings}
	var r model.Resource
	var changed []model.Property
	switch {
	case known && (string(old.Group) != d.Group || string(old.Type) != d.Type):
		p.fail(at, "is of type %s in group %s, and a resource keeps these; delete it first", old.Type, old.Group)
		return
	case known:
		r, changed, ps = check.DraftChange(p.state, old, changes)
	default:
		r, ps = check.DraftResource(p.state, check.ResourceRequest{
			Name: cluster.ResourceName(d.Name), Group: cluster.GroupName(d.Group), Type: cluster.TypeName(d.Type), Changes: changes,
		})
	}
	p.problems = append(p.problems, ps...)
	if len(ps) > 0 {
		return
	}
	r.Enabled, r.DisabledOn = d.Enabled, nodesIn(d.DisabledOn)
	r.Monitored, r.UnmonitoredOn = d.Monitored, nodesIn(d.UnmonitoredOn)
	check.PutResource(&p.state, r)
	switch {
	case !known:
		p.validations = append(p.validations, validation{resource: r, create: true})
		p.put(confdb.KeyResource(r.Name), confdb.KindResource, r, at+": create")
	case len(changed) > 0:
		p.validations = append(p.validations, validation{resource: r, changes: changed})
		p.put(confdb.KeyResource(r.Name), confdb.KindResource, r, at+": change")
	case !reflect.DeepEqual(old, r):
		p.put(confdb.KeyResource(r.Name), confdb.KindResource, r, at+": change")
	}
}
