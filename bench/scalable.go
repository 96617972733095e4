package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/internal/fault"
	"redoubt/internal/lab"
	"redoubt/internal/lab/probe"
)

// scalableFile holds the results of the section about load balancing, below the directory of the results.
const scalableFile = "scalable.json"

// Met is what a client met while something happened to a service with an instance on each of three nodes.
type Met struct {
	System  string         `json:"system"`
	Event   string         `json:"event"`
	Asked   int            `json:"asked"`
	Failed  map[string]int `json:"failed"`
	Longest time.Duration  `json:"longest"` // without an answer
}

// balanced is a way to spread the load of one address over three servers.
type balanced interface {
	options() lab.Options
	up(ctx context.Context, l *lab.Lab) error
	weight(ctx context.Context, node string, weight int) error
	boot(ctx context.Context, node string) error  // a machine that was switched on again
	serve(ctx context.Context, node string) error // a server that was killed
	// whole says who holds the address once all three servers take part, or what is missing.
	whole(ctx context.Context) (holder, missing string)
}

// scalable measures load balancing: Redoubt beside HAProxy on every node with an address that keepalived moves.
func (r *run) scalable(ctx context.Context) error {
	var all []Met
	for _, s := range []struct {
		name string
		sys  balanced
	}{
		{"Redoubt, profile default", &shared{answer: r.answer}},
		{"HAProxy and keepalived 0.1 s", &proxied{vrrp: keepalived{interval: "0.1"}, answer: r.answer}},
	} {
		r.tell("load balancing: %s", s.name)
		got, err := r.balance(ctx, s.name, s.sys)
		if err != nil {
			return err
		}
		all = append(all, got...)
	}
	text := scalableTable(all)
	fmt.Print(text)
	if err := save(filepath.Join(r.dir, scalableFile), all); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.dir, "scalable.md"), []byte(text), 0o644)
}

func (r *run) balance(ctx context.Context, name string, sys balanced) (out []Met, err error) {
	const labName = "bench-lb"
	if err := lab.Remove(labName); err != nil {
		return nil, err
	}
	o := sys.options()
	o.Name, o.Nodes, o.Program, o.Daemon = labName, 3, filepath.Join(r.bin, "redoubt"), filepath.Join(r.bin, "redoubtd")
	l, err := lab.Up(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.Down()) }()
	if err := sys.up(ctx, l); err != nil {
		return nil, err
	}
	for _, e := range []struct {
		name string
		path string
		do   func(holder, other string) error
	}{
		{"weights change", "/", func(string, string) error {
			return errors.Join(sys.weight(ctx, "n2", 3), pause(ctx, time.Second), sys.weight(ctx, "n2", 1))
		}},
		{"a server is killed", "/", func(_, other string) error {
			_, err := signalAll(labName, other, syscall.SIGKILL, isAnswer)
			return errors.Join(err, pause(ctx, 2*time.Second), sys.serve(ctx, other))
		}},
		{"a node dies", "/", func(_, other string) error { _, err := l.Kill(other); return err }},
		{"the holder of the address dies", "/", func(holder, _ string) error { _, err := l.Kill(holder); return err }},
		{"the holder dies, requests of 3 s", "/slow", func(holder, _ string) error { _, err := l.Kill(holder); return err }},
	} {
		holder, err := awaitWhole(ctx, l, sys)
		if err != nil {
			return out, err
		}
		other := l.Nodes()[(slices.Index(l.Nodes(), holder)+1)%3]
		met, err := during(ctx, l, e.path, func() error { return e.do(holder, other) })
		if err != nil {
			return out, err
		}
		met.System, met.Event = name, e.name
		r.tell("  %s: %d asked, failed %v, longest without an answer %v", e.name, met.Asked, met.Failed, met.Longest.Round(time.Millisecond))
		out = append(out, met)
	}
	return out, nil
}

// awaitWhole brings back what is off and waits until all serve.
func awaitWhole(ctx context.Context, l *lab.Lab, sys balanced) (string, error) {
	st, err := l.Status()
	if err != nil {
		return "", err
	}
	for _, m := range st.Machines {
		if m.State == "off" {
			if err := l.Start(ctx, m.Name); err != nil {
				return "", err
			}
			if err := sys.boot(ctx, m.Name); err != nil {
				return "", err
			}
		}
	}
	missing := ""
	for end := time.Now().Add(mendTimeout); time.Now().Before(end); {
		var holder string
		if holder, missing = sys.whole(ctx); missing == "" {
			return holder, pause(ctx, time.Second)
		}
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return "", err
		}
	}
	return "", fault.Errorf(fault.Unavailable, "load balancing: %s", missing)
}

// during asks from the client host all the time while f runs, two seconds before and some after.
func during(ctx context.Context, l *lab.Lab, path string, f func() error) (Met, error) {
	o := probe.Options{Address: service, Path: path, Every: 10 * time.Millisecond, Deadline: 4 * time.Second, Outstanding: 400, For: 9 * time.Second}
	if path != "/" {
		o.Every, o.Deadline, o.For = 50*time.Millisecond, 8*time.Second, 12*time.Second
	}
	type end struct {
		r   *lab.ProbeResult
		err error
	}
	done := make(chan end, 1)
	go func() {
		r, err := l.Probe(ctx, o)
		done <- end{r, err}
	}()
	lead := 2 * time.Second
	if path != "/" {
		lead = 5 * time.Second // until as many are under way as there will be
	}
	err := pause(ctx, lead)
	if err == nil {
		err = f()
	}
	e := <-done
	if err = errors.Join(err, e.err); err != nil {
		return Met{}, err
	}
	m := Met{Asked: len(e.r.Attempts), Failed: map[string]int{}, Longest: e.r.Outage().Length}
	for _, a := range e.r.Attempts {
		if a.Answer == "" {
			m.Failed[a.Error]++
		}
	}
	return m, nil
}

func scalableTable(all []Met) string {
	var b strings.Builder
	b.WriteString("| what happens | system | requests | failed | longest time without an answer |\n| --- | --- | ---: | --- | ---: |\n")
	for _, m := range all {
		failed := "0"
		if len(m.Failed) > 0 {
			n, kinds := 0, []string{}
			for k, c := range m.Failed {
				n += c
				kinds = append(kinds, fmt.Sprintf("%s %d", k, c))
			}
			slices.Sort(kinds)
			failed = fmt.Sprintf("%d (%s)", n, strings.Join(kinds, ", "))
		}
		fmt.Fprintf(&b, "| %s | %s | %d | %s | %d ms |\n", m.Event, m.System, m.Asked, failed, m.Longest.Milliseconds())
	}
	return b.String()
}

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
backend servers
	balance roundrobin
	default-server inter 100ms fall 2 rise 2 weight 10 check
`)
	for i, n := range s.lab.Nodes() {
		fmt.Fprintf(&b, "\tserver %s 10.77.0.%d:8081\n", n, i+1)
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
	for _, n := range s.lab.Nodes() {
		c, err := (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(s.lab.Disk(n), "log", "haproxy.sock"))
		if err != nil {
			return fault.Errorf(fault.Unavailable, "speak to haproxy on %s: %w", n, err)
		}
		_, err = fmt.Fprintf(c, "set weight servers/%s %d\n", node, 10*weight)
		if err = errors.Join(err, c.Close()); err != nil {
			return fault.Errorf(fault.Unavailable, "set the weight on %s: %w", n, err)
		}
	}
	return nil
}

func (s *proxied) whole(ctx context.Context) (holder, missing string) {
	for _, n := range s.lab.Nodes() {
		running := processes(s.lab.Name(), n)
		if !slices.ContainsFunc(running, isAnswer) {
			return "", "no server on " + n
		}
	}
	return s.vrrp.whole(ctx)
}
