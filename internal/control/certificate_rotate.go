package control

import (
	"context"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/internal/confdb"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/model"
)

// exchangeLimit is how long the command waits for the exchange of an authority. The exchange goes on without it.
const exchangeLimit = 2 * time.Minute

// CertificateRotateAuthority exchanges an authority for another. What it writes is only the beginning: the nodes carry it from stage to stage by themselves, so
// that nothing is lost whoever dies. Asked again, it waits for the one that is under way, or gives that one up.
func (c *Control) CertificateRotateAuthority(ctx context.Context, who Caller, in v1.CertificateRotateAuthority) (v1.Result, error) {
	r, err := c.enter(ctx, who, "certificate rotate-authority")
	if err != nil {
		return v1.Result{}, err
	}
	kind, shown := certNode, certNodeAuthority
	if in.Users {
		kind, shown = certUser, certUserAuthority
	}
	if in.Abandon {
		out, err := c.change(ctx, r, who, configuration(func(d *draft) error { return d.abandon(kind, in.Force) }))
		if err != nil {
			return out, err
		}
		return c.awaitExchange(ctx, r, out, kind, shown, true)
	}
	var next *model.Root
	out, err := c.change(ctx, r, who, configuration(func(d *draft) error {
		all := d.snap.Authorities
		l := all.Of(kind)
		if len(l.Roots) == 0 {
			return fault.Errorf(fault.Unavailable, "the authorities are not in the repository yet; try again in a moment")
		}
		switch {
		case l.Stage == model.StageSettled:
			if next == nil {
				made, err := r.Authority.Succeed(ctx, kind)
				if err != nil {
					return err
				}
				next = &made
			}
			l.Roots = []model.Root{l.Roots[len(l.Roots)-1], *next}
			l.Stage, l.Started, l.By, l.Force = model.StageTrust, d.now.UTC(), d.who.String(), in.Force
		case in.Force && !l.Force:
			l.Force = true
			d.say("the exchange that is under way waits no longer for whoever is away")
		default:
			d.say("the exchange is under way already")
			return nil
		}
		all.Set(kind, l)
		d.put(confdb.KeyAuthorities, confdb.KindAuthorities, all)
		return nil
	}))
	if err != nil {
		return out, err
	}
	return c.awaitExchange(ctx, r, out, kind, shown, false)
}

// abandon gives the exchange of an authority up that can not go on.
func (d *draft) abandon(kind string, force bool) error {
	all := d.snap.Authorities
	l := all.Of(kind)
	switch {
	case l.Stage == model.StageSettled:
		return fault.Errorf(fault.Precondition, "the authority of %ss is not being exchanged: there is nothing to give up", kind)
	case l.Abandoned && force && !l.Force:
		l.Force = true
		all.Set(kind, l)
		d.put(confdb.KeyAuthorities, confdb.KindAuthorities, all)
		d.say("what is left of the exchange waits no longer for whoever is away")
		return nil
	case l.Abandoned:
		d.say("the exchange was given up already")
		return nil
	case l.Stage == model.StageDrop:
		return fault.Errorf(fault.Precondition, "the exchange of the authority of %ss is all but done: the old one signs nothing and is not trusted any more; wait until it is done", kind)
	case !l.Keyless(d.parties(), d.snap.Trusts):
		return fault.Errorf(fault.Precondition, "a node that is there has the key of the new authority of %ss: the exchange goes on by itself, `redoubt certificate show` tells how far it is", kind)
	}
	last := l.Roots[len(l.Roots)-1].Fingerprint
	next, ok := l.Abandon(d.snap.Gave(last))
	if !ok {
		return fault.Errorf(fault.Internal, "the record of the authority of %ss names no successor that could be given up", kind)
	}
	next.By, next.Force = d.who.String(), force && next.Stage == model.StageReissue
	all.Set(kind, next)
	d.put(confdb.KeyAuthorities, confdb.KindAuthorities, all)
	d.say("the exchange is given up: authority " + last + " goes, and the one before it stays")
	return nil
}

// awaitExchange waits until the exchange is done, or until it can not go on without somebody who is away.
func (c *Control) awaitExchange(ctx context.Context, r *Running, out v1.Result, kind, shown string, abandoned bool) (v1.Result, error) {
	var l model.Lineage
	away := func(v view) bool {
		_, _, waiting := l.Next(kind, v.parties(), v.snap.Trusts, false)
		for _, n := range waiting {
			if v.isMember(n) {
				return false
			}
		}
		return l.Stage == model.StageReissue && (len(waiting) > 0 || kind == certUser)
	}
	err := c.until(ctx, r, exchangeLimit, func(v view) bool {
		l = v.snap.Authorities.Of(kind)
		abandoned = abandoned || l.Abandoned
		return l.Stage == model.StageSettled || away(v)
	})
	if err != nil {
		return out, err
	}
	v := c.look(r)
	l = v.snap.Authorities.Of(kind)
	if l.Stage != model.StageSettled {
		if !l.Abandoned && l.Keyless(v.parties(), v.snap.Trusts) {
			out.Messages = append(out.Messages, "the exchange can not go on: "+v.exchange(shown, l)+"; bring a node back that has it, or give the exchange up with --abandon if all that had it are lost for good")
			return out, nil
		}
		out.Messages = append(out.Messages, "the exchange goes on by itself: "+v.exchange(shown, l)+"; `redoubt certificate show` tells how far it is, and -F ends it without them")
		return out, nil
	}
	root, _ := l.Signing()
	if abandoned {
		out.Messages = append(out.Messages, "the authority of "+kind+"s is "+root.Fingerprint+" still; the one that was to succeed it is trusted nowhere")
		return out, nil
	}
	out.Messages = append(out.Messages, "the authority of "+kind+"s is "+root.Fingerprint+" now; the old one is trusted nowhere any more")
	return out, nil
}

// PeerRenew gives this node another certificate.
func (c *Control) PeerRenew(ctx context.Context, who Caller, in v1.PeerRenew) (v1.Certificate, error) {
	r, err := c.enter(ctx, who, "peer renew")
	if err != nil {
		return v1.Certificate{}, err
	}
	return c.renewHere(ctx, r)
}

// PeerSign signs another certificate for the node that calls.
func (c *Control) PeerSign(ctx context.Context, who Caller, in v1.PeerSign) (v1.PeerSigned, error) {
	r, err := c.enter(ctx, who, "peer sign")
	if err != nil {
		return v1.PeerSigned{}, err
	}
	node, err := caller(c.look(r), who)
	if err != nil {
		return v1.PeerSigned{}, err
	}
	signed, err := r.Authority.SignNode(ctx, in.Request, node.Node)
	if err != nil {
		return v1.PeerSigned{}, err
	}
	// A certificate that is not on record counts for nobody, and would not be revoked when the node is removed.
	_, err = c.change(ctx, r, who, configuration(func(d *draft) error {
		if _, err := d.node(node.Name); err != nil {
			return err
		}
		d.rely(confdb.KeyNode(node.Name))
		d.issue(signed)
		return nil
	}))
	if err != nil {
		return v1.PeerSigned{}, err
	}
	c.cfg.Log.Info("a node's certificate was renewed", "node", node.Name, "fingerprint", signed.Record.Fingerprint)
	return v1.PeerSigned{Certificate: signed.DER}, nil
}

// SealedAuthority is what the sealed key of an authority is bound to.
func SealedAuthority(fingerprint string) string { return "the key of authority " + fingerprint }

// PeerKey gives a node the key of an authority. Every node may be a sponsor and so has it; a quorum server is none. It is sealed to the node as the record knows it: a
// certificate in its name is not enough to read it.
func (c *Control) PeerKey(ctx context.Context, who Caller, in v1.PeerKey) (v1.PeerAuthorityKey, error) {
	r, err := c.enter(ctx, who, "peer key")
	if err != nil {
		return v1.PeerAuthorityKey{}, err
	}
	v := c.look(r)
	node, err := caller(v, who)
	if err != nil {
		return v1.PeerAuthorityKey{}, err
	}
	if node.QuorumServer {
		return v1.PeerAuthorityKey{}, fault.Errorf(fault.Denied, "quorum server %s gets no authority's key", node.Name)
	}
	key, err := r.Authority.Key(in.Fingerprint)
	if err != nil {
		return v1.PeerAuthorityKey{}, err
	}
	out := v1.PeerAuthorityKey{Key: key}
	if v.snap.Schema >= model.RecordedFrom {
		to := node.Keys[model.KeySecret]
		if to == "" {
			return v1.PeerAuthorityKey{}, fault.Errorf(fault.Unavailable, "node %s has not made its own key known yet, to which that of authority %s would be sealed; try again in a moment", node.Name, in.Fingerprint)
		}
		sealed, err := r.Sealer.Seal(SealedAuthority(in.Fingerprint), key, []string{to})
		if err != nil {
			return v1.PeerAuthorityKey{}, err
		}
		out = v1.PeerAuthorityKey{Sealed: sealed}
	}
	c.cfg.Log.Info("a node was given the key of an authority", "node", node.Name, "authority", in.Fingerprint)
	return out, nil
}

// PeerTime tells another node what time it is here.
func (c *Control) PeerTime(ctx context.Context, who Caller, in v1.PeerTime) (v1.PeerNow, error) {
	if _, err := c.enter(ctx, who, "peer time"); err != nil {
		return v1.PeerNow{}, err
	}
	return v1.PeerNow{Now: c.cfg.Clock.Wall().UTC()}, nil
}

// caller is the configured node that calls: what is given to it is for it alone.
func caller(v view, who Caller) (model.NodeState, error) {
	n, ok := check.Node(v.state, who.Node)
	if who.Kind != CallerNode || !ok {
		return n, fault.Errorf(fault.Denied, "%s may not ask for this: it is for the nodes of the cluster", who)
	}
	return n, nil
}
