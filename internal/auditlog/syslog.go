package auditlog

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The priority of a record in syslog: facility "log audit" (13), severity notice or, for what failed, warning.
const (
	syslogFacility = 13
	syslogWarning  = 4
	syslogNotice   = 5
)

// maxSyslog is what every collector takes by RFC 5425.
const maxSyslog = 8192

// Syslog gives the message of RFC 5424 of a record. Its name and number stand in the structured data, so that a collector that gets a message twice can tell.
func (r Record) Syslog(cluster string) []byte {
	severity := syslogNotice
	if r.Kind == Denied || r.Kind == End && r.Exit != nil && *r.Exit != 0 || r.Event == "log" {
		severity = syslogWarning
	}
	pid := "-"
	if r.PID != 0 {
		pid = strconv.Itoa(r.PID)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "<%d>1 %s %s redoubt %s %s [redoubt@32473", syslogFacility*8+severity, when(r.Time), printable(r.Node, 255), pid, printable(string(r.Kind), 32))
	param := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, ` %s="%s"`, name, paramValue(cut(value, 512)))
		}
	}
	param("cluster", cluster)
	param("entry", strconv.FormatUint(r.Seq, 10))
	param("user", r.User)
	param("role", r.Role)
	param("from", r.From)
	param("certificate", r.Certificate)
	param("operation", r.Operation)
	if r.Start != nil {
		param("start", strconv.FormatUint(*r.Start, 10))
	}
	if r.Exit != nil {
		param("exit", strconv.Itoa(*r.Exit))
	}
	param("code", r.Code)
	param("subject", r.Subject)
	param("state", r.State)
	b.WriteString("] \xef\xbb\xbf")
	text, ok := r.TextLine()
	if !ok {
		text = r.Subject + ": " + oneLine(r.Text)
	}
	if r.Error != "" {
		text += " # " + oneLine(r.Error)
	}
	b.WriteString(cut(text, maxSyslog-b.Len()))
	return []byte(b.String())
}

// printable writes a field of the header: visible ASCII only, and never nothing.
func printable(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if r > ' ' && r < 0x7f {
			return r
		}
		return '_'
	}, s)
	if s == "" {
		return "-"
	}
	return s[:min(len(s), most)]
}

// paramValue escapes what ends a value of structured data.
func paramValue(s string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, `]`, `\]`).Replace(oneLine(s))
}

// Frame puts the length before a message, as RFC 5425 has it.
func Frame(message []byte) []byte {
	return append([]byte(strconv.Itoa(len(message))+" "), message...)
}

// Unframe takes the first message off a stream; ok is false when it is not whole yet.
func Unframe(stream []byte) (message, rest []byte, ok bool, err error) {
	number, _, found := strings.Cut(string(stream[:min(len(stream), 8)]), " ")
	if !found {
		if len(stream) >= 8 || !digits(number) {
			return nil, nil, false, fmt.Errorf("the stream has no length where one belongs")
		}
		return nil, stream, false, nil
	}
	n, err := strconv.Atoi(number)
	if err != nil || n <= 0 || !digits(number) || number[0] == '0' {
		return nil, nil, false, fmt.Errorf("the stream has no length where one belongs")
	}
	begin := len(number) + 1
	if len(stream) < begin+n {
		return nil, stream, false, nil
	}
	return stream[begin : begin+n], stream[begin+n:], true, nil
}

func digits(s string) bool {
	for _, r := range s {
		if r < '0' || r > '9' {
			return false
		}
	}
	return utf8.ValidString(s)
}
