package e2e_test

import (
	"strings"
	"testing"

	v1 "redoubt/api/v1"
)

// group is what the status says of a group.
func (w *world) group(t *testing.T, ask, name string) v1.GroupState {
	t.Helper()
	for _, g := range w.status(t, ask).Groups {
		if g.Name == name {
			return g
		}
	}
	t.Fatalf("the status of %s has no group %s", ask, name)
	return v1.GroupState{}
}

// A service that fails everywhere is tried once on each node and then stays offline; the status says for each node what failed there, and until when that counts.
func TestServiceThatFailsEverywhere(t *testing.T) {
	w := use(t, "e2e")
	w.gds(t, "n1")
	w.leave(t, "n1", "nowhere-rg")
	w.do(t, "n1", "group", "create", "-n", "n1,n2,n3", "nowhere-rg")
	w.do(t, "n1", "resource", "create", "-g", "nowhere-rg", "-t", "redoubt.gds", "-p", "Start_command=/bin/false", "-p", "Failover_mode=SOFT", "nowhere-r")
	starts := func() (list []string) {
		for _, n := range w.Nodes() {
			for line := range strings.Lines(w.log(t, n)) {
				if strings.Contains(line, "method failed") && strings.Contains(line, "resource=nowhere-r ") && strings.Contains(line, "method=Start ") {
					list = append(list, n)
				}
			}
		}
		return list
	}
	if out := w.refuse(t, "n1", "group", "online", "-eM", "nowhere-rg"); !strings.Contains(out, "nowhere-rg") {
		t.Errorf("the command says: %s", out)
	}
	var at v1.GroupState
	explained := func() string {
		at = w.group(t, "n2", "nowhere-rg")
		for _, n := range w.Nodes() {
			ok := false
			for _, note := range at.Notes {
				ok = ok || note.Node == n && note.Name == "start-failed" && strings.Contains(note.Text, "nowhere-r") && strings.Contains(note.Text, "not tried again before")
			}
			if !ok {
				return "no note says that the start on " + n + " has failed"
			}
		}
		for _, n := range at.Nodes {
			if n.State != "OFFLINE" {
				return "nowhere-rg is " + n.State + " on " + n.Node
			}
		}
		return ""
	}
	eventually(t, explained)
	if got := strings.Join(starts(), " "); got != "n1 n2 n3" {
		t.Errorf("it was started on %s; once on each node was wanted", got)
	}
	// Stable: what makes the president plan anew starts nothing.
	w.do(t, "n1", "group", "create", "-n", "n1,n2,n3", "nowhere-else")
	w.do(t, "n1", "group", "delete", "-y", "nowhere-else")
	if missing := explained(); missing != "" {
		t.Errorf("%s: %+v", missing, at)
	}
	if got := len(starts()); got != 3 {
		t.Errorf("it was started %d times in the end", got)
	}
	// A node that is named is tried at once.
	w.refuse(t, "n1", "group", "online", "-n", "n2", "nowhere-rg")
	if got := strings.Join(starts(), " "); !strings.Contains(got, "n2 n2") {
		t.Errorf("the node that was named was not tried: %s", got)
	}
}

// checked writes a resource type whose processes the daemon itself watches, and whose Monitor_check wants a program to be on its node.
func checked(t *testing.T, program string) (folder string) {
	t.Helper()
	return writeType(t, "e2e.checked", map[string]string{
		"type.yaml": "name: e2e.checked\nversion: \"1\"\nfailover: true\nwatch: processes\nmethods:\n" +
			"  Start: {program: start, timeout: 30}\n  Stop: {program: stop, timeout: 30}\n  Monitor_check: {program: check, timeout: 30}\n",
		"start": "#!/bin/sh\n/bin/sleep 100083 >/dev/null 2>&1 </dev/null &\nexit 0\n",
		"stop":  "#!/bin/sh\nexit 0\n",
		"check": "#!/bin/sh\n[ -e " + program + " ] || { echo '" + program + " is not on this node'; exit 1; }\n",
	})
}

// The daemon's own monitor sees that a process has died and wants to give the group over. The node that lacks the program refuses by Monitor_check: the group stays where
// it is, and the status says why.
func TestMonitorCheckOfTheDaemonsOwnMonitor(t *testing.T) {
	w := use(t, "e2e")
	const program = "/var/lib/redoubt/e2e-program" // each node has a disk of its own there
	if _, err := w.Output(t.Context(), "n1", "touch", program); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, _ = w.try(t.Context(), "n1", "group", "delete", "-y", "-F", "checked-rg")
		_, _ = w.try(t.Context(), "n1", "type", "unregister", "-y", "e2e.checked")
		_, _ = w.Output(t.Context(), "n1", "rm", "-f", program)
	})
	w.do(t, "n1", "type", "register", "-f", checked(t, program), "e2e.checked")
	w.do(t, "n1", "group", "create", "-n", "n1,n2", "checked-rg")
	w.do(t, "n1", "resource", "create", "-g", "checked-rg", "-t", "e2e.checked", "-p", "Retry_count=0", "-p", "Failover_mode=SOFT", "checked-r")
	w.do(t, "n1", "group", "online", "-eM", "-n", "n1", "checked-rg")
	if _, err := w.Output(t.Context(), "n1", "kill", "-9", w.pid(t, "n1", "100083")); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string {
		g := w.group(t, "n2", "checked-rg")
		for _, note := range g.Notes {
			if note.Node == "n2" && note.Name == "monitor-check" && strings.Contains(note.Text, "is not on this node") {
				return ""
			}
		}
		return "no note says that n2 refused"
	})
	for _, n := range w.group(t, "n1", "checked-rg").Nodes {
		if up := strings.HasPrefix(n.State, "ONLINE") || n.State == "PENDING_ONLINE"; up != (n.Node == "n1") {
			t.Errorf("checked-rg is %s on %s", n.State, n.Node)
		}
	}
	if at := w.pid(t, "n2", "100083"); at != "" {
		t.Error("it was started on the node that refused")
	}
}
