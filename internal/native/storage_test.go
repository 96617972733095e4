package native_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"redoubt/internal/agent"
	"redoubt/internal/rgm/model"
)

const storage = "redoubt.storage"

// disk makes a block device with an ext4 file system.
func disk(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "disk")
	f, err := os.Create(file)
	ok(t, err)
	ok(t, f.Truncate(16<<20))
	ok(t, f.Close())
	sh(t, "mkfs.ext4", "-q", "-F", file)
	device := sh(t, "losetup", "--find", "--show", file)
	t.Cleanup(func() { sh(t, "losetup", "--detach", device) })
	return device
}

func sh(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func mounted(t *testing.T, point string) bool {
	t.Helper()
	b, err := os.ReadFile("/proc/self/mountinfo")
	ok(t, err)
	return strings.Contains(string(b), " "+point+" ")
}

// filesystem is a resource on a disk of its own; its mount is gone at the end whatever the test does.
func (n *node) filesystem(t *testing.T, more ...model.Property) (call agent.Call, device, point string) {
	t.Helper()
	device, point = disk(t), filepath.Join(t.TempDir(), "data")
	t.Cleanup(func() {
		for unix.Unmount(point, unix.MNT_DETACH) == nil {
			t.Log("the file system was still mounted")
		}
	})
	return n.call(t, storage, "fs", append(more, set("Device", device), set("Mount_point", point))...), device, point
}

func TestFileSystemComesAndGoes(t *testing.T) {
	n := newNode(t)
	call, device, point := n.filesystem(t, set("Mount_options", "noatime,nodev"), set("Fsck", "force"))
	n.owed.seen = func(o agent.Obligation) {
		if o.Mount == point && mounted(t, point) && len(n.owed.owed) == 0 {
			t.Error("it was mounted before the guard knew of it")
		}
	}
	n.succeed(t, call, model.MethodValidate)
	n.succeed(t, call, model.MethodStop)
	n.succeed(t, call, model.MethodStart)
	if !mounted(t, point) {
		t.Fatal("it is not mounted")
	}
	n.succeed(t, call, model.MethodStart)
	if diff := cmp.Diff([]agent.Obligation{{Mount: point}}, n.owed.list()); diff != "" {
		t.Errorf("owed (-want +got):\n%s", diff)
	}
	other := n.call(t, storage, "fs2", set("Device", device), set("Mount_point", point+"2"))
	n.refuse(t, other, model.MethodStart, device, point)
	taken := n.call(t, storage, "fs3", set("Device", disk(t)), set("Mount_point", point))
	n.refuse(t, taken, model.MethodStart, point, device)
	n.succeed(t, call, model.MethodStop)
	if mounted(t, point) || len(n.owed.list()) != 0 {
		t.Errorf("mounted %v, owed %v after Stop", mounted(t, point), n.owed.list())
	}
	n.succeed(t, call, model.MethodStop)
}

func TestFileSystemInUseIsUnmounted(t *testing.T) {
	n := newNode(t)
	call, _, point := n.filesystem(t)
	n.succeed(t, call, model.MethodStart)
	ok(t, os.Mkdir(filepath.Join(point, "d"), 0o755))
	ok(t, os.WriteFile(filepath.Join(point, "bin"), must(t, "/bin/sleep"), 0o755))
	for _, script := range []string{
		"cd " + point + "/d; exec sleep 1000",                                                     // its directory
		`exec 9>` + point + `/file; rm ` + point + `/file; trap "" TERM; sleep 1000 & wait; wait`, // a file that has no name any more; deaf
		point + "/bin 1000", // its program
	} {
		_, err := n.proc.Spawn(t.Context(), agent.Program{Ref: agent.Ref{Group: "g", Resource: "user"}, Label: "Start", Path: "/bin/sh", Args: []string{"-c", script}, Env: []string{"PATH=/bin:/usr/bin"}})
		ok(t, err)
	}
	within(t, 5*time.Second, "all of them use it", func() bool {
		_, cwd := os.Stat(filepath.Join(point, "file"))
		return cwd != nil && strings.Count(usersText(t, point), "\n") >= 4
	})
	n.succeed(t, call, model.MethodStop)
	if mounted(t, point) {
		t.Error("it is still mounted")
	}
}

func must(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	ok(t, err)
	return b
}

// usersText lists by which links processes of the test use a directory.
func usersText(t *testing.T, point string) (text string) {
	t.Helper()
	for _, pattern := range []string{"cwd", "exe", "fd/9"} {
		links, _ := filepath.Glob("/proc/[0-9]*/" + pattern)
		for _, l := range links {
			if path, err := os.Readlink(l); err == nil && strings.HasPrefix(path, point) {
				text += l + "\n"
			}
		}
	}
	return text
}

func TestMountBelowBlocksStop(t *testing.T) {
	n := newNode(t)
	call, _, point := n.filesystem(t)
	n.succeed(t, call, model.MethodStart)
	below := filepath.Join(point, "below")
	ok(t, os.Mkdir(below, 0o755))
	ok(t, unix.Mount("none", below, "tmpfs", 0, ""))
	n.refuse(t, call, model.MethodStop, point, "mount below it")
	if len(n.owed.list()) != 1 {
		t.Error("the guard was told that it is unmounted")
	}
	ok(t, unix.Unmount(below, 0))
	n.succeed(t, call, model.MethodStop)
}

func TestStorageFaultsAreNamed(t *testing.T) {
	n := newNode(t)
	for name, c := range map[string]struct {
		properties []model.Property
		words      []string
	}{
		"relative point":     {[]model.Property{set("Device", "/dev/x"), set("Mount_point", "data")}, []string{"Mount_point", "data"}},
		"system directory":   {[]model.Property{set("Device", "/dev/x"), set("Mount_point", "/usr")}, []string{"/usr", "system"}},
		"relative device":    {[]model.Property{set("Device", "sdb1"), set("Mount_point", "/srv/x")}, []string{"Device", "sdb1"}},
		"space in options":   {[]model.Property{set("Device", "/dev/x"), set("Mount_point", "/srv/x"), set("Mount_options", "ro rw")}, []string{"Mount_options"}},
		"no such device":     {[]model.Property{set("Device", "/dev/nosuch"), set("Mount_point", "/srv/x"), set("Device_wait", "0")}, []string{"/dev/nosuch", "n1"}},
		"no such label":      {[]model.Property{set("Device", "LABEL=nosuch"), set("Mount_point", "/srv/x"), set("Device_wait", "0")}, []string{"LABEL=nosuch"}},
		"not a block device": {[]model.Property{set("Device", "/dev/null"), set("Mount_point", "/srv/x")}, []string{"/dev/null", "block device"}},
	} {
		t.Run(name, func(t *testing.T) {
			n.refuse(t, n.call(t, storage, "fs", c.properties...), model.MethodStart, c.words...)
		})
	}
	call, device, point := n.filesystem(t)
	f, err := os.OpenFile(device, os.O_WRONLY, 0)
	ok(t, err)
	_, err = f.Write(make([]byte, 1<<20)) // the file system is no more
	ok(t, err)
	ok(t, f.Close())
	n.refuse(t, call, model.MethodStart, device, point)
	n.succeed(t, call, model.MethodStop)
}

// Who can rename a directory on the way, or mounts a part of the file system once more, does not make Stop believe that it is unmounted: another node would mount it too. Before that,
// a mount point is refused that leads elsewhere, or whose way others can change.
func TestFileSystemUnderAnotherName(t *testing.T) {
	n := newNode(t)
	call, device, point := n.filesystem(t)
	dir := filepath.Dir(point)
	for what, spoil := range map[string]func(parent string) error{
		"another's":          func(parent string) error { return os.Chown(parent, 64126, 64126) },
		"writable by others": func(parent string) error { return os.Chmod(parent, 0o777) },
	} {
		parent := filepath.Join(dir, strings.ReplaceAll(what, " ", "-"))
		ok(t, os.Mkdir(parent, 0o755))
		ok(t, spoil(parent))
		n.refuse(t, n.call(t, storage, "fs2", set("Device", device), set("Mount_point", parent+"/deep/data")), model.MethodValidate, parent, "lead the mount elsewhere")
	}
	link, target := filepath.Join(dir, "link"), filepath.Join(dir, "etc")
	ok(t, os.Mkdir(target, 0o755))
	ok(t, os.Symlink(target, link))
	n.refuse(t, n.call(t, storage, "fs3", set("Device", device), set("Mount_point", link)), model.MethodStart, link, target)
	if mounted(t, target) {
		t.Error("the link was followed")
	}
	there := func() int {
		b, err := os.ReadFile("/proc/self/mountinfo")
		ok(t, err)
		return strings.Count(string(b), " "+device+" ")
	}
	for what, hide := range map[string]func() (undo func()){
		"a directory on the way is renamed": func() func() {
			ok(t, os.Rename(dir, dir+"-away"))
			return func() { ok(t, os.Rename(dir+"-away", dir)) }
		},
		"a part of it is mounted once more": func() func() {
			ok(t, os.Mkdir(filepath.Join(point, "part"), 0o755))
			ok(t, unix.Mount(filepath.Join(point, "part"), target, "", unix.MS_BIND, ""))
			return func() {}
		},
	} {
		n.succeed(t, call, model.MethodStart)
		undo := hide()
		n.succeed(t, call, model.MethodStop)
		if left := there(); left != 0 {
			t.Errorf("%s: Stop has ended, and it is mounted %d times", what, left)
		}
		undo()
	}
}

// The file system may belong to a service, which may put a link in the place of what root writes there to see whether it can be written.
func TestProbeFollowsNoLink(t *testing.T) {
	n := newNode(t)
	call, _, point := n.filesystem(t, set("Probe_write", "true"))
	n.succeed(t, call, model.MethodStart)
	kept := filepath.Join(t.TempDir(), "shadow")
	ok(t, os.WriteFile(kept, []byte("kept"), 0o600))
	probe := filepath.Join(point, ".redoubt-probe-fs")
	ok(t, os.Symlink(kept, probe))
	call.Resource.ThoroughProbeInterval = 1
	n.watch(t, call)
	within(t, 20*time.Second, "a probe", func() bool {
		_, err := os.Lstat(probe)
		return os.IsNotExist(err) || len(must(t, kept)) != len("kept")
	})
	if text := string(must(t, kept)); text != "kept" {
		t.Errorf("the probe wrote through the link: %q", text)
	}
	n.succeed(t, call, model.MethodStop)
}

func TestWatchOfFileSystem(t *testing.T) {
	n := newNode(t)
	call, device, point := n.filesystem(t)
	t.Run("unmounted by somebody", func(t *testing.T) {
		n.succeed(t, call, model.MethodStart)
		seen := n.watch(t, call)
		begin := time.Now()
		ok(t, unix.Unmount(point, 0))
		if o := next(t, seen, agent.Failed); !strings.Contains(o.Message, point) {
			t.Errorf("message %q", o.Message)
		}
		if took := time.Since(begin); took > time.Second {
			t.Errorf("reported after %v", took)
		}
		ok(t, unix.Mount(device, point, "ext4", 0, ""))
		next(t, seen, agent.Healthy)
	})
	t.Run("read-only, and writing", func(t *testing.T) {
		seen := n.watch(t, call)
		ok(t, unix.Mount("", point, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
		if o := next(t, seen, agent.Failed); !strings.Contains(o.Message, "read-only") {
			t.Errorf("message %q", o.Message)
		}
		ok(t, unix.Mount("", point, "", unix.MS_REMOUNT, ""))
		next(t, seen, agent.Healthy)
		ok(t, os.Mkdir(filepath.Join(point, ".redoubt-probe-fs"), 0o755)) // a write fails
		call.Resource.Properties = append(call.Resource.Properties, set("Probe_write", "true"))
		call.Resource.ThoroughProbeInterval = 1
		seen = n.watch(t, call)
		if o := next(t, seen, agent.Failed); !strings.Contains(o.Message, "write to "+point) {
			t.Errorf("message %q", o.Message)
		}
	})
	n.succeed(t, call, model.MethodStop)
}
