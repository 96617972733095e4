package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"redoubt/internal/apart"
	"redoubt/internal/fault"
)

// nodePath is the PATH of programs on a machine.
const nodePath = toolDir + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// aside runs f apart, in the namespaces of process pid, which are named as in /proc/PID/ns. What f starts or opens belongs to those namespaces.
func aside(pid int, kinds []string, f func() error) error {
	return apart.Do(func() error {
		if err := enter(pid, kinds); err != nil {
			return err
		}
		return f()
	})
}

func enter(pid int, kinds []string) error {
	var files []*os.File
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	for _, kind := range kinds { // all are opened before the first is entered: /proc may look different after that
		f, err := os.Open(fmt.Sprintf("/proc/%d/ns/%s", pid, kind))
		if err != nil {
			return fault.Errorf(fault.Unavailable, "enter namespaces of process %d: %w", pid, err)
		}
		files = append(files, f)
	}
	if err := unix.Unshare(unix.CLONE_FS); err != nil { // a thread that shares its root directory may not change mount namespaces
		return fault.Errorf(fault.Internal, "unshare root directory: %w", err)
	}
	for i, f := range files {
		if err := unix.Setns(int(f.Fd()), 0); err != nil {
			return fault.Errorf(fault.Internal, "enter %s namespace of process %d: %w", kinds[i], pid, err)
		}
	}
	return nil
}

// startInside starts cmd on a machine: in all its namespaces and in its cgroup. cmd.Args[0] is looked up on the machine.
func startInside(pid int, group cgroup, cmd *exec.Cmd) error {
	dir, err := os.Open(string(group))
	if err != nil {
		return fault.Errorf(fault.Unavailable, "open cgroup %s: %w", group, err)
	}
	defer dir.Close()
	attr := unixAttr(cmd)
	attr.UseCgroupFD, attr.CgroupFD = true, int(dir.Fd())
	return aside(pid, []string{"net", "uts", "ipc", "pid", "mnt"}, func() error {
		path, err := lookPath(cmd.Args[0])
		if err != nil {
			return err
		}
		cmd.Path, cmd.Err = path, nil
		if cmd.Dir == "" {
			cmd.Dir = "/"
		}
		if err := cmd.Start(); err != nil {
			return fault.Errorf(fault.Internal, "start %s: %w", path, err)
		}
		return nil
	})
}

// lookPath looks a program up as the calling thread sees the files.
func lookPath(name string) (string, error) {
	if strings.Contains(name, "/") {
		if _, err := os.Stat(name); err != nil {
			return "", fault.Errorf(fault.NotFound, "run %s: %w", name, errors.Unwrap(err))
		}
		return name, nil
	}
	for dir := range strings.SplitSeq(nodePath, ":") {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return "", fault.Errorf(fault.NotFound, "run %s: there is no such program on the machine", name)
}
