package execcheck_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"redoubt/internal/agent"
	"redoubt/internal/descend"
	"redoubt/internal/fault"
	"redoubt/internal/proc"
)

// attack swaps things until the test ends.
func attack(t *testing.T, swap func() error) *atomic.Int64 {
	t.Helper()
	var done atomic.Bool
	var count atomic.Int64
	var wg sync.WaitGroup
	wg.Go(func() {
		for !done.Load() {
			if err := swap(); err != nil {
				t.Errorf("swap: %v", err)
				return
			}
			count.Add(1)
		}
	})
	t.Cleanup(func() { done.Store(true); wg.Wait() })
	return &count
}

// exchange swaps two names in one step.
func exchange(a, b string) error {
	return unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
}

// TestNothingPlantedRunsInARace launches a method over and over while what lies at its path is exchanged for what another user has written, as fast as the
// kernel can. The exchange is done with root's rights, which no attacker has: so the walk cannot find an unsafe directory that would refuse every launch, and
// only what holds the checked file open protects. The planted file must not run once.
func TestNothingPlantedRunsInARace(t *testing.T) {
	binary, err := os.ReadFile("/bin/true")
	ok(t, err)
	planted := "#!/bin/sh\ntouch %s/owned\necho planted\n"
	for name, c := range map[string]struct {
		good, evil string // contents
		swap       func(h *host) (a, b string)
		setup      func(t *testing.T, h *host)
	}{
		"script":               {good: "#!/bin/sh\necho good\n", evil: planted, swap: func(h *host) (string, string) { return h.path("type/start"), h.path("evil/start") }},
		"script for a program": {good: string(binary), evil: planted, swap: func(h *host) (string, string) { return h.path("type/start"), h.path("evil/start") }},
		"its folder":           {good: "#!/bin/sh\necho good\n", evil: planted, swap: func(h *host) (string, string) { return h.path("type"), h.path("evil") }},
		"a link on the way": {
			good: "#!/bin/sh\necho good\n", evil: planted,
			setup: func(t *testing.T, h *host) {
				ok(t, os.Rename(h.path("type"), h.path("real")))
				ok(t, os.Symlink("real", h.path("type")))
				ok(t, os.Symlink("evil", h.path("other")))
			},
			swap: func(h *host) (string, string) { return h.path("type"), h.path("other") },
		},
		"the interpreter": {
			good: "#!%s/interp\necho good\n", evil: "",
			setup: func(t *testing.T, h *host) {
				shell, err := os.ReadFile("/bin/sh")
				ok(t, err)
				h.put(t, "interp", string(shell), 0o755)
				ok(t, os.Chown(h.put(t, "interp2", fmt.Sprintf(planted, h.dir), 0o755), stranger, stranger))
			},
			swap: func(h *host) (string, string) { return h.path("interp"), h.path("interp2") },
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			fill := func(s string) string {
				if strings.Contains(s, "%s") && strings.HasPrefix(s, "#!") {
					return fmt.Sprintf(s, h.dir)
				}
				return s
			}
			h.put(t, "type/start", fill(c.good), 0o755)
			if c.evil != "" {
				ok(t, os.Chown(h.put(t, "evil/start", fill(c.evil), 0o755), stranger, stranger))
			}
			if c.setup != nil {
				c.setup(t, h)
			}
			a, b := c.swap(h)
			swaps := attack(t, func() error { return exchange(a, b) })
			ran, refused := 0, 0
			deadline := time.Now().Add(2 * time.Second)
			for n := 0; n < 3000 && time.Now().Before(deadline) || ran == 0 && n < 30000; n++ {
				p := h.method("start")
				out, err := h.run(p)
				switch {
				case strings.Contains(out, "planted"):
					t.Fatalf("launch %d ran what was planted", n)
				case err != nil && fault.CodeOf(err) == fault.Internal:
					t.Fatalf("launch %d: %q, %v", n, out, err)
				case err != nil:
					refused++
				default:
					ran++
				}
			}
			if _, err := os.Lstat(h.path("owned")); !errors.Is(err, fs.ErrNotExist) {
				t.Error("planted code has run")
			}
			t.Logf("%d launches ran, %d were refused, %d swaps", ran, refused, swaps.Load())
			if ran == 0 || refused == 0 || swaps.Load() < 100 {
				t.Errorf("the race was none: %d ran, %d refused, %d swaps", ran, refused, swaps.Load())
			}
		})
	}
}

// TestAnotherUserPlants lets a real process of another user do what it can to a type in a place that it may write, and launches methods meanwhile with the
// launcher of the node.
func TestAnotherUserPlants(t *testing.T) {
	h := newHost(t)
	l := launcher(t, h)
	home := h.path("home")
	ok(t, os.Mkdir(home, 0o755))
	ok(t, os.Chown(home, stranger, stranger))
	h.put(t, "good/start", "#!/bin/sh\necho good $(id -u)\n", 0o755)
	// He links to root's good folder and to his own in turns, makes his script look old, hard and soft links, and a directory of the same name.
	loop := exec.CommandContext(t.Context(), "/bin/sh", "-c", `cd `+home+` || exit 9
mkdir evil; printf '#!/bin/sh\ntouch `+home+`/owned; echo planted $(id -u)\n' > evil/start; chmod 755 evil/start; ln -s evil a; ln -s `+h.path("good")+` b
while :; do ln -sfn evil type; ln -sfn `+h.path("good")+` type; mv -T b c; mv -T a b; mv -T c a; rm -f type; ln -s /proc/$$/cwd/evil type; done`)
	loop.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: stranger, Gid: stranger}, Setpgid: true}
	loop.Cancel = func() error { return syscall.Kill(-loop.Process.Pid, syscall.SIGKILL) }
	ok(t, loop.Start())
	t.Cleanup(func() { _ = loop.Cancel(); _ = loop.Wait() })
	for n := range 400 {
		p := agent.Program{Ref: agent.Ref{Group: "g", Resource: "web"}, Label: "Start", Path: home + "/type/start", Folder: home + "/type", Timeout: 10 * time.Second}
		if n%2 == 1 {
			p.Folder = ""
		}
		out := l.Run(t.Context(), p)
		if out.Err == nil {
			t.Fatalf("launch %d of a program below a directory of another user: exit %d, %q", n, out.Exit, out.Output)
		}
	}
	if _, err := os.Lstat(home + "/owned"); !errors.Is(err, fs.ErrNotExist) {
		t.Error("planted code has run")
	}
	out := l.Run(t.Context(), agent.Program{Ref: agent.Ref{Group: "g", Resource: "web"}, Label: "Start", Path: h.path("good/start"), Folder: h.path("good"), Timeout: 10 * time.Second})
	if out.Err != nil || out.Output != "good 0\n" {
		t.Errorf("root's own: %+v", out)
	}
}

// launcher is the node's launcher behind the gate.
func launcher(t *testing.T, h *host) *proc.Launcher {
	t.Helper()
	b, err := os.ReadFile("/proc/self/mountinfo")
	ok(t, err)
	root, err := proc.Mountpoint(string(b))
	ok(t, err)
	group := filepath.Join(root, filepath.Base(h.dir))
	l, err := proc.New(proc.Config{
		Cgroup: group, RunDir: h.path("out"), Log: slog.New(slog.DiscardHandler), Gate: h.Gate, Descend: descend.Word,
	})
	ok(t, err)
	t.Cleanup(func() {
		if err := l.Kill(context.Background(), agent.Ref{Group: "g", Resource: "web"}); err != nil {
			t.Error(err)
		}
		l.Close()
		if err := os.Remove(group); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
	})
	return l
}
