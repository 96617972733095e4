package assess

import (
	_ "embed" // the notes in Russian
	"fmt"
	"slices"
	"sync"

	"go.yaml.in/yaml/v3"
)

//go:embed notes.ru.yaml
var notesFile []byte

//go:embed decisions.ru.yaml
var decisionsFile []byte

// notesRussian are the texts of notes in Russian, by the English ones, and decisionsRussian those of decisions on access.
var (
	notesRussian     = sync.OnceValue(func() map[string]string { return translated(notesFile) })
	decisionsRussian = sync.OnceValue(func() map[string]string { return translated(decisionsFile) })
)

func translated(file []byte) map[string]string {
	var all []struct{ EN, RU string }
	if err := yaml.Unmarshal(file, &all); err != nil {
		panic("the report in Russian: " + err.Error()) // it is a part of the program: a test reads it
	}
	out := map[string]string{}
	for _, n := range all {
		out[n.EN] = n.RU
	}
	return out
}

// In is the report with its sentences in a language, en or ru: those of the decisions on access. Notes say themselves in a language.
func (r *Report) In(lang string) *Report {
	if r.Access == nil {
		return r
	}
	out, of := *r, *r.Access
	of.Decisions = slices.Clone(of.Decisions)
	for i := range of.Decisions {
		of.Decisions[i].say(lang)
	}
	out.Access = &of
	return &out
}

// In is the text of the note in a language, en or ru. What it names, such as threats and what an error says, stays as it is; a note that was not made here is only as it was made.
func (n Note) In(lang string) string {
	if text := notesRussian()[n.format]; lang == "ru" && text != "" {
		return fmt.Sprintf(text, n.args...)
	}
	return n.Text
}
