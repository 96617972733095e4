package control_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/control"
	"redoubt/internal/fault"
	"redoubt/internal/rbac"
	"redoubt/internal/rgm/model"
)

var (
	home = netip.MustParseAddr("192.0.2.10")
	afar = netip.MustParseAddr("198.51.100.7")
)

// allowSessions switches sessions on and lets alice read and operate.
func (w *world) allowSessions() {
	w.t.Helper()
	ok[v1.Result](w.t)(w.c().ClusterSet(w.ctx, root, v1.ClusterSet{Property: []string{"sessions=on"}}))
	w.grant(v1.UserGrant{Names: []string{"alice"}, Profile: []string{rbac.ClusterOperation}})
}

func (w *world) open(who control.Caller, in v1.SessionOpen) v1.SessionOpened {
	w.t.Helper()
	return ok[v1.SessionOpened](w.t)(w.c().SessionOpen(w.ctx, who, in))
}

// come shows a token at a node.
func (w *world) come(node, token string, from netip.Addr) (control.Caller, error) {
	return w.nodes[cluster.NodeName(node)].control.InSession(w.ctx, from, token)
}

// in is a caller in a session at a node.
func (w *world) in(node, token string) control.Caller {
	w.t.Helper()
	synctest.Wait()
	return ok[control.Caller](w.t)(w.come(node, token, home))
}

// stored is everything that the repository holds.
func (w *world) stored() (entries []confdb.Entry, revision cluster.Revision) {
	w.t.Helper()
	s := ok[confdb.Snapshot](w.t)(w.store.Read(w.ctx, confdb.Root))
	return s.Entries, s.Revision
}

func TestSessions(t *testing.T) {
	inWorld(t, func(w *world) {
		t, c := w.t, w.c()
		alice := local1000("alice")
		w.grant(v1.UserGrant{Names: []string{"alice"}, Profile: []string{rbac.ClusterOperation}})
		refuse[v1.SessionOpened](t, fault.Precondition, "sessions are off")(c.SessionOpen(w.ctx, alice, v1.SessionOpen{}))
		refuse[control.Caller](t, fault.Denied, "sessions are off")(w.come("n1", "rds_anything", home))
		w.allowSessions()
		s := w.open(alice, v1.SessionOpen{})
		if s.User != "alice" || s.Idle != 900 || s.Ends.Sub(s.Opened) != 8*time.Hour || s.From != "node n1" || len(s.Token) != 4+43 || strings.Contains(s.Token, s.ID) {
			t.Errorf("a session as usual: %+v", s)
		}
		// At every node, with the user's rights and no more.
		for _, n := range []string{"n1", "n2", "n3"} {
			who := w.in(n, s.Token)
			if who.Kind != control.CallerSession || who.User != "alice" || who.From != home || who.Session != s.ID {
				t.Errorf("at %s: %+v", n, who)
			}
			ok[[]string](t)(w.nodes[cluster.NodeName(n)].control.NodeList(w.ctx, who, v1.NodeList{}))
			refuse[v1.Result](t, fault.Denied, "does not hold")(c.GroupCreate(w.ctx, who, v1.GroupCreate{Names: []string{"x"}}))
		}
		me := ok[v1.Whoami](t)(c.UserWhoami(w.ctx, w.in("n1", s.Token), v1.UserWhoami{}))
		if me.Known != "session" || me.From != home.String() || me.Session == nil || !me.Session.This || !me.Session.Ends.Equal(s.Ends) || me.Session.Idle != 900 {
			t.Errorf("whoami: %+v", me)
		}
		// The repository has the hash, and nothing from which the token could be had.
		entries, _ := w.stored()
		hash := sha256.Sum256([]byte(s.Token))
		secret := ok[[]byte](t)(base64.RawURLEncoding.DecodeString(strings.TrimPrefix(s.Token, "rds_")))
		kept := false
		for _, e := range entries {
			kept = kept || bytes.Contains(e.Value, []byte(base64.StdEncoding.EncodeToString(hash[:])))
			for what, is := range map[string][]byte{"token": []byte(s.Token[4:]), "bytes": secret, "base64": []byte(base64.StdEncoding.EncodeToString(secret))} {
				if bytes.Contains(e.Value, is) {
					t.Errorf("the %s of a token stands in %s", what, e.Key)
				}
			}
		}
		if !kept {
			t.Error("the hash is not in the repository: this test looks for the wrong thing")
		}
		// The same token never again.
		if other := w.open(alice, v1.SessionOpen{}); other.Token == s.Token || other.ID == s.ID {
			t.Error("two sessions with one token")
		}
	})
}

// A session ends after its idle time and at its end, on every node; that it is used is written down now and then, and not with each request.
func TestSessionsEnd(t *testing.T) {
	inWorld(t, func(w *world) {
		t, c := w.t, w.c()
		w.allowSessions()
		alice := local1000("alice")
		s := w.open(alice, v1.SessionOpen{For: 2 * 3600, Idle: 1200})
		// An hour of requests at n1 alone, one each minute.
		_, before := w.stored()
		for range 60 {
			time.Sleep(time.Minute)
			w.in("n1", s.Token)
		}
		_, after := w.stored()
		if wrote := after - before; wrote == 0 || wrote > 12 {
			t.Errorf("60 requests in an hour wrote %d times", wrote)
		}
		w.in("n2", s.Token) // knows of it
		time.Sleep(21 * time.Minute)
		for _, n := range []string{"n1", "n2", "n3"} {
			refuse[control.Caller](t, fault.Denied, "more than 20m")(w.come(n, s.Token, home))
		}
		if list := ok[[]string](t)(c.SessionList(w.ctx, alice, v1.SessionList{})); len(list) != 0 {
			t.Errorf("sessions that are over are listed: %v", list)
		}
		// What is over for every node, whatever another may have heard, is cleared away when the next is opened.
		time.Sleep(21 * time.Minute)
		s = w.open(alice, v1.SessionOpen{For: 3600, Idle: 3600})
		entries, _ := w.stored()
		if n := len(slices.DeleteFunc(entries, func(e confdb.Entry) bool { return !strings.HasPrefix(e.Key, confdb.PrefixSession) })); n != 1 {
			t.Errorf("%d records of sessions", n)
		}
		who := w.in("n1", s.Token)
		for range 5 {
			time.Sleep(10 * time.Minute)
			w.in("n1", s.Token)
		}
		time.Sleep(10 * time.Minute)
		refuse[control.Caller](t, fault.Denied, "its time is over")(w.come("n1", s.Token, home))
		refuse[[]string](t, fault.Denied, "its time is over")(c.NodeList(w.ctx, who, v1.NodeList{}))
		if err := c.StillInSession(who); !fault.Is(err, fault.Denied) {
			t.Errorf("a request that is under way: %v", err)
		}
		// A lower limit counts for those that there are.
		s = w.open(alice, v1.SessionOpen{For: 3600, Idle: 3600})
		ok[v1.Result](t)(c.ClusterSet(w.ctx, root, v1.ClusterSet{Property: []string{"session_limit=30"}}))
		time.Sleep(29 * time.Minute)
		w.in("n3", s.Token)
		time.Sleep(2 * time.Minute)
		refuse[control.Caller](t, fault.Denied, "its time is over")(w.come("n3", s.Token, home))
		refuse[v1.SessionOpened](t, fault.Invalid, "session_limit")(c.SessionOpen(w.ctx, alice, v1.SessionOpen{For: 3600}))
		for _, in := range []v1.SessionOpen{{For: 59}, {For: 600, Idle: 601}, {Idle: 1}, {For: -5}, {For: 1 << 40}} {
			refuse[v1.SessionOpened](t, fault.Invalid, "session open")(c.SessionOpen(w.ctx, alice, in))
		}
		// Switching off closes all; they do not count again when sessions are allowed again.
		s = w.open(alice, v1.SessionOpen{})
		ok[v1.Result](t)(c.ClusterSet(w.ctx, root, v1.ClusterSet{Property: []string{"sessions=off"}}))
		synctest.Wait()
		refuse[control.Caller](t, fault.Denied, "sessions are off")(w.come("n2", s.Token, home))
		ok[v1.Result](t)(c.ClusterSet(w.ctx, root, v1.ClusterSet{Property: []string{"sessions=on"}}))
		synctest.Wait()
		refuse[control.Caller](t, fault.Denied, "no session of this token")(w.come("n2", s.Token, home))
	})
}

// Nobody is let in as somebody else, in a role, or by what Unix groups hold; and a session begets no other.
func TestSessionOfAnother(t *testing.T) {
	inWorld(t, func(w *world) {
		t, c := w.t, w.c()
		w.allowSessions()
		alice := local1000("alice")
		w.grant(v1.UserGrant{Names: []string{"sec"}, Profile: []string{rbac.UserSecurity}})
		w.grant(v1.UserGrant{Names: []string{"staff"}, UnixGroup: true, Profile: []string{rbac.ClusterManagement}})
		ok[v1.Result](t)(c.RoleCreate(w.ctx, root, v1.RoleCreate{Names: []string{"boss"}, Profile: []string{rbac.ClusterManagement}, Password: []byte("correct horse")}))
		w.grant(v1.UserGrant{Names: []string{"alice"}, Role: []string{"boss"}})
		for _, who := range []control.Caller{alice, local1000("sec")} {
			refuse[v1.SessionOpened](t, fault.Denied, "only root opens one for somebody else")(c.SessionOpen(w.ctx, who, v1.SessionOpen{User: "bob"}))
		}
		refuse[v1.SessionOpened](t, fault.Invalid, "nobody is root")(c.SessionOpen(w.ctx, root, v1.SessionOpen{}))
		refuse[v1.SessionOpened](t, fault.Invalid, "root of a node")(c.SessionOpen(w.ctx, root, v1.SessionOpen{User: "root"}))
		refuse[v1.SessionOpened](t, fault.Invalid, "there is a role")(c.SessionOpen(w.ctx, root, v1.SessionOpen{User: "boss"}))
		refuse[v1.SessionOpened](t, fault.Precondition, "holds nothing by himself")(c.SessionOpen(w.ctx, root, v1.SessionOpen{User: "eve"}))
		refuse[v1.SessionOpened](t, fault.Precondition, "Unix groups do not count")(c.SessionOpen(w.ctx, local1000("carol", "staff"), v1.SessionOpen{}))
		for _, who := range []control.Caller{{Kind: control.CallerNode, Node: "n2"}, {Kind: control.CallerPartner, User: "east"}, {Kind: control.CallerNone}, {}} {
			refuse[v1.SessionOpened](t, fault.Denied, "may not do session open")(c.SessionOpen(w.ctx, who, v1.SessionOpen{}))
		}
		role := ok[v1.RoleSession](t)(c.RoleAssume(w.ctx, alice, v1.RoleAssume{Names: []string{"boss"}, Password: []byte("correct horse")}))
		boss := ok[control.Caller](t)(c.InRole(alice, role.Token))
		refuse[v1.SessionOpened](t, fault.Precondition, "leave the role")(c.SessionOpen(w.ctx, boss, v1.SessionOpen{}))

		s := w.open(root, v1.SessionOpen{User: "alice"})
		in := w.in("n1", s.Token)
		refuse[v1.SessionOpened](t, fault.Denied, "not in a session")(c.SessionOpen(w.ctx, in, v1.SessionOpen{}))
		// A role is assumed in a session as elsewhere, and is bound to it: not to the user, nor to another session of his.
		role = ok[v1.RoleSession](t)(c.RoleAssume(w.ctx, in, v1.RoleAssume{Names: []string{"boss"}, Password: []byte("correct horse")}))
		boss = ok[control.Caller](t)(c.InRole(in, role.Token))
		ok[v1.Result](t)(c.GroupCreate(w.ctx, boss, v1.GroupCreate{Names: []string{"by-boss"}, Node: []string{"n1"}}))
		other := w.in("n1", w.open(alice, v1.SessionOpen{}).Token)
		for _, thief := range []control.Caller{alice, other} {
			refuse[control.Caller](t, fault.Denied, "not yours")(c.InRole(thief, role.Token))
		}
		// In neither form does it change who may do what, who gets in, or what is trusted.
		for _, who := range []control.Caller{boss, w.in("n1", w.open(root, v1.SessionOpen{User: "sec"}).Token)} {
			refuse[v1.Result](t, fault.Denied, "not in a session")(c.UserGrant(w.ctx, who, v1.UserGrant{Names: []string{"eve"}, Profile: []string{rbac.ClusterManagement}}))
			refuse[v1.SessionOpened](t, fault.Denied, "not in a session")(c.SessionOpen(w.ctx, who, v1.SessionOpen{User: "eve"}))
			refuse[v1.Result](t, fault.Denied, "not in a session")(c.AccessAllowAll(w.ctx, who, v1.AccessAllowAll{}))
		}
		for _, p := range []string{"resource_security=WARN", "session_limit=1000", "sessions=off"} {
			refuse[v1.Result](t, fault.Denied, "in a session")(c.ClusterSet(w.ctx, boss, v1.ClusterSet{Property: []string{p, "description=x"}}))
		}
		ok[v1.Result](t)(c.ClusterSet(w.ctx, boss, v1.ClusterSet{Property: []string{"description=by the boss"}}))
		ok[v1.Result](t)(c.SessionClose(w.ctx, in, v1.SessionClose{}))
		synctest.Wait()
		refuse[control.Caller](t, fault.Denied, "")(w.come("n1", s.Token, home))
		refuse[v1.Result](t, fault.Denied, "closed")(c.GroupCreate(w.ctx, boss, v1.GroupCreate{Names: []string{"late"}, Node: []string{"n1"}}))
	})
}

// What was taken from the user is taken from his sessions, at once and on every node.
func TestSessionsFollowTheUser(t *testing.T) {
	inWorld(t, func(w *world) {
		t, c := w.t, w.c()
		w.allowSessions()
		alice := local1000("alice")
		gone := func(token, why string) {
			t.Helper()
			synctest.Wait()
			for _, n := range []string{"n1", "n2", "n3"} {
				refuse[control.Caller](t, fault.Denied, why)(w.come(n, token, home))
			}
		}
		// Rights that were taken away, in the middle of the session.
		s := w.open(alice, v1.SessionOpen{})
		mid := w.in("n2", s.Token)
		w.grant(v1.UserGrant{Names: []string{"alice"}, Authorization: []string{"cluster.log.read"}})
		ok[v1.Result](t)(c.UserRevoke(w.ctx, root, v1.UserRevoke{Names: []string{"alice"}, Profile: []string{rbac.ClusterOperation}}))
		synctest.Wait()
		refuse[[]string](t, fault.Denied, "does not hold")(w.nodes["n2"].control.NodeList(w.ctx, mid, v1.NodeList{}))
		ok[v1.Result](t)(c.UserRevoke(w.ctx, root, v1.UserRevoke{Names: []string{"alice"}, Authorization: []string{"cluster.log.read"}}))
		gone(s.Token, "holds nothing")
		if err := w.nodes["n2"].control.StillInSession(mid); !fault.Is(err, fault.Denied) {
			t.Errorf("what is under way goes on: %v", err)
		}
		// A user who is deleted has no session, also when there is one of the name again.
		w.grant(v1.UserGrant{Names: []string{"alice"}, Profile: []string{rbac.ClusterOperation}})
		s = w.open(alice, v1.SessionOpen{})
		ok[v1.Result](t)(c.UserDelete(w.ctx, root, v1.UserDelete{Names: []string{"alice"}}))
		gone(s.Token, "")
		w.grant(v1.UserGrant{Names: []string{"alice"}, Profile: []string{rbac.ClusterOperation}})
		gone(s.Token, "")
		// One that was opened by a certificate ends with it: when it ends, and when it is revoked.
		for i, end := range []time.Duration{time.Hour, 48 * time.Hour} {
			print := fmt.Sprintf("SHA256:%d", i)
			w.put(confdb.PrefixCertificate+print, confdb.KindCertificate, model.Certificate{Fingerprint: print, Kind: "user", Name: "alice", NotAfter: time.Now().Add(end)})
		}
		synctest.Wait()
		byCert := func(print string) control.Caller {
			return control.Caller{Kind: control.CallerUser, User: "alice", Certificate: print, From: afar}
		}
		s = w.open(byCert("SHA256:0"), v1.SessionOpen{For: 7200, Idle: 7200})
		if s.From != afar.String() || s.Certificate != "SHA256:0" {
			t.Errorf("opened by certificate: %+v", s.Session)
		}
		w.in("n3", s.Token)
		time.Sleep(61 * time.Minute)
		gone(s.Token, "the certificate has ended")
		s = w.open(byCert("SHA256:1"), v1.SessionOpen{})
		kept := w.open(alice, v1.SessionOpen{})
		mid = w.in("n3", s.Token)
		ok[v1.Result](t)(c.CertificateRevoke(w.ctx, root, v1.CertificateRevoke{Names: []string{"SHA256:1"}}))
		gone(s.Token, "revoked")
		refuse[[]string](t, fault.Denied, "")(w.nodes["n3"].control.NodeList(w.ctx, mid, v1.NodeList{}))
		w.in("n1", kept.Token)
	})
}

func TestSessionsAreClosed(t *testing.T) {
	inWorld(t, func(w *world) {
		t, c := w.t, w.c()
		w.allowSessions()
		w.grant(v1.UserGrant{Names: []string{"bob"}, Profile: []string{rbac.ClusterRead}})
		w.grant(v1.UserGrant{Names: []string{"sec"}, Profile: []string{rbac.UserSecurity}})
		alice, bob, sec := local1000("alice"), local1000("bob"), local1000("sec")
		a, b, b2, s := w.open(alice, v1.SessionOpen{}), w.open(bob, v1.SessionOpen{}), w.open(bob, v1.SessionOpen{}), w.open(root, v1.SessionOpen{User: "sec"})
		list := func(who control.Caller) int {
			t.Helper()
			shown := ok[[]v1.Session](t)(c.SessionShow(w.ctx, who, v1.SessionShow{}))
			if names := ok[[]string](t)(c.SessionList(w.ctx, who, v1.SessionList{})); len(names) != len(shown) {
				t.Errorf("%d are listed, %d shown", len(names), len(shown))
			}
			return len(shown)
		}
		if x, y, z, r := list(alice), list(bob), list(sec), list(root); x != 1 || y != 2 || z != 4 || r != 4 {
			t.Errorf("they see %d, %d, %d and %d sessions", x, y, z, r)
		}
		refuse[[]v1.Session](t, fault.NotFound, b.ID)(c.SessionShow(w.ctx, alice, v1.SessionShow{Names: []string{b.ID}}))
		refuse[v1.Result](t, fault.NotFound, "no session")(c.SessionClose(w.ctx, alice, v1.SessionClose{Names: []string{b.ID}}))
		refuse[v1.Result](t, fault.Denied, "cluster.user.modify")(c.SessionClose(w.ctx, alice, v1.SessionClose{User: "bob"}))
		refuse[v1.Result](t, fault.Denied, "not done in a session")(c.SessionClose(w.ctx, w.in("n1", s.Token), v1.SessionClose{User: "bob"}))
		refuse[v1.Result](t, fault.NotFound, "no session")(c.SessionClose(w.ctx, w.in("n1", s.Token), v1.SessionClose{Names: []string{b.ID}}))
		refuse[v1.Result](t, fault.Invalid, "name the sessions")(c.SessionClose(w.ctx, alice, v1.SessionClose{}))
		refuse[v1.Result](t, fault.Invalid, "or all")(c.SessionClose(w.ctx, alice, v1.SessionClose{Names: []string{a.ID}, All: true}))
		ok[v1.Result](t)(c.SessionClose(w.ctx, bob, v1.SessionClose{Names: []string{b.ID}}))
		synctest.Wait()
		refuse[control.Caller](t, fault.Denied, "closed")(w.come("n3", b.Token, home))
		w.in("n3", b2.Token)
		ok[v1.Result](t)(c.SessionClose(w.ctx, sec, v1.SessionClose{User: "bob"}))
		ok[v1.Result](t)(c.SessionClose(w.ctx, w.in("n1", a.Token), v1.SessionClose{All: true}))
		if n := list(root); n != 1 {
			t.Errorf("%d sessions are left", n)
		}
		// There are only so many of one user.
		for range rbac.MaxUserSessions {
			w.open(alice, v1.SessionOpen{})
		}
		refuse[v1.SessionOpened](t, fault.Precondition, "close some")(c.SessionOpen(w.ctx, alice, v1.SessionOpen{}))
		w.open(bob, v1.SessionOpen{})
		if out := ok[v1.Result](t)(c.SessionClose(w.ctx, alice, v1.SessionClose{All: true})); len(out.Messages) != rbac.MaxUserSessions {
			t.Errorf("closed: %v", out.Messages)
		}
	})
}

// Whoever guesses is locked out by his network. Nobody elsewhere is, nor whoever was in a session behind the same address.
func TestGuessedTokensLockOut(t *testing.T) {
	inWorld(t, func(w *world) {
		t, c := w.t, w.c()
		w.allowSessions()
		s, late := w.open(local1000("alice"), v1.SessionOpen{}), w.open(local1000("alice"), v1.SessionOpen{})
		w.in("n1", s.Token)
		for i := range 5 {
			refuse[control.Caller](t, fault.Denied, "no session of this token")(w.come("n1", fmt.Sprintf("rds_guess%d", i), home))
		}
		refuse[control.Caller](t, fault.Denied, "1m0s")(w.come("n1", "rds_guess", home))
		refuse[control.Caller](t, fault.Denied, "too many requests")(w.come("n1", late.Token, home))
		ok[control.Caller](t)(w.come("n1", s.Token, home))
		ok[control.Caller](t)(w.come("n1", late.Token, afar))
		time.Sleep(61 * time.Second)
		ok[control.Caller](t)(w.come("n1", late.Token, home))
		for range 5 { // requests that show nothing count too, and the second time takes longer
			c.Missed(home)
		}
		refuse[control.Caller](t, fault.Denied, "2m0s")(w.come("n1", "rds_guess", home))
		// One that is over is no guess.
		time.Sleep(20 * time.Minute)
		for range 10 {
			refuse[control.Caller](t, fault.Denied, "more than 15m0s")(w.come("n1", s.Token, afar))
		}
		fresh := w.open(local1000("alice"), v1.SessionOpen{})
		ok[control.Caller](t)(w.come("n1", fresh.Token, afar))
	})
}

// A node that has not read what a majority has lets nobody in by a session, also to read: it can not know which were closed. Nor does it bring back one that was.
func TestSessionsInAMinority(t *testing.T) {
	inWorld(t, func(w *world) {
		t, c := w.t, w.c()
		w.allowSessions()
		s := w.open(local1000("alice"), v1.SessionOpen{Idle: 600})
		mid := w.in("n2", s.Token)
		w.poke(w.nodes["n2"], func(m *machine) { m.weak = true })
		refuse[control.Caller](t, fault.Unavailable, "not in quorum")(w.come("n2", s.Token, home))
		refuse[[]string](t, fault.Unavailable, "not in quorum")(w.nodes["n2"].control.NodeList(w.ctx, mid, v1.NodeList{}))
		if err := w.nodes["n2"].control.StillInSession(mid); !fault.Is(err, fault.Unavailable) {
			t.Errorf("a watch goes on: %v", err)
		}
		w.poke(w.nodes["n2"], func(m *machine) { m.weak = false })
		w.in("n2", s.Token)
		// n2 is behind for a moment, and its use of the session is due to be written down when it has been closed: it stays closed.
		time.Sleep(4 * time.Minute)
		w.mu.Lock()
		w.lag["n2"] = time.Second
		w.mu.Unlock()
		ok[v1.Result](t)(c.SessionClose(w.ctx, local1000("alice"), v1.SessionClose{All: true}))
		ok[control.Caller](t)(w.come("n2", s.Token, home)) // it has not heard
		time.Sleep(2 * time.Second)
		for _, n := range []string{"n1", "n2"} {
			refuse[control.Caller](t, fault.Denied, "closed")(w.come(n, s.Token, home))
		}
		entries, _ := w.stored()
		if slices.ContainsFunc(entries, func(e confdb.Entry) bool { return strings.HasPrefix(e.Key, confdb.PrefixSession) }) {
			t.Error("a session that was closed is in the repository again")
		}
	})
}
