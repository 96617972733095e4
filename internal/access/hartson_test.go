package access

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// space is the vector of the models.
func space(rules Rules) *Hartson {
	hour := func(q Query, _ []Record) (bool, error) {
		h, ok := q.State["hour"].(int)
		if !ok {
			return false, errors.New("the state has no hour")
		}
		return h < 18, nil
	}
	normal := func(q Query, _ []Record) (bool, error) { return q.State["mode"] == "normal", nil }
	return NewHartson(map[string]Set{"G1": NewSet("u1", "u2"), "G2": NewSet("u1")}, []Authorisation{
		{Name: "p1", Groups: NewSet("G1"), Operations: NewSet("read"), Unit: NewSet("r1", "r2"), Condition: hour, Text: "hour < 18"},
		{Name: "p2", Groups: NewSet("G2"), Operations: NewSet("read", "write"), Unit: NewSet("r2"), Authorizer: "the owner"},
		{Name: "p3", Groups: NewSet("G2"), Operations: NewSet("read"), Unit: NewSet("r3"), Condition: normal, Text: `mode == "normal"`},
	}, rules)
}

func at(user, operation string, hour int, resources ...string) Query {
	return Query{User: user, Operation: operation, Resources: NewSet(resources...), State: map[string]any{"hour": hour, "mode": "normal"}}
}

func TestVectorOfHartson(t *testing.T) {
	for _, c := range []struct {
		name           string
		q              Query
		element, class bool
		rule           string // of a refusal, by element
	}{
		{"q1", at("u1", "read", 10, "r1", "r2"), true, true, ""},
		{"q1 late", at("u1", "read", 20, "r1", "r2"), false, false, "step 8"},
		{"q2", at("u1", "read", 20, "r2"), true, false, ""},
		{"q3", at("u2", "read", 10, "r2"), true, true, ""},
		{"q4", at("u2", "write", 10, "r2"), false, false, "step 4"},
		{"q5", at("u1", "read", 10, "r1", "r3"), true, true, ""},
		{"partly out of reach", at("u2", "read", 10, "r1", "r3"), false, false, "step 5"},
	} {
		d := space(Rules{}).Decide(c.q)
		if d.Granted != c.element || !d.Granted && d.Rule != c.rule || d.Why.Nothing() || d.Granted != (len(d.Needs) == 0) {
			t.Errorf("%s by element: %+v", c.name, d)
		}
		if d := space(Rules{Class: true}).Decide(c.q); d.Granted != c.class || d.Why.Nothing() {
			t.Errorf("%s by class: %+v", c.name, d)
		}
	}
	if d := space(Rules{}).Decide(at("u2", "write", 10, "r2")); !slices.Equal(texts(d.Needs), []string{"for r2: p1 with the operation write, or p2 with u2 in one of {G2}"}) {
		t.Errorf("ways out %q", d.Needs)
	}
	if d := space(Rules{}).Decide(at("u1", "write", 20, "r2")); !strings.Contains(d.Why.String(), "by p2, given by the owner (") {
		t.Errorf("nobody gave it: %q", d.Why)
	}
	for _, q := range []Query{{User: "u1", Operation: "read"}, {Operation: "read", Resources: Set{"r1"}}, {User: "u1", Resources: Set{"r1"}}} {
		if d := space(Rules{}).Decide(q); d.Granted || d.Rule != "malformed" {
			t.Errorf("%+v: %+v", q, d)
		}
	}
}

func TestPartialGrants(t *testing.T) {
	d := space(Rules{Partial: true}).Decide(at("u1", "read", 20, "r1", "r2", "r3"))
	if !d.Granted || !slices.Equal(d.Allowed, Set{"r2", "r3"}) || !slices.Equal(d.Denied, Set{"r1"}) || !strings.Contains(d.Why.String(), "hour < 18") || len(d.Needs) == 0 {
		t.Errorf("%+v", d)
	}
	d = space(Rules{Partial: true, Class: true}).Decide(at("u1", "read", 20, "r1", "r2", "r3"))
	if !d.Granted || !slices.Equal(d.Allowed, Set{"r3"}) {
		t.Errorf("by class %+v", d)
	}
}

func TestConditionsThatFail(t *testing.T) {
	q := at("u2", "read", 10, "r1")
	delete(q.State, "hour")
	if d := space(Rules{}).Decide(q); d.Granted || !strings.Contains(d.Why.String(), "can not be evaluated") {
		t.Errorf("%+v", d)
	}
}

func TestProceduresAndHistory(t *testing.T) {
	h := space(Rules{})
	var seen []bool
	h.Before = append(h.Before, func(q *Query) error {
		if q.User == "stranger" {
			return errors.New("nobody of that name")
		}
		q.State = map[string]any{"hour": 9, "mode": "normal"}
		return nil
	})
	h.After = append(h.After, func(q Query, o *Outcome) error {
		seen = append(seen, o.Granted)
		if q.Operation == "write" {
			return errors.New("the log is full")
		}
		return nil
	})
	h.Keep = 2
	if d := h.Decide(Query{User: "u2", Operation: "read", Resources: Set{"r1"}}); !d.Granted {
		t.Errorf("the procedure completes the state: %+v", d)
	}
	if d := h.Decide(Query{User: "stranger", Operation: "read", Resources: Set{"r1"}}); d.Granted || d.Rule != "before" {
		t.Errorf("%+v", d)
	}
	if d := h.Decide(Query{User: "u1", Operation: "write", Resources: Set{"r2"}}); d.Granted || d.Rule != "after" {
		t.Errorf("%+v", d)
	}
	if !slices.Equal(seen, []bool{true, false, true}) || len(h.History) != 2 || h.History[1].Query.User != "u1" {
		t.Errorf("procedures saw %v, history %+v", seen, h.History)
	}
	// A condition on what was decided before: who has read r1 may not read r2.
	wall := NewHartson(nil, []Authorisation{{Name: "p", Groups: NewSet(General), Operations: NewSet("read"), Unit: NewSet("r1", "r2"), Condition: func(q Query, past []Record) (bool, error) {
		return !slices.ContainsFunc(past, func(r Record) bool { return r.Granted && r.Query.User == q.User && !r.Allowed.meets(q.Resources) }), nil
	}}}, Rules{})
	for i, want := range []bool{true, false, true} {
		if d := wall.Decide(Query{User: "x", Operation: "read", Resources: Set{[]string{"r1", "r2", "r1"}[i]}}); d.Granted != want {
			t.Errorf("step %d: %+v", i, d)
		}
	}
}

// drawSpace makes authorisations on few names; conditions are of one variable.
func drawSpace(t *rapid.T) ([]Authorisation, map[string]Set) {
	var all []Authorisation
	for i := range rapid.IntRange(0, 5).Draw(t, "authorisations") {
		limit := rapid.IntRange(0, 3).Draw(t, "limit")
		all = append(all, Authorisation{
			Name: fmt.Sprint("p", i), Groups: subset(t, "G", "H", "v"), Operations: subset(t, "read", "write"), Unit: subset(t, "a", "b", "c"),
			Condition: func(q Query, _ []Record) (bool, error) { return q.State["x"].(int) <= limit, nil },
		})
	}
	return all, map[string]Set{"G": subset(t, "u", "v"), "H": subset(t, "u", "v")}
}

func TestHartsonInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all, groups := drawSpace(t)
		h := NewHartson(groups, all, Rules{})
		q := Query{User: rapid.SampledFrom([]string{"u", "v"}).Draw(t, "user"), Operation: rapid.SampledFrom([]string{"read", "write"}).Draw(t, "op"), State: map[string]any{"x": rapid.IntRange(0, 3).Draw(t, "x")}}
		ask := func(h *Hartson, r Set) Outcome {
			q.Resources = r
			return h.Judge(q)
		}
		r1, r2 := subset(t, "a", "b", "c"), subset(t, "a", "b", "c")
		if len(r1) == 0 || len(r2) == 0 {
			return
		}
		one, two, both := ask(h, r1), ask(h, r2), ask(h, r1.Or(r2))
		if both.Granted != (one.Granted && two.Granted) {
			t.Fatalf("%v: %v, %v: %v, together %v", r1, one.Granted, r2, two.Granted, both.Granted)
		}
		// Geometry: every point of the query lies in a box.
		inside := true
		for _, r := range r1 {
			inside = inside && slices.ContainsFunc(all, func(p Authorisation) bool {
				ok, _ := p.Condition(q, nil)
				who := slices.ContainsFunc(p.Groups, func(g string) bool { return g == q.User || groups[g].Has(q.User) })
				return ok && who && p.Operations.Has(q.Operation) && p.Unit.Has(r)
			})
		}
		if one.Granted != inside {
			t.Fatalf("%+v, by boxes %v", one, inside)
		}
		if again := ask(h, r1); again.Granted != one.Granted || again.Why.String() != one.Why.String() {
			t.Fatal("the same query, another answer")
		}
		if ask(NewHartson(groups, all, Rules{Class: true}), r1).Granted && !one.Granted {
			t.Fatal("granted by classes and not by element")
		}
		partial := ask(NewHartson(groups, all, Rules{Partial: true}), r1)
		for _, r := range r1 {
			if partial.Allowed.Has(r) != ask(h, Set{r}).Granted {
				t.Fatalf("%s in part: %+v", r, partial)
			}
		}
		for _, class := range []Rules{{Class: true}, {Class: true, InnerAnd: true}, {Class: true, OuterOr: true}, {Class: true, InnerAnd: true, OuterOr: true}} {
			d := ask(NewHartson(groups, all, class), r1)
			if want := classTwin(all, groups, q, r1, class); d.Granted != want || d.Granted && len(d.By) == 0 || !d.Granted && len(d.Needs) == 0 && d.Rule != "step 8" {
				t.Fatalf("%+v: %+v, want %v", class, d, want)
			}
		}
		if len(all) > 0 && ask(NewHartson(groups, all[1:], Rules{}), r1).Granted && !one.Granted {
			t.Fatal("an authorisation more revokes")
		}
	})
}

// classTwin is steps 1 to 8 word for word.
func classTwin(all []Authorisation, groups map[string]Set, q Query, r Set, rules Rules) bool {
	reached := Set{}
	classes := map[string][]bool{}
	for _, p := range all {
		who := slices.ContainsFunc(p.Groups, func(g string) bool { return g == q.User || groups[g].Has(q.User) })
		if !who || !p.Operations.Has(q.Operation) || len(p.Unit.And(r)) == 0 {
			continue
		}
		reached = reached.Or(p.Unit)
		ok, _ := p.Condition(q, nil)
		classes[p.Unit.String()] = append(classes[p.Unit.String()], ok)
	}
	if !reached.Contains(r) {
		return false
	}
	var values []bool
	for _, c := range classes {
		if rules.InnerAnd {
			values = append(values, !slices.Contains(c, false))
		} else {
			values = append(values, slices.Contains(c, true))
		}
	}
	if rules.OuterOr {
		return slices.Contains(values, true)
	}
	return !slices.Contains(values, false)
}

func BenchmarkHartson10000(b *testing.B) {
	groups := map[string]Set{}
	var all []Authorisation
	for i := range 10_000 {
		g := fmt.Sprint("g", i%500)
		groups[g] = groups[g].Or(Set{fmt.Sprint("u", i)})
		all = append(all, Authorisation{Name: fmt.Sprint("p", i), Groups: Set{g}, Operations: Set{"read"}, Unit: Set{fmt.Sprint("r", i)}})
	}
	h := NewHartson(groups, all, Rules{})
	q := Query{User: "u7", Operation: "read", Resources: Set{"r7"}}
	for b.Loop() {
		if !h.Judge(q).Granted {
			b.Fatal("refused")
		}
	}
}

// texts are sentences as they are in English.
func texts(all []Said) []string {
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = s.String()
	}
	return out
}
