package engine

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"redoubt/internal/agent"
	"redoubt/internal/cluster"
	"redoubt/internal/rgm/model"
)

// observed is a stage whose watches the test plays: it keeps what each can be told, by resource.
type observed struct {
	*stage
	mu   sync.Mutex
	tell map[cluster.ResourceName][]func(agent.Observation)
}

func (o *observed) Driver(string) (agent.Driver, bool) { return o, true }

func (o *observed) Watch(ctx context.Context, c agent.Call, f func(agent.Observation)) {
	o.mu.Lock()
	o.tell[c.Resource.Name] = append(o.tell[c.Resource.Name], f)
	o.mu.Unlock()
	<-ctx.Done()
}

// says lets the nth watch of a resource, from 1 on, report that it is dead, so often.
func (o *observed) says(t *testing.T, r cluster.ResourceName, nth, times int) {
	t.Helper()
	o.mu.Lock()
	if len(o.tell[r]) < nth {
		t.Fatalf("resource %s has had %d watches, want %d", r, len(o.tell[r]), nth)
	}
	f := o.tell[r][nth-1]
	o.mu.Unlock()
	for range times {
		f(agent.Observation{Kind: agent.Dead, Message: "its processes are gone"})
	}
}

// begun counts the starts of a resource.
func (o *observed) begun(r cluster.ResourceName) (n int) {
	o.stage.mu.Lock()
	defer o.stage.mu.Unlock()
	for _, s := range o.started {
		if s == string(r) {
			n++
		}
	}
	return n
}

// watchedNode runs a test on a node with one group whose resources are restarted without limit, all online; last is the one on which none depends.
func watchedNode(t *testing.T, f func(t *testing.T, x *Executor, o *observed, last cluster.ResourceName)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newStorm(t, 1, 16)
		o := &observed{stage: s.stage, tell: map[cluster.ResourceName][]func(agent.Observation){}}
		s.takes = 10 * time.Millisecond
		s.executor.drivers = o
		s.board.change(func(st *model.State) {
			for i := range st.Resources {
				st.Resources[i].Monitored, st.Resources[i].RetryCount, st.Resources[i].RetryInterval = true, -1, 300
			}
		})
		ctx, cancel := context.WithCancel(t.Context())
		defer synctest.Wait()
		defer cancel()
		go func() { _ = s.executor.Run(ctx) }()
		time.Sleep(time.Second)
		if s.online() != 1 {
			t.Fatal("the group is not online")
		}
		f(t, s.executor, o, "g00000-4")
	})
}

// What a watch says that was ended, because its resource was restarted, is about processes that are gone: the fresh ones are left alone.
func TestAnEndedWatchRestartsNothing(t *testing.T) {
	watchedNode(t, func(t *testing.T, _ *Executor, o *observed, last cluster.ResourceName) {
		o.says(t, last, 1, 1)
		time.Sleep(time.Second)
		if n := o.begun(last); n != 2 {
			t.Fatalf("a resource that died was started %d times, want 2", n)
		}
		o.says(t, last, 1, 30)
		time.Sleep(time.Second)
		if n := o.begun(last); n != 2 {
			t.Errorf("a watch that had ended restarted a fresh resource: %d starts", n)
		}
		o.says(t, last, 2, 1)
		time.Sleep(time.Second)
		if n := o.begun(last); n != 3 {
			t.Errorf("the present watch is not heard: %d starts", n)
		}
	})
}

// A death while the daemon is about to be restarted is acted on when the restart comes to nothing: at once when the executor is told, by itself when nobody tells it.
func TestADeathBeforeARestartThatDoesNotCome(t *testing.T) {
	for name, told := range map[string]bool{"told to go on": true, "not told": false} {
		t.Run(name, func(t *testing.T) {
			watchedNode(t, func(t *testing.T, x *Executor, o *observed, last cluster.ResourceName) {
				if !x.Quiet(t.Context()) {
					t.Fatal("not quiet")
				}
				o.says(t, last, 1, 1)
				time.Sleep(time.Second)
				if n := o.begun(last); n != 1 {
					t.Fatalf("a method has begun after Quiet said yes: %d starts", n)
				}
				if told {
					x.GoOn(t.Context())
				} else {
					time.Sleep(holdFor)
				}
				time.Sleep(time.Second)
				if n := o.begun(last); n != 2 {
					t.Errorf("the death was lost: %d starts, want 2", n)
				}
			})
		})
	}
}
