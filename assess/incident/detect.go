package incident

import (
	"bytes"
	"encoding/json"
	"path"
	"slices"
	"strings"
)

// ColumnNames are what a column of a table can be.
func ColumnNames() []string { return slices.Clone(columnNames) }

// Otherwise makes every record of any form that no rule fits a manifestation of a threat.
func (m *Mapping) Otherwise(threat string) {
	m.Rules.Rules = append(m.Rules.Rules, Rule{Threat: threat})
	m.matchers = append(m.matchers, nil)
}

// Detect finds out the form of a file by its name and its beginning; "" where it can not.
func Detect(name string, text []byte) string {
	if start := bytes.TrimLeft(bytes.TrimPrefix(text, []byte("\ufeff")), " \t\r\n"); len(start) > 0 && (start[0] == '{' || start[0] == '[') {
		d := json.NewDecoder(bytes.NewReader(start))
		if start[0] == '[' {
			if _, err := d.Token(); err != nil {
				return ""
			}
		}
		var first map[string]json.RawMessage
		if err := d.Decode(&first); err != nil {
			return ""
		}
		has := func(names ...string) bool {
			return !slices.ContainsFunc(names, func(n string) bool { return first[n] == nil })
		}
		switch {
		case has("type", "objects") && bytes.Equal(first["type"], []byte(`"bundle"`)):
			return STIX
		case has("action", "timeline"):
			return VERIS
		case has("node", "time"):
			return CommandLog
		}
		return ""
	}
	switch strings.ToLower(path.Ext(name)) {
	case ".csv", ".tsv":
		return CSV
	case ".log", ".syslog":
		return Syslog
	}
	line, _, _ := bytes.Cut(text, []byte{'\n'})
	line = bytes.TrimSpace(line)
	if line5424.Match(line) || lineFile.Match(line) {
		return Syslog
	}
	return ""
}
