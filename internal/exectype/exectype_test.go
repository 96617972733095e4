package exectype_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"redoubt/internal/agent"
	"redoubt/internal/agent/agenttest"
	"redoubt/internal/cluster"
	"redoubt/internal/exectype"
	"redoubt/internal/fault"
	"redoubt/internal/launch"
	"redoubt/internal/proc"
	"redoubt/internal/rgm/model"
)

// TestMain lets the test binary start the programs of resources.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == launch.Word {
		os.Exit(launch.Main(os.Args[2:]))
	}
	os.Exit(m.Run())
}

// node is a driver with type directories of its own and a cgroup to run methods in.
type node struct {
	*exectype.Driver
	dirs   []string
	cgroup string
}

func newNode(t *testing.T) *node {
	t.Helper()
	b, err := os.ReadFile("/proc/self/mountinfo")
	ok(t, err)
	root, err := proc.Mountpoint(string(b))
	ok(t, err)
	n := &node{dirs: []string{t.TempDir(), t.TempDir()}}
	n.cgroup, err = os.MkdirTemp(root, "redoubt-exec-")
	ok(t, err)
	log := slog.New(slog.DiscardHandler)
	l, err := proc.New(proc.Config{Cgroup: n.cgroup, RunDir: t.TempDir(), Log: log})
	ok(t, err)
	t.Cleanup(func() {
		ok(t, os.WriteFile(filepath.Join(n.cgroup, "cgroup.kill"), []byte("1"), 0))
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for deadline := time.Now().Add(10 * time.Second); ; <-tick.C {
			removeTree(n.cgroup)
			if _, err := os.Stat(n.cgroup); errors.Is(err, os.ErrNotExist) {
				break
			}
			if time.Now().After(deadline) {
				t.Error("the cgroup can not be removed")
				break
			}
		}
		l.Close()
	})
	n.Driver = exectype.New(exectype.Config{Launcher: l, Log: log, TypeDirs: n.dirs, ToolDir: "/run/tools", Socket: "/run/api.sock"})
	return n
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func removeTree(dir string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if e.IsDir() {
			removeTree(filepath.Join(dir, e.Name()))
		}
	}
	os.Remove(dir)
}

const registration = `name: acme.web
methods:
  Validate: {program: method, timeout: 5}
  Start: {program: bin/start, timeout: 7}
  Stop: {program: bin/stop}
watch: processes
properties:
  - {name: Color, type: string, default: red}
  - {name: Size, type: int, default: 1, per_node: true}
  - {name: Password, type: string, secret: true}
`

// install makes a type of shell scripts.
func (n *node) install(t *testing.T, dir int, yaml string, scripts map[string]string) string {
	t.Helper()
	folder := filepath.Join(n.dirs[dir], "acme.web")
	ok(t, os.MkdirAll(filepath.Join(folder, "bin"), 0o755))
	ok(t, os.WriteFile(filepath.Join(folder, "type.yaml"), []byte(yaml), 0o644))
	for name, script := range scripts {
		ok(t, os.WriteFile(filepath.Join(folder, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755))
	}
	return folder
}

func (n *node) call(t *testing.T) agent.Call {
	t.Helper()
	typ, err := n.Describe(t.Context(), "acme.web")
	ok(t, err)
	c := agenttest.Resource(typ, "web")
	c.Timeout = 10 * time.Second
	return c
}

func (n *node) pids(call agent.Call) (pids []int) {
	files, _ := filepath.Glob(filepath.Join(n.cgroup, "rg-g", "rs-"+string(call.Resource.Name)+"*", "*", "cgroup.procs"))
	for _, f := range files {
		b, _ := os.ReadFile(f)
		for _, s := range strings.Fields(string(b)) {
			if pid, err := strconv.Atoi(s); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

func TestConformance(t *testing.T) {
	const deaf = `trap "" HUP INT QUIT TERM; `
	const loop = `while :; do echo alive; sleep 0.05; done`
	serve := `set -e; p=$0.pid; [ -e $p ] && kill -0 $(cat $p) 2>/dev/null && exit 0; (` + loop + `) & echo $! >$p`
	start := map[agenttest.Behaviour]string{
		agenttest.Serves:    serve,
		agenttest.StartHang: deaf + `setsid sh -c '` + deaf + loop + `' & while :; do sleep 1; done`,
		agenttest.StartFail: `echo ` + agenttest.FailWord + `; echo; exit 3`,
		agenttest.Floods:    `head -c 100000000 /dev/zero | tr '\0' 'x'; ` + serve,
	}
	stop := `p=${0%stop}start.pid; [ -e $p ] || exit 0; kill -9 $(cat $p); while kill -0 $(cat $p) 2>/dev/null; do sleep 0.01; done
		rm $p; for f in $(sed -n 's/^0:://p' /proc/self/cgroup); do :; done; exit 0`
	agenttest.Run(t, func(t *testing.T) (agent.Driver, agenttest.Env) {
		n := newNode(t)
		env := agenttest.Env{
			Calls:      map[agenttest.Behaviour]func(*testing.T) agent.Call{},
			Processes:  func(call agent.Call) int { return settled(n, call) },
			Undeclared: model.MethodMonitorCheck,
			Kill: func(call agent.Call) {
				for _, pid := range n.pids(call) {
					_ = syscall.Kill(pid, syscall.SIGKILL)
				}
			},
		}
		for b, script := range start {
			env.Calls[b] = func(t *testing.T) agent.Call {
				n.install(t, 0, registration, map[string]string{"method": "exit 0", "bin/start": script, "bin/stop": stop})
				return n.call(t)
			}
		}
		return n, env
	})
}

// settled counts without the sleep that a killed loop leaves for a moment.
func settled(n *node, call agent.Call) int {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	pids := n.pids(call)
	for range 5 {
		if len(pids) != 1 {
			break
		}
		<-tick.C
		pids = n.pids(call)
	}
	return min(len(pids), 1)
}

func TestArgumentsAndEnvironment(t *testing.T) {
	n := newNode(t)
	dump := `for a; do echo "$a"; done >$0.args; env | grep -v -e ^PWD= -e ^OLDPWD= -e ^_= -e ^SHLVL= | sort >$0.env`
	folder := n.install(t, 1, registration, map[string]string{"method": dump, "bin/start": dump, "bin/stop": dump})
	call := n.call(t)
	read := func(name string) []string {
		b, err := os.ReadFile(filepath.Join(folder, name))
		ok(t, err)
		return strings.Split(strings.TrimSpace(string(b)), "\n")
	}
	run := func(call agent.Call, m model.Method) {
		t.Helper()
		call.Method = m
		if r := n.Run(t.Context(), call); !r.OK() {
			t.Fatalf("%s: %+v", m, r)
		}
	}
	run(call, model.MethodStart)
	base := []string{"-R", "web", "-T", "acme.web", "-G", "g"}
	if diff := cmp.Diff(base, read("bin/start.args")); diff != "" {
		t.Errorf("arguments of Start (-want +got):\n%s", diff)
	}
	env := []string{
		"HOME=/", "LC_ALL=C", "PATH=/run/tools:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "REDOUBT_GROUP=g", "REDOUBT_METHOD=Start",
		"REDOUBT_NODE=n1", "REDOUBT_RESOURCE=web", "REDOUBT_SOCKET=/run/api.sock", "REDOUBT_TYPE=acme.web",
	}
	if diff := cmp.Diff(env, read("bin/start.env")); diff != "" {
		t.Errorf("environment of Start (-want +got):\n%s", diff)
	}
	call.Changes = []model.Property{
		{Name: "color", Values: []string{"blue sky"}}, {Name: "Size", Values: []string{"3"}, Node: "n2"}, {Name: "retry_count", Values: []string{"5"}},
		{Name: "Start_timeout", Values: []string{"9"}}, {Name: "Nodelist", Values: []string{"n1", "n2"}}, {Name: "Password", Values: []string{"xyzzy"}},
	}
	run(call, model.MethodValidate)
	want := append(append([]string{}, base...), "-u", "-x", "color=blue sky", "-X", "Size{n2}=3", "-r", "retry_count=5", "-r", "Start_timeout=9", "-g", "Nodelist=n1,n2")
	if diff := cmp.Diff(want, read("method.args")); diff != "" {
		t.Errorf("arguments of Validate on an update (-want +got):\n%s", diff)
	}
	call.Changes, call.Create = nil, true
	call.Resource.Properties = []model.Property{{Name: "Color", Values: []string{"red"}}, {Name: "Port_list", Values: []string{"80/tcp", "443/tcp"}}, {Name: "Password", Values: []string{"xyzzy"}}}
	call.Resource.Dependencies = []model.Dependency{{On: "ip", Kind: model.DependStrong}, {On: "fs", Kind: model.DependStrong, Qualifier: "LOCAL_NODE"}}
	run(call, model.MethodValidate)
	got := strings.Join(read("method.args"), " ")
	for _, part := range []string{" -c ", "-x Color=red", "-r Port_list=80/tcp,443/tcp", "-r Retry_count=2", "-r Resource_dependencies=ip,fs{LOCAL_NODE}", "-r Start_timeout=7", "-r Stop_timeout=3600", "-g Nodelist=n1", "-g Failback=FALSE"} {
		if !strings.Contains(got, part) {
			t.Errorf("arguments of Validate on creation have no %q: %s", part, got)
		}
	}
	if strings.Contains(got, "xyzzy") {
		t.Errorf("a secret is among the arguments: %s", got)
	}
}

func TestFaultsNameTypeMethodAndFile(t *testing.T) {
	n := newNode(t)
	folder := n.install(t, 0, registration, map[string]string{"method": "exit 0", "bin/start": "echo oh; echo; exit 4", "bin/stop": "exit 6"})
	call := n.call(t)
	for m, want := range map[model.Method]string{model.MethodStart: "oh", model.MethodStop: "exit status 6"} {
		call.Method = m
		if r := n.Run(t.Context(), call); r.OK() || r.Message != want {
			t.Errorf("%s: got %+v, want message %q", m, r, want)
		}
	}
	ok(t, os.Chmod(filepath.Join(folder, "bin/start"), 0o644))
	ok(t, os.Remove(filepath.Join(folder, "bin/stop")))
	for m, words := range map[model.Method][]string{
		model.MethodStart: {"acme.web", "Start", folder + "/bin/start", "not executable"}, model.MethodStop: {"acme.web", "Stop", folder + "/bin/stop", "does not exist"},
	} {
		call.Method = m
		r := n.Run(t.Context(), call)
		for _, w := range words {
			if r.OK() || !strings.Contains(r.Message, w) {
				t.Errorf("%s: got %+v, want a message with %q", m, r, w)
			}
		}
	}
	_, err := n.Describe(t.Context(), "acme.web")
	for _, w := range []string{"bin/start", "bin/stop"} {
		if err == nil || !strings.Contains(err.Error(), w) {
			t.Errorf("Describe: %v, want every fault at once, also %s", err, w)
		}
	}
	ok(t, os.WriteFile(filepath.Join(folder, "bin/stop"), []byte("no program"), 0o755))
	ok(t, os.Chmod(filepath.Join(folder, "bin/start"), 0o755))
	call.Method = model.MethodStop
	if r := n.Run(t.Context(), call); r.OK() || !strings.Contains(r.Message, "bin/stop") {
		t.Errorf("a file that is no program: %+v", r)
	}
}

func TestDescribe(t *testing.T) {
	n := newNode(t)
	scripts := map[string]string{"method": "", "bin/start": "", "bin/stop": ""}
	second := n.install(t, 1, registration, scripts)
	typ, err := n.Describe(t.Context(), "acme.web")
	ok(t, err)
	if typ.Driver != "exec" || typ.BaseDir != second || typ.Watch != model.WatchProcesses || len(typ.Properties) != 3 {
		t.Errorf("got %+v", typ)
	}
	first := n.install(t, 0, registration, scripts)
	if typ, err = n.Describe(t.Context(), "acme.web"); err != nil || typ.BaseDir != first {
		t.Errorf("the first directory does not win: %s, %v", typ.BaseDir, err)
	}
	for _, given := range []string{second, second + "/type.yaml", second + "/"} {
		if typ, err = n.DescribeFolder(t.Context(), "", given); err != nil || typ.BaseDir != second {
			t.Errorf("%s: %s, %v", given, typ.BaseDir, err)
		}
	}
	if _, err = n.DescribeFolder(t.Context(), "acme.db", second); !fault.Is(err, fault.Invalid) {
		t.Errorf("wrong name: %v", err)
	}
	for _, name := range []cluster.TypeName{"../acme.web", "ocf:a:b", "", "nothing"} {
		if _, err := n.Describe(t.Context(), name); !fault.Is(err, fault.NotFound) {
			t.Errorf("%q: %v", name, err)
		}
	}
	n.install(t, 0, registration+"surprise: 1\n", scripts)
	if _, err := n.Describe(t.Context(), "acme.web"); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "type.yaml:11") {
		t.Errorf("a registration with a fault: %v", err)
	}
}

func TestWatchLeavesMonitorsAlone(t *testing.T) {
	n := newNode(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	for _, typ := range []model.Type{{}, {Watch: model.WatchProcesses, Methods: []model.MethodSpec{{Method: model.MethodMonitorStart}}}} {
		n.Watch(ctx, agenttest.Resource(typ, "web"), func(o agent.Observation) { t.Errorf("reported %+v", o) })
	}
	if ctx.Err() != nil {
		t.Error("Watch did not return at once")
	}
}
