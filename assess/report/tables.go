package report

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"redoubt/assess/report/chart"
)

// table is a table of the page. The first column of a row is what it is about.
type table struct {
	Title string
	Head  []column
	Rows  [][]cell
	More  int
}

type column struct {
	Text, Unit, Formula string
	Number              bool
}

type cell struct {
	Text    string
	Beside  string // between what the value certainly lies, or by how much it may be wrong
	Formula string
	Number  bool
}

// Entry is a figure as tables for people show it, with what other rows say of the same value.
type Entry struct {
	Row                 // Value is nil where the figure is but a band
	Between *[2]float64 // the ends of the band, or of the bracket that certainly holds the value
	Error   *float64    // standard error of a value that was drawn
}

// entry is one with its cell.
type entry struct {
	Entry
	cell cell
}

// families are groups with the same figures of different states of protection, which stand side by side. The words of the states name the columns.
var families = []struct {
	section string
	groups  []string
}{
	{"losses", []string{"total", "inherent", "proposed"}},
	{"losses", []string{"simulation", "simulation_inherent", "simulation_proposed"}},
}

// states are the words of the states of protection, in the order of the groups of a family.
var states = []string{"current", "inherent", "proposed"}

// tables are the figures of a section: a table for each list, and one for what is single.
func tables(rows []Row, section, lang string) []table {
	var out []table
	groups := map[string][]entry{}
	var order []string
	var own []Row
	for _, r := range rows {
		if r.Section == section && !r.Series {
			own = append(own, r)
		}
	}
	for _, e := range Entries(own) {
		if _, ok := groups[e.Group]; !ok {
			order = append(order, e.Group)
		}
		groups[e.Group] = append(groups[e.Group], entry{e, shown(e, lang)})
	}
	done := map[string]bool{}
	for _, g := range order {
		switch family := familyOf(section, g); {
		case done[g]:
		case strings.Contains(g, "[]"):
			out = append(out, pivot(g, groups[g], lang))
		case family != nil:
			for _, member := range family {
				done[member] = true
			}
			out = append(out, abreast(family, groups, lang))
		default:
			out = append(out, plain(g, groups[g], lang))
		}
	}
	for _, t := range out {
		t.align()
	}
	return out
}

// align puts the heads of numbers above them.
func (t table) align() {
	for _, row := range t.Rows {
		for j, c := range row {
			t.Head[j].Number = t.Head[j].Number || c.Number
		}
	}
}

func familyOf(section, group string) []string {
	for _, f := range families {
		if f.section == section && slices.Contains(f.groups, group) {
			return f.groups
		}
	}
	return nil
}

// ofLevels are the groups that say something of the figures of the group around them, level by level: what a bracket is of, and what is a group only because each of
// its figures has an error.
var ofLevels = map[string]string{"quantile_brackets": "quantiles", "tail_value_brackets": "tail_value", "tail_value": "tail_value"}

// Entries are the rows as tables for people show them: the ends of a band are one figure, as a value and its error, and a bracket is told with its value. Rows of
// plots stay as they are.
func Entries(rows []Row) []Entry {
	type key struct{ section, item, figure string }
	var out []Entry
	at := map[key]int{} // in out
	for _, r := range rows {
		if r.Series {
			out = append(out, Entry{Row: r})
			continue
		}
		outer, last := cutLast(r.Group, ".")
		if figure, ok := ofLevels[last]; ok && outer != "" {
			r.Group, r.Item, r.Figure = outer, strings.TrimSuffix(r.Item, " / "+last), figure+"."+r.Figure
		}
		name, part := parted(r.Figure)
		i, known := at[key{r.Section, r.Item, name}]
		v, number := r.Value.(float64)
		switch {
		case !number || part == "", part == "[1]" && (!known || out[i].Between == nil), part == ".error" && !known:
			out = append(out, Entry{Row: r})
			at[key{r.Section, r.Item, r.Figure}] = len(out) - 1
		case part == "[0]" && known:
			out[i].Between = &[2]float64{v, v}
		case part == "[0]" || part == ".value":
			e := Entry{Row: r}
			if e.Figure = name; part == "[0]" {
				e.Value, e.Between = nil, &[2]float64{v, v}
			}
			out = append(out, e)
			at[key{r.Section, r.Item, name}] = len(out) - 1
		case part == "[1]":
			out[i].Between[1] = v
		default:
			out[i].Error = &v
		}
	}
	return out
}

// parted is a figure without what makes it a part of another: an end of a band, or a value beside its error.
func parted(figure string) (name, part string) {
	for _, part := range []string{"[0]", "[1]", ".value", ".error"} {
		if name, ok := strings.CutSuffix(figure, part); ok && name != "" {
			return name, part
		}
	}
	return figure, ""
}

// cutLast parts a text at the last place of a mark: what is before it is empty where there is none.
func cutLast(s, mark string) (before, after string) {
	if i := strings.LastIndex(s, mark); i >= 0 {
		return s[:i], s[i+len(mark):]
	}
	return "", s
}

// title is what a table of a group is called.
func title(group, lang string) string {
	text := Label(lang, group)
	first, n := utf8.DecodeRuneInString(text)
	if n == 0 {
		return ""
	}
	return string(unicode.ToUpper(first)) + text[n:]
}

// plain is a table of single figures: a line each.
func plain(group string, entries []entry, lang string) table {
	t := table{Title: title(group, lang), Head: []column{{Text: Word(lang, "figure")}, {Text: Word(lang, "value")}, {Text: Word(lang, "unit")}, {Text: Word(lang, "formula")}}}
	for i, e := range entries {
		if i >= maxTableRows {
			t.More = len(entries) - i
			break
		}
		e.cell.Number = false // figures of different kinds are not held against each other
		t.Rows = append(t.Rows, []cell{{Text: Label(lang, e.Figure)}, e.cell, {Text: Unit(lang, e.Unit)}, {Formula: e.Formula}})
	}
	return t
}

// abreast is a table of figures that several groups have: a line each, and a column for each group that is there.
func abreast(family []string, groups map[string][]entry, lang string) table {
	t := table{Title: title(family[0], lang), Head: []column{{Text: Word(lang, "figure")}}}
	var there []string
	for i, g := range family {
		if len(groups[g]) > 0 {
			there = append(there, g)
			t.Head = append(t.Head, column{Text: Word(lang, states[i])})
		}
	}
	t.Head = append(t.Head, column{Text: Word(lang, "unit")}, column{Text: Word(lang, "formula")})
	line := map[string]int{}
	for j, g := range there {
		for _, e := range groups[g] {
			i, ok := line[e.Figure]
			if !ok {
				i = len(t.Rows)
				line[e.Figure] = i
				t.Rows = append(t.Rows, make([]cell, len(t.Head)))
				t.Rows[i][0] = cell{Text: Label(lang, e.Figure)}
				t.Rows[i][len(there)+1] = cell{Text: Unit(lang, e.Unit)}
				t.Rows[i][len(there)+2] = cell{Formula: e.Formula}
			}
			t.Rows[i][1+j] = e.cell
		}
	}
	return t
}

// pivot is a table with a line for each item and a column for each figure. Items that are told apart by their figures have no column of their own.
func pivot(group string, entries []entry, lang string) table {
	t := table{Title: title(group, lang)}
	labelled := slices.ContainsFunc(entries, func(e entry) bool { return e.Label != "" })
	if labelled {
		t.Head = append(t.Head, column{Text: Word(lang, "item")})
	}
	at, line, mixed := map[string]int{}, map[string]int{}, map[string]bool{}
	for _, e := range entries {
		if _, ok := at[e.Figure]; !ok && len(t.Head) < maxTableColumns {
			at[e.Figure] = len(t.Head)
			t.Head = append(t.Head, column{Text: Label(lang, e.Figure), Unit: Unit(lang, e.Unit), Formula: e.Formula})
		}
	}
	for _, e := range entries { // where items have a figure by different formulas, each is linked to its own
		if j, ok := at[e.Figure]; ok && e.Formula != t.Head[j].Formula {
			t.Head[j].Formula, mixed[e.Figure] = "", true
		}
	}
	dropped := map[string]bool{}
	for _, e := range entries {
		j, ok := at[e.Figure]
		if !ok {
			continue
		}
		i, ok := line[e.Item]
		if !ok {
			if len(t.Rows) >= maxTableRows {
				dropped[e.Item] = true
				continue
			}
			i = len(t.Rows)
			line[e.Item] = i
			t.Rows = append(t.Rows, make([]cell, len(t.Head)))
			if labelled {
				t.Rows[i][0].Text = e.Label
			}
		}
		t.Rows[i][j] = e.cell
		if mixed[e.Figure] {
			t.Rows[i][j].Formula = e.Formula
		}
	}
	t.More = len(dropped)
	return t
}

// shown is a value as people read it.
func shown(e Entry, lang string) cell {
	between := ""
	if e.Between != nil {
		between = chart.Number(e.Between[0]) + " … " + chart.Number(e.Between[1])
	}
	switch v := e.Value.(type) {
	case nil:
		return cell{Text: between, Number: true}
	case float64:
		if e.Error != nil {
			between = "± " + chart.Number(*e.Error)
		}
		return cell{Text: chart.Number(v), Beside: between, Number: true}
	case bool:
		if v {
			return cell{Text: Word(lang, "yes")}
		}
		return cell{Text: Word(lang, "no")}
	}
	return cell{Text: either(Value(lang, e.Figure, e.Text()), "–")}
}
