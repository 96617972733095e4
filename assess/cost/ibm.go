// Package cost is what threats cost in a period and what it is worth to spend against them: the empirical model of IBM (formulas 3.1 and 3.2 of models.md (b)), the
// optimum of cost and loss on a curve, and the choice of measures with its frontier. Amounts are in one currency, per period.
package cost

import (
	"fmt"
	"math"
)

// Grades of the two scales.
const (
	MaxGrade          = 7 // of S and V, from 0
	MaxCourtneyF      = 8 // of Courtney's frequency, from 1
	MaxCourtneyDamage = 7 // of Courtney's damage, from 1
)

// powers are 10^-4 to 10^12, exact where they are whole numbers.
var powers = [...]float64{1e-4, 1e-3, 1e-2, 1e-1, 1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12}

// power is 10^e, for e from -4 to 12.
func power(e int) float64 { return powers[e+4] }

// IBM is the expected loss of one threat by formula 3.1, R = 10^(S+V-4): frequency 10^(S-4) in a period, damage 10^V.
func IBM(s, v int) (float64, error) {
	if s < 0 || s > MaxGrade || v < 0 || v > MaxGrade {
		return 0, fmt.Errorf("grades S = %d, V = %d: both go from 0 to %d", s, v, MaxGrade)
	}
	return power(s + v - 4), nil
}

// IBMGrades are the continuous grades of a frequency and a damage, both greater than 0: S = 4 + log10 f, V = log10 v.
func IBMGrades(frequency, damage float64) (s, v float64) {
	return 4 + math.Log10(frequency), math.Log10(damage)
}

// Courtney is the expected loss on Courtney's scale, R = 10^(f+i-3)/3: f = 1 is once in 300 years, i = 1 is a damage of 10.
func Courtney(f, i int) (float64, error) {
	if f < 1 || f > MaxCourtneyF || i < 1 || i > MaxCourtneyDamage {
		return 0, fmt.Errorf("grades f = %d, i = %d: f goes from 1 to %d, i from 1 to %d", f, i, MaxCourtneyF, MaxCourtneyDamage)
	}
	return power(f+i-3) / 3, nil
}

// CourtneyGrades are the continuous grades on Courtney's scale: f = 3 + log10(3 f), i = log10 v.
func CourtneyGrades(frequency, damage float64) (f, i float64) {
	return 3 + math.Log10(3*frequency), math.Log10(damage)
}

// Quantise is the nearest grade within the scale, and whether the scale had it: a value more than half a grade outside is taken to the end.
func Quantise(grade float64, least, most int) (nearest int, within bool) {
	r := math.Round(grade)
	return int(min(max(r, float64(least)), float64(most))), r >= float64(least) && r <= float64(most)
}

// Band is what rounding both grades to whole numbers can do to an expected loss: half a grade each, a factor of 10 in all.
func Band(r float64) [2]float64 { return [2]float64{r / 10, r * 10} }
