package lab_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	v1 "redoubt/api/v1"
	"redoubt/internal/fault"
	"redoubt/internal/lab"
)

const printed = "SHA256:4f1c"

// standInCluster is the command line of a cluster that consists of a file: it lets in whom an allow named, with the right fingerprint, once,
// and gives votes one look at the status after another.
func standInCluster(args []string) int {
	fail := func(format string, a ...any) int {
		fmt.Fprintf(os.Stderr, format+"\n", a...)
		return 1
	}
	group, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return fail("%v", err)
	}
	lines := strings.Split(strings.TrimSpace(string(group)), "\n")
	path := filepath.Join("/var/tmp", filepath.Base(filepath.Dir(lines[len(lines)-1]))+".json")
	var c struct{ Commands, Allowed, Members, Voters []string }
	if b, err := os.ReadFile(path); err == nil {
		if err := json.Unmarshal(b, &c); err != nil {
			return fail("%v", err)
		}
	}
	host, _ := os.Hostname()
	verb := strings.Join(args[:min(2, len(args))], " ")
	if verb != "status -o" {
		c.Commands = append(c.Commands, host+": "+strings.Join(args, " "))
	}
	last := args[len(args)-1]
	switch verb {
	case "cluster create":
		c.Members, c.Voters = []string{host}, []string{host}
	case "cluster set":
	case "cluster show":
		_ = json.NewEncoder(os.Stdout).Encode(v1.Cluster{Fingerprint: printed})
	case "node key":
		fmt.Println(keyOf(host))
	case "access allow":
		c.Allowed = append(c.Allowed, args[3]+" "+last)
	case "quorum add":
		c.Allowed = append(c.Allowed, last+" "+strings.TrimPrefix(args[5], "key="))
	case "node join":
		if !slices.Contains(c.Allowed, host+" "+keyOf(host)) || last != printed {
			return fail("%s may not join with %s", host, last)
		}
		c.Members = append(c.Members, host)
	case "status -o":
		s := v1.Status{InCluster: true, Cluster: &v1.ClusterState{Quorum: v1.QuorumState{Quorate: true, Present: len(c.Voters)}}}
		for _, m := range c.Members {
			s.Nodes = append(s.Nodes, v1.NodeState{Name: m, State: "member"})
		}
		for _, v := range c.Voters {
			s.Cluster.Quorum.Voters = append(s.Cluster.Quorum.Voters, v1.VoterStatus{Node: v})
		}
		if len(c.Voters) < len(c.Members) && len(c.Voters) < 3 {
			c.Voters = append(c.Voters, c.Members[len(c.Voters)])
		}
		_ = json.NewEncoder(os.Stdout).Encode(s)
	default:
		return fail("unknown command %q", args)
	}
	b, err := json.Marshal(c)
	if err == nil {
		err = os.WriteFile(path, b, 0o600)
	}
	if err != nil {
		return fail("%v", err)
	}
	return 0
}

// keyOf is the key that the stand-in for redoubt prints on a machine.
func keyOf(host string) string { return "SHA256:key-of-" + host }

func TestFormingACluster(t *testing.T) {
	o := options()
	o.Bare, o.QuorumServer, o.Profile = false, true, "fast"
	var progress []string
	o.Progress = func(s string) { progress = append(progress, s) }
	record := filepath.Join("/var/tmp", "redoubt-lab-"+o.Name+".json")
	t.Cleanup(func() {
		os.Remove(record)
		if err := lab.Remove(o.Name); err != nil {
			t.Error(err)
		}
	})
	l, err := lab.Up(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	var c struct{ Commands, Voters []string }
	b, err := os.ReadFile(record)
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"n1: cluster create --name " + o.Name + " --node n1 --interconnect 10.77.1.0/24 --interconnect 10.77.2.0/24",
		"n1: cluster set -p heartbeat_profile=fast",
		"n1: cluster show -o json",
		"n2: node key",
		"n1: access allow -h n2 --key " + keyOf("n2"),
		"n2: node join --sponsor n1 --fingerprint " + printed,
		"q1: node key",
		"n1: quorum add -t quorum_server -p key=" + keyOf("q1") + " q1",
		"q1: node join --sponsor n1-ic1 --fingerprint " + printed,
	}
	if diff := cmp.Diff(want, c.Commands); diff != "" {
		t.Errorf("commands (-want +got):\n%s", diff)
	}
	if len(c.Voters) != 3 {
		t.Errorf("up came back with the voters %v: the votes were not where they belong", c.Voters)
	}
	if !slices.Contains(progress, "n2# redoubt node join --sponsor n1 --fingerprint "+printed) {
		t.Errorf("the commands were not shown: %q", progress)
	}
	if s, err := l.ClusterStatus(t.Context(), "n2"); err != nil || len(s.Nodes) != 3 {
		t.Errorf("status from n2: %+v, %v", s, err)
	}
}

// TestFormingFails: a daemon that never answers leaves an error that shows why, and no lab.
func TestFormingFails(t *testing.T) {
	o := options()
	o.Bare, o.NoRestart = false, true
	o.Daemon = filepath.Join(t.TempDir(), "redoubtd")
	if err := os.WriteFile(o.Daemon, []byte("#!/bin/sh\nmkdir -p /run/redoubt; echo no luck today >&2; ln -s /nowhere /run/redoubt/api.sock; exit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lab.Remove(o.Name) })
	_, err := lab.Up(t.Context(), o)
	if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "no luck today") {
		t.Errorf("a daemon that does not run: %v", err)
	}
	if d := look(t, o.Name).Dirs; len(d) > 0 {
		t.Errorf("the lab is still there: %v", d)
	}
}

// TestFormingIsInterrupted: whoever calls it off, while the machines start or while they become a cluster, gets a short answer, and no lab.
func TestFormingIsInterrupted(t *testing.T) {
	for _, when := range []string{"starting 3 machines", "n2# redoubt node key"} {
		o := options()
		o.Bare = false
		ctx, cancel := context.WithCancel(t.Context())
		o.Progress = func(s string) {
			if s == when {
				cancel()
			}
		}
		t.Cleanup(func() {
			os.Remove(filepath.Join("/var/tmp", "redoubt-lab-"+o.Name+".json"))
			_ = lab.Remove(o.Name)
		})
		_, err := lab.Up(ctx, o)
		if cancel(); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("at %q: %v", when, err)
		}
		if d := look(t, o.Name).Dirs; len(d) > 0 {
			t.Errorf("at %q: the lab is still there: %v", when, d)
		}
	}
}
