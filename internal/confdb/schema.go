package confdb

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/model"
)

// The versions of the schema. A daemon reads those from OldestLevel to Newest, and writes what the version says that the cluster has agreed on (KeySchema): nodes
// of two releases work together as those of the older one would, until an administrator commits the newer version.
//
// A record stands at the lowest level that can express it. What came with a later level is in the table changes; whoever adds a field or a kind adds a line.
const (
	OldestLevel = 1
	newestLevel = 2
)

// limit narrows what this build reads, for one that stands for an older release in tests of upgrades: the linker sets it.
var limit string

// Newest is the newest version of the schema that this build reads.
func Newest() int {
	if n, err := strconv.Atoi(limit); err == nil && n >= OldestLevel && n < newestLevel {
		return n
	}
	return newestLevel
}

// Reads reports whether this build reads a version of the schema.
func Reads(level int) bool { return level >= OldestLevel && level <= Newest() }

// Spares reports whether records are written without what came later than a level, because the cluster has agreed on that one.
func Spares(level int) bool { return level < newestLevel }

// change is a field, a kind of record or a property that a later level of the schema has brought.
type change struct {
	kind  Kind
	path  string // of the field, its names joined by dots, a list's followed by []; "": the whole kind
	named string // for a list of properties: only the one of this name
	since int
	says  string // what the administrator calls it
	empty string // the value, in JSON, that says nothing
	// spare fields are left out for an older level: who writes them does without, as one of that level would. Others are refused.
	spare bool
}

var changes = slices.Concat(
	groupChanges(KindGroup, ""), groupChanges(KindFarewell, "group."),
	[]change{
		{kind: KindCluster, path: "properties", named: model.ConcentrateLoad, since: 2, says: "the property " + model.ConcentrateLoad},
		{kind: KindCluster, path: "properties", named: model.Sessions, since: 2, says: "the property " + model.Sessions},
		{kind: KindCluster, path: "properties", named: model.SessionLimit, since: 2, says: "the property " + model.SessionLimit},
		{kind: KindSession, since: 2, says: "a session of somebody without a certificate"},
		{kind: KindNode, path: "loadLimits", since: 2, says: "a load limit of a node"},
		{kind: KindNode, path: "publicAddress", since: 2, says: "a quorum server that is on no interconnect"},
		{kind: KindAssignment, path: "heldAt", since: 2, says: "where an administrator put a group", spare: true},
		{kind: KindAssignment, path: "overruled", since: 2, says: "an evacuation that was overruled", spare: true},
		{kind: KindInstance, path: "plea.refused", since: 2, says: "who refused a group by Monitor_check", spare: true},
		{kind: KindInstance, path: "resources[].starts", since: 2, says: "how often a resource came up", spare: true},
		{kind: KindInstance, path: "resources[].leaving", since: 2, says: "that a resource is about to go down", spare: true},
		{kind: KindInstance, path: "resources[].awaiting", since: 2, says: "that what a proxy stands for is offline", spare: true},
		{kind: KindType, path: "proxy", since: 2, says: "a proxy type"},
		{kind: KindFarewell, path: "type.proxy", since: 2, says: "a proxy type", spare: true},
		{kind: KindInstance, path: "resources[].sights", since: 2, says: "what a resource saw of others", spare: true},
		{kind: KindMembership, path: "leaving[].fence", since: 2, says: "that a node's fence agent has to confirm its end", spare: true},
		{kind: KindFencing, since: 2, says: "what became of asking a fence agent"},
		{kind: KindAuthorities, path: "node.abandoned", since: 2, says: "that the exchange of an authority was given up", spare: true},
		{kind: KindAuthorities, path: "user.abandoned", since: 2, says: "that the exchange of an authority was given up", spare: true},
		{kind: KindRevoked, path: "knew", since: 2, says: "which authorities' keys a removed node knew", spare: true},
		{kind: KindNetwork, since: 2, says: "the addresses of nodes for scalable services"},
	},
)

// Since is the level of the schema that brought a field (its path as in the table changes) of a kind of record: OldestLevel for one that was always there.
func Since(kind Kind, path string) int {
	for _, c := range changes {
		if c.kind == kind && c.named == "" && (c.path == "" || c.path == path || strings.HasPrefix(path, c.path+".") || strings.HasPrefix(path, c.path+"[]")) {
			return c.since
		}
	}
	return OldestLevel
}

// groupChanges are those of a group's record, wherever one stands.
func groupChanges(kind Kind, prefix string) []change {
	spare := kind != KindGroup // a record of what there was: Fini does not look at where a group may run
	return []change{
		{kind: kind, path: prefix + "affinities", since: 2, says: "RG_affinities", spare: spare},
		{kind: kind, path: prefix + "dependencies", since: 2, says: "RG_dependencies", spare: spare},
		{kind: kind, path: prefix + "loadFactors", since: 2, says: "Load_factors", spare: spare},
		{kind: kind, path: prefix + "priority", since: 2, says: "Priority", empty: strconv.Itoa(model.DefaultPriority), spare: spare},
		{kind: kind, path: prefix + "quiesced", since: 2, says: "by whom a group is suspended", spare: true},
		{kind: kind, path: prefix + "preemptionMode", since: 2, says: "Preemption_mode", spare: spare},
	}
}

// lower takes from the body of a record what says nothing, and what the level does not have and can be spared. It returns the body, the level that the rest needs and
// what needs it.
func lower(kind Kind, body []byte, level int) (out []byte, needs int, says string, err error) {
	needs = OldestLevel
	if kind == KindMembership {
		// Whoever does not read the level that was agreed on can not read the membership, and so is no member: it does no harm.
		needs = max(level, OldestLevel)
	}
	for _, c := range changes {
		if c.kind != kind {
			continue
		}
		if c.path == "" {
			needs, says = max(needs, c.since), c.says
			continue
		}
		if c.since <= needs && c.empty == "" && (!c.spare || c.since <= level) {
			continue // it changes nothing any more
		}
		names := strings.Split(c.path, ".")
		if !bytes.Contains(body, []byte(`"`+names[len(names)-1]+`":`)) {
			continue
		}
		values := at(body, names)
		if c.named != "" {
			values = slices.DeleteFunc(values, func(v json.RawMessage) bool { return !has(v, c.named) })
		}
		spoken := slices.ContainsFunc(values, func(v json.RawMessage) bool { return c.empty == "" || string(v) != c.empty })
		switch {
		case len(values) == 0:
		case !spoken, c.spare && c.since > level:
			if body, err = without(body, names); err != nil {
				return nil, 0, "", err
			}
		case c.since > needs:
			needs, says = c.since, c.says
		}
	}
	return body, needs, says, nil
}

// at are the values of a field, of every element where the way to it leads through a list; none when it is not there.
func at(body json.RawMessage, names []string) []json.RawMessage {
	if len(names) == 0 {
		return []json.RawMessage{body}
	}
	name, list := strings.CutSuffix(names[0], "[]")
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &fields) != nil || fields[name] == nil {
		return nil
	}
	if !list {
		return at(fields[name], names[1:])
	}
	var elements, out []json.RawMessage
	if json.Unmarshal(fields[name], &elements) != nil {
		return nil
	}
	for _, e := range elements {
		out = append(out, at(e, names[1:])...)
	}
	return out
}

// has reports whether a list of properties has one of the name.
func has(list json.RawMessage, name string) bool {
	var properties []struct {
		Name string `json:"name"`
	}
	if json.Unmarshal(list, &properties) != nil {
		return false
	}
	for _, p := range properties {
		if strings.EqualFold(p.Name, name) {
			return true
		}
	}
	return false
}

// without is an object less one field, of every element where the way to it leads through a list.
func without(body json.RawMessage, names []string) (json.RawMessage, error) {
	name, list := strings.CutSuffix(names[0], "[]")
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil || fields[name] == nil {
		return body, err
	}
	switch {
	case len(names) == 1:
		delete(fields, name)
	case list:
		var elements []json.RawMessage
		if err := json.Unmarshal(fields[name], &elements); err != nil {
			return nil, err
		}
		for i, e := range elements {
			var err error
			if elements[i], err = without(e, names[1:]); err != nil {
				return nil, err
			}
		}
		whole, err := json.Marshal(elements)
		if err != nil {
			return nil, err
		}
		fields[name] = whole
	default:
		inner, err := without(fields[name], names[1:])
		if err != nil {
			return nil, err
		}
		fields[name] = inner
	}
	return json.Marshal(fields)
}

// LevelOf is the level of a stored record; 0 when it can not be told.
func LevelOf(value []byte) int {
	var env envelope
	if json.Unmarshal(value, &env) != nil {
		return 0
	}
	return env.Level
}

// Gate is a Store through which nothing is written that the version of the schema on which the cluster has agreed does not have: what can be spared is left out, the
// rest is refused.
type Gate struct {
	Store
	Agreed func() int
}

// Txn implements Store. The transaction that agrees on a version writes under that one.
func (g Gate) Txn(ctx context.Context, compares []Compare, ops []Op) (cluster.Revision, error) {
	level := g.Agreed()
	for _, op := range ops {
		if op.Key == KeySchema && op.Value != nil {
			s, err := Decode[model.Schema](KindSchema, op.Key, op.Value)
			if err != nil {
				return 0, err
			}
			level = s.Level
		}
	}
	passed := ops
	for i, op := range ops {
		if op.Value == nil || LevelOf(op.Value) <= level {
			continue
		}
		var env envelope
		if err := json.Unmarshal(op.Value, &env); err != nil {
			return 0, fault.Errorf(fault.Internal, "write record %s: %w", op.Key, err)
		}
		value, err := enclose(env.Kind, env.Spec, level)
		if err != nil {
			return 0, fault.Errorf(fault.CodeOf(err), "write record %s: %w", op.Key, err)
		}
		if &passed[0] == &ops[0] {
			passed = slices.Clone(ops)
		}
		passed[i].Value = value
	}
	return g.Store.Txn(ctx, compares, passed)
}
