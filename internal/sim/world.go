package sim

import (
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/membership"
)

// Options say what is simulated.
type Options struct {
	Seed uint64
	// Faults are mistakes planted in the membership machines.
	Faults membership.Faults
	// IgnoreGuard makes guards that do not fire: a node that ignores its guard.
	IgnoreGuard bool
	// MapOrder makes the president choose by the order of a map.
	MapOrder bool
	// Blind makes the president see neither affinities nor loads.
	Blind bool
	// Fence gives every node a fence agent; then what is on a frozen machine counts as running until it is switched off or its guard has acted.
	Fence bool
	// DeadAgents makes every agent fail, without having done anything.
	DeadAgents bool
	// Scalable gives the cluster a scalable service; every tenth seed has one in any case.
	Scalable bool
	// Forget makes who takes the address of a scalable service ask nobody which connections there are.
	Forget bool
	// ShortLinger makes who gave that address up take its rules away after a while, whether or not another holds it.
	ShortLinger bool
	// Hasty makes nodes say that a group is at rest on them before they have read what the one that asks has read.
	Hasty bool
	// Forsake makes presidents leave suspended what a quiesce whose daemon is gone has suspended.
	Forsake bool
	// Rude makes the end of a quiesce resume the group, whoever has suspended it.
	Rude bool
	// Bias prefers some faults, for mistakes that need a rare constellation. The invariants are the same.
	Bias Bias
	// Log gets every line of the trace as it happens; nil: nobody.
	Log io.Writer
}

// Bias is a preference in the choice of faults.
type Bias string

// The biases.
const (
	BiasNone     Bias = ""
	BiasRestarts Bias = "restarts" // daemons of voters are restarted while others are cut off
	BiasLate     Bias = "late"     // commits and watches lag behind
	BiasCuts     Bias = "cuts"     // short cuts of single nodes
	BiasDelay    Bias = "delay"    // messages are long on their way
	BiasFreeze   Bias = "freeze"   // whole machines freeze, for about as long as a lease or much longer
	BiasQuiesce  Bias = "quiesce"  // groups are brought to rest just when they move and a node is behind
	BiasRotate   Bias = "rotate"   // a removed node that does not know it is heard by one half of the others, then by the other half
)

// Result is how a run ended.
type Result struct {
	Seed   uint64
	Digest uint64 // of everything that happened
	Events int
	// Broken says which invariant was broken; "" none.
	Broken string
	At     time.Duration // true time of the end
	Trace  []string      // the last lines
	Stats  Stats
}

// Stats count what happened, to show that runs are worth something.
type Stats struct {
	Epochs, Takeovers, Fired, Starts, Stops, Unknown, Elections, VoterChanges, Adopted, Asked, Connections, Quiesces, Rested int
}

type event struct {
	at  int64
	seq uint64
	fn  func()
}

// World is one simulated cluster.
type World struct {
	opt    Options
	rng    *rand.Rand
	now    int64 // true time, ns
	seq    uint64
	heap   []event
	nodes  []*node
	byName map[cluster.NodeName]*node
	net    network
	store  *store
	op     operator
	trace  tracer
	broken string
	calm   bool // faults have stopped
	mood   mood
	stats  Stats
	events int
	// The scalable service: its long connections, how many there have been, and where clients believe its address to be.
	scalable  bool
	clients   []*client
	opened    int
	heard     *node
	heardBoot int
	resting   map[cluster.GroupName]*resting
	pause     int64 // true time before which no further fault is drawn: one that takes its time is under way
}

// Run simulates one seed to its end.
func Run(opt Options) Result {
	w := newWorld(opt)
	w.op.begin()
	w.run(func() bool { return w.op.done })
	return Result{
		Seed: opt.Seed, Digest: w.trace.hash.Sum64(), Events: w.events, Broken: w.broken, At: time.Duration(w.now), Trace: w.trace.lines(), Stats: w.stats,
	}
}

// newWorld is a configured cluster whose nodes are about to boot.
func newWorld(opt Options) *World {
	w := &World{opt: opt, rng: rand.New(rand.NewPCG(opt.Seed, 0x5eed)), byName: map[cluster.NodeName]*node{}, resting: map[cluster.GroupName]*resting{}}
	w.scalable = opt.Scalable || opt.Seed%10 == 0
	w.trace = tracer{w: w, hash: fnv.New64a(), log: opt.Log}
	w.build()
	return w
}

// run lets everything happen, one event after the other, until done or until an invariant is broken.
func (w *World) run(done func() bool) {
	for w.broken == "" && len(w.heap) > 0 && !done() {
		e := w.pop()
		w.now = e.at
		w.events++
		e.fn()
		w.checkLeases()
	}
}

// after calls fn when d has passed.
func (w *World) after(d time.Duration, fn func()) { w.at(w.now+int64(d), fn) }

func (w *World) at(t int64, fn func()) {
	w.seq++
	e := event{max(t, w.now), w.seq, fn}
	w.heap = append(w.heap, e)
	i := len(w.heap) - 1
	for i > 0 {
		up := (i - 1) / 2
		if !w.heap[i].before(w.heap[up]) {
			break
		}
		w.heap[i], w.heap[up] = w.heap[up], w.heap[i]
		i = up
	}
}

func (e event) before(o event) bool { return e.at < o.at || e.at == o.at && e.seq < o.seq }

func (w *World) pop() event {
	top := w.heap[0]
	last := len(w.heap) - 1
	w.heap[0] = w.heap[last]
	w.heap[last] = event{}
	w.heap = w.heap[:last]
	for i := 0; ; {
		l, r, least := 2*i+1, 2*i+2, i
		if l < last && w.heap[l].before(w.heap[least]) {
			least = l
		}
		if r < last && w.heap[r].before(w.heap[least]) {
			least = r
		}
		if least == i {
			return top
		}
		w.heap[i], w.heap[least] = w.heap[least], w.heap[i]
		i = least
	}
}

// between draws a span.
func (w *World) between(lo, hi time.Duration) time.Duration {
	if hi <= lo {
		return lo
	}
	return lo + time.Duration(w.rng.Int64N(int64(hi-lo)))
}

// chance is true in p of a thousand cases.
func (w *World) chance(perMille int) bool { return w.rng.IntN(1000) < perMille }

// wall is what a perfect wall clock would show.
func (w *World) wall() time.Time {
	return time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(w.now))
}

// violated ends the run.
func (w *World) violated(invariant, format string, args ...any) {
	if w.broken == "" {
		w.broken = invariant + ": " + fmt.Sprintf(format, args...)
		w.trace.note("", "VIOLATED "+w.broken)
	}
}

// Add sums two counts.
func (s *Stats) Add(o Stats) {
	s.Epochs += o.Epochs
	s.Takeovers += o.Takeovers
	s.Fired += o.Fired
	s.Starts += o.Starts
	s.Stops += o.Stops
	s.Unknown += o.Unknown
	s.Elections += o.Elections
	s.VoterChanges += o.VoterChanges
	s.Adopted += o.Adopted
	s.Asked += o.Asked
	s.Connections += o.Connections
	s.Quiesces += o.Quiesces
	s.Rested += o.Rested
}
