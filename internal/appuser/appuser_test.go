package appuser_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"redoubt/internal/appuser"
	"redoubt/internal/cli"
)

const stranger = 64124

// TestMain plays the program redoubt.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && slices.Contains([]string{"run-as", "scha_check_app_user"}, os.Args[1]) {
		env := cli.OS()
		env.Extra = []func(cli.Env) *cobra.Command{appuser.Check, appuser.RunAs}
		os.Exit(cli.Main(context.Background(), os.Args, env))
	}
	os.Exit(m.Run())
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// world is a daemon that knows one resource, "db", and programs in directories of root's.
type world struct {
	dir, socket string
	says        atomic.Pointer[saying]
}

// saying is what the cluster says: its resource_security, and the Application_user of db.
type saying struct{ level, user string }

func newWorld(t *testing.T) *world {
	t.Helper()
	dir, err := os.MkdirTemp("/var/lib", "rdt-user-")
	ok(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	ok(t, os.Chmod(dir, 0o755))
	w := &world{dir: dir, socket: filepath.Join(dir, "s")}
	w.says.Store(&saying{level: "SECURE"})
	l, err := net.Listen("unix", w.socket)
	ok(t, err)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/scha_cluster_get/call", func(rw http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(rw).Encode([]string{w.says.Load().level})
	})
	mux.HandleFunc("GET /v1/scha_resource_get/call", func(rw http.ResponseWriter, r *http.Request) {
		if r.FormValue("operation") != "APPLICATION_USER" || r.FormValue("resource") != "db" {
			rw.WriteHeader(http.StatusNotFound)
			_ = json.NewEncoder(rw).Encode(map[string]string{"code": "notfound", "message": "there is no such resource"})
			return
		}
		_ = json.NewEncoder(rw).Encode([]string{w.says.Load().user})
	})
	s := &http.Server{Handler: mux}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { s.Close() })
	return w
}

func (w *world) program(t *testing.T, name, text string, uid int, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(w.dir, name)
	ok(t, os.WriteFile(path, []byte(text), 0o600))
	ok(t, os.Chown(path, uid, uid))
	ok(t, os.Chmod(path, mode))
	return path
}

// run runs redoubt and gives its standard output, standard error and exit status.
func (w *world) run(t *testing.T, args ...string) (string, string, int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", args...)
	cmd.Env = []string{"REDOUBT_SOCKET=" + w.socket, "PATH=/usr/bin:/bin:" + w.dir, "LD_PRELOAD=", "SECRET=hidden", "TZ=UTC", "HAND=on"}
	leak, err := os.Open("/etc/passwd")
	ok(t, err)
	defer leak.Close()
	cmd.ExtraFiles = []*os.File{leak}
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()
}

// TestCheckAppUser is the contract of scha_check_app_user: the user on standard output and nothing else, all else on standard error, the exit status.
func TestCheckAppUser(t *testing.T) {
	w := newWorld(t)
	roots := w.program(t, "roots", "#!/bin/sh\n", 0, 0o755)
	mine := w.program(t, "mine", "#!/bin/sh\n", stranger, 0o755)
	open := w.program(t, "open", "#!/bin/sh\n", 0, 0o757)
	for _, c := range []struct {
		level, user string
		args        []string
		want        string
		fails       bool
		says        string
	}{
		{"SECURE", "", []string{"-R", "db", roots}, "root", false, ""},
		{"SECURE", "nobody", []string{"-R", "db", roots}, "nobody", false, ""},
		{"SECURE", "nobody", []string{"-R", "db", "-U", "daemon", roots}, "daemon", false, ""},
		{"SECURE", "", []string{"-U", "daemon", roots}, "daemon", false, ""},
		{"SECURE", "", []string{mine}, "64124", false, ""},
		{"SECURE", "nobody", []string{"-R", "db", mine}, "", true, "64124"},
		{"SECURE", "root", []string{"-R", "db", mine}, "", true, "as root"},
		{"SECURE", "", []string{open}, "", true, "chmod go-w " + open},
		{"WARN", "", []string{open}, "root", false, "chmod go-w " + open},
		{"WARN", "root", []string{"-R", "db", mine}, "", true, "as root"},
		{"OVERRIDE", "nobody", []string{"-R", "db", mine}, "64124", false, "ignored"},
		{"COMPATIBILITY", "nobody", []string{"-R", "db", mine}, "root", false, "ignored"},
		{"SECURE", "", []string{"-R", "other", roots}, "", true, "no such resource"},
		{"SECURE", "", []string{"-Z", "zc", roots}, "", true, "zone cluster"},
		{"SECURE", "", []string{"relative"}, "", true, "absolute"},
		{"SECURE", "", nil, "", true, "operand"},
	} {
		w.says.Store(&saying{c.level, c.user})
		out, complaint, status := w.run(t, append([]string{"scha_check_app_user"}, c.args...)...)
		want := c.want
		if want != "" {
			want += "\n"
		}
		if out != want || (status != 0) != c.fails || !strings.Contains(complaint, c.says) || c.says == "" && complaint != "" {
			t.Errorf("%s, Application_user %q, %q: stdout %q, stderr %q, status %d", c.level, c.user, c.args, out, complaint, status)
		}
	}
}

const show = `#!/bin/sh
cat /proc/self/status; echo "environment $(env | sort | tr '\n' '|')"; echo "files $(ls /proc/$$/fd | tr '\n' ' ')"; echo "args $*"; umask; pwd
`

func TestRunAs(t *testing.T) {
	w := newWorld(t)
	mine := w.program(t, "mine", show, stranger, 0o755)
	out, complaint, status := w.run(t, "run-as", "-e", "X=y", "-e", "HAND", "-m", "027", "-d", "/tmp", mine, "a", "-U", "b")
	if status != 0 {
		t.Fatalf("status %d: %s", status, complaint)
	}
	for _, want := range []string{
		"\nUid:\t64124\t64124\t64124\t64124", "\nGid:\t64124\t64124\t64124\t64124", "\nGroups:\t64124 \n", "\nNoNewPrivs:\t1", "\nCapPrm:\t0000000000000000", "\nCapBnd:\t0000000000000000",
		"environment HAND=on|HOME=/|LOGNAME=64124|", "|TZ=UTC|", "|X=y|", "|REDOUBT_SOCKET=", "args a -U b\n", "0027\n", "/tmp\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q", want)
		}
	}
	if strings.Contains(out, "SECRET") || strings.Contains(out, "LD_PRELOAD") {
		t.Error("the environment is not cleared")
	}
	if strings.Contains(out, "files 0 1 2 3 ") {
		t.Error("a descriptor was handed on")
	}
	if t.Failed() {
		t.Log(out)
	}
	roots := w.program(t, "roots", "#!/bin/sh\nid -u; grep NoNew /proc/self/status\n", 0, 0o755)
	if out, complaint, status := w.run(t, "run-as", roots); status != 0 || !strings.HasPrefix(out, "0\n") {
		t.Errorf("a program of root's: %q, %q, %d", out, complaint, status)
	}
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"-U", "root", mine}, "as root"}, {[]string{"-R", "db", mine}, "does not run for resource db"}, {[]string{"-m", "9", mine}, "mask"}, {nil, "program"},
		{[]string{"-d", "/nonexistent", mine}, "/nonexistent"},
	} {
		if out, complaint, status := w.run(t, append([]string{"run-as"}, c.args...)...); status == 0 || out != "" || !strings.Contains(complaint, c.says) {
			t.Errorf("%q: stdout %q, stderr %q, status %d", c.args, out, complaint, status)
		}
	}
}

// TestRunAsStaysInTheCgroup: -R works where the resource's processes are, and only there.
func TestRunAsStaysInTheCgroup(t *testing.T) {
	w := newWorld(t)
	w.says.Store(&saying{"SECURE", "nobody"})
	roots := w.program(t, "roots", "#!/bin/sh\ncat /proc/self/cgroup; id -u\n", 0, 0o755)
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	ok(t, err)
	root := ""
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, " - cgroup2 ") {
			root = strings.Fields(line)[4]
		}
	}
	group := filepath.Join(root, filepath.Base(w.dir))
	place := filepath.Join(group, "rg-g", "rs-db", "Start-1")
	ok(t, os.MkdirAll(place, 0o755))
	t.Cleanup(func() {
		for d := place; len(d) >= len(group); d = filepath.Dir(d) {
			if err := os.Remove(d); err != nil && !errors.Is(err, unix.ENOENT) {
				t.Error(err)
			}
		}
	})
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", "echo $$ >"+place+"/cgroup.procs && exec \"$@\"", "sh", "/proc/self/exe", "run-as", "-R", "db", roots)
	self, err := os.Executable()
	ok(t, err)
	cmd.Args[4] = self
	cmd.Env = []string{"REDOUBT_SOCKET=" + w.socket, "PATH=/usr/bin:/bin"}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "/rg-g/rs-db/Start-1") || !strings.HasSuffix(string(out), "65534\n") {
		t.Errorf("%v: %s", err, out)
	}
}
