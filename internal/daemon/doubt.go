package daemon

import (
	"context"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/relay"
	"redoubt/internal/rgm/model"
)

// A node that was away does not know who was removed meanwhile: it would read the repository from such a machine, and speak with it as with another member. So before it speaks with
// any, and as long as it is out of touch, it asks all nodes that it knows who is in the cluster. Those that are in quorum say so. Whom they leave out is in doubt, and nothing of what
// he says is believed, until this node has read the repository.

// askFor is how long the others may take to say who is in the cluster.
const askFor = time.Second

// doubts are the nodes that this one knew and that others say are not in the cluster, with who says so.
type doubts struct {
	mu sync.Mutex
	of map[cluster.NodeName][]string
}

// about is who says that a node is not in the cluster.
func (d *doubts) about(n cluster.NodeName) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.of[n]
}

// take replaces what was known, and gives those that are news.
func (d *doubts) take(of map[cluster.NodeName][]string) (news []cluster.NodeName) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for n := range of {
		if len(d.of[n]) == 0 {
			news = append(news, n)
		}
	}
	d.of = of
	slices.Sort(news)
	return news
}

// doubtful weighs what nodes say: one is in doubt whom at least as many leave out as name, itself included. So a single one that lies about two that speak the truth harms nobody, and
// of two that leave each other out neither is believed. A node that came back under its name is another: it has another number.
func doubtful(nodes []model.Node, said map[cluster.NodeName][]v1.KnownNode) map[cluster.NodeName][]string {
	out := map[cluster.NodeName][]string{}
	for _, r := range nodes {
		var against []string
		named := 0
		for by, list := range said {
			switch {
			case slices.Contains(list, v1.KnownNode{Name: string(r.Name), ID: r.ID}):
				named++
			default:
				against = append(against, string(by))
			}
		}
		if len(against) > 0 && len(against) >= named {
			slices.Sort(against)
			out[r.Name] = against
		}
	}
	return out
}

// outOfTouch reports whether what this node has read of the repository, if anything, is no measure for who is in the cluster.
func (w witness) outOfTouch() bool { return !w.read() || !w.touched }

// inDoubt says why a node is not believed.
func (n *node) inDoubt(name cluster.NodeName) error {
	by := n.doubts.about(name)
	if len(by) == 0 || !n.witness().outOfTouch() {
		return nil
	}
	return fault.Errorf(fault.Unavailable, "node %s is not in the cluster by the word of %s; this node talks to it only when it has read that it is: switch the machine off that was removed", name, strings.Join(by, ", "))
}

// askAround asks the nodes that this one knows who is in the cluster: at their addresses on the interconnects, or their public ones, since nobody routes to the private address of a node
// that was removed. The error is a removal when one of them says that this node is not.
func (n *node) askAround(ctx context.Context) error {
	id := n.identity()
	var mu sync.Mutex
	said := map[cluster.NodeName][]v1.KnownNode{}
	var removed error
	bounded, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	var g errgroup.Group
	for _, other := range id.Nodes {
		if other.Name == id.Node {
			continue
		}
		addresses := other.Addresses
		if id.apart(other) {
			addresses = []string{other.PublicAddress}
		}
		for _, address := range addresses {
			if address == "" {
				continue
			}
			g.Go(func() error {
				facts, err := n.factsAt(bounded, other.Name, address)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case removedBy(id.Node, err):
					removed = removal{id.Cluster.Name, "node " + string(other.Name)}
				case err == nil && len(facts.Nodes) > 0:
					said[other.Name] = facts.Nodes
				}
				return nil
			})
		}
	}
	_ = g.Wait()
	if len(said) > 0 && !id.Restored { // then nobody knows better than this node
		for _, name := range n.doubts.take(doubtful(slices.DeleteFunc(slices.Clone(id.Nodes), func(r model.Node) bool { return r.Name == id.Node }), said)) {
			n.log.Warn("a node is not believed until the repository was read", "node", name, "why", fmt.Sprintf("it is not in the cluster any more, by the word of %s", strings.Join(n.doubts.about(name), ", ")))
		}
	}
	return removed
}

// knownServer is acceptServer for a question that nobody's answer alone decides.
func (n *node) knownServer(chain []*x509.Certificate) error {
	_, err := n.known(chain, x509.ExtKeyUsageServerAuth)
	return err
}

// relays are those of the machines that are on no interconnect and not in doubt.
func (n *node) relays() relay.Desired {
	id := n.identity()
	d := id.relays()
	d.Peers = slices.DeleteFunc(d.Peers, func(m relay.Machine) bool {
		return slices.ContainsFunc(id.Nodes, func(r model.Node) bool { return r.PrivateAddress == m.Private.String() && n.inDoubt(r.Name) != nil })
	})
	return d
}
