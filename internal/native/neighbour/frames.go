package neighbour

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// What frames are made of.
const (
	etherHeader            = 14
	arpSize                = 28
	ip6Header              = 40
	neighbourSolicitation  = 135
	neighbourAdvertisement = 136
	optionTargetMAC        = 2
)

var broadcast = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// solicitation is the question whether somebody has addr, from nobody: it disturbs no cache.
func solicitation(link Link, addr netip.Addr) []byte {
	if addr.Is4() {
		return arp(link.MAC, 1, netip.IPv4Unspecified(), nil, addr)
	}
	body := make([]byte, 24)
	body[0] = neighbourSolicitation
	target := addr.As16()
	copy(body[8:], target[:])
	return icmp6(link.MAC, netip.IPv6Unspecified(), solicitedNode(addr), body)
}

// announcements say that addr is at link. For IPv4 both forms are sent, for some hosts heed only one of them.
func announcements(link Link, addr netip.Addr) [][]byte {
	if addr.Is4() {
		return [][]byte{arp(link.MAC, 1, addr, nil, addr), arp(link.MAC, 2, addr, broadcast, addr)}
	}
	body := make([]byte, 32)
	body[0] = neighbourAdvertisement
	body[4] = 0x20 // override what is known
	target := addr.As16()
	copy(body[8:], target[:])
	body[24], body[25] = optionTargetMAC, 1
	copy(body[26:], link.MAC)
	return [][]byte{icmp6(link.MAC, addr, netip.MustParseAddr("ff02::1"), body)}
}

func arp(from net.HardwareAddr, op uint16, sender netip.Addr, targetMAC net.HardwareAddr, target netip.Addr) []byte {
	b := ether(broadcast, from, unix.ETH_P_ARP)
	b = append(b, 0, 1, 8, 0, 6, 4)
	b = binary.BigEndian.AppendUint16(b, op)
	b = append(b, from...)
	b = append(b, sender.AsSlice()...)
	if targetMAC == nil {
		targetMAC = make(net.HardwareAddr, 6)
	}
	b = append(b, targetMAC...)
	return append(b, target.AsSlice()...)
}

func ether(to, from net.HardwareAddr, protocol uint16) []byte {
	b := make([]byte, 0, 128)
	b = append(append(b, to...), from...)
	return binary.BigEndian.AppendUint16(b, protocol)
}

// icmp6 wraps the body of a message of neighbour discovery; its checksum is filled in.
func icmp6(from net.HardwareAddr, src, dst netip.Addr, body []byte) []byte {
	s, d := src.As16(), dst.As16()
	binary.BigEndian.PutUint16(body[2:], checksum(s, d, body))
	b := ether(multicastMAC(dst), from, unix.ETH_P_IPV6)
	b = append(b, 0x60, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(len(body)))
	b = append(b, unix.IPPROTO_ICMPV6, 255) // a smaller hop limit is ignored: the message would have passed a router
	b = append(append(b, s[:]...), d[:]...)
	return append(b, body...)
}

// checksum is that of ICMPv6, over the pseudo header and a body of even length.
func checksum(src, dst [16]byte, body []byte) uint16 {
	sum := uint32(len(body)) + unix.IPPROTO_ICMPV6
	for _, part := range [][]byte{src[:], dst[:], body} {
		for i := 0; i+1 < len(part); i += 2 {
			sum += uint32(binary.BigEndian.Uint16(part[i:]))
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// solicitedNode is the multicast group on which the holder of addr listens.
func solicitedNode(addr netip.Addr) netip.Addr {
	a := addr.As16()
	return netip.AddrFrom16([16]byte{0xff, 2, 11: 1, 12: 0xff, 13: a[13], 14: a[14], 15: a[15]})
}

func multicastMAC(group netip.Addr) net.HardwareAddr {
	a := group.As16()
	return net.HardwareAddr{0x33, 0x33, a[12], a[13], a[14], a[15]}
}

// claimOf returns the function that finds in a frame who claims to have an address.
func claimOf(addr netip.Addr) func(frame []byte, addr netip.Addr) net.HardwareAddr {
	if addr.Is4() {
		return claimARP
	}
	return claimICMP6
}

func claimARP(frame []byte, addr netip.Addr) net.HardwareAddr {
	if len(frame) < etherHeader+arpSize || !bytes.Equal(frame[etherHeader:etherHeader+6], []byte{0, 1, 8, 0, 6, 4}) {
		return nil
	}
	b := frame[etherHeader:]
	sender, target := netip.AddrFrom4([4]byte(b[14:18])), netip.AddrFrom4([4]byte(b[24:28]))
	op := binary.BigEndian.Uint16(b[6:])
	if sender == addr || op == 1 && sender.IsUnspecified() && target == addr {
		return net.HardwareAddr(bytes.Clone(b[8:14]))
	}
	return nil
}

func claimICMP6(frame []byte, addr netip.Addr) net.HardwareAddr {
	if len(frame) < etherHeader+ip6Header+24 {
		return nil
	}
	ip, body := frame[etherHeader:], frame[etherHeader+ip6Header:]
	if ip[6] != unix.IPPROTO_ICMPV6 || ip[7] != 255 || netip.AddrFrom16([16]byte(body[8:24])) != addr {
		return nil
	}
	from := net.HardwareAddr(bytes.Clone(frame[6:12]))
	switch body[0] {
	case neighbourSolicitation:
		if netip.AddrFrom16([16]byte(ip[8:24])).IsUnspecified() {
			return from
		}
	case neighbourAdvertisement:
		if len(body) >= 32 && body[24] == optionTargetMAC && body[25] == 1 {
			return net.HardwareAddr(bytes.Clone(body[26:32]))
		}
		return from
	}
	return nil
}
