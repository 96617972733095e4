package e2e_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// A Unix user without rights is denied everything. With one profile for one group he does to that group what the profile says, and to nothing else.
func TestUserWithRightsForOneGroup(t *testing.T) {
	w := use(t, "e2e")
	w.web(t, "n1")
	const program = "/run/redoubt/for-users" // where any user can come to it
	if out, err := w.Output(t.Context(), "n1", "sh", "-c", `install -m 755 "$(readlink -f "$(command -v redoubt)")" `+program); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	const own = "/run/redoubt/of-nobody"
	as := func(args ...string) (string, error) {
		return w.Output(t.Context(), "n1", append([]string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", program}, args...)...)
	}
	refused := func(why string, args ...string) {
		t.Helper()
		if out, err := as(args...); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("redoubt %s: %v, want %q: %s", strings.Join(args, " "), err, why, out)
		}
	}
	w.do(t, "n1", "group", "create", "-n", "n1,n2,n3", "db-rg")
	defer func() {
		w.do(t, "n1", "group", "delete", "-y", "db-rg")
		_, _ = w.try(t.Context(), "n1", "user", "delete", "-y", "nobody")
		_, _ = w.Output(t.Context(), "n1", "rm", "-rf", program, own)
	}()
	if out, err := w.Output(t.Context(), "n1", "install", "-d", "-o", "65534", own); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	refused("does not hold", "status")
	refused("holds nothing by himself", "user", "certificate", "--dir", own, "nobody")
	refused("does not hold", "group", "switch", "-n", "n2", "web-rg")
	refused("does not hold", "user", "grant", "-P", "Cluster Management", "nobody")
	w.do(t, "n2", "user", "grant", "-P", "Cluster Operation", "-s", "group:web-rg", "nobody")
	eventually(t, func() string { // the grant was made on another node
		if _, err := as("group", "list"); err != nil {
			return err.Error()
		}
		return ""
	})
	if out, err := as("group", "switch", "-n", "n2", "web-rg"); err != nil {
		t.Errorf("switch: %v: %s", err, out)
	}
	w.onlineOn(t, "n1", "n2")
	if out, err := as("group", "list"); err != nil || strings.TrimSpace(out) != "web-rg" {
		t.Errorf("he sees %q, %v", out, err)
	}
	// He takes a certificate for himself, and for nobody else, with a key that he makes; over the network he has the same rights and takes no other.
	refused("only root takes one for somebody else", "user", "certificate", "--dir", own, "carol")
	if out, err := as("user", "certificate", "--dir", own, "nobody"); err != nil {
		t.Errorf("his own certificate: %v: %s", err, out)
	}
	remote := []string{"--host", "n2", "--cert", own + "/nobody.pem", "--key", own + "/nobody.key", "--ca", own + "/nobody-ca.pem"}
	eventually(t, func() string { // it was given on another node
		if out, err := as(append(slices.Clone(remote), "group", "list")...); err != nil || strings.TrimSpace(out) != "web-rg" {
			return fmt.Sprintf("over the network he sees %q, %v", out, err)
		}
		return ""
	})
	refused("over the network", append(slices.Clone(remote), "user", "certificate", "--dir", own+"/2", "nobody")...)
	refused("only for group:web-rg", "group", "online", "-M", "db-rg")
	refused("does not hold cluster.group.modify", "group", "delete", "-y", "-F", "web-rg")
	refused("does not hold cluster.resource.modify", "resource", "set", "-p", "Retry_count=3", "web")
	refused("only for group:web-rg", "group", "offline", "-y", "+")
	if out := w.do(t, "n3", "user", "can", "nobody", "group switch", "db-rg"); !strings.HasPrefix(out, "No") {
		t.Errorf("user can: %s", out)
	}
	w.do(t, "n3", "user", "revoke", "-P", "Cluster Operation", "nobody")
	eventually(t, func() string {
		if out, err := as("group", "list"); err == nil {
			return "he still sees " + out
		}
		return ""
	})
}

// A user on the network is known by his certificate, in his own rights and in a role, until it is revoked.
func TestUserWithCertificate(t *testing.T) {
	w := use(t, "e2e")
	const dir = "/run/redoubt/carol"
	defer func() {
		_, _ = w.try(t.Context(), "n1", "user", "delete", "-y", "carol")
		_, _ = w.try(t.Context(), "n1", "role", "delete", "-y", "looker")
		_, _ = w.Output(t.Context(), "n1", "rm", "-rf", dir)
	}()
	w.do(t, "n1", "user", "certificate", "--dir", dir, "carol")
	if out, err := w.Output(t.Context(), "n1", "sh", "-c", "printf 'correct horse' > "+dir+"/password"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	w.do(t, "n1", "role", "create", "-P", "Cluster Read", "-f", dir+"/password", "looker")
	as := []string{"--host", "n2", "--cert", dir + "/carol.pem", "--key", dir + "/carol.key", "--ca", dir + "/carol-ca.pem"}
	call := func(args ...string) []string { return append(append([]string{}, as...), args...) }
	if out := w.refuse(t, "n1", call("node", "list")...); !strings.Contains(out, "does not hold cluster.node.read") {
		t.Errorf("without rights: %s", out)
	}
	w.do(t, "n1", "user", "grant", "-R", "looker", "carol")
	inRole := call("--role", "looker", "--role-password-file", dir+"/password", "node", "list")
	eventually(t, func() string {
		if out, err := w.try(t.Context(), "n1", inRole...); err != nil || !strings.Contains(out, "n3") {
			return fmt.Sprintf("%s: %v", out, err)
		}
		return ""
	})
	w.do(t, "n1", "user", "grant", "-P", "Cluster Read", "carol")
	eventually(t, func() string {
		if out, err := w.try(t.Context(), "n1", call("node", "list")...); err != nil {
			return out + ": " + err.Error()
		}
		return ""
	})
	if out := w.do(t, "n1", call("whoami")...); !strings.Contains(out, "carol, known by certificate") {
		t.Errorf("whoami: %s", out)
	}
	if out := w.refuse(t, "n1", call("peer", "facts")...); !strings.Contains(out, "no command") {
		t.Errorf("peer: %s", out)
	}
	// Another authority of users: while both are trusted her certificate counts, and so does one of the new authority; when the exchange ends, only the latter, on every node.
	if out := w.do(t, "n1", "certificate", "rotate-authority", "-y", "--users"); !strings.Contains(out, "goes on by itself") {
		t.Errorf("the exchange has ended although there are certificates of the old authority: %s", out)
	}
	const later = dir + "/later"
	w.do(t, "n1", "user", "certificate", "--dir", later, "carol")
	with := func(host, dir string) error {
		_, err := w.try(t.Context(), "n1", "--host", host, "--cert", dir+"/carol.pem", "--key", dir+"/carol.key", "--ca", dir+"/carol-ca.pem", "node", "list")
		return err
	}
	for _, n := range []string{"n2", "n3"} {
		for _, d := range []string{dir, later} {
			eventually(t, func() string {
				if err := with(n, d); err != nil {
					return "while both authorities are trusted, " + n + ", " + d + ": " + err.Error()
				}
				return ""
			})
		}
	}
	if n := len(w.certificates(t, "n2", "user-authority")); n != 2 {
		t.Errorf("%d authorities of users are trusted during the exchange", n)
	}
	w.do(t, "n1", "certificate", "rotate-authority", "-y", "-F", "--users")
	for _, n := range []string{"n2", "n3"} {
		eventually(t, func() string {
			if err := with(n, dir); err == nil {
				return n + " takes a certificate of the old authority"
			}
			return ""
		})
		if err := with(n, later); err != nil {
			t.Errorf("%s refuses a certificate of the new authority: %v", n, err)
		}
	}
	if n := len(w.certificates(t, "n2", "user-authority")); n != 1 {
		t.Errorf("%d authorities of users are trusted after the exchange", n)
	}
	w.do(t, "n1", "user", "certificate", "--revoke", "carol")
	eventually(t, func() string {
		if out, err := "", with("n2", later); err == nil {
			return "she is still let in: " + out
		}
		return ""
	})
}
