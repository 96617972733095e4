package report

import (
	"cmp"
	"fmt"
	"math"

	"github.com/xuri/excelize/v2"

	"redoubt/assess/report/chart"
)

// The workbook has the page's plots too: curves and bars as charts of the spreadsheet, on sheet plots, which take their numbers from sheet "plot data", and heat maps as
// coloured cells there. Graphs and matrices of codes have no like among a spreadsheet's charts; what they show is in the tables of their sections.

const (
	plotSheet = "plots"
	dataSheet = "plot data"
	// Place of a chart on the sheet, in cells, and its size in points of the screen.
	chartRows, chartWidth, chartHeight = 22, 760, 400
	mostPoints                         = 2000 // of a curve; a spreadsheet draws no more in reasonable time
)

// plotter puts plots on the sheets.
type plotter struct {
	file   *excelize.File
	column int // the next free one of the data
	charts int
}

// plots puts the plots of sections on the workbook; where there are none it adds no sheet.
func (b workbook) plots(d drawing, names []string) error {
	p := plotter{file: b.file, column: 1}
	for _, section := range names {
		for _, x := range d.plots(section) {
			if err := p.add(x); err != nil {
				return fmt.Errorf("plots of %s: %w", section, err)
			}
		}
	}
	return nil
}

func (p *plotter) add(x plot) error {
	switch x := x.(type) {
	case chart.Curves:
		return p.curves(x)
	case chart.Bars:
		return p.bars(x)
	case chart.Heat:
		return p.heat(x)
	}
	return nil
}

// sheets makes the sheets of plots when the first of them comes.
func (p *plotter) sheets() error {
	for _, name := range []string{plotSheet, dataSheet} {
		if _, err := p.file.NewSheet(name); err != nil {
			return err
		}
	}
	return nil
}

// put writes a column of the data with its head, and gives what refers to the head and to the values.
func (p *plotter) put(head string, values []any) (name, ref string, err error) {
	if err := p.sheets(); err != nil {
		return "", "", err
	}
	column, err := excelize.ColumnNumberToName(p.column)
	if err != nil {
		return "", "", err
	}
	p.column++
	if err := p.file.SetSheetCol(dataSheet, column+"1", new(append([]any{head}, values...))); err != nil {
		return "", "", err
	}
	at := func(row int) string { return fmt.Sprintf("$%s$%d", column, row) }
	return "'" + dataSheet + "'!" + at(1), "'" + dataSheet + "'!" + at(2) + ":" + at(1+max(1, len(values))), nil
}

// palette are the colours of the page, as a spreadsheet writes them.
var palette = []string{"1F6FB4", "D1570C", "5F8F1F", "8A4FB8", "0F8A8A", "8A6D00"}

func ink(i int) excelize.Fill {
	return excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{palette[((i%len(palette))+len(palette))%len(palette)]}}
}

func titled(text string) excelize.ChartTitle {
	return excelize.ChartTitle{Paragraph: []excelize.RichTextRun{{Text: text}}}
}

// drawable are the points that have a place on the axes.
func drawable(points []chart.Point, c chart.Curves) (x, y []any) {
	step := 1 + len(points)/mostPoints
	for i := 0; i < len(points); i += step {
		q := points[i]
		if finite(q.X) && finite(q.Y) && (!c.LogX || q.X > 0) && (!c.LogY || q.Y > 0) {
			x, y = append(x, q.X), append(y, q.Y)
		}
	}
	return x, y
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

func (p *plotter) curves(c chart.Curves) error {
	out := &excelize.Chart{Type: excelize.Scatter, Title: titled(c.Title), XAxis: excelize.ChartAxis{Title: titled(c.X)}, YAxis: excelize.ChartAxis{Title: titled(c.Y), MajorGridLines: true}}
	if c.LogX {
		out.XAxis.LogBase = 10
	}
	if c.LogY {
		out.YAxis.LogBase = 10
	}
	line := func(name string, points []chart.Point, colour int, width float64, marker string) error {
		x, y := drawable(points, c)
		if len(x) == 0 {
			return nil
		}
		_, across, err := p.put(c.Title+": "+c.X, x)
		if err != nil {
			return err
		}
		called, up, err := p.put(name, y)
		if err != nil {
			return err
		}
		out.Series = append(out.Series, excelize.ChartSeries{
			Name: called, Categories: across, Values: up,
			Line: excelize.LineOptions{Type: excelize.LineSolid, Width: width, Fill: ink(colour)}, Marker: excelize.ChartMarker{Symbol: marker, Size: 9, Fill: ink(colour)},
		})
		return nil
	}
	for _, x := range c.Curves {
		points := x.Points
		if x.Stairs {
			points = stairs(points)
		}
		if err := line(x.Name, points, x.Colour, map[bool]float64{false: 2, true: 1}[x.Dashed], "none"); err != nil {
			return err
		}
	}
	for _, x := range c.Bands {
		for _, edge := range []struct {
			sign   string
			points []chart.Point
		}{{" ≥", x.Lower}, {" ≤", x.Upper}} {
			if err := line(x.Name+edge.sign, edge.points, x.Colour, 0.5, "none"); err != nil {
				return err
			}
		}
	}
	for _, x := range c.Marks {
		if err := line(x.Name, []chart.Point{x.Point}, x.Colour, 1, "diamond"); err != nil {
			return err
		}
	}
	return p.place(out, c.Head)
}

// stairs goes from each point to the next at the height of the earlier one.
func stairs(points []chart.Point) []chart.Point {
	var out []chart.Point
	for i, p := range points {
		if i > 0 {
			out = append(out, chart.Point{X: p.X, Y: points[i-1].Y})
		}
		out = append(out, p)
	}
	return out
}

// bars are drawn from one value to the other: the part before it is a bar without colour.
func (p *plotter) bars(c chart.Bars) error {
	if len(c.Bars) == 0 {
		return nil
	}
	var names, from, length []any
	for i := len(c.Bars) - 1; i >= 0; i-- { // a spreadsheet begins below
		b := c.Bars[i]
		if !finite(b.From) || !finite(b.To) {
			continue
		}
		names, from, length = append(names, b.Name), append(from, min(b.From, b.To)), append(length, math.Abs(b.To-b.From))
	}
	_, called, err := p.put(c.Title, names)
	if err != nil {
		return err
	}
	_, before, err := p.put("≥", from)
	if err != nil {
		return err
	}
	head, values, err := p.put(c.X, length)
	if err != nil {
		return err
	}
	return p.place(&excelize.Chart{
		Type: excelize.BarStacked, Title: titled(c.Title), Legend: excelize.ChartLegend{Position: "none"}, YAxis: excelize.ChartAxis{Title: titled(c.X), MajorGridLines: true},
		Series: []excelize.ChartSeries{
			{Categories: called, Values: before, Fill: excelize.Fill{Type: "pattern", Pattern: 0}, Line: excelize.LineOptions{Type: excelize.LineNone}},
			{Name: head, Categories: called, Values: values, Fill: ink(0)},
		},
	}, c.Head)
}

// heat is a table with cells that are the redder the greater their probability, from 0 to 1.
func (p *plotter) heat(c chart.Heat) error {
	if len(c.Rows) == 0 || len(c.Columns) == 0 {
		return nil
	}
	if err := p.sheets(); err != nil {
		return err
	}
	top := 1 + p.charts*chartRows
	set := func(column, row int, v any) error {
		at, err := excelize.CoordinatesToCellName(column, row)
		if err != nil {
			return err
		}
		return p.file.SetCellValue(plotSheet, at, v)
	}
	if err := set(1, top, c.Title); err != nil {
		return err
	}
	for j, name := range c.Columns {
		if err := set(2+j, top+1, name); err != nil {
			return err
		}
	}
	for i, name := range c.Rows {
		if err := set(1, top+2+i, name); err != nil {
			return err
		}
		for j, v := range c.Cells[i] {
			if finite(v) {
				if err := set(2+j, top+2+i, v); err != nil {
					return err
				}
			}
		}
	}
	p.charts += (len(c.Rows)+4)/chartRows + 1
	first, err := excelize.CoordinatesToCellName(2, top+2)
	if err != nil {
		return err
	}
	last, err := excelize.CoordinatesToCellName(1+len(c.Columns), top+1+len(c.Rows))
	if err != nil {
		return err
	}
	return p.file.SetConditionalFormat(plotSheet, first+":"+last, []excelize.ConditionalFormatOptions{{
		Type: "2_color_scale", Criteria: "=", MinType: "num", MinValue: "0", MinColor: "#FFFFFF", MaxType: "num", MaxValue: "1", MaxColor: "#C0392B",
	}})
}

func (p *plotter) place(c *excelize.Chart, h chart.Head) error {
	if len(c.Series) == 0 {
		return nil
	}
	c.Dimension = excelize.ChartDimension{Width: chartWidth, Height: chartHeight}
	c.Format = excelize.GraphicOptions{AltText: h.Alt, Name: h.ID}
	c.Legend.Position = cmp.Or(c.Legend.Position, "bottom")
	at := fmt.Sprintf("A%d", 1+p.charts*chartRows)
	p.charts++
	return p.file.AddChart(plotSheet, at, c)
}
