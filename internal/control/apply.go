package control

import (
	"context"
	"fmt"
	"slices"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/model"
)

// ClusterApply makes the configuration what the document says. What a document does not mention stays as it is, unless prune is given. Everything is
// validated before anything is written. What has to go, goes first; the rest is one transaction, or, when it is too much for one, several in the order types,
// groups, resources, each of which can be written again from the same document.
func (c *Control) ClusterApply(ctx context.Context, who Caller, in v1.ClusterApply) (v1.Result, error) {
	r, err := c.enter(ctx, who, "cluster apply")
	if err != nil {
		return v1.Result{}, err
	}
	if in.Document.Level > v1.Level {
		return v1.Result{}, fault.Errorf(fault.Unsupported, "the document is of level %d, this build reads up to %d; upgrade this node's redoubtd", in.Document.Level, v1.Level)
	}
	v := c.look(r)
	if v.snap.State.Basis.Revision == 0 {
		return v1.Result{}, fault.Errorf(fault.Unavailable, "this node has not read the configuration yet; try again in a moment")
	}
	types, err := c.describeNew(ctx, r, v, in.Document)
	if err != nil {
		return v1.Result{}, err
	}
	p := planDocument(v, in, types)
	if err := p.problems.Err(); err != nil {
		return v1.Result{}, err
	}
	warnings, err := c.validate(ctx, r, p.state, p.validations)
	if err != nil {
		return v1.Result{}, err
	}
	out := v1.Result{Messages: append(p.messages, warnings...), Revision: int64(v.snap.State.Basis.Revision)}
	if in.DryRun {
		return out, nil
	}
	for _, g := range p.prunedGroups {
		if _, err := c.deleteGroup(ctx, r, who, g, true, namesOf[cluster.GroupName](groupNames(v.state))); err != nil {
			return out, err
		}
	}
	if err := c.retire(ctx, r, who, p.prunedResources, true, wait(false, 0)); err != nil {
		return out, err
	}
	rev, err := c.writeDocument(ctx, r, who, in, types)
	if err != nil {
		return out, err
	}
	out.Revision = max(out.Revision, rev)
	if settings, _ := check.SettingsOf("cluster", in.Document.Properties); len(settings) > 0 && p.retimes {
		res, err := c.setCluster(ctx, r, who, settings)
		out.Revision = max(out.Revision, res.Revision)
		return out, err
	}
	return out, nil
}

// writeDocument writes the difference, as many transactions as it takes.
func (c *Control) writeDocument(ctx context.Context, r *Running, who Caller, in v1.ClusterApply, types []model.Type) (int64, error) {
	var p plan
	planned := cluster.Revision(-1) // of the configuration that p goes on from
	from, to := 0, 0                // of the writes
	for {
		res, err := c.change(ctx, r, who, configuration(func(d *draft) error {
			if now := d.snap.Revision(confdb.KeySerial); now != planned {
				p, planned, from = planDocument(d.view, in, types), now, 0
			}
			if err := p.problems.Err(); err != nil {
				return err
			}
			for to = from; to < len(p.writes); to++ {
				before := d.extent()
				p.writes[to](d)
				if d.room() < 1 { // the serial of the configuration comes on top
					d.cut(before)
					break
				}
			}
			return nil
		}))
		if err != nil || to == len(p.writes) {
			return res.Revision, err
		}
		from, planned = to, cluster.Revision(res.Revision)
	}
}

// describeNew asks this node for the types of the document that are not registered yet.
func (c *Control) describeNew(ctx context.Context, r *Running, v view, doc v1.Document) ([]model.Type, error) {
	var out []model.Type
	var errs []error
	for _, td := range doc.Types {
		if _, ok := check.Type(v.state, cluster.TypeName(td.Name)); ok {
			continue
		}
		t, err := c.describe(ctx, r, v, cluster.TypeName(td.Name), td.File)
		out, errs = append(out, t), append(errs, err)
	}
	return out, together(errs)
}

// plan is what a document changes.
type plan struct {
	view            view
	state           model.State // as it will be
	writes          []func(*draft)
	messages        []string
	problems        check.Problems
	validations     []validation
	prunedGroups    []cluster.GroupName
	prunedResources []cluster.ResourceName
	retimes         bool
}

func (p *plan) fail(path, format string, args ...any) {
	p.problems = append(p.problems, check.Problem{Code: fault.Invalid, Path: path, Text: fmt.Sprintf(format, args...)})
}

func (p *plan) put(key string, kind confdb.Kind, record any, message string) {
	p.messages = append(p.messages, message)
	p.writes = append(p.writes, func(d *draft) { d.put(key, kind, record) })
}

// planDocument compares a document with a reading. It decides nothing that the reading does not show, so that it can be made anew at any time.
func planDocument(v view, in v1.ClusterApply, types []model.Type) plan {
	p := plan{view: v, state: v.state}
	p.state.Types, p.state.Groups, p.state.Resources = slices.Clone(v.state.Types), slices.Clone(v.state.Groups), slices.Clone(v.state.Resources)
	p.twice(in.Document)
	if in.Prune {
		p.prune(in.Document)
	}
	p.cluster(in.Document)
	for _, d := range in.Document.Nodes {
		p.node(d)
	}
	for _, d := range in.Document.Types {
		p.typ(d, types)
	}
	for _, d := range in.Document.Groups {
		p.group(d)
	}
	for _, d := range in.Document.Resources {
		p.resource(d)
	}
	if len(p.problems) == 0 {
		p.problems = check.All(p.state)
	}
	if len(p.problems) == 0 {
		lost, _ := consequences(v.state, p.state)
		for _, l := range lost {
			p.fail("document", "%s; take it offline first", l)
		}
	}
	return p
}

// twice refuses a document that says two things about one object.
func (p *plan) twice(doc v1.Document) {
	seen := map[string]bool{}
	once := func(what string) {
		if seen[what] {
			p.fail(what, "stands in the document twice")
		}
		seen[what] = true
	}
	for _, d := range doc.Nodes {
		once("node " + d.Name)
	}
	for _, d := range doc.Types {
		once("resource type " + d.Name)
	}
	for _, d := range doc.Groups {
		once("group " + d.Name)
	}
	for _, d := range doc.Resources {
		once("resource " + d.Name)
	}
}

// prune takes what the document does not have out of the state, and notes that it has to be deleted.
func (p *plan) prune(doc v1.Document) {
	stays := map[string]bool{}
	for _, d := range doc.Resources {
		stays["resource "+d.Name] = true
	}
	for _, d := range doc.Groups {
		stays["group "+d.Name] = true
	}
	p.state.Resources = slices.DeleteFunc(p.state.Resources, func(r model.Resource) bool { return !stays["resource "+string(r.Name)] })
	for _, r := range p.view.state.Resources {
		if !stays["resource "+string(r.Name)] {
			p.prunedResources = append(p.prunedResources, r.Name)
			p.messages = append(p.messages, "resource "+string(r.Name)+": delete")
		}
	}
	for _, g := range p.view.state.Groups {
		if stays["group "+string(g.Name)] {
			continue
		}
		p.problems = append(p.problems, check.DeleteGroup(p.state, g, true, namesOf[cluster.GroupName](groupNames(p.view.state))...)...)
		p.prunedGroups = append(p.prunedGroups, g.Name)
		p.state = check.WithoutGroup(p.state, g.Name)
		p.messages = append(p.messages, "group "+string(g.Name)+": delete")
	}
	for _, t := range p.view.state.Types {
		if slices.ContainsFunc(doc.Types, func(d v1.TypeDocument) bool { return d.Name == string(t.Name) }) {
			continue
		}
		p.state = check.WithoutType(p.state, t.Name)
		p.messages = append(p.messages, "resource type "+string(t.Name)+": unregister")
		p.writes = append(p.writes, func(d *draft) { d.drop(confdb.KeyType(t.Name)) })
	}
}
