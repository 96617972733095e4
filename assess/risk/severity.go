package risk

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/integrate/quad"
	"gonum.org/v1/gonum/mathext"
)

// Severity is the law of one damage, where damages are independent of each other. Damages are not negative.
type Severity interface {
	CDF(x float64) float64          // the probability of at most x
	Below(x float64) float64        // the part of the mean that lies in damages of at most x
	Mean() (float64, bool)          // the expected damage, if it is finite
	Variance() (float64, bool)      // if it is finite
	Quantile(p float64) float64     // what is exceeded with probability 1-p, 0 < p < 1
	Limited(most float64) Severity  // the law of the lesser of the damage and most
	Scaled(factor float64) Severity // the law of the damage times factor
}

// Lognormal is the law of a damage whose logarithm is normal; Most is the most that it can be, 0 for no limit.
type Lognormal struct{ Mu, Sigma, Most float64 }

// CDF implements Severity.
func (l Lognormal) CDF(x float64) float64 {
	switch {
	case x <= 0:
		return 0
	case l.Most > 0 && x >= l.Most:
		return 1
	}
	return 0.5 * math.Erfc(-(math.Log(x)-l.Mu)/(l.Sigma*math.Sqrt2))
}

// Below implements Severity.
func (l Lognormal) Below(x float64) float64 {
	if x <= 0 {
		return 0
	}
	free := Lognormal{l.Mu, l.Sigma, 0}
	if l.Most > 0 && x >= l.Most {
		return free.Below(l.Most) + l.Most*(1-free.CDF(l.Most))
	}
	return math.Exp(l.Mu+l.Sigma*l.Sigma/2) * 0.5 * math.Erfc(-(math.Log(x)-l.Mu-l.Sigma*l.Sigma)/(l.Sigma*math.Sqrt2))
}

// Mean implements Severity.
func (l Lognormal) Mean() (float64, bool) {
	if l.Most > 0 {
		return l.Below(l.Most), true
	}
	return finite(math.Exp(l.Mu + l.Sigma*l.Sigma/2))
}

// Variance implements Severity.
func (l Lognormal) Variance() (float64, bool) {
	if l.Most > 0 {
		square := Lognormal{2 * l.Mu, 2 * l.Sigma, l.Most * l.Most} // the law of the square
		m, _ := l.Mean()
		s, ok := square.Mean()
		return math.Max(0, s-m*m), ok
	}
	return finite(math.Expm1(l.Sigma*l.Sigma) * math.Exp(2*l.Mu+l.Sigma*l.Sigma))
}

func finite(x float64) (float64, bool) {
	if math.IsInf(x, 0) || math.IsNaN(x) {
		return 0, false
	}
	return x, true
}

// Quantile implements Severity.
func (l Lognormal) Quantile(p float64) float64 {
	return limit(math.Exp(l.Mu+l.Sigma*mathext.NormalQuantile(p)), l.Most)
}

// limit is the lesser of the two, where 0 is no limit.
func limit(x, most float64) float64 {
	if most > 0 && x > most {
		return most
	}
	return x
}

// tighter is the lesser limit of two, where 0 is none.
func tighter(a, b float64) float64 {
	if a == 0 {
		return b
	}
	return limit(a, b)
}

// Limited implements Severity.
func (l Lognormal) Limited(most float64) Severity {
	return Lognormal{l.Mu, l.Sigma, tighter(l.Most, most)}
}

// Scaled implements Severity.
func (l Lognormal) Scaled(k float64) Severity {
	return Lognormal{l.Mu + math.Log(k), l.Sigma, l.Most * k}
}

// Pareto is the law of a damage that is at least Least and exceeds x with probability (Least/x)^Shape. With a shape of 1 or less its mean is infinite unless Most limits it.
type Pareto struct{ Least, Shape, Most float64 }

// CDF implements Severity.
func (l Pareto) CDF(x float64) float64 {
	switch {
	case l.Most > 0 && x >= l.Most:
		return 1
	case x <= l.Least:
		return 0
	}
	return -math.Expm1(-l.Shape * math.Log(x/l.Least))
}

// Below implements Severity.
func (l Pareto) Below(x float64) float64 {
	if l.Most > 0 && x >= l.Most {
		if l.Most <= l.Least {
			return l.Most
		}
		return l.moment(1, l.Most) + l.Most*math.Pow(l.Least/l.Most, l.Shape)
	}
	return l.moment(1, x)
}

// moment is the part of the mean of the power k that lies in damages of at most x, without a limit.
func (l Pareto) moment(k, x float64) float64 {
	if x <= l.Least {
		return 0
	}
	if d := k - l.Shape; d != 0 {
		return l.Shape * math.Pow(l.Least, k) * math.Expm1(d*math.Log(x/l.Least)) / d
	}
	return l.Shape * math.Pow(l.Least, k) * math.Log(x/l.Least)
}

// Mean implements Severity.
func (l Pareto) Mean() (float64, bool) {
	switch {
	case l.Most > 0:
		return l.Below(l.Most), true
	case l.Shape <= 1:
		return 0, false
	}
	return finite(l.Least * l.Shape / (l.Shape - 1))
}

// Variance implements Severity.
func (l Pareto) Variance() (float64, bool) {
	m, ok := l.Mean()
	switch {
	case !ok:
		return 0, false
	case l.Most > l.Least:
		return math.Max(0, l.moment(2, l.Most)+l.Most*l.Most*math.Pow(l.Least/l.Most, l.Shape)-m*m), true
	case l.Most > 0:
		return 0, true
	case l.Shape <= 2:
		return 0, false
	}
	return finite(l.Least * l.Least * l.Shape / ((l.Shape - 1) * (l.Shape - 1) * (l.Shape - 2)))
}

// Quantile implements Severity.
func (l Pareto) Quantile(p float64) float64 {
	return limit(l.Least*math.Exp(-math.Log1p(-p)/l.Shape), l.Most)
}

// Limited implements Severity.
func (l Pareto) Limited(most float64) Severity {
	return Pareto{l.Least, l.Shape, tighter(l.Most, most)}
}

// Scaled implements Severity.
func (l Pareto) Scaled(k float64) Severity { return Pareto{l.Least * k, l.Shape, l.Most * k} }

// LogStudent is the law of the next damage where the logarithm of damages is normal with unknown mean and precision: its logarithm is Student's. Without the limit Most it
// has no mean, whatever was observed, so Most is greater than 0.
type LogStudent struct {
	Log  Student
	Most float64
}

// CDF implements Severity.
func (l LogStudent) CDF(x float64) float64 {
	switch {
	case x <= 0:
		return 0
	case x >= l.Most:
		return 1
	}
	return l.Log.CDF(math.Log(x))
}

// moment is the part of the mean of the power k that lies in damages of at most x < Most: the integral of k u^(k-1) (F(x) - F(u)) over u, by the logarithm of u.
func (l LogStudent) moment(k, x float64) float64 {
	if x <= 0 {
		return 0
	}
	fx, top := l.Log.CDF(math.Log(x)), math.Log(x)
	// What lies more than 40 below the top in the logarithm is less than e^-40 of the whole.
	sum, width := 0.0, 40/k/32
	for i := range 32 {
		lo := top - float64(i+1)*width
		sum += quad.Fixed(func(y float64) float64 { return k * math.Exp(k*y) * (fx - l.Log.CDF(y)) }, lo, lo+width, 24, nil, 0)
	}
	return sum
}

func (l LogStudent) whole(k float64) float64 {
	return l.moment(k, l.Most) + math.Pow(l.Most, k)*(1-l.Log.CDF(math.Log(l.Most)))
}

// Below implements Severity.
func (l LogStudent) Below(x float64) float64 {
	if x >= l.Most {
		return l.whole(1)
	}
	return l.moment(1, x)
}

// Mean implements Severity.
func (l LogStudent) Mean() (float64, bool) { return finite(l.whole(1)) }

// Variance implements Severity.
func (l LogStudent) Variance() (float64, bool) {
	m := l.whole(1)
	return finite(math.Max(0, l.whole(2)-m*m))
}

// Quantile implements Severity.
func (l LogStudent) Quantile(p float64) float64 { return limit(math.Exp(l.Log.Quantile(p)), l.Most) }

// Limited implements Severity.
func (l LogStudent) Limited(most float64) Severity { return LogStudent{l.Log, tighter(l.Most, most)} }

// Scaled implements Severity.
func (l LogStudent) Scaled(k float64) Severity {
	return LogStudent{Student{l.Log.DF, l.Log.Location + math.Log(k), l.Log.Scale}, l.Most * k}
}

// Clipped is the law of the next damage of a normal law with unknown mean and precision that cannot be below 0 nor above Most > 0.
type Clipped struct {
	Of   Student
	Most float64
}

// CDF implements Severity.
func (l Clipped) CDF(x float64) float64 {
	switch {
	case x < 0:
		return 0
	case x >= l.Most:
		return 1
	}
	return l.Of.CDF(x)
}

// Below implements Severity.
func (l Clipped) Below(x float64) float64 {
	top := math.Min(x, l.Most)
	if top <= 0 {
		return 0
	}
	a, b := -l.Of.Location/l.Of.Scale, (top-l.Of.Location)/l.Of.Scale
	sum := l.Of.Location*(l.Of.CDF(top)-l.Of.CDF(0)) + l.Of.Scale*(partial(l.Of.DF, b)-partial(l.Of.DF, a))
	if x >= l.Most {
		sum += l.Most * (1 - l.Of.CDF(l.Most))
	}
	return sum
}

// Mean implements Severity.
func (l Clipped) Mean() (float64, bool) { return finite(l.Below(l.Most)) }

// Variance implements Severity.
func (l Clipped) Variance() (float64, bool) {
	m := l.Below(l.Most)
	// The mean square is the integral of 2u(1-F(u)).
	s := quad.Fixed(func(u float64) float64 { return 2 * u * (1 - l.CDF(u)) }, 0, l.Most, 400, nil, 0)
	return finite(math.Max(0, s-m*m))
}

// Quantile implements Severity.
func (l Clipped) Quantile(p float64) float64 { return math.Max(0, limit(l.Of.Quantile(p), l.Most)) }

// Limited implements Severity.
func (l Clipped) Limited(most float64) Severity { return Clipped{l.Of, tighter(l.Most, most)} }

// Scaled implements Severity.
func (l Clipped) Scaled(k float64) Severity {
	return Clipped{Student{l.Of.DF, l.Of.Location * k, l.Of.Scale * k}, l.Most * k}
}

// Table is an empirical law: amounts in increasing order, and their probabilities, which sum to 1.
type Table struct {
	Amounts       []float64
	Probabilities []float64
	sums          []float64 // of the probabilities up to each
}

// NewTable sorts the amounts, puts equal ones together and makes the probabilities sum to 1.
func NewTable(amounts, probabilities []float64) *Table {
	order := make([]int, len(amounts))
	total := 0.0
	for i := range order {
		order[i] = i
		total += probabilities[i]
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case amounts[a] < amounts[b]:
			return -1
		case amounts[a] > amounts[b]:
			return 1
		}
		return 0
	})
	t := &Table{}
	for _, i := range order {
		p := probabilities[i] / total
		if n := len(t.Amounts); n > 0 && t.Amounts[n-1] == amounts[i] {
			t.Probabilities[n-1] += p
		} else {
			t.Amounts, t.Probabilities = append(t.Amounts, amounts[i]), append(t.Probabilities, p)
		}
	}
	sum := 0.0
	for _, p := range t.Probabilities {
		sum += p
		t.sums = append(t.sums, sum)
	}
	return t
}

// CDF implements Severity.
func (t *Table) CDF(x float64) float64 {
	i, found := slices.BinarySearch(t.Amounts, x)
	if found {
		i++
	}
	switch i {
	case 0:
		return 0
	case len(t.Amounts):
		return 1
	}
	return t.sums[i-1]
}

func (t *Table) moment(k, x float64) float64 {
	sum := 0.0
	for i, a := range t.Amounts {
		if a > x {
			break
		}
		sum += math.Pow(a, k) * t.Probabilities[i]
	}
	return sum
}

// Below implements Severity.
func (t *Table) Below(x float64) float64 { return t.moment(1, x) }

// Mean implements Severity.
func (t *Table) Mean() (float64, bool) { return finite(t.moment(1, math.MaxFloat64)) }

// Variance implements Severity.
func (t *Table) Variance() (float64, bool) {
	m, _ := t.Mean()
	sum := 0.0
	for i, a := range t.Amounts {
		sum += t.Probabilities[i] * (a - m) * (a - m)
	}
	return finite(sum)
}

// Quantile implements Severity.
func (t *Table) Quantile(p float64) float64 {
	for i, s := range t.sums {
		if s >= p {
			return t.Amounts[i]
		}
	}
	return t.Amounts[len(t.Amounts)-1]
}

// Limited implements Severity.
func (t *Table) Limited(most float64) Severity {
	if most == 0 {
		return t
	}
	amounts := slices.Clone(t.Amounts)
	for i := range amounts {
		amounts[i] = math.Min(amounts[i], most)
	}
	return NewTable(amounts, t.Probabilities)
}

// Scaled implements Severity.
func (t *Table) Scaled(k float64) Severity {
	amounts := slices.Clone(t.Amounts)
	for i := range amounts {
		amounts[i] *= k
	}
	return NewTable(amounts, t.Probabilities)
}
