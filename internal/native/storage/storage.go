// Package storage runs the type redoubt.storage: a file system that is mounted where its group is. It is checked before it is mounted, owed to
// the guard before it is there, and unmounted even when processes use it.
//
// mount, umount and fsck are run through the launcher: so they act in the mount namespace of the services, and one that hangs in the kernel
// does not hold up the daemon.
package storage

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"redoubt/internal/agent"
	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/native/property"
	"redoubt/internal/native/record"
	"redoubt/internal/rgm/model"
)

// TypeName is the name of the type.
const TypeName cluster.TypeName = "redoubt.storage"

// Config is what the type needs. Every field must be set.
type Config struct {
	Launcher    agent.Launcher
	Obligations agent.Obligations
	Records     *record.Store
	Log         *slog.Logger
}

// Type runs the methods of redoubt.storage.
type Type struct{ cfg Config }

// New returns the type.
func New(cfg Config) *Type { return &Type{cfg} }

// Run runs a method.
func (t *Type) Run(ctx context.Context, call agent.Call) error {
	switch call.Method {
	case model.MethodValidate:
		if err := validate(call); err != nil {
			return err
		}
		return wayTo(property.Text(call, "Mount_point"))
	case model.MethodStart:
		return t.start(ctx, call)
	case model.MethodStop:
		return t.stop(ctx, call)
	}
	return nil
}

// End kills what a method left running.
func (t *Type) End(ctx context.Context, call agent.Call) error {
	if err := t.cfg.Launcher.Kill(ctx, ref(call)); err != nil {
		return fault.Errorf(fault.Internal, "end commands of resource %s: %w", call.Resource.Name, err)
	}
	return nil
}

func ref(call agent.Call) agent.Ref {
	return agent.Ref{Group: call.Resource.Group, Resource: call.Resource.Name}
}

// systemDirs are never mounted over: the node would not outlive it.
var systemDirs = []string{"/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/root", "/run", "/sbin", "/sys", "/tmp", "/usr", "/var"}

func validate(call agent.Call) error {
	point := property.Text(call, "Mount_point")
	if !filepath.IsAbs(point) || filepath.Clean(point) != point || point == "/" || strings.ContainsAny(point, "\n\t") {
		return fault.Errorf(fault.Invalid, "resource %s: property Mount_point: %q is no clean path from the root, such as /srv/data", call.Resource.Name, point)
	}
	for _, dir := range systemDirs {
		if point == dir {
			return fault.Errorf(fault.Invalid, "resource %s: property Mount_point: %s belongs to the system; mount below it or somewhere else", call.Resource.Name, point)
		}
	}
	device := property.Text(call, "Device")
	_, tagged := tag(device)
	if !tagged && (!filepath.IsAbs(device) || filepath.Clean(device) != device) {
		return fault.Errorf(fault.Invalid, "resource %s: property Device: %q is neither a path such as /dev/sdb1 nor LABEL=… or UUID=…", call.Resource.Name, device)
	}
	for _, p := range []string{"Mount_options", "Fstype"} {
		if text := property.Text(call, p); strings.HasPrefix(text, "-") || strings.ContainsAny(text, " \n\t") {
			return fault.Errorf(fault.Invalid, "resource %s: property %s: %q has a space or begins with -; separate options by commas", call.Resource.Name, p, text)
		}
	}
	return nil
}

// tag returns where udev shows a device that is named by label or identifier, and whether the device is named so.
func tag(device string) (string, bool) {
	for prefix, dir := range map[string]string{"LABEL=": "by-label", "UUID=": "by-uuid", "PARTLABEL=": "by-partlabel", "PARTUUID=": "by-partuuid"} {
		if name, ok := strings.CutPrefix(device, prefix); ok && name != "" && !strings.Contains(name, "/") {
			return "/dev/disk/" + dir + "/" + name, true
		}
	}
	return device, false
}

func (t *Type) start(ctx context.Context, call agent.Call) error {
	if err := validate(call); err != nil {
		return err
	}
	point := property.Text(call, "Mount_point")
	device, err := t.device(ctx, call)
	if err != nil {
		return err
	}
	mounts, err := mountTable()
	if err != nil {
		return err
	}
	for _, m := range mounts {
		switch {
		case m.point == point && m.is(device):
			return errors.Join(t.owe(ctx, point), t.note(call, m)) // it is there
		case m.point == point:
			return fault.Errorf(fault.Exists, "mount %s on %s: %s is mounted there already; unmount it or choose another Mount_point", device, point, m.source)
		case m.is(device):
			return fault.Errorf(fault.Precondition, "mount %s on %s: it is mounted on %s of this node already; unmount it there and take it out of /etc/fstab", device, point, m.point)
		}
	}
	if err := t.check(ctx, call, device); err != nil {
		return err
	}
	if err := os.MkdirAll(point, 0o755); err != nil {
		return fault.Errorf(fault.Precondition, "mount %s: make the mount point: %w", device, err)
	}
	if err := itself(point); err != nil {
		return err
	}
	if err := wayTo(point); err != nil { // resources that are older than this rule go on
		t.cfg.Log.Warn("others than root can lead a mount elsewhere", "resource", call.Resource.Name, "cause", err.Error())
	}
	if err := t.owe(ctx, point); err != nil {
		return err
	}
	args := []string{"-n"}
	if fs := property.Text(call, "Fstype"); fs != "" {
		args = append(args, "-t", fs)
	}
	if o := property.Text(call, "Mount_options"); o != "" {
		args = append(args, "-o", o)
	}
	if out := t.command(ctx, call, "Mount", "/bin/mount", append(args, device, point)...); out.Exit != 0 || out.Err != nil {
		return failure(ctx, fmt.Sprintf("mount %s on %s", device, point), out)
	}
	return t.landed(ctx, call, device, point)
}

func (t *Type) owe(ctx context.Context, point string) error {
	if err := t.cfg.Obligations.Owe(ctx, agent.Obligation{Mount: point}); err != nil {
		return fault.Errorf(fault.CodeOf(err), "mount on %s: %w", point, err)
	}
	return nil
}

// device waits for the device and returns its path, all links resolved: so the kernel names it in its table of mounts.
func (t *Type) device(ctx context.Context, call agent.Call) (string, error) {
	name := property.Text(call, "Device")
	path, _ := tag(name)
	limit := time.NewTimer(property.Seconds(call, "Device_wait", 10))
	defer limit.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		resolved, err := filepath.EvalSymlinks(path)
		if err == nil {
			info, err := os.Stat(resolved)
			if err == nil && info.Mode()&os.ModeDevice != 0 && info.Mode()&os.ModeCharDevice == 0 {
				return resolved, nil
			}
			if err == nil {
				return "", fault.Errorf(fault.Precondition, "mount %s: %s is no block device", name, resolved)
			}
		}
		select {
		case <-tick.C:
		case <-limit.C:
			return "", fault.Errorf(fault.NotFound, "mount %s: the device does not exist on node %s; look at its connection, or correct the property Device", name, call.Node)
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
}

// check runs fsck as the type of the file system and the property Fsck want it. Its exit status is a sum of bits: 1 corrected, 4 and
// above not corrected or not run.
func (t *Type) check(ctx context.Context, call agent.Call, device string) error {
	mode := property.Text(call, "Fsck")
	fs := property.Text(call, "Fstype")
	if fs == "" {
		out := t.command(ctx, call, "Blkid", "/sbin/blkid", "-p", "-s", "TYPE", "-o", "value", device)
		fs = strings.TrimSpace(out.Output)
	}
	var args []string
	switch {
	case mode == "no":
		return nil
	case strings.HasPrefix(fs, "ext"):
		args = []string{"/sbin/fsck." + fs, "-p", device}
		if mode == "force" {
			args = []string{"/sbin/fsck." + fs, "-f", "-y", device}
		}
	case fs == "xfs": // its journal is replayed by the mount; a check is made only on demand
		if mode != "force" {
			return nil
		}
		args = []string{"/sbin/xfs_repair", "-n", device}
	case mode == "force":
		args = []string{"/sbin/fsck", "-y", device}
	default:
		return nil
	}
	out := t.command(ctx, call, "Fsck", args[0], args[1:]...)
	if fault.Is(out.Err, fault.NotFound) && mode != "force" {
		t.cfg.Log.Warn("file system is not checked: its program is not installed", "resource", call.Resource.Name, "program", args[0])
		return nil
	}
	if out.Err == nil && ctx.Err() == nil && (out.Exit == 0 || out.Exit < 4 && fs != "xfs") {
		return nil
	}
	return failure(ctx, fmt.Sprintf("check file system on %s", device), out)
}

func (t *Type) command(ctx context.Context, call agent.Call, label, path string, args ...string) agent.Outcome {
	return t.cfg.Launcher.Run(ctx, agent.Program{
		Ref: ref(call), Label: label, Path: path, Args: args, Env: []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "HOME=/"},
	})
}

func failure(ctx context.Context, what string, out agent.Outcome) error {
	lines := strings.Split(strings.TrimSpace(out.Output), "\n")
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", what, context.Cause(ctx))
	case out.Err != nil:
		return fmt.Errorf("%s: %w", what, out.Err)
	case lines[0] != "":
		return fault.Errorf(fault.Precondition, "%s: %s (exit status %d)", what, strings.TrimSpace(lines[len(lines)-1]), out.Exit)
	}
	return fault.Errorf(fault.Precondition, "%s: exit status %d", what, out.Exit)
}

// patience is how long users of a file system have to end after SIGTERM.
const patience = 2 * time.Second

// stop unmounts. Users are asked to end, then ended. What can not be unmounted even then is a failure: it must not be mounted elsewhere.
func (t *Type) stop(ctx context.Context, call agent.Call) error {
	point := property.Text(call, "Mount_point")
	for try := 0; ; try++ {
		mounts, err := mountTable()
		if err != nil {
			return err
		}
		at := mounts.at(point)
		if at == nil {
			at = t.elsewhere(call, mounts)
		}
		if at == nil {
			break
		}
		out := t.command(ctx, call, "Umount", "/bin/umount", "-n", at.point)
		if out.Exit == 0 && out.Err == nil {
			continue
		}
		err = failure(ctx, "unmount "+at.point, out)
		if try >= 10 || ctx.Err() != nil {
			return fault.Errorf(fault.Precondition, "%w; used by %s", err, describe(usersOf(at.point, at.major, at.minor)))
		}
		if err := t.clear(ctx, call, *at); err != nil {
			return err
		}
		// The kernel may hold it a moment longer than the last process.
		timer := time.NewTimer(time.Duration(try) * 20 * time.Millisecond)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
	if err := t.cfg.Obligations.Settle(ctx, agent.Obligation{Mount: point}); err != nil {
		return fault.Errorf(fault.CodeOf(err), "unmount %s: %w", point, err)
	}
	t.cfg.Records.Remove(recordMount, call.Resource.Name)
	return nil
}

// clear ends the processes that use a mounted file system.
func (t *Type) clear(ctx context.Context, call agent.Call, m mount) error {
	users := usersOf(m.point, m.major, m.minor)
	if len(users) > 0 {
		t.cfg.Log.Warn("processes use the file system and are ended", "resource", call.Resource.Name, "mountPoint", m.point, "processes", describe(users))
	}
	for _, u := range users {
		if u.pid == os.Getpid() {
			return fault.Errorf(fault.Precondition, "unmount %s: the cluster's own daemon uses it (%s); move its directories elsewhere", m.point, u.path)
		}
	}
	err := end(ctx, users, m, patience)
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return context.Cause(ctx)
	}
	return err
}
