package farm_test

import (
	"syscall"
	"testing"

	"redoubt/bench/farm"
	"redoubt/internal/rgm/model"
	"redoubt/internal/rgm/order"
	"redoubt/internal/rgm/plan"
)

func running(t testing.TB, size farm.Size) model.State {
	s, err := farm.Running(size)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// plans measures the function that the president calls, and the solver alone.
func plans(b *testing.B, s model.State) {
	b.Run("order", func(b *testing.B) {
		b.ReportAllocs()
		before := used(b)
		for b.Loop() {
			if len(order.Plan(s)) == 0 {
				b.Fatal("nothing to do")
			}
		}
		b.ReportMetric((used(b)-before)/float64(b.N), "cpu-ms/op")
	})
	b.Run("solve", func(b *testing.B) {
		p := order.Look(s).Problem
		before := used(b)
		for b.Loop() {
			if _, err := plan.Solve(p, plan.Effort{}); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric((used(b)-before)/float64(b.N), "cpu-ms/op")
	})
}

// used is what the processor has spent on this process, in milliseconds: on a busy machine the time that passed says little.
func used(b *testing.B) float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e6
}

var (
	medium = farm.Size{Nodes: 16, Groups: 1000, Each: 5}
	large  = farm.Size{Nodes: 64, Groups: 10000, Each: 5}
)

func BenchmarkFull(b *testing.B)          { plans(b, farm.Fresh(medium)) }
func BenchmarkLost(b *testing.B)          { plans(b, farm.Lost(running(b, medium), true)) }
func BenchmarkReleased(b *testing.B)      { plans(b, farm.Lost(running(b, medium), false)) }
func BenchmarkLargeFull(b *testing.B)     { plans(b, farm.Fresh(large)) }
func BenchmarkLargeReleased(b *testing.B) { plans(b, farm.Lost(running(b, large), false)) }
