package report

import (
	"bytes"
	"fmt"
	"html/template"
	"io"

	"redoubt/assess"
	"redoubt/assess/model"
)

var page = template.Must(template.New("report").Parse(`<!doctype html><html lang="{{.Lang}}"><meta charset="utf-8"><title>{{.Title}}</title><h1>{{.Title}}</h1>
{{range .Sections}}<h2>{{.Title}}</h2><table>{{range .Rows}}<tr><td>{{.Item}}<td>{{.Figure}}<td>{{.Text}}<td>{{.Unit}}</tr>{{end}}</table>{{end}}</html>`))

// HTML writes the report as one page that needs nothing else.
func HTML(w io.Writer, r *assess.Report, _ *model.Model, lang string) error {
	rows, err := Rows(r)
	if err != nil {
		return err
	}
	type part struct {
		Title string
		Rows  []Row
	}
	var parts []part
	for _, s := range names(rows, func(r Row) string { return r.Section }) {
		p := part{Title: heading(s, lang)}
		for _, row := range rows {
			if row.Section == s {
				p.Rows = append(p.Rows, row)
			}
		}
		parts = append(parts, p)
	}
	var b bytes.Buffer
	if err := page.Execute(&b, map[string]any{"Lang": lang, "Title": either(r.Title, "Assessment of protection"), "Sections": parts}); err != nil {
		return fmt.Errorf("the page: %w", err)
	}
	return writeAll(w, "page", b.Bytes())
}
