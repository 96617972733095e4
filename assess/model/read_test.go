package model

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const small = `version: 1
objects:
  - {name: db, value: 5}
threats:
  - name: theft
means:
  - name: lock
    cost: 1_000
    reduces: {theft: 0.5}
coverage:
  edges:
    - threat: theft
      object: db
      weight: 0.25
`

func TestRead(t *testing.T) {
	want := &Model{
		Version: 1, Objects: []Object{{Name: "db", Value: 5}}, Threats: []Threat{{Name: "theft"}},
		Means:    []Mean{{Name: "lock", Cost: 1000, Reduces: map[string]float64{"theft": 0.5}}},
		Coverage: &Coverage{Edges: []Edge{{Threat: "theft", Object: "db", Weight: 0.25}}},
	}
	got, err := Read([]byte(small))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("YAML (-want +got):\n%s", diff)
	}
	got, err = Read([]byte("{\"version\": 1,\n\t\"objects\": [{\"name\": \"db\", \"value\": 5}], \"threats\": [{\"name\": \"th\\u0065ft\"}],\n" +
		"\t\"means\": [{\"name\": \"lock\", \"cost\": 1e3, \"reduces\": {\"theft\": 0.5}}], \"coverage\": {\"edges\": [{\"threat\": \"theft\", \"object\": \"db\", \"weight\": 0.25}]}}"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("JSON (-want +got):\n%s", diff)
	}
}

// TestFaults reads files each of which has everything wrong that its lines say.
func TestFaults(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"everything at once": {`version: 1
objects:
  - {name: db, value: -5}
  - {name: db, valeu: 3}
threats:
  - name: theft
    kind: [a]
means:
  - name: lock
    cost: "12"
    present: yes
    reduces: {theft: 150%, fire: 0.1}
coverage:
  edges:
    - threat: thett
      object: db
      weight: 0,25
    -
  edges: []
`, `3:23: objects[0].value: -5 is less than 0
4:12: objects[1].name: "db" is the name of objects[0] too
4:16: objects[1].valeu: there is no entry "valeu" here; is value meant?
7:11: threats[0].kind: a text is wanted here, and this is a list
10:11: means[0].cost: a number is wanted here, and this is the text "12"; take the quotes away
11:14: means[0].present: true or false is wanted here, and this is the text "yes"
12:22: means[0].reduces.theft: a number is wanted here, and this is the text "150%"; 150% is written 1.5
12:34: means[0].reduces.fire: there is no threat "fire" in section threats
17:15: coverage.edges[0].weight: a number is wanted here, and this is the text "0,25"; is 0.25 meant?
18:6: coverage.edges[1]: an entry of the list is empty
19:3: coverage.edges: edges is given in line 14 already
`},
		"no numbers": {"version: 1\nobjects:\n- {name: a, value: .nan}\n- {name: b, value: -.inf}\n- {name: c, value: 1e999}\n- {name: d, value: 1 000 000}\n",
			`3:20: objects[0].value: .nan is not a number that can be computed with
4:20: objects[1].value: -.inf is not a number that can be computed with
5:20: objects[2].value: 1e999 is too large for a number
6:20: objects[3].value: a number is wanted here, and this is the text "1 000 000"; is 1000000 meant?
`},
		"whole numbers": {"version: 1.5\ncodes: {n: 99999999999999999999, m: two, tree_depth: 3}\n", `1:10: version: 1.5 is no whole number
2:12: codes.n: 99999999999999999999 is out of the range of whole numbers here
2:37: codes.m: a number is wanted here, and this is the text "two"
`},
		"what is missing": {"version: 1\nobjects:\n- title: x\n- name:\n", `3:3: objects[0].name: name is missing
4:8: objects[1].name: name has no value
`},
		"scalar for a section": {"version: 1\ncoverage: 3\nobjects: x\n", "2:11: coverage: entries such as `edges: ...` are wanted here, and this is the number 3\n" +
			"3:10: objects: a list is wanted here, and this is the text \"x\"; a list of one is [x]\n"},
		"references":      {"version: 1\nobjects: &o\n- {name: a}\nthreats: *o\n<<: *o\n", "4:10: threats: *o stands for a value elsewhere; such references are not read, the value has to be written out\n5:1: << takes entries from elsewhere; that is not read, they have to be written out\n"},
		"nothing":         {"# only this\n", "there is nothing in the file; `redoubt assess init` prints an example\n"},
		"two documents":   {"version: 1\n---\nversion: 1\n", "2:1: a second document begins here; a file holds one\n"},
		"no YAML":         {"version: 1\nobjects:\n\t- a\n", "3:1: this is no YAML: found character that cannot start any token\n"},
		"a binary":        {"version: 1\nx\x00y", "2:2: there is a zero byte: this is no text in UTF-8\n"},
		"UTF-16":          {"\xff\xfev\x00e\x00", "1:1: the file is in UTF-16; it has to be saved in UTF-8\n"},
		"a decimal comma": {"version: 1\nobjects:\n- {name: a, value: 2,5}\n", "3:22: objects[0].5: there is no entry \"5\" here; a fraction is written with a point, and a comma begins the next entry\n"},
		"Latin 1":         {"version: 1\ntitle: caf\xe9\n", "2:11: the byte 0xe9 belongs to no character of UTF-8; the file has to be saved in UTF-8\n"},
		"JSON":            {"{\n  \"version\": 1,\n  \"objects\": [{\"name\": \"a\", \"value\": \"x\"}]\n}", "3:38: objects[0].value: a number is wanted here, and this is the text \"x\"\n"},
		"a list":          {"- 1\n", "1:1: entries such as `version: ...` are wanted here, and this is a list\n1:1: version: this is version 0 of the format; version 1 is read\n"},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := Read([]byte(tc.text))
			faults, ok := errors.AsType[Faults](err)
			if !ok || m != nil {
				t.Fatalf("model %v, error %v: want no model, and faults", m, err)
			}
			var got strings.Builder
			for _, f := range faults {
				fmt.Fprintln(&got, f)
			}
			if diff := cmp.Diff(tc.want, got.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestHostile gives texts that would fill the memory or take for ever.
func TestHostile(t *testing.T) {
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'k'; c++ {
		bomb += fmt.Sprintf("%c: &%c [%s*%c]\n", c, c, strings.Repeat(fmt.Sprintf("*%c,", c-1), 8), c-1)
	}
	route := &strings.Builder{}
	route.WriteString("version: 1\nintegrity:\n  exposure: 1\n  steps:\n")
	for i := range 2000 {
		fmt.Fprintf(route, "    - {name: s%d, after: [s%d]}\n", i, (i+1)%2000)
	}
	for name, text := range map[string]string{
		"alias bomb":          bomb,
		"too large":           strings.Repeat(" ", MaxSize+1),
		"too many entries":    "[" + strings.Repeat("a,", maxNodes+1) + "]",
		"deep lists":          "version: 1\nobjects: " + strings.Repeat("[", 9000) + strings.Repeat("]", 9000),
		"deeper lists":        strings.Repeat("[", 1_000_000),
		"deep JSON":           `{"objects":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + "}",
		"deep state":          "version: 1\naccess: {hartson: {authorisations: [], requests: [{user: u, operation: r, resources: [x], state: {a: " + strings.Repeat("[", 100) + strings.Repeat("]", 100) + "}}]}}",
		"deep indentation":    strings.Repeat("- ", 20_000) + "a",
		"20,000 unknown":      "version: 1\n" + strings.Repeat("objcts: 1\n", 20_000),
		"a long key":          "version: 1\n" + strings.Repeat("x", 1_000_000) + ": 1\n",
		"a key that is a map": "{a: 1}: 2\n",
		"alias to itself":     "version: 1\nobjects: &a [*a]\n",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Read([]byte(text))
			faults, ok := errors.AsType[Faults](err)
			if !ok || len(faults) == 0 || len(faults) > maxFault+1 {
				t.Fatalf("%T with %d faults: want some, and not too many", err, len(faults))
			}
			for _, f := range faults {
				if len(f.Text) > 2000 {
					t.Fatalf("a fault of %d bytes", len(f.Text))
				}
			}
		})
	}
}

// TestManyEdges reads as many edges of a graph as a test has time for, and finds the one that is wrong.
func TestManyEdges(t *testing.T) {
	text := edges(10_000)
	m, err := Read([]byte(text))
	if err != nil || len(m.Coverage.Edges) != 10_000 {
		t.Fatalf("%v", err)
	}
	_, err = Read([]byte(text + "    - {threat: t0, object: o9000, weight: 0.5, wieght: 1}\n"))
	if want := "20006:48: coverage.edges[10000].wieght"; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

// edges is a model with so many edges between ten threats and ten thousand objects.
func edges(n int) string {
	var b strings.Builder
	b.WriteString("version: 1\nthreats: [{name: t0}, {name: t1}, {name: t2}, {name: t3}, {name: t4}, {name: t5}, {name: t6}, {name: t7}, {name: t8}, {name: t9}]\nobjects:\n")
	for i := range 10_000 {
		fmt.Fprintf(&b, "    - {name: o%d}\n", i)
	}
	b.WriteString("coverage:\n  edges:\n")
	for i := range n {
		fmt.Fprintf(&b, "    - {threat: t%d, object: o%d, weight: 0.5}\n", i%10, i/10)
	}
	return b.String()
}

func BenchmarkRead(b *testing.B) {
	for _, n := range []int{1_000, 100_000} {
		text := []byte(edges(n))
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Read(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
