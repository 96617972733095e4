// Package incident collects manifestations of threats: from a store of its own, a file of JSON lines, and from other programs' files (CSV, VERIS, STIX 2.1, syslog, the
// cluster's command log), by rules that say which record is which threat. It counts incidents into the observations of a model. It reads no files itself.
package incident

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// The bounds of a store.
const (
	MaxSize      = 256 << 20 // bytes
	MaxIncidents = 1_000_000
)

// Incident is one manifestation of a threat, or several that are known as a number only.
type Incident struct {
	ID       string   `json:"id"`                 // unique in the store; of another program's record it is made from the record's own
	Time     string   `json:"time"`               // as 2026, 2026-03, 2026-03-01 or 2026-03-01T10:00:00Z
	Threat   string   `json:"threat"`             // as the model calls it
	Object   string   `json:"object,omitempty"`   // what it befell, as the model calls it
	Count    int      `json:"count,omitempty"`    // how many manifestations this stands for; default 1
	Damage   *float64 `json:"damage,omitempty"`   // what it cost
	Currency string   `json:"currency,omitempty"` // of the damage; default: that of the model
	Note     string   `json:"note,omitempty"`
	Source   string   `json:"source,omitempty"` // the file or the person it comes from
}

// Number is how many manifestations the incident stands for.
func (i Incident) Number() int { return max(1, i.Count) }

// layouts are the forms of a time, from the coarsest.
var layouts = []string{"2006", "2006-01", "2006-01-02", "2006-01-02T15:04", "2006-01-02T15:04:05", "2006-01-02 15:04:05", time.RFC3339}

// When is the beginning of the span that a time names: of the year 2026, of a day, or the moment itself. It is in UTC where the time names no other zone.
func When(s string) (time.Time, error) {
	for _, l := range layouts {
		if t, err := time.Parse(l, s); err == nil {
			if t.Year() < 1900 || t.Year() > 2200 {
				return time.Time{}, fmt.Errorf("the year %d is none of the computer age", t.Year())
			}
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time; want one such as 2026, 2026-03, 2026-03-01 or 2026-03-01T10:00:00Z", shorten(s))
}

// Check says what is wrong with an incident.
func (i Incident) Check() error {
	var errs []error
	if i.ID == "" || len(i.ID) > 300 {
		errs = append(errs, errors.New("it needs an id of at most 300 bytes"))
	}
	if i.Threat == "" || len(i.Threat) > 300 {
		errs = append(errs, errors.New("it needs the name of a threat, of at most 300 bytes"))
	}
	if _, err := When(i.Time); err != nil {
		errs = append(errs, err)
	}
	if i.Count < 0 || i.Count > 1_000_000_000 {
		errs = append(errs, fmt.Errorf("%d is no number of incidents; want one from 1 to 10^9", i.Count))
	}
	if i.Damage != nil && (math.IsNaN(*i.Damage) || math.IsInf(*i.Damage, 0) || *i.Damage < 0) {
		errs = append(errs, fmt.Errorf("%v is no damage; want a number that is not below 0", *i.Damage))
	}
	for _, s := range []string{i.ID, i.Threat, i.Object, i.Currency, i.Note, i.Source} {
		if !utf8.ValidString(s) || len(s) > 10_000 {
			errs = append(errs, errors.New("a text of it is longer than 10,000 bytes, or is not in UTF-8"))
		}
	}
	return errors.Join(errs...)
}

// After reports whether an incident is of a time that has not come, in no zone: it begins more than a day after now. Without a now none is.
func (i Incident) After(now time.Time) bool {
	t, err := When(i.Time)
	return err == nil && !now.IsZero() && t.After(now.Add(24*time.Hour))
}

// Identify makes the id of an incident that has none, from what it says. Incidents that say the same are told apart by the number of those before them.
func Identify(i Incident, before int) string {
	i.ID = ""
	b, err := json.Marshal(i)
	if err != nil {
		return "" // Check finds the number that has no JSON
	}
	sum := sha256.Sum256(fmt.Appendf(b, "%d", before))
	return "sha256:" + hex.EncodeToString(sum[:12])
}

// Store is a collection of incidents, by time and then by id.
type Store struct{ incidents []Incident }

// All are the incidents, in order. The caller leaves them as they are.
func (s *Store) All() []Incident { return s.incidents }

// Parse reads a store: an incident on each line, as JSON. Empty lines and those that begin with # are comments; they are lost when the store is written again.
// The error tells every line that is wrong, up to a hundred.
func Parse(text []byte) (*Store, error) {
	if len(text) > MaxSize {
		return nil, fmt.Errorf("the store is larger than %d MB", MaxSize>>20)
	}
	s := &Store{}
	var errs []error
	lines := map[string]int{}
	number := 0
	for line := range bytes.Lines(text) {
		number++
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		i, err := parseLine(line)
		if err == nil {
			err = i.Check()
		}
		if first, ok := lines[i.ID]; err == nil && ok {
			err = fmt.Errorf("the id %q is that of line %d too", i.ID, first)
		}
		if err == nil && len(s.incidents) == MaxIncidents {
			return nil, fmt.Errorf("the store has more than %d incidents", MaxIncidents)
		}
		if err != nil {
			if errs = append(errs, fmt.Errorf("line %d: %w", number, err)); len(errs) == 100 {
				break
			}
			continue
		}
		lines[i.ID] = number
		s.incidents = append(s.incidents, i)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	s.sort()
	return s, nil
}

func parseLine(line []byte) (i Incident, err error) {
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&i); err != nil {
		return i, fmt.Errorf("this is no incident: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return i, errors.New("there is more on the line than one incident")
	}
	return i, nil
}

// Text is the store as a file.
func (s *Store) Text() ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("# Incidents for redoubt assess, one on each line. Written by redoubt assess incident; may be edited.\n")
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	for _, i := range s.incidents {
		if err := enc.Encode(i); err != nil {
			return nil, fmt.Errorf("write incident %s: %w", i.ID, err)
		}
	}
	return b.Bytes(), nil
}

func (s *Store) sort() {
	slices.SortStableFunc(s.incidents, func(a, b Incident) int {
		at, _ := When(a.Time)
		bt, _ := When(b.Time)
		return cmp.Or(at.Compare(bt), cmp.Compare(a.ID, b.ID))
	})
}

// Merge adds incidents. One whose id is there already is known: it is left as it is, or takes the place of the older one where replace is set and they differ.
// It returns how many were new, replaced and known.
func (s *Store) Merge(more []Incident, replace bool) (added, replaced, known int, err error) {
	at := make(map[string]int, len(s.incidents))
	for n, i := range s.incidents {
		at[i.ID] = n
	}
	merged := slices.Clone(s.incidents)
	for _, i := range more {
		if err := i.Check(); err != nil {
			return 0, 0, 0, fmt.Errorf("incident %q of %s: %w", shorten(i.ID), i.Time, err)
		}
		n, ok := at[i.ID]
		switch {
		case !ok:
			at[i.ID] = len(merged)
			merged = append(merged, i)
			added++
		case replace && !same(merged[n], i):
			merged[n] = i
			replaced++
		default:
			known++
		}
	}
	if len(merged) > MaxIncidents {
		return 0, 0, 0, fmt.Errorf("a store holds at most %d incidents, and these would be %d", MaxIncidents, len(merged))
	}
	s.incidents = merged
	s.sort()
	return added, replaced, known, nil
}

func same(a, b Incident) bool {
	da, db := a.Damage, b.Damage
	a.Damage, b.Damage = nil, nil
	return a == b && (da == nil) == (db == nil) && (da == nil || *da == *db)
}

// Remove takes incidents out, and returns the ids that there are not.
func (s *Store) Remove(ids ...string) (missing []string) {
	for _, id := range ids {
		n := slices.IndexFunc(s.incidents, func(i Incident) bool { return i.ID == id })
		if n < 0 {
			missing = append(missing, id)
			continue
		}
		s.incidents = slices.Delete(s.incidents, n, n+1)
	}
	return missing
}

// Filter says which incidents are meant. What is empty does not count.
type Filter struct {
	Threats []string
	Objects []string
	Since   time.Time
	Until   time.Time // before this time
	Damage  bool      // only those whose damage is known
}

// Select are the incidents that a filter lets through.
func (s *Store) Select(f Filter) []Incident {
	var out []Incident
	for _, i := range s.incidents {
		at, _ := When(i.Time)
		switch {
		case len(f.Threats) > 0 && !slices.Contains(f.Threats, i.Threat),
			len(f.Objects) > 0 && !slices.Contains(f.Objects, i.Object),
			!f.Since.IsZero() && at.Before(f.Since),
			!f.Until.IsZero() && !at.Before(f.Until),
			f.Damage && i.Damage == nil:
		default:
			out = append(out, i)
		}
	}
	return out
}

// shorten cuts a text that would fill the screen.
func shorten(s string) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "?")), " ")
	if r := []rune(s); len(r) > 80 {
		return string(r[:80]) + "..."
	}
	return s
}
