package assess

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"redoubt/assess/model"
)

// BenchmarkReadMillionEdges reads a model with a million edges and rates its coverage, and tells the most memory that the process ever had. Run it alone:
//
//	go test ./assess -run '^$' -bench ReadMillionEdges -benchtime 1x
func BenchmarkReadMillionEdges(b *testing.B) {
	text := edgesAsText(1_000_000)
	for b.Loop() {
		m, err := model.Read(text)
		if err != nil {
			b.Fatal(err)
		}
		r, err := RunSection(b.Context(), m, SectionCoverage, Options{})
		if err != nil || r.Coverage.Edges != 1_000_000 {
			b.Fatal(err)
		}
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return // only Linux tells it
	}
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	var peak float64
	if _, err := fmt.Sscan(after, &peak); err == nil {
		b.ReportMetric(peak/1024, "peak-MB")
	}
}

// edgesAsText is a model of a thousand threats and as many objects as make so many edges, with five of thirty means against each threat.
func edgesAsText(n int) []byte {
	const threats, means = 1000, 30
	var b strings.Builder
	list := func(section, form string, n int) {
		b.WriteString(section + ":\n")
		for i := range n {
			fmt.Fprintf(&b, form, i, 10+i)
		}
	}
	b.WriteString("version: 1\n")
	list("objects", "  - {name: o%d, value: %d}\n", n/threats)
	list("threats", "  - {name: t%d, title: %d}\n", threats)
	list("means", "  - {name: m%d, cost: %d, present: true}\n", means)
	b.WriteString("coverage:\n  edges:\n")
	for i := range n {
		fmt.Fprintf(&b, "    - {threat: t%d, object: o%d, weight: %.3f}\n", i%threats, i/threats, float64(i%797)/1000)
	}
	b.WriteString("  strengths:\n")
	for i := range 5 * threats {
		fmt.Fprintf(&b, "    - {mean: m%d, threat: t%d, strength: %.3f}\n", (7*i+i/threats)%means, i%threats, float64(i%991)/1000)
	}
	return []byte(b.String())
}
