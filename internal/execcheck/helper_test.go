package execcheck_test

import (
	"bytes"
	"encoding/binary"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"redoubt/internal/agent"
	"redoubt/internal/descend"
	"redoubt/internal/execcheck"
	"redoubt/internal/launch"
	"redoubt/internal/nstest"
	"redoubt/internal/rgm/execsec"
)

// stranger is a user who is not root.
const stranger = 64123

// TestMain runs the tests in a mount namespace of their own, and plays the sub-program that gives up root.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == descend.Word {
		os.Exit(descend.Main(os.Args[2:], os.Stderr))
	}
	if len(os.Args) > 1 && os.Args[1] == launch.Word {
		os.Exit(launch.Main(os.Args[2:]))
	}
	nstest.Enter(syscall.CLONE_NEWNS)
	os.Exit(m.Run())
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// host is a machine with a gate, and a directory that is root's alone (a test's own directory lies in /tmp, which is not).
type host struct {
	*execcheck.Gate
	dir   string
	log   bytes.Buffer
	level execsec.Level
}

func newHost(t *testing.T) *host {
	t.Helper()
	dir, err := os.MkdirTemp("/var/lib", "rdt-exec-")
	ok(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	ok(t, os.Chmod(dir, 0o755))
	h := &host{dir: dir, level: execsec.Secure}
	var mu sync.Mutex
	h.Gate, err = execcheck.New(execcheck.Config{
		Dir: filepath.Join(dir, "stage"), Level: func() execsec.Level { mu.Lock(); defer mu.Unlock(); return h.level },
		Log: slog.New(slog.NewTextHandler(&h.log, nil)), Fresh: true,
	})
	ok(t, err)
	return h
}

func (h *host) path(rel string) string { return filepath.Join(h.dir, rel) }

// put writes a file with a mode and makes the directories above it.
func (h *host) put(t *testing.T, rel, content string, mode os.FileMode) string {
	t.Helper()
	path := h.path(rel)
	ok(t, os.MkdirAll(filepath.Dir(path), 0o755))
	ok(t, os.WriteFile(path, []byte(content), 0o600))
	ok(t, os.Chmod(path, mode))
	return path
}

// method is a program of the type in the folder "type".
func (h *host) method(rel string, args ...string) agent.Program {
	return agent.Program{
		Label: "Start", Path: h.path("type/" + rel), Args: args, Folder: h.path("type"), Env: []string{"PATH=/usr/bin:/bin"},
		Ref: agent.Ref{Group: "g", Resource: "web"},
	}
}

// run executes what the gate lets through.
func (h *host) run(p agent.Program) (string, error) {
	as, err := h.Admit(p)
	if err != nil {
		return "", err
	}
	defer as.Close()
	cmd := &exec.Cmd{Path: as.Path, Args: as.Args, Env: p.Env, Dir: "/"}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// refused expects that a program is not let through, with words in the reason.
func (h *host) refused(t *testing.T, p agent.Program, words ...string) {
	t.Helper()
	as, err := h.Admit(p)
	if err == nil {
		as.Close()
		t.Errorf("%s was let through", p.Path)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("the error does not say %q: %v", w, err)
		}
	}
}

// acl is an access control list that gives one user rwx.
func acl(uid uint32) []byte {
	b := binary.LittleEndian.AppendUint32(nil, 2)
	for _, e := range [][3]uint32{{0x01, 7, ^uint32(0)}, {0x02, 7, uid}, {0x04, 5, ^uint32(0)}, {0x10, 7, ^uint32(0)}, {0x20, 5, ^uint32(0)}} {
		b = binary.LittleEndian.AppendUint16(b, uint16(e[0]))
		b = binary.LittleEndian.AppendUint16(b, uint16(e[1]))
		b = binary.LittleEndian.AppendUint32(b, e[2])
	}
	return b
}

func setACL(t *testing.T, path, name string, uid uint32) {
	t.Helper()
	ok(t, unix.Setxattr(path, name, acl(uid), 0))
}
