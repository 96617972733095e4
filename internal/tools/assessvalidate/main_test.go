package main

import (
	"bytes"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPageIsOfTheseData fails when the page in docs is not what the command writes.
func TestPageIsOfTheseData(t *testing.T) {
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../../docs/assessor-validation.md")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(page), b.String()); diff != "" {
		t.Errorf("docs/assessor-validation.md is not of these data; make it again:\n%s", diff)
	}
}

func TestCounts(t *testing.T) {
	y, err := years()
	if err != nil {
		t.Fatal(err)
	}
	if y[0].Spans[0].Count != 129 || y[0].Spans[3].Count != 120 || len(y) != 5 {
		t.Errorf("thefts of 2010 and 2013: %v", y[0].Spans)
	}
	q, err := quarters()
	if err != nil {
		t.Fatal(err)
	}
	for i := range y { // a type's months sum to its year
		for k := range 6 {
			sum := 0.0
			for j := range 4 {
				sum += q[i].Spans[4*k+j].Count
			}
			if sum != y[i].Spans[k].Count {
				t.Errorf("%s in %d: %v by months, %v by years", types[i], 2010+k, sum, y[i].Spans[k].Count)
			}
		}
	}
}
