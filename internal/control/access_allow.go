package control

import (
	"context"
	"crypto/rand"
	"net/netip"
	"strings"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/internal/admission"
	"redoubt/internal/fault"
)

// AccessAllow lets hosts join, once each.
func (c *Control) AccessAllow(ctx context.Context, who Caller, in v1.AccessAllow) (v1.AccessAllowed, error) {
	var out v1.AccessAllowed
	var token string
	var err error
	if in.Token {
		if token, err = c.newToken(); err != nil {
			return out, err
		}
	}
	if err := c.authorise(ctx, who, "access allow"); err != nil {
		return out, err
	}
	addresses, err := c.addressesOfHosts(ctx, in)
	if err != nil {
		return out, err
	}
	res, err := c.editAccess(ctx, who, "access allow", func(d *draft, l admission.List) (admission.List, error) {
		switch {
		case len(in.Host) == 0:
			return l, fault.Errorf(fault.Invalid, "access allow: name the hosts with -h")
		case len(in.Host) > 1 && (in.Token || in.Key != "" || len(in.Address) > 0):
			return l, fault.Errorf(fault.Invalid, "access allow: a key, a token and an address belong to one host; allow the hosts one by one")
		}
		until, err := expiry(d.now, in.Expires)
		if err != nil {
			return l, err
		}
		for _, h := range in.Host {
			if h == admission.Everyone {
				return l, fault.Errorf(fault.Invalid, "access allow: to let every host join, use allow-all")
			}
			e := admission.Entry{Host: h, By: d.who.String(), ExpiresAt: until, Once: true, Protocol: d.protocol(), Key: in.Key, Addresses: addresses[h]}
			switch {
			case in.Token:
				e.Protocol, e.Token = admission.Token, admission.HashToken(token)
			case in.Key != "":
				e.Protocol = admission.Key
			case e.Protocol == admission.Token:
				return l, fault.Errorf(fault.Invalid, "access allow: the protocol is token; make one with `redoubt access allow -h %s --token`", h)
			}
			if e.Protocol != admission.Sys && len(in.Address) == 0 {
				e.Addresses = nil
			}
			if old, found := l.Of(h); found && old.Admitted != nil && !old.Expired(d.now) {
				return l, fault.Errorf(fault.Precondition, "host %s was admitted and has not settled yet; let it try again, or remove it with `redoubt node remove %s`", h, h)
			}
			if l, err = l.Allow(e); err != nil {
				return l, err
			}
			d.say(allowedBy(e))
		}
		return l, nil
	})
	if err != nil {
		return out, err
	}
	return v1.AccessAllowed{Messages: res.Messages, Revision: res.Revision, Token: token}, nil
}

// allowedBy says what was allowed and what is to be done now.
func allowedBy(e admission.Entry) string {
	text := "host " + e.Host + " may join, once, until " + e.ExpiresAt.Format(time.RFC3339)
	switch {
	case e.Protocol == admission.Token:
		return text + ", with this token: give it to `redoubt node join --sponsor NODE --token-file -` there on standard input"
	case e.Key != "":
		return text + ", with the key " + e.Key
	case e.Protocol == admission.Sys:
		return text + ", from " + strings.Join(e.Addresses, " or ") + "; whoever can call from there can join in its place: prefer the protocol key"
	}
	return text + "; when it asks, compare the key that it shows with `redoubt access show` and run `redoubt access approve " + e.Host + " SHA256:…`"
}

// newToken makes a token for this cluster.
func (c *Control) newToken() (string, error) {
	r := c.running.Load()
	if r == nil {
		return "", errNoCluster()
	}
	secret := make([]byte, admission.TokenSecret())
	if _, err := rand.Read(secret); err != nil {
		return "", fault.Errorf(fault.Internal, "make a token: %w", err)
	}
	return admission.NewToken(secret, r.Fingerprint())
}

// addressesOfHosts are the addresses from which the hosts have to call: those that were given, otherwise those of their names.
func (c *Control) addressesOfHosts(ctx context.Context, in v1.AccessAllow) (map[string][]string, error) {
	out := map[string][]string{}
	if len(in.Host) > 64 {
		return nil, fault.Errorf(fault.Invalid, "access allow: %d hosts are more than the 64 that can be allowed at once", len(in.Host))
	}
	r := c.running.Load()
	bySys := r != nil && c.look(r).protocol() == admission.Sys && in.Key == "" && !in.Token
	for _, h := range in.Host {
		for _, text := range in.Address {
			a, err := netip.ParseAddr(text)
			if err != nil {
				return nil, fault.Errorf(fault.Invalid, "access allow: %q is no address; give one such as 10.77.0.2", text)
			}
			out[h] = append(out[h], a.Unmap().String())
		}
		if len(in.Address) > 0 || !bySys || h == admission.Everyone {
			continue
		}
		if c.cfg.Resolve == nil {
			return nil, fault.Errorf(fault.Invalid, "access allow: give the address of host %s with --address", h)
		}
		found, err := c.cfg.Resolve(ctx, h)
		if err != nil {
			return nil, fault.Errorf(fault.Invalid, "access allow: the protocol is sys and the address of host %s is not known; give it with --address: %w", h, err)
		}
		for _, a := range found {
			out[h] = append(out[h], a.Unmap().String())
		}
	}
	return out, nil
}

// AccessApprove lets the machine join that waits with the key.
func (c *Control) AccessApprove(ctx context.Context, who Caller, in v1.AccessApprove) (v1.Result, error) {
	return c.editAccess(ctx, who, "access approve", func(d *draft, l admission.List) (admission.List, error) {
		if len(in.Names) != 2 {
			return l, fault.Errorf(fault.Invalid, "access approve: name the host and the fingerprint of its key, as `redoubt access show` has them")
		}
		d.say("host " + in.Names[0] + " may join with the key " + in.Names[1])
		return l.Approve(in.Names[0], in.Names[1], d.who.String(), d.now)
	})
}
