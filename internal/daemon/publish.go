package daemon

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"maps"
	"reflect"
	"slices"
	"time"

	"redoubt/internal/confdb"
	"redoubt/internal/engine"
	"redoubt/internal/membership"
	"redoubt/internal/pki"
	"redoubt/internal/rgm/model"
	"redoubt/internal/version"
)

type (
	keyOfAuthority  = *ecdsa.PrivateKey
	rootCertificate = x509.Certificate
)

// publish says in the repository what is in effect here: the certificate in use, the authorities that are trusted, the keys that are held. It also
// revokes what this node used before and has replaced.
func (k *keeper) publish(ctx context.Context) error {
	n := k.node
	snap, cr := n.mirror.Snapshot(), n.cred()
	if !n.configured(snap) {
		return nil
	}
	record := recordOf(cr.leaf, cr.issuer())
	trust := model.Trust{
		Node: n.cfg.Node, NodeRoots: n.seat.effective(cr), UserRoots: cr.users.Fingerprints(), Keys: slices.Sorted(maps.Keys(cr.keys)),
		Certificate: record.Fingerprint, Issuer: record.Issuer, ClockOff: k.clockSays(),
	}
	b := batch{snap: snap}
	if i := slices.IndexFunc(snap.Trusts, func(t model.Trust) bool { return t.Node == trust.Node }); i < 0 || !reflect.DeepEqual(snap.Trusts[i], trust) {
		b.put(confdb.PrefixTrust+string(n.cfg.Node), confdb.KindTrust, trust)
	}
	reads := model.Reads{Node: n.cfg.Node, Oldest: confdb.OldestLevel, Newest: confdb.Newest(), Release: version.Version}
	if !slices.Contains(snap.Reads, reads) {
		b.put(confdb.PrefixReads+string(n.cfg.Node), confdb.KindReads, reads)
	}
	if !slices.ContainsFunc(snap.Certificates, func(c model.Certificate) bool { return c.Fingerprint == record.Fingerprint }) {
		record.By = "node " + string(n.cfg.Node)
		b.put(confdb.PrefixCertificate+record.Fingerprint, confdb.KindCertificate, record)
	}
	for _, s := range snap.State.Nodes {
		if s.Name == n.cfg.Node && s.Certificate != record.Fingerprint {
			next := s.Node
			next.Certificate = record.Fingerprint
			b.put(confdb.KeyNode(n.cfg.Node), confdb.KindNode, next)
		}
	}
	k.supersede(&b, snap, record)
	if b.err != nil || len(b.ops) == 0 {
		return b.err
	}
	return k.txn(ctx, b.compares, b.ops)
}

// supersede revokes this node's earlier certificates a while after the last renewal, and forgets what has ended by itself.
func (k *keeper) supersede(b *batch, snap engine.Snapshot, current model.Certificate) {
	n := k.node
	now := n.clock.Wall()
	settled := k.renewed == 0 || n.clock.Boot()-k.renewed > membership.Instant(superseded)
	for _, c := range snap.Certificates {
		if c.Kind != string(pki.Node) || c.Name != string(n.cfg.Node) || c.Fingerprint == current.Fingerprint {
			continue
		}
		_, revoked := slices.BinarySearch(snap.Revoked, c.Fingerprint)
		switch {
		case now.Sub(c.NotAfter) > forgetAfter:
			b.drop(confdb.PrefixCertificate + c.Fingerprint)
			if revoked {
				b.drop(confdb.PrefixRevoked + c.Fingerprint)
			}
		case !revoked && settled && now.Before(c.NotAfter):
			b.put(confdb.PrefixRevoked+c.Fingerprint, confdb.KindRevoked, model.Revoked{
				Node: n.cfg.Node, By: "node " + string(n.cfg.Node), At: now.UTC(), Kind: c.Kind, Name: c.Name, Serial: c.Serial, Until: c.NotAfter, Reason: "it was renewed",
			})
		}
		if len(b.ops) > 50 {
			return // the rest with the next round
		}
	}
}

// forgetAfter is how long after its end a certificate of a node is remembered: longer than any clock is off.
const forgetAfter = 30 * 24 * time.Hour

// batch collects the writes of one transaction over what was read.
type batch struct {
	snap     engine.Snapshot
	compares []confdb.Compare
	ops      []confdb.Op
	err      error
}

func (b *batch) put(key string, kind confdb.Kind, record any) {
	value, err := confdb.Encode(kind, record)
	if err != nil {
		b.err = err
		return
	}
	b.compares = append(b.compares, confdb.Compare{Key: key, Revision: b.snap.Revision(key)})
	b.ops = append(b.ops, confdb.Op{Key: key, Value: value})
}

func (b *batch) drop(key string) {
	b.compares = append(b.compares, confdb.Compare{Key: key, Revision: b.snap.Revision(key)})
	b.ops = append(b.ops, confdb.Op{Key: key})
}
