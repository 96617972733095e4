package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"redoubt/internal/fault"
)

// spec is a system with its name in the report and what one repetition of all its trials takes, in seconds, about.
type spec struct {
	name   string
	kind   string // redoubt, pacemaker or keepalived
	weight float64
	make   func(r *run) system
}

// specs are the systems in the order in which they take turns: each peer beside the profile it is compared with.
func specs() []spec {
	return []spec{
		{"Redoubt", "redoubt", 30, func(r *run) system { return &redoubt{profile: "default", answer: r.answer} }},
		{"Pacemaker", "pacemaker", 75, func(r *run) system { return &pacemaker{answer: r.answer, agents: r.agents, work: r.work} }},
		{"Redoubt fast", "redoubt", 30, func(r *run) system { return &redoubt{profile: "fast", answer: r.answer} }},
		{"Pacemaker token 1000", "pacemaker", 35, func(r *run) system { return &pacemaker{token: 1000, answer: r.answer, agents: r.agents, work: r.work} }},
		{"keepalived 1 s", "keepalived", 20, func(r *run) system { return &keepalived{interval: "1", answer: r.answer} }},
		{"keepalived 0.1 s", "keepalived", 13, func(r *run) system { return &keepalived{interval: "0.1", answer: r.answer} }},
	}
}

func (s spec) file(dir string, round int) string {
	return filepath.Join(dir, fmt.Sprintf("%s.%d.json", strings.ReplaceAll(strings.ToLower(s.name), " ", "-"), round+1))
}

// section makes one section and writes its file. Only an end of the whole run is an error: what goes wrong with a system is in its section.
func (r *run) section(ctx context.Context, sp spec, round int, until time.Time) error {
	sec := Section{System: sp.name, Round: round, Began: time.Now(), Load: loadAverage()}
	rig := &rig{run: r, sys: sp.make(r), name: labName, tell: func(f string, a ...any) { r.tell(sp.name+": "+f, a...) }}
	rig.tell("round %d: starting three machines", round+1)
	err := rig.start(ctx)
	if err == nil {
		sec.Boot = time.Since(sec.Began).Seconds()
		rig.tell("whole after %.1f s", sec.Boot)
		err = r.trials(ctx, rig, &sec, until)
	}
	err = errors.Join(err, rig.down())
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		sec.Error = err.Error()
		rig.tell("%v", err)
	}
	sec.Seconds = time.Since(sec.Began).Seconds()
	return save(sp.file(r.dir, round), sec)
}

// trials makes the repetitions in turns, so that an early end takes the last ones of all and not all of the last.
func (r *run) trials(ctx context.Context, rig *rig, sec *Section, until time.Time) error {
	active, err := rig.whole(ctx, mendTimeout)
	if err != nil {
		return err
	}
	if err := pause(ctx, 2*time.Second); err != nil { // what starting leaves behind
		return err
	}
	if sec.Round == 0 {
		rig.tell("idle for %v", r.window)
		if sec.Idle, err = idle(rig.name, rig.lab.Nodes(), active, rig.sys.daemon, func() error { return pause(ctx, r.window) }); err != nil {
			return err
		}
	}
	broken := 0
	for rep := range r.share(full, sec.Round) {
		for _, t := range rig.sys.trials() {
			if rep >= r.share(t.weight, sec.Round) {
				continue
			}
			if time.Now().After(until) {
				sec.Cut = true
				rig.tell("its time is over")
				return nil
			}
			s := rig.trial(ctx, t, rep)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			sec.Samples = append(sec.Samples, s)
			if s.Error == "" {
				broken = 0
				continue
			}
			if broken++; broken >= 4 {
				return fault.Errorf(fault.Precondition, "given up after %d failed trials in a row", broken)
			}
			// A cluster that does not mend is made anew.
			if err := errors.Join(rig.down(), rig.start(ctx)); err != nil {
				return err
			}
		}
	}
	return nil
}

// trial makes one repetition and mends what it broke.
func (r *rig) trial(ctx context.Context, t trial, rep int) Sample {
	limited, cancel := context.WithTimeoutCause(ctx, trialTimeout, fault.Errorf(fault.Timeout, "the trial took longer than %v", trialTimeout))
	defer cancel()
	active, err := r.whole(limited, mendTimeout)
	var s Sample
	if err == nil {
		s, err = t.make(limited, r, active)
	}
	_, e := r.mend(ctx)
	if e == nil {
		s.Stale, e = r.reachable(ctx)
	}
	if err == nil {
		err = e
	}
	s.Trial, s.Rep = t.name, rep
	if err != nil {
		s.Error = err.Error()
	}
	r.tell("%s: %s", t.name, s.text())
	return s
}

func (s Sample) text() string {
	var b strings.Builder
	for _, v := range []string{valueGap, valueOld, valueNew, valueOverlap, valueCommand} {
		if x, ok := s.Values[v]; ok {
			fmt.Fprintf(&b, "%s %s ms  ", v, number(x))
		}
	}
	if s.Double {
		b.WriteString("SERVED TWICE  ")
	}
	if s.Lost {
		b.WriteString("not answered steadily until the end  ")
	}
	b.WriteString(s.Error)
	return strings.TrimSpace(b.String())
}

// share is how many repetitions of a trial fall into a round.
func (r *run) share(w weight, round int) int {
	total := r.reps
	if w == half {
		total = (r.reps + 1) / 2
	}
	n := total / r.rounds
	if round < total%r.rounds {
		n++
	}
	return n
}

func save(path string, v any) error {
	b, err := json.MarshalIndent(v, "", " ")
	if err == nil {
		err = os.WriteFile(path+".new", append(b, '\n'), 0o644)
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return fault.Errorf(fault.Internal, "write %s: %w", path, err)
	}
	return nil
}

// load reads a file of results. One that is not there is no error.
func load(path string, v any) (bool, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		return false, fault.Errorf(fault.Invalid, "results in %s: %w; remove the file, or begin anew with -fresh", path, err)
	}
	return true, nil
}

func loadAverage() float64 {
	b, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(b), " ")
	v, _ := strconv.ParseFloat(first, 64)
	return v
}
