package chart

import (
	"fmt"
	"html"
	"math"
	"strconv"
	"unicode/utf8"
)

// Bar is one bar: what it is about, and its two ends.
type Bar struct {
	Name      string
	From, To  float64
	LowLabel  string // at the lower end; the value if it is empty
	HighLabel string
	Colour    int
}

// Bars is a plot of bars that lie, as of a tornado: the first on top.
type Bars struct {
	Head
	X    string
	Bars []Bar
	Base *float64 // a line that the bars are held against
}

// maxBars is how many bars, rows or columns are drawn; the table has the others.
const maxBars = 40

// gutter is the room for names before rows, and how many letters of a name it holds.
func gutter(names []string) (room float64, letters int) {
	longest := 0
	for _, n := range names {
		longest = max(longest, utf8.RuneCountInString(n))
	}
	letters = min(max(longest, 12), 44)
	return float64(letters)*letter + 14, letters
}

// SVG draws the plot.
func (p Bars) SVG() string {
	bars := p.Bars[:min(len(p.Bars), maxBars)]
	var values []float64
	var called []string
	for _, b := range bars {
		values, called = append(values, b.From, b.To), append(called, b.Name)
	}
	if p.Base != nil {
		values = append(values, *p.Base)
	}
	const row = 26.0
	names, letters := gutter(called)
	high := top + row*float64(len(bars)) + 50
	x := newAxis(values, false, names, width-right-30)
	var s svg
	s.open(p.Head, high)
	end := top + row*float64(len(bars))
	for _, t := range x.ticks() {
		s.line(t.place, top, t.place, end, "grid")
		s.text(t.place, end+16, "middle", "dim", t.label)
	}
	for i, b := range bars {
		from, ok1 := x.at(min(b.From, b.To))
		to, ok2 := x.at(max(b.From, b.To))
		at := top + row*float64(i)
		s.text(names-8, at+row/2+4, "end", "", Cut(b.Name, letters))
		if ok1 && ok2 {
			s.rect(from, at+4, max(to-from, 1), row-8, fmt.Sprintf("f%d", colour(b.Colour)), "", fmt.Sprintf("%s: %s … %s", b.Name, either(b.LowLabel, Number(b.From)), either(b.HighLabel, Number(b.To))))
		}
	}
	if p.Base != nil {
		if at, ok := x.at(*p.Base); ok {
			s.line(at, top, at, end, "axis")
		}
	}
	s.text((names+width-right)/2, end+36, "middle", "", p.X)
	return s.close()
}

// Heat is a table of shares from 0 to 1, the darker the larger.
type Heat struct {
	Head
	Rows, Columns []string
	Cells         [][]float64 // by row; what is no number is left empty
}

// SVG draws the map. The shade follows the logarithm from one in ten thousand on, so that small probabilities are told apart.
func (p Heat) SVG() string {
	rows, columns := p.Rows[:min(len(p.Rows), maxBars)], p.Columns[:min(len(p.Columns), maxBars)]
	const row = 26.0
	names, letters := gutter(rows)
	cell := (width - names - right) / max(float64(len(columns)), 1)
	var s svg
	s.open(p.Head, top+20+row*float64(len(rows))+16)
	for j, c := range columns {
		s.text(names+cell*(float64(j)+0.5), top+12, "middle", "dim", Cut(c, int(max(cell/7, 2))))
	}
	for i, r := range rows {
		y := top + 20 + row*float64(i)
		s.text(names-8, y+row/2+4, "end", "", Cut(r, letters))
		for j, c := range columns {
			if i >= len(p.Cells) || j >= len(p.Cells[i]) || math.IsNaN(p.Cells[i][j]) || math.IsInf(p.Cells[i][j], 0) {
				continue
			}
			v := p.Cells[i][j]
			s.rect(names+cell*float64(j), y, cell, row, "cell bad", fmt.Sprintf("fill-opacity:%.2f", shade(v)), fmt.Sprintf("%s, %s: %s", r, c, Number(v)))
			if cell > 44 {
				s.text(names+cell*(float64(j)+0.5), y+row/2+4, "middle", "small", strconv.FormatFloat(v, 'g', 2, 64))
			}
		}
	}
	return s.close()
}

// shade is how dark a share is.
func shade(v float64) float64 {
	if !(v > 0) {
		return 0
	}
	return min(1, max(0.04, 1+math.Log10(min(v, 1))/4)) * 0.85
}

// Matrix is a table of words or marks, with what each cell means.
type Matrix struct {
	Head
	Rows, Columns []string
	Cell          func(i, j int) (kind int, hint string) // kind: 0 empty, 1 granted, 2 granted and not wanted, 3 a bit that is set
}

// SVG draws the table.
func (p Matrix) SVG() string {
	rows, columns := p.Rows[:min(len(p.Rows), maxBars)], p.Columns[:min(len(p.Columns), maxBars)]
	names, letters := gutter(rows)
	cell := min(26, (width-names-right)/max(float64(len(columns)), 1))
	heads := 130.0
	var s svg
	s.open(p.Head, top+heads+cell*float64(len(rows))+16)
	for j, c := range columns {
		x := names + cell*(float64(j)+0.5) + 4
		fmt.Fprintf(&s, `<text transform="translate(%s %s) rotate(-60)" text-anchor="start" class="dim">%s</text>`, num(x), num(top+heads-6), html.EscapeString(Cut(c, 18)))
	}
	for i, r := range rows {
		y := top + heads + cell*float64(i)
		s.text(names-8, y+cell/2+4, "end", "", Cut(r, letters))
		for j := range columns {
			kind, hint := p.Cell(i, j)
			s.rect(names+cell*float64(j), y, cell, cell, [...]string{"cell none", "cell f2", "cell bad", "cell f0"}[kind&3], "", hint)
		}
	}
	return s.close()
}

// Node is a node of a graph in layers.
type Node struct {
	Name string
	Bad  bool // drawn as something that is not as it should be
}

// Link joins a node of a layer to one of the next.
type Link struct {
	From, To int
	Bad      bool
	Hint     string
}

// Layers is a graph whose nodes stand in columns, and whose links join neighbours.
type Layers struct {
	Head
	Names []string // of the columns
	Nodes [][]Node
	Links [][]Link // Links[l] from column l to column l+1
}

// maxLinks is how many links are drawn.
const maxLinks = 2000

// SVG draws the graph.
func (p Layers) SVG() string {
	most := 1
	for _, l := range p.Nodes {
		most = max(most, min(len(l), maxBars))
	}
	const row, box = 24.0, 200.0
	high := top + 30 + row*float64(most) + 10
	place := func(layer, i int) (x, y float64) {
		n := min(len(p.Nodes[layer]), maxBars)
		x = 110 + float64(layer)*(width-220)/max(float64(len(p.Nodes)-1), 1)
		return x, top + 30 + row*float64(most)*(float64(i)+0.5)/float64(max(n, 1))
	}
	var s svg
	s.open(p.Head, high)
	for l, name := range p.Names {
		x, _ := place(l, 0)
		s.text(x, top+14, "middle", "strong", name)
	}
	drawn := 0
	for l, links := range p.Links {
		for _, k := range links {
			if drawn >= maxLinks || k.From >= maxBars || k.To >= maxBars {
				continue
			}
			drawn++
			x1, y1 := place(l, k.From)
			x2, y2 := place(l+1, k.To)
			class := "curve c0"
			if k.Bad {
				class = "curve sbad dash"
			}
			fmt.Fprintf(&s, `<path class="%s" stroke-opacity=".5" d="M%s %sC%s %s %s %s %s %s"><title>%s</title></path>`, class,
				num(x1+box/2), num(y1), num((x1+x2)/2), num(y1), num((x1+x2)/2), num(y2), num(x2-box/2), num(y2), html.EscapeString(k.Hint))
		}
	}
	for l, nodes := range p.Nodes {
		for i, n := range nodes[:min(len(nodes), maxBars)] {
			x, y := place(l, i)
			class := "cell node"
			if n.Bad {
				class = "node sbad"
			}
			s.rect(x-box/2, y-9, box, 18, class, "fill:var(--paper)", n.Name)
			s.text(x, y+4, "middle", "small", Cut(n.Name, 29))
		}
	}
	return s.close()
}

func either(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
