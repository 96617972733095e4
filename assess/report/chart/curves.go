package chart

import (
	"fmt"
	"html"
	"math"
	"strings"
	"unicode/utf8"
)

// Curve is a row of points.
type Curve struct {
	Name   string
	Points []Point
	Colour int
	Dashed bool
	Stairs bool // from point to point at the height of the earlier one
}

// Band is the room between two curves over the same values of X.
type Band struct {
	Name         string
	Lower, Upper []Point
	Colour       int
}

// Mark is a point with a name.
type Mark struct {
	Point
	Name   string
	Colour int
}

// Curves is a plot of curves.
type Curves struct {
	Head
	X, Y       string // what the axes are, with units
	LogX, LogY bool
	Curves     []Curve
	Bands      []Band
	Marks      []Mark
}

// seen is how many points of a curve can be told apart.
const seen = 400

// SVG draws the plot.
func (p Curves) SVG() string {
	var xs, ys []float64
	use := func(points []Point) {
		for _, q := range points {
			if p.LogX && !(q.X > 0) || p.LogY && !(q.Y > 0) {
				continue // it has no place, so it asks for none on the other axis
			}
			xs, ys = append(xs, q.X), append(ys, q.Y)
		}
	}
	for _, c := range p.Curves {
		use(c.Points)
	}
	for _, b := range p.Bands {
		use(b.Lower)
		use(b.Upper)
	}
	for _, m := range p.Marks {
		use([]Point{m.Point})
	}
	x, y := newAxis(xs, p.LogX, left, width-right), newAxis(ys, p.LogY, height-bottom, top)
	columns, room := p.columns()
	high := height + 18*math.Ceil(float64(len(p.Curves)+len(p.Bands))/float64(columns))
	var s svg
	s.open(p.Head, high)
	for _, t := range x.ticks() {
		s.line(t.place, top, t.place, height-bottom, "grid")
		s.text(min(t.place, width-right-14), height-bottom+16, "middle", "dim", t.label)
	}
	for _, t := range y.ticks() {
		s.line(left, t.place, width-right, t.place, "grid")
		s.text(left-6, t.place+4, "end", "dim", t.label)
	}
	s.line(left, height-bottom, width-right, height-bottom, "axis")
	s.line(left, top, left, height-bottom, "axis")
	s.text((left+width-right)/2, height-bottom+36, "middle", "", p.X)
	fmt.Fprintf(&s, `<text transform="translate(16 %s) rotate(-90)" text-anchor="middle">%s</text>`, num((top+height-bottom)/2), html.EscapeString(p.Y))
	for _, b := range p.Bands {
		points := path(b.Lower, x, y, false)
		upper := path(b.Upper, x, y, false)
		for i := len(upper) - 1; i >= 0; i-- {
			points = append(points, upper[i])
		}
		if len(points) > 2 {
			fmt.Fprintf(&s, `<polygon class="band f%d" points="%s"><title>%s</title></polygon>`, colour(b.Colour), strings.Join(points, " "), html.EscapeString(b.Name))
		}
	}
	for _, c := range p.Curves {
		class := fmt.Sprintf("curve c%d", colour(c.Colour))
		if c.Dashed {
			class += " dash"
		}
		if points := path(c.Points, x, y, c.Stairs); len(points) > 0 {
			fmt.Fprintf(&s, `<polyline class="%s" points="%s"><title>%s</title></polyline>`, class, strings.Join(points, " "), html.EscapeString(c.Name))
		}
	}
	for _, m := range p.Marks {
		mx, okX := x.at(m.X)
		my, okY := y.at(m.Y)
		if !okX || !okY {
			continue
		}
		fmt.Fprintf(&s, `<circle cx="%s" cy="%s" r="5" class="f%d"><title>%s</title></circle>`, num(mx), num(my), colour(m.Colour), html.EscapeString(m.Name))
		anchor, dx := "start", 9.0
		if mx > width*0.6 {
			anchor, dx = "end", -9
		}
		s.text(mx+dx, max(my-8, top+10), anchor, "halo", m.Name)
	}
	p.legend(&s, columns, room)
	return s.close()
}

// columns is how many columns of the legend let every name stand whole, as far as one line has room for it, and how many letters a column has room for.
func (p Curves) columns() (n, room int) {
	longest := 0
	for _, c := range p.Curves {
		longest = max(longest, utf8.RuneCountInString(c.Name))
	}
	for _, b := range p.Bands {
		longest = max(longest, utf8.RuneCountInString(b.Name))
	}
	for n = 3; ; n-- {
		if room = int(((width-left-right)/float64(n) - 34) / letter); longest <= room || n == 1 {
			return n, room
		}
	}
}

func (p Curves) legend(s *svg, columns, room int) {
	i := 0
	add := func(name, shape string) {
		x, y := left+float64(i%columns)*((width-left-right)/float64(columns)), height+18*float64(i/columns)-2
		fmt.Fprintf(s, shape, num(x), num(y-4), num(x+22), num(y-4))
		s.text(x+28, y, "start", "", Cut(name, room))
		i++
	}
	for _, c := range p.Curves {
		class := fmt.Sprintf("curve c%d", colour(c.Colour))
		if c.Dashed {
			class += " dash"
		}
		add(c.Name, `<line x1="%s" y1="%s" x2="%s" y2="%s" class="`+class+`"/>`)
	}
	for _, b := range p.Bands {
		add(b.Name, fmt.Sprintf(`<line x1="%%s" y1="%%s" x2="%%s" y2="%%s" class="c%d" stroke-width="9" stroke-opacity=".25"/>`, colour(b.Colour)))
	}
}

// path is the points of a curve as SVG wants them: those that have a place, thinned to what can be seen.
func path(points []Point, x, y axis, stairs bool) []string {
	step := max(1, int(math.Ceil(float64(len(points))/seen)))
	var out []string
	last := ""
	for i, q := range points {
		if i%step != 0 && i != len(points)-1 {
			continue
		}
		px, okX := x.at(q.X)
		py, okY := y.at(q.Y)
		if !okX || !okY {
			continue
		}
		if stairs && last != "" {
			out = append(out, num(px)+","+last)
		}
		last = num(py)
		out = append(out, num(px)+","+last)
	}
	return out
}
