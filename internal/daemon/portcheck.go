package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"redoubt/internal/cluster"
	"redoubt/internal/fault"
)

// portsFree makes sure, before anything is written, that this node can listen where a node of a cluster listens. The private address is not set up yet: whoever
// holds a port on all addresses is found all the same.
func (d *Daemon) portsFree() error {
	private := netip.MustParsePrefix(privateNet).Addr().Next().String()
	for _, p := range []struct{ network, address, what string }{
		{"tcp", d.cfg.Listen.API, "the API (listen.api)"},
		{"tcp", hostPort(private, cluster.PortClient), "the repository"},
		{"tcp", hostPort(private, cluster.PortPeer), "the repository"},
		{"udp", hostPort(private, cluster.PortHeartbeat), "heartbeats"},
	} {
		if p.address == d.cfg.Listen.API && d.holdsAPI.Load() {
			continue
		}
		if err := portFree(context.Background(), p.network, p.address); err != nil {
			return fault.Errorf(fault.Precondition, "this machine can not be a node as it is: %s needs %w; end that program, or let it use another port", p.what, err)
		}
	}
	return nil
}

func hostPort(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }

// portFree tries to listen at an address, which need not be one of this host.
func portFree(ctx context.Context, network, address string) error {
	free := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var set error
		err := c.Control(func(fd uintptr) { set = unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_FREEBIND, 1) })
		return errors.Join(err, set)
	}}
	var err error
	if network == "udp" {
		var c net.PacketConn
		if c, err = free.ListenPacket(ctx, network, address); err == nil {
			return c.Close()
		}
	} else {
		var l net.Listener
		if l, err = free.Listen(ctx, network, address); err == nil {
			return l.Close()
		}
	}
	_, port, serr := net.SplitHostPort(address)
	if serr != nil || !errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("to listen at %s/%s: %w", address, network, err)
	}
	return fmt.Errorf("port %s/%s, which %s holds", port, network, holder(network, port))
}

// holder names the process that has a port, as far as this process can see it.
func holder(network, port string) string {
	n, _ := strconv.ParseUint(port, 10, 16)
	sockets := map[string]bool{}
	for _, table := range []string{network, network + "6"} {
		b, err := os.ReadFile("/proc/net/" + table)
		if err != nil {
			continue
		}
		for line := range bytes.Lines(b) {
			f := strings.Fields(string(line))
			const listening, unconnected = "0A", "07"
			if len(f) > 9 && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", n)) && (f[3] == listening || f[3] == unconnected) {
				sockets["socket:["+f[9]+"]"] = true
			}
		}
	}
	names, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, fd := range names {
		if to, err := os.Readlink(fd); err != nil || !sockets[to] {
			continue
		}
		process := filepath.Dir(filepath.Dir(fd))
		comm, _ := os.ReadFile(filepath.Join(process, "comm"))
		return fmt.Sprintf("%s (process %s)", bytes.TrimSpace(comm), filepath.Base(process))
	}
	return "another process"
}
