package control_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/internal/confdb"
	"redoubt/internal/control"
	"redoubt/internal/fault"
)

// joiner is a machine that asks to join.
type joiner struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	in   v1.NodeAdmit
	from netip.Addr
}

func newJoiner(t *testing.T, name, from string) *joiner {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	j := &joiner{t: t, key: key, from: netip.MustParseAddr(from)}
	j.in = v1.NodeAdmit{
		Schema: confdb.Newest(), Node: name, HeartbeatKey: base64.StdEncoding.EncodeToString(make([]byte, 32)), Addresses: []string{"127.0.0.1/8", "10.2.0.4/24", "10.1.0.4/24"}, Host: name + ".example",
	}
	j.request(name)
	return j
}

func (j *joiner) request(name string) {
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: name}}, j.key)
	if err != nil {
		j.t.Fatal(err)
	}
	j.in.Request = der
}

func (j *joiner) print() string {
	der, err := x509.MarshalPKIXPublicKey(j.key.Public())
	if err != nil {
		j.t.Fatal(err)
	}
	sum := sha256.Sum256(der)
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}

// connect is a new connection: what its two ends alone know.
func (j *joiner) connect() control.Caller {
	binding := make([]byte, v1.JoinBindingLength)
	_, _ = rand.Read(binding)
	return control.Caller{Kind: control.CallerNone, From: j.from, Binding: binding}
}

// signed is the request as it goes over a connection.
func (j *joiner) signed(who control.Caller) v1.NodeAdmit {
	in := j.in
	statement, err := in.Statement(who.Binding)
	if err != nil {
		j.t.Fatal(err)
	}
	if in.Proof, err = ecdsa.SignASN1(rand.Reader, j.key, statement); err != nil {
		j.t.Fatal(err)
	}
	return in
}

func (j *joiner) ask(w *world) (v1.NodeAdmitted, error) {
	who := j.connect()
	return w.c().NodeAdmit(w.ctx, who, j.signed(who))
}

func allow(w *world, in v1.AccessAllow) v1.AccessAllowed {
	w.t.Helper()
	return ok[v1.AccessAllowed](w.t)(w.c().AccessAllow(w.ctx, root, in))
}

func refused(t *testing.T, code fault.Code, says string) func(v1.NodeAdmitted, error) {
	t.Helper()
	return func(out v1.NodeAdmitted, err error) {
		t.Helper()
		refuse[v1.NodeAdmitted](t, code, says)(out, err)
		if out.Cluster != "" || out.Nodes != nil || out.Authority != nil || out.Extra != nil {
			t.Errorf("a refused machine was told %+v", out)
		}
	}
}

func TestJoiningByKey(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		n4 := newJoiner(t, "n4", "10.0.0.4")
		refused(t, fault.Denied, "host n4 is not on the access list")(n4.ask(w))
		allow(w, v1.AccessAllow{Host: []string{"n4"}, Key: n4.print()})
		if got := ok[[]string](t)(w.c().AccessList(w.ctx, root, v1.AccessList{})); !slices.Equal(got, []string{"n4"}) {
			t.Errorf("access list: %v", got)
		}
		// What is wrong with the request does not use the permission up.
		n4.in.Addresses = []string{"10.1.0.4/24"}
		refused(t, fault.Invalid, "node n4: it has no address in the interconnect 10.2.0.0/24")(n4.ask(w))
		n4.in.Addresses = []string{"10.1.0.3/24", "10.2.0.4/24"}
		refused(t, fault.Exists, "its address 10.1.0.3 is that of node n3")(n4.ask(w))
		n4.in.Addresses = []string{"10.2.0.4/24", "10.1.0.4/24"}
		good := n4.in.HeartbeatKey
		n4.in.HeartbeatKey = "short"
		refused(t, fault.Invalid, "no usable heartbeat key")(n4.ask(w))
		n4.in.HeartbeatKey = good
		w.poke(w.nodes["n1"], func(m *machine) { m.weak = true })
		refused(t, fault.Unavailable, "is not in quorum")(n4.ask(w))
		w.poke(w.nodes["n1"], func(m *machine) { m.weak = false })

		thief := newJoiner(t, "n4", "10.0.0.66")
		refused(t, fault.Denied, "another key")(thief.ask(w))
		out := ok[v1.NodeAdmitted](t)(n4.ask(w))
		if out.ID != 4 || out.PrivateAddress != "172.31.0.4" || !slices.Equal(out.Addresses, []string{"10.1.0.4", "10.2.0.4"}) || len(out.Nodes) != 4 || string(out.Extra) != "extra" {
			t.Errorf("admitted: %+v", out)
		}
		// The answer was lost: the same machine gets it again, with its number, and nobody else does.
		again := ok[v1.NodeAdmitted](t)(n4.ask(w))
		if again.ID != 4 || again.PrivateAddress != out.PrivateAddress || len(again.Nodes) != 4 {
			t.Errorf("admitted again: %+v", again)
		}
		refused(t, fault.Denied, "was used by a machine with another key")(thief.ask(w))
		if a := ok[v1.Access](t)(w.c().AccessShow(w.ctx, root, v1.AccessShow{})); a.Policy != "deny-all" || len(a.Entries) != 1 || !a.Entries[0].Settling {
			t.Errorf("access while it settles: %+v", a)
		}
		// It never comes: its record and its certificate go with the time.
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if a := ok[v1.Access](t)(w.c().AccessShow(w.ctx, root, v1.AccessShow{})); a.Policy != "deny-all" || len(a.Entries) != 0 {
			t.Errorf("access: %+v", a)
		}
		snap := w.nodes["n2"].mirror.Snapshot()
		if slices.ContainsFunc(ok[[]string](t)(w.c().NodeList(w.ctx, root, v1.NodeList{})), func(n string) bool { return n == "n4" }) || len(snap.Revoked) == 0 {
			t.Errorf("the record of a node that never came is still there; revoked: %v", snap.Revoked)
		}
		// A number is never used again.
		allow(w, v1.AccessAllow{Host: []string{"n4"}, Key: n4.print()})
		if out = ok[v1.NodeAdmitted](t)(n4.ask(w)); out.ID != 5 {
			t.Errorf("the second n4 has number %d", out.ID)
		}
		allow(w, v1.AccessAllow{Host: []string{"n3"}, Key: n4.print()})
		n4.in.Node = "n3"
		n4.request("n3")
		refused(t, fault.Exists, "a node n3 is in the cluster already")(n4.ask(w))
	})
}

func TestApproval(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		allow(w, v1.AccessAllow{Host: []string{"n4"}})
		n4, thief := newJoiner(t, "n4", "10.0.0.4"), newJoiner(t, "n4", "10.0.0.66")
		answer := make(chan v1.NodeAdmitted, 1)
		go func() {
			for {
				out, err := n4.ask(w)
				if err != nil || out.Pending == "" {
					answer <- out
					return
				}
			}
		}()
		if out := ok[v1.NodeAdmitted](t)(thief.ask(w)); out.Pending == "" || out.Cluster != "" || len(out.Nodes) != 0 {
			t.Errorf("an unapproved machine was told %+v", out)
		}
		a := ok[v1.Access](t)(w.c().AccessShow(w.ctx, root, v1.AccessShow{}))
		if len(a.Entries) != 1 || len(a.Entries[0].Pending) != 2 {
			t.Fatalf("access: %+v", a)
		}
		s := ok[v1.Status](t)(w.c().ClusterStatus(w.ctx, root, v1.ClusterStatus{}))
		if !slices.ContainsFunc(s.Problems, func(p v1.Problem) bool { return strings.Contains(p.Text, "n4 asks to join with key "+n4.print()) }) {
			t.Errorf("status does not show who asks: %+v", s.Problems)
		}
		refuse[v1.Result](t, fault.NotFound, "no machine waits")(w.c().AccessApprove(w.ctx, root, v1.AccessApprove{Names: []string{"n4", newJoiner(t, "n4", "10.0.0.5").print()}}))
		ok[v1.Result](t)(w.c().AccessApprove(w.ctx, root, v1.AccessApprove{Names: []string{"n4", n4.print()}}))
		if out := <-answer; out.ID != 4 {
			t.Errorf("the approved machine got %+v", out)
		}
		refused(t, fault.Denied, "another key")(thief.ask(w))

		// Denied while it waits.
		allow(w, v1.AccessAllow{Host: []string{"n5"}})
		n5 := newJoiner(t, "n5", "10.0.0.5")
		errs := make(chan error, 1)
		go func() {
			_, err := n5.ask(w)
			errs <- err
		}()
		synctest.Wait()
		ok[v1.Result](t)(w.c().AccessDeny(w.ctx, root, v1.AccessDeny{Host: []string{"n5"}}))
		refused(t, fault.Denied, "not on the access list")(v1.NodeAdmitted{}, <-errs)
	})
}

func TestJoiningByToken(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		token := allow(w, v1.AccessAllow{Host: []string{"n4"}, Token: true, Expires: 60}).Token
		for key, value := range w.nodes["n2"].mirror.Snapshot().Access {
			if strings.Contains(string(value), token) || strings.Contains(string(value), strings.Split(token, ".")[1]) {
				t.Errorf("%s holds the token", key)
			}
		}
		n4 := newJoiner(t, "n4", "10.0.0.4")
		refused(t, fault.Denied, "joins with a token")(n4.ask(w))
		thief := newJoiner(t, "n5", "10.0.0.66")
		thief.in.Token = token
		refused(t, fault.Denied, "not on the access list")(thief.ask(w))
		allow(w, v1.AccessAllow{Host: []string{"n5"}, Token: true})
		refused(t, fault.Denied, "not the one that host n5")(thief.ask(w))
		n4.in.Token = token
		ok[v1.NodeAdmitted](t)(n4.ask(w))
		twice := newJoiner(t, "n4", "10.0.0.67")
		twice.in.Token = token
		refused(t, fault.Denied, "was used")(twice.ask(w))

		late := newJoiner(t, "n6", "10.0.0.6")
		late.in.Token = allow(w, v1.AccessAllow{Host: []string{"n6"}, Token: true, Expires: 60}).Token
		time.Sleep(61 * time.Second)
		refused(t, fault.Denied, "n6")(late.ask(w))
		far := newJoiner(t, "n7", "10.0.0.66")
		far.in.Token = allow(w, v1.AccessAllow{Host: []string{"n7"}, Token: true, Address: []string{"10.0.0.7"}}).Token
		refused(t, fault.Denied, "other addresses than 10.0.0.66")(far.ask(w))
	})
}

func TestProofs(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		n4 := newJoiner(t, "n4", "10.0.0.4")
		allow(w, v1.AccessAllow{Host: []string{"n4"}, Key: n4.print()})
		captured := n4.signed(n4.connect())
		who := n4.connect()
		for what, in := range map[string]v1.NodeAdmit{
			"replayed or relayed over another connection": captured,
			"without a proof": n4.in,
			"with another heartbeat key": func() v1.NodeAdmit {
				in := n4.signed(who)
				in.HeartbeatKey = base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", 32)))
				return in
			}(),
			"with more public keys": func() v1.NodeAdmit { in := n4.signed(who); in.Keys = map[string]string{"secret": "mine"}; return in }(),
			"with the signing request of another key": func() v1.NodeAdmit {
				in := n4.signed(who)
				in.Request = newJoiner(t, "n4", "10.0.0.66").in.Request
				return in
			}(),
			"oversized": func() v1.NodeAdmit { in := n4.signed(who); in.Request = make([]byte, 1<<20); return in }(),
		} {
			// From addresses of their own, so that no lockout hides what is tested.
			who.From = who.From.Next()
			out, err := w.c().NodeAdmit(w.ctx, who, in)
			if !fault.Is(err, fault.Denied) || out.Cluster != "" {
				t.Errorf("%s: %+v, %v", what, out, err)
			}
		}
		nobody := control.Caller{Kind: control.CallerNone, From: n4.from}
		refused(t, fault.Denied, "a TLS connection of its own")(w.c().NodeAdmit(w.ctx, nobody, n4.signed(nobody)))
		node := control.Caller{Kind: control.CallerNode, Node: "n2", From: n4.from}
		refused(t, fault.Denied, "a TLS connection of its own")(w.c().NodeAdmit(w.ctx, node, n4.signed(node)))
		ok[v1.NodeAdmitted](t)(n4.ask(w))
	})
}

func TestLockout(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		n4 := newJoiner(t, "n4", "10.0.0.4")
		for range 5 {
			refused(t, fault.Denied, "not on the access list")(n4.ask(w))
		}
		allow(w, v1.AccessAllow{Host: []string{"n4"}, Key: n4.print()})
		refused(t, fault.Denied, "too many attempts")(n4.ask(w))
		time.Sleep(61 * time.Second)
		ok[v1.NodeAdmitted](t)(n4.ask(w))
	})
}

func TestJoiningByAddress(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		refuse[v1.Result](t, fault.Invalid, "there is no protocol")(w.c().AccessSet(w.ctx, root, v1.AccessSet{Property: []string{"protocol=tls"}}))
		des := ok[v1.Result](t)(w.c().AccessSet(w.ctx, root, v1.AccessSet{Property: []string{"protocol=des"}}))
		if !slices.ContainsFunc(des.Messages, func(m string) bool { return strings.Contains(m, "the protocol is key") }) {
			t.Errorf("des: %v", des.Messages)
		}
		sys := ok[v1.Result](t)(w.c().AccessSet(w.ctx, root, v1.AccessSet{Property: []string{"protocol=unix"}}))
		if !slices.ContainsFunc(sys.Messages, func(m string) bool { return strings.Contains(m, "warning") }) {
			t.Errorf("sys: %v", sys.Messages)
		}
		refuse[v1.AccessAllowed](t, fault.Invalid, "--address")(w.c().AccessAllow(w.ctx, root, v1.AccessAllow{Host: []string{"n4"}}))
		allow(w, v1.AccessAllow{Host: []string{"n4"}, Address: []string{"10.0.0.4"}})
		n4, thief := newJoiner(t, "n4", "10.0.0.4"), newJoiner(t, "n4", "10.0.0.66")
		refused(t, fault.Denied, "other addresses than 10.0.0.66")(thief.ask(w))
		ok[v1.NodeAdmitted](t)(n4.ask(w))
		// Going back to keys leaves nothing open.
		allow(w, v1.AccessAllow{Host: []string{"n5"}, Address: []string{"10.0.0.5"}})
		ok[v1.Result](t)(w.c().AccessSet(w.ctx, root, v1.AccessSet{Property: []string{"protocol=key"}}))
		refused(t, fault.Denied, "not on the access list")(newJoiner(t, "n5", "10.0.0.5").ask(w))
		// With allow-all everybody may ask; the key is approved all the same, and one join ends it.
		ok[v1.Result](t)(w.c().AccessAllowAll(w.ctx, root, v1.AccessAllowAll{}))
		refuse[v1.Result](t, fault.Precondition, "redoubt access deny-all")(w.c().AccessDeny(w.ctx, root, v1.AccessDeny{Host: []string{"n5"}}))
		n6 := newJoiner(t, "n6", "10.0.0.6")
		n6.in.Addresses = []string{"10.1.0.6/24", "10.2.0.6/24"}
		if out := ok[v1.NodeAdmitted](t)(n6.ask(w)); out.Pending == "" {
			t.Errorf("allow-all let an unknown key in: %+v", out)
		}
		ok[v1.Result](t)(w.c().AccessApprove(w.ctx, root, v1.AccessApprove{Names: []string{"n6", n6.print()}}))
		ok[v1.NodeAdmitted](t)(n6.ask(w))
		refused(t, fault.Denied, "not on the access list")(newJoiner(t, "n7", "10.0.0.7").ask(w))
		refuse[v1.Result](t, fault.Invalid, "the type is quorum_server")(v1.Result{}, asInvalid(w.c().QuorumAdd(w.ctx, root, v1.QuorumAdd{Names: []string{"q1"}, Type: "scsi"})))
	})
}
