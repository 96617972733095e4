// Package e2e_test runs whole clusters on this machine: real daemons, real kernel networking, real services, real faults. Every test uses the command line a
// person uses. Two oracles watch all of them: a client that logs who answers, and the service itself, which holds a lock that only one
// process on this kernel can hold, and writes down when it could not get it.
package e2e_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"redoubt/internal/lab"
)

// bin holds the programs under test.
var bin string

func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "serve" {
		serve(os.Args[2], os.Args[3])
	}
	if len(os.Args) == 5 && os.Args[1] == "hold" {
		hold(os.Args[2], os.Args[3], os.Args[4])
	}
	if len(os.Args) > 2 && os.Args[1] == "answer" {
		answer(os.Args[2:])
	}
	if len(os.Args) == 5 && os.Args[1] == "ask" {
		ask(os.Args[2], os.Args[3], os.Args[4])
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("/var/lib", "redoubt-e2e-") // root's alone: what lies below /tmp does not run as root
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	bin = dir
	build := exec.Command("go", "build", "-o", dir+"/", "./cmd/...")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the programs: %v\n%s", err, out)
		return 1
	}
	defer func() {
		for name := range labs {
			if err := lab.Remove(name); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		}
	}()
	return m.Run()
}

// serve is the service of the tests: an HTTP server that answers with its node's name, and that must exist only once.
func serve(address, lock string) {
	host, _ := os.Hostname()
	self := fmt.Sprintf("%s/%d", host, time.Now().UnixNano()) // every process is an answerer of its own; process ids are used again
	f, err := os.OpenFile(lock, os.O_CREATE|os.O_RDWR, 0o600)
	if err == nil {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if err != nil {
		note, nerr := os.OpenFile(lock+".violations", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if nerr == nil {
			fmt.Fprintf(note, "%s: a second process serves %s: %v\n", host, address, err)
			note.Close()
		}
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	err = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		fmt.Fprintln(w, self)
	}))
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// service is a copy of this test's program beside those of the product: its own lies below /tmp, where everybody may write and nothing runs as root from.
var service = sync.OnceValues(func() (string, error) {
	b, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		return "", err
	}
	path := filepath.Join(bin, "service")
	return path, os.WriteFile(path, b, 0o755)
})
