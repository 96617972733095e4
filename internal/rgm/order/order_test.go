package order_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/rgm/model"
	"redoubt/internal/rgm/place"
)

// A group that nobody has brought online stays offline; the first node of the nodelist gets it when somebody does.
func TestFirstOnline(t *testing.T) {
	r := newRig(t, group("g"))
	r.settle()
	r.on("g")
	r.noted("g", "", place.Off)
	r.want(model.Want{Group: "g", Online: true})
	r.settle()
	r.on("g", "n1")
}

// What ran on a lost node starts elsewhere only when it is certain that it runs nothing any more.
func TestLostNodeIsWaitedFor(t *testing.T) {
	r := online(t, group("g"))
	r.lose("n1")
	r.settle()
	r.on("g")
	r.noted("g", "n2", place.Unreleased)
	r.s.Nodes = slices.Clone(r.s.Nodes)
	r.s.Nodes[0].Fence = &model.Fence{Agent: "fence_virt"}
	r.settle()
	if notes := r.assigned("g").Notes; !slices.ContainsFunc(notes, func(n model.Note) bool {
		return n.Node == "n2" && strings.Contains(n.Text, "its fence agent fence_virt has to")
	}) {
		t.Errorf("%+v", notes)
	}
	r.release()
	r.settle()
	r.on("g", "n2")
	if len(r.assigned("g").Leaving) > 0 {
		t.Error("the lost node is still a leaver")
	}
}

// A lost node that comes back as a new incarnation was released by that: what it ran may start there or elsewhere.
func TestNodeBackAsNewIncarnation(t *testing.T) {
	r := online(t, group("g"))
	r.lose("n1")
	r.join("n1", 2)
	r.settle()
	r.on("g")
	r.release()
	r.settle()
	if got := r.assigned("g").Targets; len(got) != 1 || got[0].Incarnation != at(2) && got[0].Node == "n1" {
		t.Fatalf("targets %v", got)
	}
}

// A living node leaves first: it has to report OFFLINE under a version in which it is no target.
func TestSwitchWaitsForTheOldNode(t *testing.T) {
	r := online(t, group("g"))
	before := r.assigned("g")
	r.want(model.Want{Group: "g", Online: true, Nodes: []cluster.NodeName{"n3"}})
	r.plan()
	r.on("g")
	r.noted("g", "n3", place.Stopping)
	r.report(model.Instance{Node: "n1", Incarnation: at(1), Group: "g", Version: before.Version, State: model.GroupOffline}) // it crashed by itself, before it was told
	r.plan()
	r.on("g")
	r.report(model.Instance{Node: "n1", Incarnation: at(1), Group: "g", Version: before.Version + 1, State: model.GroupPendingOffline})
	r.plan()
	r.on("g")
	r.report(model.Instance{Node: "n1", Incarnation: at(1), Group: "g", Version: before.Version + 1, State: model.GroupOffline})
	r.settle()
	r.on("g", "n3")
	if v := r.assigned("g").Version; v != before.Version+2 {
		t.Errorf("version %d after %d", v, before.Version)
	}
}

// Another goal while the group moves: the newest counts, and nothing runs twice on the way (plan checks).
func TestSwitchWhileMoving(t *testing.T) {
	r := online(t, group("g"))
	r.want(model.Want{Group: "g", Online: true, Nodes: []cluster.NodeName{"n2"}})
	r.plan()
	r.want(model.Want{Group: "g", Online: true, Nodes: []cluster.NodeName{"n3"}})
	r.plan()
	r.obey()
	r.settle()
	r.on("g", "n3")
	// Back to where it still stops.
	r.want(model.Want{Group: "g", Online: true, Nodes: []cluster.NodeName{"n1"}})
	r.plan()
	r.want(model.Want{Group: "g", Online: true, Nodes: []cluster.NodeName{"n3"}})
	r.plan()
	r.on("g")
	r.settle()
	r.on("g", "n3")
}

// The goal of a switch holds over plans that were made for other reasons.
func TestGoalHolds(t *testing.T) {
	r := online(t, group("g"))
	r.want(model.Want{Group: "g", Online: true, Nodes: []cluster.NodeName{"n3"}})
	r.plan()
	r.join("n2", 2)
	r.settle()
	r.on("g", "n3")
	r.want(model.Want{Group: "g", Online: true, Nodes: []cluster.NodeName{"n2"}})
	r.plan()
	r.lose("n2") // the goal is gone
	r.release()
	r.settle()
	r.on("g", "n1")
}

func TestSwitchToNodesThatCannot(t *testing.T) {
	r := online(t, group("g"))
	r.lose("n3")
	r.release()
	r.settle()
	version := r.assigned("g").Version
	r.want(model.Want{Group: "g", Online: true, Nodes: []cluster.NodeName{"n3"}})
	r.plan()
	r.noted("g", "", place.Ignored)
	r.settle()
	r.on("g", "n1")
	if r.assigned("g").Version != version {
		t.Error("what runs was stopped for a node that is not there")
	}
}

// A start that failed moves the group on, and the node is not tried again before Pingpong_interval has passed.
func TestStartFailureMovesOn(t *testing.T) {
	r := online(t, group("g"))
	r.plea("g", "n1", model.PleaStartFailed)
	r.settle()
	r.on("g", "n2")
	r.noted("g", "n1", place.StartFailed)
	r.plea("g", "n2", model.PleaStartFailed)
	r.settle()
	r.on("g", "n3")
	r.plea("g", "n3", model.PleaStartFailed)
	r.settle()
	r.on("g")
	r.noted("g", "", place.NoCandidate)
	r.s.Now = r.s.Now.Add(101 * time.Second)
	r.settle()
	r.on("g", "n1")
	if len(r.assigned("g").Failures) > 0 {
		t.Errorf("failures are kept: %+v", r.assigned("g").Failures)
	}
}

// A failure that nobody heard of before Pingpong_interval was over keeps no node out, but the node waits for a word.
func TestAFailureThatIsHeardOfTooLateIsTriedAgain(t *testing.T) {
	r := online(t, group("g"))
	r.plea("g", "n1", model.PleaStartFailed)
	r.s.Now = r.s.Now.Add(time.Hour)
	version := r.assigned("g").Version
	r.plan()
	r.on("g", "n1")
	if got := r.assigned("g").Version; got != version+1 {
		t.Errorf("version %d after %d: the node does not know that it may try again", got, version)
	}
	r.settle()
}

// An administrator overrules Pingpong_interval: by naming the node, or by force.
func TestFailuresAreOverruled(t *testing.T) {
	r := online(t, group("g"))
	r.plea("g", "n1", model.PleaStartFailed)
	r.settle()
	r.want(model.Want{Group: "g", Online: true, Nodes: []cluster.NodeName{"n1"}})
	r.settle()
	r.on("g", "n1")
	r.plea("g", "n1", model.PleaStartFailed)
	r.settle()
	r.want(model.Want{Group: "g", Online: true, Remaster: true})
	r.settle()
	r.on("g", "n2")
	r.want(model.Want{Group: "g", Online: true, Remaster: true, Force: true})
	r.settle()
	r.on("g", "n1")
}

// Who asks to give the group over keeps it when nobody else can have it, and loses it when somebody can.
func TestGiveover(t *testing.T) {
	g := group("g")
	g.Nodelist = []cluster.NodeName{"n1", "n2"}
	r := online(t, g)
	r.lose("n2")
	r.release()
	r.settle()
	r.plea("g", "n1", model.PleaGiveover)
	r.settle()
	r.on("g", "n1")
	r.noted("g", "n1", place.Surrounded)
	r.join("n2", 2)
	r.settle()
	r.on("g", "n2")
}

// A node whose Monitor_check refused is passed over, for a minute and no longer; when all refuse the group stays, and says for each why.
func TestRefusedByMonitorCheck(t *testing.T) {
	plea := func(r *rig, refused ...model.Refusal) {
		a := r.assigned("g")
		r.report(model.Instance{Node: "n1", Incarnation: at(1), Group: "g", Version: a.Version, State: model.GroupOnline, Plea: &model.Plea{
			Kind: model.PleaGiveover, Resource: "r", Version: a.Version, Why: "no answer", At: r.s.Now, Refused: refused,
		}})
	}
	no2, no3 := model.Refusal{Node: "n2", Why: "no disk"}, model.Refusal{Node: "n3", Why: "no route"}
	r := online(t, group("g"))
	plea(r, no2)
	r.settle()
	r.on("g", "n3")
	r.noted("g", "n2", place.CheckFailed)
	r.s.Now = r.s.Now.Add(61 * time.Second)
	r.lose("n3")
	r.release()
	r.settle()
	r.on("g", "n2") // what was wrong then may not be wrong now

	r = online(t, group("g"))
	plea(r, no2, no3)
	r.settle()
	r.on("g", "n1")
	r.noted("g", "n1", place.Surrounded)
	r.noted("g", "n2", place.CheckFailed)
	r.noted("g", "n3", place.CheckFailed)
}

// Pleas count once, for the version they are about, from the life that makes them.
func TestPleasCountOnce(t *testing.T) {
	r := online(t, group("g"))
	r.plea("g", "n1", model.PleaStartFailed)
	old := slices.Clone(r.s.Instances)
	r.settle()
	r.on("g", "n2")
	r.want(model.Want{Group: "g", Online: true, Nodes: []cluster.NodeName{"n1"}})
	r.settle()
	r.s.Instances = old // an old report, seen late
	r.plan()
	r.on("g", "n1")
}

func TestFailback(t *testing.T) {
	for _, failback := range []bool{false, true} {
		g := group("g")
		g.Failback = failback
		r := online(t, g)
		r.lose("n1")
		r.release()
		r.settle()
		r.on("g", "n2")
		r.join("n1", 2)
		r.settle()
		if failback {
			r.on("g", "n1")
		} else {
			r.on("g", "n2")
		}
		r.lose("n3")
		r.release()
		r.join("n3", 2)
		r.settle() // a less preferred node draws nothing
		if failback {
			r.on("g", "n1")
		} else {
			r.on("g", "n2")
		}
	}
}

func TestRemaster(t *testing.T) {
	r := online(t, group("g"))
	r.want(model.Want{Group: "g", Online: true, Nodes: []cluster.NodeName{"n3"}})
	r.settle()
	r.want(model.Want{Group: "g", Online: true, Remaster: true})
	r.settle()
	r.on("g", "n1")
}

func TestEvacuation(t *testing.T) {
	r := online(t, group("g"), multi("m"))
	r.on("m", "n1", "n2")
	r.node("n1", func(n *model.NodeState) { n.EvacuatedUntil = r.s.Now.Add(time.Minute) })
	r.settle()
	r.on("g", "n2")
	r.on("m", "n2", "n3")
	r.noted("g", "n1", place.Evacuated)
	r.want(model.Want{Group: "g", Online: true, Nodes: []cluster.NodeName{"n1"}}) // asked for by name
	r.settle()
	r.on("g", "n1")
	r.node("n1", func(n *model.NodeState) { n.EvacuatedUntil = r.s.Now.Add(time.Hour) }) // evacuated again
	r.settle()
	r.on("g", "n2")
	r.want(model.Want{Group: "g", Online: true, Nodes: []cluster.NodeName{"n1"}})
	r.settle()
	r.on("g", "n1")
	r.s.Now = r.s.Now.Add(2 * time.Hour)
	r.settle()
	r.on("m", "n2", "n3") // nothing comes back by itself
}

func TestSuspended(t *testing.T) {
	r := online(t, group("g"))
	r.group("g", func(g *model.Group) { g.Suspended = true })
	r.lose("n1")
	r.release()
	r.settle()
	r.on("g")
	r.noted("g", "", place.Suspended)
	r.want(model.Want{Group: "g", Online: true, Nodes: []cluster.NodeName{"n3"}}) // an administrator still may
	r.settle()
	r.on("g", "n3")
	r.group("g", func(g *model.Group) { g.Suspended = false })
	r.settle()
	r.on("g", "n3")
}

func TestOfflineAndOffNodes(t *testing.T) {
	r := online(t, group("g"))
	r.want(model.Want{Group: "g", Nodes: []cluster.NodeName{"n1", "n2"}})
	r.settle()
	r.on("g", "n3")
	r.noted("g", "n1", place.TakenOff)
	r.lose("n3")
	r.release()
	r.settle()
	r.on("g")
	r.want(model.Want{Group: "g", Online: true, Nodes: []cluster.NodeName{"n2"}})
	r.settle()
	r.on("g", "n2")
	r.want(model.Want{Group: "g"})
	r.settle()
	r.on("g")
	r.noted("g", "", place.Off)
	r.want(model.Want{Group: "g", Online: true})
	r.settle()
	r.on("g", "n1")
	if len(r.assigned("g").OffNodes) > 0 {
		t.Errorf("off nodes are kept: %v", r.assigned("g").OffNodes)
	}
}

// A cluster that forms anew starts what may start by itself.
func TestFormation(t *testing.T) {
	auto, manual := group("auto"), group("manual")
	manual.AutoStartOnNewCluster = false
	r := online(t, auto, manual, group("never"))
	r.want(model.Want{Group: "never"})
	r.settle()
	for _, n := range []cluster.NodeName{"n1", "n2", "n3"} {
		r.lose(n)
		r.join(n, 2)
	}
	r.release()
	r.s.Formation = r.s.Basis.Epoch
	r.settle()
	r.on("auto", "n1")
	r.on("manual")
	r.on("never", "n1")
	r.want(model.Want{Group: "manual", Online: true})
	r.settle()
	r.on("manual", "n1")
}

// What runs without being ordered to is told to leave before anything starts: a repository that was restored from an older snapshot does not know of it.
func TestStrays(t *testing.T) {
	r := newRig(t, group("g"))
	r.plan()
	r.obey()
	r.report(model.Instance{Node: "n3", Incarnation: at(1), Group: "g", Version: 0, State: model.GroupOnline})
	r.want(model.Want{Group: "g", Online: true, Nodes: []cluster.NodeName{"n1"}})
	r.plan()
	r.on("g")
	if got := r.assigned("g").Leaving; len(got) != 1 || got[0].Node != "n3" {
		t.Fatalf("leaving %v", got)
	}
	r.settle()
	r.on("g", "n1")
}

// Until a failed stop is cleared the group starts nowhere.
func TestStopFailedBlocks(t *testing.T) {
	r := online(t, group("g"))
	r.want(model.Want{Group: "g", Online: true, Nodes: []cluster.NodeName{"n2"}})
	r.plan()
	r.report(model.Instance{Node: "n1", Incarnation: at(1), Group: "g", Version: r.assigned("g").Version, State: model.GroupErrorStopFailed, BlockedOn: "r"})
	for range 5 {
		r.plan()
	}
	r.on("g")
	r.noted("g", "n1", place.StopFailed)
	r.obey() // cleared, and stopped
	r.settle()
	r.on("g", "n2")
}

func TestUnmanage(t *testing.T) {
	r := online(t, group("g"))
	r.group("g", func(g *model.Group) { g.Managed = false })
	r.settle()
	r.on("g")
	r.noted("g", "", place.Unmanaged)
	r.group("g", func(g *model.Group) { g.Managed = true })
	r.settle()
	r.on("g", "n1")
}

func TestRestartKeepsThePlace(t *testing.T) {
	r := online(t, group("g"))
	before := r.assigned("g")
	r.want(model.Want{Group: "g", Restart: true})
	r.settle()
	after := r.assigned("g")
	if after.Restart != before.Restart+1 || after.Version != before.Version+1 || !slices.Equal(after.Targets, before.Targets) {
		t.Errorf("before %+v, after %+v", before, after)
	}
}

// The nodelist and Maximum_primaries change under a running group.
func TestLimitsChangeWhileOnline(t *testing.T) {
	r := online(t, group("g"), multi("m"))
	r.group("g", func(g *model.Group) { g.Nodelist = []cluster.NodeName{"n2", "n3"} })
	r.settle()
	r.on("g", "n2")
	r.group("m", func(g *model.Group) { g.MaximumPrimaries, g.DesiredPrimaries = 1, 1 })
	r.settle()
	r.on("m", "n1")
	r.group("m", func(g *model.Group) { g.MaximumPrimaries, g.DesiredPrimaries = 3, 3 })
	r.settle()
	r.on("m", "n1", "n2", "n3")
	r.group("m", func(g *model.Group) { g.DesiredPrimaries = 1 })
	r.settle()
	r.on("m", "n1", "n2", "n3") // what runs is not stopped because fewer are desired
}

// A multi-master group replaces a lost node by one that has room, and goes on elsewhere meanwhile.
func TestMultiMaster(t *testing.T) {
	r := online(t, multi("m"))
	r.lose("n1")
	r.settle()
	r.on("m", "n2")
	r.release()
	r.settle()
	r.on("m", "n2", "n3")
	r.lose("n3")
	r.release()
	r.settle()
	r.on("m", "n2")
}

// Switched to fewer nodes than Desired_primaries, a group stays on so many: another node replaces one that is lost, none is added, until somebody asks
// for something else or changes Desired_primaries.
func TestSwitchToFewerThanDesired(t *testing.T) {
	fewer := func() *rig {
		r := online(t, multi("m"))
		r.on("m", "n1", "n2")
		r.want(model.Want{Group: "m", Online: true, Nodes: []cluster.NodeName{"n2"}})
		r.settle()
		r.on("m", "n2")
		return r
	}
	r := fewer()
	r.lose("n2")
	r.release()
	r.settle()
	r.on("m", "n1")
	r.join("n2", 2)
	r.settle()
	r.on("m", "n1")
	for name, asked := range map[string]func(*rig){
		"online":   func(r *rig) { r.want(model.Want{Group: "m", Online: true}) },
		"remaster": func(r *rig) { r.want(model.Want{Group: "m", Online: true, Remaster: true}) },
		"switch":   func(r *rig) { r.want(model.Want{Group: "m", Online: true, Nodes: []cluster.NodeName{"n1", "n2"}}) },
		"desired":  func(r *rig) { r.group("m", func(g *model.Group) { g.MaximumPrimaries, g.DesiredPrimaries = 3, 3 }) },
	} {
		r := fewer()
		asked(r)
		r.settle()
		if got, want := len(r.assigned("m").Targets), map[bool]int{true: 3, false: 2}[name == "desired"]; got != want {
			t.Errorf("%s: on %d nodes, want %d", name, got, want)
		}
	}
}
