// Package report writes what the assessor found: a self-contained HTML page, OSCAL assessment results, a table (CSV), and a workbook (XLSX). It computes nothing
// about the system, and writes only where it is told to.
//
// All forms rest on the same rows: each figure of the report with the item that it belongs to, its unit and the formula that it comes from.
package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"redoubt/assess"
)

// Row is one figure of the report.
type Row struct {
	Section string // as losses
	Item    string // what it is about, as a threat's name, or "total"; "" for the section as a whole
	Figure  string // as mean, quantiles.0.95, pmf[3]
	Value   any    // float64, string or bool
	Unit    string // "" for a pure number, a share or a word
	Formula string // as package formula numbers it; "" where there is none
	Series  bool   // one of a row of numbers that belong on a plot more than into a table
	Group   string // where the item stands, without the names of lists' elements: rows of one group make a table, as threats[].frequency
}

// Text is the value as it stands in the report's JSON.
func (r Row) Text() string {
	switch v := r.Value.(type) {
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case bool:
		return strconv.FormatBool(v)
	case string:
		return v
	}
	return ""
}

// section is a part of the report as its JSON has it, the members in their order.
type section struct {
	name  string
	value any
}

// traced is a list of the section's trace.
func (s section) traced(name string) []string {
	trace, _ := s.value.(object).get("trace").(object)
	list, _ := trace.get(name).([]any)
	words, _ := stringsOf(list)
	return words
}

// sections are those that the report has, in its order.
func sections(r *assess.Report) ([]section, error) {
	bare := *r
	if c := r.Coverage; c != nil { // its graph says again, for plots, what the lists say; with a million edges it would be most of the report
		coverage := *c
		coverage.Graph = nil
		bare.Coverage = &coverage
	}
	root, err := tree(bare)
	if err != nil {
		return nil, err
	}
	var out []section
	for _, m := range root.(object) {
		if _, ok := m.value.(object); ok {
			out = append(out, section(m))
		}
	}
	return out, nil
}

// tree is the JSON form of a value with the members in their order.
func tree(v any) (any, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("it has no JSON form: %w", err)
	}
	return decode(json.NewDecoder(bytes.NewReader(text)))
}

// object is a JSON object whose members keep their order.
type object []member

type member struct {
	name  string
	value any
}

// get finds a member.
func (o object) get(name string) any {
	for _, m := range o {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

// decode reads one JSON value: object, []any, float64, string, bool or nil.
func decode(d *json.Decoder) (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, fmt.Errorf("the report's JSON: %w", err)
	}
	open, ok := t.(json.Delim)
	if !ok {
		return t, nil
	}
	if open == '[' {
		list := []any{}
		for d.More() {
			v, err := decode(d)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err = d.Token()
		return list, err
	}
	o := object{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("the report's JSON: %w", err)
		}
		v, err := decode(d)
		if err != nil {
			return nil, err
		}
		o = append(o, member{key.(string), v})
	}
	_, err = d.Token()
	return o, err
}

// Rows are all figures of the report, in its order.
func Rows(r *assess.Report) ([]Row, error) {
	all, err := sections(r)
	if err != nil {
		return nil, err
	}
	return rowsOf(all, r.Currency), nil
}

func rowsOf(all []section, currency string) []Row {
	var out []Row
	for _, s := range all {
		w := walker{section: s.name, currency: currency}
		w.object(s.value.(object), nil, nil, "")
		out = append(out, w.rows...)
	}
	return out
}

// walker goes through a section.
type walker struct {
	section, currency string
	logarithm         bool   // the object is a law of the logarithm of an amount: its parameters are no amounts
	law               string // of damages, that the object is about
	decided           string // the model of access by which the object decides
	rows              []Row
}

// ofLogarithm are the figures of such a law that are parameters of the logarithm.
var ofLogarithm = []string{"m", "scale", "raiffa_schlaifer.m"}

// leads are the members by which a list's element is called, the first that is there.
var leads = []string{"name", "threat", "mean", "means", "object", "subject", "path", "level", "label"}

// object adds the figures of an object. item is what they are about, figure what is before their name.
func (w *walker) object(o object, item, group []string, figure string) {
	if law, ok := o.get("law").(string); ok {
		w.logarithm, w.law = law == "lognormal", law
		defer func() { w.logarithm, w.law = false, "" }()
	}
	if w.section == "losses" && figure == "" && slices.Equal(group, []string{"threats[]"}) { // the law itself is not there: only the normal one has this figure
		if w.law = "other"; o.get("variance_iid") != nil {
			w.law = "normal"
		}
		defer func() { w.law = "" }()
	}
	if figure == "" && slices.Equal(group, []string{"decisions[]"}) {
		w.decided, _ = o.get("model").(string)
		defer func() { w.decided = "" }()
	}
	for _, m := range o {
		if m.name == "trace" && figure == "" && len(item) == 0 {
			continue
		}
		w.value(m.value, item, group, figure, m.name)
	}
}

func (w *walker) value(v any, item, group []string, figure, name string) {
	switch v := v.(type) {
	case object:
		if scalars(v) && !holdsWords(v) && len(item) > 0 {
			w.object(v, item, group, join(figure, name))
			return
		}
		inner := join(figure, name)
		w.object(v, append(slices.Clone(item), inner), append(slices.Clone(group), inner), "")
	case []any:
		w.list(v, item, group, figure, name)
	case nil:
	default:
		w.add(v, item, group, join(figure, name), false)
	}
}

func (w *walker) list(list []any, item, group []string, figure, name string) {
	if words, ok := stringsOf(list); ok {
		w.add(strings.Join(words, ", "), item, group, join(figure, name), false)
		return
	}
	if len(list) == 2 && numbers(list) { // a band
		w.add(list[0], item, group, join(figure, name)+"[0]", false)
		w.add(list[1], item, group, join(figure, name)+"[1]", false)
		return
	}
	for i, v := range list {
		at := join(figure, name) + "[" + strconv.Itoa(i) + "]"
		switch v := v.(type) {
		case object:
			w.object(without(v, called(v, at)), append(slices.Clone(item), place(name, called(v, at))), append(slices.Clone(group), join(figure, name)+"[]"), "")
		case []any:
			w.points(v, item, group, at)
		case nil:
		default:
			w.add(v, item, group, at, true)
		}
	}
}

// points are a list within a list: the places of a curve, the lines of a matrix.
func (w *walker) points(list []any, item, group []string, at string) {
	for i, v := range list {
		at := at + "[" + strconv.Itoa(i) + "]"
		switch v := v.(type) {
		case object:
			w.object(v, append(slices.Clone(item), at), append(slices.Clone(group), at), "")
		case []any:
			w.points(v, item, group, at)
		case nil:
		default:
			w.add(v, item, group, at, true)
		}
	}
}

func (w *walker) add(v any, item, group []string, figure string, series bool) {
	r := Row{Section: w.section, Item: strings.Join(item, " / "), Figure: figure, Value: v, Series: series, Group: strings.Join(group, ".")}
	if _, number := v.(float64); number {
		u, f := lookUp(w.section, r.Item, figure)
		if w.logarithm && (slices.Contains(ofLogarithm, figure) || strings.HasSuffix(r.Item, "raiffa_schlaifer")) {
			u = ""
		}
		r.Unit, r.Formula = strings.Replace(u, "money", w.currency, 1), byLaw(w.section, w.law, f)
	} else if w.section == "codes" && len(item) > 0 { // the codes themselves
		_, r.Formula = lookUp(w.section, r.Item, figure)
	} else if rule, ok := v.(string); ok && w.decided != "" && figure == "rule" {
		r.Formula = ruleFormula(w.decided, rule)
	}
	w.rows = append(w.rows, r)
}

func join(a, b string) string { return strings.TrimPrefix(a+"."+b, ".") }

// place is how an element of a list is called: threats by their name alone.
func place(list, name string) string {
	if list == "threats" || list == "measures" {
		return name
	}
	return list + " / " + name
}

// called is the name of a list's element.
func called(o object, otherwise string) string {
	for _, l := range leads {
		if s, ok := o.get(l).(string); ok && s != "" {
			return s
		}
	}
	return otherwise[strings.LastIndex(otherwise, "[")+1 : len(otherwise)-1]
}

// without leaves out the member that gave the element its name.
func without(o object, name string) object {
	for i, m := range o {
		if s, ok := m.value.(string); ok && s == name && slices.Contains(leads, m.name) {
			return append(slices.Clone(o[:i]), o[i+1:]...)
		}
	}
	return o
}

// scalars reports whether all members are single values.
func scalars(o object) bool {
	return !slices.ContainsFunc(o, func(m member) bool {
		switch m.value.(type) {
		case object, []any:
			return true
		}
		return false
	})
}

// holdsWords reports whether a member is a word, as in a table of codes by name.
func holdsWords(o object) bool {
	return slices.ContainsFunc(o, func(m member) bool { _, word := m.value.(string); return word })
}

func numbers(list []any) bool {
	return !slices.ContainsFunc(list, func(v any) bool { _, is := v.(float64); return !is })
}

func stringsOf(list []any) ([]string, bool) {
	out := make([]string, len(list))
	for i, v := range list {
		s, ok := v.(string)
		if !ok {
			return nil, false
		}
		out[i] = s
	}
	return out, true
}

// errNothing is what the forms say of a report without sections.
var errNothing = errors.New("the report has no section: the model has nothing to compute from")

// writeAll writes and says what failed.
func writeAll(w io.Writer, what string, b []byte) error {
	if _, err := w.Write(b); err != nil {
		return fmt.Errorf("write the %s: %w", what, err)
	}
	return nil
}
