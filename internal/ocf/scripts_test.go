package ocf_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"redoubt/internal/agent"
	"redoubt/internal/agent/agenttest"
	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/ocf"
	"redoubt/internal/rgm/model"
)

// metadata of the agents below; %s takes further parameters.
const metadata = `<resource-agent name="x" version="1"><shortdesc>x</shortdesc><parameters>
<parameter name="file"><content type="string" default="/dev/null"/></parameter>
<parameter name="Flag"><content type="boolean" default="true"/></parameter>
<parameter name="plain"><content type="string"/></parameter>
</parameters><actions>
<action name="start" timeout="5"/><action name="stop" timeout="5"/><action name="monitor" timeout="1"/>
<action name="validate-all" timeout="5"/><action name="reload-agent" timeout="5"/></actions></resource-agent>`

// scripted is a host with an OCF root of its own, in which agents are written.
func scripted(t *testing.T, agents map[string]string) *host {
	t.Helper()
	root := openDir(t)
	dir := filepath.Join(root, "resource.d", "test")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, body := range agents {
		text := body
		if !strings.HasPrefix(body, "#!") {
			text = "#!/bin/sh\nif [ $1 = meta-data ]; then cat <<'END'\n" + metadata + "\nEND\nexit 0; fi\n" + body + "\n"
		}
		write(t, filepath.Join(dir, name), text)
	}
	return newHost(t, func(c *ocf.Config) { c.Root = root })
}

func TestEnvironment(t *testing.T) {
	tools := openDir(t)
	h := scripted(t, map[string]string{"show": `env | grep -v -e ^PWD= -e ^SHLVL= -e ^_= -e ^OLDPWD= >$OCF_RESKEY_plain`})
	h.cfg.ToolDir, h.cfg.RunDir = tools, filepath.Join(tools, "state")
	h = newHostLike(t, h)
	out := filepath.Join(tools, "env")
	c := h.call(t, "ocf:test:show", "web", "plain", out, "Flag", "TRUE")
	c.Resource.Properties = append(c.Resource.Properties, model.Property{Name: "FILE", Values: []string{"/n1"}, Node: "n1"}, model.Property{Name: "FILE", Values: []string{"/n2"}, Node: "n2"})
	want := []string{
		"HA_LOGFACILITY=none", "HA_RSCTMP=" + tools + "/state", "HA_SBIN_DIR=" + tools, "HA_debug=0", "LC_ALL=C",
		"OCF_EXIT_REASON_PREFIX=ocf-exit-reason:", "OCF_OUTPUT_FORMAT=text", "OCF_RA_VERSION_MAJOR=1", "OCF_RA_VERSION_MINOR=1",
		"OCF_RESKEY_CRM_meta_on_node=n1", "OCF_RESKEY_CRM_meta_timeout=20000", "OCF_RESKEY_crm_feature_set=3.16.1",
		"OCF_RESKEY_file=/n1", "OCF_RESKEY_plain=" + out,
		"OCF_RESOURCE_INSTANCE=web", "OCF_RESOURCE_PROVIDER=test", "OCF_RESOURCE_TYPE=show", "OCF_ROOT=" + h.cfg.Root,
		"PATH=" + tools + ":/usr/local/sbin:/usr/sbin:/usr/local/bin:/usr/bin:/sbin:/bin", "SHELL=/bin/bash",
	}
	h.must(t, c, start)
	if d := cmp.Diff(want, lines(t, out)); d != "" {
		t.Errorf("start: %s", d)
	}
	if info, err := os.Stat(h.cfg.RunDir); err != nil || !info.IsDir() {
		t.Errorf("the state directory was not made: %v", err)
	}
	os.Remove(out)
	c.Resource.Properties = append(c.Resource.Properties, model.Property{Name: "ocf_check_level", Values: []string{"10"}})
	c.Resource.Properties = slices.DeleteFunc(c.Resource.Properties, func(p model.Property) bool { return p.Name == "ocf_check_level" && p.Values[0] == "0" })
	h.watch(t, c).expect(t, 5*time.Second, agent.Healthy)
	want = append(want, "OCF_CHECK_LEVEL=10", "OCF_RESKEY_OCF_CHECK_LEVEL=10", "OCF_RESKEY_CRM_meta_interval=1000", "OCF_RESKEY_CRM_meta_name=monitor")
	want[slices.Index(want, "OCF_RESKEY_CRM_meta_timeout=20000")] = "OCF_RESKEY_CRM_meta_timeout=1000"
	slices.Sort(want)
	if d := cmp.Diff(want, lines(t, out)); d != "" {
		t.Errorf("monitor: %s", d)
	}
}

func lines(t *testing.T, file string) []string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	l := strings.Split(strings.TrimSpace(string(b)), "\n")
	slices.Sort(l)
	return l
}

func TestAgentsThatAreNoShellScriptsGetTheDefaults(t *testing.T) {
	h := scripted(t, map[string]string{"prog": "#!/usr/bin/perl\nif ($ARGV[0] eq 'meta-data') { print <<'END'; exit 0 }\n" + metadata + "\nEND\nprint \"$ENV{OCF_RESKEY_file} $ENV{OCF_RESKEY_Flag} [$ENV{OCF_RESKEY_plain}]\\n\";\n"})
	c := h.call(t, "ocf:test:prog", "p")
	c.Resource.Properties = nil // not even completed
	if r := h.do(t.Context(), c, start); r.Output != "/dev/null true []\n" {
		t.Errorf("%+v", r)
	}
}

func TestExitStatuses(t *testing.T) {
	h := scripted(t, map[string]string{"code": `echo "noise"; [ -z "$OCF_RESKEY_plain" ] || echo "ocf-exit-reason:$1: because of x" >&2; exit $OCF_RESKEY_file`})
	for _, c := range []struct {
		method  model.Method
		code    int
		ok      bool
		status  model.Status
		message string
	}{
		{start, 0, true, "", ""},
		{start, 1, false, "", "start: exit status 1, it failed: start: because of x"},
		{start, 2, false, "", "its parameters are wrong"},
		{start, 4, false, "", "it may not do"},
		{start, 5, false, "", "not installed on this node"},
		{start, 6, false, "", "do not fit together"},
		{start, 7, false, "", "not running"},
		{start, 8, true, "", ""},
		{start, 190, true, model.StatusDegraded, "start: exit status 190, it works, but not well: start: because of x"},
		{start, 191, true, model.StatusDegraded, "because of x"},
		{start, 77, false, "", "exit status 77, not a status of OCF"},
		{start, 137, false, "", "ended by signal 9"},
		{stop, 0, true, "", ""},
		{stop, 7, true, "", ""},
		{stop, 1, false, "", "stop: exit status 1"},
		{validate, 0, true, "", ""},
		{validate, 3, true, "", ""},
		{validate, 6, false, "", "validate-all: exit status 6"},
		{model.MethodUpdate, 0, true, "", ""},
		{model.MethodUpdate, 3, false, "", "the agent does not have this action"},
		{model.MethodInit, 1, true, "", ""}, // not declared
	} {
		r := h.do(t.Context(), h.call(t, "ocf:test:code", "c", "file", fmt.Sprint(c.code), "plain", "x"), c.method)
		if r.OK() != c.ok || r.Status != c.status || !strings.Contains(r.Message, c.message) || (c.message == "") != (r.Message == "") {
			t.Errorf("%s with %d: %+v", c.method, c.code, r)
		}
	}
	// Only what validate-all says of a node or of a place is in doubt.
	for _, c := range []struct {
		method model.Method
		code   int
		doubt  agent.Doubt
	}{
		{validate, 6, agent.DoubtPlace}, {validate, 5, agent.DoubtNode}, {validate, 1, ""}, {validate, 2, ""}, {validate, 4, ""}, {start, 6, ""}, {stop, 5, ""},
	} {
		if r := h.do(t.Context(), h.call(t, "ocf:test:code", "c", "file", fmt.Sprint(c.code)), c.method); r.Doubt != c.doubt || r.OK() {
			t.Errorf("%s with %d: %+v", c.method, c.code, r)
		}
	}
	r := h.do(t.Context(), h.call(t, "ocf:test:code", "c", "file", "1"), start)
	if r.Message != "start: exit status 1, it failed: noise" {
		t.Errorf("without a reason: %q", r.Message)
	}
}

// An agent recommends its own timeouts, but validate-all has to be possible on a busy node.
func TestValidateHasTimeEnough(t *testing.T) {
	h := scripted(t, map[string]string{"code": "exit 0"})
	c := h.call(t, "ocf:test:code", "c")
	for m, want := range map[model.Method]int{validate: 20, start: 5, stop: 5} {
		if s, _ := c.Type.Method(m); s.Timeout != want {
			t.Errorf("timeout of %s: %d, want %d", m, s.Timeout, want)
		}
	}
}

func TestValidateSeesWhatChanges(t *testing.T) {
	h := scripted(t, map[string]string{"v": `[ "$1 $OCF_RESKEY_file $OCF_RESKEY_plain" = "validate-all /new kept" ]`})
	c := h.call(t, "ocf:test:v", "v", "file", "/old", "plain", "kept")
	c.Changes = []model.Property{{Name: "File", Values: []string{"/new"}}}
	h.must(t, c, validate)
}

func TestAgentsThatMisbehave(t *testing.T) {
	h := scripted(t, map[string]string{
		"hangs": `setsid sh -c 'trap "" TERM; while :; do sleep 100; done' & echo begun; while :; do sleep 100; done`,
		"forks": `case $1 in start) sleep 1000 & echo left; exit 0;; *) exit 0;; esac`,
		"huge":  `head -c 100000000 /dev/zero | tr '\0' x; echo; echo last; exit 1`,
		"gone":  `exit 0`,
	})
	ref := func(c agent.Call) agent.Ref { return agent.Ref{Group: "g", Resource: c.Resource.Name} }
	t.Run("hangs", func(t *testing.T) {
		c := h.call(t, "ocf:test:hangs", "hangs")
		c.Method, c.Timeout = start, 300*time.Millisecond
		r := h.Run(t.Context(), c)
		if !r.TimedOut || !strings.Contains(r.Message, "longer than 300ms") || !strings.Contains(r.Message, "begun") {
			t.Errorf("%+v", r)
		}
		if pids, err := h.launcher.Processes(ref(c)); err != nil || len(pids) > 0 {
			t.Errorf("left: %v, %v", pids, err)
		}
	})
	t.Run("aborted", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(200*time.Millisecond, cancel)
		if r := h.do(ctx, h.call(t, "ocf:test:hangs", "aborted"), start); !r.Aborted || r.OK() || r.Message == "" {
			t.Errorf("%+v", r)
		}
	})
	t.Run("forks", func(t *testing.T) {
		c := h.call(t, "ocf:test:forks", "forks")
		began := time.Now()
		r := h.do(t.Context(), c, start)
		if took := time.Since(began); !r.OK() || took > 3*time.Second {
			t.Errorf("after %v: %+v", took, r)
		}
		if pids, err := h.launcher.Processes(ref(c)); err != nil || len(pids) != 1 {
			t.Errorf("left: %v, %v", pids, err)
		}
		h.must(t, c, stop)
		if err := h.End(t.Context(), c); err != nil {
			t.Error(err)
		}
		if pids, err := h.launcher.Processes(ref(c)); err != nil || len(pids) > 0 {
			t.Errorf("left after End: %v, %v", pids, err)
		}
	})
	t.Run("huge", func(t *testing.T) {
		r := h.do(t.Context(), h.call(t, "ocf:test:huge", "huge"), start)
		if r.Exit != 1 || len(r.Output) > agent.MaxOutput || r.Message != "start: exit status 1, it failed: last" {
			t.Errorf("exit %d, %d bytes, %q", r.Exit, len(r.Output), r.Message)
		}
	})
	t.Run("gone", func(t *testing.T) {
		c := h.call(t, "ocf:test:gone", "gone")
		if err := os.Remove(filepath.Join(h.cfg.Root, "resource.d/test/gone")); err != nil {
			t.Fatal(err)
		}
		if r := h.do(t.Context(), c, start); r.OK() || !strings.Contains(r.Message, "there is no agent") {
			t.Errorf("%+v", r)
		}
		if o := h.watch(t, c).expect(t, 5*time.Second, agent.Degraded); !strings.Contains(o.Message, "can not be run") {
			t.Errorf("%+v", o)
		}
	})
}

func TestDescribeRefuses(t *testing.T) {
	h := scripted(t, map[string]string{
		"Dummy": "exit 0", "plain": "exit 0", "open": "exit 0",
		"broken":   "#!/bin/sh\necho '<resource-agent>'\necho '<parameters></actions>'\n",
		"fails":    "#!/bin/sh\necho no such thing >&2\nexit 5\n",
		"hangs":    "#!/bin/sh\nsleep 1000\n",
		"huge":     "#!/bin/sh\nhead -c 100000000 /dev/zero\n",
		"noreader": "#!/no/such/interpreter\n",
	})
	for name, mode := range map[string]os.FileMode{"plain": 0o644, "open": 0o777} {
		if err := os.Chmod(filepath.Join(h.cfg.Root, "resource.d/test", name), mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name model.Type
		code fault.Code
		want string
	}{
		{model.Type{Name: "ocf:test:dumy"}, fault.NotFound, "did you mean ocf:test:Dummy?"},
		{model.Type{Name: "ocf:heartbeat:Dummy"}, fault.NotFound, "did you mean ocf:test:Dummy?"},
		{model.Type{Name: "ocf:test:somethingelse"}, fault.NotFound, "see the names in"},
		{model.Type{Name: "ocf:test"}, fault.Invalid, "ocf:PROVIDER:NAME"},
		{model.Type{Name: "ocf:..:x"}, fault.Invalid, "ocf:PROVIDER:NAME"},
		{model.Type{Name: "redoubt.gds"}, fault.NotFound, "ocf:PROVIDER:NAME"},
		{model.Type{Name: "ocf:test:plain"}, fault.Precondition, "chmod 755"},
		{model.Type{Name: "ocf:test:open"}, fault.Precondition, "others than root may write"},
		{model.Type{Name: "ocf:test:broken"}, fault.Invalid, "line 2"},
		{model.Type{Name: "ocf:test:fails"}, fault.Precondition, "exit status 5): no such thing"},
		{model.Type{Name: "ocf:test:hangs"}, fault.Timeout, "killed"},
		{model.Type{Name: "ocf:test:huge"}, fault.Invalid, "more than 1048576 bytes"},
		{model.Type{Name: "ocf:test:noreader"}, fault.Precondition, "is its interpreter installed?"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		_, err := h.Describe(ctx, c.name.Name)
		cancel()
		if fault.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), string(c.name.Name)) {
			t.Errorf("%s: got %v, want %s and %q", c.name.Name, err, c.code, c.want)
		}
	}
}

func TestMetaDataIsNotWaitedForToItsEnd(t *testing.T) {
	h := scripted(t, map[string]string{"bg": "#!/bin/sh\nsetsid sleep 60 &\ncat <<'END'\n" + metadata + "\nEND\n"})
	began := time.Now()
	typ, err := h.Describe(t.Context(), "ocf:test:bg")
	if took := time.Since(began); err != nil || len(typ.Methods) != 4 || took > 5*time.Second {
		t.Errorf("after %v: %+v, %v", took, typ, err)
	}
}

func TestWatch(t *testing.T) {
	// The monitor answers with what stands in the file; 100 hangs.
	h := scripted(t, map[string]string{"state": `case $1 in monitor) read c <$OCF_RESKEY_file; [ $c = 100 ] && exec sleep 100; [ $c = 0 ] || echo "ocf-exit-reason:state $c"; exit $c;; esac`})
	file := filepath.Join(openDir(t), "state")
	set := func(code string) {
		t.Helper()
		// Replaced at once: the monitor never sees it half.
		if err := os.Rename(write(t, file+".new", code+"\n"), file); err != nil {
			t.Fatal(err)
		}
	}
	set("0")
	c := h.call(t, "ocf:test:state", "s", "file", file)
	h.must(t, c, start)
	w := h.watch(t, c)
	w.expect(t, 5*time.Second, agent.Healthy)
	for _, step := range []struct {
		code string
		kind agent.ObservationKind
		want string
	}{
		{"190", agent.Degraded, "state 190"},
		{"191", agent.Degraded, "state 191"},
		{"8", agent.Healthy, ""},
		{"7", agent.Failed, "it is not running: state 7"},
		{"100", agent.Failed, "took longer than 1s"},
		{"1", agent.Failed, "state 1"},
		{"9", agent.Failed, "has failed"},
		{"0", agent.Healthy, ""},
	} {
		set(step.code)
		// What failed is said again each time, so an old answer may come first.
		var o agent.Observation
		for range 4 {
			if o = w.next(t, 10*time.Second); o.Kind == step.kind && strings.Contains(o.Message, step.want) {
				break
			}
		}
		if o.Kind != step.kind || !strings.Contains(o.Message, step.want) {
			t.Fatalf("with %s: observed %+v", step.code, o)
		}
	}
}

func TestEndOfAProcess(t *testing.T) {
	h := scripted(t, map[string]string{
		// A helper that ends by itself, and a service whose master's death leaves its worker behind.
		"svc": `case $1 in
start) sleep 0.3 & setsid sh -c 'sleep 1001 & echo $$ >$0; wait' $OCF_RESKEY_file & while [ ! -s $OCF_RESKEY_file ]; do :; done;;
monitor) kill -0 $(cat $OCF_RESKEY_file) 2>/dev/null || exit 7;;
esac`,
	})
	c := h.call(t, "ocf:test:svc", "s", "file", filepath.Join(openDir(t), "pid"))
	c.Resource.ThoroughProbeInterval = 0 // nothing but the kernel
	h.must(t, c, start)
	w := h.watch(t, c)
	within(t, 10*time.Second, "the helper ends", func() bool {
		pids, err := h.launcher.Processes(agent.Ref{Group: "g", Resource: "s"})
		return err == nil && len(pids) == 2
	})
	began := time.Now()
	kill(t, h.pidOf(t, c, "sh"))
	o := w.expect(t, 5*time.Second, agent.Dead)
	t.Logf("%v after the kill: %s", time.Since(began).Round(time.Millisecond), o.Message)
	if took := time.Since(began); took > 900*time.Millisecond || !strings.Contains(o.Message, "has ended; monitor: exit status 7") {
		t.Errorf("%+v", o)
	}
}

// TestContract is the test that all drivers pass.
func TestContract(t *testing.T) {
	const service = `pid=$OCF_RESKEY_file
running() { [ -s $pid ] && kill -0 $(cat $pid) 2>/dev/null; }
case $1 in
start) running && exit 0
	rm -f $pid; [ $OCF_RESKEY_plain != floods ] || head -c 100000000 /dev/zero | tr '\0' x
	setsid sh -c 'echo $$ >'$pid'.new; mv '$pid'.new '$pid'; [ '$OCF_RESKEY_plain' != stubborn ] || trap "" TERM INT HUP; while :; do echo tick; sleep 0.5; done' &
	while ! running; do sleep 0.01; done;;
stop) running || exit 0
	kill -9 -$(cat $pid); while running; do sleep 0.01; done;;
monitor) running || exit 7;;
esac`
	scripts := map[string]string{
		"service": service,
		"hang":    `trap "" TERM INT; setsid sh -c 'trap "" TERM INT; while :; do sleep 100; done' & while :; do sleep 100; done`,
		"fail":    `[ $1 = stop ] && exit 0; echo "ocf-exit-reason:` + agenttest.FailWord + `" >&2; exit 1`,
	}
	agenttest.Run(t, func(t *testing.T) (agent.Driver, agenttest.Env) {
		h := scripted(t, scripts)
		file := filepath.Join(openDir(t), "pid")
		make := func(agentName, how string) func(*testing.T) agent.Call {
			return func(t *testing.T) agent.Call {
				typ, err := h.Describe(t.Context(), cluster.TypeName("ocf:test:"+agentName))
				if err != nil {
					t.Fatal(err)
				}
				return agenttest.Resource(typ, "rs", model.Property{Name: "file", Values: []string{file}}, model.Property{Name: "plain", Values: []string{how}})
			}
		}
		pids := func(c agent.Call) []int {
			p, err := h.launcher.Processes(agent.Ref{Group: "g", Resource: c.Resource.Name})
			if err != nil {
				t.Error(err)
			}
			return p
		}
		return h.Driver, agenttest.Env{
			Calls: map[agenttest.Behaviour]func(*testing.T) agent.Call{
				agenttest.Serves: make("service", "serves"), agenttest.Stubborn: make("service", "stubborn"), agenttest.Floods: make("service", "floods"),
				agenttest.StartHang: make("hang", "x"), agenttest.StartFail: make("fail", "x"),
			},
			Processes: func(c agent.Call) int { return len(pids(c)) },
			Kill: func(c agent.Call) {
				for _, pid := range pids(c) {
					kill(t, pid)
				}
			},
			Undeclared: model.MethodPrenetStart,
		}
	})
}
