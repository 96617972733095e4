// Package rtr reads type.yaml, the registration of a resource type: its methods with their timeouts and its properties with their types,
// bounds and defaults. It reads strictly and reports every fault at once, each with file and line; it does no I/O.
package rtr

import (
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/model"
)

// FileName is what a registration is called in the folder of its type.
const FileName = "type.yaml"

// maxSize bounds what is parsed; registrations have a few kilobytes.
const maxSize = 1 << 20

// Options say what kind of type is read.
type Options struct {
	// Builtin types have their methods in the daemon and name no programs; of all others each method names one.
	Builtin bool
}

// Parse reads the registration in data. file is its name for people. Driver and BaseDir of the result are left to the caller. The error is
// fault.Invalid and its detail has one line for each fault.
func Parse(file string, data []byte, opt Options) (model.Type, error) {
	p := &parser{file: file, opt: opt}
	p.document(data)
	if len(p.faults) == 0 {
		p.whole()
	}
	if n := len(p.faults); n > 0 {
		slices.SortStableFunc(p.faults, func(a, b problem) int { return a.line - b.line })
		lines := make([]string, n)
		for i, f := range p.faults {
			lines[i] = fmt.Sprintf("%s:%d: %s", file, f.line, f.text)
		}
		text := "there is 1 fault in it"
		if n > 1 {
			text = fmt.Sprintf("there are %d faults in it", n)
		}
		return model.Type{}, fault.Errorf(fault.Invalid, "read resource type %s: %s; correct it and try again", file, text).WithDetail(strings.Join(lines, "\n"))
	}
	return p.t, nil
}

type problem struct {
	line int
	text string
}

type parser struct {
	file   string
	opt    Options
	t      model.Type
	faults []problem
}

func (p *parser) fault(n *yaml.Node, format string, args ...any) {
	line := 1
	if n != nil && n.Line > 0 {
		line = n.Line
	}
	p.faults = append(p.faults, problem{line, fmt.Sprintf(format, args...)})
}

func (p *parser) document(data []byte) {
	if len(data) > maxSize {
		p.fault(nil, "the file has %d bytes: more than %d are not read", len(data), maxSize)
		return
	}
	dec := yaml.NewDecoder(strings.NewReader(string(data)))
	var doc, next yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			p.fault(nil, "the file is empty: a name, methods and properties are wanted")
			return
		}
		line, text := yamlFault(err)
		p.faults = append(p.faults, problem{line, text})
		return
	}
	if err := dec.Decode(&next); !errors.Is(err, io.EOF) {
		p.fault(&next, "there is more after the first document: one type a file")
		return
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		p.fault(&doc, "a mapping is wanted")
		return
	}
	p.root(doc.Content[0])
}

// yamlFault takes the line out of a message of the YAML reader, "yaml: line 3: …".
func yamlFault(err error) (int, string) {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if rest, ok := strings.CutPrefix(text, "line "); ok {
		number, what, ok := strings.Cut(rest, ": ")
		if line, err := strconv.Atoi(number); ok && err == nil {
			return line, what
		}
	}
	return 1, text
}

// fields calls the reader of each key of a mapping, and reports keys that are unknown or come twice.
func (p *parser) fields(n *yaml.Node, what string, known map[string]func(key, value *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		p.fault(n, "%s: a mapping is wanted", what)
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		read, ok := known[key.Value]
		switch {
		case key.Kind != yaml.ScalarNode || !ok:
			p.fault(key, "%s: key %q is unknown; known are %s", what, key.Value, keys(known))
		case seen[key.Value]:
			p.fault(key, "%s: key %q is here twice", what, key.Value)
		default:
			seen[key.Value] = true
			read(key, value)
		}
	}
}

func keys(m map[string]func(key, value *yaml.Node)) string {
	names := make([]string, 0, len(m))
	for k := range m {
		names = append(names, k)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

func (p *parser) root(n *yaml.Node) {
	t := &p.t
	p.fields(n, "type", map[string]func(key, value *yaml.Node){
		"name":            func(_, v *yaml.Node) { t.Name = cluster.TypeName(p.text(v, "name")) },
		"version":         p.textInto(&t.Version),
		"vendor":          p.textInto(&t.Vendor),
		"description":     p.textInto(&t.Description),
		"network_address": p.boolInto(&t.NetworkAddress),
		"failover":        p.boolInto(&t.Failover),
		"single_instance": p.boolInto(&t.SingleInstance),
		"proxy":           p.boolInto(&t.Proxy),
		"init_nodes":      p.choiceInto(&t.InitNodes, "RG_PRIMARIES", "RT_INSTALLED_NODES"),
		"watch":           p.choiceInto(&t.Watch, model.WatchProcesses),
		"api_version":     p.apiVersion,
		"methods":         func(_, v *yaml.Node) { p.methods(v) },
		"properties":      func(_, v *yaml.Node) { p.properties(v) },
	})
	if t.Name == "" {
		if len(p.faults) == 0 {
			p.fault(n, "type: the key name is missing")
		}
		return
	}
	if err := cluster.CheckTypeName(string(t.Name)); err != nil {
		p.fault(n, "%s", err)
	}
	if i := strings.IndexAny(t.Version, " \t/\\*?,;[]"); i >= 0 {
		p.fault(n, "version %q: character %q is not allowed in it", t.Version, t.Version[i])
	}
}

func (p *parser) apiVersion(key, v *yaml.Node) {
	n := p.integer(v, key.Value)
	if n < 1 || n > 1000 {
		p.fault(v, "api_version %d is out of bounds: 1 to 1000", n)
	}
	p.t.APIVersion = int(n)
}

// whole checks what only the whole can show.
func (p *parser) whole() {
	has := func(ms ...model.Method) bool {
		return slices.ContainsFunc(ms, func(m model.Method) bool { _, ok := p.t.Method(m); return ok })
	}
	if !has(model.MethodStart, model.MethodPrenetStart) {
		p.fault(nil, "methods: Start or Prenet_start is missing")
	}
	if !has(model.MethodStop, model.MethodPostnetStop) {
		p.fault(nil, "methods: Stop or Postnet_stop is missing")
	}
	if has(model.MethodMonitorStart) != has(model.MethodMonitorStop) {
		p.fault(nil, "methods: Monitor_start and Monitor_stop go together")
	}
	if p.t.Proxy && p.t.NetworkAddress {
		p.fault(nil, "proxy: an address is brought up by its own methods and can be no proxy; take proxy or network_address out")
	}
	if p.t.Watch != "" && has(model.MethodMonitorStart) {
		p.fault(nil, "watch: a type with Monitor_start watches by itself; take one of them out")
	}
}

func (p *parser) methods(n *yaml.Node) {
	if n.Kind != yaml.MappingNode {
		p.fault(n, "methods: a mapping from method to program and timeout is wanted")
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		all := model.Methods()
		k := slices.IndexFunc(all, func(m model.Method) bool { return strings.EqualFold(string(m), key.Value) })
		if key.Kind != yaml.ScalarNode || k < 0 {
			p.fault(key, "methods: %q is no callback method; they are %s", key.Value, join(all))
			continue
		}
		if _, twice := p.t.Method(all[k]); twice {
			p.fault(key, "methods: %s is here twice", all[k])
			continue
		}
		p.method(all[k], key, value)
	}
	slices.SortFunc(p.t.Methods, func(a, b model.MethodSpec) int {
		return slices.Index(model.Methods(), a.Method) - slices.Index(model.Methods(), b.Method)
	})
}

func (p *parser) method(m model.Method, key, value *yaml.Node) {
	spec := model.MethodSpec{Method: m}
	what := "method " + string(m)
	before := len(p.faults)
	known := map[string]func(key, value *yaml.Node){
		"timeout": func(_, v *yaml.Node) {
			n := p.integer(v, what+": timeout")
			if n < 1 || n > 30*86400 {
				p.fault(v, "%s: timeout %d is out of bounds: 1 second to 30 days", what, n)
			}
			spec.Timeout = int(n)
		},
	}
	if !p.opt.Builtin {
		known["program"] = func(_, v *yaml.Node) { spec.Program = p.program(v, what) }
	}
	p.fields(value, what, known)
	if !p.opt.Builtin && spec.Program == "" && len(p.faults) == before {
		p.fault(key, "%s: the key program is missing", what)
	}
	p.t.Methods = append(p.t.Methods, spec)
}

func (p *parser) program(v *yaml.Node, what string) string {
	s := p.text(v, what+": program")
	if s != "" && (path.IsAbs(s) || path.Clean(s) != s || s == "." || s == ".." || strings.HasPrefix(s, "../")) {
		p.fault(v, "%s: program %q has to be a path inside the folder of the type", what, s)
	}
	return s
}

func join[T ~string](s []T) string {
	parts := make([]string, len(s))
	for i, x := range s {
		parts[i] = string(x)
	}
	return strings.Join(parts, ", ")
}
