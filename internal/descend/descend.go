// Package descend gives up root: it turns the calling process into a program that runs as another user and can never become more than that again.
//
// The program has the user's groups and no others, no capability in any set (the bounding set is empty), no_new_privs, securebits that are locked, its own
// session keyring, no descriptor but the first three, and exactly the environment it was given. Resource limits and the cgroup stay as they are: a process without
// privileges cannot leave its cgroup.
package descend

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"redoubt/internal/fault"
)

// Word is the sub-program under which a binary calls Main.
const Word = "descend"

// Spec is what to become.
type Spec struct {
	UID, GID int
	Groups   []int
	Path     string   // of the program, absolute
	Args     []string // the program's own name is the first
	Env      []string // complete
	Dir      string   // "" is /
	Umask    int
}

// The secure bits, each with its lock: being user 0 means nothing, a change of user keeps nothing, no ambient capability is raised.
const secureBits = 1 | 1<<1 | 1<<2 | 1<<3 | 1<<5 | 1<<6 | 1<<7

// Exec becomes the program. It returns only when it fails; the process may have given up its privileges by then and has to end.
func Exec(s Spec) error {
	if s.UID <= 0 || s.GID <= 0 {
		return fault.Errorf(fault.Invalid, "run %s as user %d and group %d: root is not given up for root", s.Path, s.UID, s.GID)
	}
	runtime.LockOSThread() // all of it is of this thread, which becomes the program
	if attr, err := unix.SchedGetAttr(0, 0); err == nil && (attr.Policy == unix.SCHED_RR || attr.Policy == unix.SCHED_FIFO) {
		// The daemon takes its priority back from what it starts, but a stranger shall not have it for an instant.
		if err := unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL}, 0); err != nil {
			return fault.Errorf(fault.Internal, "give up real-time priority: %w", err)
		}
	}
	unix.Umask(s.Umask)
	if err := unix.CloseRange(3, ^uint(0)>>1, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fault.Errorf(fault.Internal, "close descriptors: %w", err)
	}
	if err := drop(s); err != nil {
		return fault.Errorf(fault.Internal, "give up root for user %d: %w", s.UID, err)
	}
	if err := verify(s); err != nil {
		return fault.Errorf(fault.Internal, "give up root for user %d: %w", s.UID, err)
	}
	dir := s.Dir
	if dir == "" {
		dir = "/"
	}
	if err := unix.Chdir(dir); err != nil {
		return fault.Errorf(fault.Precondition, "run %s as user %d: directory %s: %w", s.Path, s.UID, dir, err)
	}
	err := unix.Exec(s.Path, s.Args, s.Env)
	return fault.Errorf(fault.Precondition, "run %s as user %d: %w", s.Path, s.UID, err)
}

// Stay becomes a program that runs as root: only the environment and the descriptors are those of a fresh start.
func Stay(s Spec) error {
	unix.Umask(s.Umask)
	if err := unix.CloseRange(3, ^uint(0)>>1, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fault.Errorf(fault.Internal, "close descriptors: %w", err)
	}
	dir := s.Dir
	if dir == "" {
		dir = "/"
	}
	if err := unix.Chdir(dir); err != nil {
		return fault.Errorf(fault.Precondition, "run %s: directory %s: %w", s.Path, dir, err)
	}
	err := unix.Exec(s.Path, s.Args, s.Env)
	return fault.Errorf(fault.Precondition, "run %s: %w", s.Path, err)
}

// drop changes the calling thread. The raw calls are for one thread; those of the standard library would change all.
func drop(s Spec) error {
	for c := 0; ; c++ {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(c), 0, 0, 0); err == unix.EINVAL && c > 0 {
			break // the kernel knows no more
		} else if err != nil {
			return fmt.Errorf("drop capability %d from the bounding set: %w", c, err)
		}
	}
	if err := unix.Prctl(unix.PR_SET_SECUREBITS, secureBits, 0, 0, 0); err != nil {
		return fmt.Errorf("set secure bits: %w", err)
	}
	groups := make([]uint32, 0, len(s.Groups)+1)
	for _, g := range append([]int{s.GID}, s.Groups...) {
		if g != 0 && !slices.Contains(groups, uint32(g)) { // root's group is a privilege
			groups = append(groups, uint32(g))
		}
	}
	if _, _, e := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(groups)), uintptr(unsafe.Pointer(&groups[0])), 0); e != 0 {
		return fmt.Errorf("set groups: %w", e)
	}
	gid, uid := uintptr(s.GID), uintptr(s.UID)
	if _, _, e := unix.RawSyscall(unix.SYS_SETRESGID, gid, gid, gid); e != 0 {
		return fmt.Errorf("set group: %w", e)
	}
	if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, uid, uid, uid); e != 0 {
		return fmt.Errorf("set user: %w", e)
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return fmt.Errorf("clear ambient capabilities: %w", err)
	}
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&head, &none[0]); err != nil {
		return fmt.Errorf("drop capabilities: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("set no_new_privs: %w", err)
	}
	// Keys of root's session are not for this user. A kernel without keyrings has none.
	if _, _, e := unix.RawSyscall(unix.SYS_KEYCTL, unix.KEYCTL_JOIN_SESSION_KEYRING, 0, 0); e != 0 && e != unix.ENOSYS && e != unix.EDQUOT {
		return fmt.Errorf("begin a session keyring: %w", e)
	}
	return nil
}

// verify reads back what the kernel made of it.
func verify(s Spec) error {
	b, err := os.ReadFile("/proc/thread-self/status")
	if err != nil {
		return fmt.Errorf("read back what became of it: %w", err)
	}
	id := func(n int) string { return strings.Repeat("\t"+strconv.Itoa(n), 4) }
	for _, want := range []string{
		"\nUid:" + id(s.UID), "\nGid:" + id(s.GID), "\nNoNewPrivs:\t1", "\nCapInh:\t0000000000000000", "\nCapPrm:\t0000000000000000",
		"\nCapEff:\t0000000000000000", "\nCapBnd:\t0000000000000000", "\nCapAmb:\t0000000000000000",
	} {
		if !strings.Contains(string(b), want+"\n") {
			return fmt.Errorf("the kernel has not done what it was asked: %q is not so", strings.TrimSpace(want))
		}
	}
	return nil
}

// Main is the sub-program, with the arguments UID GID GROUPS UMASK PATH ARG0 [ARG...]: it becomes that program, in the present environment and directory.
func Main(args []string, stderr io.Writer) int {
	err := become(args)
	fmt.Fprintf(stderr, "redoubt: %v\n", err)
	return 126
}

func become(args []string) error {
	if len(args) < 6 {
		return fault.Errorf(fault.Invalid, "%s is called by the daemon only; people call `redoubt run-as`", Word)
	}
	var errs error
	number := func(text string, base int) int {
		n, err := strconv.ParseInt(text, base, 32)
		if err != nil || n < 0 {
			errs = fault.Errorf(fault.Invalid, "%q is no number", text)
		}
		return int(n)
	}
	s := Spec{UID: number(args[0], 10), GID: number(args[1], 10), Umask: number(args[3], 8), Path: args[4], Args: args[5:], Env: os.Environ()}
	for g := range strings.SplitSeq(args[2], ",") {
		if g != "" {
			s.Groups = append(s.Groups, number(g, 10))
		}
	}
	if errs != nil {
		return errs
	}
	dir, err := os.Getwd()
	if err != nil {
		return fault.Errorf(fault.Precondition, "run %s: %w", s.Path, err)
	}
	s.Dir = dir
	return Exec(s)
}
