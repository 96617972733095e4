package daemon

import (
	"context"

	"redoubt/internal/engine"
	"redoubt/internal/nft"
)

// newBalancer prepares the load balancing of an incarnation; what an earlier one left in the kernel goes if this one begins anew.
func (n *node) newBalancer(anew bool) (*balancer, error) {
	kernel := nft.New(nft.Config{Obligations: n.slot, Log: n.log})
	if anew {
		if err := kernel.Clear(); err != nil {
			n.log.Warn("this node can not balance the load of scalable services", "err", err)
		}
	}
	return &balancer{engine.NewBalancer(n.engineConfig(), n.member, n.mirror, n.gated(), kernel), kernel}, nil
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
