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
	"redoubt/internal/fault"
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
	// plain are the resources that were looked at last, when none of them shares its load.
	plain []model.Resource
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
			b.second(ctx, &asking)
		}
	}
}

// second is what is looked after every second.
func (b *Balancer) second(ctx context.Context, asking *sync.WaitGroup) {
	b.mu.Lock()
	// A node whose lease has ended has lost its addresses on purpose.
	if b.last != nil && len(b.last.Shares) > 0 && b.member.MayStart() && !b.plane.Intact() {
		b.cfg.Log.Warn("the rules or the addresses that balance the load of scalable services were changed by somebody; they are made again")
		b.last = nil
		b.askAgain()
	}
	b.askDue(ctx, asking)
	serves := b.last != nil && len(b.last.Shares) > 0
	b.mu.Unlock()
	b.tend(ctx, serves)
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
	snap := b.source.Snapshot()
	// Most clusters share no load, and are told news of all their services: what a snapshot has lent is never changed, so one look at a list is enough.
	if !sameList(b.plain, snap.State.Resources) {
		b.plain = nil
		if !slices.ContainsFunc(snap.State.Resources, balance.Scalable) {
			b.plain = snap.State.Resources
		}
	}
	if len(b.plain) > 0 && len(b.left) == 0 {
		return balance.Outline{Node: b.cfg.Node}
	}
	s := BuildState(snap, b.member.View(), b.cfg.Clock.Wall())
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

// sameList reports whether two lists are one.
func sameList[T any](a, b []T) bool {
	return len(a) > 0 && len(a) == len(b) && &a[0] == &b[0]
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
	if err := context.Cause(ctx); err != nil {
		return fault.Errorf(fault.Unavailable, "take the shared address of %s: %w", r, err)
	}
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

// peers are the resources that a method may have to see: those of its group, and the shared addresses of a scalable resource.
func peers(s model.State, group []model.Resource, r model.Resource) []model.Resource {
	if !balance.Scalable(r) {
		return group
	}
	return slices.Concat(group, balance.Uses(s, r))
}
