package etcdstore

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"

	"redoubt/internal/cluster"
	"redoubt/internal/fault"
)

// A member that is to die or to freeze runs in a process of its own: this test binary, told so by the environment.
const memberVariable = "REDOUBT_TEST_MEMBER"

// memberSpec is what the process is told.
type memberSpec struct {
	MemberConfig
	Admit, AdmitPeer, Log *int   // nothing: they stand before what can not be written down
	Disk                  string // size of the disk to mount on the data directory; empty: none
}

func TestMain(m *testing.M) {
	if spec := os.Getenv(memberVariable); spec != "" {
		os.Exit(memberMain(spec))
	}
	os.Exit(m.Run())
}

// memberMain runs a member until its standard input ends, and starts it again when the disk was full.
func memberMain(text string) int {
	var spec memberSpec
	if err := json.Unmarshal([]byte(text), &spec); err != nil {
		fmt.Println("failed", err)
		return 1
	}
	cfg := spec.MemberConfig
	cfg.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	if spec.Disk != "" {
		if err := mountDisk(cfg.Dir, spec.Disk); err != nil {
			fmt.Println("failed", err)
			return 1
		}
	}
	over := make(chan struct{})
	go func() {
		io.Copy(io.Discard, os.Stdin)
		close(over)
	}()
	for {
		m, err := StartMember(context.Background(), cfg)
		if err != nil {
			fmt.Println("failed", fault.CodeOf(err), err)
			return 1
		}
		select {
		case <-m.Ready():
			fmt.Println("ready")
		case <-m.Done():
		case <-over:
			m.Close()
			return 0
		}
		select {
		case <-m.Done():
		case <-over:
			m.Close()
			return 0
		}
		fmt.Println("stopped", fault.CodeOf(m.Err()), m.Err())
		if err := WaitForRoom(context.Background(), cfg.Dir); err != nil {
			return 1
		}
		cfg.Mode = ModeRestart
	}
}

// mountDisk mounts a small disk; the process has a mount namespace of its own.
func mountDisk(dir, size string) error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return syscall.Mount("disk", dir, "tmpfs", 0, "size="+size)
}

// process is a member in a process of its own.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	stdin io.Closer
	lines chan string
}

// spawn starts a member in a process of its own.
func (m *members) spawn(i int, mode Mode, peers map[cluster.NodeName]string, disk string) *process {
	m.t.Helper()
	cfg := m.config(i, mode, peers)
	spec, err := json.Marshal(memberSpec{MemberConfig: cfg, Disk: disk})
	if err != nil {
		m.t.Fatal(err)
	}
	p := &process{t: m.t, cmd: exec.Command("/proc/self/exe"), lines: make(chan string, 100)}
	p.cmd.Env = append(os.Environ(), memberVariable+"="+string(spec))
	p.cmd.Stderr = m.t.Output()
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if disk != "" {
		p.cmd.SysProcAttr.Unshareflags = syscall.CLONE_NEWNS
	}
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		m.t.Fatal(err)
	}
	p.stdin = stdin
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		m.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	go func() {
		defer close(p.lines)
		for sc := bufio.NewScanner(stdout); sc.Scan(); {
			p.lines <- sc.Text()
		}
	}()
	m.t.Cleanup(p.kill)
	return p
}

func (p *process) kill() {
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// expect waits for a line that begins with a word.
func (p *process) expect(word string) string {
	p.t.Helper()
	select {
	case line, ok := <-p.lines:
		if !ok || !strings.HasPrefix(line, word) {
			p.t.Fatalf("the member said %q, want %q", line, word)
		}
		return line
	case <-time.After(patience):
		p.t.Fatalf("waited %v for the member to say %q", patience, word)
	}
	return ""
}

// growProcesses makes a repository of three voters, each in a process.
func (m *members) growProcesses() (*Store, map[int]*process) {
	m.t.Helper()
	procs := map[int]*process{1: m.spawn(1, ModeNew, nil, "")}
	procs[1].expect("ready")
	s := m.open(1)
	e := m.electorate(s)
	for i := 2; i <= 3; i++ {
		ctx := bounded(m.t)
		eventually(m.t, "seat", func() error { return e.AddLearner(ctx, node(i)) })
		peers, err := e.Peers(ctx)
		if err != nil {
			m.t.Fatal(err)
		}
		procs[i] = m.spawn(i, ModeJoin, peers, "")
		eventually(m.t, "promote", func() error { return e.Promote(ctx, node(i)) })
		procs[i].expect("ready")
	}
	if err := s.SetEndpoints([]string{m.endpoint(1), m.endpoint(2), m.endpoint(3)}); err != nil {
		m.t.Fatal(err)
	}
	return s, procs
}

// leader is the number of the leading member, asked at the others.
func (m *members) leader(numbers ...int) int {
	m.t.Helper()
	found := 0
	eventually(m.t, "a leader", func() error {
		for _, i := range numbers {
			s := m.open(i)
			st, err := etcdserverpb.NewMaintenanceClient(s.endpoints[0].conn).Status(bounded(m.t), &etcdserverpb.StatusRequest{})
			s.Close()
			if err != nil {
				return err
			}
			if st.Leader != 0 && st.Leader == st.Header.MemberId {
				found = i
				return nil
			}
		}
		return fault.Errorf(fault.Unavailable, "no member leads")
	})
	return found
}
