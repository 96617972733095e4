package guardlink_test

import (
	"slices"
	"testing"
	"time"

	"redoubt/internal/guard"
)

// BenchmarkFence measures from the order to fence until the kernel reports the namespace gone, and the guard's own part of it: six
// processes, one of them outside of the service cgroup, and one address.
func BenchmarkFence(b *testing.B) {
	var whole, own []float64
	for b.Loop() {
		b.StopTimer()
		cfg := testConfig(b)
		n, err := startNode(b.Context(), cfg)
		if err == nil {
			err = n.serve(b.Context())
		}
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		start := guard.Now()
		r, err := n.link.Fence(b.Context())
		if err != nil || !r.Clean {
			b.Fatal(r, err)
		}
		whole, own = append(whole, float64(guard.Now()-start)/float64(time.Millisecond)), append(own, float64(r.Took)/float64(time.Millisecond))
		n.proc.Close()
	}
	for _, m := range []struct {
		name   string
		values []float64
	}{{"whole", whole}, {"guard", own}} {
		slices.Sort(m.values)
		b.ReportMetric(m.values[len(m.values)/2], "ms-median-"+m.name)
		b.ReportMetric(m.values[len(m.values)-1], "ms-max-"+m.name)
	}
}
