package daemon

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"redoubt/internal/fault"
)

// fileLock is held by the one daemon of a node as long as it lives.
const fileLock = "redoubtd.lock"

// lockNode makes sure that this is the only daemon of the node, before anything is touched that another one uses. The kernel gives the lock back when this
// process ends, however it ends.
func lockNode(cfg Config) (release func(), err error) {
	if err := os.MkdirAll(cfg.Run, 0o755); err != nil {
		return nil, fault.Errorf(fault.Internal, "make the directory %s: %w", cfg.Run, err)
	}
	path := filepath.Join(cfg.Run, fileLock)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "lock this node: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fault.Errorf(fault.Internal, "lock this node with %s: %w", path, err)
		}
		who := "another redoubtd"
		if pid, err := os.ReadFile(path); err == nil && len(pid) > 0 {
			who += " (process " + strings.TrimSpace(string(pid)) + ")"
		}
		return nil, fault.Errorf(fault.Precondition, "%s runs this node, with runDir %s; stop it first, or give this one a runDir and a dataDir of its own", who, cfg.Run)
	}
	// Who holds it is for people: the lock counts, whatever stands in the file.
	if err = f.Truncate(0); err == nil {
		_, err = f.WriteAt([]byte(fmt.Sprintf("%d\n", os.Getpid())), 0)
	}
	if err != nil {
		f.Close()
		return nil, fault.Errorf(fault.Internal, "write %s: %w", path, err)
	}
	return func() { f.Close() }, nil
}
