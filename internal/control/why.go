package control

import (
	"context"
	"fmt"
	"slices"
	"strings"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/model"
	"redoubt/internal/rgm/order"
	"redoubt/internal/rgm/place"
	places "redoubt/internal/rgm/plan"
)

// GroupWhy says why groups are where they are: every node that they could have, and what speaks for and against it.
func (c *Control) GroupWhy(ctx context.Context, who Caller, in v1.GroupWhy) ([]v1.Explanation, error) {
	r, v, err := c.reading(ctx, who, "group why")
	if err != nil {
		return nil, err
	}
	names, err := shownNames("group", in.Names, groupNames(v.state))
	if err != nil {
		return nil, err
	}
	done, err := c.turn(ctx, who, "group why")
	if err != nil {
		return nil, err
	}
	defer done()
	// The reasons lie in all groups, also in those that the caller may not see.
	whole, err := c.read(r)
	if err != nil {
		return nil, err
	}
	sees := groupsIn(c.reach(who, "group why"))
	look := order.Look(whole.state)
	out, few := []v1.Explanation{}, len(names) == 1 || len(names)*len(whole.state.Groups) <= followedUp
	for _, n := range names {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		i, ok := look.Of(cluster.GroupName(n))
		if !ok {
			continue // it was deleted in this moment
		}
		out = append(out, explanation(v, look, i, few, sees))
	}
	return out, nil
}

// followedUp bounds for how many of how many groups it is found out who would be worse off if they were elsewhere: all are placed once more for each such node.
const followedUp = 4000

func explanation(v view, look *order.View, i int, follow bool, sees func(group string) bool) v1.Explanation {
	g := look.Problem.Groups[i]
	a := v.assignment(cluster.GroupName(g.Name))
	out := v1.Explanation{Group: g.Name, On: words(targetNodes(a)), Wanted: words(look.Wanted(i)), Candidates: []v1.Candidate{}, Moving: len(a.Leaving) > 0 || !sameNodes(a)}
	for _, n := range look.Notes(i) {
		if n.Node == "" && len(look.Wanted(i)) == 0 {
			out.Left = &v1.Reason{Name: n.Name, Text: n.Text}
		}
	}
	for _, n := range a.Notes {
		if out.Moving && len(out.Wanted) > 0 && n.Node != "" && slices.Contains(out.Wanted, string(n.Node)) {
			out.Waits = append(out.Waits, v1.Reason{Name: n.Name, Node: string(n.Node), Text: n.Text})
		}
	}
	for _, x := range check.Instances(v.state, cluster.GroupName(g.Name)) {
		if x.State == model.GroupPendingOnlineBlocked && slices.Contains(out.On, string(x.Node)) {
			out.Waits = append(out.Waits, v1.Reason{Name: "blocked", Node: string(x.Node), Text: "placed, waits: " + x.BlockedOn})
		}
	}
	if out.Proved, out.Gap = quality(look); look.Err != nil {
		return out
	}
	cause, candidates := look.Result.Left, look.Result.Candidates
	if follow {
		cause, candidates = look.Result.Cause, look.Result.Explained
	}
	if left, ok := cause(i); ok && !g.Off {
		r := reasonOf(look, left, sees)
		out.Left = &r
	}
	for _, x := range candidates(i) {
		c := v1.Candidate{Node: look.Problem.Nodes[x.Node].Name, Chosen: x.Chosen, For: []v1.Reason{}, Against: []v1.Reason{}}
		for _, n := range x.For {
			c.For = append(c.For, reasonOf(look, n, sees))
		}
		for _, n := range x.Against {
			c.Against = append(c.Against, reasonOf(look, n, sees))
		}
		out.Candidates = append(out.Candidates, c)
	}
	return out
}

// reasonOf writes a note of the planner, without the name of a group that the caller may not see.
func reasonOf(look *order.View, n places.Note, sees func(group string) bool) v1.Reason {
	r := v1.Reason{Name: string(n.Reason), Text: n.Text}
	if slices.ContainsFunc(n.Groups, func(g int) bool { return !sees(look.Problem.Groups[g].Name) }) {
		r.Text = otherGroup
	}
	return r
}

// quality says whether a placement is the best, or by how much another could be better at most.
func quality(look *order.View) (proved bool, gap string) {
	if look.Err != nil {
		return false, look.Err.Error() + "; each group is placed by itself, in order of priority"
	}
	figure, by := look.Result.Gap()
	if look.Result.Exact || figure == "" {
		return true, ""
	}
	if by == 0 {
		return false, figure + " may be better"
	}
	return false, fmt.Sprintf("%s may be better by %d at most", figure, by)
}

// consequences says what a change of the configuration does to the places of groups: which would have none any more, with the reason, and which would move.
// Groups that were not to run before do not count.
func consequences(before, after model.State) (lost []string, moved []string) {
	was, is := order.Look(before), order.Look(after)
	if was.Err == nil && is.Err != nil {
		return []string{is.Err.Error()}, nil
	}
	for i, g := range is.Groups() {
		j, known := was.Of(cluster.GroupName(g.Name))
		switch {
		case !known || g.Off || is.Err != nil || len(was.Wanted(j)) == 0:
		case len(is.Wanted(i)) == 0:
			left, _ := is.Result.Left(i)
			lost = append(lost, fmt.Sprintf("group %s would have no node any more: %s", g.Name, left.Text))
		case len(without(was.Wanted(j), is.Wanted(i))) > 0:
			moved = append(moved, fmt.Sprintf("group %s goes from %s to %s", g.Name, commas(was.Wanted(j)), commas(is.Wanted(i))))
		}
	}
	return lost, moved
}

// bearable refuses a draft that would leave a group without a node, and says what moves otherwise.
func (d *draft) bearable(after model.State) error {
	lost, moved := consequences(d.state, after)
	if len(lost) > 0 {
		return fault.Errorf(fault.Precondition, "this can not be done while the groups run: %s; `redoubt plan --with` shows it without doing it, and a group that is taken offline first is no obstacle", strings.Join(lost, "; "))
	}
	for _, m := range moved {
		d.say(m)
	}
	return nil
}

// placeable refuses a draft after which the groups could not be placed together any more.
func (d *draft) placeable(after model.State) error {
	if err := order.Fits(after); err != nil && order.Fits(d.state) == nil {
		return fault.Errorf(fault.Precondition, "this would be too much for the planner: %w", err)
	}
	return nil
}

// fulfillable refuses a request for nodes that the planner would not obey.
func (d *draft) fulfillable(wants []model.Want) error {
	explicit := func(x model.Want) bool { return x.Online && len(x.Nodes) > 0 }
	if !slices.ContainsFunc(wants, explicit) {
		return nil
	}
	w := whatIf{view: d.view}
	for _, x := range wants {
		g, err := w.group(x.Group)
		if err != nil {
			return err
		}
		g.Managed = true
		w.state = check.WithGroup(w.state, g)
		w.want(x)
	}
	was, look := order.Look(d.state), order.Look(w.state)
	var errs []error
	for _, x := range wants {
		if !explicit(x) {
			continue
		}
		i, _ := look.Of(x.Group)
		errs = append(errs, displaces(was, look, i, wants))
		for _, n := range look.Notes(i) {
			if n.Name == place.Ignored {
				errs = append(errs, fault.Errorf(fault.Precondition, "group %s can not be brought to %s: %s; `redoubt group why %s` shows every node", x.Group, commas(x.Nodes), n.Text, x.Group))
			}
		}
	}
	return together(errs)
}

// displaces refuses a request that would leave a group of the same or a higher priority without a node, other than those of the request itself.
func displaces(was, is *order.View, asked int, wants []model.Want) error {
	for i, g := range is.Groups() {
		j, known := was.Of(cluster.GroupName(g.Name))
		if !known || i == asked || slices.ContainsFunc(wants, func(w model.Want) bool { return string(w.Group) == g.Name }) {
			continue
		}
		if len(was.Wanted(j)) > 0 && len(is.Wanted(i)) == 0 && is.Err == nil && g.Priority >= is.Problem.Groups[asked].Priority {
			left, _ := is.Result.Left(i)
			return fault.Errorf(fault.Precondition, "group %s can not go there: it would leave group %s, of priority %d, without a node: %s; take that offline first, or raise the Priority of %s above it",
				is.Problem.Groups[asked].Name, g.Name, g.Priority, left.Text, is.Problem.Groups[asked].Name)
		}
	}
	return nil
}
