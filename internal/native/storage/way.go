package storage

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"redoubt/internal/agent"
	"redoubt/internal/fault"
)

// A file system is mounted, found again and unmounted by the name of its mount point. Who can put a link in the place of a directory on the way leads the mount over /etc; who can rename
// one takes it out of sight, and the file system would be mounted on two nodes. So only root may change the way, a link is not followed, and Stop looks for what Start has mounted
// under any name.

// recordMount is the kind of the record of what Start has mounted: source, major and minor number of the device.
const recordMount = "mount"

// itself refuses a mount point that leads to another place.
func itself(point string) error {
	real, err := filepath.EvalSymlinks(point)
	if err != nil {
		return fault.Errorf(fault.Precondition, "mount point %s: %w", point, err)
	}
	if real != point {
		return fault.Errorf(fault.Precondition, "mount point %s leads to %s over a symbolic link, and would not be found there when it has to be unmounted; set Mount_point=%s if that is meant", point, real, real)
	}
	return nil
}

// wayTo refuses a mount point on whose way somebody else than root may rename directories or put links. Directories that are not there yet are root's when they are made.
func wayTo(point string) error {
	for dir := filepath.Dir(point); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err == nil {
			st, ok := info.Sys().(*syscall.Stat_t)
			switch {
			case !ok || st.Uid != 0:
				return fault.Errorf(fault.Precondition, "mount point %s: directory %s belongs to another user than root, who could lead the mount elsewhere: `chown root %s`, or mount outside of it", point, dir, dir)
			case info.Mode().Perm()&0o022 != 0 && info.Mode()&os.ModeSticky == 0:
				return fault.Errorf(fault.Precondition, "mount point %s: others than root may write directory %s and lead the mount elsewhere: `chmod go-w %s`, or mount outside of it", point, dir, dir)
			}
		}
		if dir == "/" {
			return nil
		}
	}
}

// note remembers what is mounted for a resource, as long as the machine runs.
func (t *Type) note(call agent.Call, m mount) error {
	return t.cfg.Records.Save(recordMount, call.Resource.Name, []string{m.source, strconv.FormatUint(uint64(m.major), 10), strconv.FormatUint(uint64(m.minor), 10)})
}

// landed makes sure that a mount is where it was to be, and takes it away where it is not.
func (t *Type) landed(ctx context.Context, call agent.Call, device, point string) error {
	mounts, err := mountTable()
	if err != nil {
		return err
	}
	if at := mounts.at(point); at != nil && at.is(device) {
		return t.note(call, *at)
	}
	for _, m := range slices.Backward(mounts) {
		if !m.is(device) {
			continue
		}
		out := t.command(ctx, call, "Umount", "/bin/umount", "-n", m.point)
		why := fmt.Sprintf("mount %s on %s: it came to be on %s, because somebody has changed a directory on the way", device, point, m.point)
		if out.Exit != 0 || out.Err != nil {
			return fault.Errorf(fault.Precondition, "%s, and could not be unmounted there: %w", why, failure(ctx, "umount", out))
		}
		return fault.Errorf(fault.Precondition, "%s; it was unmounted again. See that only root may write those directories", why)
	}
	return fault.Errorf(fault.Precondition, "mount %s on %s: it is not mounted although the program mount says so", device, point)
}

// elsewhere finds what Start has mounted for a resource, and a mount of the same file system that a service has made of it, under another name: as long as one is there the file system
// must not be mounted on another node.
func (t *Type) elsewhere(call agent.Call, mounts table) *mount {
	was, err := t.cfg.Records.Load(recordMount, call.Resource.Name)
	if err != nil || len(was) != 3 {
		return nil
	}
	for i, m := range slices.Backward(mounts) {
		if m.source == was[0] && strconv.FormatUint(uint64(m.major), 10) == was[1] && strconv.FormatUint(uint64(m.minor), 10) == was[2] {
			return &mounts[i]
		}
	}
	return nil
}
