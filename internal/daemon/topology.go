package daemon

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"time"

	"redoubt/internal/beat"
	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/engine"
	"redoubt/internal/fault"
	"redoubt/internal/membership"
	"redoubt/internal/privnet"
	"redoubt/internal/relay"
	"redoubt/internal/rgm/model"
	"redoubt/internal/tick"
)

// follow keeps everything that depends on who is configured, who votes and which paths are up in step with the repository and the membership: the peers
// of the heartbeats, the routes of the private network, the endpoints of the repository, this node's seat in it, and what the node remembers.
func (n *node) follow(ctx context.Context) error {
	views, news := n.member.Subscribe(ctx), n.mirror.Subscribe(ctx)
	ticks := tick.New(time.Second)
	defer ticks.Stop()
	for {
		if err := n.adjust(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-views:
			processors.Busy()
		case <-news:
			processors.Busy()
		case <-n.seat.news:
		case <-ticks.C:
		}
	}
}

func (n *node) adjust(ctx context.Context) error {
	snap, view := n.mirror.Snapshot(), n.member.View()
	n.seat.succeed(ctx, view)
	n.seat.relink(n.clock.Boot(), view)
	if snap.State.Cluster.ID != "" {
		if gone := n.learn(snap); gone {
			return removal{n.identity().Cluster.Name, "the repository"}
		}
	}
	if ends := n.endpoints(&view); !slices.Equal(ends, n.ends) {
		if err := n.store.SetEndpoints(ends); err != nil {
			n.log.Warn("the repository can not be reached", "err", err)
		}
		n.ends = ends
	}
	n.reroute(ctx, view)
	if snap.Record != nil {
		n.seat.adjust(ctx, n, snap)
	}
	if c := n.seat.report(n.clock.Boot(), view); c != view.Copy {
		return n.member.Do(ctx, func() { n.machine.SetCopy(c) })
	}
	return nil
}

// settledFor is how often the private network is looked after when nothing has changed: somebody may have removed a route.
const settledFor = 10 * time.Second

// reroute brings the private network in step with the paths that are up.
func (n *node) reroute(ctx context.Context, view membership.View) {
	want, relays := n.routes(view), n.relays()
	changed := !reflect.DeepEqual(want, n.routed) || !reflect.DeepEqual(relays, n.relayed)
	if !changed && time.Since(n.routedAt) < settledFor {
		return
	}
	n.routed, n.relayed, n.routedAt = want, relays, time.Now()
	if err := errors.Join(n.private.Apply(ctx, want), n.relay.Apply(relays)); err != nil {
		n.log.Warn("the private network could not be set up; trying again", "err", err)
		n.routed = privnet.Desired{}
		return
	}
	if w := n.work.Load(); w != nil && changed {
		w.rearm() // the guard's last words take the paths that are there now
	}
}

// learn takes over what the repository says about the cluster; true: this node is not in it any more.
func (n *node) learn(snap engine.Snapshot) (gone bool) {
	old := n.identity()
	if snap.State.Cluster.ID != old.Cluster.ID {
		n.log.Error("the repository is that of another cluster; it is not followed", "cluster", snap.State.Cluster.Name)
		return false
	}
	next := &identity{Cluster: snap.State.Cluster, Node: old.Node, Profile: old.Profile, Restored: old.Restored, Fresh: old.Fresh, Schema: snap.Schema}
	for _, s := range snap.State.Nodes {
		next.Nodes = append(next.Nodes, s.Node)
	}
	next.Timing, next.Voters = old.Timing, old.Voters
	if snap.Record != nil { // otherwise it can not be read, and what was known before is the best there is
		next.Timing, next.Voters = snap.Record.Timing, nil
		for _, v := range slices.Concat(snap.Record.Voters, snap.Record.NextVoters) {
			if !slices.Contains(next.Voters, v.Node) {
				next.Voters = append(next.Voters, v.Node)
			}
		}
	}
	if _, ok := next.find(next.Node); !ok {
		return len(next.Nodes) > 0
	}
	if reflect.DeepEqual(old, next) {
		return false
	}
	n.mu.Lock()
	next.Restored, next.Fresh = n.id.Restored, n.id.Fresh
	n.id = next
	n.mu.Unlock()
	if err := next.save(n.cfg); err != nil {
		n.log.Error("what this node knows of its cluster could not be saved; after a restart it may not find the others", "err", err)
	}
	if err := n.transport.SetPeers(n.peers()); err != nil {
		n.log.Error("not every node can be heard", "err", err)
	}
	own, err := next.paths(next.self())
	if err == nil {
		err = n.transport.SetAddresses(own)
	}
	if err != nil {
		n.log.Error("not every interconnect can be used", "err", err)
	}
	go func() {
		// The loop may be busy; it takes this between two steps. Of two that wait it is not known which goes first, so each tells what is known then.
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = n.member.Do(ctx, n.configure)
	}()
	if w := n.work.Load(); w != nil {
		w.rearm()
	}
	return false
}

// configure tells the machine who is configured and how many paths there are; it runs in the machine's loop.
func (n *node) configure() {
	id := n.identity()
	var configured []membership.Configured
	for _, r := range id.Nodes {
		configured = append(configured, membership.Configured{Node: r.Name, QuorumServer: r.QuorumServer, Fence: r.Fence != nil, Unused: id.unused(r)})
	}
	n.machine.SetNodes(configured)
	n.machine.SetPaths(id.pathCount())
}

// bootstrap renews the record of a repository that was restored, closes renewed when there is nothing to renew any more, tells the machine who is configured, and writes
// the first records of a cluster that this node has just created.
func (n *node) bootstrap(ctx context.Context, renewed chan<- struct{}) error {
	id := n.identity()
	if id.Restored {
		if err := n.renew(ctx, id); err != nil {
			return err
		}
	}
	close(renewed)
	if err := n.member.Do(ctx, n.configure); err != nil {
		return err
	}
	for id.Fresh {
		err := n.firstRecords(ctx, id)
		if err == nil || fault.Is(err, fault.Conflict) {
			return n.amend(func(id *identity) { id.Fresh = false })
		}
		if err := wait(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// amend changes what this node remembers of itself.
func (n *node) amend(f func(id *identity)) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	id := *n.id
	f(&id)
	n.id = &id
	return id.save(n.cfg)
}

// firstRecords writes the cluster, its first node and the first membership record, if they are not there.
func (n *node) firstRecords(ctx context.Context, id *identity) error {
	timing, ok := cluster.ProfileTiming(id.Profile)
	if !ok {
		timing, _ = cluster.ProfileTiming("default")
	}
	rec := membership.Record{Epoch: 1, Voters: []membership.Voter{{Node: id.Node}}, VoterEpoch: 1, Timing: timing}
	var ops []confdb.Op
	for _, r := range []struct {
		key  string
		kind confdb.Kind
		spec any
	}{
		{confdb.KeyCluster, confdb.KindCluster, id.Cluster},
		{confdb.KeyNode(id.Node), confdb.KindNode, id.self()},
		{confdb.KeyMembership, confdb.KindMembership, rec},
		{confdb.KeySchema, confdb.KindSchema, model.Schema{Level: confdb.Newest()}},
	} {
		value, err := confdb.EncodeFor(confdb.Newest(), r.kind, r.spec)
		if err != nil {
			return err
		}
		ops = append(ops, confdb.Op{Key: r.key, Value: value})
	}
	attempt, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	_, err := n.store.Txn(attempt, []confdb.Compare{{Key: confdb.KeyCluster}, {Key: confdb.KeyMembership}}, ops)
	return err
}

// peers are the other nodes as the heartbeats know them.
func (n *node) peers() []beat.Peer {
	id := n.identity()
	var out []beat.Peer
	for _, r := range id.Nodes {
		if r.Name == id.Node {
			continue
		}
		addrs, err := id.paths(r)
		if err != nil {
			n.log.Error("a node's record is damaged; it is not heard", "node", r.Name, "err", err)
			continue
		}
		out = append(out, beat.Peer{Node: r.Name, ID: uint32(r.ID), Key: r.HeartbeatKey, Addresses: addrs})
	}
	return out
}

// routes are the ways to the other nodes' private addresses, over paths that are up before others.
func (n *node) routes(view membership.View) privnet.Desired {
	id := n.identity()
	down := func(name cluster.NodeName, path int) bool {
		for _, p := range view.Paths {
			if p.Node == name && p.Path == path {
				return !p.Up
			}
		}
		return false
	}
	var d privnet.Desired
	relayed := n.relays().Peers
	for _, r := range id.Nodes {
		private, err := netip.ParseAddr(r.PrivateAddress)
		if err != nil {
			continue
		}
		if r.Name == id.Node {
			d.Self = private
			continue
		}
		if n.inDoubt(r.Name) != nil {
			continue // members of the repository call each other, and believe whoever answers there
		}
		if id.apart(r) {
			here := slices.ContainsFunc(relayed, func(m relay.Machine) bool { return m.Private == private })
			d.Peers = append(d.Peers, privnet.Peer{Private: private, Here: here})
			continue
		}
		addrs, err := id.interconnects(r)
		if err != nil {
			continue
		}
		p := privnet.Peer{Private: private}
		for _, want := range []bool{false, true} {
			for i, a := range addrs {
				if a.IsValid() && down(r.Name, i) == want {
					p.Via = append(p.Via, a)
				}
			}
		}
		d.Peers = append(d.Peers, p)
	}
	return d
}

// endpoints are where the repository is reached: this node's own member first, if it is up, then voters that are heard. While nobody is heard they are all voters. A member that
// lacks what others have, because the one that leads does not reach it, comes after a voter that has it: what it tells this node of is old.
func (n *node) endpoints(view *membership.View) []string {
	id := n.identity()
	heard := func(name cluster.NodeName) bool {
		if view == nil || view.Record == nil {
			return true
		}
		for _, p := range view.Peers {
			if p.Node == name {
				return p.LastHeard != 0 && n.clock.Boot()-p.LastHeard < membership.Instant(view.Record.Timing.Timeout)
			}
		}
		return false
	}
	voters := id.Voters
	if len(voters) == 0 { // not known: any of them may vote
		for _, r := range id.Nodes {
			voters = append(voters, r.Name)
		}
	}
	var own, alive, silent, current []string
	for _, v := range voters {
		r, ok := id.find(v)
		if !ok {
			continue
		}
		e := net.JoinHostPort(r.PrivateAddress, strconv.Itoa(cluster.PortClient))
		switch {
		case v == id.Node:
			if n.seat.running() {
				own = append(own, e)
			}
		case heard(v):
			alive = append(alive, e)
			if view != nil && slices.ContainsFunc(view.Peers, func(p membership.Peer) bool { return p.Node == v && p.Copy.State == membership.CopyUsable }) {
				current = append(current, e)
			}
		default:
			silent = append(silent, e)
		}
	}
	if len(alive) == 0 {
		alive = silent
	}
	if view != nil && view.Copy.State == membership.CopyBehind && len(current) > 0 {
		return slices.Concat(current, slices.DeleteFunc(alive, func(e string) bool { return slices.Contains(current, e) }), own)
	}
	return append(own, alive...)
}

// interconnects are a node's addresses by interconnect; the zero address where the interconnect is not in use or the node has none there.
func (id *identity) interconnects(r model.Node) ([]netip.Addr, error) {
	out := make([]netip.Addr, len(id.Cluster.Interconnects))
	for i, c := range id.Cluster.Interconnects {
		if c.Disabled || i >= len(r.Addresses) || r.Addresses[i] == "" {
			continue
		}
		a, err := netip.ParseAddr(r.Addresses[i])
		if err != nil {
			return nil, fault.Errorf(fault.Internal, "address %q in the record of node %s: %w", r.Addresses[i], r.Name, err)
		}
		out[i] = a
	}
	return out, nil
}
