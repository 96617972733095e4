package exectype

import (
	"slices"
	"strconv"
	"strings"

	"redoubt/internal/agent"
	"redoubt/internal/rgm/model"
)

// standard are the properties of resources that every type has, or that Solaris Cluster counts among them: they go with -r.
var standard = []string{
	"Affinity_timeout", "Application_user", "Cheap_probe_interval", "Failover_mode", "Load_balancing_policy", "Load_balancing_weights", "Network_resources_used",
	"Port_list", "R_description", "Resource_dependencies", "Resource_dependencies_offline_restart", "Resource_dependencies_restart", "Resource_dependencies_weak",
	"Retry_count", "Retry_interval", "Scalable", "Thorough_probe_interval", "UDP_affinity", "Weak_affinity",
}

// ofGroup are the properties of resource groups: they go with -g.
var ofGroup = []string{
	"Auto_start_on_new_cluster", "Desired_primaries", "Failback", "Implicit_network_dependencies", "Load_factors", "Maximum_primaries", "Nodelist", "Pathprefix",
	"Pingpong_interval", "Preemption_mode", "Priority", "RG_affinities", "RG_dependencies", "RG_description", "RG_system", "Suspend_automatic_recovery",
}

// arguments are those of Solaris Cluster: -R resource -T type -G group, for Validate also -c or -u and the properties, all of them on creation,
// those that change on an update. Values of secret properties are never among them: everybody can read the arguments of a process.
func arguments(call agent.Call) []string {
	args := []string{"-R", string(call.Resource.Name), "-T", string(call.Type.Name), "-G", string(call.Resource.Group)}
	if call.Method != model.MethodValidate {
		return args
	}
	if !call.Create {
		args = append(args, "-u")
		for _, p := range call.Changes {
			args = append(args, option(call.Type, p)...)
		}
		return args
	}
	args = append(args, "-c")
	for _, p := range standardProperties(call) {
		args = append(args, "-r", p.Name+"="+strings.Join(p.Values, ","))
	}
	for _, p := range call.Resource.Properties {
		args = append(args, option(call.Type, p)...)
	}
	for _, p := range groupProperties(call.Group) {
		args = append(args, "-g", p.Name+"="+strings.Join(p.Values, ","))
	}
	return args
}

// option is how a property is given: none for a secret one.
func option(t model.Type, p model.Property) []string {
	isSecret := slices.ContainsFunc(t.Properties, func(s model.PropertySpec) bool { return s.Secret && strings.EqualFold(s.Name, p.Name) })
	value := "=" + strings.Join(p.Values, ",")
	among := func(names []string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, p.Name) })
	}
	switch {
	case isSecret:
		return nil
	case among(ofGroup):
		return []string{"-g", p.Name + value}
	case among(standard) || isTimeout(p.Name):
		return []string{"-r", p.Name + value}
	case p.Node != "":
		return []string{"-X", p.Name + "{" + string(p.Node) + "}" + value}
	}
	return []string{"-x", p.Name + value}
}

// isTimeout reports whether a name is METHOD_timeout.
func isTimeout(name string) bool {
	return slices.ContainsFunc(model.Methods(), func(m model.Method) bool { return strings.EqualFold(name, string(m)+"_timeout") })
}

func property(name string, values ...string) model.Property {
	return model.Property{Name: name, Values: values}
}

// standardProperties are the fields of a resource as properties.
func standardProperties(call agent.Call) []model.Property {
	r := call.Resource
	out := []model.Property{
		property("R_description", r.Description),
		property("Failover_mode", string(r.FailoverMode)),
		property("Retry_count", strconv.Itoa(r.RetryCount)),
		property("Retry_interval", strconv.Itoa(r.RetryInterval)),
		property("Thorough_probe_interval", strconv.Itoa(r.ThoroughProbeInterval)),
		property("Cheap_probe_interval", strconv.Itoa(r.CheapProbeInterval)),
		property("Application_user", r.ApplicationUser),
	}
	for _, k := range []struct {
		name string
		kind model.DependencyKind
	}{
		{"Resource_dependencies", model.DependStrong}, {"Resource_dependencies_weak", model.DependWeak},
		{"Resource_dependencies_restart", model.DependRestart}, {"Resource_dependencies_offline_restart", model.DependOfflineRestart},
	} {
		p := property(k.name)
		for _, d := range r.Dependencies {
			if d.Kind != k.kind {
				continue
			}
			on := string(d.On)
			if d.Qualifier != "" {
				on += "{" + d.Qualifier + "}"
			}
			p.Values = append(p.Values, on)
		}
		out = append(out, p)
	}
	for _, m := range call.Type.Methods {
		seconds := m.Timeout
		if seconds <= 0 {
			seconds = model.DefaultMethodTimeout
		}
		for _, t := range r.Timeouts {
			if t.Method == m.Method && t.Seconds > 0 {
				seconds = t.Seconds
			}
		}
		out = append(out, property(string(m.Method)+"_timeout", strconv.Itoa(seconds)))
	}
	return out
}

// groupProperties are the fields of a group as properties.
func groupProperties(g model.Group) []model.Property {
	truth := func(b bool) string { return strings.ToUpper(strconv.FormatBool(b)) }
	nodes := property("Nodelist")
	for _, n := range g.Nodelist {
		nodes.Values = append(nodes.Values, string(n))
	}
	return []model.Property{
		property("RG_description", g.Description), nodes,
		property("Maximum_primaries", strconv.Itoa(g.MaximumPrimaries)),
		property("Desired_primaries", strconv.Itoa(g.DesiredPrimaries)),
		property("Failback", truth(g.Failback)),
		property("Pingpong_interval", strconv.Itoa(g.PingpongInterval)),
		property("Auto_start_on_new_cluster", truth(g.AutoStartOnNewCluster)),
		property("Implicit_network_dependencies", truth(g.ImplicitNetworkDependencies)),
		property("Pathprefix", g.Pathprefix),
		property("RG_system", truth(g.System)),
		property("Suspend_automatic_recovery", truth(g.Suspended)),
	}
}
