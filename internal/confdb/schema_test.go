package confdb

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"redoubt/internal/fault"
	"redoubt/internal/rgm/model"
)

// asOlder makes this build stand for one that reads only the first version.
func asOlder(t *testing.T, f func()) {
	t.Helper()
	limit = "1"
	defer func() { limit = "" }()
	f()
}

func encode(t *testing.T, kind Kind, spec any) []byte {
	t.Helper()
	value, err := Encode(kind, spec)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// A record stands at the lowest level that has what it says, and comes back as it was.
func TestRecordsStandAsLowAsTheyCan(t *testing.T) {
	plain := model.Group{Name: "g", MaximumPrimaries: 1, Priority: model.DefaultPriority}
	special, zero := plain, plain
	special.Affinities = []model.Affinity{{Kind: model.AffinityRequire, Target: "h"}}
	zero.Priority = 0
	for _, c := range []struct {
		g     model.Group
		level int
	}{{plain, 1}, {special, 2}, {zero, 2}} {
		value := encode(t, KindGroup, c.g)
		if got := LevelOf(value); got != c.level {
			t.Errorf("%+v stands at level %d, not %d: %s", c.g, got, c.level, value)
		}
		back, err := Decode[model.Group](KindGroup, "k", value)
		if err != nil || back.Priority != c.g.Priority || len(back.Affinities) != len(c.g.Affinities) {
			t.Errorf("%+v came back as %+v: %v", c.g, back, err)
		}
		asOlder(t, func() {
			_, err := Decode[model.Group](KindGroup, "k", value)
			if (err == nil) != (c.level == 1) {
				t.Errorf("an older release reads level %d: %v", c.level, err)
			}
		})
	}
	if v := encode(t, KindGroup, plain); strings.Contains(string(v), "priority") {
		t.Errorf("what says nothing stands in the record, where an older release would not know it: %s", v)
	}
	farewell := model.Farewell{Node: "n1", Group: plain}
	back, err := Decode[model.Farewell](KindFarewell, "k", encode(t, KindFarewell, farewell))
	if err != nil || back.Group.Priority != model.DefaultPriority {
		t.Errorf("%+v, %v", back, err)
	}
	if got := LevelOf(encode(t, KindFarewell, farewell)); got != 1 {
		t.Errorf("a farewell stands at level %d", got)
	}
}

// While an older version counts, what it does not have is refused by name, or left out where that does no harm.
func TestAnOlderVersionCounts(t *testing.T) {
	for want, refused := range map[string]any{
		"RG_affinities":   model.Group{Affinities: []model.Affinity{{Kind: "+", Target: "h"}}, Priority: model.DefaultPriority},
		"Priority":        model.Group{Priority: 501},
		"Preemption_mode": model.Group{PreemptionMode: model.PreemptionNever, Priority: model.DefaultPriority},
		"load limit":      model.Node{LoadLimits: []model.LoadLimit{{Name: "mem", Hard: 1}}},
		"concentrate":     model.Cluster{Properties: []model.Property{{Name: "Concentrate_Load", Values: []string{"true"}}}},
	} {
		kind := KindCluster
		switch refused.(type) {
		case model.Group:
			kind = KindGroup
		case model.Node:
			kind = KindNode
		}
		if _, err := EncodeFor(1, kind, refused); !fault.Is(err, fault.Unsupported) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "cluster upgrade --commit") {
			t.Errorf("%s: %v", want, err)
		}
		if value, err := EncodeFor(2, kind, refused); err != nil || LevelOf(value) != 2 {
			t.Errorf("%s at level 2: %s, %v", want, value, err)
		}
	}
	if _, err := EncodeFor(1, KindCluster, model.Cluster{Properties: []model.Property{{Name: "other", Values: []string{"1"}}}}); err != nil {
		t.Error(err)
	}
	value, err := EncodeFor(1, KindAssignment, model.Assignment{Group: "g", Version: 3, HeldAt: 7})
	if err != nil || LevelOf(value) != 1 || strings.Contains(string(value), "heldAt") {
		t.Errorf("%s, %v", value, err)
	}
	inst := model.Instance{Node: "n1", Group: "g", Resources: []model.ResourceInstance{{Name: "a", Starts: 2}, {Name: "b"}, {Name: "c", Leaving: true}}}
	value, err = EncodeFor(1, KindInstance, inst)
	if err != nil || LevelOf(value) != 1 || strings.Contains(string(value), "starts") || strings.Contains(string(value), "leaving") {
		t.Errorf("%s, %v", value, err)
	}
	asOlder(t, func() {
		back, err := Decode[model.Instance](KindInstance, "k", value)
		if err != nil || len(back.Resources) != 3 {
			t.Errorf("%+v, %v", back, err)
		}
	})
}

// The gate writes nothing that was not agreed on, whoever writes, and lets the agreement itself through.
func TestGate(t *testing.T) {
	ctx := context.Background()
	agreed := 1
	store := NewMemory()
	gate := Gate{Store: store, Agreed: func() int { return agreed }}
	if _, err := gate.Txn(ctx, nil, []Op{{Key: KeyAssign("g"), Value: encode(t, KindAssignment, model.Assignment{Group: "g", HeldAt: 4})}}); err != nil {
		t.Fatal(err)
	}
	e, err := store.Get(ctx, KeyAssign("g"))
	if err != nil || LevelOf(e.Value) != 1 || strings.Contains(string(e.Value), "heldAt") {
		t.Errorf("%s, %v", e.Value, err)
	}
	special := Op{Key: KeyGroup("g"), Value: encode(t, KindGroup, model.Group{Name: "g", Priority: 3})}
	network := Op{Key: PrefixNetwork + "n1", Value: encode(t, KindNetwork, model.Network{Node: "n1"})}
	for _, op := range []Op{special, network} {
		if _, err := gate.Txn(ctx, nil, []Op{op}); !fault.Is(err, fault.Unsupported) {
			t.Errorf("%s: %v", op.Key, err)
		}
	}
	commit := Op{Key: KeySchema, Value: encode(t, KindSchema, model.Schema{Level: 2})}
	if _, err := gate.Txn(ctx, nil, []Op{special, commit}); err != nil {
		t.Errorf("with the agreement: %v", err)
	}
	agreed = 2
	if _, err := gate.Txn(ctx, nil, []Op{special, network}); err != nil {
		t.Errorf("after the agreement: %v", err)
	}
	if _, err := gate.Txn(ctx, nil, []Op{{Key: KeyGroup("g")}}); err != nil {
		t.Errorf("delete: %v", err)
	}
}

// Once a version counts, who does not read it can not read the membership.
func TestMembershipStandsAtTheAgreedLevel(t *testing.T) {
	type record struct {
		Epoch int `json:"epoch"`
	}
	value, err := EncodeFor(2, KindMembership, record{5})
	if err != nil || LevelOf(value) != 2 {
		t.Fatalf("%s, %v", value, err)
	}
	if r, err := Decode[record](KindMembership, KeyMembership, value); err != nil || r.Epoch != 5 {
		t.Errorf("%+v, %v", r, err)
	}
	asOlder(t, func() {
		if _, err := Decode[record](KindMembership, KeyMembership, value); !fault.Is(err, fault.Unsupported) || !strings.Contains(err.Error(), "upgrade redoubtd") {
			t.Errorf("%v", err)
		}
	})
	if got := LevelOf(encode(t, KindMembership, record{5})); got != 1 {
		t.Errorf("level %d", got)
	}
}

// What a newer release wrote and this one does not know is refused, never lost: not even inside a group, whose record has defaults.
func TestUnknownFieldsAreRefused(t *testing.T) {
	for _, body := range []string{`{"name":"g","newer":1}`, `{"name":"g","affinities":[{"kind":"+","target":"h","newer":1}]}`} {
		value, err := json.Marshal(envelope{Kind: KindGroup, Level: 2, Spec: json.RawMessage(body)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Decode[model.Group](KindGroup, "k", value); err == nil {
			t.Errorf("%s was read", body)
		}
	}
	value, err := json.Marshal(envelope{Kind: KindGroup, Level: newestLevel + 1, Spec: json.RawMessage(`{"name":"g"}`)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Decode[model.Group](KindGroup, "k", value); !fault.Is(err, fault.Unsupported) {
		t.Errorf("a newer level: %v", err)
	}
}
