package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"redoubt/internal/fault"
)

// process is a program on a machine of a lab, as the host numbers it.
type process struct {
	pid  int
	name string // the base name of what was started
	argv []string
}

// processes lists the processes of a lab's machine: those in its cgroup.
func processes(labName, machine string) []process {
	var all []process
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		dir := filepath.Join("/proc", e.Name())
		group, err := os.ReadFile(filepath.Join(dir, "cgroup"))
		if err != nil || !inGroup(string(group), labName, machine) {
			continue
		}
		line, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		argv := strings.Split(string(bytes.TrimRight(line, "\x00")), "\x00")
		if err != nil || argv[0] == "" {
			continue // a zombie or a thread of the kernel
		}
		all = append(all, process{pid: pid, name: strings.TrimSuffix(filepath.Base(argv[0]), ":"), argv: argv})
	}
	return all
}

// inGroup reads the lines of /proc/PID/cgroup.
func inGroup(text, labName, machine string) bool {
	want := "/redoubt-lab-" + labName + "/" + machine
	for line := range strings.SplitSeq(text, "\n") {
		path, ok := strings.CutPrefix(line, "0::")
		if !ok {
			continue
		}
		if i := strings.Index(path, want); i >= 0 {
			rest := path[i+len(want):]
			return rest == "" || rest[0] == '/'
		}
	}
	return false
}

// signalAll sends a signal to the processes that match, and gives the moment before the first. That none matches is an error.
func signalAll(labName, machine string, sig syscall.Signal, match func(process) bool) (time.Time, error) {
	found := slices.DeleteFunc(processes(labName, machine), func(p process) bool { return !match(p) })
	if len(found) == 0 {
		return time.Time{}, fault.Errorf(fault.NotFound, "machine %s of lab %s has no such process to signal", machine, labName)
	}
	at := time.Now()
	for _, p := range found {
		if err := syscall.Kill(p.pid, sig); err != nil && err != syscall.ESRCH {
			return at, fault.Errorf(fault.Internal, "signal %v to %s on %s: %w", sig, p.name, machine, err)
		}
	}
	return at, nil
}

func isAnswer(p process) bool { return p.name == "answer" }

// footprint is what the processes of a cluster cost.
type footprint struct {
	ticks    uint64 // processor time, in ticks
	rss, pss float64
}

// ticksPerSecond is USER_HZ, which Linux never changes.
const ticksPerSecond = 100

const mebi = 1 << 20

func measure(labName, machine string, match func(process) bool) footprint {
	var f footprint
	for _, p := range processes(labName, machine) {
		if !match(p) {
			continue
		}
		dir := filepath.Join("/proc", strconv.Itoa(p.pid))
		if b, err := os.ReadFile(filepath.Join(dir, "stat")); err == nil {
			f.ticks += cpuTicks(string(b))
		}
		if b, err := os.ReadFile(filepath.Join(dir, "smaps_rollup")); err == nil {
			f.rss += rollup(string(b), "Rss:")
			f.pss += rollup(string(b), "Pss:")
		}
	}
	return f
}

// cpuTicks adds user and system time in a line of /proc/PID/stat. The name in it may have spaces and brackets.
func cpuTicks(stat string) uint64 {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseUint(fields[11], 10, 64)
	system, _ := strconv.ParseUint(fields[12], 10, 64)
	return user + system
}

// rollup reads one entry of smaps_rollup, in MiB.
func rollup(text, key string) float64 {
	for line := range strings.SplitSeq(text, "\n") {
		if rest, ok := strings.CutPrefix(line, key); ok {
			kib, _ := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 64)
			return kib * 1024 / mebi
		}
	}
	return 0
}

// groupSeconds is the processor time of everything that ever ran in the machine's cgroup, short-lived programs too.
func groupSeconds(labName, machine string) float64 {
	for _, root := range []string{"/sys/fs/cgroup/unified", "/sys/fs/cgroup"} {
		b, err := os.ReadFile(filepath.Join(root, "redoubt-lab-"+labName, machine, "cpu.stat"))
		if err != nil {
			continue
		}
		for line := range strings.SplitSeq(string(b), "\n") {
			if rest, ok := strings.CutPrefix(line, "usage_usec "); ok {
				us, _ := strconv.ParseFloat(rest, 64)
				return us / 1e6
			}
		}
	}
	return 0
}

// Idle is what a node costs that has nothing to do.
type Idle struct {
	Node    string  `json:"node"`
	Active  bool    `json:"active"` // the service runs there
	Seconds float64 `json:"seconds"`
	CPU     float64 `json:"cpu"`    // of the cluster's daemons, per cent of one core
	AllCPU  float64 `json:"allCPU"` // of everything on the node, its agents' short-lived programs too
	RSS     float64 `json:"rss"`    // MiB
	PSS     float64 `json:"pss"`
}

// idle looks at all nodes over a window.
func idle(labName string, nodes []string, active string, match func(process) bool, wait func() error) ([]Idle, error) {
	type start struct {
		f     footprint
		group float64
	}
	began := time.Now()
	before := map[string]start{}
	for _, n := range nodes {
		before[n] = start{measure(labName, n, match), groupSeconds(labName, n)}
	}
	if err := wait(); err != nil {
		return nil, err
	}
	took := time.Since(began).Seconds()
	var all []Idle
	for _, n := range nodes {
		f, g := measure(labName, n, match), groupSeconds(labName, n)
		b := before[n]
		cpu := (float64(f.ticks) - float64(b.f.ticks)) / ticksPerSecond / took * 100
		all = append(all, Idle{Node: n, Active: n == active, Seconds: took, CPU: cpu, AllCPU: (g - b.group) / took * 100, RSS: f.rss, PSS: f.pss})
	}
	return all, nil
}
