package sim_test

import (
	"slices"
	"strings"
	"testing"

	"redoubt/internal/membership"
	"redoubt/internal/sim"
)

// A mistake that is planted is found, by the same invariants that the sound cluster keeps.
func TestPlantedMistakesAreFound(t *testing.T) {
	for _, c := range []struct {
		name   string
		within int // seeds
		opt    sim.Options
	}{
		{"takeover without waiting for the release", 100, sim.Options{Faults: membership.Faults{NoReleaseWait: true}, Bias: sim.BiasCuts}},
		{"a restarted voter that releases at once", 300, sim.Options{Faults: membership.Faults{ForgetfulVoter: true}, Bias: sim.BiasRestarts}},
		{"a voter that answers a removed incarnation", 300, sim.Options{Faults: membership.Faults{AnswerRemoved: true}, Bias: sim.BiasRotate}},
		{"run beyond hold", 100, sim.Options{Faults: membership.Faults{RunBeyondHold: true}, Bias: sim.BiasCuts}},
		{"lease counted from the answer", 300, sim.Options{Faults: membership.Faults{LeaseFromAnswer: true}, Bias: sim.BiasDelay}},
		{"a late commit of the removal, released early", 300, sim.Options{Faults: membership.Faults{ReleaseEarly: true}, Bias: sim.BiasLate}},
		{"a node that ignores its guard", 100, sim.Options{IgnoreGuard: true, Bias: sim.BiasCuts}},
		{"a fence agent that nobody waits for", 100, sim.Options{Fence: true, Faults: membership.Faults{FenceByTime: true}, Bias: sim.BiasFreeze}},
		{"a holder that asks nobody for connections", 100, sim.Options{Forget: true, Scalable: true}},
		{"a holder before that takes its rules away too soon", 200, sim.Options{ShortLinger: true, Scalable: true}},
		{"nodes that say a group rests before they have read what they are asked about", 100, sim.Options{Hasty: true, Bias: sim.BiasQuiesce}},
		{"a president who leaves what quiesces of dead daemons have suspended", 100, sim.Options{Forsake: true, Bias: sim.BiasQuiesce}},
		{"a quiesce whose end resumes what an administrator has suspended", 100, sim.Options{Rude: true, Bias: sim.BiasQuiesce}},
		{"a president who sees neither affinities nor loads", 100, sim.Options{Blind: true}},
	} {
		invariants := []string{"I1", "I2"}
		if c.opt.Blind {
			invariants = []string{"I6"}
		}
		if c.opt.Forsake {
			invariants = []string{"liveness"}
		}
		if c.opt.Hasty || c.opt.Rude {
			invariants = []string{"I7"}
		}
		if c.opt.Scalable {
			invariants = []string{"S3"}
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(c.within) {
				c.opt.Seed = seed + 1
				if r := sim.Run(c.opt); slices.ContainsFunc(invariants, func(i string) bool { return strings.HasPrefix(r.Broken, i) }) {
					t.Logf("found with seed %d after %v: %s", seed+1, r.At, r.Broken)
					return
				}
			}
			t.Errorf("%d seeds did not find it", c.within)
		})
	}
}

// The same preferences find nothing where nothing is planted.
func TestBiasesAloneFindNothing(t *testing.T) {
	n := 60
	if testing.Short() {
		n = 5
	}
	for _, b := range []sim.Bias{sim.BiasRestarts, sim.BiasLate, sim.BiasCuts, sim.BiasDelay, sim.BiasFreeze, sim.BiasRotate, sim.BiasQuiesce} {
		t.Run(string(b), func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(n) {
				if r := sim.Run(sim.Options{Seed: seed + 1, Bias: b}); r.Broken != "" {
					t.Fatal(report(r))
				}
			}
		})
	}
}

// Under every kind of fault the connections of a scalable service stay with the instances that live.
func TestScalableService(t *testing.T) {
	n := 20
	if testing.Short() {
		n = 5
	}
	for _, b := range []sim.Bias{sim.BiasNone, sim.BiasRestarts, sim.BiasCuts, sim.BiasFreeze} {
		t.Run("bias "+string(b), func(t *testing.T) {
			t.Parallel()
			var sum sim.Stats
			for seed := range uint64(n) {
				r := sim.Run(sim.Options{Seed: seed + 1, Bias: b, Scalable: true})
				if r.Broken != "" {
					t.Fatal(report(r))
				}
				sum.Add(r.Stats)
			}
			if sum.Connections < 30*n {
				t.Errorf("hardly anything was tried: %+v", sum)
			}
			t.Logf("%+v", sum)
		})
	}
}

// A run is a function of its seed.
func TestSameSeedSameRun(t *testing.T) {
	for seed := range uint64(15) {
		a, b := sim.Run(sim.Options{Seed: seed + 1}), sim.Run(sim.Options{Seed: seed + 1})
		if a.Digest != b.Digest || a.Events != b.Events {
			t.Fatalf("seed %d ran in two ways: digests %x and %x, %d and %d events", seed+1, a.Digest, b.Digest, a.Events, b.Events)
		}
	}
}

// A choice by the order of a map makes runs of one seed differ.
func TestChoiceByMapOrderIsFound(t *testing.T) {
	for seed := range uint64(15) {
		a, b := sim.Run(sim.Options{Seed: seed + 1, MapOrder: true}), sim.Run(sim.Options{Seed: seed + 1, MapOrder: true})
		if a.Digest != b.Digest {
			t.Logf("found with seed %d", seed+1)
			return
		}
	}
	t.Error("15 seeds did not find it")
}
