package daemon

import (
	"crypto/ecdsa"
	"crypto/x509"
	"slices"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/engine"
	"redoubt/internal/fault"
	"redoubt/internal/pki"
	"redoubt/internal/rgm/model"
)

const (
	// outOfTouch is for how long the repository must have been silent before what this node has read of it is no measure for whom it talks to.
	outOfTouch = 5 * time.Second
	// justHeard is for how long after the repository has spoken what this node has read of it is what a majority has: a watch asks for a sign every second.
	justHeard = 1500 * time.Millisecond
	// mostShown bounds how many certificates of one key are looked at.
	mostShown = 8
)

// witness is what a node knows, at one moment, of who is in the cluster and which certificates were given, and how far that can be relied upon.
type witness struct {
	snap    engine.Snapshot // without a cluster: the repository was not read yet in this life of the daemon
	memory  *identity       // what it knew in its last life; with the repository read it is the same as snap
	own     string          // fingerprint of the certificate that this node shows
	quorum  bool            // what it has read is what a majority has: it holds a lease, or as a quorum server hears from the repository
	touched bool            // it has heard from the repository a moment ago
}

func (n *node) witness() witness {
	w := witness{snap: n.mirror.Snapshot(), memory: n.identity(), own: pki.Fingerprint(n.cred().leaf)}
	silent := outOfTouch
	if n.store != nil {
		silent = n.store.Silent()
	}
	w.touched = silent < outOfTouch
	m := n.heard.Load()
	w.quorum = silent < justHeard && m != nil && (n.cfg.QuorumServer || m.MayStart())
	return w
}

// current reports whether what this node has read is what a majority has, or was within outOfTouch: nobody counts by it who was sent away longer ago.
func (n *node) current() bool {
	m := n.heard.Load()
	return n.store != nil && n.store.Silent() < outOfTouch && m != nil && (n.cfg.QuorumServer || m.MayStart()) && !n.identity().Restored
}

// read reports whether the repository was read in this life of the daemon.
func (w witness) read() bool { return w.snap.State.Cluster.ID != "" }

// configured says whether a node is in the cluster. The code NotFound makes a node that asks forget its cluster: only who has what a majority has says so.
func (w witness) configured(name cluster.NodeName) error {
	switch {
	case !w.read() || slices.ContainsFunc(w.snap.State.Nodes, func(s model.NodeState) bool { return s.Name == name }):
		return nil
	case !w.quorum:
		return fault.Errorf(fault.Unavailable, "node %s is not among those that this node knows, but it is not in quorum and may not know all; ask another", name)
	}
	return fault.Errorf(fault.NotFound, "%s: it was removed; let it join again", notOurs(name))
}

// given says whether a node was given one of the certificates with these fingerprints, which it has shown for one key.
func (w witness) given(name cluster.NodeName, prints []string, usage x509.ExtKeyUsage) error {
	calling := usage == x509.ExtKeyUsageServerAuth // this node calls the other
	switch {
	case name == w.memory.Node && prints[0] == w.own:
		return nil
	case !w.read():
		if r, ok := w.memory.find(name); calling || ok && slices.Contains(prints, r.Certificate) {
			return nil // whoever was away does not know what the others were given meanwhile, and has to read it from one of them
		}
		return fault.Errorf(fault.Unavailable, "this node has not read yet which certificates node %s was given; try again in a moment", name)
	case max(w.snap.Schema, w.memory.Schema) < model.RecordedFrom || w.recorded(name, prints):
		return nil
	case calling && !w.touched:
		return nil // as one that was away
	case !w.quorum:
		return fault.Errorf(fault.Unavailable, "this node does not know the certificate of node %s, but it is not in quorum and may not know all; ask another", name)
	}
	return fault.Errorf(fault.Denied, "the cluster has not given this certificate to node %s: it was signed with a key that was stolen, or before a snapshot was restored; in the second case remove the node and let it join again", name)
}

// kept says whether a node may speak to this one as another member of the repository while this one has not read what a majority has. It is held to what this node has read last, in
// this life of the daemon or in an earlier one, or was told by its sponsor: who is not among those nodes is refused, and so is a certificate that none of them had then, unless the
// node answers with it at its own address. Nobody is refused for good: they ask again, and this node may have read by then.
func (w witness) kept(name cluster.NodeName, prints []string, answers func(model.Node, []string) bool) error {
	r, ok := w.memory.find(name)
	if w.read() {
		i := slices.IndexFunc(w.snap.State.Nodes, func(s model.NodeState) bool { return s.Name == name })
		if ok = i >= 0; ok {
			r = w.snap.State.Nodes[i].Node
		}
	}
	switch {
	case !ok:
		return fault.Errorf(fault.Unavailable, "node %s is not among those that this node knew when it last read the repository; it is let in when this node has read that it belongs to the cluster: start the voters that were there before", name)
	case slices.Contains(prints, r.Certificate), w.recorded(name, prints), max(w.snap.Schema, w.memory.Schema) < model.RecordedFrom, answers(r, prints):
		return nil
	}
	return fault.Errorf(fault.Unavailable, "this node does not know the certificate that is shown for node %s and has not read yet what that node was given, and it was not seen to answer with it at its own address", name)
}

// recorded reports whether one of the certificates is on record as the node's, and not revoked.
func (w witness) recorded(name cluster.NodeName, prints []string) bool {
	return slices.ContainsFunc(prints, func(p string) bool {
		if _, revoked := slices.BinarySearch(w.snap.Revoked, p); revoked {
			return false
		}
		return slices.ContainsFunc(w.snap.State.Nodes, func(s model.NodeState) bool { return s.Name == name && s.Certificate == p }) ||
			slices.ContainsFunc(w.snap.Certificates, func(c model.Certificate) bool {
				return c.Fingerprint == p && c.Kind == string(pki.Node) && c.Name == string(name)
			})
	})
}

// shown are the fingerprints of the certificates of a chain that are for the key of its first. A node whose certificate ended while it was down signs another for the same key,
// and shows the one that was on record beside it: nobody else has that key.
func shown(chain []*x509.Certificate) []string {
	var out []string
	for _, c := range ofOneKey(chain) {
		out = append(out, pki.Fingerprint(c))
	}
	return out
}

// ofOneKey are the certificates of a chain that are for the key of its first.
func ofOneKey(chain []*x509.Certificate) []*x509.Certificate {
	key, ok := chain[0].PublicKey.(*ecdsa.PublicKey)
	if !ok {
		return chain[:1]
	}
	out := chain[:1:1]
	for _, c := range chain[1:] {
		if len(out) < mostShown && !c.IsCA && key.Equal(c.PublicKey) {
			out = append(out, c)
		}
	}
	return out
}
