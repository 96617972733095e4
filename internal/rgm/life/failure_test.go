package life_test

import (
	"slices"
	"testing"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/rgm/life"
	"redoubt/internal/rgm/model"
)

// Failover_mode as Solaris Cluster has it: what a failed start, a failed stop and a monitor's request do.
func TestFailoverMode(t *testing.T) {
	for _, c := range []struct {
		mode      model.FailoverMode
		moves     bool // a failed start asks for another node
		halts     bool // a failed stop ends the node
		restarts  bool // a dead resource is restarted, and a monitor may ask for it
		givesOver bool // a monitor may ask for another node
	}{
		{model.FailoverNone, false, false, true, true},
		{model.FailoverSoft, true, false, true, true},
		{model.FailoverHard, true, true, true, true},
		{model.FailoverRestartOnly, false, false, true, false},
		{model.FailoverLogOnly, false, false, false, false},
	} {
		t.Run(string(c.mode), func(t *testing.T) {
			a := res("a", "app")
			a.FailoverMode = c.mode

			r := newRig(t, a)
			r.fails["Start a"] = failed()
			r.order(true)
			r.settle()
			plea := r.g.Instance().Plea
			if c.moves {
				if plea == nil || plea.Kind != model.PleaStartFailed || plea.Version != 1 || plea.Resource != "a" {
					t.Errorf("a failed start asked for %+v", plea)
				}
				r.is(model.GroupOffline) // it does not wait here
			} else {
				if plea != nil {
					t.Errorf("a failed start asked for %+v", plea)
				}
				r.is(model.GroupOnlineFaulted)
				r.resourceIs("a", model.ResourceStartFailed)
			}

			r = online(t, a)
			r.fails["Stop a"] = failed()
			r.order(false)
			r.settle()
			if (r.halted != "") != c.halts {
				t.Errorf("a failed stop ended the node: %q", r.halted)
			}
			r.is(model.GroupErrorStopFailed)
			r.resourceIs("a", model.ResourceStopFailed)

			r = online(t, a)
			r.step(life.Observed{Resource: "a", Kind: "dead", Message: "gone"})
			if got := len(r.log) > 0; got != c.restarts {
				t.Errorf("a dead resource: %v", r.log)
			}
			r = online(t, a)
			r.step(life.Asked{Kind: life.AskResourceRestart, Resource: "a"})
			if got := len(r.log) > 0; got != c.restarts {
				t.Errorf("a monitor's request for a restart: %v", r.log)
			}
			r = online(t, a)
			r.step(life.Asked{Kind: life.AskGiveover, Resource: "a", Message: "no good"})
			if got := r.g.Instance().Plea != nil; got != c.givesOver {
				t.Errorf("a monitor's request to give the group over: %+v", r.g.Instance().Plea)
			}
			r.is(model.GroupOnline) // it serves until it is told
		})
	}
}

func TestPrenetStartAndStopTypeMethodsFail(t *testing.T) {
	app := res("app", "full")
	app.FailoverMode, app.Monitored = model.FailoverSoft, true
	r := newRig(t, app, res("ip", "ip"))
	r.fails["Prenet_start app"] = life.Outcome{TimedOut: true}
	r.order(true)
	r.settle()
	if p := r.g.Instance().Plea; p == nil || p.Why != "Prenet_start timed out and was killed" {
		t.Fatalf("plea %+v", p)
	}
	for _, m := range []string{"Monitor_stop app", "Stop app", "End app", "Postnet_stop app"} {
		r := online(t, app)
		r.fails[m] = failed()
		r.order(false)
		r.settle()
		r.is(model.GroupErrorStopFailed)
	}
}

// A stop that failed blocks what it depends on, until somebody has looked and clears it; then what is left of it is ended.
func TestStopFailedAndClear(t *testing.T) {
	r := online(t, res("app", "app"), res("ip", "ip"))
	r.fails["Stop app"] = failed()
	r.order(false)
	r.settle()
	r.did("Stop app")
	r.is(model.GroupErrorStopFailed)
	r.order(true) // nor does it come up again
	r.did()
	r.is(model.GroupErrorStopFailed)
	r.order(false)
	delete(r.fails, "Stop app")
	r.step(life.Asked{Kind: life.AskClear, Resource: "app"})
	r.settle()
	r.did("End app", "Stop ip", "End ip")
	r.is(model.GroupOffline)
}

// A start that failed is tried again when it is cleared, and by a newer version that still orders the group here.
func TestStartFailedIsTriedAgain(t *testing.T) {
	a := res("a", "app")
	r := newRig(t, a)
	r.fails["Start a"] = failed()
	r.order(true)
	r.settle()
	delete(r.fails, "Start a")
	r.log = nil
	r.step(life.Asked{Kind: life.AskClear, Resource: "a"})
	r.settle()
	r.did("Stop a", "End a", "Start a")
	r.is(model.GroupOnline)

	a.FailoverMode = model.FailoverSoft
	r = newRig(t, a)
	r.fails["Start a"] = failed()
	r.order(true)
	r.finish("Start a") // fails; the group asks for another node and stops
	delete(r.fails, "Start a")
	r.order(true) // written by somebody who had not heard of it, or who wants it tried again
	r.settle()
	r.is(model.GroupOnline)
	if r.g.Instance().Plea != nil {
		t.Errorf("plea %+v", r.g.Instance().Plea)
	}
}

// Retry_count restarts within Retry_interval, then the group is given over; older restarts do not count.
func TestRetryCountAndInterval(t *testing.T) {
	r := online(t, res("a", "app")) // 2 within 100 s
	die := func() {
		r.step(life.Observed{Resource: "a", Kind: "failed", Message: "no answer"})
		r.settle()
	}
	die()
	r.did("Stop a", "End a", "Start a")
	r.pass(60 * time.Second)
	die()
	r.did("Stop a", "End a", "Start a")
	r.pass(50 * time.Second) // the first is forgotten
	die()
	r.did("Stop a", "End a", "Start a")
	die()
	r.did()
	p := r.g.Instance().Plea
	if p == nil || p.Kind != model.PleaGiveover {
		t.Fatalf("plea %+v", p)
	}
	r.is(model.GroupOnline)
	r.resourceIs("a", model.ResourceOnlineNotMonitored)
	if got := r.resource("a"); got.Status != model.StatusFaulted || got.RestartCount != 3 {
		t.Errorf("%+v", got)
	}
	// Nobody takes it: when Retry_interval has passed it is restarted, and asks anew if that does not help.
	r.pass(101 * time.Second)
	r.settle()
	r.did("Stop a", "End a", "Start a")
	if r.g.Instance().Plea != nil {
		t.Error("the request was not taken back")
	}
	die()
	r.did("Stop a", "End a", "Start a")
	die()
	if again := r.g.Instance().Plea; again == nil || again.At.Equal(p.At) {
		t.Errorf("not asked anew: %+v", again)
	}
}

func TestRetryCountZeroAndUnlimited(t *testing.T) {
	a := res("a", "app")
	a.RetryCount = 0
	r := online(t, a)
	r.step(life.Observed{Resource: "a", Kind: "dead"})
	if r.g.Instance().Plea == nil {
		t.Error("no restart is allowed, and nobody was asked")
	}
	a.RetryCount = -1
	r = online(t, a)
	for range 20 {
		r.step(life.Observed{Resource: "a", Kind: "dead"})
		r.settle()
	}
	if r.g.Instance().Plea != nil || len(r.log) != 60 {
		t.Errorf("%d steps, plea %+v", len(r.log), r.g.Instance().Plea)
	}
}

// Who has a restart dependency is restarted with it; a strong dependency alone does not.
func TestRestartDependencies(t *testing.T) {
	for _, c := range []struct {
		kind model.DependencyKind
		want []string
	}{
		{model.DependStrong, []string{"Stop a", "End a", "Start a"}},
		{model.DependRestart, []string{"Stop b", "End b", "Stop a", "End a", "Start a", "Start b"}},
		{model.DependOfflineRestart, []string{"Stop b", "End b", "Stop a", "End a", "Start a", "Start b"}},
	} {
		r := online(t, res("a", "app"), res("b", "app", on(c.kind, "a")...))
		r.step(life.Observed{Resource: "a", Kind: "dead"})
		r.settle()
		r.did(c.want...)
		r.is(model.GroupOnline)
	}
}

// Who has an offline-restart dependency is offline while what it depends on is disabled.
func TestOfflineRestartFollowsDisable(t *testing.T) {
	r := online(t, res("a", "app"), res("b", "app", on(model.DependOfflineRestart, "a")...), res("c", "app", on(model.DependOfflineRestart, "b")...))
	r.spec("a", func(x *model.Resource) { x.Enabled = false })
	r.settle()
	r.did("Stop c", "End c", "Stop b", "End b", "Stop a", "End a")
	r.is(model.GroupOnline)
	r.spec("a", func(x *model.Resource) { x.Enabled = true })
	r.settle()
	r.did("Start a", "Start b", "Start c")
}

// A suspended group is left alone: no restart, no plea; after it is resumed, what is sick is restarted.
func TestSuspended(t *testing.T) {
	a := res("a", "app")
	a.FailoverMode = model.FailoverSoft
	r := online(t, a)
	r.in.Group.Suspended = true
	r.step(life.Observed{Resource: "a", Kind: "dead"})
	r.did()
	r.in.Group.Suspended = false
	r.pass(time.Second)
	r.settle()
	r.did("Stop a", "End a", "Start a")

	r = newRig(t, a)
	r.in.Group.Suspended = true
	r.fails["Start a"] = failed()
	r.order(true)
	r.settle()
	if r.g.Instance().Plea != nil {
		t.Error("a suspended group asked for another node")
	}
	r.is(model.GroupOnlineFaulted)
}

// quiesce -k: the methods that run are killed, and nothing is recovered from that before it is cleared.
func TestKillRunningMethods(t *testing.T) {
	a := res("a", "app")
	a.FailoverMode = model.FailoverHard
	r := newRig(t, a)
	r.order(true)
	r.step(life.Asked{Kind: life.AskKill})
	r.settle()
	r.resourceIs("a", model.ResourceStartFailed)
	if r.g.Instance().Plea != nil || r.halted != "" {
		t.Errorf("plea %+v, halted %q", r.g.Instance().Plea, r.halted)
	}
	clear(r.fails)
	r.step(life.Asked{Kind: life.AskClear, Resource: "a"})
	r.settle()
	r.is(model.GroupOnline)

	r.order(false)
	r.step(life.Asked{Kind: life.AskKill})
	r.settle()
	r.is(model.GroupErrorStopFailed)
	if r.halted != "" {
		t.Errorf("a stop that was killed on purpose ended the node: %s", r.halted)
	}
}

// A start that waits for its turn is taken back when it is not wanted any more; what never began leaves the resource as it was, and no failure.
func TestStartsAreWithdrawn(t *testing.T) {
	never := life.Outcome{NotRun: true}
	r := newRig(t, res("a", "app"), res("b", "full"), res("ip", "ip"))
	r.order(true)
	r.finish("Init b")
	r.finish("Prenet_start b")
	r.order(false)
	if len(r.withdrawn) == 0 || slices.Contains(r.withdrawn, "Prenet_start b") {
		t.Fatalf("withdrawn: %v", r.withdrawn)
	}
	r.step(life.Changed{})
	for _, w := range r.withdrawn {
		if n := len(slices.DeleteFunc(slices.Clone(r.withdrawn), func(o string) bool { return o != w })); n != 1 {
			t.Errorf("%s was withdrawn %d times", w, n)
		}
		r.fails[w] = never
	}
	r.settle()
	r.is(model.GroupOffline)
	if slices.Contains(r.log, "Stop ip") || !slices.Contains(r.log, "Stop b") {
		t.Errorf("what never ran was stopped, or what ran was not: %v", r.log)
	}
	if p := r.g.Instance().Plea; p != nil {
		t.Errorf("plea %+v", p)
	}
	clear(r.fails)
	r.order(true)
	r.settle()
	r.is(model.GroupOnline)

	// The lease ends before its turn comes: it is tried again with the next lease.
	a := res("a", "app")
	a.FailoverMode = model.FailoverSoft
	r = newRig(t, a)
	r.order(true)
	r.in.MayStart = false
	r.fails["Start a"] = never
	r.settle()
	r.resourceIs("a", model.ResourceOffline)
	if r.g.Instance().Plea != nil {
		t.Error("a start that was never tried asked for another node")
	}
	clear(r.fails)
	r.in.MayStart = true
	r.step(life.Changed{})
	r.settle()
	r.is(model.GroupOnline)
}

// What quiesce -k does not kill.
func TestKillSparesInitAndUpdate(t *testing.T) {
	r := newRig(t, res("a", "full"))
	r.order(true)
	for _, m := range []string{"Init a", "Prenet_start a"} {
		r.step(life.Asked{Kind: life.AskKill})
		if r.fails[m].Aborted != (m == "Prenet_start a") {
			t.Errorf("%s: %+v", m, r.fails[m])
		}
		delete(r.fails, m)
		r.finish(m)
	}
	r.settle()
	r.spec("a", func(x *model.Resource) { x.Generation++ })
	r.step(life.Asked{Kind: life.AskKill})
	if r.fails["Update a"].Aborted {
		t.Error("Update was killed")
	}
	r.settle()
	r.is(model.GroupOnline)
}

func TestMonitorsReports(t *testing.T) {
	r := online(t, res("a", "app"))
	r.step(life.Asked{Kind: life.AskStatus, Resource: "a", Status: model.StatusDegraded, Message: "slow"})
	if got := r.resource("a"); got.Status != model.StatusDegraded || got.Message != "slow" {
		t.Errorf("%+v", got)
	}
	r.step(life.Observed{Resource: "a", Kind: "degraded", Message: "slower"})
	r.step(life.Observed{Resource: "a", Kind: "healthy", Message: ""})
	if got := r.resource("a"); got.Status != model.StatusOnline {
		t.Errorf("%+v", got)
	}
	r.step(life.Asked{Kind: life.AskIsRestarted, Resource: "a"})
	if got := r.resource("a"); got.RestartCount != 1 || len(got.Restarts) != 1 {
		t.Errorf("%+v", got)
	}
	r.step(life.Asked{Kind: life.AskRestart})
	r.settle()
	r.did("Stop a", "End a", "Start a")
	r.step(life.Observed{Resource: "nobody", Kind: "dead"})
	r.step(life.Done{Resource: "a", Method: model.MethodStop, Outcome: failed()}) // nothing of the kind runs
	r.did()
	r.is(model.GroupOnline)
}

// A daemon that was restarted on purpose goes on with what runs: nothing is started again, watches begin anew.
func TestAdoption(t *testing.T) {
	app := res("app", "full")
	app.Monitored = true
	before := online(t, app, res("ip", "ip"))
	r := newRig(t, app, res("ip", "ip"))
	r.g = life.New(before.g.Instance())
	r.in.Assignment = before.in.Assignment
	r.step(life.Changed{})
	r.did()
	r.is(model.GroupOnline)
	if !r.watched["app"] {
		t.Error("not watched")
	}
	r.order(false)
	r.settle()
	r.did("Monitor_stop app", "Stop app", "End app", "Stop ip", "End ip", "Postnet_stop app")
}

// A daemon that died amid a method does not know how far it came: it stops what was under way and starts again.
func TestAdoptionAmidAMethod(t *testing.T) {
	for _, s := range []model.ResourceState{model.ResourceStarting, model.ResourceStopping} {
		r := newRig(t, res("a", "app"))
		r.g = life.New(model.Instance{Node: "n1", Incarnation: me, Group: "g", Version: 1, State: model.GroupPendingOnline, Resources: []model.ResourceInstance{{Name: "a", State: s, Inited: true}}})
		r.order(true)
		r.settle()
		r.did("Stop a", "End a", "Start a")
		r.is(model.GroupOnline)
	}
}

// What was started can be stopped when its type or its record has gone.
func TestTypeOrRecordGoneWhileOnline(t *testing.T) {
	r := online(t, res("a", "app"))
	r.in.Types = nil
	r.order(false)
	r.settle()
	r.did("Stop a", "End a")
	r.is(model.GroupOffline)

	r = online(t, res("a", "app"))
	r.in.Resources = nil
	r.step(life.Changed{})
	r.settle()
	r.did("Stop a", "End a")
	r.is(model.GroupOnline) // of what is left, nothing

	// The whole group is unknown: a repository that was restored from an older snapshot.
	r = online(t, res("a", "app"))
	if r.g.Down() {
		t.Fatal("it is up")
	}
	r.in.Group, r.in.Resources, r.in.Assignment = model.Group{Name: "g"}, nil, model.Assignment{}
	r.step(life.Changed{})
	r.settle()
	r.did("Stop a", "End a")
	if !r.g.Down() {
		t.Error("not down")
	}
}

// A daemon that finds a running resource of which it knows neither record nor type says so, and does not call it offline.
func TestAdoptedWithoutRecord(t *testing.T) {
	before := online(t, res("a", "app"))
	r := newRig(t)
	r.g = life.New(before.g.Instance())
	r.order(false)
	r.settle()
	r.did()
	r.is(model.GroupErrorStopFailed)
	r.in.Resources = before.in.Resources
	r.step(life.Asked{Kind: life.AskClear, Resource: "a"})
	r.settle()
	r.did("End a")
	r.is(model.GroupOffline)
}

func TestTimeouts(t *testing.T) {
	typ := types()[1]
	r := model.Resource{Timeouts: []model.MethodTimeout{{Method: model.MethodStart, Seconds: 3}}}
	for _, c := range []struct {
		m    model.Method
		want time.Duration
	}{
		{model.MethodStart, 3 * time.Second},
		{model.MethodStop, 7 * time.Second},
		{model.MethodUpdate, model.DefaultMethodTimeout * time.Second},
	} {
		if got := life.Timeout(r, typ, c.m); got != c.want {
			t.Errorf("%s: %v, want %v", c.m, got, c.want)
		}
	}
}

// The reports share nothing with the machine.
func TestInstanceIsACopy(t *testing.T) {
	r := online(t, res("a", "app"))
	r.step(life.Observed{Resource: "a", Kind: "dead"})
	r.settle()
	i := r.g.Instance()
	i.Resources[0].Restarts[0] = time.Time{}
	i.Resources[0].Name = cluster.ResourceName("x")
	if got := r.resource("a"); got.Restarts[0].IsZero() {
		t.Error("the machine's memory was changed from outside")
	}
}

// A start that asked to be ignored if it fails does not move the group, whatever Failover_mode says; the next one has to ask anew.
func TestIgnoreFailedStart(t *testing.T) {
	for _, m := range []string{"Prenet_start", "Start"} {
		app := res("app", "full")
		app.FailoverMode = model.FailoverSoft
		r := newRig(t, app)
		r.order(true)
		for r.busy()[0] != m+" app" {
			r.finish(r.busy()[0])
		}
		r.step(life.Asked{Kind: life.AskIgnoreFailed, Resource: "app"})
		r.fails[m+" app"] = failed()
		r.settle()
		if p := r.g.Instance().Plea; p != nil {
			t.Fatalf("%s: a plea in spite of IGNORE_FAILED_START: %+v", m, p)
		}
		r.is(model.GroupOnlineFaulted)
		r.step(life.Asked{Kind: life.AskClear, Resource: "app"})
		r.settle()
		if r.g.Instance().Plea == nil {
			t.Fatalf("%s: no plea after a start that did not ask", m)
		}
	}
	// Asked while nothing starts it means nothing.
	app := res("app", "app")
	app.FailoverMode = model.FailoverSoft
	r := newRig(t, app)
	r.step(life.Changed{})
	r.step(life.Asked{Kind: life.AskIgnoreFailed, Resource: "app"})
	r.fails["Start app"] = failed()
	r.order(true)
	r.settle()
	if r.g.Instance().Plea == nil {
		t.Fatal("no plea")
	}
}
