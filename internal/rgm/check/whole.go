package check

import (
	"slices"

	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/model"
)

// All checks everything that people asked for, as a whole: what a repository or a document holds.
func All(s model.State) Problems {
	var ps Problems
	for _, t := range s.Types {
		ps = append(ps, CheckType(t)...)
	}
	for _, g := range s.Groups {
		ps = append(ps, checkGroup(s, g)...)
	}
	for _, r := range s.Resources {
		ps = append(ps, checkResource(s, r)...)
	}
	return distinct(append(ps, cycles(s)...))
}

// distinct drops what was found twice: two objects may share a fault.
func distinct(ps Problems) Problems {
	var out Problems
	for _, p := range ps {
		if !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}

// CheckType says what is wrong with a resource type's declaration.
func CheckType(t model.Type) Problems {
	at := "resource type " + string(t.Name)
	var ps Problems
	if err := cluster.CheckTypeName(string(t.Name)); err != nil {
		ps.add(fault.Invalid, at, "%v", err)
	}
	has := func(m model.Method) bool { _, ok := t.Method(m); return ok }
	if t.Driver == "exec" && !has(model.MethodStart) && !has(model.MethodPrenetStart) {
		ps.add(fault.Invalid, at, "declares neither Start nor Prenet_start")
	}
	if t.Driver == "exec" && !has(model.MethodStop) && !has(model.MethodPostnetStop) {
		ps.add(fault.Invalid, at, "declares neither Stop nor Postnet_stop")
	}
	for i, m := range t.Methods {
		if !slices.Contains(model.Methods(), m.Method) {
			ps.add(fault.Invalid, at, "method %q is not known", m.Method)
		}
		if slices.ContainsFunc(t.Methods[:i], func(o model.MethodSpec) bool { return o.Method == m.Method }) {
			ps.add(fault.Invalid, at, "declares method %s twice", m.Method)
		}
	}
	for i, p := range t.Properties {
		where := at + ": property " + p.Name
		if p.Name == "" {
			ps.add(fault.Invalid, at, "a property has no name")
			continue
		}
		if slices.ContainsFunc(t.Properties[:i], func(o model.PropertySpec) bool { return o.Name == p.Name }) {
			ps.add(fault.Invalid, where, "is declared twice")
		}
		ps = append(ps, declaration(where, p, t.Driver != "ocf")...)
	}
	return ps
}

// declaration checks one property's declaration. The defaults of OCF agents are what they are: those that do not fit are not used.
func declaration(where string, p model.PropertySpec, defaults bool) Problems {
	var ps Problems
	kinds := []model.PropertyType{model.TypeString, model.TypeInt, model.TypeBool, model.TypeEnum, model.TypeStringArray}
	if !slices.Contains(kinds, p.Type) {
		ps.add(fault.Invalid, where, "has the unknown type %q", p.Type)
		return ps
	}
	if p.Type == model.TypeEnum && len(p.Enum) == 0 {
		ps.add(fault.Invalid, where, "is an enumeration without words")
	}
	if p.Min != nil && p.Max != nil && *p.Min > *p.Max {
		ps.add(fault.Invalid, where, "has a minimum above its maximum")
	}
	if p.Default != nil && defaults {
		if _, err := normalize(p, p.Default); err != nil {
			ps.add(fault.Invalid, where, "its default is wrong: %v", err)
		}
	}
	return ps
}
