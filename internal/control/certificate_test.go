package control_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	v1 "redoubt/api/v1"
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
