package e2e_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// answer is a service for TCP and UDP that answers with its node's name, at addresses that need not be there yet: a socket for each, so that what it says comes from where
// it was asked.
func answer(addresses []string) {
	host, err := os.Hostname()
	if err != nil {
		fail(err)
	}
	free := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) {
			_ = unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_FREEBIND, 1)
			_ = unix.SetsockoptInt(int(fd), unix.SOL_IPV6, unix.IPV6_FREEBIND, 1)
		})
	}}
	for _, a := range addresses {
		l, err := free.Listen(context.Background(), "tcp", a)
		if err != nil {
			fail(err)
		}
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					fail(err)
				}
				_, _ = fmt.Fprint(c, host)
				c.Close()
			}
		}()
		u, err := free.ListenPacket(context.Background(), "udp", a)
		if err != nil {
			fail(err)
		}
		go func() {
			buf := make([]byte, 64)
			for {
				_, from, err := u.ReadFrom(buf)
				if err != nil {
					continue // what an ICMP message said of an earlier answer
				}
				_, _ = u.WriteTo([]byte(host), from)
			}
		}()
	}
	select {}
}

// ask asks such a service so many times, each time from another port, and prints who answered.
func ask(network, address, times string) {
	n, err := strconv.Atoi(times)
	if err != nil {
		fail(err)
	}
	var who []string
	for range n {
		who = append(who, askOnce(network, address))
	}
	fmt.Println(strings.Join(who, "\n"))
	os.Exit(0)
}

func askOnce(network, address string) string {
	c, err := net.DialTimeout(network, address, 3*time.Second)
	if err != nil {
		return "nobody " + err.Error()
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(3 * time.Second))
	if network == "udp" {
		if _, err := c.Write([]byte("?")); err != nil {
			return "nobody " + err.Error()
		}
	}
	buf := make([]byte, 64)
	k, err := c.Read(buf)
	if err != nil {
		return "nobody " + err.Error()
	}
	return string(buf[:k])
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
