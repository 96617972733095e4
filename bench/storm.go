package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/internal/fault"
	"redoubt/internal/lab"
)

// stormFile holds the results of the section about many starts at once, below the directory of the results.
const stormFile = "storm.json"

// Storm is what three nodes on this machine do with very many real services. Times are in seconds, sizes in MiB.
type Storm struct {
	Began     time.Time `json:"began"`
	Load      float64   `json:"load"`
	Services  int       `json:"services"` // in groups of stormEach
	Nodes     []Phase   `json:"phases"`
	Disk      float64   `json:"disk"`      // that the largest node has used
	Repeated  []string  `json:"repeated"`  // nodes that lost their leases and came back, one word for each time
	Processes int       `json:"processes"` // services that ran when all were online
	Error     string    `json:"error,omitempty"`
}

// Phase is one thing that is asked of all groups.
type Phase struct {
	What   string    `json:"what"`
	Took   float64   `json:"took"`
	Status []float64 `json:"status"` // how long each look at the cluster meanwhile took
	Memory float64   `json:"memory"` // of the largest daemon, when it was over
}

const (
	stormEach    = 4 // services of a group
	stormLimit   = 15 * time.Minute
	stormLook    = 5 * time.Second // between two looks
	stormLabName = "bench-storm"
)

// storm brings thousands of services online at once, takes the power from a machine that runs a third of them, and takes all offline.
func (r *run) storm(ctx context.Context) error {
	s := Storm{Began: time.Now(), Load: loadAverage(), Services: r.Services}
	err := r.stormIn(ctx, &s)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		s.Error = err.Error()
		r.tell("storm: %v", err)
	}
	return save(filepath.Join(r.dir, stormFile), s)
}

func (r *run) stormIn(ctx context.Context, s *Storm) (err error) {
	if err := lab.Remove(stormLabName); err != nil {
		return err
	}
	l, err := lab.Up(ctx, lab.Options{Name: stormLabName, Nodes: 3, Program: filepath.Join(r.bin, "redoubt"), Daemon: filepath.Join(r.bin, "redoubtd")})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Down()) }()
	document, err := stormDocument(r.work, r.Services, l.Nodes())
	if err != nil {
		return err
	}
	groups := (r.Services + stormEach - 1) / stormEach
	at := func(nodes ...string) func(v1.Status) int {
		return func(st v1.Status) (n int) {
			for _, g := range st.Groups {
				if slices.ContainsFunc(g.Nodes, func(x v1.GroupNode) bool { return x.State == "ONLINE" && slices.Contains(nodes, x.Node) }) {
					n++
				}
			}
			return n
		}
	}
	online := func(nodes ...string) func(v1.Status) bool {
		return func(st v1.Status) bool { return at(nodes...)(st) == groups }
	}
	phases := []struct {
		what string
		do   func() error
		done func(v1.Status) bool
	}{
		{"the document is applied", func() error { return stormCommand(ctx, l, "cluster", "apply", "-f", document) }, func(st v1.Status) bool { return len(st.Groups) == groups }},
		{"all are brought online", func() error { return stormCommand(ctx, l, "group", "online", "--no-wait", "+") }, online(l.Nodes()...)},
		{"a machine loses its power", func() error { _, err := l.Kill("n3"); return err }, online("n1", "n2")},
		{"all are taken offline", func() error { return stormCommand(ctx, l, "group", "offline", "--no-wait", "+") }, func(st v1.Status) bool { return at(l.Nodes()...)(st) == 0 }},
	}
	for _, p := range phases {
		phase, st, err := r.stormPhase(ctx, l, p.what, p.do, p.done)
		s.Nodes = append(s.Nodes, phase)
		s.Repeated = append(s.Repeated, stormLost(st, p.what)...)
		if err != nil {
			return err
		}
		r.tell("storm: %s: %.1f s; looks at the cluster meanwhile took %v s; the largest daemon has %.0f MiB", p.what, phase.Took, summarize(phase.Status), phase.Memory)
		if p.what == phases[1].what {
			for _, n := range l.Nodes() {
				s.Disk = max(s.Disk, diskUsed(l.Disk(n)))
				for _, x := range processes(stormLabName, n) {
					if x.name == "sleep" {
						s.Processes++
					}
				}
			}
			r.tell("storm: %d of %d services run; %.0f MiB of disk at most", s.Processes, s.Services, s.Disk)
		}
	}
	r.tell("storm: leases lost: %d %v", len(s.Repeated), s.Repeated)
	return nil
}

// stormPhase does something and looks at the cluster until it has taken effect.
func (r *run) stormPhase(ctx context.Context, l *lab.Lab, what string, do func() error, done func(v1.Status) bool) (p Phase, st v1.Status, err error) {
	p.What = what
	began := time.Now()
	if err := do(); err != nil {
		return p, st, fault.Errorf(fault.CodeOf(err), "%s: %w", what, err)
	}
	for {
		looked := time.Now()
		now, err := l.ClusterStatus(ctx, "n1")
		p.Status = append(p.Status, time.Since(looked).Seconds())
		if err == nil {
			st = now
		}
		p.Took = time.Since(began).Seconds()
		for _, n := range l.Nodes() {
			p.Memory = max(p.Memory, measure(stormLabName, n, isDaemonAlone).rss)
		}
		switch {
		case err == nil && done(now):
			return p, st, nil
		case time.Since(began) > stormLimit:
			return p, st, fault.Errorf(fault.Timeout, "%s: it has not taken effect within %v; the cluster: %d groups, %d problems (%v)", what, stormLimit, len(st.Groups), len(st.Problems), err)
		}
		if err := pause(ctx, stormLook); err != nil {
			return p, st, err
		}
	}
}

// stormLost names the nodes that are in a further life than their first: they have lost their leases. The power is taken from n3 on purpose.
func stormLost(st v1.Status, what string) (out []string) {
	for _, n := range st.Nodes {
		number, _, _ := strings.Cut(n.Incarnation, "-")
		if life, err := strconv.Atoi(number); err == nil && life > 1 {
			out = append(out, fmt.Sprintf("%s is in life %d after: %s", n.Name, life, what))
		}
	}
	return out
}

func stormCommand(ctx context.Context, l *lab.Lab, args ...string) error {
	_, err := l.Output(ctx, "n1", append([]string{"redoubt"}, args...)...)
	return err
}

// stormDocument writes the configuration: services that cost nothing but their process, a third of the groups for each node.
func stormDocument(dir string, services int, nodes []string) (string, error) {
	doc := v1.Document{Level: v1.Level, Types: []v1.TypeDocument{{Name: "redoubt.gds"}}}
	for i := range services {
		group := fmt.Sprintf("g%05d", i/stormEach)
		if i%stormEach == 0 {
			first := i / stormEach % len(nodes)
			doc.Groups = append(doc.Groups, v1.GroupDocument{
				Name: group, Managed: true, Properties: map[string][]string{"Nodelist": slices.Concat(nodes[first:], nodes[:first])},
			})
		}
		doc.Resources = append(doc.Resources, v1.ResourceDocument{
			Name: fmt.Sprintf("%s-r%d", group, i%stormEach), Group: group, Type: "redoubt.gds", Enabled: true,
			Properties: map[string][]string{"Start_command": {"exec sleep infinity"}},
		})
	}
	b, err := json.Marshal(doc)
	if err != nil {
		return "", fault.Errorf(fault.Internal, "write the document: %w", err)
	}
	path := filepath.Join(dir, "storm.json")
	if err := os.WriteFile(path, b, 0o644); err != nil {
		return "", fault.Errorf(fault.Internal, "write the document: %w", err)
	}
	return path, nil
}

// diskUsed is the size of all files below a directory, in MiB.
func diskUsed(dir string) float64 {
	var sum int64
	_ = filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil
		}
		if info, err := d.Info(); err == nil {
			sum += info.Size()
		}
		return nil
	})
	return float64(sum) / mebi
}
