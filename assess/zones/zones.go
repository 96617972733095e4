// Package zones is the vulnerability of information: unauthorised acquisition through five nested zones and channels, by categories of violators, in base, generalised and
// extremal indicators; the violation of integrity along a technological route; unauthorised copying. It knows nothing of model files.
//
// Formulas: part (a)+(i) of the models. The four events of acquisition are the lecture's, their symbols are remembered from the literature, and the composition, the
// nested refinement, integrity and copying are reconstructed.
package zones

import "math"

// Zones is the number of zones, from the uncontrolled exterior (1) over the controlled territory, the premises and the resources to the databases (5). Each lies in the one
// before it.
const Zones = 5

// Names are the zones, from the outermost.
var Names = [Zones]string{"outside", "territory", "premises", "resources", "databases"}

// ByZone is a probability for each zone.
type ByZone [Zones]float64

// Chain multiplies the four events of acquisition, each conditional on those before it: the violator gets into the zone, the channel shows there, he can use it,
// protected information is in it. The product is exact; no independence is needed.
func Chain(presence, manifest, accessible, information ByZone) (p ByZone) {
	for l := range p {
		p[l] = presence[l] * manifest[l] * accessible[l] * information[l]
	}
	return p
}

// Any is the probability that at least one of independent events happens: 1-Π(1-p), without loss of small probabilities.
func Any(p ...float64) float64 {
	var sum float64
	for _, v := range p {
		sum += math.Log1p(-v)
	}
	return happens(sum)
}

// happens turns the logarithm of the probability that nothing happens into that of something.
func happens(nothing float64) float64 { return -math.Expm1(nothing) + 0 }

// Repeat is the probability of at least one of n independent events of the same probability: n violators of a category, or n equal intervals of time.
func Repeat(p float64, n int) float64 { return happens(times(n, math.Log1p(-p))) }

// times is n·x, and 0 for n = 0 even where x is infinite.
func times(n int, x float64) float64 {
	if n == 0 {
		return 0
	}
	return float64(n) * x
}

// Independent is the base indicator with zones taken as independent, 1-Π(1-P_l). It is never below the nested one.
func Independent(p ByZone) float64 { return Any(p[:]...) }

// Nested is the base indicator with zones that lie in one another: who is in a zone is in all those around it. reach is the probability of getting into each zone; it counts
// as not above that of the zone around it, and ok is false where it is. inside is the product of the three other events.
func Nested(reach, inside ByZone) (p float64, ok bool) {
	ok = true
	deep := reach
	for l := 1; l < Zones; l++ {
		if deep[l] > deep[l-1] {
			deep[l], ok = deep[l-1], false
		}
	}
	// The mixture over the deepest zone reached, of the probability that something comes out of it or of one around it.
	var nothing float64
	for l := range Zones {
		nothing += math.Log1p(-inside[l])
		next := 0.0
		if l+1 < Zones {
			next = deep[l+1]
		}
		if deep[l] > next {
			p += (deep[l] - next) * happens(nothing)
		}
	}
	return min(1, p), ok
}

// Band is an interval of probabilities.
type Band struct{ Lo, Hi float64 }

// Frechet is where the probability of at least one of the events lies whatever depends on what: from the greatest to the sum, at most 1.
func Frechet(p ...float64) (b Band) {
	for _, v := range p {
		b.Lo = max(b.Lo, v)
		b.Hi += v
	}
	b.Hi = min(1, max(b.Hi, b.Lo))
	return b
}

// Class is one of the six classes of channels of unauthorised acquisition.
type Class struct {
	Name       string
	Title      string
	Access     int  // what it needs: 0 no access, 1 access without change, 2 access with change of elements of the system
	Processing bool // it shows only while information is processed
}

// Fits reports whether the class is at home in a zone, 1 to 5: without access in the two outer ones, with access in the three inner ones.
func (c Class) Fits(zone int) bool { return (c.Access == 0) == (zone <= 2) }

// Mark is the mark of the catalogue of classes and of where they fit: remembered from the literature.
const Mark = "M"

// Classes is the catalogue of channels that stands in where a model names none, class 1 first.
var Classes = [6]Class{
	{Name: "no-access", Title: "no access needed, shows whether or not information is processed", Access: 0},
	{Name: "no-access-processing", Title: "no access needed, shows during processing", Access: 0, Processing: true},
	{Name: "access", Title: "access without change of elements, shows whether or not information is processed", Access: 1},
	{Name: "access-processing", Title: "access without change of elements, shows during processing", Access: 1, Processing: true},
	{Name: "change", Title: "access with change of elements, shows whether or not information is processed", Access: 2},
	{Name: "change-processing", Title: "access with change of elements, shows during processing", Access: 2, Processing: true},
}
