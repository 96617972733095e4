package guard

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strconv"

	"golang.org/x/sys/unix"
)

func itoa(n int64) string             { return strconv.FormatInt(n, 10) }
func atoi(s string) (int64, error)    { return strconv.ParseInt(s, 10, 64) }
func align4(n int) int                { return (n + 3) &^ 3 }
func put32(b []byte, v uint32)        { binary.NativeEndian.PutUint32(b, v) }
func add32(b []byte, v uint32) []byte { return binary.NativeEndian.AppendUint32(b, v) }

// address is an Owed address ready for the kernel.
type address struct {
	prefix netip.Prefix
	link   string
}

func parseAddress(o Owed) (address, error) {
	p, err := netip.ParsePrefix(o.Address)
	if err != nil || p.Addr().Is4In6() || p.Addr().Zone() != "" {
		return address{}, fmt.Errorf("obligation: address %q is not of the form ADDRESS/BITS", o.Address)
	}
	return address{p, o.Interface}, nil
}

// rtnl speaks just enough rtnetlink to remove addresses and to prolong their lives. Its buffers are its own, so that
// removing an address allocates nothing that was not touched by the rehearsal.
type rtnl struct {
	fd  int
	seq uint32
	out []byte
	in  []byte
}

func openRtnl() (*rtnl, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open rtnetlink: %w", err)
	}
	// A kernel that does not answer within this time has its rtnl lock held by somebody; the caller tries again.
	tv := unix.NsecToTimeval(int64(rtnlTimeout))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("set time limit of rtnetlink: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("bind rtnetlink: %w", err)
	}
	return &rtnl{fd: fd, out: make([]byte, 0, 512), in: make([]byte, 64<<10)}, nil
}

func (r *rtnl) close() { unix.Close(r.fd) }

// index returns the number of an interface, 0 when it does not exist.
func (r *rtnl) index(name string) (uint32, error) {
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		return 0, fmt.Errorf("interface %s: %w", name, err)
	}
	// The ioctl works on any socket; a netlink socket will do.
	err = unix.IoctlIfreq(r.fd, unix.SIOCGIFINDEX, ifr)
	if errors.Is(err, unix.ENODEV) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("find interface %s: %w", name, err)
	}
	return ifr.Uint32(), nil
}

// start begins a message with its two headers: struct nlmsghdr and struct ifaddrmsg.
func (r *rtnl) start(kind, flags uint16, family, bits, ifaFlags, scope uint8, index uint32) {
	r.seq++
	b := r.out[:0]
	b = add32(b, 0) // length, set by send
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = binary.NativeEndian.AppendUint16(b, flags|unix.NLM_F_REQUEST)
	b = add32(b, r.seq)
	b = add32(b, 0)
	b = append(b, family, bits, ifaFlags, scope)
	r.out = add32(b, index)
}

func (r *rtnl) attr(kind uint16, value []byte) {
	r.out = binary.NativeEndian.AppendUint16(r.out, uint16(4+len(value)))
	r.out = binary.NativeEndian.AppendUint16(r.out, kind)
	r.out = append(r.out, value...)
	for len(r.out)%4 != 0 {
		r.out = append(r.out, 0)
	}
}

func (r *rtnl) send() error {
	put32(r.out, uint32(len(r.out)))
	return unix.Sendto(r.fd, r.out, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
}

// each calls f with type and body of every message that answers the last request, until its acknowledgement or the end of the dump.
func (r *rtnl) each(f func(kind uint16, body []byte)) error {
	for {
		n, err := unix.Read(r.fd, r.in)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		for b := r.in[:n]; len(b) >= unix.SizeofNlMsghdr; {
			size := int(binary.NativeEndian.Uint32(b))
			kind, seq := binary.NativeEndian.Uint16(b[4:]), binary.NativeEndian.Uint32(b[8:])
			if size < unix.SizeofNlMsghdr || size > len(b) {
				return errors.New("rtnetlink: answer is malformed")
			}
			body := b[unix.SizeofNlMsghdr:size]
			b = b[min(align4(size), len(b)):]
			if seq != r.seq {
				continue // an answer to a request that was given up
			}
			switch kind {
			case unix.NLMSG_DONE:
				return nil
			case unix.NLMSG_ERROR:
				if len(body) < 4 {
					return errors.New("rtnetlink: answer is malformed")
				}
				if code := int32(binary.NativeEndian.Uint32(body)); code != 0 {
					return unix.Errno(-code)
				}
				return nil
			}
			if f != nil {
				f(kind, body)
			}
		}
	}
}

func family(a netip.Addr) uint8 {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// remove takes an address off its interface. An address or an interface that is not there is no error.
func (r *rtnl) remove(a address) error {
	index, err := r.index(a.link)
	if err != nil || index == 0 {
		return err
	}
	r.start(unix.RTM_DELADDR, unix.NLM_F_ACK, family(a.prefix.Addr()), uint8(a.prefix.Bits()), 0, 0, index)
	if a.prefix.Addr().Is4() {
		v := a.prefix.Addr().As4()
		r.attr(unix.IFA_LOCAL, v[:])
	} else {
		v := a.prefix.Addr().As16()
		r.attr(unix.IFA_LOCAL, v[:])
	}
	if err = r.send(); err == nil {
		err = r.each(nil)
	}
	if err == nil || errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.ENODEV) {
		return nil
	}
	return fmt.Errorf("remove address %v from %s: %w", a.prefix, a.link, err)
}

// present is an address as the kernel listed it.
type present struct {
	address
	header [8]byte // struct ifaddrmsg
	attrs  []byte  // without the lifetime
}

// list returns the addresses of this host that are among want.
func (r *rtnl) list(want []address) ([]present, error) {
	byIndex := map[uint32]string{}
	for _, w := range want {
		index, err := r.index(w.link)
		if err != nil {
			return nil, err
		}
		byIndex[index] = w.link
	}
	var found []present
	r.start(unix.RTM_GETADDR, unix.NLM_F_DUMP, unix.AF_UNSPEC, 0, 0, 0, 0)
	if err := r.send(); err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	err := r.each(func(kind uint16, body []byte) {
		if kind != unix.RTM_NEWADDR || len(body) < 8 {
			return
		}
		p, ok := parsePresent(body, byIndex[binary.NativeEndian.Uint32(body[4:])])
		if !ok {
			return
		}
		for _, w := range want {
			if w == p.address {
				found = append(found, p)
			}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	return found, nil
}

func parsePresent(body []byte, link string) (present, bool) {
	p := present{header: [8]byte(body[:8])}
	var local, addr netip.Addr
	for b := body[8:]; len(b) >= 4; {
		size, kind := int(binary.NativeEndian.Uint16(b)), binary.NativeEndian.Uint16(b[2:])
		if size < 4 || size > len(b) {
			return present{}, false
		}
		full := min(align4(size), len(b))
		switch kind {
		case unix.IFA_LOCAL:
			local, _ = netip.AddrFromSlice(b[4:size])
		case unix.IFA_ADDRESS:
			addr, _ = netip.AddrFromSlice(b[4:size])
		}
		if kind != unix.IFA_CACHEINFO {
			p.attrs = append(p.attrs, b[:full]...)
		}
		b = b[full:]
	}
	if !local.IsValid() {
		local = addr
	}
	p.address = address{netip.PrefixFrom(local, int(body[1])), link}
	return p, link != "" && local.IsValid()
}

// prolong gives a present address a life of so many seconds from now.
func (r *rtnl) prolong(p present, seconds uint32) error {
	h := p.header
	r.start(unix.RTM_NEWADDR, unix.NLM_F_ACK|unix.NLM_F_REPLACE, h[0], h[1], h[2]&^unix.IFA_F_PERMANENT, h[3], binary.NativeEndian.Uint32(h[4:]))
	r.out = append(r.out, p.attrs...)
	var life [16]byte // struct ifa_cacheinfo: preferred, valid, created, changed
	put32(life[0:], seconds)
	put32(life[4:], seconds)
	r.attr(unix.IFA_CACHEINFO, life[:])
	err := r.send()
	if err == nil {
		err = r.each(nil)
	}
	if err != nil {
		return fmt.Errorf("prolong address %v of %s: %w", p.prefix, p.link, err)
	}
	return nil
}
