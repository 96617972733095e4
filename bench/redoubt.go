package main

import (
	"context"
	"path/filepath"
	"strings"

	"redoubt/internal/guard"
	"redoubt/internal/lab"
)

// redoubt is this project's cluster manager with one of its timing profiles.
type redoubt struct {
	profile string
	answer  string // path of the service's program
	lab     *lab.Lab
}

func (s *redoubt) options() lab.Options { return lab.Options{Profile: s.profile} }

func (s *redoubt) up(ctx context.Context, l *lab.Lab) error {
	s.lab = l
	for _, args := range [][]string{
		{"type", "register", "redoubt.gds", "redoubt.logicalhostname"},
		{"group", "create", "-n", strings.Join(l.Nodes(), ","), "-p", "Pingpong_interval=1", "web-rg"},
		{"resource", "create-logicalhostname", "-g", "web-rg", "--address", address + "/24", "web-ip"},
		{
			"resource", "create", "-g", "web-rg", "-t", "redoubt.gds", "-p", "Start_command=exec " + s.answer + " " + service,
			"-p", "Port_list=8080/tcp", "-p", "Retry_count=100", "-p", "Retry_interval=60", "web",
		},
		{"group", "online", "-eM", "web-rg"},
	} {
		if _, err := s.command(ctx, "n1", args...); err != nil {
			return err
		}
	}
	return nil
}

func (s *redoubt) command(ctx context.Context, node string, args ...string) (string, error) {
	return s.lab.Output(ctx, node, append([]string{"redoubt"}, args...)...)
}

// boot has nothing to do: a machine of the lab starts its daemon by itself.
func (s *redoubt) boot(context.Context, string) error { return nil }

func (s *redoubt) whole(ctx context.Context) (active, missing string) {
	if err := s.lab.Settle(ctx); err != nil {
		return "", err.Error()
	}
	st, err := s.lab.ClusterStatus(ctx, "n1")
	if err != nil {
		return "", err.Error()
	}
	var at, else_ []string
	for _, g := range st.Groups {
		for _, n := range g.Nodes {
			switch n.State {
			case "ONLINE":
				at = append(at, n.Node)
			case "OFFLINE":
			default:
				else_ = append(else_, n.Node+" "+n.State)
			}
		}
	}
	if len(at) != 1 || len(else_) > 0 {
		return "", "web-rg is online on [" + strings.Join(at, ",") + "]; " + strings.Join(else_, ", ")
	}
	return at[0], ""
}

func (s *redoubt) move(ctx context.Context, _, to string) error {
	_, err := s.command(ctx, to, "group", "switch", "-n", to, "web-rg")
	return err
}

func (s *redoubt) moved(context.Context, string) error { return nil }

func (s *redoubt) daemon(p process) bool { return p.name == "redoubtd" || isGuard(p) }

func isGuard(p process) bool { return guard.Is(p.argv) }

func isDaemonAlone(p process) bool { return filepath.Base(p.argv[0]) == "redoubtd" && !isGuard(p) }

func (s *redoubt) trials() []trial {
	return []trial{
		{trialDeath, full, nodeDies},
		{trialMove, full, planned},
		{trialProcess, full, processDies},
		{trialDaemon, full, daemonsFail(killedDaemon)},
		{trialKilled, half, daemonsFail(killedAll)},
		{trialCutIC, half, partition("ic1", "ic2")},
		{trialCutAll, half, partition()},
		{trialFrozenDaemon, half, daemonsFail(frozenDaemon)},
		{trialFrozen, half, daemonsFail(frozenAll)},
	}
}
