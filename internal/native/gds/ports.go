package gds

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"redoubt/internal/agent"
	"redoubt/internal/fault"
	"redoubt/internal/native/property"
)

// ports returns the TCP ports of Port_list. UDP ports are accepted and not probed: silence on them means nothing.
func ports(call agent.Call) ([]uint16, error) {
	var list []uint16
	for _, entry := range property.List(call, "Port_list") {
		number, protocol, given := strings.Cut(strings.ToLower(entry), "/")
		n, err := strconv.ParseUint(number, 10, 16)
		if err != nil || n == 0 || given && !isProtocol(protocol) {
			return nil, fault.Errorf(fault.Invalid, "resource %s: property Port_list: %q is not of the form PORT/tcp or PORT/udp", call.Resource.Name, entry)
		}
		if !strings.HasPrefix(protocol, "udp") {
			list = append(list, uint16(n))
		}
	}
	return list, nil
}

func isProtocol(s string) bool {
	switch s {
	case "tcp", "tcp4", "tcp6", "udp", "udp4", "udp6":
		return true
	}
	return false
}

// probePorts connects to every port, on the addresses of the group or, when it has none, on this host. A port is well when it answers on
// one of them.
func (t *Type) probePorts(ctx context.Context, call agent.Call, list []uint16) error {
	var addrs []netip.Addr
	if property.Bool(call, "Network_aware", true) {
		addrs = t.addresses(ctx, call)
	}
	if len(addrs) == 0 {
		addrs = []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}
	}
	limit := property.Seconds(call, "Probe_timeout", 30) / time.Duration(len(list)*len(addrs))
	for _, port := range list {
		if err := t.probePort(ctx, addrs, port, limit); err != nil {
			return err
		}
	}
	return nil
}

func (t *Type) probePort(ctx context.Context, addrs []netip.Addr, port uint16, limit time.Duration) error {
	var first error
	for _, a := range addrs {
		target := netip.AddrPortFrom(a, port)
		d := net.Dialer{Timeout: limit}
		conn, err := d.DialContext(ctx, "tcp", target.String())
		if err == nil {
			conn.Close()
			return nil
		}
		if first == nil {
			first = fmt.Errorf("port %d/tcp does not answer: %w", port, err)
		}
	}
	return first
}
