package daemon

import (
	"crypto/x509"
	"encoding/hex"
	"slices"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/control"
	"redoubt/internal/fault"
	"redoubt/internal/pki"
	"redoubt/internal/rgm/model"
)

// identify says whose the certificate of a caller of the API is. It is asked with every request: a connection outlives certificates.
func (d *Daemon) identify(chain []*x509.Certificate) (control.Caller, error) {
	n := d.node.Load()
	if n == nil {
		return control.Caller{Kind: control.CallerNone}, fault.Errorf(fault.Precondition, "this node is in no cluster")
	}
	return n.identify(chain)
}

// identify holds a caller's certificate to its authority, its kind, its time, the list of what was revoked and, for a node, to the configuration and to what nodes were given.
func (n *node) identify(chain []*x509.Certificate) (control.Caller, error) {
	nobody, cert := control.Caller{Kind: control.CallerNone}, chain[0]
	if said, err := pki.SubjectOf(cert); err == nil && said.Kind != pki.Node {
		subject, err := n.cred().users.Verify(cert, n.clock.Wall(), x509.ExtKeyUsageClientAuth, pki.User, pki.Partner)
		if err == nil {
			err = n.counts(cert, subject)
		}
		switch {
		case err != nil:
			return nobody, err
		case subject.Kind == pki.Partner:
			return control.Caller{Kind: control.CallerPartner, User: subject.Name}, nil
		}
		return control.Caller{Kind: control.CallerUser, User: subject.Name}, nil
	}
	name, err := n.known(chain, x509.ExtKeyUsageClientAuth)
	if err != nil {
		return nobody, err
	}
	return control.Caller{Kind: control.CallerNode, Node: name, User: "node " + string(name)}, nil
}

// known names the node of the certificate that a chain begins with, if it still is one of this cluster and was given this certificate. Who has an authority's key can make a
// certificate that nobody has revoked, in the name of any node; what he can not make is the record of it. The code NotFound tells a node that was removed while it was away.
func (n *node) known(chain []*x509.Certificate, usage x509.ExtKeyUsage) (cluster.NodeName, error) {
	subject, err := n.cred().nodes.VerifyChain(chain, n.clock.Wall(), usage, pki.Node)
	if err != nil {
		return "", err
	}
	return n.onRecord(n.witness(), subject, chain, usage)
}

// onRecord is known for a chain that was verified.
func (n *node) onRecord(w witness, subject pki.Subject, chain []*x509.Certificate, usage x509.ExtKeyUsage) (cluster.NodeName, error) {
	name := cluster.NodeName(subject.Name)
	if subject.Cluster == w.snap.State.Cluster.ID {
		if err := w.configured(name); err != nil {
			return "", err
		}
	}
	if err := n.counts(chain[0], subject); err != nil {
		return "", err
	}
	if err := w.given(name, shown(chain), usage); err != nil {
		return "", err
	}
	return name, nil
}

// counts says why a certificate that is in order does not count all the same.
func (n *node) counts(cert *x509.Certificate, subject pki.Subject) error {
	if id := n.identity().Cluster.ID; subject.Cluster != id {
		return fault.Errorf(fault.Denied, "the certificate of %s %s is of another cluster, %s", subject.Kind, subject.Name, subject.Cluster)
	}
	if id := n.identity(); id.Restored && (subject.Kind != pki.Node || cluster.NodeName(subject.Name) != id.Node) {
		return fault.Errorf(fault.Unavailable, "the repository of this node was restored from a snapshot, and what was revoked since is not written yet; try again in a moment")
	}
	snap := n.mirror.Snapshot()
	i, revoked := slices.BinarySearch(snap.Revoked, pki.Fingerprint(cert))
	if !revoked {
		return nil
	}
	why := snap.Revocations[i].Reason
	if why == "" {
		why = "by " + snap.Revocations[i].By
	}
	return fault.Errorf(fault.Denied, "the certificate of %s %s was revoked (%s)", subject.Kind, subject.Name, why)
}

// admit says whether who shows a chain of certificates may use this node's member of the repository.
func (n *node) admit(chain []*x509.Certificate) error {
	filled := n.filled()
	name, err := n.known(chain, x509.ExtKeyUsageClientAuth)
	if err == nil && !filled {
		err = n.identity().first(name)
	}
	return err
}

// admitPeer says whether who shows a chain of certificates may speak to this node's member of the repository as another member. The handshake has held them to the authority and to
// the list of what was revoked. Where this node has what a majority has, the record of what was given decides. Whoever comes up, or has lost touch, can not read it, and without the
// others may never do so: voters that all come up at once have to find together on this port first. It goes by what it has read last: see kept. What was admitted so is judged again as
// soon as it has read: see expel.
func (n *node) admitPeer(chain []*x509.Certificate) error {
	subject, err := pki.SubjectOf(chain[0])
	if err != nil {
		return err
	}
	w := n.witness()
	if w.read() && w.quorum {
		_, err = n.onRecord(w, subject, chain, x509.ExtKeyUsageClientAuth)
		return err
	}
	if err := n.counts(chain[0], subject); err != nil {
		return err
	}
	err = n.inDoubt(cluster.NodeName(subject.Name))
	if err == nil {
		err = w.kept(cluster.NodeName(subject.Name), shown(chain), n.callback.answers)
	}
	if err != nil {
		n.callback.refused(err)
		return err
	}
	return nil
}

// filled reports whether this node has read the repository in this life of the daemon.
func (n *node) filled() bool {
	select {
	case <-n.mirror.Filled():
		return true
	default:
		return false
	}
}

// first says whether a node may use this node's member of the repository before this node has read what the repository says: only this node itself may, since what it remembers is
// from before it was down, and whoever it remembers may have been removed meanwhile. Nobody is shut out for good by that: a voter reads through its own member, with its own
// certificate, as soon as the voters have found together on their other port, and everybody else tries again. One that does not remember that it votes reads through others, and lets those
// in whom it remembers.
func (id *identity) first(name cluster.NodeName) error {
	if name == id.Node || !slices.Contains(id.Voters, id.Node) {
		return nil
	}
	return fault.Errorf(fault.Unavailable, "this node has not read yet whether node %s is still in the cluster; try again in a moment", name)
}

// acceptServer says whether this node talks to the one that shows a chain of certificates.
func (n *node) acceptServer(chain []*x509.Certificate) error {
	name, err := n.known(chain, x509.ExtKeyUsageServerAuth)
	if err == nil {
		err = n.inDoubt(name)
	}
	return err
}

// recordOf is what the repository remembers of a certificate.
func recordOf(cert, issuer *x509.Certificate) model.Certificate {
	subject, _ := pki.SubjectOf(cert) // ours
	return model.Certificate{
		Fingerprint: pki.Fingerprint(cert), Kind: string(subject.Kind), Name: subject.Name, Serial: hex.EncodeToString(cert.SerialNumber.Bytes()),
		Issuer: pki.Fingerprint(issuer), NotBefore: cert.NotBefore.UTC(), NotAfter: cert.NotAfter.UTC(),
	}
}

// rootsOf reads the authorities that the repository says are trusted.
func rootsOf(l model.Lineage) (pki.Roots, error) {
	var out pki.Roots
	for _, r := range l.Roots {
		cert, err := x509.ParseCertificate(r.Certificate)
		if err != nil || pki.Fingerprint(cert) != r.Fingerprint {
			return nil, fault.Errorf(fault.Internal, "the record of authority %s is damaged; restore the repository from a snapshot", r.Fingerprint)
		}
		out = append(out, cert)
	}
	return out, nil
}

// rootOf is the record of an authority.
func rootOf(cert, cross *x509.Certificate) model.Root {
	r := model.Root{Fingerprint: pki.Fingerprint(cert), Certificate: cert.Raw, NotAfter: cert.NotAfter.UTC()}
	if cross != nil {
		r.Cross = cross.Raw
	}
	return r
}

// farOff is by how much the clocks of nodes may differ before it is said.
const farOff = 5 * time.Second
