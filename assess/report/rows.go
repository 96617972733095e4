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
	Label   string // what tells the item from others of its group; "" where its figures do
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
	return rowsOf(all, r), nil
}

func rowsOf(all []section, r *assess.Report) []Row {
	var out []Row
	units := strings.NewReplacer("money", r.Currency, "period", either(r.Period, "period"))
	for _, s := range all {
		w := walker{section: s.name, units: units}
		w.object(s.value.(object), spot{})
		out = append(out, w.rows...)
	}
	return out
}

// walker goes through a section.
type walker struct {
	section   string
	units     *strings.Replacer
	logarithm bool   // the object is a law of the logarithm of an amount: its parameters are no amounts
	law       string // of damages, that the object is about
	decided   string // the model of access by which the object decides
	rows      []Row
}

// ofLogarithm are the figures of such a law that are parameters of the logarithm.
var ofLogarithm = []string{"m", "scale", "raiffa_schlaifer.m"}

// leads are the members by which a list's element is called, the first that is there.
var leads = []string{"name", "threat", "mean", "means", "object", "subject", "path", "level", "label"}

// identities are the members that name a list's element only together: all of the first of these that it has.
var identities = [][]string{{"threat", "object"}, {"threat", "input"}, {"component", "channel", "violator"}, {"component", "violator"}, {"user", "terminal"}}

// spot is where the walker stands.
type spot struct {
	item, group []string
	labels      []string // the names of lists' elements, but for those that their figures say again
	figure      string   // what is before the names of figures
}

// in is the spot of an object that has a name of its own.
func (s spot) in(name string) spot {
	name = join(s.figure, name)
	return spot{item: append(slices.Clone(s.item), name), group: append(slices.Clone(s.group), name), labels: s.labels}
}

// at is the spot of an element of a list.
func (s spot) at(list, name string, labelled bool) spot {
	out := spot{item: append(slices.Clone(s.item), place(list, name)), group: append(slices.Clone(s.group), join(s.figure, list)+"[]"), labels: s.labels}
	if labelled {
		out.labels = append(slices.Clone(s.labels), name)
	}
	return out
}

// object adds the figures of an object.
func (w *walker) object(o object, at spot) {
	if law, ok := o.get("law").(string); ok {
		w.logarithm, w.law = law == "lognormal", law
		defer func() { w.logarithm, w.law = false, "" }()
	}
	if w.section == "losses" && at.figure == "" && slices.Equal(at.group, []string{"threats[]"}) { // the law itself is not there: only the normal one has this figure
		if w.law = "other"; o.get("variance_iid") != nil {
			w.law = "normal"
		}
		defer func() { w.law = "" }()
	}
	if at.figure == "" && slices.Equal(at.group, []string{"decisions[]"}) {
		w.decided, _ = o.get("model").(string)
		defer func() { w.decided = "" }()
	}
	for _, m := range o {
		if m.name == "trace" && at.figure == "" && len(at.item) == 0 {
			continue
		}
		w.value(m.value, at, m.name)
	}
}

func (w *walker) value(v any, at spot, name string) {
	switch v := v.(type) {
	case object:
		if scalars(v) && !holdsWords(v) && len(at.item) > 0 {
			at.figure = join(at.figure, name)
			w.object(v, at)
			return
		}
		w.object(v, at.in(name))
	case []any:
		w.list(v, at, name)
	case nil:
	default:
		w.add(v, at, join(at.figure, name), false)
	}
}

func (w *walker) list(list []any, at spot, name string) {
	figure := join(at.figure, name)
	if words, ok := stringsOf(list); ok {
		w.add(strings.Join(words, ", "), at, figure, false)
		return
	}
	if len(list) == 2 && numbers(list) { // a band
		w.add(list[0], at, figure+"[0]", false)
		w.add(list[1], at, figure+"[1]", false)
		return
	}
	taken := map[string]int{}
	for i, v := range list {
		element := figure + "[" + strconv.Itoa(i) + "]"
		switch v := v.(type) {
		case object:
			called, lead := called(v, i)
			rest := v
			if lead != "" {
				rest = slices.DeleteFunc(slices.Clone(v), func(m member) bool { return m.name == lead })
			}
			if taken[called]++; taken[called] > 1 { // no two items have one name
				called += " (" + strconv.Itoa(taken[called]) + ")"
			}
			w.object(rest, at.at(name, called, lead != ""))
		case []any:
			w.points(v, at, element)
		case nil:
		default:
			w.add(v, at, element, true)
		}
	}
}

// points are a list within a list: the places of a curve, the lines of a matrix.
func (w *walker) points(list []any, at spot, element string) {
	for i, v := range list {
		element := element + "[" + strconv.Itoa(i) + "]"
		switch v := v.(type) {
		case object:
			w.object(v, spot{item: append(slices.Clone(at.item), element), group: append(slices.Clone(at.group), element), labels: at.labels})
		case []any:
			w.points(v, at, element)
		case nil:
		default:
			w.add(v, at, element, true)
		}
	}
}

func (w *walker) add(v any, at spot, figure string, series bool) {
	r := Row{
		Section: w.section, Item: strings.Join(at.item, " / "), Figure: figure, Value: v, Series: series,
		Group: strings.Join(at.group, "."), Label: strings.Join(at.labels, " / "),
	}
	if _, number := v.(float64); number {
		u, f := lookUp(w.section, r.Item, figure)
		if w.logarithm && (slices.Contains(ofLogarithm, figure) || strings.HasSuffix(r.Item, "raiffa_schlaifer")) {
			u = ""
		}
		r.Unit, r.Formula = w.units.Replace(u), byLaw(w.section, w.law, f)
	} else if w.section == "codes" && len(at.item) > 0 { // the codes themselves
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

// called is the name of a list's element, and the member that only names it; "" where what names it are figures too, or where it has but a place.
func called(o object, i int) (name, lead string) {
	for _, members := range identities {
		var parts []string
		for _, m := range members {
			if s, ok := o.get(m).(string); ok && s != "" {
				parts = append(parts, s)
			}
		}
		if len(parts) == len(members) {
			return strings.Join(parts, ", "), ""
		}
	}
	for _, l := range leads {
		if s, ok := o.get(l).(string); ok && s != "" {
			return s, l
		}
	}
	return strconv.Itoa(i), ""
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
