package risk

import (
	"math"
	"reflect"
	"testing"
)

// compound is the law of a number of Poisson's of whole damages, by the sum of convolutions: the dumb twin.
func compound(mean float64, damages map[int]float64, most int) []float64 {
	law, fold := make([]float64, most+1), make([]float64, most+1)
	fold[0] = 1
	for r := range 60 {
		weight := Poisson(mean).PMF(float64(r))
		next := make([]float64, most+1)
		for x, p := range fold {
			law[x] += weight * p
			for d, q := range damages {
				if x+d <= most {
					next[x+d] += p * q
				}
			}
		}
		fold = next
	}
	return law
}

func tableOf(damages map[int]float64) *Table {
	var x, p []float64
	for d := range 100 {
		if q, ok := damages[d]; ok {
			x, p = append(x, float64(d)), append(p, q)
		}
	}
	return NewTable(x, p)
}

var (
	small = map[int]float64{1: 0.5, 2: 0.3, 7: 0.2}
	great = map[int]float64{3: 0.9, 40: 0.1}
)

// TestLimitedMean holds the bracket against the sum over a law that was put together by hand, for limits within the law, beyond it, and none.
func TestLimitedMean(t *testing.T) {
	for name, x := range map[string]struct {
		mean    float64
		damages map[int]float64
	}{"often": {3, small}, "rare": {0.02, great}} {
		law := compound(x.mean, x.damages, 2000)
		for _, l := range []Limits{{}, {Cap: 5}, {Deductible: 2}, {Deductible: 2, Cap: 6}, {Deductible: 30, Cap: 50}, {Cap: 1e6}, {Deductible: 1e6}} {
			want := 0.0
			for c, p := range law {
				left := float64(c)
				if l.Deductible > 0 {
					left = max(0, left-l.Deductible)
				}
				if l.Cap > 0 {
					left = min(left, l.Cap)
				}
				want += p * left
			}
			threat := Threat{Counts: Poisson(x.mean), Severity: tableOf(x.damages)}
			mean, _ := threat.Mean()
			b, ok, err := l.Mean(t.Context(), threat, 1)
			if err != nil || !ok {
				t.Fatal(name, l, ok, err)
			}
			if want < b.Low-1e-9 || want > b.High+1e-9 || b.High-b.Low > 3e-3*mean {
				t.Errorf("%s, %+v: %v is not what %+v says", name, l, want, b)
			}
		}
	}
}

// TestLimitedMeanOfNormalDamages holds the closed form against the numerical integral of what is exceeded; a cost without a mean has no limited one.
func TestLimitedMeanOfNormalDamages(t *testing.T) {
	c := Cost{Counts: Counts{Shape: 10, Mean: 4}, Damage: NormalGamma{M: 1116, Kappa: 6, Alpha: 5, Beta: 194166}}
	const d, most = 2000.0, 6000.0
	want, n := 0.0, 4000
	for i := range n {
		want += (1 - c.CDF(d+(float64(i)+0.5)*most/float64(n))) * most / float64(n)
	}
	b, ok, err := Limits{Deductible: d, Cap: most}.Mean(t.Context(), Threat{Counts: c.Counts, Damage: c.Damage}, 1)
	if err != nil || !ok || math.Abs(b.Point-want) > 1e-4*want || b.Half() > 1e-6 {
		t.Error(b, want, ok, err)
	}
	c.Damage.Alpha = 0.4
	if b, ok, err := (Limits{Cap: 10}).Mean(t.Context(), Threat{Counts: c.Counts, Damage: c.Damage}, 1); ok || err != nil {
		t.Error(b, ok, err)
	}
}

// layered is a year of three threats with limits of their own and two insurances.
func layered(kind Kind) Simulation {
	return Simulation{
		Threats: []Simulated{
			{Threat: Threat{Counts: Poisson(3), Severity: tableOf(small)}, Limits: Limits{Deductible: 2, Cap: 20}, Dependent: true},
			{Threat: Threat{Counts: Counts{Shape: 2, Mean: 0.5}, Severity: tableOf(great)}, Dependent: true},
			{Threat: Threat{Counts: Poisson(0.7), Damage: NormalGamma{M: 5, Kappa: 2, Alpha: 3, Beta: 8}}, Limits: Limits{Deductible: 1}},
		},
		Kind: kind, Shape: 2, Correlation: 0.4, Freedom: 4,
		Layers: []Layer{{Attachment: 8, Limit: 10, Share: 0.5}, {Attachment: 30, Limit: 1e9, Share: 1}},
		Trials: 50000, Seed: 3, Levels: []float64{0.5, 0.99, 0.9}, Allocate: true,
	}
}

// TestWhatIsLeftAddsUp: what the insurances pay for the threats is what they pay, what is left of the threats is what is left, and their tails are the tail; the number of workers does not
// change a bit.
func TestWhatIsLeftAddsUp(t *testing.T) {
	for _, kind := range []Kind{Independent, Shock, GaussCopula, StudentCopula} {
		s := layered(kind)
		s.Workers = 1
		one, err := Simulate(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		s.Workers = 3
		d, err := Simulate(t.Context(), s)
		if err != nil || !reflect.DeepEqual(one, d) {
			t.Fatal("workers change the result", err)
		}
		var own, paid, left, tail float64
		for _, x := range d.Threats {
			own, paid, left, tail = own+x.Own.Value, paid+x.Paid.Value, left+x.Left.Value, tail+x.Tail
			if x.Paid.Value < 0 || x.Left.Value < 0 || x.Left.Error <= 0 {
				t.Errorf("%+v", x)
			}
		}
		near(t, "paid", paid, d.Layers[0].Value+d.Layers[1].Value, 1e-9)
		near(t, "left", left, d.Net.Value, 1e-9)
		near(t, "own", own, left+paid, 1e-9)
		near(t, "tail", tail, d.Tail[1].Value, 1e-9)
	}
}

// TestOneThreatHasAll: what is left of the only threat is what is left.
func TestOneThreatHasAll(t *testing.T) {
	s := layered(Independent)
	s.Threats = s.Threats[1:2]
	d, err := Simulate(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "left", d.Threats[0].Left.Value, d.Net.Value, 1e-12)
	near(t, "its error", d.Threats[0].Left.Error, d.Net.Error, 0.2)
	near(t, "tail", d.Threats[0].Tail, d.Tail[1].Value, 1e-12)
}

// TestWhatIsLeftIsTheExpectation holds what was drawn against the sum over all pairs of costs of two threats with laws put together by hand.
func TestWhatIsLeftIsTheExpectation(t *testing.T) {
	s := layered(Independent)
	s.Threats, s.Trials = s.Threats[:2], 400000
	s.Threats[1].Counts = Poisson(0.5)
	a, b := compound(3, small, 200), compound(0.5, great, 400)
	var own, paid [2]float64
	for x, p := range a {
		for y, q := range b {
			c := [2]float64{min(max(0, float64(x)-2), 20), float64(y)}
			sum := c[0] + c[1]
			r := 0.5*min(max(0, sum-8), 10) + max(0, sum-30)
			for i := range c {
				own[i] += p * q * c[i]
				if sum > 0 {
					paid[i] += p * q * r * c[i] / sum
				}
			}
		}
	}
	d, err := Simulate(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	for i, x := range d.Threats {
		for what, e := range map[string][2]float64{
			"own": {x.Own.Value - own[i], x.Own.Error}, "paid": {x.Paid.Value - paid[i], x.Paid.Error}, "left": {x.Left.Value - own[i] + paid[i], x.Left.Error},
		} {
			if math.Abs(e[0]) > 4.5*e[1] || e[1] > 0.05 {
				t.Errorf("threat %d, %s: off by %v with an error of %v", i, what, e[0], e[1])
			}
		}
	}
}

// TestATailOfEqualYears: where a cap makes all years of the tail alike, each threat has its mean part of them.
func TestATailOfEqualYears(t *testing.T) {
	s := layered(Independent)
	s.Threats = s.Threats[:2]
	s.Layers = []Layer{{Attachment: 10, Limit: 1e9, Share: 1}}
	d, err := Simulate(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "tail", d.Tail[1].Value, 10, 1e-12)
	near(t, "parts", d.Threats[0].Tail+d.Threats[1].Tail, 10, 1e-9)
	if d.Threats[0].Tail < 1 || d.Threats[1].Tail < 1 {
		t.Error(d.Threats)
	}
}
