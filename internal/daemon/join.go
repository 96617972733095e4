package daemon

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/netip"
	"time"

	"redoubt/api/client"
	v1 "redoubt/api/v1"
	"redoubt/internal/admission"
	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
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
	if in.Token != "" {
		meant, err := admission.ParseToken(in.Token)
		if err != nil {
			return v1.Result{}, err
		}
		if in.Fingerprint != "" && in.Fingerprint != meant {
			return v1.Result{}, fault.Errorf(fault.Invalid, "join: the token is for the cluster with the fingerprint %s, not %s", meant, in.Fingerprint)
		}
		in.Fingerprint = meant
	}
	if in.Sponsor == "" || !admission.IsFingerprint(in.Fingerprint) {
		return v1.Result{}, fault.Errorf(fault.Invalid, "join: name the sponsor node and the fingerprint of its cluster, SHA256:…; `redoubt cluster show` prints it there")
	}
	if in.Node != "" && cluster.NodeName(in.Node) != d.cfg.Node {
		return v1.Result{}, fault.Errorf(fault.Precondition, "join: this node is called %s; set `node: %s` in %s and restart the daemon", d.cfg.Node, in.Node, DefaultConfigPath)
	}
	key, request, err := d.cfg.joinRequest()
	if err != nil {
		return v1.Result{}, err
	}
	hb, heartbeat, err := newHeartbeatKey()
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
	public, addresses, err := d.publicOf(ctx, in, addresses)
	if err != nil {
		return v1.Result{}, err
	}
	keys, err := d.cfg.publicKeys()
	if err != nil {
		return v1.Result{}, err
	}
	answer, err := d.askSponsor(ctx, in, key, v1.NodeAdmit{
		Node: string(d.cfg.Node), Request: request, HeartbeatKey: heartbeat, Addresses: addresses, Host: d.cfg.Host, QuorumServer: d.cfg.QuorumServer, PublicAddress: public, Keys: keys, Token: in.Token, Schema: confdb.Newest(),
	})
	if err != nil {
		return v1.Result{}, fault.Errorf(fault.CodeOf(err), "join the cluster of %s: %w", in.Sponsor, err)
	}
	authority, cert, err := checkAnswer(answer, in.Fingerprint, d.cfg.Node, key.Public())
	if err != nil {
		return v1.Result{}, err
	}
	id := d.identityFrom(answer)
	files := []func() error{
		func() error { return writePair(d.cfg.path(fileCert), key, cert) },
		func() error { return writeKey(d.cfg.path(fileHeartbeat), hb) },
		func() error { return writeFile(d.cfg.path(fileNodeRoots), pki.Chain(authority), 0o644) },
	}
	if len(answer.Extra) > 0 {
		ca, err := ecKey(answer.Extra)
		if err != nil || !ca.PublicKey.Equal(authority.PublicKey) {
			return v1.Result{}, fault.Errorf(fault.Internal, "join the cluster of %s: the authority's key that came is not the authority's (%v)", in.Sponsor, err)
		}
		files = append(files, func() error { return writeKeys(d.cfg.path(fileNodeKeys), ca) })
	}
	files = append(files, d.cfg.forgetSponsor)
	if err := d.settle(ctx, id, files); err != nil {
		return v1.Result{}, err
	}
	return v1.Result{Messages: []string{"node " + answer.Node + " has joined cluster " + answer.Cluster}}, nil
}

// publicOf is the public address that a quorum server offers for the case that it is on no interconnect, and the addresses among which the sponsor looks for those on the
// interconnects. One that was named is the only one.
func (d *Daemon) publicOf(ctx context.Context, in v1.NodeJoin, addresses []string) (public string, all []string, err error) {
	switch {
	case !d.cfg.QuorumServer && in.Public != "":
		return "", nil, fault.Errorf(fault.Invalid, "join: a public address is for quorum servers, and this is a node: it needs an address on every interconnect (run `redoubtd quorum-server` on a machine that only votes)")
	case !d.cfg.QuorumServer:
		return "", addresses, nil
	case in.Public != "":
		a, err := netip.ParseAddr(in.Public)
		if err != nil {
			return "", nil, fault.Errorf(fault.Invalid, "join: public address %q: want an address without a length, such as 192.0.2.7", in.Public)
		}
		return a.String(), []string{a.String()}, nil
	}
	c, err := (&net.Dialer{Timeout: dialLimit}).DialContext(ctx, "udp", withPort(in.Sponsor)) // nothing is sent
	if err != nil {
		return "", nil, fault.Errorf(fault.Unavailable, "join: there is no way to the sponsor %s: %w; name an address of it that this machine reaches, with --sponsor", in.Sponsor, err)
	}
	defer c.Close()
	if at, ok := c.LocalAddr().(*net.UDPAddr); ok {
		public = at.AddrPort().Addr().Unmap().String()
	}
	return public, addresses, nil
}

// How a machine asks again while its key is not approved.
const (
	approvalWait = 10 * time.Minute // unless told otherwise
	askAgain     = time.Second
)

// askSponsor asks until there is an answer: a machine whose key is not approved yet waits for somebody to do it.
func (d *Daemon) askSponsor(ctx context.Context, in v1.NodeJoin, key *ecdsa.PrivateKey, request v1.NodeAdmit) (v1.NodeAdmitted, error) {
	print, err := keyFingerprint(key.Public())
	if err != nil {
		return v1.NodeAdmitted{}, err
	}
	patience := approvalWait
	if in.Wait > 0 {
		patience = time.Duration(in.Wait) * time.Second
	}
	bounded, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for asked := false; ; asked = true {
		answer, err := admitOn(bounded, withPort(in.Sponsor), in.Fingerprint, key, request)
		late := asked && bounded.Err() != nil && ctx.Err() == nil
		if err == nil && answer.Pending == "" {
			return answer, nil
		}
		if err != nil && !late && (!asked || !fault.Is(err, fault.Unavailable)) {
			return v1.NodeAdmitted{}, err
		}
		if !asked {
			d.log.Info("waiting for an administrator to approve this machine's key", "sponsor", in.Sponsor, "key", print)
		}
		if late || wait(bounded, askAgain) != nil {
			if ctx.Err() != nil {
				return v1.NodeAdmitted{}, fault.Errorf(fault.Timeout, "given up while waiting for the approval of the key %s", print)
			}
			return v1.NodeAdmitted{}, fault.Errorf(fault.Timeout, "nobody approved the key %s within %v: run `redoubt access approve %s %s` on a node of the cluster, and join again", print, patience, request.Node, print)
		}
	}
}

// admitOn asks once, on a connection of its own: what the machine signs holds for no other.
func admitOn(ctx context.Context, address, fingerprint string, key *ecdsa.PrivateKey, request v1.NodeAdmit) (v1.NodeAdmitted, error) {
	var answer v1.NodeAdmitted
	dialer := tls.Dialer{NetDialer: &net.Dialer{Timeout: dialLimit}, Config: proving(fingerprint)}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		if denied, ok := errors.AsType[*fault.Error](err); ok {
			return answer, denied
		}
		return answer, fault.Errorf(fault.Unavailable, "%s can not be reached: %w", address, err)
	}
	defer conn.Close()
	state := conn.(*tls.Conn).ConnectionState() //nolint:forcetypeassert // a tls.Dialer makes nothing else
	binding, err := state.ExportKeyingMaterial(v1.JoinBinding, nil, v1.JoinBindingLength)
	if err != nil {
		return answer, fault.Errorf(fault.Internal, "the secret of the connection to %s: %w", address, err)
	}
	statement, err := request.Statement(binding)
	if err != nil {
		return answer, fault.Errorf(fault.Internal, "sign the request to join: %w", err)
	}
	if request.Proof, err = ecdsa.SignASN1(rand.Reader, key, statement); err != nil {
		return answer, fault.Errorf(fault.Internal, "sign the request to join: %w", err)
	}
	err = client.Over(conn, address).Do(ctx, "node", "admit", request, &answer)
	return answer, err
}

// proving accepts exactly a server that shows the certificate of a node of the authority with the fingerprint.
func proving(fingerprint string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		NextProtos: []string{"http/1.1"},
		// The authority is not known yet, only its fingerprint: VerifyConnection does all that is skipped here, but for the name, which the
		// administrator may have given as any address of the sponsor.
		InsecureSkipVerify: true, //nolint:gosec // see above
		VerifyConnection: func(s tls.ConnectionState) error {
			return provenBy(s.PeerCertificates, fingerprint, "", x509.ExtKeyUsageServerAuth)
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
			Name: cluster.NodeName(r.Name), ID: r.ID, QuorumServer: r.QuorumServer, Addresses: r.Addresses, PrivateAddress: r.PrivateAddress, PublicAddress: r.PublicAddress, Host: r.Host,
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
