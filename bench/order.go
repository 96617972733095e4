package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// step is a section that is still to be made.
type step struct {
	spec
	round int
}

// steps are the sections that have no file yet, in the order of their turns. Every other round goes backwards, so that no system is always first.
func (r *run) steps() []step {
	var all []step
	for round := range r.rounds {
		order := slices.DeleteFunc(specs(), func(s spec) bool { return !r.wants(s.kind) })
		if round%2 == 1 {
			slices.Reverse(order)
		}
		for _, s := range order {
			if _, err := os.Stat(s.file(r.dir, round)); err != nil {
				all = append(all, step{s, round})
			}
		}
	}
	return all
}

// cost is about how many seconds a section takes: its repetitions, and making and watching the cluster.
func (r *run) cost(s step) float64 {
	c := s.weight*float64(r.share(full, s.round)) + 20
	if s.round == 0 {
		c += r.window.Seconds()
	}
	return c
}

// measure makes all sections. Each gets its part of the time that is left, and what one leaves the next ones have; a cost that was estimated too low
// thus takes repetitions from all.
func (r *run) measure(ctx context.Context, until time.Time) error {
	if r.wants("plan") {
		if err := r.planSection(ctx); err != nil {
			return err
		}
	}
	if r.wants("scalable") {
		if err := r.scalable(ctx); err != nil {
			return err
		}
	}
	all := r.steps()
	for i, s := range all {
		rest := 0.0
		for _, later := range all[i:] {
			rest += r.cost(later)
		}
		left := time.Until(until)
		mine := min(left, time.Duration(float64(left)*r.cost(s)/rest*sectionSlack))
		if err := r.section(ctx, s.spec, s.round, time.Now().Add(mine)); err != nil {
			return err
		}
	}
	return nil
}

// sectionSlack lets a section take a little more than its part.
const sectionSlack = 1.15

// read reads the results of all sections.
func (r *run) read() (results, error) {
	var all results
	for _, s := range specs() {
		for round := range maxRounds {
			var sec Section
			found, err := load(s.file(r.dir, round), &sec)
			if err != nil {
				return all, err
			}
			if found {
				all.sections = append(all.sections, sec)
			}
		}
	}
	if _, err := load(filepath.Join(r.dir, planFile), &all.plan); err != nil {
		return all, err
	}
	_, err := load(filepath.Join(r.dir, scalableFile), &all.scalable)
	return all, err
}

const maxRounds = 10
