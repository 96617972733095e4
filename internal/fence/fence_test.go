package fence_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"redoubt/internal/engine"
	"redoubt/internal/fault"
	"redoubt/internal/fence"
	"redoubt/internal/rgm/execsec"
	"redoubt/internal/rgm/model"
)

var _ engine.Fencer = (*fence.Fencer)(nil)

func TestFencingSwitchesOffAndVerifies(t *testing.T) {
	b := newBench(t, nil)
	if err := b.fencer.Fence(context.Background(), node("lanplus=1")); err != nil {
		t.Fatal(err)
	}
	if got := b.read("power"); got != "off\n" {
		t.Errorf("the machine is %q", got)
	}
	if got := b.read("actions"); got != "off\nstatus\n" {
		t.Errorf("actions:\n%s", got)
	}
	want := "action=off\nip=10.0.0.2\nlanplus=1\npassword=" + password + "\n"
	if got := b.read("input"); !strings.HasPrefix(got, want+"action=status\n") {
		t.Errorf("the agent was given:\n%s\nwant first:\n%s", got, want)
	}
	log := b.log.String()
	for _, part := range []string{"login with ***", "Success: Powered OFF", "action=status", "node is fenced", "node=n2"} {
		if !strings.Contains(log, part) {
			t.Errorf("the log lacks %q:\n%s", part, log)
		}
	}
	if seen := b.read("seen"); !strings.Contains(seen, "fence_test") || !strings.Contains(seen, "PATH=") || strings.Contains(seen, "10.0.0.2") {
		t.Errorf("arguments and environment were:\n%s", seen)
	}
	if p, o := strings.TrimSpace(b.read("policy")), strings.TrimSpace(b.read("oom")); p != "0" || o != "0" {
		t.Errorf("the agent ran with policy %s and OOM score %s", p, o)
	}
	b.leaks()
}

func TestOutcomes(t *testing.T) {
	for name, c := range map[string]struct {
		node    model.Node
		code    fault.Code
		text    string
		actions string
	}{
		"reboot":              {node("action=reboot"), "", "", "reboot\n"},
		"off is the default":  {node(), "", "", "off\nstatus\n"},
		"late but off":        {node("behave=late"), "", "", "off\nstatus\nstatus\n"},
		"can not tell":        {node("behave=blind"), fault.Unavailable, "can not tell", "off\nstatus\n"},
		"floods":              {node("behave=flood"), "", "", "off\nstatus\n"},
		"another action":      {node("action=on"), fault.Invalid, `action "on"`, ""},
		"no such agent":       {model.Node{Name: "n2", Fence: &model.Fence{Agent: "fence_none"}}, fault.NotFound, "install", ""},
		"a path":              {model.Node{Name: "n2", Fence: &model.Fence{Agent: "../fence_test"}}, fault.Invalid, "fence_ipmilan", ""},
		"another program":     {model.Node{Name: "n2", Fence: &model.Fence{Agent: "reboot"}}, fault.Invalid, "fence_ipmilan", ""},
		"no agent configured": {model.Node{Name: "n2"}, fault.Precondition, "set-fence", ""},
		"two lines in one":    {node("behave=well\naction=on"), fault.Invalid, "more than one line", ""},
		"name with a line":    {node("be\nhave=well"), fault.Invalid, "no name", ""},
		"space at the end":    {node("behave=well "), fault.Invalid, "space", ""},
		"option twice":        {node("IP=10.0.0.3"), fault.Invalid, "ip is given twice", ""},
		"secret twice":        {node("password=other"), fault.Invalid, "password is given twice", ""},
		"many values":         {model.Node{Name: "n2", Fence: &model.Fence{Agent: "fence_test", Options: []model.Property{{Name: "ip", Values: []string{"a", "b"}}}}}, fault.Invalid, "2 values", ""},
		"name that is a path": {func() model.Node { n := node(); n.Name = "../n2"; return n }(), fault.Invalid, "node name", ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, nil)
			err := b.fencer.Fence(context.Background(), c.node)
			if fault.CodeOf(err) != c.code || c.text != "" && !strings.Contains(err.Error(), c.text) {
				t.Errorf("got %v, want %q and %q", err, c.code, c.text)
			}
			got := b.read("actions")
			for thrice := strings.Repeat("status\n", 3); strings.Contains(got, thrice); { // how often it looks depends on the time
				got = strings.Replace(got, thrice, strings.Repeat("status\n", 2), 1)
			}
			if got != c.actions {
				t.Errorf("actions %q, want %q", got, c.actions)
			}
			if err != nil && strings.Contains(b.log.String(), "node is fenced") {
				t.Error("the log says that it is fenced")
			}
			if n := len(b.log.String()); n > 100<<10 {
				t.Errorf("%d bytes are in the log", n)
			}
			b.leaks(err)
		})
	}
}

func TestSuccessThatIsNoneIsNotBelieved(t *testing.T) {
	b := newBench(t, nil)
	n := node("behave=lie")
	n.Fence.Timeout = 2
	if err := b.fencer.Fence(context.Background(), n); !fault.Is(err, fault.Timeout) {
		t.Errorf("got %v", err)
	}
	if got := b.read("actions"); !strings.HasPrefix(got, "off\nstatus\n") || strings.Contains(b.log.String(), "node is fenced") {
		t.Errorf("actions %q, log:\n%s", got, b.log.String())
	}
}

func TestWrongPasswordIsNotRepeated(t *testing.T) {
	b := newBench(t, nil)
	b.write("password", "another", 0o600)
	err := b.fencer.Fence(context.Background(), node())
	if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "Unable to connect") || !strings.Contains(err.Error(), "status 1") {
		t.Errorf("got %v, want the agent's last words", err)
	}
	if got := b.read("power"); got != "on\n" {
		t.Errorf("the machine is %q", got)
	}
	b.leaks(err)
}

func TestSecretsFile(t *testing.T) {
	for name, c := range map[string]struct {
		change func(b *bench, path string)
		code   fault.Code
		text   string
	}{
		"readable by a group": {func(b *bench, path string) { must(b.t, os.Chmod(path, 0o640)) }, fault.Denied, "chmod 600"},
		"writable by all":     {func(b *bench, path string) { must(b.t, os.Chmod(path, 0o602)) }, fault.Denied, "0602"},
		"of another user":     {func(b *bench, path string) { must(b.t, os.Chown(path, 1000, 0)) }, fault.Denied, "user 1000"},
		"a link": {func(b *bench, path string) {
			must(b.t, os.Rename(path, path+".real"))
			must(b.t, os.Symlink(path+".real", path))
		}, fault.Denied, "symbolic link"},
		"a pipe": {func(b *bench, path string) {
			must(b.t, os.Remove(path))
			must(b.t, unix.Mkfifo(path, 0o600))
		}, fault.Denied, "not a plain file"},
		"a directory": {func(b *bench, path string) {
			must(b.t, os.Remove(path))
			must(b.t, os.Mkdir(path, 0o700))
		}, fault.Denied, "not a plain file"},
		"nonsense": {func(b *bench, path string) { b.write("secrets/n2", "ip=1\n"+password+"\n", 0o600) }, fault.Invalid, "line 2"},
		"bad name": {func(b *bench, path string) { b.write("secrets/n2", "pass word="+password+"\n", 0o600) }, fault.Invalid, "line 1"},
		"too long": {func(b *bench, path string) {
			b.write("secrets/n2", "password="+strings.Repeat(password, 5000)+"\n", 0o600)
		}, fault.Invalid, "longer"},
	} {
		b := newBench(t, nil)
		c.change(b, filepath.Join(b.secrets, "n2"))
		err := b.fencer.Fence(context.Background(), node())
		if fault.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.text) || !strings.Contains(err.Error(), filepath.Join(b.secrets, "n2")) {
			t.Errorf("%s: got %v, want %q and %q", name, err, c.code, c.text)
		}
		if b.read("actions") != "" {
			t.Errorf("%s: the agent was run", name)
		}
		b.leaks(err)
	}
	// Without a file the options alone count.
	b := newBench(t, nil)
	must(t, os.Remove(filepath.Join(b.secrets, "n2")))
	b.write("password", "", 0o600)
	if err := b.fencer.Fence(context.Background(), node()); err != nil {
		t.Error("without secrets:", err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// testCgroup is a cgroup of the test alone.
func testCgroup(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("/proc/self/mounts")
	must(t, err)
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 2 && f[2] == "cgroup2" {
			dir, err := os.MkdirTemp(f[1], "rdt-fence-*")
			must(t, err)
			t.Cleanup(func() {
				err := os.Remove(dir)
				if err == nil {
					return
				}
				t.Error("something is left in the cgroup:", err)
				must(t, os.WriteFile(filepath.Join(dir, "cgroup.kill"), []byte("1"), 0))
				until(t, "what was left is gone", func() bool {
					left, _ := filepath.Glob(filepath.Join(dir, "fence-*"))
					for _, l := range left {
						os.Remove(l)
					}
					return os.Remove(dir) == nil
				})
			})
			return dir
		}
	}
	t.Fatal("there is no cgroup2 file system")
	return ""
}

// alive reports whether a process lives that is not just waiting to be reaped.
func alive(t *testing.T, pid int) bool {
	t.Helper()
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return !strings.HasPrefix(rest, "Z") && !strings.HasPrefix(rest, "X")
}

func TestNothingOutlivesATimeout(t *testing.T) {
	cgroup := testCgroup(t)
	must(t, os.Mkdir(filepath.Join(cgroup, "fence-1-1"), 0o755)) // an earlier daemon's
	for name, behave := range map[string]string{"hangs": "hang", "leaves a child": "linger"} {
		b := newBench(t, func(c *fence.Config) { c.Cgroup = cgroup })
		n := node("behave=" + behave)
		if behave == "hang" {
			n.Fence.Timeout = 1
		}
		start := time.Now()
		err := b.fencer.Fence(context.Background(), n)
		if took := time.Since(start); took > 6*time.Second {
			t.Errorf("%s: it took %v", name, took)
		}
		if behave == "hang" && (!fault.Is(err, fault.Timeout) || !strings.Contains(err.Error(), "1s") || !strings.Contains(err.Error(), "unknown")) || behave != "hang" && err != nil {
			t.Errorf("%s: got %v", name, err)
		}
		pid, perr := strconv.Atoi(strings.TrimSpace(b.read("child")))
		if perr != nil {
			t.Fatalf("%s: the child did not start: %v", name, perr)
		}
		until(t, "the child in a session of its own ends", func() bool { return !alive(t, pid) })
		b.leaks(err)
	}
}

// TestAgentsAreOrdinary: a fence agent and what it starts at once have neither the daemon's priority nor its protection from the OOM killer.
func TestAgentsAreOrdinary(t *testing.T) {
	b := newBench(t, func(c *fence.Config) { c.Cgroup = testCgroup(t) })
	give := func(a unix.SchedAttr, oom string) {
		tasks, err := os.ReadDir("/proc/self/task")
		must(t, err)
		a.Size = unix.SizeofSchedAttr
		for _, task := range tasks {
			tid, _ := strconv.Atoi(task.Name())
			if err := unix.SchedSetAttr(tid, &a, 0); err != nil && !errors.Is(err, unix.ESRCH) {
				t.Fatal(err)
			}
		}
		must(t, os.WriteFile("/proc/self/oom_score_adj", []byte(oom), 0))
	}
	before, err := os.ReadFile("/proc/self/oom_score_adj")
	must(t, err)
	give(unix.SchedAttr{Policy: unix.SCHED_RR, Priority: 1}, "500")
	defer give(unix.SchedAttr{Policy: unix.SCHED_NORMAL}, string(before))
	for range 5 {
		if err := b.fencer.Fence(t.Context(), node("behave=forks")); err != nil {
			t.Fatal(err)
		}
		b.write("power", "on\n", 0o644)
	}
}

func TestTimeoutWithoutCgroup(t *testing.T) {
	b := newBench(t, nil)
	ctx, cancel := context.WithCancelCause(context.Background())
	go func() {
		defer cancel(errors.New("this node is not the president any more"))
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for n := 0; n < 2000; n++ {
			<-tick.C
			if text, err := os.ReadFile(filepath.Join(b.dir, "child")); err == nil && len(text) > 1 {
				return
			}
		}
	}()
	err := b.fencer.Fence(ctx, node("behave=hang"))
	if !fault.Is(err, fault.Timeout) || !strings.Contains(err.Error(), "not the president any more") {
		t.Errorf("got %v", err)
	}
	pid, perr := strconv.Atoi(strings.TrimSpace(b.read("child")))
	must(t, perr)
	must(t, unix.Kill(pid, unix.SIGKILL)) // without a cgroup a session of its own escapes; the test ends what it started
	if err := b.fencer.Fence(ctx, node()); !fault.Is(err, fault.Timeout) {
		t.Errorf("begun although it is over: %v", err)
	}
	b.leaks(err)
}

// TestAgentsThatOthersCouldChange: a fence agent runs as root, so it passes the same gate as a method, at the moment when it is needed.
func TestAgentsThatOthersCouldChange(t *testing.T) {
	for name, change := range map[string]func(path string) error{
		"writable":       func(path string) error { return os.Chmod(path, 0o757) },
		"another user's": func(path string) error { return os.Chown(path, 1000, 1000) },
		"in a folder that everybody may write": func(path string) error {
			open := filepath.Join(filepath.Dir(path), "open")
			return errors.Join(os.Mkdir(open, 0o755), os.Chmod(open, 0o777), os.Rename(path, filepath.Join(open, "x")), os.Symlink("open/x", path))
		},
		"through another's link": func(path string) error {
			return errors.Join(os.Rename(path, path+".real"), os.Symlink(path+".real", path), os.Lchown(path, 1000, 1000))
		},
		"with another's interpreter": func(path string) error {
			shell, err := os.ReadFile("/bin/sh")
			text, terr := os.ReadFile(path)
			interpreter := path + ".sh"
			return errors.Join(err, terr, os.WriteFile(interpreter, shell, 0o755), os.Chmod(interpreter, 0o755), os.Chown(interpreter, 1000, 1000),
				os.WriteFile(path, []byte(strings.Replace(string(text), "#!/bin/sh", "#!"+interpreter, 1)), 0o755))
		},
	} {
		b := newBench(t, nil)
		must(t, change(filepath.Join(b.dir, "fence_test")))
		if err := b.fencer.Fence(context.Background(), node()); !fault.Is(err, fault.Precondition) || !strings.Contains(err.Error(), "resource_security is SECURE") || !strings.Contains(err.Error(), "fence_test") {
			t.Errorf("%s: got %v", name, err)
		}
		if b.read("actions") != "" || b.read("power") != "on\n" {
			t.Errorf("%s: it was run", name)
		}
		b.level = execsec.Warn
		if err := b.fencer.Fence(context.Background(), node()); err != nil || !strings.Contains(b.log.String(), "others than root may have written") {
			t.Errorf("%s: WARN: %v, log:\n%s", name, err, b.log.String())
		}
	}
	for name, change := range map[string]func(path string) error{
		"not executable": func(path string) error { return os.Chmod(path, 0o644) },
		"a directory":    func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o755)) },
		"a pipe":         func(path string) error { return errors.Join(os.Remove(path), unix.Mkfifo(path, 0o755)) },
	} {
		b := newBench(t, nil)
		b.level = execsec.Compatibility
		must(t, change(filepath.Join(b.dir, "fence_test")))
		if err := b.fencer.Fence(context.Background(), node()); !fault.Is(err, fault.Precondition) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestAgentIsExchangedWhileItIsLookedAt: in the place of the agent lies, as often as not, what another user has written. It must not run once.
func TestAgentIsExchangedWhileItIsLookedAt(t *testing.T) {
	b := newBench(t, nil)
	path, evil := filepath.Join(b.dir, "fence_test"), filepath.Join(b.dir, "evil")
	b.write("evil", "#!/bin/sh\ntouch "+b.dir+"/owned\n", 0o755)
	must(t, os.Chown(evil, 1000, 1000))
	ctx, cancel := context.WithCancel(context.Background())
	swapped := make(chan error, 1)
	go func() {
		for ctx.Err() == nil {
			if err := unix.Renameat2(unix.AT_FDCWD, path, unix.AT_FDCWD, evil, unix.RENAME_EXCHANGE); err != nil {
				swapped <- err
				return
			}
		}
		swapped <- nil
	}()
	ran, refused := 0, 0
	for n := 0; n < 60 || (ran == 0 || refused == 0) && n < 3000; n++ {
		if err := b.fencer.Fence(context.Background(), node("action=reboot")); err == nil {
			ran++
		} else {
			refused++
		}
	}
	cancel()
	must(t, <-swapped)
	if _, err := os.Stat(b.dir + "/owned"); err == nil {
		t.Error("what another user has written was run")
	}
	if ran == 0 || refused == 0 {
		t.Errorf("the race was none: %d ran, %d were refused", ran, refused)
	}
}

func TestAgentThatCanNotTell(t *testing.T) {
	b := newBench(t, nil)
	b.write("description", strings.Replace(description, `<action name="status" />`, "", 1), 0o644)
	if err := b.fencer.Fence(context.Background(), node()); err != nil {
		t.Error(err)
	}
	if got := b.read("actions"); got != "off\n" {
		t.Errorf("actions %q", got)
	}
	// One that does not even describe itself is not believed.
	b = newBench(t, nil)
	b.write("description", "not XML", 0o644)
	if err := b.fencer.Fence(context.Background(), node()); !fault.Is(err, fault.Precondition) {
		t.Errorf("got %v", err)
	}
}
