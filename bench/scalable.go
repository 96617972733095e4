package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
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
	By      map[string]int `json:"by"`      // who answered
}

// Bounds of the section: so many trials of each event, as far as they fit into the time of one system.
const (
	scalableTrials = 5
	scalableTime   = 170 * time.Second
)

// balanced is a way to spread the load of one address over three servers.
type balanced interface {
	options() lab.Options
	up(ctx context.Context, l *lab.Lab) error
	weight(ctx context.Context, node string, weight int) error
	boot(ctx context.Context, node string) error     // a machine that was switched on again
	serve(ctx context.Context, node string) error    // a server that was killed
	move(ctx context.Context, from, to string) error // the address, as planned
	empty(ctx context.Context, node string) error    // before a machine is switched off on purpose
	fill(ctx context.Context, node string) error     // when it is back
	sticky(ctx context.Context) (address string, err error)
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
	end := time.Now().Add(scalableTime)
	try := func(event, to, path string, span time.Duration, do func(holder, other string) error) error {
		holder, err := awaitWhole(ctx, l, sys)
		if err != nil {
			return err
		}
		other := l.Nodes()[(slices.Index(l.Nodes(), holder)+1)%3]
		met, err := during(ctx, l, to, path, span, func() error { return do(holder, other) })
		if err != nil {
			return err
		}
		met.System, met.Event = name, event
		r.tell("  %s: %d asked, failed %v, longest without an answer %v, by %v", event, met.Asked, met.Failed, met.Longest.Round(time.Millisecond), met.By)
		out = append(out, met)
		return nil
	}
	// The shares, then one client.
	if err := sys.weight(ctx, "n2", 3); err != nil {
		return out, err
	}
	if err := try(eventSpread, service, "/", 4*time.Second, func(string, string) error { return nil }); err != nil {
		return out, err
	}
	if err := sys.weight(ctx, "n2", 1); err != nil {
		return out, err
	}
	if err := try(eventRolling, service, "/", 0, func(string, string) error { return restartAll(ctx, l, sys) }); err != nil {
		return out, err
	}
	for n := 0; n < scalableTrials && (n == 0 || time.Now().Before(end)); n++ {
		for _, e := range []struct {
			name string
			path string
			span time.Duration
			do   func(holder, other string) error
		}{
			{"weights change", "/", 3 * time.Second, func(string, string) error {
				return errors.Join(sys.weight(ctx, "n2", 3), pause(ctx, 500*time.Millisecond), sys.weight(ctx, "n2", 1))
			}},
			{"the address is moved on purpose", "/", 3 * time.Second, func(holder, other string) error { return sys.move(ctx, holder, other) }},
			{"a server is killed", "/", 3 * time.Second, func(_, other string) error {
				_, err := signalAll(labName, other, syscall.SIGKILL, isAnswer)
				return errors.Join(err, pause(ctx, time.Second), sys.serve(ctx, other))
			}},
			{"a node dies", "/", 4 * time.Second, func(_, other string) error { _, err := l.Kill(other); return err }},
			{"the holder of the address dies", "/", 4 * time.Second, func(holder, _ string) error { _, err := l.Kill(holder); return err }},
			{"the holder dies, requests of 3 s", "/slow", 5 * time.Second, func(holder, _ string) error { _, err := l.Kill(holder); return err }},
		} {
			if err := try(e.name, service, e.path, e.span, e.do); err != nil {
				return out, err
			}
		}
	}
	if _, err := awaitWhole(ctx, l, sys); err != nil {
		return out, err
	}
	to, err := sys.sticky(ctx)
	if err != nil {
		return out, err
	}
	return out, try(eventSticky, to, "/", 4*time.Second, func(string, string) error {
		return errors.Join(sys.weight(ctx, "n2", 3), pause(ctx, 500*time.Millisecond), sys.weight(ctx, "n2", 1))
	})
}

// The events that are tried once.
const (
	eventSpread  = "weights 1, 3, 1"
	eventSticky  = "one client, sticky, while weights change"
	eventRolling = "every machine is restarted in turn"
)

// restartAll empties every machine in turn, switches it off and on, and fills it again.
func restartAll(ctx context.Context, l *lab.Lab, sys balanced) error {
	for _, n := range l.Nodes() {
		if err := sys.empty(ctx, n); err != nil {
			return err
		}
		if _, err := l.Kill(n); err != nil {
			return err
		}
		if err := errors.Join(l.Start(ctx, n), sys.boot(ctx, n)); err != nil {
			return err
		}
		if err := l.Settle(ctx); err != nil {
			return err
		}
		if err := sys.fill(ctx, n); err != nil {
			return err
		}
		if _, err := awaitWhole(ctx, l, sys); err != nil {
			return err
		}
	}
	return nil
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
			return holder, pause(ctx, 500*time.Millisecond)
		}
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return "", err
		}
	}
	return "", fault.Errorf(fault.Unavailable, "load balancing: %s", missing)
}

// during asks from the client host all the time while f runs, somewhat before and after; for span, or, when that is 0, until f has ended.
func during(ctx context.Context, l *lab.Lab, to, path string, span time.Duration, f func() error) (Met, error) {
	o := probe.Options{Address: to, Path: path, Every: 10 * time.Millisecond, Deadline: 4 * time.Second, Outstanding: 400, For: span}
	lead := time.Second
	if path != "/" {
		o.Every, o.Deadline = 50*time.Millisecond, 8*time.Second
		lead = 3500 * time.Millisecond // until as many are under way as there will be
	}
	asking, stop := context.WithCancel(ctx)
	defer stop()
	type end struct {
		r   *lab.ProbeResult
		err error
	}
	done := make(chan end, 1)
	go func() {
		r, err := l.Probe(asking, o)
		done <- end{r, err}
	}()
	err := pause(ctx, lead)
	if err == nil {
		err = f()
	}
	if span == 0 {
		err = errors.Join(err, pause(ctx, time.Second))
		stop()
	}
	e := <-done
	if err = errors.Join(err, e.err); err != nil {
		return Met{}, err
	}
	m := Met{Asked: len(e.r.Attempts), Failed: map[string]int{}, By: map[string]int{}, Longest: e.r.Outage().Length}
	for _, a := range e.r.Attempts {
		if a.Answer == "" {
			m.Failed[a.Error]++
		} else {
			m.By[a.Answer]++
		}
	}
	return m, nil
}

// scalableTable has a line for each event and system: medians of the trials, and what failed in all of them.
func scalableTable(all []Met) string {
	type row struct{ event, system string }
	var rows []row
	trials := map[row][]Met{}
	for _, m := range all {
		k := row{m.Event, m.System}
		if len(trials[k]) == 0 {
			rows = append(rows, k)
		}
		trials[k] = append(trials[k], m)
	}
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(eventAt(all, a.event), eventAt(all, b.event)) })
	var b strings.Builder
	b.WriteString("| what happens | system | trials | requests | failed, median | failed in all | longest time without an answer, median | answered by |\n| --- | --- | ---: | ---: | ---: | --- | ---: | --- |\n")
	for _, k := range rows {
		var asked, failed, longest []int
		kinds, by := map[string]int{}, map[string]int{}
		for _, m := range trials[k] {
			n := 0
			for kind, c := range m.Failed {
				n += c
				kinds[kind] += c
			}
			for who, c := range m.By {
				by[who] += c
			}
			asked, failed, longest = append(asked, m.Asked), append(failed, n), append(longest, int(m.Longest.Milliseconds()))
		}
		fmt.Fprintf(&b, "| %s | %s | %d | %d | %d | %s | %d ms | %s |\n", k.event, k.system, len(asked), middle(asked), middle(failed), counted(kinds), middle(longest), shares(by))
	}
	return b.String()
}

func eventAt(all []Met, event string) int {
	return slices.IndexFunc(all, func(m Met) bool { return m.Event == event })
}

// middle is the median; of an even number of values the lower one of the two in the middle.
func middle(list []int) int {
	list = slices.Sorted(slices.Values(list))
	return list[(len(list)-1)/2]
}

func counted(kinds map[string]int) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(kinds)) {
		out = append(out, fmt.Sprintf("%s %d", k, kinds[k]))
	}
	if len(out) == 0 {
		return "0"
	}
	return strings.Join(out, ", ")
}

func shares(by map[string]int) string {
	sum := 0
	for _, n := range by {
		sum += n
	}
	var out []string
	for _, who := range slices.Sorted(maps.Keys(by)) {
		out = append(out, fmt.Sprintf("%s %.1f %%", who, 100*float64(by[who])/float64(sum)))
	}
	return strings.Join(out, ", ")
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
	for _, backend := range []string{"servers\n\tbalance roundrobin", "sticky\n\tbalance source\n\tstick-table type ip size 100k expire 60s\n\tstick on src"} {
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
		c, err := (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(s.lab.Disk(n), "log", "haproxy.sock"))
		if err != nil {
			return fault.Errorf(fault.Unavailable, "speak to haproxy on %s: %w", n, err)
		}
		_, err = fmt.Fprintf(c, "%s\n", command)
		if err = errors.Join(err, c.Close()); err != nil {
			return fault.Errorf(fault.Unavailable, "tell haproxy on %s %q: %w", n, command, err)
		}
	}
	return nil
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

func (s *proxied) whole(ctx context.Context) (holder, missing string) {
	for _, n := range s.lab.Nodes() {
		running := processes(s.lab.Name(), n)
		if !slices.ContainsFunc(running, isAnswer) {
			return "", "no server on " + n
		}
	}
	return s.vrrp.whole(ctx)
}
