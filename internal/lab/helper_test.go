package lab_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"redoubt/internal/cli"
	"redoubt/internal/lab"
)

// TestMain lets the test binary play the other programs of a lab: redoubt, with its first processes of machines, and a daemon.
func TestMain(m *testing.M) {
	switch {
	case filepath.Base(os.Args[0]) == "redoubtd" && len(os.Args) > 1 && os.Args[1] == "guard":
		select {}
	case filepath.Base(os.Args[0]) == "redoubtd":
		os.Exit(standIn())
	case filepath.Base(os.Args[0]) == "redoubt" && len(os.Args) > 1 && slices.Contains([]string{"cluster", "access", "node", "quorum", "status"}, os.Args[1]):
		os.Exit(standInCluster(os.Args[1:]))
	case filepath.Base(os.Args[0]) == "redoubt", len(os.Args) > 1 && os.Args[1] == "lab":
		os.Exit(redoubt(os.Args, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

func redoubt(args []string, out, errs io.Writer) int {
	exe, _ := os.Executable()
	return cli.Main(context.Background(), args, cli.Env{
		Stdin: os.Stdin, Stdout: out, Stderr: errs, Executable: exe, Extra: []func(cli.Env) *cobra.Command{lab.Command},
	})
}

// Ports of the stand-in: one tells the machine's name to who asks, one holds connections and says nothing.
const (
	portName = "8080"
	portHold = "8081"
)

// standIn is a daemon as a lab sees one: an API socket, a guard, an end when it is asked to. It also serves, so that probes have what to ask.
func standIn() int {
	fmt.Fprintln(os.Stderr, "stand-in", strings.Join(os.Args[1:], " "))
	name, _ := os.Hostname()
	api, err := net.Listen("unix", "/run/redoubt/api.sock")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer api.Close()
	guard := exec.Command("/run/lab/bin/redoubtd", "guard")
	if err := guard.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	go func() { _ = guard.Wait() }()
	hold, err := net.Listen("tcp", ":"+portHold)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	go func() {
		for {
			c, err := hold.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(io.Discard, c) }()
		}
	}()
	go func() {
		err := http.ListenAndServe(":"+portName, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/broken" {
				http.Error(w, name, http.StatusBadGateway)
				return
			}
			fmt.Fprintln(w, name, "served you")
		}))
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}()
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM, syscall.SIGINT)
	<-end
	_ = guard.Process.Kill()
	return 0
}

var count atomic.Int32

func labName() string { return fmt.Sprintf("t%d-%d", os.Getpid(), count.Add(1)) }

func options() lab.Options {
	exe, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return lab.Options{Name: labName(), Nodes: 2, Bare: true, Program: exe, Daemon: exe}
}

// up makes a bare lab that is taken down with the test, and waits for its daemons.
func up(t *testing.T, change func(*lab.Options)) *lab.Lab {
	t.Helper()
	o := options()
	if change != nil {
		change(&o)
	}
	t.Cleanup(func() {
		if err := lab.Remove(o.Name); err != nil {
			t.Error(err)
		}
	})
	l, err := lab.Up(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range l.Nodes() {
		serving(t, l, n)
	}
	return l
}

// serving waits until a node's stand-in serves.
func serving(t *testing.T, l *lab.Lab, node string) {
	t.Helper()
	within(t, 10*time.Second, node+" serves", func() bool {
		return l.InNetwork(node, func() error {
			c, err := net.DialTimeout("tcp", "127.0.0.1:"+portName, time.Second)
			if err == nil {
				c.Close()
			}
			return err
		}) == nil
	})
}

// within polls a condition for which there is no event.
func within(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	settles(t, limit, what, func() string {
		if ok() {
			return ""
		}
		return "not yet"
	})
}

// settles waits until f names nothing that is wrong.
func settles(t *testing.T, limit time.Duration, what string, f func() string) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(limit); ; <-tick.C {
		wrong := f()
		if wrong == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s: %s", limit, what, wrong)
		}
	}
}

func output(t *testing.T, l *lab.Lab, machine string, argv ...string) string {
	t.Helper()
	out, err := l.Output(t.Context(), machine, argv...)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

func address(t *testing.T, l *lab.Lab, machine, network string) string {
	t.Helper()
	a, err := l.Address(machine, network)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// reaches reports whether a TCP connection from one machine to another is made in a moment.
func reaches(t *testing.T, l *lab.Lab, from, to, network string) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	c, err := l.Dial(ctx, from, "tcp", net.JoinHostPort(address(t, l, to, network), portName))
	if err != nil {
		if !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, syscall.EHOSTUNREACH) {
			var n net.Error
			if !errors.As(err, &n) || !n.Timeout() {
				t.Fatalf("%s to %s: %v: a fault of the network is silent", from, to, err)
			}
		}
		return false
	}
	c.Close()
	return true
}
