package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"redoubt/internal/cli"
	"redoubt/internal/fault"
	"redoubt/internal/guard"
)

// PrivateDirs are the state directories of common services. A machine gets one of its own of each that the host has: the same directories
// with the same owners, empty of files.
func PrivateDirs() []string {
	return []string{
		"/var/lib/apache2", "/var/lib/heartbeat", "/var/lib/mysql", "/var/lib/nfs", "/var/lib/nginx", "/var/lib/pgsql", "/var/lib/postgresql", "/var/lib/redis",
		"/var/cache/apache2", "/var/www",
	}
}

// hiddenRuntime are directories of the host's /run that a machine does not get: their presence alone would say that something runs there.
var hiddenRuntime = []string{"systemd", "user", "netns", "containerd", "docker", "lab", "redoubt", "redoubt-lab"}

// view is the work of making a machine's own view of the files. Sources are opened before anything is hidden; the first failure stops it.
type view struct {
	err  error
	open []*os.File
}

func (v *view) do(what string, f func() error) {
	if v.err != nil {
		return
	}
	if err := f(); err != nil {
		v.err = fault.Errorf(fault.Internal, "%s: %w", what, err)
	}
}

// hold opens a file or directory to be bound later.
func (v *view) hold(path string) *os.File {
	var f *os.File
	v.do("open "+path, func() error {
		fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		f = os.NewFile(uintptr(fd), path)
		v.open = append(v.open, f)
		return nil
	})
	return f
}

func (v *view) bind(from *os.File, to string) {
	v.do("bind "+to, func() error {
		return unix.Mount(fmt.Sprintf("/proc/self/fd/%d", from.Fd()), to, "", unix.MS_BIND, "")
	})
}

func (v *view) mount(kind, to string, flags uintptr, data string) {
	v.do("mount "+to, func() error { return unix.Mount(kind, to, kind, flags, data) })
}

func (v *view) mkdir(path string, mode os.FileMode) {
	v.do("make "+path, func() error { return errors.Join(os.MkdirAll(path, mode), os.Chmod(path, mode)) })
}

func (v *view) close() {
	for _, f := range v.open {
		f.Close()
	}
}

// mount gives the machine its own /proc, /sys, /run, /dev/shm, logs and state. Nothing of it is seen outside; within the machine, mounts
// propagate, because the services run in a mount namespace below the daemon's.
func (b boot) mount() error {
	v := &view{}
	defer v.close()
	v.do("make mounts private", func() error { return unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "") })
	run, disk, hosts := v.hold(b.Run), b.Disk, v.hold(b.Hosts)
	tools := []*os.File{v.hold(b.Program)}
	names := []string{"redoubt"}
	if b.Kind == kindNode || b.Kind == kindQuorum {
		tools, names = append(tools, v.hold(b.Daemon)), append(names, "redoubtd")
		// Without it the daemon is its own guard.
		beside := filepath.Join(filepath.Dir(b.Daemon), guard.Name)
		if _, err := os.Stat(beside); err == nil {
			tools, names = append(tools, v.hold(beside)), append(names, guard.Name)
		}
	}
	runtime := runtimeDirs()
	v.mount("proc", "/proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	b.mountSys(v)
	if b.Kind != kindFabric {
		b.mountDisk(v, disk)
		v.bind(hosts, "/etc/hosts")
	}
	v.mount("tmpfs", "/dev/shm", unix.MS_NOSUID|unix.MS_NODEV, "mode=1777")
	v.mount("tmpfs", "/run", unix.MS_NOSUID|unix.MS_NODEV, "mode=755")
	for _, d := range runtime {
		v.do("make "+d.path, d.make)
	}
	v.mkdir("/run/lock", 0o777|os.ModeSticky)
	v.mkdir("/run/redoubt", 0o755)
	v.bind(run, "/run/redoubt")
	v.mkdir(toolDir, 0o755)
	for i, f := range tools {
		path := filepath.Join(toolDir, names[i])
		v.do("make "+path, func() error { return os.WriteFile(path, nil, 0o755) })
		v.bind(f, path)
	}
	v.do("let mounts propagate", func() error { return unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, "") })
	if v.err == nil && b.Kind != kindFabric {
		// The old command names; a machine without them still works.
		cli.Main(context.Background(), []string{"redoubt", "links", "install", toolDir}, cli.Env{
			Stdout: os.Stderr, Stderr: os.Stderr, Executable: filepath.Join(toolDir, "redoubt"),
		})
	}
	return v.err
}

// mountSys mounts the /sys of the machine's own network and puts the host's cgroups back into it.
func (b boot) mountSys(v *view) {
	const aside = "/dev/shm" // any directory that is there on every host; a tmpfs covers it later
	v.do("keep cgroups", func() error { return unix.Mount("/sys/fs/cgroup", aside, "", unix.MS_BIND|unix.MS_REC, "") })
	v.do("unmount /sys", func() error {
		if err := unix.Unmount("/sys", unix.MNT_DETACH); !errors.Is(err, syscall.EINVAL) {
			return err
		}
		return nil // not a mount point
	})
	v.mount("sysfs", "/sys", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	v.do("put cgroups back", func() error { return unix.Mount(aside, "/sys/fs/cgroup", "", unix.MS_MOVE, "") })
}

// mountDisk binds the directories of the machine's disk.
func (b boot) mountDisk(v *view, disk string) {
	v.do("make /var/log", func() error { return mirror("/var/log", filepath.Join(disk, "log")) })
	for _, dir := range b.Private {
		if _, err := os.Stat(dir); err != nil {
			continue
		}
		own := filepath.Join(disk, "private", dir)
		v.do("make "+dir, func() error { return mirror(dir, own) })
		v.bind(v.hold(own), dir)
	}
	if b.Size > 0 {
		v.do("mount "+libDir, func() error { return mountImage(filepath.Join(disk, "lib.img"), b.Size) })
	} else {
		v.bind(v.hold(filepath.Join(disk, "lib")), libDir)
	}
	v.bind(v.hold(filepath.Join(disk, "etc")), etcDir)
	v.bind(v.hold(filepath.Join(disk, "log")), "/var/log")
}

// mountImage mounts the file system in a file at libDir, and makes it the first time. After a machine's death the kernel may take a moment
// to give the file free.
func mountImage(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err == nil {
		err = errors.Join(f.Truncate(size), f.Close())
		if err == nil {
			err = quietly("mkfs.ext4", "-q", "-F", path)
		}
	}
	if err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	for deadline := time.Now().Add(imagePatience); ; time.Sleep(50 * time.Millisecond) {
		if err = quietly("mount", "-o", "loop", path, libDir); err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

const imagePatience = 5 * time.Second

// quietly runs a program and keeps what it says for the error.
func quietly(argv ...string) error {
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", argv[0], err, bytes.TrimSpace(out))
	}
	return nil
}

// dirEntry is a directory with its owner and mode.
type dirEntry struct {
	path     string
	mode     os.FileMode
	uid, gid int
}

func (d dirEntry) make() error {
	if err := os.Mkdir(d.path, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return errors.Join(os.Chown(d.path, d.uid, d.gid), os.Chmod(d.path, d.mode))
}

func describe(path string, info fs.FileInfo) dirEntry {
	d := dirEntry{path: path, mode: info.Mode() & (os.ModePerm | os.ModeSetuid | os.ModeSetgid | os.ModeSticky)}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		d.uid, d.gid = int(st.Uid), int(st.Gid)
	}
	return d
}

// runtimeDirs lists the directories in /run that services expect to find.
func runtimeDirs() (dirs []dirEntry) {
	entries, _ := os.ReadDir("/run")
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.IsDir() || slices.Contains(hiddenRuntime, e.Name()) {
			continue
		}
		dirs = append(dirs, describe(filepath.Join("/run", e.Name()), info))
	}
	return dirs
}

// mirrorDepth keeps mirror out of what is data rather than layout.
const mirrorDepth = 4

// mirror makes the directories below from in to, with owners and modes but without files. What is in to already stays.
func mirror(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.IsDir() {
			return nil //nolint:nilerr // what vanished while it was looked at is not mirrored
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if strings.Count(rel, "/") >= mirrorDepth {
			return fs.SkipDir
		}
		info, err := e.Info()
		if err != nil {
			return nil //nolint:nilerr // as above
		}
		return describe(filepath.Join(to, rel), info).make()
	})
}
