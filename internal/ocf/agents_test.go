package ocf_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"redoubt/internal/agent"
	"redoubt/internal/cluster"
	"redoubt/internal/ocf"
	"redoubt/internal/rgm/model"
)

const (
	start    = model.MethodStart
	stop     = model.MethodStop
	validate = model.MethodValidate
)

// life takes a resource through everything: twice up, watched, its leading process killed, twice down.
func life(t *testing.T, h *host, c agent.Call, process string) {
	t.Helper()
	h.must(t, c, validate, start, start)
	if got := h.status(t, c); got != 0 {
		t.Fatalf("monitor after start: exit status %d", got)
	}
	w := h.watch(t, c)
	w.expect(t, 10*time.Second, agent.Healthy)
	if process != "" {
		pid := h.pidOf(t, c, process)
		killed := time.Now()
		kill(t, pid)
		o := w.next(t, 10*time.Second)
		t.Logf("%s %v after the kill: %s", o.Kind, time.Since(killed).Round(time.Millisecond), o.Message)
		if o.Kind != agent.Dead || !strings.Contains(o.Message, process) {
			t.Errorf("observed %+v, want Dead and %s", o, process)
		}
	}
	w.stop()
	h.must(t, c, stop)
	if err := h.End(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	h.must(t, c, stop)
	if got := h.status(t, c); got != 7 {
		t.Errorf("monitor after stop: exit status %d, want 7", got)
	}
}

func kill(t *testing.T, pid int) {
	t.Helper()
	p, err := os.FindProcess(pid)
	if err == nil {
		err = p.Kill()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return name
}

// openDir is a directory that the users of services can reach.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "rdtocf")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestEveryInstalledAgentIsAType(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil)
	paths, err := filepath.Glob("/usr/lib/ocf/resource.d/*/*")
	if err != nil {
		t.Fatal(err)
	}
	described := 0
	for _, p := range paths {
		info, err := os.Stat(p)
		if err != nil || !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
			continue
		}
		name := cluster.TypeName("ocf:" + filepath.Base(filepath.Dir(p)) + ":" + filepath.Base(p))
		typ, err := h.Describe(t.Context(), name)
		if err != nil {
			t.Error(err)
			continue
		}
		described++
		for _, m := range []model.Method{start, stop} {
			if s, ok := typ.Method(m); !ok || s.Timeout <= 0 {
				t.Errorf("%s: %s has timeout %d", name, m, s.Timeout)
			}
		}
		if promotable := slices.Contains([]string{"redis", "pgsql", "Stateful"}, filepath.Base(p)); promotable && (typ.Caveat == "" || !typ.Failover) || filepath.Base(p) == "nginx" && typ.Caveat != "" {
			t.Errorf("%s: failover %v, caveat %q", name, typ.Failover, typ.Caveat)
		}
		elsewhere, known := map[string]bool{"VirtualDomain": true, "docker": true, "nfsserver": true, "LVM-activate": true, "iSCSITarget": true, "nginx": false, "redis": false, "Filesystem": false, "IPaddr2": false}[filepath.Base(p)]
		if warned := strings.Contains(typ.Caveat, "fence agent"); known && warned != elsewhere {
			t.Errorf("%s: caveat %q", name, typ.Caveat)
		}
		if typ.Description == "" || typ.Version == "" || typ.BaseDir != filepath.Dir(p) {
			t.Errorf("%s: %+v", name, typ)
		}
	}
	if described < 100 {
		t.Errorf("%d agents are described: is Debian's package resource-agents installed?", described)
	}
}

func TestDummy(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil)
	one, two := h.call(t, "ocf:heartbeat:Dummy", "one"), h.call(t, "ocf:heartbeat:Dummy", "two")
	life(t, h, one, "")
	// Each has its own state file although the meta-data shows one default for both.
	h.must(t, one, start)
	if got := h.status(t, two); got != 7 {
		t.Errorf("monitor of two while one runs: exit status %d", got)
	}
}

func TestApache(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	conf := write(t, filepath.Join(dir, "apache.conf"), `ServerRoot `+dir+`
ServerName ocftest
PidFile /run/apache2-test.pid
Listen 127.0.0.1:8082
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule status_module /usr/lib/apache2/modules/mod_status.so
User www-data
Group www-data
ErrorLog /var/log/apache2/error.log
DocumentRoot `+dir+`
<Location /server-status>
  SetHandler server-status
</Location>
`)
	h := newHost(t, nil)
	// testregex keeps its default: what the meta-data shows of it is no regular expression that would match.
	life(t, h, h.call(t, "ocf:heartbeat:apache", "web", "configfile", conf, "httpd", "/usr/sbin/apache2", "statusurl", "http://127.0.0.1:8082/server-status"), "apache2")
}

func TestNginx(t *testing.T) {
	t.Parallel()
	conf := write(t, filepath.Join(t.TempDir(), "nginx.conf"), `error_log /var/log/nginx/e.log;
events{}
pid /run/nginx-test.pid;
http{ access_log off; server{ listen 127.0.0.1:8081; location / { return 200 "ok nginx\n"; } } }
`)
	h := newHost(t, nil)
	life(t, h, h.call(t, "ocf:heartbeat:nginx", "web", "configfile", conf, "httpd", "/usr/sbin/nginx", "status10url", "http://127.0.0.1:8081/"), "nginx")
}

// TestHangingStart is nginx as the agent hangs with it: the daemon inherits the pipe that the agent reads to its end.
func TestHangingStart(t *testing.T) {
	t.Parallel()
	conf := write(t, filepath.Join(t.TempDir(), "nginx.conf"), "events{}\npid /run/nginx-hang.pid;\nhttp{ access_log off; server{ listen 127.0.0.1:8083; } }\n")
	h := newHost(t, nil)
	c := h.call(t, "ocf:heartbeat:nginx", "hang", "configfile", conf, "httpd", "/usr/sbin/nginx")
	c.Method, c.Timeout = start, 2*time.Second
	began := time.Now()
	r := h.Run(t.Context(), c)
	if !r.TimedOut || r.OK() || !strings.Contains(r.Message, "ocf:heartbeat:nginx took longer than 2s and was killed") || time.Since(began) > 5*time.Second {
		t.Fatalf("after %v: %+v", time.Since(began), r)
	}
	if pids, err := h.launcher.Processes(agent.Ref{Group: "g", Resource: "hang"}); err != nil || len(pids) != 0 {
		t.Errorf("left after the timeout: %v, %v", pids, err)
	}
	h.must(t, c, stop)
}

func TestRedis(t *testing.T) {
	t.Parallel()
	conf := write(t, filepath.Join(openDir(t), "redis.conf"), "bind 127.0.0.1\nport 6399\ndir /run/redis-test\ndaemonize yes\npidfile /run/redis-test/redis.pid\nunixsocket /run/redis-test/redis.sock\nlogfile /run/redis-test/log\nsave \"\"\n")
	tools := toolDir(t)
	h := newHost(t, func(c *ocf.Config) { c.ToolDir = tools })
	c := h.call(t, "ocf:heartbeat:redis", "cache", "config", conf, "rundir", "/run/redis-test", "pidfile_name", "redis.pid", "socket_name", "redis.sock", "port", "6399")
	life(t, h, c, "redis-server")
	// The agent asks for the node's name and keeps a score, and complains where it can not.
	r := h.do(t.Context(), c, start)
	if !r.OK() || strings.Contains(r.Output, "No such file") || strings.Contains(r.Output, "CIB") {
		t.Errorf("%+v", r)
	}
	if r := h.do(t.Context(), c, stop); !r.OK() || !strings.Contains(r.Output, "Deleted status attribute: name=master-cache") {
		t.Errorf("%+v", r)
	}
}

func TestPostgreSQL(t *testing.T) {
	t.Parallel()
	bins, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil || len(bins) == 0 {
		t.Fatal("PostgreSQL is not installed; run make install-deps")
	}
	bin := bins[len(bins)-1]
	dir := openDir(t)
	for _, words := range [][]string{
		{"chown", "postgres:postgres", dir},
		{"su", "postgres", "-s", "/bin/sh", "-c", bin + "/initdb --no-sync -A trust -D " + dir + "/data"},
	} {
		if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", words, err, out)
		}
	}
	h := newHost(t, nil)
	life(t, h, h.call(t, "ocf:heartbeat:pgsql", "db", "pgctl", bin+"/pg_ctl", "pgdata", dir+"/data", "logfile", dir+"/log", "pgport", "5439"), "postgres")
}
