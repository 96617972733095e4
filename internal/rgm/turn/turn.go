// Package turn decides which callback methods of a node may run now. A node on which thousands of resources start at once would have no time left for its heartbeats,
// so no more than so many methods run at the same time; the others wait for their turn:
//
//   - what stops never waits for what starts: a stop waits only while as many stops run as methods may run, and otherwise no start begins before a stop that waits;
//   - a resource that is started again after a failure comes before those that start for the first time, then counts the group's priority;
//   - methods that hang hold up their own kind only: starts, and starts after a failure, have a share of places each, which they take also while all others are taken;
//   - of two groups of one priority the one that began first is finished first, so that some serve while others still wait. Within a group the order is that in which
//     the methods were added, which is the order of the dependencies.
//
// A method is added only when all that it depends on has run, so none waits here for another that waits here.
package turn

import (
	"cmp"
	"container/heap"

	"redoubt/internal/cluster"
)

// Key says whose method it is: a resource runs one at a time.
type Key struct {
	Group    cluster.GroupName
	Resource cluster.ResourceName
}

// Job is a method that has to be run.
type Job struct {
	Key
	Stops    bool // it takes the resource down
	Again    bool // the resource was up before and has failed
	Priority int  // of the group; the higher goes first
}

// kind says what a method waits behind.
type kind int

const (
	stop  kind = iota
	again      // a start after a failure
	first      // any other start
	kinds
)

func (j Job) kind() kind {
	switch {
	case j.Stops:
		return stop
	case j.Again:
		return again
	}
	return first
}

// Queue is the methods of one node that run and that wait. It is not safe for use by several goroutines.
type Queue struct {
	limit   int
	serial  uint64
	groups  map[cluster.GroupName]*place
	running map[Key]Job
	runs    [kinds]int // of running
	waits   map[Key]*entry
	lines   [kinds]line
}

// place is when a group came, and how many of its methods wait or run.
type place struct {
	serial uint64
	jobs   int
}

type entry struct {
	Job
	serial uint64
	place  *place
	index  int // in its line
}

// New returns an empty queue for at most limit methods at once, and never fewer than one.
func New(limit int) *Queue {
	return &Queue{limit: max(limit, 1), groups: map[cluster.GroupName]*place{}, running: map[Key]Job{}, waits: map[Key]*entry{}}
}

// Add makes a method wait for its turn.
func (q *Queue) Add(j Job) {
	q.serial++
	p := q.groups[j.Group]
	if p == nil {
		p = &place{serial: q.serial}
		q.groups[j.Group] = p
	}
	p.jobs++
	e := &entry{Job: j, serial: q.serial, place: p}
	q.waits[j.Key] = e
	heap.Push(&q.lines[j.kind()], e)
}

// Withdraw takes a method back that waits; false: it does not, because it runs or was never added.
func (q *Queue) Withdraw(k Key) bool {
	e, ok := q.waits[k]
	if !ok {
		return false
	}
	heap.Remove(&q.lines[e.kind()], e.index)
	delete(q.waits, k)
	e.place.jobs--
	return true
}

// Done notes that a method has ended. A group that has more to run keeps its place, if that is added before the next Next.
func (q *Queue) Done(k Key) {
	j, ok := q.running[k]
	if !ok {
		return
	}
	delete(q.running, k)
	q.runs[j.kind()]--
	q.groups[k.Group].jobs--
}

// Next gives the method whose turn it is, which counts as running from now on; false: none may begin before another has ended.
func (q *Queue) Next() (Job, bool) {
	for k := range kinds {
		if q.lines[k].Len() == 0 || !q.may(k) {
			continue
		}
		e := heap.Pop(&q.lines[k]).(*entry) //nolint:forcetypeassert // a line holds nothing else
		delete(q.waits, e.Key)
		q.running[e.Key] = e.Job
		q.runs[k]++
		return e.Job, true
	}
	q.forget()
	return Job{}, false
}

// may reports whether the next method of a kind may begin.
func (q *Queue) may(k kind) bool {
	if k == stop {
		return q.runs[stop] < q.limit
	}
	return q.lines[stop].Len() == 0 && len(q.running) < q.limit || q.runs[k] < q.share()
}

// share is how many starts of a kind run also where all places are taken.
func (q *Queue) share() int { return max(q.limit/4, 1) }

// Waiting is how many methods wait, Running how many run.
func (q *Queue) Waiting() int { return len(q.waits) }

// Running is how many methods run.
func (q *Queue) Running() int { return len(q.running) }

// forget drops the places of groups that have nothing more to run.
func (q *Queue) forget() {
	for g, p := range q.groups {
		if p.jobs == 0 {
			delete(q.groups, g)
		}
	}
}

// line is a heap of methods of which the first is the next.
type line []*entry

func (l line) Len() int { return len(l) }

func (l line) Less(i, j int) bool {
	a, b := l[i], l[j]
	return cmp.Or(cmp.Compare(b.Priority, a.Priority), cmp.Compare(a.place.serial, b.place.serial), cmp.Compare(a.serial, b.serial)) < 0
}

func (l line) Swap(i, j int) {
	l[i], l[j] = l[j], l[i]
	l[i].index, l[j].index = i, j
}

// Push implements heap.Interface.
func (l *line) Push(x any) {
	e := x.(*entry) //nolint:forcetypeassert // a line holds nothing else
	e.index = len(*l)
	*l = append(*l, e)
}

// Pop implements heap.Interface.
func (l *line) Pop() any {
	old := *l
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*l = old[:len(old)-1]
	return e
}
