package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/membership"
	"redoubt/internal/rgm/model"
)

// sites is a cluster in virtual time whose last node is about to be lost: real membership machines and presidents, a repository in memory, no executors. The group "g" is ordered on
// that node, and may run on every other.
type sites struct {
	t     *testing.T
	store *confdb.Memory
	began time.Time
	nodes []cluster.NodeName

	mu   sync.Mutex
	net  map[cluster.NodeName]*site
	asks []*asked // of fence agents, by whomever
}

type site struct {
	s       *sites
	name    cluster.NodeName
	machine *membership.Machine
	member  *Member
	mirror  *Mirror
	stop    context.CancelFunc
}

// asked is one question to a fence agent, which is answered by the test.
type asked struct {
	by, about cluster.NodeName
	word      chan error
	abandoned bool
}

func (s *sites) Boot() membership.Instant {
	return membership.Instant(time.Second + time.Since(s.began))
}
func (s *sites) Wall() time.Time { return time.Now() }

// Send is the network: a message to a node that is there arrives at once.
func (x *site) Send(to cluster.NodeName, msg membership.Message) {
	x.s.mu.Lock()
	o := x.s.net[to]
	x.s.mu.Unlock()
	if o != nil {
		o.member.Deliver(x.s.Boot(), membership.Received{Msg: msg})
	}
}

func (x *site) Lease(membership.Instant) error { return nil }

func (x *site) Fence(ctx context.Context, node model.Node) error {
	a := &asked{by: x.name, about: node.Name, word: make(chan error)}
	x.s.mu.Lock()
	x.s.asks = append(x.s.asks, a)
	x.s.mu.Unlock()
	select {
	case err := <-a.word:
		return err
	case <-ctx.Done():
		x.s.mu.Lock()
		a.abandoned = true
		x.s.mu.Unlock()
		return context.Cause(ctx)
	}
}

func life1(n int) cluster.Incarnation { return cluster.Incarnation{Number: uint64(n), Tag: "t"} }

// found makes the cluster; level is the version of the schema on which it has agreed.
func found(t *testing.T, n, level int, fenced bool) *sites {
	t.Helper()
	s := &sites{t: t, store: confdb.NewMemory(), began: time.Now(), net: map[cluster.NodeName]*site{}}
	timing, _ := cluster.ProfileTiming("default")
	rec := membership.Record{Epoch: 5, Formation: 5, President: "n1", VoterEpoch: 1, Timing: timing}
	g := model.Group{Name: "g", Managed: true, MaximumPrimaries: 1, DesiredPrimaries: 1, Priority: model.DefaultPriority, AutoStartOnNewCluster: true}
	for i := range n {
		name := cluster.NodeName(fmt.Sprintf("n%d", i+1))
		s.nodes = append(s.nodes, name)
		rec.Members = append(rec.Members, membership.Member{Node: name, Incarnation: life1(1), Since: 5})
		rec.Voters = append(rec.Voters, membership.Voter{Node: name})
		rec.Last = append(rec.Last, membership.LastNumber{Node: name, Number: 1})
		g.Nodelist = append(g.Nodelist, name)
		s.configure(level, name, fenced)
	}
	last := s.last()
	s.put(level, confdb.KeySchema, confdb.KindSchema, model.Schema{Level: level})
	s.put(level, confdb.KeyCluster, confdb.KindCluster, model.Cluster{Name: "demo", ID: "abcd"})
	s.put(level, confdb.KeyGroup("g"), confdb.KindGroup, g)
	s.put(level, confdb.KeyAssign("g"), confdb.KindAssignment, model.Assignment{
		Group: "g", Version: 3, Epoch: 5, Formation: 5, WantSeq: 1, Targets: []model.Target{{Node: last, Incarnation: life1(1)}}, Wanted: []cluster.NodeName{last},
	})
	s.put(level, confdb.KeyMembership, confdb.KindMembership, rec)
	for _, name := range s.nodes {
		s.start(name, 1, fenced)
	}
	time.Sleep(2 * time.Second)
	if at := s.at(); at != last || len(s.record().Members) != n {
		t.Fatalf("the group is on %s; %+v", at, s.record())
	}
	return s
}

func (s *sites) last() cluster.NodeName { return s.nodes[len(s.nodes)-1] }

func (s *sites) put(level int, key string, kind confdb.Kind, spec any) {
	s.t.Helper()
	value, err := confdb.EncodeFor(level, kind, spec)
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.store.Txn(context.Background(), nil, []confdb.Op{{Key: key, Value: value}}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *sites) configure(level int, n cluster.NodeName, fenced bool) {
	node := model.Node{Name: n, ID: int(n[1] - '0')}
	if fenced {
		node.Fence = &model.Fence{Agent: "fence_test"}
	}
	s.put(level, confdb.KeyNode(n), confdb.KindNode, node)
}

// start begins a life of a node.
func (s *sites) start(name cluster.NodeName, number int, fenced bool) *site {
	ctx, stop := context.WithCancel(s.t.Context())
	x := &site{s: s, name: name, stop: stop}
	cfg := Config{Node: name, Clock: s, Log: slog.New(slog.DiscardHandler)}
	x.machine = membership.New(membership.Config{Self: name, Session: membership.Session(time.Now().UnixNano()) + membership.Session(name[1]), Paths: 1, Started: s.Boot()})
	var nodes []membership.Configured
	for _, n := range s.nodes {
		nodes = append(nodes, membership.Configured{Node: n, Fence: fenced})
	}
	x.machine.SetNodes(nodes)
	x.machine.SetIncarnation(life1(number))
	x.mirror = NewMirror(s.store, cfg.Log)
	x.member = NewMember(cfg, x.machine, x, x, s.store)
	s.mu.Lock()
	s.net[name] = x
	s.mu.Unlock()
	gate := confdb.Gate{Store: s.store, Agreed: func() int { return x.mirror.Snapshot().Schema }}
	for _, run := range []func(context.Context) error{x.mirror.Run, x.member.Run, NewPresident(cfg, x.member, x.mirror, gate, x).Run} {
		go func() { _ = run(ctx) }()
	}
	return x
}

// freeze ends everything on a node at once; nobody hears that anything has ended.
func (s *sites) freeze(n cluster.NodeName) {
	s.mu.Lock()
	x := s.net[n]
	delete(s.net, n)
	s.mu.Unlock()
	x.stop()
}

func (s *sites) hear(msg membership.Message) {
	for _, n := range s.nodes {
		s.mu.Lock()
		x := s.net[n]
		s.mu.Unlock()
		if x != nil && n != msg.From {
			x.member.Deliver(s.Boot(), membership.Received{Msg: msg})
		}
	}
}

func read[T any](s *sites, kind confdb.Kind, key string) (v T, ok bool) {
	e, err := s.store.Get(context.Background(), key)
	if err != nil || e.Value == nil {
		return v, false
	}
	v, err = confdb.Decode[T](kind, key, e.Value)
	if err != nil {
		s.t.Fatal(err)
	}
	return v, true
}

func (s *sites) record() membership.Record {
	rec, _ := read[membership.Record](s, confdb.KindMembership, confdb.KeyMembership)
	return rec
}

// at is where the group is ordered; "" nowhere.
func (s *sites) at() (n cluster.NodeName) {
	a, _ := read[model.Assignment](s, confdb.KindAssignment, confdb.KeyAssign("g"))
	for _, t := range slices.Concat(a.Targets, a.Leaving) {
		n += t.Node
	}
	return n
}

func (s *sites) fencing(n cluster.NodeName) (model.Fencing, bool) {
	return read[model.Fencing](s, confdb.KindFencing, confdb.PrefixFencing+string(n))
}

// questions are those about a node.
func (s *sites) questions(about cluster.NodeName) (out []*asked) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.asks {
		if a.about == about {
			out = append(out, a)
		}
	}
	return out
}

// ended reports whether the president did not wait for the answer.
func (s *sites) ended(a *asked) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return a.abandoned
}

// question is the newest about a node, once there are so many.
func (s *sites) question(about cluster.NodeName, number int, within time.Duration) *asked {
	s.t.Helper()
	for end := time.Now().Add(within); len(s.questions(about)) < number; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("the agent of %s was asked %d times within %v, not %d times; %+v", about, len(s.questions(about)), within, number, s.record())
		}
	}
	return s.questions(about)[number-1]
}

// takenOver waits until the group is ordered elsewhere and says how long that took.
func (s *sites) takenOver(within time.Duration) time.Duration {
	s.t.Helper()
	began := time.Now()
	for s.at() == s.last() || s.at() == "" {
		if time.Since(began) > within {
			s.t.Fatalf("not taken over within %v; %+v", within, s.record())
		}
		time.Sleep(5 * time.Millisecond)
	}
	return time.Since(began)
}

// stays lets time pass in which the group may not be taken over.
func (s *sites) stays(span time.Duration) {
	s.t.Helper()
	for end := time.Now().Add(span); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if at := s.at(); at != s.last() {
			s.t.Fatalf("the group is ordered on %q; %+v", at, s.record())
		}
	}
}

func sited(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f(t)
		synctest.Wait()
	})
}

// What ran on a frozen node starts elsewhere when its agent has confirmed, and not before, however long the agent takes; it is asked once.
func TestTakeoverWaitsForTheAgent(t *testing.T) {
	sited(t, func(t *testing.T) {
		s := found(t, 3, confdb.Newest(), true)
		s.freeze("n3")
		q := s.question("n3", 1, 3*time.Second)
		s.stays(2 * time.Minute)
		if n := len(s.questions("n3")); n != 1 {
			t.Errorf("asked %d times", n)
		}
		q.word <- nil
		if took := s.takenOver(time.Second); took > 500*time.Millisecond {
			t.Errorf("it took %v after the agent's word", took)
		}
		time.Sleep(time.Minute)
		if n := len(s.questions("n3")); n != 1 || len(s.record().Leaving) != 0 {
			t.Errorf("asked %d times; %+v", n, s.record())
		}
	})
}

// Without an agent everything is as it was: taken over by time.
func TestTakeoverWithoutAgent(t *testing.T) {
	for name, c := range map[string]struct {
		level  int
		fenced bool
	}{"no agent": {confdb.Newest(), false}, "a schema without the mark": {confdb.OldestLevel, true}} {
		t.Run(name, func(t *testing.T) {
			sited(t, func(t *testing.T) {
				s := found(t, 3, c.level, c.fenced)
				s.freeze("n3")
				if took := s.takenOver(time.Second); took > 700*time.Millisecond {
					t.Errorf("it took %v", took)
				}
				time.Sleep(time.Minute)
				if n := len(s.questions("n3")); n > 0 {
					t.Errorf("an agent was asked %d times", n)
				}
			})
		})
	}
}

// An agent that fails is asked again, after longer and longer pauses, and everybody can read that and why; its word counts when it comes.
func TestAgentFails(t *testing.T) {
	sited(t, func(t *testing.T) {
		s := found(t, 3, confdb.Newest(), true)
		s.freeze("n3")
		for i, pause := range []time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second, 40 * time.Second, time.Minute, time.Minute} {
			s.question("n3", i+1, 3*time.Second).word <- errors.New("no answer from 10.0.0.9")
			s.stays(pause - 100*time.Millisecond)
			if n := len(s.questions("n3")); n != i+1 {
				t.Fatalf("asked %d times, %v after failure %d", n, pause, i+1)
			}
			if f, ok := s.fencing("n3"); !ok || f.Attempts != i+1 || f.Agent != "fence_test" || f.By != "n1" || f.Why != "no answer from 10.0.0.9" || f.Next.Sub(f.At) != pause {
				t.Fatalf("after failure %d: %+v, %v", i+1, f, ok)
			}
		}
		s.question("n3", 7, 3*time.Second).word <- nil
		s.takenOver(time.Second)
		time.Sleep(2 * time.Second)
		if f, ok := s.fencing("n3"); ok {
			t.Errorf("still written: %+v", f)
		}
	})
}

// The president dies while an agent works: the next one asks anew, and about the dead president; what was confirmed once is never asked again.
func TestPresidentDiesWhileFencing(t *testing.T) {
	sited(t, func(t *testing.T) {
		s := found(t, 7, confdb.Newest(), true)
		s.freeze("n7")
		s.question("n7", 1, 3*time.Second).word <- errors.New("busy")
		s.question("n7", 2, 10*time.Second)
		s.freeze("n1")
		q := s.question("n7", 3, 10*time.Second)
		if q.by != "n2" {
			t.Errorf("asked by %s", q.by)
		}
		s.question("n1", 1, 3*time.Second)
		s.stays(time.Minute)
		q.word <- errors.New("busy")
		time.Sleep(time.Second)
		if f, _ := s.fencing("n7"); f.Attempts != 2 || f.By != "n2" {
			t.Errorf("%+v", f)
		}
		s.question("n7", 4, 10*time.Second).word <- nil
		s.takenOver(time.Second)
		s.freeze("n2")
		s.question("n1", 2, 10*time.Second).word <- nil
		s.question("n2", 1, 10*time.Second).word <- nil
		time.Sleep(time.Minute)
		if n := len(s.questions("n7")); n != 4 || len(s.record().Leaving) != 0 {
			t.Errorf("asked %d times; %+v", n, s.record())
		}
	})
}

// No agent is asked about a node whose end is proven.
func TestAgentIsSpared(t *testing.T) {
	for name, end := range map[string]func(s *sites){
		"orderly leave": func(s *sites) {
			x := s.net["n3"]
			_ = x.member.Do(s.t.Context(), x.machine.SetFarewell)
		},
		"its guard has fenced": func(s *sites) {
			s.freeze("n3")
			s.hear(membership.Message{From: "n3", Fenced: &membership.Fenced{Incarnation: life1(1)}})
		},
		"its guard fences late": func(s *sites) {
			s.freeze("n3")
			time.Sleep(900 * time.Millisecond)
			s.hear(membership.Message{From: "n3", Fenced: &membership.Fenced{Incarnation: life1(1)}})
		},
		"it is back": func(s *sites) {
			s.freeze("n3")
			s.start("n3", 2, true)
		},
	} {
		t.Run(name, func(t *testing.T) {
			sited(t, func(t *testing.T) {
				s := found(t, 3, confdb.Newest(), true)
				end(s)
				time.Sleep(2 * time.Second)
				a, _ := read[model.Assignment](s, confdb.KindAssignment, confdb.KeyAssign("g"))
				if slices.Contains(slices.Concat(a.Targets, a.Leaving), model.Target{Node: "n3", Incarnation: life1(1)}) {
					t.Errorf("%+v", a)
				}
				time.Sleep(2 * time.Minute)
				if n := len(s.questions("n3")); n > 0 {
					t.Errorf("the agent was asked %d times; %+v", n, s.record())
				}
			})
		})
	}
}

// A node that comes back while its agent works is not switched off: the agent is ended.
func TestReturnEndsTheAgent(t *testing.T) {
	sited(t, func(t *testing.T) {
		s := found(t, 3, confdb.Newest(), true)
		s.freeze("n3")
		q := s.question("n3", 1, 3*time.Second)
		s.start("n3", 2, true)
		time.Sleep(time.Second)
		if !s.ended(q) || len(s.record().Leaving) != 0 || len(s.record().Members) != 3 {
			t.Errorf("abandoned %v; %+v", s.ended(q), s.record())
		}
	})
}

// The administrator takes the agent away: the question ends, and time decides. Until then a node whose record can not be read waits.
func TestClearFence(t *testing.T) {
	sited(t, func(t *testing.T) {
		s := found(t, 3, confdb.Newest(), true)
		s.freeze("n3")
		q := s.question("n3", 1, 3*time.Second)
		s.configure(confdb.Newest(), "n3", false)
		s.takenOver(time.Second)
		time.Sleep(time.Second)
		if !s.ended(q) || len(s.questions("n3")) != 1 {
			t.Errorf("abandoned %v, asked %d times", s.ended(q), len(s.questions("n3")))
		}
	})
	sited(t, func(t *testing.T) {
		s := found(t, 3, confdb.Newest(), true)
		if _, err := s.store.Txn(t.Context(), nil, []confdb.Op{{Key: confdb.KeyNode("n3"), Value: []byte("damaged")}}); err != nil {
			t.Fatal(err)
		}
		s.freeze("n3")
		s.stays(time.Minute)
		if f, ok := s.fencing("n3"); !ok || len(s.questions("n3")) != 0 {
			t.Errorf("%+v", f)
		}
		s.configure(confdb.Newest(), "n3", true)
		s.question("n3", 1, 2*time.Minute).word <- nil
		s.takenOver(time.Second)
	})
}
