package cli

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// printable is a text of others as a terminal may see it: what it would obey in place of showing (escapes, other controls, marks that turn the direction of writing)
// and bytes that are no characters are U+FFFD. Ends of lines and tabs stay.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || unicode.IsGraphic(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

// oneLine is a name or a title as a terminal may see it, on one line.
func oneLine(s string) string { return strings.Join(strings.Fields(printable(s)), " ") }

// tell writes a line that may hold texts of others.
func tell(w io.Writer, format string, args ...any) {
	_, _ = io.WriteString(w, printable(fmt.Sprintf(format, args...)))
}

var colourCode = regexp.MustCompile(`\x1b\[[0-9;]*m`)

// harmless makes text printable, but for the codes of the colours where there are colours.
func (l look) harmless(s string) string {
	if !l.colour {
		return printable(s)
	}
	var b strings.Builder
	last := 0
	for _, at := range colourCode.FindAllStringIndex(s, -1) {
		b.WriteString(printable(s[last:at[0]]) + s[at[0]:at[1]])
		last = at[1]
	}
	return b.String() + printable(s[last:])
}

// escaped writes the controls that JSON lets stand as they are, DEL and those of C1, as escapes: they are in strings alone.
func escaped(text []byte) []byte {
	var out []byte
	for _, r := range string(text) {
		if r >= 0x7f && r <= 0x9f {
			out = fmt.Appendf(out, `\u%04x`, r)
		} else {
			out = utf8.AppendRune(out, r)
		}
	}
	return out
}
