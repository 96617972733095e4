package plan

import (
	"fmt"
	"math"
	"slices"
)

// Sizes that a Problem may have.
const (
	MaxNodes  = 64 // a set of nodes is one machine word
	MaxGroups = 1 << 17
	MaxKinds  = 64
	MaxLoad   = 1 << 30 // of one group
	Unlimited = math.MaxInt64
)

// Problem is one snapshot of what has to be placed. Nodes, groups and kinds of load are named by their index. Solve does not change it.
type Problem struct {
	Nodes       []Node
	Groups      []Group
	Kinds       []string // the names of the load limits
	Concentrate bool     // put load on as few nodes as possible instead of spreading it
}

// Node is a node and its limits.
type Node struct {
	Name   string
	Down   bool    // is not in the cluster
	Closed bool    // takes no group that does not run there already or was not asked to
	Limits []Limit // by kind; kinds beyond the end are unlimited
}

// Limit is what a node carries of one kind of load: Soft may be exceeded for a while, Hard never. Unlimited stands for no limit.
type Limit struct{ Soft, Hard int64 }

// Preemption says how readily a running group gives way to others.
type Preemption uint8

// The modes of preemption.
const (
	HasCost Preemption = iota
	NoCost
	Never
)

// Kind is the kind of an affinity.
type Kind uint8

// The kinds of affinities: + ++ +++ - --
const (
	Prefer   Kind = iota // +
	Require              // ++
	Delegate             // +++
	Avoid                // -
	Forbid               // --
)

// String is the operator.
func (k Kind) String() string { return [...]string{"+", "++", "+++", "-", "--"}[k] }

// Affinity binds the group that has it, the source, to a target.
type Affinity struct {
	Kind   Kind
	Target int
}

// Refusal says why a node can not run a group for reasons that the planner does not judge.
type Refusal struct {
	Node   int
	Reason Reason
	Text   string
	// Stays marks a node that the group runs on and was asked to leave: it stays there if no other place is found.
	Stays bool
}

// Group is one group and where it is.
type Group struct {
	Name       string
	Off        bool // not to run at all: unmanaged, or taken offline
	Suspended  bool
	Failback   bool
	Remaster   bool // where it runs does not count
	Held       bool // an administrator put it where it runs: this stands as a request until it has to leave
	Preemption Preemption
	Priority   int // 0 to 1000
	Desired    int
	Maximum    int
	Nodelist   []int // in order of preference
	Refused    []Refusal
	Current    []int
	Coming     bool  // it does not run on all of Current yet: a move to there is under way
	Draws      []int // nodes that joined since the group was placed: with Failback they draw it while it runs
	Explicit   []int // exactly these, by an administrator
	Loads      []int64
	Affinities []Affinity
}

// Check reports the first fault that Solve could not work with.
func (p Problem) Check() error {
	if len(p.Nodes) > MaxNodes || len(p.Groups) > MaxGroups {
		return fmt.Errorf("the planner takes up to %d nodes and %d groups, not %d and %d", MaxNodes, MaxGroups, len(p.Nodes), len(p.Groups))
	}
	if len(p.Kinds) > MaxKinds {
		return fmt.Errorf("the planner takes up to %d kinds of load, not %d", MaxKinds, len(p.Kinds))
	}
	for _, n := range p.Nodes {
		if len(n.Limits) > len(p.Kinds) {
			return fmt.Errorf("node %s has %d limits, but there are %d kinds of load", n.Name, len(n.Limits), len(p.Kinds))
		}
		for k, l := range n.Limits {
			if l.Soft < 0 || l.Hard < l.Soft && l.Hard != Unlimited && l.Soft != Unlimited || l.Hard < 0 {
				return fmt.Errorf("node %s: limits of %s are soft %d and hard %d; they have to be 0 or more, and the soft one not above the hard one", n.Name, p.Kinds[k], l.Soft, l.Hard)
			}
		}
	}
	for _, g := range p.Groups {
		if err := p.checkGroup(g); err != nil {
			return fmt.Errorf("group %s: %w", g.Name, err)
		}
	}
	return nil
}

func (p Problem) checkGroup(g Group) error {
	for _, list := range [...][]int{g.Nodelist, g.Current, g.Draws, g.Explicit} {
		for _, n := range list {
			if n < 0 || n >= len(p.Nodes) {
				return fmt.Errorf("there is no node number %d", n)
			}
		}
	}
	for _, r := range g.Refused {
		if r.Node < 0 || r.Node >= len(p.Nodes) {
			return fmt.Errorf("there is no node number %d", r.Node)
		}
	}
	if set(g.Nodelist) == 0 && len(g.Nodelist) > 0 || count(set(g.Nodelist)) != len(g.Nodelist) {
		return fmt.Errorf("a node is in the nodelist twice")
	}
	if g.Desired < 0 || g.Maximum < 1 || g.Priority < 0 || g.Priority > 1000 || g.Preemption > Never {
		return fmt.Errorf("needs 0 or more desired and 1 or more maximum primaries, a priority from 0 to 1000 and a known preemption mode, not %d, %d, %d and %d", g.Desired, g.Maximum, g.Priority, g.Preemption)
	}
	if len(g.Loads) > len(p.Kinds) {
		return fmt.Errorf("has %d load factors, but there are %d kinds of load", len(g.Loads), len(p.Kinds))
	}
	for k, l := range g.Loads {
		if l < 0 || l > MaxLoad {
			return fmt.Errorf("load factor %s is %d; it has to be from 0 to %d", p.Kinds[k], l, MaxLoad)
		}
	}
	for _, a := range g.Affinities {
		if a.Kind > Forbid || a.Target < 0 || a.Target >= len(p.Groups) || p.Groups[a.Target].Name == g.Name {
			return fmt.Errorf("has an affinity of kind %d to group number %d; it has to be one of + ++ +++ - -- to another group", a.Kind, a.Target)
		}
	}
	return nil
}

// Change alters a snapshot for a what-if. It may assign to elements of Nodes, Groups and Kinds, but has to replace the slices within them, not write to them.
type Change func(*Problem)

// With is the snapshot with changes; p stays as it is.
func With(p Problem, changes ...Change) Problem {
	p.Nodes, p.Groups, p.Kinds = slices.Clone(p.Nodes), slices.Clone(p.Groups), slices.Clone(p.Kinds)
	for _, c := range changes {
		c(&p)
	}
	return p
}

// Without is the snapshot in which a node is lost.
func Without(p Problem, node int) Problem {
	return With(p, func(p *Problem) { p.Nodes[node].Down = true })
}

// After is the snapshot in which a result has come true: every group runs where it was placed, and requests are done with. A group whose
// request was obeyed is Held from now on, others that were Held and had to leave are not.
func After(p Problem, r Result) Problem {
	return With(p, func(p *Problem) {
		for g := range p.Groups {
			x := &p.Groups[g]
			m := r.at[g]
			x.Held = m != 0 && (len(x.Explicit) > 0 || x.Held) && !slices.Contains(r.refused, int32(g))
			x.Current, x.Coming, x.Explicit, x.Draws, x.Remaster = members(m), false, nil, nil, false
		}
	})
}
