package e2e_test

import (
	"fmt"
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
		_, _ = w.Output(t.Context(), "n1", "rm", "-f", program)
	}()
	refused("does not hold", "status")
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
	w.do(t, "n1", "user", "certificate", "--revoke", "carol")
	eventually(t, func() string {
		if out, err := w.try(t.Context(), "n1", call("node", "list")...); err == nil {
			return "she is still let in: " + out
		}
		return ""
	})
}
