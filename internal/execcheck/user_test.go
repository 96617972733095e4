package execcheck_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"redoubt/internal/agent"
	"redoubt/internal/execcheck"
	"redoubt/internal/rgm/execsec"
	"redoubt/internal/rgm/model"
)

// service is a resource with an Application_user.
func service(user string) agent.Call {
	return agent.Call{Resource: model.Resource{Name: "web", Group: "g", ApplicationUser: user}}
}

func TestChooseUserLooksAtTheProgram(t *testing.T) {
	h := newHost(t)
	mine := h.put(t, "bin/mine", "#!/bin/sh\n", 0o755)
	roots := h.put(t, "bin/roots", "#!/bin/sh\n", 0o755)
	ok(t, os.Chown(mine, stranger, stranger))
	for _, c := range []struct {
		path, configured string
		want             int
		fails            string
	}{
		{mine, "", stranger, ""}, {roots, "", 0, ""}, {roots, "65534", 65534, ""}, {roots, "nobody", 65534, ""}, {mine, "nobody", 0, "chown root"}, {mine, "root", 0, "as root"},
		{roots, "no such user", 0, "no name"}, {roots, "rdt-nosuch", 0, "no user"}, {h.path("bin/none"), "", 0, "no such file"},
	} {
		u, _, err := execcheck.ChooseUser(execcheck.Question{Level: execsec.Secure, Path: c.path, Configured: c.configured})
		switch {
		case c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails)):
			t.Errorf("%s as %q: %+v, %v; want an error with %q", c.path, c.configured, u, err, c.fails)
		case c.fails == "" && (err != nil || u.UID != c.want):
			t.Errorf("%s as %q: %+v, %v; want user %d", c.path, c.configured, u, err, c.want)
		}
	}
}

// TestCommandsRunAsTheUser runs what a property says behind the launcher, and reads from the kernel what the program has become.
func TestCommandsRunAsTheUser(t *testing.T) {
	h := newHost(t)
	l := launcher(t, h)
	show := h.put(t, "bin/show", `#!/bin/sh
cat /proc/self/status; echo "environment $(env | sort | tr '\n' '|')"; echo "files $(ls /proc/$$/fd | tr '\n' ' ')"; cat /proc/self/cgroup
echo "umask $(umask)"; echo "limit $(ulimit -n)"; echo to stderr >/dev/stderr; [ -u /bin/su ] && su root -c id </dev/null; chmod 755 `+h.dir+` || echo powerless
(echo $$ > /sys/fs/cgroup/unified/cgroup.procs) 2>/dev/null || echo stays
`, 0o755)
	ok(t, os.Chown(show, stranger, stranger))
	u, err := h.AppUser(service(""), "exec "+show, []string{"PATH=/usr/bin:/bin"})
	ok(t, err)
	if u == nil || u.UID != stranger {
		t.Fatalf("the owner is not chosen: %+v", u)
	}
	u.Groups = append(u.Groups, 64200, 0)
	out := l.Run(t.Context(), agent.Program{
		Ref: agent.Ref{Group: "g", Resource: "web"}, Label: "Start", Path: "/bin/sh", Args: []string{"-c", "exec " + show}, Env: []string{"PATH=/usr/bin:/bin", "A=b"}, User: u, Timeout: 10 * time.Second,
	})
	if out.Err != nil {
		t.Fatal(out.Err)
	}
	id := fmt.Sprintf("\t%[1]d\t%[1]d\t%[1]d\t%[1]d", stranger)
	for _, want := range []string{
		"\nUid:" + id, "\nGid:" + id, "\nGroups:\t64123 64200 \n", "\nNoNewPrivs:\t1\n", "\nCapInh:\t0000000000000000", "\nCapPrm:\t0000000000000000", "\nCapEff:\t0000000000000000",
		"\nCapBnd:\t0000000000000000", "\nCapAmb:\t0000000000000000", "environment A=b|", "rg-g/rs-web/Start-", "umask 0022", "to stderr", "powerless", "stays",
	} {
		if !strings.Contains(out.Output, want) {
			t.Errorf("no %q", want)
		}
	}
	plain, err := exec.Command("/bin/sh", "-c", "ulimit -n").Output()
	ok(t, err)
	if want := "limit " + string(plain); !strings.Contains(out.Output, want) {
		t.Errorf("the limits have changed: no %q", want)
	}
	if strings.Contains(out.Output, "uid=0") {
		t.Error("it became root")
	}
	if t.Failed() {
		t.Log(out.Output)
	}
}

func TestCommandsThatWouldLetAnotherBeRoot(t *testing.T) {
	h := newHost(t)
	mine := h.put(t, "bin/mine", "#!/bin/sh\n", 0o755)
	ok(t, os.Chown(mine, stranger, stranger))
	env := []string{"PATH=/usr/bin:/bin"}
	for command, want := range map[string]string{
		"sleep 1; " + mine: "belongs to user", "sh " + mine: "belongs to user", "cd /tmp && ./x": "from the root", mine + "; sleep 1": "", "sleep 1": "root", "exit 0": "root", "cd /; exec sleep 1": "root",
	} {
		u, err := h.AppUser(service(""), command, env)
		switch {
		case want == "root" && (err != nil || u != nil):
			t.Errorf("%q: %+v, %v; want root", command, u, err)
		case want == "" && (err != nil || u == nil || u.UID != stranger):
			t.Errorf("%q: %+v, %v; want its owner", command, u, err)
		case want != "" && want != "root" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: %+v, %v; want an error with %q", command, u, err, want)
		}
	}
	h.level = execsec.Compatibility
	if u, err := h.AppUser(service("nobody"), "sleep 1; "+mine, env); err != nil || u != nil {
		t.Errorf("COMPATIBILITY: %+v, %v; want root", u, err)
	}
	h.level = execsec.Override
	if u, err := h.AppUser(service("nobody"), mine, env); err != nil || u == nil || u.UID != stranger {
		t.Errorf("OVERRIDE: %+v, %v; want the owner", u, err)
	}
}
