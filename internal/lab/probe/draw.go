package probe

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Style says how to draw.
type Style struct {
	Width   int  // columns; at least 40 are used
	Colour  bool // with terminal colours
	Unicode bool // with block characters
}

// colours of the answerers, in turn.
var colours = []string{"32", "36", "35", "34", "33"}

func (s Style) paint(code, text string) string {
	if !s.Colour || strings.TrimSpace(text) == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s Style) glyph(block, plain string) string {
	if s.Unicode {
		return block
	}
	return plain
}

// span is a part of the probe's time, and how many columns show it.
type span struct {
	from, to time.Duration
	columns  int
}

// column is where an instant is drawn; false when it is outside.
func (p span) column(t time.Duration) (int, bool) {
	if t < p.from || t > p.to || p.to <= p.from {
		return 0, false
	}
	return min(p.columns-1, int(int64(p.columns)*int64(t-p.from)/int64(p.to-p.from))), true
}

// Draw draws who answered when, first over the whole time and, where a gap would be too small to see, around it once more.
func (r *Result) Draw(w io.Writer, s Style) {
	label := len("no answer")
	for _, a := range r.Answerers {
		label = max(label, utf8.RuneCountInString(a.Name))
	}
	label = min(label, 20)
	columns := max(s.Width, 40) - label - 3
	whole := span{0, r.Took, columns}
	r.picture(w, s, whole, label)
	gap := r.Outage()
	if around := 4 * gap.Length; gap.Length > 0 && around < r.Took/2 && len(r.Answerers) > 0 && gap.Length > 3*r.Every {
		middle := gap.From + gap.Length/2
		from := max(0, middle-around/2)
		fmt.Fprintf(w, "\n%*s  the longest time without an answer, enlarged:\n", label, "")
		r.picture(w, s, span{from, min(from+around, r.Took), columns}, label)
	}
	fmt.Fprintln(w)
	r.words(w, s)
}

func (r *Result) picture(w io.Writer, s Style, p span, label int) {
	fmt.Fprintf(w, "%*s %s%s\n", label, "", s.glyph("┌", "+"), ruler(p, s.glyph("─", "-"), s.glyph("┬", "+")))
	for i, a := range r.Answerers {
		row := bar(p.columns)
		for _, at := range r.Attempts {
			if c, ok := p.column(at.End); ok && at.Answer == a.Name {
				row[c] = s.glyph("█", "#")
			}
		}
		name := a.Name
		if utf8.RuneCountInString(name) > label {
			name = string([]rune(name)[:label-1]) + "~"
		}
		r.line(w, s, name, label, s.paint(colours[i%len(colours)], strings.Join(row, "")))
	}
	row := r.silence(s, p)
	r.line(w, s, "no answer", label, s.paint("31", strings.Join(row, "")))
	fmt.Fprintf(w, "%*s  %s\n", label, "", scale(p))
}

func (r *Result) line(w io.Writer, s Style, name string, label int, row string) {
	fmt.Fprintf(w, "%*s %s%s\n", label, name, s.glyph("│", "|"), row)
}

// silence is the row of failed attempts of the client: the columns in which nothing but failures ended, and those of the longest gap.
func (r *Result) silence(s Style, p span) []string {
	row, heard := bar(p.columns), make([]bool, p.columns)
	if len(r.Sources) == 0 {
		return row
	}
	mark := s.glyph("░", "x")
	for _, a := range r.Attempts {
		c, ok := p.column(a.End)
		if !ok || a.Source != r.Sources[0].Source {
			continue
		}
		heard[c] = heard[c] || a.Answer != ""
		if a.Answer == "" {
			row[c] = mark
		}
	}
	for c := range row {
		if heard[c] {
			row[c] = " "
		}
	}
	if g := r.Outage(); g.Length > 3*r.Every {
		from, _ := p.column(max(g.From, p.from))
		to, ok := p.column(min(g.To, p.to))
		for c := from; ok && c <= to && (c == from || !heard[c]); c++ {
			row[c] = s.glyph("▒", "X")
		}
	}
	return row
}

func bar(n int) []string {
	row := make([]string, n)
	for i := range row {
		row[i] = " "
	}
	return row
}

// step is the distance of the marks of the time axis: at most one every eight columns, at a round time.
func (p span) step() time.Duration {
	least := (p.to - p.from) * 8 / time.Duration(max(p.columns, 1))
	for _, unit := range []time.Duration{time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond, time.Second, 10 * time.Second, 100 * time.Second, 1000 * time.Second} {
		for _, times := range []time.Duration{1, 2, 5} {
			if unit*times >= least {
				return unit * times
			}
		}
	}
	return p.to - p.from + 1
}

// marks calls f with each mark of the time axis and its column.
func (p span) marks(f func(t time.Duration, column int)) {
	step := p.step()
	for t := (p.from + step - 1) / step * step; t <= p.to; t += step {
		if c, ok := p.column(t); ok {
			f(t, c)
		}
	}
}

func ruler(p span, line, mark string) string {
	row := bar(p.columns)
	for i := range row {
		row[i] = line
	}
	p.marks(func(_ time.Duration, c int) { row[c] = mark })
	return strings.Join(row, "")
}

func scale(p span) string {
	row := []byte(strings.Repeat(" ", p.columns+8))
	p.marks(func(t time.Duration, c int) {
		text := fmt.Sprintf("%gs", float64(t.Milliseconds())/1000)
		if c+len(text) <= p.columns+1 {
			copy(row[c:], text)
		}
	})
	return strings.TrimRight(string(row), " ")
}

// words says in sentences what the picture shows.
func (r *Result) words(w io.Writer, s Style) {
	for _, v := range r.Sources {
		fmt.Fprintf(w, "from %s: %d connections in %s, %d answered", v.Source, v.Attempts, seconds(r.Took), v.Answered)
		for _, k := range slices.Sorted(maps.Keys(v.Errors)) {
			fmt.Fprintf(w, ", %d %s", v.Errors[k], k)
		}
		if v.Skipped > 0 {
			fmt.Fprintf(w, " (%d more were not made: too many were outstanding)", v.Skipped)
		}
		fmt.Fprintln(w)
		switch g := v.Longest; {
		case v.Answered == 0:
			fmt.Fprintln(w, "  nobody ever answered")
		case g.Open && g.Length > 3*r.Every:
			fmt.Fprintf(w, "  longest time without an answer: %s, from %s to the end; %s had answered before\n", seconds(g.Length), seconds(g.From), g.Before)
		case g != nil:
			fmt.Fprintf(w, "  longest time without an answer: %s, at %s; %s before, %s after\n", seconds(g.Length), seconds(g.From), g.Before, g.After)
		}
	}
	if d := r.Double; d != nil {
		fmt.Fprintln(w, s.paint("1;31", fmt.Sprintf("SERVED TWICE: %s and %s answered in turns from %s to %s, %d times", d.A, d.B, seconds(d.First), seconds(d.Last), d.Times)))
		return
	}
	fmt.Fprintln(w, "nobody served twice")
}

func seconds(d time.Duration) string {
	if d < 100*time.Millisecond {
		return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
	}
	return fmt.Sprintf("%.3f s", d.Seconds())
}
