package control

import (
	"context"
	"net/url"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/check"
)

// attribute is a value that an OCF agent keeps for a node. A transient one ends with the incarnation it was set in.
type attribute struct {
	Node        cluster.NodeName    `json:"node"`
	Name        string              `json:"name"`
	Value       string              `json:"value"`
	Incarnation cluster.Incarnation `json:"incarnation,omitzero"` // of a transient one
}

// The bounds of attributes.
const (
	maxAttributeName  = 200
	maxAttributeValue = 16 << 10
)

func keyAttribute(n cluster.NodeName, name string) string {
	return confdb.PrefixAttr + string(n) + "/" + url.PathEscape(name)
}

func (a attribute) wire() v1.Attribute {
	return v1.Attribute{Node: string(a.Node), Name: a.Name, Value: a.Value, Transient: !a.Incarnation.IsZero()}
}

// lives reports whether an attribute still counts.
func (a attribute) lives(v view) bool {
	if a.Incarnation.IsZero() {
		return true
	}
	n, ok := check.Node(v.state, a.Node)
	return ok && n.Member && n.Incarnation == a.Incarnation
}

// wholeCluster stands in the place of a node for attributes that belong to none in particular. No node can have that name.
const wholeCluster = "global"

// nodeOr is the node named, or this one.
func (c *Control) nodeOr(r *Running, name string) (cluster.NodeName, error) {
	switch name {
	case "":
		return r.Node, nil
	case wholeCluster:
		return wholeCluster, nil
	}
	n, err := c.look(r).node(cluster.NodeName(name))
	return n.Name, err
}

func checkAttribute(name string) error {
	if name == "" || len(name) > maxAttributeName {
		return fault.Errorf(fault.Invalid, "an attribute's name has 1 to %d characters, not %d", maxAttributeName, len(name))
	}
	return nil
}

// AttributeGet shows an attribute of a node.
func (c *Control) AttributeGet(ctx context.Context, who Caller, in v1.AttributeGet) (v1.Attribute, error) {
	r, err := c.enter(ctx, who, "attribute get")
	if err != nil {
		return v1.Attribute{}, err
	}
	node, err := c.nodeOr(r, in.Node)
	if err != nil {
		return v1.Attribute{}, err
	}
	if err := checkAttribute(in.Name); err != nil {
		return v1.Attribute{}, err
	}
	e, err := r.Store.Get(ctx, keyAttribute(node, in.Name))
	if err != nil {
		return v1.Attribute{}, err
	}
	none := fault.Errorf(fault.NotFound, "node %s has no attribute %s", node, in.Name)
	if e.ModRevision == 0 {
		return v1.Attribute{}, none
	}
	a, err := confdb.Decode[attribute](confdb.KindAttr, e.Key, e.Value)
	if err == nil && !a.lives(c.look(r)) {
		return v1.Attribute{}, none
	}
	return a.wire(), err
}

// AttributeList shows the attributes of a node, or of all.
func (c *Control) AttributeList(ctx context.Context, who Caller, in v1.AttributeList) ([]v1.Attribute, error) {
	r, err := c.enter(ctx, who, "attribute list")
	if err != nil {
		return nil, err
	}
	prefix := confdb.PrefixAttr
	if in.Node != "" {
		node, err := c.nodeOr(r, in.Node)
		if err != nil {
			return nil, err
		}
		prefix += string(node) + "/"
	}
	snap, err := r.Store.Read(ctx, prefix)
	if err != nil {
		return nil, err
	}
	v := c.look(r)
	out := []v1.Attribute{}
	for _, e := range snap.Entries {
		if a, err := confdb.Decode[attribute](confdb.KindAttr, e.Key, e.Value); err == nil && a.lives(v) {
			out = append(out, a.wire())
		}
	}
	return out, nil
}

// AttributeSet sets an attribute of a node.
func (c *Control) AttributeSet(ctx context.Context, who Caller, in v1.AttributeSet) (v1.Result, error) {
	r, err := c.enter(ctx, who, "attribute set")
	if err != nil {
		return v1.Result{}, err
	}
	if err := checkAttribute(in.Name); err != nil {
		return v1.Result{}, err
	}
	if len(in.Value) > maxAttributeValue {
		return v1.Result{}, fault.Errorf(fault.Invalid, "attribute %s: its value has %d bytes, more than the %d allowed", in.Name, len(in.Value), maxAttributeValue)
	}
	node, err := c.nodeOr(r, in.Node)
	if err != nil {
		return v1.Result{}, err
	}
	if node == wholeCluster && in.Transient {
		return v1.Result{}, fault.Errorf(fault.Invalid, "attribute %s: one of the whole cluster can not end with the presence of a node; leave transient out", in.Name)
	}
	return c.change(ctx, r, who, func(d *draft) error {
		n, err := d.node(node)
		if err != nil && node != wholeCluster {
			return err
		}
		a := attribute{Node: node, Name: in.Name, Value: in.Value}
		if in.Transient {
			if !n.Member {
				return fault.Errorf(fault.Precondition, "attribute %s: node %s is not in the cluster, so it can have no attributes that end with its presence", in.Name, node)
			}
			a.Incarnation = n.Incarnation
		}
		d.put(keyAttribute(node, in.Name), confdb.KindAttr, a)
		return nil
	})
}

// AttributeDelete deletes an attribute; one that does not exist is no error.
func (c *Control) AttributeDelete(ctx context.Context, who Caller, in v1.AttributeDelete) (v1.Result, error) {
	r, err := c.enter(ctx, who, "attribute delete")
	if err != nil {
		return v1.Result{}, err
	}
	if err := checkAttribute(in.Name); err != nil {
		return v1.Result{}, err
	}
	node, err := c.nodeOr(r, in.Node)
	if err != nil {
		return v1.Result{}, err
	}
	return c.change(ctx, r, who, func(d *draft) error {
		key := keyAttribute(node, in.Name)
		if d.snap.Revision(key) != 0 {
			d.drop(key)
		}
		return nil
	})
}
