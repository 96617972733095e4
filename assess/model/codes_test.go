package model

import (
	"strings"
	"testing"
)

func TestFaultsOfCodes(t *testing.T) {
	for name, c := range map[string]struct{ text, path, says string }{
		"no hierarchy":       {"{n: 2}", "codes", "0 ways"},
		"two hierarchies":    {"{tree_depth: 2, ring: {levels: 2}}", "codes", "2 ways"},
		"unknown function":   {"{tree_depth: 2, phi: nand}", "codes.phi", "no function"},
		"empty function":     {"{tree_depth: 2, phi: '0000'}", "codes.phi", "grants nothing"},
		"too many bits":      {"{tree_depth: 2, n: 65}", "codes.n", "1 to 64"},
		"threshold":          {"{tree_depth: 2, n: 3, m: 4}", "codes.m", "1 to 3"},
		"threshold below":    {"{tree_depth: 2, m: -1}", "codes.m", "1 to 64"},
		"degree above 1":     {"{tree_depth: 2, degree: 1.5}", "codes.degree", "at most 1"},
		"degree of nothing":  {"{tree_depth: 2, degree: 1e-300}", "codes.degree", "greater than 0"},
		"measure":            {"{tree_depth: 2, measure: median}", "codes.measure", "none of"},
		"endless effort":     {"{tree_depth: 2, effort: 1e9}", "codes.effort", "0 to 1000"},
		"high tree":          {"{tree_depth: 40}", "codes.tree_depth", "1 to 11"},
		"wide ring":          {"{ring: {levels: 1000000000}}", "codes.ring.levels", "1 to 2048"},
		"numbers for levels": {"{ring: {levels: 3, subjects: [1, 2]}}", "codes.ring.subjects", "2 numbers for 3 levels"},
		"nobody":             {"{ring: {levels: 2, objects: [0, 0]}}", "codes.ring.objects", "0 objects together"},
		"negative number":    {"{ring: {levels: 2, objects: [1, -1]}}", "codes.ring.objects[1]", "-1 objects"},
		"overflow":           {"{ring: {levels: 2, objects: [9223372036854775807, 9223372036854775807]}}", "codes.ring.objects[0]", "0 to 2048"},
		"cycle":              {"{nodes: [{name: a, below: [b]}, {name: b, below: [a]}]}", "codes.nodes", "a > b > a"},
		"unknown node":       {"{nodes: [{name: a, below: [a2]}]}", "codes.nodes[0].below[0]", `no node "a2"`},
		"node twice":         {"{nodes: [{name: a}, {name: a}]}", "codes.nodes[1].name", "too"},
		"unknown subject":    {"{matrix: {subjects: [a], objects: [o], permitted: {b: [o]}}}", "codes.matrix.permitted.b", `no subject "b"`},
		"unknown object":     {"{matrix: {subjects: [a], objects: [o], permitted: {a: [o, p]}}}", "codes.matrix.permitted.a[1]", `no object "p"`},
		"subject twice":      {"{matrix: {subjects: [a, a], objects: [o], permitted: {}}}", "codes.matrix.subjects[1]", "twice"},
		"no objects":         {"{matrix: {subjects: [a], objects: [], permitted: {}}}", "codes.matrix.objects", "1 to 2048"},
	} {
		faults := faultsOf(t, "version: 1\ncodes: "+c.text+"\n")
		if len(faults) != 1 || !strings.Contains(faults[0], c.path+": ") || !strings.Contains(faults[0], c.says) {
			t.Errorf("%s: %q, want one fault of %s that says %q", name, faults, c.path, c.says)
		}
	}
}
