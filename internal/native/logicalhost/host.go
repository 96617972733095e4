package logicalhost

import (
	"errors"
	"math"
	"net"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"redoubt/internal/fault"
	"redoubt/internal/native/neighbour"
)

// host is what the kernel said of interfaces and addresses at one moment.
type host struct {
	links    map[string]*link
	networks []place // every address of the host
	// permanent are those without an end of their life. A resource's address always has one (the guard renews it), so these are not ours.
	permanent map[place]bool
	// shared is true where addresses are on the loopback interface too: those of nodes that answer from one without holding it.
	shared bool
}

type link struct{ netlink.Link }

func (l *link) loopback() bool { return l.Attrs().Flags&net.FlagLoopback != 0 }

// up reports whether frames can go out: set up, and with a carrier.
func (l *link) up() bool {
	a := l.Attrs()
	return a.Flags&net.FlagUp != 0 && a.RawFlags&unix.IFF_RUNNING != 0
}

// look asks the kernel. A listing that was disturbed by a change is made again.
func (t *Type) look() (*host, error) {
	for try := 0; ; try++ {
		h, err := lookOnce()
		if err == nil {
			h.shared = t.cfg.Sharing != nil
			return h, nil
		}
		if !errors.Is(err, netlink.ErrDumpInterrupted) || try == 10 {
			return nil, fault.Errorf(fault.Internal, "list interfaces and addresses: %w", err)
		}
	}
}

func lookOnce() (*host, error) {
	all, err := netlink.LinkList()
	if err != nil {
		return nil, err
	}
	addrs, err := netlink.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return nil, err
	}
	h := &host{links: map[string]*link{}, permanent: map[place]bool{}}
	names := map[int]string{}
	for _, l := range all {
		h.links[l.Attrs().Name] = &link{l}
		names[l.Attrs().Index] = l.Attrs().Name
	}
	for _, a := range addrs {
		name, known := names[a.LinkIndex]
		ip, ok := netip.AddrFromSlice(a.IP)
		if !known || !ok {
			continue
		}
		bits, _ := a.Mask.Size()
		p := place{netip.PrefixFrom(ip.Unmap(), bits), name}
		h.networks = append(h.networks, p)
		if a.ValidLft <= 0 || a.ValidLft >= math.MaxUint32 {
			h.permanent[p] = true
		}
	}
	return h, nil
}

// has reports whether the address is in its place. It is an error when this host has it somewhere else, in another form, or for good.
func (h *host) has(p place) (bool, error) {
	for _, n := range h.networks {
		if n == p && !h.permanent[n] {
			return true, nil
		}
	}
	for _, n := range h.networks {
		if n.prefix.Addr() == p.prefix.Addr() && !h.shares(n) {
			return false, fault.Errorf(fault.Exists, "address %s is on interface %s of this node already, as %s, and was not put there by the resource; remove it there (`ip address del %s dev %s`) and keep it out of the configuration of the system", p.prefix.Addr(), n.link, n.prefix, n.prefix, n.link)
		}
	}
	return false, nil
}

// shares reports whether an address is on the loopback interface because this node answers from it without holding it.
func (h *host) shares(p place) bool {
	l := h.links[p.link]
	return h.shared && l != nil && l.loopback()
}

func (h *host) usable(p place) error {
	l := h.links[p.link]
	switch {
	case l == nil:
		return fault.Errorf(fault.NotFound, "take address %s: interface %s does not exist", p.prefix, p.link)
	case l.Attrs().Flags&net.FlagUp == 0:
		return fault.Errorf(fault.Precondition, "take address %s: interface %s is down; set it up (`ip link set %s up`)", p.prefix, p.link, p.link)
	case !l.up():
		return fault.Errorf(fault.Precondition, "take address %s: interface %s has no link; look at its cable and switch", p.prefix, p.link)
	}
	return nil
}

// ethernet returns the interface of a place if its network is asked and told by frames.
func (h *host) ethernet(p place) (neighbour.Link, bool) {
	l := h.links[p.link]
	if l == nil {
		return neighbour.Link{}, false
	}
	a := l.Attrs()
	ok := a.EncapType == "ether" && len(a.HardwareAddr) == 6 && a.RawFlags&unix.IFF_NOARP == 0
	return neighbour.Link{Name: a.Name, Index: a.Index, MAC: a.HardwareAddr}, ok
}

func (p place) netlink() *netlink.Addr {
	return &netlink.Addr{IPNet: &net.IPNet{IP: p.prefix.Addr().AsSlice(), Mask: net.CIDRMask(p.prefix.Bits(), p.prefix.Addr().BitLen())}}
}

// add gives the address to the kernel, for a life that the guard renews.
func (h *host) add(p place, life time.Duration) error {
	a := p.netlink()
	seconds := int(max(1, life/time.Second))
	a.ValidLft, a.PreferedLft = seconds, seconds
	if p.prefix.Addr().Is6() {
		a.Flags = unix.IFA_F_NODAD // the check was ours, and faster
	}
	l := h.links[p.link]
	if l == nil {
		return h.usable(p)
	}
	if err := netlink.AddrReplace(l, a); err != nil {
		return fault.Errorf(fault.Internal, "add address %s to interface %s: %w", p.prefix, p.link, err)
	}
	return nil
}

// remove takes the address away. One that is not there, and an interface that is not there, is no error.
func (h *host) remove(p place) error {
	l := h.links[p.link]
	if l == nil {
		return nil
	}
	err := netlink.AddrDel(l, p.netlink())
	if err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) && !errors.Is(err, unix.ENODEV) {
		return fault.Errorf(fault.Internal, "remove address %s from interface %s: %w", p.prefix, p.link, err)
	}
	return nil
}
