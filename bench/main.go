// Command bench measures Redoubt beside Pacemaker with Corosync and beside keepalived: on the same machines (namespaces of this host, made by
// internal/lab), in the same run, with the same service, the same faults and the same probe. Systems take turns round by round, so that a host that
// becomes slower or faster does so for all. It writes what it saw into a directory and a report from that.
//
// Nothing of it is seen by the rest of the host but the lab named bench and a directory for its files; both are removed at the end and on SIGINT.
// A run that was interrupted goes on where it was when it is started again.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"redoubt/internal/fault"
)

// onlyStorm is what is measured by itself: it takes all of a machine, and the directory of the results must be another than that of the others.
const onlyStorm = "storm"

// labName is the name of the one lab that exists at a time.
const labName = "bench"

// run is one run of the benchmarks.
type run struct {
	Options
	dir, bin, work string
	answer, agents string
	reps, rounds   int
	window         time.Duration // of idleness
	look           time.Duration // how long a partition is watched after somebody else has begun to serve
	began          time.Time
}

// resultsDir is where the results of the report lie.
const resultsDir = "bench/results"

// Options are what a run was asked for; a run that goes on has to have the same.
type Options struct {
	Only     string    `json:"only"`
	Services int       `json:"services,omitempty"` // of the section storm
	Reps     int       `json:"reps"`
	Quick    bool      `json:"quick"`
	Began    time.Time `json:"began"`
	Done     bool      `json:"done"`
	Host     Host      `json:"host"`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := benchmarks(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func benchmarks(ctx context.Context, args []string) (err error) {
	r := &run{began: time.Now()}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.StringVar(&r.Only, "only", "redoubt,pacemaker,keepalived,plan,scalable", "what to measure; storm, alone, is thousands of real services at once")
	f.IntVar(&r.Services, "services", 0, "how many services storm starts; default 10000")
	f.IntVar(&r.Reps, "reps", 8, "repetitions of a trial; half of that for partitions and failing daemons")
	f.BoolVar(&r.Quick, "quick", false, "one round of two repetitions, shorter looks")
	f.StringVar(&r.dir, "o", resultsDir, "directory of the results")
	f.StringVar(&r.bin, "bin", "bin", "directory of redoubt and redoubtd")
	doc := f.String("doc", "", "file of the report; by default docs/benchmarks.md for a whole run into the default directory, otherwise beside the results")
	budget := f.Duration("budget", 0, "when to stop repeating; default 38m, with -quick 11m")
	fresh := f.Bool("fresh", false, "begin anew even if an earlier run was interrupted")
	only := f.Bool("report", false, "write the report from the results that are there, and measure nothing")
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return fault.Errorf(fault.Invalid, "%w", err)
	}
	if f.NArg() > 0 || r.Reps < 1 {
		return fault.Errorf(fault.Invalid, "want no operands and at least one repetition; see -help")
	}
	if r.Only == onlyStorm && r.Services == 0 {
		r.Services = 10_000
	}
	if r.Services < 0 || r.Only != onlyStorm && r.Services != 0 {
		return fault.Errorf(fault.Invalid, "-services %d: it says how many services -only storm starts", r.Services)
	}
	asked := map[string]bool{}
	f.Visit(func(f *flag.Flag) { asked[f.Name] = true })
	if *doc == "" {
		*doc = filepath.Join(r.dir, "benchmarks.md")
		if len(asked) == 0 || len(asked) == 1 && (asked["fresh"] || asked["report"]) {
			*doc = "docs/benchmarks.md"
		}
	}
	if *only {
		return r.report(*doc)
	}
	r.reps, r.rounds, r.window, r.look = r.Reps, 2, time.Minute, 3*time.Second
	if *budget == 0 {
		*budget = 38 * time.Minute
	}
	if r.Quick {
		r.rounds, r.window, r.look = 1, 20*time.Second, 2*time.Second
		if !asked["reps"] {
			r.reps = 2
		}
		if !asked["budget"] {
			*budget = 11 * time.Minute
		}
	}
	r.rounds = min(r.rounds, r.reps)
	held, err := r.prepare(ctx, *fresh)
	if held != nil {
		defer held.Close()
	}
	if r.work != "" {
		defer func() { err = errors.Join(err, os.RemoveAll(r.work)) }()
	}
	if err != nil {
		return err
	}
	if r.Only == onlyStorm {
		return r.storm(ctx)
	}
	if err := r.measure(ctx, r.began.Add(*budget)); err != nil {
		return err
	}
	r.Done = true
	return errors.Join(save(r.optionsFile(), r.Options), r.report(*doc))
}

func (r *run) wants(kind string) bool { return slices.Contains(strings.Split(r.Only, ","), kind) }

func (r *run) optionsFile() string { return filepath.Join(r.dir, "run.json") }

func (r *run) tell(format string, args ...any) {
	fmt.Printf("%7.1f s  %s\n", time.Since(r.began).Seconds(), fmt.Sprintf(format, args...))
}

// prepare makes all that the sections need.
func (r *run) prepare(ctx context.Context, fresh bool) (held *os.File, err error) {
	for kind := range strings.SplitSeq(r.Only, ",") {
		if r.Only != onlyStorm && !slices.Contains([]string{"redoubt", "pacemaker", "keepalived", "plan", "scalable"}, kind) {
			return nil, fault.Errorf(fault.Invalid, "-only %q: want some of redoubt,pacemaker,keepalived,plan,scalable, or storm alone", kind)
		}
	}
	if os.Geteuid() != 0 {
		return nil, fault.Errorf(fault.Denied, "only root can make namespaces; use sudo")
	}
	for _, program := range []string{"redoubt", "redoubtd", "redoubt-guard"} { // a daemon without the guard's own program is its own guard, and costs more
		if _, err := os.Stat(filepath.Join(r.bin, program)); err != nil {
			return nil, fault.Errorf(fault.NotFound, "-bin %s: %w; run make build first", r.bin, err)
		}
	}
	if held, err = alone(); err != nil {
		return nil, err
	}
	if err := r.resume(fresh); err != nil {
		return held, err
	}
	if err := install(ctx, r); err != nil {
		return held, err
	}
	r.Host = lookAtHost(ctx)
	if err := save(r.optionsFile(), r.Options); err != nil {
		return held, err
	}
	// Below a directory of root's alone: what lies in /tmp does not run as root.
	if r.work, err = os.MkdirTemp("/var/lib", "redoubt-bench-"); err != nil {
		return held, fault.Errorf(fault.Internal, "directory for the run: %w", err)
	}
	if err := os.Chmod(r.work, 0o755); err != nil { // Pacemaker's users read it
		return held, fault.Errorf(fault.Internal, "directory for the run: %w", err)
	}
	r.answer = filepath.Join(r.work, "answer")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", r.answer, "./bench/answer").CombinedOutput(); err != nil {
		return held, fault.Errorf(fault.Internal, "build the server: %w: %s; run this in the root of the repository", err, out)
	}
	if r.wants("pacemaker") {
		r.agents, err = layAgents(r.work)
	}
	return held, err
}

// alone makes sure that no other run disturbs this one.
func alone() (*os.File, error) {
	const path = "/run/lock/redoubt-bench"
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "lock: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fault.Errorf(fault.Exists, "another run of the benchmarks is going on (%s is locked)", path)
	}
	return f, nil
}

// resume goes on with an interrupted run that was asked for the same; otherwise the results of earlier runs go.
func (r *run) resume(fresh bool) error {
	if r.Only == onlyStorm && r.dir == resultsDir {
		return fault.Errorf(fault.Invalid, "-only storm: name a directory for its results by -o; %s is that of the report", resultsDir)
	}
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		return fault.Errorf(fault.Internal, "directory of the results: %w", err)
	}
	var old Options
	found, err := load(r.optionsFile(), &old)
	if !fresh && err == nil && found && !old.Done && old.Only == r.Only && old.Reps == r.Reps && old.Quick == r.Quick {
		r.tell("going on with the run of %s; -fresh begins anew", old.Began.Format(time.DateTime))
		r.Began = old.Began
		return nil
	}
	r.Began = r.began
	names, _ := filepath.Glob(filepath.Join(r.dir, "*.json"))
	for _, n := range names {
		if err := os.Remove(n); err != nil {
			return fault.Errorf(fault.Internal, "remove old results: %w", err)
		}
	}
	return nil
}
