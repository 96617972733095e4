package control

import (
	"context"

	v1 "redoubt/api/v1"
	"redoubt/internal/admission"
	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/check"
)

// alone is how operations begin that work on a machine in no cluster.
func (c *Control) alone(ctx context.Context, who Caller, name string) (Sponsor, error) {
	if err := c.authorise(ctx, who, name); err != nil {
		return nil, err
	}
	if c.cfg.Sponsor == nil {
		return nil, fault.Errorf(fault.Unsupported, "%s: this daemon has no key to join with", name)
	}
	return c.cfg.Sponsor, nil
}

// NodeKey shows the key with which this machine joins a cluster.
func (c *Control) NodeKey(ctx context.Context, who Caller, in v1.NodeKey) (v1.JoinKey, error) {
	s, err := c.alone(ctx, who, "node key")
	if err != nil {
		return v1.JoinKey{}, err
	}
	return s.Key(ctx)
}

// AuthShow says which node may make this machine join its cluster.
func (c *Control) AuthShow(ctx context.Context, who Caller, in v1.AuthShow) (v1.Auth, error) {
	s, err := c.alone(ctx, who, "auth show")
	if err != nil {
		return v1.Auth{}, err
	}
	return s.Auth(ctx)
}

// AuthEnable authorises a control node to make this machine join its cluster.
func (c *Control) AuthEnable(ctx context.Context, who Caller, in v1.AuthEnable) (v1.Result, error) {
	s, err := c.alone(ctx, who, "auth enable")
	if err != nil {
		return v1.Result{}, err
	}
	if r := c.running.Load(); r != nil {
		return v1.Result{}, fault.Errorf(fault.Precondition, "node %s is in a cluster already; a sponsor is for machines that are in none", r.Node)
	}
	if in.Expires < 0 || in.Expires > 24*3600 {
		return v1.Result{}, fault.Errorf(fault.Invalid, "auth enable: an authorisation lasts at most a day, not %d seconds", in.Expires)
	}
	return s.Authorise(ctx, &in)
}

// AuthDisable takes the authorisation of the control node back.
func (c *Control) AuthDisable(ctx context.Context, who Caller, in v1.AuthDisable) (v1.Result, error) {
	s, err := c.alone(ctx, who, "auth disable")
	if err != nil {
		return v1.Result{}, err
	}
	return s.Authorise(ctx, nil)
}

// NodeAdd makes a machine join that has authorised this node as its sponsor: its key is allowed, and it is told to ask.
func (c *Control) NodeAdd(ctx context.Context, who Caller, in v1.NodeAdd) (v1.Result, error) {
	r, err := c.enter(ctx, who, "node add")
	if err != nil {
		return v1.Result{}, err
	}
	s, err := c.alone(ctx, who, "node add")
	if err != nil {
		return v1.Result{}, err
	}
	switch {
	case len(in.Names) != 1:
		return v1.Result{}, fault.Errorf(fault.Invalid, "node add: name the machine, one at a time")
	case !admission.IsFingerprint(in.Fingerprint):
		return v1.Result{}, fault.Errorf(fault.Invalid, "node add: give the fingerprint of the machine's key with --fingerprint; `redoubt auth show` prints it there")
	}
	name := in.Names[0]
	if _, taken := check.Node(c.look(r).state, cluster.NodeName(name)); taken {
		return v1.Result{}, fault.Errorf(fault.Exists, "a node %s is in the cluster already; if this is another machine, give it another name, or remove the old one with `redoubt node remove %s`", name, name)
	}
	address := in.Address
	if address == "" {
		address = name
	}
	if _, err := c.AccessAllow(ctx, who, v1.AccessAllow{Host: []string{name}, Key: in.Fingerprint, Expires: 600}); err != nil {
		return v1.Result{}, err
	}
	out, err := s.Invite(ctx, address, in.Fingerprint, v1.NodeConfigure{Node: name})
	if err != nil {
		// It may be on its way none the less: then its permission is used and stays.
		if _, derr := c.AccessDeny(context.WithoutCancel(ctx), who, v1.AccessDeny{Host: []string{name}}); derr != nil {
			c.cfg.Log.Info("the permission of a machine that could not be added stays", "node", name, "err", derr)
		}
		return v1.Result{}, fault.Errorf(fault.CodeOf(err), "add node %s: %w", name, err)
	}
	return out, nil
}

// NodeConfigure makes this machine join the cluster of the node that calls; the daemon lets only the control node call that is authorised here.
func (c *Control) NodeConfigure(ctx context.Context, who Caller, in v1.NodeConfigure) (v1.Result, error) {
	s, err := c.alone(ctx, who, "node configure")
	if err != nil {
		return v1.Result{}, err
	}
	if r := c.running.Load(); r != nil {
		return v1.Result{}, fault.Errorf(fault.Precondition, "node %s is in a cluster already", r.Node)
	}
	auth, err := s.Auth(ctx)
	if err != nil {
		return v1.Result{}, err
	}
	if !auth.Enabled || who.Kind != CallerNode || string(who.Node) != auth.Control {
		return v1.Result{}, fault.Errorf(fault.Denied, "%s may not make this machine join: it is not the control node that was authorised here with `redoubt auth enable`", who)
	}
	if in.Node != auth.Node {
		return v1.Result{}, fault.Errorf(fault.Precondition, "this machine is called %s, not %s; add it by its name", auth.Node, in.Node)
	}
	c.cfg.Log.Warn("the control node makes this machine join its cluster", "control", auth.Control, "sponsor", in.Sponsor)
	return c.cfg.Local.Join(ctx, v1.NodeJoin{Sponsor: in.Sponsor, Fingerprint: auth.Fingerprint, Wait: 60})
}
