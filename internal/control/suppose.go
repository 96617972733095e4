package control

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/model"
	"redoubt/internal/rgm/order"
)

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

// supposition is an operation that a plan can suppose: what it does to the reading, and which flags it takes: n for -n, p for -p and so on, w for those of waiting.
type supposition struct {
	do    func(w *whatIf, s supposed) error
	flags string
}

// supposable are those that can be supposed. What -e and -m do to resources changes no place.
var supposable = map[string]supposition{
	"group set":             {(*whatIf).setGroups, "np"},
	"group create":          {(*whatIf).createGroups, "npS"},
	"group delete":          {(*whatIf).deleteGroups, "Fy"},
	"group add-node":        {(*whatIf).addNodes, "nS"},
	"group remove-node":     {(*whatIf).removeNodes, "ny"},
	"group online":          {(*whatIf).online, "nemMw"},
	"group switch":          {(*whatIf).online, "nemMw"},
	"group offline":         {(*whatIf).offline, "nyw"},
	"group remaster":        {(*whatIf).remaster, "w"},
	"group suspend":         {(*whatIf).suspend, "k"},
	"group resume":          {(*whatIf).suspend, ""},
	"group manage":          {(*whatIf).manage, ""},
	"group unmanage":        {(*whatIf).manage, "y"},
	"group evacuate":        {(*whatIf).evacuateGroups, "nT"},
	"node set":              {(*whatIf).setNodes, "p"},
	"node evacuate":         {(*whatIf).evacuate, "T"},
	"node create-loadlimit": {limitNodes(createLimit), "p"},
	"node set-loadlimit":    {limitNodes(setLimit), "p"},
	"node delete-loadlimit": {limitNodes(deleteLimit), "py"},
	"cluster set":           {(*whatIf).setCluster, "p"},
}

// change carries out one change on the reading.
func (w *whatIf) change(text string) error {
	s, err := suppose(text)
	if err != nil {
		return err
	}
	if err := supposable[s.operation].do(w, s); err != nil {
		return fault.Errorf(fault.CodeOf(err), "%q: %w", text, err)
	}
	return nil
}

// settle lets everything that was supposed so far happen: whoever writes commands one after the other sees what the first has done before he gives the second.
func (w *whatIf) settle() {
	const enough = 20 // rounds of stopping and starting; a move takes three
	w.state.Held = nil
	for range enough {
		steps := order.Plan(w.state)
		if len(steps) == 0 {
			break
		}
		w.carryOut(steps)
	}
	w.release()
}

// release brings online what waits for the RG_dependencies of its group, as far as these are online.
func (w *whatIf) release() {
	w.state.Instances = slices.Clone(w.state.Instances)
	for again := true; again; {
		again = false
		for at, i := range w.state.Instances {
			g, _ := check.Group(w.state, i.Group)
			waits := func(d cluster.GroupName) bool { return len(upOn(w.state, d)) == 0 }
			if i.State == model.GroupPendingOnlineBlocked && len(g.Dependencies) > 0 && !slices.ContainsFunc(g.Dependencies, waits) {
				w.state.Instances[at].State, again = model.GroupOnline, true
			}
		}
	}
}

// carryOut supposes that all nodes have done what they were told.
func (w *whatIf) carryOut(steps []order.Step) {
	type spot struct {
		group cluster.GroupName
		node  cluster.NodeName
	}
	told := map[cluster.GroupName]bool{}
	was := map[spot]model.Instance{}
	for _, s := range steps {
		told[s.Assignment.Group] = true
	}
	assignments := slices.DeleteFunc(slices.Clone(w.state.Assignments), func(a model.Assignment) bool { return told[a.Group] })
	instances := slices.DeleteFunc(slices.Clone(w.state.Instances), func(i model.Instance) bool {
		if told[i.Group] {
			was[spot{i.Group, i.Node}] = i
		}
		return told[i.Group]
	})
	for _, s := range steps {
		assignments = append(assignments, s.Assignment)
		for _, n := range w.state.Nodes {
			if n.Member && !n.QuorumServer {
				instances = append(instances, w.obeys(s.Assignment, n, was[spot{s.Assignment.Group, n.Name}]))
			}
		}
	}
	slices.SortFunc(assignments, func(a, b model.Assignment) int { return cmp.Compare(a.Group, b.Group) })
	slices.SortFunc(instances, func(a, b model.Instance) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Node, b.Node))
	})
	w.state.Assignments, w.state.Instances = assignments, instances
}

// obeys is what a node reports that has done what it was told.
func (w *whatIf) obeys(a model.Assignment, n model.NodeState, was model.Instance) model.Instance {
	i := model.Instance{Node: n.Name, Group: a.Group, Incarnation: n.Incarnation, State: model.GroupOffline}
	if was.Incarnation == n.Incarnation && was.Group == a.Group {
		i = was
	}
	on := a.On(n.Name, n.Incarnation)
	g, _ := check.Group(w.state, a.Group)
	switch {
	case i.State == model.GroupErrorStopFailed:
	case on && i.State == model.GroupOffline && len(g.Dependencies) > 0:
		i.State = model.GroupPendingOnlineBlocked
	case on && i.State == model.GroupOffline:
		i.State = model.GroupOnline
	case !on:
		i.State, i.Resources = model.GroupOffline, nil
	}
	i.Version, i.Restart, i.Plea = a.Version, a.Restart, nil
	return i
}

// each does something to every group that is named.
func (w *whatIf) each(s supposed, do func(model.Group) error) error {
	names, err := selected("group", s.names, s.all, groupNames(w.state))
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

// edit supposes other properties of groups.
func (w *whatIf) edit(s supposed, settings func(model.Group) []check.Setting) error {
	return w.each(s, func(g model.Group) error {
		next, ps := check.DraftGroupChange(w.state, g, settings(g))
		state := check.WithGroup(w.state, next)
		ps = append(ps, check.CheckGroup(state, next)...)
		w.state = state
		return ps.Err()
	})
}

func (w *whatIf) setGroups(s supposed) error {
	if len(s.nodes) > 0 {
		s.settings = append(s.settings, check.Setting{Name: "Nodelist", Values: words(s.nodes)})
	}
	return w.edit(s, func(model.Group) []check.Setting { return s.settings })
}

func (w *whatIf) addNodes(s supposed) error {
	if len(s.nodes) == 0 {
		return fault.Errorf(fault.Invalid, "group add-node: name the nodes with -n")
	}
	return w.edit(s, func(g model.Group) []check.Setting { return moreNodes(g, s.nodes, s.scalable) })
}

func (w *whatIf) removeNodes(s supposed) error {
	if len(s.nodes) == 0 {
		return fault.Errorf(fault.Invalid, "group remove-node: name the nodes with -n")
	}
	return w.edit(s, func(model.Group) []check.Setting {
		return []check.Setting{{Name: "Nodelist", Op: check.OpRemove, Values: words(s.nodes)}}
	})
}

// createGroups supposes groups that are managed and to be online.
func (w *whatIf) createGroups(s supposed) error {
	if len(s.nodes) > 0 {
		s.settings = append([]check.Setting{{Name: "Nodelist", Values: words(s.nodes)}}, s.settings...)
	}
	if s.scalable {
		n := len(s.nodes)
		if n == 0 {
			n = len(check.NodesThatRun(w.state))
		}
		all := strconv.Itoa(n)
		s.settings = append([]check.Setting{{Name: "Maximum_primaries", Text: all}, {Name: "Desired_primaries", Text: all}}, s.settings...)
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

// deleteGroups refuses what would be refused.
func (w *whatIf) deleteGroups(s supposed) error {
	names, err := selected("group", s.names, s.all, groupNames(w.state))
	if err != nil {
		return err
	}
	doomed := namesOf[cluster.GroupName](names)
	var ps check.Problems
	for _, n := range doomed {
		g, err := w.group(n)
		if err != nil {
			return err
		}
		ps = append(ps, check.DeleteGroup(w.state, g, s.force, doomed...)...)
	}
	if err := ps.Err(); err != nil {
		return err
	}
	for _, n := range doomed {
		for _, r := range check.ResourcesOf(w.state, n) {
			w.state = check.WithoutResource(w.state, r.Name)
		}
		for _, o := range w.state.Groups {
			if less, named := check.CutGroup(o, n); named {
				w.state = check.WithGroup(w.state, less)
			}
		}
		w.state = check.WithoutGroup(w.state, n)
	}
	return nil
}

// want supposes that somebody asks for a place.
func (w *whatIf) want(x model.Want) {
	x.Seq = max(w.seqOf(x.Group), w.assignment(x.Group).WantSeq) + 1
	x.By, x.At = "what-if", w.now
	w.state.Wants = append(slices.DeleteFunc(slices.Clone(w.state.Wants), func(o model.Want) bool { return o.Group == x.Group }), x)
	slices.SortFunc(w.state.Wants, func(a, b model.Want) int { return cmp.Compare(a.Group, b.Group) })
}

func (w *whatIf) online(s supposed) error {
	if s.operation == "group switch" && len(s.nodes) == 0 {
		return fault.Errorf(fault.Invalid, "group switch: name the nodes to move to with -n")
	}
	return w.each(s, func(g model.Group) error {
		if err := mayPlace(g, s.manage); err != nil {
			return err
		}
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
		if g.System {
			return fault.Errorf(fault.Precondition, "group %s is protected (RG_system); set RG_system=FALSE first", g.Name)
		}
		x, err := w.offlineWant(g, s.nodes)
		if err == nil {
			w.want(x)
		}
		return err
	})
}

func (w *whatIf) remaster(s supposed) error {
	return w.each(s, func(g model.Group) error {
		err := mayPlace(g, false)
		if err == nil {
			w.want(model.Want{Group: g.Name, Online: true, Remaster: true})
		}
		return err
	})
}

func (w *whatIf) suspend(s supposed) error {
	return w.each(s, func(g model.Group) error {
		g.SuspendByHand(s.operation == "group suspend")
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

// evacuateGroups orders single groups elsewhere, and all of them as node evacuate does.
func (w *whatIf) evacuateGroups(s supposed) error {
	switch {
	case len(s.nodes) == 0:
		return fault.Errorf(fault.Invalid, "group evacuate: name the nodes with -n")
	case s.all:
		s.names, s.all = words(s.nodes), false
		return w.evacuate(s)
	case s.seconds != nil:
		return fault.Errorf(fault.Invalid, "group evacuate: -T keeps all groups away from a node; give it with the operand +")
	}
	for _, n := range s.nodes {
		if _, err := w.node(n); err != nil {
			return err
		}
	}
	return w.each(s, func(g model.Group) error {
		w.want(w.elsewhere(g, s.nodes))
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

// evacuate supposes nodes from which everything has to go. Where a node is taken again as soon as it is empty (-T 0), nothing comes back to it by itself either.
func (w *whatIf) evacuate(s supposed) error {
	span, err := awayFor(s.seconds)
	if err != nil {
		return err
	}
	span = max(span, 1)
	return w.eachNode(s, func(n *model.NodeState) error {
		if n.QuorumServer {
			return fault.Errorf(fault.Invalid, "%s is a quorum server and runs no groups", n.Name)
		}
		n.EvacuatedUntil = w.state.Now.Add(time.Duration(span) * time.Second)
		return nil
	})
}

// limitNodes edits a load limit of nodes.
func limitNodes(edit limitEdit) func(*whatIf, supposed) error {
	return func(w *whatIf, s supposed) error {
		l, err := limitWordsOf(s.operation, s.settings)
		if err != nil {
			return err
		}
		return w.eachNode(s, func(n *model.NodeState) error {
			next, _, err := l.edit(n.Node, edit)
			n.Node = next
			return err
		})
	}
}

func (w *whatIf) eachNode(s supposed, do func(*model.NodeState) error) error {
	names, err := selected("node", s.names, s.all, nodeNames(w.state))
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
