package control

import (
	"maps"
	"slices"
	"strings"

	v1 "redoubt/api/v1"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/model"
)

// sealed stands where a secret is.
const sealed = "[sealed]"

func propertyOf(p model.Property) v1.Property {
	values := p.Values
	if values == nil {
		values = []string{}
	}
	return v1.Property{Name: p.Name, Values: values, Node: string(p.Node)}
}

func propertiesOf(list []model.Property) []v1.Property {
	out := make([]v1.Property, len(list))
	for i, p := range list {
		out[i] = propertyOf(p)
	}
	return out
}

func specOf(p model.PropertySpec, standard bool) v1.PropertySpec {
	kind := "extension"
	if standard {
		kind = "standard"
	}
	return v1.PropertySpec{
		Name: p.Name, Kind: kind, Type: string(p.Type), Default: p.Default, Required: p.Required, Min: p.Min, Max: p.Max, Enum: p.Enum,
		Tunable: string(p.Tunable), PerNode: p.PerNode, Description: p.Description,
	}
}

func interconnects(c model.Cluster) []v1.Interconnect {
	out := []v1.Interconnect{}
	for _, i := range c.Interconnects {
		out = append(out, v1.Interconnect{Index: i.Index, Network: i.Network, Disabled: i.Disabled})
	}
	return out
}

func nodeOf(n model.Node) v1.Node {
	out := v1.Node{
		Name: string(n.Name), ID: n.ID, QuorumServer: n.QuorumServer, Addresses: slices.Clone(n.Addresses), PrivateAddress: n.PrivateAddress, PublicAddress: n.PublicAddress, Host: n.Host,
		HeartbeatKey: n.HeartbeatKey, Certificate: n.Certificate, Fence: fenceOf(n.Fence), Properties: propertiesOf(n.Properties), Keys: maps.Clone(n.Keys),
	}
	if out.Addresses == nil {
		out.Addresses = []string{}
	}
	if !n.EvacuatedUntil.IsZero() {
		at := n.EvacuatedUntil
		out.EvacuatedUntil = &at
	}
	return out
}

func fenceOf(f *model.Fence) *v1.Fence {
	if f == nil {
		return nil
	}
	return &v1.Fence{Agent: f.Agent, Options: propertiesOf(f.Options), Timeout: f.Timeout}
}

func typeOf(t model.Type) v1.Type {
	out := v1.Type{
		Name: string(t.Name), Version: t.Version, Vendor: t.Vendor, Description: t.Description, Driver: t.Driver, BaseDir: t.BaseDir,
		NetworkAddress: t.NetworkAddress, Failover: t.Failover, SingleInstance: t.SingleInstance, Proxy: t.Proxy, InitNodes: t.InitNodes,
		InstalledNodes: t.InstalledNodes, APIVersion: t.APIVersion, Methods: []v1.TypeMethod{},
	}
	if out.InitNodes == "" {
		out.InitNodes = "RG_PRIMARIES"
	}
	for _, m := range t.Methods {
		out.Methods = append(out.Methods, v1.TypeMethod{Method: string(m.Method), Program: m.Program, Timeout: m.Timeout})
	}
	for _, p := range check.Extensions(t) {
		out.Properties = append(out.Properties, specOf(p, false))
	}
	return out
}

func groupOf(s model.State, g model.Group) v1.Group {
	out := v1.Group{
		Name: string(g.Name), Managed: g.Managed, Suspended: g.Suspended, Nodelist: words(g.Nodelist), Resources: []string{},
		Properties: propertiesOf(check.GroupValues(g)),
	}
	for _, r := range check.ResourcesOf(s, g.Name) {
		out.Resources = append(out.Resources, string(r.Name))
	}
	return out
}

func resourceOf(t model.Type, r model.Resource) v1.Resource {
	return v1.Resource{
		Name: string(r.Name), Group: string(r.Group), Type: string(r.Type), Enabled: r.Enabled, DisabledOn: words(r.DisabledOn), Monitored: r.Monitored,
		UnmonitoredOn: words(r.UnmonitoredOn), Standard: propertiesOf(check.StandardValues(t, r)), Extension: propertiesOf(withoutSecrets(t, r.Properties)),
	}
}

// withoutSecrets seals the values of secret properties.
func withoutSecrets(t model.Type, list []model.Property) []model.Property {
	out := slices.Clone(list)
	for i, p := range out {
		if secret(t, p.Name) && len(p.Values) > 0 && !strings.HasPrefix(p.Values[0], model.SecretPrefix) {
			out[i].Values = []string{sealed}
		}
	}
	return out
}

func secret(t model.Type, name string) bool {
	return slices.ContainsFunc(t.Properties, func(p model.PropertySpec) bool { return p.Secret && strings.EqualFold(p.Name, name) })
}
