package engine

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"redoubt/internal/agent"
	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/membership"
	"redoubt/internal/rgm/life"
	"redoubt/internal/rgm/model"
)

// bubble is the clock of a test in virtual time.
type bubble struct{}

func (bubble) Boot() membership.Instant { return membership.Instant(time.Now().UnixNano()) }
func (bubble) Wall() time.Time          { return time.Now() }

// leased is the membership machine of a node that holds a lease while it may.
type leased struct {
	mu  sync.Mutex
	end membership.Instant
}

func (l *leased) Step(membership.Instant, membership.Event) []membership.Effect {
	return []membership.Effect{membership.ViewChanged{}}
}

func (l *leased) Deadline() membership.Instant { return bubble{}.Boot().Add(int64(24 * time.Hour)) }

func (l *leased) View() membership.View {
	l.mu.Lock()
	defer l.mu.Unlock()
	return membership.View{IsMember: true, LeaseEnd: l.end}
}

// board is a repository of which the test writes every snapshot.
type board struct {
	mu   sync.Mutex
	snap Snapshot
	watchers
}

func (b *board) Snapshot() Snapshot {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.snap
}

func (b *board) Subscribe(ctx context.Context) <-chan struct{} { return b.subscribe(ctx) }

func (b *board) change(f func(*model.State)) {
	b.mu.Lock()
	b.snap.Serial++
	s := b.snap.State
	s.Assignments = append([]model.Assignment{}, s.Assignments...)
	f(&s)
	b.snap.State = s
	b.mu.Unlock()
	b.tell()
}

// stage counts the methods that run on it; each takes its time.
type stage struct {
	mu             sync.Mutex
	takes          time.Duration
	starts, most   int
	started, ended []string
	hang           map[cluster.ResourceName]bool // whose Start never ends by itself
}

func (s *stage) Driver(string) (agent.Driver, bool) { return s, true }
func (s *stage) Halt(string)                        {}
func (s *stage) End(context.Context, agent.Call) error {
	return nil
}
func (s *stage) Watch(context.Context, agent.Call, func(agent.Observation)) {}
func (s *stage) Describe(context.Context, cluster.TypeName) (model.Type, error) {
	return model.Type{}, nil
}

func (s *stage) Run(ctx context.Context, c agent.Call) agent.Result {
	starts := c.Method == model.MethodStart
	s.mu.Lock()
	hangs := starts && s.hang[c.Resource.Name]
	if starts {
		s.starts++
		s.most = max(s.most, s.starts)
		s.started = append(s.started, string(c.Resource.Name))
	}
	s.mu.Unlock()
	over := time.After(s.takes)
	if hangs {
		over = nil
	}
	r := agent.Result{}
	select {
	case <-over:
	case <-ctx.Done():
		r.Aborted = true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if starts {
		s.starts--
	} else {
		s.ended = append(s.ended, string(c.Resource.Name))
	}
	return r
}

// storm is a node on which many groups of five resources each, in a chain, are ordered online at once.
type storm struct {
	*stage
	board    *board
	lease    *leased
	executor *Executor
	me       model.Target
	groups   int
}

func newStorm(t *testing.T, groups, limit int) *storm {
	s := &storm{
		stage: &stage{takes: time.Second, hang: map[cluster.ResourceName]bool{}}, board: &board{}, groups: groups,
		lease: &leased{end: bubble{}.Boot().Add(int64(24 * time.Hour))}, me: model.Target{Node: "n1", Incarnation: cluster.Incarnation{Number: 1, Tag: "a"}},
	}
	methods := []model.MethodSpec{{Method: model.MethodStart}, {Method: model.MethodStop}}
	state := model.State{Types: []model.Type{{Name: "t", Methods: methods}}}
	for g := range groups {
		group := model.Group{Name: cluster.GroupName(fmt.Sprintf("g%05d", g)), Nodelist: []cluster.NodeName{"n1"}, MaximumPrimaries: 1, Managed: true, Priority: model.DefaultPriority}
		state.Groups = append(state.Groups, group)
		for k := range 5 {
			r := model.Resource{Name: cluster.ResourceName(fmt.Sprintf("%s-%d", group.Name, k)), Group: group.Name, Type: "t", Enabled: true}
			if k > 0 {
				r.Dependencies = []model.Dependency{{On: cluster.ResourceName(fmt.Sprintf("%s-%d", group.Name, k-1)), Kind: model.DependStrong}}
			}
			state.Resources = append(state.Resources, r)
		}
		state.Assignments = append(state.Assignments, model.Assignment{Group: group.Name, Version: 1, Targets: []model.Target{s.me}})
	}
	rec := membership.Record{Epoch: 1, Members: []membership.Member{{Node: "n1", Incarnation: s.me.Incarnation}}}
	s.board.snap = Snapshot{Serial: 1, State: state, Record: &rec, Revision: func(string) cluster.Revision { return 0 }}
	cfg := Config{Node: "n1", Clock: bubble{}, Log: slog.New(slog.DiscardHandler), Methods: limit}
	s.executor = NewExecutor(cfg, s.me.Incarnation, NewMember(cfg, s.lease, nil, nil, nil), s.board, confdb.NewMemory(), s.stage, s.stage)
	return s
}

// online counts the groups that are.
func (s *storm) online() (n int) {
	s.executor.ask(context.Background(), func() bool {
		for _, g := range s.executor.groups {
			if g.life.Instance().State == model.GroupOnline {
				n++
			}
		}
		return true
	})
	return n
}

// Ten thousand resources that are ordered to start at once start a few at a time, group by group, all of them; what is told to leave meanwhile stops at once, and the
// starts of it that have not begun never do.
func TestStormOfStarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const groups, limit = 2000, 16
		s := newStorm(t, groups, limit)
		s.takes = 20 * time.Millisecond
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _ = s.executor.Run(ctx) }()
		began := time.Now()
		time.Sleep(5*s.takes + time.Millisecond)
		if n := s.online(); n != limit {
			t.Errorf("%d groups are online after the time of five starts; those that began first should be: %d", n, limit)
		}
		s.board.change(func(st *model.State) {
			for g := range groups / 2 {
				st.Assignments[g].Version, st.Assignments[g].Targets = 2, nil
			}
		})
		time.Sleep(7 * s.takes)
		s.mu.Lock()
		if n := len(s.ended); n != 6*limit {
			t.Errorf("%d stops have run: those of the %d groups that were up, and of what was coming up then", n, limit)
		}
		s.mu.Unlock()
		for s.online() < groups/2 {
			time.Sleep(time.Second)
			if time.Since(began) > time.Minute {
				t.Fatalf("%d of %d groups are online after a minute", s.online(), groups/2)
			}
		}
		s.mu.Lock()
		if s.most != limit {
			t.Errorf("%d starts ran at once; %d may, and all were ready", s.most, limit)
		}
		if n := len(s.started); n != groups/2*5+6*limit {
			t.Errorf("%d starts began: what was told to leave before its turn should not come up first", n)
		}
		t.Logf("%d resources started in %v of virtual time", len(s.started), time.Since(began).Round(time.Second))
		s.mu.Unlock()
		cancel()
		synctest.Wait()
	})
}

// Starts that hang, as many as may run, keep nothing from stopping; quiesce -k frees the places, and what waits and is killed never begins.
func TestHangingStartsDoNotHoldUpStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStorm(t, 4, 2)
		for g := 1; g < 3; g++ {
			s.hang[cluster.ResourceName(fmt.Sprintf("g%05d-0", g))] = true
		}
		s.board.change(func(st *model.State) {
			st.Assignments[1].Targets, st.Assignments[2].Targets, st.Assignments[3].Targets = nil, nil, nil
		})
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _ = s.executor.Run(ctx) }()
		time.Sleep(6 * time.Second)
		if s.online() != 1 {
			t.Fatal("g00000 is not online")
		}
		s.board.change(func(st *model.State) {
			for g := 1; g < 4; g++ {
				st.Assignments[g].Version, st.Assignments[g].Targets = 2, []model.Target{s.me}
			}
		})
		time.Sleep(time.Minute)
		if s.online() != 1 {
			t.Error("a start that waits behind two that hang has begun")
		}
		s.board.change(func(st *model.State) { st.Assignments[0].Version, st.Assignments[0].Targets = 2, nil })
		time.Sleep(6 * time.Second)
		if s.online() != 0 {
			t.Error("the stop of a group waits for the starts of others")
		}
		if err := s.executor.Ask(ctx, "g00003", life.Asked{Kind: life.AskKill}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := s.executor.Ask(ctx, "g00001", life.Asked{Kind: life.AskKill}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(6 * time.Second)
		s.mu.Lock()
		for _, name := range s.started {
			if name == "g00003-0" {
				t.Error("a start that was killed before its turn has begun")
			}
		}
		s.mu.Unlock()
		cancel()
		synctest.Wait()
	})
}

// A lease that ends while starts wait for their turn lets none of them begin, and none has failed: they go on with the next lease.
func TestTurnsNeedTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStorm(t, 10, 2)
		ctx, cancel := context.WithCancel(t.Context())
		member := s.executor.member
		s.lease.end = bubble{}.Boot().Add(int64(1500 * time.Millisecond))
		go func() { _ = member.Do(ctx, func() {}) }()
		go func() { _ = s.executor.Run(ctx) }()
		member.view.Store(&membership.View{IsMember: true, LeaseEnd: s.lease.end})
		time.Sleep(10 * time.Second)
		s.mu.Lock()
		if n := len(s.started); n != 4 {
			t.Errorf("%d starts began; two of them at once, within a second and a half: 4", n)
		}
		s.mu.Unlock()
		member.view.Store(&membership.View{IsMember: true, LeaseEnd: bubble{}.Boot().Add(int64(time.Hour))})
		time.Sleep(time.Minute)
		if s.online() != 10 {
			t.Errorf("%d of 10 groups are online", s.online())
		}
		cancel()
		synctest.Wait()
	})
}
