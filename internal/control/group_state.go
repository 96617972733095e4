package control

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/life"
	"redoubt/internal/rgm/model"
)

// GroupSuspend stops automatic recovery of groups; with kill their running methods are killed.
func (c *Control) GroupSuspend(ctx context.Context, who Caller, in v1.GroupSuspend) (v1.Result, error) {
	r, err := c.enter(ctx, who, "group suspend")
	if err != nil {
		return v1.Result{}, err
	}
	out, err := c.suspend(ctx, r, who, in.Names, in.All, true)
	if err != nil || !in.Kill {
		return out, err
	}
	names, err := selected("group", in.Names, in.All, groupNames(c.look(r).state))
	if err != nil {
		return out, err
	}
	return out, c.kill(ctx, r, namesOf[cluster.GroupName](names))
}

// GroupResume starts automatic recovery of groups again.
func (c *Control) GroupResume(ctx context.Context, who Caller, in v1.GroupResume) (v1.Result, error) {
	r, err := c.enter(ctx, who, "group resume")
	if err != nil {
		return v1.Result{}, err
	}
	return c.suspend(ctx, r, who, in.Names, in.All, false)
}

// suspend sets Suspend_automatic_recovery of groups. What a quiesce has suspended is its own: it is resumed when that ends.
func (c *Control) suspend(ctx context.Context, r *Running, who Caller, names []string, all, suspended bool) (v1.Result, error) {
	return c.changeGroups(ctx, r, who, names, all, func(d *draft, g *model.Group) bool {
		was := *g
		g.SuspendByHand(suspended)
		switch n := string(g.Name); {
		case suspended:
			d.say("automatic recovery of group " + n + " is suspended")
			d.sayUntended(*g)
			if g.System {
				d.say("group " + n + " is a system group (RG_system): other groups may need it")
			}
		case g.Suspended:
			d.say("automatic recovery of group " + n + " is resumed when its quiesce is over, which " + quiescedText(*g))
		default:
			d.say("automatic recovery of group " + n + " is resumed")
		}
		return g.Suspended != was.Suspended || g.Quiesced.Alone != was.Quiesced.Alone
	})
}

// changeGroups changes the records of groups, each by itself: what is too much for one transaction goes into several, in the order of names. change reports whether the record is different now.
func (c *Control) changeGroups(ctx context.Context, r *Running, who Caller, names []string, all bool, change func(*draft, *model.Group) bool) (v1.Result, error) {
	var out v1.Result
	done := map[string]bool{}
	for more := true; more; {
		var fits []string
		part, err := c.change(ctx, r, who, configuration(func(d *draft) error {
			names, err := selected("group", names, all, groupNames(d.state))
			if err != nil {
				return err
			}
			more, fits = false, nil
			for _, n := range names {
				if done[n] {
					continue
				}
				if d.room() <= 1 { // the serial of the configuration comes on top
					more = true
					break
				}
				g, _ := d.group(cluster.GroupName(n))
				if change(d, &g) {
					d.put(confdb.KeyGroup(g.Name), confdb.KindGroup, g)
				}
				fits = append(fits, n)
			}
			return nil
		}))
		out.Messages, out.Revision = append(out.Messages, part.Messages...), max(out.Revision, part.Revision)
		if err != nil {
			if len(done) > 0 {
				err = fault.Errorf(fault.CodeOf(err), "%d groups were changed before this: %w", len(done), err)
			}
			return out, err
		}
		for _, n := range fits {
			done[n] = true
		}
	}
	return out, nil
}

// quiescedText says which quiesces suspend a group.
func quiescedText(g model.Group) string {
	var by []string
	for _, q := range g.Quiesced.By {
		by = append(by, "node "+string(q.Node)+" runs until "+q.Until.Local().Format(time.DateTime)+" at the latest")
	}
	return strings.Join(by, ", ")
}

// kill kills the methods of groups that run now.
func (c *Control) kill(ctx context.Context, r *Running, groups []cluster.GroupName) error {
	v := c.look(r)
	var errs []error
	for _, g := range groups {
		for _, i := range check.Instances(v.state, g) {
			if v.isMember(i.Node) && i.MayRun() {
				errs = append(errs, c.ask(ctx, r, i.Node, g, life.Asked{Kind: life.AskKill}))
			}
		}
	}
	return together(errs)
}

// GroupManage puts groups under the control of the cluster. They come online when that is asked for.
func (c *Control) GroupManage(ctx context.Context, who Caller, in v1.GroupManage) (v1.Result, error) {
	r, err := c.enter(ctx, who, "group manage")
	if err != nil {
		return v1.Result{}, err
	}
	return c.change(ctx, r, who, configuration(func(d *draft) error {
		names, err := selected("group", in.Names, in.All, groupNames(d.state))
		if err != nil {
			return err
		}
		for _, n := range names {
			g, _ := d.group(cluster.GroupName(n))
			if g.Deleting {
				return mayPlace(g, true)
			}
			if !g.Managed {
				g.Managed = true
				d.put(confdb.KeyGroup(g.Name), confdb.KindGroup, g)
			}
			d.say("group " + n + " is managed; `redoubt group online " + n + "` brings it online")
		}
		return nil
	}))
}

// GroupUnmanage releases groups that are offline from the control of the cluster, and waits until their Fini methods have run.
func (c *Control) GroupUnmanage(ctx context.Context, who Caller, in v1.GroupUnmanage) (v1.Result, error) {
	r, err := c.enter(ctx, who, "group unmanage")
	if err != nil {
		return v1.Result{}, err
	}
	var groups []cluster.GroupName
	out, err := c.change(ctx, r, who, configuration(func(d *draft) error {
		names, err := selected("group", in.Names, in.All, groupNames(d.state))
		if err != nil {
			return err
		}
		groups = nil
		var errs []error
		for _, n := range names {
			g, _ := d.group(cluster.GroupName(n))
			switch {
			case !g.Managed:
			case g.System:
				errs = append(errs, fault.Errorf(fault.Precondition, "group %s is protected (RG_system); set RG_system=FALSE first", n))
			case !check.Offline(d.state, g.Name):
				errs = append(errs, fault.Errorf(fault.Precondition, "group %s is not offline (it is on %s); run `redoubt group offline %s` first", n, commas(d.runsOn(g.Name)), n))
			default:
				g.Managed = false
				d.put(confdb.KeyGroup(g.Name), confdb.KindGroup, g)
				d.relyOnPlace(g.Name)
				groups = append(groups, g.Name)
			}
			d.say("group " + n + " is not managed any more")
		}
		return together(errs)
	}))
	if err != nil {
		return out, err
	}
	return out, c.awaitEach(ctx, r, waiting{limit: finiLimit}, groups, "is unmanaged everywhere", func(g cluster.GroupName) func(view) error {
		return func(v view) error {
			for _, i := range v.remembered(g) {
				owes := slices.ContainsFunc(i.Resources, model.ResourceInstance.OwesFini)
				if v.isMember(i.Node) && (i.State != model.GroupUnmanaged || owes) {
					return errNotYet
				}
			}
			return nil
		}
	})
}

// GroupDelete deletes groups; with force also their resources, after taking them offline.
func (c *Control) GroupDelete(ctx context.Context, who Caller, in v1.GroupDelete) (v1.Result, error) {
	r, err := c.enter(ctx, who, "group delete")
	if err != nil {
		return v1.Result{}, err
	}
	v := c.look(r)
	names, err := selected("group", in.Names, in.All, groupNames(v.state))
	if err != nil {
		return v1.Result{}, err
	}
	var ps check.Problems
	doomed := namesOf[cluster.GroupName](names)
	for _, n := range doomed {
		g, _ := v.group(n)
		ps = append(ps, check.DeleteGroup(v.state, g, in.Force, doomed...)...)
	}
	if err := ps.Err(); err != nil {
		return v1.Result{}, err
	}
	out := v1.Result{}
	for _, n := range names {
		rev, err := c.deleteGroup(ctx, r, who, cluster.GroupName(n), in.Force, doomed)
		if err != nil {
			return out, err
		}
		out.Messages, out.Revision = append(out.Messages, fmt.Sprintf("group %s is deleted", n)), rev
	}
	return out, nil
}

// deleteGroup takes one group offline, deletes its resources and then the group with all that stands about it, also in RG_affinities and RG_dependencies of the
// groups in cut. It can be repeated.
func (c *Control) deleteGroup(ctx context.Context, r *Running, who Caller, g cluster.GroupName, force bool, cut []cluster.GroupName) (int64, error) {
	if force {
		if !check.Offline(c.look(r).state, g) {
			p := placing{names: []string{string(g)}, waiting: wait(false, 0)}
			_, err := c.wish(ctx, r, who, p, func(*draft, model.Group) (model.Want, error) { return model.Want{Group: g}, nil },
				"is offline", func(g cluster.GroupName, seq uint64) func(view) error { return offline(g, seq, nil) })
			if err != nil {
				return 0, err
			}
		}
		var names []cluster.ResourceName
		for _, res := range check.ResourcesOf(c.look(r).state, g) {
			names = append(names, res.Name)
		}
		if err := c.retire(ctx, r, who, names, true, wait(false, 0)); err != nil {
			return 0, err
		}
	}
	out, err := c.change(ctx, r, who, configuration(func(d *draft) error {
		group, err := d.group(g)
		if err != nil {
			return err
		}
		if err := check.DeleteGroup(d.state, group, false, cut...).Err(); err != nil {
			return err
		}
		for _, o := range d.state.Groups {
			if less, named := check.CutGroup(o, g); named && o.Name != g {
				d.put(confdb.KeyGroup(o.Name), confdb.KindGroup, less)
			}
		}
		d.relyOnPlace(g)
		d.drop(confdb.KeyGroup(g))
		d.drop(confdb.KeyWant(g))
		d.drop(confdb.KeyAssign(g))
		for _, i := range d.state.Instances {
			if i.Group == g && !d.isMember(i.Node) {
				d.drop(confdb.KeyInstance(i.Node, g)) // living nodes drop theirs themselves
			}
		}
		return nil
	}))
	if err != nil {
		return 0, err
	}
	// A new group of this name has to find nothing of the old one.
	return out.Revision, c.until(ctx, r, finiLimit, func(v view) bool { return len(check.Instances(v.state, g)) == 0 })
}
