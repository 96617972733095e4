package rtr

import (
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"redoubt/internal/rgm/model"
)

func (p *parser) properties(n *yaml.Node) {
	if n.Kind != yaml.SequenceNode {
		p.fault(n, "properties: a list is wanted")
		return
	}
	for _, item := range n.Content {
		spec := model.PropertySpec{Tunable: model.TunableAnytime}
		before := len(p.faults)
		p.property(item, &spec)
		if len(p.faults) > before {
			continue
		}
		twice := slices.ContainsFunc(p.t.Properties, func(o model.PropertySpec) bool { return strings.EqualFold(o.Name, spec.Name) })
		if twice {
			p.fault(item, "property %s is here twice; names compare without regard to case", spec.Name)
			continue
		}
		p.t.Properties = append(p.t.Properties, spec)
	}
}

func (p *parser) property(item *yaml.Node, s *model.PropertySpec) {
	what := "property"
	if name := lookup(item, "name"); name != nil {
		what += " " + name.Value
	}
	var def *yaml.Node
	before := len(p.faults)
	p.fields(item, what, map[string]func(key, value *yaml.Node){
		"name":        p.textInto(&s.Name),
		"description": p.textInto(&s.Description),
		"required":    p.boolInto(&s.Required),
		"per_node":    p.boolInto(&s.PerNode),
		"secret":      p.boolInto(&s.Secret),
		"unique":      p.boolInto(&s.Unique),
		"default":     func(_, v *yaml.Node) { def = v },
		"min":         func(_, v *yaml.Node) { n := p.integer(v, what+": min"); s.Min = &n },
		"max":         func(_, v *yaml.Node) { n := p.integer(v, what+": max"); s.Max = &n },
		"enum":        func(_, v *yaml.Node) { s.Enum = p.texts(v, what+": enum") },
		"type": func(_, v *yaml.Node) {
			s.Type = choice(p, v, what+": type", model.TypeString, model.TypeInt, model.TypeBool, model.TypeEnum, model.TypeStringArray)
		},
		"tunable": func(_, v *yaml.Node) {
			s.Tunable = choice(p, v, what+": tunable", model.TunableNever, model.TunableAtCreation, model.TunableAnytime, model.TunableWhenDisabled, model.TunableWhenOffline, model.TunableWhenUnmanaged)
		},
	})
	if len(p.faults) > before {
		return
	}
	if !isPropertyName(s.Name) {
		p.fault(item, "property name %q: a letter is wanted, then letters, digits and _", s.Name)
	}
	if s.Type == "" {
		p.fault(item, "%s: the key type is missing", what)
		return
	}
	p.bounds(item, what, s)
	if def != nil {
		p.standard(def, what, s)
	}
}

// bounds checks that min, max and enum fit the type and each other.
func (p *parser) bounds(item *yaml.Node, what string, s *model.PropertySpec) {
	if (s.Type == model.TypeEnum) != (len(s.Enum) > 0) {
		p.fault(item, "%s: type enum and the key enum go together", what)
	}
	for i, e := range s.Enum {
		if e == "" || slices.Contains(s.Enum[:i], e) {
			p.fault(item, "%s: enum value %q is empty or here twice", what, e)
		}
	}
	if (s.Min != nil || s.Max != nil) && (s.Type == model.TypeBool || s.Type == model.TypeEnum) {
		p.fault(item, "%s: min and max have no meaning for type %s", what, s.Type)
	}
	if s.Min != nil && s.Max != nil && *s.Min > *s.Max {
		p.fault(item, "%s: min %d is greater than max %d", what, *s.Min, *s.Max)
	}
}

// standard reads the default and checks it as any value is checked.
func (p *parser) standard(def *yaml.Node, what string, s *model.PropertySpec) {
	if s.Required {
		p.fault(def, "%s: it is required, so a default has no meaning", what)
		return
	}
	if s.Secret {
		p.fault(def, "%s: it is secret, so a default has no meaning", what)
		return
	}
	s.Default = []string{}
	if s.Type == model.TypeStringArray {
		s.Default = append(s.Default, p.texts(def, what+": default")...)
	} else {
		s.Default = append(s.Default, p.text(def, what+": default"))
	}
	if why := misfit(s.Default, s); why != "" {
		p.fault(def, "%s: default %s", what, why)
	}
}

// misfit says why values are not allowed for a property, "" when they are.
func misfit(values []string, s *model.PropertySpec) string {
	size := int64(len(values))
	if s.Type != model.TypeStringArray {
		if size != 1 {
			return "has to be one value"
		}
		v := values[0]
		switch s.Type {
		case model.TypeInt:
			n, err := strconv.ParseInt(v, 10, 64)
			if err != nil {
				return strconv.Quote(v) + " is no whole number"
			}
			size = n
		case model.TypeBool:
			if !strings.EqualFold(v, "true") && !strings.EqualFold(v, "false") {
				return strconv.Quote(v) + " is neither true nor false"
			}
			return ""
		case model.TypeEnum:
			if !slices.Contains(s.Enum, v) {
				return strconv.Quote(v) + " is none of " + strings.Join(s.Enum, ", ")
			}
			return ""
		default:
			size = int64(len(v))
		}
	}
	if s.Min != nil && size < *s.Min {
		return "is below min " + strconv.FormatInt(*s.Min, 10)
	}
	if s.Max != nil && size > *s.Max {
		return "is above max " + strconv.FormatInt(*s.Max, 10)
	}
	return ""
}

func isPropertyName(s string) bool {
	for i, r := range s {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || r != '_' && (r < '0' || r > '9')) {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

func lookup(n *yaml.Node, key string) *yaml.Node {
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// text reads a plain value. Aliases and null are refused: what is written is what is meant.
func (p *parser) text(v *yaml.Node, what string) string {
	if v.Kind != yaml.ScalarNode || v.Tag == "!!null" {
		p.fault(v, "%s: one value is wanted", what)
		return ""
	}
	if strings.ContainsRune(v.Value, 0) {
		p.fault(v, "%s: the character with number 0 is not allowed", what)
		return ""
	}
	return v.Value
}

func (p *parser) texts(v *yaml.Node, what string) []string {
	if v.Kind != yaml.SequenceNode {
		p.fault(v, "%s: a list is wanted", what)
		return nil
	}
	var out []string
	for _, item := range v.Content {
		out = append(out, p.text(item, what))
	}
	return out
}

func (p *parser) integer(v *yaml.Node, what string) int64 {
	n, err := strconv.ParseInt(v.Value, 10, 64)
	if v.Kind != yaml.ScalarNode || err != nil {
		p.fault(v, "%s: %q is no whole number", what, v.Value)
	}
	return n
}

func (p *parser) textInto(s *string) func(key, value *yaml.Node) {
	return func(key, v *yaml.Node) { *s = p.text(v, key.Value) }
}

func (p *parser) boolInto(b *bool) func(key, value *yaml.Node) {
	return func(key, v *yaml.Node) {
		if v.Kind != yaml.ScalarNode || v.Value != "true" && v.Value != "false" {
			p.fault(v, "%s: %q is neither true nor false", key.Value, v.Value)
		}
		*b = v.Value == "true"
	}
}

func (p *parser) choiceInto(s *string, allowed ...string) func(key, value *yaml.Node) {
	return func(key, v *yaml.Node) { *s = choice(p, v, key.Value, allowed...) }
}

func choice[T ~string](p *parser, v *yaml.Node, what string, allowed ...T) T {
	if v.Kind != yaml.ScalarNode || !slices.Contains(allowed, T(v.Value)) {
		p.fault(v, "%s: %q is none of %s", what, v.Value, join(allowed))
		return ""
	}
	return T(v.Value)
}
