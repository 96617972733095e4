package e2e_test

import (
	"crypto/tls"
	"strings"
	"testing"
	"time"

	"redoubt/internal/lab"
)

// The node that made a new authority is the only one that has its key, and is lost. Everything else works; the exchange is given up, the old authority stays, and the node is one of
// the cluster again when it comes back.
func TestExchangeIsGivenUpWhenItsKeyIsLost(t *testing.T) {
	w := own(t, "e2eab", lab.Options{Nodes: 3})
	authority := func(ask string) string {
		t.Helper()
		var all []string
		for _, c := range w.certificates(t, ask, "node-authority") {
			all = append(all, c.Fingerprint)
		}
		return strings.Join(all, " ")
	}
	before := authority("n1")
	if out := w.refuse(t, "n1", "certificate", "rotate-authority", "-y", "--abandon"); !strings.Contains(out, "there is nothing to give up") {
		t.Errorf("nothing is being exchanged: %s", out)
	}
	// Nobody gets the key from n3: what its API answers does not leave it.
	if _, err := w.Output(t.Context(), "n3", "ip", "rule", "add", "priority", "1", "ipproto", "tcp", "sport", "7401", "prohibit"); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = w.try(t.Context(), "n3", "certificate", "rotate-authority", "-y") }() // it waits for the end, which does not come
	eventually(t, func() string {
		if now := authority("n1"); len(strings.Fields(now)) != 2 {
			return "the authorities are " + now
		}
		return ""
	})
	if out := w.refuse(t, "n1", "certificate", "rotate-authority", "-y", "--abandon"); !strings.Contains(out, "a node that is there has the key") {
		t.Errorf("n3 is there: %s", out)
	}
	if _, err := w.Kill("n3"); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	eventually(t, func() string {
		out, err := w.try(t.Context(), "n1", "certificate", "rotate-authority", "-y", "--abandon")
		switch {
		case err != nil: // n3 is not known to be lost yet
			return err.Error() + out
		case !strings.Contains(out, before+" still"):
			t.Fatalf("it is given up: %s", out)
		}
		return ""
	})
	if now := authority("n2"); now != before {
		t.Errorf("the authorities are %q, before there was %q", now, before)
	}
	t.Logf("given up %v after the node was lost", time.Since(began).Round(time.Millisecond))
	// The old authority signs. The members of the repository have just been started anew, to trust only that one: until they agree a command is refused.
	eventually(t, func() string {
		if out, err := w.try(t.Context(), "n2", "certificate", "renew", "n2"); err != nil {
			return out + err.Error()
		}
		return ""
	})
	if err := w.Start(t.Context(), "n3"); err != nil {
		t.Fatal(err)
	}
	if err := w.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if now := authority("n3"); now != before {
		t.Errorf("n3 is back and knows the authorities %q", now)
	}
	for _, port := range []int{7401, 7402, 7403} {
		if err := w.speakTo(t, "n3", port, w.keep(t, "n1").pair, tls.VersionTLS13); err != nil {
			t.Errorf("port %d of n3: %v", port, err)
		}
	}
}
