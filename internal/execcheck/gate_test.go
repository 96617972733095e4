package execcheck_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"redoubt/internal/agent"
	"redoubt/internal/rgm/execsec"
)

// The descriptors are listed without a pipe: the shell would hold one end of it for as long as it takes to start the second program.
const script = "#!/bin/sh\necho \"name $(basename \"$0\")\"; . \"$(dirname \"$0\")/lib.sh\"; echo \"args $#:$1:$2\"; cat /proc/$$/comm; echo descriptors; ls /proc/$$/fd\n"

// TestScriptsSeeWhatTheyWouldSee runs scripts in all forms: their name, their neighbours and their arguments are as if nobody had looked at them.
func TestScriptsSeeWhatTheyWouldSee(t *testing.T) {
	h := newHost(t)
	h.put(t, "type/bin/lib.sh", "echo lib $(cat \"$(dirname \"$0\")/../share/x\")\n", 0o644)
	h.put(t, "type/share/x", "shared\n", 0o644)
	h.put(t, "type/bin/start", script, 0o755)
	out, err := h.run(h.method("bin/start", "a b", "c"))
	ok(t, err)
	for _, want := range []string{"name start\n", "lib shared\n", "args 2:a b:c\n", "\nstart\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in %q", want, out)
		}
	}
	plain, err := exec.Command(h.path("type/bin/start")).CombinedOutput()
	ok(t, err)
	_, got, _ := strings.Cut(out, "\ndescriptors\n")
	_, want, listed := strings.Cut(string(plain), "\ndescriptors\n")
	if got != want || !listed {
		t.Errorf("descriptors %q; a script that is simply executed has %q", got, want)
	}
	h.put(t, "type/envd", "#!/usr/bin/env sh\necho $0 $1\n", 0o755)
	h.put(t, "type/split", "#!/usr/bin/env -S sh -e\nfalse\necho wrong\n", 0o755)
	h.put(t, "type/inner", "#!/bin/sh\necho inner \"$(basename $1)\" $2\n", 0o755)
	h.put(t, "type/outer", "#!"+h.path("type/inner")+"\n", 0o755)
	for program, want := range map[string]string{"envd": "envd x\n", "outer": "inner outer x\n"} {
		out, err := h.run(h.method(program, "x"))
		if err != nil || !strings.HasSuffix(out, want) {
			t.Errorf("%s: %q, %v; want ...%q", program, out, err, want)
		}
	}
	if out, err := h.run(h.method("split")); err == nil || out != "" {
		t.Errorf("split: %q, %v", out, err)
	}
	out, err = h.run(agent.Program{Path: "/bin/echo", Args: []string{"a", "b"}})
	if err != nil || out != "a b\n" {
		t.Errorf("a program: %q, %v", out, err)
	}
	// A new neighbour is seen although the script is the same.
	h.put(t, "type/bin/lib2.sh", "echo new\n", 0o644)
	h.put(t, "type/bin/lib.sh", ". \"$(dirname \"$0\")/lib2.sh\"\n", 0o644)
	if out, err = h.run(h.method("bin/start")); err != nil || !strings.Contains(out, "new\n") {
		t.Errorf("a new neighbour: %q, %v", out, err)
	}
}

// TestPlacesThatOthersMayWrite lets another user write in each place that a method is read from.
func TestPlacesThatOthersMayWrite(t *testing.T) {
	base := map[string]func(t *testing.T, h *host) (words []string){
		"the method is another user's": func(t *testing.T, h *host) []string {
			ok(t, os.Chown(h.path("type/bin/start"), stranger, stranger))
			return []string{h.path("type/bin/start"), "belongs to user 64123", "chown root " + h.path("type/bin/start")}
		},
		"the method may be written by its group": func(t *testing.T, h *host) []string {
			ok(t, os.Chown(h.path("type/bin/start"), 0, stranger))
			ok(t, os.Chmod(h.path("type/bin/start"), 0o775))
			return []string{"group 64123", "chmod go-w " + h.path("type/bin/start")}
		},
		"the method may be written by all": func(t *testing.T, h *host) []string {
			ok(t, os.Chmod(h.path("type/bin/start"), 0o757))
			return []string{"everybody", "chmod go-w"}
		},
		"its folder": func(t *testing.T, h *host) []string {
			ok(t, os.Chmod(h.path("type/bin"), 0o777))
			return []string{h.path("type/bin") + " may be written by everybody"}
		},
		"a folder far above": func(t *testing.T, h *host) []string {
			ok(t, os.Chown(h.dir, stranger, 0))
			return []string{h.dir + " belongs to user 64123"}
		},
		"a sticky folder": func(t *testing.T, h *host) []string {
			ok(t, os.Chmod(h.path("type"), 0o777|os.ModeSticky))
			return []string{h.path("type"), "sticky"}
		},
		"a library in the folder": func(t *testing.T, h *host) []string {
			ok(t, os.Chown(h.path("type/lib/functions"), stranger, 0))
			return []string{h.path("type/lib/functions")}
		},
		"type.yaml": func(t *testing.T, h *host) []string {
			ok(t, os.Chmod(h.path("type/type.yaml"), 0o666))
			return []string{h.path("type/type.yaml")}
		},
		"a link that another user has made": func(t *testing.T, h *host) []string {
			ok(t, os.Rename(h.path("type/bin/start"), h.path("real")))
			ok(t, os.Symlink(h.path("real"), h.path("type/bin/start")))
			ok(t, os.Lchown(h.path("type/bin/start"), stranger, 0))
			return []string{"chown -h root " + h.path("type/bin/start")}
		},
		"the folder that a link leads to": func(t *testing.T, h *host) []string {
			ok(t, os.Mkdir(h.path("open"), 0o777))
			ok(t, os.Chmod(h.path("open"), 0o777))
			ok(t, os.Rename(h.path("type/bin/start"), h.path("open/start")))
			ok(t, os.Symlink("../../open/start", h.path("type/bin/start")))
			return []string{h.path("open") + " may be written by everybody"}
		},
		"the folder that a library's link leads to": func(t *testing.T, h *host) []string {
			ok(t, os.Symlink("/tmp/rdt-nobody-has-made-this/functions", h.path("type/lib/more")))
			return []string{"/tmp is a directory that everybody may write"}
		},
		"the interpreter": func(t *testing.T, h *host) []string {
			b, err := os.ReadFile("/bin/sh")
			ok(t, err)
			shell := h.put(t, "sh", string(b), 0o755)
			ok(t, os.Chown(shell, stranger, 0))
			h.put(t, "type/bin/start", "#!"+shell+"\nid\n", 0o755)
			return []string{shell, "64123"}
		},
		"a directory in PATH before that of env's interpreter": func(t *testing.T, h *host) []string {
			ok(t, os.Mkdir(h.path("path"), 0o755))
			ok(t, os.Chown(h.path("path"), stranger, 0))
			h.put(t, "type/bin/start", "#!/usr/bin/env sh\nid\n", 0o755)
			return []string{h.path("path") + " belongs to user 64123"}
		},
		"an access control list of the method": func(t *testing.T, h *host) []string {
			setACL(t, h.path("type/bin/start"), "system.posix_acl_access", stranger)
			return []string{"user 64123, by its access control list", "setfacl -b " + h.path("type/bin/start")}
		},
		"an access control list of a folder": func(t *testing.T, h *host) []string {
			setACL(t, h.path("type"), "system.posix_acl_access", stranger)
			return []string{"setfacl -b " + h.path("type")}
		},
		"a default access control list": func(t *testing.T, h *host) []string {
			setACL(t, h.path("type/lib"), "system.posix_acl_default", stranger)
			return []string{"setfacl -k " + h.path("type/lib"), "user 64123"}
		},
		"a setuid bit": func(t *testing.T, h *host) []string {
			ok(t, os.Chmod(h.path("type/bin/start"), 0o755|os.ModeSetuid))
			return []string{"setuid", "chmod u-s,g-s"}
		},
		"file capabilities": func(t *testing.T, h *host) []string {
			ok(t, unix.Setxattr(h.path("type/bin/start"), "security.capability", []byte("\x01\x00\x00\x02\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), 0))
			return []string{"file capabilities", "setcap -r"}
		},
		"a descriptor that was opened before": func(t *testing.T, h *host) []string {
			f, err := os.OpenFile(h.path("type/bin/start"), os.O_WRONLY, 0)
			ok(t, err)
			t.Cleanup(func() { f.Close() })
			return []string{"open for writing"}
		},
		"a hard link elsewhere changes nothing, its owner does": func(t *testing.T, h *host) []string {
			mine := h.put(t, "elsewhere/start", "#!/bin/sh\nid\n", 0o755)
			ok(t, os.Chown(mine, stranger, stranger))
			ok(t, os.Remove(h.path("type/bin/start")))
			ok(t, os.Link(mine, h.path("type/bin/start")))
			return []string{h.path("type/bin/start") + " belongs to user 64123"}
		},
	}
	for name, plant := range base {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			h.put(t, "type/type.yaml", "name: x\n", 0o644)
			h.put(t, "type/lib/functions", "\n", 0o644)
			h.put(t, "type/bin/start", "#!/bin/sh\necho ran as $(id -u)\n", 0o755)
			p := h.method("bin/start")
			p.Env = []string{"PATH=" + h.path("path") + ":/usr/bin:/bin"}
			out, err := h.run(p)
			if err != nil || out != "ran as 0\n" {
				t.Fatalf("before anything was planted: %q, %v", out, err)
			}
			words := append(plant(t, h), "resource_security is SECURE")
			h.refused(t, p, words...)
			for _, level := range []execsec.Level{execsec.Warn, execsec.Override, execsec.Compatibility} {
				h.level = level
				h.log.Reset()
				as, err := h.Admit(p)
				if err != nil {
					t.Errorf("%s: %v; want a warning only", level, err)
					continue
				}
				as.Close()
				if !strings.Contains(h.log.String(), string(level)) {
					t.Errorf("%s: no warning in the log: %s", level, h.log.String())
				}
			}
		})
	}
}

// TestLibrariesOfOCFAgents are looked at as the agent itself.
func TestLibrariesOfOCFAgents(t *testing.T) {
	h := newHost(t)
	h.put(t, "type/agent", "#!/bin/sh\nexit 0\n", 0o755)
	h.put(t, "lib/heartbeat/ocf-shellfuncs", "\n", 0o644)
	p := h.method("agent")
	p.Libraries = []string{h.path("lib")}
	_, err := h.run(p)
	ok(t, err)
	ok(t, os.Chown(h.path("lib/heartbeat/ocf-shellfuncs"), stranger, 0))
	h.refused(t, p, h.path("lib/heartbeat/ocf-shellfuncs"), "chown root")
}

// TestWhatIsNoProgram is refused, whatever the level: nothing of it is opened that could wait (the test would not end).
func TestWhatIsNoProgram(t *testing.T) {
	h := newHost(t)
	h.put(t, "type/type.yaml", "", 0o644)
	ok(t, unix.Mkfifo(h.path("type/fifo"), 0o755))
	ok(t, unix.Mknod(h.path("type/device"), unix.S_IFCHR|0o755, int(unix.Mkdev(1, 5))))
	ok(t, os.Mkdir(h.path("type/folder"), 0o755))
	h.put(t, "type/text", "no program\n", 0o755)
	h.put(t, "type/empty", "", 0o755)
	h.put(t, "type/plain", "#!/bin/sh\n", 0o644)
	h.put(t, "type/long", "#!/bin/"+strings.Repeat("x", 300)+"\n", 0o755)
	h.put(t, "type/nointerp", "#!/nonexistent/sh\n", 0o755)
	h.put(t, "type/relative", "#!sh\n", 0o755)
	h.put(t, "type/oddenv", "#!/usr/bin/env -i sh\n", 0o755)
	ok(t, os.Symlink("loop2", h.path("type/loop1")))
	ok(t, os.Symlink("loop1", h.path("type/loop2")))
	ok(t, os.Symlink("/proc/self/exe", h.path("type/magic")))
	h.put(t, "type/huge", "#!/bin/sh\n", 0o755)
	ok(t, os.Truncate(h.path("type/huge"), 64<<30))
	last := h.path("type/self")
	h.put(t, "type/self", "#!"+last+"\n", 0o755)
	for program, word := range map[string]string{
		"fifo": "neither a file", "device": "neither a file", "folder": "is a directory", "text": "neither a program", "empty": "neither a program", "plain": "chmod +x",
		"long": "first line", "nointerp": "interpreter", "relative": "absolute", "oddenv": "env", "loop1": "symbolic links", "magic": "/proc",
		"huge": "16 MB", "self": "interpreter of the next", "nothing": "no such file",
	} {
		for _, level := range []execsec.Level{execsec.Secure, execsec.Compatibility} {
			h.level = level
			p := h.method(program)
			p.Folder = "" // of that are others in the way
			h.refused(t, p, word)
		}
	}
	for _, path := range []string{"/proc/self/exe", "/proc/1/root/bin/sh", "/proc/self/cwd/x", "/dev/fd/0"} {
		h.refused(t, agent.Program{Path: path}, "/proc")
	}
	h.refused(t, agent.Program{Path: "bin/sh"}, "absolute")
}

// TestMountOptions: what the kernel would not execute is not executed by a detour, and what ignores setuid bits is as good as any.
func TestMountOptions(t *testing.T) {
	h := newHost(t)
	ok(t, unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""))
	for option, flag := range map[string]uintptr{"noexec": unix.MS_NOEXEC, "nosuid": unix.MS_NOSUID} {
		dir := h.path(option)
		ok(t, os.Mkdir(dir, 0o755))
		ok(t, unix.Mount("tmpfs", dir, "tmpfs", flag, "mode=755"))
		t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
		h.put(t, option+"/start", "#!/bin/sh\necho ran\n", 0o755)
	}
	p := agent.Program{Path: h.path("noexec/start"), Folder: h.path("noexec")}
	h.refused(t, p, "noexec")
	p = agent.Program{Path: h.path("nosuid/start"), Folder: h.path("nosuid")}
	if out, err := h.run(p); err != nil || out != "ran\n" {
		t.Errorf("nosuid: %q, %v", out, err)
	}
}

// TestStageIsRootsAlone: copies of checked programs are not kept where others can reach them.
func TestStageIsRootsAlone(t *testing.T) {
	h := newHost(t)
	h.put(t, "type/start", "#!/bin/sh\nexit 0\n", 0o755)
	_, err := h.run(h.method("start"))
	ok(t, err)
	err = filepath.WalkDir(h.path("stage"), func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Type() != os.ModeSymlink && info.Mode().Perm()&0o022 != 0 {
			t.Errorf("%s: mode %v", path, info.Mode())
		}
		return err
	})
	ok(t, err)
	for range 20 {
		_, err := h.run(h.method("start"))
		ok(t, err)
	}
	copies, err := os.ReadDir(h.path("stage/code"))
	ok(t, err)
	if len(copies) != 1 {
		t.Errorf("%d copies of one script", len(copies))
	}
}
