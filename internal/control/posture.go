package control

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	v1 "redoubt/api/v1"
	"redoubt/internal/admission"
	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/posture"
)

// surveyLimit is how long a node may take to look at itself.
const surveyLimit = 15 * time.Second

// ClusterListChecks says which checks there are.
func (c *Control) ClusterListChecks(ctx context.Context, who Caller, _ v1.ClusterListChecks) ([]v1.CheckInfo, error) {
	if err := c.authorise(ctx, who, "cluster list-checks"); err != nil {
		return nil, err
	}
	var out []v1.CheckInfo
	for _, check := range posture.Checks() {
		out = append(out, check.CheckInfo)
	}
	return out, nil
}

// ClusterCheck looks for what could go wrong, and says plainly what this cluster is not protected against.
func (c *Control) ClusterCheck(ctx context.Context, who Caller, in v1.ClusterCheck) (v1.CheckReport, error) {
	r, err := c.enter(ctx, who, "cluster check")
	if err != nil {
		return v1.CheckReport{}, err
	}
	checks, err := posture.Select(posture.Checks(), in.Check, in.Exclude, in.Severity)
	if err != nil {
		return v1.CheckReport{}, fault.Errorf(fault.Invalid, "cluster check: %w", err)
	}
	done, err := c.turn(ctx, who, "cluster check")
	if err != nil {
		return v1.CheckReport{}, err
	}
	defer done()
	v, err := c.read(r)
	if err != nil {
		return v1.CheckReport{}, err
	}
	f := c.postureFacts(ctx, r, v)
	out := v1.CheckReport{Results: posture.Run(checks, f), Modules: modules(f.Nodes)}
	out.Problems = posture.Findings(out.Results)
	for _, res := range out.Results {
		out.Checked = append(out.Checked, res.ID+" "+res.Title)
	}
	return finish(out), nil
}

// postureFacts gathers what the checks judge.
func (c *Control) postureFacts(ctx context.Context, r *Running, v view) posture.Facts {
	f := posture.Facts{Now: v.now, State: v.state, Policy: v.snap.Policy, Secrets: secretFacts(v), Sessions: v.snap.Sessions, Access: v.accessFacts()}
	f.KnowNodes, f.KnowUsers = words(v.snap.Authorities.Node.Exposed(v.snap.Revocations)), words(v.snap.Authorities.User.Exposed(v.snap.Revocations))
	f.Nodes, f.Silent = c.surveyAll(ctx, r, v)
	into := func(list *[]v1.Problem) addProblem {
		return func(severity, object, remedy, format string, args ...any) {
			*list = append(*list, v1.Problem{Severity: severity, Object: object, Text: fmt.Sprintf(format, args...), Remedy: remedy})
		}
	}
	p := &f.Problems
	v.certificateProblems(into(&p.Certificates))
	c.logProblems(into(&p.Log))
	for _, each := range c.status(r).Problems {
		switch kind, _, _ := strings.Cut(each.Object, " "); {
		case slices.Contains(p.Certificates, each) || slices.Contains(p.Log, each):
		case kind == "group" || kind == "resource":
			p.Groups = append(p.Groups, each)
		default:
			p.Membership = append(p.Membership, each)
		}
	}
	return f
}

func (v view) accessFacts() posture.Access {
	list, err := v.accessList()
	if err != nil {
		return posture.Access{Unreadable: err.Error()}
	}
	a := posture.Access{Everybody: list.Policy(v.now) == admission.AllowAll, ByAddress: v.protocol() == admission.Sys}
	for _, e := range list.Current(v.now) {
		a.ByAddress = a.ByAddress || e.Protocol == admission.Sys
	}
	return a
}

// surveyAll asks every member, and every quorum server that is heard, about itself; silent are those that do not answer.
func (c *Control) surveyAll(ctx context.Context, r *Running, v view) (nodes []posture.Node, silent []string) {
	asked := v.members()
	for _, n := range v.quorumServers() {
		if c.hears(v, n) {
			asked = append(asked, n)
		}
	}
	answers := make([]*posture.Node, len(asked))
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i, n := range asked {
		group.Go(func() error {
			answers[i] = c.survey(ctx, r, n)
			return nil
		})
	}
	_ = group.Wait()
	for i, a := range answers {
		if a == nil {
			silent = append(silent, string(asked[i]))
		} else {
			nodes = append(nodes, *a)
		}
	}
	return nodes, silent
}

// survey asks a node about itself; nil if it does not answer. A node that can not look at its protection in time still says the rest.
func (c *Control) survey(ctx context.Context, r *Running, n cluster.NodeName) *posture.Node {
	out := posture.Node{}
	bounded, cancel := context.WithTimeout(ctx, surveyLimit)
	defer cancel()
	facts, err := c.factsFrom(bounded, r, n, v1.PeerFacts{Posture: true})
	if err != nil {
		if facts, err = c.factsOf(ctx, r, n); err != nil {
			return nil
		}
	}
	out.NodeFacts = facts
	out.Node = string(n)
	if out.Posture != nil && n == r.Node {
		out.ClockSure = time.Millisecond // compared with itself
	} else if out.Posture != nil {
		out.ClockOff, out.ClockSure = c.clockOf(ctx, r, n)
	}
	return &out
}

// clockOf is by how much the clock of a node is ahead of this node's, and how exact that is; 0, 0 if the node does not tell.
func (c *Control) clockOf(ctx context.Context, r *Running, n cluster.NodeName) (off, sure time.Duration) {
	bounded, cancel := context.WithTimeout(ctx, factsLimit)
	defer cancel()
	var now v1.PeerNow
	for range 2 { // the second call finds the connection open
		before := c.cfg.Clock.Wall()
		if err := r.Peers.Call(bounded, n, "peer", "time", v1.PeerTime{}, &now); err != nil {
			return 0, 0
		}
		took := c.cfg.Clock.Wall().Sub(before)
		off, sure = now.Now.Sub(before.Add(took/2)), max(took/2, time.Millisecond)
	}
	return off, sure
}

// modules are what the program of the nodes is built from: each version of each once, with the nodes that run it.
func modules(nodes []posture.Node) []v1.Module {
	var out []v1.Module
	for _, n := range nodes {
		if n.Posture == nil {
			continue
		}
		for _, m := range n.Posture.Modules {
			i := slices.IndexFunc(out, func(o v1.Module) bool { return o.Path == m.Path && o.Version == m.Version })
			if i < 0 {
				i = len(out)
				out = append(out, v1.Module{Path: m.Path, Version: m.Version})
			}
			out[i].Nodes = append(out[i].Nodes, n.Node)
		}
	}
	return out
}

// secretFacts are the private strings for cluster check.
func secretFacts(v view) []posture.Secret {
	var out []posture.Secret
	for _, s := range v.snap.Secrets {
		w := v.wireSecret(s)
		out = append(out, posture.Secret{Name: s.Name, Readable: w.Readable, Waiting: w.Waiting, KnownTo: w.KnownTo, Stuck: len(w.Waiting) > 0 && s.Resealer(v.state.Nodes) == ""})
	}
	return out
}
