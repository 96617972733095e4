package control_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/internal/control"
	"redoubt/internal/fault"
	"redoubt/internal/rbac"
	"redoubt/internal/rgm/model"
)

// notary gives certificates that are numbers, and a word as the key of any authority.
type notary struct{ given int }

func (n *notary) SignUser(_ context.Context, _ []byte, name string, _ bool, life time.Duration) (control.Issued, error) {
	n.given++
	fingerprint := fmt.Sprintf("SHA256:%d", n.given)
	return control.Issued{Chain: []byte("chain"), Record: model.Certificate{Fingerprint: fingerprint, Kind: "user", Name: name, NotBefore: time.Now(), NotAfter: time.Now().Add(max(life, time.Hour))}}, nil
}

func (n *notary) SignNode(_ context.Context, _ []byte, node model.Node) (control.Issued, error) {
	n.given++
	fingerprint := fmt.Sprintf("SHA256:%d", n.given)
	return control.Issued{DER: []byte("certificate"), Record: model.Certificate{Fingerprint: fingerprint, Kind: "node", Name: string(node.Name), Serial: "0b", NotAfter: time.Now().Add(time.Hour)}}, nil
}

func (n *notary) Key(string) ([]byte, error) { return []byte("the key"), nil }

func (n *notary) Renew(context.Context) (model.Certificate, error) {
	return model.Certificate{}, fault.Errorf(fault.Unsupported, "this authority is one of users")
}

func (n *notary) Succeed(context.Context, string) (model.Root, error) {
	return model.Root{}, fault.Errorf(fault.Unsupported, "this authority has no successor")
}

// TestCertificateOfAnother: nobody but root is given what makes him somebody else. A holder of "User Security" who could take one for a user of his own making would grant himself
// everything by that user's hand.
func TestCertificateOfAnother(t *testing.T) {
	inWorld(t, func(w *world) {
		t, c := w.t, w.c()
		ask := func(who control.Caller, name string) (v1.UserCertified, error) {
			in := v1.UserCertificate{Names: []string{name}, Request: []byte("request")}
			return c.UserCertificate(control.Asking(w.ctx, "user certificate", in), who, in)
		}
		w.grant(v1.UserGrant{Names: []string{"sec"}, Profile: []string{rbac.UserSecurity}})
		w.grant(v1.UserGrant{Names: []string{"manager"}, Profile: []string{rbac.ClusterManagement}})
		w.grant(v1.UserGrant{Names: []string{"staff"}, UnixGroup: true, Profile: []string{rbac.ClusterManagement, rbac.UserSecurity}})
		ok[v1.Result](t)(c.RoleCreate(w.ctx, root, v1.RoleCreate{Names: []string{"boss"}, Profile: []string{rbac.ClusterManagement, rbac.UserSecurity}, Password: []byte("correct horse")}))
		w.grant(v1.UserGrant{Names: []string{"alice"}, Role: []string{"boss"}})
		// The way that has to be closed: a user of one's own making who holds everything, and then his certificate.
		sec := local1000("sec")
		ok[v1.Result](t)(c.UserGrant(w.ctx, sec, v1.UserGrant{Names: []string{"zed"}, Profile: []string{rbac.ClusterManagement, rbac.UserSecurity}}))
		const others = "only root takes one for somebody else"
		refuse[v1.UserCertified](t, fault.Denied, others)(ask(sec, "zed"))
		refuse[v1.UserCertified](t, fault.Denied, others)(ask(sec, "manager"))
		refuse[v1.UserCertified](t, fault.Denied, others)(ask(local1000("manager"), "sec"))
		refuse[v1.UserCertified](t, fault.Denied, others)(ask(local1000("eve", "staff"), "zed"))
		alice := local1000("alice")
		session := ok[v1.RoleSession](t)(c.RoleAssume(w.ctx, alice, v1.RoleAssume{Names: []string{"boss"}, Password: []byte("correct horse")}))
		boss, err := c.InRole(alice, session.Token)
		if err != nil {
			t.Fatal(err)
		}
		refuse[v1.UserCertified](t, fault.Denied, others)(ask(boss, "zed"))
		refuse[v1.UserCertified](t, fault.Denied, "only root on a node")(ask(control.Caller{Kind: control.CallerNode, Node: "n2"}, "zed"))
		refuse[v1.UserCertified](t, fault.Denied, "a stranger may not")(ask(control.Caller{Kind: control.CallerNone}, "zed"))
		// Nor is anything given to whoever holds nothing of his own, or is no person.
		refuse[v1.UserCertified](t, fault.Denied, "holds nothing by himself")(ask(local1000("eve", "staff"), "eve"))
		refuse[v1.UserCertified](t, fault.Denied, "nobody logs in as a role")(ask(local1000("boss"), "boss"))
		two := v1.UserCertificate{Names: []string{"sec", "zed"}, Request: []byte("request")}
		refuse[v1.UserCertified](t, fault.Denied, others)(c.UserCertificate(control.Asking(w.ctx, "user certificate", two), sec, two))
		if n := len(w.nodes["n1"].mirror.Snapshot().Certificates); n != 0 {
			t.Errorf("%d certificates were given", n)
		}
		// Everybody takes his own, in a role too; root takes any, for a user that holds nothing yet as well.
		for name, who := range map[string]control.Caller{"sec": sec, "manager": local1000("manager"), "alice": boss} {
			ok[v1.UserCertified](t)(ask(who, name))
		}
		given := ok[v1.UserCertified](t)(ask(root, "carol"))
		if !strings.Contains(strings.Join(given.Messages, " "), "holds nothing yet") {
			t.Errorf("root is told %v", given.Messages)
		}
		refuse[v1.UserCertified](t, fault.Invalid, "nobody logs in as a role")(ask(root, "boss"))
		synctest.Wait()
		// Over the network a certificate is no way to another one.
		certs := w.nodes["n1"].mirror.Snapshot().Certificates
		i := slices.IndexFunc(certs, func(x model.Certificate) bool { return x.Name == "manager" })
		remote := control.Caller{Kind: control.CallerUser, User: "manager", Certificate: certs[i].Fingerprint}
		ok[[]string](t)(c.NodeList(w.ctx, remote, v1.NodeList{}))
		refuse[v1.UserCertified](t, fault.Denied, "over the network")(ask(remote, "manager"))
		// And that is what the explanation says.
		can := func(user string) v1.Decision {
			return ok[v1.Decision](t)(c.UserCan(w.ctx, root, v1.UserCan{User: user, Operation: "user certificate"}))
		}
		for user, want := range map[string]string{"root": "for everybody", "sec": "for himself alone", "eve": "holds nothing by himself", "boss": "logs in as a role"} {
			d := can(user)
			if allowed := user == "root" || user == "sec"; d.Allowed != allowed || len(d.Why) != 1 || !strings.Contains(d.Why[0], want) {
				t.Errorf("user can %s: %+v, want %q", user, d, want)
			}
		}
	})
}
