package check_test

import (
	"strings"
	"testing"

	"redoubt/internal/cluster"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/model"
)

// The written forms of what binds groups, as an administrator types them, and what is said about wrong ones.
func TestPlacementProperties(t *testing.T) {
	s := model.State{
		Nodes:  []model.NodeState{{Node: model.Node{Name: "n1"}}, {Node: model.Node{Name: "n2"}}},
		Groups: []model.Group{{Name: "app", Nodelist: []cluster.NodeName{"n1"}, Affinities: []model.Affinity{{Kind: model.AffinityRequire, Target: "db"}}, Dependencies: []cluster.GroupName{"db"}}, {Name: "db", Nodelist: []cluster.NodeName{"n1"}}},
	}
	for _, c := range []struct{ setting, value, fault string }{
		{"RG_affinities", "++app,--db", ""},
		{"RG_affinities", "+db", ""},
		{"RG_affinities", "db", "is no affinity"},
		{"RG_affinities", "++++db", "is no affinity"},
		{"RG_affinities", "+-db", "is no affinity"},
		{"RG_affinities", "++", "is no affinity"},
		{"RG_affinities", "+dc", "did you mean"},
		{"RG_affinities", "+web", "names the group itself"},
		{"RG_affinities", "+db,--db", "one affinity to a group"},
		{"RG_dependencies", "db,app", ""},
		{"RG_dependencies", "db,db", "twice"},
		{"RG_dependencies", "web", "names the group itself"},
		{"Load_factors", "cpu@2,mem@0", ""},
		{"Load_factors", "cpu@-1", "is no load factor"},
		{"Load_factors", "cpu@9999999999999999999999", "is no load factor"},
		{"Load_factors", "@2", "is no load factor"},
		{"Load_factors", "cpu@1,cpu@2", "twice"},
		{"Priority", "1001", "maximum"},
		{"Preemption_mode", "never", ""},
		{"Preemption_mode", "sometimes", "none of"},
	} {
		g, ps := check.NewGroup(s, "web", []check.Setting{{Name: "Nodelist", Text: "n1"}, {Name: c.setting, Text: c.value}})
		err := ps.Err()
		if (err == nil) != (c.fault == "") || err != nil && !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%s=%s: %v, not %q", c.setting, c.value, err, c.fault)
		}
		if err == nil && g.Priority != model.DefaultPriority {
			t.Errorf("%s=%s: priority %d", c.setting, c.value, g.Priority)
		}
	}
	db, _ := check.Group(s, "db")
	for setting, value := range map[string]string{"RG_affinities": "++app", "RG_dependencies": "app"} {
		_, ps := check.SetGroup(s, db, []check.Setting{{Name: setting, Text: value}})
		if err := ps.Err(); err == nil || !strings.Contains(err.Error(), "cycle: group db -> group app ("+setting+") -> group db (") {
			t.Errorf("%s=%s: the cycle is not printed: %v", setting, value, err)
		}
	}
}

func TestLoadLimits(t *testing.T) {
	for _, c := range []struct{ text, want, fault string }{
		{"mem@48:64", "mem@48:64", ""},
		{"mem@48:", "mem@48:unlimited", ""},
		{"mem@:64", "mem@64:64", ""},
		{"mem@unlimited:unlimited", "mem@unlimited:unlimited", ""},
		{"mem@65:64", "", "above the hard limit"},
		{"mem@unlimited:64", "", "above the hard limit"},
		{"mem@x:64", "", "neither a whole number"},
		{"mem@-1:64", "", "neither a whole number"},
		{"mem", "", "is no load limit"},
		{"b@1:1,a@2:2", "a@2:2,b@1:1", ""},
		{"a@1:1,a@2:2", "", "twice"},
	} {
		n, ps := check.SetNode(model.Node{Name: "n1"}, []check.Setting{{Name: "Load_limits", Text: c.text}})
		err := ps.Err()
		if (err == nil) != (c.fault == "") || err != nil && !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%s: %v, not %q", c.text, err, c.fault)
		}
		var have []string
		for _, l := range n.LoadLimits {
			have = append(have, check.WriteLimit(l))
		}
		if err == nil && strings.Join(have, ",") != c.want {
			t.Errorf("%s: is %v, not %s", c.text, have, c.want)
		}
	}
}
