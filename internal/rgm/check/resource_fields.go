package check

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"redoubt/internal/cluster"
	"redoubt/internal/rgm/execsec"
	"redoubt/internal/rgm/model"
)

type resourceField = field[model.Resource]

// resourceFields are the standard properties of the resources of a type, with the type's own defaults and bounds.
func resourceFields(t model.Type) []resourceField {
	fs := []resourceField{
		textField("R_description", "what the resource is for", func(r *model.Resource) *string { return &r.Description }),
		readOnly("Type", "the resource type", func(r model.Resource) []string { return []string{string(r.Type)} }),
		failoverMode(),
		intField("Retry_count", "restarts in place within Retry_interval before the group moves; -1: no limit", 2, bound(-1), bound(1000), func(r *model.Resource) *int { return &r.RetryCount }),
		intField("Retry_interval", "seconds in which restarts are counted", 370, bound(0), bound(maxSeconds), func(r *model.Resource) *int { return &r.RetryInterval }),
		intField("Thorough_probe_interval", "seconds between two thorough probes", 60, bound(1), bound(maxSeconds), func(r *model.Resource) *int { return &r.ThoroughProbeInterval }),
		intField("Cheap_probe_interval", "seconds between two cheap probes; 0: none", 0, bound(0), bound(maxSeconds), func(r *model.Resource) *int { return &r.CheapProbeInterval }),
	}
	fs = append(fs, applicationUser())
	for _, k := range dependencyKinds() {
		fs = append(fs, dependencies(k))
	}
	for _, m := range model.Methods() {
		if spec, ok := t.Method(m); ok {
			fs = append(fs, methodTimeout(m, spec))
		}
	}
	for i := range fs {
		restrict(&fs[i].spec, t)
	}
	// A type may have a property of its own of the name of one that can only be read: agents that were written elsewhere do.
	return slices.DeleteFunc(fs, func(f resourceField) bool {
		return f.set == nil && slices.ContainsFunc(t.Properties, func(p model.PropertySpec) bool { return strings.EqualFold(p.Name, f.spec.Name) })
	})
}

// restrict puts a type's own declaration of a standard property in the place of the general one.
func restrict(spec *model.PropertySpec, t model.Type) {
	for _, own := range t.Properties {
		if !strings.EqualFold(own.Name, spec.Name) {
			continue
		}
		if own.Default != nil {
			spec.Default = own.Default
		}
		spec.Min, spec.Max = cmp.Or(own.Min, spec.Min), cmp.Or(own.Max, spec.Max)
		if own.Enum != nil {
			spec.Enum = own.Enum
		}
		spec.Description, spec.Tunable = cmp.Or(own.Description, spec.Description), cmp.Or(own.Tunable, spec.Tunable)
	}
}

func readOnly[T any](name, about string, get func(T) []string) field[T] {
	return field[T]{spec: model.PropertySpec{Name: name, Type: model.TypeString, Description: about, Tunable: model.TunableNever}, get: get}
}

func applicationUser() resourceField {
	f := textField("Application_user", "as whom programs of the application run; empty: as the owner of each", func(r *model.Resource) *string { return &r.ApplicationUser })
	set := f.set
	f.set = func(r *model.Resource, v []string) error {
		if v[0] != "" {
			if err := execsec.CheckUserName(v[0]); err != nil {
				return err
			}
		}
		return set(r, v)
	}
	return f
}

func failoverMode() resourceField {
	return resourceField{
		spec: model.PropertySpec{
			Name: "Failover_mode", Type: model.TypeEnum, Description: "what a failed start or stop does", Default: []string{string(model.FailoverNone)}, Tunable: model.TunableAnytime,
			Enum: []string{string(model.FailoverNone), string(model.FailoverSoft), string(model.FailoverHard), string(model.FailoverRestartOnly), string(model.FailoverLogOnly)},
		},
		get: func(r model.Resource) []string { return []string{string(r.FailoverMode)} },
		set: func(r *model.Resource, v []string) error { r.FailoverMode = model.FailoverMode(v[0]); return nil },
	}
}

func dependencies(k model.DependencyKind) resourceField {
	return resourceField{
		spec: model.PropertySpec{
			Name: dependencyProperty(k), Type: model.TypeStringArray, Description: "resources that this one needs (" + string(k) + "), each perhaps with {LOCAL_NODE}, {ANY_NODE}, {FROM_RG_AFFINITIES} (the default) or {@node}",
			Default: []string{}, Tunable: model.TunableAnytime,
		},
		get: func(r model.Resource) []string {
			out := []string{}
			for _, d := range r.Dependencies {
				if d.Kind == k {
					out = append(out, dependencyText(d))
				}
			}
			return out
		},
		set: func(r *model.Resource, v []string) error {
			kept := slices.DeleteFunc(slices.Clone(r.Dependencies), func(d model.Dependency) bool { return d.Kind == k })
			for _, text := range v {
				d, err := parseDependency(k, text)
				if err != nil {
					return err
				}
				kept = append(kept, d)
			}
			slices.SortStableFunc(kept, func(a, b model.Dependency) int {
				return cmp.Or(cmp.Compare(a.On, b.On), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Qualifier, b.Qualifier))
			})
			kept = slices.Compact(kept)
			if len(kept) == 0 {
				kept = nil
			}
			r.Dependencies = kept
			return nil
		},
	}
}

// methodTimeout is the property of one method's timeout; the record keeps only those that differ from the type's.
func methodTimeout(m model.Method, spec model.MethodSpec) resourceField {
	def := cmp.Or(spec.Timeout, model.DefaultMethodTimeout)
	find := func(r model.Resource) int {
		return slices.IndexFunc(r.Timeouts, func(t model.MethodTimeout) bool { return t.Method == m })
	}
	f := resourceField{spec: model.PropertySpec{
		Name: timeoutProperty(m), Type: model.TypeInt, Description: "seconds that " + string(m) + " may take",
		Default: number(def), Min: bound(1), Max: bound(maxSeconds), Tunable: model.TunableAnytime,
	}}
	f.get = func(r model.Resource) []string {
		if i := find(r); i >= 0 {
			return number(r.Timeouts[i].Seconds)
		}
		return number(def)
	}
	f.set = func(r *model.Resource, v []string) error {
		seconds, err := strconv.Atoi(v[0])
		if err != nil {
			return err
		}
		ts := slices.Clone(r.Timeouts)
		if i := find(*r); i >= 0 {
			ts = slices.Delete(ts, i, i+1)
		}
		if seconds != def {
			ts = append(ts, model.MethodTimeout{Method: m, Seconds: seconds})
		}
		slices.SortFunc(ts, func(a, b model.MethodTimeout) int { return cmp.Compare(a.Method, b.Method) })
		if len(ts) == 0 {
			ts = nil
		}
		r.Timeouts = ts
		return nil
	}
	return f
}

// ListedProperty is a property's declaration, and whether it is one that all resources have.
type ListedProperty struct {
	Spec     model.PropertySpec
	Standard bool
}

// ResourceProperties lists every property that resources of the type have: the standard ones, then those of the type.
func ResourceProperties(t model.Type) []ListedProperty {
	var out []ListedProperty
	for _, f := range resourceFields(t) {
		out = append(out, ListedProperty{Spec: f.spec, Standard: true})
	}
	for _, p := range Extensions(t) {
		out = append(out, ListedProperty{Spec: p})
	}
	return out
}

// Extensions are the properties that the type declares and that are not standard ones, and those of scalable services.
func Extensions(t model.Type) []model.PropertySpec {
	standard := map[string]bool{}
	for _, f := range resourceFields(t) {
		standard[strings.ToLower(f.spec.Name)] = true
	}
	var out []model.PropertySpec
	for _, p := range t.Properties {
		if !standard[strings.ToLower(p.Name)] {
			out = append(out, p)
		}
	}
	return withScalable(t, out)
}

// StandardValues gives the standard properties of a resource with their values.
func StandardValues(t model.Type, r model.Resource) []model.Property {
	return valuesOf(resourceFields(t), r)
}

// Value gives a property of a resource, standard or not, for a node: the per-node value if there is one. ok is false when the resource has no such property.
func Value(t model.Type, r model.Resource, name string, node cluster.NodeName) (values []string, ok bool) {
	for _, f := range resourceFields(t) {
		if strings.EqualFold(f.spec.Name, name) {
			return f.get(r), true
		}
	}
	for _, p := range r.Properties {
		if strings.EqualFold(p.Name, name) && (p.Node == "" && !ok || p.Node != "" && p.Node == node) {
			values, ok = p.Values, true
		}
	}
	for _, p := range t.Properties {
		if !ok && strings.EqualFold(p.Name, name) {
			return p.Default, true
		}
	}
	return values, ok
}
