package audit_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"redoubt/internal/auditlog"
	"redoubt/internal/fault"
)

// alone runs one machine's journal in virtual time.
func alone(t *testing.T, f func(n *network, m *machine)) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, "n1")
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		group.Go(func() { _ = n.nodes["n1"].journal.Run(ctx) })
		f(n, n.nodes["n1"])
		cancel()
		group.Wait()
		n.stop("n1")
	})
}

// records are the commands that a journal tells of, without what the daemon itself does.
func records(t *testing.T, m *machine) (out []auditlog.Entry, told int) {
	t.Helper()
	all, err := m.journal.Commands(auditlog.Query{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		told += max(1, e.Count)
	}
	return all, told
}

// TestStrangersDoNotFillTheLog: strangers from as many addresses as they like, with as many requests as they can think of, for a day, write a few hundred records; none
// of their refusals is lost from the count, and who is refused beside them is named all the same.
func TestStrangersDoNotFillTheLog(t *testing.T) {
	alone(t, func(_ *network, m *machine) {
		sent := 0
		for hour := range 24 {
			for i := range 600 {
				m.journal.Deny(auditlog.Record{User: auditlog.Stranger, From: fmt.Sprintf("10.%d.%d.%d", hour, i/250, i%250), Operation: "", Command: fmt.Sprintf("# GET /v1/%d", i)})
				sent++
				time.Sleep(time.Hour / 600)
			}
			if hour == 12 {
				m.journal.Deny(auditlog.Record{User: "bob", From: "uid 1000", Operation: "group delete", Command: "redoubt group delete web"})
				sent++
			}
		}
		time.Sleep(3 * time.Hour)
		all, told := records(t, m)
		if len(all) > 500 {
			t.Errorf("%d records of a day", len(all))
		}
		if told != sent {
			t.Errorf("%d refusals are told of %d", told, sent)
		}
		bob := 0
		for _, e := range all {
			if e.User == "bob" && e.Operation == "group delete" {
				bob++
			}
		}
		if bob != 1 {
			t.Errorf("what bob was refused is told %d times", bob)
		}
		if !strings.Contains(all[len(all)-1].Text, "not told one by one") && !strings.Contains(all[len(all)-2].Text, "not told one by one") {
			t.Errorf("%+v", all[len(all)-1])
		}
		// When it is quiet again, the next one is told at once.
		m.journal.Deny(auditlog.Record{User: auditlog.Stranger, From: "192.0.2.1", Command: "# late"})
		if again, _ := records(t, m); len(again) != len(all)+1 || again[len(all)].Command != "# late" {
			t.Errorf("%d records after %d", len(again), len(all))
		}
	})
}

// TestUsersDoNotFillTheLog: a user without rights who tries every operation, and processes with numbers that no user has, are few records.
func TestUsersDoNotFillTheLog(t *testing.T) {
	alone(t, func(_ *network, m *machine) {
		for i := range 5000 {
			m.journal.Deny(auditlog.Record{User: "eve", From: "uid 1001", Operation: fmt.Sprintf("noun verb%d", i%200), Command: "x"})
			m.journal.Deny(auditlog.Record{User: fmt.Sprintf("uid:%d", 100000+i), From: fmt.Sprintf("uid %d", 100000+i), Operation: "group set", Command: "x"})
			m.journal.Deny(auditlog.Record{User: fmt.Sprintf("user%d", i), From: "10.0.0.1", Operation: "group set", Command: "x"})
		}
		time.Sleep(10 * time.Minute)
		all, told := records(t, m)
		if len(all) > 400 || told != 15000 {
			t.Errorf("%d records tell of %d refusals", len(all), told)
		}
	})
}

// TestAttemptsNeedRoom: what is written only when it succeeds does not begin when it could not be written then, whether the log can not be opened or its disk became
// full, and goes on when there is room again.
func TestAttemptsNeedRoom(t *testing.T) {
	joins := auditlog.Record{User: auditlog.Stranger, From: "10.0.0.9", Operation: "node admit", Command: "redoubt node admit"}
	for name, full := range map[string]bool{"the log can not be opened": false, "its disk became full": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t, "n1")
				m := n.nodes["n1"]
				m.broken.Store(!full)
				m.journal.Deny(joins) // the first is told by itself, where that is possible
				m.full.Store(full)
				for range 3 {
					if _, err := m.journal.Begin(joins, false); !fault.Is(err, fault.Unavailable) {
						t.Errorf("it begins without a record: %v", err)
					}
				}
				if _, err := m.journal.Begin(joins, true); err != nil {
					t.Errorf("an emergency: %v", err)
				}
				if f := m.journal.Findings(); len(f) != 1 {
					t.Errorf("%+v", f)
				}
				ctx, cancel := context.WithCancel(t.Context())
				var group sync.WaitGroup
				group.Go(func() { _ = m.journal.Run(ctx) })
				time.Sleep(10 * time.Second)
				if f := m.journal.Findings(); len(f) != 1 {
					t.Errorf("before there is room: %+v", f)
				}
				m.broken.Store(false)
				m.full.Store(false)
				time.Sleep(10 * time.Second)
				if f := m.journal.Findings(); len(f) != 0 {
					t.Errorf("when there is room again: %+v", f)
				}
				done, err := m.journal.Begin(joins, false)
				if err != nil {
					t.Fatal(err)
				}
				done(auditlog.Record{Exit: new(0)})
				if all, _ := records(t, m); len(all) == 0 || all[len(all)-1].State != auditlog.StateDone {
					t.Errorf("%+v", all)
				}
				cancel()
				group.Wait()
				n.stop("n1")
			})
		})
	}
}

// TestAttemptsCount: operations that anybody may try are told one by one a few times, then together; one that succeeds among a thousand that fail is told, with its end.
func TestAttemptsCount(t *testing.T) {
	for name, r := range map[string]auditlog.Record{
		"joining": {User: auditlog.Stranger, From: "10.0.0.9", Operation: "node admit", Command: "redoubt node admit"},
		"a role":  {User: "eve", From: "uid 1001", Operation: "role assume", Command: "redoubt role assume boss"},
	} {
		t.Run(name, func(t *testing.T) {
			alone(t, func(_ *network, m *machine) {
				try := func(code fault.Code) {
					done, err := m.journal.Begin(r, false)
					if err != nil {
						t.Fatal(err)
					}
					done(auditlog.Record{Exit: new(auditlog.Status(code)), Code: string(code)})
				}
				for i := range 2000 {
					if i == 1500 {
						try("")
					}
					try(fault.Denied)
				}
				time.Sleep(10 * time.Minute)
				all, told := records(t, m)
				done := 0
				for _, e := range all {
					if e.State == auditlog.StateDone {
						done++
					}
				}
				if len(all) > 10 || told != 2001 || done != 1 {
					t.Errorf("%d records tell of %d attempts, of which %d succeeded", len(all), told, done)
				}
				// What was granted to somebody is written before it acts, however often he was refused.
				if _, err := m.journal.Begin(auditlog.Record{User: r.User, From: "uid 1001", Operation: "group delete", Command: "redoubt group delete web"}, false); err != nil {
					t.Fatal(err)
				}
				if again, _ := records(t, m); r.User != auditlog.Stranger && (len(again) != len(all)+1 || again[len(all)].State != auditlog.StateRunning) {
					t.Errorf("%+v", again[len(again)-1])
				}
			})
		})
	}
}
