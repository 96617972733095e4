package incident

import (
	"bytes"
	_ "embed"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"redoubt/assess/model"
)

// The forms of files that are imported.
const (
	VERIS      = "veris"      // incidents of the VERIS schema, as JSON
	STIX       = "stix"       // a bundle of STIX 2.1
	CSV        = "csv"        // a table
	Syslog     = "syslog"     // lines of RFC 5424, of RFC 3164, or as they stand in /var/log
	CommandLog = "commandlog" // redoubt log export, log commands -o json, log events -o json
)

// Formats are the forms, sorted.
var Formats = []string{CommandLog, CSV, STIX, Syslog, VERIS}

//go:embed rules.yaml
var shipped []byte

// Rules say which record is which threat, and which column of a table is what.
type Rules struct {
	Version int               `yaml:"version"`
	Columns map[string]string `yaml:"columns,omitempty"` // of a table: by what it is (id, time, threat, object, count, damage, currency, note), the name of the column
	Comma   string            `yaml:"comma,omitempty"`   // what stands between the columns; default: found out
	Decimal string            `yaml:"decimal,omitempty"` // what stands before the fraction of a number: . or ,
	Rules   []Rule            `yaml:"rules"`
}

// Rule says that records of a form are a threat. The first rule that fits a record counts.
type Rule struct {
	Format string            `yaml:"format,omitempty"` // default: any
	When   map[string]string `yaml:"when,omitempty"`   // all of these have to fit: by field a word, a pattern with *, or /a regular expression/
	Threat string            `yaml:"threat,omitempty"` // what it then is
	Object string            `yaml:"object,omitempty"`
	Ignore bool              `yaml:"ignore,omitempty"` // it is no incident
}

// ShippedText is the rules that come with the program, as a file to edit.
func ShippedText() []byte { return bytes.Clone(shipped) }

// Shipped are the rules that come with the program.
func Shipped() (*Mapping, error) { return ParseRules(shipped) }

// Mapping is a set of rules that is ready for use.
type Mapping struct {
	Rules
	matchers []map[string]func(string) bool
}

// columnNames are what a column can be.
var columnNames = []string{"id", "time", "threat", "object", "count", "damage", "currency", "note"}

// ParseRules reads rules, YAML or JSON. The error tells everything that is wrong with them.
func ParseRules(text []byte) (*Mapping, error) {
	m := &Mapping{}
	if err := model.Decode(text, &m.Rules); err != nil {
		return nil, err
	}
	var faults model.Faults
	bad := func(path, format string, args ...any) {
		faults = append(faults, model.Fault{Path: path, Text: fmt.Sprintf(format, args...)})
	}
	if m.Version != 1 {
		bad("version", "this is version %d of the rules; version 1 is read", m.Version)
	}
	for _, c := range slices.Sorted(maps.Keys(m.Columns)) {
		if !slices.Contains(columnNames, c) {
			bad("columns."+c, "%q is none of %q", c, columnNames)
		}
	}
	if len(m.Comma) > 1 {
		bad("comma", "%q is not one character", m.Comma)
	}
	if !slices.Contains([]string{"", ".", ","}, m.Decimal) {
		bad("decimal", "%q is neither . nor ,", m.Decimal)
	}
	for i, r := range m.Rules.Rules {
		at := model.Item("rules", i)
		if r.Format != "" && !slices.Contains(Formats, r.Format) {
			bad(at+".format", "%q is none of %q", r.Format, Formats)
		}
		if (r.Threat == "") == !r.Ignore {
			bad(at, "a rule has either a threat, or ignore: true")
		}
		fits := map[string]func(string) bool{}
		for _, field := range slices.Sorted(maps.Keys(r.When)) {
			f, err := matcher(r.When[field])
			if err != nil {
				bad(at+".when."+field, "%v", err)
			}
			fits[strings.ToLower(field)] = f
		}
		m.matchers = append(m.matchers, fits)
	}
	if len(faults) > 0 {
		if root, err := model.Parse(text); err == nil {
			for i, f := range faults {
				n := model.Locate(root, f.Path)
				faults[i].Line, faults[i].Column = n.Line, n.Column
			}
		}
		return nil, faults
	}
	return m, nil
}

// matcher makes what a pattern fits. Case does not count.
func matcher(pattern string) (func(string) bool, error) {
	switch {
	case len(pattern) > 1 && pattern[0] == '/' && pattern[len(pattern)-1] == '/':
		re, err := regexp.Compile("(?i)" + pattern[1:len(pattern)-1])
		if err != nil {
			return nil, fmt.Errorf("%s is no regular expression: %w", pattern, err)
		}
		return re.MatchString, nil
	case strings.Contains(pattern, "*"):
		parts := strings.Split(pattern, "*")
		for i, p := range parts {
			parts[i] = regexp.QuoteMeta(p)
		}
		re, err := regexp.Compile("(?is)^" + strings.Join(parts, ".*") + "$")
		if err != nil {
			return nil, fmt.Errorf("%q is no pattern: %w", pattern, err)
		}
		return re.MatchString, nil
	}
	return func(s string) bool { return strings.EqualFold(s, pattern) }, nil
}

// record is an entry of another program's file, before a rule has said what it is.
type record struct {
	Incident
	fields map[string][]string // by lower-case name
}

func (r *record) add(field string, values ...string) {
	for _, v := range values {
		if v != "" {
			r.fields[field] = append(r.fields[field], v)
		}
	}
}

// classify finds what a record is; ok says that it is an incident.
func (m *Mapping) classify(format string, r *record) (ok bool) {
	for i, rule := range m.Rules.Rules {
		if rule.Format != "" && rule.Format != format || !fits(m.matchers[i], r.fields) {
			continue
		}
		if rule.Ignore {
			return false
		}
		r.Threat = rule.Threat
		if rule.Object != "" {
			r.Object = rule.Object
		}
		return true
	}
	return r.Threat != "" // a table may name the threat itself
}

func fits(when map[string]func(string) bool, fields map[string][]string) bool {
	for field, match := range when {
		if !slices.ContainsFunc(fields[field], match) {
			return false
		}
	}
	return true
}
