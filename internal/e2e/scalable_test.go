package e2e_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"redoubt/internal/lab"
	"redoubt/internal/lab/probe"
)

const (
	sharedAddress = "10.77.0.120:8080"
	scalableServe = "/run/lab/bin/redoubt lab serve " + sharedAddress
)

// count is what clients met while something happened.
type count struct {
	by     map[string]int
	errors map[string]int
}

func (c count) failed() int {
	n := 0
	for _, k := range c.errors {
		n += k
	}
	return n
}

// during asks the scalable service all the time, with a new connection for each request, while f runs and somewhat longer, and tells who answered.
func (w *world) during(t *testing.T, what string, f func()) count {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	type end struct {
		r   *lab.ProbeResult
		err error
	}
	done, begun := make(chan end, 1), make(chan struct{}, 1)
	go func() {
		r, err := w.Probe(ctx, probe.Options{Address: sharedAddress, Every: 8 * time.Millisecond, Deadline: 4 * time.Second, Outstanding: 600, Each: func(probe.Attempt) {
			select {
			case begun <- struct{}{}:
			default:
			}
		}})
		done <- end{r, err}
	}()
	var e end
	asked := func(n int) {
		for ; n > 0 && e.r == nil && e.err == nil; n-- {
			select {
			case <-begun:
			case e = <-done:
			}
		}
	}
	asked(60)
	f()
	asked(150)
	cancel()
	if e.r == nil && e.err == nil {
		e = <-done
	}
	if e.err != nil {
		t.Fatal(e.err)
	}
	c := count{map[string]int{}, map[string]int{}}
	for _, a := range e.r.Attempts {
		if a.Answer != "" {
			c.by[a.Answer]++
		} else {
			c.errors[a.Error]++
		}
	}
	t.Logf("%s: answered by %v, failed %v", what, c.by, c.errors)
	return c
}

// hold keeps connections of the client open and asks by each of them all the time; the end of the function returned says how each fared: "NODE ok" or "NODE broken WHY".
func (w *world) hold(t *testing.T, connections int) func() []string {
	t.Helper()
	flag := filepath.Join(bin, fmt.Sprintf("%s.hold%d", w.name, time.Now().UnixNano())) // several may go on at once
	self, err := service()
	if err != nil {
		t.Fatal(err)
	}
	out, failed := make(chan string, 1), make(chan error, 1)
	go func() {
		s, err := w.Output(t.Context(), "client", self, "hold", sharedAddress, fmt.Sprint(connections), flag)
		failed <- err
		out <- s
	}()
	eventually(t, func() string {
		if _, err := os.Stat(flag + ".ready"); err != nil {
			return err.Error()
		}
		return ""
	})
	return func() []string {
		t.Helper()
		if err := os.WriteFile(flag, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := <-failed; err != nil {
			t.Fatal(err)
		}
		return strings.Split(strings.TrimSpace(<-out), "\n")
	}
}

// intact checks that connections were only broken that may have been.
func intact(t *testing.T, what string, fates []string, excused ...string) {
	t.Helper()
	for _, f := range fates {
		fine := strings.HasSuffix(f, " ok")
		for _, e := range excused {
			fine = fine || strings.HasPrefix(f, e+" ")
		}
		if !fine {
			t.Errorf("%s: a long connection: %s", what, f)
		}
	}
	t.Logf("%s: long connections %v", what, tally(fates))
}

// tally counts connections by their node and how they fared.
func tally(fates []string) map[string]int {
	n := map[string]int{}
	for _, f := range fates {
		n[strings.Join(strings.Fields(f)[:2], " ")]++
	}
	return n
}

// shares waits until the status gives the nodes these numbers of slots.
func (w *world) shares(t *testing.T, ask string, want map[string]int) {
	t.Helper()
	eventually(t, func() string {
		got := map[string]int{}
		for _, r := range w.status(t, ask).Resources {
			for _, n := range r.Nodes {
				if r.Name == "web" && n.Share != nil && n.Share.Slots > 0 {
					got[n.Node] = n.Share.Slots
				}
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			return fmt.Sprintf("the slots are %v, not %v", got, want)
		}
		return ""
	})
}

func TestScalableService(t *testing.T) {
	w := own(t, "e2esa", lab.Options{Nodes: 3})
	w.do(t, "n1", "type", "register", "redoubt.gds")
	w.do(t, "n1", "group", "create", "-n", "n1,n2,n3", "-p", "Pingpong_interval=1", "addr-rg")
	w.do(t, "n1", "resource", "create-sharedaddress", "-g", "addr-rg", "--address", "10.77.0.120/24", "shared-ip")
	w.do(t, "n1", "group", "create", "-S", "-n", "n1,n2,n3", "-p", "Pingpong_interval=1", "web-rg")
	create := func(more ...string) []string {
		return append([]string{"resource", "create", "-g", "web-rg", "-t", "redoubt.gds", "-p", "Start_command=" + scalableServe, "-p", "Scalable=true"}, append(more, "web")...)
	}
	for _, c := range []struct {
		more []string
		want string
	}{
		{[]string{"-p", "Port_list=8080/tcp"}, "uses no shared address"},
		{[]string{"-p", "Network_resources_used=shared-ip"}, "Port_list"},
		{[]string{"-p", "Network_resources_used=shared-ip", "-p", "Port_list=8080/tcp", "-p", "Load_balancing_weights=3@n9"}, "node n9"},
		{[]string{"-p", "Network_resources_used=no-ip", "-p", "Port_list=8080/tcp"}, "no-ip does not exist"},
	} {
		if out := w.refuse(t, "n1", create(c.more...)...); !strings.Contains(out, c.want) {
			t.Errorf("refused, but without %q: %s", c.want, out)
		}
	}
	w.do(t, "n1", "group", "online", "-eM", "-n", "n1", "addr-rg")
	w.do(t, "n1", create("-p", "Network_resources_used=shared-ip", "-p", "Port_list=8080/tcp", "-p", "Retry_count=10")...)
	w.do(t, "n1", "group", "online", "-eM", "web-rg")
	w.shares(t, "n1", map[string]int{"n1": 342, "n2": 341, "n3": 341})
	if out := w.refuse(t, "n1", "resource", "delete", "-y", "shared-ip"); !strings.Contains(out, "resource web shares its load by it") {
		t.Errorf("the address is refused to go, but not because web uses it: %s", out)
	}

	// Weights: the spread follows them, nothing breaks.
	end := w.hold(t, 60)
	c := w.during(t, "equal weights", func() {})
	if len(c.by) != 3 || c.failed() > 0 {
		t.Error("not spread over three nodes")
	}
	c = w.during(t, "weights change", func() {
		w.do(t, "n2", "resource", "set", "-p", "Load_balancing_weights=3@n2,0@n3", "web")
		w.shares(t, "n1", map[string]int{"n1": 256, "n2": 768})
	})
	if c.failed() > 0 {
		t.Error("requests were lost when the weights changed")
	}
	if c = w.during(t, "weights 1, 3, 0", func() {}); c.by["n3"] > 0 || c.by["n2"] < c.by["n1"] || c.failed() > 0 {
		t.Error("the weights are not kept to")
	}
	intact(t, "weights change", end())
	w.do(t, "n2", "resource", "set", "-p", "Load_balancing_weights=", "web")
	w.shares(t, "n1", map[string]int{"n1": 342, "n2": 341, "n3": 341})

	// One client, one node.
	w.do(t, "n2", "resource", "set", "-p", "Load_balancing_policy=Lb_sticky", "-p", "Affinity_timeout=60", "web")
	if c = w.during(t, "sticky", func() {
		w.do(t, "n2", "resource", "set", "-p", "Load_balancing_weights=9@n2", "web")
		w.do(t, "n2", "resource", "set", "-p", "Load_balancing_weights=9@n3", "web")
	}); len(c.by) > 2 || c.failed() > 0 { // two only if the change of the policy itself was seen
		t.Error("the client did not stick to its node")
	}
	w.do(t, "n2", "resource", "set", "-p", "Load_balancing_policy=Lb_weighted", "-p", "Load_balancing_weights=", "web")

	// Work without a lost request: the address moves, and every node is emptied and filled again in turn.
	if c = w.during(t, "the address moves", func() { w.do(t, "n1", "group", "switch", "-n", "n2", "addr-rg") }); c.failed() > 0 {
		t.Error("requests were lost when the address moved")
	}
	w.rollingRestart(t)
	w.bothFamilies(t)

	// An instance is killed: those it served break, and the others go on.
	w.do(t, "n1", "group", "switch", "-n", "n1", "addr-rg")
	w.shares(t, "n1", map[string]int{"n1": 342, "n2": 341, "n3": 341})
	end = w.hold(t, 60)
	w.during(t, "an instance is killed", func() {
		w.killServer(t, "n3")
		eventually(t, func() string {
			for _, r := range w.status(t, "n1").Resources {
				for _, n := range r.Nodes {
					if r.Name == "web" && n.Node == "n3" && n.Restarts > 0 && n.Share != nil && n.Share.Slots == 341 {
						return ""
					}
				}
			}
			return "the instance on n3 was not restarted"
		})
	})
	intact(t, "an instance is killed", end(), "n3")

	// A node dies that does not hold the address, then the one that does.
	end = w.hold(t, 60)
	w.during(t, "a node dies", func() {
		if _, err := w.Kill("n3"); err != nil {
			t.Error(err)
		}
		eventually(t, func() string {
			for _, n := range w.status(t, "n1").Nodes {
				if n.Name == "n3" && n.State != "member" {
					return ""
				}
			}
			return "n3 is still a member"
		})
	})
	intact(t, "a node dies", end(), "n3")
	if err := w.Start(t.Context(), "n3"); err != nil {
		t.Fatal(err)
	}
	w.shares(t, "n1", map[string]int{"n1": 342, "n2": 341, "n3": 341})
	// Those of n2 are of slots that are dealt anew before the holder dies: only n2 itself knows of them then.
	w.do(t, "n2", "resource", "set", "-p", "Load_balancing_weights=8@n2", "web")
	w.shares(t, "n1", map[string]int{"n1": 103, "n2": 819, "n3": 102})
	early := w.hold(t, 60)
	w.do(t, "n2", "resource", "set", "-p", "Load_balancing_weights=", "web")
	w.shares(t, "n1", map[string]int{"n1": 342, "n2": 341, "n3": 341})
	end = w.hold(t, 60)
	w.during(t, "the holder dies", func() {
		if _, err := w.Kill("n1"); err != nil {
			t.Error(err)
		}
		eventually(t, func() string {
			for _, r := range w.status(t, "n2").Resources {
				for _, n := range r.Nodes {
					if r.Name == "shared-ip" && n.State == "ONLINE" && n.Node != "n1" {
						return ""
					}
				}
			}
			return "nobody took the address over"
		})
	})
	intact(t, "the holder dies", end(), "n1")
	intact(t, "begun before slots were dealt anew, the holder dies", early(), "n1")
	if c = w.during(t, "afterwards", func() {}); len(c.by) != 2 || c.failed() > 0 {
		t.Error("the two that are left do not serve")
	}
}

// rollingRestart empties every machine in turn, takes its power away and starts it again. No request is lost, and of the long connections none but those whose instance
// went, although the address moves twice. Others begin while n3 is away, by slots that are its own again when the address moves to a holder that has not seen them begin.
func (w *world) rollingRestart(t *testing.T) {
	t.Helper()
	began := func() []string { return nil }
	for _, n := range []string{"n2", "n3", "n1"} {
		ask := w.other(t, n)
		end := w.hold(t, 40)
		c := w.during(t, "restart of "+n, func() {
			w.do(t, ask, "node", "evacuate", "-T", "600", n)
			if _, err := w.Kill(n); err != nil {
				t.Fatal(err)
			}
			if n == "n3" {
				began = w.hold(t, 60)
			}
			if err := w.Start(t.Context(), n); err != nil {
				t.Fatal(err)
			}
			if err := w.Settle(t.Context()); err != nil {
				t.Fatal(err)
			}
			w.do(t, ask, "node", "evacuate", "-T", "0", n)
			eventually(t, func() string {
				out, err := w.try(t.Context(), ask, "group", "online", "-n", "n1,n2,n3", "web-rg")
				if err != nil {
					return out + err.Error()
				}
				return ""
			})
			w.shares(t, ask, map[string]int{"n1": 342, "n2": 341, "n3": 341})
		})
		if c.failed() > 0 || len(c.by) != 3 {
			t.Errorf("the restart of %s: %v, failed %v", n, c.by, c.errors)
		}
		intact(t, "restart of "+n, end(), n)
	}
	intact(t, "begun while n3 was away, before the restart of n1", began(), "n1")
}

// bothFamilies has a second service answer by TCP and UDP at an address of each family: one client, one node for all ports of the addresses; then every connection for
// itself.
func (w *world) bothFamilies(t *testing.T) {
	t.Helper()
	self, err := service()
	if err != nil {
		t.Fatal(err)
	}
	const v4, v6 = "10.77.0.121", "fd77::121"
	w.do(t, "n1", "resource", "create-sharedaddress", "-g", "addr-rg", "--address", v4+"/24", "--address", v6+"/64", "both-ip")
	w.do(t, "n1", "resource", "enable", "both-ip")
	w.do(t, "n1", "group", "create", "-S", "-n", "n1,n2,n3", "both-rg")
	var at []string
	for _, port := range []string{"9000", "9001"} {
		at = append(at, v4+":"+port, "["+v6+"]:"+port)
	}
	w.do(t, "n1", "resource", "create", "-g", "both-rg", "-t", "redoubt.gds", "-p", "Start_command=exec "+self+" answer "+strings.Join(at, " "), "-p", "Scalable=true",
		"-p", "Network_resources_used=both-ip", "-p", "Load_balancing_policy=Lb_sticky_wild", "-p", "Port_list=9000/tcp", "both")
	w.do(t, "n1", "group", "online", "-eM", "both-rg")
	answers := func(network, address string, times int) map[string]int {
		t.Helper()
		out, err := w.Output(t.Context(), "client", self, "ask", network, address, fmt.Sprint(times))
		if err != nil {
			t.Fatal(err)
		}
		by := map[string]int{}
		for line := range strings.Lines(out) {
			by[strings.TrimSpace(line)]++
		}
		t.Logf("%s %s: %v", network, address, by)
		return by
	}
	for _, family := range [][]string{{at[0], at[2]}, {at[1], at[3]}} {
		home := map[string]bool{}
		for _, address := range family {
			for _, network := range []string{"tcp", "udp"} {
				for who := range answers(network, address, 20) {
					home[who] = true
				}
			}
		}
		if len(home) != 1 || strings.Contains(fmt.Sprint(home), "nobody") {
			t.Errorf("Lb_sticky_wild, %v: one client is answered by %v", family, home)
		}
	}
	w.do(t, "n2", "resource", "set", "-p", "Load_balancing_policy=Lb_weighted", "-p", "Port_list=9000/tcp,9000/udp,9001/tcp,9001/udp", "both")
	spread := func(when string, none string) {
		t.Helper()
		for _, c := range []struct{ network, address string }{{"tcp", at[0]}, {"tcp", at[3]}, {"udp", at[1]}, {"udp", at[2]}} {
			eventually(t, func() string { // the holder hears of it within milliseconds
				by := answers(c.network, c.address, 90)
				if want := 3 - min(1, len(none)); len(by) != want || by[none] > 0 || by["n1"]+by["n2"]+by["n3"] != 90 {
					return fmt.Sprintf("%s, %s %s: answered by %v", when, c.network, c.address, by)
				}
				return ""
			})
		}
	}
	spread("Lb_weighted", "")
	w.do(t, "n2", "resource", "set", "-p", "Load_balancing_weights=0@n2", "both")
	spread("without weight of n2", "n2")
	w.do(t, "n1", "group", "switch", "-n", "n3", "addr-rg")
	spread("the address on n3", "n2")
	w.do(t, "n1", "group", "offline", "both-rg")
	w.do(t, "n1", "resource", "delete", "-F", "-y", "both")
	w.do(t, "n1", "group", "delete", "-y", "both-rg")
	w.do(t, "n1", "resource", "disable", "both-ip")
	w.do(t, "n1", "resource", "delete", "-y", "both-ip")
}

// killServer kills the server on a node, which has its own view of the processes.
func (w *world) killServer(t *testing.T, node string) {
	t.Helper()
	if _, err := w.Output(t.Context(), node, "sh", "-c", "for f in /proc/[0-9]*; do tr '\\0' ' ' <$f/cmdline 2>/dev/null | grep -q '[l]ab serve "+sharedAddress+"' && kill -9 ${f#/proc/}; done; true"); err != nil {
		t.Fatal(err)
	}
}
