package control

import (
	"context"
	"fmt"
	"slices"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/model"
)

// ClusterUpgrade says which version of the repository's schema counts and which every node reads; with Commit it makes that one count, for good.
func (c *Control) ClusterUpgrade(ctx context.Context, who Caller, in v1.ClusterUpgrade) (v1.Result, error) {
	r, err := c.enter(ctx, who, "cluster upgrade")
	if err != nil {
		return v1.Result{}, err
	}
	v := c.look(r)
	asked := v.reads()
	if in.Commit {
		// A record may be that of a release that was taken back since: before anything is made final every member says itself what it reads.
		if asked, err = c.readsNow(ctx, r, v); err != nil {
			return v1.Result{}, err
		}
	}
	active, next := v.snap.Schema, nextLevel(v.snap.Schema, asked)
	if !in.Commit {
		return v1.Result{Messages: describeReads(active, next, asked), Revision: int64(v.snap.State.Basis.Revision)}, nil
	}
	if next == 0 {
		return v1.Result{Messages: append([]string{fmt.Sprintf("there is nothing to commit: version %d of the schema counts already", active)}, lagging(active, asked)...)}, laggards(active, asked)
	}
	out, err := c.change(ctx, r, who, configuration(func(d *draft) error {
		if d.snap.Record == nil || d.snap.Schema != active {
			return fault.Errorf(fault.Conflict, "the schema or the membership changed meanwhile; look again with `redoubt cluster upgrade`")
		}
		for _, n := range d.state.Nodes {
			if !slices.ContainsFunc(asked, func(a v1.SchemaNode) bool { return a.Node == string(n.Name) }) {
				return fault.Errorf(fault.Conflict, "node %s joined meanwhile; run the command again", n.Name)
			}
		}
		d.snap.Schema = next
		d.put(confdb.KeySchema, confdb.KindSchema, model.Schema{Level: next, By: who.String(), At: d.now.UTC()})
		// From now on who does not read this version can not read the membership either, and so does no harm.
		d.put(confdb.KeyMembership, confdb.KindMembership, *d.snap.Record)
		d.say(fmt.Sprintf("version %d of the schema counts now; older releases of redoubtd are refused from here on", next))
		return nil
	}))
	return out, err
}

// reads is what the daemons of all nodes said that they read; those that never said anything are of a release that reads the first version only.
func (v view) reads() []v1.SchemaNode {
	var out []v1.SchemaNode
	for _, n := range v.state.Nodes {
		s := v1.SchemaNode{Node: string(n.Name), Oldest: confdb.OldestLevel, Newest: confdb.OldestLevel}
		for _, r := range v.snap.Reads {
			if r.Node == n.Name {
				s.Oldest, s.Newest, s.Release = r.Oldest, r.Newest, r.Release
			}
		}
		out = append(out, s)
	}
	return out
}

// readsNow asks every node that is there; of the others the record counts.
func (c *Control) readsNow(ctx context.Context, r *Running, v view) ([]v1.SchemaNode, error) {
	out := v.reads()
	for i := range out {
		name := cluster.NodeName(out[i].Node)
		facts, err := c.factsOf(ctx, r, name)
		switch {
		case err == nil:
			out[i].Oldest, out[i].Newest, out[i].Release = max(facts.SchemaOldest, confdb.OldestLevel), max(facts.SchemaNewest, confdb.OldestLevel), facts.Version
		case v.isMember(name):
			return nil, fault.Errorf(fault.Unavailable, "node %s does not say which versions of the schema it reads, and nothing is committed without its word: %w; try again, or take it out of the cluster", name, err)
		}
	}
	return out, nil
}

// nextLevel is the newest version that every node reads, if it is newer than the one that counts; otherwise 0.
func nextLevel(active int, nodes []v1.SchemaNode) int {
	next := confdb.Newest()
	for _, n := range nodes {
		next = min(next, n.Newest)
	}
	if next <= active {
		return 0
	}
	return next
}

// lagging names the nodes that keep a version that others read from being committed.
func lagging(active int, nodes []v1.SchemaNode) []string {
	var out []string
	newest := 0
	for _, n := range nodes {
		newest = max(newest, n.Newest)
	}
	for _, n := range nodes {
		if newest > active && n.Newest < newest {
			out = append(out, fmt.Sprintf("node %s runs redoubtd %s, which reads up to version %d", n.Node, orUnknown(n.Release), n.Newest))
		}
	}
	return out
}

// laggards is the error of a commit for which some nodes are too old; nil when all read what counts and no more.
func laggards(active int, nodes []v1.SchemaNode) error {
	late := lagging(active, nodes)
	if len(late) == 0 {
		return nil
	}
	errs := []error{fault.Errorf(fault.Precondition, "the newer version of the schema can not be committed before every node reads it; upgrade redoubtd there, or remove the node from the cluster")}
	for _, l := range late {
		errs = append(errs, fault.Errorf(fault.Precondition, "%s", l))
	}
	return together(errs)
}

func describeReads(active, next int, nodes []v1.SchemaNode) []string {
	out := []string{fmt.Sprintf("version %d of the repository's schema counts", active)}
	for _, n := range nodes {
		out = append(out, fmt.Sprintf("node %s reads %d to %d (redoubtd %s)", n.Node, n.Oldest, n.Newest, orUnknown(n.Release)))
	}
	switch late := lagging(active, nodes); {
	case next > 0:
		out = append(out, fmt.Sprintf("every node reads version %d: `redoubt cluster upgrade --commit` makes it count; after that no older release can be put back", next))
	case len(late) > 0:
		out = append(out, "a newer version can be committed when every node reads it")
	default:
		out = append(out, "there is nothing to commit")
	}
	return out
}

func orUnknown(release string) string {
	if release == "" {
		return "of an earlier release"
	}
	return release
}

// mayRead refuses a machine whose daemon would not understand the records of this cluster.
func (d *draft) mayRead(in v1.NodeAdmit) error {
	if newest := max(in.Schema, confdb.OldestLevel); newest < d.snap.Schema {
		return fault.Errorf(fault.Unsupported, "node %s may not join: its redoubtd reads version %d of the repository's schema, and this cluster has committed version %d; install the release of the cluster there first", in.Node, newest, d.snap.Schema)
	}
	return nil
}
