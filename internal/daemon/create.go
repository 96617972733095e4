package daemon

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"net"
	"net/netip"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/control"
	"redoubt/internal/fault"
	"redoubt/internal/pki"
	"redoubt/internal/privnet"
	"redoubt/internal/rgm/model"
)

// privateNet is the network of the private addresses, unless an interconnect lies in it.
const privateNet = "172.31.240.0/21"

// Create makes a new cluster of this node alone: its authority, its keys, and the identity from which the daemon goes on. The identity is written
// last; whatever fails before leaves the node in no cluster.
func (d *Daemon) Create(ctx context.Context, in v1.ClusterCreate) (v1.ClusterCreated, error) {
	release, err := d.begin()
	if err != nil {
		return v1.ClusterCreated{}, err
	}
	defer release()
	if err := cluster.CheckName("cluster", in.Name); err != nil {
		return v1.ClusterCreated{}, fault.Errorf(fault.Invalid, "create cluster: %w", err)
	}
	if in.Node != "" && cluster.NodeName(in.Node) != d.cfg.Node {
		return v1.ClusterCreated{}, fault.Errorf(fault.Precondition, "create cluster %s: this node is called %s; run the command on %s, or set `node: %s` in %s and restart the daemon", in.Name, d.cfg.Node, in.Node, in.Node, DefaultConfigPath)
	}
	c, err := d.newCluster(in)
	if err != nil {
		return v1.ClusterCreated{}, err
	}
	ca, err := pki.NewAuthority(pki.AuthorityOfNodes, c.ID, c.Name, d.clock())
	if err != nil {
		return v1.ClusterCreated{}, err
	}
	users, err := pki.NewAuthority(pki.AuthorityOfUsers, c.ID, c.Name, d.clock())
	if err != nil {
		return v1.ClusterCreated{}, err
	}
	record, err := d.newNodeRecord(c, 1)
	if err != nil {
		return v1.ClusterCreated{}, err
	}
	key, request, err := pki.NewRequest(d.cfg.Node)
	if err != nil {
		return v1.ClusterCreated{}, err
	}
	cert, err := ca.SignNode(request, d.cfg.Node, addressesOf(record), d.cfg.certificateLife(), d.clock())
	if err != nil {
		return v1.ClusterCreated{}, err
	}
	record.Certificate = pki.Fingerprint(cert)
	hb, public, err := newHeartbeatKey()
	if err != nil {
		return v1.ClusterCreated{}, err
	}
	record.HeartbeatKey = public
	if record.Keys, err = d.cfg.publicKeys(); err != nil {
		return v1.ClusterCreated{}, err
	}
	id := &identity{Cluster: c, Node: d.cfg.Node, Nodes: []model.Node{record}, Voters: []cluster.NodeName{d.cfg.Node}, Fresh: true, Profile: in.Profile}
	err = d.settle(ctx, id, []func() error{
		func() error { return writeKeys(d.cfg.path(fileNodeKeys), ca.Key) },
		func() error { return writeKeys(d.cfg.path(fileUserKeys), users.Key) },
		func() error { return writePair(d.cfg.path(fileCert), key, cert) },
		func() error { return writeKey(d.cfg.path(fileHeartbeat), hb) },
		func() error { return writeFile(d.cfg.path(fileNodeRoots), pki.Chain(ca.Cert), 0o644) },
		func() error { return writeFile(d.cfg.path(fileUserRoots), pki.Chain(users.Cert), 0o644) },
	})
	if err != nil {
		return v1.ClusterCreated{}, err
	}
	return v1.ClusterCreated{Name: in.Name, ID: c.ID, Node: string(d.cfg.Node), Fingerprint: pki.Fingerprint(ca.Cert)}, nil
}

// begin makes sure that nothing else is creating or joining, and that this node is in no cluster.
func (d *Daemon) begin() (release func(), err error) {
	if !d.joining.CompareAndSwap(false, true) {
		return nil, fault.Errorf(fault.Precondition, "this node is creating or joining a cluster at this moment")
	}
	release = func() { d.joining.Store(false) }
	id, err := loadIdentity(d.cfg)
	if err == nil && id == nil {
		err = d.portsFree()
	} else if err == nil {
		err = fault.Errorf(fault.Precondition, "this machine is node %s of cluster %s already; to take it into another cluster, run `redoubt node remove %s` on another node of %s first", d.cfg.Node, id.Cluster.Name, d.cfg.Node, id.Cluster.Name)
	}
	if err != nil {
		release()
		return nil, err
	}
	return release, nil
}

// settle writes the files, the identity last, and waits until the node can be asked about its cluster.
func (d *Daemon) settle(ctx context.Context, id *identity, files []func() error) error {
	for _, f := range files {
		if err := f(); err != nil {
			return err
		}
	}
	if err := id.save(d.cfg); err != nil {
		return err
	}
	d.wake()
	return d.awaitMember(ctx, id)
}

func (d *Daemon) newCluster(in v1.ClusterCreate) (model.Cluster, error) {
	c := model.Cluster{Name: in.Name, PrivateNet: privateNet}
	var raw [8]byte
	if _, err := rand.Read(raw[:]); err != nil {
		return c, fault.Errorf(fault.Internal, "random numbers: %w", err)
	}
	c.ID = hex.EncodeToString(raw[:])
	if len(in.Interconnect) == 0 {
		return c, fault.Errorf(fault.Invalid, "create cluster %s: name at least one private network with --interconnect; two are better", in.Name)
	}
	own := netip.MustParsePrefix(privateNet)
	var seen []netip.Prefix
	for i, s := range in.Interconnect {
		p, err := netip.ParsePrefix(s)
		switch {
		case err != nil:
			return c, fault.Errorf(fault.Invalid, "create cluster %s: interconnect %q: want NETWORK/LENGTH, such as 10.77.1.0/24", in.Name, s)
		case p.Overlaps(own):
			return c, fault.Errorf(fault.Invalid, "create cluster %s: interconnect %s overlaps %s, where the private addresses of the nodes are; choose another network", in.Name, s, privateNet)
		}
		for _, o := range seen {
			if p.Overlaps(o) {
				return c, fault.Errorf(fault.Invalid, "create cluster %s: interconnects %s and %s overlap: each has to be a network of its own", in.Name, o, p)
			}
		}
		seen = append(seen, p)
		c.Interconnects = append(c.Interconnects, model.Interconnect{Index: i, Network: p.Masked().String()})
	}
	return c, nil
}

// newNodeRecord describes this node as number id of the cluster.
func (d *Daemon) newNodeRecord(c model.Cluster, id int) (model.Node, error) {
	local, err := privnet.LocalPrefixes()
	if err != nil {
		return model.Node{}, err
	}
	r := model.Node{Name: d.cfg.Node, ID: id, QuorumServer: d.cfg.QuorumServer, Host: d.cfg.Host}
	if r.Addresses, err = ownAddresses(c.Interconnects, local); err != nil {
		return r, err
	}
	private, err := privateAddress(c.PrivateNet, id)
	if err != nil {
		return r, err
	}
	r.PrivateAddress = private.String()
	return r, nil
}

// addressesOf are the addresses that the certificate of a node names.
func addressesOf(r model.Node) []net.IP {
	var ips []net.IP
	for _, a := range append([]string{r.PrivateAddress}, r.Addresses...) {
		if ip := net.ParseIP(a); ip != nil {
			ips = append(ips, ip)
		}
	}
	return ips
}

// Sign is the sponsor's part that needs the authority's key: a certificate for the node of the record, and what else the new node has to have.
func (d *Daemon) Sign(_ context.Context, in v1.NodeAdmit, record model.Node, addresses []netip.Addr) (control.Signed, error) {
	n := d.node.Load()
	if n == nil {
		return control.Signed{}, fault.Errorf(fault.Unavailable, "sign the certificate of node %s: this node is in no cluster", record.Name)
	}
	issuer, ok := n.signing()
	if !ok {
		return control.Signed{}, fault.Errorf(fault.Precondition, "sign the certificate of node %s: this node does not have the authority's key, as no quorum server does; choose another node as the sponsor", record.Name)
	}
	var ips []net.IP
	for _, a := range addresses {
		ips = append(ips, a.AsSlice())
	}
	cert, err := issuer.SignNode(in.Request, record.Name, append(ips, addressesOf(record)...), d.cfg.certificateLife(), d.clock())
	if err != nil {
		return control.Signed{}, err
	}
	out := control.Signed{Certificate: cert.Raw, Authority: issuer.Cert.Raw, Fingerprint: pki.Fingerprint(cert), Record: recordOf(cert, issuer.Cert)}
	if !record.QuorumServer {
		// Every node can be a sponsor. The key goes over the connection that the new node has verified, to a machine that an administrator let in.
		if out.Extra, err = x509.MarshalPKCS8PrivateKey(issuer.Key); err != nil {
			return control.Signed{}, fault.Errorf(fault.Internal, "hand the authority to node %s: %w", record.Name, err)
		}
	}
	return out, nil
}
