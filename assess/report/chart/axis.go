package chart

import (
	"math"
	"strconv"
)

// axis maps values to places.
type axis struct {
	lo, hi   float64 // of the values; of their logarithms where log is set
	from, to float64 // places
	log      bool
}

// newAxis makes an axis that holds all values. No value, or one only, gives an axis around it.
func newAxis(values []float64, log bool, from, to float64) axis {
	a := axis{math.Inf(1), math.Inf(-1), from, to, log}
	for _, v := range values {
		if v, ok := a.scale(v); ok {
			a.lo, a.hi = min(a.lo, v), max(a.hi, v)
		}
	}
	if a.lo > a.hi {
		a.lo, a.hi = 0, 1
	}
	if log {
		a.lo, a.hi = math.Floor(a.lo+1e-9), math.Ceil(a.hi-1e-9)
	}
	if a.hi-a.lo <= 1e-12*max(math.Abs(a.lo), math.Abs(a.hi)) {
		d := 1.0
		if !log && a.lo != 0 {
			d = math.Abs(a.lo) / 2
		}
		a.lo, a.hi = a.lo-d, a.hi+d
	}
	if !log {
		step := nice((a.hi - a.lo) / 6)
		a.lo, a.hi = math.Floor(a.lo/step+1e-9)*step, math.Ceil(a.hi/step-1e-9)*step
	}
	return a
}

// scale is the value, or its logarithm; ok is false where there is no place for it.
func (a axis) scale(v float64) (float64, bool) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, false
	}
	if !a.log {
		if math.Abs(v) < 1e-290 { // steps between such numbers are no numbers
			v = 0
		}
		return v, math.Abs(v) < 1e300
	}
	return math.Log10(v), v > 0
}

// at is the place of a value.
func (a axis) at(v float64) (float64, bool) {
	v, ok := a.scale(v)
	return a.from + (v-a.lo)/(a.hi-a.lo)*(a.to-a.from), ok
}

// nice is a step of 1, 2 or 5 times a power of ten, not less than v.
func nice(v float64) float64 {
	p := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5} {
		if m*p >= v*(1-1e-9) {
			return m * p
		}
	}
	return 10 * p
}

type tick struct {
	place float64
	label string
}

// maxTicks is how many ticks an axis has at most.
const maxTicks = 12

func (a axis) ticks() []tick {
	var out []tick
	if a.log {
		step := max(1, math.Ceil((a.hi-a.lo)/8))
		for e := math.Ceil(a.lo); e <= a.hi+1e-9 && len(out) < maxTicks; e += step {
			out = append(out, tick{a.from + (e-a.lo)/(a.hi-a.lo)*(a.to-a.from), decade(int(e))})
		}
		return out
	}
	step := nice((a.hi - a.lo) / 6)
	for i := 0.0; len(out) < maxTicks; i++ {
		v := a.lo + i*step
		if v > a.hi+step*1e-6 {
			break
		}
		if math.Abs(v) < step*1e-6 {
			v = 0
		}
		place, _ := a.at(v)
		out = append(out, tick{place, Number(v)})
	}
	return out
}

// decade names a power of ten.
func decade(e int) string {
	if e >= -4 && e <= 6 {
		return Number(math.Pow10(e))
	}
	return "1e" + strconv.Itoa(e)
}
