package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"redoubt/internal/execcheck"
	"redoubt/internal/fault"
	"redoubt/internal/guard"
	"redoubt/internal/version"
)

// guardPatience is how long the guard's program may take to say its version.
const guardPatience = 5 * time.Second

// findGuard opens the program of the guard that lies beside this program; see openGuard.
func (d *Daemon) findGuard(ctx context.Context) (*os.File, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "find this program: %w", err)
	}
	return openGuard(ctx, filepath.Join(filepath.Dir(self), guard.Name))
}

// openGuard opens a program of the guard, once: what is started later is what was looked at here, whatever becomes of its name meanwhile. Only root may have written
// it, and it has to be of this version: in the middle of an installation what lies there belongs to another daemon.
func openGuard(ctx context.Context, path string) (*os.File, error) {
	f, err := execcheck.Hold(path)
	switch {
	case fault.Is(err, fault.NotFound):
		return nil, fault.Errorf(fault.NotFound, "%s is missing: install it beside this program and start the daemon again", path)
	case err != nil:
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, guardPatience)
	defer cancel()
	out, err := exec.CommandContext(ctx, fmt.Sprintf("/proc/self/fd/%d", f.Fd()), "version").Output()
	if err != nil {
		return nil, errors.Join(fault.Errorf(fault.Unavailable, "ask %s for its version: %w", path, err), f.Close())
	}
	if theirs := strings.TrimSpace(string(out)); theirs != version.Version {
		return nil, errors.Join(fault.Errorf(fault.Precondition, "%s is of version %q, and this daemon of %q: install both from one package and start the daemon again", path, theirs, version.Version), f.Close())
	}
	return f, nil
}
