package risk

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"sync"

	"gonum.org/v1/gonum/mathext"
)

// alias draws one of several indices, each with its own probability, from one random number: the index that the number falls to, or another one in its place.
type alias struct {
	keep  []uint64 // the part of the index's own, of 2^64
	other []int32
	first int // of the indices
}

// newAlias makes it of weights that are not negative and not all 0.
func newAlias(weights []float64) *alias {
	n, sum := len(weights), 0.0
	for _, w := range weights {
		sum += w
	}
	a := &alias{keep: make([]uint64, n), other: make([]int32, n)}
	share := make([]float64, n)
	var small, large []int32
	for i, w := range weights {
		if share[i] = w / sum * float64(n); share[i] < 1 {
			small = append(small, int32(i))
		} else {
			large = append(large, int32(i))
		}
	}
	for len(small) > 0 && len(large) > 0 {
		s, l := small[len(small)-1], large[len(large)-1]
		small = small[:len(small)-1]
		a.keep[s], a.other[s] = uint64(share[s]*0x1p64), l
		if share[l] -= 1 - share[s]; share[l] < 1 {
			large = large[:len(large)-1]
			small = append(small, l)
		}
	}
	for _, i := range append(small, large...) { // what rounding left
		a.keep[i], a.other[i] = math.MaxUint64, i
	}
	return a
}

func (a *alias) at(v uint64) int {
	i, rest := bits.Mul64(v, uint64(len(a.keep)))
	if rest < a.keep[i] {
		return a.first + int(i)
	}
	return a.first + int(a.other[i])
}

// inverse is the quantile function of a law by polynomials. Probabilities are split by their distance from the nearer end: into octaves, and each of these into cells, so that the
// polynomials follow the tails as well as the middle.
type inverse struct {
	cells [2 * octaves * cellsOfOctave][4]float64 // coefficients; the first is no number where a polynomial does not do
	free  func(p float64) float64                 // the quantile function, without the limit
	most  float64
}

const (
	octaves       = 12
	cellBits      = 6
	cellsOfOctave = 1 << cellBits
	inverseError  = 1e-8 // of the polynomials, relative to the damage
)

// cellPoints are the places within a cell at which its polynomial is right, and then those at which it is compared.
var cellPoints = [...]float64{0.5 - 0.5*0.9238795325112867, 0.5 - 0.5*0.3826834323650898, 0.5 + 0.5*0.3826834323650898, 0.5 + 0.5*0.9238795325112867, 0, 0.25, 0.5, 0.75, 1}

// normalPoints are the quantiles of the standard normal law at the points of all cells: logarithms of lognormal damages differ from them by a factor and a shift only.
var normalPoints = sync.OnceValue(func() []float64 {
	var out []float64
	eachPoint(func(p float64) { out = append(out, mathext.NormalQuantile(p)) })
	return out
})

// eachPoint calls f with the probability of each point of each cell.
func eachPoint(f func(p float64)) {
	for side := range 2 {
		for z := range octaves {
			for j := range cellsOfOctave {
				for _, t := range cellPoints {
					p := math.Ldexp(1+(float64(j)+t)/cellsOfOctave, -z-2)
					if side == 1 {
						p = 1 - p
					}
					f(p)
				}
			}
		}
	}
}

// newInverse makes it of the law's values at all points.
func newInverse(values []float64, free func(float64) float64, most float64) *inverse {
	l := &inverse{free: free, most: most}
	if most == 0 {
		l.most = math.Inf(1)
	}
	x := cellPoints
	for i := range l.cells {
		y := values[i*len(x) : (i+1)*len(x)]
		// Newton's form through the first four, and then powers.
		d01, d12, d23 := (y[1]-y[0])/(x[1]-x[0]), (y[2]-y[1])/(x[2]-x[1]), (y[3]-y[2])/(x[3]-x[2])
		d012, d123 := (d12-d01)/(x[2]-x[0]), (d23-d12)/(x[3]-x[1])
		d := (d123 - d012) / (x[3] - x[0])
		c := &l.cells[i]
		c[3] = d
		c[2] = d012 - d*(x[0]+x[1]+x[2])
		c[1] = d01 - d012*(x[0]+x[1]) + d*(x[0]*x[1]+x[0]*x[2]+x[1]*x[2])
		c[0] = y[0] - x[0]*(d01-x[1]*(d012-x[2]*d))
		for k := 4; k < len(x); k++ {
			if off := math.Abs(polynomial(c, x[k]) - y[k]); !(off <= inverseError*math.Abs(y[k])) {
				c[0] = math.NaN()
			}
		}
	}
	return l
}

func polynomial(c *[4]float64, t float64) float64 { return c[0] + t*(c[1]+t*(c[2]+t*c[3])) }

// at is the damage that belongs to a random number, of which the last blockBits are not looked at: the first bit says from which end, the others how far.
func (l *inverse) at(v uint64) float64 {
	w := v >> blockBits << blockBits << 1
	z := bits.LeadingZeros64(w)
	if z >= octaves {
		return l.exact(v)
	}
	m := w << (z + 1)
	x := polynomial(&l.cells[(int(v>>63)*octaves+z)<<cellBits|int(m>>(64-cellBits))], float64(m<<cellBits>>11)*0x1p-53)
	switch {
	case x > l.most:
		return l.most
	case x >= 0:
		return x
	case x < 0:
		return 0
	}
	return l.exact(v)
}

func (l *inverse) exact(v uint64) float64 {
	p := (float64(v<<1>>(blockBits+1)) + 0.5) * (1.0 / (1 << (64 - blockBits)))
	if v>>63 == 1 {
		p = 1 - p
	}
	return math.Max(0, math.Min(l.free(p), l.most))
}

// scatter draws n damages and adds each to one of the trials of a block; those that fall to trials that are not there are lost.
func (l *inverse) scatter(r *rand.PCG, n int, into []float64) {
	for range n {
		v := r.Uint64()
		if y := int(v & (blockTrials - 1)); y < len(into) {
			into[y] += l.at(v)
		}
	}
}

// scatterBy is scatter to trials that are not equally likely.
func (l *inverse) scatterBy(r *rand.PCG, n int, pick *alias, into []float64) {
	for range n {
		if y := pick.at(r.Uint64()); y < len(into) {
			into[y] += l.at(r.Uint64())
		}
	}
}

// tables are those of the threats of a simulation; alike ones have the same.
type tables struct {
	counts   map[Counts]*alias
	severity map[Severity]*inverse
}

func newTables() *tables {
	return &tables{map[Counts]*alias{}, map[Severity]*inverse{}}
}

// mostTables is how many there are of a kind: what they hold should stay in tens of megabytes.
const mostTables = 1024

// numbers is the table of a law of numbers, nil where they spread too far for one.
func (ts *tables) numbers(c Counts) *alias {
	const limit = 4096
	if a, ok := ts.counts[c]; ok || len(ts.counts) >= mostTables {
		return a
	}
	var a *alias
	if first, p, left := c.Table(limit); left < 1e-12 {
		a = newAlias(p)
		a.first = first
	}
	ts.counts[c] = a
	return a
}

// damages is the table of a severity of which so many draws are expected, nil where it does not pay or there is none.
func (ts *tables) damages(s Severity, draws float64) *inverse {
	const cheap, dear = 1e5, 2e6     // from how many draws on a table pays
	var free func(p float64) float64 // the quantile function, without the limit
	var most float64
	pays := cheap
	switch s := s.(type) {
	case Lognormal:
		free, most = Lognormal{s.Mu, s.Sigma, 0}.Quantile, s.Most
	case Pareto:
		free, most = Pareto{s.Least, s.Shape, 0}.Quantile, s.Most
	case LogStudent:
		free, most, pays = func(p float64) float64 { return math.Exp(s.Log.Quantile(p)) }, s.Most, dear
	case Clipped:
		free, most, pays = s.Of.Quantile, s.Most, dear
	}
	if free == nil || draws < pays { // also where another threat has the table: what is drawn of this one must not hang on that
		return nil
	}
	if l, ok := ts.severity[s]; ok || len(ts.severity) >= mostTables {
		return l
	}
	var values []float64
	if s, ok := s.(Lognormal); ok {
		for _, z := range normalPoints() {
			values = append(values, math.Exp(s.Mu+s.Sigma*z))
		}
	} else {
		eachPoint(func(p float64) { values = append(values, free(p)) })
	}
	l := newInverse(values, free, most)
	ts.severity[s] = l
	return l
}
