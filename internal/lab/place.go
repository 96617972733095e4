package lab

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"redoubt/internal/fault"
)

// Where labs lie on the host. What a reboot would lose is under runRoot, the disks of the machines are under diskRoot.
const (
	runRoot  = "/run/redoubt-lab"
	diskRoot = "/var/lib/redoubt-lab"
	// madeFile lists the mount points that a lab had to make on the host; the last lab to go removes them.
	madeFile = "mountpoints"
)

// place is where a lab of a name lies.
type place string

// checkName keeps a name short enough for the path of a socket and fit for a cgroup.
func checkName(name string) error {
	if name == "" || len(name) > 24 {
		return fault.Errorf(fault.Invalid, "lab name %q: give one to 24 characters", name)
	}
	for _, r := range name {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' {
			return fault.Errorf(fault.Invalid, "lab name %q: use small letters, digits and '-'", name)
		}
	}
	return nil
}

func (p place) run() string                       { return filepath.Join(runRoot, string(p)) }
func (p place) disk() string                      { return filepath.Join(diskRoot, string(p)) }
func (p place) state() string                     { return filepath.Join(p.run(), "lab.json") }
func (p place) machineRun(machine string) string  { return filepath.Join(p.run(), machine) }
func (p place) machineDisk(machine string) string { return filepath.Join(p.disk(), machine) }

// socket is where the host finds the API socket of a node.
func (p place) socket(node string) string {
	return filepath.Join(p.machineRun(node), "run", "api.sock")
}

// console is the file with the standard error of a node's init and daemon.
func (p place) console(node string) string {
	return filepath.Join(p.machineDisk(node), "log", "redoubt", "console.log")
}

// cgroupName is the lab's directory in the cgroup2 hierarchy.
func (p place) cgroupName() string { return "redoubt-lab-" + string(p) }

func (p place) cgroup() (cgroup, error) {
	root, err := cgroupRoot()
	if err != nil {
		return "", err
	}
	return cgroup(filepath.Join(root, p.cgroupName())), nil
}

// lock takes the lock of all labs, or of one when dir is its directory, for as long as the returned file is open. The directory may be
// removed by the holder: then it is made anew.
func lock(dir string) (*os.File, error) {
	for {
		if err := os.MkdirAll(dir, 0o711); err != nil {
			return nil, fault.Errorf(fault.Internal, "make %s: %w", dir, err)
		}
		f, err := os.Open(dir)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fault.Errorf(fault.Internal, "open %s: %w", dir, err)
		}
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
			f.Close()
			return nil, fault.Errorf(fault.Internal, "lock %s: %w", dir, err)
		}
		mine, err1 := f.Stat()
		there, err2 := os.Stat(dir)
		if err1 == nil && err2 == nil && os.SameFile(mine, there) {
			return f, nil
		}
		f.Close()
	}
}

// saveJSON replaces a file in one step.
func saveJSON(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err == nil {
		err = os.WriteFile(path+".new", append(b, '\n'), 0o600)
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return fault.Errorf(fault.Internal, "write %s: %w", path, err)
	}
	return nil
}

func loadJSON(path string, v any) error {
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	return err
}

// makeMountPoints makes the directories that machines mount their own over, and writes down those that were missing. The caller holds
// the lock of all labs.
func makeMountPoints(dirs ...string) error {
	for _, d := range dirs {
		err := os.Mkdir(d, 0o755)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err != nil {
			return fault.Errorf(fault.Internal, "make mount point %s: %w", d, err)
		}
		f, err := os.OpenFile(filepath.Join(runRoot, madeFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err == nil {
			_, err = fmt.Fprintln(f, d)
			err = errors.Join(err, f.Close())
		}
		if err != nil {
			return fault.Errorf(fault.Internal, "note mount point %s: %w", d, err)
		}
	}
	return nil
}

// leaveNothing removes what no lab needs any more once the last is gone. A directory in use in another mount namespace would take the
// mount with it, so this waits for the last lab. The caller holds the lock of all labs.
func leaveNothing() {
	if len(names()) > 0 {
		return
	}
	if b, err := os.ReadFile(filepath.Join(runRoot, madeFile)); err == nil {
		for d := range strings.FieldsSeq(string(b)) {
			_ = os.Remove(d) // stays when somebody put something into it
		}
		_ = os.Remove(filepath.Join(runRoot, madeFile))
	}
	usualTurns()
	_ = os.Remove(diskRoot)
	_ = os.Remove(runRoot)
}

// names lists the labs of which anything is left: a directory or a cgroup.
func names() []string {
	var all []string
	for _, root := range []string{runRoot, diskRoot} {
		entries, _ := os.ReadDir(root)
		for _, e := range entries {
			if e.IsDir() {
				all = append(all, e.Name())
			}
		}
	}
	if root, err := cgroupRoot(); err == nil {
		entries, _ := os.ReadDir(root)
		for _, e := range entries {
			if name, ok := strings.CutPrefix(e.Name(), place("").cgroupName()); ok && e.IsDir() {
				all = append(all, name)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// cgroup is a directory of the cgroup2 hierarchy.
type cgroup string

// cgroupRoot finds the cgroup2 hierarchy where hybrid and unified hosts have it.
func cgroupRoot() (string, error) {
	for _, dir := range []string{"/sys/fs/cgroup/unified", "/sys/fs/cgroup"} {
		var fs unix.Statfs_t
		if unix.Statfs(dir, &fs) == nil && fs.Type == unix.CGROUP2_SUPER_MAGIC {
			return dir, nil
		}
	}
	return "", fault.Errorf(fault.Unsupported, "lab: no cgroup2 is mounted at /sys/fs/cgroup or /sys/fs/cgroup/unified; mount one: mount -t cgroup2 none /sys/fs/cgroup/unified")
}

func (c cgroup) make() error {
	if err := os.MkdirAll(string(c), 0o755); err != nil {
		return fault.Errorf(fault.Internal, "make cgroup %s: %w", c, err)
	}
	return nil
}

func (c cgroup) write(file, value string) error {
	if err := os.WriteFile(filepath.Join(string(c), file), []byte(value), 0o644); err != nil {
		return fault.Errorf(fault.Internal, "cgroup %s: %w", c, err)
	}
	return nil
}

// event reads one of the flags in cgroup.events.
func (c cgroup) event(name string) bool {
	b, _ := os.ReadFile(filepath.Join(string(c), "cgroup.events"))
	return bytes.Contains(b, []byte(name+" 1"))
}

// wait waits until the flag has the value; the kernel says so by POLLPRI on the file.
func (c cgroup) wait(name string, want bool, limit time.Duration) error {
	fd, err := unix.Open(filepath.Join(string(c), "cgroup.events"), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if errors.Is(err, syscall.ENOENT) && !want {
		return nil
	}
	if err != nil {
		return fault.Errorf(fault.Internal, "cgroup %s: %w", c, err)
	}
	defer unix.Close(fd)
	deadline := time.Now().Add(limit)
	for c.event(name) != want {
		left := time.Until(deadline)
		if left <= 0 {
			return fault.Errorf(fault.Timeout, "cgroup %s: %s is not %t after %v", c, name, want, limit)
		}
		_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLPRI}}, int(min(left.Milliseconds()+1, 50)))
	}
	return nil
}

// end kills everything in the cgroup, frozen or not, and waits until nothing is left.
func (c cgroup) end(limit time.Duration) error {
	if _, err := os.Stat(string(c)); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err := c.write("cgroup.kill", "1"); err != nil {
		return err
	}
	return c.wait("populated", false, limit)
}

// remove removes the empty cgroup and those below it. The kernel is given a moment: a cgroup is busy until its last process is reaped.
func (c cgroup) remove(limit time.Duration) error {
	for deadline := time.Now().Add(limit); ; time.Sleep(5 * time.Millisecond) {
		err := c.removeOnce()
		if err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

func (c cgroup) removeOnce() error {
	entries, err := os.ReadDir(string(c))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if e.IsDir() {
			err = errors.Join(err, cgroup(filepath.Join(string(c), e.Name())).removeOnce())
		}
	}
	if err != nil {
		return err
	}
	if err := os.Remove(string(c)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fault.Errorf(fault.Internal, "remove cgroup: %w", err)
	}
	return nil
}

// holds reports whether the process is in the cgroup itself: a process id may have been given to somebody else meanwhile.
func (c cgroup) holds(pid int) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cgroup")
	tail := "/" + filepath.Base(filepath.Dir(string(c))) + "/" + filepath.Base(string(c))
	for line := range strings.Lines(string(b)) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok && err == nil {
			return strings.HasSuffix(path, tail)
		}
	}
	return false
}
