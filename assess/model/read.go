package model

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// What a file may ask for at most. The tree that a file is read into takes some 170 bytes for each of its nodes, 350 MB for the largest; long lists are not in it (see tree).
const (
	MaxSize  = 64 << 20   // bytes of the file
	maxNodes = 10_000_000 // keys, values, lists and their like; a million edges are seven million
	maxWhole = 2_000_000  // of these, outside of long lists that can be read in parts
	maxDepth = 64         // lists in lists
	maxFault = 1_000      // faults that are told
)

// Faults is what is wrong with a file, in the order of its lines. It is an error.
type Faults []Fault

// Error tells the first fault and how many there are.
func (f Faults) Error() string {
	if len(f) == 0 {
		return "no faults"
	}
	text := f[0].String()
	if len(f) > 1 {
		text += fmt.Sprintf(" (and %d more)", len(f)-1)
	}
	return text
}

// String is the fault with its position and path.
func (f Fault) String() string {
	var b strings.Builder
	if f.Line > 0 {
		fmt.Fprintf(&b, "%d:%d: ", f.Line, f.Column)
	}
	if f.Path != "" {
		b.WriteString(f.Path + ": ")
	}
	return b.String() + f.Text
}

// Read reads a model from the text of its file, YAML or JSON, and checks it. The error is Faults: all of them, with their positions. It takes time and memory in
// proportion to the text, and refuses texts that would need more.
func Read(text []byte) (*Model, error) {
	return read(text, usual)
}

func read(text []byte, g grain) (*Model, error) {
	m := &Model{}
	t, faults := decode(text, m, g)
	if t == nil {
		return nil, Faults(faults)
	}
	spoilt := make([]string, len(faults)) // what could not be read has not the value that Check sees
	for i, f := range faults {
		spoilt[i] = f.Path
	}
	slices.Sort(spoilt)
	for _, f := range m.Check() {
		if below(spoilt, f.Path) {
			continue
		}
		at := t.locate(f.Path)
		f.Line, f.Column = at.Line, at.Column
		faults = append(faults, f)
	}
	if len(faults) > 0 {
		return nil, told(faults)
	}
	return m, nil
}

// Decode reads any shape of this kind from YAML or JSON, as strictly as Read reads a model: into is a pointer to a struct with yaml tags, of which those without
// omitempty have to be there. The error is Faults.
func Decode(text []byte, into any) error {
	if _, faults := decode(text, into, usual); len(faults) > 0 {
		return told(faults)
	}
	return nil
}

// Parse is the tree of a YAML or JSON text within the bounds of a model file, with all its lists: its root is the value, not the document. The error is Faults.
func Parse(text []byte) (*yaml.Node, error) {
	t, fault := parse(text, grain{text: MaxSize + 1})
	if fault != nil {
		return nil, Faults{*fault}
	}
	return t.root, nil
}

// decode reads a text into a value. Where a list that is read in parts turns out to be none, all is read in one piece.
func decode(text []byte, into any, g grain) (*tree, []Fault) {
	for {
		t, fault := parse(text, g)
		if fault != nil {
			return nil, []Fault{*fault}
		}
		d := &decoder{tree: t, shapes: map[reflect.Type]*shape{}, texts: map[string]string{}}
		d.value(t.root, reflect.ValueOf(into).Elem(), nil, 0)
		if !d.broken {
			return t, d.faults
		}
		reflect.ValueOf(into).Elem().SetZero()
		g = grain{text: MaxSize + 1}
	}
}

// told puts faults in the order of the file, and leaves out what nobody would read.
func told(faults []Fault) Faults {
	slices.SortStableFunc(faults, func(a, b Fault) int { return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column)) })
	if len(faults) > maxFault {
		faults = append(faults[:maxFault:maxFault], Fault{Text: fmt.Sprintf("there are more than %d faults; the rest is not told", maxFault)})
	}
	return faults
}

// below reports whether a path is one of a sorted list, or within one.
func below(paths []string, path string) bool {
	for end := len(path); end > 0; end = strings.LastIndexAny(path[:end], ".[") {
		if _, found := slices.BinarySearch(paths, path[:end]); found {
			return true
		}
	}
	return false
}

// Locate is the node of a path such as coverage.edges[3].weight, or the innermost one on the way to it that there is.
func Locate(root *yaml.Node, path string) *yaml.Node { return (&tree{root: root}).locate(path) }

func (t *tree) locate(path string) *yaml.Node {
	n := t.root
	for path != "" {
		next, rest := t.step(n, path)
		if next == nil {
			break
		}
		n, path = next, rest
	}
	return n
}

// step goes to what the first word of a path names. A key may have dots in it: the longest that fits is meant.
func (t *tree) step(n *yaml.Node, path string) (next *yaml.Node, rest string) {
	if inside, ok := strings.CutPrefix(path, "["); ok {
		number, rest, ok := strings.Cut(inside, "]")
		i, err := strconv.Atoi(number)
		if !ok || err != nil || n.Kind != yaml.SequenceNode {
			return nil, ""
		}
		return t.item(n, i), strings.TrimPrefix(rest, ".")
	}
	if n.Kind != yaml.MappingNode {
		return nil, ""
	}
	longest := -1
	for i := 0; i+1 < len(n.Content); i += 2 {
		after, ok := strings.CutPrefix(path, n.Content[i].Value)
		if ok && len(n.Content[i].Value) > longest && (after == "" || after[0] == '.' || after[0] == '[') {
			longest, next, rest = len(n.Content[i].Value), n.Content[i+1], strings.TrimPrefix(after, ".")
		}
	}
	return next, rest
}

// parse makes the tree of a text, or says why it can not be made.
func parse(text []byte, g grain) (*tree, *Fault) {
	if len(text) > MaxSize {
		return nil, &Fault{Text: fmt.Sprintf("the file is larger than %d MB; a model of so many entries has to be put together by groups", MaxSize>>20)}
	}
	if fault := notText(text); fault != nil {
		return nil, fault
	}
	n := separators(text)
	if n > maxNodes {
		return nil, &Fault{Text: fmt.Sprintf("the file has about %d entries, more than the %d that are read; entries of the same kind have to be put together", n, maxNodes)}
	}
	if start := bytes.TrimLeft(text, " \t\r\n"); len(start) > 0 && start[0] == '{' && !bytes.Contains(text, []byte("\n#")) {
		switch t, large := fromJSON(text, g); {
		case t != nil:
			return t, nil
		case large:
			return nil, tooLarge(n)
		}
	}
	if t := inParts(text, g); t != nil {
		return t, nil
	}
	if n > maxWhole {
		return nil, tooLarge(n)
	}
	root, fault := fromYAML(text)
	return &tree{root: root}, fault
}

// tooLarge is said of a text whose tree would need too much memory.
func tooLarge(n int) *Fault {
	return &Fault{Text: fmt.Sprintf("the file has about %d entries, more than the %d that are read in one piece; "+
		"a list of any length up to %d entries is read where each of its items begins with `- ` on a line of its own, or where the file is JSON", n, maxWhole, maxNodes)}
}

// notText finds what no text has in it.
func notText(text []byte) *Fault {
	if bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")) {
		return &Fault{Line: 1, Column: 1, Text: "the file is in UTF-16; it has to be saved in UTF-8"}
	}
	if i := bytes.IndexByte(text, 0); i >= 0 {
		line, column := position(text, i)
		return &Fault{Line: line, Column: column, Text: "there is a zero byte: this is no text in UTF-8"}
	}
	if utf8.Valid(text) {
		return nil
	}
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size == 1 {
			line, column := position(text, i)
			return &Fault{Line: line, Column: column, Text: fmt.Sprintf("the byte %#x belongs to no character of UTF-8; the file has to be saved in UTF-8", text[i])}
		}
		i += size
	}
	return nil
}

func position(text []byte, offset int) (line, column int) {
	before := text[:offset]
	return bytes.Count(before, []byte{'\n'}) + 1, utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
}

// separators counts what stands between the nodes of a text, so that one that would become a tree too large for the memory is known before.
func separators(text []byte) (n int) {
	for i, c := range text {
		switch c {
		case ',', ':', '[', '{', '\n', '?':
			n++
		case '-':
			if i+1 < len(text) && (text[i+1] == ' ' || text[i+1] == '\t') {
				n++
			}
		}
	}
	return n
}

// yamlLine is how the YAML library tells the line of a syntax error.
var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(?s:(.*))$`)

func fromYAML(text []byte) (root *yaml.Node, fault *Fault) {
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var doc yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, &Fault{Text: "there is nothing in the file; `redoubt assess init` prints an example"}
		}
		return nil, syntax(err)
	}
	var more yaml.Node
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		if err != nil {
			return nil, syntax(err)
		}
		return nil, &Fault{Line: more.Line, Column: more.Column, Text: "a second document begins here; a file holds one"}
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) == 0 {
		return nil, &Fault{Text: "there is nothing in the file; `redoubt assess init` prints an example"}
	}
	return doc.Content[0], nil
}

func syntax(err error) *Fault {
	f := &Fault{Text: "this is no YAML: " + err.Error()}
	if found := yamlLine.FindStringSubmatch(err.Error()); found != nil {
		f.Text = "this is no YAML: " + found[2]
		if line, err := strconv.Atoi(found[1]); err == nil && line > 0 {
			f.Line, f.Column = line, 1
		}
	}
	return f
}
