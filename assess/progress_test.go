package assess_test

import (
	"strings"
	"sync"
	"testing"

	"redoubt/assess"
	"redoubt/assess/model"
)

// TestProgressIsTold: who computes hears of each section that begins, and within the long ones how far they are.
func TestProgressIsTold(t *testing.T) {
	m := netModel()
	m.Version, m.Losses.Simulation.Trials = model.Version, 50000
	m.Codes = &model.Codes{N: 3, Effort: 0.5}
	for i := range 40 {
		n := model.CodeNode{Name: strings.Repeat("x", i+1)}
		if i > 1 {
			n.Below = []string{strings.Repeat("x", (i+1)/2), strings.Repeat("x", i/3+1)}
		}
		m.Codes.Nodes = append(m.Codes.Nodes, n)
	}
	var lock sync.Mutex
	within := map[string]int{}
	_, err := assess.Run(t.Context(), m, assess.Options{Progress: func(section string, done float64) {
		lock.Lock()
		defer lock.Unlock()
		if done < 0 || done > 1 {
			t.Errorf("%s is at %v", section, done)
		}
		within[section] += 0
		if done > 0 {
			within[section]++
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if len(within) != 9 || within["losses"] < 10 || within["codes"] < 10 {
		t.Error(within)
	}
}
