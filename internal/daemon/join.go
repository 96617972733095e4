package daemon

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"net"
	"strconv"
	"strings"
	"time"

	"redoubt/api/client"
	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/pki"
	"redoubt/internal/privnet"
	"redoubt/internal/rgm/model"
)

// Join makes this node a node of the sponsor's cluster. Before anything is sent the sponsor proves that it holds a certificate of the authority with the
// fingerprint that the administrator gave; the sponsor answers only who is on the access list.
func (d *Daemon) Join(ctx context.Context, in v1.NodeJoin) (v1.Result, error) {
	release, err := d.begin()
	if err != nil {
		return v1.Result{}, err
	}
	defer release()
	if in.Sponsor == "" || !strings.HasPrefix(in.Fingerprint, "SHA256:") {
		return v1.Result{}, fault.Errorf(fault.Invalid, "join: name the sponsor node and the fingerprint of its cluster, SHA256:…; `redoubt cluster show` prints it there")
	}
	if in.Node != "" && cluster.NodeName(in.Node) != d.cfg.Node {
		return v1.Result{}, fault.Errorf(fault.Precondition, "join: this node is called %s; set `node: %s` in %s and restart the daemon", d.cfg.Node, in.Node, DefaultConfigPath)
	}
	key, request, err := pki.NewRequest(d.cfg.Node)
	if err != nil {
		return v1.Result{}, err
	}
	hb, public, err := newHeartbeatKey()
	if err != nil {
		return v1.Result{}, err
	}
	addresses := in.Address
	if len(addresses) == 0 {
		local, err := privnet.LocalPrefixes()
		if err != nil {
			return v1.Result{}, err
		}
		for _, p := range local {
			addresses = append(addresses, p.String())
		}
	}
	keys, err := d.cfg.publicKeys()
	if err != nil {
		return v1.Result{}, err
	}
	var answer v1.NodeAdmitted
	host, port, err := net.SplitHostPort(in.Sponsor)
	if err != nil {
		host, port = in.Sponsor, strconv.Itoa(PortAPI)
	}
	sponsor := client.TLS(net.JoinHostPort(host, port), proving(in.Fingerprint))
	err = sponsor.Do(ctx, "node", "admit", v1.NodeAdmit{
		Node: string(d.cfg.Node), Request: request, HeartbeatKey: public, Addresses: addresses, Host: d.cfg.Host, QuorumServer: d.cfg.QuorumServer, Keys: keys,
	}, &answer)
	if err != nil {
		return v1.Result{}, fault.Errorf(fault.CodeOf(err), "join the cluster of %s: %w", in.Sponsor, err)
	}
	authority, cert, err := checkAnswer(answer, in.Fingerprint, d.cfg.Node, key.Public())
	if err != nil {
		return v1.Result{}, err
	}
	id := d.identityFrom(answer)
	files := []func() error{
		func() error { return writeKey(d.cfg.path(fileKey), key) },
		func() error { return writeKey(d.cfg.path(fileHeartbeat), hb) },
		func() error { return writeCert(d.cfg.path(fileCACert), authority.Raw) },
		func() error { return writeCert(d.cfg.path(fileCert), cert.Raw) },
	}
	if len(answer.Extra) > 0 {
		ca, err := signer(authority, answer.Extra)
		if err != nil {
			return v1.Result{}, fault.Errorf(fault.Internal, "join the cluster of %s: the authority's key can not be read: %w", in.Sponsor, err)
		}
		files = append(files, func() error { return writeKey(d.cfg.path(fileCAKey), ca.Key) })
	}
	if err := d.settle(ctx, id, files); err != nil {
		return v1.Result{}, err
	}
	return v1.Result{Messages: []string{"node " + answer.Node + " has joined cluster " + answer.Cluster}}, nil
}

// proving accepts exactly a server whose certificate descends from the authority with the fingerprint.
func proving(fingerprint string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		// The authority is not known yet, only its fingerprint: VerifyConnection does all that is skipped here, but for the name, which the
		// administrator may have given as any address of the sponsor.
		InsecureSkipVerify: true, //nolint:gosec // see above
		VerifyConnection: func(s tls.ConnectionState) error {
			authority := s.PeerCertificates[len(s.PeerCertificates)-1]
			if got := pki.Fingerprint(authority); got != fingerprint {
				return fault.Errorf(fault.Denied, "the sponsor's cluster has the fingerprint %s, not %s: this is not the cluster meant, or somebody is in between", got, fingerprint)
			}
			roots := x509.NewCertPool()
			roots.AddCert(authority)
			_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
			return err
		},
	}
}

// checkAnswer makes sure that the certificates are what the sponsor says.
func checkAnswer(a v1.NodeAdmitted, fingerprint string, node cluster.NodeName, public crypto.PublicKey) (authority, cert *x509.Certificate, err error) {
	bad := func(why string) error {
		return fault.Errorf(fault.Internal, "join cluster %s: the sponsor's answer is not usable: %s", a.Cluster, why)
	}
	if authority, err = x509.ParseCertificate(a.Authority); err != nil || pki.Fingerprint(authority) != fingerprint {
		return nil, nil, bad("it names another authority")
	}
	if cert, err = x509.ParseCertificate(a.Certificate); err != nil {
		return nil, nil, bad("the certificate can not be read")
	}
	roots := x509.NewCertPool()
	roots.AddCert(authority)
	if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		return nil, nil, bad("the certificate is not signed by the authority, or not valid now: do the clocks of the nodes agree?")
	}
	if key, ok := cert.PublicKey.(*ecdsa.PublicKey); !ok || !key.Equal(public) {
		return nil, nil, bad("the certificate is for another key")
	}
	if cert.Subject.CommonName != string(node) {
		return nil, nil, bad("the certificate is that of " + cert.Subject.CommonName)
	}
	return authority, cert, nil
}

// identityFrom is what the new node knows of the cluster before it can ask the repository.
func (d *Daemon) identityFrom(a v1.NodeAdmitted) *identity {
	id := &identity{Node: d.cfg.Node, Cluster: model.Cluster{Name: a.Cluster, ID: a.ClusterID, PrivateNet: a.PrivateNet}}
	for _, i := range a.Interconnects {
		id.Cluster.Interconnects = append(id.Cluster.Interconnects, model.Interconnect{Index: i.Index, Network: i.Network, Disabled: i.Disabled})
	}
	for _, r := range a.Nodes {
		id.Nodes = append(id.Nodes, model.Node{
			Name: cluster.NodeName(r.Name), ID: r.ID, QuorumServer: r.QuorumServer, Addresses: r.Addresses, PrivateAddress: r.PrivateAddress, Host: r.Host,
			HeartbeatKey: r.HeartbeatKey, Certificate: r.Certificate, Keys: r.Keys,
		})
		if r.Name != a.Node {
			id.Voters = append(id.Voters, cluster.NodeName(r.Name)) // any of them may vote; the repository tells more as soon as one answers
		}
	}
	return id
}

// awaitMember waits until the node of the identity is a member (a quorum server: until it has read the repository).
func (d *Daemon) awaitMember(ctx context.Context, id *identity) error {
	bounded, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		if n := d.node.Load(); n != nil {
			snap, view := n.mirror.Snapshot(), n.member.View()
			if snap.Record != nil && (view.IsMember && view.LeaseEnd > n.clock.Boot() || d.cfg.QuorumServer) {
				return nil
			}
		}
		if err := wait(bounded, 20*time.Millisecond); err != nil {
			return fault.Errorf(fault.Timeout, "node %s belongs to cluster %s now, but is not a member of it yet: see `redoubt status` and the log on this node", id.Node, id.Cluster.Name)
		}
	}
}
