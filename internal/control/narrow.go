package control

import (
	"slices"
	"strings"
	"unicode"

	v1 "redoubt/api/v1"
	"redoubt/internal/rbac"
	"redoubt/internal/rgm/model"
)

// narrow leaves of a reading what somebody whose rights do not cover the whole cluster may see: his groups, their resources, and what belongs to them.
func (c *Control) narrow(v view, who Caller, name string) view {
	if reach := c.reach(who, name); !reach.Whole() {
		return v.within(reach)
	}
	return v
}

func (v view) within(reach rbac.Reach) view {
	sees := groupsIn(reach)
	veil := veilOver(v.state, sees)
	cut := func(s model.State) model.State {
		s.Groups = only(s.Groups, func(g model.Group) bool { return sees(string(g.Name)) })
		s.Resources = only(s.Resources, func(r model.Resource) bool { return sees(string(r.Group)) })
		s.Wants = only(s.Wants, func(w model.Want) bool { return sees(string(w.Group)) })
		s.Assignments = only(s.Assignments, func(a model.Assignment) bool { return sees(string(a.Group)) })
		s.Instances = only(s.Instances, func(i model.Instance) bool { return sees(string(i.Group)) })
		for i, a := range s.Assignments {
			s.Assignments[i].Notes = slices.Clone(a.Notes)
			for k, n := range a.Notes {
				s.Assignments[i].Notes[k].Text = veil.over(n.Text)
			}
		}
		for i, n := range s.Instances {
			s.Instances[i].BlockedOn = veil.over(n.BlockedOn)
		}
		return s
	}
	v.state, v.snap.State = cut(v.state), cut(v.snap.State)
	v.snap.Secrets = only(v.snap.Secrets, func(s model.Secret) bool { return v.hasObject(s) })
	v.snap.Policy, v.snap.Access, v.snap.Asks = rbac.Policy{}, nil, nil
	return v
}

// groupsIn tells which groups somebody may see. What is of no group he may not.
func groupsIn(reach rbac.Reach) func(group string) bool {
	return func(group string) bool { return group != "" && reach.Covers(rbac.Object{Group: group}) }
}

// veil are the names of groups that somebody may not see, and of their resources.
type veil map[string]bool

func veilOver(s model.State, sees func(group string) bool) veil {
	hidden := veil{}
	for _, g := range s.Groups {
		if !sees(string(g.Name)) {
			hidden[string(g.Name)] = true
		}
	}
	for _, r := range s.Resources {
		if !sees(string(r.Group)) {
			hidden[string(r.Name)] = true
		}
	}
	return hidden
}

// over gives a text that others wrote, or, where that names something hidden, no more than that it is about another group.
func (h veil) over(text string) string {
	words := strings.FieldsFunc(text, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_.", r)
	})
	if slices.ContainsFunc(words, func(w string) bool { return h[w] || h[strings.Trim(w, ".-")] }) {
		return otherGroup
	}
	return text
}

// otherGroup is what somebody is told of groups that he may not see.
const otherGroup = "because of another group"

// only is a copy of what holds; the list itself is shared and never changed.
func only[T any](list []T, holds func(T) bool) []T {
	return slices.DeleteFunc(slices.Clone(list), func(x T) bool { return !holds(x) })
}

// statusFor is the status as far as a caller may see it.
func (c *Control) statusFor(r *Running, who Caller) v1.Status {
	s := c.status(r)
	reach := c.reach(who, "cluster status")
	if r == nil || reach.Whole() {
		return s
	}
	sees := groupsIn(reach)
	veil := veilOver(c.look(r).state, sees)
	s.Nodes = nil
	s.Groups = only(s.Groups, func(g v1.GroupState) bool { return sees(g.Name) })
	s.Resources = only(s.Resources, func(r v1.ResourceState) bool { return sees(r.Group) })
	s.Problems = only(s.Problems, func(p v1.Problem) bool {
		kind, name, _ := strings.Cut(p.Object, " ")
		return kind == "group" && sees(name) || kind == "resource" && slices.ContainsFunc(s.Resources, func(r v1.ResourceState) bool { return r.Name == name })
	})
	for i, g := range s.Groups {
		s.Groups[i].Notes, s.Groups[i].Nodes = slices.Clone(g.Notes), slices.Clone(g.Nodes)
		for k, n := range g.Notes {
			s.Groups[i].Notes[k].Text = veil.over(n.Text)
		}
		for k, n := range g.Nodes {
			s.Groups[i].Nodes[k].BlockedOn = veil.over(n.BlockedOn)
		}
	}
	for i, p := range s.Problems {
		s.Problems[i].Text, s.Problems[i].Remedy = veil.over(p.Text), veil.over(p.Remedy)
	}
	if s.Cluster != nil {
		q := s.Cluster.Quorum
		s.Cluster = &v1.ClusterState{Name: s.Cluster.Name, Quorum: v1.QuorumState{Voters: []v1.VoterStatus{}, Needed: q.Needed, Present: q.Present, Margin: q.Margin, Quorate: q.Quorate}}
	}
	return s
}
