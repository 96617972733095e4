package scenario_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"redoubt/internal/cluster"
	"redoubt/internal/rgm/model"
	"redoubt/internal/rgm/order"
	"redoubt/internal/rgm/place"
)

// anyWorld draws a cluster with groups that are bound to each other, all of them brought online.
func anyWorld(t *rapid.T) *world {
	number := func(label string, from, to int) int { return rapid.IntRange(from, to).Draw(t, label) }
	one := func(label string, of ...string) string { return rapid.SampledFrom(of).Draw(t, label) }
	var nodes []cluster.NodeName
	for i := range number("nodes", 2, 5) {
		nodes = append(nodes, cluster.NodeName(fmt.Sprint("n", i+1)))
	}
	w := newWorld(nodes...)
	do := func(event string) {
		if err := w.happen(event); err != nil {
			t.Fatalf("%s: %v", event, err)
		}
		w.told = append(w.told, "-- "+event)
	}
	for _, n := range nodes {
		if number("limited", 0, 2) > 0 {
			hard := number("hard", 4, 12)
			do(fmt.Sprintf("node set %s Load_limits=mem@%d:%d", n, number("soft", 3, hard), hard))
		}
	}
	if number("concentrate", 0, 4) == 0 {
		do("cluster set concentrate_load=true")
	}
	var groups []string
	for i := range number("groups", 2, 7) {
		g := fmt.Sprint("g", i+1)
		list := rapid.Permutation(nodes).Draw(t, "nodelist")[:max(1, len(nodes)-max(0, number("short", -2, 1)))]
		event := fmt.Sprintf("group create %s Nodelist=%s Load_factors=mem@%d Priority=%d Failback=%s Preemption_mode=%s Pingpong_interval=%d", g, join(list), number("load", 0, 5), 100*number("priority", 3, 6),
			one("failback", "true", "false"), one("mode", "Has_cost", "Has_cost", "No_cost", "Never"), 60*number("pingpong", 0, 5))
		if most := number("primaries", 1, 6) - 3; most > 1 {
			event += fmt.Sprintf(" Maximum_primaries=%d Desired_primaries=%d", most, number("desired", 1, most))
		}
		do(event)
		// Bound to those before it only, so that no cycle comes about.
		for _, target := range groups {
			if kind := one("affinity", "", "", "", "+", "++", "+++", "-", "--"); kind != "" {
				// A configuration that is refused is none.
				if event := fmt.Sprintf("group set %s RG_affinities+=%s%s", g, kind, target); w.happen(event) == nil {
					w.told = append(w.told, "-- "+event)
				}
			}
		}
		if len(groups) > 0 && number("depends", 0, 4) == 0 {
			do("group set " + g + " RG_dependencies=" + one("dependency", groups...))
		}
		groups = append(groups, g)
	}
	do("group online +")
	return w
}

func join(nodes []cluster.NodeName) string {
	parts := make([]string, len(nodes))
	for i, n := range nodes {
		parts[i] = string(n)
	}
	return strings.Join(parts, ",")
}

// anyEvent draws something that can happen now.
func anyEvent(t *rapid.T, w *world) string {
	n := string(w.s.Nodes[rapid.IntRange(0, len(w.s.Nodes)-1).Draw(t, "node")].Name)
	g := string(w.s.Groups[rapid.IntRange(0, len(w.s.Groups)-1).Draw(t, "group")].Name)
	x, _ := w.node(cluster.NodeName(n))
	events := []string{
		"group online " + g, "group switch -n " + n + " " + g, "group remaster " + g, "group restart " + g, "group offline " + g, "group offline -n " + n + " " + g,
		"group suspend " + g, "group resume " + g, g + " fails to start on " + n, g + " starts on " + n + " again", "node evacuate " + n + " -T 100",
		"2m passes", "the president changes", "the cluster starts anew", g + " fails to stop on " + n, g + " is cleared on " + n, "node " + n + " is fenced",
		fmt.Sprintf("group set %s Load_factors=mem@%d", g, rapid.IntRange(0, 6).Draw(t, "load")),
		fmt.Sprintf("group set %s Priority=%d", g, 100*rapid.IntRange(3, 6).Draw(t, "priority")),
		fmt.Sprintf("node set %s Load_limits=mem@%d:%d", n, 4, rapid.IntRange(4, 12).Draw(t, "hard")),
	}
	if x.Member {
		events = append(events, "node "+n+" is lost", "node "+n+" is lost")
		if w.instance(spot{cluster.GroupName(g), cluster.NodeName(n)}, x.Incarnation).State == model.GroupOnline {
			other := string(w.s.Nodes[rapid.IntRange(0, len(w.s.Nodes)-1).Draw(t, "other")].Name)
			events = append(events, g+" gives "+n+" up", g+" gives "+n+" up and "+other+" refuses")
		}
	} else {
		events = append(events, "node "+n+" joins", "node "+n+" joins")
	}
	return rapid.SampledFrom(events).Draw(t, "event")
}

// Whatever happens, whenever, and however slow some nodes are: what runs keeps the laws at every step; in the end all comes to rest, and what does not run has a reason.
func TestLawsWhateverHappens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := anyWorld(t)
		// What an event itself broke may be so until it is mended.
		var excused []breach
		watch := func() {
			t.Helper()
			now := w.breaches(false)
			excused = slices.DeleteFunc(excused, func(o breach) bool { return !slices.ContainsFunc(now, func(b breach) bool { return b.law == o.law }) })
			if err := w.lawful(excused, false); err != nil {
				t.Fatal(err)
			}
		}
		tell := func(format string, a ...any) { w.told = append(w.told, fmt.Sprintf(format, a...)) }
		for range rapid.IntRange(1, 8).Draw(t, "events") {
			event := anyEvent(t, w)
			tell("-- %s", event)
			before := w.breaches(false)
			if err := w.happen(event); err != nil {
				tell("   refused: %v", err)
			}
			for _, b := range w.breaches(false) {
				if !slices.ContainsFunc(before, func(o breach) bool { return o.law == b.law }) {
					excused = append(excused, b)
				}
			}
			for range rapid.IntRange(0, 6).Draw(t, "beats") {
				remembered(t, w)
				w.plan()
				watch()
				slow := rapid.IntRange(-1, len(w.s.Nodes)-1).Draw(t, "slow")
				behind := rapid.IntRange(-1, len(w.s.Groups)-1).Draw(t, "behind")
				w.beat(func(at spot) bool {
					return (slow < 0 || at.node != w.s.Nodes[slow].Name) && (behind < 0 || at.group != w.s.Groups[behind].Name)
				})
				watch()
			}
		}
		for _, n := range w.s.Nodes {
			w.fence(n.Name)
		}
		tell("-- all that was lost is fenced")
		rested := false
		for range 400 {
			changed := w.plan()
			watch()
			changed = w.beat(everywhere) || changed
			watch()
			if !changed {
				rested = true
				break
			}
		}
		if !rested {
			t.Fatalf("does not come to rest:\n%s", strings.Join(w.told, "\n"))
		}
		if err := w.lawful(nil, true); err != nil {
			t.Fatalf("at rest: %v", err)
		}
		explained(t, w)
	})
}

// remembered compares what a president who remembers decides with what one without a memory does.
func remembered(t *rapid.T, w *world) {
	if a, b := w.president.Plan(w.s), order.Plan(w.s); !reflect.DeepEqual(a, b) {
		t.Fatalf("with a memory %+v, without %+v", a, b)
	}
}

// explained says which groups run on fewer nodes than they shall without a reason.
func explained(t *rapid.T, w *world) {
	v := order.Look(w.s)
	if v.Err != nil {
		t.Fatal(v.Err)
	}
	for i, g := range w.s.Groups {
		if before := w.before(spot{group: g.Name}); before != "" {
			continue // what is blocked says by whom
		}
		on := w.on(g.Name)
		if len(on) == 0 && len(w.assignment(g.Name).Notes) == 0 {
			t.Fatalf("group %s is offline without a note:\n%s", g.Name, strings.Join(w.told, "\n"))
		}
		waits := slices.ContainsFunc(w.assignment(g.Name).Notes, func(n model.Note) bool { return n.Name == place.Stopping || n.Name == place.StopFailed })
		if wanted := slices.Sorted(slices.Values(v.Wanted(i))); !slices.Equal(wanted, on) && !waits {
			t.Fatalf("group %s is at rest on %v, not on %v:\n%s", g.Name, on, wanted, strings.Join(w.told, "\n"))
		}
	}
}
