package report

import "strings"

// known says of a figure in which unit it is and which formula gives it. The first entry that fits counts: the section is the same, the item begins with item, or
// ends with it where item begins with *, and the figure begins with figure.
var known = []struct{ section, item, figure, unit, formula string }{
	{"dynamics", "", "horizon", "period", ""},
	{"dynamics", "*frequency", "a", "", "3.5"},
	{"dynamics", "*frequency", "b", "period", "3.5"},
	{"dynamics", "*frequency", "mean", "events", "3.8"},
	{"dynamics", "*frequency", "variance", "events²", "3.9"},
	{"dynamics", "*frequency", "p", "", "3.7"},
	{"dynamics", "*frequency", "quantiles", "events", "3.7"},
	{"dynamics", "*damage", "mean", "money", "3.13"},
	{"dynamics", "*damage", "variance", "money²", "3.13"},
	{"dynamics", "*damage", "m", "money", "3.11"},
	{"dynamics", "*damage", "scale", "money", "3.12"},
	{"dynamics", "*damage", "df", "", "3.12"},
	{"dynamics", "*damage", "p_negative", "", "3.12"},
	{"dynamics", "*damage", "quantiles", "money", "3.12"},
	{"dynamics", "*damage", "", "", "3.11"},
	{"losses", "total", "mean", "money", "3.14"},
	{"losses", "total", "sd", "money", "3.14"},
	{"losses", "total", "quantiles", "money", "3.14"},
	{"losses", "", "mean", "money", "3.15"},
	{"losses", "", "variance", "money²", "3.14"},
	{"losses", "", "quantiles", "money", "3.14"},
	{"ibm", "", "R", "money/period", "3.1"},
	{"ibm", "", "band", "money/period", "3.1"},
	{"ibm", "", "total", "money/period", "3.2"},
	{"ibm", "", "S", "", "3.1"},
	{"ibm", "", "V", "", "3.1"},
	{"optimum", "continuous", "", "money", ""},
	{"optimum", "measures", "", "money", ""},
	{"game", "", "V", "", "3.16"},
	{"game", "", "U", "", "3.17"},
	{"game", "", "x", "", "3.18"},
	{"game", "", "y", "", "3.18"},
	{"coverage", "cheapest", "cost", "money/period", ""},
	{"codes", "", "P_abs", "", "3.25"},
	{"codes", "", "P_rel", "", "3.26"},
	{"codes", "", "P_min", "", "3.27"},
	{"codes", "", "P_max", "", "3.28"},
	{"codes", "subjects", "", "", "3.19"},
	{"codes", "objects", "", "", "3.20"},
	{"codes", "", "inadmissible", "accesses", "3.21"},
}

// lookUp is the entry of known for a figure.
func lookUp(section, item, figure string) (unit, formula string) {
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
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[' || want == "p" && (figure == "p0" || strings.HasPrefix(figure, "pmf")))
}

func unit(section, item, figure, currency string) string {
	u, _ := lookUp(section, item, figure)
	return strings.Replace(u, "money", currency, 1)
}

func formulaOf(section, item, figure string) string {
	_, f := lookUp(section, item, figure)
	return f
}
