package control

import (
	"context"
	"slices"
	"time"

	"redoubt/internal/admission"
	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/check"
)

// KeepAdmissions ends what joining began. A node that runs in the cluster has settled and says so, by taking its entry off the access list; one that never came is
// forgotten when its time is over, with its certificate; and whatever else has ended goes, so that the list says what is. It runs on every node; for others' entries
// the first member acts.
func (c *Control) KeepAdmissions(ctx context.Context, r *Running) error {
	news := r.Source.Subscribe(ctx)
	self := Caller{Kind: CallerNode, Node: r.Node}
	for {
		var next time.Time
		v := c.look(r)
		list, err := v.accessList()
		if err != nil {
			list = nil // cluster check says so
		}
		for _, e := range list {
			var due bool
			if due, next = v.ends(e, r, next); !due {
				continue
			}
			if err := c.endAdmission(ctx, r, self, e); err != nil && ctx.Err() == nil {
				c.cfg.Log.Warn("an entry of the access list that is over could not be removed; trying again", "host", e.Host, "err", err)
				next = v.now.Add(keepAgain)
			}
		}
		var again <-chan time.Time
		stop := func() bool { return false }
		if !next.IsZero() {
			timer := time.NewTimer(max(time.Millisecond, next.Sub(c.cfg.Clock.Wall())))
			again, stop = timer.C, timer.Stop
		}
		select {
		case <-news:
		case <-again:
		case <-ctx.Done():
			stop()
			return context.Cause(ctx)
		}
		stop()
	}
}

// ends reports whether this node has to end an entry now, and otherwise the earliest time at which one has to be looked at again.
func (v view) ends(e admission.Entry, r *Running, next time.Time) (bool, time.Time) {
	if e.Admitted != nil && e.Host == string(r.Node) {
		return true, next
	}
	members := v.members()
	if len(members) == 0 || members[0] != r.Node || !r.Membership.MayStart() {
		return false, next
	}
	if e.Expired(v.now) {
		return true, next
	}
	if e.Admitted != nil && v.isMember(cluster.NodeName(e.Host)) {
		return true, next // it came, and has not said so
	}
	if !e.ExpiresAt.IsZero() && (next.IsZero() || e.ExpiresAt.Before(next)) {
		next = e.ExpiresAt
	}
	return false, next
}

// endAdmission takes an entry off the list, and the node with it that was admitted and never came.
func (c *Control) endAdmission(ctx context.Context, r *Running, self Caller, e admission.Entry) error {
	forgotten := false
	_, err := c.change(ctx, r, self, configuration(func(d *draft) error {
		forgotten = false
		list, err := d.accessList()
		if err != nil {
			return err
		}
		now, found := list.Of(e.Host)
		if !found || !now.Same(e) {
			return nil // changed meanwhile
		}
		name := cluster.NodeName(e.Host)
		node, known := check.Node(d.state, name)
		if e.Admitted != nil && name != r.Node && known && !node.Member {
			forgotten = true
			if err := d.forgetNode(name); err != nil {
				return err
			}
		}
		d.writeAccess(list, list.Forget(e.Host))
		return nil
	}))
	switch {
	case err != nil:
		return err
	case forgotten:
		c.cfg.Log.Warn("a node was admitted and never came; it is forgotten, and its certificate counts no more", "node", e.Host, "key", e.Admitted.Key)
	case e.Admitted != nil:
		c.cfg.Log.Info("a node has settled; nobody else may join on its permission", "node", e.Host)
	default:
		c.cfg.Log.Info("a permission to join is over", "host", e.Host)
	}
	return nil
}

// afterRemoval is what has to be true once a node is removed, in this order. Each waits until it is, and says what is not.
var afterRemoval = []struct {
	what string
	done func(v view, n cluster.NodeName) bool
}{
	{"its vote in the repository", func(v view, n cluster.NodeName) bool { return v.member.Record == nil || !v.member.Record.IsVoter(n) }},
	{"its part in the private strings", func(v view, n cluster.NodeName) bool {
		for _, s := range v.snap.Secrets {
			if _, reads := s.Readers[n]; reads {
				return false
			}
		}
		return true
	}},
}

// removalLimit is how long the removal of a node waits for all that follows from it.
const removalLimit = 20 * time.Second

// afterRemoved waits for what follows from the removal of a node, and says what has not happened yet: the node is removed all the same.
func (c *Control) afterRemoved(ctx context.Context, r *Running, n cluster.NodeName) []string {
	var late []string
	bounded, cancel := context.WithTimeout(ctx, removalLimit)
	defer cancel()
	for _, h := range afterRemoval {
		if err := c.until(bounded, r, removalLimit, func(v view) bool { return h.done(v, n) }); err != nil && !fault.Is(err, fault.Timeout) {
			continue
		}
		if !h.done(c.look(r), n) {
			late = append(late, "node "+string(n)+" is removed, but "+h.what+" is not taken away yet; see `redoubt status`")
			c.cfg.Log.Warn("a node is removed, but not all of it", "node", n, "left", h.what)
		}
	}
	if v := c.look(r); slices.Contains(v.snap.Authorities.Node.Exposed(v.snap.Revocations), n) {
		late = append(late, "node "+string(n)+" still knows the keys with which this cluster signs certificates: where it is not trusted, run `redoubt certificate rotate-authority -y`, and the same with --users")
	}
	return late
}
