package daemon

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"redoubt/api/client"
	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/fault"
)

// clocks is what is known of the other nodes' wall clocks.
type clocks struct {
	mu      sync.Mutex
	off     time.Duration // by how much this node's clock is ahead of the others', as most of them see it
	known   bool
	said    int // what was last published, in seconds
	changed chan struct{}
}

// lookAtClocks is how often the clocks are compared; sooner at the start, and while they disagree.
const (
	lookAtClocks = time.Minute
	lookSooner   = 5 * time.Second
)

func (c *clocks) news() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.changed == nil {
		c.changed = make(chan struct{}, 1)
	}
	return c.changed
}

// watchClocks compares this node's clock with the others' until ctx ends.
func (k *keeper) watchClocks(ctx context.Context) {
	news := k.clocks.news()
	every := lookSooner
	for wait(ctx, every) == nil {
		k.compareClocks(ctx)
		every = lookAtClocks
		if k.clockSays() != 0 || k.node.cfg.Test.Clock != "" {
			every = lookSooner
		}
		if off, known := k.clockOff(); known && off.Abs() > farOff {
			k.node.log.Warn("the clock of this node disagrees with those of the others; keep the clocks together, with NTP for example: certificates, logs and times in the configuration depend on them",
				"ahead", off.Round(time.Millisecond))
			select {
			case k.clocks.changed <- struct{}{}:
			default:
			}
		}
	}
	_ = news
}

// compareClocks asks every node that is there what time it is. The median counts: one node that is wrong does not make the others wrong.
func (k *keeper) compareClocks(ctx context.Context) {
	var offs []time.Duration
	for _, peer := range k.signers() {
		if off, err := k.clockOf(ctx, peer); err == nil {
			offs = append(offs, off)
		} else {
			k.node.log.Debug("the clock of another node could not be asked", "node", peer, "err", err)
		}
	}
	k.clocks.mu.Lock()
	defer k.clocks.mu.Unlock()
	if k.clocks.known = len(offs) > 0; k.clocks.known {
		slices.Sort(offs)
		k.clocks.off = offs[len(offs)/2]
	}
}

// clockOf is by how much this node's clock is ahead of another's. Its certificate is held to everything but the time, which is what is in question.
func (k *keeper) clockOf(ctx context.Context, peer cluster.NodeName) (time.Duration, error) {
	n := k.node
	r, ok := n.identity().find(peer)
	if !ok {
		return 0, fault.Errorf(fault.NotFound, "node %s is not in the cluster", peer)
	}
	cr := n.cred()
	cfg := &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cr.pair},
		InsecureSkipVerify: true, //nolint:gosec // VerifyConnection does it, at another time
		VerifyConnection: func(s tls.ConnectionState) error {
			leaf := s.PeerCertificates[0]
			between := x509.NewCertPool()
			for _, c := range s.PeerCertificates[1:] {
				between.AddCert(c)
			}
			_, err := leaf.Verify(x509.VerifyOptions{
				Roots: cr.nodes.Pool(), Intermediates: between, DNSName: string(peer), CurrentTime: leaf.NotBefore.Add(time.Second), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
			})
			return err
		},
	}
	c := client.TLS(net.JoinHostPort(n.identity().api(r), strconv.Itoa(n.apiPort())), cfg)
	defer c.Close()
	bounded, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	var out v1.PeerNow
	// The second call goes over the connection that the first one has made: the time of the handshake is not in it.
	for range 2 {
		before := n.clock.Wall()
		if err := c.Get(bounded, "peer", "time", v1.PeerTime{}, &out); err != nil {
			return 0, err
		}
		if after := n.clock.Wall(); after.Sub(before) < time.Second {
			return before.Add(after.Sub(before) / 2).Sub(out.Now), nil
		}
	}
	return 0, fault.Errorf(fault.Timeout, "node %s answers too slowly to compare clocks", peer)
}

// clockOff is by how much this node's clock is ahead of most others', if that is known.
func (k *keeper) clockOff() (time.Duration, bool) {
	k.clocks.mu.Lock()
	defer k.clocks.mu.Unlock()
	return k.clocks.off, k.clocks.known
}

// clockSays is the same as the others shall read it: whole seconds, 0 as long as it is good enough, and not changed for less than a part of itself, so that a clock that
// drifts is no stream of writes.
func (k *keeper) clockSays() int {
	k.clocks.mu.Lock()
	defer k.clocks.mu.Unlock()
	now := int(k.clocks.off / time.Second)
	if !k.clocks.known || k.clocks.off.Abs() <= farOff {
		now = 0
	}
	if d := now - k.clocks.said; now == 0 || d < -max(1, k.clocks.said/4) || d > max(1, k.clocks.said/4) {
		k.clocks.said = now
	}
	return k.clocks.said
}
