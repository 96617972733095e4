package check

import (
	"redoubt/internal/rgm/model"
)

// moment is what decides whether a property may be changed now.
type moment struct {
	creating  bool
	disabled  bool // nowhere enabled, and nowhere running
	offline   bool // the group is offline everywhere
	unmanaged bool
}

// momentOf is the moment of an existing resource.
func momentOf(s model.State, r model.Resource) moment {
	m := moment{disabled: !r.Enabled, offline: true}
	if g, ok := Group(s, r.Group); ok {
		m.unmanaged = !g.Managed
	}
	for _, i := range Instances(s, r.Group) {
		if i.MayRun() {
			m.offline = false
		}
		for _, ri := range i.Resources {
			if ri.Name == r.Name && ri.Remains() {
				m.disabled = false
			}
		}
	}
	return m
}

// refuses says what has to be done before a property of this tunability may be changed; "" when it may be changed now.
func (m moment) refuses(t model.Tunability, r model.Resource) string {
	switch {
	case t == model.TunableNever:
		return "can not be set"
	case m.creating:
		return ""
	}
	switch t {
	case model.TunableAnytime:
		return ""
	case model.TunableAtCreation:
		return "can be set only when the resource is created; delete the resource and create it anew"
	case model.TunableWhenDisabled:
		if m.disabled || m.unmanaged && m.offline {
			return ""
		}
		return "can be changed only while the resource is disabled, and it is enabled or still running; run `redoubt resource disable " + string(r.Name) + "` first"
	case model.TunableWhenOffline:
		if m.offline {
			return ""
		}
		return "can be changed only while the group is offline, and it is not; run `redoubt group offline " + string(r.Group) + "` first"
	case model.TunableWhenUnmanaged:
		if m.unmanaged && m.offline {
			return ""
		}
		return "can be changed only while the group is unmanaged, and it is managed; run `redoubt group offline " + string(r.Group) + "` and `redoubt group unmanage " + string(r.Group) + "` first"
	}
	return "has the unknown tunability " + string(t) + " in its resource type; correct the type and register it anew"
}
