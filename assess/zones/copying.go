package zones

import "math"

// Receipt is a way in which a third party gets the information, and the methods that lead it to a copy.
type Receipt struct {
	Get     float64
	Methods []float64 // probabilities of success, independent
}

// Copy is C = 1-Π(1-c), that one of the methods leads to a copy.
func (r Receipt) Copy() float64 { return Any(r.Methods...) }

// Both is that the party gets the information in this way and copies it.
func (r Receipt) Both() float64 { return r.Get * r.Copy() }

// Party is a third party. Exclusive says that it gets the information legally or illegally, not in both ways; the chances of getting it then sum to 1 at most.
type Party struct {
	Legal, Illegal Receipt
	Exclusive      bool
}

// Copies is the probability that the party makes a copy.
func (p Party) Copies() float64 {
	if p.Exclusive {
		return min(1, p.Legal.Both()+p.Illegal.Both())
	}
	return Any(p.Legal.Both(), p.Illegal.Both())
}

// Third is the probability that any of the parties makes a copy.
func Third(parties []Party) float64 {
	p := make([]float64, len(parties))
	for i, x := range parties {
		p[i] = x.Copies()
	}
	return Any(p...)
}

// Copying is the probability of unauthorised copying where it is developed, where it is used, or by third parties.
func Copying(development, use, third float64) float64 { return Any(development, use, third) }

// Affordable is the chance 1-exp(-budget/cost) that a method succeeds for who can spend so much on it; an assumption. A cost of 0 is certain success for any budget above 0.
func Affordable(budget, cost float64) float64 {
	switch {
	case budget <= 0:
		return 0
	case cost <= 0:
		return 1
	}
	return -math.Expm1(-budget / cost)
}
