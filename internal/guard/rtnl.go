package guard

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"unsafe"

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
	index  uint32 // of the link, as list found it
}

func parseAddress(o Owed) (address, error) {
	p, err := netip.ParsePrefix(o.Address)
	if err != nil || p.Addr().Is4In6() || p.Addr().Zone() != "" {
		return address{}, fmt.Errorf("obligation: address %q is not of the form ADDRESS/BITS", o.Address)
	}
	return address{prefix: p, link: o.Interface}, nil
}

// sizeofIfreq is the size of struct ifreq where it is largest.
const sizeofIfreq = 40

// rtnl speaks just enough rtnetlink to remove addresses and to prolong their lives. Its buffers are its own, so that
// removing an address allocates nothing that was not touched by the rehearsal, and prolonging lives nothing at all: the guard collects no garbage.
type rtnl struct {
	fd    int
	seq   uint32
	out   []byte
	in    []byte
	ifr   [sizeofIfreq]byte
	found []present // of the last list; their attributes stay for the next
	// past says that calls go past the runtime's scheduler (see rest): for what is done all the time, not for firing, where others must go on beside it.
	past bool
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
	if len(name) >= unix.IFNAMSIZ {
		return 0, fmt.Errorf("interface %s: its name is too long", name)
	}
	clear(r.ifr[:])
	copy(r.ifr[:], name)
	// The ioctl works on any socket; a netlink socket will do. It waits for nothing.
	_, _, errno := unix.RawSyscall(unix.SYS_IOCTL, uintptr(r.fd), unix.SIOCGIFINDEX, uintptr(unsafe.Pointer(&r.ifr[0])))
	switch errno {
	case 0:
		return binary.NativeEndian.Uint32(r.ifr[unix.IFNAMSIZ:]), nil
	case unix.ENODEV:
		return 0, nil
	}
	return 0, fmt.Errorf("find interface %s: %w", name, errno)
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
	if _, errno := r.call(unix.SYS_SENDTO, r.out, 0); errno != 0 {
		return errno
	}
	return nil
}

// receive reads the next packet. The kernel has answered a request before it returns from it, so hardly ever is there something to wait for.
func (r *rtnl) receive() (int, error) {
	n, errno := r.call(unix.SYS_RECVFROM, r.in, unix.MSG_DONTWAIT)
	if errno == unix.EAGAIN {
		return unix.Read(r.fd, r.in)
	}
	if errno != 0 {
		return 0, errno
	}
	return n, nil
}

func (r *rtnl) call(number uintptr, b []byte, flags uintptr) (int, unix.Errno) {
	var n uintptr
	var errno unix.Errno
	if r.past {
		n, _, errno = unix.RawSyscall6(number, uintptr(r.fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), flags, 0, 0)
	} else {
		n, _, errno = unix.Syscall6(number, uintptr(r.fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), flags, 0, 0)
	}
	return int(n), errno
}

// each calls f with type and body of every message that answers the last request, until its acknowledgement or the end of the dump.
func (r *rtnl) each(f func(kind uint16, body []byte)) error {
	for {
		n, err := r.receive()
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

// prolongAll gives those of the addresses that this host has a life of so many seconds from now. One that can not be prolonged is left as it is.
func (r *rtnl) prolongAll(want []address, seconds uint32) error {
	r.past = true
	defer func() { r.past = false }()
	found, err := r.list(want)
	for i := range found {
		_ = r.prolong(&found[i], seconds)
	}
	return err
}

// list returns the addresses of this host that are among want, until it is called again. It sets the index of each of want.
func (r *rtnl) list(want []address) ([]present, error) {
	for i := range want {
		index, err := r.index(want[i].link)
		if err != nil {
			return nil, err
		}
		want[i].index = index
	}
	r.found = r.found[:0]
	r.start(unix.RTM_GETADDR, unix.NLM_F_DUMP, unix.AF_UNSPEC, 0, 0, 0, 0)
	if err := r.send(); err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	err := r.each(func(kind uint16, body []byte) {
		if kind != unix.RTM_NEWADDR || len(body) < 8 {
			return
		}
		index := binary.NativeEndian.Uint32(body[4:])
		prefix, ok := prefixOf(body)
		if !ok || index == 0 {
			return
		}
		for _, w := range want {
			if w.index == index && w.prefix == prefix {
				r.keep(w, body)
			}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	return r.found, nil
}

// keep adds to what was found.
func (r *rtnl) keep(a address, body []byte) {
	n := len(r.found)
	if n < cap(r.found) {
		r.found = r.found[:n+1]
	} else {
		r.found = append(r.found, present{})
	}
	p := &r.found[n]
	p.address, p.header, p.attrs = a, [8]byte(body[:8]), p.attrs[:0]
	for b := body[8:]; len(b) >= 4; {
		size := int(binary.NativeEndian.Uint16(b))
		full := min(align4(size), len(b))
		if binary.NativeEndian.Uint16(b[2:]) != unix.IFA_CACHEINFO {
			p.attrs = append(p.attrs, b[:full]...)
		}
		b = b[full:]
	}
}

// prefixOf reads an address in the kernel's list; what it says is false when that is malformed.
func prefixOf(body []byte) (netip.Prefix, bool) {
	var local, addr netip.Addr
	for b := body[8:]; len(b) >= 4; {
		size, kind := int(binary.NativeEndian.Uint16(b)), binary.NativeEndian.Uint16(b[2:])
		if size < 4 || size > len(b) {
			return netip.Prefix{}, false
		}
		switch kind {
		case unix.IFA_LOCAL:
			local, _ = netip.AddrFromSlice(b[4:size])
		case unix.IFA_ADDRESS:
			addr, _ = netip.AddrFromSlice(b[4:size])
		}
		b = b[min(align4(size), len(b)):]
	}
	if !local.IsValid() {
		local = addr
	}
	return netip.PrefixFrom(local, int(body[1])), local.IsValid()
}

// prolong gives a present address a life of so many seconds from now.
func (r *rtnl) prolong(p *present, seconds uint32) error {
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
