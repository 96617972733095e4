package daemon

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/rgm/model"
)

// A voter that has read nothing newer does not know the certificate that another was given meanwhile. It looks which one that node answers with at its own address: whoever has
// an authority's key can make a certificate in the name of the node, but does not answer there.

const (
	// lookAgain is how long after a look at a node the next one begins at the earliest; a look takes less.
	lookAgain = time.Second
	// sayAgain is how long after it was said that somebody is refused it is said again.
	sayAgain = time.Minute
)

// callback remembers which certificates nodes were seen to answer with at their own addresses.
type callback struct {
	look func(context.Context, model.Node) ([]string, error) // fingerprints, as those of shown
	log  *slog.Logger

	mu   sync.Mutex
	seen map[cluster.NodeName][]string
	next map[cluster.NodeName]time.Time
	said time.Time
}

func newCallback(look func(context.Context, model.Node) ([]string, error), log *slog.Logger) *callback {
	return &callback{look: look, log: log, seen: map[cluster.NodeName][]string{}, next: map[cluster.NodeName]time.Time{}}
}

// answers reports whether a node was seen to answer with one of the certificates with these fingerprints, which somebody has shown for one key in its name. If it was not, a look
// at the node begins, and who was refused asks again.
func (c *callback) answers(r model.Node, prints []string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if slices.ContainsFunc(c.seen[r.Name], func(p string) bool { return slices.Contains(prints, p) }) {
		return true
	}
	if now := time.Now(); !now.Before(c.next[r.Name]) {
		c.next[r.Name] = now.Add(lookAgain)
		go c.lookAt(r)
	}
	return false
}

// lookAt looks once.
func (c *callback) lookAt(r model.Node) {
	ctx, cancel := context.WithTimeout(context.Background(), lookAgain)
	defer cancel()
	prints, err := c.look(ctx, r)
	if err != nil {
		c.log.Debug("which certificate a node shows at its own address is not known", "node", r.Name, "err", err)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[r.Name] = prints
}

// refused says from time to time that somebody is refused, and why.
func (c *callback) refused(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); c.said.IsZero() || now.Sub(c.said) >= sayAgain {
		c.said = now
		c.log.Warn("somebody is not let speak to this node's member of the repository", "why", err)
	}
}

// shownAt is what a node shows at the address at which its member of the repository is reached by the others.
func (n *node) shownAt(ctx context.Context, r model.Node) (prints []string, err error) {
	cfg := n.cred().client(string(r.Name), n.clock.Wall, func(chain []*x509.Certificate) error {
		prints = shown(chain)
		return nil
	})
	conn, err := (&tls.Dialer{Config: cfg}).DialContext(ctx, "tcp", net.JoinHostPort(r.PrivateAddress, strconv.Itoa(cluster.PortPeer)))
	if err != nil {
		return nil, err
	}
	return prints, conn.Close()
}
