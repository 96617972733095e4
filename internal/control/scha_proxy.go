package control

import (
	"context"

	"redoubt/internal/fault"
	"redoubt/internal/rgm/life"
	"redoubt/internal/rgm/model"
)

func (q *request) wentOnline(ctx context.Context) error  { return q.changeState(ctx, true) }
func (q *request) wentOffline(ctx context.Context) error { return q.changeState(ctx, false) }

// changeState takes over what a method of a proxy says of its service on this node. While the start of the proxy runs, its words count when that has ended, and are not
// waited for: it may be that start which says them.
func (q *request) changeState(ctx context.Context, online bool) error {
	if !q.typ.Proxy {
		return fault.Errorf(fault.Unsupported, "resource %s: its type %s is no proxy (`proxy: true` in type.yaml), so its state follows from its methods and can not be set; report its health with scha_resource_setstatus",
			q.res.Name, q.typ.Name)
	}
	now := resourceIn(q.r.Executor.Present(ctx, q.g.Name), q.res.Name)
	if !now.Awaiting && now.State != model.ResourceStarting && !isUp(now.State) {
		return fault.Errorf(fault.Precondition, "resource %s is %s on node %s: what it stands for is followed from its Prenet_start or Start to its Stop or Postnet_stop; bring its group online here, or end whoever still reports",
			q.res.Name, now.State, q.r.Node)
	}
	kind, word := life.AskOffline, "offline"
	if online {
		kind, word = life.AskOnline, "online"
	}
	if err := q.r.Executor.Ask(ctx, q.g.Name, life.Asked{Kind: kind, Resource: q.res.Name}); err != nil || now.State == model.ResourceStarting {
		return err
	}
	return q.c.await(ctx, q.r, waiting{limit: patience}, "resource "+string(q.res.Name)+" is "+word+" on node "+string(q.r.Node), func(v view) error {
		i, ok := v.instance(q.g.Name, q.r.Node)
		ri := resourceIn(i, q.res.Name)
		if ok && isUp(ri.State) != online && (isUp(ri.State) || ri.Awaiting) {
			return errNotYet
		}
		return nil // so it is, or its group leaves meanwhile
	})
}
