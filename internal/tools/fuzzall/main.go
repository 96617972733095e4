// Command fuzzall runs every fuzz target of the module for a while, one after the other, for `go test -fuzz` takes one target of one package at a
// time. The first target that fails does not keep the others from their turn.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"time"
)

// target is one fuzz target.
type target struct{ pkg, name string }

func main() {
	each := flag.Duration("time", time.Minute, "how long each target runs")
	parallel := flag.Int("parallel", 0, "how many workers a target has; 0: one for each processor")
	pattern := flag.String("run", "^Fuzz", "only the targets that this matches")
	flag.Parse()
	packages := flag.Args()
	if len(packages) == 0 {
		packages = []string{"./..."}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, *each, *parallel, *pattern, packages, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "fuzzall: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, each time.Duration, parallel int, pattern string, packages []string, out io.Writer) error {
	targets, err := list(ctx, pattern, packages)
	if err != nil {
		return err
	}
	if len(targets) == 0 {
		return fmt.Errorf("no fuzz target of %s matches %s", strings.Join(packages, " "), pattern)
	}
	var errs []error
	for i, t := range targets {
		fmt.Fprintf(out, "%d of %d: %s of %s, for %v\n", i+1, len(targets), t.name, t.pkg, each)
		// Without the ordinary tests of the package, and without a limit that a long -time would meet.
		args := []string{"test", "-run", "^$", "-timeout", "0", "-fuzz", "^" + t.name + "$", "-fuzztime", each.String()}
		if parallel > 0 {
			args = append(args, "-parallel", fmt.Sprint(parallel))
		}
		cmd := exec.CommandContext(ctx, "go", append(args, t.pkg)...)
		cmd.Stdout, cmd.Stderr = out, out
		if err := cmd.Run(); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			errs = append(errs, fmt.Errorf("%s of %s: %w; the input that shows it is in testdata/fuzz/%s of the package", t.name, t.pkg, err, t.name))
		}
	}
	return errors.Join(errs...)
}

// list asks the tests themselves for their fuzz targets, as only they know what the build has in it.
func list(ctx context.Context, pattern string, packages []string) ([]target, error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{"test", "-list", pattern}, packages...)...)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	text, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("list the fuzz targets: %w\n%s%s", err, text, complaint.String())
	}
	return targets(string(text)), nil
}

// targets reads the output of go test -list: the names of a package's targets, then a line "ok PACKAGE TIME".
func targets(text string) (found []target) {
	var names []string
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		switch {
		case len(words) == 1 && strings.HasPrefix(words[0], "Fuzz"):
			names = append(names, words[0])
		case len(words) > 1 && words[0] == "ok":
			for _, n := range names {
				found = append(found, target{words[1], n})
			}
			names = nil
		}
	}
	return found
}
