package incident

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"redoubt/assess/model"
)

// table takes a table whose first line names the columns.
func (x *importer) table(text []byte) error {
	d := csv.NewReader(bytes.NewReader(text))
	d.Comma, d.LazyQuotes, d.TrimLeadingSpace, d.ReuseRecord = x.comma(text), true, true, true
	head, err := d.Read()
	if errors.Is(err, io.EOF) {
		return errors.New("there is nothing in the file; its first line names the columns")
	}
	if err != nil {
		return fmt.Errorf("the first line, which names the columns, can not be read: %w", err)
	}
	head = slices.Clone(head)
	at, err := x.columns(head)
	if err != nil {
		return err
	}
	d.FieldsPerRecord = len(head)
	for {
		cells, err := d.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		line, _ := d.FieldPos(0)
		where := fmt.Sprintf("line %d", line)
		if err != nil {
			if !errors.Is(err, csv.ErrFieldCount) {
				return fmt.Errorf("the table can not be read: %w", err)
			}
			x.problem(where, "it has %d cells, and there are %d columns", len(cells), len(head))
			continue
		}
		x.row(where, head, at, cells)
	}
}

// comma is what stands between the columns: of the usual ones the most frequent in the first line.
func (x *importer) comma(text []byte) rune {
	if x.m.Comma != "" {
		return rune(x.m.Comma[0])
	}
	first, _, _ := bytes.Cut(text, []byte{'\n'})
	best := ','
	for _, c := range ";\t|" {
		if bytes.Count(first, []byte(string(c))) > bytes.Count(first, []byte(string(best))) {
			best = c
		}
	}
	return best
}

// columns finds which column is what.
func (x *importer) columns(head []string) (map[string]int, error) {
	names := make([]string, len(head))
	for i, h := range head {
		names[i] = strings.ToLower(strings.TrimSpace(h))
	}
	at := map[string]int{}
	for _, what := range slices.Sorted(maps.Keys(x.m.Columns)) {
		if i := slices.Index(names, strings.ToLower(x.m.Columns[what])); i >= 0 {
			at[what] = i
		} else if x.m.Columns[what] != what {
			return nil, fmt.Errorf("no column is called %q, which is to be the %s; there are %s", x.m.Columns[what], what, shorten(strings.Join(head, ", ")))
		}
	}
	if _, ok := at["time"]; !ok {
		hint := "; --column time=NAME, or columns in the rules, says which is"
		for _, like := range []string{"year", "date", "when"} {
			if n := model.Nearest(like, head); n != "" {
				hint = fmt.Sprintf("; is it time=%s?", n)
				break
			}
		}
		return nil, fmt.Errorf("no column is the time; there are %s%s", shorten(strings.Join(head, ", ")), hint)
	}
	return at, nil
}

// row takes a line of the table.
func (x *importer) row(where string, head []string, at map[string]int, cells []string) {
	cell := func(what string) string {
		if i, ok := at[what]; ok {
			return strings.TrimSpace(cells[i])
		}
		return ""
	}
	r := &record{fields: map[string][]string{}, Incident: Incident{
		Time: date(cell("time")), Threat: cell("threat"), Object: cell("object"), Currency: cell("currency"), Note: cell("note"),
	}}
	if id := cell("id"); id != "" {
		r.ID = "csv:" + id
	}
	for i, h := range head {
		r.add(strings.ToLower(strings.TrimSpace(h)), strings.TrimSpace(cells[i]))
	}
	if s := cell("count"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			x.problem(where, "the count %q is no whole number", shorten(s))
			return
		}
		if n == 0 {
			return // nothing happened
		}
		r.Count = n
		if n == 1 {
			r.Count = 0
		}
	}
	if s := cell("damage"); s != "" {
		v, err := amount(s, x.m.Decimal)
		if err != nil {
			x.problem(where, "%v", err)
			return
		}
		r.Damage = &v
	}
	if r.Note == "" {
		r.Note = strings.Join(cells, ", ")
		if x.m.fitsAny(x.format, r) || r.Threat != "" {
			r.Note = ""
		}
	}
	x.take(where, r)
}

// dotted is a date as most of Europe writes it, with the time of day or without. Dates with strokes are not read: what stands first in them is the day in some countries and the month in others.
var dotted = regexp.MustCompile(`^(\d{1,2})\.(\d{1,2})\.(\d{4})(?:[ ,T]+(\d{1,2}:\d{2}(?::\d{2})?))?$`)

// date is a time of a table in the form in which incidents have it; what is no date with dots stays as it is.
func date(s string) string {
	m := dotted.FindStringSubmatch(s)
	if m == nil {
		return s
	}
	two := func(digits string) string { return strings.Repeat("0", 2-len(digits)) + digits }
	out := m[3] + "-" + two(m[2]) + "-" + two(m[1])
	if hour, rest, ok := strings.Cut(m[4], ":"); ok {
		out += "T" + two(hour) + ":" + rest
	}
	return out
}

// fitsAny reports whether a rule says something of a record.
func (m *Mapping) fitsAny(format string, r *record) bool {
	for i, rule := range m.Rules.Rules {
		if (rule.Format == "" || rule.Format == format) && fits(m.matchers[i], r.fields) {
			return true
		}
	}
	return false
}

// amount reads an amount of money as people write it: with blanks or marks between thousands, with a sign of the currency before or after it.
func amount(s, decimal string) (float64, error) {
	plain := strings.Trim(s, "$€£₽ \u00a0")
	plain = strings.NewReplacer(" ", "", "\u00a0", "", "\u202f", "", "'", "").Replace(plain)
	if decimal == "," {
		plain = strings.ReplaceAll(strings.ReplaceAll(plain, ".", ""), ",", ".")
	} else if commas := strings.Count(plain, ","); commas > 0 {
		last := plain[strings.LastIndex(plain, ",")+1:]
		if before, _, ok := strings.Cut(last, "."); decimal == "" && commas == 1 && (!ok && len(last) != 3 || ok && len(before) != 3) {
			return 0, fmt.Errorf("in the amount %q the comma may be that of a fraction or that of thousands; --decimal, or decimal in the rules, says which sign stands before the fraction", shorten(s))
		}
		plain = strings.ReplaceAll(plain, ",", "")
	}
	v, err := strconv.ParseFloat(plain, 64)
	if err != nil {
		return 0, fmt.Errorf("the damage %q is no amount", shorten(s))
	}
	return v, nil
}
