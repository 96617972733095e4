package admission

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"redoubt/internal/fault"
)

var noon = time.Date(2030, 1, 2, 12, 0, 0, 0, time.UTC)

func TestDecide(t *testing.T) {
	l, err := NewList([]Entry{
		{Host: "n3", By: "root"},
		{Host: "n1", By: "root", ExpiresAt: noon},
		{Host: "n2", By: "root", ExpiresAt: noon.Add(time.Second), Once: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	open, err := l.AllowAll("admin", time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		list    List
		host    string
		allowed bool
		reason  string
		use     string
	}{
		{nil, "n1", false, "not on the access list", ""},
		{l, "n1", false, "ended at 2030-01-02T12:00:00Z", ""},
		{l, "n2", true, "allowed by root", "n2"},
		{l, "n3", true, "allowed by root", "n3"},
		{l, "n4", false, "claccess allow -h n4", ""},
		{open, "n1", true, "allowed by admin", Everyone},
		{open, "n2", true, "allowed by root", "n2"},
		{open, Everyone, false, "no valid host", ""},
		{open, "a/b", false, "no valid host", ""},
		{open, "", false, "no valid host", ""},
	} {
		d := c.list.Decide(c.host, noon)
		if d.Allowed != c.allowed || !strings.Contains(d.Reason, c.reason) || d.Use.Host != c.use {
			t.Errorf("%q: %+v, want %+v", c.host, d, c)
		}
	}
	if got := l.Current(noon); len(got) != 2 || len(l) != 3 {
		t.Errorf("current entries: %+v of %+v", got, l)
	}
}

func TestChanges(t *testing.T) {
	l, err := NewList([]Entry{{Host: "b"}, {Host: "a", By: "x"}})
	if err != nil {
		t.Fatal(err)
	}
	replaced, err := l.Allow(Entry{Host: "a", By: "y"})
	if err != nil || len(replaced) != 2 || replaced[0].By != "y" || l[0].By != "x" {
		t.Fatalf("replaced: %+v, former: %+v, %v", replaced, l, err)
	}
	open, err := l.AllowAll("x", noon)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := open.Deny("a", noon.Add(-1)); !fault.Is(err, fault.Precondition) {
		t.Errorf("deny one of all: %v", err)
	}
	if got, err := open.Deny("a", noon); err != nil || got.Decide("a", noon).Allowed {
		t.Errorf("deny after the end of allow-all: %+v, %v", got, err)
	}
	if got, err := open.Deny(Everyone, noon.Add(-1)); err != nil || len(got) != 2 {
		t.Errorf("deny everyone's entry: %+v, %v", got, err)
	}
	if _, err := l.Deny("c", noon); !fault.Is(err, fault.NotFound) {
		t.Errorf("deny a stranger: %v", err)
	}
	if got := open.DenyAll(); got.Decide("a", noon.Add(-1)).Allowed {
		t.Errorf("after deny-all: %+v", got)
	}
	if _, err := NewList([]Entry{{Host: "a"}, {Host: "a"}}); !fault.Is(err, fault.Invalid) {
		t.Errorf("a host twice: %v", err)
	}
	if _, err := l.Allow(Entry{Host: "a/b"}); !fault.Is(err, fault.Invalid) {
		t.Errorf("a slash: %v", err)
	}
}

func TestRecord(t *testing.T) {
	b, err := json.Marshal(Entry{Host: "a", By: "root"})
	if err != nil || string(b) != `{"host":"a","by":"root"}` {
		t.Fatalf("%s, %v", b, err)
	}
}
