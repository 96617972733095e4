package life

import (
	"cmp"
	"fmt"
	"slices"

	"redoubt/internal/cluster"
	"redoubt/internal/rgm/model"
)

func (g *Group) scene() scene { return scene{g.in.Around, g.in.Node, g.in.Here} }

// begin notes that the groups that have to be online before this one are: from then on until it is offline it does not look at them again.
func (g *Group) begin() {
	switch {
	case !g.goesUp():
		g.begun = g.begun && !g.allDown()
	case !g.begun:
		g.begun = g.groupBlocked() == ""
	}
}

// groupBlocked says which group has to come online somewhere before this one does.
func (g *Group) groupBlocked() string {
	if len(g.in.Group.Dependencies) == 0 {
		return ""
	}
	if g.in.Around == nil {
		return "what other groups do is not known yet"
	}
	s := g.scene()
	for _, d := range g.in.Group.Dependencies {
		if !s.done(d) {
			return fmt.Sprintf("group %s (RG_dependencies), %s", d, s.whyGroup(d, ""))
		}
	}
	return ""
}

// whyGroup says why a group is not online on a node, or on any when at is "".
func (s scene) whyGroup(name cluster.GroupName, at cluster.NodeName) string {
	g, ok := s.group(name)
	a := s.assignment(name)
	switch {
	case !ok:
		return "which does not exist"
	case !g.Managed:
		return "which is not managed; `redoubt group online -M " + string(name) + "` brings it online"
	case a.Off || a.Version == 0:
		if _, asked := s.pending(name); !asked {
			return "which is offline because an administrator took it offline or nobody has brought it online; `redoubt group online " + string(name) + "` does"
		}
	}
	bound := s.bound(g)
	for _, i := range s.reports(name) {
		switch {
		case at != "" && i.Node != at || i.State == model.GroupOffline && !slices.Contains(bound, i.Node):
		case i.BlockedOn != "":
			return fmt.Sprintf("which is %s on %s, waiting for %s", i.State, i.Node, brief(i.BlockedOn))
		case i.State != model.GroupOnline || !s.ordered(i):
			return fmt.Sprintf("which is %s on %s", i.State, i.Node)
		}
	}
	switch {
	case at != "" && len(bound) > 0 && !slices.Contains(bound, at):
		return fmt.Sprintf("which is on %v", bound)
	case len(bound) == 0:
		return "which no node can run now; `redoubt group status " + string(name) + "` says why"
	}
	return fmt.Sprintf("which is about to start on %v", bound)
}

// brief cuts what somebody else waits for: it may quote in turn what that one waits for.
func brief(s string) string {
	const most = 160
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

// elsewhere judges a dependency on a resource that this instance of the group does not have up: it says where it has to be online, and why it is not. A weak
// dependency waits only for what comes.
func (g *Group) elsewhere(n need) string {
	if g.in.Around == nil {
		return string(n.on) + ": what other groups do is not known yet"
	}
	s := g.scene()
	r, ok := s.resource(n.on)
	if !ok {
		return string(n.on) + ", which does not exist"
	}
	at := g.reach(n, r)
	if s.up(r, at) || n.weak && !s.forecast().resource(r, at) {
		return ""
	}
	return s.why(r, at, n.qual)
}

// expected reports whether the target of a dependency in another group comes online without anybody doing anything.
func (g *Group) expected(n need) bool {
	if g.in.Around == nil {
		return false
	}
	r, ok := g.in.Around.resource(n.on)
	return ok && g.scene().forecast().resource(r, g.reach(n, r))
}

// reach is the node on which the target of a dependency has to be online; "": any.
func (g *Group) reach(n need, target model.Resource) cluster.NodeName {
	if (model.Dependency{Qualifier: n.qual}).Local(g.in.Group, target.Group) {
		return g.in.Node
	}
	return ""
}

// why says why a resource is not online on a node, or on any when at is "".
func (s scene) why(r model.Resource, at cluster.NodeName, qualifier string) string {
	text := fmt.Sprintf("%s of group %s", r.Name, r.Group)
	switch {
	case at != "" && qualifier == model.LocalNode:
		text += fmt.Sprintf(" on this node, %s (LOCAL_NODE)", at)
	case at != "":
		text += fmt.Sprintf(" on this node, %s (the group has an affinity to %s)", at, r.Group)
	}
	if !r.Enabled {
		return text + ", which is disabled; `redoubt resource enable " + string(r.Name) + "` enables it"
	}
	g, _ := s.group(r.Group)
	for _, i := range s.reports(r.Group) {
		ri := resourceIn(i, r.Name)
		switch {
		case at != "" && i.Node != at || !ri.Remains():
		case ri.Awaiting:
			return fmt.Sprintf("%s, which stands for something that is not online on %s", text, i.Node)
		case ri.Leaving || ri.IsOnline() && !s.stays(r, i):
			return fmt.Sprintf("%s, which is about to go offline on %s", text, i.Node)
		case ri.State == model.ResourceStartFailed || ri.State == model.ResourceStopFailed:
			return fmt.Sprintf("%s, which is %s on %s: %s", text, ri.State, i.Node, brief(ri.Message))
		case !ri.IsOnline():
			return fmt.Sprintf("%s, which is %s on %s", text, ri.State, i.Node)
		}
	}
	if bound := s.bound(g); len(bound) > 0 && (at == "" || slices.Contains(bound, at)) {
		if off := slices.DeleteFunc(slices.Clone(bound), r.EnabledOn); len(off) == len(bound) {
			return fmt.Sprintf("%s, which is disabled on %v", text, off)
		}
	}
	return text + ", " + s.whyGroup(r.Group, at)
}

// acts reports whether restart dependencies between this group and another are acted on: not while one of the two is suspended.
func (g *Group) acts(other model.Group) bool { return !g.in.Group.Suspended && !other.Suspended }

// bereft says which target in another group has gone offline under an offline-restart dependency of a resource, or of one in this group on which it depends
// so; "" when none has.
func (g *Group) bereft(r *resource, depth int) string {
	spec := g.spec(r)
	if spec == nil || depth < 0 || g.in.Around == nil {
		return ""
	}
	for _, d := range spec.Dependencies {
		if d.Kind != model.DependOfflineRestart || !d.AppliesOn(g.in.Node) {
			continue
		}
		why := ""
		if o := g.find(d.On); o != nil {
			why = g.bereft(o, depth-1)
		} else if target, ok := g.in.Around.groupOf(d.On); ok && g.acts(target) {
			why = g.elsewhere(needOf(d))
		}
		if why != "" {
			return why
		}
	}
	return ""
}

// held says what has to go down in other groups before a resource that is ordered down does: those that depend on it and go down too.
func (g *Group) held(r *resource) string {
	if g.in.Around == nil || g.ordered(r, len(g.res)) {
		return ""
	}
	s := g.scene()
	told := r.spec == nil || !s.stays(*r.spec, g.inst)
	for _, d := range s.dependents[r.ri.Name] {
		local := d.Dep.Local(*d.Group, g.in.Group.Name)
		if !local && r.spec != nil && slices.ContainsFunc(s.reports(g.in.Group.Name), func(i model.Instance) bool {
			return i.Node != g.in.Node && resourceIn(i, r.ri.Name).IsOnline() && s.stays(*r.spec, i)
		}) {
			continue // it has another
		}
		for _, i := range s.reports(d.Group.Name) {
			if d.Dep.AppliesOn(i.Node) && (i.Node == g.in.Node || !local) && g.goesDown(s, d, i, told) {
				return fmt.Sprintf("%s of group %s, which depends on %s, to stop on %s", d.Spec.Name, d.Group.Name, r.ri.Name, i.Node)
			}
		}
	}
	if g.goesUp() {
		return ""
	}
	for _, name := range s.sources[g.in.Group.Name] {
		for _, i := range s.reports(name) {
			if i.Node == g.in.Node && i.MayRun() && i.State != model.GroupErrorStopFailed && (g.in.Draining || !s.ordered(i)) {
				return fmt.Sprintf("group %s, which comes after this one (RG_dependencies), to go offline here", name)
			}
		}
	}
	return ""
}

// goesDown reports whether a dependent that is not down yet goes down, so that it is waited for. Without a lease what other nodes report is not waited for:
// it may never come. Nor is what failed to stop: that is for people, and they may need this node.
//
// An offline-restart dependent on another node is waited for only when it can read itself, in what is ordered, that the target goes (told).
func (g *Group) goesDown(s scene, d Dependent, i model.Instance, told bool) bool {
	here := i.Node == g.in.Node
	switch ri := resourceIn(i, d.Spec.Name); {
	case !ri.Remains() || ri.State == model.ResourceStopFailed:
		return false
	case ri.State == model.ResourceStopping:
		return here || g.in.MayStart
	}
	if !here && !g.in.MayStart {
		return false
	}
	return !s.stays(*d.Spec, i) || here && g.in.Draining || d.Dep.Kind == model.DependOfflineRestart && g.acts(*d.Group) && (here || told)
}

// lives are where the target of a dependency is online now.
func (g *Group) lives(n need) []model.Life {
	var out []model.Life
	own := g.find(n.on)
	if own != nil && own.stage == up && !own.restart {
		out = append(out, model.Life{Node: g.in.Node, Incarnation: g.in.Incarnation, Starts: own.ri.Starts})
	}
	if g.in.Around == nil || own != nil && n.qual != model.AnyNode {
		return out
	}
	s := g.scene()
	r, _ := s.resource(n.on)
	at := g.reach(n, r)
	for _, i := range s.reports(r.Group) {
		if ri := resourceIn(i, n.on); (at == "" || i.Node == at) && ri.IsOnline() && (own == nil || i.Node != g.in.Node) {
			out = append(out, model.Life{Node: i.Node, Incarnation: i.Incarnation, Starts: ri.Starts})
		}
	}
	slices.SortFunc(out, func(a, b model.Life) int { return cmp.Compare(a.Node, b.Node) })
	return out
}

// restarters are what a resource has a restart dependency on here.
func (g *Group) restarters(r *resource) []need {
	if r.spec == nil {
		return nil
	}
	var out []need
	for _, d := range r.spec.Dependencies {
		if d.Kind.Restarts() && d.AppliesOn(g.in.Node) {
			out = append(out, needOf(d))
		}
	}
	return out
}

// look notes the lives of what a resource that is about to start has a restart dependency on.
func (g *Group) look(r *resource) {
	r.ri.Sights = nil
	for _, n := range g.restarters(r) {
		r.ri.Sights = append(r.ri.Sights, model.Sight{On: n.on, Lives: g.lives(n)})
	}
	slices.SortFunc(r.ri.Sights, func(a, b model.Sight) int { return cmp.Compare(a.On, b.On) })
}

// witness restarts what is up and has a restart dependency on something that has come up anew since.
func (g *Group) witness() {
	for _, r := range g.res {
		if r.stage != up || !g.desired(r) {
			continue
		}
		for _, n := range g.restarters(r) {
			if g.cameAnew(r, n) {
				g.emit(Note{Text: "restarts because " + string(n.on) + " has come up anew", Resource: r.ri.Name})
				r.restart = true
				g.restartDependents(r)
				break
			}
		}
	}
}

// cameAnew compares the lives of a target with those that its dependent has seen, and takes over those that are new beside old ones.
func (g *Group) cameAnew(r *resource, n need) bool {
	target := g.in.Group
	if g.find(n.on) == nil {
		ok := false
		if target, ok = g.in.Around.groupOf(n.on); !ok {
			return false
		}
	}
	if !g.acts(target) {
		return false
	}
	now := g.lives(n)
	at := slices.IndexFunc(r.ri.Sights, func(s model.Sight) bool { return s.On == n.on })
	if at < 0 {
		// The dependency is new, or it is an earlier build that started the resource.
		r.ri.Sights = append(slices.Clone(r.ri.Sights), model.Sight{On: n.on, Lives: now})
		slices.SortFunc(r.ri.Sights, func(a, b model.Sight) int { return cmp.Compare(a.On, b.On) })
		return false
	}
	seen := r.ri.Sights[at].Lives
	kept := slices.DeleteFunc(slices.Clone(seen), func(l model.Life) bool {
		return slices.ContainsFunc(now, func(o model.Life) bool { return o.Node == l.Node })
	})
	same := false
	for _, l := range now {
		i := slices.IndexFunc(seen, func(o model.Life) bool { return o.Node == l.Node && o.Incarnation == l.Incarnation })
		if i >= 0 && seen[i].Starts != l.Starts && seen[i].Starts != 0 && l.Starts != 0 {
			return true // 0: a release reported it that does not count
		}
		same = same || i >= 0
	}
	if len(now) == 0 {
		return false
	}
	if !same {
		return true
	}
	if next := append(kept, now...); !slices.Equal(next, seen) {
		slices.SortFunc(next, func(a, b model.Life) int { return cmp.Compare(a.Node, b.Node) })
		if !slices.Equal(next, seen) {
			r.ri.Sights = slices.Clone(r.ri.Sights)
			r.ri.Sights[at].Lives = next
		}
	}
	return false
}
