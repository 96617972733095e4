package model

import (
	"errors"
	"math"
	"slices"

	"redoubt/assess/expression"
	"redoubt/assess/game"
)

// Bounds that keep the memory and the time of a computation finite.
const (
	maxThreats    = 10_000
	maxMeasures   = 2_000
	maxStrategies = 2_000
	maxNFG        = 16 << 20 // bytes
)

func (x *IBM) check(path string, c *Checker) {
	if x == nil {
		return
	}
	c.OneOf(path+".scale", x.Scale, "ibm", "courtney")
	if len(x.Threats) > maxThreats {
		c.Bad(path+".threats", "there are %d threats: %d are the most", len(x.Threats), maxThreats)
		return
	}
	c.Names(path+".threats", "threat", collect(x.Threats, func(t IBMThreat) string { return t.Threat }))
	lowS, highS, lowV, highV := 0, 7, 0, 7
	if x.Scale == "courtney" {
		lowS, highS, lowV, highV = 1, 8, 1, 7
	}
	for i, t := range x.Threats {
		at := Item(path+".threats", i)
		if t.Threat != "" {
			c.Threat(at+".threat", t.Threat)
		}
		graded(c, at, "S", "frequency", t.S, t.Frequency, lowS, highS)
		graded(c, at, "V", "damage", t.V, t.Damage, lowV, highV)
	}
}

// graded checks that either the grade or the number is given.
func graded(c *Checker, at, grade, number string, g *int, n *float64, low, high int) {
	switch {
	case g == nil && n == nil:
		c.Bad(at, "it has neither %s nor %s: give one of them", grade, number)
	case g != nil && n != nil:
		c.Bad(at+"."+number, "it has both %s and %s: give one of them", grade, number)
	}
	if g != nil && (*g < low || *g > high) {
		c.Bad(at+"."+grade, "%d is not on the scale, which goes from %d to %d", *g, low, high)
	}
	if n != nil {
		c.Positive(at+"."+number, *n)
	}
}

func (x *Costs) check(path string, c *Checker) {
	if x == nil {
		return
	}
	c.OneOf(path+".losses", x.Losses, "ibm", "losses")
	switch {
	case x.Losses == "ibm" && c.m.IBM == nil:
		c.Bad(path+".losses", "the losses are those of section ibm, which the model does not have")
	case x.Losses == "losses" && (c.m.Frequency == nil || c.m.Damage == nil):
		c.Bad(path+".losses", "the losses are those of section losses, which need sections frequency and damage")
	}
	if x.Budget != nil {
		c.NotNegative(path+".budget", *x.Budget)
	}
	measures := 0
	for _, m := range c.m.Means {
		if !m.Present && len(m.Reduces) > 0 {
			measures++
		}
	}
	if measures > maxMeasures {
		c.Bad("means", "%d of them are measures to choose from: %d are the most", measures, maxMeasures)
	}
	x.Curve.check(path+".curve", c)
}

func (x *Curve) check(path string, c *Checker) {
	if x == nil {
		return
	}
	if x.Kind == "" {
		c.Bad(path+".kind", "it has no kind: exponential, hyperbola or expression")
		return
	}
	c.OneOf(path+".kind", x.Kind, "exponential", "hyperbola", "expression")
	if x.Maximum != 0 {
		c.Positive(path+".maximum", x.Maximum)
	}
	unused := func(field string, there bool) {
		if there {
			c.Bad(path+"."+field, "a curve of kind %s has no %s", x.Kind, field)
		}
	}
	switch x.Kind {
	case "exponential":
		c.Positive(path+".loss", x.Loss)
		c.Positive(path+".k", x.K)
		if x.Loss > 0 && x.K > 0 && (math.IsInf(math.Log(x.Loss*x.K)/x.K, 0) || x.Loss > 1e300) {
			c.Bad(path+".k", "loss %g with k %g is outside what can be computed with", x.Loss, x.K)
		}
		unused("b", x.B != 0)
	case "hyperbola":
		c.Positive(path+".b", x.B)
		unused("loss", x.Loss != 0)
		unused("k", x.K != 0)
	case "expression":
		unused("b", x.B != 0)
		unused("loss", x.Loss != 0)
		unused("k", x.K != 0)
		variable := "c"
		if x.Cost != "" {
			variable = "q"
			c.formula(path+".cost", x.Cost, []string{variable}, x.Parameters)
		}
		c.formula(path+".expression", x.Expression, []string{variable}, x.Parameters)
	}
	if x.Kind != "expression" {
		unused("expression", x.Expression != "")
		unused("cost", x.Cost != "")
	}
	c.parameters(path+".parameters", x.Parameters)
}

// formula notes what is wrong with a formula.
func (c *Checker) formula(path, text string, variables []string, parameters map[string]float64) {
	_, err := expression.Compile(text, variables, parameters)
	if wrong := new(expression.Error); errors.As(err, &wrong) {
		c.Bad(path, "the formula is wrong at line %d, column %d of it: %s", wrong.Line, wrong.Column, wrong.Text)
	}
}

func (c *Checker) parameters(path string, parameters map[string]float64) {
	for _, name := range sortedNames(parameters) {
		c.Finite(path+"."+name, parameters[name])
	}
}

func sortedNames(m map[string]float64) []string {
	names := make([]string, 0, len(m))
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

func (x *Game) check(path string, c *Checker) {
	if x == nil {
		return
	}
	formulas := x.Information != "" || x.Gain != "" || x.Loss != ""
	forms := 0
	for _, there := range []bool{formulas, x.Matrix != nil, x.NFG != ""} {
		if there {
			forms++
		}
	}
	if forms != 1 {
		c.Bad(path, "a game is given by information, gain and loss, by matrix, or by nfg: by one of the three, not by %d", forms)
	}
	if formulas {
		c.formula(path+".information", x.Information, []string{"x", "y"}, x.Parameters)
		c.formula(path+".gain", x.Gain, []string{"I"}, x.Parameters)
		c.formula(path+".loss", x.Loss, []string{"I"}, x.Parameters)
	}
	c.parameters(path+".parameters", x.Parameters)
	c.NotNegative(path+".max_attack", x.MaxAttack)
	c.NotNegative(path+".max_defence", x.MaxDefence)
	x.Matrix.check(path+".matrix", c)
	if len(x.NFG) > maxNFG {
		c.Bad(path+".nfg", "it has %d bytes: %d are the most", len(x.NFG), maxNFG)
	} else if x.NFG != "" {
		if _, err := game.ReadNFG([]byte(x.NFG)); err != nil {
			c.Bad(path+".nfg", "%v", err)
		}
	}
}

func (x *Matrix) check(path string, c *Checker) {
	if x == nil {
		return
	}
	rows := len(x.Attacker)
	if rows == 0 || len(x.Attacker[0]) == 0 {
		c.Bad(path+".attacker", "it has no entries: a row for each of the attacker's strategies, a column for each of the defender's")
		return
	}
	columns := len(x.Attacker[0])
	if rows > maxStrategies || columns > maxStrategies {
		c.Bad(path+".attacker", "it is %d x %d: %d strategies are the most for each", rows, columns, maxStrategies)
		return
	}
	cells(c, path+".attacker", x.Attacker, rows, columns)
	if x.Defender != nil {
		cells(c, path+".defender", x.Defender, rows, columns)
	}
	if x.Rows != nil && len(x.Rows) != rows {
		c.Bad(path+".rows", "there are %d names for %d rows", len(x.Rows), rows)
	}
	if x.Columns != nil && len(x.Columns) != columns {
		c.Bad(path+".columns", "there are %d names for %d columns", len(x.Columns), columns)
	}
}

func cells(c *Checker, path string, m [][]float64, rows, columns int) {
	if len(m) != rows {
		c.Bad(path, "it has %d rows, the attacker's matrix has %d", len(m), rows)
	}
	for i, row := range m {
		if len(row) != columns {
			c.Bad(Item(path, i), "it has %d entries: the first row of the attacker's matrix has %d", len(row), columns)
		}
		for j, v := range row {
			if c.Finite(Item(Item(path, i), j), v) && math.Abs(v) > 1e100 {
				c.Bad(Item(Item(path, i), j), "%g is too large: 1e100 is the most", v)
			}
		}
	}
}
