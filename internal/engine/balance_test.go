package engine

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/membership"
	"redoubt/internal/rgm/balance"
	"redoubt/internal/rgm/model"
)

// seated is the membership machine of a node that is a member, with another, for good.
type seated struct{ record membership.Record }

func (s *seated) Step(membership.Instant, membership.Event) []membership.Effect { return nil }
func (s *seated) Deadline() membership.Instant                                  { return bubble{}.Boot().Add(int64(24 * time.Hour)) }
func (s *seated) View() membership.View {
	return membership.View{IsMember: true, LeaseEnd: bubble{}.Boot().Add(int64(24 * time.Hour)), Record: &s.record}
}

// kernel is a Plane that remembers the last plane, may lose it, and has as many connections as the test says.
type kernel struct {
	mu          sync.Mutex
	now         balance.Plane
	applied     int
	lost        bool
	connections int // in sum, at ports of 10.1.1.70
	full        int // per cent
	tended      int
	memory      map[cluster.ResourceName]balance.Memory
	blank       bool // rules were made before anything was remembered
}

func (k *kernel) Recollect(s cluster.ResourceName) balance.Memory {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.memory[s]
}

func (k *kernel) Remember(s cluster.ResourceName, m balance.Memory) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.memory == nil {
		k.memory = map[cluster.ResourceName]balance.Memory{}
	}
	k.memory[s] = balance.Join(k.memory[s], k.memory[s].News(m))
	return nil
}

// neighbour is another node, which answers after a while, or never when that is negative.
type neighbour struct {
	mu       sync.Mutex
	memories map[cluster.ResourceName]balance.Memory
	after    time.Duration
}

// say sets what it knows of the service.
func (n *neighbour) say(m balance.Memory) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.memories = map[cluster.ResourceName]balance.Memory{"web": m}
}

func (n *neighbour) Memories(ctx context.Context, node cluster.NodeName, address cluster.ResourceName) (map[cluster.ResourceName]balance.Memory, error) {
	if node != "n2" || address != "ip" {
		return nil, nil
	}
	if n.after < 0 {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	time.Sleep(n.after)
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.memories, nil
}

func (k *kernel) Apply(_ context.Context, p balance.Plane) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.blank = k.blank || len(p.Tables) > 0 && len(k.memory) == 0
	k.now, k.lost = p, false
	k.applied++
	return nil
}

func (k *kernel) Intact() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return !k.lost
}

func (k *kernel) Networks() ([]netip.Prefix, error) {
	return []netip.Prefix{netip.MustParsePrefix("10.1.1.1/24"), netip.MustParsePrefix("192.0.2.1/24")}, nil
}

func (k *kernel) Leftover(service cluster.ResourceName, addrs []netip.Addr) ([]balance.Held, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var out []balance.Held
	for _, t := range k.now.Tables {
		if t.Name == string(service) {
			for _, a := range addrs {
				out = append(out, balance.Held{Address: a, Device: "eth0"})
			}
		}
	}
	return out, nil
}

func (k *kernel) Connections([]netip.Addr, []balance.Port, []balance.Port) ([]balance.Known, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var out []balance.Known
	for i := range k.connections {
		out = append(out, balance.Known{Client: netip.MustParseAddr("10.1.1.70"), Port: uint16(1000 + i), Left: time.Hour})
	}
	return out, nil
}

func (k *kernel) Tend() ([]balance.Fill, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.tended++
	if len(k.now.Tables) == 0 {
		return nil, nil
	}
	return []balance.Fill{{Resource: "web", Full: k.full}}, nil
}

func (k *kernel) look() (p balance.Plane, applied int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.now, k.applied
}

// shop is a node n1 with a scalable service on n1 and n2; nobody holds the address.
type shop struct {
	*kernel
	board    *board
	store    confdb.Store
	balancer *Balancer
	web      model.Resource
	n2       *neighbour
}

// taken has n2 report that it holds the address.
func (s *shop) taken() {
	s.board.change(func(st *model.State) {
		st.Instances = append([]model.Instance{{Node: "n2", Incarnation: cluster.Incarnation{Number: 1}, Group: "addr-rg", Resources: []model.ResourceInstance{{Name: "ip", State: model.ResourceOnline}}}}, st.Instances...)
	})
}

// takenOver is the end of the rules here: n2 has the address, and this node is silent about it.
func (s *shop) takenOver(t *testing.T) {
	t.Helper()
	s.taken()
	time.Sleep(linger + 2*time.Second)
	if p, _ := s.look(); len(p.Tables) != 0 || len(p.Silent) != 1 {
		t.Errorf("another node has it: %+v", p)
	}
}

func newShop(ctx context.Context) *shop {
	return newShopOn(ctx, &kernel{})
}

// newShopOn is a shop on a machine whose kernel is in some state.
func newShopOn(ctx context.Context, k *kernel) *shop {
	inc := cluster.Incarnation{Number: 1}
	s := &shop{kernel: k, n2: &neighbour{}, board: &board{}, store: confdb.NewMemory()}
	s.web = model.Resource{Name: "web", Group: "web-rg", Properties: []model.Property{
		{Name: "Scalable", Values: []string{"true"}}, {Name: "Network_resources_used", Values: []string{"ip"}}, {Name: "Port_list", Values: []string{"80/tcp"}}, {Name: "Drain_timeout", Values: []string{"20"}},
	}}
	nodes := []cluster.NodeName{"n1", "n2"}
	state := model.State{
		Groups:    []model.Group{{Name: "addr-rg", Nodelist: nodes, Managed: true}, {Name: "web-rg", Nodelist: nodes, Managed: true, MaximumPrimaries: 2}},
		Resources: []model.Resource{{Name: "ip", Group: "addr-rg", Type: balance.SharedAddress, Properties: []model.Property{{Name: "Address", Values: []string{"10.1.1.9/24"}}}}, s.web},
		Networks:  []model.Network{{Node: "n2", Addresses: []string{"10.1.1.2/24"}}},
	}
	rec := membership.Record{Epoch: 1}
	for i, n := range nodes {
		state.Nodes = append(state.Nodes, model.NodeState{Node: model.Node{Name: n, ID: i + 1}})
		state.Instances = append(state.Instances, model.Instance{Node: n, Incarnation: inc, Group: "web-rg", Resources: []model.ResourceInstance{{Name: "web", State: model.ResourceOnline, Status: model.StatusOnline}}})
		rec.Members = append(rec.Members, membership.Member{Node: n, Incarnation: inc})
	}
	s.board.snap = Snapshot{Serial: 1, State: state, Record: &rec, Revision: func(key string) cluster.Revision {
		e, _ := s.store.Get(context.Background(), key) // never fails
		return e.ModRevision
	}}
	cfg := Config{Node: "n1", Clock: bubble{}, Log: slog.New(slog.DiscardHandler), Holders: s.n2}
	s.balancer = NewBalancer(cfg, NewMember(cfg, &seated{rec}, nil, nil, nil), s.board, s.store, s.kernel)
	go func() { _ = s.balancer.Run(ctx) }()
	return s
}

func TestBalancerKeepsTheKernelInStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s := newShop(ctx)
		synctest.Wait()
		if p, n := s.look(); n != 1 || len(p.Local) != 1 || len(p.Silent) != 1 || len(p.Tables) != 0 {
			t.Errorf("%d times: %+v", n, p)
		}
		// Where this node is reached is told; nothing else of its addresses.
		e, err := s.store.Get(ctx, confdb.PrefixNetwork+"n1")
		if err != nil {
			t.Fatal(err)
		}
		if net, err := confdb.Decode[model.Network](confdb.KindNetwork, e.Key, e.Value); err != nil || !slices.Equal(net.Addresses, []string{"10.1.1.1/24"}) {
			t.Errorf("%+v, %v", net, err)
		}
		s.board.change(func(st *model.State) {
			st.Networks = append([]model.Network{{Node: "n1", Addresses: []string{"10.1.1.1/24"}}}, st.Networks...)
		})
		// Nothing that matters is different: the kernel is left alone.
		synctest.Wait()
		_, before := s.look()
		s.board.change(func(*model.State) {})
		time.Sleep(3 * time.Second)
		if _, n := s.look(); n != before {
			t.Errorf("applied %d times without a change", n-before)
		}
		// Before the address comes, all is ready for it; before it goes, the node is silent.
		held := []balance.Held{{Address: netip.MustParseAddr("10.1.1.9"), Device: "eth0"}}
		if err := s.balancer.Hold(ctx, "ip", held); err != nil {
			t.Fatal(err)
		}
		if p, _ := s.look(); len(p.Tables) != 1 || len(p.Silent) != 0 || len(p.Tables[0].Open) != 2 {
			t.Errorf("held: %+v", p)
		}
		s.mu.Lock()
		s.lost = true // somebody flushes the rules
		s.mu.Unlock()
		time.Sleep(3 * time.Second)
		if !s.Intact() {
			t.Error("the rules were not made again")
		}
		s.balancer.Release(ctx, "ip", held)
		if p, _ := s.look(); len(p.Tables) != 1 || len(p.Silent) != 1 {
			t.Errorf("given up a moment ago: %+v", p)
		}
		time.Sleep(10 * linger)
		if p, _ := s.look(); len(p.Tables) != 1 || len(p.Silent) != 1 {
			t.Errorf("given up, and nobody else has it: %+v", p)
		}
		s.takenOver(t)
	})
}

// How full the memory is stands where all nodes see it, and is gone with the address.
func TestHowFullTheMemoryIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s := newShop(ctx)
		told := func() []model.Memory {
			t.Helper()
			time.Sleep(tendEvery + 2*time.Second)
			e, err := s.store.Get(ctx, confdb.PrefixNetwork+"n1")
			if err != nil {
				t.Fatal(err)
			}
			n, err := confdb.Decode[model.Network](confdb.KindNetwork, e.Key, e.Value)
			if err != nil {
				t.Fatal(err)
			}
			s.board.change(func(st *model.State) {
				st.Networks = append([]model.Network{n}, slices.DeleteFunc(slices.Clone(st.Networks), func(o model.Network) bool { return o.Node == "n1" })...)
			})
			return n.Memory
		}
		if got := told(); len(got) != 0 {
			t.Errorf("nothing is held: %v", got)
		}
		held := []balance.Held{{Address: netip.MustParseAddr("10.1.1.9"), Device: "eth0"}}
		if err := s.balancer.Hold(ctx, "ip", held); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct{ full, told int }{{4, 0}, {47, 40}, {100, 100}, {99, 90}} {
			s.mu.Lock()
			s.full = c.full
			s.mu.Unlock()
			var want []model.Memory
			if c.told > 0 {
				want = []model.Memory{{Resource: "web", Full: c.told}}
			}
			if got := told(); !slices.Equal(got, want) {
				t.Errorf("%d per cent: %v is told", c.full, got)
			}
		}
		s.mu.Lock()
		before := s.tended
		s.mu.Unlock()
		time.Sleep(10 * tendEvery)
		s.mu.Lock()
		if n := s.tended - before; n != 10 {
			t.Errorf("looked after %d times in 10 intervals", n)
		}
		s.mu.Unlock()
		s.balancer.Release(ctx, "ip", held)
		s.taken()
		time.Sleep(linger)
		if got := told(); len(got) != 0 {
			t.Errorf("given up: %v", got)
		}
	})
}

// What the holder before remembers is taken over before the address is; one that does not answer is not waited for long. Who asks is told only of what was given up.
func TestMemoryMovesWithTheAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s := newShop(ctx)
		held := []balance.Held{{Address: netip.MustParseAddr("10.1.1.9"), Device: "eth0"}}
		memory := balance.Memory{Connections: []balance.Known{{Client: netip.MustParseAddr("10.1.1.77"), Port: 4711, Mark: 2, Left: time.Hour}}}
		s.n2.memories, s.n2.after = map[cluster.ResourceName]balance.Memory{"web": memory}, 100*time.Millisecond
		if err := s.balancer.Hold(ctx, "ip", held); err != nil {
			t.Fatal(err)
		}
		if got := s.Recollect("web"); len(got.Connections) != 1 || s.blank {
			t.Errorf("taken over: %+v, after the rules: %v", got, s.blank)
		}
		if got := s.balancer.Memories("ip"); len(got) != 0 {
			t.Errorf("told while the address is held: %v", got)
		}
		s.balancer.Release(ctx, "ip", held)
		if got := s.balancer.Memories("ip"); len(got["web"].Connections) != 1 {
			t.Errorf("told of an address given up a moment ago: %v", got)
		}
		s.taken()
		time.Sleep(linger + 2*time.Second)
		if got := s.balancer.Memories("ip"); len(got) != 0 {
			t.Errorf("told of an address given up long ago: %v", got)
		}
		s.n2.after = -1
		began := time.Now()
		if err := s.balancer.Hold(ctx, "ip", held); err != nil || time.Since(began) != inheritLimit {
			t.Errorf("a node that does not answer holds the address up for %v, %v", time.Since(began), err)
		}
	})
}

// A start that is aborted while the others are asked does not take the address afterwards: it may be stopped and elsewhere by then.
func TestAbortedHoldTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s := newShop(ctx)
		s.n2.after = -1
		start, abort := context.WithCancel(ctx)
		time.AfterFunc(time.Second, abort)
		if err := s.balancer.Hold(start, "ip", []balance.Held{{Address: netip.MustParseAddr("10.1.1.9"), Device: "eth0"}}); err == nil {
			t.Error("an aborted start has what it asked for")
		}
		time.Sleep(time.Minute)
		if p, _ := s.look(); len(p.Tables) != 0 {
			t.Errorf("the kernel has rules for it: %+v", p.Tables)
		}
	})
}

// A machine whose daemon begins a new life still has the rules of the one before, and the clients know no other machine: the rules stay until another node holds the
// address, and the node is silent about it.
func TestRulesOfAnEarlierLifeGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s := newShopOn(ctx, &kernel{now: balance.Plane{Tables: []balance.Table{{Shape: balance.Shape{Name: "web"}}}}})
		time.Sleep(10 * linger)
		if p, _ := s.look(); len(p.Tables) != 1 || len(p.Silent) != 1 || len(p.Tables[0].Open) != 1 {
			t.Errorf("nobody else has it: %+v", p)
		}
		s.takenOver(t)
	})
}

// Nodes say which connections they have themselves: those are known when the holder before has died, when they began while the clients had not yet heard of the next
// one, and when somebody takes the rules away.
func TestConnectionsAreKnownByTheirEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s := newShop(ctx)
		s.connections = 1
		held := []balance.Held{{Address: netip.MustParseAddr("10.1.1.9"), Device: "eth0"}}
		if got := s.balancer.Memories("ip")["web"]; len(got.Sockets) != 1 || got.Sockets[0].Mark != 1 || len(got.Connections) != 0 {
			t.Errorf("a node that never held the address says %+v", got)
		}
		socket := func(port uint16) balance.Known {
			return balance.Known{Client: netip.MustParseAddr("10.1.1.77"), Port: port, Mark: 2, Left: time.Hour}
		}
		knows := func(when string, want int) {
			t.Helper()
			if got := s.Recollect("web"); len(got.Connections) != want || s.blank {
				t.Errorf("%s: %+v, want %d connections; rules before: %v", when, got, want, s.blank)
			}
		}
		s.n2.say(balance.Memory{Sockets: []balance.Known{socket(4711)}})
		if err := s.balancer.Hold(ctx, "ip", held); err != nil {
			t.Fatal(err)
		}
		knows("taken", 2)
		s.n2.say(balance.Memory{Sockets: []balance.Known{socket(4711), socket(4712)}})
		time.Sleep(heard[0])
		synctest.Wait()
		knows("nearly all clients have heard of the new holder", 3)
		s.n2.say(balance.Memory{Sockets: []balance.Known{socket(4711), socket(4712), socket(4713)}})
		time.Sleep(heard[1] + 1500*time.Millisecond)
		knows("all clients have heard of the new holder", 4)
		s.board.change(func(st *model.State) {
			st.Instances = append([]model.Instance{{Node: "n1", Incarnation: cluster.Incarnation{Number: 1}, Group: "addr-rg", Resources: []model.ResourceInstance{{Name: "ip", State: model.ResourceOnline}}}}, st.Instances...)
		})
		s.mu.Lock()
		s.lost, s.memory = true, nil
		s.mu.Unlock()
		time.Sleep(2500 * time.Millisecond)
		s.mu.Lock()
		s.blank = false // the rules come first here: without them nobody is served
		s.mu.Unlock()
		knows("the rules were taken away", 4)
	})
}

func TestDrainEndsWithTheConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s := newShop(ctx)
		drained := func() time.Duration {
			began := time.Now()
			s.balancer.Drain(ctx, s.web)
			return time.Since(began)
		}
		if took := drained(); took != settle {
			t.Errorf("without connections: %v", took)
		}
		s.connections = 1
		if took := drained(); took != 20*time.Second {
			t.Errorf("a connection that stays: %v", took)
		}
		time.AfterFunc(3*time.Second, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.connections = 0
		})
		if took := drained(); took < 3*time.Second || took > 3*time.Second+settle {
			t.Errorf("a connection that ends after 3 s: %v", took)
		}
	})
}

func TestAddressWaitsForInstancesThatDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s := newShop(ctx)
		say := func(state model.ResourceState) {
			s.board.change(func(st *model.State) {
				st.Instances = slices.Clone(st.Instances)
				st.Instances[1].Resources = []model.ResourceInstance{{Name: "web", State: state, Status: model.StatusOnline}}
			})
		}
		released := func() time.Duration {
			began := time.Now()
			s.balancer.Release(ctx, "ip", nil)
			return time.Since(began)
		}
		if took := released(); took != 0 {
			t.Errorf("nobody drains: %v", took)
		}
		say(model.ResourceStopping)
		time.AfterFunc(4*time.Second, func() { say(model.ResourceOffline) })
		if took := released(); took != 4*time.Second {
			t.Errorf("an instance that is down after 4 s: %v", took)
		}
		say(model.ResourceStopping)
		if took := released(); took != 20*time.Second+2*settle {
			t.Errorf("an instance that does not come down: %v", took)
		}
	})
}
