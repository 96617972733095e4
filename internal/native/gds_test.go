package native_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"redoubt/internal/agent"
	"redoubt/internal/agent/agenttest"
	"redoubt/internal/native"
	"redoubt/internal/rgm/model"
)

const gds = "redoubt.gds"

func TestGDSConformance(t *testing.T) {
	const loop = `while :; do echo alive; sleep 0.05; done`
	deaf := `trap "" HUP INT QUIT TERM USR1 USR2; `
	commands := map[agenttest.Behaviour]string{
		agenttest.Serves:    `(` + loop + `) & exit 0`,
		agenttest.Stubborn:  deaf + `setsid sh -c '` + deaf + loop + `' & setsid sh -c '` + deaf + loop + `' & while :; do sleep 1; done`,
		agenttest.StartHang: deaf + `setsid sh -c '` + deaf + loop + `' & while :; do sleep 1; done`,
		agenttest.StartFail: `sleep 1000 & echo begun; echo ` + agenttest.FailWord + ` >&2; echo; exit 3`,
		agenttest.Floods:    `head -c 100000000 /dev/zero | tr '\0' 'x'; echo; exec sleep 1000`,
	}
	agenttest.Run(t, func(t *testing.T) (agent.Driver, agenttest.Env) {
		n := newNode(t)
		env := agenttest.Env{
			Calls:      map[agenttest.Behaviour]func(*testing.T) agent.Call{},
			Processes:  func(call agent.Call) int { return len(n.pids(call)) },
			Undeclared: model.MethodMonitorCheck,
			Kill: func(call agent.Call) {
				for _, pid := range n.pids(call) {
					id, err := strconv.Atoi(pid)
					if err != nil {
						t.Error(err)
						return
					}
					_ = syscall.Kill(id, syscall.SIGKILL)
				}
			},
		}
		for b, command := range commands {
			env.Calls[b] = func(t *testing.T) agent.Call {
				p := []model.Property{set("Start_command", command)}
				if b == agenttest.StartHang {
					p = append(p, set("Probe_command", "sleep 1000"))
				}
				return n.call(t, gds, "web", p...)
			}
		}
		return n.driver, env
	})
}

func TestStartWaitsForTheProbe(t *testing.T) {
	n := newNode(t)
	dir := t.TempDir()
	call := n.call(t, gds, "web", set("Start_command", "sleep 0.3; touch "+dir+"/up; exec sleep 1000"), set("Probe_command", "echo not yet; test -e "+dir+"/up"))
	begin := time.Now()
	n.succeed(t, call, model.MethodStart)
	if took := time.Since(begin); took < 250*time.Millisecond || took > 3*time.Second {
		t.Errorf("Start took %v; the service was up after 300ms", took)
	}
	n.succeed(t, call, model.MethodStop)
	call.Resource.Properties = append(call.Resource.Properties[:1], set("Probe_command", "echo not yet; exit 1"))
	call.Timeout = 300 * time.Millisecond
	r := n.run(t, call, model.MethodStart)
	if !r.TimedOut || !strings.Contains(r.Message, "not yet") {
		t.Errorf("got %+v, want a timeout that gives the last words of the probe", r)
	}
	if left := n.pids(call); len(left) != 0 {
		t.Errorf("processes left after the timeout: %v", left)
	}
	// The time ends amid a later probe, which has said nothing yet.
	call.Resource.Properties[1] = set("Probe_command", "test ! -e "+dir+"/asked || exec sleep 1000; touch "+dir+"/asked; echo not yet; exit 1")
	if r := n.run(t, call, model.MethodStart); !r.TimedOut || !strings.Contains(r.Message, "not yet") {
		t.Errorf("got %+v, want a timeout that gives the last words of the probe", r)
	}
}

func TestStartFailsAtOnceWhenTheServiceDies(t *testing.T) {
	for name, c := range map[string]struct {
		command string
		more    []model.Property
		words   []string
	}{
		"while the probe waits": {"sleep 0.1; echo port is taken; exit 4", []model.Property{set("Probe_command", "false")}, []string{"port is taken", "4"}},
		"in the background":     {"(sleep 0.1; echo lost its data) & exit 0", []model.Property{set("Probe_command", "false")}, []string{"no process"}},
		"leaving nothing":       {"true", nil, []string{"no process", "Child_policy=NONE"}},
		"but policy MAIN":       {"sleep 1000 & exit 0", []model.Property{set("Child_policy", "MAIN")}, []string{"foreground"}},
		"within its grace time": {"sleep 0.02; exit 5", []model.Property{set("Start_grace_ms", "2000")}, []string{"exit status 5"}},
		"no such program":       {"exec /nonexistent/program", nil, []string{"/nonexistent/program", "127"}},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			call := n.call(t, gds, "web", append(c.more, set("Start_command", c.command))...)
			begin := time.Now()
			n.refuse(t, call, model.MethodStart, c.words...)
			if took := time.Since(begin); took > 3*time.Second {
				t.Errorf("took %v", took)
			}
			if left := n.pids(call); len(left) != 0 {
				t.Errorf("processes left: %v", left)
			}
		})
	}
}

func TestDeathIsReportedWhileAProbeHangs(t *testing.T) {
	n := newNode(t)
	// A probe that hangs must not hide the death.
	call := n.call(t, gds, "web", set("Start_command", "exec sleep 1000"), set("Probe_command", "sleep 1000"), set("Wait_for_online", "false"))
	call.Resource.ThoroughProbeInterval = 1
	n.succeed(t, call, model.MethodStart)
	seen := n.watch(t, call)
	within(t, 5*time.Second, "the probe runs", func() bool { return len(n.pids(call)) > 1 })
	pid, err := strconv.Atoi(n.pids(call)[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	o := next(t, seen, agent.Dead)
	if !strings.Contains(o.Message, "signal 9") {
		t.Errorf("message %q does not say how it ended", o.Message)
	}
}

func TestChildPolicies(t *testing.T) {
	command := "sleep 1000 & while ! [ -e %s/end ]; do sleep 0.01; done; echo over; exit 9"
	for name, c := range map[string]struct {
		property model.Property
		dies     bool
	}{
		"ANY": {set("Child_policy", "ANY"), false}, "MAIN": {set("Child_policy", "MAIN"), true}, "level 0": {set("Child_mon_level", "0"), true},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			dir := t.TempDir()
			call := n.call(t, gds, "web", set("Start_command", fmt.Sprintf(command, dir)), c.property)
			n.succeed(t, call, model.MethodStart)
			// The next daemon, after a planned restart, has to know the main process too.
			n.driver = native.New(n.cfg)
			n.succeed(t, call, model.MethodStart)
			seen := n.watch(t, call)
			if err := os.WriteFile(filepath.Join(dir, "end"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if c.dies {
				next(t, seen, agent.Dead)
				ok(t, os.Remove(filepath.Join(dir, "end")))
				n.succeed(t, call, model.MethodStart) // what is left of it makes room
				if len(n.pids(call)) < 1 {
					t.Error("it was not started again")
				}
			} else {
				within(t, 5*time.Second, "the main process ends", func() bool { return len(n.pids(call)) == 1 })
				select {
				case o := <-seen:
					t.Errorf("reported %+v although a child serves", o)
				case <-time.After(50 * time.Millisecond):
				}
				if err := n.proc.Kill(t.Context(), agent.Ref{Group: "g", Resource: "web"}); err != nil {
					t.Fatal(err)
				}
				next(t, seen, agent.Dead)
			}
			n.succeed(t, call, model.MethodStop)
		})
	}
}

func TestProbesMeanWhatTheyMeanInSolarisCluster(t *testing.T) {
	for name, c := range map[string]struct {
		exits string
		more  []model.Property
		want  []agent.ObservationKind
	}{
		"partial failures add up": {"50 50", nil, []agent.ObservationKind{agent.Degraded, agent.Failed}},
		"recovers":                {"10 0", nil, []agent.ObservationKind{agent.Degraded, agent.Healthy}},
		"complete failure":        {"100", nil, []agent.ObservationKind{agent.Failed}},
		"ended by a signal":       {"137", nil, []agent.ObservationKind{agent.Failed}},
		"immediate failover":      {"201", nil, []agent.ObservationKind{agent.Giveover}},
		"plain":                   {"1", []model.Property{set("Probe_result", "PLAIN")}, []agent.ObservationKind{agent.Failed}},
		"timeout":                 {"hang", []model.Property{set("Probe_timeout", "1")}, []agent.ObservationKind{agent.Failed}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t)
			dir := t.TempDir()
			script := `cd ` + dir + `; n=$(cat n 2>/dev/null || echo 1); echo $((n+1)) >n; set -- ` + c.exits + `
				eval "code=\${$n:-0}"; [ "$code" = hang ] && exec sleep 1000; echo "probe $n for $REDOUBT_RESOURCE"; exit $code`
			call := n.call(t, gds, "web", append(c.more, set("Start_command", "exec sleep 1000"), set("Probe_command", script), set("Wait_for_online", "false"))...)
			call.Resource.ThoroughProbeInterval = 1
			n.succeed(t, call, model.MethodStart)
			seen := n.watch(t, call)
			for _, kind := range c.want {
				o := next(t, seen, kind)
				if kind != agent.Healthy && o.Message == "" {
					t.Errorf("%s without a message", kind)
				}
			}
			n.succeed(t, call, model.MethodStop)
		})
	}
}

func TestPortsAreProbed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	n := newNode(t)
	call := n.call(t, gds, "web", set("Start_command", "exec sleep 1000"), set("Port_list", port+"/tcp", "53/udp"))
	call.Resource.ThoroughProbeInterval = 1
	call.Peers = append(call.Peers, model.Resource{Name: "ip", Type: "redoubt.logicalhostname", Properties: []model.Property{set("Address", "127.0.0.1/8")}})
	n.succeed(t, call, model.MethodStart)
	seen := n.watch(t, call)
	l.Close()
	if o := next(t, seen, agent.Failed); !strings.Contains(o.Message, port) {
		t.Errorf("message %q does not name the port", o.Message)
	}
	n.succeed(t, call, model.MethodStop)
	call.Timeout = 300 * time.Millisecond
	if r := n.run(t, call, model.MethodStart); !r.TimedOut || !strings.Contains(r.Message, port) {
		t.Errorf("a port that nobody listens on: %+v", r)
	}
}

func TestStopAsksFirst(t *testing.T) {
	n := newNode(t)
	dir := t.TempDir()
	start := `trap 'echo gentle >` + dir + `/end; exit 0' USR1; while :; do sleep 0.01; done`
	call := n.call(t, gds, "web", set("Start_command", start), set("Stop_signal", "10"))
	n.succeed(t, call, model.MethodStart)
	n.succeed(t, call, model.MethodStop)
	if b, err := os.ReadFile(filepath.Join(dir, "end")); err != nil || string(b) != "gentle\n" {
		t.Errorf("the service was not told by Stop_signal: %q, %v", b, err)
	}
	call = n.call(t, gds, "web2", set("Start_command", `while ! [ -e `+dir+`/stop ]; do sleep 0.01; done`), set("Stop_command", "echo $REDOUBT_METHOD >"+dir+"/stop"))
	n.succeed(t, call, model.MethodStart)
	n.succeed(t, call, model.MethodStop)
	if b, err := os.ReadFile(filepath.Join(dir, "stop")); err != nil || string(b) != "Stop\n" {
		t.Errorf("Stop_command: %q, %v", b, err)
	}
	call = n.call(t, gds, "web3", set("Start_command", "exec sleep 1000"), set("Stop_command", "echo can not; exit 1"))
	n.succeed(t, call, model.MethodStart)
	n.succeed(t, call, model.MethodStop)
	if left := n.pids(call); len(left) != 0 {
		t.Errorf("left after a Stop_command that fails: %v", left)
	}
}

func TestServiceElsewhere(t *testing.T) {
	n := newNode(t)
	dir := t.TempDir()
	call := n.call(t, gds, "web", set("Child_policy", "NONE"), set("Start_command", "touch "+dir+"/up"), set("Probe_command", "test -e "+dir+"/up"), set("Stop_command", "rm "+dir+"/up || { echo will not; exit 1; }"))
	n.succeed(t, call, model.MethodStart)
	n.succeed(t, call, model.MethodStop)
	n.refuse(t, call, model.MethodStop, "will not")
}

func TestValidateGDS(t *testing.T) {
	n := newNode(t)
	n.refuse(t, n.call(t, gds, "web", set("Start_command", " ")), model.MethodValidate, "web", "Start_command")
	n.refuse(t, n.call(t, gds, "web", set("Start_command", "x"), set("Port_list", "http/tcp")), model.MethodValidate, "web", "http/tcp")
	call := n.call(t, gds, "web", set("Start_command", "x"), set("Validate_command", `echo "no data in $REDOUBT_GROUP $hostnames"; exit 1`))
	call.Peers = append(call.Peers, model.Resource{Name: "ip", Type: "redoubt.logicalhostname", Properties: []model.Property{set("Address", "192.0.2.7/24"), set("Hostnames", "www")}})
	n.hosts["www"] = append(n.hosts["www"], mustAddr("2001:db8::7"))
	n.refuse(t, call, model.MethodValidate, "web", "n1", "no data in g 192.0.2.7,2001:db8::7")
	n.succeed(t, n.call(t, gds, "web", set("Start_command", "x"), set("Validate_command", "true")), model.MethodValidate)
}

func TestAbortedStart(t *testing.T) {
	n := newNode(t)
	call := n.call(t, gds, "web", set("Start_command", "exec sleep 1000"), set("Probe_command", "false"))
	call.Method = model.MethodStart
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if r := n.driver.Run(ctx, call); !r.Aborted || r.TimedOut {
		t.Errorf("got %+v", r)
	}
	if left := n.pids(call); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}
