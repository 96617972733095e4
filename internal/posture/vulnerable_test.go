package posture

import (
	"fmt"
	"strings"
	"testing"
	"time"

	v1 "redoubt/api/v1"
)

// osv makes an entry with one range.
func osv(id, module, events string) string {
	return fmt.Sprintf(`{"schema_version":"1.3.1","id":%q,"modified":"2026-05-20T00:00:00Z","aliases":["CVE-1"],"summary":"it is wrong","affected":[{"package":{"name":%q,"ecosystem":"Go"},"ranges":[{"type":"SEMVER","events":[%s]}]}]}`, id, module, events)
}

func TestVersionRanges(t *testing.T) {
	const (
		below = `{"introduced":"0"},{"fixed":"1.2.3"}`
		twice = `{"introduced":"0"},{"fixed":"1.2.3"},{"introduced":"1.3.0"},{"fixed":"1.3.5"}`
		open  = `{"introduced":"1.1.0"}`
		swap  = `{"fixed":"1.2.3"},{"introduced":"1.0.0"}`
	)
	for _, c := range []struct {
		events, version string
		hit             bool
	}{
		{below, "v1.2.2", true}, {below, "v1.2.3", false}, {below, "v1.2.3-rc.1", true}, {below, "v0.0.0-20200101000000-0123456789ab", true}, {below, "v1.10.0", false},
		{twice, "v1.2.9", false}, {twice, "v1.3.0", true}, {twice, "v1.3.4", true}, {twice, "v1.3.5", false}, {twice, "v1.0.0", true},
		{open, "v1.0.9", false}, {open, "v9.0.0+incompatible", true}, {swap, "v1.1.0", true}, {swap, "v0.9.0", false},
	} {
		db := &Vulnerabilities{}
		if err := db.Add([]byte(osv("GO-1", "example.org/m", c.events))); err != nil {
			t.Fatal(err)
		}
		r := dependencies(t, db, noon, v1.Module{Path: "example.org/m", Version: c.version, Nodes: []string{"n1"}})
		if hit := r.Status == v1.CheckFail; hit != c.hit || hit && !strings.Contains(r.Findings[0].Text, "GO-1, CVE-1: it is wrong") {
			t.Errorf("%s in %s: %+v", c.version, c.events, r)
		}
	}
}

func dependencies(t *testing.T, db *Vulnerabilities, now time.Time, modules ...v1.Module) v1.CheckResult {
	t.Helper()
	return result(t, Dependencies(Run(Checks(), sound()), modules, db, now), dependenciesID)
}

// TestNoDatabaseNoPass: without a database, with an old one, or with versions that can not be compared, nothing is passed.
func TestNoDatabaseNoPass(t *testing.T) {
	if r := result(t, Run(Checks(), sound()), dependenciesID); r.Status != v1.CheckUnknown {
		t.Errorf("without a database: %s", r.Status)
	}
	db := &Vulnerabilities{}
	for _, text := range []string{
		osv("GO-1", "example.org/other", `{"introduced":"0"}`),
		strings.Replace(osv("GO-2", "example.org/m", `{"introduced":"0"}`), `"aliases"`, `"withdrawn":"2026-05-01T00:00:00Z","aliases"`, 1),
		strings.Replace(osv("X-3", "example.org/m", `{"introduced":"0"}`), `"Go"`, `"npm"`, 1),
	} {
		if err := db.Add([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	m := v1.Module{Path: "example.org/m", Version: "v1.0.0"}
	if r := dependencies(t, db, noon, m); r.Status != v1.CheckPass || db.Len() != 3 {
		t.Errorf("nothing is known of it: %+v", r)
	}
	for name, r := range map[string]v1.CheckResult{
		"old": dependencies(t, db, noon.AddDate(0, 6, 0), m), "devel": dependencies(t, db, noon, v1.Module{Path: Stdlib, Version: GoVersion("devel +abc")}), "none": dependencies(t, db, noon),
	} {
		if r.Status != v1.CheckUnknown {
			t.Errorf("%s: %+v", name, r)
		}
	}
	for _, bad := range []string{"", "{}", `{"id":"GO-1"}`, "[]", `{"id":"GO-1","modified":"yesterday"}`} {
		if err := new(Vulnerabilities).Add([]byte(bad)); err == nil {
			t.Errorf("%q is taken for an entry", bad)
		}
	}
}

func TestGoVersion(t *testing.T) {
	for in, want := range map[string]string{"go1.26.1": "v1.26.1", "go1.26": "v1.26.0", "go1.27rc1": "v1.27.0-rc.1", "go1.26.1 X:foo": "v1.26.1"} {
		if got := GoVersion(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}
