package control_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/internal/agent"
	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/control"
	"redoubt/internal/engine"
	"redoubt/internal/fault"
	"redoubt/internal/membership"
	"redoubt/internal/rgm/model"
)

// world is a cluster in memory: the real loops of the engine on every node, over one repository, with a membership that does what the test says and
// drivers that play the services.
type world struct {
	t     *testing.T
	ctx   context.Context
	stop  context.CancelFunc
	done  sync.WaitGroup
	store *confdb.Memory
	nodes map[cluster.NodeName]*node
	acts  *stage

	mu  sync.Mutex
	cut map[cluster.NodeName]bool          // their API does not answer
	lag map[cluster.NodeName]time.Duration // they hear of changes of the repository so much later
	// heard, if it is there, is told of each request to a node; an error is the answer.
	heard func(to cluster.NodeName, operation string, in any) error
}

// late is the repository as a node sees it that is behind.
type late struct {
	confdb.Store
	w    *world
	node cluster.NodeName
}

// Watch implements confdb.Store.
func (l late) Watch(ctx context.Context, prefix string) <-chan confdb.Change {
	in, out := l.Store.Watch(ctx, prefix), make(chan confdb.Change)
	l.w.done.Go(func() {
		defer close(out)
		for c := range in {
			l.w.mu.Lock()
			behind := l.w.lag[l.node]
			l.w.mu.Unlock()
			// No timer for nothing: of those that are due at once, two in one bubble crash the race detector (they share its state).
			if behind > 0 {
				select {
				case <-time.After(behind):
				case <-ctx.Done():
					return
				}
			}
			select {
			case out <- c:
			case <-ctx.Done():
				return
			}
		}
	})
	return out
}

// node is one node of the world.
type node struct {
	name     cluster.NodeName
	control  *control.Control
	machine  *machine
	member   *engine.Member
	executor *engine.Executor
	mirror   *engine.Mirror
	stop     context.CancelFunc
	left     chan string
	facts    v1.NodeFacts
	source   map[netip.Addr]netip.Addr // with which of its addresses it reaches others
}

var root = control.Caller{Kind: control.CallerLocal, User: "root"}

// clock is the time of the bubble.
type clock struct{}

func (clock) Boot() membership.Instant { return membership.Instant(time.Now().UnixNano()) }
func (clock) Wall() time.Time          { return time.Now() }

// machine is a membership that follows the record and grants every request, without heartbeats.
type machine struct {
	self  cluster.NodeName
	inc   cluster.Incarnation
	mu    sync.Mutex
	rec   *membership.Record
	lost  map[cluster.NodeName]bool                 // not heard
	paths map[int]bool                              // paths that are down
	weak  bool                                      // no lease
	late  bool                                      // its lease has run out
	bare  map[cluster.NodeName]membership.CopyState // whose copies of the repository are not usable
}

func (m *machine) Step(_ membership.Instant, ev membership.Event) []membership.Effect {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch e := ev.(type) {
	case membership.Applied:
		if m.rec == nil || e.Record.Epoch > m.rec.Epoch {
			m.rec = e.Record
		}
		return []membership.Effect{membership.ViewChanged{}}
	case membership.Request:
		next := m.rec.Clone()
		next.Epoch++
		switch a := e.Ask.(type) {
		case membership.AskTiming:
			next.Timing = a.Timing
		case membership.AskRemove:
			next.Members = slices.DeleteFunc(next.Members, func(x membership.Member) bool { return x.Node == a.Node })
		}
		return []membership.Effect{membership.Propose{Basis: m.rec.Epoch, Record: next}}
	}
	return nil
}

func (m *machine) Deadline() membership.Instant { return clock{}.Boot().Add(int64(time.Hour)) }

func (m *machine) View() membership.View {
	m.mu.Lock()
	defer m.mu.Unlock()
	own := func(n cluster.NodeName) membership.Copy {
		if s, ok := m.bare[n]; ok {
			return membership.Copy{State: s}
		}
		return membership.Copy{State: membership.CopyUsable}
	}
	v := membership.View{Self: m.self, Record: m.rec, Copy: own(m.self)}
	if m.rec == nil {
		return v
	}
	me, ok := m.rec.Member(m.self)
	v.Me, v.IsMember = me, ok && me.Incarnation == m.inc
	v.President = v.IsMember && m.rec.President == m.self
	if !m.weak {
		v.LeaseEnd = clock{}.Boot().Add(int64(24 * time.Hour))
	}
	if m.late {
		v.LeaseEnd = clock{}.Boot()
	}
	for _, o := range []cluster.NodeName{"n1", "n2", "n3", "n4", "q1"} {
		if o == m.self {
			continue
		}
		heard := clock{}.Boot().Add(int64(24 * time.Hour)) // whoever is not lost is heard all the time
		if m.lost[o] {
			heard = 1
		}
		v.Peers = append(v.Peers, membership.Peer{Node: o, LastHeard: heard, Copy: own(o)})
		for p := range 2 {
			v.Paths = append(v.Paths, membership.PathState{Node: o, Path: p, Up: !m.lost[o] && !m.paths[p]})
		}
	}
	return v
}

// poke makes a member's loop publish its view again after the test changed the machine.
func (w *world) poke(n *node, f func(*machine)) {
	w.t.Helper()
	n.machine.mu.Lock()
	f(n.machine)
	rec := n.machine.rec
	n.machine.mu.Unlock()
	if err := n.member.Do(w.ctx, func() {}); err != nil {
		w.t.Fatal(err)
	}
	n.member.Deliver(clock{}.Boot(), membership.Applied{Record: rec})
	synctest.Wait()
}

// stage is the driver of all nodes: what the methods of resources do.
type stage struct {
	mu      sync.Mutex
	scripts map[string]func(agent.Call) agent.Result // "RESOURCE METHOD" or "RESOURCE METHOD NODE"
	hangs   string                                   // "RESOURCE METHOD" that ends only when it is killed
	log     []string
	calls   []agent.Call
}

// script says what a method does; nil is success again.
func (s *stage) script(what string, f func(agent.Call) agent.Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f == nil {
		delete(s.scripts, what)
		return
	}
	s.scripts[what] = f
}

func (s *stage) fail(what, message string) {
	s.script(what, func(agent.Call) agent.Result { return agent.Result{Exit: 1, Message: message} })
}

// ran returns and forgets the methods that ran, "METHOD RESOURCE NODE".
func (s *stage) ran() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.log
	s.log = nil
	return out
}

func (s *stage) Driver(string) (agent.Driver, bool) { return s, true }

func (s *stage) Describe(_ context.Context, name cluster.TypeName) (model.Type, error) {
	return model.Type{}, fault.Errorf(fault.NotFound, "type %s is not installed", name)
}

func (s *stage) Run(ctx context.Context, call agent.Call) agent.Result {
	s.mu.Lock()
	s.log = append(s.log, string(call.Method)+" "+string(call.Resource.Name)+" "+string(call.Node))
	s.calls = append(s.calls, call)
	f := s.scripts[string(call.Resource.Name)+" "+string(call.Method)+" "+string(call.Node)]
	if f == nil {
		f = s.scripts[string(call.Resource.Name)+" "+string(call.Method)]
	}
	hangs := s.hangs == string(call.Resource.Name)+" "+string(call.Method)
	s.mu.Unlock()
	if hangs {
		<-ctx.Done()
		return agent.Result{Exit: 137, Aborted: true}
	}
	if f != nil {
		return f(call)
	}
	select {
	case <-time.After(10 * time.Millisecond):
		return agent.Result{}
	case <-ctx.Done():
		return agent.Result{Exit: 1, Aborted: true}
	}
}

func (s *stage) Watch(context.Context, agent.Call, func(agent.Observation)) {}
func (s *stage) End(context.Context, agent.Call) error                      { return nil }
func (s *stage) Halt(string)                                                {}

func bound(n int64) *int64 { return &n }

// installed are the types that the nodes have on disk.
func installed() []model.Type {
	all := []model.MethodSpec{{Method: model.MethodValidate}, {Method: model.MethodInit}, {Method: model.MethodFini}, {Method: model.MethodStart, Timeout: 30}, {Method: model.MethodStop, Timeout: 30}, {Method: model.MethodUpdate}, {Method: model.MethodMonitorCheck}, {Method: model.MethodBoot}}
	return []model.Type{
		{
			Name: "redoubt.web", Version: "1", Driver: "exec", BaseDir: "/types/redoubt.web", Failover: true, Methods: all, Properties: []model.PropertySpec{
				{Name: "Start_command", Type: model.TypeString, Required: true, Min: bound(1), Tunable: model.TunableWhenDisabled},
				{Name: "Port_list", Type: model.TypeStringArray, Default: []string{}, Tunable: model.TunableAnytime},
				{Name: "Level", Type: model.TypeInt, Default: []string{"3"}, Min: bound(0), Max: bound(9), Tunable: model.TunableAnytime, PerNode: true},
				{Name: "Verbose", Type: model.TypeBool, Default: []string{"false"}, Tunable: model.TunableAnytime},
				{Name: "Password", Type: model.TypeString, Tunable: model.TunableAnytime, Secret: true},
			},
		},
		{Name: "redoubt.proxy", Version: "1", Driver: "exec", BaseDir: "/types/redoubt.proxy", Proxy: true, Methods: []model.MethodSpec{{Method: model.MethodPrenetStart}, {Method: model.MethodPostnetStop}}},
		{Name: "redoubt.many", Version: "2", Driver: "exec", BaseDir: "/types/redoubt.many", Methods: all[3:5]},
		{
			Name: "redoubt.logicalhostname", Driver: "native", Failover: true, NetworkAddress: true, Methods: all[3:5],
			Properties: []model.PropertySpec{
				{Name: "Address", Type: model.TypeStringArray, Default: []string{}, Unique: true, Tunable: model.TunableWhenDisabled},
				{Name: "Hostnames", Type: model.TypeStringArray, Default: []string{}, Unique: true, Tunable: model.TunableWhenDisabled},
				{Name: "Netif", Type: model.TypeStringArray, Default: []string{}, Tunable: model.TunableWhenDisabled},
			},
		},
	}
}

// local, types and peers are a node's ports.
type local struct {
	w *world
	n *node
}

func (l local) Create(context.Context, v1.ClusterCreate) (v1.ClusterCreated, error) {
	return v1.ClusterCreated{Name: "demo"}, nil
}
func (l local) Join(context.Context, v1.NodeJoin) (v1.Result, error) { return v1.Result{}, nil }
func (l local) Leave(_ context.Context, why string, _ bool) error    { l.n.left <- why; return nil }
func (l local) Facts(context.Context) (v1.NodeFacts, error) {
	if l.n == nil {
		return v1.NodeFacts{}, nil // of a machine in no cluster
	}
	return l.n.facts, nil
}

func (l local) PublicAddress(_ context.Context, toward netip.Addr) (netip.Addr, error) {
	a, ok := l.n.source[toward]
	if !ok {
		return a, fault.Errorf(fault.Unavailable, "this host has no way to %s", toward)
	}
	return a, nil
}

func (l local) Sign(_ context.Context, in v1.NodeAdmit, n model.Node, _ []netip.Addr) (control.Signed, error) {
	return control.Signed{Certificate: []byte("certificate of " + in.Node), Authority: []byte("authority"), Fingerprint: "SHA256:" + in.Node, Extra: []byte("extra")}, nil
}

type types struct {
	w    *world
	node cluster.NodeName
}

func (t types) Describe(_ context.Context, name cluster.TypeName, _ string) (model.Type, error) {
	for _, x := range installed() {
		if x.Name == name && (name != "redoubt.many" || t.node != "n3") {
			if name == "redoubt.many" && t.node == "n2" {
				x.Version = "1"
			}
			return x, nil
		}
	}
	return model.Type{}, fault.Errorf(fault.NotFound, "resource type %s is not installed on node %s", name, t.node)
}

func (t types) Run(ctx context.Context, call agent.Call) agent.Result { return t.w.acts.Run(ctx, call) }

type peers struct {
	w    *world
	self cluster.NodeName
}

// Call carries a call as the wire would: as JSON to the method that the table names.
func (p peers) Call(ctx context.Context, to cluster.NodeName, noun, verb string, in, out any) error {
	p.w.mu.Lock()
	cut, heard := p.w.cut[to], p.w.heard
	p.w.mu.Unlock()
	if heard != nil {
		if err := heard(to, noun+" "+verb, in); err != nil {
			return err
		}
	}
	n, ok := p.w.nodes[to]
	if cut || !ok {
		return fault.Errorf(fault.Unavailable, "node %s can not be reached", to)
	}
	m := reflect.ValueOf(n.control).MethodByName(camel(noun) + camel(verb))
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	input := reflect.New(m.Type().In(2))
	if err := json.Unmarshal(body, input.Interface()); err != nil {
		return err
	}
	who := control.Caller{Kind: control.CallerNode, Node: p.self}
	results := m.Call([]reflect.Value{reflect.ValueOf(ctx), reflect.ValueOf(who), input.Elem()})
	if err, _ := results[1].Interface().(error); err != nil {
		return err
	}
	if body, err = json.Marshal(results[0].Interface()); err != nil {
		return err
	}
	return json.Unmarshal(body, out)
}

func camel(name string) string {
	var b strings.Builder
	for part := range strings.FieldsFuncSeq(name, func(r rune) bool { return r == '-' || r == '_' }) {
		b.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return b.String()
}

// inWorld runs a test in a world of its own with nodes n1 (president), n2 and n3.
func inWorld(t *testing.T, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		w := &world{
			t: t, ctx: ctx, stop: stop, store: confdb.NewMemory(), nodes: map[cluster.NodeName]*node{}, cut: map[cluster.NodeName]bool{}, lag: map[cluster.NodeName]time.Duration{},
			acts: &stage{scripts: map[string]func(agent.Call) agent.Result{}},
		}
		defer func() { stop(); w.done.Wait(); synctest.Wait() }()
		w.found("n1", "n2", "n3")
		f(w)
	})
}

// found writes the first records and starts the nodes.
func (w *world) found(names ...cluster.NodeName) {
	w.t.Helper()
	timing, _ := cluster.ProfileTiming("default")
	rec := membership.Record{Epoch: 5, Formation: 5, President: names[0], Timing: timing, VoterEpoch: 1}
	w.put(confdb.KeySchema, confdb.KindSchema, model.Schema{Level: confdb.Newest()})
	w.put(confdb.KeyCluster, confdb.KindCluster, model.Cluster{
		Name: "demo", ID: "abcd", PrivateNet: "172.31.0.0/24",
		Interconnects: []model.Interconnect{{Index: 0, Network: "10.1.0.0/24"}, {Index: 1, Network: "10.2.0.0/24"}},
	})
	for i, n := range names {
		number := string(rune('1' + i))
		w.put(confdb.KeyNode(n), confdb.KindNode, model.Node{
			Name: n, ID: i + 1, Addresses: []string{"10.1.0." + number, "10.2.0." + number}, PrivateAddress: "172.31.0." + number, Certificate: "SHA256:" + string(n),
			Keys: map[string]string{model.KeySecret: "key of " + string(n)},
		})
		rec.Members = append(rec.Members, membership.Member{Node: n, Incarnation: incarnation(n), Since: 5})
		rec.Voters = append(rec.Voters, membership.Voter{Node: n})
	}
	w.put(confdb.KeyMembership, confdb.KindMembership, rec)
	for _, n := range names {
		w.start(n, incarnation(n))
	}
	synctest.Wait()
}

func incarnation(n cluster.NodeName) cluster.Incarnation {
	return cluster.Incarnation{Number: 1, Tag: string(n)}
}

// start runs the loops of a node.
func (w *world) start(name cluster.NodeName, inc cluster.Incarnation) {
	ctx, stop := context.WithCancel(w.ctx)
	n := &node{name: name, stop: stop, left: make(chan string, 1), machine: &machine{self: name, inc: inc, lost: map[cluster.NodeName]bool{}, paths: map[int]bool{}}}
	n.facts = v1.NodeFacts{Node: string(name), CertificateExpires: time.Now().AddDate(1, 0, 0), AuthorityExpires: time.Now().AddDate(20, 0, 0), SchemaOldest: confdb.OldestLevel, SchemaNewest: confdb.Newest(), FreeBytes: 1 << 40, Addresses: []string{"10.3.0." + string(name[1:]) + "/24"}}
	logger := slog.New(slog.DiscardHandler)
	cfg := engine.Config{Node: name, Clock: clock{}, Log: logger}
	n.mirror = engine.NewMirror(late{w.store, w, name}, logger)
	n.member = engine.NewMember(cfg, n.machine, nobody{}, nobody{}, w.store)
	gate := confdb.Gate{Store: w.store, Agreed: func() int { return n.mirror.Snapshot().Schema }}
	n.executor = engine.NewExecutor(cfg, inc, n.member, n.mirror, gate, w.acts, w.acts)
	president := engine.NewPresident(cfg, n.member, n.mirror, gate, nil)
	asks := engine.NewAsks(cfg, n.member, n.mirror, w.store)
	for _, run := range []func(context.Context) error{n.mirror.Run, n.member.Run, n.executor.Run, president.Run, asks.Run} {
		w.done.Go(func() { _ = run(ctx) })
	}
	n.control = control.New(control.Config{Clock: clock{}, Log: logger, Local: local{w, n}})
	running := &control.Running{
		Node: name, Fingerprint: func() string { return "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" }, Store: gate, Source: n.mirror, Membership: n.member, Executor: n.executor,
		Types: types{w, name}, Peers: peers{w, name}, Sealer: lock{"key of " + string(name)}, Authority: &notary{}, Current: n.member.MayStart,
	}
	n.control.Enter(running)
	w.done.Go(func() { _ = n.control.KeepSecrets(ctx, running) })
	w.done.Go(func() { _ = n.control.KeepAdmissions(ctx, running) })
	w.nodes[name] = n
}

type nobody struct{}

func (nobody) Send(cluster.NodeName, membership.Message) {}
func (nobody) Lease(membership.Instant) error            { return nil }

// put writes a record past control.
func (w *world) put(key string, kind confdb.Kind, record any) {
	w.t.Helper()
	value, err := confdb.Encode(kind, record)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.store.Txn(w.ctx, nil, []confdb.Op{{Key: key, Value: value}}); err != nil {
		w.t.Fatal(err)
	}
}

// lose takes a node down: out of the record, and its loops end.
func (w *world) lose(name cluster.NodeName) {
	w.t.Helper()
	n := w.nodes[name]
	n.stop()
	w.mu.Lock()
	w.cut[name] = true
	w.mu.Unlock()
	president := w.nodes["n1"]
	if name == "n1" {
		president = w.nodes["n2"]
	}
	next := president.machine.View().Record.Clone()
	next.Epoch++
	next.Members = slices.DeleteFunc(next.Members, func(m membership.Member) bool { return m.Node == name })
	next.President = president.name
	w.put(confdb.KeyMembership, confdb.KindMembership, next)
	for _, o := range w.nodes {
		if !w.cut[o.name] {
			w.poke(o, func(m *machine) { m.lost[name] = true })
		}
	}
	synctest.Wait()
}

// back brings a node that was lost into the cluster again, in a new incarnation.
func (w *world) back(name cluster.NodeName) {
	w.t.Helper()
	next := w.nodes["n1"].machine.View().Record.Clone()
	next.Epoch++
	inc := w.nodes[name].machine.inc
	inc.Number++
	next.Members = append(next.Members, membership.Member{Node: name, Incarnation: inc, Since: next.Epoch})
	slices.SortFunc(next.Members, func(a, b membership.Member) int { return strings.Compare(string(a.Node), string(b.Node)) })
	w.put(confdb.KeyMembership, confdb.KindMembership, next)
	w.mu.Lock()
	delete(w.cut, name)
	w.mu.Unlock()
	w.start(name, inc)
	for _, o := range w.nodes {
		if o.name != name && !w.cut[o.name] {
			w.poke(o, func(m *machine) { delete(m.lost, name) })
		}
	}
	synctest.Wait()
}

// c is the control of n1, where most commands are given.
func (w *world) c() *control.Control { return w.nodes["n1"].control }

// ok fails the test when a command did.
func ok[T any](t *testing.T) func(T, error) T {
	return func(out T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
}

// refuse fails the test unless the error has the code and says what it should.
func refuse[T any](t *testing.T, code fault.Code, says string) func(T, error) {
	return func(_ T, err error) {
		t.Helper()
		if fault.CodeOf(err) != code || !strings.Contains(err.Error(), says) {
			t.Fatalf("got %s: %v\nwant %s: …%s…", fault.CodeOf(err), err, code, says)
		}
	}
}

// web makes the usual group: web-ip and web in web-rg, and brings it online.
func (w *world) web() {
	w.t.Helper()
	w.configure()
	ok[v1.Result](w.t)(w.c().GroupOnline(w.ctx, root, v1.GroupOnline{Names: []string{"web-rg"}, Manage: true, Enable: true}))
}

func (w *world) configure() {
	w.t.Helper()
	res := ok[v1.Result](w.t)
	res(w.c().TypeRegister(w.ctx, root, v1.TypeRegister{Names: []string{"redoubt.web", "redoubt.logicalhostname", "redoubt.many"}}))
	res(w.c().GroupCreate(w.ctx, root, v1.GroupCreate{Names: []string{"web-rg"}, Node: []string{"n1", "n2", "n3"}}))
	res(w.c().ResourceCreateLogicalhostname(w.ctx, root, v1.ResourceCreateLogicalhostname{Names: []string{"web-ip"}, Group: "web-rg", Address: []string{"10.77.0.100/24"}}))
	res(w.c().ResourceCreate(w.ctx, root, v1.ResourceCreate{Names: []string{"web"}, Group: "web-rg", Type: "redoubt.web", Property: []string{"Start_command=/srv/web", "Port_list=8080/tcp"}}))
}

// states gives a group's state on each node, "n1:ONLINE n2:OFFLINE n3:OFFLINE".
func (w *world) states(group string) string {
	w.t.Helper()
	synctest.Wait()
	s := ok[[]v1.GroupState](w.t)(w.c().GroupStatus(w.ctx, root, v1.GroupStatus{Names: []string{group}}))
	var parts []string
	for _, n := range s[0].Nodes {
		parts = append(parts, n.Node+":"+n.State)
	}
	return strings.Join(parts, " ")
}

func (w *world) is(group, want string) {
	w.t.Helper()
	if got := w.states(group); got != want {
		w.t.Fatalf("group %s is %s, want %s", group, got, want)
	}
}
