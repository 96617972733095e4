package storage

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"redoubt/internal/fault"
)

// mount is one line of the kernel's table of mounts.
type mount struct {
	point        string
	source       string
	major, minor uint32
	readOnly     bool // of the mount or of the file system below it
}

type table []mount

func mountTable() (table, error) {
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "read the table of mounts: %w", err)
	}
	return parseMounts(string(b)), nil
}

var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

// parseMounts reads mountinfo; lines that are not understood are left out.
func parseMounts(text string) (all table) {
	for line := range strings.Lines(text) {
		left, right, ok := strings.Cut(line, " - ")
		f, g := strings.Fields(left), strings.Fields(right)
		if !ok || len(f) < 6 || len(g) < 3 {
			continue
		}
		major, minor, _ := strings.Cut(f[2], ":")
		a, aerr := strconv.ParseUint(major, 10, 32)
		b, berr := strconv.ParseUint(minor, 10, 32)
		if aerr != nil || berr != nil {
			continue
		}
		ro := has(f[5], "ro") || has(g[2], "ro")
		all = append(all, mount{unescape.Replace(f[4]), unescape.Replace(g[1]), uint32(a), uint32(b), ro})
	}
	return all
}

func has(options, one string) bool { return strings.Contains(","+options+",", ","+one+",") }

// at returns what is mounted on a directory, the uppermost of several; nil for nothing.
func (t table) at(point string) *mount {
	for i := len(t) - 1; i >= 0; i-- {
		if t[i].point == point {
			return &t[i]
		}
	}
	return nil
}

// is reports whether the mount is of a block device.
func (m mount) is(device string) bool {
	var st unix.Stat_t
	if unix.Stat(device, &st) != nil {
		return false
	}
	return m.source == device || st.Mode&unix.S_IFMT == unix.S_IFBLK && unix.Major(st.Rdev) == m.major && unix.Minor(st.Rdev) == m.minor
}

// user is a process that uses a file system, and by what.
type user struct {
	pid  int
	name string
	path string
}

func describe(users []user) string {
	if len(users) == 0 {
		return "no process that can be seen (another mount below it, or the kernel itself)"
	}
	parts := make([]string, 0, len(users))
	for i, u := range users {
		if i == 10 {
			parts = append(parts, fmt.Sprintf("and %d more", len(users)-i))
			break
		}
		parts = append(parts, fmt.Sprintf("%s[%d] (%s)", u.name, u.pid, u.path))
	}
	return strings.Join(parts, ", ")
}

// usersOf looks in /proc for processes with a directory, program, open file or mapping in the file system mounted on point.
func usersOf(point string, major, minor uint32) (all []user) {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil
	}
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		if path := uses(dir, point, major, minor); path != "" {
			comm, _ := os.ReadFile(dir + "/comm")
			all = append(all, user{pid, strings.TrimSpace(string(comm)), path})
		}
	}
	return all
}

// uses returns by which path a process uses the file system, "" when it does not.
func uses(proc, point string, major, minor uint32) string {
	below := func(path string) bool { return path == point || strings.HasPrefix(path, point+"/") }
	links := []string{proc + "/cwd", proc + "/root", proc + "/exe"}
	fds, _ := os.ReadDir(proc + "/fd")
	for _, fd := range fds {
		links = append(links, proc+"/fd/"+fd.Name())
	}
	for _, link := range links {
		// The path first: asking the file itself could hang on a device that does not answer.
		path, err := os.Readlink(link)
		if err != nil || !below(path) {
			continue
		}
		var st unix.Stat_t
		if unix.Stat(link, &st) == nil && unix.Major(st.Dev) == major && unix.Minor(st.Dev) == minor {
			return path
		}
	}
	maps, _ := os.ReadFile(proc + "/maps")
	device := fmt.Sprintf(" %02x:%02x ", major, minor)
	for line := range strings.Lines(string(maps)) {
		if i := strings.IndexByte(line, '/'); i >= 0 && strings.Contains(line[:i], device) {
			if path := strings.TrimSpace(line[i:]); below(path) {
				return path
			}
		}
	}
	return ""
}

// end asks the users to end, and ends those that have not after a while. It returns when they are gone. A process is held by a descriptor
// while it is looked at again, so that no other that got its number is hit.
func end(ctx context.Context, users []user, m mount, soft time.Duration) error {
	begin := time.Now()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for _, u := range users {
		send(u, m, unix.SIGTERM)
	}
	for killed := false; ; <-tick.C {
		if err := ctx.Err(); err != nil {
			return err
		}
		left := usersOf(m.point, m.major, m.minor)
		if len(left) == 0 {
			return nil
		}
		if took := time.Since(begin); took > soft {
			// New ones may come while their parents live: all that are there are killed each time.
			for _, u := range left {
				send(u, m, unix.SIGKILL)
			}
			if killed && took > 2*soft {
				return nil // the next try to unmount says what is in the way
			}
			killed = true
		}
	}
}

func send(u user, m mount, signal unix.Signal) {
	fd, err := unix.PidfdOpen(u.pid, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	if u.pid > 1 && u.pid != os.Getpid() && uses("/proc/"+strconv.Itoa(u.pid), m.point, m.major, m.minor) != "" {
		// It may have ended in between.
		_ = unix.PidfdSendSignal(fd, signal, nil, 0)
	}
}
