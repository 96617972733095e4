package sim

import (
	"fmt"
	"slices"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/membership"
	"redoubt/internal/rgm/life"
	"redoubt/internal/rgm/model"
)

// build makes the cluster that the seed describes, at the moment when it has just been configured.
func (w *World) build() {
	w.net.cut = map[link]int{}
	nodes, server := 3, false
	switch k := w.rng.IntN(10); {
	case k < 4:
	case k < 6:
		nodes, server = 2, true
	case k < 7:
		nodes = 4
	default:
		nodes = 5
	}
	for i := range nodes {
		w.addNode(cluster.NodeName(fmt.Sprintf("n%d", i+1)), false)
	}
	if server {
		w.addNode("qs", true)
	}
	w.store = &store{w: w, keys: map[string]entry{}}
	voters := len(w.nodes)
	if voters == 4 || voters == 5 && w.chance(300) {
		voters = 3
	}
	rec := membership.Record{Epoch: 1, VoterEpoch: 1, Timing: w.timing()}
	for _, n := range w.nodes[:voters] {
		rec.Voters = append(rec.Voters, membership.Voter{Node: n.name, QuorumServer: n.server})
		first := w.store.newSeat(n, false)
		first.started = true
		w.store.seats = append(w.store.seats, first)
	}
	w.store.found(rec, w.configuration(nodes))
	for _, n := range w.nodes {
		w.after(w.between(0, 300*time.Millisecond), n.powerOn)
	}
	w.every(50*time.Millisecond, w.store.tend)
	if w.scalable {
		w.after(startAt, w.traffic)
	}
	w.op.w, w.op.acked, w.op.quiesces = w, map[string]acked{}, map[cluster.GroupName]*quiesce{}
}

func (w *World) every(span time.Duration, fn func()) {
	w.after(span, func() {
		fn()
		w.every(span, fn)
	})
}

func (w *World) addNode(name cluster.NodeName, server bool) {
	n := &node{
		w: w, name: name, index: len(w.nodes), server: server, procs: map[cluster.ResourceName]*proc{},
		offset: int64(w.between(time.Second, time.Hour)), ppm: w.rng.Int64N(1000*cluster.DriftPerMille+1) - 500*cluster.DriftPerMille,
		skew: w.between(-500*time.Millisecond, 500*time.Millisecond),
	}
	w.nodes = append(w.nodes, n)
	w.byName[name] = n
}

// timing is one of those that an administrator may choose; seldom the slowest, which makes runs long.
func (w *World) timing() cluster.Timing {
	p := cluster.Profiles()
	switch k := w.rng.IntN(10); {
	case k < 6:
		return p[0]
	case k < 8:
		return p[1]
	}
	t := cluster.CustomTiming(w.between(50*time.Millisecond, 150*time.Millisecond), w.between(600*time.Millisecond, 1500*time.Millisecond))
	if t.Check() != nil {
		return p[0]
	}
	return t
}

// types are the resource types of the simulated cluster: an address, a file system that is there before the addresses are, a service with a monitor
// of its own, and a plain one.
func types() []model.Type {
	method := func(ms ...model.Method) (specs []model.MethodSpec) {
		for _, m := range ms {
			specs = append(specs, model.MethodSpec{Method: m, Timeout: 1})
		}
		return specs
	}
	return []model.Type{
		{Name: "address", NetworkAddress: true, Methods: method(model.MethodStart, model.MethodStop)},
		{Name: "plain", Methods: method(model.MethodStart, model.MethodStop)},
		{Name: "service", Methods: method(model.MethodInit, model.MethodBoot, model.MethodFini, model.MethodStart, model.MethodStop, model.MethodMonitorStart, model.MethodMonitorStop, model.MethodUpdate)},
		{Name: "storage", Methods: method(model.MethodPrenetStart, model.MethodStop, model.MethodPostnetStop)},
	}
}

// configuration is what people have asked for: four groups of different kinds.
func (w *World) configuration(nodes int) map[string]any {
	conf := map[string]any{}
	for _, t := range types() {
		conf[confdb.KeyType(t.Name)] = stored(confdb.KindType, t)
	}
	var all []cluster.NodeName
	for _, n := range w.nodes {
		record := model.Node{Name: n.name, ID: n.index + 1, QuorumServer: n.server}
		if w.chance(300) {
			record.LoadLimits = []model.LoadLimit{{Name: "mem", Soft: 4, Hard: int64(w.between(5, 9))}}
		}
		if w.opt.Fence && !n.server {
			record.Fence = &model.Fence{Agent: "fence_sim"}
		}
		conf[confdb.KeyNode(n.name)] = stored(confdb.KindNode, record)
		if !n.server {
			all = append(all, n.name)
		}
	}
	group := func(name cluster.GroupName, primaries int) model.Group {
		g := model.Group{
			Name: name, MaximumPrimaries: primaries, DesiredPrimaries: primaries, Failback: w.chance(300), PingpongInterval: 4,
			AutoStartOnNewCluster: w.chance(800), ImplicitNetworkDependencies: w.chance(900), Managed: true,
		}
		for _, i := range w.rng.Perm(nodes) {
			g.Nodelist = append(g.Nodelist, all[i])
		}
		if nodes > 2 && w.chance(300) {
			g.Nodelist = g.Nodelist[:nodes-1]
		}
		w.bind(&g)
		w.op.groups = append(w.op.groups, g)
		conf[confdb.KeyGroup(name)] = stored(confdb.KindGroup, g)
		return g
	}
	resource := func(g model.Group, name cluster.ResourceName, t cluster.TypeName, on ...cluster.ResourceName) {
		modes := []model.FailoverMode{model.FailoverSoft, model.FailoverSoft, model.FailoverHard, model.FailoverNone, model.FailoverRestartOnly, model.FailoverLogOnly}
		r := model.Resource{
			Name: name, Group: g.Name, Type: t, Enabled: true, Monitored: w.chance(800), FailoverMode: modes[w.rng.IntN(len(modes))],
			RetryCount: w.rng.IntN(3), RetryInterval: 5, Generation: 1,
		}
		kinds := []model.DependencyKind{model.DependStrong, model.DependStrong, model.DependRestart, model.DependWeak, model.DependOfflineRestart}
		for _, o := range on {
			r.Dependencies = append(r.Dependencies, model.Dependency{On: o, Kind: kinds[w.rng.IntN(len(kinds))]})
		}
		w.op.resources = append(w.op.resources, r)
		conf[confdb.KeyResource(name)] = stored(confdb.KindResource, r)
	}
	web := group("web", 1)
	resource(web, "web-ip", "address")
	resource(web, "web", "service")
	db := group("db", 1)
	resource(db, "db-disk", "storage")
	resource(db, "db-ip", "address")
	resource(db, "db", "service", "db-disk")
	resource(db, "db-log", "plain", "db")
	farm := group("farm", min(2, nodes))
	resource(farm, "farm", "plain")
	lone := group("lone", 1)
	resource(lone, "lone", "plain")
	if w.scalable {
		w.scale(conf, group, resource)
	}
	for range 2 {
		w.across(conf)
	}
	return conf
}

// across makes, sometimes, a resource depend on one of a group that was there before its own: so there is no circle.
func (w *World) across(conf map[string]any) {
	kinds := []model.DependencyKind{model.DependStrong, model.DependWeak, model.DependRestart, model.DependRestart, model.DependOfflineRestart}
	qualifiers := []string{"", "", model.AnyNode, model.LocalNode, "@n2"}
	place := func(r model.Resource) int {
		return slices.IndexFunc(w.op.groups, func(g model.Group) bool { return g.Name == r.Group })
	}
	from, on := w.rng.IntN(len(w.op.resources)), w.op.resources[w.rng.IntN(len(w.op.resources))]
	r := &w.op.resources[from]
	if w.chance(500) || place(on) >= place(*r) || slices.ContainsFunc(r.Dependencies, func(d model.Dependency) bool { return d.On == on.Name }) {
		return
	}
	d := model.Dependency{On: on.Name, Kind: kinds[w.rng.IntN(len(kinds))], Qualifier: qualifiers[w.rng.IntN(len(qualifiers))]}
	r.Dependencies = append(slices.Clone(r.Dependencies), d)
	conf[confdb.KeyResource(r.Name)] = stored(confdb.KindResource, *r)
}

// bind gives a group a load, a priority and, sometimes, ties to a group that is there already.
func (w *World) bind(g *model.Group) {
	modes := []model.PreemptionMode{"", "", model.PreemptionNoCost, model.PreemptionNever}
	g.Priority, g.PreemptionMode = 100*w.rng.IntN(10), modes[w.rng.IntN(len(modes))]
	if w.chance(500) {
		g.LoadFactors = []model.LoadFactor{{Name: "mem", Load: int64(w.between(1, 5))}}
	}
	if len(w.op.groups) == 0 || w.chance(400) {
		return
	}
	kinds := []model.AffinityKind{model.AffinityPrefer, model.AffinityRequire, model.AffinityDelegate, model.AffinityAvoid, model.AffinityForbid}
	target := w.op.groups[w.rng.IntN(len(w.op.groups))]
	shared := slices.ContainsFunc(g.Nodelist, func(n cluster.NodeName) bool { return slices.Contains(target.Nodelist, n) })
	if kind := kinds[w.rng.IntN(len(kinds))]; shared || !kind.Strong() {
		g.Affinities = []model.Affinity{{Kind: kind, Target: target.Name}}
	}
	if w.chance(250) {
		g.Dependencies = []cluster.GroupName{target.Name}
	}
}

// found writes the first revision.
func (s *store) found(rec membership.Record, conf map[string]any) {
	for k, v := range conf {
		s.keys[k] = entry{v, 1}
	}
	s.keys[confdb.KeyMembership] = entry{stored(confdb.KindMembership, rec), 1}
	s.log = append(s.log, commit{record: true, snap: s.snapshot(s.keys, 1), keys: s.keys})
	for _, x := range s.seats {
		x.have = 1
	}
}

// mood is how methods behave at the moment.
type mood struct {
	fail, hang int           // per mille
	slow       time.Duration // a method takes up to this long
}

// outcome is how long a method takes and how it ends.
func (m mood) outcome(w *World, a life.Run) (time.Duration, life.Outcome) {
	took := w.between(2*time.Millisecond, 60*time.Millisecond+m.slow)
	switch {
	case w.chance(m.hang):
		return a.Timeout, life.Outcome{TimedOut: true, Exit: 137}
	case w.chance(m.fail):
		return took, life.Outcome{Exit: 1, Message: "planted"}
	}
	return took, life.Outcome{OK: true}
}
