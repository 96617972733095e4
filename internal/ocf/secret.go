package ocf

import (
	"slices"
	"strings"

	"redoubt/internal/agent"
	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/model"
)

// Secrets gives the values of private strings to the resources that they are bound to.
type Secrets interface {
	SecretValue(resource cluster.ResourceName, name string) (string, error)
}

// revealed is a call in which the references secret:NAME are replaced by the values, for the environment of the agent's process, which only root can read;
// and the values, which have to be masked in whatever the agent writes.
func (d *Driver) revealed(call agent.Call) (agent.Call, []string, error) {
	var values []string
	var failed error
	reveal := func(list []model.Property) []model.Property {
		out := slices.Clone(list)
		for i, p := range out {
			for j, v := range p.Values {
				name, is := strings.CutPrefix(v, model.SecretPrefix)
				if !is {
					continue
				}
				value, err := d.secret(call.Resource.Name, name)
				if err != nil {
					failed = fault.Errorf(fault.CodeOf(err), "property %s of resource %s: %w", p.Name, call.Resource.Name, err)
					value = ""
				} else {
					values = append(values, value)
				}
				out[i].Values = slices.Clone(out[i].Values)
				out[i].Values[j] = value
			}
		}
		return out
	}
	call.Changes, call.Resource.Properties = reveal(call.Changes), reveal(call.Resource.Properties)
	return call, values, failed
}

func (d *Driver) secret(resource cluster.ResourceName, name string) (string, error) {
	if d.cfg.Secrets == nil {
		return "", fault.Errorf(fault.Unavailable, "private string %s can not be read here", name)
	}
	return d.cfg.Secrets.SecretValue(resource, name)
}

// shortest is how long a value has to be to be looked for in an output: shorter ones stand in any text.
const shortest = 3

// masked is a result without the values.
func masked(r agent.Result, values []string) agent.Result {
	for _, v := range values {
		if len(v) >= shortest {
			r.Output, r.Message = strings.ReplaceAll(r.Output, v, "********"), strings.ReplaceAll(r.Message, v, "********")
		}
	}
	return r
}
