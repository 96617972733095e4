package model

import (
	"bytes"
	"encoding/json"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

var update = flag.Bool("update", false, "write model.schema.json anew from the types and their comments")

// entries is an object of JSON whose fields keep their order.
type entries []entry

type entry struct {
	name  string
	value any
}

func (e entries) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, x := range e {
		if i > 0 {
			b = append(b, ',')
		}
		name, err := json.Marshal(x.name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(x.value)
		if err != nil {
			return nil, err
		}
		b = append(append(append(b, name...), ':'), value...)
	}
	return append(b, '}'), nil
}

// What the types do not say of themselves, by type and name in the file.
var (
	share    = entries{{"minimum", 0}, {"maximum", 1}}
	positive = entries{{"exclusiveMinimum", 0}}
	notBelow = entries{{"minimum", 0}}
	bounds   = map[string]entries{
		"Model.version": {{"const", Version}}, "Object.value": notBelow, "Mean.cost": notBelow,
		"Frequency.horizon": notBelow, "Observation.count": notBelow, "Observation.exposure": notBelow, "Tolerance.probability": share,
		"Dependence.correlation": share, "Layer.share": share, "IBMThreat.S": {{"minimum", 0}, {"maximum", 8}}, "IBMThreat.V": {{"minimum", 0}, {"maximum", 7}},
		"Channel.class": {{"minimum", 1}, {"maximum", 6}}, "ZoneChance.p": {{"minItems", 5}, {"maxItems", 5}}, "BaseChance.p": share, "Branch.probability": share,
		"RouteFactor.effectiveness": share, "RouteStep.malicious": share, "Copying.development": share, "Copying.use": share, "Receipt.get": share,
		"Barrier.probability": share, "Barrier.resistance": share, "Codes.degree": share, "Gamma.a": positive, "Gamma.b": positive,
		"Codes.n": {{"minimum", 0}, {"maximum", 64}}, "Integrity.exposure": notBelow, "RouteFactor.rate": notBelow,
	}
	choices = map[string][]string{
		"Frequency.choose_by": {"given", "held-back"}, "ThreatDamage.law": {"normal", "lognormal", "fixed-lognormal", "pareto", "table"},
		"Dependence.kind": {"shock", "gaussian", "t"}, "IBM.scale": {"ibm", "courtney"}, "Costs.losses": {"ibm", "losses"},
		"Curve.kind": {"exponential", "hyperbola", "expression"}, "Integrity.variant": {"thinned", "one-shot"}, "Adept.mode": {"strict", "request"},
		"Hartson.mode": {"element", "class"}, "Hartson.inner": {"or", "and"}, "Hartson.outer": {"and", "or"}, "Codes.measure": {"relative", "absolute", "minimum"},
	}
	numbersToo = []string{"AdeptProfile.authority", "Observation.label", "Codes.phi"} // texts that are often written as numbers
)

// comments are those of the types and of their fields, by type and by type and field.
func comments(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	fset := token.NewFileSet()
	names, err := fs.Glob(os.DirFS("."), "*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			g, ok := decl.(*ast.GenDecl)
			if !ok || g.Tok != token.TYPE {
				continue
			}
			for _, spec := range g.Specs {
				ts, ok := spec.(*ast.TypeSpec)
				if !ok {
					continue
				}
				s, ok := ts.Type.(*ast.StructType)
				if !ok {
					continue
				}
				out[ts.Name.Name] = oneLine(g.Doc)
				for _, f := range s.Fields.List {
					for _, n := range f.Names {
						out[ts.Name.Name+"."+n.Name] = strings.TrimSpace(oneLine(f.Doc) + " " + oneLine(f.Comment))
					}
				}
			}
		}
	}
	return out
}

func oneLine(c *ast.CommentGroup) string {
	return strings.Join(strings.Fields(c.Text()), " ")
}

// describe makes the schema of a type. Structs go to defs, in the order in which they are met.
func describe(t *testing.T, typ reflect.Type, about map[string]string, defs *entries) entries {
	t.Helper()
	switch typ.Kind() {
	case reflect.Pointer:
		return describe(t, typ.Elem(), about, defs)
	case reflect.String:
		return entries{{"type", "string"}}
	case reflect.Bool:
		return entries{{"type", "boolean"}}
	case reflect.Float64:
		return entries{{"type", "number"}}
	case reflect.Int:
		return entries{{"type", "integer"}}
	case reflect.Uint64:
		return entries{{"type", "integer"}, {"minimum", 0}}
	case reflect.Interface:
		return entries{}
	case reflect.Slice:
		return entries{{"type", "array"}, {"items", describe(t, typ.Elem(), about, defs)}}
	case reflect.Map:
		return entries{{"type", "object"}, {"additionalProperties", describe(t, typ.Elem(), about, defs)}}
	case reflect.Struct:
	default:
		t.Fatalf("%v has no schema", typ)
	}
	ref := entries{{"$ref", "#/$defs/" + typ.Name()}}
	if slices.ContainsFunc(*defs, func(e entry) bool { return e.name == typ.Name() }) {
		return ref
	}
	at := len(*defs)
	*defs = append(*defs, entry{typ.Name(), nil})
	var required []string
	properties := entries{}
	for i := range typ.NumField() {
		f := typ.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if name == "" || name == "-" {
			continue
		}
		if fromJSON, _, _ := strings.Cut(f.Tag.Get("json"), ","); fromJSON != name {
			t.Errorf("%s.%s is %q in YAML and %q in JSON", typ.Name(), f.Name, name, fromJSON)
		}
		key := typ.Name() + "." + name
		p := describe(t, f.Type, about, defs)
		if slices.Contains(numbersToo, key) {
			p = entries{{"type", []string{"string", "number"}}}
		}
		if choices[key] != nil {
			p = append(p, entry{"enum", choices[key]})
		}
		p = append(p, bounds[key]...)
		if text := about[typ.Name()+"."+f.Name]; text != "" {
			p = append(p, entry{"description", text})
		} else if name == "source" {
			p = append(p, entry{"description", "where this comes from; reports repeat it"})
		}
		properties = append(properties, entry{name, p})
		if !strings.Contains(options, "omitempty") {
			required = append(required, name)
		}
	}
	def := entries{{"type", "object"}, {"description", about[typ.Name()]}, {"properties", properties}}
	if required != nil {
		def = append(def, entry{"required", required})
	}
	(*defs)[at].value = append(def, entry{"additionalProperties", false})
	return ref
}

func generate(t *testing.T) []byte {
	t.Helper()
	var defs entries
	root := describe(t, reflect.TypeFor[Model](), comments(t), &defs)
	known := map[string]bool{}
	for _, d := range defs {
		def, _ := d.value.(entries)
		properties, _ := def[2].value.(entries)
		for _, p := range properties {
			known[d.name+"."+p.name] = true
		}
	}
	for _, key := range slices.Concat(slices.Collect(maps.Keys(bounds)), slices.Collect(maps.Keys(choices)), numbersToo) {
		if !known[key] {
			t.Errorf("the tables of this test speak of %s, which there is not", key)
		}
	}
	all := append(entries{
		{"$schema", "https://json-schema.org/draft/2020-12/schema"}, {"$id", "urn:redoubt:assess:model:1"}, {"title", "Redoubt protection model"},
	}, root...)
	text, err := json.Marshal(append(all, entry{"$defs", defs}))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := json.Indent(&b, text, "", "  "); err != nil {
		t.Fatal(err)
	}
	b.WriteByte('\n')
	return b.Bytes()
}

// TestSchemaInStep holds the shipped schema to the types; -update writes it anew.
func TestSchemaInStep(t *testing.T) {
	made := generate(t)
	if *update {
		if err := os.WriteFile("model.schema.json", made, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(made), string(Schema())); diff != "" {
		t.Errorf("the schema is not that of the types: go test ./assess/model -run TestSchemaInStep -update (-types +shipped):\n%s", diff)
	}
}

func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("model.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("model.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// plain is a tree as an editor hands it to a schema.
func plain(t *testing.T, n *yaml.Node) any {
	t.Helper()
	switch {
	case n.Kind == yaml.MappingNode:
		out := map[string]any{}
		for i := 0; i < len(n.Content); i += 2 {
			out[n.Content[i].Value] = plain(t, n.Content[i+1])
		}
		return out
	case n.Kind == yaml.SequenceNode:
		out := make([]any, len(n.Content))
		for i, x := range n.Content {
			out[i] = plain(t, x)
		}
		return out
	case n.Tag == "!!int" || n.Tag == "!!float":
		var x float64
		if err := n.Decode(&x); err != nil {
			t.Fatal(err)
		}
		return x
	case n.Tag == "!!bool":
		return n.Value == "true"
	case n.Tag == "!!null":
		return nil
	}
	return n.Value
}

// TestSchemaAndReaderAgree gives the same files to both: what is of the wrong shape is refused by both, and what is read is of the shape of the schema.
func TestSchemaAndReaderAgree(t *testing.T) {
	s := compiled(t)
	for text, good := range map[string]bool{
		small:                                 true,
		Example():                             true,
		"version: 1\ndate: 2026-11-28\n":      true,
		"version: 1\nobjcts: []\n":            false,
		"version: 1\nobjects: [{title: x}]\n": false,
		"version: 1\nobjects: [{name: x, value: '1'}]\n": false,
		"version: 1\nobjects: [{name: x, value: -1}]\n":  false,
		"objects: []\n":                                         false,
		"version: 1\ncoverage: {edges: {}}\n":                   false,
		"version: 1\nmeans: [{name: m, present: 1}]\n":          false,
		"version: 1\ncodes: {n: 2.5, ring: {levels: 3}}\n":      false,
		"version: 1\nmeans: [{name: m, reduces: {t: a lot}}]\n": false,
	} {
		root, err := Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		_, read := Read([]byte(text))
		valid := s.Validate(plain(t, root))
		if (read == nil) != good || (valid == nil) != good {
			t.Errorf("%.200s\nread: %v\nschema: %v\nwant good %t", text, read, valid, good)
		}
	}
}
