package rtr_test

import (
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"redoubt/agents"
	"redoubt/internal/agent/rtr"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/model"
)

const full = `name: acme.web
version: "2.1"
vendor: acme
description: A web server
network_address: false
failover: true
single_instance: true
proxy: true
init_nodes: RT_INSTALLED_NODES
api_version: 2
watch: processes
methods:
  stop: {program: bin/stop, timeout: 20}
  START: {program: bin/start}
properties:
  - name: Root
    type: string
    description: Where the pages are
    required: true
    min: 1
    max: 100
    tunable: WHEN_DISABLED
    unique: true
  - {name: Level, type: enum, enum: [low, high], default: low}
  - {name: Ports, type: stringarray, default: [80/tcp], per_node: true}
  - {name: Count, type: int, default: 3, min: 0, max: 9}
  - {name: Key, type: string, secret: true, tunable: AT_CREATION}
`

func TestParse(t *testing.T) {
	got, err := rtr.Parse("type.yaml", []byte(full), rtr.Options{})
	if err != nil {
		t.Fatal(err)
	}
	n := func(i int64) *int64 { return &i }
	want := model.Type{
		Name: "acme.web", Version: "2.1", Vendor: "acme", Description: "A web server", Failover: true, SingleInstance: true, Proxy: true, InitNodes: "RT_INSTALLED_NODES",
		APIVersion: 2, Watch: model.WatchProcesses,
		Methods: []model.MethodSpec{{Method: model.MethodStart, Program: "bin/start"}, {Method: model.MethodStop, Program: "bin/stop", Timeout: 20}},
		Properties: []model.PropertySpec{
			{Name: "Root", Type: model.TypeString, Description: "Where the pages are", Required: true, Min: n(1), Max: n(100), Tunable: model.TunableWhenDisabled, Unique: true},
			{Name: "Level", Type: model.TypeEnum, Enum: []string{"low", "high"}, Default: []string{"low"}, Tunable: model.TunableAnytime},
			{Name: "Ports", Type: model.TypeStringArray, Default: []string{"80/tcp"}, PerNode: true, Tunable: model.TunableAnytime},
			{Name: "Count", Type: model.TypeInt, Default: []string{"3"}, Min: n(0), Max: n(9), Tunable: model.TunableAnytime},
			{Name: "Key", Type: model.TypeString, Secret: true, Tunable: model.TunableAtCreation},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// base is a registration to which faults are added.
const base = "name: acme.web\nmethods:\n  Start: {program: a}\n  Stop: {program: b}\n"

func TestFaults(t *testing.T) {
	property := func(s string) string { return base + "properties:\n  - {" + s + "}\n" }
	for name, c := range map[string]struct {
		text  string
		words []string
	}{
		"empty":               {"", []string{"t.yaml:1", "empty"}},
		"no mapping":          {"- a\n", []string{"t.yaml:1", "mapping"}},
		"not YAML":            {"name: [\n", []string{"t.yaml:"}},
		"two documents":       {base + "---\na: b\n", []string{"more after the first document"}},
		"unknown key":         {base + "colour: red\n", []string{"t.yaml:5", `"colour"`, "vendor"}},
		"key twice":           {base + "name: other\n", []string{"twice"}},
		"no name":             {"version: \"1\"\nmethods: {Start: {program: a}, Stop: {program: b}}\n", []string{"name"}},
		"bad name":            {"name: ../x\nmethods: {Start: {program: a}, Stop: {program: b}}\n", []string{"../x"}},
		"bad version":         {base + "version: 1/2\n", []string{"1/2"}},
		"no start":            {"name: a\nmethods: {Stop: {program: b}}\n", []string{"Prenet_start"}},
		"no stop":             {"name: a\nmethods: {Start: {program: b}}\n", []string{"Postnet_stop"}},
		"half a monitor":      {base + "  Monitor_start: {program: c}\n", []string{"Monitor_stop"}},
		"unknown method":      {base + "  Begin: {program: c}\n", []string{"t.yaml:5", "Begin", "Start"}},
		"method twice":        {base + "  start: {program: c}\n", []string{"t.yaml:5", "twice"}},
		"no program":          {base + "  Init: {timeout: 3}\n", []string{"Init", "program"}},
		"program outside":     {base + "  Init: {program: ../c}\n", []string{"../c"}},
		"absolute program":    {base + "  Init: {program: /bin/sh}\n", []string{"/bin/sh"}},
		"timeout":             {base + "  Init: {program: c, timeout: 0}\n", []string{"timeout 0"}},
		"watch and monitor":   {base + "  Monitor_start: {program: c}\n  Monitor_stop: {program: d}\nwatch: processes\n", []string{"watch"}},
		"proxy address":       {base + "proxy: true\nnetwork_address: true\n", []string{"proxy", "network_address"}},
		"unknown watch":       {base + "watch: everything\n", []string{"everything", "processes"}},
		"no type":             {property("name: A"), []string{"t.yaml:6", "A", "type"}},
		"unknown type":        {property("name: A, type: float"), []string{"float", "stringarray"}},
		"property name":       {property("name: a-b, type: int"), []string{"a-b"}},
		"enum without values": {property("name: A, type: enum"), []string{"enum"}},
		"values without enum": {property("name: A, type: int, enum: [a]"), []string{"enum"}},
		"bounds":              {property("name: A, type: int, min: 5, max: 4"), []string{"min 5", "max 4"}},
		"default too great":   {property("name: A, type: int, max: 4, default: 5"), []string{"default", "max 4"}},
		"default no number":   {property("name: A, type: int, default: x"), []string{`"x"`}},
		"default no truth":    {property("name: A, type: boolean, default: maybe"), []string{"maybe"}},
		"default not in enum": {property("name: A, type: enum, enum: [a], default: b"), []string{`"b"`}},
		"required default":    {property("name: A, type: int, required: true, default: 1"), []string{"required"}},
		"secret default":      {property("name: A, type: string, secret: true, default: x"), []string{"secret"}},
		"tunable":             {property("name: A, type: int, tunable: SOMETIMES"), []string{"SOMETIMES", "WHEN_DISABLED"}},
		"property twice":      {base + "properties: [{name: A, type: int}, {name: a, type: int}]\n", []string{"twice"}},
		"alias":               {base + "vendor: &v x\ndescription: *v\n", []string{"description"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := rtr.Parse("t.yaml", []byte(c.text), rtr.Options{})
			if !fault.Is(err, fault.Invalid) {
				t.Fatalf("got %v", err)
			}
			for _, w := range append(c.words, "t.yaml") {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q does not say %q", err, w)
				}
			}
		})
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	_, err := rtr.Parse("t.yaml", []byte(base+"colour: red\napi_version: none\nfailover: maybe\n"), rtr.Options{})
	for _, w := range []string{"t.yaml:5", "t.yaml:6", "t.yaml:7"} {
		if err == nil || !strings.Contains(err.Error(), w) {
			t.Errorf("%v: want %s too", err, w)
		}
	}
}

func TestBuiltinTypesNameNoPrograms(t *testing.T) {
	if _, err := rtr.Parse("t.yaml", []byte(base), rtr.Options{Builtin: true}); !fault.Is(err, fault.Invalid) {
		t.Errorf("got %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(full))
	f.Add([]byte(base + "colour: red\n"))
	shipped, err := fs.Glob(agents.FS, "*/type.yaml")
	if err != nil || len(shipped) == 0 {
		f.Fatal(shipped, err)
	}
	for _, name := range shipped {
		b, err := fs.ReadFile(agents.FS, name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		typ, err := rtr.Parse("t.yaml", b, rtr.Options{})
		if err != nil {
			if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "t.yaml:") {
				t.Errorf("error without a place: %v", err)
			}
			return
		}
		if typ.Name == "" || len(typ.Methods) < 2 {
			t.Errorf("accepted %+v", typ)
		}
	})
}
