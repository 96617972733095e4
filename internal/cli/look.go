package cli

import (
	"strings"

	pretty "github.com/jedib0t/go-pretty/v6/table"
	ansi "github.com/jedib0t/go-pretty/v6/text"
)

// look is how text for people is set: in colour or not, and how wide. The width 0 is as wide as it gets.
type look struct {
	colour bool
	width  int
}

// look is what standard output can show.
func (e Env) look() look {
	width, _, terminal := e.screen()
	return look{colour: terminal && e.getenv("NO_COLOR") == "" && e.getenv("TERM") != "dumb", width: width}
}

// The colours mean the same everywhere.
var (
	good    = ansi.Colors{ansi.FgGreen}
	working = ansi.Colors{ansi.FgYellow}
	bad     = ansi.Colors{ansi.FgRed, ansi.Bold}
	heading = ansi.Colors{ansi.Bold}
)

func (l look) paint(c ansi.Colors, s string) string {
	if !l.colour || s == "" || c == nil {
		return s
	}
	// Escape gives the codes themselves: what go-pretty guesses about this process's terminal does not matter.
	return ansi.Escape(s, c.EscapeSeq())
}

// state writes a state as Solaris Cluster does, in the colour of what it means.
func (l look) state(s string) string { return l.paint(meaning(s), spell(s)) }

// spell writes ONLINE as Online and ERROR_STOP_FAILED as Error_stop_failed.
func spell(s string) string {
	if s == "" {
		return "-"
	}
	return strings.ToUpper(s[:1]) + strings.ToLower(s[1:])
}

func meaning(s string) ansi.Colors {
	switch s = strings.ToUpper(s); {
	case strings.Contains(s, "FAILED") || strings.Contains(s, "FAULTED") || s == "AWAY":
		return bad
	case strings.HasPrefix(s, "PENDING") || s == "STARTING" || s == "STOPPING" || s == "DEGRADED" || s == "LEAVING" || s == "WAITING" || s == "ONLINE_NOT_MONITORED":
		return working
	case s == "ONLINE" || s == "MEMBER":
		return good
	}
	return nil
}

// grid sets rows in columns below a header. The last column takes what is left of the width and goes on in further lines.
func (l look) grid(indent string, header []string, rows [][]string) string {
	t := pretty.NewWriter()
	style := pretty.StyleDefault
	style.Options = pretty.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	style.Format.Header = ansi.FormatDefault
	t.SetStyle(style)
	head := make(pretty.Row, len(header))
	used := len(indent)
	clean := make([][]string, len(rows))
	for n, r := range rows {
		for _, c := range r {
			clean[n] = append(clean[n], l.harmless(c))
		}
	}
	rows = clean
	for i, h := range header {
		h = l.harmless(h)
		head[i] = l.paint(heading, h)
		if i < len(header)-1 {
			widest := ansi.StringWidthWithoutEscSequences(h)
			for _, r := range rows {
				widest = max(widest, ansi.LongestLineLen(r[i]))
			}
			used += widest + 2
		}
	}
	if l.width > 0 {
		rest := max(20, l.width-used-2)
		t.SetColumnConfigs([]pretty.ColumnConfig{{Number: len(header), WidthMax: rest, WidthMaxEnforcer: ansi.WrapSoft}})
	}
	t.AppendHeader(head)
	for _, r := range rows {
		row := make(pretty.Row, len(r))
		for i, c := range r {
			row[i] = c
		}
		t.AppendRow(row)
	}
	return indented(indent, t.Render())
}

// wrapped sets a paragraph.
func (l look) wrapped(indent, s string) string {
	s = l.harmless(s)
	if l.width > 0 {
		s = ansi.WrapSoft(s, max(20, l.width-len(indent)-1))
	}
	return indented(indent, s)
}

// indented puts the indent before each line and takes the blanks behind it away.
func indented(indent, s string) string {
	var b strings.Builder
	for line := range strings.SplitSeq(strings.TrimRight(s, "\n"), "\n") {
		b.WriteString(strings.TrimRight(indent+line, " "))
		b.WriteByte('\n')
	}
	return b.String()
}

// liveLine is one line at standard error that is written over again and again; without a terminal there is none.
type liveLine struct {
	e     Env
	shown string
}

func (e Env) line() *liveLine { return &liveLine{e: e} }

func (l *liveLine) set(s string) {
	if !l.e.errTerminal() || s == l.shown {
		return
	}
	if width, _, ok := l.e.screen(); ok && width > 1 {
		s = ansi.Trim(s, width-1)
	}
	l.shown = s
	_, _ = l.e.Stderr.Write([]byte("\r\x1b[K" + s))
}

func (l *liveLine) clear() {
	if l.shown != "" {
		_, _ = l.e.Stderr.Write([]byte("\r\x1b[K"))
		l.shown = ""
	}
}
