package incident

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"redoubt/assess/model"
)

// Rewrite puts the observations of a changed model into the text of its file, and leaves everything else of the text as it is: its order, its comments, its layout.
// before is the text that the model was read from. Where it is laid out so that its lines can not be changed alone, as with entries within braces, its tree is changed and
// written anew: order and comments stay, spaces and line breaks may not.
func Rewrite(before []byte, changed *model.Model) ([]byte, error) {
	old, err := model.Read(before)
	if err != nil {
		return nil, err
	}
	root, err := model.Parse(before)
	if err != nil {
		return nil, err
	}
	w := &rewriter{lines: strings.SplitAfter(string(before), "\n"), root: root}
	if changed.Frequency != nil {
		var had []model.ThreatFrequency
		if old.Frequency != nil {
			had = old.Frequency.Threats
		}
		for i, t := range changed.Frequency.Threats {
			if i < len(had) && slices.Equal(had[i].Observations, t.Observations) {
				continue
			}
			var lines []string
			for _, o := range t.Observations {
				lines = append(lines, "- "+flow(o))
			}
			w.put("frequency", i, len(had), t.Threat, lines)
		}
	}
	if changed.Damage != nil && old.Damage != nil {
		for i, t := range changed.Damage.Threats {
			if slices.Equal(old.Damage.Threats[i].Observations, t.Observations) {
				continue
			}
			numbers := make([]string, len(t.Observations))
			for j, d := range t.Observations {
				numbers[j] = strconv.FormatFloat(d, 'f', -1, 64)
			}
			w.put("damage", i, len(old.Damage.Threats), t.Threat, []string{"[" + strings.Join(numbers, ", ") + "]"})
		}
	}
	out := w.text()
	again, err := model.Read(out)
	if err == nil && again.Digest() == changed.Digest() {
		return out, nil
	}
	if out, err = w.tree(changed); err != nil {
		return nil, err
	}
	if again, err = model.Read(out); err != nil || again.Digest() != changed.Digest() {
		return nil, errors.New("the file is laid out so that its observations can not be replaced; write each entry of frequency.threats and damage.threats on lines of its own and try again")
	}
	return out, nil
}

// tree puts the observations into the tree of the file, and writes that.
func (w *rewriter) tree(changed *model.Model) ([]byte, error) {
	if changed.Frequency != nil {
		for i, t := range changed.Frequency.Threats {
			if err := w.graft("frequency", i, t.Threat, t.Observations); err != nil {
				return nil, err
			}
		}
	}
	if changed.Damage != nil {
		for i, t := range changed.Damage.Threats {
			if err := w.graft("damage", i, t.Threat, t.Observations); err != nil {
				return nil, err
			}
		}
	}
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(w.root); err != nil {
		return nil, fmt.Errorf("write the model: %w", err)
	}
	return b.Bytes(), e.Close()
}

// graft makes the observations of one entry of a section those given, unless they are that already; what is not there is added.
func (w *rewriter) graft(section string, i int, threat string, observations any) error {
	top := w.root
	if top.Kind == yaml.DocumentNode {
		top = top.Content[0]
	}
	all := member(member(top, section, yaml.MappingNode), "threats", yaml.SequenceNode)
	for len(all.Content) <= i {
		entry := &yaml.Node{Kind: yaml.MappingNode, Style: all.Style}
		member(entry, "threat", yaml.ScalarNode).SetString(threat)
		all.Content = append(all.Content, entry)
	}
	value := &yaml.Node{}
	if err := value.Encode(observations); err != nil {
		return fmt.Errorf("observations of %s: %w", threat, err)
	}
	if len(value.Content) == 0 && !slices.ContainsFunc(all.Content[i].Content, func(n *yaml.Node) bool { return n.Value == "observations" }) {
		return nil
	}
	here := member(all.Content[i], "observations", yaml.SequenceNode)
	if was, err := yaml.Marshal(here); err == nil {
		if is, err := yaml.Marshal(value); err == nil && bytes.Equal(was, is) {
			return nil
		}
	}
	value.Style = yaml.FlowStyle
	for _, c := range value.Content {
		c.Style = yaml.FlowStyle
	}
	*here = *value
	return nil
}

// member is that of a mapping with the name; it is added where it is not there.
func member(of *yaml.Node, name string, kind yaml.Kind) *yaml.Node {
	for k := 0; k+1 < len(of.Content); k += 2 {
		if of.Content[k].Value == name {
			return of.Content[k+1]
		}
	}
	key, value := &yaml.Node{}, &yaml.Node{Kind: kind}
	key.SetString(name)
	of.Content = append(of.Content, key, value)
	return value
}

// flow writes an observation on one line.
func flow(o model.Observation) string {
	parts := []string{"count: " + strconv.FormatFloat(o.Count, 'f', -1, 64)}
	if o.Exposure != 0 {
		parts = append(parts, "exposure: "+strconv.FormatFloat(o.Exposure, 'g', -1, 64))
	}
	if o.Label != "" {
		parts = append(parts, "label: "+scalar(o.Label))
	}
	if o.Source != "" {
		parts = append(parts, "source: "+scalar(o.Source))
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// scalar writes a text so that it stays one within braces.
func scalar(s string) string {
	if strings.IndexFunc(s, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && !strings.ContainsRune(" ._/-", r)
	}) < 0 && s == strings.TrimSpace(s) && s != "" && s[0] != '-' {
		return s
	}
	return strconv.Quote(s)
}

// edit replaces lines: from the line of the number from up to and without the line to, both from 1. Nothing is replaced where they are the same.
type edit struct {
	from, to int
	text     string
}

type rewriter struct {
	lines []string
	root  *yaml.Node
	edits []edit
}

// put writes the observations of a threat of a section: in place of those that are there, behind its name, or as a new entry.
func (w *rewriter) put(section string, i, had int, threat string, value []string) {
	all := model.Locate(w.root, section+".threats")
	path := fmt.Sprintf("%s.threats[%d]", section, i)
	if i >= had {
		indent, at, head := 4, last(all)+1, ""
		if all.Kind != yaml.SequenceNode {
			at = len(w.lines) + 1
			if len(w.edits) == 0 || w.edits[len(w.edits)-1].from != at {
				head = section + ":\n  threats:\n"
			}
		}
		if all.Kind == yaml.SequenceNode && len(all.Content) > 0 {
			indent = all.Column - 1
		}
		pad := strings.Repeat(" ", indent)
		w.edits = append(w.edits, edit{at, at, head + pad + "- threat: " + scalar(threat) + "\n" + block(indent+2, value)})
		return
	}
	entry := model.Locate(w.root, path)
	for k := 0; k+1 < len(entry.Content); k += 2 {
		if key := entry.Content[k]; key.Value == "observations" {
			w.edits = append(w.edits, edit{key.Line, last(entry.Content[k+1]) + 1, block(key.Column-1, value)})
			return
		}
	}
	for k := 0; k+1 < len(entry.Content); k += 2 {
		if key := entry.Content[k]; key.Value == "threat" {
			w.edits = append(w.edits, edit{key.Line + 1, key.Line + 1, block(key.Column-1, value)})
		}
	}
}

// block writes the entry observations.
func block(indent int, value []string) string {
	pad := strings.Repeat(" ", indent)
	if len(value) == 1 && strings.HasPrefix(value[0], "[") {
		return pad + "observations: " + value[0] + "\n"
	}
	return pad + "observations:\n" + pad + "  " + strings.Join(value, "\n"+pad+"  ") + "\n"
}

// last is the last line of a value.
func last(n *yaml.Node) int {
	line := n.Line
	for _, c := range n.Content {
		line = max(line, last(c))
	}
	return line
}

// text makes the edits.
func (w *rewriter) text() []byte {
	slices.SortStableFunc(w.edits, func(a, b edit) int { return a.from - b.from })
	var b bytes.Buffer
	next := 1
	for _, e := range w.edits {
		for ; next < e.from && next <= len(w.lines); next++ {
			b.WriteString(w.lines[next-1])
		}
		if b.Len() > 0 && b.Bytes()[b.Len()-1] != '\n' {
			b.WriteByte('\n')
		}
		b.WriteString(e.text)
		next = max(next, e.to)
	}
	for ; next <= len(w.lines); next++ {
		b.WriteString(w.lines[next-1])
	}
	return b.Bytes()
}
