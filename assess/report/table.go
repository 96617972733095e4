package report

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/xuri/excelize/v2"

	"redoubt/assess"
	"redoubt/assess/model"
)

// columns head the table and each sheet of the workbook.
var columns = []string{"section", "item", "figure", "value", "unit", "formula"}

// CSV writes one tidy table: a line for each figure, the units with the period of the model. Words that a spreadsheet would take for a formula have an apostrophe before them.
func CSV(w io.Writer, r *assess.Report, _ *model.Model, _ string) error {
	rows, err := Rows(r)
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return errNothing
	}
	var b bytes.Buffer
	out := csv.NewWriter(&b)
	if err := out.Write(columns); err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	for _, row := range rows {
		value := row.Text()
		if _, word := row.Value.(string); word {
			value = harmless(value)
		}
		if err := out.Write([]string{row.Section, harmless(row.Item), harmless(row.Figure), value, harmless(row.Unit), row.Formula}); err != nil {
			return fmt.Errorf("write the table: %w", err)
		}
	}
	out.Flush()
	return writeAll(w, "table", b.Bytes())
}

// harmless keeps a spreadsheet from taking a word for a formula.
func harmless(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

// Bounds of a workbook's sheet: those of the format, less the head.
const maxSheetRows = 1_048_575

// XLSX writes a workbook: a sheet for each section, one with the notes, one that says what was assessed, one with the plots and one with the numbers that they draw.
func XLSX(to io.Writer, r *assess.Report, m *model.Model, lang string) error {
	lang = language(lang)
	r = r.In(lang)
	rows, err := Rows(r)
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return errNothing
	}
	book := excelize.NewFile()
	defer func() { _ = book.Close() }()
	bold, err := book.NewStyle(&excelize.Style{Font: &excelize.Font{Bold: true}})
	if err != nil {
		return fmt.Errorf("make the workbook: %w", err)
	}
	sheets := workbook{file: book, head: bold}
	w := func(key string) string { return Word(lang, key) }
	about := [][]any{{w("title"), r.Title}, {w("system"), r.System}, {w("date"), r.Date}, {w("currency"), r.Currency}, {w("period"), r.Period}, {w("digest"), r.Digest}}
	if m != nil {
		about = append(about, []any{w("owner"), m.Owner}, []any{w("source"), m.Source})
	}
	if err := sheets.add("about", []string{w("item"), w("value")}, about); err != nil {
		return err
	}
	var names []string
	head := []string{w("section"), w("item"), w("figure"), w("value"), w("unit"), w("formula")}
	for len(rows) > 0 {
		names = append(names, rows[0].Section)
		end := slices.IndexFunc(rows, func(x Row) bool { return x.Section != rows[0].Section })
		if end < 0 {
			end = len(rows)
		}
		table := make([][]any, min(end, maxSheetRows))
		for i := range table {
			x := rows[i]
			table[i] = []any{x.Section, x.Item, x.Figure, x.Value, Unit(lang, x.Unit), x.Formula}
		}
		if err := sheets.add(rows[0].Section, head, table); err != nil {
			return err
		}
		rows = rows[end:]
	}
	notes := make([][]any, len(r.Notes))
	for i, n := range told(r.Notes, lang) {
		notes[i] = []any{n.Section, n.Path, n.Text}
	}
	if err := sheets.add("notes", []string{w("section"), w("place"), w("note")}, notes); err != nil {
		return err
	}
	if err := sheets.plots(drawing{r: r, m: m, lang: lang, titles: titles(m)}, names); err != nil {
		return fmt.Errorf("make the workbook: %w", err)
	}
	if err := book.DeleteSheet("Sheet1"); err != nil {
		return fmt.Errorf("make the workbook: %w", err)
	}
	b, err := book.WriteToBuffer()
	if err != nil {
		return fmt.Errorf("make the workbook: %w", err)
	}
	return writeAll(to, "workbook", b.Bytes())
}

// workbook adds sheets to a workbook.
type workbook struct {
	file *excelize.File
	head int
}

// add writes a sheet in a stream, so that a section of a million figures needs no more memory than its text.
func (b workbook) add(name string, head []string, rows [][]any) error {
	bad := func(err error) error { return fmt.Errorf("sheet %s: %w", name, err) }
	if _, err := b.file.NewSheet(name); err != nil {
		return bad(err)
	}
	s, err := b.file.NewStreamWriter(name)
	if err != nil {
		return bad(err)
	}
	if err := s.SetColWidth(1, 1, 14); err != nil {
		return bad(err)
	}
	if err := s.SetColWidth(2, len(head), 28); err != nil {
		return bad(err)
	}
	top := make([]any, len(head))
	for i, h := range head {
		top[i] = excelize.Cell{StyleID: b.head, Value: h}
	}
	if err := s.SetRow("A1", top); err != nil {
		return bad(err)
	}
	for i, row := range rows {
		at, err := excelize.CoordinatesToCellName(1, i+2)
		if err != nil {
			return bad(err)
		}
		if err := s.SetRow(at, row); err != nil {
			return bad(err)
		}
	}
	if err := s.Flush(); err != nil {
		return bad(err)
	}
	return nil
}
