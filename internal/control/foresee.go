package control

import (
	"bytes"
	"context"
	"flag"
	"slices"
	"strings"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/model"
	"redoubt/internal/rgm/order"
)

// ClusterPlan says what would become of the groups if nodes were lost or came back and if the configuration were changed. It changes nothing.
func (c *Control) ClusterPlan(ctx context.Context, who Caller, in v1.ClusterPlan) (v1.PlanReport, error) {
	_, v, err := c.reading(ctx, who, "cluster plan")
	if err != nil {
		return v1.PlanReport{}, err
	}
	if reach := c.reach(who, "cluster plan"); !reach.Whole() {
		return v1.PlanReport{}, fault.Errorf(fault.Denied, "cluster plan: a plan shows all groups, and you may see some of them only; `redoubt group why` explains those")
	}
	w := whatIf{view: v}
	w.state.Nodes = slices.Clone(v.state.Nodes)
	for _, n := range in.Without {
		if err := w.member(n, false); err != nil {
			return v1.PlanReport{}, err
		}
	}
	for _, n := range in.Back {
		if err := w.member(n, true); err != nil {
			return v1.PlanReport{}, err
		}
	}
	for _, text := range in.With {
		if err := w.change(text); err != nil {
			return v1.PlanReport{}, err
		}
	}
	out := foreseen(v, w.state, order.Look(w.state))
	out.Without, out.Back, out.With = none(in.Without), none(in.Back), none(in.With)
	return out, nil
}

func none(list []string) []string { return append([]string{}, list...) }

// foreseen compares a plan with what is ordered now.
func foreseen(v view, then model.State, look *order.View) v1.PlanReport {
	out := v1.PlanReport{Groups: []v1.PlannedGroup{}, Nodes: []v1.PlannedNode{}}
	nodes := map[string]*v1.PlannedNode{}
	for _, n := range look.Problem.Nodes {
		node, _ := check.Node(then, cluster.NodeName(n.Name))
		p := &v1.PlannedNode{Node: n.Name, Member: !n.Down, Loads: []v1.PlannedLoad{}}
		for k, name := range look.Problem.Kinds {
			l := v1.PlannedLoad{Name: name}
			for _, limit := range node.LoadLimits {
				if limit.Name == name {
					l.Soft, l.Hard = limited(limit.Soft), limited(limit.Hard)
				}
			}
			for g, x := range look.Groups() {
				if k >= len(x.Loads) {
					continue
				}
				if slices.Contains(targetNodes(v.assignment(cluster.GroupName(x.Name))), cluster.NodeName(n.Name)) {
					l.Now += x.Loads[k]
				}
				if slices.Contains(look.Wanted(g), cluster.NodeName(n.Name)) {
					l.Then += x.Loads[k]
				}
			}
			p.Loads = append(p.Loads, l)
		}
		nodes[n.Name] = p
	}
	for i, g := range look.Groups() {
		now := targetNodes(v.assignment(cluster.GroupName(g.Name)))
		p := v1.PlannedGroup{Group: g.Name, Now: words(now), Then: words(look.Wanted(i))}
		slices.Sort(p.Then)
		for _, n := range p.Then {
			nodes[n].Groups++
		}
		p.Change = changeOf(p.Now, p.Then, g.Off)
		for _, n := range look.Notes(i) {
			if n.Node == "" && (len(p.Then) == 0 || n.Name == "ignored") {
				p.Why = &v1.Reason{Name: n.Name, Text: n.Text}
			}
		}
		out.Groups = append(out.Groups, p)
	}
	for _, n := range look.Problem.Nodes {
		if p := nodes[n.Name]; p != nil {
			out.Nodes = append(out.Nodes, *p)
		}
	}
	f := look.Result.Figures
	out.Figures = v1.PlanFigures{Offline: f.Offline, Missing: f.Missing, Soft: f.Soft, Excess: f.Excess, Weak: f.Weak}
	out.Proved, out.Gap = quality(look)
	return out
}

func limited(n int64) *int64 {
	if n == model.Unlimited {
		return nil
	}
	return &n
}

func changeOf(now, then []string, off bool) string {
	switch {
	case slices.Equal(now, then) && len(then) == 0 && !off:
		return "offline"
	case slices.Equal(now, then):
		return "stays"
	case len(then) == 0 && off:
		return "stops"
	case len(then) == 0:
		return "offline"
	case len(without(now, then)) == 0:
		return "starts"
	case len(without(then, now)) == 0:
		return "stops"
	}
	return "moves"
}

// whatIf is a reading that is changed without anybody seeing it.
type whatIf struct{ view }

// member loses a node or brings it back.
func (w *whatIf) member(name string, member bool) error {
	n, err := w.node(cluster.NodeName(name))
	switch {
	case err != nil:
		return err
	case n.QuorumServer:
		return fault.Errorf(fault.Invalid, "%s is a quorum server and runs no groups", name)
	case n.Member == member:
		return fault.Errorf(fault.Invalid, "node %s is %s the cluster already", name, map[bool]string{true: "in", false: "not in"}[member])
	}
	// It is another record, by which what an administrator has put somewhere is no longer held there.
	w.state.Basis.Epoch++
	n.Member = member
	n.Since = 0
	if member {
		n.Incarnation = cluster.Incarnation{Number: n.Incarnation.Number + 1, Tag: "what-if"}
		n.Since = w.state.Basis.Epoch
	}
	w.put(n)
	return nil
}

func (w *whatIf) put(n model.NodeState) {
	for i := range w.state.Nodes {
		if w.state.Nodes[i].Name == n.Name {
			w.state.Nodes[i] = n
		}
	}
}

// supposable are the operations that a plan can suppose, with what each does to the reading. Names are its operands.
var supposable = map[string]func(w *whatIf, s supposed) error{
	"group set":      (*whatIf).setGroups,
	"group create":   (*whatIf).createGroups,
	"group delete":   (*whatIf).deleteGroups,
	"group online":   (*whatIf).online,
	"group switch":   (*whatIf).online,
	"group offline":  (*whatIf).offline,
	"group remaster": (*whatIf).remaster,
	"group suspend":  (*whatIf).suspend,
	"group resume":   (*whatIf).suspend,
	"group manage":   (*whatIf).manage,
	"group unmanage": (*whatIf).manage,
	"node set":       (*whatIf).setNodes,
	"node evacuate":  (*whatIf).evacuate,
	"cluster set":    (*whatIf).setCluster,
}

// supposed is a change as it was written.
type supposed struct {
	operation string
	names     []string
	nodes     []cluster.NodeName
	settings  []check.Setting
}

// change carries out one change on the reading.
func (w *whatIf) change(text string) error {
	s, err := suppose(text)
	if err != nil {
		return err
	}
	return supposable[s.operation](w, s)
}

// suppose reads a change as it would be written on the command line.
func suppose(text string) (supposed, error) {
	fields := strings.Fields(strings.TrimPrefix(strings.TrimSpace(text), "redoubt "))
	known := make([]string, 0, len(supposable))
	for name := range supposable {
		known = append(known, name)
	}
	slices.Sort(known)
	var s supposed
	if len(fields) >= 2 {
		s.operation = fields[0] + " " + fields[1]
	}
	if _, ok := supposable[s.operation]; !ok {
		return s, fault.Errorf(fault.Invalid, "%q can not be supposed; %s", text, check.DidYouMean(s.operation, known, "a plan knows "+strings.Join(known, ", ")))
	}
	var says bytes.Buffer
	flags := flag.NewFlagSet(s.operation, flag.ContinueOnError)
	flags.SetOutput(&says)
	var properties []string
	collect := func(v string) error { properties = append(properties, v); return nil }
	nodes := func(v string) error { s.nodes = append(s.nodes, nodesOf(strings.Split(v, ","))...); return nil }
	for _, name := range []string{"p", "property"} {
		flags.Func(name, "", collect)
	}
	for _, name := range []string{"n", "node"} {
		flags.Func(name, "", nodes)
	}
	rest := fields[2:]
	for len(rest) > 0 {
		if err := flags.Parse(rest); err != nil {
			return s, fault.Errorf(fault.Invalid, "%q can not be supposed: %w; a plan knows the flags -p and -n", text, err)
		}
		if rest = flags.Args(); len(rest) > 0 {
			s.names, rest = append(s.names, rest[0]), rest[1:]
		}
	}
	settings, ps := check.ParseSettings(s.operation, properties)
	s.settings = settings
	if len(s.names) == 0 && s.operation != "cluster set" {
		return s, fault.Errorf(fault.Invalid, "%q names no %s", text, fields[0])
	}
	return s, ps.Err()
}

// each does something to every group that is named.
func (w *whatIf) each(s supposed, do func(model.Group) error) error {
	names, err := selected("group", s.names, false, groupNames(w.state))
	if err != nil {
		return err
	}
	var errs []error
	for _, n := range names {
		g, err := w.group(cluster.GroupName(n))
		if err == nil {
			err = do(g)
		}
		errs = append(errs, err)
	}
	return together(errs)
}

func (w *whatIf) setGroups(s supposed) error {
	if len(s.nodes) > 0 {
		s.settings = append(s.settings, check.Setting{Name: "Nodelist", Values: words(s.nodes)})
	}
	return w.each(s, func(g model.Group) error {
		next, ps := check.DraftGroupChange(w.state, g, s.settings)
		state := check.WithGroup(w.state, next)
		ps = append(ps, check.CheckGroup(state, next)...)
		w.state = state
		return ps.Err()
	})
}

func (w *whatIf) createGroups(s supposed) error {
	if len(s.nodes) > 0 {
		s.settings = append([]check.Setting{{Name: "Nodelist", Values: words(s.nodes)}}, s.settings...)
	}
	for _, n := range s.names {
		g, ps := check.NewGroup(w.state, cluster.GroupName(n), s.settings)
		if err := ps.Err(); err != nil {
			return err
		}
		g.Managed = true
		w.state = check.WithGroup(w.state, g)
		w.want(model.Want{Group: g.Name, Online: true})
	}
	return nil
}

func (w *whatIf) deleteGroups(s supposed) error {
	return w.each(s, func(g model.Group) error {
		w.state = check.WithoutGroup(w.state, g.Name)
		return nil
	})
}

// want supposes that somebody asks for a place.
func (w *whatIf) want(x model.Want) {
	x.Seq = max(w.seqOf(x.Group), w.assignment(x.Group).WantSeq) + 1
	x.By, x.At = "what-if", w.now
	w.state.Wants = append(slices.DeleteFunc(slices.Clone(w.state.Wants), func(o model.Want) bool { return o.Group == x.Group }), x)
	slices.SortFunc(w.state.Wants, func(a, b model.Want) int { return strings.Compare(string(a.Group), string(b.Group)) })
}

func (w *whatIf) online(s supposed) error {
	if s.operation == "group switch" && len(s.nodes) == 0 {
		return fault.Errorf(fault.Invalid, "group switch: name the nodes to move to with -n")
	}
	return w.each(s, func(g model.Group) error {
		g.Managed = true
		w.state = check.WithGroup(w.state, g)
		x, err := w.onlineWant(g, s.nodes, s.operation == "group online")
		if err == nil {
			w.want(x)
		}
		return err
	})
}

func (w *whatIf) offline(s supposed) error {
	return w.each(s, func(g model.Group) error {
		x, err := w.offlineWant(g, s.nodes)
		if err == nil {
			w.want(x)
		}
		return err
	})
}

func (w *whatIf) remaster(s supposed) error {
	return w.each(s, func(g model.Group) error {
		w.want(model.Want{Group: g.Name, Online: true, Remaster: true})
		return nil
	})
}

func (w *whatIf) suspend(s supposed) error {
	return w.each(s, func(g model.Group) error {
		g.Suspended = s.operation == "group suspend"
		w.state = check.WithGroup(w.state, g)
		return nil
	})
}

func (w *whatIf) manage(s supposed) error {
	return w.each(s, func(g model.Group) error {
		g.Managed = s.operation == "group manage"
		w.state = check.WithGroup(w.state, g)
		return nil
	})
}

func (w *whatIf) setNodes(s supposed) error {
	return w.eachNode(s, func(n *model.NodeState) error {
		next, ps := check.SetNode(n.Node, s.settings)
		n.Node = next
		return ps.Err()
	})
}

func (w *whatIf) evacuate(s supposed) error {
	return w.eachNode(s, func(n *model.NodeState) error {
		n.EvacuatedUntil = w.state.Now.Add(stayAway * time.Second)
		return nil
	})
}

func (w *whatIf) eachNode(s supposed, do func(*model.NodeState) error) error {
	names, err := selected("node", s.names, false, nodeNames(w.state))
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range names {
		n, err := w.node(cluster.NodeName(name))
		if err == nil {
			err = do(&n)
		}
		w.put(n)
		errs = append(errs, err)
	}
	return together(errs)
}

func (w *whatIf) setCluster(s supposed) error {
	next, ps := check.SetCluster(w.settings(), s.settings)
	w.state.Cluster.Properties = next.Properties
	return ps.Err()
}
