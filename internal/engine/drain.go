package engine

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/rgm/balance"
	"redoubt/internal/rgm/model"
)

// Drainer lets what an instance serves come to its end before the instance is stopped on purpose.
type Drainer interface {
	Drain(ctx context.Context, r model.Resource)
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

// drains reports whether a resource gets time before its Stop: an instance that serves others and is well.
func (x *Executor) drains(g *groupRun, r model.Resource, m model.Method) bool {
	if x.cfg.Drainer == nil || m != model.MethodStop || !balance.Scalable(r) {
		return false
	}
	return slices.ContainsFunc(g.life.Instance().Resources, func(ri model.ResourceInstance) bool {
		return ri.Name == r.Name && ri.Status != model.StatusFaulted
	})
}
