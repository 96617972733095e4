// Command assess measures the assessor's algorithms beside numpy and scipy, R's package actuar, Python's package aggregate and gophersat, in the same run, and writes
// docs/benchmarks-assessor.md. A peer that is not installed is left out and the report says so. The peers' programs are in the folder peers; they get the same problem as JSON and tell the processor
// time that they took, without that of starting and of reading.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
)

func main() {
	reps := flag.Int("n", 5, "repetitions of each trial")
	only := flag.String("only", "", "run the trials whose name has this in it")
	out := flag.String("output", "docs/benchmarks-assessor.md", "the report; - for none")
	large := flag.Bool("large", false, "also let the peers do what takes them minutes")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *reps, *only, *out, *large); err != nil {
		fmt.Fprintln(os.Stderr, "assess:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, reps int, only, out string, large bool) error {
	var results []result
	for _, t := range trials() {
		if !strings.Contains(t.name, only) {
			continue
		}
		r, err := t.measure(ctx, reps, large)
		if err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
		fmt.Print(r.text())
		results = append(results, r)
	}
	if out == "-" || only != "" {
		return nil
	}
	return os.WriteFile(out, []byte(report(results)), 0o644)
}
