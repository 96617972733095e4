package control

import (
	"context"
	"errors"
	"slices"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/model"
)

// ResourceDelete deletes resources: disabled ones, or with force any; force also takes them out of the dependencies of others.
func (c *Control) ResourceDelete(ctx context.Context, who Caller, in v1.ResourceDelete) (v1.Result, error) {
	r, err := c.enter(ctx, who, "resource delete")
	if err != nil {
		return v1.Result{}, err
	}
	list, err := c.look(r).selectResources(in.Names, in.All, in.Group, in.Type)
	if err != nil {
		return v1.Result{}, err
	}
	var names []cluster.ResourceName
	for _, res := range list {
		names = append(names, res.Name)
	}
	w := wait(false, in.Timeout) // a record is deleted only when nothing of the resource is left
	if err := c.retire(ctx, r, who, names, in.Force, w); err != nil {
		return v1.Result{}, err
	}
	out := v1.Result{Revision: int64(c.look(r).snap.State.Basis.Revision)}
	for _, n := range names {
		out.Messages = append(out.Messages, "resource "+string(n)+" is deleted")
	}
	return out, nil
}

// retire takes resources out of service and deletes their records: first they are marked, then they stop and Fini runs everywhere, then the records go.
// When it ends in between it can be repeated.
func (c *Control) retire(ctx context.Context, r *Running, who Caller, names []cluster.ResourceName, force bool, w waiting) error {
	if len(names) == 0 {
		return nil
	}
	_, err := c.change(ctx, r, who, configuration(func(d *draft) error {
		var ps check.Problems
		for _, n := range names {
			res, ok := check.Resource(d.state, n)
			if !ok {
				continue
			}
			if !res.Deleting {
				ps = append(ps, check.DeleteResource(d.state, res, names, force)...)
			}
			res.Deleting, res.Enabled, res.DisabledOn = true, false, nil
			d.put(confdb.KeyResource(n), confdb.KindResource, res)
		}
		for _, o := range d.state.Resources {
			if slices.Contains(names, o.Name) {
				continue
			}
			if cut, changed := cutDependencies(o, names); changed {
				d.put(confdb.KeyResource(o.Name), confdb.KindResource, cut)
			}
		}
		return ps.Err()
	}))
	if err != nil {
		return err
	}
	for {
		var errs []error
		for _, n := range names {
			errs = append(errs, c.await(ctx, r, w, "resource "+string(n)+" has stopped everywhere and can be deleted; delete it again then", func(v view) error { return goesDown(v, n, nil, true) }))
		}
		if err := together(errs); err != nil {
			return err
		}
		_, err = c.change(ctx, r, who, configuration(func(d *draft) error {
			for _, n := range names {
				res, ok := check.Resource(d.state, n)
				if !ok {
					continue
				}
				if err := goesDown(d.view, n, nil, true); err != nil {
					return err // a node has come back meanwhile
				}
				d.takeLeave(res)
				d.drop(confdb.KeyResource(n))
			}
			return nil
		}))
		if !errors.Is(err, errNotYet) {
			return err
		}
	}
}

// takeLeave leaves, for each node that is away and still owes the Fini of a resource, what it needs to run that when it comes back.
func (d *draft) takeLeave(res model.Resource) {
	t, ok := check.Type(d.state, res.Type)
	if _, has := t.Method(model.MethodFini); !ok || !has {
		return
	}
	g, _ := check.Group(d.state, res.Group)
	d.rely(confdb.KeyMembership)
	for _, i := range d.remembered(res.Group) {
		key := confdb.KeyFarewell(i.Node, res.Group, res.Name)
		if d.isMember(i.Node) || !resourceIn(i, res.Name).OwesFini() || d.snap.Revision(key) != 0 { // of two of one name only the first was ever there
			continue
		}
		d.rely(confdb.KeyInstance(i.Node, res.Group))
		d.put(key, confdb.KindFarewell, model.Farewell{Node: i.Node, Group: g, Resource: res, Type: t, At: d.now.UTC()})
	}
}

// cutDependencies takes resources out of the dependencies of another.
func cutDependencies(r model.Resource, on []cluster.ResourceName) (model.Resource, bool) {
	before := len(r.Dependencies)
	r.Dependencies = slices.DeleteFunc(slices.Clone(r.Dependencies), func(d model.Dependency) bool { return slices.Contains(on, d.On) })
	if len(r.Dependencies) == 0 {
		r.Dependencies = nil
	}
	return r, len(r.Dependencies) != before
}
