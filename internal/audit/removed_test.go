package audit_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"redoubt/internal/audit"
	"redoubt/internal/auditfile"
	"redoubt/internal/auditlog"
	"redoubt/internal/fault"
)

// anew gives a machine another key and an empty log, and a record with another number, as a machine has that was set up again and joined.
func (n *network) anew(name string, removals ...audit.Removal) {
	n.t.Helper()
	n.stop(name)
	if err := os.RemoveAll(n.nodes[name].dir); err != nil {
		n.t.Fatal(err)
	}
	n.start(name)
	n.does(name, "redoubt group list")
	public, err := auditfile.PublicKey(n.nodes[name].dir)
	if err != nil {
		n.t.Fatal(err)
	}
	n.records[name] = audit.Peer{Name: name, ID: 9, Key: public, Certificate: "SHA256:another", Removals: removals}
}

// removes records on a machine that it removes another one.
func (n *network) removes(by, name string, code fault.Code) {
	n.t.Helper()
	n.begins(by, "node remove", name)(auditlog.Record{Exit: new(auditlog.Status(code)), Code: string(code)})
}

// begins records on a machine that it begins to remove others.
func (n *network) begins(by, operation string, names ...string) (done func(auditlog.Record)) {
	n.t.Helper()
	done, err := n.nodes[by].journal.Begin(auditlog.Record{User: "root", Operation: operation, Command: "redoubt " + operation + " " + strings.Join(names, " "), Objects: names}, false)
	if err != nil {
		n.t.Fatal(err)
	}
	return done
}

// TestReplacedUnderANewRecord: whoever may write the repository gives himself another number and another log, with or without revoking his own certificate. That is
// an accusation, unless another node has it on record that it removed him.
func TestReplacedUnderANewRecord(t *testing.T) {
	for name, c := range map[string]struct {
		removed   func(n *network) []audit.Removal // n3 was removed, or says so
		accused   bool
		at        time.Duration // after so long
		undecided bool          // before
	}{
		"nothing was revoked": {func(*network) []audit.Removal { return nil }, true, 0, false},
		"another node of its name was removed long ago": {func(n *network) []audit.Removal {
			n.removes("n2", "n3", "")
			return []audit.Removal{{Certificate: "SHA256:older", At: time.Now()}}
		}, true, 0, false},
		"it revoked its own certificate": {func(*network) []audit.Removal { return []audit.Removal{{Certificate: "SHA256:n3", At: time.Now()}} }, true, 11 * time.Minute, true},
		"and recorded a removal in its own log": {func(n *network) []audit.Removal {
			n.removes("n3", "n3", "")
			n.looks("n1", "n3")
			return []audit.Removal{{Certificate: "SHA256:n3", At: time.Now()}}
		}, true, 11 * time.Minute, true},
		"at the time of a removal that was refused": {func(n *network) []audit.Removal {
			n.removes("n2", "n3", "denied")
			return []audit.Removal{{Certificate: "SHA256:n3", At: time.Now()}}
		}, true, 11 * time.Minute, true},
		"at the time of another removal": {func(n *network) []audit.Removal {
			n.removes("n2", "n3", "")
			time.Sleep(time.Hour)
			return []audit.Removal{{Certificate: "SHA256:n3", At: time.Now()}}
		}, true, 11 * time.Minute, true},
		"at the time when the one before it was removed": {func(n *network) []audit.Removal {
			at := time.Now()
			n.removes("n2", "n3", "")
			time.Sleep(time.Hour)
			n.does("n3", "redoubt group set more")
			n.looks("n1", "n3")
			return []audit.Removal{{Certificate: "SHA256:n3", At: at}}
		}, true, 0, false},
		"at the time of a removal that failed": {func(n *network) []audit.Removal {
			n.removes("n2", "n3", fault.Precondition)
			return []audit.Removal{{Certificate: "SHA256:n3", At: time.Now()}}
		}, true, 11 * time.Minute, true},
		"long after a removal that has no end": {func(n *network) []audit.Removal {
			n.begins("n2", "node remove", "n3")
			time.Sleep(2 * time.Hour)
			return []audit.Removal{{Certificate: "SHA256:n3", At: time.Now()}}
		}, true, 11 * time.Minute, true},
		"when all quorum servers were removed": {func(n *network) []audit.Removal {
			n.begins("n2", "quorum remove")(auditlog.Record{Exit: new(0)})
			return []audit.Removal{{Certificate: "SHA256:n3", At: time.Now()}}
		}, true, 11 * time.Minute, true},
		"it was one of all quorum servers": {func(n *network) []audit.Removal {
			n.records["n3"] = audit.Peer{Name: "n3", ID: 3, Certificate: "SHA256:n3", QuorumServer: true}
			n.looks("n1", "n3")
			n.begins("n2", "quorum remove")(auditlog.Record{Exit: new(0)})
			return []audit.Removal{{Certificate: "SHA256:n3", At: time.Now()}}
		}, false, 0, false},
		"its removal has no end": {func(n *network) []audit.Removal {
			n.begins("n2", "node remove", "n3")
			time.Sleep(10 * time.Minute)
			return []audit.Removal{{Certificate: "SHA256:n3", At: time.Now()}}
		}, false, 0, false},
		"it was removed": {func(n *network) []audit.Removal {
			n.removes("n2", "n3", "")
			return []audit.Removal{{Certificate: "SHA256:n3", At: time.Now()}}
		}, false, 0, false},
		"it was removed here": {func(n *network) []audit.Removal {
			n.removes("n1", "n3", "")
			return []audit.Removal{{Certificate: "SHA256:n3", At: time.Now()}}
		}, false, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t, "n1", "n2", "n3")
				n.does("n3", "redoubt group set evil")
				if found := n.looks("n1", "n3"); found != "" {
					t.Fatalf("an honest log: %s", found)
				}
				removals := c.removed(n)
				if found := n.looks("n1", "n2"); found != "" {
					t.Fatalf("an honest log: %s", found)
				}
				n.anew("n3", removals...)
				found := n.looks("n1", "n3")
				if c.undecided && (!strings.HasPrefix(found, "error: ") || !strings.Contains(found, "who removed")) {
					t.Errorf("before the time is over: %q", found)
				}
				if c.at > 0 {
					time.Sleep(c.at)
					n.anew("n3", removals...) // another key each time does not begin the time anew
					found = n.looks("n1", "n3")
				}
				if accused := strings.Contains(found, "no other node has on record that it removed it"); accused != c.accused || !c.accused && found != "" {
					t.Errorf("accused: %v, want %v: %q", accused, c.accused, found)
				}
				copied := strings.Join(n.commands("n1", auditlog.Query{Nodes: []string{"n3"}}), "; ")
				if kept := strings.Contains(copied, "evil"); kept != c.accused {
					t.Errorf("the copy of before is there: %v, want %v: %s", kept, c.accused, copied)
				}
				if aside, err := filepath.Glob(filepath.Join(n.nodes["n1"].dir, "peers", ".accepted", "n3-*", auditlog.NameTwin)); err != nil || len(aside) > 0 == c.accused {
					t.Errorf("set aside: %v %v", aside, err)
				}
				n.stopAll()
			})
		})
	}
}
