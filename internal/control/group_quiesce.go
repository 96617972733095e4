package control

import (
	"context"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/model"
)

// GroupQuiesce ends the moving about of groups: their methods run to the end (or are killed), and nothing is started or moved until all of them have.
func (c *Control) GroupQuiesce(ctx context.Context, who Caller, in v1.GroupQuiesce) (v1.Result, error) {
	r, err := c.enter(ctx, who, "group quiesce")
	if err != nil {
		return v1.Result{}, err
	}
	// While it lasts the groups are suspended. If this node dies meanwhile they stay so, and status says it.
	changed, suspended, err := c.suspend(ctx, r, who, in.Names, in.All, true)
	if err != nil {
		return v1.Result{}, err
	}
	groups, err := selected("group", in.Names, in.All, groupNames(c.look(r).state))
	if err != nil {
		return v1.Result{}, err
	}
	list := namesOf[cluster.GroupName](groups)
	if in.Kill {
		err = c.kill(ctx, r, list)
	}
	if err == nil {
		err = c.awaitEach(ctx, r, wait(false, in.Timeout), list, "is at rest", func(g cluster.GroupName) func(view) error {
			return func(v view) error {
				return c.rests(ctx, r, v, g, max(suspended.Revision, int64(v.snap.State.Basis.Revision)))
			}
		})
	}
	out := v1.Result{}
	for _, g := range list {
		if err == nil {
			out.Messages = append(out.Messages, "group "+string(g)+" is at rest")
		}
	}
	if len(changed) > 0 {
		// Also when the caller has given up: nobody asked for a group that stays suspended.
		undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeLimit)
		defer cancel()
		_, _, undone := c.suspend(undo, r, who, words(changed), false, false)
		err = together([]error{err, undone})
	}
	return out, err
}

// rests reports whether nothing of a group is on its way: not by what was reported, and, as each of its nodes says that has read what this one has read, nowhere in fact.
// What a node is told before it has read that the group is suspended it still does.
func (c *Control) rests(ctx context.Context, r *Running, v view, g cluster.GroupName, since int64) error {
	if err := atRest(v, g); err != nil {
		return err
	}
	group, _ := check.Group(v.state, g)
	ask := v1.PeerFacts{Group: string(g), Since: since}
	for _, n := range group.Nodelist {
		if !v.isMember(n) {
			continue
		}
		bounded, cancel := context.WithTimeout(ctx, factsLimit)
		facts, err := c.restsHere(bounded, r, ask)
		if n != r.Node {
			facts = v1.NodeFacts{}
			err = r.Peers.Call(bounded, n, "peer", "facts", ask, &facts)
		}
		cancel()
		// A daemon of before does not know the question: then what it has reported has to do.
		if err != nil || facts.Rests != nil && !*facts.Rests {
			return errNotYet
		}
	}
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

// atRest reports whether nothing of a group is on its way, as far as was reported.
func atRest(v view, g cluster.GroupName) error {
	group, _ := check.Group(v.state, g)
	if a := v.assignment(g); len(a.Leaving) > 0 || group.Managed && v.seqOf(g) > a.WantSeq {
		return errNotYet
	}
	for _, i := range check.Instances(v.state, g) {
		if i.State == model.GroupPendingOnline || i.State == model.GroupPendingOffline {
			return errNotYet
		}
	}
	return nil
}
