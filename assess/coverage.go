package assess

import (
	"math"
	"slices"

	"redoubt/assess/model"
	"redoubt/assess/overlap"
)

// Coverage is section coverage of the report: which threats to which objects remain with the means that are looked at, and what would stop the rest.
type Coverage struct {
	Trace        Trace                `json:"trace"`
	Chosen       []string             `json:"chosen"` // the means that are looked at
	Combine      bool                 `json:"combine,omitempty"`
	Edges        int                  `json:"edges"`   // threats that are real for objects
	Covered      int                  `json:"covered"` // of these, those that the means remove
	K            float64              `json:"K"`
	KWeighted    float64              `json:"K_weighted"` // by the weight of the edges
	Full         bool                 `json:"full"`
	Open         []OpenEdge           `json:"open"`          // what remains, the heaviest first
	SinglePoints []SinglePoint        `json:"single_points"` // what one means alone holds
	Redundancy   Redundancy           `json:"redundancy"`    //
	Means        []MeanCoverage       `json:"means"`         // what each means does
	Graph        []GraphEdge          `json:"graph"`         // threat, object, means; for plots
	Cheapest     *CheapestCover       `json:"cheapest"`      // from nothing; nil where there are no edges
	Addition     *CheapestCover       `json:"addition"`      // beside the means that are looked at
	Infeasible   []EdgeName           `json:"infeasible"`    // edges that all means together do not remove
	Residual     *float64             `json:"residual"`      // risk that the barriers leave, in the currency; nil without barriers
	Strength     *float64             `json:"strength"`      // 1/residual; nil where that is infinite
	Barriers     []BarrierRisk        `json:"barriers,omitempty"`
	Unprotected  []EdgeName           `json:"unprotected,omitempty"` // vulnerabilities without a barrier: edges, and entries of barriers that name no means
	Fuzzy        map[string]FuzzyPart `json:"fuzzy,omitempty"`       // weakest_link, selective_weakest_link, weighted_mean
}

// EdgeName is a threat to an object.
type EdgeName struct {
	Threat string `json:"threat"`
	Object string `json:"object"`
}

// OpenEdge is an edge that remains.
type OpenEdge struct {
	Threat        string  `json:"threat"`
	Object        string  `json:"object"`
	Weight        float64 `json:"weight"`
	Best          float64 `json:"best"`                     // the greatest strength of the means that are looked at; 0 where none is against it
	BestMean      string  `json:"best_mean,omitempty"`      //
	Strongest     float64 `json:"strongest"`                // the greatest strength that there is
	StrongestMean string  `json:"strongest_mean,omitempty"` //
}

// SinglePoint is an edge that opens again when a means fails.
type SinglePoint struct {
	Threat string   `json:"threat"`
	Object string   `json:"object"`
	Means  []string `json:"means"`
}

// Redundancy is how often the edges are covered.
type Redundancy struct {
	Wanted int         `json:"wanted"` // means on each edge
	Least  int         `json:"least"`  // on the edge with the fewest
	Counts map[int]int `json:"counts"` // edges by the number of means that cover each by itself
}

// MeanCoverage is what a means does.
type MeanCoverage struct {
	Name   string  `json:"name"`
	Cost   float64 `json:"cost"`
	Chosen bool    `json:"chosen"`
	Covers int     `json:"covers"` // edges that it covers by itself
	Change int     `json:"change"` // edges that open without it, or that it would add
}

// GraphEdge is an edge with the means against it.
type GraphEdge struct {
	Threat  string      `json:"threat"`
	Object  string      `json:"object"`
	Weight  float64     `json:"weight"`
	Covered bool        `json:"covered"`
	Means   []GraphMean `json:"means"`
}

// GraphMean is a means against an edge.
type GraphMean struct {
	Name     string  `json:"name"`
	Strength float64 `json:"strength"`
	Exceeds  bool    `json:"exceeds"` // the weight
	Chosen   bool    `json:"chosen"`
}

// CheapestCover is the cheapest set of means that removes every edge that can be removed.
type CheapestCover struct {
	Means      []string `json:"means"`
	Cost       float64  `json:"cost"`
	Proved     bool     `json:"proved"`      // that no cheaper set does it
	LowerBound float64  `json:"lower_bound"` // no set that does it costs less
	Greedy     float64  `json:"greedy"`      // what choosing step by step costs
}

// BarrierRisk is what a barrier leaves.
type BarrierRisk struct {
	Threat   string  `json:"threat"`
	Object   string  `json:"object"`
	Mean     string  `json:"mean,omitempty"`
	Residual float64 `json:"residual"`
	Share    float64 `json:"share"` // of the whole residual risk
}

// FuzzyPart is a rating in words.
type FuzzyPart struct {
	Cuts     []FuzzyCut `json:"cuts"`
	Centroid float64    `json:"centroid"`
	Word     string     `json:"word"` // the nearest
}

// FuzzyCut is where membership is at least alpha.
type FuzzyCut struct {
	Alpha float64 `json:"alpha"`
	Lo    float64 `json:"lo"`
	Hi    float64 `json:"hi"`
}

// Bounds of lists in the report; the figures are of everything.
const (
	listedEdges = 10_000
	graphEdges  = 2_000
)

func (r *run) coverage() error {
	in := r.model.Coverage
	if in == nil || in.Edges == nil && len(in.Barriers) == 0 && in.Fuzzy == nil {
		return nil
	}
	if in.Edges != nil && len(in.Edges) == 0 {
		r.note(SectionCoverage, "coverage.edges", "no threat is real for any object by this list, so nothing is open and K is 1")
	}
	out := &Coverage{Trace: Trace{Formulas: []string{"E.edge", "E.overlap", "E.weighted", "E.single", "E.cover"}, Inputs: []string{"coverage.edges", "coverage.strengths", "means"}}, Combine: in.Combine}
	if in.Combine {
		out.Trace.Formulas = append(out.Trace.Formulas, "E.combined")
	}
	p, chosen := r.overlapProblem(in, &out.Trace)
	r.rateCoverage(out, in, p, chosen)
	if err := r.cheapestCover(out, in, p, chosen); err != nil {
		return err
	}
	r.barriers(out, in)
	r.fuzzyRating(out, in.Fuzzy)
	r.report.Coverage = out
	return nil
}

// overlapProblem makes the edges with their strengths, and says which means are looked at.
func (r *run) overlapProblem(in *model.Coverage, trace *Trace) (*overlap.Problem, []bool) {
	p := &overlap.Problem{Edges: make([]overlap.Edge, len(in.Edges)), Costs: make([]float64, len(r.model.Means)), Combine: in.Combine, Depth: max(1, in.Redundancy)}
	if in.Combine {
		p.Depth = 0
	}
	index := map[string]int{}
	chosen := make([]bool, len(r.model.Means))
	for i, m := range r.model.Means {
		index[m.Name], p.Costs[i] = i, m.Cost
		chosen[i] = len(in.Chosen) == 0 && m.Present
	}
	for _, name := range in.Chosen {
		chosen[index[name]] = true
	}
	byThreat := map[string][]int{}
	byPair := map[EdgeName]int{}
	sources := newSourceSet(trace)
	for i, e := range in.Edges {
		p.Edges[i].Weight = e.Weight
		byThreat[e.Threat] = append(byThreat[e.Threat], i)
		byPair[EdgeName{e.Threat, e.Object}] = i
		sources.add(e.Source)
	}
	// What is said for one object comes before what is said for all.
	for _, general := range [2]bool{false, true} {
		said := make([]int, len(in.Edges)) // how many entries an edge had before
		for i := range p.Edges {
			said[i] = len(p.Edges[i].Means)
		}
		for _, s := range in.Strengths {
			if (s.Object == "") != general {
				continue
			}
			sources.add(s.Source)
			m := index[s.Mean]
			if !general {
				if i, ok := byPair[EdgeName{s.Threat, s.Object}]; ok {
					p.Edges[i].Means = append(p.Edges[i].Means, overlap.Strength{Mean: m, R: s.Strength})
				}
				continue
			}
			for _, i := range byThreat[s.Threat] {
				if !slices.ContainsFunc(p.Edges[i].Means[:said[i]], func(x overlap.Strength) bool { return x.Mean == m }) {
					p.Edges[i].Means = append(p.Edges[i].Means, overlap.Strength{Mean: m, R: s.Strength})
				}
			}
		}
	}
	for i := range p.Edges {
		slices.SortFunc(p.Edges[i].Means, func(a, b overlap.Strength) int { return a.Mean - b.Mean })
	}
	return p, chosen
}

// sourceSet adds sources to a trace, each once, also where there are a million.
type sourceSet struct {
	trace *Trace
	seen  map[string]bool
}

func newSourceSet(t *Trace) sourceSet {
	s := sourceSet{t, map[string]bool{}}
	for _, x := range t.Sources {
		s.seen[x] = true
	}
	return s
}

func (s sourceSet) add(source string) {
	if source != "" && !s.seen[source] {
		s.seen[source] = true
		s.trace.Sources = append(s.trace.Sources, source)
	}
}

// rateCoverage fills in what the chosen means do.
func (r *run) rateCoverage(out *Coverage, in *model.Coverage, p *overlap.Problem, chosen []bool) {
	rating := p.Rate(chosen)
	out.Edges, out.Covered, out.K, out.KWeighted, out.Full = len(p.Edges), rating.Covered, rating.K, rating.Weighted, rating.Full
	out.Redundancy = Redundancy{Wanted: max(1, in.Redundancy), Least: rating.Least, Counts: map[int]int{}}
	out.Open, out.SinglePoints, out.Chosen, out.Graph, out.Infeasible = []OpenEdge{}, []SinglePoint{}, []string{}, []GraphEdge{}, []EdgeName{}
	name := func(m int) string {
		if m < 0 {
			return ""
		}
		return r.model.Means[m].Name
	}
	gains := p.Gains(chosen)
	for i, m := range r.model.Means {
		if chosen[i] {
			out.Chosen = append(out.Chosen, m.Name)
		}
		out.Means = append(out.Means, MeanCoverage{Name: m.Name, Cost: m.Cost, Chosen: chosen[i], Covers: gains[i].Covers, Change: gains[i].Change})
	}
	if len(out.Chosen) == 0 && len(p.Edges) > 0 {
		r.note(SectionCoverage, "coverage.chosen", "no means is chosen and none in section means is present: every threat to every object is open")
	}
	for i, e := range in.Edges {
		reach := p.Reach(i, chosen)
		out.Redundancy.Counts[reach.Count]++
		if i >= graphEdges {
			continue
		}
		g := GraphEdge{Threat: e.Threat, Object: e.Object, Weight: e.Weight, Covered: reach.Covered, Means: []GraphMean{}}
		for _, s := range p.Edges[i].Means {
			g.Means = append(g.Means, GraphMean{Name: name(s.Mean), Strength: s.R, Exceeds: s.R > e.Weight, Chosen: chosen[s.Mean]})
		}
		out.Graph = append(out.Graph, g)
	}
	open := slices.Clone(rating.Open)
	slices.SortStableFunc(open, func(a, b int) int {
		switch {
		case in.Edges[a].Weight > in.Edges[b].Weight:
			return -1
		case in.Edges[a].Weight < in.Edges[b].Weight:
			return 1
		}
		return 0
	})
	for _, i := range open[:min(len(open), listedEdges)] {
		reach, all := p.Reach(i, chosen), p.Reach(i, nil)
		out.Open = append(out.Open, OpenEdge{
			Threat: in.Edges[i].Threat, Object: in.Edges[i].Object, Weight: in.Edges[i].Weight,
			Best: reach.Best, BestMean: name(reach.BestMean), Strongest: all.Best, StrongestMean: name(all.BestMean),
		})
	}
	for _, s := range rating.Single[:min(len(rating.Single), listedEdges)] {
		x := SinglePoint{Threat: in.Edges[s.Edge].Threat, Object: in.Edges[s.Edge].Object}
		for _, m := range s.Means {
			x.Means = append(x.Means, name(m))
		}
		out.SinglePoints = append(out.SinglePoints, x)
	}
	if len(rating.Open) > listedEdges || len(rating.Single) > listedEdges {
		r.note(SectionCoverage, "coverage.edges", "%d edges are open and %d have a single point of protection; the report lists %d of each, the figures are of all", len(rating.Open), len(rating.Single), listedEdges)
	}
	if len(in.Edges) > graphEdges {
		r.note(SectionCoverage, "coverage.edges", "the graph in the report shows the first %d of %d edges; the figures are of all", graphEdges, len(in.Edges))
	}
}

// cheapestCover finds the cheapest full cover, from nothing and beside what is chosen.
func (r *run) cheapestCover(out *Coverage, in *model.Coverage, p *overlap.Problem, chosen []bool) error {
	if len(p.Edges) == 0 {
		return nil
	}
	var infeasible []int
	find := func(keep []bool) (*CheapestCover, error) {
		best, err := p.Cheapest(r.ctx, keep, in.Effort)
		if err != nil {
			return nil, err
		}
		infeasible = best.Infeasible
		c := &CheapestCover{Means: []string{}, Cost: best.Cost, Proved: best.Proved, LowerBound: best.LowerBound, Greedy: best.Greedy}
		for _, m := range best.Means {
			c.Means = append(c.Means, r.model.Means[m].Name)
		}
		if !best.Proved {
			r.note(SectionCoverage, "coverage.effort", "the search for the cheapest cover gave up: %v is the cheapest that was found, and none costs less than %v; more effort may prove it", best.Cost, best.LowerBound)
		}
		return c, nil
	}
	var err error
	if out.Cheapest, err = find(nil); err != nil {
		return err
	}
	if out.Addition, err = find(chosen); err != nil {
		return err
	}
	for _, i := range infeasible[:min(len(infeasible), listedEdges)] {
		out.Infeasible = append(out.Infeasible, EdgeName{in.Edges[i].Threat, in.Edges[i].Object})
	}
	if len(infeasible) > 0 {
		r.note(SectionCoverage, "coverage.strengths", "%d of %d edges can not be covered by all means together; the cheapest cover is of the others", len(infeasible), len(in.Edges))
	}
	return nil
}

// barriers is the five-tuple.
func (r *run) barriers(out *Coverage, in *model.Coverage) {
	if len(in.Barriers) == 0 {
		return
	}
	out.Trace.Formulas = append(out.Trace.Formulas, "E.five", "E.barriers")
	out.Trace.Inputs = append(out.Trace.Inputs, "coverage.barriers")
	sources := newSourceSet(&out.Trace)
	all := make([]overlap.Barrier, len(in.Barriers))
	held := map[EdgeName]int{}
	for i, b := range in.Barriers {
		all[i] = overlap.Barrier{Probability: b.Probability, Damage: b.Damage, Resistance: b.Resistance}
		e := EdgeName{b.Threat, b.Object}
		if b.Mean == "" {
			if _, ok := held[e]; !ok {
				held[e] = 0
			}
		} else {
			held[e]++
		}
		sources.add(b.Source)
	}
	sum, strength, finite := overlap.Residual(all)
	if math.IsInf(sum, 0) {
		r.note(SectionCoverage, "coverage.barriers", "the residual risk is too large to be a number: check the damages")
		return
	}
	out.Residual = &sum
	if finite {
		out.Strength = &strength
	} else {
		r.note(SectionCoverage, "coverage.barriers", "the barriers leave no risk: the strength of the system is infinite, and no figure is given for it")
	}
	layered := 0
	listed := map[EdgeName]bool{}
	for i, b := range in.Barriers {
		x := BarrierRisk{Threat: b.Threat, Object: b.Object, Mean: b.Mean, Residual: all[i].Residual()}
		if sum > 0 {
			x.Share = x.Residual / sum
		}
		if i < listedEdges {
			out.Barriers = append(out.Barriers, x)
		}
		e := EdgeName{b.Threat, b.Object}
		if held[e] == 0 && !listed[e] && len(out.Unprotected) < listedEdges {
			out.Unprotected = append(out.Unprotected, e)
		}
		if held[e] > 1 && !listed[e] {
			layered++
		}
		listed[e] = true
	}
	unknown := 0
	for _, e := range in.Edges {
		if n := (EdgeName{e.Threat, e.Object}); !listed[n] {
			unknown++
			if len(out.Unprotected) < listedEdges {
				out.Unprotected = append(out.Unprotected, n)
			}
		}
	}
	if unknown > 0 {
		r.note(SectionCoverage, "coverage.barriers", "%d edges have no entry in barriers: they count as unprotected, and since their probability and damage are not known the residual risk does not hold them", unknown)
	}
	if layered > 0 {
		r.note(SectionCoverage, "coverage.barriers",
			"%d vulnerabilities have several barriers: each counts with its whole residual risk. Give barriers that stand one behind the other as one with the resistance 1-(1-R1)(1-R2)", layered)
	}
}

// fuzzyRating is the rating in words.
func (r *run) fuzzyRating(out *Coverage, in *model.Fuzzy) {
	if in == nil || len(in.Ratings) == 0 {
		return
	}
	out.Trace.Formulas = append(out.Trace.Formulas, "E.fuzzy", "E.fuzzy.weakest", "E.fuzzy.selective", "E.fuzzy.mean")
	out.Trace.Inputs = append(out.Trace.Inputs, "coverage.fuzzy")
	var names []string
	for w := range in.Words {
		names = append(names, w)
	}
	slices.Sort(names)
	of := map[string]overlap.Trapezoid{}
	var words []overlap.Trapezoid
	for _, w := range names {
		c := in.Words[w]
		of[w] = overlap.Trapezoid{A: c[0], B: c[1], C: c[2], D: c[3]}
		words = append(words, of[w])
	}
	sources := newSourceSet(&out.Trace)
	entries := make([]overlap.Rated, len(in.Ratings))
	for i, e := range in.Ratings {
		entries[i] = overlap.Rated{Rating: of[e.Rating], Importance: of[e.Importance]}
		sources.add(e.Source)
	}
	cuts, threshold := in.Cuts, in.Threshold
	if len(cuts) == 0 {
		cuts = []float64{0, 0.5, 1}
	}
	if threshold == 0 {
		threshold = 0.5
	}
	out.Fuzzy = map[string]FuzzyPart{}
	for _, op := range []struct {
		name, title string
		of          overlap.Operator
	}{
		{"weakest_link", "weakest link", overlap.WeakestLink}, {"selective_weakest_link", "selective weakest link", overlap.SelectiveWeakestLink(threshold)},
		{"weighted_mean", "weighted mean", overlap.WeightedMean},
	} {
		var part FuzzyPart
		for _, a := range cuts {
			if c, ok := op.of(entries, a); ok {
				part.Cuts = append(part.Cuts, FuzzyCut{Alpha: a, Lo: c.Lo, Hi: c.Hi})
			}
		}
		centre, ok := overlap.Centroid(op.of, entries)
		if !ok {
			r.note(SectionCoverage, "coverage.fuzzy", "the %s does not exist: no rating is important enough for it (threshold %v)", op.title, threshold)
			continue
		}
		part.Centroid, part.Word = centre, names[overlap.Nearest(words, centre)]
		out.Fuzzy[op.name] = part
	}
}
