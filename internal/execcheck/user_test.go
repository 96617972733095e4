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
	data := h.put(t, "bin/mine.conf", "x=y\n", 0o644)
	ok(t, os.Chown(data, stranger, stranger))
	home := h.path("home")
	ok(t, os.Mkdir(home, 0o755))
	ok(t, os.Chown(home, stranger, stranger))
	roots := h.put(t, "bin/roots.sh", "exit 0\n", 0o644)
	named := h.put(t, "bin/named", "#!/bin/sh\n", 0o755) // of a user with a name
	ok(t, os.Chown(named, 65534, 0))
	scripted := h.put(t, "bin/scripted", "#!"+mine+" -x\n", 0o755) // of root, but what runs it is not
	found := h.put(t, "bin/found", "#!/usr/bin/env -S A=b sh -c "+mine+"\n", 0o755)
	plain := h.put(t, "bin/plain", "#!/usr/bin/env -S -i sh -e\n", 0o755)
	nested := h.put(t, "bin/nested", "#!"+scripted+"\n", 0o755)
	const refused, owner, root = "belongs to user", "owner", "root"
	for _, level := range []execsec.Level{execsec.Secure, execsec.Warn} {
		h.level = level
		for command, want := range map[string]string{
			// Another user's program that root would run, in whichever place it stands.
			"sleep 1; " + mine: refused, "sh " + mine: refused, "sh -c '" + mine + "'": refused, "bash -ec 'cd /; exec \"" + mine + "\" x'": refused, "sleep 1 | xargs " + mine: refused,
			"find / -exec " + mine + " ;": refused, "sleep 1; timeout 5 " + mine: refused, "sh -c \"sh -c 'env A=b " + mine + "'\"": refused, "echo $(" + mine + ")": refused, "sleep `" + mine + "`": refused,
			"echo \"$(" + mine + ")\"": refused, "python3 -c 'import os; os.system(\"" + mine + " a\")'": refused, "/usr/bin/env --chdir=/ sleep 1 --exec=" + mine: refused, "trap " + mine + " EXIT; sleep 1": refused,
			"$A/x " + mine: refused, "flock /run/x sh -c " + mine: refused, "su root -c " + mine: refused, "su nobody -s /bin/sh -c " + mine: refused, "start-stop-daemon -S -n nobody -x " + named: refused,
			scripted: refused, "sleep 1; " + found: refused, "timeout 3 " + nested: refused, "cd /; sleep 1 --exec=" + scripted: refused,
			// What he owns and root would read as code need not be executable.
			"sh " + data: refused, ". " + data + "; sleep 1": refused, "sh <" + data: refused, "java -jar " + data: refused, "java -cp /x.jar:" + home + " Main": refused, "perl -w " + data: refused,
			"LD_PRELOAD=" + data + " sleep 1": refused, "PATH=" + home + ":$PATH sleep 1": refused, "exec -a x /lib64/ld-linux-x86-64.so.2 " + data: refused, "BASH_ENV=" + data + " sleep 1": refused,
			"su root -c 'sh " + data + "'": refused, "su nobody -c 'sh " + data + "'": refused, "sudo sh " + data: refused, "doas perl " + data: refused, "setpriv --no-new-privs sh " + data: refused,
			"runuser -u nobody -- " + mine: refused, "systemd-run --scope sh " + data: refused, "find / -exec sh " + data + " ;": refused, "ls | xargs sh " + data: refused, "nsenter -t 1 -n sh " + data: refused,
			"ip netns exec x sh " + data: refused, "trap 'sh " + data + "' EXIT; sleep 1": refused, "ssh -F " + data + " n2 x": refused, "ssh localhost sh " + data: refused, "sh <<E\nsh " + data + "\nE": refused,
			// The command is about his program: all of it runs as him.
			mine + "; sleep 1": owner, "timeout -k 1 5 " + mine: owner, "env -u A B=1 " + mine: owner, "exec -a n " + mine: owner, "nice -n 5 ionice -c 3 " + mine: owner, "flock " + data + " " + mine: owner,
			"stdbuf -oL " + mine: owner, "xargs " + mine: owner, "/usr/bin/nohup " + mine + " &": owner,
			// Data of his, and what a command becomes him for, are no reason to refuse.
			"sleep 1": root, "exit 0": root, "cd /; exec sleep 1": root, "sleep 1 -c " + data + " --data=" + home: root, "sh -c 'sleep 1 <" + data + "'": root, "sh " + roots + " " + data: root, plain: root,
			"[ -f " + h.path("bin/none") + " ] && . " + h.path("bin/none") + "; sleep 1": root, "test -x /opt/none && /opt/none; sleep 1": root, "sh -c 'exec sleep 1' " + data: root,
			"su nobody -s /bin/sh -c " + named: root, "setpriv --reuid=65534 " + named: root, "start-stop-daemon -S -c nobody:root -x " + named: root, "redoubt run-as -U nobody " + named: root,
			// A variable stands for what the command gives it.
			"sleep 1; A=" + mine + "; $A x": refused, "A=" + h.path("bin") + "; sleep 1; sh \"$A/mine\"": refused, "A=" + mine + "; exec $A x": owner, "A='sleep 1'; $A": root, "B=/bin; A=$B/sh; \"$A\" " + roots: root,
			"su nobody -s /bin/sh -c '$HOME/x'":         root,
			"su nobody -s /bin/sh -c 'cd; sh ./x; ./y'": root, "sudo -u nobody sh " + named: root, "setpriv --reuid nobody " + named + " x": root, "ssh n2 ./x": root, "nsenter -t 1 -n sleep 1": root,
		} {
			u, err := h.AppUser(service(""), command, env)
			switch want {
			case root:
				if err != nil || u != nil {
					t.Errorf("%s, %q: %+v, %v; want root", level, command, u, err)
				}
			case owner:
				if err != nil || u == nil || u.UID != stranger {
					t.Errorf("%s, %q: %+v, %v; want its owner", level, command, u, err)
				}
			default:
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%s, %q: %+v, %v; want an error with %q", level, command, u, err, want)
				}
			}
		}
		// With a user of its own the command is his, whatever it names.
		if u, err := h.AppUser(service("nobody"), "timeout 5 sh -c '"+mine+" "+data+"'", env); err != nil || u == nil || u.UID != 65534 {
			t.Errorf("%s, Application_user: %+v, %v", level, u, err)
		}
	}
	// Only SECURE asks where others could make what is not there, and what a relative name means.
	for command, word := range map[string]string{
		"cd /tmp && ./x": "from the root", "cd " + home + "; sh x.sh": "from the root", "sh -c 'cd /; sh x'": "from the root", "sleep 1; . " + home + "/none": home, "sleep 1; " + home + "/none": home,
		"su root -c ./x": "from the root", "su rdt-nosuch -c ./x": "from the root", "chroot / sleep 1": "another root", "sleep 1; ls | xargs sh": "xargs gives sh code", "find / -exec {} +": "named by {}",
		"nsenter -t 1 -m sleep 1": "Put it into a script that belongs to root", "sleep 1; sleep 'x": "no text for a shell", "at -f /x now": "not seen",
		"$A b": "what \"$A\" stands for", "sleep 1; \"${A}/bin/y\"": "give the variable that path in the same command", "sh -c \"exec $A\"": "stands for", "sleep 1; sh $A/x": "stands for", "A=$(cat /x); $A": "stands for",
	} {
		h.level = execsec.Secure
		if u, err := h.AppUser(service(""), command, env); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%q: %+v, %v; want an error with %q", command, u, err, word)
		}
		h.level = execsec.Warn
		if u, err := h.AppUser(service(""), command, env); err != nil || u != nil {
			t.Errorf("WARN, %q: %+v, %v; want root", command, u, err)
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

// TestCommandsAreInspectedBeforeTheyRun: what the gate would refuse is told whatever the level, all of it, and what is sound or not installed is not.
func TestCommandsAreInspectedBeforeTheyRun(t *testing.T) {
	h := newHost(t)
	mine := h.put(t, "bin/mine", "#!/bin/sh\n", 0o755)
	ok(t, os.Chown(mine, stranger, stranger))
	open := h.put(t, "bin/open", "#!/bin/sh\n", 0o777)
	env := []string{"PATH=/usr/bin:/bin"}
	for _, c := range []struct {
		level         execsec.Level
		user, command string
		want          []string // a word of each line
	}{
		{execsec.Secure, "", "sleep 1", nil},
		{execsec.Secure, "", "/bin/sleep 1; /opt/rdt-none/x && /opt/rdt-none/y", nil},
		{execsec.Secure, "", h.path("bin/none"), nil},
		{execsec.Secure, "", mine, nil}, // it runs as him
		{execsec.Secure, "root", mine, []string{"as root"}},
		{execsec.Secure, "", "sleep 1; " + mine + "; sh -c " + open + "; cd bin; ./x", []string{"from the root", "belongs to user 64123", open + " may be written by everybody"}},
		{execsec.Warn, "", "sleep 1; " + mine + "; " + open, []string{"belongs to user 64123", open + " may be written by everybody"}},
		{execsec.Warn, "", open, []string{open + " may be written by everybody"}},
		{execsec.Override, "nobody", "sleep 1; " + mine, []string{"is ignored", "belongs to user 64123"}},
		{execsec.Compatibility, "", mine, []string{"belongs to user 64123"}},
		{execsec.Compatibility, "", "sleep 1; sh " + mine, []string{"belongs to user 64123"}},
		{execsec.Secure, "nobody", "sleep 1; " + mine, nil}, // all of it runs as nobody
		{execsec.Secure, "rdt-nosuch", "sleep 1", nil},      // he may be made until it runs
	} {
		h.level = c.level
		got, err := h.InspectCommand(service(c.user), c.command, env)
		ok(t, err)
		if len(got) != len(c.want) {
			t.Errorf("%s, %q by %q: %q; want %q", c.level, c.command, c.user, got, c.want)
			continue
		}
		for i, w := range c.want {
			if !strings.Contains(got[i], w) {
				t.Errorf("%s, %q by %q: %q; want %q", c.level, c.command, c.user, got[i], w)
			}
		}
	}
}
