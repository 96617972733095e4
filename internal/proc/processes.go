package proc

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"redoubt/internal/agent"
	"redoubt/internal/fault"
)

// Processes returns the process ids, in the namespace of the caller, of everything that lives in the resource's cgroup, sorted. A process
// that has ended and was not reaped yet is not among them.
func (l *Launcher) Processes(ref agent.Ref) ([]int, error) {
	var pids []int
	err := filepath.WalkDir(l.dir(ref), func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.Name() != "cgroup.procs" {
			return err
		}
		b, err := os.ReadFile(path) //nolint:gosec // cgroupfs has no links, and only root makes cgroups
		if err != nil {
			return nil // the cgroup was removed in between
		}
		for _, f := range strings.Fields(string(b)) {
			if pid, err := strconv.Atoi(f); err == nil && pid > 0 { // 0: of a namespace that the caller does not see
				pids = append(pids, pid)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "list the processes of resource %s: %w", ref.Resource, err)
	}
	slices.Sort(pids)
	return slices.Compact(pids), nil
}
