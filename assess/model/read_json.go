package model

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// fromJSON makes the tree of a JSON text, or nil where it is none: then it may be YAML that begins like it. YAML readers do not know everything that JSON has, such as
// characters in two escapes.
func fromJSON(text []byte) *yaml.Node {
	if !json.Valid(text) {
		return nil
	}
	b := &jsonTree{text: text, dec: json.NewDecoder(bytes.NewReader(text)), line: 1}
	b.dec.UseNumber()
	return b.value(0)
}

// jsonTree reads a text token by token and knows where each begins.
type jsonTree struct {
	text       []byte
	dec        *json.Decoder
	seen       int // up to here lines are counted
	line, from int // the line, and where it begins
}

// value reads the next value; nil where lists are too deep, of which the YAML reader then tells.
func (b *jsonTree) value(depth int) *yaml.Node {
	n := b.token()
	if n == nil || depth > maxDepth {
		return nil
	}
	if n.Kind == yaml.ScalarNode {
		return n
	}
	for b.dec.More() {
		if n.Kind == yaml.MappingNode {
			n.Content = append(n.Content, b.token())
		}
		v := b.value(depth + 1)
		if v == nil {
			return nil
		}
		n.Content = append(n.Content, v)
	}
	if _, err := b.dec.Token(); err != nil {
		return nil
	}
	return n
}

// token reads a scalar, or the beginning of a list or of an object.
func (b *jsonTree) token() *yaml.Node {
	start := int(b.dec.InputOffset())
	for start < len(b.text) && strings.IndexByte(" \t\r\n,:", b.text[start]) >= 0 {
		start++
	}
	for ; b.seen < start; b.seen++ {
		if b.text[b.seen] == '\n' {
			b.line, b.from = b.line+1, b.seen+1
		}
	}
	t, err := b.dec.Token()
	if err != nil {
		return nil
	}
	n := &yaml.Node{Kind: yaml.ScalarNode, Line: b.line, Column: utf8.RuneCount(b.text[b.from:start]) + 1}
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
