package report

import (
	_ "embed"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"

	"redoubt/assess"
	"redoubt/assess/formula"
)

//go:embed words.yaml
var wordsYAML []byte

var words = sync.OnceValue(func() map[string]map[string]string {
	all := map[string]map[string]string{}
	if err := yaml.Unmarshal(wordsYAML, &all); err != nil {
		panic("the words of the report: " + err.Error()) // they are a part of the program: a test reads them
	}
	return all
})

// Word is what the page says, in a language; English where there is nothing else.
func Word(lang, key string, args ...any) string {
	w := words()[key]
	text := either(w[lang], w["en"])
	if len(args) > 0 {
		return fmt.Sprintf(text, args...)
	}
	return text
}

// Heading is what a section is called.
func Heading(section, lang string) string {
	if key := "section." + section; formula.HasPhrase(key) {
		return formula.Phrase(formula.Lang(lang), key)
	}
	return section
}

// language is lang, or English where the report is not written in it.
func language(lang string) string {
	l, err := formula.ParseLang(lang)
	if err != nil {
		return string(formula.English)
	}
	return string(l)
}

// Label is what a figure or a group of the report's JSON is called: each part of its path by its word, where there is one.
func Label(lang, name string) string {
	for _, by := range []string{"quantiles", "tail_value"} {
		if level, ok := strings.CutPrefix(name, by+"."); ok {
			return Word(lang, "figure."+by) + " " + level
		}
	}
	if w := Word(lang, "path."+name); w != "" { // of a figure within another that has no name of its own
		return w
	}
	names := separate(name)
	parts := slices.Clone(names)
	for i, p := range names {
		plain, place, _ := strings.Cut(p, "[")
		called, of := plain, "" // a figure for each of some numbers, as counts.2
		if k := strings.LastIndex(plain, "."); k > 0 {
			called, of = plain[:k], " "+plain[k+1:]
		}
		whole := called
		if i > 0 { // what a name means there, where it means something else
			whole = names[i-1] + "." + called
		}
		if w := either(Word(lang, "figure."+whole), Word(lang, "figure."+called)); w != "" {
			plain = w + of
		}
		switch place {
		case "0]":
			plain += " ≥"
		case "1]":
			plain += " ≤"
		case "", "]":
		default:
			plain += " " + strings.TrimSuffix(place, "]")
		}
		parts[i] = strings.ReplaceAll(plain, "_", " ")
	}
	return strings.Join(parts, ": ")
}

// separate parts a path at its points, but for those of numbers.
func separate(path string) []string {
	var out []string
	last := 0
	for i := 0; i+1 < len(path); i++ {
		if path[i] == '.' && (path[i+1] < '0' || path[i+1] > '9') {
			out = append(out, path[last:i])
			last = i + 1
		}
	}
	return append(out, path[last:])
}

// Unit is a unit of a figure in a language; currencies and the model's period stay as they are.
func Unit(lang, u string) string {
	parts := strings.Split(u, "/")
	for i, p := range parts {
		plain, squared := strings.CutSuffix(p, "²")
		if w := Word(lang, "unit."+plain); w != "" && plain != "" {
			parts[i] = w
			if squared {
				parts[i] += "²"
			}
		}
	}
	return strings.Join(parts, "/")
}

// wordy are the figures whose values are words of the program, not of the model.
var wordy = []string{"law", "method", "bound", "variant", "chosen_by", "dependence", "rule", "measure"}

var digits = regexp.MustCompile(`[0-9]+`)

// Value is a value that is a word or a sentence of the program, in a language; what is in no list of words stays.
func Value(lang, figure, value string) string {
	parts := strings.Split(figure, ".")
	if !slices.Contains(wordy, parts[len(parts)-1]) {
		return value
	}
	if w := Word(lang, "value."+value); w != "" { // with a number of its own, as a rule has
		return w
	}
	w := Word(lang, "value."+digits.ReplaceAllString(value, "#"))
	if several := strings.Split(value, ", "); w == "" && len(several) > 1 { // rules that failed together
		for i, one := range several {
			several[i] = Value(lang, figure, one)
		}
		return strings.Join(several, ", ")
	}
	if w == "" {
		return value
	}
	for _, n := range digits.FindAllString(value, -1) {
		w = strings.Replace(w, "#", n, 1)
	}
	return w
}

// told are the notes in a language.
func told(notes []assess.Note, lang string) []assess.Note {
	out := slices.Clone(notes)
	for i, n := range out {
		out[i].Text = n.In(lang)
	}
	return out
}
