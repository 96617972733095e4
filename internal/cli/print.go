package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"go.yaml.in/yaml/v3"

	"redoubt/internal/fault"
)

// write prints an answer of the API. JSON is the answer itself; YAML and the table keep the order of its fields.
func write(w io.Writer, format string, answer json.RawMessage) error {
	if len(bytes.TrimSpace(answer)) == 0 {
		return nil
	}
	if format == "json" {
		_, err := fmt.Fprintf(w, "%s\n", bytes.TrimSpace(answer))
		return err
	}
	var doc yaml.Node // JSON is YAML, and a Node keeps the order of the fields
	if err := yaml.Unmarshal(answer, &doc); err != nil {
		return fault.Errorf(fault.Internal, "read the daemon's answer: %w", err)
	}
	if format == "yaml" {
		plain(&doc)
		enc := yaml.NewEncoder(w)
		enc.SetIndent(2)
		if err := enc.Encode(&doc); err != nil {
			return fault.Errorf(fault.Internal, "print the daemon's answer: %w", err)
		}
		return enc.Close()
	}
	return table(w, doc.Content[0])
}

// plain takes the braces and quotes of JSON away wherever YAML can do without.
func plain(n *yaml.Node) {
	n.Style = 0
	for _, c := range n.Content {
		plain(c)
	}
}

func table(w io.Writer, n *yaml.Node) error {
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	switch {
	case n.Kind == yaml.SequenceNode && len(n.Content) > 0 && n.Content[0].Kind == yaml.MappingNode:
		rows(tw, n.Content)
	case n.Kind == yaml.SequenceNode:
		for _, c := range n.Content {
			fmt.Fprintln(tw, cell(c))
		}
	case n.Kind == yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			fmt.Fprintf(tw, "%s\t%s\n", n.Content[i].Value, cell(n.Content[i+1]))
		}
	default:
		fmt.Fprintln(tw, cell(n))
	}
	return tw.Flush()
}

// rows prints objects below a header of all their fields, in the order in which they first occur.
func rows(w io.Writer, objects []*yaml.Node) {
	var header []string
	seen := map[string]bool{}
	for _, o := range objects {
		for i := 0; i+1 < len(o.Content); i += 2 {
			if name := o.Content[i].Value; !seen[name] {
				seen[name] = true
				header = append(header, name)
			}
		}
	}
	fmt.Fprintln(w, strings.ToUpper(strings.Join(header, "\t")))
	for _, o := range objects {
		line := make([]string, len(header))
		for i, name := range header {
			line[i] = "-"
			for j := 0; j+1 < len(o.Content); j += 2 {
				if o.Content[j].Value == name {
					line[i] = cell(o.Content[j+1])
				}
			}
		}
		fmt.Fprintln(w, strings.Join(line, "\t"))
	}
}

// cell writes a value on one line: the elements of a list with commas, the fields of an object as name=value.
func cell(n *yaml.Node) string {
	var parts []string
	switch n.Kind {
	case yaml.SequenceNode:
		for _, c := range n.Content {
			parts = append(parts, cell(c))
		}
		return strings.Join(parts, ",")
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			parts = append(parts, n.Content[i].Value+"="+cell(n.Content[i+1]))
		}
		return strings.Join(parts, " ")
	}
	return strings.NewReplacer("\n", " ", "\t", " ").Replace(n.Value)
}
