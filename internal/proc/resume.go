package proc

import (
	"os"
	"path/filepath"
	"strings"

	"redoubt/internal/agent"
	"redoubt/internal/cluster"
	"redoubt/internal/fault"
)

// Resume goes on reading the outputs of programs that an earlier daemon of this node left running, and removes what is left of those
// that have ended. It is called once, before anything is run.
func (l *Launcher) Resume() error {
	leaves, err := filepath.Glob(filepath.Join(l.cfg.Cgroup, "rg-*", "rs-*", "*-*"))
	if err != nil {
		return fault.Errorf(fault.Internal, "find running programs: %w", err)
	}
	for _, leaf := range leaves {
		if info, err := os.Stat(leaf); err != nil || !info.IsDir() {
			continue
		}
		if !populated(filepath.Join(leaf, "cgroup.events")) {
			l.sweep(filepath.Dir(leaf))
			continue
		}
		parts := strings.Split(leaf, "/")
		n := len(parts)
		ref := agent.Ref{
			Group:    cluster.GroupName(strings.TrimPrefix(parts[n-3], "rg-")),
			Resource: cluster.ResourceName(strings.TrimPrefix(parts[n-2], "rs-")),
		}
		label, _, _ := strings.Cut(parts[n-1], "-")
		c, err := l.openCapture(leaf, l.pipePath(leaf), ref, label)
		if err != nil {
			l.cfg.Log.Warn("output of a running program can not be read", "resource", string(ref.Resource), "cause", err.Error())
			continue
		}
		c.keeping = false
		l.mu.Lock()
		l.readers[leaf] = c
		l.mu.Unlock()
		go c.follow()
	}
	return nil
}

// Mountpoint returns where cgroup2 is mounted, from the text of /proc/self/mountinfo; fault.Unsupported when it is not.
func Mountpoint(mountinfo string) (string, error) {
	for line := range strings.Lines(mountinfo) {
		left, right, ok := strings.Cut(line, " - ")
		fields := strings.Fields(left)
		if ok && len(fields) >= 5 && fields[3] == "/" && strings.HasPrefix(right, "cgroup2 ") {
			return unescape.Replace(fields[4]), nil
		}
	}
	return "", fault.Errorf(fault.Unsupported, "cgroup2 is not mounted: mount it (mount -t cgroup2 none /sys/fs/cgroup/unified), services can not be confined without it")
}

var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
