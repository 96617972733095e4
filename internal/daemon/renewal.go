package daemon

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"slices"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/control"
	"redoubt/internal/fault"
	"redoubt/internal/membership"
	"redoubt/internal/pki"
	"redoubt/internal/rgm/model"
)

// signing is the authority that gives certificates to nodes now, if this node has its key.
func (n *node) signing() (*pki.Identity, bool) {
	root, ok := n.mirror.Snapshot().Authorities.Node.Signing()
	cr := n.cred()
	if !ok {
		return cr.signer(pki.Fingerprint(cr.issuer()))
	}
	return cr.signer(root.Fingerprint)
}

// Renew implements control.Authority: this node gets another certificate for another key, and uses it from now on.
func (k *keeper) Renew(ctx context.Context) (model.Certificate, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.renew(ctx); err != nil {
		return model.Certificate{}, err
	}
	err := k.publish(ctx)
	cr := k.node.cred()
	return recordOf(cr.leaf, cr.issuer()), err
}

// renew makes a key, has it signed, writes the certificate down and puts both into effect. The old certificate stays good until it is revoked a while later, when every
// connection with it has been replaced.
func (k *keeper) renew(ctx context.Context) error {
	n := k.node
	k.compareClocks(ctx)
	if off, ok := k.clockOff(); ok && off.Abs() > time.Hour {
		return fault.Errorf(fault.Precondition, "the certificate of node %s is not renewed: its clock is %v off those of the other nodes, and they would not accept what it signs; correct the clock", n.cfg.Node, off.Round(time.Second))
	}
	cr := n.cred()
	if !cr.timely(n.clock.Wall()) {
		return k.prolong(ctx, cr)
	}
	key, request, err := pki.NewRequest(n.cfg.Node)
	if err != nil {
		return err
	}
	cert, err := k.sign(ctx, request)
	if err != nil {
		return err
	}
	if err := k.announce(ctx, cert); err != nil {
		return fault.Errorf(fault.CodeOf(err), "write the certificate of node %s down before it is used: %w", n.cfg.Node, err)
	}
	return k.adopt(key, cert)
}

// prolong has the key of a certificate that has ended, or not begun, signed once more. Nobody would take a word from this node under another key: the certificate that is on
// record goes along, see shown.
func (k *keeper) prolong(ctx context.Context, cr *credentials) error {
	key, earlier, err := cr.shows()
	if err != nil {
		return err
	}
	request, err := pki.RequestFor(k.node.cfg.Node, key)
	if err != nil {
		return err
	}
	cert, err := k.sign(ctx, request)
	if err != nil {
		return err
	}
	return k.adopt(key, cert, earlier...)
}

// seenBefore is the time that the other nodes have to read what was written.
const seenBefore = 500 * time.Millisecond

// announce writes a certificate of this node down, so that the others know it when they see it.
func (k *keeper) announce(ctx context.Context, cert *x509.Certificate) error {
	n := k.node
	bounded, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	record := recordOf(cert, n.cred().issuerOf(cert))
	record.By = "node " + string(n.cfg.Node)
	if err := writeDown(bounded, n.gated(), n.cfg.Node, record); err != nil {
		return err
	}
	return wait(ctx, seenBefore)
}

// writeDown records a certificate of a node that is in the cluster, unless whoever signed it for this node has done so.
func writeDown(ctx context.Context, store confdb.Store, node cluster.NodeName, record model.Certificate) error {
	value, err := confdb.Encode(confdb.KindCertificate, record)
	if err != nil {
		return err
	}
	there, err := store.Get(ctx, confdb.PrefixCertificate+record.Fingerprint)
	if err != nil || there.Value != nil {
		return err
	}
	self, err := store.Get(ctx, confdb.KeyNode(node))
	if err == nil && self.Value == nil {
		err = fault.Errorf(fault.Precondition, "node %s is not in the cluster any more", node)
	}
	if err != nil {
		return err
	}
	_, err = store.Txn(ctx, []confdb.Compare{{Key: there.Key}, {Key: self.Key, Revision: self.ModRevision}}, []confdb.Op{{Key: there.Key, Value: value}})
	return err
}

// adopt puts a certificate into effect.
func (k *keeper) adopt(key *ecdsa.PrivateKey, cert *x509.Certificate, earlier ...*x509.Certificate) error {
	n := k.node
	if err := n.adoptPair(key, cert, earlier...); err != nil {
		return err
	}
	k.renewed = n.clock.Boot()
	n.log.Info("this node has a new certificate", "fingerprint", pki.Fingerprint(cert), "until", cert.NotAfter)
	return nil
}

// adoptPair writes a certificate with its key, and earlier ones of that key, and lets new connections show them.
func (n *node) adoptPair(key *ecdsa.PrivateKey, cert *x509.Certificate, earlier ...*x509.Certificate) error {
	chain := []*x509.Certificate{cert}
	for _, r := range n.mirror.Snapshot().Authorities.Node.Roots {
		// Who was away during the exchange of the authority knows only the old one.
		if cross, err := x509.ParseCertificate(r.Cross); err == nil && string(cross.SubjectKeyId) == string(cert.AuthorityKeyId) {
			chain = append(chain, cross)
		}
	}
	if err := writePair(n.cfg.path(fileCert), key, append(chain, earlier...)...); err != nil {
		return err
	}
	return n.reload()
}

// reload takes over what the files hold now.
func (n *node) reload() error {
	cr, err := loadCredentials(n.cfg)
	if err != nil {
		return err
	}
	n.creds.Store(cr)
	return n.store.Renew()
}

// sign has this node's request signed: here, or by a node that has the authority's key.
func (k *keeper) sign(ctx context.Context, request []byte) (*x509.Certificate, error) {
	n := k.node
	self := n.identity().self()
	if issuer, ok := n.signing(); ok {
		return issuer.SignNode(request, n.cfg.Node, addressesOf(self), n.cfg.certificateLife(), n.clock.Wall())
	}
	err := error(fault.Errorf(fault.Unavailable, "no node that could sign it is there"))
	for _, peer := range k.signers() {
		var out v1.PeerSigned
		bounded, cancel := context.WithTimeout(ctx, 5*time.Second)
		err = n.keeper.peers.Call(bounded, peer, "peer", "sign", v1.PeerSign{Request: request}, &out)
		cancel()
		if err != nil {
			continue
		}
		cert, perr := x509.ParseCertificate(out.Certificate)
		if perr != nil {
			err = perr
			continue
		}
		if _, err = n.cred().nodes.Verify(cert, n.clock.Wall(), x509.ExtKeyUsageClientAuth, pki.Node); err == nil {
			return cert, nil
		}
	}
	return nil, fault.Errorf(fault.CodeOf(err), "renew the certificate of node %s: %w", n.cfg.Node, err)
}

// SignNode implements control.Authority.
func (k *keeper) SignNode(_ context.Context, request []byte, node model.Node) (control.Issued, error) {
	issuer, ok := k.node.signing()
	if !ok {
		return control.Issued{}, k.keyless("node")
	}
	cert, err := issuer.SignNode(request, node.Name, addressesOf(node), k.node.cfg.certificateLife(), k.node.clock.Wall())
	return issued(cert, issuer.Cert, err)
}

// SignUser implements control.Authority.
func (k *keeper) SignUser(_ context.Context, request []byte, name string, partner bool, life time.Duration) (control.Issued, error) {
	root, ok := k.node.mirror.Snapshot().Authorities.User.Signing()
	if !ok {
		return control.Issued{}, fault.Errorf(fault.Unavailable, "the authority of users is not known to this node yet; try again in a moment")
	}
	issuer, ok := k.node.cred().signer(root.Fingerprint)
	if !ok {
		return control.Issued{}, k.keyless("user")
	}
	sign := issuer.SignUser
	if partner {
		sign = issuer.SignPartner
	}
	cert, err := sign(request, name, life, k.node.clock.Wall())
	return issued(cert, issuer.Cert, err)
}

func issued(cert, issuer *x509.Certificate, err error) (control.Issued, error) {
	if err != nil {
		return control.Issued{}, err
	}
	return control.Issued{Record: recordOf(cert, issuer), DER: cert.Raw, Chain: pki.Chain(cert, issuer)}, nil
}

func (k *keeper) keyless(kind string) error {
	return fault.Errorf(fault.Precondition, "node %s does not have the key of the authority of %ss: a quorum server never has it, another node gets it within seconds of its joining; run the command on another node", k.node.cfg.Node, kind)
}

// Key implements control.Authority.
func (k *keeper) Key(fingerprint string) ([]byte, error) {
	issuer, ok := k.node.cred().signer(fingerprint)
	if !ok {
		return nil, fault.Errorf(fault.NotFound, "node %s does not have the key of authority %s", k.node.cfg.Node, fingerprint)
	}
	return x509.MarshalPKCS8PrivateKey(issuer.Key)
}

// Succeed implements control.Authority. The key is on this node's disk before anybody hears of its certificate, and stays there until the record can have been written; one
// that an attempt left without a record goes after that.
func (k *keeper) Succeed(_ context.Context, kind string) (model.Root, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := k.node
	lineage, keys, of := n.mirror.Snapshot().Authorities.Node, fileNodeKeys, pki.AuthorityOfNodes
	if kind == string(pki.User) {
		lineage, keys, of = n.mirror.Snapshot().Authorities.User, fileUserKeys, pki.AuthorityOfUsers
	}
	now, ok := lineage.Signing()
	if !ok {
		return model.Root{}, fault.Errorf(fault.Unavailable, "the authorities are not known to this node yet; try again in a moment")
	}
	old, ok := n.cred().signer(now.Fingerprint)
	if !ok {
		return model.Root{}, k.keyless(kind)
	}
	id := n.identity()
	next, err := pki.NewAuthority(of, id.Cluster.ID, id.Cluster.Name, n.clock.Wall())
	if err != nil {
		return model.Root{}, err
	}
	cross, err := old.Cross(next.Cert)
	if err != nil {
		return model.Root{}, err
	}
	if err := writeKeys(n.cfg.path(keys), old.Key, next.Key); err != nil {
		return model.Root{}, err
	}
	k.made = append(k.made, successor{file: keys, key: next.Key, until: n.clock.Boot().Add(int64(successorLasts))})
	return rootOf(next.Cert, cross), nil
}

// successor is the key of an authority that this node has made and that the record of the authorities may not name yet.
type successor struct {
	file  string
	key   keyOfAuthority
	until membership.Instant
}

// successorLasts is for how long such a key is kept without a record: well above the time that a request may take to write it.
const successorLasts = 10 * time.Minute

// awaited are the keys in a file that are kept although the record, which has these roots, does not name them yet.
func (k *keeper) awaited(file string, roots []*rootCertificate) (keys []keyOfAuthority) {
	k.made = slices.DeleteFunc(k.made, func(s successor) bool {
		named := slices.ContainsFunc(roots, func(r *rootCertificate) bool { return s.key.PublicKey.Equal(r.PublicKey) })
		return named || k.node.clock.Boot() > s.until
	})
	for _, s := range k.made {
		if s.file == file {
			keys = append(keys, s.key)
		}
	}
	return keys
}

// freshen renews the certificate of a node that comes up with one that has ended, or that its clock says has not begun: before it has anybody to ask. It is for the same
// key, and shows the earlier ones beside it.
func freshen(cfg Config, id *identity, cr *credentials, now time.Time) (*credentials, error) {
	issuer, ok := cr.signer(pki.Fingerprint(cr.issuer()))
	if cr.timely(now) || !ok {
		return cr, nil
	}
	key, earlier, err := cr.shows()
	if err != nil {
		return nil, err
	}
	request, err := pki.RequestFor(id.Node, key)
	if err != nil {
		return nil, err
	}
	cert, err := issuer.SignNode(request, id.Node, addressesOf(id.self()), cfg.certificateLife(), now)
	if err != nil {
		return nil, err
	}
	if err := writePair(cfg.path(fileCert), key, append([]*x509.Certificate{cert}, earlier...)...); err != nil {
		return nil, err
	}
	return loadCredentials(cfg)
}
