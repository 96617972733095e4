package control

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"net/netip"
	"slices"
	"sync"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/internal/admission"
	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/model"
)

// How long a request of a machine whose key is not approved is held open, until it is answered that it has to ask again; and how many are.
const (
	admitHold    = 20 * time.Second
	admitWaiting = 16
)

// gate is what stands between strangers and the access list. The zero value is ready.
type gate struct {
	mu      sync.Mutex
	limits  admission.Limits
	waiting int
}

// try says whether an address may try to join now.
func (g *gate) try(from netip.Addr, now time.Time) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if wait := g.limits.Try(from, now); wait > 0 {
		return fault.Errorf(fault.Denied, "too many attempts to join; try again in %d seconds", int(wait/time.Second)+1)
	}
	return nil
}

// settle counts what became of an attempt.
func (g *gate) settle(from netip.Addr, now time.Time, failed bool) (lockedFor time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if failed {
		return g.limits.Failed(from, now)
	}
	g.limits.Succeeded(from)
	return 0
}

// hold takes one of the places of requests that are held open.
func (g *gate) hold() (release func(), ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.waiting >= admitWaiting {
		return nil, false
	}
	g.waiting++
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.waiting--
	}, true
}

// NodeAdmit is the sponsor's side of joining. The machine proves its key on this connection before anything is looked at; the access list decides; one transaction
// writes the node's record and uses its permission up.
func (c *Control) NodeAdmit(ctx context.Context, who Caller, in v1.NodeAdmit) (v1.NodeAdmitted, error) {
	r, err := c.enter(ctx, who, "node admit")
	if err != nil {
		return v1.NodeAdmitted{}, err
	}
	if err := c.gate.try(who.From, c.cfg.Clock.Wall()); err != nil {
		return v1.NodeAdmitted{}, err
	}
	key, err := proved(in, who.Binding)
	if err == nil && !r.Membership.MayStart() {
		return v1.NodeAdmitted{}, fault.Errorf(fault.Unavailable, "node %s is not in quorum and can sponsor nobody now; try another node", r.Node)
	}
	var out v1.NodeAdmitted
	if err == nil {
		out, err = c.admit(ctx, r, who, in, admission.Request{Host: in.Node, Key: key, Token: in.Token, From: who.From, QuorumServer: in.QuorumServer})
	}
	denied := fault.Is(err, fault.Denied)
	locked := c.gate.settle(who.From, c.cfg.Clock.Wall(), denied)
	if denied {
		c.cfg.Log.Warn("a machine was refused to join", "node", in.Node, "from", who.From.String(), "key", key, "why", err.Error(), "lockedOut", locked)
	}
	return out, err
}

// admit decides a request whose key is proved, and waits a while for an approval if it needs one.
func (c *Control) admit(ctx context.Context, r *Running, who Caller, in v1.NodeAdmit, req admission.Request) (v1.NodeAdmitted, error) {
	for held := false; ; held = true {
		out, decision, err := c.admitOnce(ctx, r, who, in, req)
		if err != nil || decision.Outcome != admission.Waits {
			return out, err
		}
		out = v1.NodeAdmitted{Pending: decision.Reason}
		if held {
			return out, nil
		}
		c.cfg.Log.Warn("a machine asks to join; compare its key and run `redoubt access approve`", "node", req.Host, "key", req.Key, "from", req.From.String())
		release, ok := c.gate.hold()
		if !ok {
			return out, nil
		}
		err = c.until(ctx, r, admitHold, func(v view) bool {
			list, err := v.accessList()
			return err != nil || list.Decide(req, v.now).Outcome != admission.Waits
		})
		release()
		if err != nil {
			return v1.NodeAdmitted{}, err
		}
	}
}

func (c *Control) admitOnce(ctx context.Context, r *Running, who Caller, in v1.NodeAdmit, req admission.Request) (admitted v1.NodeAdmitted, decision admission.Decision, err error) {
	_, err = c.change(ctx, r, who, configuration(func(d *draft) error {
		admitted = v1.NodeAdmitted{}
		list, err := d.accessList()
		if err != nil {
			return err
		}
		decision = list.Decide(req, d.now)
		if decision.Outcome == admission.Refused {
			return fault.Errorf(fault.Denied, "node %s may not join: %s", in.Node, decision.Reason)
		}
		d.writeAccess(list, decision.Next)
		if decision.Outcome == admission.Waits {
			return nil
		}
		if err := d.mayRead(in); err != nil {
			return err
		}
		before, known := check.Node(d.state, cluster.NodeName(in.Node))
		state := d.state
		if decision.Outcome == admission.Again && known && !before.Member {
			// It is the same machine once more, and keeps its number; the certificate that it did not get, or lost, counts no more.
			state.Nodes = slices.DeleteFunc(slices.Clone(state.Nodes), func(n model.NodeState) bool { return n.Name == before.Name })
			if before.Certificate != "" {
				d.revokeAll(before.Certificate, before.Name, nil)
			}
		}
		node, err := newNode(state, in)
		if err != nil {
			return err
		}
		if len(state.Nodes) < len(d.state.Nodes) {
			node.ID, node.PrivateAddress = before.ID, before.PrivateAddress
		}
		if node.Elsewhere() {
			if state.Nodes, err = c.reachPublicly(ctx, r, d, state.Nodes, node); err != nil {
				return err
			}
		}
		addresses, err := addressesOf(node)
		if err != nil {
			return err
		}
		signed, err := c.cfg.Local.Sign(ctx, in, node, addresses)
		if err != nil {
			return err
		}
		node.Certificate = signed.Fingerprint
		if signed.Record.Fingerprint != "" {
			d.issue(Issued{Record: signed.Record})
		}
		d.put(confdb.KeyNode(node.Name), confdb.KindNode, node)
		d.rely(confdb.KeyCluster)
		admitted = admittedAs(state, node, signed)
		return nil
	}))
	if err != nil {
		return v1.NodeAdmitted{}, decision, err
	}
	switch {
	case decision.Outcome == admission.Waits:
	case decision.Warning != "":
		c.cfg.Log.Warn("a node was admitted that proved little", "node", in.Node, "id", admitted.ID, "from", req.From.String(), "key", req.Key, "warning", decision.Warning)
	default:
		c.cfg.Log.Info("a node was admitted", "node", in.Node, "id", admitted.ID, "from", req.From.String(), "key", req.Key)
	}
	return admitted, decision, nil
}

// proved gives the fingerprint of the key that a machine has proved to hold: its signing request is signed with it, and so is the whole request together with what
// only the two ends of this connection know.
func proved(in v1.NodeAdmit, binding []byte) (string, error) {
	no := func(why string) error {
		return fault.Errorf(fault.Denied, "node %q may not join: %s; is redoubtd there of the same version?", in.Node, why)
	}
	if len(in.Request) > 4<<10 || len(in.Proof) > 256 || len(in.Token) > 256 || len(in.Addresses) > 256 || len(in.Node) > 253 || len(in.Host) > 253 || len(in.PublicAddress) > 64 {
		return "", no("its request is larger than one has to be")
	}
	if len(binding) != v1.JoinBindingLength {
		return "", no("it has to ask on a TLS connection of its own, without a certificate")
	}
	csr, err := x509.ParseCertificateRequest(in.Request)
	if err != nil {
		return "", no("its signing request can not be read")
	}
	public, ok := csr.PublicKey.(*ecdsa.PublicKey)
	if !ok || public.Curve != elliptic.P256() || csr.CheckSignature() != nil {
		return "", no("its signing request is not signed with a key of the right kind")
	}
	statement, err := in.Statement(binding)
	if err != nil || !ecdsa.VerifyASN1(public, statement, in.Proof) {
		return "", no("it has not proved on this connection that it holds its key")
	}
	sum := sha256.Sum256(csr.RawSubjectPublicKeyInfo)
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:]), nil
}
