// Package formula is the catalogue of the formulas that the assessor computes by: number, mark, meaning, symbols, source, and where the original is uncertain the choice
// that was made; in English and Russian. It also holds the terms of the field and the phrases of the report in both languages.
//
// The texts are the YAML files beside this file. What a report names in trace.formulas are the ids of this catalogue: the numbers of the lecture, 3.1 to 3.28, and the
// letter of a model with a word, as C3.exact.
package formula

import (
	"bytes"
	"cmp"
	_ "embed" // the texts
	"fmt"
	"slices"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"
)

// Lang is a language of the texts.
type Lang string

// The languages.
const (
	English Lang = "en"
	Russian Lang = "ru"
)

// Languages are all languages, English first.
func Languages() []Lang { return []Lang{English, Russian} }

// ParseLang reads a language; "" is English.
func ParseLang(s string) (Lang, error) {
	switch l := Lang(strings.ToLower(s)); l {
	case "":
		return English, nil
	case English, Russian:
		return l, nil
	}
	return "", fmt.Errorf("there is no language %q; the languages are %q", s, Languages())
}

// Mark says how sure it is that a formula is that of the original.
type Mark string

// The marks.
const (
	Confirmed     Mark = "C" // by a public source that is named
	Said          Mark = "L" // by the lecture, in words
	Remembered    Mark = "M" // from the named literature
	Reconstructed Mark = "R" // derived here and checked
)

// Symbol is a letter of a formula.
type Symbol struct {
	Symbol  string `json:"symbol"`
	Meaning string `json:"meaning"`
	Unit    string `json:"unit,omitempty"` // "" for a plain number
}

// MarkText is a mark and what it means.
type MarkText struct {
	Mark    Mark   `json:"mark"`
	Meaning string `json:"meaning"`
}

// Formula is an entry of the catalogue in one language. Its slices are shared: they are not to be written to.
type Formula struct {
	ID       string     `json:"id"`
	Lang     Lang       `json:"lang"`
	Title    string     `json:"title"`
	Marks    []MarkText `json:"marks"`
	Formula  string     `json:"formula"` // plain Unicode; parts are separated by ";"
	Symbols  []Symbol   `json:"symbols"`
	Meaning  string     `json:"meaning"`
	Source   string     `json:"source"`
	Choice   string     `json:"choice,omitempty"`  // where the original is uncertain: what was chosen
	Sections []string   `json:"sections"`          // of the report that use it
	Related  []string   `json:"related,omitempty"` // ids
	Model    string     `json:"model"`             // the model it belongs to, as frequency
}

// UnknownError says that there is no formula of an id, and which ids are near it.
type UnknownError struct {
	ID   string
	Near []string
}

func (e *UnknownError) Error() string {
	if len(e.Near) == 0 {
		return fmt.Sprintf("there is no formula %q; list them all to see the ids", e.ID)
	}
	return fmt.Sprintf("there is no formula %q; near it are %s", e.ID, strings.Join(e.Near, ", "))
}

//go:embed formulas.yaml
var structureYAML []byte

//go:embed formulas.en.yaml
var englishYAML []byte

//go:embed formulas.ru.yaml
var russianYAML []byte

type structure struct {
	Shown    map[string]map[string]string `yaml:"shown"`
	Formulas []struct {
		ID       string   `yaml:"id"`
		Marks    []Mark   `yaml:"marks"`
		Model    string   `yaml:"model"`
		Symbols  []string `yaml:"symbols"`
		Sections []string `yaml:"sections"`
		Related  []string `yaml:"related"`
		Formula  string   `yaml:"formula"`
	} `yaml:"formulas"`
}

type texts struct {
	Marks    map[Mark]string                `yaml:"marks"`
	Sources  map[string]string              `yaml:"sources"` // by model
	Symbols  map[string]map[string][]string `yaml:"symbols"` // by model and key: meaning, unit
	Formulas map[string]struct {
		Title   string `yaml:"title"`
		Meaning string `yaml:"meaning"`
		Source  string `yaml:"source"` // "" for that of the model
		Choice  string `yaml:"choice"`
	} `yaml:"formulas"`
}

type catalogue struct {
	all map[Lang][]Formula
	at  map[string]int // in all, by the id in lower case
}

// load reads the embedded files once. They are part of the program, so a fault in them is a fault of the program; the tests read them.
var load = sync.OnceValue(func() *catalogue {
	var s structure
	decode(structureYAML, &s)
	c := &catalogue{all: map[Lang][]Formula{}, at: map[string]int{}}
	for i, f := range s.Formulas {
		c.at[strings.ToLower(f.ID)] = i
	}
	for lang, data := range map[Lang][]byte{English: englishYAML, Russian: russianYAML} {
		var t texts
		decode(data, &t)
		for _, f := range s.Formulas {
			x := t.Formulas[f.ID]
			out := Formula{
				ID: f.ID, Lang: lang, Title: x.Title, Formula: f.Formula, Meaning: x.Meaning, Source: cmp.Or(x.Source, t.Sources[f.Model]), Choice: x.Choice,
				Sections: f.Sections, Related: f.Related, Model: f.Model,
			}
			for _, m := range f.Marks {
				out.Marks = append(out.Marks, MarkText{Mark: m, Meaning: t.Marks[m]})
			}
			for _, key := range f.Symbols {
				symbol := Symbol{Symbol: cmp.Or(s.Shown[f.Model][key], key)}
				text := t.Symbols[f.Model][key]
				if len(text) > 0 {
					symbol.Meaning = text[0]
				}
				if len(text) > 1 {
					symbol.Unit = text[1]
				}
				out.Symbols = append(out.Symbols, symbol)
			}
			c.all[lang] = append(c.all[lang], out)
		}
	}
	return c
})

func decode(data []byte, into any) {
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	if err := d.Decode(into); err != nil {
		panic("formula: the texts of the program: " + err.Error())
	}
}

// known is the language itself, or English for one that there is not.
func known(lang Lang) Lang {
	if slices.Contains(Languages(), lang) {
		return lang
	}
	return English
}

// Get finds a formula by its id; letters may be large or small, and (3.7) is 3.7. The error is an *UnknownError.
func Get(id string, lang Lang) (Formula, error) {
	c := load()
	key := clean(id)
	if i, ok := c.at[key]; ok {
		return c.all[known(lang)][i], nil
	}
	return Formula{}, &UnknownError{ID: id, Near: near(key)}
}

// Exists reports whether there is a formula of exactly this id.
func Exists(id string) bool {
	c := load()
	i, ok := c.at[strings.ToLower(id)]
	return ok && c.all[English][i].ID == id
}

// All are all formulas, in the order of the catalogue.
func All(lang Lang) []Formula { return slices.Clone(load().all[known(lang)]) }

// Marks are the marks with their meanings.
func Marks(lang Lang) []MarkText {
	var out []MarkText
	for _, f := range load().all[known(lang)] {
		for _, m := range f.Marks {
			if !slices.Contains(out, m) {
				out = append(out, m)
			}
		}
	}
	slices.SortFunc(out, func(a, b MarkText) int { return strings.Compare(string(a.Mark), string(b.Mark)) })
	return out
}

func clean(id string) string {
	return strings.ToLower(strings.Trim(strings.TrimSpace(id), "()[]"))
}
