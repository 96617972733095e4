// Package compare says what changed between two models, and what that does to every figure of their reports. It computes no model itself.
package compare

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"redoubt/assess"
	"redoubt/assess/model"
	"redoubt/assess/report"
)

// Result is what changed, in the order of the models and of the reports.
type Result struct {
	Inputs  []Input  `json:"inputs"`
	Figures []Figure `json:"figures"`
	Same    int      `json:"same"` // figures that did not change
}

// Input is an entry of the model that changed, came or went.
type Input struct {
	Path   string `json:"path"` // entries of lists by their names: threats[fire].kind
	Before any    `json:"before,omitempty"`
	After  any    `json:"after,omitempty"`
}

// Figure is a figure of the report that changed, came or went.
type Figure struct {
	Section  string   `json:"section"`
	Item     string   `json:"item,omitempty"`
	Figure   string   `json:"figure"`
	Before   any      `json:"before,omitempty"` // a number, a word, or true or false; nil: it was not there
	After    any      `json:"after,omitempty"`
	Unit     string   `json:"unit,omitempty"`
	Change   *float64 `json:"change,omitempty"`   // of numbers: after less before
	Relative *float64 `json:"relative,omitempty"` // that as a share of before; nil where before is 0
	Series   bool     `json:"series,omitempty"`   // one of a row of numbers, as of a probability function
}

// Models finds what changed between two models. Lists whose entries have names are compared by name, so that an entry that only moved did not change.
func Models(before, after *model.Model) ([]Input, error) {
	a, err := tree(before)
	if err != nil {
		return nil, err
	}
	b, err := tree(after)
	if err != nil {
		return nil, err
	}
	out := []Input{}
	walk("", a, b, &out)
	return out, nil
}

// Reports finds which figures changed, and how many did not. Numbers that differ by less than the relative tolerance are the same.
func Reports(before, after *assess.Report, tolerance float64) (changed []Figure, same int, err error) {
	a, err := report.Rows(before)
	if err != nil {
		return nil, 0, err
	}
	b, err := report.Rows(after)
	if err != nil {
		return nil, 0, err
	}
	was := map[key]report.Row{}
	for k, row := range keyed(a) {
		was[k] = row
	}
	changed = []Figure{}
	is := map[key]bool{}
	for k, row := range keyed(b) {
		is[k] = true
		old, ok := was[k]
		f := Figure{Section: row.Section, Item: row.Item, Figure: row.Figure, After: row.Value, Unit: row.Unit, Series: row.Series}
		if ok {
			f.Before = old.Value
			x, xok := old.Value.(float64)
			y, yok := row.Value.(float64)
			if old.Value == row.Value || xok && yok && math.Abs(y-x) <= tolerance*max(math.Abs(x), math.Abs(y)) {
				same++
				continue
			}
			if xok && yok {
				f.Change, f.Relative = differ(x, y)
			}
		}
		changed = append(changed, f)
	}
	for k, row := range keyed(a) {
		if !is[k] {
			changed = append(changed, Figure{Section: row.Section, Item: row.Item, Figure: row.Figure, Before: row.Value, Unit: row.Unit, Series: row.Series})
		}
	}
	return changed, same, nil
}

// differ is the absolute and the relative change; nil where a number can not hold it.
func differ(x, y float64) (change, relative *float64) {
	if d := y - x; !math.IsInf(d, 0) {
		change = &d
		if r := d / math.Abs(x); x != 0 && !math.IsInf(r, 0) {
			relative = &r
		}
	}
	return change, relative
}

// key is what a figure is known by. Of figures that are called the same, the first is compared with the first.
type key struct {
	section, item, figure string
	number                int
}

// keyed gives the rows with their keys, in their order.
func keyed(rows []report.Row) func(func(key, report.Row) bool) {
	return func(yield func(key, report.Row) bool) {
		seen := map[key]int{}
		for _, r := range rows {
			k := key{r.Section, r.Item, r.Figure, 0}
			seen[k]++
			if n := seen[k]; n > 1 {
				k.number = n
			}
			if !yield(k, r) {
				return
			}
		}
	}
}

// object is a JSON object whose members keep their order.
type object []member

type member struct {
	name  string
	value any
}

func (o object) get(name string) (any, bool) {
	for _, m := range o {
		if m.name == name {
			return m.value, true
		}
	}
	return nil, false
}

// tree is a model as its JSON has it.
func tree(m *model.Model) (any, error) {
	text, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("the model has no JSON form: %w", err)
	}
	return read(json.NewDecoder(bytes.NewReader(text)))
}

func read(d *json.Decoder) (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, fmt.Errorf("the model's JSON: %w", err)
	}
	open, ok := t.(json.Delim)
	if !ok {
		return t, nil
	}
	var list []any
	var o object
	for d.More() {
		name := ""
		if open == '{' {
			k, err := d.Token()
			if err != nil {
				return nil, fmt.Errorf("the model's JSON: %w", err)
			}
			name, _ = k.(string)
		}
		v, err := read(d)
		if err != nil {
			return nil, err
		}
		if open == '{' {
			o = append(o, member{name, v})
		} else {
			list = append(list, v)
		}
	}
	if _, err = d.Token(); err != nil {
		return nil, fmt.Errorf("the model's JSON: %w", err)
	}
	if open == '{' {
		return o, nil
	}
	return list, nil
}

// walk compares two values.
func walk(path string, a, b any, out *[]Input) {
	ao, aok := a.(object)
	bo, bok := b.(object)
	if aok && bok {
		for _, m := range ao {
			v, _ := bo.get(m.name)
			walk(strings.TrimPrefix(path+"."+m.name, "."), m.value, v, out)
		}
		for _, m := range bo {
			if _, ok := ao.get(m.name); !ok {
				walk(strings.TrimPrefix(path+"."+m.name, "."), nil, m.value, out)
			}
		}
		return
	}
	al, aok := a.([]any)
	bl, bok := b.([]any)
	switch {
	case aok && bok && (hasObjects(al) || hasObjects(bl)):
		lists(path, al, bl, out)
	case !alike(a, b):
		*out = append(*out, Input{path, plain(a), plain(b)})
	}
}

func hasObjects(list []any) bool {
	return slices.ContainsFunc(list, func(v any) bool { _, ok := v.(object); return ok })
}

// lists compares the entries that are called the same.
func lists(path string, a, b []any, out *[]Input) {
	was := map[string]any{}
	names := make([]string, len(a))
	for i, n := range called(a) {
		was[n], names[i] = a[i], n
	}
	is := map[string]any{}
	for i, n := range called(b) {
		is[n] = b[i]
	}
	for i, n := range names {
		walk(path+"["+n+"]", a[i], is[n], out)
	}
	for i, n := range called(b) {
		if _, ok := was[n]; !ok {
			walk(path+"["+n+"]", nil, b[i], out)
		}
	}
}

// leads are the members by which an entry is called, all that it has of them.
var leads = []string{"name", "label", "threat", "object", "mean", "component", "channel", "violator", "user", "terminal", "file"}

// called names the entries of a list: what they call themselves, or their number, and their number too where two are called the same.
func called(list []any) []string {
	out := make([]string, len(list))
	seen := map[string]int{}
	for i, v := range list {
		o, _ := v.(object)
		var parts []string
		for _, l := range leads {
			x, _ := o.get(l)
			if s, ok := x.(string); ok && s != "" {
				parts = append(parts, s)
				if l == "name" || l == "label" {
					break
				}
			}
		}
		name := strings.Join(parts, ",")
		if name == "" {
			name = strconv.Itoa(i)
		}
		if seen[name]++; seen[name] > 1 {
			name += "#" + strconv.Itoa(seen[name])
		}
		out[i] = name
	}
	return out
}

func alike(a, b any) bool {
	x, xok := a.([]any)
	y, yok := b.([]any)
	if xok && yok {
		return slices.EqualFunc(x, y, alike)
	}
	if _, ok := a.(object); ok {
		return false // the other is none
	}
	if _, ok := b.(object); ok {
		return false
	}
	return xok == yok && a == b
}

// plain is a value as JSON writes it.
func plain(v any) any {
	switch v := v.(type) {
	case object:
		out := make(map[string]any, len(v))
		for _, m := range v {
			out[m.name] = plain(m.value)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = plain(x)
		}
		return out
	}
	return v
}
