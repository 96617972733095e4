package control_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	v1 "redoubt/api/v1"
	"redoubt/internal/control"
	"redoubt/internal/fault"
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

// Nor by what explains where his own is, and what it waits for.
func TestWhyNamesNoOtherGroup(t *testing.T) {
	inWorld(t, func(w *world) {
		t, c := w.t, w.c()
		res := ok[v1.Result](t)
		res(c.GroupCreate(w.ctx, root, v1.GroupCreate{Names: []string{"payroll-rg"}}))
		res(c.GroupCreate(w.ctx, root, v1.GroupCreate{Names: []string{"web-rg"}, Property: []string{"RG_dependencies=payroll-rg"}}))
		res(c.GroupOnline(w.ctx, root, v1.GroupOnline{Names: []string{"web-rg"}, Manage: true, NoWait: true}))
		synctest.Wait()
		w.grant(v1.UserGrant{Names: []string{"ops"}, Profile: []string{rbac.ClusterOperation}, Scope: "group:web-rg"})
		all := fmt.Sprintf("%+v", ok[[]v1.Explanation](t)(c.GroupWhy(w.ctx, root, v1.GroupWhy{Names: []string{"web-rg"}})))
		own := fmt.Sprintf("%+v", ok[[]v1.Explanation](t)(c.GroupWhy(control.Asking(w.ctx, "group why", v1.GroupWhy{Names: []string{"web-rg"}}), local1000("ops"), v1.GroupWhy{Names: []string{"web-rg"}})))
		if !strings.Contains(all, "payroll") || strings.Contains(own, "payroll") || !strings.Contains(own, "another group") {
			t.Errorf("everybody: %s\nwho sees one group: %s", all, own)
		}
		refuse[[]v1.Explanation](t, fault.Denied, "only for group:web-rg")(c.GroupWhy(control.Asking(w.ctx, "group why", v1.GroupWhy{Names: []string{"payroll-rg"}}), local1000("ops"), v1.GroupWhy{Names: []string{"payroll-rg"}}))
		if every := ok[[]v1.Explanation](t)(c.GroupWhy(control.Asking(w.ctx, "group why", v1.GroupWhy{All: true}), local1000("ops"), v1.GroupWhy{})); len(every) != 1 || every[0].Group != "web-rg" {
			t.Errorf("without a name: %+v", every)
		}
		refuse[v1.PlanReport](t, fault.Denied, "not for the whole cluster")(c.ClusterPlan(w.ctx, local1000("ops"), v1.ClusterPlan{}))
		refuse[v1.Result](t, fault.Denied, "")(c.GroupQuiesce(control.Asking(w.ctx, "group quiesce", v1.GroupQuiesce{All: true}), local1000("ops"), v1.GroupQuiesce{All: true}))
	})
}
