package model

import "math"

// Bounds that keep a computation finite. They are far above what anybody has.
const (
	maxObservations = 10000
	maxTable        = 100000
	maxTrials       = 20000000
	maxAmount       = 1e15 // of money
	maxCount        = 1e9  // of manifestations in one observation
	maxLevels       = 100
)

func (f *Frequency) check(path string, c *Checker) {
	if f == nil {
		return
	}
	if t := f.Horizon; t != nil {
		if c.NotNegative(path+".horizon", *t); *t > 1e4 {
			c.Bad(path+".horizon", "%v periods is longer than 10000", *t)
		}
	}
	if c.Share(path+".forgetting", f.Forgetting); f.Forgetting == 1 {
		c.Bad(path+".forgetting", "1 forgets everything but the last observation at once; give less than 1")
	}
	c.OneOf(path+".choose_by", f.ChooseBy, "given", "held-back")
	if f.ChooseBy == "held-back" && f.Forgetting != 0 {
		c.Bad(path+".forgetting", "it is given, and choose_by says that it is to be found; leave out one of them")
	}
	checkLevels(path+".quantiles", f.Quantiles, c)
	list := path + ".threats"
	if !c.few(list, len(f.Threats), maxThreats) {
		return
	}
	c.threatsOnce(list, collect(f.Threats, func(t ThreatFrequency) string { return t.Threat }))
	for i, t := range f.Threats {
		at := Item(list, i)
		if p := t.Prior; p != nil {
			c.between(at+".prior.a", p.A, 1e-6, 1e12)
			c.between(at+".prior.b", p.B, 1e-9, 1e12)
		}
		if !c.few(at+".observations", len(t.Observations), maxObservations) {
			continue
		}
		for k, o := range t.Observations {
			here := Item(at+".observations", k)
			switch c.NotNegative(here+".count", o.Count); {
			case o.Count > maxCount:
				c.Bad(here+".count", "%v is more than %g", o.Count, float64(maxCount))
			case o.Count != math.Trunc(o.Count):
				c.Bad(here+".count", "%v is not a whole number", o.Count)
			}
			if o.Exposure != 0 { // 0 is the default
				c.between(here+".exposure", o.Exposure, leastExposure, 1e6)
			}
		}
	}
}

// checkLevels notes levels of quantiles that are none.
func checkLevels(path string, levels []float64, c *Checker) {
	if !c.few(path, len(levels), maxLevels) {
		return
	}
	for i, p := range levels {
		if c.Finite(Item(path, i), p) && !(p >= 1e-6 && p <= 1-1e-6) {
			c.Bad(Item(path, i), "%v is not between 0.000001 and 0.999999", p)
		}
	}
}

// few notes a list that is too long.
func (c *Checker) few(path string, n, most int) bool {
	if n > most {
		c.Bad(path, "there are %d of them; at most %d can be computed with", n, most)
	}
	return n <= most
}

// between notes a number that is not between lo and hi, both included and greater than 0.
func (c *Checker) between(path string, v, lo, hi float64) {
	if c.Finite(path, v) && !(v >= lo && v <= hi) {
		c.Bad(path, "%v is not between %g and %g", v, lo, hi)
	}
}

// amount notes an amount of money that is too great to be one.
func (c *Checker) amount(path string, v float64) {
	if c.Finite(path, v) && math.Abs(v) > maxAmount {
		c.Bad(path, "%v is more than %g: give amounts in a larger unit", v, float64(maxAmount))
	}
}

// threatsOnce notes names that no threat has, or that come twice.
func (c *Checker) threatsOnce(path string, names []string) {
	seen := map[string]int{}
	for i, n := range names {
		at := Item(path, i) + ".threat"
		if first, ok := seen[n]; ok {
			c.Bad(at, "%q is the threat of %s too", n, Item(path, first))
			continue
		}
		seen[n] = i
		c.Threat(at, n)
	}
}

func (d *Damage) check(path string, c *Checker) {
	if d == nil {
		return
	}
	list := path + ".threats"
	if !c.few(list, len(d.Threats), maxThreats) {
		return
	}
	c.threatsOnce(list, collect(d.Threats, func(t ThreatDamage) string { return t.Threat }))
	for i, t := range d.Threats {
		t.check(Item(list, i), c)
	}
}

func (t ThreatDamage) check(at string, c *Checker) {
	c.OneOf(at+".law", t.Law, "normal", "lognormal", "fixed-lognormal", "pareto", "table")
	if c.NotNegative(at+".maximum", t.Maximum); t.Maximum != 0 {
		c.amount(at+".maximum", t.Maximum)
	}
	learned := t.Law == "" || t.Law == "normal" || t.Law == "lognormal"
	t.strangers(at, learned, c)
	switch t.Law {
	case "", "normal", "lognormal":
		t.checkLearned(at, c)
	case "fixed-lognormal":
		if c.Finite(at+".mu", t.Mu) && math.Abs(t.Mu) > 50 {
			c.Bad(at+".mu", "%v is no mean of a logarithm of an amount: it is not between -50 and 50", t.Mu)
		}
		c.between(at+".sigma", t.Sigma, 1e-3, 10)
	case "pareto":
		c.between(at+".minimum", t.Minimum, 1e-6, maxAmount)
		c.between(at+".shape", t.Shape, 0.05, 1000)
		if t.Shape <= 1 && t.Maximum == 0 {
			c.Bad(at+".maximum", "with a shape of 1 or less the mean of this law is infinite, so the most that one manifestation can cost has to be given")
		}
		if t.Maximum > 0 && t.Maximum <= t.Minimum {
			c.Bad(at+".maximum", "it is not greater than the minimum, %v", t.Minimum)
		}
	case "table":
		t.checkTable(at, c)
	}
}

// strangers notes what the law has no use for: it would have no effect.
func (t ThreatDamage) strangers(at string, learned bool, c *Checker) {
	for _, x := range []struct {
		name string
		set  bool
		fits bool
	}{
		{"prior", t.Prior != nil, learned}, {"observations", len(t.Observations) > 0, learned},
		{"mu", t.Mu != 0, t.Law == "fixed-lognormal"}, {"sigma", t.Sigma != 0, t.Law == "fixed-lognormal"},
		{"minimum", t.Minimum != 0, t.Law == "pareto"}, {"shape", t.Shape != 0, t.Law == "pareto"}, {"table", len(t.Table) > 0, t.Law == "table"},
	} {
		if x.set && !x.fits {
			c.Bad(at+"."+x.name, "the law %q has none", either(t.Law, "normal"))
		}
	}
}

func (t ThreatDamage) checkLearned(at string, c *Checker) {
	logarithm := t.Law == "lognormal"
	if logarithm && t.Maximum == 0 {
		c.Bad(at+".maximum", "the mean of this law is infinite, so the most that one manifestation can cost has to be given")
	}
	if c.few(at+".observations", len(t.Observations), maxObservations) {
		for k, x := range t.Observations {
			here := Item(at+".observations", k)
			if c.amount(here, x); logarithm && x < 1e-6 {
				c.Bad(here, "%v has no logarithm that an amount could have; give damages greater than 0", x)
			}
		}
	}
	p := t.Prior
	if p == nil {
		distinct := false
		for _, x := range t.Observations {
			distinct = distinct || x != t.Observations[0]
		}
		if !distinct || len(t.Observations) < 3 {
			c.Bad(at, "without a prior there have to be three observations at least, not all the same")
		}
		return
	}
	c.amount(at+".prior.m", p.M)
	first, second := p.Kappa != 0 || p.Alpha != 0 || p.Beta != 0, p.N != 0 || p.Nu != 0 || p.V != 0
	switch {
	case first && second:
		c.Bad(at+".prior", "give either kappa, alpha, beta, or n, nu, v")
	case second:
		c.between(at+".prior.n", p.N, 1e-6, 1e9)
		c.between(at+".prior.nu", p.Nu, 0.1, 1e9)
		c.between(at+".prior.v", p.V, 1e-12, 1e30)
	default:
		c.between(at+".prior.kappa", p.Kappa, 1e-6, 1e9)
		c.between(at+".prior.alpha", p.Alpha, 0.05, 1e9)
		c.between(at+".prior.beta", p.Beta, 1e-12, 1e39)
	}
}

func (t ThreatDamage) checkTable(at string, c *Checker) {
	list := at + ".table"
	if len(t.Table) == 0 {
		c.Bad(list, "there is no amount in it")
	}
	if !c.few(list, len(t.Table), maxTable) {
		return
	}
	sum := 0.0
	for k, a := range t.Table {
		here := Item(list, k)
		c.NotNegative(here+".amount", a.Amount)
		c.amount(here+".amount", a.Amount)
		c.Share(here+".probability", a.Probability)
		sum += a.Probability
	}
	if len(t.Table) > 0 && !(math.Abs(sum-1) <= 1e-6) {
		c.Bad(list, "the probabilities sum to %v, not to 1", sum)
	}
}

func (l *Losses) check(path string, c *Checker) {
	if l == nil {
		return
	}
	if l.Error != 0 {
		c.between(path+".error", l.Error, 1e-7, 0.5)
	}
	checkLevels(path+".quantiles", l.Quantiles, c)
	if s := l.Simulation; s != nil && (s.Trials < 0 || s.Trials > maxTrials || s.Trials > 0 && s.Trials < 1000) {
		c.Bad(path+".simulation.trials", "%d is not between 1000 and %d", s.Trials, maxTrials)
	}
	l.Dependence.check(path+".dependence", c)
	limits := path + ".limits"
	if c.few(limits, len(l.Limits), maxThreats) {
		c.threatsOnce(limits, collect(l.Limits, func(x Limit) string { return x.Threat }))
		for i, x := range l.Limits {
			at := Item(limits, i)
			c.NotNegative(at+".deductible", x.Deductible)
			c.NotNegative(at+".cap", x.Cap)
			if x.Deductible == 0 && x.Cap == 0 {
				c.Bad(at, "it has neither a deductible nor a cap, so it limits nothing")
			}
		}
	}
	if c.few(path+".insurance", len(l.Insurance), 1000) {
		for i, x := range l.Insurance {
			at := Item(path+".insurance", i)
			c.NotNegative(at+".attachment", x.Attachment)
			c.Positive(at+".limit", x.Limit)
			c.Share(at+".share", x.Share)
			c.NotNegative(at+".premium", x.Premium)
		}
	}
	if c.few(path+".tolerance", len(l.Tolerance), 1000) {
		for i, x := range l.Tolerance {
			at := Item(path+".tolerance", i)
			c.NotNegative(at+".loss", x.Loss)
			c.Share(at+".probability", x.Probability)
			for k, y := range l.Tolerance[:i] {
				if x.Loss > y.Loss && x.Probability > y.Probability || x.Loss < y.Loss && x.Probability < y.Probability {
					c.Bad(at, "a greater loss is tolerated with a greater probability than the lesser one of %s", Item(path+".tolerance", k))
					break
				}
			}
		}
	}
	if c.m.Frequency == nil || c.m.Damage == nil {
		c.Bad(path, "it needs the sections frequency and damage")
	}
}

func (d *Dependence) check(path string, c *Checker) {
	if d == nil {
		return
	}
	if d.Kind == "" {
		c.Bad(path+".kind", "it has no kind; give shock, gaussian or t")
	}
	c.OneOf(path+".kind", d.Kind, "shock", "gaussian", "t")
	switch d.Kind {
	case "shock":
		c.between(path+".shape", d.Shape, 0.01, 1e6)
	case "t":
		c.between(path+".freedom", d.Freedom, 0.5, 1e6)
		fallthrough
	case "gaussian":
		if c.Share(path+".correlation", d.Correlation); d.Correlation == 1 {
			c.Bad(path+".correlation", "1 makes all threats one; give less")
		}
	}
	if !c.few(path+".threats", len(d.Threats), maxThreats) {
		return
	}
	seen := map[string]bool{}
	for i, n := range d.Threats {
		if c.Threat(Item(path+".threats", i), n); seen[n] {
			c.Bad(Item(path+".threats", i), "%q comes twice", n)
		}
		seen[n] = true
	}
}

// leastExposure is the shortest time that an observation may cover: a cluster that was made a second ago is assessed by what its year has seen so far.
const leastExposure = 1e-9
