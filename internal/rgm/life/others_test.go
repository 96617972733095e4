package life_test

import (
	"slices"
	"strings"
	"testing"

	"redoubt/internal/cluster"
	"redoubt/internal/rgm/life"
	"redoubt/internal/rgm/model"
)

// pair is a database and an application that depends on it, each in its group, on three nodes.
func pair(t testing.TB, d model.Dependency, affinities ...model.Affinity) *fleet {
	f := newFleet(t, "n1", "n2", "n3")
	f.group(model.Group{Name: "db-rg"}, res("db", "app"))
	d.On = "db"
	f.group(model.Group{Name: "app-rg", Affinities: affinities}, res("app", "app", d))
	return f
}

func upPair(t testing.TB, d model.Dependency, db, app cluster.NodeName, affinities ...model.Affinity) *fleet {
	t.Helper()
	f := pair(t, d, affinities...)
	f.on("db-rg", db)
	f.on("app-rg", app)
	f.settle()
	f.did("Start db@"+string(db), "Start app@"+string(app))
	f.is("app-rg", app, model.GroupOnline)
	return f
}

// Where the target has to be, by qualifier and affinity.
func TestQualifiers(t *testing.T) {
	for _, c := range []struct {
		qualifier string
		affinity  model.AffinityKind
		db        cluster.NodeName // "": offline
		starts    bool             // app, on n1
	}{
		{"", "", "", false},
		{"", "", "n2", true},
		{"", "", "n1", true},
		{"", "+", "n2", false},
		{"", "+", "n1", true},
		{"", "++", "n2", false},
		{"", "+++", "n2", false},
		{"", "-", "n2", true},
		{"", "--", "n2", true},
		{"ANY_NODE", "++", "n2", true},
		{"ANY_NODE", "", "", false},
		{"LOCAL_NODE", "", "n2", false},
		{"LOCAL_NODE", "", "n1", true},
		{"LOCAL_NODE", "--", "n1", true},
		{"@n1", "", "", false},
		{"@n1", "", "n2", true},
		{"@n1", "++", "n2", false},
		{"@n2", "", "", true},
		{"@n2", "++", "n3", true},
	} {
		var as []model.Affinity
		if c.affinity != "" {
			as = []model.Affinity{{Kind: c.affinity, Target: "db-rg"}}
		}
		f := pair(t, model.Dependency{Kind: model.DependStrong, Qualifier: c.qualifier}, as...)
		if c.db != "" {
			f.on("db-rg", c.db)
		}
		f.on("app-rg", "n1")
		f.settle()
		if got := slices.Contains(f.log, "Start app@n1"); got != c.starts {
			t.Errorf("qualifier %q, affinity %q, db on %q: starts %v, want %v", c.qualifier, c.affinity, c.db, got, c.starts)
		}
		if !c.starts {
			f.is("app-rg", "n1", model.GroupPendingOnlineBlocked)
			f.waits("app-rg", "n1", "app: db of group db-rg")
		}
	}
}

// A blocked group says on what it waits, where, and why that is not up.
func TestBlockedSaysWhy(t *testing.T) {
	strong := model.Dependency{Kind: model.DependStrong}
	for _, c := range []struct {
		name  string
		d     model.Dependency
		do    func(*fleet)
		words []string
	}{
		{"never online", strong, func(*fleet) {}, []string{"nobody has brought it online", "redoubt group online db-rg"}},
		{"taken offline", strong, func(f *fleet) { f.on("db-rg", "n1"); f.settle(); f.on("db-rg") }, []string{"an administrator took it offline"}},
		{"unmanaged", strong, func(f *fleet) { f.editGroup("db-rg", func(g *model.Group) { g.Managed = false }) }, []string{"is not managed", "online -M db-rg"}},
		{"disabled", strong, func(f *fleet) { f.on("db-rg", "n2"); f.edit("db", func(r *model.Resource) { r.Enabled = false }) }, []string{"is disabled", "redoubt resource enable db"}},
		{"disabled there", strong, func(f *fleet) {
			f.on("db-rg", "n2")
			f.edit("db", func(r *model.Resource) { r.DisabledOn = []cluster.NodeName{"n2"} })
		}, []string{"disabled on [n2]"}},
		{"failed", strong, func(f *fleet) { f.on("db-rg", "n2"); f.fails["Start db@n2"] = failed() }, []string{"START_FAILED on n2", "planted"}},
		{"elsewhere", model.Dependency{Kind: model.DependStrong, Qualifier: "LOCAL_NODE"}, func(f *fleet) { f.on("db-rg", "n2") }, []string{"on this node, n1 (LOCAL_NODE)", "is on [n2]"}},
		{"nowhere", strong, func(f *fleet) { f.on("db-rg", "n2"); f.settle(); f.die("n2"); f.s.Assignments[1].Wanted = nil }, []string{"no node can run now"}},
	} {
		f := pair(t, c.d)
		c.do(f)
		f.settle()
		f.on("app-rg", "n1")
		f.settle()
		if i := f.instance("app-rg", "n1"); i.State != model.GroupPendingOnlineBlocked {
			t.Errorf("%s: the group is %s", c.name, i.State)
			continue
		}
		f.waits("app-rg", "n1", append(c.words, "app: db of group db-rg")...)
	}
}

// What waits goes on by itself, and what waits for what waits says for what that one waits.
func TestChainOfGroups(t *testing.T) {
	f := newFleet(t, "n1", "n2")
	f.group(model.Group{Name: "a"}, res("ra", "app"))
	f.group(model.Group{Name: "b"}, res("rb", "app", on(model.DependStrong, "ra")...))
	f.group(model.Group{Name: "c"}, res("rc", "app", on(model.DependStrong, "rb")...))
	f.on("c", "n1")
	f.on("b", "n2")
	f.settle()
	f.did()
	f.waits("c", "n1", "rb of group b", "PENDING_ONLINE_BLOCKED on n2", "ra of group a")
	f.on("a", "n1")
	f.settle()
	f.did("Start ra@n1", "Start rb@n2", "Start rc@n1")
	f.on("a")
	f.on("b")
	f.on("c")
	f.settle()
	f.did("Stop rc@n1", "Stop rb@n2", "Stop ra@n1")
}

// A target that goes offline waits for dependents that go offline too, on whichever node, and not for others.
func TestTargetStopsLast(t *testing.T) {
	for _, kind := range []model.DependencyKind{model.DependStrong, model.DependWeak, model.DependRestart, model.DependOfflineRestart} {
		f := upPair(t, model.Dependency{Kind: kind}, "n1", "n2")
		f.on("db-rg")
		f.on("app-rg")
		f.look()
		f.is("db-rg", "n1", model.GroupPendingOffline)
		f.waits("db-rg", "n1", "app of group app-rg", "on n2")
		f.settle()
		f.did("Stop app@n2", "Stop db@n1")
		f.is("db-rg", "n1", model.GroupOffline)
		if i := f.instance("db-rg", "n1"); i.BlockedOn != "" {
			t.Errorf("%s: offline and still waits for %q", kind, i.BlockedOn)
		}
	}
	f := upPair(t, model.Dependency{Kind: model.DependStrong}, "n1", "n2")
	f.on("db-rg") // a switch: down here, then up there
	f.settle()
	f.on("db-rg", "n3")
	f.settle()
	f.did("Stop db@n1", "Start db@n3")
	f.is("app-rg", "n2", model.GroupOnline)

	f = upPair(t, model.Dependency{Kind: model.DependStrong}, "n1", "n2")
	f.edit("app", func(r *model.Resource) { r.Enabled = false })
	f.edit("db", func(r *model.Resource) { r.Enabled = false })
	f.settle()
	f.did("Stop app@n2", "Stop db@n1")
}

// A dependent that could not be stopped does not keep its target; its own group says that it failed.
func TestStopFailedDependentIsNotWaitedFor(t *testing.T) {
	f := upPair(t, model.Dependency{Kind: model.DependStrong}, "n1", "n2")
	f.fails["Stop app@n2"] = failed()
	f.on("db-rg")
	f.on("app-rg")
	f.settle()
	f.did("Stop app@n2", "Stop db@n1")
	f.is("app-rg", "n2", model.GroupErrorStopFailed)
}

// A node that leaves stops in order too, without a majority as well: what runs there is known there, what others would report may never come.
func TestDrainingInOrder(t *testing.T) {
	f := upPair(t, model.Dependency{Kind: model.DependStrong}, "n1", "n1")
	f.drain["n1"], f.weak["n1"], f.mute["n1"] = true, true, true
	f.settle()
	f.did("Stop app@n1", "Stop db@n1")

	f = upPair(t, model.Dependency{Kind: model.DependStrong}, "n1", "n2")
	f.on("app-rg")
	f.mute["n2"] = true
	f.drain["n1"] = true
	f.settle()
	f.did("Stop app@n2") // it has stopped, but the leaving node has not heard it
	f.weak["n1"] = true
	f.settle()
	f.did("Stop db@n1")
}

// What goes down for its dependents and is wanted again stays up.
func TestOrderIsTakenBack(t *testing.T) {
	f := upPair(t, model.Dependency{Kind: model.DependStrong}, "n1", "n2")
	f.on("db-rg")
	f.on("app-rg")
	f.look()
	f.did("Stop app@n2")
	if ri := f.instance("db-rg", "n1").Resources[0]; !ri.Leaving || ri.State != model.ResourceOnlineNotMonitored {
		t.Fatalf("db is %+v", ri)
	}
	f.reborn("n1") // also over a restart of the daemon
	f.on("db-rg", "n1")
	f.on("app-rg", "n2")
	f.settle()
	f.did("Start app@n2")
	f.is("db-rg", "n1", model.GroupOnline)
	if ri := f.instance("db-rg", "n1").Resources[0]; ri.Leaving {
		t.Fatalf("db is %+v", ri)
	}
}

// A weak dependency waits for what starts in another group, and not for what is offline or has failed.
func TestWeakAcrossGroups(t *testing.T) {
	weak := model.Dependency{Kind: model.DependWeak}
	f := pair(t, weak)
	f.on("app-rg", "n1")
	f.settle()
	f.did("Start app@n1") // the database is offline

	f = pair(t, weak)
	f.on("db-rg", "n2")
	f.on("app-rg", "n1")
	f.look()
	f.did("Start db@n2")
	f.is("app-rg", "n1", model.GroupPendingOnlineBlocked)
	f.waits("app-rg", "n1", "db of group db-rg, which is STARTING on n2")
	f.settle()
	f.did("Start app@n1")

	f = pair(t, weak)
	f.on("db-rg", "n2")
	f.on("app-rg", "n1")
	f.fails["Start db@n2"] = failed()
	f.settle()
	f.did("Start db@n2", "Start app@n1")

	// What the database waits for itself does not come: the application does not wait.
	f = pair(t, weak)
	f.group(model.Group{Name: "disk-rg"}, res("disk", "app"))
	f.edit("db", func(r *model.Resource) { r.Dependencies = on(model.DependStrong, "disk") })
	f.on("db-rg", "n2")
	f.on("app-rg", "n1")
	f.settle()
	f.did("Start app@n1")

	// It is on its way: the application waits for the chain.
	f.on("app-rg")
	f.settle()
	f.log = nil
	f.on("disk-rg", "n3")
	f.on("app-rg", "n1")
	f.settle()
	f.did("Start disk@n3", "Start db@n2", "Start app@n1")

	// Asked for in the same command, but not decided yet.
	f = pair(t, weak)
	f.s.Wants = []model.Want{{Group: "db-rg", Seq: 1, Online: true}}
	f.on("app-rg", "n1")
	f.settle()
	f.did()
	f.s.Assignments[1].WantSeq = 1
	f.on("db-rg", "n2")
	f.settle()
	f.did("Start db@n2", "Start app@n1")
}

// However the target of a restart dependency was restarted, the dependent restarts afterwards, once.
func TestRestartAcrossGroups(t *testing.T) {
	for name, again := range map[string]func(f *fleet) []string{
		"group restart": func(f *fleet) []string {
			f.restart("db-rg")
			return []string{"Stop db@n1", "Start db@n1"}
		},
		"its monitor": func(f *fleet) []string {
			f.step(spot{"n1", "db-rg"}, life.Observed{Resource: "db", Kind: "dead"})
			return []string{"Stop db@n1", "Start db@n1"}
		},
		"asked": func(f *fleet) []string {
			f.step(spot{"n1", "db-rg"}, life.Asked{Kind: life.AskResourceRestart, Resource: "db"})
			return []string{"Stop db@n1", "Start db@n1"}
		},
		"by its agent": func(f *fleet) []string {
			f.step(spot{"n1", "db-rg"}, life.Asked{Kind: life.AskIsRestarted, Resource: "db"})
			return nil
		},
		"offline and online": func(f *fleet) []string {
			f.on("db-rg")
			f.settle()
			f.is("app-rg", "n2", model.GroupOnline)
			f.on("db-rg", "n1")
			return []string{"Stop db@n1", "Start db@n1"}
		},
		"disabled and enabled": func(f *fleet) []string {
			f.edit("db", func(r *model.Resource) { r.Enabled = false })
			f.settle()
			f.edit("db", func(r *model.Resource) { r.Enabled = true })
			return []string{"Stop db@n1", "Start db@n1"}
		},
		"switched": func(f *fleet) []string {
			f.on("db-rg")
			f.settle()
			f.on("db-rg", "n3")
			return []string{"Stop db@n1", "Start db@n3"}
		},
		"its node died": func(f *fleet) []string {
			f.die("n1")
			f.settle()
			f.is("app-rg", "n2", model.GroupOnline)
			f.on("db-rg", "n3")
			return []string{"Start db@n3"}
		},
		"its node came back": func(f *fleet) []string {
			f.die("n1")
			f.settle()
			f.back("n1", 2)
			f.on("db-rg", "n1")
			return []string{"Start db@n1"}
		},
		"while the daemon of the dependent was restarted": func(f *fleet) []string {
			f.step(spot{"n1", "db-rg"}, life.Asked{Kind: life.AskResourceRestart, Resource: "db"})
			for len(f.spots[spot{"n1", "db-rg"}].running) > 0 {
				f.end(spot{"n1", "db-rg"}, 0)
			}
			f.reborn("n2")
			return []string{"Stop db@n1", "Start db@n1"}
		},
	} {
		f := upPair(t, model.Dependency{Kind: model.DependRestart}, "n1", "n2")
		want := again(f)
		f.settle()
		want = append(want, "Stop app@n2", "Start app@n2")
		if !slices.Equal(f.log, want) {
			t.Errorf("%s: ran %v, want %v", name, f.log, want)
		}
		f.is("app-rg", "n2", model.GroupOnline)
		if ri := f.instance("app-rg", "n2").Resources[0]; ri.RestartCount != 0 {
			t.Errorf("%s: it counts as %d restarts of the dependent", name, ri.RestartCount)
		}
		f.log = nil
		f.reborn("n2")
		f.reborn("n1")
		f.settle()
		f.did()
	}
}

// A daemon that is restarted, a president that is, and a dependency that is added restart nothing.
func TestNoRestartWithoutCause(t *testing.T) {
	f := upPair(t, model.Dependency{Kind: model.DependStrong}, "n1", "n2")
	f.edit("app", func(r *model.Resource) { r.Dependencies = on(model.DependRestart, "db") })
	f.reborn("n1")
	f.reborn("n2")
	f.settle()
	f.did()
	f.on("app-rg", "n2") // a newer version, the same node
	f.on("db-rg", "n1")
	f.settle()
	f.did()
}

// An earlier release does not count how often a resource came up: that it counts from some moment on is no restart.
func TestRestartsBesideAnEarlierRelease(t *testing.T) {
	f := pair(t, model.Dependency{Kind: model.DependRestart})
	f.on("db-rg", "n1")
	f.on("app-rg", "n2")
	f.uncounted = true
	f.settle()
	f.step(spot{"n1", "db-rg"}, life.Asked{Kind: life.AskResourceRestart, Resource: "db"})
	f.settle()
	f.did("Start db@n1", "Start app@n2", "Stop db@n1", "Start db@n1")
	f.uncounted = false
	f.hear()
	f.settle()
	f.did()
	f.step(spot{"n1", "db-rg"}, life.Asked{Kind: life.AskResourceRestart, Resource: "db"})
	f.settle()
	f.did("Stop db@n1", "Start db@n1", "Stop app@n2", "Start app@n2")
}

// Of a target on several nodes only what its dependent has seen, and what restarts, counts: one that comes beside, or goes, restarts nothing.
func TestRestartOfManyTargets(t *testing.T) {
	f := upPair(t, model.Dependency{Kind: model.DependRestart}, "n1", "n2")
	f.on("db-rg", "n1", "n3")
	f.settle()
	f.did("Start db@n3")
	f.die("n1")
	f.settle()
	f.did()
	f.back("n1", 2)
	f.on("db-rg", "n1", "n3")
	f.settle()
	f.did("Start db@n1")
	f.step(spot{"n3", "db-rg"}, life.Asked{Kind: life.AskResourceRestart, Resource: "db"})
	f.settle()
	f.did("Stop db@n3", "Start db@n3", "Stop app@n2", "Start app@n2")
}

// With LOCAL_NODE only what is on the node counts.
func TestRestartOfTheLocalTarget(t *testing.T) {
	f := newFleet(t, "n1", "n2")
	f.group(model.Group{Name: "db-rg"}, res("db", "app"))
	f.group(model.Group{Name: "app-rg"}, res("app", "app", model.Dependency{On: "db", Kind: model.DependRestart, Qualifier: "LOCAL_NODE"}))
	f.on("db-rg", "n1", "n2")
	f.on("app-rg", "n1", "n2")
	f.settle()
	f.log = nil
	f.step(spot{"n1", "db-rg"}, life.Asked{Kind: life.AskResourceRestart, Resource: "db"})
	f.settle()
	f.did("Stop db@n1", "Start db@n1", "Stop app@n1", "Start app@n1")
}

// An offline-restart dependent stops at once when its target goes, stays blocked, and comes back with it.
func TestOfflineRestartAcrossGroups(t *testing.T) {
	f := upPair(t, model.Dependency{Kind: model.DependOfflineRestart}, "n1", "n2")
	f.die("n1")
	f.settle()
	f.did("Stop app@n2")
	f.is("app-rg", "n2", model.GroupPendingOnlineBlocked)
	f.waits("app-rg", "n2", "app: db of group db-rg")
	f.on("db-rg", "n3")
	f.settle()
	f.did("Start db@n3", "Start app@n2")
	f.is("app-rg", "n2", model.GroupOnline)

	// Ordered offline, the target waits for the dependent to be down.
	f.on("db-rg")
	f.look()
	f.did("Stop app@n2")
	f.is("db-rg", "n3", model.GroupPendingOffline)
	f.settle()
	f.did("Stop db@n3")
	f.is("app-rg", "n2", model.GroupPendingOnlineBlocked)
	f.waits("app-rg", "n2", "an administrator took it offline")

	// Restarted in place it does not wait: it may be dead.
	f.on("db-rg", "n1")
	f.back("n1", 2)
	f.on("db-rg", "n1")
	f.settle()
	f.log = nil
	f.step(spot{"n1", "db-rg"}, life.Observed{Resource: "db", Kind: "dead"})
	f.look()
	f.did("Stop db@n1", "Stop app@n2")
	f.settle()
	f.did("Start db@n1", "Start app@n2")

	// Restarted so fast that nobody saw it offline, it is a restart all the same.
	f.slow = true
	f.step(spot{"n1", "db-rg"}, life.Asked{Kind: life.AskResourceRestart, Resource: "db"})
	for len(f.spots[spot{"n1", "db-rg"}].running) > 0 {
		f.end(spot{"n1", "db-rg"}, 0)
	}
	f.slow = false
	f.hear()
	f.settle()
	f.did("Stop db@n1", "Start db@n1", "Stop app@n2", "Start app@n2")

	// That a node leaves, others do not read in what is ordered: the target stops, and the dependent at once when it sees that.
	f.drain["n1"] = true
	f.settle()
	f.did("Stop db@n1", "Stop app@n2")
	f.drain["n1"] = false
	f.settle()
	f.log = nil

	// On the same node they go in order.
	f.on("app-rg", "n1")
	f.settle()
	f.log = nil
	f.drain["n1"] = true
	f.settle()
	f.did("Stop app@n1", "Stop db@n1")
}

// While the group of the dependent or of the target is suspended, nothing is stopped or restarted for a dependency; when it is resumed, what was missed is done.
func TestSuspendedDependencies(t *testing.T) {
	for _, kind := range []model.DependencyKind{model.DependRestart, model.DependOfflineRestart} {
		for _, who := range []cluster.GroupName{"app-rg", "db-rg"} {
			f := upPair(t, model.Dependency{Kind: kind}, "n1", "n2")
			f.editGroup(who, func(g *model.Group) { g.Suspended = true })
			f.on("db-rg")
			f.settle()
			f.on("db-rg", "n3")
			f.settle()
			f.did("Stop db@n1", "Start db@n3")
			f.is("app-rg", "n2", model.GroupOnline)
			f.editGroup(who, func(g *model.Group) { g.Suspended = false })
			f.settle()
			f.did("Stop app@n2", "Start app@n2")
		}
	}
}

// RG_dependencies: a group comes online when another is somewhere, and on the same node it goes offline before it.
func TestGroupDependencies(t *testing.T) {
	f := newFleet(t, "n1", "n2")
	f.group(model.Group{Name: "low"}, res("l", "app"))
	f.group(model.Group{Name: "high", Dependencies: []cluster.GroupName{"low"}}, res("h", "app"))
	f.group(model.Group{Name: "empty", Dependencies: []cluster.GroupName{"low"}})
	f.on("high", "n1")
	f.on("empty", "n2")
	f.settle()
	f.did()
	f.is("high", "n1", model.GroupPendingOnlineBlocked)
	f.is("empty", "n2", model.GroupPendingOnlineBlocked)
	f.waits("high", "n1", "group low (RG_dependencies)", "redoubt group online low")
	f.on("low", "n2")
	f.settle()
	f.did("Start l@n2", "Start h@n1")
	f.is("empty", "n2", model.GroupOnline)

	// It is an order and no more: what is online stays so and is restarted when it has to be.
	f.on("low")
	f.settle()
	f.did("Stop l@n2")
	f.is("high", "n1", model.GroupOnline)
	f.reborn("n1")
	f.step(spot{"n1", "high"}, life.Observed{Resource: "h", Kind: "dead"})
	f.settle()
	f.did("Stop h@n1", "Start h@n1")
	f.is("high", "n1", model.GroupOnline)

	// Brought online anew it waits again, and says for whom.
	f.restart("high")
	f.settle()
	f.did("Stop h@n1")
	f.waits("high", "n1", "an administrator took it offline")
	f.on("low", "n1")
	f.settle()
	f.did("Start l@n1", "Start h@n1")

	f.on("low")
	f.on("high")
	f.look()
	f.waits("low", "n1", "group high", "to go offline here")
	f.settle()
	f.did("Stop h@n1", "Stop l@n1")

	// What failed to start in the target is said there, and does not keep others waiting.
	f.fails["Start l@n1"] = failed()
	f.on("low", "n1")
	f.on("high", "n2")
	f.settle()
	f.did("Start l@n1", "Start h@n2")
	f.is("low", "n1", model.GroupOnlineFaulted)
}

// Both groups restarted in one command: down from the top, up from the bottom.
func TestRestartTogether(t *testing.T) {
	f := newFleet(t, "n1", "n2")
	f.group(model.Group{Name: "low"}, res("l", "app"))
	f.group(model.Group{Name: "mid", Dependencies: []cluster.GroupName{"low"}}, res("m", "app", on(model.DependStrong, "l")...))
	f.group(model.Group{Name: "top"}, res("t", "app", on(model.DependRestart, "m")...))
	for _, g := range []cluster.GroupName{"low", "mid", "top"} {
		f.on(g, "n1")
	}
	f.settle()
	f.log = nil
	for _, g := range []cluster.GroupName{"low", "mid", "top"} {
		f.restart(g)
	}
	f.settle()
	f.did("Stop t@n1", "Stop m@n1", "Stop l@n1", "Start l@n1", "Start m@n1", "Start t@n1")
}

// Within a group ANY_NODE is met by another node of the group.
func TestAnyNodeWithinAGroup(t *testing.T) {
	f := newFleet(t, "n1", "n2")
	f.group(model.Group{Name: "g", MaximumPrimaries: 2}, res("a", "app"), res("b", "app", model.Dependency{On: "a", Kind: model.DependStrong, Qualifier: "ANY_NODE"}))
	f.fails["Start a@n2"] = failed()
	f.on("g", "n1", "n2")
	f.settle()
	for _, want := range []string{"Start b@n1", "Start b@n2"} {
		if !slices.Contains(f.log, want) {
			t.Errorf("not %s: %v", want, f.log)
		}
	}

	// That one comes up here too is no restart.
	f = newFleet(t, "n1", "n2")
	f.group(model.Group{Name: "g", MaximumPrimaries: 2}, res("a", "app"), res("b", "app", model.Dependency{On: "a", Kind: model.DependRestart, Qualifier: "ANY_NODE"}))
	f.on("g", "n1")
	f.settle()
	f.on("g", "n1", "n2")
	f.look()
	f.did("Start a@n1", "Start b@n1", "Start a@n2", "Start b@n2")
	f.settle()
	f.did()
}

// Before the configuration of others is known nothing that depends on it starts, and nothing stops.
func TestNothingKnownOfOthers(t *testing.T) {
	r := newRig(t, res("a", "app", on(model.DependOfflineRestart, "db")...))
	r.order(true)
	r.did()
	r.is(model.GroupPendingOnlineBlocked)
	if !strings.Contains(r.g.Instance().BlockedOn, "not known yet") {
		t.Error(r.g.Instance().BlockedOn)
	}
}

// What comes online without anybody doing anything, as commands ask that wait.
func TestComes(t *testing.T) {
	f := pair(t, model.Dependency{Kind: model.DependStrong})
	f.on("app-rg", "n1")
	f.settle()
	comes := func() bool { return f.input(spot{"n1", "app-rg"}).Around.Comes("app-rg", "n1") }
	if comes() {
		t.Error("the database is offline, and the application comes")
	}
	f.on("db-rg", "n2")
	f.look()
	if !comes() {
		t.Error("the database starts, and the application does not come")
	}
	f.fails["Start db@n2"] = failed()
	f.settle()
	if comes() {
		t.Error("the database has failed, and the application comes")
	}
}
