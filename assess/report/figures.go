package report

import "strings"

// known says of a figure in which unit it is and which formula gives it. The first entry that fits counts: the section is the same, the item begins with item, or
// ends with it where item begins with *, and the figure begins with figure. The last of a section says what holds where nothing else does.
var known = []struct{ section, item, figure, unit, formula string }{
	{"dynamics", "", "horizon", "period", "3.6"},
	{"dynamics", "*backtest", "", "", "C1.backtest"},
	{"dynamics", "*frequency", "backtest", "", "C1.backtest"},
	{"dynamics", "*frequency", "rate", "", "3.4"},
	{"dynamics", "*frequency", "rate_sd", "", "3.4"},
	{"dynamics", "*frequency", "interval", "", "3.4"},
	{"dynamics", "*frequency", "density", "", "3.4"},
	{"dynamics", "*frequency", "prior", "", "3.4"},
	{"dynamics", "*frequency", "seen", "", "3.5"},
	{"dynamics", "drift", "forgetting", "", "C1.forget"},
	{"dynamics", "drift", "", "", "C1.year"},
	{"dynamics", "*frequency", "a", "", "3.5"},
	{"dynamics", "*frequency", "b", "period", "3.5"},
	{"dynamics", "*frequency", "mean", "events", "3.8"},
	{"dynamics", "*frequency", "variance", "events²", "3.9"},
	{"dynamics", "*frequency", "p", "", "3.7"},
	{"dynamics", "*frequency", "quantiles", "events", "3.7"},
	{"dynamics", "*frequency", "", "", "3.7"},
	{"dynamics", "*damage", "mean", "money", "3.13"},
	{"dynamics", "*damage", "variance", "money²", "3.13"},
	{"dynamics", "*damage", "m", "money", "3.11"},
	{"dynamics", "*damage", "kappa", "", "3.11"},
	{"dynamics", "*damage", "alpha", "", "3.11"},
	{"dynamics", "*damage", "beta", "", "3.11"},
	{"dynamics", "*damage", "observations", "", "3.11"},
	{"dynamics", "*damage", "raiffa_schlaifer", "", "C2.raiffa"},
	{"dynamics", "*damage", "maximum", "money", ""},
	{"dynamics", "*damage", "scale", "money", "3.12"},
	{"dynamics", "*damage", "df", "", "3.12"},
	{"dynamics", "*damage", "p_negative", "", "3.12"},
	{"dynamics", "*damage", "quantiles", "money", "3.12"},
	{"dynamics", "*damage", "", "", "3.12"},
	{"dynamics", "", "", "", "3.6"},
	{"losses", "total / quantile_brackets", "", "money", "C3.bracket"},
	{"losses", "total / tail_value_brackets", "", "money", "C3.bracket"},
	{"losses", "total / brackets", "", "money", "C3.bracket"},
	{"losses", "total", "error_bound", "", "C3.bracket"},
	{"losses", "total", "lost_mass", "", "C3.bracket"},
	{"losses", "total", "exceedance", "", "C3.exceedance"},
	{"losses", "total", "exceedance_brackets", "", "C3.bracket"},
	{"losses", "total", "quantiles", "money", "C3.quantile"},
	{"losses", "total", "tail_value", "money", "C3.tail"},
	{"losses", "total", "mean", "money", "3.14"},
	{"losses", "total", "sd", "money", "C3.variance"},
	{"losses", "total", "variance", "money²", "C3.variance"},
	{"losses", "inherent / quantile_brackets", "", "money", "C3.bracket"},
	{"losses", "inherent / tail_value_brackets", "", "money", "C3.bracket"},
	{"losses", "inherent / brackets", "", "money", "C3.bracket"},
	{"losses", "inherent", "error_bound", "", "C3.bracket"},
	{"losses", "inherent", "lost_mass", "", "C3.bracket"},
	{"losses", "inherent", "exceedance", "", "C3.exceedance"},
	{"losses", "inherent", "exceedance_brackets", "", "C3.bracket"},
	{"losses", "inherent", "quantiles", "money", "C3.quantile"},
	{"losses", "inherent", "tail_value", "money", "C3.tail"},
	{"losses", "inherent", "mean", "money", "3.14"},
	{"losses", "inherent", "sd", "money", "C3.variance"},
	{"losses", "inherent", "variance", "money²", "C3.variance"},
	{"losses", "proposed / quantile_brackets", "", "money", "C3.bracket"},
	{"losses", "proposed / tail_value_brackets", "", "money", "C3.bracket"},
	{"losses", "proposed / brackets", "", "money", "C3.bracket"},
	{"losses", "proposed", "error_bound", "", "C3.bracket"},
	{"losses", "proposed", "lost_mass", "", "C3.bracket"},
	{"losses", "proposed", "exceedance", "", "C3.exceedance"},
	{"losses", "proposed", "exceedance_brackets", "", "C3.bracket"},
	{"losses", "proposed", "quantiles", "money", "C3.quantile"},
	{"losses", "proposed", "tail_value", "money", "C3.tail"},
	{"losses", "proposed", "mean", "money", "3.14"},
	{"losses", "proposed", "sd", "money", "C3.variance"},
	{"losses", "proposed", "variance", "money²", "C3.variance"},
	{"losses", "net", "mean_share", "", "C3.net"},
	{"losses", "net", "tail_share", "", "C3.net"},
	{"losses", "net", "computed", "", "C3.net"},
	{"losses", "net", "own_computed", "", "C3.net"},
	{"losses", "net", "", "money", "C3.net"},
	{"losses", "simulation", "mean_computed", "money", "C3.net"},
	{"losses", "simulation", "mean_computed_error", "money", "C3.net"},
	{"losses", "simulation", "confidence", "", "C3.simulation"},
	{"losses", "simulation", "trials", "", "C3.simulation"},
	{"losses", "simulation", "seed", "", "C3.simulation"},
	{"losses", "simulation", "exceedance", "", "C3.simulation"},
	{"losses", "simulation", "exceedance_brackets", "", "C3.simulation"},
	{"losses", "simulation / layers", "probability", "", "C3.layer"},
	{"losses", "simulation / layers", "", "money", "C3.layer"},
	{"losses", "simulation", "", "money", "C3.simulation"},
	{"losses", "sensitivity", "inputs", "", "C3.tornado"},
	{"losses", "sensitivity", "", "money", "C3.tornado"},
	{"losses", "tolerance", "loss", "money", "C3.exceedance"},
	{"losses", "tolerance", "", "", "C3.exceedance"},
	{"losses", "returns", "return", "", "B.return"},
	{"losses", "returns", "", "money", "B.return"},
	{"losses", "", "horizon", "period", "3.14"},
	{"losses", "", "error", "", "C3.bracket"},
	{"losses", "", "mean_share", "", "C3.contribution"},
	{"losses", "", "tail_share", "", "C3.contribution"},
	{"losses", "", "tail", "money", "C3.contribution"},
	{"losses", "", "p0", "", "3.7"},
	{"losses", "", "mean", "money", "3.15"},
	{"losses", "", "sd", "money", "C3.variance"},
	{"losses", "", "variance_iid", "money²", "C3.iid"},
	{"losses", "", "variance", "money²", "C3.variance"},
	{"losses", "", "quantiles", "money", "C3.exact"},
	{"losses", "", "", "", "3.14"},
	{"ibm", "", "R", "money/period", "3.1"},
	{"ibm", "", "band", "money/period", "B.band"},
	{"ibm", "", "quantised", "money/period", "3.1"},
	{"ibm", "", "total", "money/period", "3.2"},
	{"ibm", "", "share", "", "3.2"},
	{"ibm", "", "", "", "3.1"},
	{"optimum", "continuous", "q", "", "B.curve"},
	{"optimum", "continuous", "crossing.ratio", "", "B.crossing"},
	{"optimum", "continuous", "crossing.q", "", "B.crossing"},
	{"optimum", "continuous", "crossing", "money", "B.crossing"},
	{"optimum", "continuous", "", "money", "B.curve"},
	{"optimum", "measures", "nodes", "", "B.measures"},
	{"optimum", "measures", "front_size", "", "B.pareto"},
	{"optimum", "measures / returns", "return_", "", "B.return"},
	{"optimum", "measures / returns", "", "money", "B.return"},
	{"optimum", "measures / front", "", "money", "B.pareto"},
	{"optimum", "measures", "", "money", "B.measures"},
	{"game", "stackelberg", "", "", "D.stackelberg"},
	{"game", "zero_sum", "theta", "", "D.reduction"},
	{"game", "zero_sum", "", "", "D.zerosum"},
	{"game", "mixed", "", "", "D.bimatrix"},
	{"game", "", "regret", "", "D.regret"},
	{"game", "", "regret_bound", "", "D.regret"},
	{"game", "", "proved", "", "D.regret"},
	{"game", "", "V", "", "3.16"},
	{"game", "", "U", "", "3.17"},
	{"game", "", "x", "", "3.18"},
	{"game", "", "y", "", "3.18"},
	{"game", "", "", "", "3.18"},
	{"coverage", "cheapest", "cost", "money/period", "E.cover"},
	{"coverage", "addition", "cost", "money/period", "E.cover"},
	{"coverage", "cheapest", "", "", "E.cover"},
	{"coverage", "addition", "", "", "E.cover"},
	{"coverage", "single_points", "", "", "E.single"},
	{"coverage", "fuzzy / weakest_link", "", "", "E.fuzzy.weakest"},
	{"coverage", "fuzzy / selective_weakest_link", "", "", "E.fuzzy.selective"},
	{"coverage", "fuzzy / weighted_mean", "", "", "E.fuzzy.mean"},
	{"coverage", "fuzzy", "", "", "E.fuzzy"},
	{"coverage", "barriers", "share", "", "E.barriers"},
	{"coverage", "barriers", "", "money", "E.barriers"},
	{"coverage", "means", "cost", "money/period", "E.edge"},
	{"coverage", "", "K_weighted", "", "E.weighted"},
	{"coverage", "", "K", "", "E.overlap"},
	{"coverage", "", "residual", "money", "E.barriers"},
	{"coverage", "", "strength", "", "E.barriers"},
	{"coverage", "", "", "", "E.edge"},
	{"vulnerability", "copying / organisations", "", "", "A3.third"},
	{"vulnerability", "copying", "third", "", "A3.third"},
	{"vulnerability", "copying", "", "", "A3"},
	{"vulnerability", "integrity / steps", "local", "", "A2.violation"},
	{"vulnerability", "integrity / steps", "p", "", "A2"}, // of a factor
	{"vulnerability", "integrity", "", "", "A2.route"},
	{"vulnerability", "extremal", "", "", "A1.extremal"},
	{"vulnerability", "over_time", "", "", "A1.time"},
	{"vulnerability", "base", "all", "", "A1.several"},
	{"vulnerability", "base", "nested", "", "A1.nested"},
	{"vulnerability", "base", "band", "", "A1.band"},
	{"vulnerability", "base", "zones", "", "A1"},
	{"vulnerability", "base", "", "", "A1.base"},
	{"vulnerability", "zones", "", "", "A1"},
	{"vulnerability", "", "nested", "", "A1.nested"},
	{"vulnerability", "", "band", "", "A1.band"},
	{"vulnerability", "", "", "", "A1.general"},
	{"access", "high_water", "", "", "F.highwater"},
	{"codes", "", "P_abs", "", "3.25"},
	{"codes", "", "P_rel", "", "3.26"},
	{"codes", "", "P_min", "", "3.27"},
	{"codes", "", "P_max", "", "3.28"},
	{"codes", "linear_hierarchy", "", "", "H.level"},
	{"codes", "design", "", "", "H.design"},
	{"codes", "worst", "", "", "H.relative"},
	{"codes", "", "inadmissible", "accesses", "3.21"},
	{"codes", "", "lower_bound", "accesses", "H.bound"},
	{"codes", "subjects", "", "", "3.19"},
	{"codes", "objects", "", "", "3.20"},
	{"codes", "", "", "", "3.20"},
}

// lookUp is the entry of known for a figure.
func lookUp(section, item, figure string) (unit, formula string) {
	for _, state := range []string{"_inherent", "_proposed"} { // what is drawn of other states of protection is as what is drawn of today's
		if rest, ok := strings.CutPrefix(item, "simulation"+state); ok {
			item = "simulation" + rest
		}
	}
	for _, k := range known {
		if k.section != section || k.figure != "" && !named(figure, k.figure) {
			continue
		}
		if end, ok := strings.CutPrefix(k.item, "*"); ok {
			if !strings.HasSuffix(item, end) {
				continue
			}
		} else if k.item != "" && item != k.item && !strings.HasPrefix(item, k.item+" / ") {
			continue
		}
		return k.unit, k.formula
	}
	return "", ""
}

// named reports whether a figure is the one that is meant: by its name, an element or a member of it.
func named(figure, want string) bool {
	rest, ok := strings.CutPrefix(figure, want)
	return ok && (rest == "" || strings.HasSuffix(want, "_") || rest[0] == '.' || rest[0] == '[' || want == "p" && (figure == "p0" || strings.HasPrefix(figure, "pmf")))
}

// byLaw is the formula of a figure of a law of damages, where that of the table is of the normal law. A law without a formula in the catalogue, as a table has none, is
// linked to none. For what a threat costs in all, the law is known by what its figures have: see walker.object.
func byLaw(section, law, formula string) string {
	switch {
	case law == "" || law == "normal":
	case section == "losses":
		if formula == "C3.exact" {
			return "C3.quantile"
		}
	case law != "lognormal": // nothing is learned
		return ""
	case formula == "3.12" || formula == "3.13":
		return "C2.lognormal"
	}
	return formula
}

// accessRules are the formulas by which a request for access is decided, as the rule of a decision begins.
var accessRules = []struct{ model, rule, formula string }{
	{"adept50", "1 and 2", "F.job"}, {"adept50", "3 and 4", "F.job"}, {"adept50", "1", "F.1"}, {"adept50", "2", "F.2"}, {"adept50", "3", "F.3"}, {"adept50", "4", "F.4"},
	{"adept50", "job", "F.highwater"}, {"adept50", "new file", "F.highwater"},
	{"hartson", "step 4", "G.4"}, {"hartson", "step 5", "G.5"}, {"hartson", "malformed", "G.space"}, {"hartson", "", "G.8"},
}

func ruleFormula(model, rule string) string {
	for _, r := range accessRules {
		if r.model == model && strings.HasPrefix(rule, r.rule) {
			return r.formula
		}
	}
	return ""
}
