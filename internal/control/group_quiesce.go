package control

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/model"
)

// GroupQuiesce ends the moving about of groups: their methods run to the end (or are killed), and nothing is started or moved until all of them have.
func (c *Control) GroupQuiesce(ctx context.Context, who Caller, in v1.GroupQuiesce) (v1.Result, error) {
	r, err := c.enter(ctx, who, "group quiesce")
	if err != nil {
		return v1.Result{}, err
	}
	if in.Timeout < 0 {
		return v1.Result{}, fault.Errorf(fault.Invalid, "group quiesce: a timeout of %d seconds can not be waited for; leave it out for %v", in.Timeout, patience)
	}
	q := quieting{c: c, r: r, who: who}
	out, err := q.run(ctx, in)
	return out, together([]error{err, q.undo(ctx)})
}

// quieting is one quiesce that is going on.
type quieting struct {
	c    *Control
	r    *Running
	who  Caller
	self model.Quiesce // as it stands in the records of the groups that it suspends
	// suspended are the groups that it has suspended, and whether their records say by whom: not as long as the cluster has not agreed on a version that does.
	suspended map[cluster.GroupName]bool
	since     int64 // the revision of the newest suspension
	waits     map[cluster.GroupName]string
}

// quiesceMargin is how long after its time a quiesce may still be ending. Then the president ends it.
const quiesceMargin = time.Minute

// run brings the groups to rest. While it lasts they are suspended; if this daemon dies meanwhile the president resumes them.
func (q *quieting) run(ctx context.Context, in v1.GroupQuiesce) (out v1.Result, err error) {
	q.suspended = map[cluster.GroupName]bool{}
	q.self = model.Quiesce{
		Node: q.r.Node, Session: uint64(q.r.Membership.View().Session), Number: q.c.quiesces.Add(1),
		Until: q.c.cfg.Clock.Wall().UTC().Add(wait(false, in.Timeout).limit + quiesceMargin),
	}
	if err := q.suspend(ctx, in.Names, in.All); err != nil {
		return out, err
	}
	groups, err := selected("group", in.Names, in.All, groupNames(q.c.look(q.r).state))
	if err != nil {
		return out, err
	}
	list := namesOf[cluster.GroupName](groups)
	if in.Kill {
		if err := q.c.kill(ctx, q.r, list); err != nil {
			return out, err
		}
	}
	err = q.c.awaitEach(ctx, q.r, wait(false, in.Timeout), list, "is at rest", func(g cluster.GroupName) func(view) error {
		return func(v view) error { return q.rests(ctx, v, g) }
	})
	switch {
	case err != nil && len(q.waits) > 0:
		return out, fault.Errorf(fault.CodeOf(err), "%w\n%s", err, strings.Join(q.reasons(), "\n"))
	case err != nil:
		return out, err
	}
	for _, g := range list {
		out.Messages = append(out.Messages, "group "+string(g)+" is at rest")
	}
	return out, nil
}

// suspend suspends groups for this quiesce. What may have been written, and what was before something failed, counts.
func (q *quieting) suspend(ctx context.Context, names []string, all bool) error {
	out, err := q.c.changeGroups(ctx, q.r, q.who, names, all, func(d *draft, g *model.Group) bool {
		was := g.Suspended
		says := confdb.Since(confdb.KindGroup, "quiesced") <= d.snap.Schema
		switch {
		case says:
			g.BeginQuiesce(q.self)
		case !was:
			g.Suspended = true
		}
		if says || !was {
			q.suspended[g.Name] = says
		} else if s, ok := q.suspended[g.Name]; ok && !s {
			delete(q.suspended, g.Name) // somebody was first
		}
		return says || !was
	})
	q.since = max(q.since, out.Revision)
	return err
}

// undo takes away what it has suspended, also when the caller has given up: nobody asked for a group that stays suspended.
func (q *quieting) undo(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeLimit)
	defer cancel()
	var left []string
	for _, g := range q.c.look(q.r).state.Groups {
		if _, ok := q.suspended[g.Name]; ok {
			left = append(left, string(g.Name))
		}
	}
	if len(left) == 0 {
		return nil
	}
	_, err := q.c.changeGroups(bounded, q.r, q.who, left, false, func(_ *draft, g *model.Group) bool {
		if !q.suspended[g.Name] && g.SuspendedByHand() {
			g.SuspendByHand(false)
			return true
		}
		return g.EndQuiesces(q.self.Same)
	})
	if err != nil {
		err = fault.Errorf(fault.CodeOf(err), "group %s may have stayed suspended, until %s at the latest; see `redoubt group status`: %w", strings.Join(left, ", "), q.self.Until.Local().Format(time.DateTime), err)
	}
	return err
}

// holds reports whether a group is suspended for this quiesce.
func (q *quieting) holds(g model.Group) bool {
	says, ok := q.suspended[g.Name]
	return g.QuiescedBy(q.self) || g.Suspended && ok && !says
}

// reasons are what it waited for last, by group.
func (q *quieting) reasons() []string {
	var out []string
	for _, g := range slices.Sorted(maps.Keys(q.waits)) {
		out = append(out, "group "+string(g)+": "+q.waits[g])
	}
	return out
}

// rests reports whether nothing of a group is on its way: not by what was reported, and, as each of its nodes says that has read what this one has read, nowhere in fact.
// What a node is told before it has read that the group is suspended it still does. When all have answered the group must still be suspended: otherwise who answered first
// may have begun something since.
func (q *quieting) rests(ctx context.Context, v view, g cluster.GroupName) error {
	not := func(why string) error {
		if q.waits == nil {
			q.waits = map[cluster.GroupName]string{}
		}
		q.waits[g] = why
		return errNotYet
	}
	group, ok := check.Group(v.state, g)
	switch {
	case !ok:
		delete(q.waits, g)
		return fault.Errorf(fault.NotFound, "group %s was deleted meanwhile", g)
	case int64(v.snap.State.Basis.Revision) < q.since:
		return not("node " + string(q.r.Node) + " has not read yet that it is suspended")
	case !q.holds(group): // somebody has resumed it, or the president, who took this daemon for gone
		if err := q.suspend(ctx, []string{string(g)}, false); err != nil {
			return err
		}
		return not("somebody has resumed it meanwhile; it was suspended again")
	}
	if why := check.Unrest(v.state, g); why != "" {
		return not(why)
	}
	ask := v1.PeerFacts{Group: string(g), Since: int64(v.snap.State.Basis.Revision)}
	for _, n := range group.Nodelist {
		if !v.isMember(n) {
			continue
		}
		bounded, cancel := context.WithTimeout(ctx, factsLimit)
		facts, err := q.c.factsFrom(bounded, q.r, n, ask)
		cancel()
		switch {
		case err != nil:
			return not(fmt.Sprintf("node %s could not be asked, or is behind: %v", n, err))
		case facts.Rests != nil && !*facts.Rests: // a daemon of before does not know the question: then what it has reported has to do
			return not("something of it still runs on node " + string(n))
		}
	}
	bounded, cancel := context.WithTimeout(ctx, factsLimit)
	defer cancel()
	switch e, err := q.r.Store.Get(bounded, confdb.KeyGroup(g)); {
	case err != nil:
		return not(fmt.Sprintf("the repository does not answer: %v", err))
	case e.ModRevision != v.snap.Revision(confdb.KeyGroup(g)):
		return not("it was changed while its nodes were asked")
	}
	delete(q.waits, g)
	return nil
}

// restsHere is the answer of this node, when it has read what was read where the question comes from.
func (c *Control) restsHere(ctx context.Context, r *Running, in v1.PeerFacts) (v1.NodeFacts, error) {
	err := c.await(ctx, r, waiting{limit: factsLimit}, "this node has read what the one that asks has read", func(v view) error {
		if int64(v.snap.State.Basis.Revision) < in.Since {
			return errNotYet
		}
		return nil
	})
	if err != nil {
		return v1.NodeFacts{}, err
	}
	rests := r.Executor.Rests(ctx, cluster.GroupName(in.Group))
	return v1.NodeFacts{Node: string(r.Node), Rests: &rests}, nil
}
