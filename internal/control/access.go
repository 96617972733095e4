package control

import (
	"context"
	"slices"
	"strings"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/internal/admission"
	"redoubt/internal/confdb"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/check"
)

// allowFor is how long a permission to join counts if nobody says how long.
const allowFor = time.Hour

// accessList reads the access list of a reading. A damaged entry allows nobody.
func (v view) accessList() (admission.List, error) {
	var entries []admission.Entry
	for key, value := range v.snap.Access {
		e, err := confdb.Decode[admission.Entry](confdb.KindAccess, key, value)
		if err != nil || e.Host != confdb.Name(confdb.PrefixAccess, key) {
			continue
		}
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b admission.Entry) int { return strings.Compare(a.Host, b.Host) })
	return admission.NewList(entries)
}

// writeAccess writes the difference between two lists, relying on every entry there was.
func (d *draft) writeAccess(old, list admission.List) {
	for key := range d.snap.Access {
		d.rely(key)
		host := confdb.Name(confdb.PrefixAccess, key)
		if !slices.ContainsFunc(list, func(e admission.Entry) bool { return e.Host == host }) {
			d.drop(key)
		}
	}
	for _, e := range list {
		if !slices.Contains(old, e) {
			d.put(confdb.PrefixAccess+e.Host, confdb.KindAccess, e)
		}
	}
}

// AccessList lists the hosts that may join.
func (c *Control) AccessList(ctx context.Context, who Caller, in v1.AccessList) ([]string, error) {
	a, err := c.access(ctx, who, "access list")
	out := []string{}
	for _, e := range a.Entries {
		out = append(out, e.Host)
	}
	return out, err
}

// AccessShow shows the access list.
func (c *Control) AccessShow(ctx context.Context, who Caller, in v1.AccessShow) (v1.Access, error) {
	return c.access(ctx, who, "access show")
}

func (c *Control) access(ctx context.Context, who Caller, name string) (v1.Access, error) {
	out := v1.Access{Policy: "deny-all", Protocol: "tls", Entries: []v1.AccessEntry{}}
	r, err := c.enter(ctx, who, name)
	if err != nil {
		return out, err
	}
	v, err := c.read(r)
	if err != nil {
		return out, err
	}
	list, err := v.accessList()
	if err != nil {
		return out, err
	}
	for _, e := range list.Current(v.now) {
		entry := v1.AccessEntry{Host: e.Host, By: e.By, Once: e.Once}
		if !e.ExpiresAt.IsZero() {
			entry.Expires = &e.ExpiresAt
		}
		if e.Host == admission.Everyone {
			out.Policy = "allow-all"
		} else if out.Policy == "deny-all" {
			out.Policy = "listed"
		}
		out.Entries = append(out.Entries, entry)
	}
	return out, nil
}

// editAccess changes the access list.
func (c *Control) editAccess(ctx context.Context, who Caller, name string, edit func(d *draft, l admission.List) (admission.List, error)) (v1.Result, error) {
	r, err := c.enter(ctx, who, name)
	if err != nil {
		return v1.Result{}, err
	}
	return c.change(ctx, r, who, configuration(func(d *draft) error {
		old, err := d.accessList()
		if err != nil {
			return err
		}
		list, err := edit(d, old)
		if err != nil {
			return err
		}
		d.writeAccess(old, list.Current(d.now)) // what has expired goes with the occasion
		return nil
	}))
}

func expiry(now time.Time, seconds int) (time.Time, error) {
	if seconds < 0 || seconds > 365*24*3600 {
		return time.Time{}, fault.Errorf(fault.Invalid, "access: a permission lasts at most a year, not %d seconds", seconds)
	}
	life := allowFor
	if seconds > 0 {
		life = time.Duration(seconds) * time.Second
	}
	return now.Add(life).UTC().Truncate(time.Second), nil
}

// AccessAllow lets hosts join, once each.
func (c *Control) AccessAllow(ctx context.Context, who Caller, in v1.AccessAllow) (v1.Result, error) {
	return c.editAccess(ctx, who, "access allow", func(d *draft, l admission.List) (admission.List, error) {
		if len(in.Host) == 0 {
			return l, fault.Errorf(fault.Invalid, "access allow: name the hosts with -h")
		}
		until, err := expiry(d.now, in.Expires)
		if err != nil {
			return l, err
		}
		for _, h := range in.Host {
			if h == admission.Everyone {
				return l, fault.Errorf(fault.Invalid, "access allow: to let every host join, use allow-all")
			}
			if l, err = l.Allow(admission.Entry{Host: h, By: d.who.String(), ExpiresAt: until, Once: true}); err != nil {
				return l, err
			}
			d.say("host " + h + " may join, once, until " + until.Format(time.RFC3339))
		}
		return l, nil
	})
}

// AccessDeny takes the permission of hosts back.
func (c *Control) AccessDeny(ctx context.Context, who Caller, in v1.AccessDeny) (v1.Result, error) {
	return c.editAccess(ctx, who, "access deny", func(d *draft, l admission.List) (admission.List, error) {
		if len(in.Host) == 0 {
			return l, fault.Errorf(fault.Invalid, "access deny: name the hosts with -h")
		}
		var err error
		for _, h := range in.Host {
			if l, err = l.Deny(h, d.now); err != nil {
				return l, err
			}
			d.say("host " + h + " may not join any more")
		}
		return l, nil
	})
}

// AccessAllowAll lets every host join.
func (c *Control) AccessAllowAll(ctx context.Context, who Caller, in v1.AccessAllowAll) (v1.Result, error) {
	return c.editAccess(ctx, who, "access allow-all", func(d *draft, l admission.List) (admission.List, error) {
		until, err := expiry(d.now, in.Expires)
		if err != nil {
			return l, err
		}
		d.say("every host may join until " + until.Format(time.RFC3339) + "; `redoubt access deny-all` ends that")
		return l.AllowAll(d.who.String(), until)
	})
}

// AccessDenyAll lets no host join.
func (c *Control) AccessDenyAll(ctx context.Context, who Caller, in v1.AccessDenyAll) (v1.Result, error) {
	return c.editAccess(ctx, who, "access deny-all", func(d *draft, l admission.List) (admission.List, error) {
		d.say("no host may join")
		return l.DenyAll(), nil
	})
}

// AccessSet changes properties of the access control. The protocol is the only one, and there is only one protocol.
func (c *Control) AccessSet(ctx context.Context, who Caller, in v1.AccessSet) (v1.Result, error) {
	if _, err := c.enter(ctx, who, "access set"); err != nil {
		return v1.Result{}, err
	}
	settings, ps := check.ParseSettings("access", in.Property)
	if err := ps.Err(); err != nil {
		return v1.Result{}, err
	}
	for _, s := range settings {
		switch {
		case !strings.EqualFold(s.Name, "protocol"):
			return v1.Result{}, fault.Errorf(fault.Invalid, "access: there is no property %s; %s", s.Name, check.DidYouMean(s.Name, []string{"protocol"}, "there is protocol"))
		case s.Text != "tls" && s.Text != "auth":
			return v1.Result{}, fault.Errorf(fault.Unsupported, "access: protocol %q is not supported: nodes prove themselves with certificates (tls), which is stronger than sys and des", s.Text)
		}
	}
	return v1.Result{Messages: []string{"the protocol is tls: nodes prove themselves with certificates"}}, nil
}
