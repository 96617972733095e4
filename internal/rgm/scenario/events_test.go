package scenario_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/model"
)

// happen makes an event of a file happen; the package's comment lists them. Words in capitals of a pattern match one word.
func (w *world) happen(event string) error {
	words := strings.Fields(event)
	patterns := []struct {
		pattern string
		do      func(a []string) error
	}{
		{"node N dies", func(a []string) error { return w.dies(names[cluster.NodeName](a[0])) }},
		{"nodes N die", func(a []string) error { return w.dies(names[cluster.NodeName](a[0])) }},
		{"node N is lost", func(a []string) error { return w.lose(cluster.NodeName(a[0])) }},
		{"node N is fenced", func(a []string) error { w.fence(cluster.NodeName(a[0])); return nil }},
		{"node N joins", func(a []string) error { return w.join(cluster.NodeName(a[0])) }},
		{"nodes N join", func(a []string) error { return w.join(names[cluster.NodeName](a[0])...) }},
		{"the cluster starts anew", func([]string) error { return w.anew() }},
		{"the president changes", func([]string) error { return w.succeed() }},
		{"T passes", func(a []string) error {
			d, err := time.ParseDuration(a[0])
			w.s.Now = w.s.Now.Add(d)
			return err
		}},
		{"G fails to start on N", func(a []string) error { return w.spots(w.broken, a, true) }},
		{"G starts on N again", func(a []string) error { return w.spots(w.broken, a, false) }},
		{"G gives N up", func(a []string) error { return w.gives(spot{cluster.GroupName(a[0]), cluster.NodeName(a[1])}) }},
		{"G gives N up and M refuses", func(a []string) error {
			return w.gives(spot{cluster.GroupName(a[0]), cluster.NodeName(a[1])}, names[cluster.NodeName](a[2])...)
		}},
		{"G fails to stop on N", func(a []string) error { return w.spots(w.jammed, a, true) }},
		{"G is cleared on N", func(a []string) error { return w.clear(spot{cluster.GroupName(a[0]), cluster.NodeName(a[1])}) }},
	}
	for _, p := range patterns {
		if args, ok := matches(p.pattern, words); ok {
			return p.do(args)
		}
	}
	if len(words) > 2 {
		switch words[0] {
		case "group":
			return w.groupCommand(words[1], words[2:])
		case "node":
			return w.nodeCommand(words[1], words[2:])
		case "cluster":
			return w.clusterCommand(words[1], words[2:])
		}
	}
	return fmt.Errorf("unknown event; see the package's comment")
}

func matches(pattern string, words []string) (args []string, ok bool) {
	parts := strings.Fields(pattern)
	if len(parts) != len(words) {
		return nil, false
	}
	for i, p := range parts {
		if strings.ToUpper(p) == p {
			args = append(args, words[i])
		} else if p != words[i] {
			return nil, false
		}
	}
	return args, true
}

func names[T ~string](list string) (out []T) {
	for n := range strings.SplitSeq(list, ",") {
		out = append(out, T(n))
	}
	return out
}

// dies is a loss, what is done while nothing is certain, and the fencing.
func (w *world) dies(nodes []cluster.NodeName) error {
	if err := w.lose(nodes...); err != nil {
		return err
	}
	if err := w.settle(); err != nil {
		return fmt.Errorf("between the loss and the fencing: %w", err)
	}
	w.fence(nodes...)
	return nil
}

func (w *world) spots(set map[spot]bool, a []string, in bool) error {
	if _, err := w.group(cluster.GroupName(a[0])); err != nil {
		return err
	}
	for _, n := range names[cluster.NodeName](a[1]) {
		if _, err := w.node(n); err != nil {
			return err
		}
		if in {
			set[spot{cluster.GroupName(a[0]), n}] = true
		} else {
			delete(set, spot{cluster.GroupName(a[0]), n})
		}
	}
	return nil
}

// command takes the words of a command apart: the nodes of -n, the settings, and the names.
func command(words []string) (operands []string, nodes []cluster.NodeName, settings []string) {
	for i := 0; i < len(words); i++ {
		switch {
		case words[i] == "-n" && i+1 < len(words):
			i++
			nodes = names[cluster.NodeName](words[i])
		case strings.Contains(words[i], "="):
			settings = append(settings, words[i])
		default:
			operands = append(operands, words[i])
		}
	}
	return operands, nodes, settings
}

func (w *world) groupCommand(verb string, words []string) error {
	operands, nodes, settings := command(words)
	if len(operands) != 1 {
		return fmt.Errorf("wants one group")
	}
	all := names[cluster.GroupName](operands[0])
	if operands[0] == "+" {
		all = nil
		for _, g := range w.s.Groups {
			all = append(all, g.Name)
		}
	}
	for _, g := range all {
		if err := w.command(verb, g, nodes, settings); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) command(verb string, name cluster.GroupName, nodes []cluster.NodeName, settings []string) error {
	if verb == "create" {
		return w.create(name, settings)
	}
	g, err := w.group(name)
	if err != nil {
		return err
	}
	switch verb {
	case "online", "switch":
		w.want(model.Want{Group: name, Online: true, Nodes: nodes, Force: true})
	case "offline":
		w.want(model.Want{Group: name, Nodes: nodes})
	case "remaster":
		w.want(model.Want{Group: name, Online: true, Remaster: true})
	case "restart":
		w.want(model.Want{Group: name, Online: true, Restart: true})
	case "suspend":
		g.Suspended = true
	case "resume":
		g.Suspended = false
	case "manage":
		g.Managed = true
	case "unmanage":
		g.Managed = false
	case "set":
		parsed, ps := check.ParseSettings("group "+string(name), settings)
		if len(ps) > 0 {
			return ps.Err()
		}
		changed, ps := check.SetGroup(w.s, *g, parsed)
		if len(ps) > 0 {
			return ps.Err()
		}
		*g = changed
	case "delete":
		w.s.Groups = slices.DeleteFunc(slices.Clone(w.s.Groups), func(x model.Group) bool { return x.Name == name })
		w.s.Assignments = slices.DeleteFunc(slices.Clone(w.s.Assignments), func(x model.Assignment) bool { return x.Group == name })
		w.s.Instances = slices.DeleteFunc(slices.Clone(w.s.Instances), func(x model.Instance) bool { return x.Group == name })
		w.s.Wants = slices.DeleteFunc(slices.Clone(w.s.Wants), func(x model.Want) bool { return x.Group == name })
	default:
		return fmt.Errorf("unknown command group %s", verb)
	}
	return nil
}

// create adds a managed group.
func (w *world) create(name cluster.GroupName, settings []string) error {
	parsed, ps := check.ParseSettings("group "+string(name), settings)
	if len(ps) > 0 {
		return ps.Err()
	}
	g, ps := check.NewGroup(w.s, name, parsed)
	if len(ps) > 0 {
		return ps.Err()
	}
	g.Managed = true
	w.s.Groups = append(slices.Clone(w.s.Groups), g)
	slices.SortFunc(w.s.Groups, func(a, b model.Group) int { return strings.Compare(string(a.Name), string(b.Name)) })
	return nil
}

func (w *world) nodeCommand(verb string, words []string) error {
	until := 60 * time.Second
	if i := slices.Index(words, "-T"); i >= 0 && i+1 < len(words) {
		d, err := time.ParseDuration(words[i+1] + "s")
		if err != nil {
			return err
		}
		until, words = d, slices.Delete(slices.Clone(words), i, i+2)
	}
	if verb != "evacuate" && verb != "set" {
		return fmt.Errorf("unknown command node %s", verb)
	}
	operands, _, settings := command(words)
	for _, name := range operands {
		n, err := w.node(cluster.NodeName(name))
		if err != nil {
			return err
		}
		switch verb {
		case "evacuate":
			n.EvacuatedUntil = w.s.Now.Add(until)
		case "set":
			parsed, ps := check.ParseSettings("node "+name, settings)
			if len(ps) > 0 {
				return ps.Err()
			}
			changed, ps := check.SetNode(n.Node, parsed)
			if len(ps) > 0 {
				return ps.Err()
			}
			n.Node = changed
		}
	}
	return nil
}

func (w *world) clusterCommand(verb string, words []string) error {
	if verb != "set" {
		return fmt.Errorf("unknown command cluster %s", verb)
	}
	parsed, ps := check.ParseSettings("cluster", words)
	if len(ps) > 0 {
		return ps.Err()
	}
	timing, _ := cluster.ProfileTiming("default")
	c, ps := check.SetCluster(check.ClusterSettings{Timing: timing, Properties: w.s.Cluster.Properties}, parsed)
	w.s.Cluster.Properties = c.Properties
	return ps.Err()
}
