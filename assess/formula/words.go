package formula

import (
	_ "embed" // the words
	"maps"
	"slices"
	"strings"
	"sync"
)

//go:embed terms.yaml
var termsYAML []byte

//go:embed phrases.yaml
var phrasesYAML []byte

// Term is a term of the field in one language, and what it is called in the other.
type Term struct {
	Term  string `json:"term"`
	Short string `json:"short,omitempty"` // abbreviation
	Other string `json:"other"`           // in the other language
	Brief string `json:"brief,omitempty"` // abbreviation in the other language
	Means string `json:"means"`
}

type word struct {
	Term  string `yaml:"term"`
	Short string `yaml:"short"`
	Means string `yaml:"means"`
}

var loadTerms = sync.OnceValue(func() []map[Lang]word {
	var all []map[Lang]word
	decode(termsYAML, &all)
	return all
})

// Terms are the terms of the field, sorted by the language's own word.
func Terms(lang Lang) []Term {
	lang = known(lang)
	other := English
	if lang == English {
		other = Russian
	}
	var out []Term
	for _, t := range loadTerms() {
		out = append(out, Term{Term: t[lang].Term, Short: t[lang].Short, Other: t[other].Term, Brief: t[other].Short, Means: t[lang].Means})
	}
	slices.SortFunc(out, func(a, b Term) int { return strings.Compare(fold(a.Term), fold(b.Term)) })
	return out
}

var loadPhrases = sync.OnceValue(func() map[string]map[Lang]string {
	all := map[string]map[Lang]string{}
	decode(phrasesYAML, &all)
	return all
})

// Phrase is a phrase of the report, by its key in phrases.yaml; a key that is not there comes back in brackets, so that the reader of the page sees it.
func Phrase(lang Lang, key string) string {
	if s := loadPhrases()[key][known(lang)]; s != "" {
		return s
	}
	return "[" + key + "]"
}

// HasPhrase reports whether there is a phrase of this key.
func HasPhrase(key string) bool { return loadPhrases()[key] != nil }

// PhraseKeys are the keys of all phrases, sorted.
func PhraseKeys() []string { return slices.Sorted(maps.Keys(loadPhrases())) }
