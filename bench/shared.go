package main

import (
	"context"
	"fmt"
	"strings"

	v1 "redoubt/api/v1"
	"redoubt/internal/lab"
)

// shared is a scalable service of this project.
type shared struct {
	answer string
	lab    *lab.Lab
}

func (s *shared) options() lab.Options { return lab.Options{Profile: "default"} }

func (s *shared) up(ctx context.Context, l *lab.Lab) error {
	s.lab = l
	nodes := strings.Join(l.Nodes(), ",")
	for _, args := range [][]string{
		{"type", "register", "redoubt.gds"},
		{"group", "create", "-n", nodes, "-p", "Pingpong_interval=1", "addr-rg"},
		{"resource", "create-sharedaddress", "-g", "addr-rg", "--address", address + "/24", "shared-ip"},
		{"group", "online", "-eM", "addr-rg"},
		{"group", "create", "-S", "-n", nodes, "-p", "Pingpong_interval=1", "web-rg"},
		{
			"resource", "create", "-g", "web-rg", "-t", "redoubt.gds", "-p", "Start_command=exec " + s.answer + " " + service, "-p", "Port_list=8080/tcp",
			"-p", "Scalable=true", "-p", "Network_resources_used=shared-ip", "-p", "Retry_count=100", "-p", "Retry_interval=60", "web",
		},
		{"group", "online", "-eM", "web-rg"},
	} {
		if err := s.command(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}

func (s *shared) command(ctx context.Context, args ...string) error {
	_, err := s.lab.Output(ctx, "n1", append([]string{"redoubt"}, args...)...)
	return err
}

func (s *shared) weight(ctx context.Context, node string, weight int) error {
	return s.command(ctx, "resource", "set", "-p", fmt.Sprintf("Load_balancing_weights=%d@%s", weight, node), "web")
}

// A machine starts its daemon by itself, and the daemon its service.
func (s *shared) boot(context.Context, string) error  { return nil }
func (s *shared) serve(context.Context, string) error { return nil }

func (s *shared) move(ctx context.Context, _, to string) error {
	return s.command(ctx, "group", "switch", "-n", to, "addr-rg")
}

// from runs a command on another node than one.
func (s *shared) from(ctx context.Context, node string, args ...string) error {
	at := "n1"
	if node == at {
		at = "n2"
	}
	_, err := s.lab.Output(ctx, at, append([]string{"redoubt"}, args...)...)
	return err
}

func (s *shared) empty(ctx context.Context, node string) error {
	return s.from(ctx, node, "node", "evacuate", "-T", "600", node)
}

func (s *shared) fill(ctx context.Context, node string) error {
	if err := s.lab.Settle(ctx); err != nil {
		return err
	}
	if err := s.from(ctx, node, "node", "evacuate", "-T", "0", node); err != nil {
		return err
	}
	return s.from(ctx, node, "group", "online", "-n", strings.Join(s.lab.Nodes(), ","), "web-rg")
}

func (s *shared) sticky(ctx context.Context) (string, error) {
	return service, s.command(ctx, "resource", "set", "-p", "Load_balancing_policy=Lb_sticky", "-p", "Affinity_timeout=60", "web")
}

func (s *shared) whole(ctx context.Context) (holder, missing string) {
	st, err := s.lab.ClusterStatus(ctx, "n1")
	if err != nil {
		return "", err.Error()
	}
	taking := 0
	for _, res := range st.Resources {
		for _, n := range res.Nodes {
			if res.Name == "shared-ip" && n.State == "ONLINE" {
				holder = n.Node
			}
			if res.Name == "web" && hasSlots(n) {
				taking++
			}
		}
	}
	if holder == "" || taking < 3 {
		return "", fmt.Sprintf("%d servers take part, the address is on %q", taking, holder)
	}
	return holder, ""
}

func hasSlots(n v1.ResourceNode) bool { return n.Share != nil && n.Share.Slots > 0 }
