package lab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"redoubt/internal/fault"
)

// The networks of a lab. A machine's interface has the network's name.
const (
	netPublic = "pub"
	netIC1    = "ic1"
	netIC2    = "ic2"
)

// Networks are the names of a lab's networks: the public one and the two interconnects.
func Networks() []string { return []string{netPublic, netIC1, netIC2} }

// third is the third part of a network's addresses.
var third = map[string]byte{netPublic: 0, netIC1: 1, netIC2: 2}

// Interconnects are the two private networks as cluster create takes them.
func Interconnects() []string { return []string{"10.77.1.0/24", "10.77.2.0/24"} }

func (m machine) address(network string) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 77, third[network], byte(m.number)}), 24)
}

func (m machine) address6() netip.Prefix {
	return netip.PrefixFrom(netip.MustParseAddr(fmt.Sprintf("fd77::%d", m.number)), 64)
}

// port is the machine's end in the fabric.
func (m machine) port(network string) string { return m.name + "-" + network }

// links is a netlink connection into the network namespace of a machine.
type links struct{ *netlink.Handle }

func openLinks(pid int) (links, error) {
	ns, err := netns.GetFromPid(pid)
	if err != nil {
		return links{}, fault.Errorf(fault.Unavailable, "network of process %d: %w", pid, err)
	}
	defer func() { _ = ns.Close() }()
	h, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	if err != nil {
		return links{}, fault.Errorf(fault.Internal, "network of process %d: %w", pid, err)
	}
	return links{h}, nil
}

func (l links) up(name string) (netlink.Link, error) {
	link, err := l.LinkByName(name)
	if err == nil {
		err = l.LinkSetUp(link)
	}
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "interface %s: %w", name, err)
	}
	return link, nil
}

// layFabric makes the bridges in the namespace of the fabric. They forward at once and flood what they do not know, as a plain switch does.
func layFabric(pid int) error {
	l, err := openLinks(pid)
	if err != nil {
		return err
	}
	defer l.Close()
	for _, n := range Networks() {
		off := false
		if err := l.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: n}, MulticastSnooping: &off}); err != nil {
			return fault.Errorf(fault.Internal, "make bridge %s: %w", n, err)
		}
		if _, err := l.up(n); err != nil {
			return err
		}
	}
	return nil
}

// plug connects a machine with its networks: a pair of interfaces each, one end at the bridge, one on the machine, with its addresses.
func (m machine) plug(fabric, pid int) error {
	f, err := openLinks(fabric)
	if err != nil {
		return err
	}
	defer f.Close()
	l, err := openLinks(pid)
	if err != nil {
		return err
	}
	defer l.Close()
	for _, n := range m.nets {
		if err := m.plugOne(f, l, n, pid); err != nil {
			return fault.Errorf(fault.Internal, "connect %s with network %s: %w", m.name, n, err)
		}
	}
	_, err = l.up("lo")
	return err
}

func (m machine) plugOne(f, l links, network string, pid int) error {
	if old, err := f.LinkByName(m.port(network)); err == nil { // left by a machine that died without the lab's doing
		if err := f.LinkDel(old); err != nil {
			return err
		}
	}
	bridge, err := f.LinkByName(network)
	if err != nil {
		return err
	}
	veth := &netlink.Veth{
		LinkAttrs: netlink.LinkAttrs{Name: m.port(network), MasterIndex: bridge.Attrs().Index},
		PeerName:  network, PeerNamespace: netlink.NsPid(pid),
		PeerHardwareAddr: net.HardwareAddr{0x02, 0x77, 0, third[network], 0, byte(m.number)},
	}
	if err := f.LinkAdd(veth); err != nil {
		return err
	}
	if _, err := f.up(m.port(network)); err != nil {
		return err
	}
	link, err := l.LinkByName(network)
	if err != nil {
		return err
	}
	if err := l.AddrAdd(link, address(m.address(network), 0)); err != nil {
		return err
	}
	if err := l.LinkSetUp(link); err != nil {
		return err
	}
	if network != netPublic {
		return nil
	}
	// No duplicate address detection: the machine is reachable at once. A kernel without IPv6 makes a lab without it.
	err = l.AddrAdd(link, address(m.address6(), unix.IFA_F_NODAD))
	if errors.Is(err, syscall.EOPNOTSUPP) || errors.Is(err, syscall.EACCES) {
		return nil
	}
	return err
}

func address(p netip.Prefix, flags int) *netlink.Addr {
	return &netlink.Addr{IPNet: &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}, Flags: flags}
}

// ports are a machine's ends in the fabric, found beforehand so that pulling them takes no time.
type ports struct {
	fabric links
	ends   []netlink.Link
}

func (m machine) ports(fabric int) (*ports, error) {
	f, err := openLinks(fabric)
	if err != nil {
		return nil, err
	}
	p := &ports{fabric: f}
	for _, n := range m.nets {
		if end, err := f.LinkByName(m.port(n)); err == nil { // an end that is not there has been pulled already
			p.ends = append(p.ends, end)
		}
	}
	return p, nil
}

// pull takes the plugs out of the switch: from now on nothing the machine sends arrives.
func (p *ports) pull() (err error) {
	for _, e := range p.ends {
		err = errors.Join(err, p.fabric.LinkSetDown(e))
	}
	return err
}

// close removes the ends, if remove says so, and releases the connection.
func (p *ports) close(remove bool) (err error) {
	for _, e := range p.ends {
		if remove {
			if e := p.fabric.LinkDel(e); e != nil && !errors.Is(e, syscall.ENODEV) {
				err = errors.Join(err, e)
			}
		}
	}
	p.fabric.Close()
	return err
}

// setting writes a kernel setting of the calling process's namespaces. Settings that this kernel does not have are no loss.
func setting(path, value string) error {
	err := os.WriteFile("/proc/sys/"+path, []byte(value), 0o644)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
