package risk

import (
	"context"
	"math"
	"math/cmplx"
	"math/rand/v2"
	"reflect"
	"testing"
)

// even draws threats whose laws have densities, atoms and jumps of all kinds, enough of them for the spectrum of their sum to end.
func even(r *rand.Rand) []Threat {
	within := func(lo, hi float64) float64 { return lo + (hi-lo)*r.Float64() }
	var ts []Threat
	for range 60 + r.IntN(60) {
		m := 100 * math.Exp(within(-1, 1))
		x := Threat{Counts: Poisson(within(1, 5))}
		if r.IntN(2) == 0 {
			x.Counts.Shape = within(1, 20)
		}
		switch r.IntN(12) {
		case 0:
			x.Severity = Pareto{m, within(0.7, 4), m * within(1.5, 400)}
		case 1:
			x.Severity = Pareto{m, within(1.5, 4), 0}
		case 2:
			x.Severity = Clipped{Student{within(2.5, 30), m, m * within(0.2, 2)}, m * within(1, 9)}
		case 3:
			x.Severity = Lognormal{math.Log(m), within(0.4, 1.5), m * within(0.5, 20)}
		case 4:
			x.Severity = NewTable([]float64{m, 2.3 * m}, []float64{0.7, 0.3})
		case 5, 6, 7:
			x.Severity = Lognormal{math.Log(m), within(0.4, 1.5), 0}
		default:
			x.Damage = NormalGamma{m, within(0.5, 9), within(1.6, 12), within(0.05, 2) * m * m}
		}
		ts = append(ts, x)
	}
	return ts
}

// TestSpectralAgainstDownAndUp holds the brackets of the spectra, on lattices of several lengths, against each other and against the bracket that is certain.
func TestSpectralAgainstDownAndUp(t *testing.T) {
	made := 0
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 3))
		ts, p := even(r), []float64{0.05, 0.5, 0.9, 0.99, 0.999}[r.IntN(5)]
		s := &search{ctx: context.Background(), groups: grouped(ts), request: Request{Error: 1e-4, Cells: 1 << 20, Workers: 2}}
		s.prepare()
		s.evenly()
		if !s.even {
			t.Fatal("not even")
		}
		guess, err := s.coarse(p, s.scale)
		if err != nil {
			t.Fatal(err)
		}
		deep := s.depth(1e-9)
		place := func(cells int) lattice {
			return lattice{step: math.Max(2.1*deep, 1.2*guess+deep) / float64(cells-8), limit: cells, trim: 1e-12, lower: 1e-9, slack: 1e-9}
		}
		l := place(3 << 11)
		l.down = true
		sure, err := pass(context.Background(), s.groups, l, 4, 2)
		if err != nil {
			t.Fatal(err)
		}
		finest, last := Bracket{Low: math.Inf(-1), High: math.Inf(1)}, 0.0
		for _, cells := range []int{1 << 11, 1 << 12, 3 << 11} {
			g, err := s.spectral(place(cells), 0.05)
			if err != nil {
				t.Fatal(err)
			}
			if g == nil {
				continue
			}
			made++
			for _, x := range []float64{0.3 * guess, guess, 1.05 * guess} {
				a, q, b := g.cdf(x)
				lo, _, hi := sure.cdf(x)
				if a > hi || b < lo || q < a || q > b {
					t.Fatalf("F(%v) is in [%v, %v] and in [%v, %v], point %v, %d cells", x, a, b, lo, hi, q, cells)
				}
			}
			lo, q, hi, ok := g.quantile(p)
			if !ok {
				continue
			}
			if lo > finest.High || hi < finest.Low || q < lo || q > hi {
				t.Fatalf("the quantile is in [%v, %v] with %d cells and in %v with fewer", lo, hi, cells, finest)
			}
			finest = Bracket{math.Max(lo, finest.Low), q, math.Min(hi, finest.High)}
			// What the total falls short of the quantile, by the integral of the distribution function.
			short := g.shortfall(q)
			sum, n := 0.0, 400
			for i := range n {
				_, f, _ := g.cdf(g.bottom() + (q-g.bottom())*(float64(i)+0.5)/float64(n))
				sum += f * (q - g.bottom()) / float64(n)
			}
			if slack := 1e-4*q + 20*(short.High-short.Low); short.Low > short.High || math.Abs(sum-short.Point) > slack {
				t.Fatalf("shortfall %v, by sums %v", short, sum)
			}
			if last > 0 && math.Abs(short.Point-last) > 1e-2*guess {
				t.Fatalf("shortfall %v after %v", short, last)
			}
			last = short.Point
		}
	}
	if made < 10 {
		t.Errorf("only %d spectra were made", made)
	}
}

// TestSpectrumOfOneLaw holds the spectrum from a coarse lattice, and what is said of its error, against integrals.
func TestSpectrumOfOneLaw(t *testing.T) {
	for name, law := range map[string]Severity{
		"lognormal": Lognormal{10, 1.5, 0}, "limited": Lognormal{9, 0.7, 20000}, "pareto": Pareto{3000, 1.3, 0}, "clipped": Clipped{Student{5, 20000, 15000}, 60000},
		"table": NewTable([]float64{700, 41000}, []float64{0.25, 0.75}),
	} {
		t.Run(name, func(t *testing.T) {
			g := grouped([]Threat{{Counts: Counts{2, 3}, Severity: law}})[0]
			g.shape, _ = shapeOf(g)
			l := lattice{step: 700, limit: 1 << 10, trim: 1e-12}
			f := frequenciesOf(l.ready([]group{g}))
			p := f.l.part(g)
			f.set(60)
			work := make([]complex128, f.size/2+1)
			f.whole(work, &p, (&transform{}).tilts(f.size, f.theta), &transform{})
			p.of(f, work[:f.bins])
			top := (float64(len(p.f)) - 0.5) * l.step
			for j := 0; j < f.bins; j += 7 {
				u := f.u[j]
				// The integral of e^(i u x) dF up to top by parts, with the distribution function at many places.
				n := 400000
				var want complex128
				h := top / float64(n)
				iu := 1i * u / complex(l.step, 0)
				for k := range n {
					x := (float64(k) + 0.5) * h
					want -= complex(law.CDF(x)*h, 0) * iu * cmplx.Exp(iu*complex(x, 0))
				}
				want += cmplx.Exp(iu*complex(top, 0)) * complex(law.CDF(top), 0)
				got := work[j]
				bound := p.rest(cmplx.Abs(u), &f.sums[j], f.theta) + 1e-9
				if d := cmplx.Abs(got - want); d > bound+1e-5 {
					t.Errorf("frequency %d: off by %v, bound %v", j, d, bound)
				}
				if name == "lognormal" && j > 0 && cmplx.Abs(got-want) > 2e-6 {
					t.Errorf("frequency %d: off by %v", j, cmplx.Abs(got-want))
				}
			}
		})
	}
}

// TestZeta holds the series against the sum, and against the closed form.
func TestZeta(t *testing.T) {
	for _, u := range []complex128{0.003 + 0.001i, -0.0099, -0.008 + 0.001i} {
		for _, x := range []float64{0, 0.2, 0.5, 0.9, 1} {
			var sum complex128
			for m := 1; m <= 200000; m++ {
				w := complex(2*math.Pi*float64(m), 0)
				e := cmplx.Exp(complex(0, 2*math.Pi*float64(m)*x))
				sum += e/((u+w)*(u+w)) + cmplx.Conj(e)/((u-w)*(u-w))
			}
			if d := cmplx.Abs(zeta(u, x) - sum); d > 1e-6 {
				t.Errorf("zeta(%v, %v) = %v, the sum is %v", u, x, zeta(u, x), sum)
			}
			b, sin := complex(x-0.5, 0), cmplx.Sin(u/2)
			if d := cmplx.Abs(zeta(u, x) - cmplx.Exp(-1i*u*b)*(cmplx.Cos(u/2)/sin+2i*b)/(4*sin) + 1/(u*u)); d > 1e-9 {
				t.Errorf("zeta(%v, %v) is off by %v", u, x, d)
			}
		}
	}
}

func TestSpectralIsFarFiner(t *testing.T) {
	for name, ts := range map[string][]Threat{"mark": marks(100), "lognormal": different(100, 1), "learnt": learnt(60, 1), "costs": portfolio(40, 1)} {
		x, err := Sum(context.Background(), ts, Request{Error: 1e-5, Levels: []float64{0.5, 0.999}})
		if err != nil {
			t.Fatal(err)
		}
		for i, b := range x.Quantiles {
			if !x.Met[i] || b.Half() > 1e-5 {
				t.Errorf("%s: %v is %v wide", name, b, b.Half())
			}
		}
		mean := 0.0
		for _, r := range ts {
			m, _ := r.Mean()
			mean += m
		}
		q := x.Quantiles[1].Point
		s := x.Shortfall(q)
		if tail := (s.High - s.Low) / 2 / 0.001 / q; !(tail < 5e-4) || s.Point < q-mean {
			t.Errorf("%s: the tail value is known to %v only (%v)", name, tail, s)
		}
	}
	// A known mark, to all its digits: 100 times Poisson(2.5) x lognormal(10, 1.5).
	x, _ := Sum(context.Background(), marks(100), Request{Error: 1e-6, Levels: []float64{0.999}})
	near(t, "mark", x.Quantiles[0].Point, 36204971.12, 2e-7)
}

func TestWorkersDoNotMatterToSpectra(t *testing.T) {
	ts := append(learnt(40, 3), append(different(40, 3), portfolio(30, 3)...)...)
	var first *Total
	for _, w := range []int{1, 2, 5} {
		x, err := Sum(context.Background(), ts, Request{Error: 1e-4, Levels: []float64{0.5, 0.99}, Workers: w})
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := x.laws[0].(*spectral); !ok {
			t.Fatal("this sum was to come from spectra")
		}
		if first == nil {
			first = x
		} else if !reflect.DeepEqual(first.Quantiles, x.Quantiles) || first.Shortfall(first.Quantiles[0].Point) != x.Shortfall(first.Quantiles[0].Point) {
			t.Errorf("%v with one worker, %v with %d", first.Quantiles, x.Quantiles, w)
		}
	}
}
