// Command answer is the service that the benchmarks keep up: it answers every HTTP request with the name of the machine it runs on, one for /slow after three seconds. It is as
// small as it can be, so that what is measured is the cluster and not the start of a server.
package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"strings"
	"time"
)

// patience bounds one connection, so that a client that died holds nothing up. long is how long a request for /slow takes.
const (
	patience = time.Second
	long     = 3 * time.Second
)

func main() {
	if err := serve(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "answer:", err)
		os.Exit(1)
	}
}

func serve(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("usage: answer ADDRESS:PORT")
	}
	name, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("who am I: %w", err)
	}
	l, err := net.Listen("tcp4", args[0])
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	text := []byte("HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n" + name + "\n")
	for {
		c, err := l.Accept()
		if err != nil {
			return fmt.Errorf("accept: %w", err)
		}
		go answer(c, text)
	}
}

// answer reads the head of a request, so that closing the connection does not reset it, and answers.
func answer(c net.Conn, text []byte) {
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return
	}
	r := bufio.NewReader(c)
	for first := true; ; first = false {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		if first && strings.HasPrefix(line, "GET /slow") {
			if err := c.SetDeadline(time.Now().Add(long + patience)); err != nil {
				return
			}
			time.Sleep(long)
		}
		if line == "\r\n" || line == "\n" {
			break
		}
	}
	_, _ = c.Write(text)
}
