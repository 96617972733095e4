package formula

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

const textWidth = 100 // columns

// Text is a formula for a terminal, in the formula's language, in lines of at most 100 columns as far as the formula itself allows.
func Text(f Formula) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s\n\n", f.ID, f.Title)
	for _, part := range strings.Split(f.Formula, ";  ") {
		fmt.Fprintf(&b, "    %s\n", part)
	}
	b.WriteString("\n")
	paragraph(&b, "", f.Meaning)
	if len(f.Symbols) > 0 {
		fmt.Fprintf(&b, "\n%s\n", Phrase(f.Lang, "explain.symbols"))
		width := 0
		for _, s := range f.Symbols {
			width = max(width, utf8.RuneCountInString(s.Symbol))
		}
		for _, s := range f.Symbols {
			meaning := s.Meaning
			if s.Unit != "" {
				meaning += " [" + s.Unit + "]"
			}
			pad := strings.Repeat(" ", width-utf8.RuneCountInString(s.Symbol))
			paragraph(&b, "  "+s.Symbol+pad+"  ", meaning)
		}
	}
	b.WriteString("\n")
	for _, m := range f.Marks {
		paragraph(&b, Phrase(f.Lang, "explain.mark")+": ["+string(m.Mark)+"] ", m.Meaning)
	}
	paragraph(&b, Phrase(f.Lang, "explain.source")+": ", f.Source)
	if f.Choice != "" {
		paragraph(&b, Phrase(f.Lang, "explain.choice")+": ", f.Choice)
	}
	if len(f.Sections) > 0 {
		paragraph(&b, Phrase(f.Lang, "explain.sections")+": ", strings.Join(f.Sections, ", "))
	}
	if len(f.Related) > 0 {
		paragraph(&b, Phrase(f.Lang, "explain.related")+": ", strings.Join(f.Related, ", "))
	}
	return b.String()
}

// List is the catalogue as lines of id, marks and title.
func List(all []Formula) string {
	width := 0
	for _, f := range all {
		width = max(width, utf8.RuneCountInString(f.ID))
	}
	var b strings.Builder
	for _, f := range all {
		marks := ""
		for _, m := range f.Marks {
			marks += string(m.Mark)
		}
		fmt.Fprintf(&b, "%-*s  %-4s  %s\n", width, f.ID, marks, f.Title)
	}
	return b.String()
}

// paragraph writes a text after a label, later lines below the end of the label.
func paragraph(b *strings.Builder, label, text string) {
	indent := utf8.RuneCountInString(label)
	b.WriteString(label)
	at := indent
	for i, w := range strings.Fields(text) {
		n := utf8.RuneCountInString(w)
		switch {
		case i > 0 && at+1+n > textWidth:
			b.WriteString("\n" + strings.Repeat(" ", indent))
			at = indent
		case i > 0:
			b.WriteString(" ")
			at++
		}
		b.WriteString(w)
		at += n
	}
	b.WriteString("\n")
}
