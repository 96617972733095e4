package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// figure is what a trial finds: a value, and a bracket where the method gives one.
type figure struct {
	Value float64  `json:"value"`
	Low   *float64 `json:"low"`
	High  *float64 `json:"high"`
	Note  string   `json:"note"`
}

func bracketed(low, value, high float64) figure { return figure{Value: value, Low: &low, High: &high} }

// trial is one problem: ours, and the peers that can do it.
type trial struct {
	name  string
	what  string // value that is compared
	ours  func(context.Context) (figure, error)
	input any // for the peers
	peers []peer
	marks []mark // what is known of others
	drawn int    // simulation: how many years; then a bracket is one of chance
	law   risks  // simulation: what is drawn
}

// peer is a program in the folder peers, or a library in Go.
type peer struct {
	name   string
	inside func(context.Context) (figure, error) // nil: a program
	script string
	args   []string
	reps   int  // 0: as many as ours
	large  bool // takes minutes
}

// row is what one system did.
type row struct {
	system string
	cpu    []float64 // seconds
	wall   []float64
	figure figure
	failed string
}

type result struct {
	trial trial
	rows  []row
}

// patience is how long one repetition may take.
const patience = 3 * time.Minute

// processor is the time that this process has spent so far, in seconds.
func processor() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

func (t trial) measure(ctx context.Context, reps int, large bool) (result, error) {
	out := result{trial: t}
	ours := row{system: "Redoubt"}
	if err := ours.repeat(ctx, reps, t.ours); err != nil {
		ours.failed = err.Error()
	}
	out.rows = append(out.rows, ours)
	text, err := json.Marshal(t.input)
	if err != nil {
		return out, err
	}
	for _, p := range t.peers {
		r := row{system: p.name}
		if p.large && !large {
			r.failed = "not run: it takes minutes (-large)"
		} else if p.inside != nil {
			if err := r.repeat(ctx, reps, p.inside); err != nil {
				r.failed = err.Error()
			}
		} else if err := p.run(ctx, text, reps, &r); err != nil {
			r.failed = err.Error()
		}
		out.rows = append(out.rows, r)
	}
	return out, nil
}

// repeat computes something in this process so many times.
func (r *row) repeat(ctx context.Context, reps int, compute func(context.Context) (figure, error)) error {
	for range reps {
		runtime.GC()
		cpu, began := processor(), time.Now()
		limited, stop := context.WithTimeout(ctx, patience)
		f, err := compute(limited)
		stop()
		if err != nil {
			return err
		}
		r.cpu, r.wall, r.figure = append(r.cpu, processor()-cpu), append(r.wall, time.Since(began).Seconds()), f
	}
	return nil
}

// run starts the peer's program: it repeats the problem and tells the times of each repetition.
func (p peer) run(ctx context.Context, input []byte, reps int, r *row) error {
	if p.reps > 0 {
		reps = p.reps
	}
	program, args := "/usr/bin/python3", []string{}
	if filepath.Ext(p.script) == ".R" {
		program, args = "Rscript", []string{"--vanilla"}
	}
	script := filepath.Join("bench", "assess", "peers", p.script)
	if _, err := os.Stat(script); err != nil {
		return fmt.Errorf("run it from the top of the tree: %w", err)
	}
	ctx, stop := context.WithTimeout(ctx, time.Duration(reps+1)*patience)
	defer stop()
	args = append(append(args, script, fmt.Sprint(reps)), p.args...)
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if missing(err, stderr.String()) {
			return errors.New("not installed here")
		}
		lines := bytes.Split(bytes.TrimSpace(stderr.Bytes()), []byte("\n"))
		return fmt.Errorf("%w: %s", err, lines[len(lines)-1])
	}
	var answer struct {
		figure
		CPU  []float64 `json:"cpu"`
		Wall []float64 `json:"wall"`
	}
	if err := json.Unmarshal(stdout.Bytes(), &answer); err != nil {
		return fmt.Errorf("its answer is not understood: %w", err)
	}
	if len(answer.CPU) == 0 {
		return errors.New("it tells no time")
	}
	r.cpu, r.wall, r.figure = answer.CPU, answer.Wall, answer.figure
	return nil
}

// missing tells whether a peer failed because it, or what it needs, is not on this machine.
func missing(err error, said string) bool {
	return errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) || strings.Contains(said, "ModuleNotFoundError") || strings.Contains(said, "there is no package called")
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	if len(s) == 0 {
		return math.NaN()
	}
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}
