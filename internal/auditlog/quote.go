package auditlog

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// quoted writes a word so that a shell reads it as this word again, on one line and without a character that a terminal would act upon.
func quoted(s string) string {
	switch class(s) {
	case plainWord:
		return s
	case spacedWord:
		return `"` + s + `"`
	case oddWord:
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	var b strings.Builder
	b.WriteString("$'")
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == '\'' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < 0x80 && !unicode.IsPrint(r):
			fmt.Fprintf(&b, `\x%02x`, r)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		default: // as the bytes that it consists of: every shell that knows $'' knows these
			for _, c := range []byte(s[i : i+n]) {
				fmt.Fprintf(&b, `\x%02x`, c)
			}
		}
		i += n
	}
	b.WriteString("'")
	return b.String()
}

type wordClass int

const (
	plainWord  wordClass = iota // nothing that a shell looks at
	spacedWord                  // fit for double quotes
	oddWord                     // fit for single quotes
	wildWord                    // what is not printed, or no text at all
)

func class(s string) wordClass {
	if s == "" {
		return spacedWord
	}
	c := plainWord
	for i, r := range s {
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(s[i:]); n == 1 {
				return wildWord
			}
		}
		switch {
		case !unicode.IsPrint(r):
			return wildWord
		case strings.ContainsRune("\"$`\\!'", r):
			c = max(c, oddWord)
		case unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("_@%+=:,./-", r):
		default:
			c = max(c, spacedWord)
		}
	}
	return c
}
