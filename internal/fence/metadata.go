package fence

import (
	"context"
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"redoubt/internal/fault"
)

// Metadata is how an agent describes itself.
type Metadata struct {
	Agent       string
	Description string
	Parameters  []Parameter
	Actions     []string
}

// Parameter is an option of an agent.
type Parameter struct {
	Name        string
	Description string
	Type        string // string, boolean, integer, second or select
	Default     string
	Values      []string // of a select
	Required    bool
	Deprecated  bool
	Obsoletes   string // the older name of this parameter
}

// knownAgent is the metadata of an agent's file as it was.
type knownAgent struct {
	size     int64
	modified time.Time
	meta     Metadata
}

// Metadata asks an agent to describe itself. What it said is kept until its file changes.
func (f *Fencer) Metadata(ctx context.Context, agent string) (Metadata, error) {
	path, err := f.agent(agent)
	if err != nil {
		return Metadata{}, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return Metadata{}, fault.Errorf(fault.Precondition, "fence agent %s: %w", agent, err)
	}
	f.mu.Lock()
	known, ok := f.known[path]
	f.mu.Unlock()
	if ok && known.size == info.Size() && known.modified.Equal(info.ModTime()) {
		return known.meta, nil
	}
	ctx, cancel := context.WithTimeout(ctx, metadataTimeout)
	defer cancel()
	res, err := f.exec(ctx, run{path: path, args: []string{"-o", "metadata"}, action: "metadata"})
	if err != nil {
		return Metadata{}, err
	}
	if res.exit != 0 {
		return Metadata{}, fault.Errorf(fault.Precondition, "fence agent %s does not describe itself: status %d%s", filepath.Base(path), res.exit, res.last())
	}
	meta, err := ParseMetadata(res.text)
	if err != nil {
		return Metadata{}, fault.Errorf(fault.Precondition, "fence agent %s does not describe itself: %w", agent, err)
	}
	meta.Agent = agent
	f.mu.Lock()
	f.known[path] = knownAgent{info.Size(), info.ModTime(), meta}
	f.mu.Unlock()
	return meta, nil
}

// document is the XML of a description.
type document struct {
	XMLName    xml.Name `xml:"resource-agent"`
	Short      string   `xml:"shortdesc,attr"`
	Parameters []struct {
		Name       string `xml:"name,attr"`
		Required   string `xml:"required,attr"`
		Deprecated string `xml:"deprecated,attr"`
		Obsoletes  string `xml:"obsoletes,attr"`
		Short      string `xml:"shortdesc"`
		Content    struct {
			Type    string `xml:"type,attr"`
			Default string `xml:"default,attr"`
			Options []struct {
				Value string `xml:"value,attr"`
			} `xml:"option"`
		} `xml:"content"`
	} `xml:"parameters>parameter"`
	Actions []struct {
		Name string `xml:"name,attr"`
	} `xml:"actions>action"`
}

// ParseMetadata reads an agent's description. Text before the XML (warnings that libraries print) is passed over.
func ParseMetadata(text string) (Metadata, error) {
	if i := strings.Index(text, "<"); i >= 0 {
		text = text[i:]
	}
	var d document
	if err := xml.Unmarshal([]byte(text), &d); err != nil {
		return Metadata{}, fmt.Errorf("metadata: %w", err)
	}
	m := Metadata{Description: d.Short}
	for _, p := range d.Parameters {
		if p.Name == "" {
			return Metadata{}, fmt.Errorf("metadata: a parameter has no name")
		}
		out := Parameter{
			Name: canonical(p.Name), Description: strings.TrimSpace(p.Short), Type: p.Content.Type, Default: p.Content.Default,
			Required: p.Required == "1", Deprecated: p.Deprecated == "1", Obsoletes: canonical(p.Obsoletes),
		}
		for _, o := range p.Content.Options {
			out.Values = append(out.Values, o.Value)
		}
		m.Parameters = append(m.Parameters, out)
	}
	for _, a := range d.Actions {
		m.Actions = append(m.Actions, a.Name)
	}
	return m, nil
}

// Parameter finds a parameter by its name.
func (m Metadata) Parameter(name string) (Parameter, bool) {
	i := slices.IndexFunc(m.Parameters, func(p Parameter) bool { return p.Name == canonical(name) })
	if i < 0 {
		return Parameter{}, false
	}
	return m.Parameters[i], true
}

// problems lists what is wrong with options, by name. Values of secrets are not repeated.
func (m Metadata) problems(o options) (out []string) {
	names := make([]string, 0, len(o.values))
	for name := range o.values {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		p, ok := m.Parameter(name)
		if !ok {
			out = append(out, fmt.Sprintf("it has no option %s; it has %s", name, m.list()))
			continue
		}
		value := o.values[name]
		if want := p.wants(value); want != "" {
			if o.secret[name] {
				value = masked
			}
			out = append(out, fmt.Sprintf("option %s is %q: want %s", name, value, want))
		}
	}
	if len(m.Actions) > 0 && !slices.Contains(m.Actions, o.action) {
		out = append(out, fmt.Sprintf("it has no action %s; it has %s", o.action, strings.Join(m.Actions, ", ")))
	}
	return out
}

// list names the parameters for people.
func (m Metadata) list() string {
	var names []string
	for _, p := range m.Parameters {
		if !p.Deprecated {
			names = append(names, p.Name)
		}
	}
	return strings.Join(names, ", ")
}

// wants says what a value should be, or nothing if it is right.
func (p Parameter) wants(value string) string {
	switch p.Type {
	case "integer", "second":
		if _, err := strconv.ParseFloat(value, 64); err != nil {
			return "a number"
		}
	case "boolean":
		if !slices.Contains([]string{"0", "1", "true", "false", "yes", "no", "on", "off"}, strings.ToLower(value)) {
			return "true or false"
		}
	case "select":
		if len(p.Values) > 0 && !slices.Contains(p.Values, value) {
			return "one of " + strings.Join(p.Values, ", ")
		}
	}
	return ""
}

// missing lists the required parameters that neither have a value, under their present or their older name, nor a default.
func (o options) missing(m Metadata) (out []string) {
	set := func(name string) bool { _, ok := o.values[name]; return ok }
	for _, p := range m.Parameters {
		if !p.Required || p.Deprecated || p.Default != "" || p.Name == "action" || set(p.Name) || p.Obsoletes != "" && set(p.Obsoletes) {
			continue
		}
		out = append(out, p.Name)
	}
	return out
}
