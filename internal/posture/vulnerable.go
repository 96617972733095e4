package posture

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/semver"

	v1 "redoubt/api/v1"
)

// Vulnerabilities is what a database in the OSV form says of Go modules.
type Vulnerabilities struct {
	Newest  time.Time // when the newest entry was changed
	entries map[string][]vulnerability
	count   int
}

// vulnerability is one entry, for one module.
type vulnerability struct {
	id, summary string
	ranges      [][]event
}

type event struct {
	introduced string
	fixed      string
}

// entry is an OSV entry, as much of it as counts here.
type entry struct {
	ID        string    `json:"id"`
	Modified  time.Time `json:"modified"`
	Withdrawn time.Time `json:"withdrawn"`
	Summary   string    `json:"summary"`
	Aliases   []string  `json:"aliases"`
	Affected  []struct {
		Package struct {
			Name      string `json:"name"`
			Ecosystem string `json:"ecosystem"`
		} `json:"package"`
		Ranges []struct {
			Type   string `json:"type"`
			Events []struct {
				Introduced string `json:"introduced"`
				Fixed      string `json:"fixed"`
			} `json:"events"`
		} `json:"ranges"`
	} `json:"affected"`
}

// Add takes in one OSV entry. What is about other things than Go modules, or was withdrawn, is left out.
func (v *Vulnerabilities) Add(text []byte) error {
	var e entry
	if err := json.Unmarshal(text, &e); err != nil {
		return fmt.Errorf("it is no entry of a vulnerability database: %w", err)
	}
	if e.ID == "" || e.Modified.IsZero() {
		return fmt.Errorf("it is no entry of a vulnerability database: it has no id or no modified")
	}
	if e.Modified.After(v.Newest) {
		v.Newest = e.Modified
	}
	v.count++
	if !e.Withdrawn.IsZero() {
		return nil
	}
	if v.entries == nil {
		v.entries = map[string][]vulnerability{}
	}
	id := strings.Join(append([]string{e.ID}, e.Aliases...), ", ")
	for _, a := range e.Affected {
		if a.Package.Ecosystem != "Go" {
			continue
		}
		one := vulnerability{id: id, summary: e.Summary}
		for _, r := range a.Ranges {
			if r.Type != "SEMVER" {
				continue
			}
			var events []event
			for _, at := range r.Events {
				events = append(events, event{at.Introduced, at.Fixed})
			}
			one.ranges = append(one.ranges, events)
		}
		v.entries[a.Package.Name] = append(v.entries[a.Package.Name], one)
	}
	return nil
}

// Len is how many entries there are.
func (v *Vulnerabilities) Len() int { return v.count }

// hits reports whether a version is in one of the ranges. An entry without ranges is about every version.
func (v vulnerability) hits(version string) bool {
	if len(v.ranges) == 0 {
		return true
	}
	return slices.ContainsFunc(v.ranges, func(events []event) bool { return within(events, version) })
}

// within goes through the events of a range in the order of their versions.
func within(events []event, version string) bool {
	at := func(e event) string {
		switch {
		case e.fixed != "":
			return canonical(e.fixed)
		case e.introduced == "0":
			return "" // before every version
		}
		return canonical(e.introduced)
	}
	sorted := slices.Clone(events)
	slices.SortStableFunc(sorted, func(a, b event) int { return semver.Compare(at(a), at(b)) })
	in := false
	for _, e := range sorted {
		if semver.Compare(at(e), version) <= 0 {
			in = e.fixed == ""
		}
	}
	return in
}

func canonical(version string) string {
	if strings.HasPrefix(version, "v") {
		return version
	}
	return "v" + version
}

// Stdlib is the name of Go itself among the modules.
const Stdlib = "stdlib"

// GoVersion turns the version of Go, such as go1.26.1 or go1.27rc1, into the form of a module's version.
func GoVersion(version string) string {
	v, _, _ := strings.Cut(strings.TrimPrefix(version, "go"), " ")
	pre := ""
	for _, word := range []string{"rc", "beta"} {
		if before, after, ok := strings.Cut(v, word); ok {
			v, pre = before, "-"+word+"."+after
		}
	}
	if strings.Count(v, ".") == 1 {
		v += ".0"
	}
	return "v" + v + pre
}

// staleAfter is how old the newest entry of a database may be before nothing is concluded from what it does not say.
const staleAfter = 60 * 24 * time.Hour

// dependenciesID is the check that needs a database.
const dependenciesID = "RC-VUL-001"

func dependencyChecks() []Check {
	return []Check{{v1.CheckInfo{
		ID: dependenciesID, Severity: Error, Area: areaDependencies, Title: "The program is built from nothing that is known to be vulnerable",
		Rationale: "A vulnerability of a library is one of the program. The database says which versions of a module are affected; whether the program reaches the affected code, `make vuln` says in the source tree.",
		Remedy:    "install a version of Redoubt that is built from corrected modules",
	}, func(f Facts, r *report) {
		r.unknown(f.cluster(), "no vulnerability database was given: `redoubt cluster check --vulndb FILE-OR-FOLDER`, with a copy of https://vuln.go.dev/vulndb.zip")
	}}}
}

// Dependencies replaces the result of the check of dependencies by what a database says of the modules.
func Dependencies(results []v1.CheckResult, modules []v1.Module, db *Vulnerabilities, now time.Time) []v1.CheckResult {
	out := slices.Clone(results)
	for i, res := range out {
		if res.ID == dependenciesID {
			r := report{check: res.CheckInfo}
			judge(&r, modules, db, now)
			out[i] = r.result()
		}
	}
	return out
}

func judge(r *report, modules []v1.Module, db *Vulnerabilities, now time.Time) {
	if len(modules) == 0 {
		r.unknown("modules", "no node says what its program is built from")
	}
	for _, m := range modules {
		object := "module " + m.Path
		if !semver.IsValid(m.Version) {
			r.unknown(object, "its version %q is none that can be compared", m.Version)
			continue
		}
		for _, v := range db.entries[m.Path] {
			if v.hits(m.Version) {
				r.fail(object, "%s: %s (%s, on %s)", v.id, v.summary, m.Version, strings.Join(m.Nodes, ", "))
			}
		}
	}
	if age := now.Sub(db.Newest); age > staleAfter {
		r.unknown("database", "its newest entry is of %s: what became known since is not in it", db.Newest.Format(time.DateOnly))
	}
}
