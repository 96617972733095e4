package daemon

import (
	"context"
	"errors"
	"os"
	"slices"
	"sync"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/control"
	"redoubt/internal/engine"
	"redoubt/internal/fault"
	"redoubt/internal/membership"
	"redoubt/internal/pki"
	"redoubt/internal/rgm/model"
)

// keeper looks after the certificates of a node: it renews the node's own in time, puts the authorities and revocations of the repository into effect, says
// in the repository what is in effect here, and carries the exchange of an authority on. Everything it does can be interrupted anywhere: the files say what
// is in effect, the repository what shall be, and each round makes one follow the other.
type keeper struct {
	node  *node
	peers *peers

	mu      sync.Mutex         // one change of the files at a time
	renewed membership.Instant // when this process last renewed the certificate
	made    []successor        // keys of authorities that the record may not name yet

	clocks clocks
	said   string // the last complaint, so that it is not repeated with every round
}

// The pauses between rounds when nothing happens.
const (
	roundMost  = 10 * time.Minute
	roundLeast = time.Second
	// superseded is how long an old certificate of this node stays good after it was renewed.
	superseded = 30 * time.Second
)

// run keeps until ctx ends.
func (k *keeper) run(ctx context.Context) error {
	news := k.node.mirror.Subscribe(ctx)
	go k.watchClocks(ctx)
	go k.expel(ctx)
	for {
		err := k.round(ctx)
		pause := k.pause()
		if err != nil && ctx.Err() == nil {
			pause = min(pause, 2*time.Second)
			if err.Error() != k.said {
				k.node.log.Warn("the certificates of this node are not as they should be; trying again", "err", err)
			}
			k.said = err.Error()
		} else {
			k.said = ""
		}
		timer := time.NewTimer(pause)
		select {
		case <-news:
		case <-k.clocks.news():
		case <-k.node.seat.said:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
		timer.Stop()
	}
}

// pause is a small part of the certificate's life.
func (k *keeper) pause() time.Duration {
	leaf := k.node.cred().leaf
	if k.node.identity().Restored {
		return roundLeast
	}
	if k.renewed != 0 && k.node.clock.Boot()-k.renewed <= membership.Instant(superseded) {
		return superseded / 10
	}
	return min(roundMost, max(roundLeast, leaf.NotAfter.Sub(leaf.NotBefore)/20))
}

func (k *keeper) round(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := k.node
	if n.identity().Restored {
		return nil // which authorities count is not written yet: see carryOver
	}
	snap := n.mirror.Snapshot()
	var missing error // whoever has the key may be gone for good: the rest goes on without it
	if snap.State.Cluster.ID != "" && snap.State.Cluster.ID == n.identity().Cluster.ID {
		if err := k.found(ctx, snap); err != nil {
			return err
		}
		var err error
		if missing, err = k.trust(ctx, snap); err != nil {
			return err
		}
	}
	if k.due(snap) {
		if err := k.renew(ctx); err != nil {
			return errors.Join(missing, err)
		}
	}
	if snap.State.Cluster.ID == "" {
		return nil
	}
	if err := k.publish(ctx); err != nil {
		return errors.Join(missing, err)
	}
	return errors.Join(missing, k.advance(ctx, snap))
}

// due reports whether the certificate has to be renewed: it ends soon, the clock says that it has not begun, its authority is on the way out, or it was revoked.
func (k *keeper) due(snap engine.Snapshot) bool {
	n := k.node
	cr, now := n.cred(), n.clock.Wall()
	if pki.Due(cr.leaf, now) || now.Before(cr.leaf.NotBefore) {
		return true
	}
	root, ok := snap.Authorities.Node.Signing()
	if !ok {
		return false
	}
	_, revoked := slices.BinarySearch(snap.Revoked, pki.Fingerprint(cr.leaf))
	return cr.nodes.Has(root.Fingerprint) && root.Fingerprint != pki.Fingerprint(cr.issuer()) || revoked && n.configured(snap)
}

// configured reports whether this node is in the cluster.
func (n *node) configured(snap engine.Snapshot) bool {
	return slices.ContainsFunc(snap.State.Nodes, func(s model.NodeState) bool { return s.Name == n.cfg.Node })
}

// found records the authorities of a cluster whose repository does not name them yet. Only the node that made them has both.
func (k *keeper) found(ctx context.Context, snap engine.Snapshot) error {
	cr := k.node.cred()
	if len(snap.Authorities.Node.Roots) > 0 || len(cr.users) == 0 || len(cr.keys) < 2 {
		return nil
	}
	return k.write(ctx, snap, confdb.KeyAuthorities, confdb.KindAuthorities, model.Authorities{
		Node: model.Lineage{Roots: []model.Root{rootOf(cr.nodes[0], nil)}}, User: model.Lineage{Roots: []model.Root{rootOf(cr.users[0], nil)}},
	})
}

// write replaces one record; that somebody was first is no error, the next round sees theirs.
func (k *keeper) write(ctx context.Context, snap engine.Snapshot, key string, kind confdb.Kind, record any) error {
	value, err := confdb.Encode(kind, record)
	if err != nil {
		return err
	}
	return k.txn(ctx, []confdb.Compare{{Key: key, Revision: snap.Revision(key)}}, []confdb.Op{{Key: key, Value: value}})
}

func (k *keeper) txn(ctx context.Context, compares []confdb.Compare, ops []confdb.Op) error {
	bounded, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if _, err := k.node.gated().Txn(bounded, compares, ops); err != nil && !fault.Is(err, fault.Conflict) {
		return err
	}
	return nil
}

// trust makes the files name the authorities that the repository names, and sees to their keys. It is no failure that nobody who is there has a key:
// missing says which, and why.
func (k *keeper) trust(ctx context.Context, snap engine.Snapshot) (missing, err error) {
	for _, a := range []struct {
		lineage     model.Lineage
		have        pki.Roots
		certs, keys string
	}{
		{snap.Authorities.Node, k.node.cred().nodes, fileNodeRoots, fileNodeKeys}, {snap.Authorities.User, k.node.cred().users, fileUserRoots, fileUserKeys},
	} {
		if len(a.lineage.Roots) == 0 {
			continue
		}
		if !slices.Equal(a.have.Fingerprints(), a.lineage.Fingerprints()) {
			roots, err := rootsOf(a.lineage)
			if err != nil {
				return missing, err
			}
			if err := writeFile(k.node.cfg.path(a.certs), pki.Chain(roots...), 0o644); err != nil {
				return missing, err
			}
			if err := k.node.reload(); err != nil {
				return missing, err
			}
			k.node.log.Info("the trusted authorities have changed", "file", a.certs, "authorities", len(roots))
		}
		lacks, err := k.obtain(ctx, a.lineage, a.keys)
		missing = errors.Join(missing, lacks)
		if err != nil {
			return missing, err
		}
	}
	return missing, nil
}

// obtain gets the keys of authorities that this node shall have from nodes that have them, over connections on which both sides have proven to be nodes. Keys of authorities that are
// gone are removed, those of successors that the record does not name yet stay. Missing is why a key could not be had, as for trust.
func (k *keeper) obtain(ctx context.Context, lineage model.Lineage, file string) (missing, err error) {
	n := k.node
	if n.cfg.QuorumServer {
		return nil, nil
	}
	had, err := readKeys(n.cfg.path(file))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return missing, err
	}
	roots, err := rootsOf(lineage)
	if err != nil {
		return missing, err
	}
	keys := had[:0:0]
	for _, root := range roots {
		i := slices.IndexFunc(had, func(key keyOfAuthority) bool { return key.PublicKey.Equal(root.PublicKey) })
		if i >= 0 {
			keys = append(keys, had[i])
			continue
		}
		key, err := k.fetch(ctx, root)
		if err != nil {
			missing = err
			continue
		}
		keys = append(keys, key)
	}
	for _, key := range k.awaited(file, roots) {
		if !slices.ContainsFunc(keys, func(o keyOfAuthority) bool { return o.Equal(key) }) {
			keys = append(keys, key)
		}
	}
	if len(keys) == len(had) && slices.EqualFunc(keys, had, func(a, b keyOfAuthority) bool { return a.Equal(b) }) || len(keys) == 0 {
		return missing, nil
	}
	if err := writeKeys(n.cfg.path(file), keys...); err != nil {
		return missing, err
	}
	cr, err := loadCredentials(n.cfg)
	if err != nil {
		return missing, err
	}
	n.creds.Store(cr)
	return missing, nil
}

// fetch asks the other nodes for the key of an authority.
func (k *keeper) fetch(ctx context.Context, root *rootCertificate) (keyOfAuthority, error) {
	err := error(fault.Errorf(fault.Unavailable, "no other node is there"))
	for _, peer := range k.signers() {
		var out v1.PeerAuthorityKey
		bounded, cancel := context.WithTimeout(ctx, 5*time.Second)
		err = k.peers.Call(bounded, peer, "peer", "key", v1.PeerKey{Fingerprint: pki.Fingerprint(root)}, &out)
		cancel()
		if err != nil {
			continue
		}
		der := out.Key
		if len(out.Sealed) > 0 {
			if der, err = k.node.sealer.Unseal(control.SealedAuthority(pki.Fingerprint(root)), out.Sealed); err != nil {
				continue
			}
		}
		key, kerr := ecKey(der)
		if kerr == nil && key.PublicKey.Equal(root.PublicKey) {
			return key, nil
		}
		err = fault.Errorf(fault.Internal, "node %s sent another key", peer)
	}
	return nil, fault.Errorf(fault.CodeOf(err), "the key of authority %s: %w", pki.Fingerprint(root), err)
}

// signers are the other nodes that are there and can sign.
func (k *keeper) signers() []cluster.NodeName {
	var out []cluster.NodeName
	for _, p := range k.parties() {
		if p.Present && p.Signs && p.Name != k.node.cfg.Node {
			out = append(out, p.Name)
		}
	}
	return out
}

// parties are the configured nodes, and who of them is there: members by the record, quorum servers by ear.
func (k *keeper) parties() []model.Party {
	n := k.node
	view := n.member.View()
	var out []model.Party
	for _, r := range n.identity().Nodes {
		p := model.Party{Name: r.Name, Signs: !r.QuorumServer, Present: r.Name == n.cfg.Node}
		if view.Record != nil {
			_, member := view.Record.Member(r.Name)
			p.Present = p.Present || member
			for _, heard := range view.Peers {
				if heard.Node == r.Name && r.QuorumServer && heard.LastHeard != 0 && n.clock.Boot()-heard.LastHeard < membership.Instant(view.Record.Timing.Timeout) {
					p.Present = true
				}
			}
		}
		out = append(out, p)
	}
	return out
}

// advance takes the exchange of an authority to its next stage once the present one is proven everywhere. Every node tries; the first one's write counts.
func (k *keeper) advance(ctx context.Context, snap engine.Snapshot) error {
	next := snap.Authorities
	parties := k.parties()
	var moved, usersMoved bool
	next.Node, moved, _ = next.Node.Next(string(pki.Node), parties, snap.Trusts, false)
	next.User, usersMoved, _ = next.User.Next(string(pki.User), parties, snap.Trusts, snap.UsersOf(next.User, k.node.clock.Wall()))
	if !moved && !usersMoved {
		return nil
	}
	return k.write(ctx, snap, confdb.KeyAuthorities, confdb.KindAuthorities, next)
}
