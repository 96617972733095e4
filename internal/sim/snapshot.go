package sim

import (
	"cmp"
	"fmt"
	"slices"

	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/engine"
	"redoubt/internal/membership"
	"redoubt/internal/rgm/model"
)

// snapshot is what engine.Mirror makes of the keys.
func (s *store) snapshot(keys map[string]entry, rev cluster.Revision) engine.Snapshot {
	snap := engine.Snapshot{Revision: func(key string) cluster.Revision { return keys[key].rev }}
	snap.State.Basis.Revision = rev
	names := make([]string, 0, len(keys))
	for k := range keys {
		names = append(names, k)
	}
	slices.Sort(names)
	for _, k := range names {
		switch v := keys[k].value.(type) {
		case membership.Record:
			snap.Record, snap.RecordRevision = &v, keys[k].rev
		case model.Node:
			snap.State.Nodes = append(snap.State.Nodes, model.NodeState{Node: v})
		case model.Type:
			snap.State.Types = append(snap.State.Types, v)
		case model.Group:
			snap.State.Groups = append(snap.State.Groups, v)
		case model.Resource:
			snap.State.Resources = append(snap.State.Resources, v)
		case model.Network:
			snap.State.Networks = append(snap.State.Networks, v)
		case model.Want:
			snap.State.Wants = append(snap.State.Wants, v)
		case model.Assignment:
			snap.State.Assignments = append(snap.State.Assignments, v)
		case model.Instance:
			snap.State.Instances = append(snap.State.Instances, v)
		}
	}
	slices.SortFunc(snap.State.Instances, func(a, b model.Instance) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Node, b.Node))
	})
	return snap
}

// stored is what comes out of the repository when v was written: the loops see only what survives the encoding.
func stored[T any](kind confdb.Kind, v T) T {
	b, err := confdb.Encode(kind, v)
	if err != nil {
		panic(fmt.Sprintf("encode %s: %v", kind, err))
	}
	out, err := confdb.Decode[T](kind, string(kind), b)
	if err != nil {
		panic(fmt.Sprintf("decode %s: %v", kind, err))
	}
	return out
}
