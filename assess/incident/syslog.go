package incident

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// The forms of a line of syslog: RFC 5424, and what stands in the files of a machine, with a time of RFC 3339 or of RFC 3164.
var (
	line5424 = regexp.MustCompile(`^<(\d{1,3})>1 (\S+) (\S+) (\S+) (\S+) (\S+) (.*)$`)
	lineFile = regexp.MustCompile(`^(?:<(\d{1,3})>)?(\d{4}-\d\d-\d\dT\S+|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d) (\S+) ([^\s:\[]+)(?:\[([^\]]*)\])?: ?(.*)$`)
	octets   = regexp.MustCompile(`^\d{1,6} <`) // RFC 6587: the length before the message
	datum    = regexp.MustCompile(`([!-<>-\\^-~]+)="((?:[^"\\]|\\.)*)"`)
)

var severities = []string{"emergency", "alert", "critical", "error", "warning", "notice", "informational", "debug"}

// syslog takes the lines that rules fit. The others are ordinary: they count as unmatched, and so do lines that are none of syslog's.
func (x *importer) syslog(text []byte) {
	n := 0
	for line := range bytes.Lines(text) {
		n++
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		where := fmt.Sprintf("line %d", n)
		r, err := x.logLine(string(line))
		if err != nil {
			x.problem(where, "%v", err)
			continue
		}
		x.take(where, r)
	}
}

func (x *importer) logLine(line string) (*record, error) {
	if at := octets.FindStringIndex(line); at != nil {
		line = line[at[1]-1:]
	}
	r := &record{fields: map[string][]string{}}
	priority, stamp, message := "", "", ""
	if p := line5424.FindStringSubmatch(line); p != nil {
		priority, stamp = p[1], p[2]
		for i, name := range []string{"host", "app", "procid", "msgid"} {
			if p[3+i] != "-" {
				r.add(name, p[3+i])
			}
		}
		data, rest := structured(p[7])
		for _, d := range datum.FindAllStringSubmatch(data, -1) {
			r.add(strings.ToLower(d[1]), unescape.Replace(d[2]))
		}
		message = strings.TrimPrefix(rest, "\ufeff")
	} else if p := lineFile.FindStringSubmatch(line); p != nil {
		priority, stamp, message = p[1], p[2], p[6]
		r.add("host", p[3])
		r.add("app", p[4])
		r.add("procid", p[5])
	} else {
		return nil, fmt.Errorf("this is no line of syslog: %s", shorten(line))
	}
	if n, err := strconv.Atoi(priority); err == nil && n < 192 {
		r.add("severity", severities[n%8])
		r.add("facility", strconv.Itoa(n/8))
	}
	r.add("message", message)
	r.Time = x.stamp(stamp)
	r.Note = strings.Join(append(append([]string(nil), r.fields["app"]...), message), ": ")
	return r, nil
}

var unescape = strings.NewReplacer(`\"`, `"`, `\\`, `\`, `\]`, `]`)

// structured parts the structured data of RFC 5424 from the message.
func structured(s string) (data, rest string) {
	if rest, ok := strings.CutPrefix(s, "-"); ok {
		return "", strings.TrimPrefix(rest, " ")
	}
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && quoted:
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == ']' && !quoted && (i+1 == len(s) || s[i+1] != '['):
			return s[:i+1], strings.TrimPrefix(s[i+1:], " ")
		}
	}
	return "", s
}

// stamp is the time of a line. One without a year was written in the year before now.
func (x *importer) stamp(s string) string {
	t, err := time.Parse("Jan _2 15:04:05", s)
	if err != nil {
		return s
	}
	t = t.AddDate(x.o.Now.Year(), 0, 0)
	if t.After(x.o.Now.AddDate(0, 0, 1)) {
		t = t.AddDate(-1, 0, 0)
	}
	return t.Format("2006-01-02T15:04:05Z07:00")
}
