package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	v1 "redoubt/api/v1"
)

// explained sets out why groups are where they are.
func explained(l look, groups []v1.Explanation, _ bool) string {
	var b strings.Builder
	for i, g := range groups {
		if i > 0 {
			b.WriteString("\n")
		}
		switch {
		case g.Left != nil:
			fmt.Fprintf(&b, "%s %s: %s (%s)\n", l.paint(heading, g.Group), l.paint(bad, "runs nowhere"), g.Left.Text, g.Left.Name)
		case g.Moving:
			fmt.Fprintf(&b, "%s %s to %s\n", l.paint(heading, g.Group), l.paint(working, "is on its way"), strings.Join(g.Wanted, ", "))
		case len(g.Waits) > 0:
			fmt.Fprintf(&b, "%s %s on %s\n", l.paint(heading, g.Group), l.paint(working, "is placed, and waits,"), strings.Join(g.Wanted, ", "))
		default:
			fmt.Fprintf(&b, "%s is on %s\n", l.paint(heading, g.Group), strings.Join(g.Wanted, ", "))
		}
		for _, w := range g.Waits {
			b.WriteString(l.wrapped("  ", w.Node+": "+w.Text))
		}
		var rows [][]string
		for _, c := range g.Candidates {
			mark := ""
			if c.Chosen {
				mark = l.paint(good, "chosen")
			}
			lines := []string{}
			for _, r := range c.For {
				lines = append(lines, l.paint(good, "+ ")+r.Text)
			}
			for _, r := range c.Against {
				lines = append(lines, l.paint(bad, "- ")+r.Text)
			}
			rows = append(rows, []string{c.Node, mark, strings.Join(lines, "\n")})
		}
		if len(rows) > 0 {
			b.WriteString(l.grid("  ", []string{"Node", "", "For and against"}, rows))
		}
		if !g.Proved && g.Gap != "" {
			b.WriteString(l.wrapped("  ", "This placement of all groups was not proved to be the best: "+g.Gap+"."))
		}
	}
	return b.String()
}

// planned sets out what would become of the groups: first what changes, with verbose also what stays.
func planned(l look, p v1.PlanReport, verbose bool) string {
	var b strings.Builder
	var rows [][]string
	stay := 0
	for _, g := range p.Groups {
		if g.Change == "stays" && g.Why == nil && !verbose {
			stay++
			continue
		}
		why := ""
		if g.Why != nil {
			why = g.Why.Text
		}
		word := g.Change
		if word == "offline" {
			word = l.paint(bad, word)
		}
		rows = append(rows, []string{g.Group, dash(g.Now), dash(g.Then), word, why})
	}
	if len(rows) > 0 {
		b.WriteString(l.grid("", []string{"Group", "Now", "Then", "", "Why"}, rows))
	}
	if stay > 0 {
		fmt.Fprintf(&b, "%s where it is now, with -v each.\n", plural(stay, "group stays", "groups stay"))
	}
	rows = nil
	for _, n := range p.Nodes {
		state := l.state("member")
		if !n.Member {
			state = l.paint(bad, "away")
		}
		loads := []string{}
		for _, x := range n.Loads {
			if x.Now == 0 && x.Then == 0 && x.Soft == nil && x.Hard == nil {
				continue
			}
			text := fmt.Sprintf("%s %d -> %d", x.Name, x.Now, x.Then)
			if x.Soft != nil || x.Hard != nil {
				text += " of " + limit(x.Soft) + ":" + limit(x.Hard)
			}
			if x.Hard != nil && x.Then > *x.Hard {
				text = l.paint(bad, text)
			} else if x.Soft != nil && x.Then > *x.Soft {
				text = l.paint(working, text)
			}
			loads = append(loads, text)
		}
		rows = append(rows, []string{n.Node, state, strconv.Itoa(n.Groups), strings.Join(loads, ", ")})
	}
	b.WriteString("\n" + l.grid("", []string{"Node", "State", "Groups", "Load (of soft:hard limit)"}, rows))
	var parts []string
	for _, f := range []struct {
		n         int
		one, many string
	}{
		{p.Figures.Offline, "group without a place", "groups without a place"}, {p.Figures.Missing, "primary missing", "primaries missing"},
		{p.Figures.Soft, "soft limit exceeded", "soft limits exceeded"}, {p.Figures.Weak, "weak affinity broken", "weak affinities broken"},
	} {
		if f.n > 0 {
			parts = append(parts, plural(f.n, f.one, f.many))
		}
	}
	if len(parts) == 0 {
		parts = []string{"every group has its place, and no limit is exceeded"}
	}
	quality := "; no placement is better"
	if !p.Proved {
		quality = "; not proved to be the best: " + p.Gap
	}
	b.WriteString("\n" + l.wrapped("", strings.Join(parts, ", ")+quality+"."))
	return b.String()
}

// loads sets out what nodes carry; "" when nothing is limited and nothing has a load.
func (l look) loads(nodes []v1.NodeState) string {
	var rows [][]string
	for _, n := range nodes {
		for _, x := range n.Loads {
			load := strconv.FormatInt(x.Load, 10)
			if x.Hard != nil && x.Load > *x.Hard {
				load = l.paint(bad, load)
			} else if x.Soft != nil && x.Load > *x.Soft {
				load = l.paint(working, load)
			}
			rows = append(rows, []string{n.Name, x.Name, load, limit(x.Soft), limit(x.Hard)})
		}
	}
	if len(rows) == 0 {
		return ""
	}
	return "\n" + l.grid("", []string{"Node Name", "Load", "Now", "Soft Limit", "Hard Limit"}, rows)
}

func limit(n *int64) string {
	if n == nil {
		return "unlimited"
	}
	return strconv.FormatInt(*n, 10)
}

func dash(names []string) string {
	if len(names) == 0 {
		return "-"
	}
	return strings.Join(slices.Sorted(slices.Values(names)), ", ")
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
