package daemon

import (
	"context"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/engine"
	"redoubt/internal/nft"
	"redoubt/internal/rgm/balance"
)

// newBalancer prepares the load balancing of an incarnation. What an earlier one left in the kernel goes on until another node holds the addresses.
func (n *node) newBalancer() *balancer {
	kernel := nft.New(nft.Config{Obligations: n.slot, Log: n.log})
	cfg := n.engineConfig()
	cfg.Holders = holdersOf{n}
	return &balancer{engine.NewBalancer(cfg, n.member, n.mirror, n.gated(), kernel), kernel}
}

// memories is what the present incarnation knows of connections of the services at a shared address.
func (n *node) memories(address cluster.ResourceName) map[cluster.ResourceName]balance.Memory {
	w := n.work.Load()
	if w == nil {
		return nil
	}
	return w.balancer.Memories(address)
}

// holdersOf asks other nodes for what they remember.
type holdersOf struct{ *node }

// Memories implements engine.Holders.
func (h holdersOf) Memories(ctx context.Context, node cluster.NodeName, address cluster.ResourceName) (map[cluster.ResourceName]balance.Memory, error) {
	var facts v1.NodeFacts
	if err := h.keeper.peers.Call(ctx, node, "peer", "facts", v1.PeerFacts{Memory: string(address)}, &facts); err != nil {
		return nil, err
	}
	out := map[cluster.ResourceName]balance.Memory{}
	for service, b := range facts.Memory {
		m, err := balance.Unpack(b)
		if err != nil {
			return nil, err
		}
		sockets, err := balance.Unpack(facts.Sockets[service])
		if err != nil {
			return nil, err
		}
		m.Sockets = sockets.Connections
		out[cluster.ResourceName(service)] = m
	}
	return out, nil
}

// balancer is the loop with the kernel that it keeps in step.
type balancer struct {
	*engine.Balancer
	kernel *nft.Kernel
}

// balance runs the loop until ctx ends; what it returns waits for that. The kernel goes on as it is for the daemon that follows, unless the node leaves.
func (n *node) balance(ctx context.Context, b *balancer) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = b.Run(ctx) // ends with ctx alone
	}()
	return func() {
		cancel()
		<-done
		if n.leaving.Load() {
			if err := b.kernel.Clear(); err != nil {
				n.log.Warn("rules that balanced the load of scalable services are left", "err", err)
			}
		}
	}
}
