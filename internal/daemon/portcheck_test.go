package daemon

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
)

// A port that somebody has is named, with who has it; on all addresses or on the one that is wanted, but not on another.
func TestTakenPortsAreNamed(t *testing.T) {
	const absent = "172.31.247.9" // no address of this host
	for _, network := range []string{"tcp", "udp"} {
		for _, at := range []string{"0.0.0.0:0", "[::]:0", "127.0.0.1:0"} {
			var taken net.Addr
			if network == "tcp" {
				l, err := net.Listen(network, at)
				if err != nil {
					t.Fatal(err)
				}
				defer l.Close()
				taken = l.Addr()
			} else {
				c, err := net.ListenPacket(network, at)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				taken = c.LocalAddr()
			}
			_, port, _ := net.SplitHostPort(taken.String())
			err := portFree(t.Context(), network, net.JoinHostPort(absent, port))
			if strings.HasPrefix(at, "127") {
				if err != nil {
					t.Errorf("%s %s is in nobody's way: %v", network, at, err)
				}
				err = portFree(t.Context(), network, taken.String())
			}
			if err == nil {
				t.Errorf("%s %s: not seen", network, at)
				continue
			}
			for _, want := range []string{"port " + port + "/" + network, fmt.Sprintf("(process %d)", os.Getpid())} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%s %s: %v does not say %q", network, at, err, want)
				}
			}
		}
	}
}
