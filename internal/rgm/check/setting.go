package check

import (
	"slices"
	"strings"

	"redoubt/internal/cluster"
	"redoubt/internal/fault"
)

// Op is what a Setting does with a property.
type Op int

// The operations of settings. The last two change a list.
const (
	OpSet Op = iota
	OpAdd
	OpRemove
)

// Setting is one change of a property, as people write it: NAME=VALUE, NAME+=VALUE, NAME-=VALUE, each with NAME{node,node} for single nodes.
type Setting struct {
	Name   string
	Nodes  []cluster.NodeName // empty: the value for all nodes
	Op     Op
	Text   string   // the value as written; a list has commas between its elements, and "\," for a comma inside one
	Values []string // the value already taken apart; counts before Text when it is not nil
}

// String gives the setting without its value, which may be a secret.
func (s Setting) String() string {
	if len(s.Nodes) == 0 {
		return s.Name
	}
	return s.Name + "{" + joinNodes(s.Nodes) + "}"
}

// list gives the elements of the value.
func (s Setting) list() []string {
	if s.Values != nil {
		return s.Values
	}
	return splitList(s.Text)
}

// ParseSettings reads settings as the command line gives them.
func ParseSettings(path string, texts []string) ([]Setting, Problems) {
	var out []Setting
	var ps Problems
	for _, t := range texts {
		left, value, ok := strings.Cut(t, "=")
		if !ok {
			ps.add(fault.Invalid, path, "%q is no property setting; write NAME=VALUE", left)
			continue
		}
		s := Setting{Text: value}
		switch {
		case strings.HasSuffix(left, "+"):
			s.Op, left = OpAdd, strings.TrimSuffix(left, "+")
		case strings.HasSuffix(left, "-"):
			s.Op, left = OpRemove, strings.TrimSuffix(left, "-")
		}
		var p Problems
		s.Name, s.Nodes, p = parseName(path, left)
		if len(p) > 0 {
			ps = append(ps, p...)
			continue
		}
		out = append(out, s)
	}
	return out, ps
}

// SettingsOf reads settings from a document: the key is the name, perhaps with nodes.
func SettingsOf(path string, properties map[string][]string) ([]Setting, Problems) {
	var out []Setting
	var ps Problems
	keys := make([]string, 0, len(properties))
	for k := range properties {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		name, nodes, p := parseName(path, k)
		ps = append(ps, p...)
		values := properties[k]
		if values == nil {
			values = []string{}
		}
		out = append(out, Setting{Name: name, Nodes: nodes, Values: values})
	}
	return out, ps
}

// parseName takes NAME{node,node} apart.
func parseName(path, text string) (string, []cluster.NodeName, Problems) {
	var ps Problems
	name, nodes, per := strings.Cut(strings.TrimSpace(text), "{")
	if name == "" {
		ps.add(fault.Invalid, path, "a property setting has no name; write NAME=VALUE")
		return "", nil, ps
	}
	if !per {
		return name, nil, nil
	}
	inner, ok := strings.CutSuffix(nodes, "}")
	if !ok || inner == "" {
		ps.add(fault.Invalid, path+": property "+name, "the nodes of a per-node value stand in braces: %s{node1,node2}=VALUE", name)
		return "", nil, ps
	}
	var out []cluster.NodeName
	for n := range strings.SplitSeq(inner, ",") {
		out = append(out, cluster.NodeName(strings.TrimSpace(n)))
	}
	return name, out, nil
}

// splitList takes a list apart at its commas; "\," is a comma inside an element. The empty text is the empty list.
func splitList(text string) []string {
	out := []string{}
	if text == "" {
		return out
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text) && text[i+1] == ',':
			b.WriteByte(',')
			i++
		case text[i] == ',':
			out = append(out, b.String())
			b.Reset()
		default:
			b.WriteByte(text[i])
		}
	}
	return append(out, b.String())
}

func joinNodes(nodes []cluster.NodeName) string {
	parts := make([]string, len(nodes))
	for i, n := range nodes {
		parts[i] = string(n)
	}
	return strings.Join(parts, ",")
}
