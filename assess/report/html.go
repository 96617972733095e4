package report

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"redoubt/assess"
	"redoubt/assess/formula"
	"redoubt/assess/model"
	"redoubt/assess/report/chart"
)

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

// Bounds of the page. The table and the workbook have everything.
const (
	maxTableRows    = 200 // as maxTableColumns, of one table
	maxTableColumns = 30
	maxInputs       = 400
)

// page is what the template shows.
type page struct {
	Lang, Title, System, Date, Owner, Source, Digest, Currency, Period string

	Style    template.CSS
	Cards    []Card
	Sections []pageSection
	Notes    []assess.Note
	Formulas []formula.Formula
	Inputs   []input
	MoreIn   int
	At       map[string]string // where the inputs of a path begin
}

// Card is a part of the summary.
type Card struct {
	Title, Value, Text string
	Lines              []string
	Link               string // a section
	Bad                bool
}

type pageSection struct {
	ID, Title string
	Plots     []template.HTML
	Tables    []table
	Notes     []assess.Note
	Formulas  []string
	Inputs    []string
	Sources   []string
}

// HTML writes the report as one page that needs nothing else: no script, no font, no picture from elsewhere.
func HTML(w io.Writer, r *assess.Report, m *model.Model, lang string) error {
	lang = language(lang)
	r = r.In(lang)
	all, err := sections(r)
	if err != nil {
		return err
	}
	rows := rowsOf(all, r)
	p := page{
		Lang: lang, Title: either(r.Title, Word(lang, "title")), System: r.System, Date: r.Date, Digest: r.Digest, Currency: r.Currency, Period: Unit(lang, r.Period),
		Style: template.CSS(pageCSS + chart.Style), //nolint:gosec // both are texts of this program
	}
	if m != nil {
		p.Owner, p.Source = m.Owner, m.Source
	}
	notes := told(r.Notes, lang)
	d := drawing{r: r, m: m, lang: lang, titles: titles(m)}
	var ids []string
	var paths []string
	for _, s := range all {
		ps := pageSection{ID: s.name, Title: Heading(s.name, lang), Plots: d.pictures(s.name), Tables: tables(rows, s.name, lang)}
		ps.Formulas, ps.Inputs, ps.Sources = s.traced("formulas"), s.traced("inputs"), s.traced("sources")
		for _, n := range notes {
			if n.Section == s.name {
				ps.Notes = append(ps.Notes, n)
			}
		}
		ids = append(ids, ps.Formulas...)
		for _, row := range rows {
			if row.Section == s.name && row.Formula != "" {
				ids = append(ids, row.Formula)
			}
		}
		paths = append(paths, ps.Inputs...)
		p.Sections = append(p.Sections, ps)
	}
	for _, n := range notes {
		if !slices.ContainsFunc(all, func(s section) bool { return s.name == n.Section }) {
			p.Notes = append(p.Notes, n)
		}
	}
	p.Cards = d.summary()
	p.Formulas = explained(ids, lang)
	p.Inputs, p.At, p.MoreIn = inputs(m, paths)
	t, err := forms[lang]()
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, p); err != nil {
		return fmt.Errorf("the page: %w", err)
	}
	return writeAll(w, "page", b.Bytes())
}

// forms are the page's form in each language.
var forms = map[string]func() (*template.Template, error){"en": form("en"), "ru": form("ru")}

func form(lang string) func() (*template.Template, error) {
	return sync.OnceValues(func() (*template.Template, error) {
		t, err := template.New("page").Funcs(template.FuncMap{
			"w":      func(key string, args ...any) string { return Word(lang, key, args...) },
			"phrase": func(key string) string { return formula.Phrase(formula.Lang(lang), key) },
			"anchor": anchor,
			"known":  formula.Exists,
		}).Parse(pageHTML)
		if err != nil {
			return nil, fmt.Errorf("the page's form: %w", err)
		}
		return t, nil
	})
}

var noAnchor = regexp.MustCompile(`[^A-Za-z0-9.]+`)

// anchor makes a name of an element of a path or of a formula's id.
func anchor(s string) string { return strings.Trim(noAnchor.ReplaceAllString(s, "-"), "-") }

// explained are the formulas that the report uses, each once, in the order of the catalogue.
func explained(ids []string, lang string) []formula.Formula {
	var out []formula.Formula
	for _, f := range formula.All(formula.Lang(lang)) {
		if slices.Contains(ids, f.ID) {
			out = append(out, f)
		}
	}
	return out
}

// input is an entry of the model that figures rest on.
type input struct {
	Path, Text, Source string
}

// inputs are the entries of the model at the paths, those of a list each by itself; the entry at which those of each path begin; and how many there are beyond the bound.
func inputs(m *model.Model, paths []string) (out []input, at map[string]string, more int) {
	at = map[string]string{}
	if m == nil {
		return nil, at, 0
	}
	root, err := tree(m)
	if err != nil {
		return nil, at, 0
	}
	seen := map[string]bool{}
	asked := ""
	add := func(path string, v any) {
		if _, ok := at[asked]; !ok && (seen[path] || len(out) < maxInputs) {
			at[asked] = anchor(path)
		}
		if seen[path] {
			return
		}
		seen[path] = true
		if len(out) >= maxInputs {
			more++
			return
		}
		in := input{Path: path}
		if o, ok := v.(object); ok {
			in.Source, _ = o.get("source").(string)
			v = slices.DeleteFunc(slices.Clone(o), func(m member) bool { return m.name == "source" })
		}
		in.Text = brief(v, 240)
		out = append(out, in)
	}
	for _, path := range paths {
		asked = path
		v, ok := resolve(root, path)
		if !ok {
			continue
		}
		o, isObject := v.(object)
		if !isObject {
			add(path, v)
			continue
		}
		var rest object
		for _, x := range o {
			list, ok := x.value.([]any)
			if !ok || len(list) == 0 || !isObjects(list) {
				rest = append(rest, x)
				continue
			}
			for i, e := range list {
				add(path+"."+x.name+"["+strconv.Itoa(i)+"]", e)
			}
		}
		if len(rest) > 0 {
			add(path, rest)
		}
	}
	return out, at, more
}

func isObjects(list []any) bool {
	return !slices.ContainsFunc(list, func(v any) bool { _, ok := v.(object); return !ok })
}

// resolve finds the value at a path such as frequency.threats[2].
func resolve(v any, path string) (any, bool) {
	for _, step := range strings.FieldsFunc(path, func(r rune) bool { return r == '.' || r == '[' || r == ']' }) {
		switch x := v.(type) {
		case object:
			v = x.get(step)
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(x) {
				return nil, false
			}
			v = x[i]
		default:
			return nil, false
		}
	}
	return v, v != nil
}

// brief writes a value in a line of at most so many letters.
func brief(v any, most int) string {
	var b strings.Builder
	var write func(v any)
	write = func(v any) {
		if b.Len() > 4*most {
			return
		}
		switch x := v.(type) {
		case object:
			for i, m := range x {
				if i > 0 {
					b.WriteString("; ")
				}
				b.WriteString(m.name + ": ")
				write(m.value)
			}
		case []any:
			b.WriteString("[")
			for i, e := range x {
				if i > 0 {
					b.WriteString(", ")
				}
				write(e)
			}
			b.WriteString("]")
		case float64:
			b.WriteString(strconv.FormatFloat(x, 'g', -1, 64))
		default:
			fmt.Fprint(&b, x)
		}
	}
	write(v)
	text := []rune(b.String())
	if len(text) > most {
		return string(text[:most-1]) + "…"
	}
	return string(text)
}
