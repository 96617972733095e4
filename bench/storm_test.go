package main

import (
	"encoding/json"
	"os"
	"slices"
	"testing"

	v1 "redoubt/api/v1"
)

// Every service is in a group, groups have four but for the last, and each node comes first for a third of them.
func TestStormDocument(t *testing.T) {
	path, err := stormDocument(t.TempDir(), 30, []string{"n1", "n2", "n3"})
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var doc v1.Document
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	first, in := map[string]int{}, map[string]int{}
	for _, g := range doc.Groups {
		nodes := slices.Clone(g.Properties["Nodelist"])
		first[nodes[0]]++
		if slices.Sort(nodes); !slices.Equal(nodes, []string{"n1", "n2", "n3"}) {
			t.Errorf("group %s: nodes %v", g.Name, nodes)
		}
	}
	for _, r := range doc.Resources {
		in[r.Group]++
	}
	if len(doc.Resources) != 30 || len(doc.Groups) != 8 || len(in) != 8 || in["g00007"] != 2 || first["n1"] != 3 || first["n2"] != 3 || first["n3"] != 2 {
		t.Errorf("%d services, %d groups, services by group %v, first nodes %v", len(doc.Resources), len(doc.Groups), in, first)
	}
}

func TestLivesAfterTheFirstAreLostLeases(t *testing.T) {
	st := v1.Status{Nodes: []v1.NodeState{{Name: "n1", Incarnation: "1-aa"}, {Name: "n2", Incarnation: "3-bb"}, {Name: "q1"}}}
	if got := stormLost(st, "a storm"); !slices.Equal(got, []string{"n2 is in life 3 after: a storm"}) {
		t.Errorf("%q", got)
	}
}
