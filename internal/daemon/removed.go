package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"redoubt/api/client"
	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/model"
)

// A node that was removed while it was away can not read so in the repository, which refuses it. It hears nobody, because nobody sends it heartbeats any more; so
// it asks.

// errRemoved ends a node that is not configured any more.
var errRemoved = errors.New("this node was removed from the cluster")

const (
	dirRemoved  = "removed"  // what a removed node knew of its cluster
	fileRemoved = "why.text" // in it: who said so, and when
	askRemoved  = 2 * time.Second
)

// removal is errRemoved with who said so.
type removal struct {
	cluster string
	by      string
}

func (r removal) Error() string {
	return fmt.Sprintf("this node was removed from cluster %s, as %s says", r.cluster, r.by)
}

// Is makes it errRemoved.
func (r removal) Is(target error) bool { return target == errRemoved }

// askWhetherRemoved asks the other nodes, as long as this one hears none of them or nothing of the repository, whether it still is one of them, and who is: see askAround.
func (n *node) askWhetherRemoved(ctx context.Context) error {
	for {
		if err := wait(ctx, askRemoved); err != nil {
			return err
		}
		if n.inTouch() && !n.witness().outOfTouch() {
			n.doubts.take(nil)
			continue
		}
		if err := n.askAround(ctx); err != nil {
			return err
		}
	}
}

// inTouch reports whether the repository was read in this life of the daemon, and any other node is heard.
func (n *node) inTouch() bool {
	select {
	case <-n.mirror.Filled():
	default:
		return false
	}
	id, view, now := n.identity(), n.member.View(), n.clock.Boot()
	return slices.ContainsFunc(id.Nodes, func(r model.Node) bool { return r.Name != id.Node && view.Hears(r.Name, now) })
}

// factsAt asks another node at one of its addresses who is in the cluster.
func (n *node) factsAt(ctx context.Context, other cluster.NodeName, address string) (facts v1.NodeFacts, err error) {
	c := client.TLS(net.JoinHostPort(address, strconv.Itoa(n.apiPort())), n.cred().client(string(other), n.clock.Wall, n.knownServer))
	defer c.Close()
	err = c.Do(ctx, "peer", "facts", v1.PeerFacts{Nodes: true}, &facts)
	return facts, err // a daemon of an older release does not know the question; that this node was removed it says before it reads it
}

// notOurs begins the answer to the certificate of a node that is not configured.
func notOurs(n cluster.NodeName) string {
	return "the certificate is that of node " + string(n) + ", which is not in the cluster"
}

// removedBy reports whether another node, which has proved that it is one, does not know this one any more.
func removedBy(self cluster.NodeName, err error) bool {
	return fault.Is(err, fault.NotFound) && strings.Contains(err.Error(), notOurs(self))
}

// quit ends what a node that was removed may still have: nothing of it runs on, and its guard goes.
func (n *node) quit() {
	link, err := n.slot.get()
	if err != nil {
		return
	}
	n.slot.fence(link)
	select {
	case <-link.Done():
	case <-time.After(5 * time.Second):
		n.log.Error("the guard of the services of this node does not end")
	}
	n.slot.set(nil)
	_ = link.Close()
}

// noteRemoved keeps for `redoubt status` why this node is in no cluster.
func (c *Config) noteRemoved(why string, at time.Time) error {
	return writeFile(filepath.Join(c.path(dirRemoved), fileRemoved), fmt.Appendf(nil, "%s, on %s\n", why, at.UTC().Format(time.RFC3339)), 0o600)
}

// removed is why this node is in no cluster any more; "" when it never was in one, or is in one.
func (c *Config) removed() string {
	b, err := os.ReadFile(filepath.Join(c.path(dirRemoved), fileRemoved))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
