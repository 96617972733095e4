// Package neighbour asks a local network whether somebody has an address, and tells it that this host has it now: ARP for IPv4 (RFC 5227),
// neighbour discovery for IPv6 (RFC 4861, RFC 4862). Frames are built by hand on packet sockets, for the kernel neither asks on behalf of an
// address that it does not have nor as fast as a failover needs it.
package neighbour

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"redoubt/internal/fault"
)

// Link is an Ethernet interface of this host.
type Link struct {
	Name  string
	Index int
	MAC   net.HardwareAddr
}

// probes is how often the question is sent: a frame may be lost.
const probes = 3

// Probe asks for d whether another host has addr, and returns the hardware address of the one that answered, nil when nobody did.
// A host that is asking for the same address at the same time counts as having it.
func Probe(ctx context.Context, link Link, addr netip.Addr, d time.Duration) (net.HardwareAddr, error) {
	fail := func(err error) error {
		return fault.Errorf(fault.Internal, "ask on %s whether address %s is in use: %w", link.Name, addr, err)
	}
	sock, err := open(link, addr, true)
	if err != nil {
		return nil, fail(err)
	}
	defer sock.Close()
	stop := context.AfterFunc(ctx, func() { _ = sock.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	question, claim := solicitation(link, addr), claimOf(addr)
	buf := make([]byte, 2048)
	begin := time.Now()
	for sent := 1; sent <= probes; sent++ {
		if _, err := sock.Write(question); err != nil {
			return nil, fail(err)
		}
		until := begin.Add(d * time.Duration(sent) / probes)
		if err := sock.SetReadDeadline(until); err != nil {
			return nil, fail(err)
		}
		for {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			n, err := sock.Read(buf)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
			if err != nil {
				return nil, fail(err)
			}
			if mac := claim(buf[:n], addr); mac != nil && mac.String() != link.MAC.String() {
				return mac, nil
			}
		}
	}
	return nil, context.Cause(ctx)
}

// Announce tells the network that addr is at link now, so that it is reached there at once.
func Announce(link Link, addr netip.Addr) error {
	sock, err := open(link, addr, false)
	if err == nil {
		defer sock.Close()
		for _, frame := range announcements(link, addr) {
			if _, werr := sock.Write(frame); werr != nil {
				err = werr
			}
		}
	}
	if err != nil {
		return fault.Errorf(fault.Internal, "announce address %s on %s: %w", addr, link.Name, err)
	}
	return nil
}

// open makes a packet socket on a link. It hears what concerns addresses of addr's family if listen, nothing otherwise.
func open(link Link, addr netip.Addr, listen bool) (*os.File, error) {
	if len(link.MAC) != 6 {
		return nil, errors.New("the interface has no Ethernet address")
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if err := prepare(fd, link, addr, listen); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), "packet socket"), nil
}

func prepare(fd int, link Link, addr netip.Addr, listen bool) error {
	protocol := uint16(0)
	if listen {
		if err := attach(fd, addr.Is6()); err != nil {
			return err
		}
		protocol = unix.ETH_P_ARP
		if addr.Is6() {
			protocol = unix.ETH_P_IPV6
			group := multicastMAC(solicitedNode(addr))
			mreq := unix.PacketMreq{Ifindex: int32(link.Index), Type: unix.PACKET_MR_MULTICAST, Alen: 6}
			copy(mreq.Address[:], group)
			if err := unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &mreq); err != nil {
				return err
			}
		}
	}
	return unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: protocol<<8 | protocol>>8, Ifindex: link.Index})
}

// attach keeps the traffic of a busy interface away from the socket.
func attach(fd int, v6 bool) error {
	program := []bpf.Instruction{
		bpf.LoadAbsolute{Off: 12, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.ETH_P_ARP, SkipFalse: 1},
		bpf.RetConstant{Val: 2048},
		bpf.RetConstant{Val: 0},
	}
	if v6 {
		program = []bpf.Instruction{
			bpf.LoadAbsolute{Off: 20, Size: 1},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.IPPROTO_ICMPV6, SkipFalse: 4},
			bpf.LoadAbsolute{Off: 54, Size: 1},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: neighbourSolicitation, SkipTrue: 1},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: neighbourAdvertisement, SkipFalse: 1},
			bpf.RetConstant{Val: 2048},
			bpf.RetConstant{Val: 0},
		}
	}
	raw, err := bpf.Assemble(program)
	if err != nil {
		return err
	}
	filter := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		filter[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]})
}
