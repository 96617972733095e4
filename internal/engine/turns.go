package engine

import (
	"context"
	"runtime"

	"redoubt/internal/cluster"
	"redoubt/internal/rgm/life"
	"redoubt/internal/rgm/model"
	"redoubt/internal/rgm/turn"
)

// methodsPerCPU and fewestMethods say how many methods run at once on a node on which nobody has said it: many, because most of them wait for something, and so few that
// what the node has to do beside them is done in time.
const (
	methodsPerCPU = 8
	fewestMethods = 16
)

// DefaultMethods is how many methods run at once where nothing else is configured.
func DefaultMethods() int { return max(fewestMethods, methodsPerCPU*runtime.NumCPU()) }

// turns are the methods of this node that wait for their turn, with what to do when it comes.
type turns struct {
	queue *turn.Queue
	calls map[turn.Key]pending
}

// pending is a method that waits.
type pending struct {
	starts bool
	begin  func()             // run it
	end    func(life.Outcome) // it will not be run
}

func newTurns(limit int) turns {
	if limit <= 0 {
		limit = DefaultMethods()
	}
	return turns{queue: turn.New(limit), calls: map[turn.Key]pending{}}
}

// stopMethods take a resource down: they do not wait for those that bring others up.
var stopMethods = map[model.Method]bool{model.MethodMonitorStop: true, model.MethodStop: true, model.MethodPostnetStop: true}

// await makes a method wait for its turn.
func (x *Executor) await(g *groupRun, group model.Group, a life.Run, p pending) {
	job := turn.Job{Key: turn.Key{Group: group.Name, Resource: a.Resource}, Stops: stopMethods[a.Method], Priority: group.Priority}
	for _, r := range g.last.Resources {
		job.Again = job.Again || r.Name == a.Resource && r.RestartCount > 0
	}
	x.turns.calls[job.Key] = p
	x.turns.queue.Add(job)
}

// proceed begins the methods whose turn has come. Starts need the lease at this moment, however long they have waited.
func (x *Executor) proceed(ctx context.Context) {
	for ctx.Err() == nil {
		job, ok := x.turns.queue.Next()
		if !ok {
			return
		}
		p := x.turns.calls[job.Key]
		delete(x.turns.calls, job.Key)
		if p.starts && !x.member.MayStart() {
			go p.end(life.Outcome{NotRun: true, Message: "this node's lease has ended"})
			continue
		}
		p.begin()
	}
}

// giveUp takes back a method that waits for its turn; false: it has begun.
func (x *Executor) giveUp(group cluster.GroupName, resource cluster.ResourceName, o life.Outcome) bool {
	k := turn.Key{Group: group, Resource: resource}
	if !x.turns.queue.Withdraw(k) {
		return false
	}
	p := x.turns.calls[k]
	delete(x.turns.calls, k)
	go p.end(o)
	return true
}
