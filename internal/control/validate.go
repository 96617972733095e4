package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	v1 "redoubt/api/v1"
	"redoubt/internal/agent"
	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/life"
	"redoubt/internal/rgm/model"
	"redoubt/internal/rgm/outside"
	"redoubt/internal/yield"
)

// atOnce is how many nodes are asked at the same time.
const atOnce = 8

// validatedAtOnce is how many Validate methods run on a node at the same time for one command. Many more would hold up what the daemon has to do in time.
const validatedAtOnce = 4

// validation is one Validate method that has to agree before a change is written.
type validation struct {
	resource model.Resource // as it will be
	create   bool
	changes  []model.Property
	only     []cluster.NodeName // ask only these nodes; nil: all Init_nodes
}

// verdict is what a Validate method said on one node.
type verdict struct {
	node cluster.NodeName
	call agent.Call
	out  v1.PeerResult
	err  error // it refuses, or could not be asked
}

// validate runs Validate methods on every Init_node that is up, and gives the first refusal with all of them in its detail, or what was found that
// need not be wrong. The state is the one there will be.
func (c *Control) validate(ctx context.Context, r *Running, s model.State, list []validation) (warnings []string, err error) {
	var verdicts []verdict
	for _, v := range list {
		if v.create || slices.ContainsFunc(v.changes, func(p model.Property) bool { return strings.EqualFold(p.Name, "Start_command") }) {
			if where := outside.Resource(v.resource); where != "" && outside.Agent(v.resource.Type) == "" { // of an agent it was said when its type was registered
				warnings = append(warnings, "warning: what resource "+string(v.resource.Name)+" starts: "+outside.Caveat(where))
			}
		}
		t, ok := check.Type(s, v.resource.Type)
		if !ok {
			continue
		}
		if _, declared := t.Method(model.MethodValidate); !declared && t.BaseDir == "" {
			continue // with a folder there are files to be looked at on every node
		}
		g, _ := check.Group(s, v.resource.Group)
		for _, n := range initNodes(s, t, g) {
			if v.only == nil || slices.Contains(v.only, n) {
				verdicts = append(verdicts, verdict{node: n, call: methodCall(s, model.MethodValidate, t, g, v.resource, n, v.create, v.changes)})
			}
		}
	}
	c.questionAll(ctx, r, verdicts)
	for i := range verdicts {
		v := &verdicts[i]
		if _, declared := v.call.Type.Method(model.MethodValidate); !declared && fault.Is(v.err, fault.Unavailable) {
			v.err, v.out.OK = nil, true // nothing of the type's own was to be asked; its files are looked at whenever they run
		}
		v.err = refused(v.node, v.call, v.out, v.err)
	}
	more, err := judge(verdicts)
	return append(warnings, more...), err
}

// A node is asked several questions at once: each request is a record in its command log.
const (
	askedTogether = 64
	askedBytes    = 2 << 20 // of calls in one request
)

// questionAll fills in what the nodes say.
func (c *Control) questionAll(ctx context.Context, r *Running, verdicts []verdict) {
	byNode := map[cluster.NodeName][]*verdict{}
	for i := range verdicts {
		byNode[verdicts[i].node] = append(byNode[verdicts[i].node], &verdicts[i])
	}
	var group errgroup.Group
	group.SetLimit(atOnce)
	for _, node := range slices.Sorted(maps.Keys(byNode)) {
		group.Go(func() error {
			if node == r.Node {
				c.questionEach(ctx, r, byNode[node])
				return nil
			}
			for list := byNode[node]; len(list) > 0; {
				part, calls := inOneRequest(list)
				list = list[len(part):]
				c.question(ctx, r, part, calls)
			}
			return nil
		})
	}
	_ = group.Wait()
}

// inOneRequest are the first of the questions to a node that go into one request, with their calls.
func inOneRequest(list []*verdict) (part []*verdict, calls [][]byte) {
	size := 0
	for _, v := range list[:min(len(list), askedTogether)] {
		yield.Piece()
		body, err := json.Marshal(v.call)
		if err != nil { // it is asked alone, and fails there
			break
		}
		if size += len(body); size > askedBytes {
			break
		}
		calls = append(calls, body)
	}
	if len(calls) < 2 {
		return list[:1], nil
	}
	return list[:len(calls)], calls
}

// question asks a node in one request.
func (c *Control) question(ctx context.Context, r *Running, part []*verdict, calls [][]byte) {
	if len(calls) > 1 {
		err := c.questionTogether(ctx, r, part, calls)
		if err == nil {
			return
		}
		if !fault.Is(err, fault.Invalid) {
			for _, v := range part {
				v.err = err
			}
			return
		}
		// A daemon of before this could be asked takes one question at a time; otherwise it is told which one is wrong.
	}
	c.questionEach(ctx, r, part)
}

// questionEach asks a node each question by itself.
func (c *Control) questionEach(ctx context.Context, r *Running, part []*verdict) {
	var group errgroup.Group
	group.SetLimit(validatedAtOnce)
	for _, v := range part {
		group.Go(func() error {
			yield.Piece()
			v.out, v.err = c.runOn(ctx, r, v.node, v.call)
			return nil
		})
	}
	_ = group.Wait()
}

func (c *Control) questionTogether(ctx context.Context, r *Running, part []*verdict, calls [][]byte) error {
	limit := 10 * time.Second
	for _, v := range part {
		limit += v.call.Timeout // they may all hang, and all in one row
	}
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var out v1.PeerResult
	if err := r.Peers.Call(bounded, part[0].node, "peer", "validate", v1.PeerValidate{Call: calls[0], More: calls[1:]}, &out); err != nil {
		return err
	}
	if len(out.More) != len(part)-1 {
		return fault.Errorf(fault.Invalid, "node %s has answered %d of %d questions", part[0].node, 1+len(out.More), len(part))
	}
	part[0].out = out
	part[0].out.More = nil
	for i, v := range part[1:] {
		v.out = out.More[i]
	}
	return nil
}

// judge tells refusals from doubts. What can only be judged where the resource runs is a warning; that a node lacks something is one too as long as
// another does not, or the resource is disabled and shall not run yet. All else is a refusal.
func judge(verdicts []verdict) (warnings []string, err error) {
	fit := map[cluster.ResourceName]bool{}
	for _, v := range verdicts {
		if v.err == nil || v.out.Doubt == string(agent.DoubtPlace) {
			fit[v.call.Resource.Name] = true
		}
	}
	var errs []error
	var lacking []cluster.ResourceName
	for _, v := range verdicts {
		r := v.call.Resource
		switch doubt := agent.Doubt(v.out.Doubt); {
		case v.err == nil:
		case doubt == agent.DoubtPlace:
			warnings = append(warnings, "warning: "+v.err.Error()+"\n  this can only be judged where the resource runs, so it is no refusal; if it is a mistake, its start will fail")
		case doubt == agent.DoubtNode && (fit[r.Name] || !r.Enabled):
			warnings = append(warnings, "warning: "+v.err.Error()+"\n  the group can not start there until it has what it needs")
		case doubt == agent.DoubtNode:
			errs = append(errs, v.err)
			if !slices.Contains(lacking, r.Name) {
				lacking = append(lacking, r.Name)
			}
		default:
			errs = append(errs, v.err)
		}
	}
	for _, n := range lacking {
		errs = append(errs, fault.Errorf(fault.Invalid, "no node that was asked has what resource %s needs; install it on one, or create the resource disabled (-d) if it comes with the group", n))
	}
	return warnings, together(errs)
}

// methodCall is a call of a method that control itself runs.
func methodCall(s model.State, m model.Method, t model.Type, g model.Group, r model.Resource, n cluster.NodeName, create bool, changes []model.Property) agent.Call {
	if !create && changes == nil {
		changes = []model.Property{}
	}
	return agent.Call{
		Method: m, Type: t, Resource: r, Group: g, Node: n, Timeout: life.Timeout(r, t, m),
		Create: create, Changes: changes, Peers: check.ResourcesOf(s, g.Name),
	}
}

// initNodes are the nodes that are up of those on which Init and Validate of a resource run.
func initNodes(s model.State, t model.Type, g model.Group) []cluster.NodeName {
	var out []cluster.NodeName
	for _, n := range s.Nodes {
		in := slices.Contains(g.Nodelist, n.Name)
		if t.InitNodes == "RT_INSTALLED_NODES" {
			in = len(t.InstalledNodes) == 0 || slices.Contains(t.InstalledNodes, string(n.Name))
		}
		if in && n.Member && !n.QuorumServer {
			out = append(out, n.Name)
		}
	}
	return out
}

// refused makes the command's error of what became of a method.
func refused(n cluster.NodeName, call agent.Call, out v1.PeerResult, err error) error {
	switch {
	case err != nil:
		return fault.Errorf(fault.CodeOf(err), "run %s of resource %s on node %s: %w", call.Method, call.Resource.Name, n, err)
	case out.OK:
		return nil
	case out.TimedOut:
		return fault.Errorf(fault.Timeout, "%s of resource %s on node %s took longer than %v and was killed; raise %s_timeout, or see what it waits for", call.Method, call.Resource.Name, n, call.Timeout, call.Method).WithDetail(out.Output)
	}
	why := out.Message
	if why == "" {
		why = "it gave no reason"
	}
	return fault.Errorf(fault.Invalid, "%s of resource %s on node %s refuses (exit status %d): %s", call.Method, call.Resource.Name, n, out.Exit, why).WithDetail(besides(out.Output, why))
}

// besides is what a method wrote, without the lines that are in its reason already.
func besides(output, why string) string {
	var lines []string
	for line := range strings.Lines(output) {
		if text := strings.TrimSpace(line); text != "" && !strings.Contains(why, text) && !strings.Contains(text, why) {
			lines = append(lines, "  "+strings.TrimRight(line, "\n"))
		}
	}
	if skip := len(lines) - maxShown; skip > 0 {
		lines = append([]string{fmt.Sprintf("  (%d lines more are in the log of the node)", skip)}, lines[skip:]...)
	}
	return strings.Join(lines, "\n")
}

// maxShown is how many lines of what a method wrote are shown with its refusal.
const maxShown = 20

// runOn runs a method on a node, here or there.
func (c *Control) runOn(ctx context.Context, r *Running, n cluster.NodeName, call agent.Call) (out v1.PeerResult, err error) {
	bounded, cancel := context.WithTimeout(ctx, call.Timeout+10*time.Second)
	defer cancel()
	if n == r.Node {
		return peerResult(r.Types.Run(bounded, call)), nil
	}
	body, err := json.Marshal(call)
	if err != nil {
		return out, fault.Errorf(fault.Internal, "encode the call: %w", err)
	}
	if call.Method == model.MethodValidate {
		err = r.Peers.Call(bounded, n, "peer", "validate", v1.PeerValidate{Call: body}, &out)
	} else {
		err = r.Peers.Call(bounded, n, "peer", "monitor-check", v1.PeerMonitorCheck{Call: body}, &out)
	}
	if err != nil && errors.Is(bounded.Err(), context.DeadlineExceeded) && ctx.Err() == nil {
		err = fault.Errorf(fault.Timeout, "no answer within %v", call.Timeout+10*time.Second)
	}
	return out, err
}

func peerResult(res agent.Result) v1.PeerResult {
	return v1.PeerResult{OK: res.OK(), Exit: res.Exit, TimedOut: res.TimedOut, Message: res.Message, Output: res.Output, Doubt: string(res.Doubt)}
}
