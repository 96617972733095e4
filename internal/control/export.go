package control

import (
	"context"
	"slices"
	"strings"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/model"
)

// ClusterExport gives the configuration as a document that apply reads.
func (c *Control) ClusterExport(ctx context.Context, who Caller, in v1.ClusterExport) (v1.Document, error) {
	_, v, err := c.reading(ctx, who, "cluster export")
	if err != nil {
		return v1.Document{}, err
	}
	return v.document(), nil
}

// document is what a reading looks like as a document. Secrets are left out.
func (v view) document() v1.Document {
	out := v1.Document{Level: v1.Level, Cluster: v.state.Cluster.Name, Properties: map[string][]string{}}
	if v.member.Record != nil {
		keep(out.Properties, check.ClusterValues(v.settings()))
	}
	for _, n := range v.state.Nodes {
		d := v1.NodeDocument{Name: string(n.Name), Properties: map[string][]string{}, Fence: fenceOf(n.Fence)}
		keep(d.Properties, check.NodeValues(n.Node))
		if len(d.Properties) > 0 || d.Fence != nil {
			out.Nodes = append(out.Nodes, d)
		}
	}
	for _, t := range v.state.Types {
		d := v1.TypeDocument{Name: string(t.Name), Version: t.Version, InstalledNodes: t.InstalledNodes}
		if t.Driver == "exec" {
			d.File = t.BaseDir
		}
		out.Types = append(out.Types, d)
	}
	for _, g := range v.state.Groups {
		d := v1.GroupDocument{Name: string(g.Name), Managed: g.Managed, Properties: map[string][]string{}}
		settable := check.GroupProperties()
		keep(d.Properties, slices.DeleteFunc(check.GroupValues(g), func(p model.Property) bool { return tunability(settable, p.Name) == model.TunableNever }))
		out.Groups = append(out.Groups, d)
	}
	for _, r := range v.state.Resources {
		if t, ok := check.Type(v.state, r.Type); ok && !r.Deleting {
			out.Resources = append(out.Resources, resourceDocument(t, r))
		}
	}
	return out
}

// keep puts properties that say something into a document.
func keep(into map[string][]string, list []model.Property) {
	for _, p := range list {
		if len(p.Values) == 1 && p.Values[0] == "" {
			continue
		}
		into[propertyKey(p)] = p.Values
	}
}

func propertyKey(p model.Property) string {
	if p.Node != "" {
		return p.Name + "{" + string(p.Node) + "}"
	}
	return p.Name
}

func tunability(specs []model.PropertySpec, name string) model.Tunability {
	for _, s := range specs {
		if strings.EqualFold(s.Name, name) {
			return s.Tunable
		}
	}
	return model.TunableAnytime
}

func resourceDocument(t model.Type, r model.Resource) v1.ResourceDocument {
	out := v1.ResourceDocument{
		Name: string(r.Name), Group: string(r.Group), Type: string(r.Type), Enabled: r.Enabled, DisabledOn: words(r.DisabledOn),
		Monitored: r.Monitored, UnmonitoredOn: words(r.UnmonitoredOn), Properties: map[string][]string{},
	}
	var specs []model.PropertySpec
	for _, l := range check.ResourceProperties(t) {
		specs = append(specs, l.Spec)
	}
	for _, p := range check.StandardValues(t, r) {
		spec := specs[slices.IndexFunc(specs, func(s model.PropertySpec) bool { return s.Name == p.Name })]
		usual := slices.Equal(p.Values, spec.Default) && (strings.HasSuffix(p.Name, "_timeout") || len(p.Values) == 0 || p.Values[0] == "")
		if spec.Tunable != model.TunableNever && !usual {
			out.Properties[p.Name] = p.Values
		}
	}
	for _, p := range r.Properties {
		clear := secret(t, p.Name) && len(p.Values) > 0 && !strings.HasPrefix(p.Values[0], model.SecretPrefix)
		if !clear && tunability(specs, p.Name) != model.TunableNever {
			out.Properties[propertyKey(p)] = p.Values
		}
	}
	return out
}

// nodesIn reads a set of nodes out of a document.
func nodesIn(list []string) []cluster.NodeName {
	if len(list) == 0 {
		return nil
	}
	return slices.Sorted(slices.Values(nodesOf(list)))
}
