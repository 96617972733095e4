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

// keyProtocol is where the protocol for new entries is kept; no host has such a name.
const keyProtocol = confdb.PrefixAccess + "~protocol"

// accessList reads the access list of a reading. A damaged entry allows nobody.
func (v view) accessList() (admission.List, error) {
	var entries []admission.Entry
	for key, value := range v.snap.Access {
		e, err := confdb.Decode[admission.Entry](confdb.KindAccess, key, value)
		if err != nil || e.Host != confdb.Name(confdb.PrefixAccess, key) || key == keyProtocol {
			continue
		}
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b admission.Entry) int { return strings.Compare(a.Host, b.Host) })
	return admission.NewList(entries)
}

// protocol is how hosts prove themselves that are allowed from now on.
func (v view) protocol() admission.Protocol {
	if value, ok := v.snap.Access[keyProtocol]; ok {
		if e, err := confdb.Decode[admission.Entry](confdb.KindAccess, keyProtocol, value); err == nil && e.Protocol != "" {
			return e.Protocol
		}
	}
	return admission.Key
}

// writeAccess writes the difference between two lists, relying on every entry there was.
func (d *draft) writeAccess(old, list admission.List) {
	for key := range d.snap.Access {
		if key == keyProtocol {
			continue
		}
		d.rely(key)
		if _, stays := list.Of(confdb.Name(confdb.PrefixAccess, key)); !stays {
			d.drop(key)
		}
	}
	for _, e := range list {
		if was, found := old.Of(e.Host); !found || !was.Same(e) {
			d.put(confdb.PrefixAccess+e.Host, confdb.KindAccess, e)
		}
	}
}

// AccessList lists the hosts that may join.
func (c *Control) AccessList(ctx context.Context, who Caller, in v1.AccessList) ([]string, error) {
	a, err := c.access(ctx, who, "access list")
	out := []string{}
	for _, e := range a.Entries {
		if !e.Settling {
			out = append(out, e.Host)
		}
		for _, p := range e.Pending {
			out = append(out, p.Host+" asks to join with key "+p.Key)
		}
	}
	return out, err
}

// AccessShow shows the access list.
func (c *Control) AccessShow(ctx context.Context, who Caller, in v1.AccessShow) (v1.Access, error) {
	return c.access(ctx, who, "access show")
}

func (c *Control) access(ctx context.Context, who Caller, name string) (v1.Access, error) {
	out := v1.Access{Policy: string(admission.DenyAll), Protocol: string(admission.Key), Entries: []v1.AccessEntry{}}
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
	out.Policy, out.Protocol = string(list.Policy(v.now)), string(v.protocol())
	for _, e := range list.Current(v.now) {
		entry := v1.AccessEntry{
			Host: e.Host, By: e.By, Once: true, Protocol: string(protocolOf(e)), Key: e.Key, Addresses: e.Addresses, Settling: e.Admitted != nil,
		}
		if !e.ExpiresAt.IsZero() {
			entry.Expires = &e.ExpiresAt
		}
		for _, p := range e.Pending {
			entry.Pending = append(entry.Pending, v1.AccessPending(p))
		}
		out.Entries = append(out.Entries, entry)
	}
	return out, nil
}

func protocolOf(e admission.Entry) admission.Protocol {
	if e.Protocol == "" {
		return admission.Key
	}
	return e.Protocol
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

// AccessAllowAll lets every host ask to join, until one has joined or the time is over.
func (c *Control) AccessAllowAll(ctx context.Context, who Caller, in v1.AccessAllowAll) (v1.Result, error) {
	return c.editAccess(ctx, who, "access allow-all", func(d *draft, l admission.List) (admission.List, error) {
		until, err := expiry(d.now, in.Expires)
		if err != nil {
			return l, err
		}
		e := admission.Entry{Host: admission.Everyone, By: d.who.String(), ExpiresAt: until, Once: true, Protocol: d.protocol()}
		text := "every host may ask to join until one has joined, or until " + until.Format(time.RFC3339) + "; "
		switch e.Protocol {
		case admission.Token:
			return l, fault.Errorf(fault.Invalid, "access allow-all: the protocol is token, and a token belongs to one host; use `redoubt access allow -h HOST --token`")
		case admission.Sys:
			text += "the protocol is sys, so whoever reaches this cluster can join it: prefer the protocol key. "
		default:
			text += "its key has to be approved with `redoubt access approve`. "
		}
		d.say(text + "`redoubt access deny-all` ends that")
		return l.Allow(e)
	})
}

// AccessDenyAll lets no host join.
func (c *Control) AccessDenyAll(ctx context.Context, who Caller, in v1.AccessDenyAll) (v1.Result, error) {
	return c.editAccess(ctx, who, "access deny-all", func(d *draft, l admission.List) (admission.List, error) {
		d.say("no host may join")
		return l.DenyAll(), nil
	})
}

// AccessSet changes properties of the access control: the protocol by which hosts prove themselves that are allowed from now on.
func (c *Control) AccessSet(ctx context.Context, who Caller, in v1.AccessSet) (v1.Result, error) {
	settings, ps := check.ParseSettings("access", in.Property)
	return c.editAccess(ctx, who, "access set", func(d *draft, l admission.List) (admission.List, error) {
		if err := ps.Err(); err != nil {
			return l, err
		}
		if len(settings) != 1 {
			return l, fault.Errorf(fault.Invalid, "access set: give the protocol with -p protocol=key, token or sys")
		}
		s := settings[0]
		if !strings.EqualFold(s.Name, "protocol") {
			return l, fault.Errorf(fault.Invalid, "access: there is no property %s; %s", s.Name, check.DidYouMean(s.Name, []string{"protocol"}, "there is protocol"))
		}
		protocol, note, err := admission.ParseProtocol(s.Text)
		if err != nil {
			return l, err
		}
		if note != "" {
			d.say(note)
		}
		d.say("hosts that are allowed from now on prove themselves by " + string(protocol))
		if protocol == admission.Sys {
			d.say("warning: by sys a host proves nothing but its address; whoever can take that address joins in its place")
			c.cfg.Log.Warn("the protocol of joining was set to sys: hosts prove nothing but their address", "by", d.who.String())
		}
		d.put(keyProtocol, confdb.KindAccess, admission.Entry{Host: confdb.Name(confdb.PrefixAccess, keyProtocol), By: d.who.String(), Protocol: protocol})
		if protocol == admission.Sys {
			return l, nil
		}
		// What was allowed by less than this does not stay open behind the administrator's back.
		return slices.DeleteFunc(slices.Clone(l), func(e admission.Entry) bool {
			weak := e.Protocol == admission.Sys && e.Admitted == nil
			if weak {
				d.say("host " + e.Host + " was allowed by sys and no longer is; allow it anew")
			}
			return weak
		}), nil
	})
}
