package check

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/execsec"
	"redoubt/internal/rgm/model"
)

// ClusterSettings are what the properties of the cluster stand for.
type ClusterSettings struct {
	Timing     cluster.Timing
	Properties []model.Property
}

type clusterField = field[ClusterSettings]

// clusterFields: the timing, in milliseconds, and what is only kept.
func clusterFields() []clusterField {
	millis := func(name, about string, low, high time.Duration, at func(*cluster.Timing) *time.Duration) clusterField {
		return clusterField{
			spec: model.PropertySpec{
				Name: name, Type: model.TypeInt, Description: about, Min: bound(low.Milliseconds()), Max: bound(high.Milliseconds()), Tunable: model.TunableAnytime,
			},
			get: func(c ClusterSettings) []string { return number(int(at(&c.Timing).Milliseconds())) },
			set: func(c *ClusterSettings, v []string) error {
				d, err := time.ParseDuration(v[0] + "ms")
				if err != nil {
					return err
				}
				t := c.Timing
				*at(&t) = d
				c.Timing = cluster.CustomTiming(t.Quantum, t.Timeout)
				return nil
			},
		}
	}
	var profiles []string
	for _, p := range cluster.Profiles() {
		profiles = append(profiles, p.Profile)
	}
	return []clusterField{
		{
			spec: model.PropertySpec{Name: "heartbeat_profile", Type: model.TypeEnum, Enum: append(profiles, "custom"), Description: "a named choice of the two below", Tunable: model.TunableAnytime},
			get:  func(c ClusterSettings) []string { return []string{cmp.Or(c.Timing.Profile, "custom")} },
			set: func(c *ClusterSettings, v []string) error {
				if t, ok := cluster.ProfileTiming(v[0]); ok {
					c.Timing = t
				}
				return nil
			},
		},
		millis("heartbeat_quantum", "milliseconds between two heartbeats", cluster.MinQuantum, cluster.MaxQuantum, func(t *cluster.Timing) *time.Duration { return &t.Quantum }),
		millis("heartbeat_timeout", "milliseconds of silence after which a node counts as lost", cluster.MinQuantum, cluster.MaxTimeout, func(t *cluster.Timing) *time.Duration { return &t.Timeout }),
		resourceSecurity(),
		concentrateLoad(),
		sessions(),
		sessionLimit(),
		kept("description", "what the cluster is for", func(c *ClusterSettings) *[]model.Property { return &c.Properties }),
	}
}

// resourceSecurity is kept with the properties; the default is not written down.
func resourceSecurity() clusterField {
	f := kept(execsec.PropertyName, "what is done about programs that others than root may have written: SECURE does not run them, the others warn", func(c *ClusterSettings) *[]model.Property { return &c.Properties })
	f.spec.Type, f.spec.Enum = model.TypeEnum, execsec.Levels()
	return withDefault(f, string(execsec.Secure))
}

// concentrateLoad says which way the planner takes when there is a choice.
func concentrateLoad() clusterField {
	f := kept(model.ConcentrateLoad, "put groups with load factors on as few nodes as possible instead of spreading them", func(c *ClusterSettings) *[]model.Property { return &c.Properties })
	f.spec.Type = model.TypeBool
	return withDefault(f, "false")
}

// sessions says whether people are known over the network by a session, without a certificate.
func sessions() clusterField {
	f := kept(model.Sessions, "let people ask over the network without a certificate, by a session that they have opened: off closes all there are", func(c *ClusterSettings) *[]model.Property { return &c.Properties })
	f.spec.Type, f.spec.Enum = model.TypeEnum, []string{"off", "on"}
	return withDefault(f, "off")
}

// sessionLimit counts for the sessions that there are, too.
func sessionLimit() clusterField {
	f := kept(model.SessionLimit, "how many minutes a session lasts at most, whatever was asked for", func(c *ClusterSettings) *[]model.Property { return &c.Properties })
	f = withDefault(f, strconv.Itoa(int(model.UsualSession/time.Minute)))
	f.spec.Type, f.spec.Min, f.spec.Max = model.TypeInt, bound(int64(model.LeastSession/time.Minute)), bound(int64(model.LongestSession/time.Minute))
	return f
}

// withDefault is a kept field whose default is not written down.
func withDefault(f clusterField, def string) clusterField {
	f.spec.Default, f.spec.Max = []string{def}, nil
	get, set := f.get, f.set
	f.get = func(c ClusterSettings) []string {
		if v := get(c); v[0] != "" {
			return v
		}
		return []string{def}
	}
	f.set = func(c *ClusterSettings, v []string) error {
		if v[0] == def {
			v = []string{""}
		}
		return set(c, v)
	}
	return f
}

// kept is a text that is kept under its name and that nothing acts on.
func kept[T any](name, about string, at func(*T) *[]model.Property) field[T] {
	return field[T]{
		spec: model.PropertySpec{Name: name, Type: model.TypeString, Description: about, Default: []string{""}, Max: bound(4096), Tunable: model.TunableAnytime},
		get: func(t T) []string {
			p, ok := find(*at(&t), func(p model.Property) bool { return p.Name == name })
			if !ok {
				return []string{""}
			}
			return p.Values
		},
		set: func(t *T, v []string) error {
			list := slices.DeleteFunc(slices.Clone(*at(t)), func(p model.Property) bool { return p.Name == name })
			if v[0] != "" {
				list = append(list, model.Property{Name: name, Values: v})
			}
			slices.SortFunc(list, func(a, b model.Property) int { return strings.Compare(a.Name, b.Name) })
			if len(list) == 0 {
				list = nil
			}
			*at(t) = list
			return nil
		},
	}
}

// ClusterValues gives the properties of the cluster with their values.
func ClusterValues(c ClusterSettings) []model.Property { return valuesOf(clusterFields(), c) }

// SetCluster makes the changed settings of the cluster.
func SetCluster(old ClusterSettings, settings []Setting) (ClusterSettings, Problems) {
	c, ps := setPlain("cluster", "the cluster", clusterFields(), old, settings)
	if err := c.Timing.Check(); err != nil && len(ps) == 0 && c.Timing != old.Timing {
		ps.add(fault.Invalid, "cluster", "%v", err)
	}
	return c, ps
}

// NodeValues gives the properties of a node with their values.
func NodeValues(n model.Node) []model.Property { return valuesOf(nodeFields(), n) }

// SetNode makes the changed record of a node.
func SetNode(old model.Node, settings []Setting) (model.Node, Problems) {
	return setPlain("node "+string(old.Name), "nodes", nodeFields(), old, settings)
}

func nodeFields() []field[model.Node] {
	properties := func(n *model.Node) *[]model.Property { return &n.Properties }
	return []field[model.Node]{
		textField("host", "how administrators reach the node", func(n *model.Node) *string { return &n.Host }),
		loadLimits(),
		kept("privatehostname", "the node's name in the private network", properties),
		kept("description", "what the node is", properties),
	}
}

func valuesOf[T any](fields []field[T], of T) []model.Property {
	var out []model.Property
	for _, f := range fields {
		out = append(out, model.Property{Name: f.spec.Name, Values: f.get(of)})
	}
	return out
}

// setPlain applies settings to a record all of whose properties are fields.
func setPlain[T any](at, whose string, fields []field[T], record T, settings []Setting) (T, Problems) {
	var ps Problems
	for _, s := range settings {
		f, ok := find(fields, func(f field[T]) bool { return strings.EqualFold(f.spec.Name, s.Name) })
		if !ok {
			var known []string
			for _, f := range fields {
				known = append(known, f.spec.Name)
			}
			ps.add(fault.Invalid, at+": property "+s.Name, "%s has no such property; %s", whose, DidYouMean(s.Name, known, "there are "+strings.Join(known, ", ")))
			continue
		}
		name := at + ": property " + f.spec.Name
		if len(s.Nodes) > 0 {
			ps.add(fault.Invalid, name, "has one value for all nodes; leave the braces out")
			continue
		}
		was := f.get(record)
		values, err := apply(f.spec, was, s)
		switch {
		case err != nil:
			ps.add(fault.Invalid, name, "%v", err)
		case slices.Equal(values, was):
		case f.set == nil:
			ps.add(fault.Precondition, name, "can not be set")
		default:
			if err := f.set(&record, values); err != nil {
				ps.add(fault.Invalid, name, "%v", err)
			}
		}
	}
	return record, ps
}
