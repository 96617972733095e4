package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"redoubt/internal/fault"
	"redoubt/internal/lab"
)

// keepalived is VRRP with one advertisement interval. The service runs on every node all the time, and the address moves.
type keepalived struct {
	interval string // advert_int, seconds
	answer   string
	lab      *lab.Lab
}

func (s *keepalived) options() lab.Options { return lab.Options{Bare: true, NoDaemon: true} }

func (s *keepalived) up(ctx context.Context, l *lab.Lab) error {
	s.lab = l
	for _, n := range l.Nodes() {
		if err := s.boot(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// config has nobody begin as master, and nobody take the address back.
func (s *keepalived) config(node string) string {
	priority := map[string]int{"n1": 150, "n2": 100, "n3": 90}[node]
	version := 2
	if strings.Contains(s.interval, ".") {
		version = 3 // only VRRPv3 knows parts of a second
	}
	return fmt.Sprintf(`global_defs {
	router_id %s
	vrrp_version %d
	vrrp_garp_master_refresh 0
}
vrrp_instance bench {
	state BACKUP
	nopreempt
	interface pub
	virtual_router_id 77
	priority %d
	advert_int %s
	virtual_ipaddress {
		%s/24 dev pub
	}
}
`, node, version, priority, s.interval, address)
}

func (s *keepalived) boot(_ context.Context, node string) error {
	path := filepath.Join(s.lab.Disk(node), "log", "keepalived.conf")
	if err := os.WriteFile(path, []byte(s.config(node)), 0o600); err != nil {
		return fault.Errorf(fault.Internal, "configuration of keepalived: %w", err)
	}
	if err := launch(s.lab, node, "answer.log", s.answer, "0.0.0.0:8080"); err != nil {
		return err
	}
	return s.daemonStart(node)
}

func (s *keepalived) daemonStart(node string) error {
	return launch(s.lab, node, "keepalived.log", "keepalived", "--vrrp", "--dont-fork", "--log-console", "--use-file", "/var/log/keepalived.conf")
}

// whole also finds the daemon that was ended by the trial of a planned move, and starts it again.
func (s *keepalived) whole(ctx context.Context) (active, missing string) {
	var holders []string
	for _, n := range s.lab.Nodes() {
		runs := false
		for _, p := range processes(s.lab.Name(), n) {
			runs = runs || s.daemon(p)
		}
		if !runs {
			if err := s.daemonStart(n); err != nil {
				return "", err.Error()
			}
			return "", n + " has just been started"
		}
		out, err := s.lab.Output(ctx, n, "ip", "-o", "addr", "show", "to", address)
		if err != nil {
			return "", err.Error()
		}
		if strings.TrimSpace(out) != "" {
			holders = append(holders, n)
		}
	}
	if len(holders) != 1 {
		return "", fmt.Sprintf("the address is on %v", holders)
	}
	return holders[0], ""
}

// move ends the daemon on the node that has the address: VRRP knows no other way of planning.
func (s *keepalived) move(_ context.Context, from, _ string) error {
	_, err := signalAll(s.lab.Name(), from, syscall.SIGTERM, s.daemon)
	return err
}

func (s *keepalived) moved(context.Context, string) error { return nil }

func (s *keepalived) daemon(p process) bool { return p.name == "keepalived" }

func (s *keepalived) trials() []trial {
	return []trial{
		{trialDeath, full, nodeDies},
		{trialMove, full, planned},
		{trialCutAll, half, partition()},
		{trialFrozen, half, daemonsFail(frozenAll)},
	}
}
