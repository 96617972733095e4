package ocf

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"redoubt/internal/agent"
	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/model"
	"redoubt/internal/words"
)

// describeTime is how long an agent may take to describe itself. The slowest of Debian's takes 0.15 s.
const describeTime = 10 * time.Second

// Describe implements agent.Driver.
func (d *Driver) Describe(ctx context.Context, name cluster.TypeName) (model.Type, error) {
	path, err := d.locate(name)
	if err != nil {
		return model.Type{}, err
	}
	if err := d.makeRunDirs(); err != nil {
		return model.Type{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, describeTime)
	defer cancel()
	env := d.environment(agent.Call{Type: model.Type{Name: name}, Resource: model.Resource{Name: instanceMark}, Node: d.cfg.Node, Timeout: describeTime})
	as, err := d.admit(name, path, env)
	if err != nil {
		return model.Type{}, err
	}
	defer as.Close()
	out, err := metaData(ctx, as, env)
	if err != nil {
		return model.Type{}, fault.Errorf(fault.CodeOf(err), "resource type %s: %s meta-data: %w", name, path, err)
	}
	t, err := parse(name, out)
	if err != nil {
		return model.Type{}, err
	}
	t.BaseDir = filepath.Dir(path)
	return t, nil
}

func provider(name cluster.TypeName) string { return strings.SplitN(string(name)+"::", ":", 4)[1] }

func agentName(name cluster.TypeName) string { return strings.SplitN(string(name)+"::", ":", 4)[2] }

// admit says how the agent's meta-data action is to be started.
func (d *Driver) admit(name cluster.TypeName, path string, env []string) (agent.Admission, error) {
	args := []string{"meta-data"}
	if d.cfg.Gate == nil {
		return agent.Admission{Path: path, Args: append([]string{path}, args...), Close: func() {}}, nil
	}
	as, err := d.cfg.Gate.Admit(agent.Program{Label: "meta-data", Path: path, Args: args, Env: env, Folder: filepath.Dir(path), Libraries: d.libraries()})
	if err != nil {
		return as, fault.Errorf(fault.CodeOf(err), "resource type %s: %w", name, err)
	}
	return as, nil
}

// libraries is where agents take functions from.
func (d *Driver) libraries() []string {
	dir := filepath.Join(d.cfg.Root, "lib")
	if _, err := os.Stat(dir); err != nil {
		return nil
	}
	return []string{dir}
}

// locate finds the agent of a type. What runs as root must be what root has put there; where there is a gate it is the judge of that.
func (d *Driver) locate(name cluster.TypeName) (string, error) {
	if !strings.HasPrefix(string(name), "ocf:") {
		return "", fault.Errorf(fault.NotFound, "resource type %q is not an OCF agent; those are named ocf:PROVIDER:NAME", name)
	}
	if err := cluster.CheckTypeName(string(name)); err != nil {
		return "", fault.Errorf(fault.Invalid, "resource type %q: an OCF agent is named ocf:PROVIDER:NAME", name)
	}
	path := filepath.Join(d.cfg.Root, "resource.d", provider(name), agentName(name))
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", d.notFound(name, path)
	}
	if err != nil {
		return "", fault.Errorf(fault.Internal, "resource type %s: %w", name, err)
	}
	if !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
		return "", fault.Errorf(fault.Precondition, "resource type %s: %s is not an executable file; if it is the agent, chmod 755 it", name, path)
	}
	if d.cfg.Gate != nil {
		return path, nil
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", fault.Errorf(fault.Internal, "resource type %s: %w", name, err)
	}
	for _, p := range []string{real, filepath.Dir(real), filepath.Dir(path)} {
		info, err := os.Stat(p)
		if err != nil {
			return "", fault.Errorf(fault.Internal, "resource type %s: %w", name, err)
		}
		if st, ok := info.Sys().(*syscall.Stat_t); !ok || st.Uid != 0 || info.Mode()&0o022 != 0 {
			return "", fault.Errorf(fault.Precondition, "resource type %s: others than root may write %s, so it is not run as root; chown root and chmod go-w it", name, p)
		}
	}
	return path, nil
}

// notFound says that there is no such agent and which are called something like it.
func (d *Driver) notFound(name cluster.TypeName, path string) error {
	type match struct {
		name     string
		distance int
	}
	var near []match
	want := strings.ToLower(agentName(name))
	found, _ := filepath.Glob(filepath.Join(d.cfg.Root, "resource.d", "*", "*")) // the pattern is well-formed
	for _, f := range found {
		have := strings.ToLower(filepath.Base(f))
		dist := words.Distance(want, have)
		if strings.HasPrefix(have, want) || strings.HasPrefix(want, have) && len(have) > 2 {
			dist = min(dist, 2)
		}
		if dist <= 2 {
			near = append(near, match{"ocf:" + filepath.Base(filepath.Dir(f)) + ":" + filepath.Base(f), dist})
		}
	}
	slices.SortStableFunc(near, func(a, b match) int { return a.distance - b.distance })
	hint := "install the package that brings it (on Debian: resource-agents)"
	if len(found) > 0 {
		hint = "see the names in " + filepath.Join(d.cfg.Root, "resource.d")
	}
	if len(near) > 0 {
		names := []string{}
		for _, m := range near[:min(len(near), 3)] {
			names = append(names, m.name)
		}
		hint = "did you mean " + strings.Join(names, ", ") + "?"
	}
	return fault.Errorf(fault.NotFound, "resource type %s: there is no agent %s on this node; %s", name, path, hint)
}

// metaData runs the agent's meta-data action: no resource exists yet, so not in a resource's cgroup, but in a process group of its own that
// is killed when it takes too long or says too much. Whoever still holds the output then is not waited for.
func metaData(ctx context.Context, as agent.Admission, env []string) ([]byte, error) {
	out, err := newSink(maxMetadata)
	if err != nil {
		return nil, err
	}
	defer out.close()
	complaint, err := newSink(4 << 10)
	if err != nil {
		return nil, err
	}
	defer complaint.close()
	cmd := &exec.Cmd{Path: as.Path, Args: as.Args}
	cmd.Env, cmd.Dir = env, "/"
	stderr, err := as.Above(complaint.write)
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "duplicate a descriptor: %w", err)
	}
	cmd.Stdout, cmd.Stderr = out.write, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err = cmd.Start()
	_ = stderr.Close()
	if err != nil {
		return nil, fault.Errorf(fault.Precondition, "%w; is its interpreter installed?", err)
	}
	// The daemon's real-time priority is inherited; the process may have ended already.
	_ = unix.SchedSetAttr(cmd.Process.Pid, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL}, 0)
	out.follow()
	complaint.follow()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	// Nobody of the group is left after an orderly end; the call is then refused.
	kill := func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	defer kill()
	select {
	case err = <-ended:
	case <-out.full:
		kill()
		<-ended
		return nil, fault.Errorf(fault.Invalid, "it writes more than %d bytes and was killed", maxMetadata)
	case <-ctx.Done():
		kill()
		<-ended
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return nil, fault.Errorf(fault.Timeout, "it takes longer than %v and was killed", describeTime)
		}
		return nil, fault.Errorf(fault.Unavailable, "given up: %w", ctx.Err())
	}
	text := out.settle()
	if err != nil {
		return nil, fault.Errorf(fault.Precondition, "it failed (%w): %s", err, lastLine(string(complaint.settle())))
	}
	if len(text) > maxMetadata {
		return nil, fault.Errorf(fault.Invalid, "it writes more than %d bytes", maxMetadata)
	}
	return text, nil
}

// sink is a pipe whose reader keeps the first bytes and drops the rest.
type sink struct {
	read, write *os.File
	limit       int
	mu          sync.Mutex
	kept        []byte
	full, done  chan struct{}
}

func newSink(limit int) (*sink, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "make a pipe: %w", err)
	}
	return &sink{read: r, write: w, limit: limit, full: make(chan struct{}), done: make(chan struct{})}, nil
}

// follow begins to read; the program has its end of the pipe by now.
func (s *sink) follow() {
	s.write.Close()
	go func() {
		defer close(s.done)
		buf := make([]byte, 32<<10)
		for {
			n, err := s.read.Read(buf)
			if s.keep(buf[:n]) {
				close(s.full)
			}
			if err != nil {
				return
			}
		}
	}()
}

// keep reports whether the limit was passed just now.
func (s *sink) keep(b []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.kept)
	s.kept = append(s.kept, b[:min(len(b), s.limit+1-before)]...)
	return before <= s.limit && len(s.kept) > s.limit
}

// settle returns what was written before the program ended: it is in the pipe already.
func (s *sink) settle() []byte {
	_ = s.read.SetReadDeadline(time.Now().Add(100 * time.Millisecond)) // a pipe always takes one
	<-s.done
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kept
}

func (s *sink) close() {
	s.write.Close()
	s.read.Close()
}
