package model

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// tree is a text as nodes. The items of long lists are not in it: they are made from their parts of the text when they are looked at, so that a tree never needs the memory for all of them.
type tree struct {
	root *yaml.Node
	text []byte
	long map[*yaml.Node]*longList

	list *longList // of which a part is kept
	at   int
	kept []*yaml.Node
}

// longList is a list that is read part by part.
type longList struct {
	items int
	parts []piece
	json  bool
}

// piece is where some items of a list stand in the text.
type piece struct {
	from, to int // bytes
	line     int // the one that it begins in, from 0
	column   int // JSON: the characters before it in that line
	first    int // the first item
	items    int
}

// grain says from which size on lists are read in parts.
type grain struct {
	text  int // a text from so many bytes on
	part  int // bytes of a part, about
	item  int // bytes of the longest item of a list in parts
	nodes int // JSON: nodes of a part, about
}

var usual = grain{text: 1 << 20, part: 1 << 18, item: 1 << 18, nodes: 1 << 15}

// part is the nodes of a part of a long list; nil where that does not stand alone as it seemed to, which is so when what looks like the items of a list is part of a text or of braces.
func (t *tree) part(l *longList, i int) []*yaml.Node {
	if t.list == l && t.at == i {
		return t.kept
	}
	p := l.parts[i]
	var nodes []*yaml.Node
	if l.json {
		b := newJSON(slices.Concat([]byte("["), t.text[p.from:p.to], []byte("]")), t)
		b.line, b.column = p.line, p.column-1
		if root := b.value(0); root != nil {
			nodes = root.Content
		}
	} else if root, fault := fromYAML(t.text[p.from:p.to]); fault == nil && root.Kind == yaml.SequenceNode {
		nodes = root.Content
		for _, n := range nodes {
			shift(n, p.line)
		}
	}
	if len(nodes) != p.items {
		return nil
	}
	t.list, t.at, t.kept = l, i, nodes
	return nodes
}

// shift moves a node down by so many lines.
func shift(n *yaml.Node, lines int) {
	n.Line += lines
	for _, x := range n.Content {
		shift(x, lines)
	}
}

// item is an item of a list, nil if there is none.
func (t *tree) item(n *yaml.Node, i int) *yaml.Node {
	l := t.long[n]
	if l == nil {
		if i < 0 || i >= len(n.Content) {
			return nil
		}
		return n.Content[i]
	}
	if i < 0 || i >= l.items {
		return nil
	}
	k, found := slices.BinarySearchFunc(l.parts, i, func(p piece, i int) int { return p.first - i })
	if !found {
		k--
	}
	if nodes := t.part(l, k); nodes != nil {
		return nodes[i-l.parts[k].first]
	}
	return nil
}

// marker stands in the tree of a text for the items of a long list.
const marker = "redoubt-long-list-"

// inParts makes the tree of a YAML text with long lists whose items begin in lines of their own; nil where there are none, or where they are no lists.
func inParts(text []byte, g grain) *tree {
	if len(text) < g.text || bytes.Contains(text, []byte(marker)) {
		return nil
	}
	runs := findRuns(text, g)
	if len(runs) == 0 {
		return nil
	}
	var rest []byte
	at, empty := 0, 0
	for i, r := range runs {
		rest = append(rest, text[at:r.start]...)
		rest = append(rest, strings.Repeat(" ", r.indent)+"- "+marker+strconv.Itoa(i)...)
		rest = append(rest, bytes.Repeat([]byte("\n"), r.lines)...)
		at, empty = r.end, empty+r.lines
	}
	rest = append(rest, text[at:]...)
	if separators(rest)-empty > maxWhole {
		return nil
	}
	root, fault := fromYAML(rest)
	if fault != nil {
		return nil
	}
	t := &tree{root: root, text: text, long: map[*yaml.Node]*longList{}}
	t.mark(root, runs)
	if len(t.long) != len(runs) {
		return nil
	}
	return t
}

// mark finds the lists for which markers stand.
func (t *tree) mark(n *yaml.Node, runs []*run) {
	if n.Kind == yaml.SequenceNode && len(n.Content) == 1 {
		if number, ok := strings.CutPrefix(n.Content[0].Value, marker); ok {
			if i, err := strconv.Atoi(number); err == nil && i < len(runs) {
				t.long[n] = &longList{items: runs[i].items, parts: runs[i].parts}
				n.Content = nil
			}
			return
		}
	}
	for _, x := range n.Content {
		t.mark(x, runs)
	}
}

// run is a row of lines that looks like a list: each item begins with a hyphen at the same indentation, and what is between is indented more.
type run struct {
	indent     int
	start, end int // bytes
	line       int // the first, from 0
	lines      int
	items      int
	longest    int // bytes of an item
	item       int // where the last one begins
	parts      []piece
}

// begin notes that an item begins.
func (r *run) begin(at, line int, g grain) {
	if r.items > 0 {
		r.longest = max(r.longest, at-r.item)
	}
	if n := len(r.parts); n == 0 || at-r.parts[n-1].from >= g.part {
		if n > 0 {
			r.parts[n-1].to = at
		}
		r.parts = append(r.parts, piece{from: at, line: line, first: r.items})
	}
	r.parts[len(r.parts)-1].items++
	r.items, r.item = r.items+1, at
}

// close notes that the list ends.
func (r *run) close(at, line int) {
	r.end, r.lines = at, line-r.line
	r.longest = max(r.longest, at-r.item)
	r.parts[len(r.parts)-1].to = at
}

// findRuns finds the long lists of a YAML text whose items begin in lines of their own, in their order. None lies in another: of such the outer one counts, unless its items are long.
func findRuns(text []byte, g grain) []*run {
	var out, open []*run
	finish := func(at, line int, still func(*run) bool) {
		for n := len(open); n > 0 && !still(open[n-1]); n-- {
			r := open[n-1]
			open = open[:n-1]
			if r.close(at, line); len(r.parts) > 1 && r.longest <= g.item {
				for len(out) > 0 && out[len(out)-1].start >= r.start {
					out = out[:len(out)-1]
				}
				out = append(out, r)
			}
		}
	}
	line := 0
	for at := 0; at < len(text); line++ {
		end := len(text)
		if i := bytes.IndexByte(text[at:], '\n'); i >= 0 {
			end = at + i + 1
		}
		content := bytes.TrimLeft(text[at:end], " ")
		indent := end - at - len(content)
		content = bytes.TrimRight(content, "\r\n")
		if len(bytes.TrimSpace(content)) > 0 && content[0] != '#' {
			item := content[0] == '-' && (len(content) == 1 || content[1] == ' ' || content[1] == '\t')
			finish(at, line, func(r *run) bool { return r.indent < indent || r.indent == indent && item })
			if item {
				if n := len(open); n == 0 || open[n-1].indent < indent {
					open = append(open, &run{indent: indent, start: at, line: line})
				}
				open[len(open)-1].begin(at, line, g)
			}
		}
		at = end
	}
	finish(len(text), line, func(*run) bool { return false })
	return out
}
