package engine

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/membership"
	"redoubt/internal/rgm/model"
)

// crew is the membership machine of a node that follows the record, without heartbeats.
type crew struct {
	self cluster.NodeName
	mu   sync.Mutex
	rec  *membership.Record
	gone []membership.NodeIncarnation
}

func (c *crew) Step(_ membership.Instant, ev membership.Event) []membership.Effect {
	if a, ok := ev.(membership.Applied); ok {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.rec == nil || a.Record.Epoch > c.rec.Epoch {
			c.rec = a.Record
		}
	}
	return []membership.Effect{membership.ViewChanged{}}
}

func (c *crew) Deadline() membership.Instant { return bubble{}.Boot().Add(int64(24 * time.Hour)) }

func (c *crew) View() membership.View {
	c.mu.Lock()
	defer c.mu.Unlock()
	v := membership.View{Self: c.self, Record: c.rec, Gone: c.gone, LeaseEnd: bubble{}.Boot().Add(int64(24 * time.Hour))}
	if c.rec != nil {
		v.Me, v.IsMember = c.rec.Member(c.self)
		v.President = v.IsMember && c.rec.President == c.self
	}
	return v
}

func (c *crew) Send(cluster.NodeName, membership.Message) {}
func (c *crew) Lease(membership.Instant) error            { return nil }

// bill is what somebody has asked of the repository.
type bill struct {
	txns, ops, compares, bytes, reads int
	longest                           int // operations of the longest transaction
}

// ledger is the repository as one of the loops sees it: a transaction or a read takes its time, and is counted.
type ledger struct {
	confdb.Store
	f    *fleet
	bill *bill
}

func (l ledger) Txn(ctx context.Context, compares []confdb.Compare, ops []confdb.Op) (cluster.Revision, error) {
	time.Sleep(l.f.latency)
	l.f.mu.Lock()
	b := l.bill
	b.txns, b.ops, b.compares, b.longest = b.txns+1, b.ops+len(ops), b.compares+len(compares), max(b.longest, len(ops))
	for _, o := range ops {
		b.bytes += len(o.Value)
	}
	l.f.mu.Unlock()
	return l.Store.Txn(ctx, compares, ops)
}

func (l ledger) Get(ctx context.Context, key string) (confdb.Entry, error) {
	l.read()
	return l.Store.Get(ctx, key)
}

func (l ledger) Read(ctx context.Context, prefix string) (confdb.Snapshot, error) {
	l.read()
	return l.Store.Read(ctx, prefix)
}

func (l ledger) read() {
	time.Sleep(l.f.latency)
	l.f.mu.Lock()
	l.bill.reads++
	l.f.mu.Unlock()
}

// fleet is a cluster whose groups run, spread evenly, each with a chain of resources.
type fleet struct {
	t       testing.TB
	store   *confdb.Memory
	latency time.Duration // of the repository
	stage   *stage
	names   []cluster.NodeName
	crews   map[cluster.NodeName]*crew
	members map[cluster.NodeName]*Member
	stops   map[cluster.NodeName]context.CancelFunc
	mirrors map[cluster.NodeName]*Mirror
	doers   map[cluster.NodeName]*Executor
	rec     membership.Record
	loops   sync.WaitGroup

	mu               sync.Mutex
	president, nodes bill
}

func newFleet(t testing.TB, nodes, groups, resources int) *fleet {
	f := &fleet{
		t: t, store: confdb.NewMemory(), latency: 5 * time.Millisecond, stage: &stage{takes: 20 * time.Millisecond},
		crews: map[cluster.NodeName]*crew{}, members: map[cluster.NodeName]*Member{}, stops: map[cluster.NodeName]context.CancelFunc{},
		mirrors: map[cluster.NodeName]*Mirror{}, doers: map[cluster.NodeName]*Executor{},
	}
	timing, _ := cluster.ProfileTiming("default")
	f.rec = membership.Record{Epoch: 5, Formation: 5, President: "n01", VoterEpoch: 1, Timing: timing}
	var ops []confdb.Op
	put := func(key string, kind confdb.Kind, spec any) {
		value, err := confdb.Encode(kind, spec)
		if err != nil {
			t.Fatal(err)
		}
		ops = append(ops, confdb.Op{Key: key, Value: value})
	}
	put(confdb.KeySchema, confdb.KindSchema, model.Schema{Level: confdb.Newest()})
	put(confdb.KeyCluster, confdb.KindCluster, model.Cluster{Name: "demo", ID: "abcd"})
	put(confdb.KeyType("t"), confdb.KindType, model.Type{Name: "t", Methods: []model.MethodSpec{{Method: model.MethodStart}, {Method: model.MethodStop}}})
	for i := range nodes {
		n := cluster.NodeName(fmt.Sprintf("n%02d", i+1))
		f.names = append(f.names, n)
		f.rec.Members = append(f.rec.Members, membership.Member{Node: n, Incarnation: life1(1), Since: 5})
		f.rec.Voters = append(f.rec.Voters, membership.Voter{Node: n})
		put(confdb.KeyNode(n), confdb.KindNode, model.Node{Name: n, ID: i + 1})
	}
	put(confdb.KeyMembership, confdb.KindMembership, f.rec)
	for i := range groups {
		g := model.Group{
			Name: cluster.GroupName(fmt.Sprintf("g%04d", i)), Managed: true, MaximumPrimaries: 1, DesiredPrimaries: 1, Priority: model.DefaultPriority, AutoStartOnNewCluster: true,
			Nodelist: slices.Concat(f.names[i%nodes:], f.names[:i%nodes]),
		}
		put(confdb.KeyGroup(g.Name), confdb.KindGroup, g)
		put(confdb.KeyWant(g.Name), confdb.KindWant, model.Want{Group: g.Name, Seq: 1, Online: true})
		put(confdb.KeyAssign(g.Name), confdb.KindAssignment, model.Assignment{
			Group: g.Name, Version: 3, Epoch: 5, Formation: 5, WantSeq: 1, Targets: []model.Target{{Node: g.Nodelist[0], Incarnation: life1(1)}}, Wanted: g.Nodelist[:1],
		})
		up := model.Instance{Node: g.Nodelist[0], Group: g.Name, Incarnation: life1(1), State: model.GroupOnline, Version: 3}
		for k := range resources {
			r := model.Resource{Name: cluster.ResourceName(fmt.Sprintf("%s-%d", g.Name, k)), Group: g.Name, Type: "t", Enabled: true}
			if k > 0 {
				r.Dependencies = []model.Dependency{{On: up.Resources[k-1].Name, Kind: model.DependStrong}}
			}
			put(confdb.KeyResource(r.Name), confdb.KindResource, r)
			up.Resources = append(up.Resources, model.ResourceInstance{Name: r.Name, State: model.ResourceOnline, Status: model.StatusOnline, Starts: 1})
		}
		put(confdb.KeyInstance(up.Node, g.Name), confdb.KindInstance, up)
	}
	if _, err := f.store.Txn(context.Background(), nil, ops); err != nil {
		t.Fatal(err)
	}
	for _, n := range f.names {
		f.start(n)
	}
	return f
}

// start runs the loops of a node.
func (f *fleet) start(n cluster.NodeName) {
	ctx, stop := context.WithCancel(context.Background())
	cfg := Config{Node: n, Clock: bubble{}, Log: slog.New(slog.DiscardHandler)}
	c := &crew{self: n}
	mirror := NewMirror(f.store, cfg.Log)
	member := NewMember(cfg, c, c, c, f.store)
	f.crews[n], f.members[n], f.stops[n] = c, member, stop
	x := NewExecutor(cfg, life1(1), member, mirror, ledger{f.store, f, &f.nodes}, f.stage, f.stage)
	f.mirrors[n], f.doers[n] = mirror, x
	p := NewPresident(cfg, member, mirror, ledger{f.store, f, &f.president}, nil)
	for _, run := range []func(context.Context) error{mirror.Run, member.Run, x.Run, p.Run} {
		f.loops.Go(func() { _ = run(ctx) })
	}
}

func (f *fleet) end() {
	for _, stop := range f.stops {
		stop()
	}
	f.loops.Wait()
}

// caughtUp reports whether every member has read all that there is, has acted on it, and has reported what came of it.
func (f *fleet) caughtUp() bool {
	newest, err := f.store.Read(context.Background(), "nothing/")
	if err != nil {
		f.t.Fatal(err)
	}
	return !slices.ContainsFunc(f.rec.Members, func(m membership.Member) bool {
		x, snap := f.doers[m.Node], f.mirrors[m.Node].Snapshot()
		return snap.State.Basis.Revision < newest.Revision || !x.ask(context.Background(), func() bool { return x.snap.Serial == snap.Serial && len(x.stale) == 0 && x.quiet() })
	})
}

// settle waits until everybody has caught up and nobody has written anything for a while, and forgets what was written.
func (f *fleet) settle() (president, nodes bill) {
	for last, sum := -1, 0; sum != last || !f.caughtUp(); {
		last = sum
		time.Sleep(1500 * time.Millisecond)
		f.mu.Lock()
		sum = f.president.txns + f.nodes.txns + f.nodes.reads
		f.mu.Unlock()
	}
	return f.bills()
}

// bills are what was written since they were asked for last.
func (f *fleet) bills() (president, nodes bill) {
	f.mu.Lock()
	defer f.mu.Unlock()
	president, nodes = f.president, f.nodes
	f.president, f.nodes = bill{}, bill{}
	return president, nodes
}

// record writes the next membership record.
func (f *fleet) record(change func(*membership.Record)) {
	next := f.rec.Clone()
	next.Epoch++
	change(next)
	f.rec = *next
	value, err := confdb.Encode(confdb.KindMembership, *next)
	if err == nil {
		_, err = f.store.Txn(context.Background(), nil, []confdb.Op{{Key: confdb.KeyMembership, Value: value}})
	}
	if err != nil {
		f.t.Fatal(err)
	}
}

// dies takes the last node away: it is removed, and released when its promises have run out, a moment before the record says so.
func (f *fleet) dies() cluster.NodeName {
	n := f.names[len(f.names)-1]
	f.stops[n]()
	f.record(func(r *membership.Record) {
		r.Members = slices.DeleteFunc(r.Members, func(m membership.Member) bool { return m.Node == n })
		r.Leaving = append(r.Leaving, membership.Leaver{Node: n, Incarnation: life1(1)})
	})
	time.Sleep(450 * time.Millisecond)
	for _, o := range f.names {
		c := f.crews[o]
		c.mu.Lock()
		c.gone = append(c.gone, membership.NodeIncarnation{Node: n, Incarnation: life1(1)})
		rec := c.rec
		c.mu.Unlock()
		if o != n {
			f.members[o].Deliver(bubble{}.Boot(), membership.Applied{Record: rec})
		}
	}
	time.Sleep(30 * time.Millisecond)
	f.record(func(r *membership.Record) { r.Leaving = nil })
	return n
}

// offline is how many groups are not reported online on a member.
func (f *fleet) offline() int {
	s := f.mirrors[f.rec.President].Snapshot()
	members, left := lives(s), len(s.State.Groups)
	for k, last := 0, cluster.GroupName(""); k < len(s.State.Instances); k++ {
		i := &s.State.Instances[k]
		if i.State == model.GroupOnline && i.Group != last && members[i.Node] == i.Incarnation {
			left, last = left-1, i.Group
		}
	}
	return left
}

// When a node dies, what is written is in proportion to what ran on it, not to what there is: the assignments of its groups twice (they leave it, and they go elsewhere), and what the nodes report that take them, many
// in one transaction.
func TestNodeDeathWritesWhatMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const moved = 20
		f := newFleet(t, 6, 6*moved, 3)
		defer f.end()
		f.settle()
		f.dies()
		president, nodes := f.settle()
		if n := f.offline(); n > 0 {
			t.Errorf("%d groups are not online", n)
		}
		t.Logf("president %+v, nodes %+v", president, nodes)
		if president.ops > 2*moved || president.txns > 4 {
			t.Errorf("the president wrote %d assignments in %d transactions for %d groups that moved", president.ops, president.txns, moved)
		}
		// Each of the five takes four groups: it reports each change of a chain of three starts at most, and knows the revisions of its keys.
		if nodes.ops > 8*moved || nodes.txns > 5*10 || nodes.reads > 0 {
			t.Errorf("the nodes wrote %d reports in %d transactions and read %d times for %d groups that moved", nodes.ops, nodes.txns, nodes.reads, moved)
		}
	})
}

// A node that comes finds out with few reads at which revisions its reports stand, however many groups there are.
func TestReporterReadsItsKeysTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fleet{t: t, store: confdb.NewMemory(), latency: time.Millisecond}
		r := newReporter(Config{Node: "n1", Log: slog.New(slog.DiscardHandler)}, ledger{f.store, f, &f.nodes})
		ctx, stop := context.WithCancel(t.Context())
		f.loops.Go(func() { r.run(ctx) })
		report := func(state model.GroupState) {
			for i := range 250 {
				g := cluster.GroupName(fmt.Sprintf("g%03d", i))
				r.put(confdb.KeyInstance("n1", g), model.Instance{Node: "n1", Group: g, State: state})
			}
			time.Sleep(time.Second)
			if !r.idle() {
				t.Error("not everything is reported")
			}
		}
		// The first batch may have a few keys only, which are asked for one by one.
		report(model.GroupOffline)
		if _, b := f.bills(); b.ops != 250 || b.txns > 4 || b.reads > fewGets+3 {
			t.Errorf("what was new cost %+v", b)
		}
		// The next daemon finds what the one before has written.
		stop()
		f.loops.Wait()
		r = newReporter(r.cfg, r.store)
		ctx, stop = context.WithCancel(t.Context())
		defer func() { stop(); f.loops.Wait() }()
		f.loops.Go(func() { r.run(ctx) })
		report(model.GroupOnline)
		if _, b := f.bills(); b.ops != 250 || b.txns > 4 || b.reads > fewGets+1 {
			t.Errorf("what was there cost %+v", b)
		}
	})
}

// processor is the time that this process has had of the processors.
func processor(t testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkNodeDeath counts what is written from the death of one of 16 nodes with 1,000 groups of five resources until all groups are online elsewhere and nothing is written any more, and what that takes of
// the processor on all nodes together; also what it takes them to begin, each with 1,000 groups of which it reports what they are.
func BenchmarkNodeDeath(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		began := processor(b)
		f := newFleet(b, 16, 1000, 5)
		f.settle()
		ready := processor(b)
		b.StartTimer()
		f.dies()
		for f.offline() > 0 {
			time.Sleep(5 * time.Millisecond)
		}
		b.StopTimer()
		president, nodes := f.settle()
		over := processor(b)
		f.end()
		b.ReportMetric((ready - began).Seconds(), "begin-cpu-s")
		b.ReportMetric((over - ready).Seconds(), "death-cpu-s")
		for what, n := range map[string]int{
			"president-txns": president.txns, "president-ops": president.ops, "president-longest-ops": president.longest, "president-bytes": president.bytes,
			"node-txns": nodes.txns, "node-ops": nodes.ops, "node-reads": nodes.reads,
		} {
			b.ReportMetric(float64(n), what)
		}
		b.StartTimer()
	}
}

// What was planned before a group was suspended is not written any more: whoever was told that nothing of it is on its way relies on that.
func TestPlanOfBeforeASuspensionDoesNotHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 3, 3, 1)
		f.settle()
		f.end()
		ctx := context.Background()
		read := func() *Mirror {
			m := NewMirror(f.store, slog.New(slog.DiscardHandler))
			all, err := f.store.Read(ctx, confdb.Root)
			if err != nil {
				t.Fatal(err)
			}
			m.publish(m.absorb(confdb.Change{Reset: &all}))
			return m
		}
		f.record(func(r *membership.Record) {
			r.Members = slices.DeleteFunc(r.Members, func(m membership.Member) bool { return m.Node == "n03" })
		})
		before := read()
		suspend := func(suspended bool) {
			g := before.Snapshot().State.Groups[2]
			g.Suspended = suspended
			value, err := confdb.Encode(confdb.KindGroup, g)
			if err == nil {
				_, err = f.store.Txn(ctx, nil, []confdb.Op{{Key: confdb.KeyGroup(g.Name), Value: value}})
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		plan := func(m *Mirror) []model.Target {
			c := &crew{self: "n01", rec: &f.rec}
			cfg := Config{Node: "n01", Clock: bubble{}, Log: slog.New(slog.DiscardHandler)}
			NewPresident(cfg, NewMember(cfg, c, c, c, f.store), m, f.store, nil).plan(ctx)
			return read().Snapshot().State.Assignments[2].Targets
		}
		suspend(true)
		if at := plan(before); at[0].Node != "n03" {
			t.Errorf("a plan of before the suspension put the group on %v", at)
		}
		suspend(false)
		if at := plan(read()); len(at) != 1 || at[0].Node == "n03" {
			t.Errorf("nothing is against the plan, and the group is on %v", at)
		}
	})
}
