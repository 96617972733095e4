package control_test

import (
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
	"redoubt/internal/rgm/model"
)

func TestCertificatesAreShownAndRevoked(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.found("n1", "n2")
		year := 365 * 24 * time.Hour
		give := func(kind, name, fingerprint string, age, life time.Duration) {
			w.put(confdb.PrefixCertificate+fingerprint, confdb.KindCertificate, model.Certificate{
				Fingerprint: fingerprint, Kind: kind, Name: name, Serial: "0a", Issuer: "SHA256:root", NotBefore: time.Now().Add(-age), NotAfter: time.Now().Add(life - age),
			})
		}
		give("node", "n1", "SHA256:n1", 0, year)
		give("node", "n2", "SHA256:n2", year, year) // it ends now
		give("node", "n1", "SHA256:old", 0, year)
		give("user", "ada", "SHA256:ada", 89*24*time.Hour, 90*24*time.Hour)
		give("user", "bob", "SHA256:bob", 0, 90*24*time.Hour)
		w.put(confdb.KeyAuthorities, confdb.KindAuthorities, model.Authorities{
			Node: model.Lineage{Roots: []model.Root{{Fingerprint: "SHA256:root", NotAfter: time.Now().Add(100 * 24 * time.Hour)}}},
			User: model.Lineage{Roots: []model.Root{{Fingerprint: "SHA256:users", NotAfter: time.Now().Add(20 * year)}}},
		})
		w.put(confdb.PrefixTrust+"n2", confdb.KindTrust, model.Trust{Node: "n2", ClockOff: -90})
		synctest.Wait()
		state := func(fingerprint string) string {
			list := ok[[]v1.Certificate](t)(w.c().CertificateShow(w.ctx, root, v1.CertificateShow{Names: []string{fingerprint}, Old: true}))
			if len(list) != 1 {
				t.Fatalf("%s: %+v", fingerprint, list)
			}
			return list[0].State
		}
		for fingerprint, want := range map[string]string{"SHA256:n1": "in use", "SHA256:n2": "expired", "SHA256:old": "replaced", "SHA256:ada": "valid", "SHA256:root": "signs"} {
			if got := state(fingerprint); got != want {
				t.Errorf("%s is %s, not %s", fingerprint, got, want)
			}
		}
		if list := ok[[]string](t)(w.c().CertificateList(w.ctx, root, v1.CertificateList{})); !slices.Equal(list, []string{"SHA256:root", "SHA256:users", "SHA256:n1", "SHA256:ada", "SHA256:bob"}) {
			t.Errorf("the list: %v", list)
		}
		refuse[[]string](t, fault.NotFound, "kind of certificate king does not exist")(w.c().CertificateList(w.ctx, root, v1.CertificateList{Kind: "king"}))
		problems := ok[v1.Status](t)(w.c().ClusterStatus(w.ctx, root, v1.ClusterStatus{})).Problems
		for object, text := range map[string]string{
			"node n2": "its certificate expired on", "user ada": "its certificate expires on", "authority of nodes": "it expires on",
		} {
			if !slices.ContainsFunc(problems, func(p v1.Problem) bool { return p.Object == object && strings.Contains(p.Text, text) }) {
				t.Errorf("nothing says %q of %s: %+v", text, object, problems)
			}
		}
		if !slices.ContainsFunc(problems, func(p v1.Problem) bool { return p.Object == "node n2" && strings.Contains(p.Text, "1m30s behind") }) {
			t.Errorf("nothing says that the clock of n2 is wrong: %+v", problems)
		}
		for _, object := range []string{"user bob", "authority of users", "node n1"} {
			if slices.ContainsFunc(problems, func(p v1.Problem) bool { return p.Object == object }) {
				t.Errorf("something is said of %s: %+v", object, problems)
			}
		}
		refuse[v1.Result](t, fault.Precondition, "would be shut out")(w.c().CertificateRevoke(w.ctx, root, v1.CertificateRevoke{Names: []string{"SHA256:n1"}}))
		refuse[v1.Result](t, fault.NotFound, "certificate eve does not exist")(w.c().CertificateRevoke(w.ctx, root, v1.CertificateRevoke{Names: []string{"eve"}}))
		ok[v1.Result](t)(w.c().CertificateRevoke(w.ctx, root, v1.CertificateRevoke{Names: []string{"bob", "SHA256:old"}, Reason: "lost"}))
		snap := w.nodes["n1"].mirror.Snapshot()
		if !slices.Equal(snap.Revoked, []string{"SHA256:bob", "SHA256:old"}) || snap.Revocations[0].Reason != "lost" || snap.Revocations[1].Node != "n1" {
			t.Errorf("revoked: %v, %+v", snap.Revoked, snap.Revocations)
		}
		if got := state("SHA256:bob"); got != "revoked" {
			t.Errorf("it is %s after it was revoked", got)
		}
	})
}

// A quorum server votes and gets no authority's key, and nobody but a node gets one.
func TestWhoGetsAnAuthoritysKey(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.found("n1", "n2")
		w.put(confdb.KeyNode("q1"), confdb.KindNode, model.Node{Name: "q1", ID: 9, QuorumServer: true, PrivateAddress: "172.31.0.9", Addresses: []string{"10.1.0.9", "10.2.0.9"}})
		synctest.Wait()
		ask := v1.PeerKey{Fingerprint: "SHA256:root"}
		refuse[v1.PeerAuthorityKey](t, fault.Denied, "gets no authority's key")(w.c().PeerKey(w.ctx, control.Caller{Kind: control.CallerNode, Node: "q1"}, ask))
		refuse[v1.PeerAuthorityKey](t, fault.Denied, "it is for the nodes")(w.c().PeerKey(w.ctx, control.Caller{Kind: control.CallerNode, Node: "n9"}, ask))
		refuse[v1.PeerAuthorityKey](t, fault.Denied, "it is for the nodes")(w.c().PeerKey(w.ctx, root, ask))
		refuse[v1.PeerAuthorityKey](t, fault.Denied, "")(w.c().PeerKey(w.ctx, control.Caller{Kind: control.CallerUser, User: "ada"}, ask))
	})
}

// What another node signs for one that has no authority's key is on record before it is answered, so that it counts, and is revoked with the node.
func TestSignedForAnotherIsOnRecord(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.found("n1", "n2")
		w.put(confdb.KeyNode("q1"), confdb.KindNode, model.Node{Name: "q1", ID: 9, QuorumServer: true, PrivateAddress: "172.31.0.9", Addresses: []string{"10.1.0.9", "10.2.0.9"}, Certificate: "SHA256:q1"})
		synctest.Wait()
		q1 := control.Caller{Kind: control.CallerNode, Node: "q1", User: "node q1"}
		ok[v1.PeerSigned](t)(w.c().PeerSign(w.ctx, q1, v1.PeerSign{Request: []byte("request")}))
		snap := w.nodes["n1"].mirror.Snapshot()
		if len(snap.Certificates) != 1 || snap.Certificates[0].Name != "q1" || snap.Certificates[0].By != "node q1" {
			t.Fatalf("on record: %+v", snap.Certificates)
		}
		ok[v1.Result](t)(w.c().NodeRemove(w.ctx, root, v1.NodeRemove{Names: []string{"q1"}}))
		if snap = w.nodes["n1"].mirror.Snapshot(); !slices.Contains(snap.Revoked, snap.Certificates[0].Fingerprint) || !slices.Contains(snap.Revoked, "SHA256:q1") {
			t.Errorf("revoked with the node: %v", snap.Revoked)
		}
		refuse[v1.PeerSigned](t, fault.Denied, "it is for the nodes")(w.c().PeerSign(w.ctx, q1, v1.PeerSign{Request: []byte("request")}))
	})
}

// The key of an authority is sealed to the node as the record knows it: who has made a certificate in its name reads nothing.
func TestAuthoritysKeyIsSealed(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.found("n1", "n2")
		n2 := control.Caller{Kind: control.CallerNode, Node: "n2"}
		out := ok[v1.PeerAuthorityKey](t)(w.c().PeerKey(w.ctx, n2, v1.PeerKey{Fingerprint: "SHA256:root"}))
		if len(out.Key) > 0 {
			t.Errorf("the key is in the clear: %q", out.Key)
		}
		bound := control.SealedAuthority("SHA256:root")
		if key, err := (lock{"key of n2"}).Unseal(bound, out.Sealed); err != nil || string(key) != "the key" {
			t.Errorf("n2 reads %q, %v", key, err)
		}
		for _, other := range []lock{{"key of n1"}, {"key of n3"}} {
			if key, err := other.Unseal(bound, out.Sealed); err == nil {
				t.Errorf("%s reads %q", other.key, key)
			}
		}
		var n model.Node
		for _, s := range w.nodes["n1"].mirror.Snapshot().State.Nodes {
			if s.Name == "n2" {
				n = s.Node
			}
		}
		n.Keys = nil
		w.put(confdb.KeyNode("n2"), confdb.KindNode, n)
		synctest.Wait()
		refuse[v1.PeerAuthorityKey](t, fault.Unavailable, "has not made its own key known")(w.c().PeerKey(w.ctx, n2, v1.PeerKey{Fingerprint: "SHA256:root"}))
		// Nodes of an older release read nothing else.
		w.put(confdb.KeySchema, confdb.KindSchema, model.Schema{Level: model.RecordedFrom - 1})
		synctest.Wait()
		if out := ok[v1.PeerAuthorityKey](t)(w.c().PeerKey(w.ctx, n2, v1.PeerKey{Fingerprint: "SHA256:root"})); string(out.Key) != "the key" {
			t.Errorf("an older node gets %+v", out)
		}
	})
}

// A node that was removed knows the authorities' keys, and the check says so until there are others. A quorum server never had them.
func TestRemovedNodeKnowsTheAuthorities(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.found("n1", "n2")
		w.put(confdb.KeyNode("n3"), confdb.KindNode, model.Node{Name: "n3", ID: 3, PrivateAddress: "172.31.0.3", Addresses: []string{"10.1.0.3", "10.2.0.3"}, Certificate: "SHA256:n3"})
		w.put(confdb.KeyNode("q1"), confdb.KindNode, model.Node{Name: "q1", ID: 9, QuorumServer: true, PrivateAddress: "172.31.0.9", Addresses: []string{"10.1.0.9", "10.2.0.9"}, Certificate: "SHA256:q1"})
		authorities := func(nodes, users string) {
			far := time.Now().AddDate(20, 0, 0)
			w.put(confdb.KeyAuthorities, confdb.KindAuthorities, model.Authorities{
				Node: model.Lineage{Roots: []model.Root{{Fingerprint: nodes, NotAfter: far}}}, User: model.Lineage{Roots: []model.Root{{Fingerprint: users, NotAfter: far}}},
			})
			synctest.Wait()
		}
		authorities("SHA256:a", "SHA256:b")
		found := func() []string {
			var out []string
			report := ok[v1.CheckReport](t)(w.c().ClusterCheck(w.ctx, root, v1.ClusterCheck{Check: []string{"RC-CRT-003"}}))
			for _, r := range report.Results {
				for _, f := range r.Findings {
					out = append(out, f.Object+": "+f.Text)
				}
			}
			return out
		}
		ok[v1.Result](t)(w.c().NodeRemove(w.ctx, root, v1.NodeRemove{Names: []string{"q1"}}))
		if f := found(); len(f) != 0 {
			t.Errorf("of a quorum server: %v", f)
		}
		said := ok[v1.Result](t)(w.c().NodeRemove(w.ctx, root, v1.NodeRemove{Names: []string{"n3"}}))
		if !slices.ContainsFunc(said.Messages, func(m string) bool { return strings.Contains(m, "rotate-authority") }) {
			t.Errorf("the command says %q", said.Messages)
		}
		if f := found(); len(f) != 2 || !strings.Contains(f[0], "node n3 has known its key") {
			t.Errorf("found: %v", f)
		}
		authorities("SHA256:c", "SHA256:b")
		if f := found(); len(f) != 1 || !strings.HasPrefix(f[0], "authority of users") {
			t.Errorf("after the exchange of one: %v", f)
		}
		authorities("SHA256:c", "SHA256:d")
		if f := found(); len(f) != 0 {
			t.Errorf("after the exchange of both: %v", f)
		}
	})
}

// The only node that had the key of a new authority is lost. Until it is known to be, the command says what is missing; then it gives the exchange up, and the old authority stays.
func TestExchangeIsGivenUp(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.found("n1", "n2")
		w.put(confdb.KeyNode("n3"), confdb.KindNode, model.Node{Name: "n3", ID: 3, PrivateAddress: "172.31.0.3", Addresses: []string{"10.1.0.3", "10.2.0.3"}, Certificate: "SHA256:n3"})
		far := time.Now().AddDate(20, 0, 0)
		two := []model.Root{{Fingerprint: "SHA256:old", NotAfter: far}, {Fingerprint: "SHA256:new", NotAfter: far}}
		say := func(n, issuer string, roots, keys []string) {
			w.put(confdb.PrefixTrust+n, confdb.KindTrust, model.Trust{Node: cluster.NodeName(n), NodeRoots: roots, UserRoots: []string{"SHA256:users"}, Keys: keys, Issuer: issuer})
		}
		set := func(l model.Lineage) {
			w.put(confdb.KeyAuthorities, confdb.KindAuthorities, model.Authorities{Node: l, User: model.Lineage{Roots: []model.Root{{Fingerprint: "SHA256:users", NotAfter: far}}}})
			synctest.Wait()
		}
		now := func() model.Lineage { return w.nodes["n1"].mirror.Snapshot().Authorities.Node }
		rotate := func(in v1.CertificateRotateAuthority) (v1.Result, error) {
			return w.c().CertificateRotateAuthority(w.ctx, root, in)
		}
		both, old := []string{"SHA256:old", "SHA256:new"}, []string{"SHA256:old"}
		set(model.Lineage{Roots: two[:1]})
		refuse[v1.Result](t, fault.Precondition, "there is nothing to give up")(rotate(v1.CertificateRotateAuthority{Abandon: true}))
		set(model.Lineage{Roots: two[1:], Stage: model.StageDrop})
		refuse[v1.Result](t, fault.Precondition, "wait until it is done")(rotate(v1.CertificateRotateAuthority{Abandon: true}))

		say("n1", "SHA256:old", both, old)
		say("n2", "SHA256:old", both, both)
		trust := model.Lineage{Roots: two, Stage: model.StageTrust, Started: time.Now().Add(-time.Hour)}
		set(trust)
		refuse[v1.Result](t, fault.Precondition, "a node that is there has the key")(rotate(v1.CertificateRotateAuthority{Abandon: true}))
		say("n2", "SHA256:old", both, old)
		say("n3", "SHA256:old", both, both) // it has the key, and is away
		synctest.Wait()
		if out := ok[v1.Result](t)(rotate(v1.CertificateRotateAuthority{})); !slices.ContainsFunc(out.Messages, func(m string) bool {
			return strings.Contains(m, "no node that is there has the key of the new authority") && strings.Contains(m, "--abandon")
		}) {
			t.Errorf("asked again it says %q", out.Messages)
		}
		report := ok[v1.CheckReport](t)(w.c().ClusterCheck(w.ctx, root, v1.ClusterCheck{Check: []string{"RC-CRT-001"}}))
		if !slices.ContainsFunc(report.Results[0].Findings, func(f v1.CheckFinding) bool {
			return f.Object == "authority of nodes" && strings.Contains(f.Text, "can not go on") && strings.Contains(f.Remedy, "--abandon")
		}) {
			t.Errorf("the check says %+v", report.Results[0].Findings)
		}
		ok[v1.Result](t)(rotate(v1.CertificateRotateAuthority{Abandon: true}))
		if l := now(); l.Stage != model.StageDrop || len(l.Roots) != 1 || l.Roots[0].Fingerprint != "SHA256:old" || !l.Abandoned || l.By == "" {
			t.Errorf("given up while the old authority signs: %+v", l)
		}
		if out := ok[v1.Result](t)(rotate(v1.CertificateRotateAuthority{Abandon: true})); !slices.Contains(out.Messages, "the exchange was given up already") {
			t.Errorf("given up twice: %q", out.Messages)
		}

		// Later the new one has signed: those who show what it gave are not shut out.
		say("n2", "SHA256:new", both, old)
		set(model.Lineage{Roots: two, Stage: model.StageReissue, Started: time.Now().Add(-time.Hour)})
		ok[v1.Result](t)(rotate(v1.CertificateRotateAuthority{Abandon: true}))
		l := now()
		if signing, _ := l.Signing(); l.Stage != model.StageReissue || signing.Fingerprint != "SHA256:old" || len(l.Roots) != 2 || l.Force {
			t.Errorf("given up while the new authority signs: %+v", l)
		}
		shown := ok[[]v1.Certificate](t)(w.c().CertificateShow(w.ctx, root, v1.CertificateShow{Names: []string{"SHA256:old"}}))
		if len(shown) != 1 || !strings.Contains(shown[0].Exchange, "it was given up; every node has to have a certificate of the old authority; waits for n1, n2, n3") {
			t.Errorf("it is shown as %+v", shown)
		}
		ok[v1.Result](t)(rotate(v1.CertificateRotateAuthority{Abandon: true, Force: true}))
		if l := now(); !l.Force {
			t.Errorf("who is away is waited for: %+v", l)
		}
	})
}
