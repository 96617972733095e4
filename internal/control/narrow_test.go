package control_test

import (
	"fmt"
	"strings"
	"testing"

	v1 "redoubt/api/v1"
	"redoubt/internal/rbac"
)

// Who may see one group is not told the names of others by the notes of his own.
func TestNotesNameNoOtherGroup(t *testing.T) {
	inWorld(t, func(w *world) {
		t, c := w.t, w.c()
		res := ok[v1.Result](t)
		for _, g := range []struct {
			name     string
			property []string
		}{{"payroll-rg", []string{"Nodelist=n1"}}, {"web-rg", []string{"Nodelist=n1", "RG_affinities=--payroll-rg"}}} {
			res(c.GroupCreate(w.ctx, root, v1.GroupCreate{Names: []string{g.name}, Property: g.property}))
			res(c.GroupManage(w.ctx, root, v1.GroupManage{Names: []string{g.name}}))
		}
		res(c.GroupOnline(w.ctx, root, v1.GroupOnline{Names: []string{"payroll-rg"}}))
		_, _ = c.GroupOnline(w.ctx, root, v1.GroupOnline{Names: []string{"web-rg"}}) // there is no node for it
		w.grant(v1.UserGrant{Names: []string{"ops"}, Profile: []string{rbac.ClusterOperation}, Scope: "group:web-rg"})
		ops := local1000("ops")
		told := func(who string, s any) (names, hides bool) {
			t.Helper()
			text := fmt.Sprintf("%+v", s)
			t.Logf("%s: %s", who, text)
			return strings.Contains(text, "payroll"), strings.Contains(text, "another group")
		}
		all := ok[[]v1.GroupState](t)(c.GroupStatus(w.ctx, root, v1.GroupStatus{Names: []string{"web-rg"}}))
		if names, _ := told("root", all); !names {
			t.Fatal("nothing names the other group to anybody")
		}
		own := ok[[]v1.GroupState](t)(c.GroupStatus(w.ctx, ops, v1.GroupStatus{Names: []string{"web-rg"}}))
		status := ok[v1.Status](t)(c.ClusterStatus(w.ctx, ops, v1.ClusterStatus{}))
		for what, s := range map[string]any{"group status": own, "status": status.Groups, "problems": status.Problems} {
			if names, hides := told(what, s); names || !hides && what != "problems" {
				t.Errorf("%s names the other group (%v), or does not say that there is one (%v)", what, names, !hides)
			}
		}
	})
}
