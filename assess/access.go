package assess

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"redoubt/assess/expression"
	"redoubt/assess/model"
	"redoubt/internal/access"
)

// Access is section access of the report: decisions on requests by ADEPT-50 and in Hartson's five-dimensional space, each explained.
type Access struct {
	Trace     Trace            `json:"trace"`
	Decisions []AccessDecision `json:"decisions"`
	HighWater []HighWater      `json:"high_water"` // sessions of ADEPT-50, in the order in which they began
	NewFiles  []NewFile        `json:"new_files,omitempty"`
	Granted   int              `json:"granted"`
	Denied    int              `json:"denied"`
}

// AccessDecision is the answer to a request.
type AccessDecision struct {
	Model   string   `json:"model"`   // adept50, or hartson
	Request string   `json:"request"` // in words
	Name    string   `json:"name,omitempty"`
	Granted bool     `json:"granted"`
	Partial bool     `json:"partial,omitempty"` // not all that was asked for
	Rule    string   `json:"rule"`
	Why     string   `json:"why"`
	Needs   []string `json:"needs,omitempty"` // refused, also in part: what would have to change, all of it
	Allowed []string `json:"allowed,omitempty"`
	Denied  []string `json:"denied,omitempty"`

	request, why access.Said
	needs        []access.Said
}

// say puts the decision into the words of a language, en or ru. What it names stays as it is; a decision that was not made here is only as it was made.
func (d *AccessDecision) say(lang string) {
	if d.request.Nothing() {
		return
	}
	words := func(text string) string {
		if w := decisionsRussian()[text]; lang == "ru" && w != "" {
			return w
		}
		return text
	}
	d.Request, d.Why, d.Needs = d.request.In(words), d.why.In(words), nil
	for _, n := range d.needs {
		d.Needs = append(d.Needs, n.In(words))
	}
}

// HighWater is a session of ADEPT-50: the profile of the job, and the mark that what it has opened has left.
type HighWater struct {
	User          string   `json:"user"`
	Terminal      string   `json:"terminal"`
	Level         string   `json:"level"`
	Categories    []string `json:"categories"`
	JobLevel      string   `json:"job_level"`
	JobCategories []string `json:"job_categories"`
	JobModes      []string `json:"job_modes"`
	Opened        int      `json:"opened"` // files that it got
}

// NewFile is a file that a session has made, with the profile that it got.
type NewFile struct {
	Name       string   `json:"name"`
	Level      string   `json:"level"`
	Categories []string `json:"categories"`
	Franchise  []string `json:"franchise"`
	Modes      []string `json:"modes"`
}

func (r *run) access() error {
	in := r.model.Access
	if in == nil || in.Adept == nil && in.Hartson == nil {
		return nil
	}
	out := &Access{Decisions: []AccessDecision{}, HighWater: []HighWater{}}
	if in.Adept != nil {
		if err := r.adept(in.Adept, out); err != nil {
			return err
		}
	}
	if in.Hartson != nil {
		if err := r.hartson(in.Hartson, out); err != nil {
			return err
		}
	}
	for _, d := range out.Decisions {
		if d.Granted {
			out.Granted++
		} else {
			out.Denied++
		}
	}
	r.report.Access = out
	return nil
}

// adept takes the requests in their order; those of a user at a terminal are one session.
func (r *run) adept(in *model.Adept, out *Access) error {
	out.Trace.Formulas = append(out.Trace.Formulas, "F.1", "F.2", "F.3", "F.4", "F.job", "F.highwater")
	out.Trace.Inputs = append(out.Trace.Inputs, "access.adept50")
	system := &access.Adept{Request: in.Mode == "request", Levels: in.Levels}
	if system.Request {
		out.Trace.Formulas = append(out.Trace.Formulas, "F.request")
	}
	sources := newSourceSet(&out.Trace)
	for _, list := range []struct {
		to   *map[string]access.Profile
		from []model.AdeptProfile
	}{{&system.Users, in.Users}, {&system.Terminals, in.Terminals}, {&system.Files, in.Files}} {
		*list.to = map[string]access.Profile{}
		for _, p := range list.from {
			level, err := in.LevelOf(p.Authority)
			if err != nil {
				return fmt.Errorf("profile %s: %w", p.Name, err)
			}
			(*list.to)[p.Name] = access.Profile{Level: level, Categories: access.NewSet(p.Categories...), Franchise: access.NewSet(p.Franchise...), Modes: access.NewSet(p.Modes...)}
			sources.add(p.Source)
		}
	}
	type login struct{ user, terminal string }
	sessions := map[login]*access.Session{}
	opened := map[login]int{}
	var order []login
	for _, q := range in.Requests {
		at := login{q.User, q.Terminal}
		d := AccessDecision{Model: "adept50", request: access.Say("%s at %s opens %s", q.User, q.Terminal, q.File)}
		switch {
		case q.Create != "":
			d.request = access.Say("%s at %s makes %s", q.User, q.Terminal, q.Create)
		case q.Mode != "":
			d.request = access.Say("%s at %s opens %s in mode %s", q.User, q.Terminal, q.File, q.Mode)
		}
		s := sessions[at]
		var answer access.Decision
		if s == nil {
			if s, answer = system.Login(q.User, q.Terminal); s != nil {
				sessions[at] = s
				order = append(order, at)
			}
		}
		switch {
		case s == nil:
		case q.Create != "":
			var p access.Profile
			if p, answer = s.Create(q.Create); answer.Granted {
				out.NewFiles = append(out.NewFiles, NewFile{Name: q.Create, Level: system.LevelName(p.Level), Categories: setList(p.Categories), Franchise: setList(p.Franchise), Modes: setList(p.Modes)})
			}
		default:
			if answer = s.Open(q.File, q.Mode); answer.Granted {
				opened[at]++
			}
		}
		d.Granted, d.Rule, d.why, d.needs = answer.Granted, answer.Rule, answer.Why, answer.Needs
		d.say("en")
		out.Decisions = append(out.Decisions, d)
	}
	for _, at := range order {
		s := sessions[at]
		out.HighWater = append(out.HighWater, HighWater{
			User: s.User, Terminal: s.Terminal, Level: system.LevelName(s.Level), Categories: setList(s.Categories),
			JobLevel: system.LevelName(s.Job.Level), JobCategories: setList(s.Job.Categories), JobModes: setList(s.Job.Modes), Opened: opened[at],
		})
	}
	return nil
}

// setList is a set that is an empty list in JSON when there is nothing in it.
func setList(s access.Set) []string { return append([]string{}, s...) }

// What a condition may look at beside the state of the query, where the state does not have an entry of that name.
const (
	stateUser      = "user"
	stateOperation = "operation"
	stateHistory   = "history" // what was granted to the user before, as texts "operation resource"
)

func (r *run) hartson(in *model.Hartson, out *Access) error {
	out.Trace.Formulas = append(out.Trace.Formulas, "G.space", "G.1", "G.2", "G.3", "G.4", "G.5", "G.9")
	out.Trace.Inputs = append(out.Trace.Inputs, "access.hartson")
	rules := access.Rules{Class: in.Mode == "class", InnerAnd: in.Inner == "and", OuterOr: in.Outer == "or", Partial: in.Partial}
	if rules.Class {
		out.Trace.Formulas = append(out.Trace.Formulas, "G.6", "G.7", "G.8")
	} else {
		out.Trace.Formulas = append(out.Trace.Formulas, "G.element")
	}
	if rules.Partial {
		out.Trace.Formulas = append(out.Trace.Formulas, "G.partial")
	}
	sources := newSourceSet(&out.Trace)
	groups := map[string]access.Set{}
	for _, g := range slices.Sorted(maps.Keys(in.Groups)) {
		groups[g] = access.NewSet(in.Groups[g]...)
	}
	granted := map[string][]any{} // by user
	var all []access.Authorisation
	for _, p := range in.Authorisations {
		sources.add(p.Source)
		x := access.Authorisation{Name: p.Name, Groups: access.NewSet(p.Groups...), Operations: access.NewSet(p.Operations...), Unit: unitOf(in, p.Unit), Text: p.Condition, Authorizer: p.Authorizer}
		if p.Condition != "" {
			c, err := expression.CompileCondition(p.Condition)
			if err != nil {
				return fmt.Errorf("condition of authorisation %s: %w", p.Name, err)
			}
			x.Condition = func(q access.Query, _ []access.Record) (bool, error) { return c.Eval(q.State) }
		}
		all = append(all, x)
	}
	space := access.NewHartson(groups, all, rules)
	// Conditions look at the state, and at what was granted before by the state's entry: the history itself need not be kept.
	space.Keep = 1
	space.Before = append(space.Before, func(q *access.Query) error {
		state := map[string]any{stateUser: q.User, stateOperation: q.Operation, stateHistory: granted[q.User]}
		maps.Copy(state, q.State)
		q.State = state
		return nil
	})
	space.After = append(space.After, func(q access.Query, o *access.Outcome) error {
		for _, resource := range o.Allowed {
			if o.Granted && len(granted[q.User]) < keptHistory {
				granted[q.User] = append(granted[q.User], q.Operation+" "+resource)
			}
		}
		return nil
	})
	full := false
	for _, q := range in.Requests {
		o := space.Decide(access.Query{User: q.User, Operation: q.Operation, Resources: access.NewSet(q.Resources...), State: q.State})
		full = full || len(granted[q.User]) == keptHistory
		d := AccessDecision{
			Model: "hartson", Name: q.Name, Granted: o.Granted, Partial: o.Granted && len(o.Denied) > 0, Rule: o.Rule, Allowed: o.Allowed, Denied: o.Denied,
			request: access.Say("%s wants to %s %s", q.User, q.Operation, strings.Join(q.Resources, ", ")), why: o.Why, needs: o.Needs,
		}
		d.say("en")
		out.Decisions = append(out.Decisions, d)
	}
	if full {
		r.note(SectionAccess, "access.hartson.requests", "conditions see the first %d grants of a user as history; there were more", keptHistory)
	}
	return nil
}

// keptHistory is how many grants of a user conditions can look at.
const keptHistory = 1000

// unitOf is the resources of an authorisation: names of units stand for what is in them.
func unitOf(in *model.Hartson, names []string) access.Set {
	var all []string
	for _, n := range names {
		if of, ok := in.Units[n]; ok {
			all = append(all, of...)
		} else {
			all = append(all, n)
		}
	}
	return access.NewSet(all...)
}
