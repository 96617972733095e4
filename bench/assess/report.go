package main

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// off is how far a value lies from ours, relative to it; where ours has a bracket, only what lies outside of it counts.
func (r result) off(f figure) float64 {
	ours := r.rows[0].figure
	low, high := ours.Value, ours.Value
	if ours.Low != nil {
		low, high = *ours.Low, *ours.High
	}
	d := max(0, low-f.Value, f.Value-high)
	if ours.Value != 0 {
		d /= math.Abs(ours.Value)
	}
	return d
}

func half(f figure) string {
	if f.Low == nil {
		return "-"
	}
	h := (*f.High - *f.Low) / 2
	if f.Value != 0 {
		h /= math.Abs(f.Value)
	}
	if h < 1e-14 {
		return "0"
	}
	return fmt.Sprintf("%.1e", h)
}

// cells are the figures of one system.
func (r result) cells(w row) []string {
	if w.failed != "" {
		return []string{w.system, "-", "-", "-", "-", "-", w.failed}
	}
	ratio := "1"
	if w.system != r.rows[0].system {
		ratio = fmt.Sprintf("%.2g", median(w.cpu)/median(r.rows[0].cpu))
	}
	value := fmt.Sprintf("%.9g", w.figure.Value)
	outside := "-"
	if w.system != r.rows[0].system {
		if d := r.off(w.figure); d > 1e-12 {
			outside = fmt.Sprintf("%.1e", d)
		} else {
			outside = "0"
		}
	}
	return []string{w.system, fmt.Sprintf("%.4g (%d)", median(w.cpu), len(w.cpu)), ratio, value, half(w.figure), outside, w.figure.Note}
}

var heads = []string{"system", "CPU seconds, median (runs)", "times ours", "value", "half width of its bracket", "outside ours by", ""}

// text is the result for a terminal.
func (r result) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", r.trial.name, r.trial.what)
	for _, w := range r.rows {
		fmt.Fprintf(&b, "  %s\n", strings.Join(r.cells(w), " | "))
	}
	for _, t := range r.verdicts() {
		fmt.Fprintf(&b, "  %s: %s, %s\n", t.target, t.ratio, t.verdict)
	}
	return b.String()
}

func report(results []result) string {
	var b strings.Builder
	fmt.Fprintf(&b, `# Benchmarks of the assessor

The assessor's algorithms beside numpy and scipy, R's package actuar, Python's package aggregate and gophersat: on the same host, in the same run, on the same
problems. This file is made by %[1]smake bench-assess%[1]s. Times are processor time of the computation alone, of all its threads together, without starting and reading. A bracket is what a method itself
says of its error; relative half widths. "Outside ours by" is how far a peer's value lies from our bracket, relative to the value.

Host: %d cores, %s, %s; %s. Load average %s at the end.

`, "`", runtime.NumCPU(), runtime.Version(), versions(), time.Now().Format("2006-01-02"), load())
	for _, r := range results {
		fmt.Fprintf(&b, "## %s\n\nValue: %s.\n\n", strings.ToUpper(r.trial.name[:1])+r.trial.name[1:], r.trial.what)
		fmt.Fprintf(&b, "| %s |\n|%s\n", strings.Join(heads, " | "), strings.Repeat(" --- |", len(heads)))
		for _, w := range r.rows {
			fmt.Fprintf(&b, "| %s |\n", strings.Join(r.cells(w), " | "))
		}
		b.WriteByte('\n')
		if t := r.remark(); t != "" {
			b.WriteString(t + "\n\n")
		}
	}
	b.WriteString(targets(results))
	return b.String()
}

// versions are those of the peers, as far as they are installed.
func versions() string {
	var out []string
	for _, c := range [][]string{
		{"/usr/bin/python3", "-c", "import numpy, scipy; print('numpy', numpy.__version__ + ', scipy', scipy.__version__)"},
		{"Rscript", "--vanilla", "-e", "cat('actuar', as.character(packageVersion('actuar')))"},
		{"/usr/bin/python3", "-c", "import aggregate; print('aggregate', aggregate.__version__)"},
	} {
		text, err := exec.Command(c[0], c[1:]...).Output()
		if err == nil {
			out = append(out, strings.TrimSpace(string(text)))
		}
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if strings.HasSuffix(m.Path, "/gophersat") {
				out = append(out, "gophersat "+m.Version)
			}
		}
	}
	return strings.Join(out, ", ")
}

func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Fields(string(text))[0]
}
