package incident

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Options of an import.
type Options struct {
	Source string    // what the incidents name as their source, as the name of the file
	Now    time.Time // for lines of syslog, which name no year
}

// Imported is what a file had in it.
type Imported struct {
	Incidents []Incident
	Records   int            // entries of the file
	Unmatched int            // that no rule fits, or that a rule says to ignore
	Examples  []string       // a few of those
	ByThreat  map[string]int // manifestations
	Problems  []string       // entries that could not be read, up to twenty
	Unread    int            // how many those are
	Later     []string       // incidents of a time that has not come yet, with their places, up to five; they are taken
	LaterAll  int            // how many those are
}

// importer collects what one file has.
type importer struct {
	m      *Mapping
	format string
	o      Options
	out    *Imported
	same   map[string]int // how many incidents without an id of their own say the same
}

// Import reads the incidents of another program's file. Entries that can not be read are told in the result; a file that is not of that form at all is an error.
func (m *Mapping) Import(format string, text []byte, o Options) (*Imported, error) {
	if len(text) > MaxSize {
		return nil, fmt.Errorf("the file is larger than %d MB; it has to be imported in parts", MaxSize>>20)
	}
	if !utf8.Valid(text) {
		return nil, errors.New("the file is not in UTF-8; it has to be converted before, as `iconv -f WINDOWS-1251 -t UTF-8` does with one from Windows in Russian")
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	x := &importer{m: m, format: format, o: o, out: &Imported{ByThreat: map[string]int{}}, same: map[string]int{}}
	var err error
	switch format {
	case VERIS:
		err = values(text, x.veris)
	case STIX:
		err = x.stix(text)
	case CSV:
		err = x.table(text)
	case Syslog:
		x.syslog(text)
	case CommandLog:
		err = values(text, x.command)
	default:
		return nil, fmt.Errorf("%q is no form of files that is imported; there are %s", format, strings.Join(Formats, ", "))
	}
	if err != nil {
		return nil, err
	}
	if x.out.Records == 0 && x.out.Unread == 0 {
		return nil, fmt.Errorf("there is no %s record in the file", format)
	}
	return x.out, nil
}

// problem notes an entry that can not be read.
func (x *importer) problem(where, format string, args ...any) {
	x.out.Unread++
	if len(x.out.Problems) < 20 {
		x.out.Problems = append(x.out.Problems, where+": "+fmt.Sprintf(format, args...))
	}
}

// take classifies a record and adds it. where is its place in the file.
func (x *importer) take(where string, r *record) {
	x.out.Records++
	if !x.m.classify(x.format, r) {
		x.out.Unmatched++
		if len(x.out.Examples) < 5 {
			x.out.Examples = append(x.out.Examples, strings.TrimSuffix(where+": "+shorten(r.Note), ": "))
		}
		return
	}
	i := r.Incident
	i.Source, i.Note = x.o.Source, shorten(i.Note)
	if i.ID == "" {
		content := i
		content.Source = "" // the same file under another name is the same
		key, err := json.Marshal(content)
		if err != nil {
			x.problem(where, "%v", err)
			return
		}
		i.ID = Identify(content, x.same[string(key)])
		x.same[string(key)]++
	}
	if err := i.Check(); err != nil {
		x.problem(where, "%s", strings.ReplaceAll(err.Error(), "\n", "; "))
		return
	}
	if i.After(x.o.Now) {
		if x.out.LaterAll++; len(x.out.Later) < 5 {
			x.out.Later = append(x.out.Later, where+": "+i.Time)
		}
	}
	x.out.Incidents = append(x.out.Incidents, i)
	x.out.ByThreat[i.Threat] += i.Number()
}

// values calls f for each JSON object of a text: one after the other, or in a list.
func values(text []byte, f func(where string, o map[string]any)) error {
	d := json.NewDecoder(bytes.NewReader(text))
	for n := 1; ; n++ {
		var v any
		if err := d.Decode(&v); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			line := 1 + bytes.Count(text[:min(int(d.InputOffset()), len(text))], []byte{'\n'})
			return fmt.Errorf("this is no JSON, at or after line %d: %w", line, err)
		}
		list, ok := v.([]any)
		if !ok {
			list = []any{v}
		}
		for i, e := range list {
			where := fmt.Sprintf("record %d", max(n, i+1))
			if o, ok := e.(map[string]any); ok {
				f(where, o)
				continue
			}
			return fmt.Errorf("%s is no object", where)
		}
	}
}

// The members of a JSON object, or nothing where they are of another type.

func word(o map[string]any, name string) string {
	switch v := o[name].(type) {
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case bool:
		return strconv.FormatBool(v)
	}
	return ""
}

func within(o map[string]any, names ...string) map[string]any {
	for _, n := range names {
		o, _ = o[n].(map[string]any)
	}
	return o
}

func list(o map[string]any, name string) []any {
	v, _ := o[name].([]any)
	return v
}

func wordsOf(o map[string]any, name string) (out []string) {
	for _, v := range list(o, name) {
		if s, ok := v.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

func number(o map[string]any, name string) (float64, bool) {
	v, ok := o[name].(float64)
	return v, ok
}

// veris takes an incident of the VERIS schema.
func (x *importer) veris(where string, o map[string]any) {
	r := &record{Incident: Incident{Note: word(o, "summary"), Currency: word(within(o, "impact"), "iso_currency_code")}, fields: map[string][]string{}}
	if id := word(o, "incident_id"); id != "" {
		r.ID = "veris:" + id
	}
	when := within(o, "timeline", "incident")
	r.Time = word(when, "year")
	month, hasMonth := number(when, "month")
	day, hasDay := number(when, "day")
	if hasMonth {
		r.Time += fmt.Sprintf("-%02.0f", month)
		if hasDay {
			r.Time += fmt.Sprintf("-%02.0f", day)
		}
	}
	r.add("incident", word(o, "security_incident"))
	for name, v := range within(o, "action") {
		if details, ok := v.(map[string]any); ok && name != "unknown" {
			r.add("action", name)
			r.add("variety", wordsOf(details, "variety")...)
			r.add("vector", wordsOf(details, "vector")...)
		}
	}
	for name := range within(o, "actor") {
		r.add("actor", name)
	}
	for _, a := range list(within(o, "asset"), "assets") {
		if a, ok := a.(map[string]any); ok {
			r.add("asset", word(a, "variety"))
		}
	}
	r.add("country", wordsOf(within(o, "victim"), "country")...)
	r.add("industry", word(within(o, "victim"), "industry"))
	if amount, ok := number(within(o, "impact"), "overall_amount"); ok {
		r.Damage = &amount
	} else if sum, ok := losses(within(o, "impact")); ok {
		r.Damage = &sum
	}
	x.take(where, r)
}

// losses adds up the single losses of an impact.
func losses(impact map[string]any) (sum float64, found bool) {
	for _, l := range list(impact, "loss") {
		if l, ok := l.(map[string]any); ok {
			if a, ok := number(l, "amount"); ok {
				sum, found = sum+a, true
			}
		}
	}
	return sum, found
}

// command takes a record of the cluster's command log, or an event.
func (x *importer) command(where string, o map[string]any) {
	r := &record{Incident: Incident{Time: word(o, "time")}, fields: map[string][]string{}}
	for name := range o {
		r.add(strings.ToLower(name), word(o, name))
	}
	outcome := within(o, "outcome")
	for _, name := range []string{"code", "error"} {
		r.add(name, word(outcome, name))
	}
	number := word(o, "entry")
	if number == "" {
		number = word(o, "seq")
	}
	if node := word(o, "node"); node != "" && number != "" {
		r.ID = "log:" + node + "/" + number
		if cluster := word(o, "cluster"); cluster != "" {
			r.ID = "log:" + cluster + "/" + node + "/" + number
		}
	}
	r.Note = word(o, "text")
	if command := word(o, "command"); command != "" {
		r.Note = word(o, "state") + ": " + command + " by " + word(o, "user")
	}
	if n, err := strconv.Atoi(word(o, "count")); err == nil {
		r.Count = n
	}
	x.take(where, r)
}
