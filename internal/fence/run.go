package fence

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode"

	"golang.org/x/sys/unix"

	"redoubt/internal/agent"
	"redoubt/internal/fault"
	"redoubt/internal/realtime"
)

const (
	// maxOutput is how much of an agent's output is kept.
	maxOutput = 256 << 10
	// killPatience is how long to wait for what was killed; what survives is in uninterruptible sleep.
	killPatience = 5 * time.Second
	// outputDelay is how long to wait for the end of the output of an agent that has ended: what it left running may keep it open for ever.
	outputDelay = time.Second
	maxLines    = 200
)

// environment is everything that an agent inherits.
var environment = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "HOME=/root"}

// run is one run of an agent.
type run struct {
	node    string // "": none in particular
	path    string
	args    []string
	action  string
	options options
	stdin   string
}

// result is what an agent said and how it ended.
type result struct {
	exit  int
	text  string // masked
	lines []string
}

// last gives the last line for an error.
func (r result) last() string {
	if len(r.lines) == 0 {
		return ""
	}
	return ": " + r.lines[len(r.lines)-1]
}

var agentName = regexp.MustCompile(`^fence_[A-Za-z0-9_]+$`)

// agent finds an agent by its name. Whether it may run is found out when it does.
func (f *Fencer) agent(name string) (string, error) {
	if !agentName.MatchString(name) {
		return "", fault.Errorf(fault.Invalid, "fence agent %q: want a name such as fence_ipmilan", name)
	}
	path := filepath.Join(f.cfg.AgentDir, name)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return "", fault.Errorf(fault.NotFound, "fence agent %s: there is no %s on this node; install the package fence-agents on every node", name, path)
	}
	return path, nil
}

// Sources are what a fence agent is made of on this node: itself, and the folder of what agents have in common where there is one.
func Sources(name string) []string {
	out := []string{filepath.Join(AgentDir, name)}
	if _, err := os.Stat(LibraryDir); err == nil {
		out = append(out, LibraryDir)
	}
	return out
}

// exec runs an agent to its end or the end of ctx, when everything that it started is killed.
func (f *Fencer) exec(ctx context.Context, r run) (result, error) {
	what := "fence agent " + filepath.Base(r.path) + " " + r.action
	if r.node != "" {
		what += " for node " + r.node
	}
	if ctx.Err() != nil {
		return result{exit: -1}, fault.Errorf(fault.Timeout, "%s: not begun: %w", what, context.Cause(ctx))
	}
	// What is looked at is held open, and is what is executed.
	admitted, err := f.cfg.Gate.Admit(agent.Program{Label: "Fence", Path: r.path, Args: r.args, Env: environment, Libraries: Sources(filepath.Base(r.path))[1:]})
	if err != nil {
		return result{exit: -1}, fault.Errorf(fault.CodeOf(err), "%s: %w", what, err)
	}
	defer admitted.Close()
	in, err := input(admitted)
	if err != nil {
		return result{exit: -1}, fault.Errorf(fault.Internal, "%s: %w", what, err)
	}
	defer in.close()
	out := &capture{}
	cmd := &exec.Cmd{Path: admitted.Path, Args: admitted.Args, Env: environment, Dir: "/", Stdin: in.read, Stdout: out, Stderr: out}
	cmd.WaitDelay = outputDelay
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	group, err := f.group(cmd)
	if err != nil {
		return result{exit: -1}, fault.Errorf(fault.Internal, "%s: %w", what, err)
	}
	defer group.end()
	if err := cmd.Start(); err != nil {
		return result{exit: -1}, fault.Errorf(fault.Precondition, "%s: can not be run: %w", what, err)
	}
	in.begin(r.stdin)
	// The daemon's real-time priority and its protection from the OOM killer are inherited, also by what the agent has already started.
	if group.dir == "" {
		realtime.OrdinaryProcess(cmd.Process.Pid)
	} else if err := realtime.Ordinary(group.dir); err != nil {
		f.cfg.Log.Error("a fence agent may have the priority of the daemon", "agent", r.path, "err", err) // to stop it would be worse
	}
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait() // the error repeats the exit status, or says that the output was cut
		close(done)
	}()
	killed := false
	select {
	case <-done:
	case <-ctx.Done():
		killed = true
		group.kill()
		_ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL)
		timer := time.NewTimer(killPatience)
		defer timer.Stop()
		select {
		case <-done:
		case <-timer.C:
		}
	}
	res := result{exit: -1, text: r.options.mask.hide(out.text())}
	res.lines = printable(res.text)
	if killed {
		return res, fault.Errorf(fault.Timeout, "%s: %w; it was killed, and the outcome is unknown%s", what, context.Cause(ctx), res.last())
	}
	res.exit = cmd.ProcessState.ExitCode() // -1 when a signal has ended it
	return res, nil
}

// pipe is the standard input of an agent: a file, of which the number can be chosen.
type pipe struct{ read, write *os.File }

// input makes the pipe; nothing is in it yet.
func input(a agent.Admission) (pipe, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return pipe{}, err
	}
	defer r.Close()
	above, err := a.Above(r)
	if err != nil {
		return pipe{}, errors.Join(err, w.Close())
	}
	p := pipe{above, w}
	if err := unix.SetNonblock(int(above.Fd()), false); err != nil { // agents do not expect to be told to ask again
		p.close()
		return pipe{}, err
	}
	return p, nil
}

// begin says the text to the agent, which need not listen: close ends it.
func (p pipe) begin(text string) {
	_ = p.read.Close()
	go func() {
		_, _ = p.write.WriteString(text)
		_ = p.write.Close()
	}()
}

func (p pipe) close() {
	_ = p.read.Close()
	_ = p.write.Close()
}

// printable splits output into lines for the log.
func printable(text string) (lines []string) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(strings.Map(func(r rune) rune {
			if r == '\t' || unicode.IsPrint(r) {
				return r
			}
			return ' '
		}, line))
		if line != "" {
			lines = append(lines, line)
		}
	}
	if len(lines) > maxLines {
		lines = append(lines[:maxLines:maxLines], fmt.Sprintf("(and %d more lines)", len(lines)-maxLines))
	}
	return lines
}

// capture keeps the beginning of an output.
type capture struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (c *capture) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.b.Write(p[:min(len(p), maxOutput-c.b.Len())])
	return len(p), nil
}

func (c *capture) text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.b.String()
}

// runGroup is the cgroup of one run; the zero value is none.
type runGroup struct {
	dir  string
	file *os.File
}

// groupPrefix begins the names of our cgroups.
const groupPrefix = "fence-"

// sweep removes the cgroups of runs that an earlier daemon did not see the end of. Those in use stay.
func sweep(cgroup string) {
	old, _ := filepath.Glob(filepath.Join(cgroup, groupPrefix+"*"))
	for _, dir := range old {
		os.Remove(dir)
	}
}

// group makes the cgroup that cmd will start in.
func (f *Fencer) group(cmd *exec.Cmd) (runGroup, error) {
	if f.cfg.Cgroup == "" {
		return runGroup{}, nil
	}
	f.mu.Lock()
	f.runs++
	n := f.runs
	f.mu.Unlock()
	dir := filepath.Join(f.cfg.Cgroup, fmt.Sprintf("%s%d-%d", groupPrefix, os.Getpid(), n))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return runGroup{}, err
	}
	file, err := os.Open(dir)
	if err != nil {
		return runGroup{}, errors.Join(err, os.Remove(dir))
	}
	cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(file.Fd())
	return runGroup{dir, file}, nil
}

// kill ends everything in the group.
func (g runGroup) kill() {
	if g.dir != "" {
		_ = os.WriteFile(filepath.Join(g.dir, "cgroup.kill"), []byte("1"), 0)
	}
}

// end ends what the agent has left behind and removes the group. The kernel refuses that until the last process is gone, which takes a moment.
func (g runGroup) end() {
	if g.dir == "" {
		return
	}
	g.file.Close()
	g.kill()
	for limit := time.Now().Add(killPatience); time.Now().Before(limit); {
		if err := os.Remove(g.dir); err == nil || !errors.Is(err, unix.EBUSY) {
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
}
