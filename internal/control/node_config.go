package control

import (
	"context"
	"fmt"
	"slices"
	"strings"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/model"
)

// NodeJoin makes this machine join a cluster.
func (c *Control) NodeJoin(ctx context.Context, who Caller, in v1.NodeJoin) (v1.Result, error) {
	if err := c.authorise(ctx, who, "node join"); err != nil {
		return v1.Result{}, err
	}
	if r := c.running.Load(); r != nil {
		return v1.Result{}, c.alreadyIn(r)
	}
	return c.cfg.Local.Join(ctx, in)
}

// alreadyIn is the answer of a node that can neither join nor make a cluster, because it is in one.
func (c *Control) alreadyIn(r *Running) error {
	return fault.Errorf(fault.Precondition, "this machine is node %s of cluster %s already; to take it into another cluster, run `redoubt node remove %s` on another node of %s first",
		r.Node, c.look(r).state.Cluster.Name, r.Node, c.look(r).state.Cluster.Name)
}

// NodeSet changes properties of nodes.
func (c *Control) NodeSet(ctx context.Context, who Caller, in v1.NodeSet) (v1.Result, error) {
	r, err := c.enter(ctx, who, "node set")
	if err != nil {
		return v1.Result{}, err
	}
	settings, ps := check.ParseSettings("node "+strings.Join(in.Names, ","), in.Property)
	if err := ps.Err(); err != nil {
		return v1.Result{}, err
	}
	if len(settings) == 0 {
		return v1.Result{}, fault.Errorf(fault.Invalid, "node set: name the properties to change with -p")
	}
	return c.editNodes(ctx, r, who, in.Names, in.All, func(n model.Node) (model.Node, string, error) {
		n, ps := check.SetNode(n, settings)
		return n, "is changed", ps.Err()
	})
}

// editNodes changes the records of nodes.
func (c *Control) editNodes(ctx context.Context, r *Running, who Caller, names []string, all bool, edit func(model.Node) (model.Node, string, error)) (v1.Result, error) {
	return c.change(ctx, r, who, configuration(func(d *draft) error {
		names, err := selected("node", names, all, nodeNames(d.state))
		if err != nil {
			return err
		}
		var errs []error
		after := d.state
		limited := false
		for _, name := range names {
			old, _ := d.node(cluster.NodeName(name))
			n, word, err := edit(old.Node)
			errs = append(errs, err)
			after = check.WithNode(after, n)
			limited = limited || !slices.Equal(old.LoadLimits, n.LoadLimits)
			d.put(confdb.KeyNode(n.Name), confdb.KindNode, n)
			d.say("node " + name + " " + word)
		}
		if err := together(errs); err != nil || !limited {
			return err
		}
		return d.bearable(after)
	}))
}

// secretWords mark options of fence agents whose values may not stand in the configuration.
var secretWords = []string{"passw", "secret", "token", "community"}

// secretEnds mark options that name where a secret is, and are none themselves.
var secretEnds = []string{"_script", "_file", "_path", "_url"}

// NodeSetFence configures the fence agent of nodes. Secrets are named by the file that holds them.
func (c *Control) NodeSetFence(ctx context.Context, who Caller, in v1.NodeSetFence) (v1.Result, error) {
	r, err := c.enter(ctx, who, "node set-fence")
	if err != nil {
		return v1.Result{}, err
	}
	settings, ps := check.ParseSettings("fence agent "+in.Agent, in.Property)
	fence := &model.Fence{Agent: in.Agent, Timeout: in.Timeout}
	for _, s := range settings {
		if s.Op != check.OpSet || len(s.Nodes) > 0 {
			ps = append(ps, check.Problem{Code: fault.Invalid, Path: "fence agent " + in.Agent + ": option " + s.Name, Text: "give it as NAME=VALUE"})
		}
		fence.Options = append(fence.Options, model.Property{Name: s.Name, Values: []string{s.Text}})
	}
	slices.SortFunc(fence.Options, func(a, b model.Property) int { return strings.Compare(a.Name, b.Name) })
	if err := append(ps, checkFence(fence)...).Err(); err != nil {
		return v1.Result{}, err
	}
	return c.editNodes(ctx, r, who, in.Names, in.All, func(n model.Node) (model.Node, string, error) {
		if n.QuorumServer {
			return n, "", fault.Errorf(fault.Invalid, "%s is a quorum server: it runs nothing that would have to be fenced", n.Name)
		}
		n.Fence = fence
		return n, "is fenced by " + in.Agent + " when it is lost; its groups move only after the agent has confirmed", nil
	})
}

// checkFence says what is wrong with a fence agent's configuration.
func checkFence(f *model.Fence) check.Problems {
	at := "fence agent " + f.Agent
	var ps check.Problems
	problem := func(path, text string) {
		ps = append(ps, check.Problem{Code: fault.Invalid, Path: path, Text: text})
	}
	if !strings.HasPrefix(f.Agent, "fence_") || strings.ContainsAny(f.Agent, "/ \t\n") {
		problem(at, "is none; give the name of one, such as fence_ipmilan, with -a")
	}
	if f.Timeout < 0 || f.Timeout > 3600 {
		problem(at, fmt.Sprintf("a timeout of %d seconds is out of bounds: 1 to 3600", f.Timeout))
	}
	for _, o := range f.Options {
		lower := strings.ToLower(o.Name)
		if len(o.Values) != 1 || strings.ContainsAny(o.Name+o.Values[0], "\n\r") {
			problem(at+": option "+o.Name, "takes one value, on one line")
		}
		isSecret := slices.ContainsFunc(secretWords, func(w string) bool { return strings.Contains(lower, w) })
		names := slices.ContainsFunc(secretEnds, func(w string) bool { return strings.HasSuffix(lower, w) })
		if isSecret && !names {
			problem(at+": option "+o.Name, "is a secret and can not stand in the configuration; write it into the secrets file of the node, on every node, readable by root only")
		}
	}
	return ps
}

// NodeClearFence takes the fence agent of nodes away.
func (c *Control) NodeClearFence(ctx context.Context, who Caller, in v1.NodeClearFence) (v1.Result, error) {
	r, err := c.enter(ctx, who, "node clear-fence")
	if err != nil {
		return v1.Result{}, err
	}
	return c.editNodes(ctx, r, who, in.Names, in.All, func(n model.Node) (model.Node, string, error) {
		n.Fence = nil
		if c.look(r).fenced(n.Name) {
			return n, "has no fence agent any more; it was lost, and what ran there starts elsewhere now", nil
		}
		return n, "has no fence agent any more", nil
	})
}
