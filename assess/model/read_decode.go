package model

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"redoubt/internal/words"
)

// decoder puts a tree of nodes into Go values, and goes on after each fault.
type decoder struct {
	tree   *tree
	faults []Fault
	shapes map[reflect.Type]*shape
	texts  map[string]string // short ones, each kept once: names are said a million times
	broken bool              // a list that was to be read in parts can not be
}

// place is where the decoder is; it becomes a path only for a fault.
type place struct {
	up    *place
	key   string
	index int // of a list, where key is empty
}

func (p *place) String() string {
	if p == nil {
		return ""
	}
	before := p.up.String()
	switch {
	case p.key == "":
		return Item(before, p.index)
	case before == "":
		return p.key
	}
	return before + "." + p.key
}

// shape is a struct as a file shows it.
type shape struct {
	names  []string
	fields map[string]field
}

type field struct {
	index    int
	required bool
}

func (d *decoder) shape(t reflect.Type) *shape {
	if s := d.shapes[t]; s != nil {
		return s
	}
	s := &shape{fields: map[string]field{}}
	for i := range t.NumField() {
		name, options, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		if name == "" || name == "-" {
			continue
		}
		s.names = append(s.names, name)
		s.fields[name] = field{i, !strings.Contains(options, "omitempty")}
	}
	d.shapes[t] = s
	return s
}

// bad notes a fault. Where there are more than anybody would read, the rest is not kept.
func (d *decoder) bad(n *yaml.Node, at *place, format string, args ...any) {
	if !d.full() {
		d.faults = append(d.faults, Fault{Path: at.String(), Line: n.Line, Column: n.Column, Text: fmt.Sprintf(format, args...)})
	}
}

func (d *decoder) full() bool { return len(d.faults) > maxFault }

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// value reads a node into v. A value that is left empty leaves v as it is.
func (d *decoder) value(n *yaml.Node, v reflect.Value, at *place, depth int) {
	switch {
	case n.Kind == yaml.AliasNode:
		d.bad(n, at, "*%s stands for a value elsewhere; such references are not read, the value has to be written out", n.Value)
	case depth > maxDepth:
		d.bad(n, at, "lists lie in lists more than %d deep", maxDepth)
	case isNull(n):
	case v.Kind() == reflect.Pointer:
		x := reflect.New(v.Type().Elem())
		d.value(n, x.Elem(), at, depth)
		v.Set(x)
	case v.Kind() == reflect.Struct:
		d.object(n, v, at, depth)
	case v.Kind() == reflect.Slice:
		d.list(n, v, at, depth)
	case v.Kind() == reflect.Map:
		d.table(n, v, at, depth)
	case v.Kind() == reflect.Interface:
		v.Set(reflect.ValueOf(d.free(n, at, depth)))
	case n.Kind != yaml.ScalarNode:
		d.bad(n, at, "%s is wanted here, and this is %s", wanted(v.Type()), is(n))
	default:
		d.scalar(n, v, at)
	}
}

func (d *decoder) object(n *yaml.Node, v reflect.Value, at *place, depth int) {
	s := d.shape(v.Type())
	if n.Kind != yaml.MappingNode {
		d.bad(n, at, "entries such as `%s: ...` are wanted here, and this is %s", s.names[0], is(n))
		return
	}
	seen := make([]int, v.NumField()) // the line of each field
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, x := n.Content[i], n.Content[i+1]
		here := &place{up: at, key: key.Value}
		if key.Kind != yaml.ScalarNode || key.Value == "" {
			d.bad(key, at, "this is no name of an entry")
			continue
		}
		f, ok := s.fields[key.Value]
		switch {
		case key.Value == "<<":
			d.bad(key, at, "<< takes entries from elsewhere; that is not read, they have to be written out")
		case !ok:
			if !d.full() { // looking for what was meant takes time
				hint := nearest(key.Value, s.names)
				if isNull(x) && strings.Trim(key.Value, "0123456789") == "" { // as 5 in {value: 2,5}
					hint = "; a fraction is written with a point, and a comma begins the next entry"
				}
				d.bad(key, here, "there is no entry %q here%s", short(key.Value), hint)
			}
		case seen[f.index] > 0:
			d.bad(key, here, "%s is given in line %d already", key.Value, seen[f.index])
		default:
			seen[f.index] = max(1, key.Line)
			d.value(x, v.Field(f.index), here, depth+1)
			if kind := v.Field(f.index).Kind(); f.required && isNull(x) && kind != reflect.Slice && kind != reflect.Map {
				d.bad(x, here, "%s has no value", key.Value)
			}
		}
	}
	for _, name := range s.names {
		if f := s.fields[name]; f.required && seen[f.index] == 0 {
			d.bad(n, &place{up: at, key: name}, "%s is missing", name)
		}
	}
}

func (d *decoder) list(n *yaml.Node, v reflect.Value, at *place, depth int) {
	if n.Kind != yaml.SequenceNode {
		hint := ""
		if n.Kind == yaml.ScalarNode {
			hint = fmt.Sprintf("; a list of one is [%s]", short(n.Value))
		}
		d.bad(n, at, "a list is wanted here, and this is %s%s", is(n), hint)
		return
	}
	long := d.tree.long[n]
	if long == nil {
		all := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
		d.items(n.Content, all, at, 0, depth)
		v.Set(all)
		return
	}
	all := reflect.MakeSlice(v.Type(), long.items, long.items)
	for i, p := range long.parts {
		nodes := d.tree.part(long, i)
		if nodes == nil {
			d.broken = true
			return
		}
		d.items(nodes, all, at, p.first, depth)
	}
	v.Set(all)
}

// items reads nodes into a list, from its item first on.
func (d *decoder) items(nodes []*yaml.Node, all reflect.Value, at *place, first, depth int) {
	for i, x := range nodes {
		here := &place{up: at, index: first + i}
		if isNull(x) {
			d.bad(x, here, "an entry of the list is empty")
			continue
		}
		d.value(x, all.Index(first+i), here, depth+1)
	}
}

// text is a text as it is kept.
func (d *decoder) text(s string) string {
	if len(s) > 100 {
		return s
	}
	if known, ok := d.texts[s]; ok {
		return known
	}
	if len(d.texts) < 100_000 {
		d.texts[s] = s
	}
	return s
}

func (d *decoder) table(n *yaml.Node, v reflect.Value, at *place, depth int) {
	if n.Kind != yaml.MappingNode {
		d.bad(n, at, "entries such as `name: %s` are wanted here, and this is %s", wanted(v.Type().Elem()), is(n))
		return
	}
	all := reflect.MakeMapWithSize(v.Type(), len(n.Content)/2)
	lines := make(map[string]int, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, x := n.Content[i], n.Content[i+1]
		if key.Kind != yaml.ScalarNode || key.Value == "" {
			d.bad(key, at, "this is no name of an entry")
			continue
		}
		here := &place{up: at, key: key.Value}
		if line, ok := lines[key.Value]; ok {
			d.bad(key, here, "%s is given in line %d already", short(key.Value), line)
			continue
		}
		lines[key.Value] = key.Line
		one := reflect.New(v.Type().Elem()).Elem()
		if isNull(x) {
			d.bad(x, here, "%s has no value", short(key.Value))
			continue
		}
		d.value(x, one, here, depth+1)
		all.SetMapIndex(reflect.ValueOf(key.Value), one)
	}
	v.Set(all)
}

// free reads a value whose shape is not fixed: a scalar, or lists and tables of them.
func (d *decoder) free(n *yaml.Node, at *place, depth int) any {
	switch n.Kind {
	case yaml.SequenceNode:
		var all []any
		d.list(n, reflect.ValueOf(&all).Elem(), at, depth)
		return all
	case yaml.MappingNode:
		var all map[string]any
		d.table(n, reflect.ValueOf(&all).Elem(), at, depth)
		return all
	}
	switch n.Tag {
	case "!!int", "!!float":
		var x float64
		d.scalar(n, reflect.ValueOf(&x).Elem(), at)
		return x
	case "!!bool":
		return n.Value == "true" || n.Value == "True" || n.Value == "TRUE"
	}
	return n.Value
}

func (d *decoder) scalar(n *yaml.Node, v reflect.Value, at *place) {
	switch v.Kind() {
	case reflect.String:
		if strings.HasPrefix(n.Tag, "!!") && n.Tag != "!!binary" {
			v.SetString(d.text(n.Value)) // also what looks like a number or a date: as it is written
			return
		}
		d.bad(n, at, "a text is wanted here, and this is of the type %s", short(n.Tag))
	case reflect.Bool:
		switch {
		case n.Tag != "!!bool":
			d.bad(n, at, "true or false is wanted here, and this is %s", is(n))
		default:
			v.SetBool(strings.EqualFold(n.Value, "true"))
		}
	case reflect.Float64:
		x, ok := d.number(n, at)
		if ok {
			v.SetFloat(x)
		}
	default:
		d.whole(n, v, at)
	}
}

// number reads a number that can be computed with.
func (d *decoder) number(n *yaml.Node, at *place) (float64, bool) {
	if n.Tag != "!!int" && n.Tag != "!!float" {
		if _, err := strconv.ParseFloat(n.Value, 64); err != nil && n.Style == 0 && strings.Contains(err.Error(), strconv.ErrRange.Error()) {
			d.bad(n, at, "%s is too large for a number", short(n.Value))
			return 0, false
		}
		d.bad(n, at, "a number is wanted here, and this is %s%s", is(n), numeral(n))
		return 0, false
	}
	x, err := strconv.ParseFloat(n.Value, 64)
	if err != nil {
		err = n.Decode(&x) // hexadecimal and the like
	}
	if err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
		d.bad(n, at, "%s is not a number that can be computed with", short(n.Value))
		return 0, false
	}
	return x, true
}

// whole reads a whole number.
func (d *decoder) whole(n *yaml.Node, v reflect.Value, at *place) {
	x, ok := d.number(n, at)
	if !ok {
		return
	}
	if x != math.Trunc(x) {
		d.bad(n, at, "%s is no whole number", short(n.Value))
		return
	}
	var err error
	exact := math.Abs(x) <= 1<<53
	switch {
	case v.Kind() == reflect.Uint64 && exact && x >= 0:
		v.SetUint(uint64(x))
	case v.Kind() == reflect.Uint64:
		var u uint64
		u, err = strconv.ParseUint(n.Value, 10, 64)
		v.SetUint(u)
	case exact:
		v.SetInt(int64(x))
	default:
		var i int64
		i, err = strconv.ParseInt(n.Value, 10, 64)
		v.SetInt(i)
	}
	if err != nil {
		d.bad(n, at, "%s is out of the range of whole numbers here", short(n.Value))
	}
}

// numeral says how a number would be written that was written in another way.
func numeral(n *yaml.Node) string {
	s := strings.TrimSpace(n.Value)
	if percent, ok := strings.CutSuffix(s, "%"); ok {
		if x, err := strconv.ParseFloat(strings.TrimSpace(strings.ReplaceAll(percent, ",", ".")), 64); err == nil {
			return fmt.Sprintf("; %s is written %v", short(s), x/100)
		}
	}
	plain := strings.NewReplacer(" ", "", "\u00a0", "", "\u202f", "", "'", "").Replace(s)
	if strings.Count(plain, ",") == 1 && !strings.Contains(plain, ".") {
		plain = strings.Replace(plain, ",", ".", 1)
	} else {
		plain = strings.ReplaceAll(plain, ",", "")
	}
	if _, err := strconv.ParseFloat(plain, 64); err != nil || len(plain) > 40 {
		return ""
	}
	if plain == s {
		return "; take the quotes away"
	}
	return fmt.Sprintf("; is %s meant?", plain)
}

// is says what a node is, for a person.
func is(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a group of entries"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Kind == yaml.AliasNode:
		return "a reference to a value elsewhere"
	case n.Tag == "!!bool":
		return n.Value
	case n.Tag == "!!int" || n.Tag == "!!float":
		return "the number " + short(n.Value)
	}
	return "the text " + strconv.Quote(short(n.Value))
}

// wanted names a type for a person.
func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a text"
	case reflect.Bool:
		return "true or false"
	case reflect.Float64:
		return "a number"
	case reflect.Slice:
		return "a list"
	case reflect.Pointer:
		return wanted(t.Elem())
	case reflect.Struct, reflect.Map:
		return "a group of entries"
	}
	return "a whole number"
}

// short cuts a text that would fill the screen.
func short(s string) string {
	const most = 60
	if r := []rune(s[:min(len(s), 8*most)]); len(r) > most || len(s) > 8*most {
		return string(r[:min(len(r), most)]) + "..."
	}
	return s
}

// nearest says which of the names is meant, where one is like it, and otherwise which there are.
func nearest(name string, names []string) string {
	if found := Nearest(name, names); found != "" {
		return fmt.Sprintf("; is %s meant?", found)
	}
	return "; there are " + strings.Join(names, ", ")
}

// Nearest is the name that is most like one, or empty where none is. The case of letters, blanks and hyphens do not count.
func Nearest(name string, names []string) string {
	if len(name) > 100 {
		return ""
	}
	fold := func(s string) string {
		return strings.NewReplacer("-", "", "_", "", " ", "").Replace(strings.ToLower(s))
	}
	best, at := "", 1+max(min(2, len(name)/2), len(name)/3)
	for _, n := range names {
		if len(n) > 100 {
			continue
		}
		if d := words.Distance(fold(name), fold(n)); d < at {
			best, at = n, d
		}
	}
	return best
}
