package assess

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"redoubt/assess/model"
)

// sectionOf reads a model and computes one section; the report must be JSON.
func sectionOf(t *testing.T, section Section, text string) *Report {
	t.Helper()
	m, err := model.Read([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	report, err := RunSection(context.Background(), m, section, Options{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := json.Marshal(report); err != nil {
		t.Fatal(err)
	}
	return report
}

func within(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s: got %v, want %v within %v", what, got, want, tolerance)
	}
}

const coverageModel = `
version: 1
objects: [{name: o1}, {name: o2}]
threats: [{name: t1}, {name: t2}, {name: t3}]
means:
  - {name: m1, cost: 5, present: true}
  - {name: m2, cost: 4, present: true}
  - {name: m3, cost: 7}
  - {name: m4, cost: 14}
coverage:
  edges:
    - {threat: t1, object: o1, weight: 0.7, source: survey}
    - {threat: t1, object: o2, weight: 0.4}
    - {threat: t2, object: o1, weight: 0.5}
    - {threat: t3, object: o2, weight: 0.9}
  strengths:
    - {mean: m1, threat: t1, strength: 0.8}
    - {mean: m1, threat: t2, strength: 0.3}
    - {mean: m2, threat: t2, strength: 0.6}
    - {mean: m2, threat: t3, strength: 0.5}
    - {mean: m3, threat: t3, strength: 0.95}
    - {mean: m3, threat: t1, strength: 0.5, source: maker}
    - {mean: m4, threat: t1, strength: 0.75}
    - {mean: m4, threat: t2, strength: 0.55}
    - {mean: m4, threat: t3, strength: 0.92}
  barriers:
    - {threat: t1, object: o1, mean: m1, probability: 0.3, damage: 0.5, resistance: 0.8}
    - {threat: t2, object: o1, mean: m2, probability: 0.1, damage: 0.9, resistance: 0.6}
    - {threat: t3, object: o2, mean: m3, probability: 0.2, damage: 0.4, resistance: 0.95}
  fuzzy:
    words: {lo: [0, 0, 0.1, 0.3], med: [0.2, 0.4, 0.6, 0.8], hi: [0.7, 0.9, 1, 1]}
    ratings: [{rating: hi, importance: hi}, {rating: med, importance: med}, {rating: lo, importance: lo}]
`

func TestCoverageSection(t *testing.T) {
	report := sectionOf(t, SectionCoverage, coverageModel)
	c := report.Coverage
	if c.Edges != 4 || c.Covered != 3 || c.Full || !slices.Equal(c.Chosen, []string{"m1", "m2"}) {
		t.Errorf("%+v", c)
	}
	within(t, "K", c.K, .75, 1e-15)
	within(t, "K_weighted", c.KWeighted, .64, 1e-15)
	if len(c.Open) != 1 || c.Open[0] != (OpenEdge{"t3", "o2", .9, .5, "m2", .95, "m3"}) {
		t.Errorf("open %+v", c.Open)
	}
	if len(c.SinglePoints) != 3 || !slices.Equal(c.SinglePoints[0].Means, []string{"m1"}) {
		t.Errorf("single points %+v", c.SinglePoints)
	}
	if !slices.Equal(c.Cheapest.Means, []string{"m4"}) || c.Cheapest.Cost != 14 || !c.Cheapest.Proved || !slices.Equal(c.Addition.Means, []string{"m3"}) || c.Addition.Cost != 7 {
		t.Errorf("cheapest %+v, addition %+v", c.Cheapest, c.Addition)
	}
	within(t, "residual", *c.Residual, .07, 1e-15)
	within(t, "strength", *c.Strength, 14.285714, 5e-7)
	if len(c.Unprotected) != 1 || c.Unprotected[0] != (EdgeName{"t1", "o2"}) {
		t.Errorf("unprotected %+v", c.Unprotected)
	}
	mean := c.Fuzzy["weighted_mean"]
	for i, want := range [][3]float64{{0, .361111, .966667}, {.5, .5, .930769}, {1, .65625, .885714}} {
		within(t, "lower end", mean.Cuts[i].Lo, want[1], 5e-7)
		within(t, "upper end", mean.Cuts[i].Hi, want[2], 5e-7)
	}
	if c.Fuzzy["weakest_link"].Word != "lo" || c.Fuzzy["selective_weakest_link"].Word != "med" {
		t.Errorf("words %+v", c.Fuzzy)
	}
	if !slices.Equal(c.Trace.Sources, []string{"survey", "maker"}) {
		t.Errorf("sources %q", c.Trace.Sources)
	}
	if len(c.Graph) != 4 || len(c.Graph[0].Means) != 3 || c.Means[0].Change != 2 || c.Means[3].Change != 1 {
		t.Errorf("graph %+v, means %+v", c.Graph, c.Means)
	}
}

func TestCoverageNames(t *testing.T) {
	text, err := json.Marshal(sectionOf(t, SectionCoverage, coverageModel).Coverage)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"edges", "covered", "K", "K_weighted", "full", "open", "single_points", "cheapest", "residual", "strength", "fuzzy"} {
		if !strings.Contains(string(text), `"`+name+`":`) {
			t.Errorf("no %q in %s", name, text)
		}
	}
}

func TestCoverageOfOneObjectComesFirst(t *testing.T) {
	base := "version: 1\nobjects: [{name: a}, {name: b}]\nthreats: [{name: t}]\nmeans: [{name: m, cost: 1, present: true}, {name: n, cost: 1}]\ncoverage:\n  edges: [{threat: t, object: a, weight: 0.5}, {threat: t, object: b, weight: 0.5}]\n"
	c := sectionOf(t, SectionCoverage, base+"  strengths: [{mean: m, threat: t, strength: 0.9}, {mean: m, threat: t, object: b, strength: 0.5}]\n").Coverage
	if c.Covered != 1 || len(c.Infeasible) != 1 || c.Infeasible[0].Object != "b" || c.Residual != nil {
		t.Errorf("b has a strength of its own, and it does not exceed the weight: %+v", c)
	}
	report := sectionOf(t, SectionCoverage, base+"  combine: true\n  strengths: [{mean: m, threat: t, strength: 0.4}, {mean: n, threat: t, strength: 0.4}]\n  barriers: [{threat: t, object: a, mean: m, probability: 1, damage: 5, resistance: 1}]\n")
	c = report.Coverage
	if c.Covered != 0 || c.Addition.Cost != 1 || c.Cheapest.Cost != 2 || c.Strength != nil || *c.Residual != 0 {
		t.Errorf("0.64 together exceeds 0.5: %+v", c)
	}
	if !slices.ContainsFunc(report.Notes, func(n Note) bool { return strings.Contains(n.Text, "infinite") }) {
		t.Errorf("nobody says that the strength is infinite: %+v", report.Notes)
	}
	c = sectionOf(t, SectionCoverage, base+"  redundancy: 2\n  strengths: [{mean: m, threat: t, strength: 0.6}, {mean: n, threat: t, strength: 0.6}]\n").Coverage
	if c.Covered != 0 || c.Cheapest.Cost != 2 || c.Redundancy.Wanted != 2 || c.Redundancy.Least != 1 || len(c.SinglePoints) != 0 {
		t.Errorf("two means are wanted on each edge: %+v", c)
	}
}

// manyEdges is a model of n edges between threats and objects.
func manyEdges(n int) *model.Model {
	m := &model.Model{Version: 1, Coverage: &model.Coverage{}}
	for i := range 100 {
		m.Threats = append(m.Threats, model.Threat{Name: fmt.Sprint("t", i)})
		m.Means = append(m.Means, model.Mean{Name: fmt.Sprint("m", i), Cost: float64(1 + i%7), Present: i%9 == 0})
		for k := range 5 {
			m.Coverage.Strengths = append(m.Coverage.Strengths, model.Strength{Mean: fmt.Sprint("m", i), Threat: fmt.Sprint("t", (i*7+k*31)%100), Strength: float64((i*13+k*5)%20) / 20})
		}
	}
	for i := range (n + 99) / 100 {
		m.Objects = append(m.Objects, model.Object{Name: fmt.Sprint("o", i)})
	}
	for i := range n {
		m.Coverage.Edges = append(m.Coverage.Edges, model.Edge{Threat: fmt.Sprint("t", i%100), Object: fmt.Sprint("o", i/100), Weight: float64(i%10) / 20})
	}
	return m
}

func TestManyEdgesAreListedInPart(t *testing.T) {
	m := manyEdges(30_000)
	report, err := RunSection(context.Background(), m, SectionCoverage, Options{})
	if err != nil {
		t.Fatal(err)
	}
	c := report.Coverage
	if c.Edges != 30_000 || len(c.Graph) != graphEdges || !c.Cheapest.Proved || c.Covered+len(c.Open) < listedEdges {
		t.Errorf("%d edges, %d covered, %d open listed, cheapest %+v", c.Edges, c.Covered, len(c.Open), c.Cheapest)
	}
}

func BenchmarkCoverageMillionEdges(b *testing.B) {
	m := manyEdges(1_000_000)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := RunSection(context.Background(), m, SectionCoverage, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

// TestNoEdgesAreCovered: an empty list is an answer, a list that is missing is none.
func TestNoEdgesAreCovered(t *testing.T) {
	const head = "version: 1\nthreats: [{name: t}]\nobjects: [{name: o}]\nmeans: [{name: m, present: true}]\n"
	r := sectionOf(t, SectionCoverage, head+"coverage: {edges: []}\n")
	if c := r.Coverage; c == nil || c.K != 1 || c.KWeighted != 1 || !c.Full || c.Edges != 0 || c.Cheapest != nil || len(c.Open) > 0 {
		t.Errorf("%+v", c)
	}
	if !slices.ContainsFunc(r.Notes, func(n Note) bool { return n.Path == "coverage.edges" && strings.Contains(n.Text, "K is 1") }) {
		t.Errorf("nothing says why: %+v", r.Notes)
	}
	text, err := json.Marshal(r)
	if err != nil || !strings.Contains(string(text), `"K":1,`) {
		t.Error(string(text), err)
	}
}
