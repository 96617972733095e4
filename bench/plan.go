package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"redoubt/bench/farm"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/model"
	"redoubt/internal/rgm/order"
	"redoubt/internal/rgm/plan"
)

// The clusters whose placement is measured. The large one is measured with Redoubt alone: its configuration and status have 1.7 GB in Pacemaker's form.
var (
	planSize  = farm.Size{Nodes: 16, Groups: 1000, Each: 5}
	planLarge = farm.Size{Nodes: 64, Groups: 10000, Each: 5}
)

const planFile = "plan.json"

// simulateTimeout bounds one run of crm_simulate; after one that took longer than simulatePatience there is no further.
const (
	simulateTimeout  = 10 * time.Minute
	simulatePatience = time.Minute
)

// planSection compares what it costs to decide where the services of a lost node go.
func (r *run) planSection(ctx context.Context) error {
	path := filepath.Join(r.dir, planFile)
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	reps := min(3, r.reps)
	p := Plan{Began: time.Now(), Load: loadAverage()}
	r.tell("planner: %v, and %v", planSize, planLarge)
	err := ourPlans(&p)
	if err == nil {
		r.tell("planner: full %v ms, node lost %v ms, released %v ms; crm_simulate %d times each", summarize(p.Full), summarize(p.NodeDown), summarize(p.Released), reps)
		err = r.simulations(ctx, &p, reps)
	}
	if err == nil {
		r.tell("planner: crm_simulate full %v ms, %d actions; node lost %v ms, %d actions", summarize(p.SimulateFull), p.ActionsFull, summarize(p.Simulate), p.Actions)
		err = r.serverStarts(ctx, &p)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		p.Error = err.Error()
		r.tell("planner: %v", err)
	}
	return save(path, p)
}

// ourPlans measures what the president calls, and the solver in it alone, on one core.
func ourPlans(p *Plan) error {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	rest, err := farm.Running(planSize)
	if err != nil {
		return err
	}
	large, err := farm.Running(planLarge)
	if err != nil {
		return err
	}
	for range 5 {
		for _, m := range []struct {
			to         *[]float64
			before, at model.State
			times      int
		}{
			{&p.Full, model.State{}, farm.Fresh(planSize), 10},
			{&p.NodeDown, rest, farm.Lost(rest, true), 10},
			{&p.Released, rest, farm.Lost(rest, false), 10},
			{&p.LargeFull, model.State{}, farm.Fresh(planLarge), 1},
			{&p.LargeDown, large, farm.Lost(large, true), 1},
			{&p.LargeReleased, large, farm.Lost(large, false), 1},
		} {
			took, err := planTook(m.before, m.at, m.times)
			if err != nil {
				return err
			}
			*m.to = append(*m.to, took)
		}
		for _, m := range []struct {
			to *[]float64
			at model.State
		}{{&p.SolveFull, farm.Fresh(planSize)}, {&p.SolveLost, farm.Lost(rest, false)}} {
			took, err := solved(order.Look(m.at).Problem, 10)
			if err != nil {
				return err
			}
			*m.to = append(*m.to, took)
		}
	}
	return nil
}

// planTook is what a plan takes a president who has planned for another state before, in milliseconds of processor time.
func planTook(before, at model.State, times int) (float64, error) {
	presidents := make([]order.Planner, times)
	for i := range presidents {
		presidents[i].Plan(before)
	}
	steps := 0
	took, err := spent(func() {
		for i := range presidents {
			steps += len(presidents[i].Plan(at))
		}
	})
	if err == nil && steps == 0 {
		err = fault.Errorf(fault.Internal, "the plan that is measured changes nothing")
	}
	return took / float64(times), err
}

func solved(p plan.Problem, times int) (float64, error) {
	var fails error
	took, err := spent(func() {
		for range times {
			_, e := plan.Solve(p, plan.Effort{})
			fails = errors.Join(fails, e)
		}
	})
	return took / float64(times), errors.Join(err, fails)
}

// spent is the processor time of this process while it does something, in milliseconds.
func spent(do func()) (float64, error) {
	runtime.GC()
	var before, after syscall.Rusage
	err := syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	do()
	if err = errors.Join(err, syscall.Getrusage(syscall.RUSAGE_SELF, &after)); err != nil {
		return 0, fault.Errorf(fault.Internal, "processor time: %w", err)
	}
	return float64(after.Utime.Nano()+after.Stime.Nano()-before.Utime.Nano()-before.Stime.Nano()) / 1e6, nil
}

// simulations lets Pacemaker's scheduler decide on the same two clusters.
func (r *run) simulations(ctx context.Context, p *Plan, reps int) error {
	rest, err := farm.Running(planSize)
	if err != nil {
		return err
	}
	if p.Simulate, p.Actions, err = r.simulate(ctx, farm.Lost(rest, false), reps); err != nil {
		return err
	}
	p.SimulateFull, p.ActionsFull, err = r.simulate(ctx, farm.Fresh(planSize), reps)
	return err
}

// simulate runs it: -R decides and carries nothing out. The times are milliseconds of processor time, beside the number of actions that it decided on.
func (r *run) simulate(ctx context.Context, s model.State, reps int) (took []float64, actions int, err error) {
	cib, graph := filepath.Join(r.work, "cib.xml"), filepath.Join(r.work, "graph.xml")
	if err := os.WriteFile(cib, farm.CIB(s), 0o644); err != nil {
		return nil, 0, fault.Errorf(fault.Internal, "write %s: %w", cib, err)
	}
	for range reps {
		began := time.Now()
		limited, cancel := context.WithTimeout(ctx, simulateTimeout)
		cmd := exec.CommandContext(limited, "crm_simulate", "-R", "-Q", "-x", cib, "-G", graph)
		out, err := cmd.CombinedOutput()
		cancel()
		if err != nil {
			return took, 0, fault.Errorf(fault.Internal, "crm_simulate: %w: %s", err, lastLines(string(out)))
		}
		took = append(took, ms(cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime()))
		if time.Since(began) > simulatePatience {
			break
		}
	}
	b, err := os.ReadFile(graph)
	if err != nil {
		return took, 0, fault.Errorf(fault.Internal, "crm_simulate left no graph: %w", err)
	}
	return took, bytes.Count(b, []byte("<synapse")), nil
}

// serverStarts measures how long the server itself takes from its start until it answers: the part of every recovery that no cluster can save.
func (r *run) serverStarts(ctx context.Context, p *Plan) error {
	const at = "127.0.0.1:18077"
	for range 10 {
		cmd := exec.CommandContext(ctx, r.answer, at)
		began := time.Now()
		if err := cmd.Start(); err != nil {
			return fault.Errorf(fault.Internal, "start the server: %w", err)
		}
		for {
			c, err := net.DialTimeout("tcp", at, time.Second)
			if err == nil {
				c.Close()
				break
			}
			if time.Since(began) > 5*time.Second {
				break
			}
			if err := pause(ctx, 200*time.Microsecond); err != nil {
				break
			}
		}
		p.ServerRun = append(p.ServerRun, ms(time.Since(began)))
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	return nil
}
