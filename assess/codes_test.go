package assess_test

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"redoubt/assess"
	"redoubt/assess/model"
)

func codesOf(t *testing.T, text string) *assess.Report {
	t.Helper()
	m, err := model.Read([]byte("version: 1\ncodes:\n" + text))
	if err != nil {
		t.Fatal(err)
	}
	r, err := assess.RunSection(t.Context(), m, assess.SectionCodes, assess.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestCodesOfARing(t *testing.T) {
	c := codesOf(t, "  n: 3\n  source: plan\n  ring: {levels: 8}\n").Codes
	if c.N != 3 || c.M != 3 || c.Phi != "subset" || c.Inadmissible != 4 || !c.Proved || c.LowerBound != 4 || c.Permitted != 36 || c.Forbidden != 28 || c.Level.Low != 4 {
		t.Errorf("%+v", c)
	}
	if c.PAbs != 8.0/12 || math.Abs(c.PRel-6.0/7) > 1e-15 || c.PMin != .5 || c.PMax != 1 {
		t.Errorf("degrees %v, %v, %v, %v", c.PAbs, c.PRel, c.PMin, c.PMax)
	}
	if c.Subjects["3"] != "011" || c.Objects["8"] != "000" || len(c.Pairs) != 4 || c.Pairs[0] != (assess.CodePair{Subject: "2", Object: "1"}) {
		t.Errorf("codes %v and %v, pairs %v", c.Subjects, c.Objects, c.Pairs)
	}
	if c.Matrix == nil || c.Matrix.Rows[1] != "x#######" || c.Matrix.Rows[2] != "..######" || c.Design != nil {
		t.Errorf("matrix %v, design %v", c.Matrix, c.Design)
	}
	if !slices.Equal(c.Trace.Sources, []string{"plan"}) || !slices.Contains(c.Trace.Formulas, "H.ring") || !slices.Contains(c.Trace.Inputs, "codes.ring") {
		t.Errorf("trace %+v", c.Trace)
	}
}

func TestCodesByDesign(t *testing.T) {
	c := codesOf(t, "  tree_depth: 4\n").Codes
	if c.N != 6 || c.Inadmissible != 0 || c.PMin != 1 || c.Design == nil || !c.Design.Reached || !c.Design.Least || c.Design.Fewest != 6 {
		t.Errorf("tree: %+v, %+v", c, c.Design)
	}
	c = codesOf(t, "  nodes: [{name: a}, {name: b}, {name: c}, {name: d}]\n  degree: 0.6\n  phi: xnor\n").Codes
	if c.N != 1 || c.Inadmissible != 4 || c.PRel < .6 || !c.Design.Least {
		t.Errorf("four alike: %+v, %+v", c, c.Design)
	}
	r := codesOf(t, "  ring: {levels: 100}\n  effort: 0.1\n")
	if r.Codes.N != 64 || r.Codes.Design.Reached || len(r.Notes) == 0 || !strings.Contains(r.Notes[0].Text, "no codes of up to 64 bits") {
		t.Errorf("a ring of a hundred: %+v, %+v", r.Codes.Design, r.Notes)
	}
}

func TestCodesOfAMatrix(t *testing.T) {
	c := codesOf(t, "  n: 2\n  m: 1\n  phi: and\n  matrix: {subjects: [x, y, z], objects: [p, q], permitted: {x: [p], y: [p, q]}}\n").Codes
	if c.Inadmissible != 0 || c.Phi != "and" || c.Class != "and" || len(c.Subjects["z"]) != 2 || c.Matrix.Rows[0] != "#." || c.Matrix.Rows[2] != ".." {
		t.Errorf("%+v, %+v", c, c.Matrix)
	}
	text, err := json.Marshal(c)
	if err != nil || !strings.Contains(string(text), `"pairs":[]`) {
		t.Errorf("%v: %s", err, text)
	}
}
