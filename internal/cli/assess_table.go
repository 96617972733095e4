package cli

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"redoubt/assess"
	"redoubt/assess/formula"
	"redoubt/assess/model"
	"redoubt/assess/report"
	"redoubt/internal/fault"
)

// assessTables prints figures in a language: in English by the names that the JSON has, otherwise by words.
type assessTables struct {
	look
	lang string
}

// say is what a head of a table says.
func (l assessTables) say(key, english string) string {
	if l.translated() {
		return report.Word(l.lang, key)
	}
	return english
}

func (l assessTables) translated() bool { return l.lang != "" && l.lang != string(formula.English) }

// unit is a unit, as the model's period and its currency are.
func (l assessTables) unit(p string) string {
	if l.translated() {
		return report.Unit(l.lang, p)
	}
	return p
}

// spoken are figures by words.
func (l assessTables) spoken(rows []report.Row) []report.Row {
	if !l.translated() {
		return rows
	}
	out := make([]report.Row, 0, len(rows))
	for _, r := range rows {
		parts := strings.Split(r.Item, " / ")
		for k, p := range parts { // what the report's structure names, and not the model
			if slices.ContainsFunc(strings.Split(r.Group, "."), func(g string) bool { return strings.TrimSuffix(g, "[]") == p }) {
				parts[k] = report.Label(l.lang, p)
			}
		}
		r.Value = l.word(r.Figure, r.Value)
		r.Item, r.Figure, r.Unit = strings.Join(parts, " / "), report.Label(l.lang, r.Figure), report.Unit(l.lang, r.Unit)
		out = append(out, r)
	}
	return out
}

// word is a value of a figure, where it is a word of the program or an interval.
func (l assessTables) word(figure string, value any) any {
	if !l.translated() {
		return value
	}
	switch v := value.(type) {
	case bool:
		return report.Word(l.lang, map[bool]string{true: "yes", false: "no"}[v])
	case string:
		if v != "" && strings.ContainsRune("-0123456789", rune(v[0])) && strings.Contains(v, " to ") {
			return strings.Replace(v, " to ", " – ", 1)
		}
		return report.Value(l.lang, figure, v)
	}
	return value
}

// assessReport prints what is read in a minute, and then all sections.
func (l assessTables) assessReport(w io.Writer, r *assess.Report, m *model.Model, verbose bool) error {
	rows, err := assessFigures(r.In(l.lang))
	if err != nil {
		return err
	}
	rows = l.spoken(rows)
	var b strings.Builder
	for _, x := range [][2]string{
		{"", r.Title}, {l.say("system", "System") + ": ", r.System}, {l.say("date", "Date") + ": ", r.Date},
		{l.say("amounts", "Amounts") + ": ", l.unit(r.Currency) + l.say("amounts_per", " per ") + l.unit(r.Period)}, {l.say("model", "Model") + ": ", "SHA-256 " + r.Digest},
	} {
		if x[1] != "" {
			text := x[0] + oneLine(x[1])
			if x[0] == "" {
				text = l.paint(heading, text)
			}
			b.WriteString(text + "\n")
		}
	}
	b.WriteString(l.inShort(report.Summary(r, m, l.lang)))
	found := false
	for _, s := range assessSections {
		if text := l.assessRows(rows, s.section, verbose); text != "" {
			found = true
			b.WriteString("\n" + text)
		}
	}
	if !found {
		b.WriteString("\n" + l.say("nothing", "The model has nothing that could be computed.") + "\n")
	}
	if len(r.Notes) > 0 {
		b.WriteString("\n" + l.paint(heading, l.say("notes", "Notes")) + "\n")
		for _, n := range r.Notes {
			b.WriteString(l.wrapped("  ", n.Section+": "+l.note(n)))
		}
	}
	_, err = io.WriteString(w, b.String())
	return err
}

// inShort is the summary.
func (l assessTables) inShort(cards []report.Card) string {
	if len(cards) == 0 {
		return ""
	}
	text := "\n" + l.paint(heading, strings.ToUpper(report.Word(l.lang, "summary"))) + "\n"
	for _, c := range cards {
		line := oneLine(c.Title)
		if said := strings.TrimSpace(c.Value + " " + c.Text); said != "" {
			line += ": " + oneLine(said)
		}
		if c.Bad {
			line = l.paint(bad, line)
		}
		text += l.wrapped("  ", line)
		for _, x := range c.Lines {
			text += l.wrapped("    - ", oneLine(x))
		}
	}
	return text
}

// assessFigures are the figures of a report, for people: units name the model's period, and what says of one value how sure it is, is one figure with it.
func assessFigures(r *assess.Report) ([]report.Row, error) {
	rows, err := report.Rows(r)
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "print the report: %w", err)
	}
	var out []report.Row
	for _, e := range report.Entries(rows) {
		row := e.Row
		row.Item, row.Figure, row.Unit = oneLine(row.Item), oneLine(row.Figure), oneLine(row.Unit)
		switch v, _ := row.Value.(float64); {
		case row.Value == nil:
			row.Value = between(e.Between)
		case e.Between != nil:
			row.Value = spellNumber(v) + " (" + between(e.Between) + ")"
		case e.Error != nil:
			row.Value = spellNumber(v) + " ± " + spellNumber(rounded(*e.Error))
		}
		if threat, what, ok := strings.Cut(row.Item, " / "); ok && row.Section == string(assess.SectionDynamics) {
			row.Item = what + " / " + threat // so that threats stand beside each other
		}
		out = append(out, row)
	}
	place := func(r report.Row) int {
		switch what, _, _ := strings.Cut(r.Item, " / "); {
		case r.Section != string(assess.SectionDynamics):
			return 3
		case what == "frequency":
			return 1
		case what == "damage":
			return 2
		}
		return 0
	}
	if first := slices.IndexFunc(out, func(r report.Row) bool { return place(r) < 3 }); first >= 0 {
		end := first
		for end < len(out) && place(out[end]) < 3 {
			end++
		}
		slices.SortStableFunc(out[first:end], func(a, b report.Row) int { return place(a) - place(b) })
	}
	return out, nil
}

// rounded is a number with two digits that count, as an error has.
func rounded(v float64) float64 {
	out, err := strconv.ParseFloat(strconv.FormatFloat(v, 'e', 1, 64), 64)
	if err != nil {
		return v
	}
	return out
}

// between is an interval.
func between(ends *[2]float64) string { return spellNumber(ends[0]) + " to " + spellNumber(ends[1]) }

// note is a note in the language of the tables.
func (l assessTables) note(n assess.Note) string {
	n.Text = n.In(l.lang)
	return noteText(n)
}

// noteText is a note without its section.
func noteText(n assess.Note) string {
	if n.Path != "" {
		return printable(n.Path + ": " + n.Text)
	}
	return printable(n.Text)
}

// assessSection prints one section and the notes on it.
func (l assessTables) assessSection(w io.Writer, r *assess.Report, s assess.Section, verbose bool) error {
	rows, err := assessFigures(r.In(l.lang))
	if err != nil {
		return err
	}
	rows = l.spoken(rows)
	text := l.assessRows(rows, s, verbose)
	for _, n := range r.Notes {
		if n.Section == string(s) {
			text += l.wrapped("", l.say("note", "note")+": "+l.note(n))
		}
	}
	_, err = io.WriteString(w, text)
	return err
}

// assessItem is what figures are about, with its figures.
type assessItem struct {
	name string
	rows []report.Row
}

func (i assessItem) find(figure string) (report.Row, bool) {
	n := slices.IndexFunc(i.rows, func(r report.Row) bool { return r.Figure == figure })
	if n < 0 {
		return report.Row{}, false
	}
	return i.rows[n], true
}

// list is what an item is one of, as "measures / front"; own is its name within that.
func (i assessItem) list() (list, own string) {
	if cut := strings.LastIndex(i.name, " / "); cut >= 0 {
		return i.name[:cut], i.name[cut+3:]
	}
	return "", i.name
}

// most is how many columns a table has beside its first.
const most = 7

// assessRows prints the figures of a section: items of a list that have much the same figures as one table, the others one below the other.
func (l assessTables) assessRows(rows []report.Row, s assess.Section, verbose bool) string {
	var items []assessItem
	series := 0
	for _, r := range rows {
		switch {
		case r.Section != string(s):
			continue
		case r.Series && !verbose:
			series++
			continue
		}
		if n := len(items); n > 0 && items[n-1].name == r.Item {
			if _, again := items[n-1].find(r.Figure); !again {
				items[n-1].rows = append(items[n-1].rows, r)
				continue
			}
		}
		items = append(items, assessItem{r.Item, []report.Row{r}})
	}
	if len(items) == 0 {
		return ""
	}
	var blocks []string
	var alone []assessItem
	for len(items) > 0 {
		n := 1
		for n < len(items) && kin(items[0], items[n]) {
			n++
		}
		figures := all(items[:n])
		if n == 1 || sentences(items[:n], len(figures)) {
			alone = append(alone, items[:n]...)
		} else {
			blocks = append(blocks, l.single(alone), l.together(items[:n], figures))
			alone = nil
		}
		items = items[n:]
	}
	blocks = append(blocks, l.single(alone))
	if series > 0 {
		blocks = append(blocks, l.wrapped("  ", l.leftOut(series)))
	}
	blocks = slices.DeleteFunc(blocks, func(s string) bool { return s == "" })
	return l.paint(heading, strings.ToUpper(l.section(s))) + "\n" + strings.Join(blocks, "\n")
}

func (l assessTables) leftOut(series int) string {
	if l.translated() {
		return report.Word(l.lang, "left_out", series)
	}
	return fmt.Sprintf("(of plots %s left out; -v shows them)", count(series, "number"))
}

func (l assessTables) section(s assess.Section) string {
	if l.translated() {
		return report.Heading(string(s), l.lang)
	}
	return string(s)
}

// sentences reports whether items say more than goes into the cells of a table.
func sentences(items []assessItem, figures int) bool {
	longest := 40
	if figures > most { // beside each other
		longest = 26
	}
	return slices.ContainsFunc(items, func(i assessItem) bool {
		return slices.ContainsFunc(i.rows, func(r report.Row) bool { return len([]rune(figure(r))) > longest })
	})
}

// all are the figures of several items, each once.
func all(items []assessItem) []string {
	var out []string
	for _, i := range items {
		for _, r := range i.rows {
			if !slices.Contains(out, r.Figure) {
				out = append(out, r.Figure)
			}
		}
	}
	return out
}

// kin reports whether two items are of the same list, with much the same figures.
func kin(a, b assessItem) bool {
	x, _ := a.list()
	y, _ := b.list()
	common := 0
	for _, r := range a.rows {
		if _, ok := b.find(r.Figure); ok {
			common++
		}
	}
	return x == y && 2*common > max(len(a.rows), len(b.rows))
}

// together sets items in one table: one below the other, or beside each other where they have many figures.
func (l assessTables) together(items []assessItem, figures []string) string {
	list, _ := items[0].list()
	cellOf := func(i assessItem, name string) string {
		if r, ok := i.find(name); ok {
			return figure(r)
		}
		return "-"
	}
	var rows [][]string
	told := !slices.ContainsFunc(items, func(i assessItem) bool { return i.rows[0].Label != "" }) // by the figures, of which the first takes the place of the name
	if len(figures) <= most || told && len(figures) <= most+1 {
		head := either(list, l.say("item", "item"))
		if told {
			head += ": " + headed(figures[0], items)
		}
		header := []string{head}
		for n, f := range figures {
			if n > 0 || !told {
				header = append(header, headed(f, items))
			}
		}
		for _, i := range items {
			_, own := i.list()
			row := []string{own}
			if told {
				row = nil
			}
			for _, f := range figures {
				row = append(row, cellOf(i, f))
			}
			rows = append(rows, row)
		}
		return l.grid("  ", header, rows)
	}
	var blocks []string
	for part := range slices.Chunk(items, most) {
		header, rows := []string{strings.TrimSpace(list + " " + l.say("figure", "figure"))}, [][]string(nil)
		for _, i := range part {
			_, own := i.list()
			header = append(header, own)
		}
		for _, f := range figures {
			row := []string{headed(f, items)}
			for _, i := range part {
				row = append(row, cellOf(i, f))
			}
			rows = append(rows, row)
		}
		blocks = append(blocks, l.grid("  ", header, rows))
	}
	return strings.Join(blocks, "\n")
}

func either(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// headed is a figure with its unit, where all items have it in the same.
func headed(name string, items []assessItem) string {
	unit, first := "", true
	for _, i := range items {
		r, ok := i.find(name)
		if ok && !first && r.Unit != unit {
			return name
		}
		if ok {
			unit, first = r.Unit, false
		}
	}
	if unit != "" {
		return name + ", " + unit
	}
	return name
}

// single sets figures below each other, each with what it is about.
func (l assessTables) single(items []assessItem) string {
	if len(items) == 0 {
		return ""
	}
	var rows [][]string
	for _, i := range items {
		for n, r := range i.rows {
			name := i.name
			if n > 0 {
				name = ""
			}
			value := figure(r)
			if r.Unit != "" {
				value += " " + r.Unit
			}
			rows = append(rows, []string{name, r.Figure, value})
		}
	}
	return l.grid("  ", []string{l.say("item", "item"), l.say("figure", "figure"), l.say("value", "value")}, rows)
}

// figure is a value for people: six digits of a number, or all before the point.
func figure(r report.Row) string {
	v, ok := r.Value.(float64)
	if !ok {
		return oneLine(r.Text())
	}
	return spellNumber(v)
}

func spellNumber(v float64) string {
	switch a := math.Abs(v); {
	case v == math.Trunc(v) && a < 1e15, a >= 1e5 && a < 1e15:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case a >= 1e-4 && a < 1e15:
		return strings.TrimRight(strings.TrimRight(strconv.FormatFloat(v, 'f', max(0, 5-int(math.Floor(math.Log10(a)))), 64), "0"), ".")
	}
	return strconv.FormatFloat(v, 'g', 6, 64)
}
