package agent

import (
	"context"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"redoubt/internal/cluster"
)

// Ref names the place of a resource's processes: its own cgroup below its group's.
type Ref struct {
	Group    cluster.GroupName
	Resource cluster.ResourceName
}

// Program is something to run for a resource. It gets its own child cgroup below the resource's, named after Label and a number, so that
// it can be killed with all its children without touching what runs beside it; what it leaves behind stays there.
type Program struct {
	Ref     Ref
	Label   string // "Start", "Probe", ...
	Path    string // absolute
	Args    []string
	Env     []string // complete: nothing is inherited
	Dir     string   // "" is /
	Timeout time.Duration
	// Folder is the folder of the resource type whose method this is, "" for a program of the system. Libraries are files and folders besides that
	// the program takes code from. Whoever may write in one of them may write the program.
	Folder    string
	Libraries []string
	// User is as whom it runs, with no privileges at all; nil is root.
	User *User
	// Started, when set, is told the program's process id (of the host's namespace) once it runs; it must not block.
	Started func(pid int)
}

// User is an account of this host that runs the programs of an application.
type User struct {
	Name     string // "" for a number without an account
	UID, GID int
	Groups   []int
	Home     string
}

// Admission is a program that may run, as it is to be started: what was looked at is held open until Close, and Path leads to exactly that.
type Admission struct {
	Path    string
	Args    []string // complete: the program's own name is the first
	Program *os.File // what Path leads to, in a process that has it under the same number; nil: it was not looked at
	Close   func()
}

// Above gives a descriptor of the same file with a number greater than that of the program. One of the files of a child has to have one: between fork and
// execution those that are in the way are moved to numbers above the highest of them, and must not fall on the program.
func (a Admission) Above(f *os.File) (*os.File, error) {
	above := 0
	if a.Program != nil {
		above = int(a.Program.Fd()) + 1
	}
	n, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, above)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(n), f.Name()), nil
}

// Outcome is how a program ended.
type Outcome struct {
	Exit     int // exit status; 128+n when signal n ended it
	TimedOut bool
	Aborted  bool // ctx ended
	Output   string
	Err      error // it could not be started at all
}

// Launcher runs programs inside the node's service container: the guard's PID namespace, the node's service cgroup, normal priority.
// When the guard dies the kernel ends them all.
type Launcher interface {
	// Run runs a program until it exits (not until its output is closed), until Timeout or until ctx ends; in the last two cases everything
	// in its cgroup is killed first. Output is logged line by line under the resource's name as it comes.
	Run(ctx context.Context, p Program) Outcome
	// Spawn starts a program and leaves it running; it is not ended by ctx. The pid is that of the host's namespace.
	Spawn(ctx context.Context, p Program) (pid int, err error)
	// Kill ends every process of the resource and returns when the kernel reports its cgroup empty.
	Kill(ctx context.Context, ref Ref) error
	// Signal sends a signal to every process of the resource.
	Signal(ref Ref, signal int) error
	// Await returns when pid has ended (pid != 0), or when no process is left in the resource's cgroup (pid == 0), or with
	// ctx.Err(). It is driven by the kernel (pidfd, cgroup.events), not by polling.
	Await(ctx context.Context, ref Ref, pid int) error
}

// Obligation is something on this host that has to be undone when the node's lease ends: an address, a mount.
type Obligation struct {
	Address   string // CIDR, with Interface
	Interface string
	Mount     string // mount point
}

// Obligations is the guard as drivers see it. What is owed is undone by the guard when it fires, also when the daemon is dead.
type Obligations interface {
	// Owe is called before the thing is made and returns when the guard knows it.
	Owe(ctx context.Context, o Obligation) error
	// Settle is called after the thing was undone.
	Settle(ctx context.Context, o Obligation) error
}
