package scenario_test

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"redoubt/internal/cluster"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/model"
	"redoubt/internal/rgm/order"
)

// file is a story as it is written; the package's comment explains it.
type file struct {
	Title   string                `yaml:"title"`
	About   string                `yaml:"about"`
	Nodes   map[string]words      `yaml:"nodes"`
	Cluster map[string]words      `yaml:"cluster"`
	Groups  map[string]properties `yaml:"groups"`
	// Resources are there for what they need of those of other groups.
	Resources map[string]struct {
		Group string `yaml:"group"`
		Needs words  `yaml:"needs"`
	} `yaml:"resources"`
	Running map[string]words `yaml:"running"`
	Events  []happening      `yaml:"events"`
}

type properties map[string]words

// words is one word or several.
type words []string

func (w *words) UnmarshalYAML(n *yaml.Node) error {
	switch n.Kind {
	case yaml.ScalarNode:
		if n.Tag == "!!null" {
			return nil
		}
		*w = words{n.Value}
	case yaml.SequenceNode:
		for _, x := range n.Content {
			if x.Kind != yaml.ScalarNode {
				return fmt.Errorf("line %d: want a word", x.Line)
			}
			*w = append(*w, x.Value)
		}
	default:
		return fmt.Errorf("line %d: want a word or a list of words", n.Line)
	}
	return nil
}

// settings are properties as the command line has them.
func (p properties) settings() (out []string) {
	for name, value := range p {
		out = append(out, name+"="+strings.Join(value, ","))
	}
	slices.Sort(out)
	return out
}

type happening struct {
	Event  words                       `yaml:"event"`
	Expect map[string]words            `yaml:"expect"`
	Why    map[string]map[string]words `yaml:"why"`
}

func read(path string) (file, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return file{}, err
	}
	return parse(b)
}

func parse(b []byte) (file, error) {
	var f file
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(&f); err != nil {
		return f, err
	}
	if f.Title == "" || len(f.Nodes) == 0 || len(f.Groups) == 0 || len(f.Events) == 0 {
		return f, fmt.Errorf("a story has a title, nodes, groups and events")
	}
	return f, nil
}

// setUp is the world as the story begins.
func (f file) setUp() (*world, error) {
	var nodes []cluster.NodeName
	for n := range f.Nodes {
		nodes = append(nodes, cluster.NodeName(n))
	}
	slices.Sort(nodes)
	w := newWorld(nodes...)
	for n, limits := range f.Nodes {
		if len(limits) > 0 {
			if err := w.nodeCommand("set", []string{n, "Load_limits=" + strings.Join(limits, ",")}); err != nil {
				return nil, err
			}
		}
	}
	if len(f.Cluster) > 0 {
		if err := w.clusterCommand("set", properties(f.Cluster).settings()); err != nil {
			return nil, err
		}
	}
	// A group has to exist before another can name it.
	var bound []cluster.GroupName
	for g := range f.Groups {
		bound = append(bound, cluster.GroupName(g))
	}
	slices.Sort(bound)
	for _, g := range bound {
		if err := w.create(g, nil); err != nil {
			return nil, err
		}
	}
	for _, g := range bound {
		if s := f.Groups[string(g)].settings(); len(s) > 0 {
			if err := w.command("set", g, nil, s); err != nil {
				return nil, err
			}
		}
	}
	for name, r := range f.Resources {
		if err := w.resource(cluster.ResourceName(name), cluster.GroupName(r.Group), r.Needs); err != nil {
			return nil, err
		}
	}
	for _, r := range w.s.Resources {
		for _, d := range r.Dependencies {
			if _, ok := check.Resource(w.s, d.On); !ok {
				return nil, fmt.Errorf("there is no resource %s", d.On)
			}
		}
	}
	for g, on := range f.Running {
		if _, err := w.group(cluster.GroupName(g)); err != nil {
			return nil, err
		}
		var at []cluster.NodeName
		for _, n := range on {
			at = append(at, cluster.NodeName(n))
		}
		if err := w.starts(cluster.GroupName(g), at); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// expectation is where a group has to be, and the reasons that its notes have to name.
type expectation struct {
	nodes   []cluster.NodeName
	reasons []string
}

func expected(of words) (e expectation) {
	for _, word := range of {
		place, reasons, has := strings.Cut(word, " (")
		if has {
			e.reasons = append(e.reasons, strings.Split(strings.TrimSuffix(reasons, ")"), ", ")...)
		}
		if place != "offline" {
			e.nodes = append(e.nodes, cluster.NodeName(place))
		}
	}
	slices.Sort(e.nodes)
	return e
}

func (e expectation) String() string { return placed(e.nodes, e.reasons) }

func placed(nodes []cluster.NodeName, reasons []string) string {
	text := "offline"
	if len(nodes) > 0 {
		parts := make([]string, len(nodes))
		for i, n := range nodes {
			parts[i] = string(n)
		}
		text = strings.Join(parts, ", ")
	}
	if len(reasons) > 0 {
		text += " (" + strings.Join(reasons, ", ") + ")"
	}
	return text
}

// tell runs a story to its end, or to the first difference, and says it as a person wants to read it.
func (f file) tell(pace pace) error {
	w, err := f.setUp()
	if err != nil {
		return err
	}
	w.pace = pace
	before := map[cluster.GroupName]expectation{}
	for _, g := range w.s.Groups {
		before[g.Name] = expectation{nodes: w.on(g.Name)}
	}
	if err := cmp.Or(w.lawful(nil, true), w.settle()); err != nil {
		return fmt.Errorf("before anything happened: %w", err)
	}
	if diff := w.compare(before); diff != "" {
		return fmt.Errorf("before anything happened the groups are not at rest where they run:\n%s", diff)
	}
	for i, h := range f.Events {
		w.told, w.given = nil, given{}
		fail := func(format string, args ...any) error {
			return fmt.Errorf("event %d, %q: %w", i+1, strings.Join(h.Event, "; "), fmt.Errorf(format, args...))
		}
		for _, event := range h.Event {
			if err := w.happen(event); err != nil {
				return fail("%s: %w", event, err)
			}
		}
		if err := w.settle(); err != nil {
			return fail("%w", err)
		}
		now := map[cluster.GroupName]expectation{}
		for _, g := range w.s.Groups {
			now[g.Name] = expectation{nodes: before[g.Name].nodes}
		}
		for g, e := range h.Expect {
			if _, err := w.group(cluster.GroupName(g)); err != nil {
				return fail("%w", err)
			}
			now[cluster.GroupName(g)] = expected(e)
		}
		if diff := w.compare(now) + w.given.lacking(w, h.Why); diff != "" {
			return fail("not as expected:\n%s  ordered on the way:\n    %s", diff, strings.Join(w.told, "\n    "))
		}
		before = now
	}
	return nil
}

// compare shows what differs from the expected, with the reasons of the groups that do.
func (w *world) compare(want map[cluster.GroupName]expectation) string {
	var b strings.Builder
	for _, g := range w.s.Groups {
		e, at := want[g.Name], w.on(g.Name)
		var named []string
		for _, n := range w.assignment(g.Name).Notes {
			named = append(named, n.Name)
		}
		for _, i := range check.Instances(w.s, g.Name) {
			if i.State == model.GroupPendingOnlineBlocked {
				named = append(named, "blocked")
			}
		}
		lacks := slices.ContainsFunc(e.reasons, func(r string) bool { return !slices.Contains(named, r) })
		if !slices.Equal(e.nodes, at) || lacks {
			fmt.Fprintf(&b, "  %s: expected %s, came %s\n", g.Name, e, placed(at, named))
			b.WriteString(w.because(g.Name))
		}
	}
	return b.String()
}

// given are the reasons for and against nodes, by group and node; those of "" are for being offline.
type given map[string]map[string][]string

// collect adds what the planner says now.
func (r given) collect(w *world) {
	if r == nil {
		return
	}
	v := order.Look(w.s)
	for i, g := range v.Problem.Groups {
		if r[g.Name] == nil {
			r[g.Name] = map[string][]string{}
		}
		if left, ok := v.Result.Left(i); ok {
			r[g.Name][""] = append(r[g.Name][""], string(left.Reason))
		}
		for _, c := range v.Result.Candidates(i) {
			n := v.Problem.Nodes[c.Node].Name
			for _, note := range append(c.For, c.Against...) {
				r[g.Name][n] = append(r[g.Name][n], string(note.Reason))
			}
		}
	}
}

// lacking shows which of the expected reasons were not given.
func (r given) lacking(w *world, why map[string]map[string]words) string {
	var b strings.Builder
	for _, g := range slices.Sorted(maps.Keys(why)) {
		missed := false
		for _, n := range slices.Sorted(maps.Keys(why[g])) {
			for _, reason := range why[g][n] {
				if !slices.Contains(r[g][n], reason) {
					fmt.Fprintf(&b, "  %s: expected the reason %s of %s, given were %v\n", g, reason, cmp.Or(n, "the group"), r[g][n])
					missed = true
				}
			}
		}
		if missed {
			b.WriteString(w.because(cluster.GroupName(g)))
		}
	}
	return b.String()
}

// because are the notes of a group and what the planner has to say of it, indented.
func (w *world) because(g cluster.GroupName) string {
	var b strings.Builder
	for _, n := range w.assignment(g).Notes {
		fmt.Fprintf(&b, "    %s %s: %s\n", n.Node, n.Name, n.Text)
	}
	v := order.Look(w.s)
	if i, ok := v.Of(g); ok && v.Err == nil {
		for _, line := range v.Result.Why(i) {
			fmt.Fprintf(&b, "    | %s\n", line)
		}
	}
	return b.String()
}

// Every story comes to the end that it tells.
func TestStories(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, p := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(p), ".yaml"), func(t *testing.T) {
			f, err := read(p)
			if err != nil {
				t.Fatal(err)
			}
			for _, way := range paces() {
				if err := f.tell(way.pace); err != nil {
					t.Errorf("%s (%s)\n%v", f.Title, way.name, err)
					break
				}
			}
		})
	}
}

// What differs is told as a person wants to read it.
func TestDifference(t *testing.T) {
	const story = `
title: A story that is wrong
nodes: {n1: "mem@4:8", n2: "mem@4:8", n3: "mem@2:2"}
groups:
  db: {Load_factors: mem@3}
  web: {RG_affinities: ++db, Load_factors: mem@2, Priority: 300}
  log: {}
running: {db: n1, web: n1, log: n3}
events:
  - event: node n3 dies
    expect: {log: n1}
  - event: node n1 dies
    expect: {db: n2, web: offline (no-room)}
    why: {db: {n3: hard-limit}}
`
	const want = `event 2, "node n1 dies": not as expected:
  log: expected n1, came n2
    | log: on n2
    |   n1  + nodelist: number 1 in the nodelist; - not-member: is not in the cluster
    | * n2  + runs-here: the group runs here; + nodelist: number 2 in the nodelist
    |   n3  + nodelist: number 3 in the nodelist; - not-member: is not in the cluster
  web: expected offline (no-room), came n2
    | web: on n2
    |   n1  + nodelist: number 1 in the nodelist; - not-member: is not in the cluster; - target-elsewhere: ++db runs on n2
    | * n2  + runs-here: the group runs here; + with-target: ++db runs here; + nodelist: number 2 in the nodelist; - soft-limit: mem is 5 with the group, above the soft limit 4
    |   n3  + nodelist: number 3 in the nodelist; - not-member: is not in the cluster; - target-elsewhere: ++db runs on n2
  ordered on the way:
    db: lost n1
    log: lost n1
    web: lost n1
    db: starts on n2
    log: starts on n2
    web: starts on n2`
	f, err := parse([]byte(story))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.tell(nil); err == nil || err.Error() != want {
		t.Errorf("told\n%v\nwant\n%s", err, want)
	}
}

// A story that is not well written is refused.
func TestStoriesThatAreNone(t *testing.T) {
	const head = "title: t\nnodes: {n1: , n2: }\ngroups: {a: {}}\nrunning: {a: n1}\nevents:\n"
	for text, want := range map[string]string{
		"title: t\n":                      "has a title, nodes, groups and events",
		head + "  - evnt: node n1 dies\n": "not found",
		head + "  - event: {a: b}\n":      "want a word",
		strings.Replace(head, "running", "resources: {r: {group: b}}\nrunning", 1) + "  - event: x\n":                "no group b",
		strings.Replace(head, "running", "resources: {r: {group: a, needs: q}}\nrunning", 1) + "  - event: x\n":      "no resource q",
		strings.Replace(head, "running", "resources: {r: {group: a, needs: 'r{X}'}}\nrunning", 1) + "  - event: x\n": "r{X}",
		head + "  - event: the sun goes down\n":                                 "unknown event",
		head + "  - event: node n9 dies\n":                                      "no node n9",
		head + "  - event: node n1 explodes\n":                                  "unknown command",
		head + "  - event: group dance a\n":                                     "unknown command",
		head + "  - event: group online b\n":                                    "no group b",
		head + "  - event: group set a Nodelist=n1,n9\n":                        "not in the cluster",
		head + "  - event: group set a Load_factors=mem\n":                      "no load factor",
		head + "  - event: node n1 joins\n":                                     "member already",
		head + "  - event: a gives n2 up\n":                                     "not online",
		head + "  - event: a is cleared on n1\n":                                "no stop that failed",
		head + "  - event: node n1 dies\n    expect: {b: n1}\n":                 "no group b",
		strings.Replace(head, "{a: n1}", "{a: n9}", 1) + "  - event: x\n":       "no node n9",
		strings.Replace(head, "{a: n1}", "{a: [n1, n2]}", 1) + "  - event: x\n": "Maximum_primaries",
	} {
		f, err := parse([]byte(text))
		if err == nil {
			err = f.tell(nil)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// paces are the ways in which a story is told: its end does not depend on who is fast and who is slow, nor on who is president.
func paces() []struct {
	name string
	pace pace
} {
	return []struct {
		name string
		pace pace
	}{
		{"all do a step at a time", nil},
		{"one node after the other", func(w *world, beat int) func(spot) bool {
			turn := w.s.Nodes[beat%len(w.s.Nodes)].Name
			return func(at spot) bool { return at.node == turn }
		}},
		{"one group after the other, the last first", func(w *world, beat int) func(spot) bool {
			turn := w.s.Groups[len(w.s.Groups)-1-beat%len(w.s.Groups)].Name
			return func(at spot) bool { return at.group == turn }
		}},
		{"another president at every step", func(w *world, beat int) func(spot) bool {
			if err := w.succeed(); err != nil {
				panic(err)
			}
			return everywhere
		}},
	}
}
