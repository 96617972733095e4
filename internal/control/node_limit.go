package control

import (
	"context"
	"slices"
	"strings"

	v1 "redoubt/api/v1"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/model"
)

// limitEdit changes one load limit of a node, which is at the index given (-1: it is not there), and says what became of it.
type limitEdit func(n model.Node, at int, w limitWords) (model.Node, string, error)

// NodeCreateLoadlimit gives nodes a load limit that they do not have.
func (c *Control) NodeCreateLoadlimit(ctx context.Context, who Caller, in v1.NodeCreateLoadlimit) (v1.Result, error) {
	return c.limit(ctx, who, "node create-loadlimit", in.Names, in.All, in.Property, createLimit)
}

func createLimit(n model.Node, at int, w limitWords) (model.Node, string, error) {
	if at >= 0 {
		return n, "", fault.Errorf(fault.Exists, "node %s has a load limit %s: %s; change it with `redoubt node set-loadlimit`", n.Name, w.name, check.WriteLimit(n.LoadLimits[at]))
	}
	if w.soft == nil && w.hard == nil {
		return n, "", fault.Errorf(fault.Invalid, "load limit %s: give at least one of -p softlimit=NUMBER and -p hardlimit=NUMBER", w.name)
	}
	l, err := newLimit(w.name, w.or(w.soft, ""), w.or(w.hard, ""))
	n.LoadLimits = append(slices.Clone(n.LoadLimits), l)
	slices.SortFunc(n.LoadLimits, func(a, b model.LoadLimit) int { return strings.Compare(a.Name, b.Name) })
	return n, "has the load limit " + check.WriteLimit(l), err
}

// NodeSetLoadlimit changes a load limit of nodes; what is not named stays.
func (c *Control) NodeSetLoadlimit(ctx context.Context, who Caller, in v1.NodeSetLoadlimit) (v1.Result, error) {
	return c.limit(ctx, who, "node set-loadlimit", in.Names, in.All, in.Property, setLimit)
}

func setLimit(n model.Node, at int, w limitWords) (model.Node, string, error) {
	if at < 0 {
		return n, "", noLimit(n, w.name)
	}
	old := n.LoadLimits[at]
	l, err := newLimit(w.name, w.or(w.soft, check.WriteLoad(old.Soft)), w.or(w.hard, check.WriteLoad(old.Hard)))
	n.LoadLimits = slices.Clone(n.LoadLimits)
	n.LoadLimits[at] = l
	return n, "has the load limit " + check.WriteLimit(l), err
}

// NodeDeleteLoadlimit takes a load limit of nodes away.
func (c *Control) NodeDeleteLoadlimit(ctx context.Context, who Caller, in v1.NodeDeleteLoadlimit) (v1.Result, error) {
	return c.limit(ctx, who, "node delete-loadlimit", in.Names, in.All, in.Property, deleteLimit)
}

func deleteLimit(n model.Node, at int, w limitWords) (model.Node, string, error) {
	switch {
	case at < 0:
		return n, "", noLimit(n, w.name)
	case w.soft != nil || w.hard != nil:
		return n, "", fault.Errorf(fault.Invalid, "node delete-loadlimit takes limitname only; the whole limit goes")
	}
	n.LoadLimits = slices.Delete(slices.Clone(n.LoadLimits), at, at+1)
	if len(n.LoadLimits) == 0 {
		n.LoadLimits = nil
	}
	return n, "has no load limit " + w.name + " any more", nil
}

func newLimit(name, soft, hard string) (model.LoadLimit, error) {
	l, err := check.NewLimit(name, soft, hard)
	if err != nil {
		return l, fault.Errorf(fault.Invalid, "%w", err)
	}
	return l, nil
}

func noLimit(n model.Node, name string) error {
	var known []string
	for _, l := range n.LoadLimits {
		known = append(known, l.Name)
	}
	return fault.Errorf(fault.NotFound, "node %s has no load limit %s; %s", n.Name, name, check.DidYouMean(name, known, "make it with `redoubt node create-loadlimit`"))
}

// limitWords are the properties of a load limit as they were written; nil: not at all.
type limitWords struct {
	name       string
	soft, hard *string
}

func (limitWords) or(text *string, otherwise string) string {
	if text == nil {
		return otherwise
	}
	return *text
}

// limitWordsOf reads the properties of a load limit.
func limitWordsOf(name string, settings []check.Setting) (limitWords, error) {
	var w limitWords
	for _, s := range settings {
		switch key := strings.ToLower(s.Name); {
		case len(s.Nodes) > 0 || s.Op != check.OpSet:
			return w, fault.Errorf(fault.Invalid, "%s: write -p %s=VALUE", name, s.Name)
		case key == "limitname":
			w.name = s.Text
		case key == "softlimit":
			w.soft = &s.Text
		case key == "hardlimit":
			w.hard = &s.Text
		default:
			return w, fault.Errorf(fault.Invalid, "%s: a load limit has no property %s; there are limitname, softlimit and hardlimit", name, s.Name)
		}
	}
	if w.name == "" {
		return w, fault.Errorf(fault.Invalid, "%s: name the limit with -p limitname=NAME", name)
	}
	return w, nil
}

// edit edits the load limit on one node.
func (w limitWords) edit(n model.Node, edit limitEdit) (model.Node, string, error) {
	if n.QuorumServer {
		return n, "", fault.Errorf(fault.Invalid, "%s is a quorum server and carries no load", n.Name)
	}
	return edit(n, slices.IndexFunc(n.LoadLimits, func(l model.LoadLimit) bool { return l.Name == w.name }), w)
}

// limit edits one load limit on nodes.
func (c *Control) limit(ctx context.Context, who Caller, name string, names []string, all bool, property []string, edit limitEdit) (v1.Result, error) {
	r, err := c.enter(ctx, who, name)
	if err != nil {
		return v1.Result{}, err
	}
	settings, ps := check.ParseSettings(name, property)
	if err := ps.Err(); err != nil {
		return v1.Result{}, err
	}
	w, err := limitWordsOf(name, settings)
	if err != nil {
		return v1.Result{}, err
	}
	return c.editNodes(ctx, r, who, names, all, func(n model.Node) (model.Node, string, error) { return w.edit(n, edit) })
}
