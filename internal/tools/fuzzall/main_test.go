package main

import (
	"slices"
	"testing"
)

func TestTargets(t *testing.T) {
	got := targets(`FuzzOne
FuzzTwo
TestFuzzy
ok  	redoubt/internal/a	0.004s
?   	redoubt/internal/b	[no test files]
ok  	redoubt/internal/c	0.003s
FuzzOne
ok  	redoubt/internal/d	(cached)
`)
	want := []target{{"redoubt/internal/a", "FuzzOne"}, {"redoubt/internal/a", "FuzzTwo"}, {"redoubt/internal/d", "FuzzOne"}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
