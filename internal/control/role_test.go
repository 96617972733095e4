package control_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/internal/confdb"
	"redoubt/internal/control"
	"redoubt/internal/fault"
	"redoubt/internal/rbac"
	"redoubt/internal/rgm/model"
)

func local1000(name string, groups ...string) control.Caller {
	return control.Caller{Kind: control.CallerLocal, UID: 1000, User: name, Groups: groups, Listed: groups}
}

func (w *world) grant(in v1.UserGrant) {
	w.t.Helper()
	ok[v1.Result](w.t)(w.c().UserGrant(w.ctx, root, in))
}

func TestRoles(t *testing.T) {
	inWorld(t, func(w *world) {
		t, c := w.t, w.c()
		ok[v1.Result](t)(c.RoleCreate(w.ctx, root, v1.RoleCreate{Names: []string{"boss"}, Profile: []string{rbac.ClusterOperation}, Password: []byte("correct horse")}))
		w.grant(v1.UserGrant{Names: []string{"alice"}, Role: []string{"boss"}})
		alice := local1000("alice")
		assume := func(who control.Caller, password string) (v1.RoleSession, error) {
			return c.RoleAssume(w.ctx, who, v1.RoleAssume{Names: []string{"boss"}, Password: []byte(password)})
		}
		refuse[v1.RoleSession](t, fault.Denied, "password is wrong")(assume(local1000("eve"), "correct horse"))
		refuse[v1.RoleSession](t, fault.Denied, "password is wrong")(assume(alice, "battery staple"))
		refuse[v1.RoleSession](t, fault.Denied, "nobody logs in as a role")(assume(local1000("boss"), "correct horse"))
		s := ok[v1.RoleSession](t)(assume(alice, "correct horse"))
		refuse[[]string](t, fault.Denied, "does not hold")(c.GroupList(w.ctx, alice, v1.GroupList{}))
		boss, err := c.InRole(alice, s.Token)
		if err != nil {
			t.Fatal(err)
		}
		ok[[]string](t)(c.NodeList(w.ctx, boss, v1.NodeList{}))
		me := ok[v1.Whoami](t)(c.UserWhoami(w.ctx, boss, v1.UserWhoami{}))
		if me.Role != "boss" || len(me.Holds) != 2 {
			t.Errorf("whoami: %+v", me)
		}
		other := alice
		other.UID = 1001
		for _, thief := range []control.Caller{other, local1000("eve"), {Kind: control.CallerUser, User: "alice"}} {
			if _, err := c.InRole(thief, s.Token); !fault.Is(err, fault.Denied) {
				t.Errorf("%+v is in the role of another: %v", thief, err)
			}
		}
		if _, err := w.nodes["n2"].control.InRole(alice, s.Token); !fault.Is(err, fault.Denied) {
			t.Errorf("a token of another node: %v", err)
		}
		// Another password ends the session at once.
		ok[v1.Result](t)(c.RolePassword(w.ctx, root, v1.RolePassword{Names: []string{"boss"}, Password: []byte("something else")}))
		refuse[[]string](t, fault.Denied, "was changed")(c.NodeList(w.ctx, boss, v1.NodeList{}))
		// Time ends one, and dropping it.
		s = ok[v1.RoleSession](t)(assume(alice, "something else"))
		boss, _ = c.InRole(alice, s.Token)
		time.Sleep(16 * time.Minute)
		refuse[[]string](t, fault.Denied, "after its time")(c.NodeList(w.ctx, boss, v1.NodeList{}))
		s = ok[v1.RoleSession](t)(assume(alice, "something else"))
		boss, _ = c.InRole(alice, s.Token)
		ok[v1.Result](t)(c.RoleDrop(w.ctx, boss, v1.RoleDrop{}))
		refuse[[]string](t, fault.Denied, "has ended")(c.NodeList(w.ctx, boss, v1.NodeList{}))
		// Whoever guesses has to wait, and nobody else has.
		for range 3 {
			refuse[v1.RoleSession](t, fault.Denied, "wrong")(assume(alice, "guess"))
		}
		refuse[v1.RoleSession](t, fault.Denied, "attempts have failed")(assume(alice, "something else"))
		w.grant(v1.UserGrant{Names: []string{"bob"}, Role: []string{"boss"}})
		ok[v1.RoleSession](t)(assume(local1000("bob"), "something else"))
		time.Sleep(3 * time.Second)
		s = ok[v1.RoleSession](t)(assume(alice, "something else"))
		boss, _ = c.InRole(alice, s.Token)
		// A role that is deleted is gone for who was in it, and for who might be in a later one of the name.
		ok[v1.Result](t)(c.RoleDelete(w.ctx, root, v1.RoleDelete{Names: []string{"boss"}}))
		refuse[[]string](t, fault.Denied, "has ended")(c.NodeList(w.ctx, boss, v1.NodeList{}))
		if users := ok[[]string](t)(c.UserList(w.ctx, root, v1.UserList{})); len(users) != 0 {
			t.Errorf("users that hold nothing are left: %v", users)
		}
	})
}

func TestNobodyGrantsHimself(t *testing.T) {
	inWorld(t, func(w *world) {
		t, c := w.t, w.c()
		w.grant(v1.UserGrant{Names: []string{"sec"}, Profile: []string{rbac.UserSecurity}})
		sec := local1000("sec", "admins")
		more := []string{rbac.ClusterManagement}
		refuse[v1.Result](t, fault.Denied, "himself")(c.UserGrant(w.ctx, sec, v1.UserGrant{Names: []string{"sec"}, Profile: more}))
		refuse[v1.Result](t, fault.Denied, "he is in it")(c.UserGrant(w.ctx, sec, v1.UserGrant{Names: []string{"admins"}, UnixGroup: true, Profile: more}))
		refuse[v1.Result](t, fault.Denied, "himself")(c.UserGrant(w.ctx, sec, v1.UserGrant{Names: []string{"bob", "sec"}, Profile: more}))
		ok[v1.Result](t)(c.UserGrant(w.ctx, sec, v1.UserGrant{Names: []string{"bob"}, Profile: more}))
		refuse[v1.Result](t, fault.Denied, "does not hold")(c.UserGrant(w.ctx, local1000("bob"), v1.UserGrant{Names: []string{"eve"}, Profile: more}))
		// Nor does the right to revoke certificates reach those of users.
		w.put(confdb.PrefixCertificate+"SHA256:x", confdb.KindCertificate, model.Certificate{Fingerprint: "SHA256:x", Kind: "user", Name: "sec", NotAfter: time.Now().Add(time.Hour)})
		synctest.Wait()
		refuse[v1.Result](t, fault.Denied, "may not change user sec")(c.CertificateRevoke(w.ctx, local1000("bob"), v1.CertificateRevoke{Names: []string{"SHA256:x"}}))
		refuse[v1.Result](t, fault.Denied, "himself")(c.UserRevokeCertificate(w.ctx, sec, v1.UserRevokeCertificate{Names: []string{"sec"}}))
		ok[v1.Result](t)(c.UserRevokeCertificate(w.ctx, root, v1.UserRevokeCertificate{Names: []string{"sec"}}))
		// Not by a role that he may assume, nor by a profile that he holds.
		ok[v1.Result](t)(c.RoleCreate(w.ctx, root, v1.RoleCreate{Names: []string{"boss"}}))
		ok[v1.Result](t)(c.ProfileCreate(w.ctx, root, v1.ProfileCreate{Names: []string{"Mine"}, Authorization: []string{"solaris.cluster.group.read"}}))
		w.grant(v1.UserGrant{Names: []string{"sec"}, Role: []string{"boss"}, Profile: []string{"Mine"}})
		refuse[v1.Result](t, fault.Denied, "may assume it")(c.RoleGrant(w.ctx, sec, v1.RoleGrant{Names: []string{"boss"}, Profile: more}))
		refuse[v1.Result](t, fault.Denied, "he holds it")(c.ProfileSet(w.ctx, sec, v1.ProfileSet{Names: []string{"Mine"}, Profile: more}))
		// Names that could be taken for others, cycles, authorizations that there are none of.
		for _, name := range []string{"node n1", "root", "boss", "+", "m\u0430ry"} {
			refuse[v1.Result](t, fault.Invalid, "")(c.UserGrant(w.ctx, root, v1.UserGrant{Names: []string{name}, Profile: more}))
		}
		refuse[v1.Result](t, fault.Invalid, "there is a user of that name")(c.RoleCreate(w.ctx, root, v1.RoleCreate{Names: []string{"bob"}}))
		refuse[v1.Result](t, fault.Invalid, "part of itself")(c.ProfileSet(w.ctx, root, v1.ProfileSet{Names: []string{"Mine"}, Profile: []string{"Mine"}}))
		refuse[v1.Result](t, fault.Invalid, "there is no authorization")(c.UserGrant(w.ctx, root, v1.UserGrant{Names: []string{"eve"}, Authorization: []string{"cluster.grup.read"}}))
		refuse[v1.Result](t, fault.Invalid, "there is no authorization")(c.UserGrant(w.ctx, root, v1.UserGrant{Names: []string{"eve"}, Authorization: []string{"cluster.peer.admin"}}))
		refuse[v1.Result](t, fault.Precondition, "of the product")(c.ProfileDelete(w.ctx, root, v1.ProfileDelete{Names: []string{rbac.ClusterRead}}))
		refuse[v1.Result](t, fault.Precondition, "is held by user sec")(c.ProfileDelete(w.ctx, root, v1.ProfileDelete{Names: []string{"Mine"}}))
	})
}

func TestRevokedWhileHeWatches(t *testing.T) {
	inWorld(t, func(w *world) {
		t, c := w.t, w.c()
		w.configure()
		w.grant(v1.UserGrant{Names: []string{"ops"}, UnixGroup: true, Profile: []string{rbac.ClusterOperation}, Scope: "group:web-rg"})
		carol := local1000("carol", "ops")
		events, err := c.Watch(w.ctx, carol)
		if err != nil {
			t.Fatal(err)
		}
		first := <-events
		if s := first.Status; s == nil || len(s.Nodes) != 0 || len(s.Groups) != 1 || s.Groups[0].Name != "web-rg" {
			t.Errorf("he sees %+v", first.Status)
		}
		if list := ok[[]string](t)(c.GroupList(control.Asking(w.ctx, "group list", v1.GroupList{}), carol, v1.GroupList{})); strings.Join(list, " ") != "web-rg" {
			t.Errorf("he sees groups %v", list)
		}
		off := v1.GroupOffline{Names: []string{"web-rg"}}
		ok[v1.Result](t)(c.GroupOffline(control.Asking(w.ctx, "group offline", off), carol, off))
		refuse[v1.Result](t, fault.Denied, "whole cluster")(c.GroupOffline(w.ctx, carol, off))
		del := v1.GroupDelete{Names: []string{"web-rg"}}
		refuse[v1.Result](t, fault.Denied, "does not hold cluster.group.modify")(c.GroupDelete(control.Asking(w.ctx, "group delete", del), carol, del))
		ok[v1.Result](t)(c.UserRevoke(w.ctx, root, v1.UserRevoke{Names: []string{"ops"}, UnixGroup: true, Profile: []string{rbac.ClusterOperation}}))
		began := time.Now()
		for range events { //nolint:revive // to its end
		}
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("the watch went on for %v", took)
		}
		refuse[v1.Result](t, fault.Denied, "does not hold")(c.GroupOffline(control.Asking(w.ctx, "group offline", off), carol, off))
	})
}

// What is damaged grants nothing, and the name of a damaged role lets nobody in.
func TestDamagedRecords(t *testing.T) {
	inWorld(t, func(w *world) {
		t, c := w.t, w.c()
		w.grant(v1.UserGrant{Names: []string{"alice"}, Profile: []string{rbac.ClusterRead}})
		ok[[]string](t)(c.NodeList(w.ctx, local1000("alice"), v1.NodeList{}))
		damage := func(key, text string) {
			if _, err := w.store.Txn(w.ctx, nil, []confdb.Op{{Key: key, Value: []byte(text)}}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		damage(confdb.PrefixRole+"alice", "{")
		refuse[[]string](t, fault.Denied, "nobody logs in as a role")(c.NodeList(w.ctx, local1000("alice"), v1.NodeList{}))
		ok[v1.Result](t)(c.RoleDelete(w.ctx, root, v1.RoleDelete{Names: []string{"alice"}}))
		ok[[]string](t)(c.NodeList(w.ctx, local1000("alice"), v1.NodeList{}))
		damage(confdb.PrefixUser+"alice", `{"kind":"user","level":1,"spec":{"name":"alice","grants":[{"profile":"Cluster Read"}],"more":1}}`)
		refuse[[]string](t, fault.Denied, "does not hold")(c.NodeList(w.ctx, local1000("alice"), v1.NodeList{}))
		damage(confdb.PrefixUser+"eve", `{"kind":"user","level":1,"spec":{"name":"alice","grants":[{"profile":"Cluster Read","scope":"cluster"}]}}`)
		refuse[[]string](t, fault.Denied, "does not hold")(c.NodeList(w.ctx, local1000("alice"), v1.NodeList{}))
		ok[v1.Result](t)(c.UserDelete(w.ctx, root, v1.UserDelete{Names: []string{"alice"}}))
		w.grant(v1.UserGrant{Names: []string{"alice"}, Profile: []string{rbac.ClusterRead}})
		ok[[]string](t)(c.NodeList(w.ctx, local1000("alice"), v1.NodeList{}))
	})
}
