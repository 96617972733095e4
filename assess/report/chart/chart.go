// Package chart draws plots as SVG: curves with bands and marks, bars, heat maps, matrices and graphs in layers. A plot is text with elements of classes, so that the
// page's style sheet gives colours for light, dark and print; it has a title and a description for whoever can not see it.
//
// Every text is escaped. Numbers that are none are left out, and rows of points are thinned to what can be seen.
package chart

import (
	"fmt"
	"html"
	"math"
	"strconv"
	"strings"
)

// Size of plots, in the units of their view box.
const (
	width  = 720.0
	height = 400.0
	left   = 78.0
	right  = 16.0
	top    = 34.0
	bottom = 54.0
	letter = 6.6 // how wide a letter is, of most texts
)

// Style is the style sheet that the classes of the plots need. The colours tell themselves apart also for people who do not see red and green.
const Style = `svg.plot{display:block;width:100%;max-width:760px;height:auto;font:12px system-ui,sans-serif}
.plot text{fill:var(--ink)}.plot .dim{fill:var(--dim)}.plot .halo{paint-order:stroke;stroke:var(--paper);stroke-width:4px;stroke-linejoin:round}.plot .small{font-size:11px}.plot .strong{font-weight:600}
.plot .axis{stroke:var(--dim);fill:none}.plot .grid{stroke:var(--line);fill:none}
.plot .curve{fill:none;stroke-width:2}.plot .dash{stroke-dasharray:6 4}.plot .band{stroke:none;opacity:.22}
.plot .c0{stroke:var(--c0)}.plot .c1{stroke:var(--c1)}.plot .c2{stroke:var(--c2)}.plot .c3{stroke:var(--c3)}.plot .c4{stroke:var(--c4)}.plot .c5{stroke:var(--c5)}
.plot .f0{fill:var(--c0)}.plot .f1{fill:var(--c1)}.plot .f2{fill:var(--c2)}.plot .f3{fill:var(--c3)}.plot .f4{fill:var(--c4)}.plot .f5{fill:var(--c5)}
.plot .cell{stroke:var(--line)}.plot .none{fill:none}.plot .bad{fill:var(--bad)}.plot .sbad{stroke:var(--bad)}`

// colours is how many colours there are.
const colours = 6

// Point is a point of a curve.
type Point struct{ X, Y float64 }

// Head is what every plot has.
type Head struct {
	ID    string // of the elements, so that a page can have several plots
	Title string
	Alt   string // what the plot shows, in a sentence
}

// svg is a drawing that is being made.
type svg struct{ strings.Builder }

func (s *svg) open(h Head, height float64) {
	id := html.EscapeString(h.ID)
	fmt.Fprintf(s, `<svg class="plot" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %s %s" role="img" aria-labelledby="%s-t %s-d">`, num(width), num(height), id, id)
	fmt.Fprintf(s, `<title id="%s-t">%s</title><desc id="%s-d">%s</desc>`, id, html.EscapeString(h.Title), id, html.EscapeString(h.Alt))
	s.text(width/2, 18, "middle", "strong", h.Title)
}

func (s *svg) close() string {
	s.WriteString("</svg>")
	return s.String()
}

func (s *svg) text(x, y float64, anchor, class, text string) {
	fmt.Fprintf(s, `<text x="%s" y="%s" text-anchor="%s" class="%s">%s</text>`, num(x), num(y), anchor, class, html.EscapeString(text))
}

func (s *svg) line(x1, y1, x2, y2 float64, class string) {
	fmt.Fprintf(s, `<line x1="%s" y1="%s" x2="%s" y2="%s" class="%s"/>`, num(x1), num(y1), num(x2), num(y2), class)
}

// rect draws a rectangle with a text that is shown when it is pointed at.
func (s *svg) rect(x, y, w, h float64, class, style, hint string) {
	fmt.Fprintf(s, `<rect x="%s" y="%s" width="%s" height="%s" class="%s"`, num(x), num(y), num(w), num(h), class)
	if style != "" {
		fmt.Fprintf(s, ` style="%s"`, style)
	}
	fmt.Fprintf(s, `><title>%s</title></rect>`, html.EscapeString(hint))
}

// num writes a coordinate: a tenth of a unit is less than can be seen.
func num(v float64) string { return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64) }

// colour is the number of a colour.
func colour(i int) int { return ((i % colours) + colours) % colours }

// Cut shortens a text to what has room.
func Cut(s string, most int) string {
	r := []rune(s)
	if len(r) <= most {
		return s
	}
	return string(r[:most-1]) + "…"
}

// Number writes a number as people read it: three digits that count, with words for what is large.
func Number(v float64) string {
	a := math.Abs(v)
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return "–"
	case a == 0:
		return "0"
	case a >= 1e15 || a < 1e-4:
		return strings.Replace(strconv.FormatFloat(v, 'e', 2, 64), "e+", "e", 1)
	case a >= 1000:
		return grouped(strconv.FormatFloat(v, 'f', 0, 64))
	}
	return trimmed(strconv.FormatFloat(v, 'f', 3-int(math.Floor(math.Log10(a))), 64))
}

// trimmed takes off zeros at the end of a fraction.
func trimmed(s string) string {
	if !strings.Contains(s, ".") {
		return s
	}
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

// grouped puts narrow blanks between groups of three digits.
func grouped(s string) string {
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "\u202f" + s[i:]
	}
	return sign + s
}
