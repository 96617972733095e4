package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/internal/fault"
)

// Times of forming a cluster. Each is far longer than what a healthy machine needs.
const (
	answerTimeout  = 30 * time.Second  // a daemon that has started, until it answers
	commandTimeout = 60 * time.Second  // one command
	settleTimeout  = 120 * time.Second // the last join, until every vote is where it belongs
	lookAgain      = 100 * time.Millisecond
)

// form makes a cluster of the machines with the commands that a person would type on them.
func (l *Lab) form(ctx context.Context) error {
	nodes := l.Nodes()
	for _, m := range l.machines {
		if m.daemonic() {
			if err := l.awaitSocket(ctx, m.name); err != nil {
				return err
			}
		}
	}
	create := []string{"redoubt", "cluster", "create", "--name", l.Name(), "--node", nodes[0]}
	for _, n := range Interconnects() {
		create = append(create, "--interconnect", n)
	}
	if _, err := l.command(ctx, nodes[0], create...); err != nil {
		return err
	}
	if l.state.Profile != "" && l.state.Profile != "default" {
		if _, err := l.command(ctx, nodes[0], "redoubt", "cluster", "set", "-p", "heartbeat_profile="+l.state.Profile); err != nil {
			return err
		}
	}
	fingerprint, err := l.fingerprint(ctx, nodes[0])
	if err != nil {
		return err
	}
	for _, n := range nodes[1:] {
		key, err := l.joinKey(ctx, n)
		if err != nil {
			return err
		}
		if _, err := l.command(ctx, nodes[0], "redoubt", "access", "allow", "-h", n, "--key", key); err != nil {
			return err
		}
		if _, err := l.command(ctx, n, "redoubt", "node", "join", "--sponsor", nodes[0], "--fingerprint", fingerprint); err != nil {
			return err
		}
	}
	if l.state.QuorumServer {
		key, err := l.joinKey(ctx, QuorumServer)
		if err != nil {
			return err
		}
		if _, err := l.command(ctx, nodes[0], "redoubt", "quorum", "add", "-t", "quorum_server", "-p", "key="+key, QuorumServer); err != nil {
			return err
		}
		way := netIC1
		if l.state.QuorumPublic {
			way = netPublic
		}
		if _, err := l.command(ctx, QuorumServer, "redoubt", "node", "join", "--sponsor", nodes[0]+"-"+way, "--fingerprint", fingerprint); err != nil {
			return err
		}
	}
	return l.Settle(ctx)
}

// command shows a command and runs it on a machine.
func (l *Lab) command(ctx context.Context, name string, argv ...string) (string, error) {
	l.state.Progress(name + "# " + quote(argv))
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	return l.Output(ctx, name, argv...)
}

// quote writes a command as a shell reads it.
func quote(argv []string) string {
	words := make([]string, len(argv))
	for i, a := range argv {
		words[i] = a
		if a == "" || strings.ContainsAny(a, " \t\n'\"$&|;<>()*?[]\\`~#") {
			words[i] = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
	}
	return strings.Join(words, " ")
}

func (l *Lab) fingerprint(ctx context.Context, node string) (string, error) {
	out, err := l.command(ctx, node, "redoubt", "cluster", "show", "-o", "json")
	if err != nil {
		return "", err
	}
	var c v1.Cluster
	if err := json.Unmarshal([]byte(out), &c); err != nil || c.Fingerprint == "" {
		return "", fault.Errorf(fault.Internal, "cluster show on %s gives no fingerprint: %q", node, out)
	}
	return c.Fingerprint, nil
}

// joinKey is the fingerprint of the key with which a machine joins, as the machine itself prints it.
func (l *Lab) joinKey(ctx context.Context, name string) (string, error) {
	out, err := l.command(ctx, name, "redoubt", "node", "key")
	if err != nil {
		return "", err
	}
	key := strings.TrimSpace(out)
	if !strings.HasPrefix(key, "SHA256:") {
		return "", fault.Errorf(fault.Internal, "node key on %s gives no fingerprint: %q", name, out)
	}
	return key, nil
}

// awaitSocket waits until the daemon of a machine takes connections.
func (l *Lab) awaitSocket(ctx context.Context, name string) error {
	m, err := l.machine(name)
	if err != nil {
		return err
	}
	return poll(ctx, answerTimeout, func() (string, error) {
		c, err := net.Dial("unix", l.Socket(name))
		if err != nil {
			r, e := m.ask(request{Do: DaemonShow})
			if e == nil && r.Daemon.State == "dead" && l.state.NoRestart || r.Daemon.Restarts >= 3 {
				return "", fault.Errorf(fault.Unavailable, "the daemon of %s does not stay up: %s", name, r.Daemon.LastEnd)
			}
			return fmt.Sprintf("the daemon of %s does not answer: %v; see redoubt lab logs %s", name, err, name), nil
		}
		c.Close()
		return "", nil
	})
}

// poll calls f until it has nothing left to wait for, an error comes, or the time is over.
func poll(ctx context.Context, limit time.Duration, f func() (missing string, err error)) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		missing, err := f()
		if err != nil || missing == "" {
			return err
		}
		select {
		case <-ctx.Done():
			if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
				return fault.Errorf(fault.Timeout, "not within %v: %s", limit, missing)
			}
			return fault.Errorf(fault.Unavailable, "interrupted: %s", missing)
		case <-time.After(lookAgain):
		}
	}
}

// ClusterStatus is the state of the cluster as a node sees it.
func (l *Lab) ClusterStatus(ctx context.Context, node string) (v1.Status, error) {
	var s v1.Status
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	out, err := l.Output(ctx, node, "redoubt", "status", "-o", "json")
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		return s, fault.Errorf(fault.Internal, "status of %s: %w", node, err)
	}
	return s, nil
}

// Settle waits until every running node is a member, the votes are where they belong, and nothing changes them any more.
func (l *Lab) Settle(ctx context.Context) error {
	told := ""
	return poll(ctx, settleTimeout, func() (string, error) {
		missing := l.unsettled(ctx)
		if missing != "" && missing != told {
			l.state.Progress("waiting: " + missing)
			told = missing
		}
		return missing, nil
	})
}

// unsettled says what is not yet as it shall be, as any running node sees it: one that was cut off may not know yet what the others have decided about it.
func (l *Lab) unsettled(ctx context.Context) string {
	var running, want []string
	for _, m := range l.machines {
		if m.daemonic() && m.pid() != 0 && !m.group.event("frozen") {
			want = append(want, m.name)
			if m.kind == kindNode {
				running = append(running, m.name)
			}
		}
	}
	if len(running) == 0 {
		return "no node runs"
	}
	for _, n := range running {
		if missing := l.unsettledOn(ctx, n, want); missing != "" {
			return missing
		}
	}
	return ""
}

// unsettledOn is unsettled as one node sees it.
func (l *Lab) unsettledOn(ctx context.Context, node string, want []string) string {
	s, err := l.ClusterStatus(ctx, node)
	switch {
	case err != nil:
		return err.Error()
	case !s.InCluster || s.Cluster == nil:
		return node + " is in no cluster"
	case s.Degraded != "":
		return node + ": " + s.Degraded
	}
	state := map[string]string{}
	for _, n := range s.Nodes {
		state[n.Name] = n.State
	}
	for _, n := range want {
		if state[n] != "member" && state[n] != "quorum-server" {
			return n + " is not yet a member, says " + node
		}
	}
	q := s.Cluster.Quorum
	switch {
	case len(q.Changing) > 0:
		return "the voters are changing to " + strings.Join(q.Changing, ", ")
	case len(q.Voters) < voters(len(want)):
		return fmt.Sprintf("%d of %d voters", len(q.Voters), voters(len(want)))
	case !q.Quorate || len(want) == len(l.machines)-2 && q.Present < len(q.Voters):
		return fmt.Sprintf("%d of %d voters are heard", q.Present, len(q.Voters))
	}
	return ""
}

// voters is how many of so many machines vote.
func voters(machines int) int {
	switch {
	case machines >= 5:
		return 5
	case machines >= 3:
		return 3
	}
	return 1
}
