package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"

	"redoubt/internal/fault"
)

// packages are Debian's packages of the peers, by what of them is to be measured.
var packages = map[string][]string{
	"pacemaker":  {"pacemaker", "corosync", "pacemaker-cli-utils", "resource-agents", "iproute2", "iputils-arping"},
	"plan":       {"pacemaker-cli-utils"},
	"keepalived": {"keepalived"},
	"scalable":   {"keepalived", "haproxy"},
}

// policy is the file that tells Debian's packages whether they may start their services.
const policy = "/usr/sbin/policy-rc.d"

// install installs what is missing. Nothing that it installs is started.
func install(ctx context.Context, r *run) (err error) {
	var missing []string
	for _, kind := range []string{"pacemaker", "plan", "keepalived", "scalable"} {
		for _, p := range packages[kind] {
			if r.wants(kind) && packageVersion(ctx, p) == "" {
				missing = append(missing, p)
			}
		}
	}
	if len(missing) == 0 {
		return nil
	}
	r.tell("installing %s", strings.Join(missing, " "))
	lock, err := os.OpenFile("/run/lock/redoubt-install-deps", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fault.Errorf(fault.Internal, "lock: %w", err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return fault.Errorf(fault.Internal, "lock %s: %w", lock.Name(), err)
	}
	f, err := os.OpenFile(policy, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	switch {
	case err == nil:
		defer func() { err = errors.Join(err, os.Remove(policy)) }()
		_, e := f.WriteString("#!/bin/sh\nexit 101\n")
		if err := errors.Join(e, f.Close()); err != nil {
			return fault.Errorf(fault.Internal, "write %s: %w", policy, err)
		}
	case !errors.Is(err, os.ErrExist): // one that is there is its owner's affair
		return fault.Errorf(fault.Internal, "write %s: %w", policy, err)
	}
	for _, argv := range [][]string{{"update"}, append([]string{"-y", "--no-install-recommends", "install"}, missing...)} {
		cmd := exec.CommandContext(ctx, "apt-get", append([]string{"-q"}, argv...)...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fault.Errorf(fault.Unsupported, "apt-get %s: %w: %s", argv[0], err, lastLines(string(out)))
		}
	}
	return nil
}

func lastLines(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-5):], "\n")
}

// packageVersion is the version of an installed package, empty when it is not.
func packageVersion(ctx context.Context, name string) string {
	out, err := exec.CommandContext(ctx, "dpkg-query", "-W", "-f=${Status}\t${Version}", name).Output()
	status, version, _ := strings.Cut(string(out), "\t")
	if err != nil || !strings.HasSuffix(status, "ok installed") {
		return ""
	}
	return version
}

// Host is where a run was made.
type Host struct {
	Cores  int     `json:"cores"`
	Kernel string  `json:"kernel"`
	System string  `json:"system"`
	Go     string  `json:"go"`
	Load   float64 `json:"load"`
	// Versions of the peers, by package.
	Versions map[string]string `json:"versions"`
}

func lookAtHost(ctx context.Context) Host {
	h := Host{Cores: runtime.NumCPU(), Go: runtime.Version(), Load: loadAverage(), Versions: map[string]string{}}
	var u syscall.Utsname
	if syscall.Uname(&u) == nil {
		var b strings.Builder
		for _, c := range u.Release {
			if c == 0 || c == '-' {
				break
			}
			b.WriteByte(byte(c))
		}
		h.Kernel = b.String()
	}
	text, _ := os.ReadFile("/etc/os-release")
	for line := range strings.SplitSeq(string(text), "\n") {
		if rest, ok := strings.CutPrefix(line, "PRETTY_NAME="); ok {
			h.System = strings.Trim(rest, `"`)
		}
	}
	for _, p := range []string{"pacemaker", "corosync", "keepalived"} {
		if v := packageVersion(ctx, p); v != "" {
			h.Versions[p] = v
		}
	}
	return h
}
