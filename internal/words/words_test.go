package words

import "testing"

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"a", "", 1}, {"", "abc", 3}, {"group", "group", 0}, {"gruop", "group", 1}, {"goup", "group", 1}, {"groupp", "group", 1}, {"grzup", "group", 1},
		{"kitten", "sitting", 3}, {"abcd", "badc", 2}, {"ущерб", "ущрб", 1},
	} {
		if got := Distance(c.a, c.b); got != c.want {
			t.Errorf("from %q to %q: %d, want %d", c.a, c.b, got, c.want)
		}
		if back := Distance(c.b, c.a); back != c.want {
			t.Errorf("from %q to %q: %d, want %d", c.b, c.a, back, c.want)
		}
	}
}
