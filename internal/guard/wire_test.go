package guard_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"redoubt/internal/guard"
)

func TestStateAndReportRoundTrip(t *testing.T) {
	s := guard.State{Version: "v1.2-3-gabc", Incarnation: "4-f00", Lease: 123456789, Watchdog: "iTCO_wdt", Warnings: []string{"no priority"},
		Owed: []guard.Owed{{Address: "10.0.0.1/24", Interface: "eth0"}, {Address: "2001:db8::1/64", Interface: "eth0"}, {Mount: "/srv/a b"}}}
	got, err := guard.ParseState(s.Encode())
	if diff := cmp.Diff(s, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	r := guard.Report{Incarnation: "4-f00", Reason: "lease ended", Took: 42, Problems: []string{"two\nlines"}}
	want := r
	want.Problems = []string{"two; lines"}
	if diff := cmp.Diff(want, guard.ParseReport(r.Encode())); diff != "" {
		t.Error(diff)
	}
}

func TestACutReportIsNotClean(t *testing.T) {
	whole := guard.Report{Incarnation: "1-a", Reason: "told to", Clean: true}.Encode()
	if !guard.ParseReport(whole).Clean {
		t.Error("whole report is not clean")
	}
	for n := range len(whole) - len("clean yes\n") {
		if guard.ParseReport(whole[:n]).Clean {
			t.Errorf("report cut to %q is clean", whole[:n])
		}
	}
}

func TestReadOwed(t *testing.T) {
	dir := t.TempDir()
	if _, _, err := guard.ReadOwed(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	o := guard.Owed{Address: "10.0.0.1/24", Interface: "eth0"}
	if err := os.WriteFile(filepath.Join(dir, guard.ObligationsName), []byte("2-b\n"+o.String()+"\ndamaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	incarnation, owed, err := guard.ReadOwed(dir)
	if incarnation != "2-b" || len(owed) != 1 || owed[0] != o || err == nil {
		t.Errorf("got %q, %v, %v: what can be read is given, with an error", incarnation, owed, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("l12345678"))
	f.Add([]byte("o\x00\x00\x00\x00\x00\x00\x00\x0010.0.0.1/24\teth0\t"))
	f.Add([]byte("S\x00\x00\x00\x00\x00\x00\x00\x00lease x\nowed \t\t\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		frame, err := guard.ParseFrame(b)
		if err != nil {
			return
		}
		again, _ := frame.AppendBinary(nil)
		if string(again) != string(b) {
			t.Errorf("frame %q came back as %q", b, again)
		}
		if o, err := guard.ParseOwed(frame.Text); err == nil && o.String() != frame.Text {
			t.Errorf("obligation %q came back as %q", frame.Text, o.String())
		}
		guard.ParseReport(frame.Text)
		_, _ = guard.ParseState(frame.Text)
	})
}
