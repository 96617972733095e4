package daemon

import (
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"redoubt/internal/fault"
	"redoubt/internal/guard"
	"redoubt/internal/version"
)

// builtGuard builds the program of the guard in a version, in a folder that is root's alone.
func builtGuard(t *testing.T, of string) string {
	t.Helper()
	dir, err := os.MkdirTemp("/var/lib", "rdt-guard-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, guard.Name)
	build := exec.Command("go", "build", "-ldflags", "-X redoubt/internal/version.Version="+of, "-o", path, "redoubt/cmd/redoubt-guard")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// TestOpenGuard: the program is the one that was looked at, only root can have written it, and it is of the daemon's version.
func TestOpenGuard(t *testing.T) {
	path, other := builtGuard(t, version.Version), builtGuard(t, "v0.0.1")
	f, err := openGuard(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	// An installation puts another in its place: what was opened is what it was.
	if err := os.Rename(other, path); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), "version").Output()
	if got := strings.TrimSpace(string(out)); err != nil || got != version.Version {
		t.Errorf("what is held open is %q, %v", got, err)
	}
	refused := func(what string, code fault.Code, words ...string) {
		t.Helper()
		f, err := openGuard(t.Context(), path)
		if !fault.Is(err, code) || f != nil {
			t.Fatalf("%s: %v, %v", what, f, err)
		}
		for _, w := range append(words, path) {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %v does not say %q", what, err, w)
			}
		}
	}
	refused("another version", fault.Precondition, `"v0.0.1"`, "start the daemon again")
	change := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	change(os.Chmod(path, 0o777))
	refused("writable by all", fault.Precondition, "others than root", "chmod")
	change(os.Chmod(path, 0o755))
	change(os.Chown(path, 64123, 0))
	refused("of another user", fault.Precondition, "chown root")
	change(os.Chown(path, 0, 0))
	change(os.Chmod(filepath.Dir(path), 0o777))
	refused("in a folder of everybody's", fault.Precondition, filepath.Dir(path))
	change(os.Chmod(filepath.Dir(path), 0o755))
	change(os.WriteFile(path, []byte("not a program"), 0o755))
	refused("no program", fault.Unavailable, "version")
	change(os.Remove(path))
	refused("missing", fault.NotFound, "install it")
}

// A daemon that has to be its own guard says so to whoever asks the node, as `redoubt cluster check` does, and not only to its log.
func TestAMissingGuardIsSaid(t *testing.T) {
	d := &Daemon{cfg: Config{Node: "n1", Data: t.TempDir()}, log: slog.New(slog.DiscardHandler)}
	before, err := d.Facts(t.Context())
	if err != nil || len(before.Warnings) > 0 {
		t.Fatalf("%q, %v", before.Warnings, err)
	}
	d.takeGuard(t.Context()) // none lies beside the program of this test
	f, err := d.Facts(t.Context())
	if err != nil || len(f.Warnings) != 1 || !strings.Contains(f.Warnings[0], "redoubt-guard is missing") {
		t.Errorf("the node says %q, %v", f.Warnings, err)
	}
}
