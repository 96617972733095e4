package sim_test

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"redoubt/internal/sim"
)

var (
	seeds = flag.Int("sim.seeds", 1500, "how many seeds TestSeeds runs")
	first = flag.Uint64("sim.first", 1, "the first of them")
	one   = flag.Uint64("sim.seed", 0, "run this seed alone; with -v its whole trace is printed")
)

// The simulation makes much garbage and keeps little.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	os.Exit(m.Run())
}

// report is what is printed of a seed that broke an invariant.
func report(r sim.Result) string {
	return fmt.Sprintf("seed %d broke an invariant after %v and %d events:\n%s\n\nthe last of its trace:\n%s\n\nreplay: go test ./internal/sim -run TestSeeds -sim.seed=%d -v",
		r.Seed, r.At, r.Events, r.Broken, strings.Join(r.Trace, "\n"), r.Seed)
}

// Every seed keeps every invariant, and comes to rest once its faults have stopped.
func TestSeeds(t *testing.T) {
	if *one != 0 {
		opt := sim.Options{Seed: *one}
		if testing.Verbose() {
			opt.Log = os.Stdout
		}
		if r := sim.Run(opt); r.Broken != "" {
			t.Fatal(report(r))
		}
		return
	}
	if testing.Short() {
		*seeds = min(*seeds, 60)
	}
	workers := runtime.GOMAXPROCS(0)
	for i := range workers {
		t.Run(fmt.Sprint("part", i+1), func(t *testing.T) {
			t.Parallel()
			var sum sim.Stats
			for s := *first + uint64(i); s < *first+uint64(*seeds); s += uint64(workers) {
				r := sim.Run(sim.Options{Seed: s})
				if r.Broken != "" {
					t.Fatal(report(r))
				}
				sum.Add(r.Stats)
			}
			t.Logf("%+v", sum)
		})
	}
}
