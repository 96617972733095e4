// Package farm makes the cluster whose placement is measured, for Redoubt and for Pacemaker alike: groups that prefer the nodes in turn, with two kinds of load that fill
// the nodes to about two thirds of their hard limits. Of every five groups one may not be with its neighbour and starts after it, one runs only where its neighbour does,
// one would rather be near it, one rather far from it.
package farm

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/model"
	"redoubt/internal/rgm/order"
)

// Size is that of a farm.
type Size struct{ Nodes, Groups, Each int }

// String is nodes x groups x resources.
func (s Size) String() string { return fmt.Sprintf("%d x %d x %d", s.Nodes, s.Groups, s.Groups*s.Each) }

// kinds are the loads; nodes have limits of both.
var kinds = [...]string{"cpu", "mem"}

func life() cluster.Incarnation { return cluster.Incarnation{Number: 1, Tag: "farm"} }

// Fresh is the farm with everything asked to come online and nothing running yet. The same size gives the same farm.
func Fresh(size Size) model.State {
	rng := rand.New(rand.NewPCG(uint64(size.Nodes), uint64(size.Groups)))
	s := model.State{Basis: model.Basis{Epoch: 10}, Formation: 2, Now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), Types: []model.Type{{Name: "app", Driver: "exec"}}}
	var names []cluster.NodeName
	each := int64(size.Groups) * 10 / int64(size.Nodes) // the load of a kind on a node, when it is spread evenly
	for i := range size.Nodes {
		n := model.Node{Name: cluster.NodeName(fmt.Sprintf("n%02d", i+1)), ID: i + 1}
		for k, kind := range kinds {
			n.LoadLimits = append(n.LoadLimits, model.LoadLimit{Name: kind, Soft: each * int64(13+k) / 10, Hard: each * int64(16+k) / 10})
		}
		names = append(names, n.Name)
		s.Nodes = append(s.Nodes, model.NodeState{Node: n, Member: true, Incarnation: life(), Since: 2})
	}
	for i := range size.Groups {
		first := i % size.Nodes
		g := model.Group{
			Name: groupName(i), Nodelist: append(slices.Clone(names[first:]), names[:first]...), MaximumPrimaries: 1, DesiredPrimaries: 1, PingpongInterval: 3600,
			AutoStartOnNewCluster: true, ImplicitNetworkDependencies: true, Managed: true, Priority: 100 * rng.IntN(10),
			PreemptionMode: [...]model.PreemptionMode{"", model.PreemptionNoCost, model.PreemptionNever}[rng.IntN(20)/9],
		}
		for _, kind := range kinds {
			g.LoadFactors = append(g.LoadFactors, model.LoadFactor{Name: kind, Load: 1 + rng.Int64N(19)})
		}
		if kind := binds[i%5]; kind != "" {
			g.Affinities = []model.Affinity{{Kind: kind, Target: groupName(i - 1)}}
		}
		if i%5 == 1 {
			g.Dependencies = []cluster.GroupName{groupName(i - 1)}
		}
		s.Groups = append(s.Groups, g)
		s.Wants = append(s.Wants, model.Want{Group: g.Name, Seq: 1, Online: true})
		s.Assignments = append(s.Assignments, model.Assignment{Group: g.Name, Version: 1, Epoch: 10, Formation: 2, Off: true})
		for _, n := range names {
			s.Instances = append(s.Instances, model.Instance{Node: n, Incarnation: life(), Group: g.Name, Version: 1, State: model.GroupOffline})
		}
		for k := range size.Each {
			r := model.Resource{Name: resourceName(i, k), Group: g.Name, Type: "app", Enabled: true, Monitored: true}
			if k > 0 {
				r.Dependencies = []model.Dependency{{On: resourceName(i, k-1), Kind: model.DependStrong}}
			}
			s.Resources = append(s.Resources, r)
		}
	}
	return s
}

// binds are the affinities of five groups in a row to the one before.
var binds = [...]model.AffinityKind{"", model.AffinityForbid, model.AffinityRequire, model.AffinityPrefer, model.AffinityAvoid}

func groupName(i int) cluster.GroupName { return cluster.GroupName(fmt.Sprintf("g%05d", i)) }

func resourceName(group, k int) cluster.ResourceName {
	return cluster.ResourceName(fmt.Sprintf("r%05d-%d", group, k))
}

// Running is the farm at rest, with everything online where the planner put it.
func Running(size Size) (model.State, error) {
	s := Fresh(size)
	for range 50 {
		steps := order.Plan(s)
		before := s.Instances
		place := make(map[cluster.GroupName]int, len(s.Assignments))
		s.Assignments = slices.Clone(s.Assignments)
		for i, a := range s.Assignments {
			place[a.Group] = i
		}
		for _, step := range steps {
			s.Assignments[place[step.Assignment.Group]] = step.Assignment
		}
		s.Instances = slices.Clone(s.Instances)
		for i := range s.Instances {
			in := &s.Instances[i]
			a := s.Assignments[place[in.Group]]
			in.Version, in.State = a.Version, model.GroupOffline
			if a.On(in.Node, in.Incarnation) {
				in.State = model.GroupOnline
			}
		}
		if len(steps) == 0 && reflect.DeepEqual(before, s.Instances) {
			return s, nil
		}
	}
	return s, fault.Errorf(fault.Internal, "the farm of %v does not come to rest", size)
}

// Lost is the farm without its first node. Held says that it is not certain yet that the node runs nothing any more.
func Lost(s model.State, held bool) model.State {
	s.Nodes = slices.Clone(s.Nodes)
	n := &s.Nodes[0]
	s.Held = nil
	if held {
		s.Held = []model.Target{{Node: n.Name, Incarnation: n.Incarnation}}
	}
	n.Member, n.Incarnation = false, cluster.Incarnation{}
	s.Basis.Epoch++
	return s
}
