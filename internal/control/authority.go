package control

import (
	"context"
	"slices"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/model"
)

// Authority gives certificates; this node has the keys for it, unless it is a quorum server.
type Authority interface {
	// SignUser gives a user, or with partner another cluster, a certificate for the key of a signing request in DER; life 0 is the usual one.
	SignUser(ctx context.Context, request []byte, name string, partner bool, life time.Duration) (Issued, error)
	// SignNode gives a node of the cluster another certificate.
	SignNode(ctx context.Context, request []byte, node model.Node) (Issued, error)
	// Key is the key of the authority with the fingerprint, in PKCS #8 form.
	Key(fingerprint string) ([]byte, error)
	// Renew gives this node another certificate, with another key, and returns when it is in use.
	Renew(ctx context.Context) (model.Certificate, error)
	// Succeed makes the successor of an authority ("node" or "user"), keeps its key on this node and returns the public part.
	Succeed(ctx context.Context, kind string) (model.Root, error)
}

// Issued is a new certificate. Record is to be written with draft.issue in the transaction that makes it count.
type Issued struct {
	Record model.Certificate
	DER    []byte
	Chain  []byte // PEM: the certificate, then its authority
}

// issue writes down that a certificate was given.
func (d *draft) issue(i Issued) {
	if i.Record.By = d.who.String(); d.who.Kind == CallerNone {
		i.Record.By = "the access list"
	}
	d.put(confdb.PrefixCertificate+i.Record.Fingerprint, confdb.KindCertificate, i.Record)
}

// revoke makes a certificate count no more, on every node as soon as the transaction is done.
func (d *draft) revoke(c model.Certificate, reason string) {
	r := model.Revoked{By: d.who.String(), At: d.now.UTC(), Kind: c.Kind, Name: c.Name, Serial: c.Serial, Until: c.NotAfter, Reason: reason}
	if c.Kind == certNode {
		r.Node = cluster.NodeName(c.Name)
	}
	d.put(confdb.PrefixRevoked+c.Fingerprint, confdb.KindRevoked, r)
}

// nodeRemoved is the reason by which the certificates of a node that was removed do not count.
const nodeRemoved = "the node was removed"

// revokeNode revokes every certificate of a node that is removed, and notes which authorities' keys it takes with it.
func (d *draft) revokeNode(fingerprint string, n cluster.NodeName) {
	var knew []string
	if node, ok := check.Node(d.state, n); !ok || !node.QuorumServer {
		knew = slices.Concat(d.snap.Authorities.Node.Fingerprints(), d.snap.Authorities.User.Fingerprints())
	}
	d.revokeAll(fingerprint, n, knew)
}

// revokeAll revokes the certificate in a node's record, and whatever else was given to the node.
func (d *draft) revokeAll(fingerprint string, n cluster.NodeName, knew []string) {
	known := false
	again := func(fingerprint, serial string, until time.Time) {
		d.put(confdb.PrefixRevoked+fingerprint, confdb.KindRevoked, model.Revoked{
			Node: n, By: d.who.String(), At: d.now.UTC(), Kind: certNode, Name: string(n), Serial: serial, Until: until, Reason: nodeRemoved, Knew: knew,
		})
	}
	for _, c := range d.snap.Certificates {
		if c.Kind == certNode && c.Name == string(n) {
			again(c.Fingerprint, c.Serial, c.NotAfter)
			known = known || c.Fingerprint == fingerprint
		}
	}
	if !known {
		again(fingerprint, "", time.Time{})
	}
	for _, prefix := range []string{confdb.PrefixTrust, confdb.PrefixReads} {
		if d.snap.Revision(prefix+string(n)) != 0 {
			d.drop(prefix + string(n))
		}
	}
}

// The kinds of certificates, as records name them.
const (
	certNode    = "node"
	certUser    = "user"
	certPartner = "partner"
)
