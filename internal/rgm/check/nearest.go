package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"redoubt/internal/words"
)

// Nearest gives up to three of the known names that are most like name, the likest first.
func Nearest(name string, known []string) []string {
	type candidate struct {
		name string
		far  int
	}
	var near []candidate
	lower := strings.ToLower(name)
	for _, k := range known {
		lk := strings.ToLower(k)
		d := words.Distance(lower, lk)
		if strings.HasPrefix(lk, lower) || strings.HasPrefix(lower, lk) {
			d = min(d, 2)
		}
		if d <= max(2, len(name)/3) {
			near = append(near, candidate{k, d})
		}
	}
	slices.SortFunc(near, func(a, b candidate) int { return cmp.Or(a.far-b.far, strings.Compare(a.name, b.name)) })
	var out []string
	for _, c := range near[:min(3, len(near))] {
		out = append(out, c.name)
	}
	return out
}

// DidYouMean is the end of a message about an unknown name: what was probably meant, or otherwise where the names are listed.
func DidYouMean(name string, known []string, otherwise string) string {
	near := Nearest(name, known)
	if len(near) == 0 {
		return otherwise
	}
	return fmt.Sprintf("did you mean %s?", strings.Join(near, " or "))
}
