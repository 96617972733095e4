package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"redoubt/internal/fault"
	"redoubt/internal/lab"
	"redoubt/internal/lab/probe"
)

// scalableFile holds the results of the section about load balancing, below the directory of the results.
const scalableFile = "scalable.json"

// Scalable is the section about load balancing.
type Scalable struct {
	Began time.Time `json:"began"`
	Load  float64   `json:"load"`
	Met   []Met     `json:"met"`
	Error string    `json:"error,omitempty"`
}

// Met is what a client met while something happened to a service with an instance on each of three nodes.
type Met struct {
	System  string         `json:"system"`
	Event   string         `json:"event"`
	Asked   int            `json:"asked"`
	Failed  map[string]int `json:"failed"`
	Longest time.Duration  `json:"longest"` // without an answer
	By      map[string]int `json:"by"`      // who answered
}

// Bounds of the section: so many trials of each event, as far as they fit into the time of one system.
const (
	scalableTrials = 5
	scalableTime   = 170 * time.Second
)

// balanced is a way to spread the load of one address over three servers.
type balanced interface {
	options() lab.Options
	up(ctx context.Context, l *lab.Lab) error
	weight(ctx context.Context, node string, weight int) error
	boot(ctx context.Context, node string) error     // a machine that was switched on again
	serve(ctx context.Context, node string) error    // a server that was killed
	move(ctx context.Context, from, to string) error // the address, as planned
	empty(ctx context.Context, node string) error    // before a machine is switched off on purpose
	fill(ctx context.Context, node string) error     // when it is back
	sticky(ctx context.Context) (address string, err error)
	// whole says who holds the address once all three servers take part, or what is missing.
	whole(ctx context.Context) (holder, missing string)
}

// scalable measures load balancing: Redoubt beside HAProxy on every node with an address that keepalived moves.
func (r *run) scalable(ctx context.Context) error {
	path := filepath.Join(r.dir, scalableFile)
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	all := Scalable{Began: time.Now(), Load: loadAverage()}
	for _, s := range []struct {
		name string
		sys  balanced
	}{
		{"Redoubt, profile default", &shared{answer: r.answer}},
		{"HAProxy and keepalived 0.1 s", &proxied{vrrp: keepalived{interval: "0.1"}, answer: r.answer}},
	} {
		r.tell("load balancing: %s", s.name)
		got, err := r.balance(ctx, s.name, s.sys)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if all.Met = append(all.Met, got...); err != nil {
			all.Error = s.name + ": " + err.Error()
			r.tell("load balancing: %s", all.Error)
			break
		}
	}
	return save(path, all)
}

func (r *run) balance(ctx context.Context, name string, sys balanced) (out []Met, err error) {
	const labName = "bench-lb"
	if err := lab.Remove(labName); err != nil {
		return nil, err
	}
	o := sys.options()
	o.Name, o.Nodes, o.Program, o.Daemon = labName, 3, filepath.Join(r.bin, "redoubt"), filepath.Join(r.bin, "redoubtd")
	l, err := lab.Up(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.Down()) }()
	if err := sys.up(ctx, l); err != nil {
		return nil, err
	}
	end := time.Now().Add(scalableTime)
	try := func(event, to, path string, span time.Duration, do func(holder, other string) error) error {
		holder, err := awaitWhole(ctx, l, sys)
		if err != nil {
			return err
		}
		other := l.Nodes()[(slices.Index(l.Nodes(), holder)+1)%3]
		met, err := during(ctx, l, to, path, span, func() error { return do(holder, other) })
		if err != nil {
			return err
		}
		met.System, met.Event = name, event
		r.tell("  %s: %d asked, failed %v, longest without an answer %v, by %v", event, met.Asked, met.Failed, met.Longest.Round(time.Millisecond), met.By)
		out = append(out, met)
		return nil
	}
	if _, err := awaitWhole(ctx, l, sys); err != nil {
		return nil, err
	}
	// The shares, then one client.
	if err := sys.weight(ctx, "n2", 3); err != nil {
		return out, err
	}
	if err := try(eventSpread, service, "/", 4*time.Second, func(string, string) error { return nil }); err != nil {
		return out, err
	}
	if err := sys.weight(ctx, "n2", 1); err != nil {
		return out, err
	}
	if err := try(eventRolling, service, "/", 0, func(string, string) error { return restartAll(ctx, l, sys) }); err != nil {
		return out, err
	}
	for n := 0; n < scalableTrials && (n == 0 || time.Now().Before(end)); n++ {
		for _, e := range []struct {
			name string
			path string
			span time.Duration
			do   func(holder, other string) error
		}{
			{"weights change", "/", 3 * time.Second, func(string, string) error {
				return errors.Join(sys.weight(ctx, "n2", 3), pause(ctx, 500*time.Millisecond), sys.weight(ctx, "n2", 1))
			}},
			{"the address is moved on purpose", "/", 3 * time.Second, func(holder, other string) error { return sys.move(ctx, holder, other) }},
			{"a server is killed", "/", 3 * time.Second, func(_, other string) error {
				_, err := signalAll(labName, other, syscall.SIGKILL, isAnswer)
				return errors.Join(err, pause(ctx, time.Second), sys.serve(ctx, other))
			}},
			{"a node dies", "/", 4 * time.Second, func(_, other string) error { _, err := l.Kill(other); return err }},
			{"the holder of the address dies", "/", 4 * time.Second, func(holder, _ string) error { _, err := l.Kill(holder); return err }},
			{"the holder dies, requests of 3 s", "/slow", 5 * time.Second, func(holder, _ string) error { _, err := l.Kill(holder); return err }},
		} {
			if err := try(e.name, service, e.path, e.span, e.do); err != nil {
				return out, err
			}
		}
	}
	if _, err := awaitWhole(ctx, l, sys); err != nil {
		return out, err
	}
	to, err := sys.sticky(ctx)
	if err != nil {
		return out, err
	}
	return out, try(eventSticky, to, "/", 4*time.Second, func(string, string) error {
		return errors.Join(sys.weight(ctx, "n2", 3), pause(ctx, 500*time.Millisecond), sys.weight(ctx, "n2", 1))
	})
}

// The events that are tried once.
const (
	eventSpread  = "weights 1, 3, 1"
	eventSticky  = "one client, sticky, while weights change"
	eventRolling = "every machine is restarted in turn"
)

// restartAll empties every machine in turn, switches it off and on, and fills it again.
func restartAll(ctx context.Context, l *lab.Lab, sys balanced) error {
	for _, n := range l.Nodes() {
		if err := sys.empty(ctx, n); err != nil {
			return err
		}
		if _, err := l.Kill(n); err != nil {
			return err
		}
		if err := errors.Join(l.Start(ctx, n), sys.boot(ctx, n)); err != nil {
			return err
		}
		if err := sys.fill(ctx, n); err != nil {
			return err
		}
		if _, err := awaitWhole(ctx, l, sys); err != nil {
			return err
		}
	}
	return nil
}

// awaitWhole brings back what is off and waits until all serve.
func awaitWhole(ctx context.Context, l *lab.Lab, sys balanced) (string, error) {
	st, err := l.Status()
	if err != nil {
		return "", err
	}
	for _, m := range st.Machines {
		if m.State == "off" {
			if err := l.Start(ctx, m.Name); err != nil {
				return "", err
			}
			if err := sys.boot(ctx, m.Name); err != nil {
				return "", err
			}
		}
	}
	missing := ""
	for end := time.Now().Add(mendTimeout); time.Now().Before(end); {
		var holder string
		if holder, missing = sys.whole(ctx); missing == "" {
			return holder, pause(ctx, 500*time.Millisecond)
		}
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return "", err
		}
	}
	return "", fault.Errorf(fault.Unavailable, "load balancing: %s", missing)
}

// during asks from the client host all the time while f runs, somewhat before and after; for span, or, when that is 0, until f has ended.
func during(ctx context.Context, l *lab.Lab, to, path string, span time.Duration, f func() error) (Met, error) {
	o := probe.Options{Address: to, Path: path, Every: 10 * time.Millisecond, Deadline: 4 * time.Second, Outstanding: 400, For: span}
	lead := time.Second
	if path != "/" {
		o.Every, o.Deadline = 50*time.Millisecond, 8*time.Second
		lead = 3500 * time.Millisecond // until as many are under way as there will be
	}
	asking, stop := context.WithCancel(ctx)
	defer stop()
	type end struct {
		r   *lab.ProbeResult
		err error
	}
	done := make(chan end, 1)
	go func() {
		r, err := l.Probe(asking, o)
		done <- end{r, err}
	}()
	err := pause(ctx, lead)
	if err == nil {
		err = f()
	}
	if span == 0 {
		err = errors.Join(err, pause(ctx, time.Second))
		stop()
	}
	e := <-done
	if err = errors.Join(err, e.err); err != nil {
		return Met{}, err
	}
	m := Met{Asked: len(e.r.Attempts), Failed: map[string]int{}, By: map[string]int{}, Longest: e.r.Outage().Length}
	for _, a := range e.r.Attempts {
		if a.Answer == "" {
			m.Failed[a.Error]++
		} else {
			m.By[a.Answer]++
		}
	}
	return m, nil
}

// balanceRow is a line of the table of load balancing: medians of the trials of an event, and what failed in all of them.
type balanceRow struct {
	Event, System            string
	Trials, Requests, Failed int
	Kinds                    string // what failed in all trials, by kind
	Longest                  int    // ms
	By                       string
}

// balanceRows has a line for each event and system, those of an event side by side.
func balanceRows(all []Met) (rows []balanceRow) {
	type key struct{ event, system string }
	var keys []key
	trials := map[key][]Met{}
	for _, m := range all {
		k := key{m.Event, m.System}
		if len(trials[k]) == 0 {
			keys = append(keys, k)
		}
		trials[k] = append(trials[k], m)
	}
	at := func(event string) int { return slices.IndexFunc(all, func(m Met) bool { return m.Event == event }) }
	slices.SortStableFunc(keys, func(a, b key) int { return cmp.Compare(at(a.event), at(b.event)) })
	for _, k := range keys {
		var asked, failed, longest []int
		kinds, by := map[string]int{}, map[string]int{}
		for _, m := range trials[k] {
			n := 0
			for kind, c := range m.Failed {
				n += c
				kinds[kind] += c
			}
			for who, c := range m.By {
				by[who] += c
			}
			asked, failed, longest = append(asked, m.Asked), append(failed, n), append(longest, int(m.Longest.Milliseconds()))
		}
		rows = append(rows, balanceRow{
			Event: k.event, System: k.system, Trials: len(asked), Requests: middle(asked), Failed: middle(failed), Kinds: counted(kinds), Longest: middle(longest), By: shares(by),
		})
	}
	return rows
}

// middle is the median; of an even number of values the lower one of the two in the middle.
func middle(list []int) int {
	list = slices.Sorted(slices.Values(list))
	return list[(len(list)-1)/2]
}

func counted(kinds map[string]int) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(kinds)) {
		out = append(out, fmt.Sprintf("%s %d", k, kinds[k]))
	}
	if len(out) == 0 {
		return "0"
	}
	return strings.Join(out, ", ")
}

func shares(by map[string]int) string {
	sum := 0
	for _, n := range by {
		sum += n
	}
	var out []string
	for _, who := range slices.Sorted(maps.Keys(by)) {
		out = append(out, fmt.Sprintf("%s %.1f %%", who, 100*float64(by[who])/float64(sum)))
	}
	return strings.Join(out, ", ")
}
