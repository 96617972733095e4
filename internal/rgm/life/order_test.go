package life_test

import (
	"testing"

	"redoubt/internal/cluster"
	"redoubt/internal/rgm/life"
	"redoubt/internal/rgm/model"
)

// Every method in its place: Init when the group is managed, all Prenet_start before the addresses, Start after them, the monitor last; the way down is the
// way up in reverse.
func TestMethodsInOrder(t *testing.T) {
	app := res("app", "full")
	app.Monitored = true
	r := newRig(t, app, res("ip", "ip"))
	r.in.Group.Managed = false
	r.step(life.Changed{})
	r.is(model.GroupUnmanaged)
	r.did()
	r.in.Group.Managed = true
	r.step(life.Changed{})
	r.settle()
	r.did("Init app")
	r.is(model.GroupOffline)

	r.order(true)
	r.did("Prenet_start app")
	r.is(model.GroupPendingOnline)
	r.settle()
	r.did("Start ip", "Start app", "Monitor_start app")
	r.is(model.GroupOnline)
	r.resourceIs("app", model.ResourceOnline)
	r.resourceIs("ip", model.ResourceOnlineNotMonitored)

	r.order(false)
	r.is(model.GroupPendingOffline)
	r.settle()
	r.did("Monitor_stop app", "Stop app", "End app", "Stop ip", "End ip", "Postnet_stop app")
	r.is(model.GroupOffline)

	r.in.Group.Managed = false
	r.step(life.Changed{})
	r.settle()
	r.did("Fini app")
	r.is(model.GroupUnmanaged)
}

// A node that comes when the group is managed already runs Boot, and is OFFLINE meanwhile: nothing of the group is up.
func TestBootIsOfflineWork(t *testing.T) {
	r := newRig(t, res("app", "full"))
	r.g = life.Begin(model.Instance{}, true)
	r.step(life.Changed{})
	r.did("Boot app")
	r.is(model.GroupOffline)
	r.settle()
	r.is(model.GroupOffline)
}

func TestIndependentResourcesStartAndStopTogether(t *testing.T) {
	r := newRig(t, res("a", "app"), res("b", "app"), res("c", "app", on(model.DependStrong, "a", "b")...))
	r.order(true)
	r.did("Start a", "Start b")
	r.finish("Start a")
	r.did()
	r.finish("Start b")
	r.did("Start c")
	r.settle()
	r.log = nil
	r.order(false)
	r.did("Stop c")
	r.settle()
	r.did("End c", "Stop a", "Stop b", "End a", "End b")
}

// Without Implicit_network_dependencies an address is a resource like any other.
func TestNoImplicitNetworkDependencies(t *testing.T) {
	r := newRig(t, res("app", "app"), res("ip", "ip"))
	r.in.Group.ImplicitNetworkDependencies = false
	r.order(true)
	r.did("Start app", "Start ip")
}

// A disabled address is not waited for, and nothing starts after a disabled strong dependency.
func TestDisabledDependencies(t *testing.T) {
	r := newRig(t, res("app", "app"), res("ip", "ip"), res("log", "app", on(model.DependStrong, "app")...), res("stat", "app", on(model.DependWeak, "app")...))
	r.spec("ip", func(x *model.Resource) { x.Enabled = false })
	r.spec("app", func(x *model.Resource) { x.DisabledOn = []cluster.NodeName{"n1"} })
	r.order(true)
	r.settle()
	r.did("Start stat")
	r.is(model.GroupPendingOnlineBlocked)
	if got := r.g.Instance().BlockedOn; got != "log: app is disabled" {
		t.Errorf("blocked on %q", got)
	}
}

// A weak dependency waits for what is on its way, and not for what cannot come.
func TestWeakDependency(t *testing.T) {
	r := newRig(t, res("a", "app"), res("b", "app", on(model.DependWeak, "a")...))
	r.order(true)
	r.did("Start a")
	r.fails["Start a"] = failed()
	r.finish("Start a")
	r.did("Start b")

	r = newRig(t, res("a", "app"), res("b", "app", on(model.DependStrong, "a")...), res("c", "app", on(model.DependWeak, "b")...))
	r.fails["Start a"] = failed()
	r.order(true)
	r.finish("Start a")
	r.did("Start a", "Start c") // b never comes
}

// Starting needs the lease at that moment; stopping never does.
func TestStartNeedsTheLease(t *testing.T) {
	r := newRig(t, res("a", "app"), res("b", "app", on(model.DependStrong, "a")...))
	r.in.MayStart = false
	r.order(true)
	r.did()
	r.is(model.GroupPendingOnline)
	r.in.MayStart = true
	r.step(life.Changed{})
	r.did("Start a")
	r.in.MayStart = false
	r.finish("Start a")
	r.did()
	r.order(false)
	r.settle()
	r.did("Stop a", "End a")
	r.is(model.GroupOffline)
}

// Once a node reports OFFLINE at a version, it starts nothing on the strength of an older one.
func TestOlderVersionStartsNothing(t *testing.T) {
	r := online(t, res("a", "app"))
	r.order(false)
	r.settle()
	r.log = nil
	r.in.Assignment.Version -= 1
	r.in.Assignment.Targets = []model.Target{{Node: "n1", Incarnation: me}}
	r.step(life.Changed{})
	r.did()
	r.is(model.GroupOffline)
}

// An order for another life of the node is no order.
func TestOrderIsForOneIncarnation(t *testing.T) {
	r := newRig(t, res("a", "app"))
	r.in.Assignment = model.Assignment{Version: 3, Targets: []model.Target{{Node: "n1", Incarnation: cluster.Incarnation{Number: 9, Tag: "z"}}}}
	r.step(life.Changed{})
	r.did()
	r.is(model.GroupOffline)
}

// A newer version that a node has nothing to do with is not worth a report; one that it is told to leave under is.
func TestReportsWhatMatters(t *testing.T) {
	r := newRig(t, res("a", "app"))
	r.step(life.Changed{})
	n := r.reports
	r.in.Assignment.Version = 5
	r.step(life.Changed{})
	if r.reports != n {
		t.Error("a version of others was reported")
	}
	r.in.Assignment.Version, r.in.Assignment.Leaving = 6, []model.Target{{Node: "n1", Incarnation: me}}
	r.step(life.Changed{})
	if r.reports != n+1 || r.g.Instance().Version != 6 {
		t.Errorf("told to leave under version 6, reported %d times, version %d", r.reports-n, r.g.Instance().Version)
	}
}

func TestGroupRestart(t *testing.T) {
	r := online(t, res("a", "app"), res("ip", "ip"))
	r.in.Assignment.Restart = 1
	r.order(true)
	r.settle()
	r.did("Stop a", "End a", "Stop ip", "End ip", "Start ip", "Start a")
	r.is(model.GroupOnline)
	if r.g.Instance().Restart != 1 {
		t.Error("the restart is not noted")
	}
	r.step(life.Changed{})
	r.did()
}

func TestDrainingTakesEverythingOffline(t *testing.T) {
	r := online(t, res("a", "app"))
	r.in.Draining = true
	r.step(life.Changed{})
	r.settle()
	r.did("Stop a", "End a")
	r.is(model.GroupOffline)
	r.order(true)
	r.did()
}

func TestDisableEnableWhileOnline(t *testing.T) {
	r := online(t, res("a", "app"), res("b", "app"))
	r.spec("a", func(x *model.Resource) { x.Enabled = false })
	r.settle()
	r.did("Stop a", "End a")
	r.is(model.GroupOnline) // what is enabled is online
	r.spec("a", func(x *model.Resource) { x.Enabled = true })
	r.settle()
	r.did("Start a")
}

func TestMonitorAndUnmonitor(t *testing.T) {
	app := res("app", "full")
	app.Monitored = true
	r := online(t, app)
	if !r.watched["app"] {
		t.Fatal("not watched")
	}
	r.spec("app", func(x *model.Resource) { x.Monitored = false })
	r.settle()
	r.did("Monitor_stop app")
	r.resourceIs("app", model.ResourceOnlineNotMonitored)
	if r.watched["app"] {
		t.Fatal("still watched")
	}
	r.spec("app", func(x *model.Resource) { x.Monitored = true })
	r.settle()
	r.did("Monitor_start app")
	r.resourceIs("app", model.ResourceOnline)
}

// A monitor that does not start does not move the group.
func TestMonitorStartFails(t *testing.T) {
	app := res("app", "full")
	app.Monitored, app.FailoverMode = true, model.FailoverHard
	r := newRig(t, app)
	r.fails["Monitor_start app"] = failed()
	r.order(true)
	r.settle()
	r.resourceIs("app", model.ResourceMonitorFailed)
	r.is(model.GroupOnline)
	delete(r.fails, "Monitor_start app")
	r.log = nil
	r.step(life.Asked{Kind: life.AskClear, Resource: "app"})
	r.settle()
	r.did("Monitor_start app")
	r.resourceIs("app", model.ResourceOnline)
}

func TestUpdateTellsOnlineResources(t *testing.T) {
	r := online(t, res("app", "full"))
	r.spec("app", func(x *model.Resource) { x.Generation++ })
	r.settle()
	r.did("Update app")
	r.order(false)
	r.settle()
	r.log = nil
	r.spec("app", func(x *model.Resource) { x.Generation++ })
	r.did() // its Start will see it
}

// A node that leaves the nodelist, and a resource that is deleted, run Fini.
func TestFiniWhenNoLongerConfiguredHere(t *testing.T) {
	r := newRig(t, res("app", "full"))
	r.step(life.Changed{})
	r.settle()
	r.log = nil
	r.in.Group.Nodelist = []cluster.NodeName{"n2"}
	r.step(life.Changed{})
	r.settle()
	r.did("Fini app")

	r = newRig(t, res("app", "full"))
	r.step(life.Changed{})
	r.settle()
	r.log = nil
	r.in.Resources = nil
	r.step(life.Changed{})
	r.settle()
	r.did("Fini app")
	r.step(life.Changed{})
	if len(r.g.Instance().Resources) != 0 {
		t.Errorf("left: %+v", r.g.Instance().Resources)
	}
}
