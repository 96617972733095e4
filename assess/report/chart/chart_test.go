package chart_test

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"redoubt/assess/report/chart"
)

// check reads a plot as XML, and sees that every number in it is one and that no coordinate is far outside.
func check(t interface{ Fatalf(string, ...any) }, svg string) {
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("not well formed: %v\n%s", err, svg)
		}
		e, ok := tok.(xml.StartElement)
		if !ok {
			continue
		}
		for _, a := range e.Attr {
			switch a.Name.Local {
			case "x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "width", "height":
				v, err := strconv.ParseFloat(a.Value, 64)
				if err != nil || math.IsNaN(v) || math.Abs(v) > 2000 {
					t.Fatalf("%s of <%s> is %q", a.Name.Local, e.Name.Local, a.Value)
				}
			}
		}
	}
	if strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
		t.Fatalf("a number that is none:\n%s", svg)
	}
}

// values are all kinds of numbers that a model may lead to.
func values() *rapid.Generator[float64] {
	return rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{0, 1, -1, 1e-300, 1e300, math.Inf(1), math.Inf(-1), math.NaN(), 5e-324, math.MaxFloat64}), rapid.Float64Range(0, 1))
}

// TestAnyNumbersAndNames: whatever is drawn, the plot is well formed and every place is within it.
func TestAnyNumbersAndNames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.OneOf(rapid.String(), rapid.Just(`"><script>`)).Draw(t, "name")
		name = strings.Map(func(r rune) rune { // what XML can not hold at all, HTML shows as it likes
			if r < 32 || r == 0xFFFE || r == 0xFFFF {
				return '?'
			}
			return r
		}, strings.ToValidUTF8(name, "?"))
		var points, upper []chart.Point
		for range rapid.IntRange(0, 12).Draw(t, "points") {
			points = append(points, chart.Point{X: values().Draw(t, "x"), Y: values().Draw(t, "y")})
			upper = append(upper, chart.Point{X: values().Draw(t, "x"), Y: values().Draw(t, "y")})
		}
		head := chart.Head{ID: "a", Title: name, Alt: name}
		check(t, chart.Curves{
			Head: head, X: name, Y: name, LogX: rapid.Bool().Draw(t, "logx"), LogY: rapid.Bool().Draw(t, "logy"),
			Curves: []chart.Curve{{Name: name, Points: points, Colour: rapid.Int().Draw(t, "colour"), Stairs: rapid.Bool().Draw(t, "stairs"), Dashed: true}},
			Bands:  []chart.Band{{Name: name, Lower: points, Upper: upper}}, Marks: []chart.Mark{{Point: chart.Point{X: values().Draw(t, "mx"), Y: values().Draw(t, "my")}, Name: name}},
		}.SVG())
		base := values().Draw(t, "base")
		bars := chart.Bars{Head: head, X: name, Base: &base}
		heat := chart.Heat{Head: head, Rows: []string{name, "b"}, Columns: []string{name}}
		for range rapid.IntRange(0, 60).Draw(t, "bars") {
			bars.Bars = append(bars.Bars, chart.Bar{Name: name, From: values().Draw(t, "from"), To: values().Draw(t, "to")})
			heat.Cells = append(heat.Cells, []float64{values().Draw(t, "cell")})
		}
		check(t, bars.SVG())
		check(t, heat.SVG())
		check(t, chart.Matrix{Head: head, Rows: []string{name}, Columns: []string{name, name}, Cell: func(_, j int) (int, string) { return j, name }}.SVG())
		check(t, chart.Layers{Head: head, Names: []string{name, name}, Nodes: [][]chart.Node{{{Name: name, Bad: true}}, {{Name: name}, {Name: name}}}, Links: [][]chart.Link{{{From: 0, To: 1, Hint: name}}}}.SVG())
	})
}

func TestEmptyPlots(t *testing.T) {
	for _, svg := range []string{chart.Curves{}.SVG(), chart.Bars{}.SVG(), chart.Heat{}.SVG(), chart.Matrix{}.SVG(), chart.Layers{}.SVG()} {
		check(t, svg)
	}
}

// TestPlaces holds a curve on logarithmic axes to the places that its values have: equal factors are equal distances.
func TestPlaces(t *testing.T) {
	svg := chart.Curves{LogX: true, LogY: true, Curves: []chart.Curve{{Points: []chart.Point{{X: 1, Y: 1}, {X: 10, Y: 0.1}, {X: 100, Y: 0.01}}}}}.SVG()
	m := regexp.MustCompile(`points="([^"]*)"`).FindStringSubmatch(svg)
	if m == nil {
		t.Fatal("no curve")
	}
	var xs, ys []float64
	for _, p := range strings.Fields(m[1]) {
		x, y, _ := strings.Cut(p, ",")
		fx, _ := strconv.ParseFloat(x, 64)
		fy, _ := strconv.ParseFloat(y, 64)
		xs, ys = append(xs, fx), append(ys, fy)
	}
	if len(xs) != 3 || math.Abs(xs[2]-2*xs[1]+xs[0]) > 0.2 || math.Abs(ys[2]-2*ys[1]+ys[0]) > 0.2 || xs[0] >= xs[2] || ys[0] >= ys[2] {
		t.Errorf("places %v %v: the curve falls in a straight line to the right", xs, ys)
	}
}

func TestLongCurvesAreThinned(t *testing.T) {
	points := make([]chart.Point, 100_000)
	for i := range points {
		points[i] = chart.Point{X: float64(i), Y: float64(i % 7)}
	}
	if svg := (chart.Curves{Curves: []chart.Curve{{Points: points}}}).SVG(); len(svg) > 30_000 {
		t.Errorf("a curve of %d points takes %d bytes", len(points), len(svg))
	}
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 1: "1", 0.5: "0.5", 1234567.8: "1\u202f234\u202f568", -1234: "-1\u202f234", 999.96: "1000", 12.3456: "12.35", 0.00012347: "0.0001235", 1.5e-9: "1.50e-09", 2e20: "2.00e20",
	} {
		if got := chart.Number(v); got != want {
			t.Errorf("%v: %q, want %q", v, got, want)
		}
	}
}
