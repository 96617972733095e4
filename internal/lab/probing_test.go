package lab_test

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"redoubt/internal/fault"
	"redoubt/internal/lab"
	"redoubt/internal/lab/probe"
)

const vip = "10.77.0.100"

// plumb gives a machine the service's address, and lets the client forget who had it.
func plumb(t *testing.T, l *lab.Lab, machine string) {
	t.Helper()
	output(t, l, machine, "ip", "addr", "add", vip+"/24", "dev", "pub")
	output(t, l, "client", "ip", "neigh", "flush", "to", vip)
}

// background is a probe that runs while the test acts.
type background struct {
	stop   context.CancelFunc
	done   chan struct{}
	res    *lab.ProbeResult
	err    error
	counts map[string]*atomic.Int64 // answers by who answers
}

func start(t *testing.T, l *lab.Lab, o probe.Options, from ...string) *background {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	b := &background{stop: stop, done: make(chan struct{}), counts: map[string]*atomic.Int64{"": {}, "n1": {}, "n2": {}}}
	o.Address = vip + ":" + portName
	o.Each = func(a probe.Attempt) { b.counts[a.Answer].Add(1) }
	go func() {
		defer close(b.done)
		b.res, b.err = l.Probe(ctx, o, from...)
	}()
	t.Cleanup(func() { b.end(t) })
	return b
}

func (b *background) end(t *testing.T) *lab.ProbeResult {
	t.Helper()
	b.stop()
	<-b.done
	if b.err != nil {
		t.Fatal(b.err)
	}
	return b.res
}

// hears waits until somebody has answered n times more.
func (b *background) hears(t *testing.T, who string, n int64) {
	t.Helper()
	want := b.counts[who].Load() + n
	within(t, 10*time.Second, who+" answers", func() bool { return b.counts[who].Load() >= want })
}

func TestProbeSeesTheGap(t *testing.T) {
	l := up(t, nil)
	plumb(t, l, "n1")
	b := start(t, l, probe.Options{})
	b.hears(t, "n1", 50)
	killed, err := l.Kill("n1")
	if err != nil {
		t.Fatal(err)
	}
	b.hears(t, "", 20) // while nobody serves
	plumb(t, l, "n2")
	moved := time.Now()
	b.hears(t, "n2", 50)
	r := b.end(t)
	g := r.Outage()
	if g.Before != "n1" || g.After != "n2" || g.Open {
		t.Errorf("gap: %+v", g)
	}
	// The gap begins before the death at the latest answer of n1, and ends after the address was given to n2.
	began, ended := r.Began.Add(g.From), r.Began.Add(g.To)
	if began.After(killed.Add(20*time.Millisecond)) || killed.Sub(began) > time.Second || ended.Before(killed) || ended.Sub(moved) > time.Second {
		t.Errorf("killed at %v, moved at %v, but the gap is from %v to %v", killed, moved, began, ended)
	}
	if r.Double != nil || len(r.Answerers) != 2 || r.Sources[0].Errors["timeout"] < 10 || r.Sources[0].Errors["reset"] > 0 {
		t.Errorf("result: double %+v, answerers %+v, errors %+v", r.Double, r.Answerers, r.Sources[0].Errors)
	}
}

// TestProbeSeesDoubleServing cuts the serving node off and lets the other serve too, as a cluster without a quorum would.
func TestProbeSeesDoubleServing(t *testing.T) {
	l := up(t, nil)
	plumb(t, l, "n1")
	both := start(t, l, probe.Options{}, "client", "n1")
	single := start(t, l, probe.Options{})
	both.hears(t, "n1", 50)
	if err := l.Cut(lab.Fault{Machine: "n1"}); err != nil {
		t.Fatal(err)
	}
	plumb(t, l, "n2")
	both.hears(t, "n2", 50)
	both.hears(t, "n1", 50)
	if r := single.end(t); r.Double != nil {
		t.Errorf("the client alone can not have seen both: %+v", r.Double)
	}
	r := both.end(t)
	if r.Double == nil || r.Double.A != "n1" || r.Double.B != "n2" || r.Double.Times < 10 {
		t.Errorf("from both sides of the partition: %+v", r.Double)
	}
}

func TestProbeCommand(t *testing.T) {
	l := up(t, nil)
	plumb(t, l, "n2")
	run := func(argv ...string) (int, string, string) {
		var out, errs bytes.Buffer
		status := redoubt(append([]string{"redoubt", "lab", "probe", "--name", l.Name()}, argv...), &out, &errs)
		return status, out.String(), errs.String()
	}
	status, out, errs := run(vip+":"+portName, "--for", "300ms", "-o", "json", "--attempts", "--all-nodes")
	var r struct {
		lab.ProbeResult
		Attempts []probe.Attempt `json:"attempts"`
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil || status != 0 || len(r.Sources) != 3 || r.Sources[0].Answered < 10 || len(r.Attempts) < 30 {
		t.Errorf("probe -o json: status %d, %v, %s %s", status, err, errs, out[:min(len(out), 500)])
	}
	status, out, _ = run(vip+":"+portName, "--for", "200ms", "--http", "/broken")
	if status != 0 || !strings.Contains(out, "http 502") || !strings.Contains(out, "nobody ever answered") {
		t.Errorf("probe of a broken server: status %d\n%s", status, out)
	}
	p, err := l.Run("n2", lab.Stdio{}, "/run/lab/bin/redoubt", "lab", "serve", vip+":90")
	if err != nil {
		t.Fatal(err)
	}
	within(t, 10*time.Second, "n2 serves by lab serve", func() bool {
		r, err := l.Probe(t.Context(), probe.Options{Address: vip + ":90", For: 50 * time.Millisecond})
		return err == nil && len(r.Answerers) == 1 && r.Answerers[0].Name == "n2"
	})
	p.Kill()
	if got, err := p.Wait(); got != 128+9 || err != nil {
		t.Errorf("end of lab serve: status %d, %v", got, err)
	}
	status, out, _ = run(vip+":1", "--for", "200ms")
	if status != 0 || !strings.Contains(out, " refused") {
		t.Errorf("probe of a closed port: status %d\n%s", status, out)
	}
	for _, argv := range [][]string{{}, {"a", "b"}, {vip + ":80", "-o", "xml"}, {vip + ":80", "--every", "soon"}} {
		if status, _, errs := run(argv...); status != 2 {
			t.Errorf("probe %v: status %d: %s", argv, status, errs)
		}
	}
	for _, o := range []probe.Options{{Address: "web:80"}, {Address: vip}, {Address: vip + ":80", Path: "x y"}, {Address: vip + ":80", Every: time.Nanosecond}, {Address: vip + ":80", Outstanding: 1e6}} {
		if _, err := l.Probe(t.Context(), o); !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	if _, err := l.Probe(t.Context(), probe.Options{Address: vip + ":80"}, "n5"); !fault.Is(err, fault.NotFound) {
		t.Errorf("probe from a machine that is not there: %v", err)
	}
}
