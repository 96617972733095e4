package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"redoubt/internal/fault"
	"redoubt/internal/lab"
)

// proxied is HAProxy on every node before the servers of all, with an address that keepalived moves.
type proxied struct {
	vrrp   keepalived
	answer string
	lab    *lab.Lab
}

func (s *proxied) options() lab.Options { return lab.Options{Bare: true, NoDaemon: true} }

func (s *proxied) up(ctx context.Context, l *lab.Lab) error {
	s.lab, s.vrrp.lab = l, l
	for _, n := range l.Nodes() {
		if err := s.boot(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// config checks the servers as often as Redoubt's heartbeats come, and gives a request to another server when the first can not be reached.
func (s *proxied) config() string {
	var b strings.Builder
	b.WriteString(`global
	stats socket /var/log/haproxy.sock mode 600 level admin
defaults
	mode http
	timeout connect 1s
	timeout client 10s
	timeout server 10s
	retries 3
	option redispatch
	retry-on conn-failure
frontend in
	bind *:8080
	default_backend servers
frontend in-sticky
	bind *:8082
	default_backend sticky
`)
	for _, backend := range []string{"servers\n\tbalance roundrobin", "sticky\n\tbalance source\n\thash-type consistent\n\tstick-table type ip size 100k expire 60s\n\tstick on src"} {
		fmt.Fprintf(&b, "backend %s\n\tdefault-server inter 100ms fall 2 rise 2 weight 10 check\n", backend)
		for i, n := range s.lab.Nodes() {
			fmt.Fprintf(&b, "\tserver %s 10.77.0.%d:8081\n", n, i+1)
		}
	}
	return b.String()
}

func (s *proxied) boot(ctx context.Context, node string) error {
	log := filepath.Join(s.lab.Disk(node), "log")
	if err := os.WriteFile(filepath.Join(log, "haproxy.cfg"), []byte(s.config()), 0o600); err != nil {
		return fault.Errorf(fault.Internal, "configuration of haproxy: %w", err)
	}
	if err := os.WriteFile(filepath.Join(log, "keepalived.conf"), []byte(s.vrrp.config(node)), 0o600); err != nil {
		return fault.Errorf(fault.Internal, "configuration of keepalived: %w", err)
	}
	if err := launch(s.lab, node, "haproxy.log", "haproxy", "-db", "-f", "/var/log/haproxy.cfg"); err != nil {
		return err
	}
	return errors.Join(s.serve(ctx, node), s.vrrp.daemonStart(node))
}

func (s *proxied) serve(_ context.Context, node string) error {
	return launch(s.lab, node, "answer.log", s.answer, "0.0.0.0:8081")
}

// weight tells every HAProxy; its weights are tenths here, because it has no more than 256.
func (s *proxied) weight(ctx context.Context, node string, weight int) error {
	return errors.Join(s.tell(ctx, fmt.Sprintf("set weight servers/%s %d", node, 10*weight), ""), s.tell(ctx, fmt.Sprintf("set weight sticky/%s %d", node, 10*weight), ""))
}

// tell gives every HAProxy a command, but for that of one node.
func (s *proxied) tell(ctx context.Context, command, except string) error {
	for _, n := range s.lab.Nodes() {
		if n == except {
			continue
		}
		answer, err := s.ask(ctx, n, command)
		if err != nil {
			return err
		}
		if answer = strings.TrimSpace(answer); answer != "" { // it says nothing about what it has done
			return fault.Errorf(fault.Precondition, "haproxy on %s does not take %q: %s", n, command, answer)
		}
	}
	return nil
}

// ask gives the HAProxy of a node a command and returns what it answers.
func (s *proxied) ask(ctx context.Context, node, command string) (string, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(s.lab.Disk(node), "log", "haproxy.sock"))
	if err != nil {
		return "", fault.Errorf(fault.Unavailable, "speak to haproxy on %s: %w", node, err)
	}
	defer c.Close()
	if _, err := fmt.Fprintf(c, "%s\n", command); err != nil {
		return "", fault.Errorf(fault.Unavailable, "tell haproxy on %s %q: %w", node, command, err)
	}
	answer, err := io.ReadAll(c)
	if err != nil {
		return "", fault.Errorf(fault.Unavailable, "answer of haproxy on %s to %q: %w", node, command, err)
	}
	return string(answer), nil
}

func (s *proxied) move(ctx context.Context, from, to string) error { return s.vrrp.move(ctx, from, to) }

// empty lets the others serve without a machine: its server gets nothing new, and the address moves if it is there.
func (s *proxied) empty(ctx context.Context, node string) error {
	if err := errors.Join(s.tell(ctx, "set server servers/"+node+" state drain", ""), s.vrrp.move(ctx, node, "")); err != nil {
		return err
	}
	return pause(ctx, 2*time.Second)
}

func (s *proxied) fill(ctx context.Context, node string) error {
	return s.tell(ctx, "set server servers/"+node+" state ready", node)
}

func (s *proxied) sticky(context.Context) (string, error) {
	return net.JoinHostPort(address, "8082"), nil
}

// whole also wants every HAProxy to see every server: only then does each have all three to choose from.
func (s *proxied) whole(ctx context.Context) (holder, missing string) {
	for _, n := range s.lab.Nodes() {
		stat, err := s.ask(ctx, n, "show stat")
		if err != nil {
			return "", err.Error()
		}
		up, err := serversUp(stat, "servers")
		if err != nil {
			return "", fmt.Sprintf("haproxy on %s: %v", n, err)
		}
		if up < len(s.lab.Nodes()) {
			return "", fmt.Sprintf("haproxy on %s sees %d servers", n, up)
		}
	}
	return s.vrrp.whole(ctx)
}

// serversUp counts the servers of a backend that HAProxy takes for healthy, in its table of comma-separated values with names in the first line.
func serversUp(stat, backend string) (up int, err error) {
	r := csv.NewReader(strings.NewReader(strings.TrimPrefix(stat, "# ")))
	r.FieldsPerRecord = -1
	lines, err := r.ReadAll()
	if err != nil {
		return 0, fault.Errorf(fault.Invalid, "show stat: %w", err)
	}
	if len(lines) == 0 {
		return 0, fault.Errorf(fault.Invalid, "show stat: no line")
	}
	in, server, status := slices.Index(lines[0], "pxname"), slices.Index(lines[0], "svname"), slices.Index(lines[0], "status")
	if min(in, server, status) < 0 {
		return 0, fault.Errorf(fault.Invalid, "show stat: no pxname, svname, status in %q", lines[0])
	}
	for _, l := range lines[1:] {
		if len(l) > max(in, server, status) && l[in] == backend && l[server] != "BACKEND" && l[status] == "UP" {
			up++
		}
	}
	return up, nil
}
