package formula

import (
	"cmp"
	"slices"
	"strings"

	"redoubt/internal/words"
)

const nearMost = 5 // suggestions for an unknown id

// near are the ids that look like a key that is none: those that begin with it or hold it, and those a few letters away.
func near(key string) []string {
	type candidate struct {
		id   string
		cost int
	}
	var all []candidate
	for _, f := range load().all[English] {
		id := strings.ToLower(f.ID)
		cost := 2 * words.Distance(key, id)
		switch {
		case key != "" && strings.HasPrefix(id, key):
			cost = 0
		case key != "" && (strings.Contains(id, key) || strings.HasPrefix(key, id)):
			cost = 1
		}
		if cost <= max(4, len(key)) {
			all = append(all, candidate{f.ID, cost})
		}
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return cmp.Compare(a.cost, b.cost) })
	var out []string
	for _, c := range all[:min(len(all), nearMost)] {
		out = append(out, c.id)
	}
	return out
}

// Search finds the formulas in which every word of a text occurs: in id, title, meaning, symbols or source. Those with a word in id or title come first.
func Search(text string, lang Lang) []Formula {
	words := strings.Fields(fold(text))
	if len(words) == 0 {
		return nil
	}
	var first, rest []Formula
	for _, f := range load().all[known(lang)] {
		head := fold(f.ID + " " + f.Title)
		var b strings.Builder
		for _, s := range append([]string{head, f.Meaning, f.Choice, f.Source, f.Model, f.Formula}, f.Sections...) {
			b.WriteString(s + " ")
		}
		for _, s := range f.Symbols {
			b.WriteString(s.Symbol + " " + s.Meaning + " ")
		}
		whole := fold(b.String())
		missing := slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(whole, w) })
		switch {
		case missing:
		case slices.ContainsFunc(words, func(w string) bool { return strings.Contains(head, w) }):
			first = append(first, f)
		default:
			rest = append(rest, f)
		}
	}
	return append(first, rest...)
}

// fold makes texts comparable: small letters, and е for ё, which people write either way.
func fold(s string) string { return strings.ReplaceAll(strings.ToLower(s), "ё", "е") }
