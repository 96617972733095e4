package access

import (
	"slices"
	"strings"
)

// General is the group that everybody is in.
const General = "GENERAL"

// Condition tells whether an authorisation holds for a query; it may look at what was decided before. An error counts as no.
type Condition func(q Query, history []Record) (bool, error)

// Authorisation allows operations on a unit of resources to groups, under a condition.
type Authorisation struct {
	Name       string
	Groups     Set       // of users; a user's own name stands for himself
	Operations Set       //
	Unit       Set       // resources
	Condition  Condition // nil: always
	Text       string    // the condition in words, for sentences
	Authorizer string    // who gave it; may be empty
}

// Query is q = (u, e, R', s): a user wants an operation on resources in a state. User and state are for the system to say.
type Query struct {
	User      string
	Operation string
	Resources Set
	State     map[string]any
}

// Record is a decision that was taken.
type Record struct {
	Query   Query
	Granted bool
	Allowed Set // resources
}

// Outcome is a decision in the five-dimensional space.
type Outcome struct {
	Decision
	Allowed Set      // what is granted: all that was asked for, a part of it, or nothing
	Denied  Set      // the rest
	By      []string // the authorisations that it rests on
}

// Rules say how conditions of several authorisations combine. The zero value is element by element: each resource needs one authorisation whose condition holds.
type Rules struct {
	Class    bool // by classes of equal units: each class of authorisations that touches the query counts, also where it is not needed
	InnerAnd bool // within a class all conditions must hold; otherwise one
	OuterOr  bool // one class suffices; otherwise all must hold
	Partial  bool // what is allowed is granted where not everything is
}

// Hartson is a five-dimensional security space.
type Hartson struct {
	Rules
	Before []func(*Query) error          // auxiliary procedures before the decision; they may complete the state, an error refuses
	After  []func(Query, *Outcome) error // auxiliary procedures after it; an error refuses what was granted
	Keep   int                           // how many decisions the history keeps; 0: all

	History []Record

	authorisations []Authorisation
	byOperation    map[string][]int
	byResource     map[string][]int
	groups         map[string]Set // by user
}

// NewHartson makes a space of groups, by name, and authorisations.
func NewHartson(groups map[string]Set, authorisations []Authorisation, rules Rules) *Hartson {
	h := &Hartson{Rules: rules, authorisations: authorisations, byOperation: map[string][]int{}, byResource: map[string][]int{}, groups: map[string]Set{}}
	for i, p := range authorisations {
		for _, e := range p.Operations {
			h.byOperation[e] = append(h.byOperation[e], i)
		}
		for _, r := range p.Unit {
			h.byResource[r] = append(h.byResource[r], i)
		}
	}
	for g, users := range groups {
		for _, u := range users {
			h.groups[u] = append(h.groups[u], g)
		}
	}
	for u, of := range h.groups {
		h.groups[u] = NewSet(append(of, u, General)...)
	}
	return h
}

// belongs is all that a user goes by.
func (h *Hartson) belongs(user string) Set {
	if s, ok := h.groups[user]; ok {
		return s
	}
	return NewSet(user, General)
}

// Decide decides a query and puts the decision into the history.
func (h *Hartson) Decide(q Query) Outcome {
	out := h.prepared(&q)
	h.History = append(h.History, Record{Query: q, Granted: out.Granted, Allowed: out.Allowed})
	if h.Keep > 0 && len(h.History) > h.Keep {
		h.History = slices.Delete(h.History, 0, len(h.History)-h.Keep)
	}
	for _, f := range h.After {
		if err := f(q, &out); err != nil {
			return refuse(q, "after", Say("a procedure after the decision failed: %v", err), Say("see to what the procedure says"))
		}
	}
	return out
}

func (h *Hartson) prepared(q *Query) Outcome {
	for _, f := range h.Before {
		if err := f(q); err != nil {
			return refuse(*q, "before", Say("a procedure before the decision failed: %v", err), Say("see to what the procedure says"))
		}
	}
	return h.Judge(*q)
}

func refuse(q Query, rule string, why Said, needs ...Said) Outcome {
	return Outcome{Decision: Decision{Rule: rule, Why: why, Needs: needs}, Denied: q.Resources}
}

// Judge decides a query and leaves everything as it is: no procedures, no history.
func (h *Hartson) Judge(q Query) Outcome {
	switch {
	case q.User == "" || q.Operation == "":
		return refuse(q, "malformed", Say("the query names no user or no operation"), Say("name both"))
	case len(q.Resources) == 0:
		return refuse(q, "malformed", Say("the query names no resources"), Say("name at least one"))
	}
	d := h.domain(q)
	if h.Class {
		return h.byClass(q, d)
	}
	return h.byElement(q, d)
}

// held is an authorisation that touches a query, and whether its condition holds.
type held struct {
	*Authorisation
	ok  bool
	err error
}

// domain is D(q), the authorisations for the user, the operation and some of the resources.
func (h *Hartson) domain(q Query) (d []held) {
	who := h.belongs(q.User)
	for _, i := range h.byOperation[q.Operation] {
		p := &h.authorisations[i]
		if !p.Groups.meets(who) || !p.Unit.meets(q.Resources) {
			continue
		}
		x := held{Authorisation: p, ok: true}
		if p.Condition != nil {
			x.ok, x.err = p.Condition(q, h.History)
			x.ok = x.ok && x.err == nil
		}
		d = append(d, x)
	}
	return d
}

// byElement: every resource needs an authorisation that reaches it and whose condition holds.
func (h *Hartson) byElement(q Query, d []held) Outcome {
	var out Outcome
	var by []string
	for _, r := range q.Resources {
		i := slices.IndexFunc(d, func(p held) bool { return p.ok && p.Unit.Has(r) })
		if i < 0 {
			out.Denied = append(out.Denied, r)
			continue
		}
		out.Allowed = append(out.Allowed, r)
		if !slices.Contains(by, d[i].Name) {
			by = append(by, d[i].Name)
		}
	}
	out.By = by
	return h.conclude(q, d, out, Say("each resource by an authorisation whose condition holds"))
}

// byClass: the classes of authorisations with equal units combine.
func (h *Hartson) byClass(q Query, d []held) Outcome {
	var out Outcome
	if h.Partial { // each resource by itself
		for _, r := range q.Resources {
			one := Query{User: q.User, Operation: q.Operation, Resources: Set{r}, State: q.State}
			if touching := slices.DeleteFunc(slices.Clone(d), func(p held) bool { return !p.Unit.Has(r) }); h.classes(one, touching) {
				out.Allowed = append(out.Allowed, r)
			}
		}
	} else if h.classes(q, d) {
		out.Allowed = q.Resources
	}
	out.Denied = q.Resources.Without(out.Allowed)
	for _, p := range d {
		if p.ok && p.Unit.meets(out.Allowed) {
			out.By = append(out.By, p.Name)
		}
	}
	inner, outer := Say("or"), Say("and")
	if h.InnerAnd {
		inner = Say("and")
	}
	if h.OuterOr {
		outer = Say("or")
	}
	return h.conclude(q, d, out, Say("classes of equal units, %s within, %s between", inner, outer))
}

// classes is steps 5 to 8 of the procedure.
func (h *Hartson) classes(q Query, d []held) bool {
	if len(uncovered(q, d)) > 0 {
		return false
	}
	class := map[string]bool{}
	var order []string
	for _, p := range d {
		key := strings.Join(p.Unit, "\x00")
		v, seen := class[key]
		switch {
		case !seen:
			order = append(order, key)
			class[key] = p.ok
		case h.InnerAnd:
			class[key] = v && p.ok
		default:
			class[key] = v || p.ok
		}
	}
	for _, key := range order {
		if class[key] == h.OuterOr {
			return h.OuterOr
		}
	}
	return !h.OuterOr
}

// uncovered is what of a query no authorisation reaches, whatever its condition.
func uncovered(q Query, d []held) (out Set) {
	for _, r := range q.Resources {
		if !slices.ContainsFunc(d, func(p held) bool { return p.Unit.Has(r) }) {
			out = append(out, r)
		}
	}
	return out
}

// conclude makes the sentences.
func (h *Hartson) conclude(q Query, d []held, out Outcome, how Said) Outcome {
	out.Granted = len(out.Denied) == 0 || h.Partial && len(out.Allowed) > 0
	if out.Granted {
		out.Rule = strings.Join(out.By, ", ")
		out.Why = Say("%s may %s %v by %s (%s)", q.User, q.Operation, out.Allowed, given(d, out.By), how)
	}
	if len(out.Denied) == 0 {
		return out
	}
	var whys []Said
	rule := "step 8"
	missing := uncovered(q, d)
	switch {
	case len(d) == 0:
		rule = "step 4"
		whys = append(whys, Say("no authorisation gives %s the operation %s on any of %v", q.User, q.Operation, q.Resources))
	case len(missing) > 0:
		rule = "step 5"
		whys = append(whys, Say("no authorisation gives %s the operation %s on %v", q.User, q.Operation, missing))
	}
	why := SayAll("; ", append(whys, conditions(d, out.Denied)...)...)
	if h.Class {
		why = Say("%s (%s)", why, how)
	}
	out.Needs = h.needs(q, out.Denied, d)
	if out.Granted {
		out.Why = Say("%s, but not %v: %s", out.Why, out.Denied, why)
		return out
	}
	out.By = nil
	out.Rule, out.Why = rule, why
	return out
}

// given names authorisations with who gave them.
func given(d []held, names []string) Said {
	out := make([]Said, len(names))
	for i, n := range names {
		out[i] = Say("%s", n)
		if k := slices.IndexFunc(d, func(p held) bool { return p.Name == n }); d[k].Authorizer != "" {
			out[i] = Say("%s, given by %s", n, d[k].Authorizer)
		}
	}
	return SayAll("; ", out...)
}

// conditions tells which conditions of authorisations for the resources do not hold.
func conditions(d []held, resources Set) (out []Said) {
	for _, p := range d {
		switch {
		case p.ok || !p.Unit.meets(resources):
		case p.err != nil:
			out = append(out, Say("%s can not be evaluated and so counts as not met: %v", conditionOf(p.Authorisation), p.err))
		default:
			out = append(out, Say("%s does not hold", conditionOf(p.Authorisation)))
		}
	}
	return out
}

func conditionOf(p *Authorisation) Said {
	if p.Text == "" {
		return Say("the condition of %s", p.Name)
	}
	return Say("the condition `%s` of %s", p.Text, p.Name)
}

// Bounds of the ways out that a refusal names.
const (
	needsAtMost = 8 // resources
	waysAtMost  = 4 // authorisations for each
)

// needs says for each refused resource which authorisations come nearest and what they lack.
func (h *Hartson) needs(q Query, denied Set, d []held) (out []Said) {
	who := h.belongs(q.User)
	fails := map[string]bool{}
	for _, p := range d {
		fails[p.Name] = !p.ok
	}
	for _, r := range denied[:min(len(denied), needsAtMost)] {
		least := 3
		var ways []Said
		for _, i := range h.byResource[r] {
			p := &h.authorisations[i]
			var lacks []Said
			if !p.Groups.meets(who) {
				lacks = append(lacks, Say("%s in one of %v", q.User, p.Groups))
			}
			if !p.Operations.Has(q.Operation) {
				lacks = append(lacks, Say("the operation %s", q.Operation))
			}
			if fails[p.Name] {
				met := Say("its condition met")
				if p.Text != "" {
					met = Say("its condition `%s` met", p.Text)
				}
				lacks = append(lacks, met)
			}
			if len(lacks) == 0 || len(lacks) > least {
				continue // by classes, one whose condition holds does not help
			}
			if len(lacks) < least {
				least, ways = len(lacks), nil
			}
			if len(ways) < waysAtMost {
				ways = append(ways, Say("%s with %s", p.Name, SayAll(" and ", lacks...)))
			}
		}
		if len(ways) == 0 {
			ways = []Said{Say("an authorisation for %s to %s it", q.User, q.Operation)}
		}
		out = append(out, Say("for %s: %s", r, SayAll(", or ", ways...)))
	}
	return out
}
