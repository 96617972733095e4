package engine

import (
	"context"
	"net/netip"
	"reflect"
	"slices"
	"sync"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/membership"
	"redoubt/internal/rgm/balance"
	"redoubt/internal/rgm/model"
	"redoubt/internal/tick"
)

// Plane is the kernel of this node as far as it shares the load of scalable services.
type Plane interface {
	// Apply makes the kernel look like the plane, whatever it looked like before.
	Apply(ctx context.Context, p balance.Plane) error
	// Intact reports whether what was last applied is still there.
	Intact() bool
	// Networks lists the addresses of this host.
	Networks() ([]netip.Prefix, error)
	// Connections lists the TCP connections that this host has at ports (none: all but those excepted) of addresses, without marks.
	Connections(addresses []netip.Addr, ports, except []balance.Port) ([]balance.Known, error)
	// Tend looks after what is remembered of connections and clients, and says how full that is for each service whose addresses this host has.
	Tend() ([]balance.Fill, error)
	// Recollect gives what this host remembers of a service, and Remember adds to it what others know; without rules for the service, when these are made.
	Recollect(service cluster.ResourceName) balance.Memory
	Remember(service cluster.ResourceName, m balance.Memory) error
	// Leftover says which of these addresses rules for a service, of an earlier life or of this one, bring to its instances, and where.
	Leftover(service cluster.ResourceName, addresses []netip.Addr) ([]balance.Held, error)
}

// Holders asks other nodes for what they know of connections.
type Holders interface {
	// Memories gives what a node knows of the services at a shared address, by service: the connections that it has itself, and what it remembers if it gave the address
	// up a moment ago.
	Memories(ctx context.Context, node cluster.NodeName, address cluster.ResourceName) (map[cluster.ResourceName]balance.Memory, error)
}

// Drainer lets what an instance serves come to its end before the instance is stopped on purpose.
type Drainer interface {
	Drain(ctx context.Context, r model.Resource)
}

// Balancer is the loop of a node that keeps its kernel in step with the scalable services of the cluster, from the beginning of an incarnation to its end.
type Balancer struct {
	cfg    Config
	member *Member
	source Source
	store  confdb.Store
	plane  Plane

	mu   sync.Mutex
	over balance.Overrides
	last *balance.Outline // what the kernel looks like; nil: not known
	// left is when addresses that were given up stop to linger; 0: not before another node holds them.
	left map[cluster.ResourceName]membership.Instant
	// again is when the others are asked once more about an address that this node holds, and due wakes the loop for that.
	again map[cluster.ResourceName][]membership.Instant
	due   chan struct{}
	said  string // the last error

	// Of the loop alone.
	begun   bool                          // what earlier lives left was looked at
	tendAt  membership.Instant            // when what is remembered is looked after next
	full    []model.Memory                // how full the memory of the services is, as the others are told
	crowded map[cluster.ResourceName]bool // those of which the log says that it is nearly full
}

// NewBalancer returns the loop; Run starts it.
func NewBalancer(cfg Config, member *Member, source Source, store confdb.Store, plane Plane) *Balancer {
	return &Balancer{
		cfg: cfg, member: member, source: source, store: store, plane: plane,
		over: balance.Overrides{
			Taking: map[cluster.ResourceName][]balance.Held{}, Leaving: map[cluster.ResourceName]bool{}, Lingering: map[cluster.ResourceName][]balance.Held{},
		},
		left: map[cluster.ResourceName]membership.Instant{}, again: map[cluster.ResourceName][]membership.Instant{}, due: make(chan struct{}, 1), crowded: map[cluster.ResourceName]bool{},
	}
}

// Run follows the cluster until ctx ends. The kernel stays as it is then.
func (b *Balancer) Run(ctx context.Context) error {
	views, news := b.member.Subscribe(ctx), b.source.Subscribe(ctx)
	ticks := tick.New(time.Second)
	defer ticks.Stop()
	var asking sync.WaitGroup
	defer asking.Wait()
	for {
		b.mu.Lock()
		err := b.follow(ctx)
		b.mu.Unlock()
		b.say(ctx, err)
		b.publish(ctx)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-views:
		case <-news:
		case <-b.due:
			b.mu.Lock()
			b.askDue(ctx, &asking)
			b.mu.Unlock()
		case <-ticks.C:
			b.mu.Lock()
			// A node whose lease has ended has lost its addresses on purpose.
			if b.last != nil && len(b.last.Shares) > 0 && b.member.MayStart() && !b.plane.Intact() {
				b.cfg.Log.Warn("the rules or the addresses that balance the load of scalable services were changed by somebody; they are made again")
				b.last = nil
				b.askAgain()
			}
			b.askDue(ctx, &asking)
			serves := b.last != nil && len(b.last.Shares) > 0
			b.mu.Unlock()
			b.tend(ctx, serves)
		}
	}
}

// tendEvery is how often what is remembered is looked after. It is well below the shortest time for which a client is remembered.
const tendEvery = 10 * time.Second

// tend has the plane look after what it remembers, and keeps how full that is.
func (b *Balancer) tend(ctx context.Context, serves bool) {
	if !serves {
		b.full = nil
		return
	}
	now := b.cfg.Clock.Boot()
	if now < b.tendAt {
		return
	}
	fills, err := b.plane.Tend()
	// Much that is remembered takes long to read: no more than a twentieth of the time goes there.
	b.tendAt = now.Add(max(int64(tendEvery), 20*int64(b.cfg.Clock.Boot()-now)))
	b.say(ctx, err)
	b.full = nil
	for _, f := range fills {
		if tens := f.Full / 10 * 10; tens > 0 {
			b.full = append(b.full, model.Memory{Resource: f.Resource, Full: tens})
		}
		if crowded := f.Full >= balance.NearlyFull; crowded != b.crowded[f.Resource] {
			b.crowded[f.Resource] = crowded
			if crowded {
				b.cfg.Log.Warn("the memory of connections of a scalable service is nearly full; connections that it has no room for break when their slots are dealt anew", "resource", f.Resource, "percent", f.Full)
			}
		}
	}
}

// linger is how long a node that gave an address up hands on what still comes once another node holds it: longer than that announces itself. As long as nobody holds it,
// this node is all that clients know.
const linger = 5 * time.Second

// look is what the cluster is like for this node now. The caller holds mu.
func (b *Balancer) look() balance.Outline {
	s := BuildState(b.source.Snapshot(), b.member.View(), b.cfg.Clock.Wall())
	for r, end := range b.left {
		switch now := b.cfg.Clock.Boot(); {
		case end == 0 && elsewhere(s, r, b.cfg.Node):
			b.left[r] = now.Add(int64(linger))
		case end != 0 && now > end:
			delete(b.left, r)
			delete(b.over.Lingering, r)
		}
	}
	return balance.Look(s, b.cfg.Node, b.over)
}

// elsewhere reports whether a shared address is not this node's any more: another holds it, or it is no more.
func elsewhere(s model.State, address cluster.ResourceName, self cluster.NodeName) bool {
	for _, r := range s.Resources {
		if r.Name == address {
			holder := balance.Holder(s, r)
			return holder != "" && holder != self
		}
	}
	return true
}

// resume has addresses linger that an earlier life on this machine held: the kernel still brings their packets to the instances, and clients know no other machine. The
// caller holds mu.
func (b *Balancer) resume() error {
	s := BuildState(b.source.Snapshot(), b.member.View(), b.cfg.Clock.Wall())
	for _, r := range s.Resources {
		if !balance.Scalable(r) {
			continue
		}
		for _, a := range balance.Uses(s, r) {
			_, takes := b.over.Taking[a.Name]
			if takes || balance.Holder(s, a) == b.cfg.Node {
				continue
			}
			held, err := b.plane.Leftover(r.Name, balance.AddressesOf(a))
			if err != nil {
				return err
			}
			if len(held) > 0 {
				b.over.Lingering[a.Name], b.left[a.Name] = held, 0
			}
		}
	}
	b.begun = true
	return nil
}

// follow applies what is different. The caller holds mu.
func (b *Balancer) follow(ctx context.Context) error {
	if !b.begun {
		// Until this life of the node is a member what is there goes on; what the repository says of the node is about the life before.
		if !b.member.View().IsMember || b.source.Snapshot().Record == nil {
			return nil
		}
		if err := b.resume(); err != nil {
			return err
		}
	}
	now := b.look()
	if b.last != nil && reflect.DeepEqual(*b.last, now) {
		return nil
	}
	b.last = nil
	if err := b.plane.Apply(ctx, now.Plane()); err != nil {
		return err
	}
	b.last = &now
	return nil
}

// say logs an error when it is another than before.
func (b *Balancer) say(ctx context.Context, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	text := ""
	if err != nil && !ended(ctx) {
		text = err.Error()
	}
	if text != "" && text != b.said {
		b.cfg.Log.Error("the load of scalable services is not balanced as it should be; trying again", "err", text)
	}
	b.said = text
}

// Hold prepares this node for a shared address that it is about to take: packets to it go where they belong from the first on, also those of connections that only the
// holder before knows, if that is there to be asked.
func (b *Balancer) Hold(ctx context.Context, r cluster.ResourceName, at []balance.Held) error {
	// The holder before still hands packets on to the instance here. They would be dealt anew if the rules were there before the memory.
	b.inherit(ctx, r)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over.Taking[r] = at
	// Until the clients have heard of this node, more connections begin at the holder before.
	b.again[r] = nil
	for _, after := range heard {
		b.again[r] = append(b.again[r], b.cfg.Clock.Boot().Add(int64(after)))
	}
	time.AfterFunc(heard[0], func() {
		select {
		case b.due <- struct{}{}:
		default:
		}
	})
	delete(b.over.Leaving, r)
	delete(b.over.Lingering, r)
	delete(b.left, r)
	return b.follow(ctx)
}

// inheritLimit is how long the node waits for what the others know before it takes an address without.
const inheritLimit = 2 * time.Second

// heard is after which times those who send to an address have heard of its new holder: nearly all, and all. It is well below linger.
var heard = []time.Duration{100 * time.Millisecond, time.Second}

// askDue has the others asked about the addresses for which it is time. The caller holds mu.
func (b *Balancer) askDue(ctx context.Context, asking *sync.WaitGroup) {
	now := b.cfg.Clock.Boot()
	for r, at := range b.again {
		// What rules that are made anew have to know is asked when they are there.
		if b.last == nil || now < at[0] {
			continue
		}
		if b.again[r] = at[1:]; len(at) == 1 {
			delete(b.again, r)
		}
		asking.Go(func() { b.inherit(ctx, r) })
	}
}

// askAgain has the others asked about all addresses that this node holds, whose rules have lost what they remembered. The caller holds mu.
func (b *Balancer) askAgain() {
	s := BuildState(b.source.Snapshot(), b.member.View(), b.cfg.Clock.Wall())
	for _, r := range s.Resources {
		if r.Type == balance.SharedAddress && balance.Holder(s, r) == b.cfg.Node {
			b.again[r.Name] = []membership.Instant{b.cfg.Clock.Boot()}
		}
	}
}

// inherit asks the other nodes for what they know of the connections of the services at an address, and sees what this one has itself.
func (b *Balancer) inherit(ctx context.Context, address cluster.ResourceName) {
	record := b.source.Snapshot().Record
	if b.cfg.Holders == nil || record == nil || len(b.sharing(address)) == 0 {
		return
	}
	bounded, cancel := context.WithTimeout(ctx, inheritLimit)
	defer cancel()
	all := map[cluster.ResourceName][]balance.Memory{}
	for service, memory := range b.sockets(address) {
		all[service] = append(all[service], memory)
	}
	var told sync.Mutex
	var asked sync.WaitGroup
	for _, m := range record.Members {
		if m.Node == b.cfg.Node {
			continue
		}
		asked.Go(func() {
			memories, err := b.cfg.Holders.Memories(bounded, m.Node, address)
			if err != nil {
				b.cfg.Log.Warn("a node does not say which connections it knows; those of slots that were dealt anew may break", "address", address, "node", m.Node, "err", err)
			}
			told.Lock()
			defer told.Unlock()
			for service, memory := range memories {
				all[service] = append(all[service], memory)
			}
		})
	}
	asked.Wait()
	for service, memories := range all {
		if err := b.plane.Remember(service, balance.Join(memories...)); err != nil {
			b.cfg.Log.Warn("connections of slots that were dealt anew may break", "address", address, "resource", service, "err", err)
		}
	}
}

// Memories gives what this node knows of the services at a shared address, by service: its own connections, and what it remembers if it gave the address up a moment ago.
func (b *Balancer) Memories(address cluster.ResourceName) map[cluster.ResourceName]balance.Memory {
	b.mu.Lock()
	_, lingers := b.over.Lingering[address]
	b.mu.Unlock()
	out := b.sockets(address)
	if lingers {
		for _, s := range b.sharing(address) {
			m := b.plane.Recollect(s)
			m.Sockets = out[s].Sockets
			out[s] = m
		}
	}
	return out
}

// sockets are the connections that instances on this node have at a shared address, by service.
func (b *Balancer) sockets(address cluster.ResourceName) map[cluster.ResourceName]balance.Memory {
	out := map[cluster.ResourceName]balance.Memory{}
	services := b.sharing(address)
	b.mu.Lock()
	shares := b.look().Shares
	b.mu.Unlock()
	var addrs []netip.Addr
	for _, r := range b.source.Snapshot().State.Resources {
		if r.Name == address {
			addrs = balance.AddressesOf(r)
		}
	}
	for _, s := range shares {
		i := slices.IndexFunc(s.Instances, func(i balance.Instance) bool { return i.Self })
		if i < 0 || !slices.Contains(services, s.Name) {
			continue
		}
		own, err := b.plane.Connections(addrs, s.Ports, s.Except)
		if err != nil {
			b.cfg.Log.Warn("connections of this node are not told to the holder of their address", "resource", s.Name, "err", err)
			continue
		}
		for k := range own {
			own[k].Mark = s.Instances[i].Mark
		}
		if len(own) > 0 {
			out[s.Name] = balance.Memory{Sockets: own}
		}
	}
	return out
}

// sharing are the scalable services that use a shared address.
func (b *Balancer) sharing(address cluster.ResourceName) []cluster.ResourceName {
	var out []cluster.ResourceName
	s := b.source.Snapshot().State
	for _, r := range s.Resources {
		if balance.Scalable(r) && slices.ContainsFunc(balance.Uses(s, r), func(a model.Resource) bool { return a.Name == address }) {
			out = append(out, r.Name)
		}
	}
	return out
}

// Release prepares this node for giving a shared address up. Connections of instances that are about to stop are known only here: they may end first. Then the node
// falls silent about the address, which its instances go on to use, and which was at the places given.
func (b *Balancer) Release(ctx context.Context, r cluster.ResourceName, at []balance.Held) {
	b.awaitDrained(ctx, r)
	b.mu.Lock()
	delete(b.over.Taking, r)
	delete(b.again, r)
	b.over.Leaving[r], b.over.Lingering[r], b.left[r] = true, at, 0
	err := b.follow(ctx)
	b.mu.Unlock()
	b.say(ctx, err)
}

// settle is how long the other nodes may take to hear of a change and to act on it.
const settle = 250 * time.Millisecond

// awaitDrained waits while instances behind a shared address drain, as long as they may.
func (b *Balancer) awaitDrained(ctx context.Context, r cluster.ResourceName) {
	news := b.source.Subscribe(ctx)
	limit := time.NewTimer(time.Hour)
	defer limit.Stop()
	for first := true; b.member.MayStart(); first = false {
		s := BuildState(b.source.Snapshot(), b.member.View(), b.cfg.Clock.Wall())
		longest := balance.Draining(s, r)
		if longest == 0 {
			return
		}
		if first {
			limit.Reset(time.Duration(longest)*time.Second + 2*settle)
		}
		select {
		case <-news:
		case <-limit.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// Drain implements Drainer: it returns when no connection is left, when Drain_timeout is over, or with ctx. By then the holder of the address has heard that the
// instance stops, and sends new connections elsewhere.
func (b *Balancer) Drain(ctx context.Context, r model.Resource) {
	service, _ := balance.Read(r)
	if service.Drain <= 0 || !b.member.MayStart() {
		return
	}
	var addrs []netip.Addr
	for _, a := range balance.Uses(b.source.Snapshot().State, r) {
		addrs = append(addrs, balance.AddressesOf(a)...)
	}
	limit := time.NewTimer(time.Duration(service.Drain) * time.Second)
	defer limit.Stop()
	wait := settle
	for {
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-limit.C:
			t.Stop()
			return
		case <-ctx.Done():
			t.Stop()
			return
		}
		open, err := b.plane.Connections(addrs, service.Ports, nil)
		if err != nil {
			b.cfg.Log.Warn("connections of an instance that is about to stop are not waited for", "resource", r.Name, "err", err)
			return
		}
		if len(open) == 0 {
			return
		}
		wait = settle / 2
	}
}

// publish tells the other nodes where this one is reached in the networks of shared addresses, and how full the memory of the services is whose addresses it holds.
func (b *Balancer) publish(ctx context.Context) {
	snap := b.source.Snapshot()
	i := slices.IndexFunc(snap.State.Networks, func(n model.Network) bool { return n.Node == b.cfg.Node })
	if snap.Record == nil || i < 0 && !slices.ContainsFunc(snap.State.Resources, func(r model.Resource) bool { return r.Type == balance.SharedAddress }) {
		return
	}
	all, err := b.plane.Networks()
	if err != nil {
		b.say(ctx, err)
		return
	}
	now := balance.Reached(snap.State, b.cfg.Node, all)
	told := model.Network{Node: b.cfg.Node, Addresses: now, Memory: b.full}
	nothing := len(now) == 0 && len(b.full) == 0
	if i >= 0 && slices.Equal(snap.State.Networks[i].Addresses, now) && slices.Equal(snap.State.Networks[i].Memory, b.full) || i < 0 && nothing {
		return
	}
	key := confdb.PrefixNetwork + string(b.cfg.Node)
	op := confdb.Op{Key: key}
	if !nothing {
		if op.Value, err = confdb.Encode(confdb.KindNetwork, told); err != nil {
			b.say(ctx, err)
			return
		}
	}
	bounded, cancel := context.WithTimeout(ctx, writeDeadline)
	defer cancel()
	// One that fails is tried again with the next tick.
	if _, err := b.store.Txn(bounded, []confdb.Compare{{Key: key, Revision: snap.Revision(key)}}, []confdb.Op{op}); err != nil {
		b.cfg.Log.Debug("publishing where this node is reached; trying again", "err", err)
	}
}

// drains reports whether a resource gets time before its Stop: an instance that serves others and is well.
func (x *Executor) drains(g *groupRun, r model.Resource, m model.Method) bool {
	if x.cfg.Drainer == nil || m != model.MethodStop || !balance.Scalable(r) {
		return false
	}
	return slices.ContainsFunc(g.life.Instance().Resources, func(ri model.ResourceInstance) bool {
		return ri.Name == r.Name && ri.Status != model.StatusFaulted
	})
}

// peers are the resources that a method may have to see: those of its group, and the shared addresses of a scalable resource.
func peers(s model.State, group []model.Resource, r model.Resource) []model.Resource {
	if !balance.Scalable(r) {
		return group
	}
	return slices.Concat(group, balance.Uses(s, r))
}
