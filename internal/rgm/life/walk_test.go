package life_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"redoubt/internal/cluster"
	"redoubt/internal/rgm/life"
	"redoubt/internal/rgm/model"
)

// walker drives a group at random and keeps, like a dumb twin, what really runs.
type walker struct {
	*rig
	rt   *rapid.T
	runs map[cluster.ResourceName]bool // from the first start method to the End (or Postnet_stop) that succeeded
}

// check looks at what the group says and wants after a step.
func (w *walker) check(from int) {
	for _, line := range w.log[from:] {
		for _, r := range w.in.Resources {
			starts := line == "Start "+string(r.Name) || line == "Prenet_start "+string(r.Name)
			if !starts {
				continue
			}
			switch {
			case !w.in.MayStart:
				w.rt.Fatalf("%s without a lease", line)
			case !w.in.Assignment.On("n1", me) || w.in.Draining || !w.in.Group.Managed:
				w.rt.Fatalf("%s without an order", line)
			case !r.EnabledOn("n1"):
				w.rt.Fatalf("%s though disabled", line)
			}
			w.runs[r.Name] = true
		}
	}
	i := w.g.Instance()
	if !i.MayRun() && len(w.runs) > 0 {
		w.rt.Fatalf("the group is %s and %v runs; log %v", i.State, w.runs, w.log)
	}
	if i.State == model.GroupOnline {
		for _, r := range w.in.Resources {
			if r.EnabledOn("n1") && !w.runs[r.Name] && !slices.ContainsFunc(r.Dependencies, func(d model.Dependency) bool { return d.Kind == model.DependOfflineRestart }) {
				w.rt.Fatalf("the group is ONLINE and %s does not run; log %v", r.Name, w.log)
			}
		}
	}
}

func (w *walker) do(f func()) {
	from := len(w.log)
	f()
	w.check(from)
}

// end lets one method end, well or not.
func (w *walker) end(ok bool) {
	if len(w.running) == 0 {
		return
	}
	x := w.running[rapid.IntRange(0, len(w.running)-1).Draw(w.rt, "which")]
	delete(w.fails, nameOf(x))
	if !ok {
		w.fails[nameOf(x)] = failed()
	}
	switch a := x.(type) {
	case life.End:
		if ok && a.Type.Name != "disk" && a.Type.Name != "full" && a.Type.Name != "proxy" {
			delete(w.runs, a.Resource)
		}
	case life.Run:
		if ok && a.Method == model.MethodPostnetStop {
			delete(w.runs, a.Resource)
		}
		starts := a.Method == model.MethodPrenetStart || a.Method == model.MethodStart || a.Method == model.MethodMonitorStart
		i := slices.Index(w.withdrawn, nameOf(x))
		if starts && (i >= 0 || !w.in.MayStart) && rapid.Bool().Draw(w.rt, "never began") {
			w.fails[nameOf(x)] = life.Outcome{NotRun: true}
			if _, prenet := a.Type.Method(model.MethodPrenetStart); a.Method == model.MethodPrenetStart || a.Method == model.MethodStart && !prenet {
				delete(w.runs, a.Resource)
			}
		}
		if i >= 0 {
			w.withdrawn = slices.Delete(w.withdrawn, i, i+1)
		}
	}
	w.do(func() { w.finish(nameOf(x)) })
}

// Whatever happens in whatever order: nothing starts without order and lease, OFFLINE means that nothing runs, and once nothing fails any more the group
// comes to where it is ordered.
func TestRandomWalk(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		kinds := []model.DependencyKind{model.DependStrong, model.DependWeak, model.DependRestart, model.DependOfflineRestart}
		modes := []model.FailoverMode{model.FailoverNone, model.FailoverSoft, model.FailoverHard, model.FailoverRestartOnly, model.FailoverLogOnly}
		var rs []model.Resource
		names := []cluster.ResourceName{"a", "b", "c", "d"}
		for i, n := range names {
			r := res(n, rapid.SampledFrom([]cluster.TypeName{"ip", "app", "disk", "full", "proxy"}).Draw(rt, "type"))
			r.FailoverMode = rapid.SampledFrom(modes).Draw(rt, "mode")
			r.Monitored = rapid.Bool().Draw(rt, "monitored")
			if r.Type != "ip" {
				for _, o := range names[:i] {
					if rapid.IntRange(0, 3).Draw(rt, "depends") == 0 {
						r.Dependencies = append(r.Dependencies, model.Dependency{On: o, Kind: rapid.SampledFrom(kinds).Draw(rt, "kind")})
					}
				}
			}
			rs = append(rs, r)
		}
		w := &walker{rig: newRig(t, rs...), rt: rt, runs: map[cluster.ResourceName]bool{}}
		one := func() cluster.ResourceName { return rapid.SampledFrom(names).Draw(rt, "resource") }
		for range rapid.IntRange(5, 60).Draw(rt, "steps") {
			switch rapid.IntRange(0, 17).Draw(rt, "step") {
			case 0:
				w.do(func() { w.order(true) })
			case 1:
				w.do(func() { w.order(false) })
			case 2:
				n := one()
				w.do(func() { w.spec(n, func(r *model.Resource) { r.Enabled = !r.Enabled }) })
			case 3:
				n := one()
				w.do(func() { w.step(life.Observed{Resource: n, Kind: "dead"}) })
			case 4:
				n := one()
				w.do(func() { w.step(life.Asked{Kind: life.AskClear, Resource: n}) })
			case 5:
				w.in.MayStart = !w.in.MayStart
				w.do(func() { w.step(life.Changed{}) })
			case 6:
				w.do(func() { w.pass(30 * time.Second) })
			case 7:
				w.in.Group.Suspended = !w.in.Group.Suspended
				w.do(func() { w.step(life.Changed{}) })
			case 8:
				w.in.Assignment.Restart++
				w.do(func() { w.order(true) })
			case 9:
				n := one()
				w.do(func() { w.spec(n, func(r *model.Resource) { r.Monitored = !r.Monitored; r.Generation++ }) })
			case 10:
				w.end(false)
			case 11:
				n := one()
				w.do(func() { w.step(life.Asked{Kind: life.AskOffline, Resource: n}) })
			case 12:
				n := one()
				w.do(func() { w.step(life.Asked{Kind: life.AskOnline, Resource: n}) })
			default:
				w.end(true)
			}
		}
		// Peace: everything enabled, everything succeeds, failures cleared.
		w.in.MayStart, w.in.Group.Suspended = true, false
		for i := range w.in.Resources {
			w.in.Resources[i].Enabled = true
		}
		online := rapid.Bool().Draw(rt, "online")
		w.do(func() { w.order(online) })
		for range 200 {
			if len(w.running) > 0 {
				w.end(true)
				continue
			}
			again := false
			for _, r := range w.g.Instance().Resources {
				if r.State == model.ResourceStartFailed || r.State == model.ResourceStopFailed {
					again = true
					w.do(func() { w.step(life.Asked{Kind: life.AskClear, Resource: r.Name}) })
				}
				if r.Awaiting && online {
					again = true
					w.do(func() { w.step(life.Asked{Kind: life.AskOnline, Resource: r.Name}) })
				}
			}
			if !again {
				break
			}
		}
		want := model.GroupOffline
		if online {
			want = model.GroupOnline
		}
		if i := w.g.Instance(); i.State != want {
			rt.Fatalf("ordered online %v, the group is %s (%s): %+v; log %v", online, i.State, i.BlockedOn, i.Resources, w.log)
		}
	})
}
