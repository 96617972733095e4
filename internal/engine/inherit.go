package engine

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/membership"
	"redoubt/internal/rgm/balance"
	"redoubt/internal/rgm/model"
)

// Holders asks other nodes for what they know of connections.
type Holders interface {
	// Memories gives what a node knows of the services at a shared address, by service: the connections that it has itself, and what it remembers if it gave the address
	// up a moment ago.
	Memories(ctx context.Context, node cluster.NodeName, address cluster.ResourceName) (map[cluster.ResourceName]balance.Memory, error)
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
