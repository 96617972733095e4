package model

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// fine reads every list of two items in two parts, and whole none.
var (
	fine  = grain{text: 1, part: 1, item: 1 << 20, nodes: 1}
	whole = grain{text: MaxSize + 1}
)

// alike reads a text in parts and whole, and wants the same model or the same faults at the same places.
func alike(t interface {
	Helper()
	Fatalf(string, ...any)
}, text string, grains ...grain,
) {
	t.Helper()
	want, wantErr := read([]byte(text), whole)
	for _, g := range append(grains, fine, usual) {
		got, err := read([]byte(text), g)
		if diff := cmp.Diff(want, got) + cmp.Diff(toldBy(wantErr), toldBy(err)); diff != "" {
			t.Fatalf("%q in parts %+v (-whole +in parts):\n%s", text, g, diff)
		}
	}
}

func toldBy(err error) []Fault {
	f, _ := err.(Faults) //nolint:errorlint // that is what Read returns
	return f
}

// TestInParts reads what looks like long lists and is none, and lists in all forms.
func TestInParts(t *testing.T) {
	for name, text := range map[string]string{
		"lists":               "version: 1\nobjects:\n  - {name: a}\n  - name: b\n    value: 3\n\n  # between\n  -\n    name: c\nthreats:\n- {name: x}\n- {name: y}\nmeans: [{name: m},\n  {name: n}]\n",
		"windows":             "version: 1\r\nobjects:\r\n  - {name: a}\r\n  - {name: b}\r\nthreats:\r\n  - {name: x, kind: 3}\r\n  - {nam: x}\r\n",
		"no newline":          "version: 1\nobjects:\n  - {name: a}\n  - {name: b, value: x}",
		"faults":              "version: 1\nobjects:\n  - {name: a}\n  - {name: b, value: x}\n  - {name: a}\n  -\n  - 3\nthreats:\n  - {name: t}\n  - {name: t, kind: 9}\nx: 1\n",
		"a text":              "version: 1\ntitle: |\n  - a\n  - b\nobjects:\n  - {name: a}\n  - {name: b}\n",
		"a plain text":        "version: 1\ntitle: a\n  - a\n  - b\nobjects:\n  - {name: a}\n  - {name: b}\n",
		"a quoted text":       "version: 1\nobjects:\n  - {name: a}\n  - {name: \"b\n  - {name: c\n  - d\"}\n",
		"a broken list":       "version: 1\nobjects:\n  - {name: a}\n  - {name: b\n  - {name: c}\n",
		"a reference":         "version: 1\nobjects:\n  - &x {name: a}\n  - *x\n",
		"lists in lists":      "version: 1\ngame:\n  matrix:\n    attacker:\n      - - 1\n        - 2\n      - - 3\n        - four\n    defender:\n    - [1, 2]\n    - [3, 4]\n",
		"another indentation": "version: 1\nobjects:\n  - {name: a}\n    - {name: b}\n  - {name: c}\n",
		"the marker":          "version: 1\nobjects:\n  - {name: " + marker + "0}\n  - {name: b}\n",
		"a list alone":        "- 1\n- 2\n",
		"two documents":       "version: 1\nobjects:\n- {name: a}\n- {name: b}\n---\nobjects:\n- {name: a}\n- {name: b}\n",
		"JSON":                "{\"version\": 1, \"objects\": [{\"name\": \"a\"}, {\"name\": \"é\"},\n {\"name\": \"c\", \"value\": \"x\"}, null], \"game\": {\"matrix\": {\"attacker\": [[1, 2], [3, \"four\"]], \"defender\": [[1, 2], [3, 4]]}}}",
		"JSON, few":           `{"version": 1, "objects": [], "threats": [{"name": "t"}], "means": [{"name":"m","reduces":{"t":0.5}}, {"name":"m"}]}`,
		"the example":         Example(),
	} {
		t.Run(name, func(t *testing.T) { alike(t, text) })
	}
}

// TestInPartsRandom does the same with lists put together by chance, some of them broken by a piece of text in a random place.
func TestInPartsRandom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b strings.Builder
		b.WriteString("version: 1\n")
		for _, section := range []string{"objects", "threats", "means"} {
			indent := strings.Repeat(" ", rapid.IntRange(0, 3).Draw(t, "indent"))
			b.WriteString(section + ":\n")
			for i := range rapid.IntRange(0, 6).Draw(t, "items") {
				form := rapid.SampledFrom([]string{"%s- {name: n%d}\n", "%s- name: n%d\n", "%s-\n%[1]s  name: n%[2]d\n", "%s# %d\n", "\n"}).Draw(t, "form")
				if strings.Contains(form, "%") {
					form = fmt.Sprintf(form, indent, i)
				}
				b.WriteString(form)
			}
		}
		text := b.String()
		if rapid.Bool().Draw(t, "broken") {
			i := rapid.IntRange(0, len(text)).Draw(t, "at")
			text = text[:i] + rapid.SampledFrom([]string{"\"", "'", "{", "}", "[", "- ", "|", "\n", " ", ":", "#", "&a ", "*a "}).Draw(t, "what") + text[i:]
		}
		alike(t, text, grain{text: 1, part: rapid.IntRange(1, 60).Draw(t, "part"), item: rapid.IntRange(5, 60).Draw(t, "item"), nodes: rapid.IntRange(1, 20).Draw(t, "nodes")})
		if m, err := Read([]byte(text)); err == nil {
			again, err := json.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			alike(t, string(again))
		}
	})
}

// TestOneLongLine: a file of one line is read in a time in proportion to its length, and faults have their place in it.
func TestOneLongLine(t *testing.T) {
	const n = 200_000
	var b strings.Builder
	b.WriteString(`{"version":1,"title":"é","objects":[`)
	for i := range n {
		fmt.Fprintf(&b, `{"name":"n%d"},`, i)
	}
	column := len([]rune(b.String())) + len(`{"name":`) + 1
	b.WriteString(`{"name":{}}]}`)
	_, err := Read([]byte(b.String()))
	f := toldBy(err)
	if want := fmt.Sprintf("1:%d: objects[%d].name: ", column, n); len(f) != 1 || !strings.HasPrefix(f[0].String(), want) {
		t.Errorf("%d faults, the first %v, not %s", len(f), f[0], want)
	}
}

// TestInOnePiece: what can not be read in parts is refused beyond what the memory is for, and the fault says what can.
func TestInOnePiece(t *testing.T) {
	for name, text := range map[string]string{
		"YAML": "version: 1\nobjects: [" + strings.Repeat("{name: a},\n", maxWhole/4) + "]\n",
		"JSON": `{"version": 1, "objects": [{"name": [` + strings.Repeat("{},", maxWhole) + `{}]}]}`,
	} {
		g := usual
		if name == "JSON" {
			g.nodes = 2 * maxWhole
		}
		_, err := read([]byte(text), g)
		if f := toldBy(err); len(f) != 1 || !strings.Contains(f[0].Text, "in one piece") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
