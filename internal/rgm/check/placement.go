package check

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/model"
)

// maxLoad bounds load factors and limits.
const maxLoad = 1 << 30

// placementFields are the properties of a group that say where it runs beside others.
func placementFields() []groupField {
	modes := []string{string(model.PreemptionHasCost), string(model.PreemptionNoCost), string(model.PreemptionNever)}
	return []groupField{
		listField("RG_affinities", "+GROUP prefers its node, ++GROUP requires it, +++GROUP also moves it on a failover, -GROUP avoids it, --GROUP never shares it", func(g *model.Group) *[]model.Affinity { return &g.Affinities },
			func(a model.Affinity) string { return string(a.Kind) + string(a.Target) }, parseAffinity),
		listField("RG_dependencies", "groups that have to be online somewhere before this one comes online", func(g *model.Group) *[]cluster.GroupName { return &g.Dependencies },
			func(n cluster.GroupName) string { return string(n) }, func(t string) (cluster.GroupName, error) { return cluster.GroupName(t), nil }),
		listField("Load_factors", "how much of each load limit the group takes on a node: NAME@NUMBER", func(g *model.Group) *[]model.LoadFactor { return &g.LoadFactors },
			func(f model.LoadFactor) string { return f.Name + "@" + strconv.FormatInt(f.Load, 10) }, parseFactor),
		intField("Priority", "the higher, the less likely the group is displaced or left out when there is not room for all", model.DefaultPriority, bound(0), bound(1000), func(g *model.Group) *int { return &g.Priority }),
		{
			spec: model.PropertySpec{Name: "Preemption_mode", Type: model.TypeEnum, Enum: modes, Default: modes[:1], Tunable: model.TunableAnytime,
				Description: "whether the group leaves its node for one of higher priority: reluctantly, readily, or never"},
			get: func(g model.Group) []string {
				if g.PreemptionMode == "" {
					return modes[:1]
				}
				return []string{string(g.PreemptionMode)}
			},
			set: func(g *model.Group, v []string) error {
				g.PreemptionMode = model.PreemptionMode(v[0])
				if g.PreemptionMode == model.PreemptionHasCost {
					g.PreemptionMode = ""
				}
				return nil
			},
		},
	}
}

// listField is a list whose elements have a written form.
func listField[T, E any](name, about string, at func(*T) *[]E, write func(E) string, read func(string) (E, error)) field[T] {
	return field[T]{
		spec: model.PropertySpec{Name: name, Type: model.TypeStringArray, Description: about, Default: []string{}, Max: bound(1000), Tunable: model.TunableAnytime},
		get: func(t T) []string {
			out := []string{}
			for _, e := range *at(&t) {
				out = append(out, write(e))
			}
			return out
		},
		set: func(t *T, v []string) error {
			var out []E
			for _, text := range v {
				e, err := read(strings.TrimSpace(text))
				if err != nil {
					return err
				}
				out = append(out, e)
			}
			*at(t) = out
			return nil
		},
	}
}

func parseAffinity(text string) (model.Affinity, error) {
	target := strings.TrimLeft(text, "+-")
	kind := model.AffinityKind(text[:len(text)-len(target)])
	switch kind {
	case model.AffinityPrefer, model.AffinityRequire, model.AffinityDelegate, model.AffinityAvoid, model.AffinityForbid:
		if target != "" {
			return model.Affinity{Kind: kind, Target: cluster.GroupName(target)}, nil
		}
	}
	return model.Affinity{}, fmt.Errorf("%q is no affinity; write + ++ +++ - or -- and the name of a group, without a space, such as ++db-rg", text)
}

func parseFactor(text string) (model.LoadFactor, error) {
	name, number, ok := strings.Cut(text, "@")
	load, err := strconv.ParseInt(number, 10, 64)
	if !ok || err != nil || load < 0 || load > maxLoad || checkLimitName(name) != nil {
		return model.LoadFactor{}, fmt.Errorf("%q is no load factor; write the name of a load limit, @ and a whole number from 0 to %d, such as mem@4", text, maxLoad)
	}
	return model.LoadFactor{Name: name, Load: load}, nil
}

func checkLimitName(name string) error { return cluster.CheckName("load limit", name) }

// loadLimits are the load limits of a node: NAME@SOFT:HARD.
func loadLimits() field[model.Node] {
	f := listField("Load_limits", "how much load the node carries: NAME@SOFT:HARD, each a number or unlimited", func(n *model.Node) *[]model.LoadLimit { return &n.LoadLimits }, WriteLimit, parseLimit)
	set := f.set
	f.set = func(n *model.Node, v []string) error {
		if err := set(n, v); err != nil {
			return err
		}
		return sortLimits(n)
	}
	return f
}

func sortLimits(n *model.Node) error {
	slices.SortFunc(n.LoadLimits, func(a, b model.LoadLimit) int { return strings.Compare(a.Name, b.Name) })
	for i := 1; i < len(n.LoadLimits); i++ {
		if n.LoadLimits[i].Name == n.LoadLimits[i-1].Name {
			return fmt.Errorf("names load limit %s twice", n.LoadLimits[i].Name)
		}
	}
	return nil
}

// WriteLimit gives the written form of a load limit.
func WriteLimit(l model.LoadLimit) string {
	return l.Name + "@" + WriteLoad(l.Soft) + ":" + WriteLoad(l.Hard)
}

// WriteLoad gives the written form of a soft or hard limit.
func WriteLoad(n int64) string {
	if n == model.Unlimited {
		return "unlimited"
	}
	return strconv.FormatInt(n, 10)
}

func parseLimit(text string) (model.LoadLimit, error) {
	name, values, ok := strings.Cut(text, "@")
	soft, hard, both := strings.Cut(values, ":")
	if !ok || !both {
		return model.LoadLimit{}, fmt.Errorf("%q is no load limit; write NAME@SOFT:HARD, such as mem@48:64 or cpu@8:unlimited", text)
	}
	return NewLimit(name, soft, hard)
}

// NewLimit reads a load limit; "" and unlimited are no limit.
func NewLimit(name, soft, hard string) (model.LoadLimit, error) {
	l := model.LoadLimit{Name: name, Soft: model.Unlimited, Hard: model.Unlimited}
	if err := checkLimitName(name); err != nil {
		return l, err
	}
	for _, v := range []struct {
		text string
		what string
		to   *int64
	}{{soft, "soft", &l.Soft}, {hard, "hard", &l.Hard}} {
		if v.text == "" || strings.EqualFold(v.text, "unlimited") {
			continue
		}
		n, err := strconv.ParseInt(v.text, 10, 64)
		if err != nil || n < 0 || n > maxLoad {
			return l, fmt.Errorf("load limit %s: the %s limit %q is neither a whole number from 0 to %d nor unlimited", name, v.what, v.text, maxLoad)
		}
		*v.to = n
	}
	if l.Hard != model.Unlimited && (l.Soft > l.Hard || l.Soft == model.Unlimited) {
		if soft != "" {
			return l, fmt.Errorf("load limit %s: the soft limit %s is above the hard limit %d; it may be as high at most", name, WriteLoad(l.Soft), l.Hard)
		}
		l.Soft = l.Hard
	}
	return l, nil
}

// placement says what is wrong with what binds a group to others.
func placement(s model.State, g model.Group) Problems {
	var ps Problems
	for i, a := range g.Affinities {
		path := "group " + string(g.Name) + ": property RG_affinities"
		ps = append(ps, target(s, g, a.Target, path)...)
		for _, o := range g.Affinities[:i] {
			if o.Target == a.Target {
				ps.add(fault.Invalid, path, "names group %s twice (%s and %s); one affinity to a group is all", a.Target, o.Kind, a.Kind)
			}
		}
		if t, ok := Group(s, a.Target); ok && a.Kind.Strong() && !slices.ContainsFunc(g.Nodelist, func(n cluster.NodeName) bool { return slices.Contains(t.Nodelist, n) }) {
			ps.add(fault.Invalid, path, "%s%s can never be met: the groups have no node in common", a.Kind, a.Target)
		}
	}
	for i, d := range g.Dependencies {
		path := "group " + string(g.Name) + ": property RG_dependencies"
		ps = append(ps, target(s, g, d, path)...)
		if slices.Contains(g.Dependencies[:i], d) {
			ps.add(fault.Invalid, path, "names group %s twice", d)
		}
	}
	for i, f := range g.LoadFactors {
		if slices.ContainsFunc(g.LoadFactors[:i], func(o model.LoadFactor) bool { return o.Name == f.Name }) {
			ps.add(fault.Invalid, "group "+string(g.Name)+": property Load_factors", "names load limit %s twice", f.Name)
		}
	}
	return ps
}

// target checks the name of another group.
func target(s model.State, g model.Group, name cluster.GroupName, path string) Problems {
	var ps Problems
	switch t, ok := Group(s, name); {
	case name == g.Name:
		ps.add(fault.Invalid, path, "names the group itself")
	case !ok:
		var known []string
		for _, o := range s.Groups {
			known = append(known, string(o.Name))
		}
		ps.add(fault.NotFound, path, "group %s does not exist; %s", name, DidYouMean(string(name), known, "create it first"))
	case t.Deleting:
		ps.add(fault.Precondition, path, "group %s is being deleted", name)
	}
	return ps
}
