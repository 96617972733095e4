package ocf

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"redoubt/internal/agent"
)

// confirmAfter is when an agent that answered "running" right after a process of its resource had ended is asked once more: the process may have
// been seen before it was quite gone. spacing is the least time between two such questions, when helpers come and go.
const (
	confirmAfter = time.Second
	spacing      = 200 * time.Millisecond
)

// maxLeaders is how many processes of a resource are watched at once.
const maxLeaders = 32

// watcher follows one resource.
type watcher struct {
	d      *Driver
	call   agent.Call
	report func(agent.Observation)

	leaders map[int]leader
	ended   chan leader
	pending *leader // an end that is still to be asked about; it is not put into ended, which only its reader empties
	last    agent.Observation
}

type leader struct {
	pid  int
	name string
}

// Watch implements agent.Driver: the agent's monitor at the resource's intervals (the thorough one at OCF_CHECK_LEVEL, the cheap one at level 0), and
// at once when a process that leads the resource's others has ended. The latter counts only if the monitor says so too: agents leave helpers behind
// that end by themselves.
func (d *Driver) Watch(ctx context.Context, call agent.Call, report func(agent.Observation)) {
	call.Method = ""
	call.Timeout = time.Duration(number(call, propProbeTimeout)) * time.Second
	if call.Timeout <= 0 {
		call.Timeout = defaultProbeTimeout * time.Second
	}
	w := &watcher{d: d, call: call, report: report, leaders: map[int]leader{}, ended: make(chan leader, maxLeaders)}
	w.run(ctx)
}

func (w *watcher) run(ctx context.Context) {
	// Ends the waits for the leaders, so that none outlives Watch's caller for longer than a kernel's call.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	level := number(w.call, propCheckLevel)
	every := time.Duration(w.call.Resource.ThoroughProbeInterval) * time.Second
	cheapEvery := time.Duration(w.call.Resource.CheapProbeInterval) * time.Second
	thorough, cheap := ticker(every), ticker(cheapEvery)
	defer thorough.Stop()
	defer cheap.Stop()
	var ask <-chan time.Time // the agent, because of gone
	var gone leader
	var asked time.Time
	fresh := false // gone has not been asked about yet
	w.follow(ctx)  // first: what ends after this look is heard of, what ended before it was missed
	if l, ok := w.missed(); ok {
		w.pending = &l
	}
	for ctx.Err() == nil {
		w.follow(ctx)
		if w.pending != nil {
			gone, w.pending = *w.pending, nil
			fresh, ask = true, time.After(spacing-time.Since(asked))
		}
		select {
		case <-ctx.Done():
			return
		case <-thorough.C:
			w.poll(ctx, level, every)
		case <-cheap.C:
			w.poll(ctx, 0, cheapEvery)
		case gone = <-w.ended:
			delete(w.leaders, gone.pid)
			fresh, ask = true, time.After(spacing-time.Since(asked))
		case <-ask:
			ask, asked = nil, time.Now()
			if w.atEnd(ctx, gone, every) && fresh {
				ask = time.After(confirmAfter)
			}
			fresh = false
		}
	}
}

// ticker ticks at an interval; never when it is 0.
func ticker(every time.Duration) *time.Ticker {
	if every > 0 {
		return time.NewTicker(every)
	}
	t := time.NewTicker(time.Hour)
	t.Stop()
	return t
}

// atEnd asks the agent after the end of a process, and reports whether it finds nothing wrong.
func (w *watcher) atEnd(ctx context.Context, l leader, every time.Duration) bool {
	o := w.probe(ctx, 0, every)
	if o.Kind != agent.Failed {
		return true
	}
	if later, ok := w.newest(); ok {
		l = later
	}
	w.tell(died(o, l))
	return false
}

// newest is the last of the leaders whose ends were not looked at yet.
func (w *watcher) newest() (l leader, ok bool) {
	for {
		select {
		case l = <-w.ended:
			delete(w.leaders, l.pid)
			ok = true
		default:
			return l, ok
		}
	}
}

// poll asks the agent because it is time to. When a process has ended meanwhile, that is why it failed.
func (w *watcher) poll(ctx context.Context, level int, every time.Duration) {
	o := w.probe(ctx, level, every)
	if l, ok := w.newest(); ok && o.Kind == agent.Failed {
		o = died(o, l)
	} else if ok {
		w.pending = &l
	}
	w.tell(o)
}

func died(o agent.Observation, l leader) agent.Observation {
	return agent.Observation{Kind: agent.Dead, Message: fmt.Sprintf("process %d (%s) has ended; %s", l.pid, l.name, o.Message)}
}

// tell reports what was seen: trouble each time, all else when it changes.
func (w *watcher) tell(o agent.Observation) {
	if o.Kind == "" {
		return
	}
	if o == w.last && (o.Kind == agent.Healthy || o.Kind == agent.Degraded) {
		return
	}
	w.last = o
	w.report(o)
}

// probe runs the agent's monitor. The observation is empty when the watch has ended meanwhile.
func (w *watcher) probe(ctx context.Context, level int, every time.Duration) agent.Observation {
	open, values, err := w.d.revealed(w.call)
	if err != nil {
		return agent.Observation{Kind: agent.Degraded, Message: "the probe can not be run: " + err.Error()}
	}
	r, ran := w.d.action(ctx, w.call, "monitor", w.d.probeEnvironment(open, level, every))
	r = masked(r, values)
	promoted := promotes(w.call)
	switch {
	case ctx.Err() != nil || r.Aborted:
		return agent.Observation{}
	case !ran:
		// Nothing is known of the resource, and a restart needs the same agent.
		return agent.Observation{Kind: agent.Degraded, Message: "the probe can not be run: " + r.Message}
	case r.TimedOut:
		return agent.Observation{Kind: agent.Failed, Message: r.Message}
	case promoted && (r.Exit == exitSuccess || r.Exit == exitDegraded):
		return agent.Observation{Kind: agent.Failed, Message: "monitor: it runs, but is not promoted any more" + said(r.Output)}
	case r.Exit == exitSuccess, r.Exit == exitPromoted:
		return agent.Observation{Kind: agent.Healthy}
	case r.Exit == exitDegraded, r.Exit == exitDegradedProm:
		return agent.Observation{Kind: agent.Degraded, Message: explain(r.Exit, "monitor", r.Output)}
	}
	return agent.Observation{Kind: agent.Failed, Message: r.Message}
}

// follow waits for the end of the resource's leading processes.
func (w *watcher) follow(ctx context.Context) {
	for _, l := range w.d.leaders(w.call) {
		if _, known := w.leaders[l.pid]; known || len(w.leaders) >= maxLeaders {
			continue
		}
		w.leaders[l.pid] = l
		go func() {
			if w.d.cfg.Launcher.Await(ctx, refOf(w.call), l.pid) != nil {
				return
			}
			select {
			case w.ended <- l:
			case <-ctx.Done():
			}
		}()
	}
}

// missed is a leader of the start that had ended before anybody watched.
func (w *watcher) missed() (leader, bool) {
	now := w.d.leaders(w.call)
	w.d.mu.Lock()
	defer w.d.mu.Unlock()
	for _, l := range w.d.started[w.call.Resource.Name] {
		if !slices.ContainsFunc(now, func(n leader) bool { return n.pid == l.pid }) {
			return l, true
		}
	}
	return leader{}, false
}

// leaders are the processes of a resource that no other process of it is the parent of, the oldest numbers first.
func (d *Driver) leaders(call agent.Call) []leader {
	pids, err := d.cfg.Processes.Processes(refOf(call))
	if err != nil {
		d.cfg.Log.Warn("processes can not be watched; only the monitor is left", "resource", string(call.Resource.Name), "cause", err.Error())
		return nil
	}
	parents := map[int]int{}
	names := map[int]string{}
	for _, pid := range pids {
		if parent, name, ok := stat(pid); ok {
			parents[pid], names[pid] = parent, name
		}
	}
	var out []leader
	for _, pid := range slices.Sorted(maps.Keys(parents)) {
		if _, child := parents[parents[pid]]; !child {
			out = append(out, leader{pid, names[pid]})
		}
	}
	return out
}

// stat reads a process's parent and name.
func stat(pid int) (parent int, name string, ok bool) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, "", false
	}
	return parseStat(string(b))
}

// parseStat reads "PID (NAME) STATE PPID ..."; the name may have anything in it.
func parseStat(s string) (parent int, name string, ok bool) {
	open, end := strings.IndexByte(s, '('), strings.LastIndexByte(s, ')')
	if open < 0 || end < open {
		return 0, "", false
	}
	f := strings.Fields(s[end+1:])
	if len(f) < 2 {
		return 0, "", false
	}
	parent, err := strconv.Atoi(f[1])
	return parent, s[open+1 : end], err == nil
}
