package assess_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"redoubt/assess"
	"redoubt/assess/model"
)

// shape is what a value of the report's JSON has to be: it gives back what is wrong with it, "" if nothing is.
type shape func(v any) string

func is[T any](kind string) shape {
	return func(v any) string {
		if _, ok := v.(T); !ok {
			return fmt.Sprintf("is a %T and no %s", v, kind)
		}
		return ""
	}
}

var aNumber, aWord, aBool, aRecord = is[float64]("number"), is[string]("string"), is[bool]("bool"), is[map[string]any]("object")

// maybe also accepts null.
func maybe(s shape) shape {
	return func(v any) string {
		if v == nil {
			return ""
		}
		return s(v)
	}
}

// record has these members at least.
func record(members map[string]shape) shape {
	return func(v any) string {
		if fault := aRecord(v); fault != "" {
			return fault
		}
		for name, s := range members {
			x, ok := v.(map[string]any)[name]
			if !ok {
				return fmt.Sprintf("has no %q", name)
			}
			if fault := s(x); fault != "" {
				return name + " " + fault
			}
		}
		return ""
	}
}

// keyed has members of one shape, these among them.
func keyed(s shape, names ...string) shape {
	return func(v any) string {
		if fault := aRecord(v); fault != "" {
			return fault
		}
		for name, x := range v.(map[string]any) {
			if fault := s(x); fault != "" {
				return name + " " + fault
			}
		}
		for _, name := range names {
			if _, ok := v.(map[string]any)[name]; !ok {
				return fmt.Sprintf("has no %q", name)
			}
		}
		return ""
	}
}

// list has elements of one shape, at least one.
func list(s shape) shape {
	return func(v any) string {
		of, ok := v.([]any)
		if !ok || len(of) == 0 {
			return fmt.Sprintf("is a %T and no list with something in it", v)
		}
		for i, x := range of {
			if fault := s(x); fault != "" {
				return fmt.Sprintf("[%d] %s", i, fault)
			}
		}
		return ""
	}
}

// pair is a list of two numbers.
func pair(v any) string {
	if fault := list(aNumber)(v); fault != "" {
		return fault
	}
	if n := len(v.([]any)); n != 2 {
		return fmt.Sprintf("has %d numbers and not 2", n)
	}
	return ""
}

// each is an object with members that are numbers.
func each(names ...string) map[string]shape {
	out := map[string]shape{}
	for _, n := range names {
		out[n] = aNumber
	}
	return out
}

// with adds members.
func with(members map[string]shape, name string, s shape) map[string]shape {
	members[name] = s
	return members
}

// contract are the names and arities that programs which read the report may rely on.
func contract() map[string]shape {
	levels := keyed(aNumber, "0.5", "0.9", "0.95", "0.99", "0.999")
	total := record(map[string]shape{
		"mean": aNumber, "sd": aNumber, "quantiles": levels, "exceedance": list(pair), "exceedance_brackets": list(pair), "error_bound": aNumber, "lost_mass": aNumber,
	})
	drawn := record(map[string]shape{"exceedance": list(pair), "exceedance_brackets": list(pair)})
	play := record(each("x", "y", "I", "V", "U"))
	return map[string]shape{
		"dynamics": record(map[string]shape{"horizon": aNumber, "threats": list(record(map[string]shape{
			"name":      aWord,
			"frequency": record(with(with(each("a", "b", "mean", "variance", "p0"), "pmf", list(aNumber)), "quantiles", keyed(aNumber, "0.95"))),
			"damage":    record(with(each("mean", "variance", "p_negative"), "quantiles", keyed(aNumber, "0.95"))),
		}))}),
		"losses": record(map[string]shape{
			"threats": list(record(map[string]shape{"name": aWord, "mean": aNumber, "variance": aNumber, "variance_iid": maybe(aNumber), "quantiles": levels})),
			"net":     list(record(map[string]shape{"name": aWord, "mean": aNumber, "own": aNumber, "paid": aNumber, "tail": aNumber})),
			"total":   total, "inherent": total, "proposed": total,
			"simulation": drawn, "simulation_inherent": drawn, "simulation_proposed": drawn,
		}),
		"ibm": record(map[string]shape{"threats": list(record(with(with(each("S", "V", "R"), "name", aWord), "band", pair))), "total": aNumber, "band": pair}),
		"optimum": record(map[string]shape{
			"continuous": record(with(each("c", "loss", "total"), "crossing", record(each("c", "total")))),
			"measures":   record(with(with(each("cost", "residual", "total"), "chosen", list(aWord)), "proved", aBool)),
		}),
		"game": record(map[string]shape{"nash": record(each("x", "y", "I", "V", "U", "regret")), "stackelberg": play}),
		"coverage": record(map[string]shape{
			"edges": aNumber, "covered": aNumber, "K": aNumber, "K_weighted": aNumber, "full": aBool,
			"open":          list(record(map[string]shape{"threat": aWord, "object": aWord, "weight": aNumber, "best": aNumber})),
			"single_points": list(aRecord), "cheapest": record(map[string]shape{"means": list(aWord), "cost": aNumber, "proved": aBool}),
			"residual": aNumber, "strength": aNumber, "fuzzy": keyed(aRecord),
		}),
		"access": record(map[string]shape{
			"decisions":  list(record(map[string]shape{"model": aWord, "request": aWord, "granted": aBool, "rule": aWord, "why": aWord})),
			"high_water": list(aRecord),
		}),
		"codes": record(with(with(with(with(each("n", "m", "inadmissible", "P_abs", "P_rel", "P_min", "P_max", "lower_bound"), "phi", aWord), "subjects", keyed(aWord)),
			"objects", keyed(aWord)), "proved", aBool)),
		"vulnerability": record(map[string]shape{
			"base": list(aRecord), "generalised": aNumber, "by_component": list(aRecord), "by_channel": list(aRecord), "by_violator": list(aRecord), "extremal": aRecord,
			"nested": aNumber, "band": pair, "integrity": aRecord, "copying": aRecord,
		}),
	}
}

// TestContractOfTheJSON holds the report of the example, and of what the example has not, against the names and arities that are promised.
func TestContractOfTheJSON(t *testing.T) {
	m, err := model.Read([]byte(model.Example()))
	if err != nil {
		t.Fatal(err)
	}
	report := jsonOf(t, m, "")
	for name, s := range contract() {
		if fault := s(report[name]); fault != "" {
			t.Errorf("%s: %s", name, fault)
		}
	}
	normal := jsonOf(t, twoThreats(), assess.SectionDynamics)
	if fault := record(map[string]shape{"threats": list(record(map[string]shape{"damage": record(each("m", "kappa", "alpha", "beta", "df", "scale"))}))})(normal["dynamics"]); fault != "" {
		t.Errorf("dynamics of normal damages: %s", fault)
	}
	g := &model.Model{Game: &model.Game{Matrix: &model.Matrix{Attacker: [][]float64{{3, -1}, {-2, 4}}}}}
	if fault := record(map[string]shape{"zero_sum": aRecord})(jsonOf(t, g, assess.SectionGame)["game"]); fault != "" {
		t.Errorf("zero-sum game: %s", fault)
	}
	g.Game.Matrix.Defender = [][]float64{{1, 2}, {3, 0}}
	if fault := record(map[string]shape{"mixed": aRecord})(jsonOf(t, g, assess.SectionGame)["game"]); fault != "" {
		t.Errorf("game of two matrices: %s", fault)
	}
	if pair([]any{1.0, 2.0, 3.0, 4.0}) == "" || list(pair)([]any{}) == "" || record(each("x"))(map[string]any{}) == "" {
		t.Error("the test accepts what is not promised")
	}
}

// TestASectionAloneIsThatOfTheReport: what is computed for one section is to the letter what the whole report has for it.
func TestASectionAloneIsThatOfTheReport(t *testing.T) {
	m, err := model.Read([]byte(model.Example()))
	if err != nil {
		t.Fatal(err)
	}
	whole := jsonOf(t, m, "")
	for name := range contract() {
		if diff := cmp.Diff(whole[name], jsonOf(t, m, assess.Section(name))[name]); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// jsonOf is the report of a model, or of one section of it, as a program reads it.
func jsonOf(t *testing.T, m *model.Model, s assess.Section) map[string]any {
	t.Helper()
	m.Version = model.Version
	var r *assess.Report
	var err error
	if s == "" {
		r, err = assess.Run(t.Context(), m, assess.Options{})
	} else {
		r, err = assess.RunSection(t.Context(), m, s, assess.Options{})
	}
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}
