package model

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// fromJSON makes the tree of a JSON text, or nil where it is none: then it may be YAML that begins like it. YAML readers do not know everything that JSON has, such as
// characters in two escapes. Large is told of a text that is JSON and does not fit into a tree although its long lists are not in it.
func fromJSON(text []byte, g grain) (t *tree, large bool) {
	if !json.Valid(text) {
		return nil, false
	}
	t = &tree{text: text, long: map[*yaml.Node]*longList{}}
	b := newJSON(text, t)
	b.grain = g
	if t.root = b.value(0); t.root == nil {
		return nil, b.nodes > maxWhole
	}
	return t, false
}

// jsonTree reads a text token by token and knows where each begins.
type jsonTree struct {
	text         []byte
	dec          *json.Decoder
	seen         int // up to here lines and characters are counted
	line, column int // the line, and the characters that it has before
	nodes        int // that there are in the tree
	tree         *tree
	grain        grain // with 0 nodes no list is read in parts
}

func newJSON(text []byte, t *tree) *jsonTree {
	b := &jsonTree{text: text, dec: json.NewDecoder(bytes.NewReader(text)), line: 1, tree: t}
	b.dec.UseNumber()
	return b
}

// value reads the next value; nil where lists are too deep, of which the YAML reader then tells, and where there are too many nodes.
func (b *jsonTree) value(depth int) *yaml.Node {
	n := b.token()
	if n == nil || depth > maxDepth || b.nodes > maxWhole {
		return nil
	}
	switch n.Kind {
	case yaml.ScalarNode:
		return n
	case yaml.SequenceNode:
		if !b.items(n, depth) {
			return nil
		}
	default:
		for b.dec.More() {
			key := b.token()
			v := b.value(depth + 1)
			if v == nil {
				return nil
			}
			n.Content = append(n.Content, key, v)
		}
	}
	if _, err := b.dec.Token(); err != nil {
		return nil
	}
	return n
}

// items reads those of a list. When they are too many, what was read is left to be read again.
func (b *jsonTree) items(n *yaml.Node, depth int) bool {
	l := &longList{json: true}
	before, begun := b.nodes, b.nodes
	for b.dec.More() {
		if l.items == 0 || b.grain.nodes > 0 && b.nodes-begun >= b.grain.nodes {
			if l.items > 0 {
				clear(n.Content)
				n.Content, b.nodes = n.Content[:0], before
			}
			begun = b.nodes
			l.parts = append(l.parts, piece{from: b.next(), line: b.line, column: b.column, first: l.items})
		}
		v := b.value(depth + 1)
		if v == nil {
			return false
		}
		n.Content = append(n.Content, v)
		last := &l.parts[len(l.parts)-1]
		last.to = int(b.dec.InputOffset())
		last.items++
		l.items++
	}
	if len(l.parts) > 1 {
		n.Content, b.nodes, b.tree.long[n] = nil, before, l
	}
	return true
}

// next is where the next token begins; lines and characters are counted up to it.
func (b *jsonTree) next() int {
	start := int(b.dec.InputOffset())
	for start < len(b.text) && strings.IndexByte(" \t\r\n,:", b.text[start]) >= 0 {
		start++
	}
	for ; b.seen < start; b.seen++ {
		switch c := b.text[b.seen]; {
		case c == '\n':
			b.line, b.column = b.line+1, 0
		case utf8.RuneStart(c):
			b.column++
		}
	}
	return start
}

// token reads a scalar, or the beginning of a list or of an object.
func (b *jsonTree) token() *yaml.Node {
	b.next()
	t, err := b.dec.Token()
	if err != nil {
		return nil
	}
	b.nodes++
	n := &yaml.Node{Kind: yaml.ScalarNode, Line: b.line, Column: b.column + 1}
	switch t := t.(type) {
	case json.Delim:
		n.Kind, n.Tag = yaml.SequenceNode, "!!seq"
		if t == '{' {
			n.Kind, n.Tag = yaml.MappingNode, "!!map"
		}
	case string:
		n.Value, n.Tag, n.Style = t, "!!str", yaml.DoubleQuotedStyle
	case json.Number:
		n.Value, n.Tag = t.String(), "!!int"
		if strings.ContainsAny(n.Value, ".eE") {
			n.Tag = "!!float"
		}
	case bool:
		n.Value, n.Tag = "false", "!!bool"
		if t {
			n.Value = "true"
		}
	default:
		n.Value, n.Tag = "null", "!!null"
	}
	return n
}
