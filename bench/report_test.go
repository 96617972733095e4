package main

import (
	"flag"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"redoubt/internal/lab"
	"redoubt/internal/lab/probe"
)

var update = flag.Bool("update", false, "write the golden report anew")

func TestSummarize(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   Summary
		text   string
	}{
		{nil, Summary{}, "-"},
		{[]float64{7}, Summary{1, 7, 7, 7}, "7.00 / **7.00** / 7.00 (1)"},
		{[]float64{300, 1, 20}, Summary{3, 1, 20, 300}, "1.00 / **20.0** / 300 (3)"},
		{[]float64{4, 1, 3, 2}, Summary{4, 1, 2.5, 4}, "1.00 / **2.50** / 4.00 (4)"},
	} {
		got := summarize(c.values)
		if got != c.want || got.String() != c.text {
			t.Errorf("%v: %+v %q, want %+v %q", c.values, got, got, c.want, c.text)
		}
	}
}

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		s    Summary
		want string
	}{
		{Summary{}, unmeasured},
		{Summary{3, 10, 20, 49}, met},
		{Summary{3, 10, 20, 50}, metMostly},
		{Summary{3, 10, 50, 60}, notMet},
	} {
		if got := judge(c.s, 50); got != c.want {
			t.Errorf("%+v: %q, want %q", c.s, got, c.want)
		}
	}
}

// attempts are made from the ends of answers in milliseconds; each took 2 ms.
func attempts(source, who string, ends ...int) (all []probe.Attempt) {
	for _, e := range ends {
		end := time.Duration(e) * time.Millisecond
		all = append(all, probe.Attempt{Source: source, Start: end - 2*time.Millisecond, End: end, Answer: who})
	}
	return all
}

func TestReading(t *testing.T) {
	began := time.Now()
	at := began.Add(100 * time.Millisecond)
	near := func(a, b float64) bool { return math.Abs(a-b) < 0.02 }
	for _, c := range []struct {
		name string
		all  [][]probe.Attempt
		want map[string]float64
		open bool
	}{
		{
			"takeover", [][]probe.Attempt{attempts(lab.Client, "n1", 80, 90, 103), attempts(lab.Client, "n2", 400, 405)},
			map[string]float64{valueGap: 297, valueOld: 3, valueNew: 300, valueOverlap: 101 - 400, valueWatched: 400}, false,
		},
		{
			"the longest gap before the event does not count", [][]probe.Attempt{attempts(lab.Client, "n1", 1, 90, 101, 111)},
			map[string]float64{valueGap: 11, valueOld: 11, valueWatched: 400}, false,
		},
		{
			"two serve, seen from the other side", [][]probe.Attempt{attempts(lab.Client, "n1", 90), attempts(lab.Client, "n2", 300, 310), attempts("n1", "n1", 350)},
			map[string]float64{valueGap: 210, valueOld: 250, valueNew: 200, valueOverlap: 48, valueWatched: 400}, false,
		},
	} {
		res := &lab.ProbeResult{Began: began, Took: 500 * time.Millisecond}
		for _, a := range c.all {
			res.Attempts = append(res.Attempts, a...)
		}
		got, open := reading(res, at, "n1")
		if d := cmp.Diff(c.want, got, cmp.Comparer(near)); d != "" || open != c.open {
			t.Errorf("%s: open %t, difference (-want +got):\n%s", c.name, open, d)
		}
	}
	res := &lab.ProbeResult{Began: began, Took: 5 * time.Second, Attempts: attempts(lab.Client, "n1", 90)}
	if got, open := reading(res, at, "n1"); !open || !near(got[valueGap], 4910) {
		t.Errorf("a service that never comes back: open %t, gap %v", open, got[valueGap])
	}
}

func TestShare(t *testing.T) {
	for _, c := range []struct{ reps, rounds int }{{10, 2}, {7, 2}, {1, 1}, {3, 3}} {
		r := &run{reps: c.reps, rounds: c.rounds}
		sum, halves := 0, 0
		for round := range c.rounds {
			sum += r.share(full, round)
			halves += r.share(half, round)
		}
		if sum != c.reps || halves != (c.reps+1)/2 {
			t.Errorf("%+v: %d and %d repetitions", c, sum, halves)
		}
	}
}

func TestInGroup(t *testing.T) {
	for text, want := range map[string]bool{
		"9:cpu:/\n0::/redoubt-lab-bench/n1":             true,
		"0::/redoubt-lab-bench/n1/services/web":         true,
		"0::/redoubt-lab-bench/n11":                     false,
		"0::/redoubt-lab-bench2/n1":                     false,
		"3:cpu:/redoubt-lab-bench/n1\n0::/user.slice/x": false,
	} {
		if got := inGroup(text, "bench", "n1"); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
}

func TestReadsTheKernel(t *testing.T) {
	if got := cpuTicks("12 (a b) c) S 1 2 3 4 5 6 7 8 9 10 30 12 0 0 20"); got != 42 {
		t.Errorf("ticks: %d", got)
	}
	if got := rollup("aaa [rollup]\nRss:    2048 kB\nPss:     512 kB\n", "Pss:"); got != 0.5 {
		t.Errorf("pss: %v", got)
	}
}

func TestServersUp(t *testing.T) {
	const names = "# pxname,svname,qcur,status,\n"
	for stat, want := range map[string]int{
		names: 0,
		names + "in,FRONTEND,0,OPEN,\nservers,n1,0,UP,\nservers,n2,0,DOWN,\nservers,n3,0,\"UP\",\nservers,BACKEND,0,UP,\nsticky,n2,0,UP,\nservers,n9\n": 2,
	} {
		if got, err := serversUp(stat, "servers"); err != nil || got != want {
			t.Errorf("%q: %d, %v, want %d", stat, got, err, want)
		}
	}
	for _, stat := range []string{"", "pxname,svname\n", "a,\"b"} {
		if _, err := serversUp(stat, "servers"); err == nil {
			t.Errorf("%q: no error", stat)
		}
	}
}

// TestReport renders a small run: ours, a peer that serves twice, a trial that failed, things that were not measured.
func TestReport(t *testing.T) {
	sample := func(trial string, gap, old, next, watched float64) Sample {
		return Sample{Trial: trial, Node: "n1", Values: map[string]float64{valueGap: gap, valueOld: old, valueNew: next, valueOverlap: old - next, valueWatched: watched}, Double: old > next}
	}
	all := results{
		sections: []Section{
			{
				System: ours, Idle: []Idle{{Node: "n1", CPU: 0.5, AllCPU: 0.6, RSS: 60, PSS: 50}, {Node: "n2", CPU: 1.5, AllCPU: 1.6, RSS: 70, PSS: 55}},
				Samples: []Sample{
					sample(trialDeath, 600, 0, 600, 900), sample(trialDeath, 700, 0, 700, 900), sample(trialDeath, 1200, 0, 1200, 1500),
					sample(trialDaemon, 200, 30, 230, 3300), sample(trialCutAll, 800, 400, 700, 3700),
				},
			},
			{
				System: "Pacemaker", Error: "given up",
				Samples: []Sample{
					sample(trialDeath, 7000, 0, 7000, 7500), sample(trialCutAll, 8000, 9000, 8100, 11000), sample(trialFrozen, 300, 11000, 8000, 11050),
					{Trial: trialMove, Error: "not\nwhole"}, {Trial: trialCutIC, Values: map[string]float64{valueGap: 9000, valueOld: 10, valueWatched: 9010}, Lost: true},
				},
			},
		},
		plan: Plan{
			Began: time.Date(2030, 1, 2, 0, 0, 0, 0, time.UTC), Load: 0.5,
			Full: []float64{30, 28}, NodeDown: []float64{2, 3}, Released: []float64{4, 5}, SolveFull: []float64{20}, SolveLost: []float64{2}, LargeFull: []float64{400},
			LargeDown: []float64{200}, LargeReleased: []float64{210}, Simulate: []float64{14000}, Actions: 755, SimulateFull: []float64{46000}, ActionsFull: 12016, ServerRun: []float64{3},
		},
		scalable: Scalable{Began: time.Date(2030, 1, 2, 0, 0, 0, 0, time.UTC), Load: 0.25, Error: "HAProxy: not whole", Met: []Met{
			{System: ours, Event: "a node dies", Asked: 400, Longest: 41 * time.Millisecond, By: map[string]int{"n1": 300, "n2": 100}},
			{System: ours, Event: "weights change", Asked: 300, Longest: 30 * time.Millisecond, By: map[string]int{"n1": 1}},
			{System: ours, Event: "a node dies", Asked: 390, Failed: map[string]int{"timeout": 2, "reset": 1}, Longest: 50 * time.Millisecond, By: map[string]int{"n1": 400}},
			{System: ours, Event: "a node dies", Asked: 380, Failed: map[string]int{"reset": 2}, Longest: 60 * time.Millisecond},
			{System: "HAProxy", Event: "a node dies", Asked: 100},
		}},
	}
	o := Options{Quick: true, Began: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC), Host: Host{Cores: 2, Kernel: "6.1", System: "Debian", Go: "go1", Load: 0.25, Versions: map[string]string{"corosync": "3"}}}
	got, err := render(o, all)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", "report.md")
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("the report differs from %s; look at it and run go test ./bench -update (-want +got):\n%s", path, d)
	}
}
