package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
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
		d := distance(lower, lk)
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

// distance is the number of letters to insert, delete, replace or swap to make b of a.
func distance(a, b string) int {
	before, row, next := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		next[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			next[j] = min(row[j]+1, next[j-1]+1, row[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
		before, row, next = row, next, before
	}
	return row[len(b)]
}
