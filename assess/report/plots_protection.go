package report

import (
	"math"
	"slices"
	"strconv"

	"redoubt/assess"
	"redoubt/assess/report/chart"
)

// maxGraph is how many edges the graph is made of; what is open comes first.
const maxGraph = 5000

// numbered gives each name a place, in the order in which they come.
type numbered struct {
	names []string
	at    map[string]int
}

func (n *numbered) of(name string) int {
	if i, ok := n.at[name]; ok {
		return i
	}
	if n.at == nil {
		n.at = map[string]int{}
	}
	n.at[name] = len(n.names)
	n.names = append(n.names, name)
	return n.at[name]
}

// coveragePlots is the graph of threats, means and objects. What is open comes first, and goes through a node that says so.
func (d drawing) coveragePlots() []plot {
	if len(d.r.Coverage.Graph) == 0 {
		return nil
	}
	var threats, means, objects numbered
	reaching := map[string]bool{}
	reached := map[string]bool{}
	type pair [2]int
	left, right := map[pair]bool{}, map[pair]bool{} // whether the link is bad
	var leftOrder, rightOrder []pair
	link := func(m map[pair]bool, order *[]pair, p pair, bad bool) {
		if _, ok := m[p]; !ok {
			*order = append(*order, p)
		}
		m[p] = m[p] || bad
	}
	graph := slices.Clone(d.r.Coverage.Graph)
	slices.SortStableFunc(graph, func(a, b assess.GraphEdge) int { return order(a.Covered, b.Covered) })
	graph = graph[:min(len(graph), maxGraph)]
	for _, e := range graph {
		t, o := threats.of(e.Threat), objects.of(e.Object)
		if !e.Covered {
			reaching[e.Threat], reached[e.Object] = true, true
			m := means.of("")
			link(left, &leftOrder, pair{t, m}, true)
			link(right, &rightOrder, pair{m, o}, true)
			continue
		}
		for _, x := range e.Means {
			if !x.Chosen || !x.Exceeds {
				continue
			}
			m := means.of(x.Name)
			link(left, &leftOrder, pair{t, m}, false)
			link(right, &rightOrder, pair{m, o}, false)
		}
	}
	p := chart.Layers{Head: d.head("graph", d.w("graph_title"), d.w("graph_alt")), Names: []string{d.w("threats"), d.w("means"), d.w("objects")}, Nodes: make([][]chart.Node, 3), Links: make([][]chart.Link, 2)}
	for _, n := range threats.names {
		p.Nodes[0] = append(p.Nodes[0], chart.Node{Name: d.title(n), Bad: reaching[n]})
	}
	for _, n := range means.names {
		if n == "" {
			p.Nodes[1] = append(p.Nodes[1], chart.Node{Name: d.w("open_node"), Bad: true})
			continue
		}
		p.Nodes[1] = append(p.Nodes[1], chart.Node{Name: d.title(n)})
	}
	for _, n := range objects.names {
		p.Nodes[2] = append(p.Nodes[2], chart.Node{Name: d.title(n), Bad: reached[n]})
	}
	for _, k := range leftOrder {
		p.Links[0] = append(p.Links[0], chart.Link{From: k[0], To: k[1], Bad: left[k], Hint: p.Nodes[0][k[0]].Name + " – " + p.Nodes[1][k[1]].Name})
	}
	for _, k := range rightOrder {
		p.Links[1] = append(p.Links[1], chart.Link{From: k[0], To: k[1], Bad: right[k], Hint: p.Nodes[1][k[0]].Name + " – " + p.Nodes[2][k[1]].Name})
	}
	return []plot{p}
}

// order puts what is false first.
func order(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// vulnerabilityPlots are the map of components by zone, and that of components by violator.
func (d drawing) vulnerabilityPlots() []plot {
	v := d.r.Vulnerability
	var out []plot
	if len(v.Zones) > 0 {
		p := chart.Heat{Head: d.head("zones", d.w("heat_title"), d.w("heat_alt"))}
		for l := range v.Zones[0].P {
			name := d.w("zone", l+1)
			if l < len(v.ZoneNames) && v.ZoneNames[l] != "" {
				name = either(d.w("zone."+v.ZoneNames[l]), v.ZoneNames[l])
			}
			p.Columns = append(p.Columns, name)
		}
		for _, z := range v.Zones {
			p.Rows = append(p.Rows, d.component(z.Component))
			p.Cells = append(p.Cells, z.P)
		}
		out = append(out, p)
	}
	if len(v.Base) > 0 {
		var rows, columns numbered
		cells := map[[2]int]float64{} // log of the probability that none succeeds
		for _, b := range v.Base {
			p := b.All
			if p == 0 {
				p = b.P
			}
			cells[[2]int{rows.of(b.Component), columns.of(b.Violator)}] += math.Log1p(-min(p, 1))
		}
		p := chart.Heat{Head: d.head("violators", d.w("heat_pairs"), d.w("heat_pairs_alt"))}
		p.Columns = columns.names
		for i, r := range rows.names {
			p.Rows = append(p.Rows, d.component(r))
			line := make([]float64, len(columns.names))
			for j := range line {
				line[j] = max(0, -math.Expm1(cells[[2]int{i, j}]))
			}
			p.Cells = append(p.Cells, line)
		}
		out = append(out, p)
	}
	return out
}

func (d drawing) component(name string) string {
	if d.m != nil && d.m.Vulnerability != nil {
		for _, c := range d.m.Vulnerability.Components {
			if c.Name == name {
				return either(c.Title, name)
			}
		}
	}
	return name
}

// gamePlots are the best answers of both sides, and the strategies of games in normal form.
func (d drawing) gamePlots() []plot {
	v := d.r.Game
	var out []plot
	if r := v.Responses; r != nil {
		p := chart.Curves{
			Head: d.head("responses", d.w("response_title"), d.w("response_alt")), X: d.w("defence_axis"), Y: d.w("attack_axis"),
			Curves: []chart.Curve{{Name: d.w("attacker"), Points: points(r.Attacker, 1), Colour: 1}, {Name: d.w("defender"), Points: flipped(points(r.Defender, 1))}},
		}
		for i, m := range []struct {
			play *assess.GamePlay
			key  string
		}{{v.Nash, "nash"}, {v.Stackelberg, "stackelberg"}} {
			if m.play != nil {
				p.Marks = append(p.Marks, chart.Mark{Point: chart.Point{X: m.play.Y, Y: m.play.X}, Name: d.w(m.key), Colour: 2 + i})
			}
		}
		out = append(out, p)
	}
	mixed := func(id string, attacker, defender []assess.GameShare) {
		p := chart.Bars{Head: d.head(id, d.w("mix_title"), d.w("mix_alt")), X: d.w("probability_axis")}
		for _, x := range attacker {
			p.Bars = append(p.Bars, chart.Bar{Name: x.Strategy, To: x.Probability, Colour: 1})
		}
		for _, x := range defender {
			p.Bars = append(p.Bars, chart.Bar{Name: x.Strategy, To: x.Probability})
		}
		if len(p.Bars) > 0 {
			out = append(out, p)
		}
	}
	if v.Mixed != nil {
		for i, e := range v.Mixed.Equilibria {
			if i == 3 {
				break
			}
			mixed("mixed-"+strconv.Itoa(i), e.Attacker, e.Defender)
		}
	}
	if z := v.ZeroSum; z != nil {
		mixed("zero-sum", z.Attacker, z.Defender)
	}
	return out
}

// flipped changes the axes: what the defender spends is always across.
func flipped(points []chart.Point) []chart.Point {
	for i, p := range points {
		points[i] = chart.Point{X: p.Y, Y: p.X}
	}
	return points
}

// codesPlots is who reaches what by the codes, and what of that is not permitted.
func (d drawing) codesPlots() []plot {
	c := d.r.Codes
	if c.Matrix == nil || len(c.Matrix.Rows) == 0 {
		return nil
	}
	m := c.Matrix
	p := chart.Matrix{
		Head: d.head("codes", d.w("matrix_title"), d.w("matrix_alt")), Rows: coded(m.Subjects, c.Subjects), Columns: coded(m.Objects, c.Objects),
		Cell: func(i, j int) (int, string) {
			kind, what := 0, "denied"
			if i < len(m.Rows) && j < len(m.Rows[i]) {
				switch m.Rows[i][j] {
				case '#':
					kind, what = 1, "granted"
				case 'x':
					kind, what = 2, "inadmissible"
				}
			}
			return kind, m.Subjects[i] + " → " + m.Objects[j] + ": " + d.w(what)
		},
	}
	return []plot{p}
}

// coded are names with their codes.
func coded(names []string, codes map[string]string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = codes[n] + " " + n
	}
	return out
}
