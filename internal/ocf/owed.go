package ocf

import (
	"context"
	"net/netip"
	"path/filepath"
	"strings"

	"redoubt/internal/agent"
	"redoubt/internal/fault"
)

// owedBy says what an agent is going to put on the host outside its processes: an address (of IPaddr2, IPaddr, IPv6addr) or a mounted file
// system (of Filesystem). ok is false for all other agents. An error means that it could not be found out, and then the agent must not be
// started: nobody could undo what it does.
func owedBy(call agent.Call) (o agent.Obligation, ok bool, err error) {
	get := func(name string) string { v, _ := value(call, name); return strings.TrimSpace(v) }
	switch agentName(call.Type.Name) {
	case "IPaddr2", "IPaddr":
		bits := get("cidr_netmask")
		if bits == "" {
			bits = get("netmask")
		}
		o, err = addressOwed(get("ip"), bits, get("nic"))
	case "IPv6addr":
		ip, bits, cut := strings.Cut(get("ipv6addr"), "/")
		if !cut {
			bits = get("cidr_netmask")
		}
		o, err = addressOwed(ip, bits, get("nic"))
	case "Filesystem":
		dir := get("directory")
		if !filepath.IsAbs(dir) {
			return o, false, fault.Errorf(fault.Invalid, "resource %s: directory %q is not an absolute path", call.Resource.Name, dir)
		}
		dir = filepath.Clean(dir)
		if real, err := filepath.EvalSymlinks(dir); err == nil { // the agent makes it when it is missing
			dir = real
		}
		o = agent.Obligation{Mount: dir}
	default:
		return o, false, nil
	}
	if err != nil {
		return o, false, fault.Errorf(fault.CodeOf(err), "resource %s: %w", call.Resource.Name, err)
	}
	return o, true, nil
}

// addressOwed completes an address as the agents do: the interface and the prefix length come from the route to it when they are not given.
func addressOwed(ip, mask, nic string) (agent.Obligation, error) {
	a, err := netip.ParseAddr(ip)
	if err != nil || a.Zone() != "" {
		return agent.Obligation{}, fault.Errorf(fault.Invalid, "%q is not an IP address", ip)
	}
	nic, _, _ = strings.Cut(nic, ":") // nic:label is an old spelling
	bits := -1
	if mask != "" {
		if bits, err = prefixBits(a, mask); err != nil {
			return agent.Obligation{}, err
		}
	}
	if nic == "" || bits < 0 {
		r, err := routeTo(a, bits, nic)
		if err != nil {
			return agent.Obligation{}, err
		}
		if nic == "" {
			nic = r.nic
		}
		if bits < 0 {
			bits = r.bits
		}
	}
	return agent.Obligation{Address: netip.PrefixFrom(a, bits).String(), Interface: nic}, nil
}

// supported refuses what the guard could not undo.
func supported(call agent.Call) error {
	if ns, _ := value(call, "network_namespace"); ns != "" && agentName(call.Type.Name) == "IPaddr2" {
		return fault.Errorf(fault.Unsupported, "resource %s: network_namespace %q: the guard can not remove an address from another network namespace when this node loses its lease; leave it out", call.Resource.Name, ns)
	}
	return nil
}

// owe tells the guard what the start is going to make.
func (d *Driver) owe(ctx context.Context, call agent.Call) error {
	if err := supported(call); err != nil {
		return err
	}
	o, ok, err := owedBy(call)
	if err != nil || !ok {
		return err
	}
	if err := d.cfg.Obligations.Owe(ctx, o); err != nil {
		return fault.Errorf(fault.CodeOf(err), "resource %s: not started, because the guard could not be told what to undo: %w", call.Resource.Name, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.owing[call.Resource.Name] = o
	return nil
}

// owes is what the resource owes: what was noted at its start or, after a restart of the daemon, what the start would owe.
func (d *Driver) owes(call agent.Call) (agent.Obligation, bool) {
	d.mu.Lock()
	o, ok := d.owing[call.Resource.Name]
	d.mu.Unlock()
	if ok {
		return o, true
	}
	o, ok, err := owedBy(call)
	return o, ok && err == nil
}

// settle tells the guard that the stop has undone it. When that fails the guard undoes it once more when it fires, which does no harm.
func (d *Driver) settle(ctx context.Context, call agent.Call, o agent.Obligation) {
	d.mu.Lock()
	delete(d.owing, call.Resource.Name)
	d.mu.Unlock()
	if err := d.cfg.Obligations.Settle(context.WithoutCancel(ctx), o); err != nil {
		d.cfg.Log.Warn("guard could not be told that something was undone", "resource", string(call.Resource.Name), "cause", err.Error())
	}
}
