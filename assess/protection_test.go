package assess

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"redoubt/assess/model"
)

// TestExtremeNumbersStayNumbers draws models of the sections of protection with numbers from the ends of what a float can hold: what passes the check is computed, and the
// report is JSON, which has no infinity.
func TestExtremeNumbersStayNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		share := func(what string) float64 {
			return rapid.SampledFrom([]float64{0, 5e-324, 1e-300, 1e-17, 0.3, 0.5, 1 - 1e-16, 1}).Draw(t, what)
		}
		amount := func(what string) float64 {
			return rapid.SampledFrom([]float64{0, 5e-324, 1e-300, 0.1, 1, 3, 1e9, 1e300, 1.7e308}).Draw(t, what)
		}
		m := &model.Model{Version: model.Version}
		combine := rapid.Bool().Draw(t, "combine")
		strong := amount
		if combine {
			strong = share
		}
		m.Coverage = &model.Coverage{Combine: combine, Fuzzy: &model.Fuzzy{Words: map[string][]float64{"w": {0, 0, 0, 0}, "x": {0, share("corner"), 1, 1}}}}
		for i := range 3 {
			name := fmt.Sprint(i)
			m.Objects = append(m.Objects, model.Object{Name: name})
			m.Threats = append(m.Threats, model.Threat{Name: name})
			m.Means = append(m.Means, model.Mean{Name: name, Cost: amount("cost") / 4, Present: rapid.Bool().Draw(t, "present")})
		}
		for i := range 9 {
			threat, other := fmt.Sprint(i/3), fmt.Sprint(i%3)
			m.Coverage.Edges = append(m.Coverage.Edges, model.Edge{Threat: threat, Object: other, Weight: strong("weight")})
			m.Coverage.Strengths = append(m.Coverage.Strengths, model.Strength{Mean: other, Threat: threat, Strength: strong("strength")})
			m.Coverage.Barriers = append(m.Coverage.Barriers, model.Barrier{Threat: threat, Object: other, Mean: other, Probability: share("p"), Damage: amount("damage"), Resistance: share("r")})
			m.Coverage.Fuzzy.Ratings = append(m.Coverage.Fuzzy.Ratings, model.FuzzyRating{Rating: rapid.SampledFrom([]string{"w", "x"}).Draw(t, "rating"), Importance: rapid.SampledFrom([]string{"w", "x"}).Draw(t, "importance")})
		}
		zone := func() (p []float64) {
			for range 5 {
				p = append(p, share("zone"))
			}
			return p
		}
		v := &model.Vulnerability{Intervals: rapid.SampledFrom([]int{0, 1, 12, 1_000_000_000}).Draw(t, "intervals"), Subsets: []model.Subset{{Name: "all"}}}
		for i := range 2 {
			name := fmt.Sprint(i)
			v.Components = append(v.Components, model.Component{Name: name})
			v.Violators = append(v.Violators, model.Violator{Name: name, Count: rapid.SampledFrom([]int{0, 1, 1_000_000_000}).Draw(t, "count")})
			v.Presence = append(v.Presence, model.ZoneChance{Component: name, Violator: "*", P: zone()})
			v.Manifest = append(v.Manifest, model.ZoneChance{Component: name, Channel: "*", P: zone()})
			v.Information = append(v.Information, model.ZoneChance{Component: "*", Channel: []string{"access", "change"}[i], P: zone()})
			v.Accessible = append(v.Accessible, model.ZoneChance{Component: "*", Channel: "*", Violator: name, P: zone()})
			v.Base = append(v.Base, model.BaseChance{Component: name, Channel: "no-access", Violator: "*", P: share("base")})
		}
		m.Vulnerability = v
		m.Integrity = &model.Integrity{Exposure: amount("exposure"), Variant: rapid.SampledFrom([]string{"thinned", "one-shot"}).Draw(t, "variant")}
		for i := range 4 {
			s := model.RouteStep{Name: fmt.Sprint(i), Factors: []model.RouteFactor{{Name: "f", Rate: amount("rate"), Effectiveness: share("effectiveness")}, {Name: "g", Rate: amount("rate"), Effectiveness: share("effectiveness")}}, Malicious: share("malicious")}
			if rapid.Bool().Draw(t, "input") {
				in := share("input")
				s.Input = &in
			}
			for a := range i {
				s.After = append(s.After, fmt.Sprint(a))
			}
			if i == 3 {
				p := share("branch")
				s.After, s.Branches = nil, []model.Branch{{After: "0", Probability: p}, {After: "1", Probability: 1 - p}}
			}
			m.Integrity.Steps = append(m.Integrity.Steps, s)
		}
		m.Copying = &model.Copying{DevelopmentSubset: "all", Use: share("use"), Third: []model.Organisation{
			{Name: "a", Legal: model.Receipt{Get: share("get"), Methods: []float64{share("method")}, Costs: []float64{amount("cost")}, Budget: amount("budget")}},
			{Name: "b", Exclusive: true, Illegal: model.Receipt{Get: share("get"), Methods: []float64{share("method"), share("method")}}},
		}}
		if faults := m.Check(); len(faults) > 0 {
			t.Fatalf("%+v", faults)
		}
		for _, section := range []Section{SectionCoverage, SectionVulnerability} {
			report, err := RunSection(context.Background(), m, section, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := json.Marshal(report); err != nil {
				t.Fatal(err)
			}
			if x := report.Vulnerability; x != nil {
				for _, p := range []float64{*x.Generalised, *x.Nested, x.Band[0], x.Band[1], x.Integrity.Violation, x.Copying.P} {
					if !(p >= 0 && p <= 1) {
						t.Fatalf("a probability of %v", p)
					}
				}
				if x.Band[0] > *x.Nested+1e-12 || *x.Nested > *x.Generalised+1e-12 || *x.Generalised > x.Band[1]+1e-12 {
					// Presence that grows inwards takes nested below the greatest of the zones; that is noted.
					if *x.Generalised > x.Band[1]+1e-12 || *x.Nested > *x.Generalised+1e-12 || len(report.Notes) == 0 {
						t.Fatalf("band %v, nested %v, independent %v", *x.Band, *x.Nested, *x.Generalised)
					}
				}
			}
		}
	})
}
