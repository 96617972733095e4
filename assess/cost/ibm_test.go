package cost_test

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"redoubt/assess/cost"
)

func ibm(t interface{ Fatal(...any) }, s, v int) float64 {
	r, err := cost.IBM(s, v)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestIBMVectors(t *testing.T) {
	for _, x := range []struct {
		s, v int
		want float64
	}{
		{0, 0, 1e-4}, {4, 0, 1}, {5, 1, 100}, {6, 3, 1e5}, {7, 7, 1e10}, {6, 1, 1000}, {3, 3, 100}, {5, 3, 1e4}, {7, 2, 1e5}, {5, 4, 1e5},
	} {
		if got := ibm(t, x.s, x.v); got != x.want {
			t.Errorf("IBM(%d, %d) = %v, want %v", x.s, x.v, got, x.want)
		}
	}
	if got := ibm(t, 6, 3) + ibm(t, 5, 1) + ibm(t, 3, 3); got != 100200 {
		t.Errorf("portfolio %v", got)
	}
	for _, x := range [][2]int{{-1, 0}, {8, 0}, {0, 8}, {0, -1}} {
		if _, err := cost.IBM(x[0], x[1]); err == nil {
			t.Errorf("grades %v are taken", x)
		}
	}
	if got, err := cost.Courtney(1, 1); err != nil || math.Abs(got-10.0/300) > 1e-17 {
		t.Error(got, err)
	}
	if got, err := cost.Courtney(8, 7); err != nil || got != 1e12/3 {
		t.Error(got, err)
	}
	for _, x := range [][2]int{{0, 1}, {9, 1}, {1, 0}, {1, 8}} {
		if _, err := cost.Courtney(x[0], x[1]); err == nil {
			t.Errorf("grades %v are taken", x)
		}
	}
}

// TestIBMTable goes through all of it: symmetry, and one grade more is exactly ten times as much where powers of ten are exact.
func TestIBMTable(t *testing.T) {
	for s := range 8 {
		for v := range 8 {
			if ibm(t, s, v) != ibm(t, v, s) {
				t.Errorf("not symmetric at %d, %d", s, v)
			}
			for _, more := range [][2]int{{s + 1, v}, {s, v + 1}} {
				if more[0] > 7 || more[1] > 7 {
					continue
				}
				if got, want := ibm(t, more[0], more[1]), 10*ibm(t, s, v); got != want && s+v >= 4 || math.Abs(got-want) > 1e-15*want {
					t.Errorf("%v: %v, want %v", more, got, want)
				}
			}
		}
	}
}

// TestQuantisingStaysInTheBand holds the continuous form against the table.
func TestQuantisingStaysInTheBand(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, v := rapid.Float64Range(0, 7).Draw(t, "s"), rapid.Float64Range(0, 7).Draw(t, "v")
		frequency, damage := math.Pow(10, s-4), math.Pow(10, v)
		gs, gv := cost.IBMGrades(frequency, damage)
		if math.Abs(gs-s) > 1e-9 || math.Abs(gv-v) > 1e-9 {
			t.Fatal(gs, gv)
		}
		ns, ok1 := cost.Quantise(gs, 0, 7)
		nv, ok2 := cost.Quantise(gv, 0, 7)
		band := cost.Band(ibm(t, ns, nv))
		if r := frequency * damage; !ok1 || !ok2 || r < band[0]*(1-1e-9) || r > band[1]*(1+1e-9) {
			t.Fatalf("%v is not in %v", r, band)
		}
		f, i := cost.CourtneyGrades(frequency, damage)
		if got := math.Pow(10, f+i-3) / 3; math.Abs(got-frequency*damage) > 1e-9*got {
			t.Fatal(got)
		}
	})
	if g, ok := cost.Quantise(9.2, 0, 7); g != 7 || ok {
		t.Error(g, ok)
	}
	if g, ok := cost.Quantise(-3, 0, 7); g != 0 || ok {
		t.Error(g, ok)
	}
}
