package life_test

import (
	"strings"
	"testing"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/rgm/life"
	"redoubt/internal/rgm/model"
)

func (r *rig) says(kind life.AskKind) { r.step(life.Asked{Kind: kind, Resource: "p"}) }

func waits(t *testing.T, r *rig) {
	t.Helper()
	r.is(model.GroupPendingOnlineBlocked)
	r.resourceIs("p", model.ResourceOffline)
	if i := r.g.Instance(); !r.resource("p").Awaiting || !strings.Contains(i.BlockedOn, "p: what it stands for is not reported online here") {
		t.Fatalf("it does not wait for what it stands for: %q, %+v", i.BlockedOn, r.resource("p"))
	}
}

// The state of a proxy follows what is said of its service, without any method of its own; those who depend on it see a resource that goes on- and offline.
func TestProxyFollows(t *testing.T) {
	weak, strong, restart := res("weak", "app", on(model.DependWeak, "p")...), res("strong", "app", on(model.DependStrong, "p")...), res("restart", "app", on(model.DependRestart, "p")...)
	bound := res("bound", "app", on(model.DependOfflineRestart, "p")...)
	p := res("p", "proxy")
	p.Monitored = true
	r := newRig(t, p, weak, strong, restart, bound)
	r.order(true)
	r.did("Prenet_start p")
	r.settle()
	r.did("Start weak")
	waits(t, r)
	r.says(life.AskOffline) // that is known
	waits(t, r)
	r.says(life.AskOnline)
	r.settle()
	r.did("Monitor_start p", "Start bound", "Start restart", "Start strong")
	r.is(model.GroupOnline)
	r.resourceIs("p", model.ResourceOnline)
	if got := r.resource("p"); got.Awaiting || got.Status != model.StatusOnline || got.Message != "" {
		t.Errorf("online: %+v", got)
	}
	r.says(life.AskOnline)
	r.did()
	// Offline: only who has an offline-restart dependency goes with it.
	r.says(life.AskOffline)
	r.settle()
	r.did("Monitor_stop p", "Stop bound", "End bound")
	waits(t, r)
	r.resourceIs("strong", model.ResourceOnlineNotMonitored)
	// Online: who has a restart dependency starts anew, once.
	r.says(life.AskOnline)
	r.settle()
	r.did("Monitor_start p", "Start bound", "Stop restart", "End restart", "Start restart")
	r.is(model.GroupOnline)
	if got := r.resource("p"); got.Starts != 2 || got.RestartCount != 0 {
		t.Errorf("%+v", got)
	}
	// Down with the group, when those above it are.
	r.order(false)
	r.settle()
	if got := r.log[len(r.log)-2:]; got[0] != "End p" || got[1] != "Postnet_stop p" {
		t.Errorf("the last of %v", r.log)
	}
	r.is(model.GroupOffline)
	// What is said while it is down counts for nothing, also when it comes up again.
	r.says(life.AskOnline)
	r.order(true)
	r.settle()
	waits(t, r)
}

// What is said before the start has ended counts when it has: what follows the service may be faster than the method that started it.
func TestProxySpeaksEarly(t *testing.T) {
	for name, c := range map[string]struct {
		said []life.AskKind
		want model.GroupState
	}{
		"online": {[]life.AskKind{life.AskOnline}, model.GroupOnline}, "and offline again": {[]life.AskKind{life.AskOnline, life.AskOffline}, model.GroupPendingOnlineBlocked},
	} {
		r := newRig(t, res("p", "proxy"))
		r.order(true)
		for _, k := range c.said {
			r.says(k)
		}
		r.resourceIs("p", model.ResourceStarting)
		r.finish("Prenet_start p")
		if got := r.g.Instance().State; got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// A proxy that waits is stopped as one that is online, and a daemon that takes over knows that it has to be.
func TestProxyThatWaitsIsStopped(t *testing.T) {
	waiting := func() *rig {
		r := newRig(t, res("p", "proxy"))
		r.order(true)
		r.settle()
		waits(t, r)
		r.log = nil
		return r
	}
	for name, change := range map[string]func(r *rig){
		"group offline": func(r *rig) { r.order(false) },
		"disabled":      func(r *rig) { r.spec("p", func(s *model.Resource) { s.Enabled = false }) },
		"another daemon": func(r *rig) {
			r.g = life.New(r.g.Instance())
			r.step(life.Changed{})
			waits(t, r)
			r.did()
			r.order(false)
		},
	} {
		r := waiting()
		change(r)
		if got := r.resource("p"); !got.Remains() {
			t.Errorf("%s: nothing is left of %+v", name, got)
		}
		r.settle()
		r.did("End p", "Postnet_stop p")
		if got := r.resource("p"); got.Remains() {
			t.Errorf("%s: something is left of %+v", name, got)
		}
	}
	// Restarted as a group, it has to be told anew.
	r := waiting()
	r.says(life.AskOnline)
	r.in.Assignment.Restart++
	r.order(true)
	r.settle()
	r.did("End p", "Postnet_stop p", "Prenet_start p")
	waits(t, r)
}

// What follows the service is watched, whatever the service does: when it dies it is started again, and the service counts as offline until it says otherwise.
func TestWhatFollowsIsWatched(t *testing.T) {
	p := res("p", "proxy")
	p.Monitored = true
	r := newRig(t, p)
	r.order(true)
	r.settle()
	if !r.watched["p"] {
		t.Fatal("not watched while it waits")
	}
	r.log = nil
	r.step(life.Observed{Resource: "p", Kind: "healthy"})
	waits(t, r)
	r.step(life.Observed{Resource: "p", Kind: "dead", Message: "gone"})
	r.settle()
	r.did("End p", "Postnet_stop p", "Prenet_start p")
	waits(t, r)
	r.says(life.AskOnline)
	r.settle()
	r.log = nil
	r.step(life.Observed{Resource: "p", Kind: "dead", Message: "gone"})
	r.settle()
	r.did("Monitor_stop p", "End p", "Postnet_stop p", "Prenet_start p")
	waits(t, r)
	if got := r.resource("p"); got.RestartCount != 2 {
		t.Errorf("%+v", got)
	}
	// The third within Retry_interval is one too many; when the interval has passed it is tried again.
	r.log = nil
	r.step(life.Observed{Resource: "p", Kind: "dead", Message: "gone"})
	r.did()
	if plea := r.g.Instance().Plea; plea == nil || plea.Kind != model.PleaGiveover {
		t.Fatalf("plea %+v", plea)
	}
	r.pass(200 * time.Second)
	r.settle()
	r.did("End p", "Postnet_stop p", "Prenet_start p")
	// Its properties reach it while it waits.
	r.log = nil
	r.spec("p", func(s *model.Resource) { s.Generation++ })
	r.is(model.GroupPendingOnlineBlocked)
	r.settle()
	r.did("Update p")
	r.spec("p", func(s *model.Resource) { s.Monitored = false })
	if r.watched["p"] {
		t.Error("watched though it is not monitored")
	}
	waits(t, r)
}

// Only proxies are told: the state of all others follows from their methods. A type may be registered anew as the other kind.
func TestOnlyProxiesAreTold(t *testing.T) {
	r := online(t, res("p", "app"))
	r.says(life.AskOffline)
	r.is(model.GroupOnline)
	r = newRig(t, res("p", "proxy"))
	r.order(true)
	r.settle()
	for i := range r.in.Types {
		r.in.Types[i].Proxy = false
	}
	r.step(life.Changed{})
	r.settle()
	r.is(model.GroupOnline)
}

// Without a lease what is said still counts: nothing starts by it.
func TestProxyIsTidyWithoutALease(t *testing.T) {
	r := newRig(t, res("p", "proxy"), res("app", "app", on(model.DependStrong, "p")...))
	r.order(true)
	r.settle()
	r.in.MayStart, r.log = false, nil
	r.says(life.AskOnline)
	r.settle()
	r.did()
	r.resourceIs("p", model.ResourceOnlineNotMonitored)
	r.in.MayStart = true
	r.step(life.Changed{})
	r.settle()
	r.did("Start app")
}

// Other groups see the proxy as one that is offline until its service is online: who needs it waits and says for what, who depends on it weakly does not wait.
func TestProxyAcrossGroups(t *testing.T) {
	f := newFleet(t, "n1", "n2")
	f.group(model.Group{Name: "p-rg"}, res("p", "proxy"))
	f.group(model.Group{Name: "strong-rg"}, res("strong", "app", on(model.DependStrong, "p")...))
	f.group(model.Group{Name: "weak-rg"}, res("weak", "app", on(model.DependWeak, "p")...))
	f.group(model.Group{Name: "bound-rg"}, res("bound", "app", on(model.DependOfflineRestart, "p")...))
	f.group(model.Group{Name: "after-rg", Dependencies: []cluster.GroupName{"p-rg"}}, res("after", "app"))
	for _, g := range []cluster.GroupName{"p-rg", "strong-rg", "weak-rg", "bound-rg", "after-rg"} {
		f.on(g, "n1")
	}
	f.settle()
	f.did("Prenet_start p@n1", "Start weak@n1")
	for _, g := range []cluster.GroupName{"strong-rg", "bound-rg"} {
		f.is(g, "n1", model.GroupPendingOnlineBlocked)
		f.waits(g, "n1", "p of group p-rg, which stands for something that is not online on n1")
	}
	f.is("after-rg", "n1", model.GroupPendingOnlineBlocked)
	f.step(spot{"n1", "p-rg"}, life.Asked{Kind: life.AskOnline, Resource: "p"})
	f.settle()
	for _, g := range []cluster.GroupName{"p-rg", "strong-rg", "weak-rg", "bound-rg", "after-rg"} {
		f.is(g, "n1", model.GroupOnline)
	}
	f.log = nil
	f.step(spot{"n1", "p-rg"}, life.Asked{Kind: life.AskOffline, Resource: "p"})
	f.settle()
	f.did("Stop bound@n1")
	f.is("after-rg", "n1", model.GroupOnline)
	// What it needs itself stops after it, though it is offline.
	f = newFleet(t, "n1")
	f.group(model.Group{Name: "base-rg"}, res("base", "app"))
	f.group(model.Group{Name: "p-rg"}, res("p", "proxy", on(model.DependStrong, "base")...))
	f.on("base-rg", "n1")
	f.on("p-rg", "n1")
	f.settle()
	f.log = nil
	f.on("base-rg")
	f.on("p-rg")
	f.settle()
	f.did("Postnet_stop p@n1", "Stop base@n1")
}
