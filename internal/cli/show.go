package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	v1 "redoubt/api/v1"
	"redoubt/internal/fault"
)

// carryOut carries out a call and shows the answer.
func carryOut(c *cobra.Command, e Env, call Call) error {
	client, err := e.daemon(c)
	if err != nil {
		return err
	}
	answer, err := client.Do(c.Context(), call)
	if err != nil {
		return err
	}
	return show(c, e, call, answer)
}

// show prints the answer of a call: JSON and YAML as it is, and for people in the form that is best for it.
func show(c *cobra.Command, e Env, call Call, answer json.RawMessage) error {
	form, err := format(c)
	if err != nil {
		return err
	}
	if len(bytes.TrimSpace(answer)) == 0 {
		return nil
	}
	verbose, _ := c.Flags().GetBool("verbose")
	setter := setters[call.Noun+" "+call.Verb]
	if call.Noun == "log" {
		setter = logSetters[call.Noun+" "+call.Verb]
	}
	switch {
	case form != "table":
		err = write(e.Stdout, form, answer)
	case call.Noun == "scha_control" || call.Noun == "scha_resource_setstatus": // agents expect silence
	case setter != nil:
		var text string
		if text, err = setter(e.look(), answer, verbose); err == nil {
			_, err = fmt.Fprint(e.Stdout, text)
		}
	case call.Verb == "show":
		err = blocks(e, call.Noun, answer)
	case call.Verb == "list-props" && call.Noun != "group":
		err = props(e, answer)
	case !call.Read:
		err = result(e, answer)
	default:
		err = write(e.Stdout, form, answer)
	}
	if err != nil {
		return err
	}
	if call.Noun == "cluster" && (call.Verb == "check" || call.Verb == "verify") {
		return verdict(call, answer)
	}
	return nil
}

// setter sets an answer for people.
type setter func(l look, answer json.RawMessage, verbose bool) (string, error)

// setters are the answers that have a form of their own.
var setters = map[string]setter{
	"cluster status": set(func(l look, s v1.Status, _ bool) string { return l.report(&s) }),
	"node status":    set(func(l look, s []v1.NodeState, _ bool) string { return l.nodes("", s) + l.loads(s) }),
	"group status": set(func(l look, s []v1.GroupState, verbose bool) string {
		return l.groups("", s) + l.notes("", s, verbose)
	}),
	"group why":       set(explained),
	"cluster plan":    set(planned),
	"resource status": set(func(l look, s []v1.ResourceState, _ bool) string { return l.resources("", s, false) }),
	"quorum status":   set(votes),
	"interconnect status": set(func(l look, s []v1.InterconnectState, _ bool) string {
		var rows [][]string
		for _, p := range s {
			rows = append(rows, []string{p.Network, p.From, p.To, l.state(p.State)})
		}
		return l.grid("", []string{"Network", "From", "To", "Status"}, rows)
	}),
	"access allow":        set(allowed),
	"access show":         set(accessTable),
	"node key":            set(func(_ look, k v1.JoinKey, _ bool) string { return k.Fingerprint + "\n" }),
	"user whoami":         set(holds),
	"session show":        set(sessionTable),
	"user can":            set(decided),
	"cluster check":       set(checkedEach),
	"cluster list-checks": set(checkList),
	"cluster verify":      set(checked),
	"cluster create": set(func(l look, c v1.ClusterCreated, _ bool) string {
		var b strings.Builder
		fmt.Fprintf(&b, "Cluster %s is made, with node %s.\n", c.Name, c.Node)
		for _, m := range c.Messages {
			b.WriteString(m + "\n")
		}
		fmt.Fprintf(&b, "\nTo join another node, here, with the key that `redoubt node key` prints on it:\n  redoubt access allow -h NODE --key SHA256:...\nand on it:\n  redoubt node join --sponsor %s --fingerprint %s\n", c.Node, c.Fingerprint)
		return b.String()
	}),
}

// set makes a setter of a function that knows the answer's type.
func set[T any](f func(look, T, bool) string) setter {
	return func(l look, answer json.RawMessage, verbose bool) (string, error) {
		doc, err := decoded[T](answer)
		if err != nil {
			return "", err
		}
		return f(l, doc, verbose), nil
	}
}

func votes(l look, q v1.QuorumState, _ bool) string {
	var rows [][]string
	for _, v := range q.Voters {
		what, state := "node", l.state("ONLINE")
		if v.QuorumServer {
			what = "quorum server"
		}
		if !v.Present {
			state = l.paint(bad, "Offline")
		}
		own := v.Copy
		if own != "usable" {
			own = l.paint(bad, own)
		}
		rows = append(rows, []string{v.Node, what, state, own})
	}
	return l.quorum(q) + "\n" + l.grid("", []string{"Voter Name", "Kind", "Status", "Copy"}, rows)
}

func checked(l look, r v1.CheckReport, verbose bool) string {
	var b strings.Builder
	if verbose {
		for _, c := range r.Checked {
			b.WriteString("checked: " + c + "\n")
		}
	}
	if len(r.Problems) == 0 {
		fmt.Fprintf(&b, "%s: %s looked at, nothing is wrong.\n", l.paint(good, "ok"), count(len(r.Checked), "thing"))
	}
	return b.String() + l.problemList(r.Problems)
}

// verdict makes a report with errors in it an unsuccessful command.
func verdict(call Call, answer json.RawMessage) error {
	var r v1.CheckReport
	if err := json.Unmarshal(answer, &r); err != nil || r.OK {
		return nil
	}
	errs := 0
	for _, p := range r.Problems {
		if p.Severity == "error" {
			errs++
		}
	}
	return fault.Errorf(fault.Precondition, "%s %s: %s to be put right", call.Noun, call.Verb, count(errs, "error"))
}

// result prints what a change has to say.
func result(e Env, answer json.RawMessage) error {
	var r v1.Result
	if err := json.Unmarshal(answer, &r); err != nil {
		return write(e.Stdout, "table", answer)
	}
	for _, m := range r.Messages {
		fmt.Fprintln(e.Stdout, m)
	}
	return nil
}

// titles are the words above the configuration of an object.
var titles = map[string]string{
	"cluster": "Cluster", "node": "Node", "group": "Resource group", "resource": "Resource", "type": "Resource type", "quorum": "Quorum", "access": "Access", "interconnect": "Private network",
}

// blocks prints the configuration of objects, one block each: its fields, and its properties as if they were fields.
func blocks(e Env, noun string, answer json.RawMessage) error {
	var doc yaml.Node
	if err := yaml.Unmarshal(answer, &doc); err != nil {
		return fault.Errorf(fault.Internal, "read the daemon's answer: %w", err)
	}
	if len(doc.Content) == 0 {
		return nil
	}
	objects := []*yaml.Node{doc.Content[0]}
	if doc.Content[0].Kind == yaml.SequenceNode {
		objects = doc.Content[0].Content
	}
	l := e.look()
	for i, o := range objects {
		if o.Kind != yaml.MappingNode {
			return table(e.Stdout, doc.Content[0])
		}
		if i > 0 {
			fmt.Fprintln(e.Stdout)
		}
		title := strings.TrimSpace(titles[noun] + " " + value(o, "name"))
		fmt.Fprintln(e.Stdout, l.paint(heading, title))
		rows := fields(o, "  ")
		widest := 0
		for _, r := range rows {
			widest = max(widest, len(r[0]))
		}
		for _, r := range rows {
			fmt.Fprintln(e.Stdout, strings.TrimRight(fmt.Sprintf("%-*s  %s", widest, r[0], r[1]), " "))
		}
	}
	return nil
}

// fields gives name and value of each field of an object, below it those of the objects in it.
func fields(o *yaml.Node, indent string) [][2]string {
	var rows [][2]string
	for i := 0; i+1 < len(o.Content); i += 2 {
		name, v := o.Content[i].Value, o.Content[i+1]
		switch {
		case name == "name" && indent == "  ":
		case v.Kind == yaml.SequenceNode && len(v.Content) > 0 && v.Content[0].Kind == yaml.MappingNode:
			rows = append(rows, [2]string{indent + spellField(name) + ":", ""})
			for _, p := range v.Content {
				if at := entry(p, "values"); at != nil { // a property
					label := value(p, "name")
					if node := value(p, "node"); node != "" {
						label += "{" + node + "}"
					}
					rows = append(rows, [2]string{indent + "  " + label + ":", cell(at)})
				} else {
					rows = append(rows, [2]string{indent + "  " + head(p) + ":", tail(p)})
				}
			}
		case v.Kind == yaml.MappingNode:
			rows = append(rows, [2]string{indent + spellField(name) + ":", ""})
			rows = append(rows, fields(v, indent+"  ")...)
		default:
			rows = append(rows, [2]string{indent + spellField(name) + ":", cell(v)})
		}
	}
	return rows
}

// head is the value of the first field of an object, tail are the others.
func head(o *yaml.Node) string {
	if len(o.Content) < 2 {
		return ""
	}
	return cell(o.Content[1])
}

func tail(o *yaml.Node) string {
	var parts []string
	for i := 2; i+1 < len(o.Content); i += 2 {
		if v := cell(o.Content[i+1]); v != "" {
			parts = append(parts, o.Content[i].Value+"="+v)
		}
	}
	return strings.Join(parts, " ")
}

func entry(o *yaml.Node, name string) *yaml.Node {
	for i := 0; i+1 < len(o.Content); i += 2 {
		if o.Content[i].Value == name {
			return o.Content[i+1]
		}
	}
	return nil
}

func value(o *yaml.Node, name string) string {
	if v := entry(o, name); v != nil {
		return cell(v)
	}
	return ""
}

// spellField writes privateNet as Private net.
func spellField(name string) string {
	var b strings.Builder
	for i, r := range name {
		switch upper := r >= 'A' && r <= 'Z'; {
		case i == 0:
			b.WriteString(strings.ToUpper(string(r)))
		case upper && (name[i-1] < 'A' || name[i-1] > 'Z'):
			b.WriteString(" " + strings.ToLower(string(r)))
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// props prints the properties of several objects, each below its name.
func props(e Env, answer json.RawMessage) error {
	var objects []map[string]json.RawMessage
	if err := json.Unmarshal(answer, &objects); err != nil {
		return write(e.Stdout, "table", answer)
	}
	for i, o := range objects {
		if i > 0 {
			fmt.Fprintln(e.Stdout)
		}
		for _, name := range []string{"type", "resource"} {
			var s string
			if json.Unmarshal(o[name], &s) == nil && s != "" {
				fmt.Fprintln(e.Stdout, e.look().paint(heading, s))
			}
		}
		if err := write(e.Stdout, "table", o["properties"]); err != nil {
			return err
		}
	}
	return nil
}
