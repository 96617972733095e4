package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/internal/auditlog"
	"redoubt/internal/fault"
)

// A node could show one history to one of the others and another one to the next: each would find that its log only grows. So the nodes tell each other the heads
// that they hold of third ones. A head counts for its signature alone, so that who tells it can accuse nobody falsely; and for a log there is one history.

// unknownFor is how long a node that does not know the question is not asked again: it is of an older version.
const unknownFor = 10 * time.Minute

// Heads are the signed heads that this node holds of other nodes.
func (j *Journal) Heads() ([]v1.LogHead, error) {
	out := []v1.LogHead{}
	for _, n := range j.cfg.Copies.Nodes() {
		p, err := j.cfg.Copies.Copy(n)
		if err != nil {
			return out, err
		}
		if len(p.Head) > 0 {
			out = append(out, v1.LogHead{Node: n, Public: p.Public, Head: p.Head, At: p.At})
		}
	}
	return out, nil
}

// watch compares heads now and then. It may take long when a node is slow, and nothing else waits for it.
func (x *exchange) watch(ctx context.Context) error {
	for pause(ctx, askEvery) == nil {
		x.compare(ctx, "")
	}
	return context.Cause(ctx)
}

// compare asks the other nodes which heads they hold of third ones, or only of one, and holds them to what was copied here.
func (x *exchange) compare(ctx context.Context, only string) {
	peers := x.c.Peers()
	slow := map[string]bool{} // nodes that let this one wait in vain: the others are looked at first
	for _, from := range peers {
		if ctx.Err() != nil || from.Name == only || !x.asks(from.Name) {
			continue
		}
		heads, err := x.heads(ctx, from.Name)
		if err != nil {
			if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Unsupported) {
				x.unasked(from.Name)
			}
			x.j.cfg.Log.Debug("the heads that a node holds were not fetched", "node", from.Name, "err", err)
			continue
		}
		told := map[string]bool{} // one head of each node: it may tell of many that are none any more, and of one as often as it likes
		for _, h := range heads {
			i := slices.IndexFunc(peers, func(p Peer) bool { return p.Name == h.Node })
			if i < 0 || h.Node == from.Name || only != "" && h.Node != only || told[h.Node] || slow[h.Node] {
				continue
			}
			told[h.Node] = true
			if x.held(from.Name, h) {
				continue
			}
			bounded, cancel := context.WithTimeout(ctx, pullLimit)
			err := x.hold(bounded, peers[i], from.Name, h)
			slow[h.Node] = bounded.Err() != nil || fault.Is(err, fault.Timeout) || errors.Is(err, context.DeadlineExceeded)
			cancel()
			switch {
			case err == nil:
				x.holds(from.Name, h)
			case ctx.Err() == nil:
				x.j.cfg.Log.Debug("a head could not be compared", "node", h.Node, "held by", from.Name, "err", err)
			}
		}
	}
}

func (x *exchange) heads(ctx context.Context, node string) ([]v1.LogHead, error) {
	bounded, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	var out v1.LogHeads
	err := x.c.Call(bounded, node, "peer", "log-heads", v1.PeerLogHeads{}, &out)
	return out.Heads, err
}

// held reports whether a head is the one that the node held when it was asked before, and was compared then.
func (x *exchange) held(by string, h v1.LogHead) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	last, ok := x.seen[by+"/"+h.Node]
	return ok && last.Public == h.Public && last.At.Equal(h.At) && bytes.Equal(last.Head, h.Head)
}

func (x *exchange) holds(by string, h v1.LogHead) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.seen[by+"/"+h.Node] = h
}

func (x *exchange) asks(node string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return !x.j.cfg.Now().Before(x.later[node])
}

func (x *exchange) unasked(node string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.later[node] = x.j.cfg.Now().Add(unknownFor)
}

// hold holds a head of p's log, which another node holds, to the copy here.
func (x *exchange) hold(ctx context.Context, p Peer, by string, h v1.LogHead) error {
	pinned, err := x.j.cfg.Copies.Copy(p.Name)
	switch {
	case err != nil:
		return err
	case len(pinned.Head) == 0:
		return fault.Errorf(fault.NotFound, "nothing of its log is copied here yet")
	case pinned.Public != h.Public || x.j.accused(p.Name):
		return nil // nothing to compare: one of the two is of another life of the node, whose key the configuration has
	case h.At.Before(pinned.Accepted):
		return nil // of the history that an operator has set aside here
	case bytes.Equal(h.Head, pinned.Head):
		return nil
	}
	head, err := auditlog.OpenHead(pinned.Public, h.Head)
	if err != nil {
		return fmt.Errorf("what node %s says to be a head of the log of node %s: %w", by, p.Name, err) // it proves nothing
	}
	tree, err := x.j.cfg.Copies.Tree(p.Name)
	if err != nil {
		return err
	}
	if tree.Size() < head.Size { // the other one is ahead
		if err := x.follow(ctx, p, false); err != nil {
			return err
		}
		if tree, err = x.j.cfg.Copies.Tree(p.Name); err != nil || x.j.accused(p.Name) {
			return err
		}
	}
	split := func(format string, args ...any) error {
		again, err := x.j.cfg.Copies.Copy(p.Name)
		if err != nil || again.Public != pinned.Public || !again.Accepted.Equal(pinned.Accepted) {
			return err // what was copied was set aside meanwhile
		}
		e := auditlog.Evidence{Now: again.Head, Before: h.Head, KeyBefore: pinned.Public, KeyNow: pinned.Public, Text: fmt.Sprintf("it shows different command logs to different nodes: node %s holds a head of %d entries with its signature, ", by, head.Size) + fmt.Sprintf(format, args...)}
		return x.keep(p, e)
	}
	switch {
	case tree.Size() < head.Size:
		return split("and here it gives only %d", tree.Size())
	case head.Size >= tree.Base().Size:
		root, err := tree.RootAt(head.Size)
		if err != nil {
			return err
		}
		if !bytes.Equal(root, head.Root) {
			return split("which are not the ones that were copied here")
		}
		return nil
	}
	return x.join(ctx, p, pinned, h, split)
}

// join lets the node itself prove that its log begins with a head of which the entries are not kept here any more: its present log has to begin with it, and to be the
// one that was copied.
func (x *exchange) join(ctx context.Context, p Peer, pinned auditlog.Pinned, h v1.LogHead, split func(string, ...any) error) error {
	old, err := auditlog.OpenHead(pinned.Public, h.Head)
	if err != nil {
		return err
	}
	offer, err := x.offer(ctx, p.Name, old.Size)
	if err != nil {
		return err
	}
	next, err := auditlog.Judge(auditlog.Pinned{Public: pinned.Public, Head: h.Head}, p.Key, offer)
	if err != nil {
		return split("with which the log that it gives here does not begin: %v", err)
	}
	tree, err := x.j.cfg.Copies.Tree(p.Name)
	if err != nil {
		return err
	}
	if next.Size > tree.Size() {
		return x.grow(ctx, p, pinned, offer, next)
	}
	if root, err := tree.RootAt(next.Size); err != nil || !bytes.Equal(root, next.Root) {
		return split("and the log that it says to begin with it is not the one that was copied here")
	}
	return nil
}
