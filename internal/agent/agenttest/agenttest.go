// Package agenttest is the test that every driver passes: what the executor relies on when it runs methods.
package agenttest

import (
	"context"
	"strings"
	"testing"
	"time"

	"redoubt/internal/agent"
	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/model"
)

// Behaviour is how the resource of a call is to behave.
type Behaviour string

// The behaviours. A driver is tested with those that its Env has.
const (
	Serves    Behaviour = "serves"     // Start leaves a service running that writes to its output now and then; Stop ends it
	Stubborn  Behaviour = "stubborn"   // as Serves, but its processes ignore every signal that can be ignored and have sessions of their own
	StartHang Behaviour = "start hang" // Start does not end, and neither do its children, which ignore signals
	StartFail Behaviour = "start fail" // Start writes FailWord and fails
	Floods    Behaviour = "floods"     // as Serves, and Start writes 100 MB
)

// FailWord is what a failing Start writes, to be found in the message for people.
const FailWord = "no-such-thing"

// Env is a driver's surroundings.
type Env struct {
	// Calls makes the call (without Method and Timeout) of a resource with a behaviour, always the same resource.
	Calls map[Behaviour]func(t *testing.T) agent.Call
	// Processes counts the processes of a resource, as the kernel knows them.
	Processes func(call agent.Call) int
	// Kill ends the processes of a resource from outside by SIGKILL. nil: the driver does not watch processes.
	Kill func(call agent.Call)
	// Undeclared is a method that the type of the calls does not declare.
	Undeclared model.Method
}

// Run tests a driver; open is called for each part and gives a new one.
func Run(t *testing.T, open func(t *testing.T) (agent.Driver, Env)) {
	t.Run("unknown type", func(t *testing.T) {
		d, _ := open(t)
		if _, err := d.Describe(t.Context(), "no.such-type"); !fault.Is(err, fault.NotFound) {
			t.Errorf("Describe of a type that does not exist: %v, want code %s", err, fault.NotFound)
		}
	})
	for behaviour, test := range map[Behaviour]func(*testing.T, agent.Driver, Env, agent.Call){
		Serves: serves, Stubborn: stubborn, StartHang: hangs, StartFail: fails, Floods: floods,
	} {
		t.Run(string(behaviour), func(t *testing.T) {
			d, env := open(t)
			make, ok := env.Calls[behaviour]
			if !ok {
				return
			}
			call := make(t)
			call.Timeout = 20 * time.Second
			t.Cleanup(func() {
				ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
				defer cancel()
				if err := d.End(ctx, call); err != nil {
					t.Errorf("End: %v", err)
				}
				if n := env.Processes(call); n != 0 {
					t.Errorf("%d processes are left after End", n)
				}
			})
			test(t, d, env, call)
		})
	}
}

func run(t *testing.T, d agent.Driver, call agent.Call, m model.Method) agent.Result {
	t.Helper()
	call.Method = m
	return d.Run(t.Context(), call)
}

func succeed(t *testing.T, d agent.Driver, call agent.Call, m model.Method) {
	t.Helper()
	if r := run(t, d, call, m); !r.OK() {
		t.Fatalf("%s: %+v", m, r)
	}
}

func serves(t *testing.T, d agent.Driver, env Env, call agent.Call) {
	succeed(t, d, call, env.Undeclared)
	succeed(t, d, call, model.MethodStop) // nothing runs yet
	begin := time.Now()
	succeed(t, d, call, model.MethodStart)
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("Start took %v: it waited for the output of what it left running", took)
	}
	n := most(env, call)
	if n == 0 {
		t.Fatal("Start succeeded and no process runs")
	}
	succeed(t, d, call, model.MethodStart)
	if again := most(env, call); again != n {
		t.Errorf("a second Start changed the number of processes from %d to %d", n, again)
	}
	if env.Kill != nil {
		watchDeath(t, d, env, call)
		succeed(t, d, call, model.MethodStop)
		end(t, d, call)
		succeed(t, d, call, model.MethodStart)
	}
	succeed(t, d, call, model.MethodStop)
	if left := env.Processes(call); left != 0 {
		t.Errorf("Stop succeeded and %d processes run", left)
	}
	succeed(t, d, call, model.MethodStop)
	succeed(t, d, call, model.MethodStart)
	end(t, d, call)
	end(t, d, call)
	if left := env.Processes(call); left != 0 {
		t.Errorf("End returned and %d processes run", left)
	}
}

// most is the greatest number of processes seen in a while: a service may have short-lived children.
func most(env Env, call agent.Call) (n int) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range 60 {
		n = max(n, env.Processes(call))
		<-tick.C
	}
	return n
}

func end(t *testing.T, d agent.Driver, call agent.Call) {
	t.Helper()
	if err := d.End(t.Context(), call); err != nil {
		t.Fatalf("End: %v", err)
	}
}

// watchDeath kills the service and wants to hear of it at once.
func watchDeath(t *testing.T, d agent.Driver, env Env, call agent.Call) {
	t.Helper()
	seen := make(chan agent.Observation, 16)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		d.Watch(ctx, call, func(o agent.Observation) { seen <- o })
	}()
	begin := time.Now()
	env.Kill(call)
	for {
		select {
		case o := <-seen:
			if o.Kind != agent.Dead {
				continue
			}
			if took := time.Since(begin); took > time.Second {
				t.Errorf("the death was reported after %v", took)
			}
			if o.Message == "" {
				t.Error("the death was reported without a message")
			}
			<-ended
			return
		case <-ctx.Done():
			t.Fatal("the death of the service was not reported")
		}
	}
}

func stubborn(t *testing.T, d agent.Driver, env Env, call agent.Call) {
	succeed(t, d, call, model.MethodStart)
	if env.Processes(call) == 0 {
		t.Fatal("Start succeeded and no process runs")
	}
	call.Timeout = time.Second
	succeed(t, d, call, model.MethodStop)
	if left := env.Processes(call); left != 0 {
		t.Errorf("Stop succeeded and %d processes run", left)
	}
}

func hangs(t *testing.T, d agent.Driver, env Env, call agent.Call) {
	call.Timeout = 300 * time.Millisecond
	begin := time.Now()
	if r := run(t, d, call, model.MethodStart); !r.TimedOut || r.OK() || r.Aborted {
		t.Errorf("a Start that hangs: %+v", r)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("a Start with a timeout of %v took %v", call.Timeout, took)
	}
	if left := env.Processes(call); left != 0 {
		t.Errorf("%d processes outlived the timeout", left)
	}
	ctx, cancel := context.WithCancel(t.Context())
	stop := time.AfterFunc(200*time.Millisecond, cancel)
	defer stop.Stop()
	call.Method, call.Timeout = model.MethodStart, time.Minute
	begin = time.Now()
	if r := d.Run(ctx, call); !r.Aborted || r.OK() || r.TimedOut {
		t.Errorf("a Start that was aborted: %+v", r)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("an aborted Start took %v", took)
	}
	if left := env.Processes(call); left != 0 {
		t.Errorf("%d processes outlived the abort", left)
	}
}

func fails(t *testing.T, d agent.Driver, _ Env, call agent.Call) {
	r := run(t, d, call, model.MethodStart)
	if r.OK() || r.TimedOut || r.Aborted {
		t.Fatalf("a Start that fails: %+v", r)
	}
	if !strings.Contains(r.Message, FailWord) || strings.Contains(r.Message, "\n") {
		t.Errorf("message %q: want one line with %q", r.Message, FailWord)
	}
	succeed(t, d, call, model.MethodStop) // what a failed Start left behind is stopped
}

func floods(t *testing.T, d agent.Driver, env Env, call agent.Call) {
	call.Method = model.MethodStart
	r := d.Run(t.Context(), call)
	if !r.OK() {
		t.Fatalf("Start: exit %d, timed out %v, message %q", r.Exit, r.TimedOut, r.Message)
	}
	if len(r.Output) > agent.MaxOutput {
		t.Errorf("%d bytes of output were kept", len(r.Output))
	}
	if env.Processes(call) == 0 {
		t.Error("the service does not run")
	}
	succeed(t, d, call, model.MethodStop)
}

// Resource makes the resource of a call of a type.
func Resource(typ model.Type, name cluster.ResourceName, properties ...model.Property) agent.Call {
	r := model.Resource{Name: name, Group: "g", Type: typ.Name, Enabled: true, Monitored: true, RetryCount: 2, RetryInterval: 300, ThoroughProbeInterval: 60, Properties: properties}
	return agent.Call{Type: typ, Resource: r, Group: model.Group{Name: "g", Nodelist: []cluster.NodeName{"n1"}, MaximumPrimaries: 1, DesiredPrimaries: 1, Managed: true}, Node: "n1", Peers: []model.Resource{r}}
}
