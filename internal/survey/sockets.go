package survey

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	v1 "redoubt/api/v1"
)

// stateListen is how the kernel writes that a TCP socket listens.
const stateListen = "0A"

// sockets are those on which something takes what others send.
func sockets(proc string) ([]v1.SocketFact, error) {
	own := map[string]bool{}
	for inode := range inodes(filepath.Join(proc, "self")) {
		own[inode] = true
	}
	var out []v1.SocketFact
	var unnamed []string // by inode, beside out
	for _, table := range []string{"tcp", "tcp6", "udp", "udp6"} {
		text, err := os.ReadFile(filepath.Join(proc, "self", "net", table))
		if os.IsNotExist(err) {
			continue // a kernel without IPv6
		}
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(text)) {
			s, inode, ok, err := socket(table, line)
			if err != nil {
				return nil, err
			}
			if !ok {
				continue
			}
			s.Own = own[inode]
			out, unnamed = append(out, s), append(unnamed, inode)
		}
	}
	names := programs(proc)
	for i, inode := range unnamed {
		out[i].Program = names[inode]
	}
	return out, nil
}

// socket reads a line of a table of the kernel.
func socket(table, line string) (s v1.SocketFact, inode string, ok bool, err error) {
	f := strings.Fields(line)
	if len(f) < 10 || f[0] == "sl" {
		return s, "", false, nil
	}
	s.Network = strings.TrimSuffix(table, "6")
	if s.Network == "tcp" && f[3] != stateListen || s.Network == "udp" && !strings.HasSuffix(f[2], ":0000") {
		return s, "", false, nil
	}
	address, port, _ := strings.Cut(f[1], ":")
	n, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return s, "", false, fmt.Errorf("%s: line %q: %w", table, line, err)
	}
	a, err := parseAddress(address)
	if err != nil {
		return s, "", false, fmt.Errorf("%s: line %q: %w", table, line, err)
	}
	s.Address, s.Port = a.String(), int(n)
	return s, f[9], true, nil
}

// parseAddress reads an address as the kernel writes it: words of four bytes, each with the last byte first.
func parseAddress(text string) (netip.Addr, error) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b)%4 != 0 {
		return netip.Addr{}, fmt.Errorf("%q is no address", text)
	}
	for i := 0; i < len(b); i += 4 {
		b[i], b[i+1], b[i+2], b[i+3] = b[i+3], b[i+2], b[i+1], b[i]
	}
	a, ok := netip.AddrFromSlice(b)
	if !ok {
		return a, fmt.Errorf("%q is no address", text)
	}
	return a.Unmap(), nil
}

// inodes are the sockets that a process has open.
func inodes(process string) map[string]bool {
	out := map[string]bool{}
	fds, err := os.ReadDir(filepath.Join(process, "fd"))
	if err != nil {
		return out // it has ended, or is of no concern
	}
	for _, fd := range fds {
		to, err := os.Readlink(filepath.Join(process, "fd", fd.Name()))
		if inode, ok := strings.CutPrefix(to, "socket:["); err == nil && ok {
			out[strings.TrimSuffix(inode, "]")] = true
		}
	}
	return out
}

// programs are the names of the programs that have sockets open, by socket.
func programs(proc string) map[string]string {
	out := map[string]string{}
	processes, err := filepath.Glob(filepath.Join(proc, "[0-9]*"))
	if err != nil {
		return out
	}
	for _, p := range processes {
		name, err := os.ReadFile(filepath.Join(p, "comm"))
		if err != nil {
			continue
		}
		for inode := range inodes(p) {
			out[inode] = strings.TrimSpace(string(name))
		}
	}
	return out
}
