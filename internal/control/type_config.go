package control

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/model"
)

// TypeRegister makes resource types known to the cluster as this node has them, and warns of nodes that have them otherwise or not at all.
func (c *Control) TypeRegister(ctx context.Context, who Caller, in v1.TypeRegister) (v1.Result, error) {
	r, err := c.enter(ctx, who, "type register")
	if err != nil {
		return v1.Result{}, err
	}
	if len(in.Names) == 0 || in.All {
		return v1.Result{}, fault.Errorf(fault.Invalid, "type register: name the resource types")
	}
	v := c.look(r)
	var types []model.Type
	var errs []error
	for _, n := range in.Names {
		t, err := c.describe(ctx, r, v, cluster.TypeName(n), in.File)
		if err == nil {
			t, err = adjust(v.state, t, in.Node, in.AllNodes, in.Property)
		}
		types, errs = append(types, t), append(errs, err)
	}
	if err := together(errs); err != nil {
		return v1.Result{}, err
	}
	var warnings []string
	for _, t := range types {
		warnings = append(warnings, c.compareTypes(ctx, r, v, t, in.File)...)
	}
	out, err := c.change(ctx, r, who, configuration(func(d *draft) error {
		var ps check.Problems
		for _, t := range types {
			if _, taken := check.Type(d.state, t.Name); taken {
				ps = append(ps, check.Problem{Code: fault.Exists, Path: "resource type " + string(t.Name), Text: "is registered already; unregister it first to register another version"})
			}
			ps = append(ps, check.CheckType(t)...)
			d.put(confdb.KeyType(t.Name), confdb.KindType, t)
			d.say("resource type " + string(t.Name) + " is registered")
			if t.Caveat != "" {
				d.say("warning: resource type " + string(t.Name) + ": " + t.Caveat)
			}
		}
		return ps.Err()
	}))
	out.Messages = append(out.Messages, warnings...)
	return out, err
}

// describe asks this node what a type is.
func (c *Control) describe(ctx context.Context, r *Running, v view, name cluster.TypeName, file string) (model.Type, error) {
	if err := cluster.CheckTypeName(string(name)); err != nil {
		return model.Type{}, fault.Errorf(fault.Invalid, "register: %w", err)
	}
	t, err := r.Types.Describe(ctx, name, file)
	if err != nil {
		return t, fault.Errorf(fault.CodeOf(err), "register resource type %s: %w", name, err)
	}
	if t.Name != name {
		return t, fault.Errorf(fault.Invalid, "register resource type %s: its folder says that it is %s; register it by that name", name, t.Name)
	}
	return t, nil
}

// compareTypes asks the other nodes that are up whether they have the type, and alike.
func (c *Control) compareTypes(ctx context.Context, r *Running, v view, t model.Type, file string) []string {
	var mu sync.Mutex
	var warnings []string
	warn := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		warnings = append(warnings, fmt.Sprintf("warning: resource type %s: ", t.Name)+fmt.Sprintf(format, args...))
	}
	var group errgroup.Group
	group.SetLimit(atOnce)
	for _, n := range v.members() {
		if n == r.Node || len(t.InstalledNodes) > 0 && !slices.Contains(t.InstalledNodes, string(n)) {
			continue
		}
		group.Go(func() error {
			var answer v1.PeerType
			err := r.Peers.Call(ctx, n, "peer", "describe", v1.PeerDescribe{Name: string(t.Name), File: file}, &answer)
			var other model.Type
			if err == nil {
				err = json.Unmarshal(answer.Type, &other)
			}
			switch {
			case fault.Is(err, fault.NotFound):
				warn("node %s does not have it; install it there before a group that uses it moves there", n)
			case err != nil:
				warn("node %s could not be asked about it: %v", n, err)
			case other.Version != t.Version:
				warn("node %s has version %q, this node has %q", n, other.Version, t.Version)
			}
			return nil
		})
	}
	_ = group.Wait()
	slices.Sort(warnings)
	return warnings
}

// adjust applies what can be set of a type: where it is installed, and where Init runs.
func adjust(s model.State, t model.Type, nodes []string, allNodes bool, properties []string) (model.Type, error) {
	at := "resource type " + string(t.Name)
	settings, ps := check.ParseSettings(at, properties)
	problem := func(text string, args ...any) {
		ps = append(ps, check.Problem{Code: fault.Invalid, Path: at, Text: fmt.Sprintf(text, args...)})
	}
	for _, set := range settings {
		switch strings.ToLower(set.Name) {
		case "installed_nodes":
			nodes = strings.Split(set.Text, ",")
		case "init_nodes":
			t.InitNodes = strings.ToUpper(set.Text)
			if t.InitNodes != "RG_PRIMARIES" && t.InitNodes != "RT_INSTALLED_NODES" {
				problem("property Init_nodes: %q is none of RG_PRIMARIES, RT_INSTALLED_NODES", set.Text)
			}
		case "rt_description":
			t.Description = set.Text
		default:
			known := []string{"Installed_nodes", "Init_nodes", "RT_description"}
			problem("property %s: can not be set of a type; %s", set.Name, check.DidYouMean(set.Name, known, "there are "+strings.Join(known, ", ")))
		}
	}
	if allNodes && len(nodes) > 0 {
		problem("either the nodes it is installed on or all of them (-N); both were given")
	}
	if allNodes {
		t.InstalledNodes = nil
	}
	if len(nodes) > 0 {
		t.InstalledNodes = nil
		for _, n := range nodesOf(nodes) {
			if _, ok := check.Node(s, n); !ok {
				problem("node %s is not in the cluster; %s", n, check.DidYouMean(string(n), nodeNames(s), "its nodes are "+strings.Join(nodeNames(s), ", ")))
			}
			t.InstalledNodes = append(t.InstalledNodes, string(n))
		}
		slices.Sort(t.InstalledNodes)
	}
	return t, ps.Err()
}

// TypeUnregister forgets resource types that nothing uses.
func (c *Control) TypeUnregister(ctx context.Context, who Caller, in v1.TypeUnregister) (v1.Result, error) {
	r, err := c.enter(ctx, who, "type unregister")
	if err != nil {
		return v1.Result{}, err
	}
	return c.change(ctx, r, who, configuration(func(d *draft) error {
		names, err := selected("type", in.Names, in.All, typeNames(d.state))
		if err != nil {
			return err
		}
		var ps check.Problems
		for _, n := range names {
			ps = append(ps, check.DeleteType(d.state, cluster.TypeName(n))...)
			d.drop(confdb.KeyType(cluster.TypeName(n)))
			d.say("resource type " + n + " is forgotten")
		}
		return ps.Err()
	}))
}

// TypeSet changes where resource types are installed and where their Init methods run.
func (c *Control) TypeSet(ctx context.Context, who Caller, in v1.TypeSet) (v1.Result, error) {
	r, err := c.enter(ctx, who, "type set")
	if err != nil {
		return v1.Result{}, err
	}
	if len(in.Node)+len(in.Property) == 0 && !in.AllNodes {
		return v1.Result{}, fault.Errorf(fault.Invalid, "type set: say what to change with -n, -N or -p")
	}
	return c.change(ctx, r, who, configuration(func(d *draft) error {
		names, err := selected("type", in.Names, in.All, typeNames(d.state))
		if err != nil {
			return err
		}
		var errs []error
		for _, n := range names {
			t, _ := check.Type(d.state, cluster.TypeName(n))
			t, err := adjust(d.state, t, in.Node, in.AllNodes, in.Property)
			if err == nil {
				var ps check.Problems
				state := check.WithType(d.state, t)
				for _, res := range state.Resources {
					if res.Type == t.Name {
						ps = append(ps, check.CheckResource(state, res)...)
					}
				}
				err = ps.Err()
			}
			errs = append(errs, err)
			d.put(confdb.KeyType(t.Name), confdb.KindType, t)
			d.say("resource type " + n + " is changed")
		}
		return together(errs)
	}))
}
