package control

import (
	"context"
	"slices"
	"strings"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/rbac"
	"redoubt/internal/rgm/balance"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/model"
)

// asked is the operation that a request is for, with its input: what it touches is read from that.
type asked struct {
	name string
	in   any
}

type askedKey struct{}

// Asking notes in a context which operation ("group create") is asked for with which input of api/v1, so that rights for a part of the cluster can be looked at. Without
// it, or for another operation within it, only rights for the whole cluster count.
func Asking(ctx context.Context, name string, in any) context.Context {
	return context.WithValue(ctx, askedKey{}, asked{name, in})
}

// input gives the input of the request if it is for the operation.
func input(ctx context.Context, name string) any {
	if a, ok := ctx.Value(askedKey{}).(asked); ok && a.name == name {
		return a.in
	}
	return nil
}

// partial are the reads that answer somebody who may see a part with that part.
var partial = []string{
	"cluster status", "group list", "group show", "group status", "group why", "group list-props", "resource list", "resource show", "resource status", "resource list-props", "secret list", "secret show",
}

// touched says what a request touches: nothing in particular is the whole cluster. some says that the request names nothing and its answer can be cut to what the
// caller may see.
func (c *Control) touched(ctx context.Context, r *Running, op v1.Operation) (objects []rbac.Object, some bool) {
	name := op.Noun + " " + op.Verb
	in := input(ctx, name)
	if slices.Contains(partial, name) && (in == nil || namesNothing(in)) {
		return nil, true
	}
	find, ok := touches[name]
	if !ok || in == nil {
		return nil, false
	}
	return find(c.look(r), in), false
}

// namesNothing reports whether a read is for all that there is.
func namesNothing(in any) bool {
	switch in := in.(type) {
	case v1.ClusterStatus:
		return true
	case v1.GroupList:
		return len(in.Names) == 0
	case v1.GroupShow:
		return len(in.Names) == 0
	case v1.GroupStatus:
		return len(in.Names) == 0
	case v1.GroupWhy:
		return len(in.Names) == 0
	case v1.GroupListProps:
		return len(in.Names) == 0
	case v1.ResourceList:
		return len(in.Names) == 0 && in.Group == ""
	case v1.ResourceShow:
		return len(in.Names) == 0 && in.Group == ""
	case v1.ResourceStatus:
		return len(in.Names) == 0 && in.Group == ""
	case v1.ResourceListProps:
		return len(in.Names) == 0 && in.Group == ""
	case v1.SecretList:
		return len(in.Names) == 0
	case v1.SecretShow:
		return len(in.Names) == 0
	}
	return false
}

// touches are the operations that need not touch the whole cluster. One that is not here, or whose input names nothing, does.
var touches = map[string]func(view, any) []rbac.Object{
	"group list":       of(func(v view, in v1.GroupList) []rbac.Object { return v.groupObjects(in.Names, in.All) }),
	"group show":       of(func(v view, in v1.GroupShow) []rbac.Object { return v.groupObjects(in.Names, in.All) }),
	"group status":     of(func(v view, in v1.GroupStatus) []rbac.Object { return v.groupObjects(in.Names, in.All) }),
	"group why":        of(func(v view, in v1.GroupWhy) []rbac.Object { return v.groupObjects(in.Names, in.All) }),
	"group list-props": of(func(v view, in v1.GroupListProps) []rbac.Object { return v.groupObjects(in.Names, in.All) }),
	"group create": of(func(v view, in v1.GroupCreate) []rbac.Object {
		return v.groupReach(v.groupObjects(in.Names, in.All), in.Property)
	}),
	"group online":   of(func(v view, in v1.GroupOnline) []rbac.Object { return v.groupObjects(in.Names, in.All) }),
	"group offline":  of(func(v view, in v1.GroupOffline) []rbac.Object { return v.groupObjects(in.Names, in.All) }),
	"group switch":   of(func(v view, in v1.GroupSwitch) []rbac.Object { return v.groupObjects(in.Names, in.All) }),
	"group restart":  of(func(v view, in v1.GroupRestart) []rbac.Object { return v.groupObjects(in.Names, in.All) }),
	"group remaster": of(func(v view, in v1.GroupRemaster) []rbac.Object { return v.groupObjects(in.Names, in.All) }),
	"group suspend":  of(func(v view, in v1.GroupSuspend) []rbac.Object { return v.groupObjects(in.Names, in.All) }),
	"group resume":   of(func(v view, in v1.GroupResume) []rbac.Object { return v.groupObjects(in.Names, in.All) }),
	"group quiesce":  of(func(v view, in v1.GroupQuiesce) []rbac.Object { return v.groupObjects(in.Names, in.All) }),
	"group manage":   of(func(v view, in v1.GroupManage) []rbac.Object { return v.groupObjects(in.Names, in.All) }),
	"group unmanage": of(func(v view, in v1.GroupUnmanage) []rbac.Object { return v.groupObjects(in.Names, in.All) }),
	"group set": of(func(v view, in v1.GroupSet) []rbac.Object {
		return v.groupReach(v.groupObjects(in.Names, in.All), in.Property)
	}),
	"group add-node":    of(func(v view, in v1.GroupAddNode) []rbac.Object { return v.groupObjects(in.Names, in.All) }),
	"group remove-node": of(func(v view, in v1.GroupRemoveNode) []rbac.Object { return v.groupObjects(in.Names, in.All) }),
	"group delete":      of(deletedGroups),
	"group evacuate": of(func(v view, in v1.GroupEvacuate) []rbac.Object {
		if in.All {
			return nil // it is node evacuate then
		}
		return v.groupObjects(in.Names, false)
	}),

	"resource list": of(func(v view, in v1.ResourceList) []rbac.Object {
		return v.resourceObjects(in.Names, in.All, in.Group, in.Type)
	}),
	"resource show": of(func(v view, in v1.ResourceShow) []rbac.Object {
		return v.resourceObjects(in.Names, in.All, in.Group, in.Type)
	}),
	"resource status": of(func(v view, in v1.ResourceStatus) []rbac.Object {
		return v.resourceObjects(in.Names, in.All, in.Group, in.Type)
	}),
	"resource list-props": of(func(v view, in v1.ResourceListProps) []rbac.Object {
		return v.resourceObjects(in.Names, in.All, in.Group, in.Type)
	}),
	"resource create": of(view.creates),
	"resource create-sharedaddress": of(func(v view, in v1.ResourceCreateSharedaddress) []rbac.Object {
		return v.createsAddress(v1.ResourceCreateLogicalhostname(in), balance.SharedAddress)
	}),
	"resource create-logicalhostname": of(func(v view, in v1.ResourceCreateLogicalhostname) []rbac.Object {
		return v.createsAddress(in, logicalHostname)
	}),
	"resource delete": of(func(v view, in v1.ResourceDelete) []rbac.Object {
		out := v.resourceObjects(in.Names, in.All, in.Group, in.Type)
		if in.Force {
			out = v.with(out, dependents)
		}
		return out
	}),
	"resource enable": of(func(v view, in v1.ResourceEnable) []rbac.Object {
		out := v.resourceObjects(in.Names, in.All, in.Group, in.Type)
		if in.Recursive {
			out = v.with(out, check.Needs)
		}
		return out
	}),
	"resource disable": of(func(v view, in v1.ResourceDisable) []rbac.Object {
		out := v.resourceObjects(in.Names, in.All, in.Group, in.Type)
		if in.Recursive {
			out = v.with(out, dependents)
		}
		return out
	}),
	"resource monitor": of(func(v view, in v1.ResourceMonitor) []rbac.Object {
		return v.resourceObjects(in.Names, in.All, in.Group, in.Type)
	}),
	"resource unmonitor": of(func(v view, in v1.ResourceUnmonitor) []rbac.Object {
		return v.resourceObjects(in.Names, in.All, in.Group, in.Type)
	}),
	"resource clear": of(func(v view, in v1.ResourceClear) []rbac.Object {
		return v.resourceObjects(in.Names, in.All, in.Group, in.Type)
	}),
	"resource set": of(view.sets),

	"secret list": of(func(v view, in v1.SecretList) []rbac.Object { return v.secretObjects(in.Names, in.All) }),
	"secret show": of(func(v view, in v1.SecretShow) []rbac.Object { return v.secretObjects(in.Names, in.All) }),
	"secret create": of(func(v view, in v1.SecretCreate) []rbac.Object {
		return v.resourceObjects([]string{in.Object}, false, "", "")
	}),
	"secret set":    of(func(v view, in v1.SecretSet) []rbac.Object { return v.secretObjects(in.Names, in.All) }),
	"secret delete": of(func(v view, in v1.SecretDelete) []rbac.Object { return v.secretObjects(in.Names, in.All) }),

	"scha_resource_get call": of(func(v view, in v1.SchaResourceGetCall) []rbac.Object {
		return v.resourceObjects([]string{in.Resource}, false, "", "")
	}),
	"scha_resource_setstatus call": of(func(v view, in v1.SchaResourceSetstatusCall) []rbac.Object {
		return v.resourceObjects([]string{in.Resource}, false, "", "")
	}),
	"scha_resourcegroup_get call": of(func(v view, in v1.SchaResourcegroupGetCall) []rbac.Object { return oneGroup(in.Group) }),
	"scha_control call": of(func(v view, in v1.SchaControlCall) []rbac.Object {
		if in.Resource == "" {
			return oneGroup(in.Group)
		}
		out := v.resourceObjects([]string{in.Resource}, false, "", "")
		if in.Group != "" && len(out) > 0 {
			out = append(out, oneGroup(in.Group)...)
		}
		return out
	}),
}

// of makes a finder of one that knows its input; another input touches the whole cluster.
func of[In any](find func(view, In) []rbac.Object) func(view, any) []rbac.Object {
	return func(v view, in any) []rbac.Object {
		if in, ok := in.(In); ok {
			return find(v, in)
		}
		return nil
	}
}

func oneGroup(name string) []rbac.Object {
	if name == "" {
		return nil
	}
	return []rbac.Object{{Group: name}}
}

// createdObjects are what the resources touch that shall be created in a group. A private string that is bound to such a name would be read by their methods, whoever wrote them: whoever
// sets that up needs the whole cluster.
func (v view) createdObjects(names []string, group string) []rbac.Object {
	out := oneGroup(group)
	for _, s := range v.snap.Secrets {
		if len(out) > 0 && s.ObjectType == model.ObjectResource && slices.Contains(names, s.Object) {
			out = append(out, rbac.Object{What: "a resource of the name " + s.Object + ", for which there are private strings already"})
		}
	}
	return out
}

// groupObjects are the groups named, there or not, or all there are.
func (v view) groupObjects(names []string, all bool) []rbac.Object {
	if all && len(names) > 0 {
		return nil // refused anyhow
	}
	if all {
		names = groupNames(v.state)
	}
	var out []rbac.Object
	for _, n := range names {
		if n == "" {
			return nil
		}
		out = append(out, rbac.Object{Group: n})
	}
	return out
}

// resourceObjects are the resources that an operation is about. One that is not there belongs to no group, so that asking for it needs the whole cluster, and tells nothing.
func (v view) resourceObjects(names []string, all bool, group, typ string) []rbac.Object {
	if len(names) == 0 {
		if group != "" {
			return oneGroup(group)
		}
		if !all && typ == "" {
			return nil
		}
	}
	list, err := v.selectResources(names, all, "", "")
	if len(names) == 0 {
		list, err = v.selectResources(nil, true, "", typ)
	}
	if err != nil {
		return nil
	}
	var out []rbac.Object
	for _, r := range list {
		out = append(out, resourceObject(r))
	}
	return out
}

func resourceObject(r model.Resource) rbac.Object {
	return rbac.Object{Group: string(r.Group), What: "resource " + string(r.Name)}
}

func dependents(s model.State, n cluster.ResourceName) []cluster.ResourceName {
	return check.Dependents(s, n, true)
}

// with adds to resources all that are reached from them.
func (v view) with(objects []rbac.Object, step func(model.State, cluster.ResourceName) []cluster.ResourceName) []rbac.Object {
	var names []cluster.ResourceName
	for _, o := range objects {
		if name, ok := strings.CutPrefix(o.What, "resource "); ok {
			names = append(names, cluster.ResourceName(name))
			continue
		}
		for _, r := range check.ResourcesOf(v.state, cluster.GroupName(o.Group)) {
			names = append(names, r.Name)
		}
	}
	for _, n := range check.Closure(names, func(n cluster.ResourceName) []cluster.ResourceName { return step(v.state, n) }) {
		r, ok := check.Resource(v.state, n)
		if !ok {
			return nil
		}
		objects = append(objects, resourceObject(r))
	}
	return objects
}

// deletedGroups are the groups, and with force those whose resources lose a dependency.
func deletedGroups(v view, in v1.GroupDelete) []rbac.Object {
	out := v.groupObjects(in.Names, in.All)
	if in.Force {
		out = v.with(out, dependents)
	}
	return out
}

// secretObjects are the resources that private strings are bound to.
func (v view) secretObjects(names []string, all bool) []rbac.Object {
	if all {
		names = secretNames(v.snap.Secrets)
	}
	var out []rbac.Object
	for _, n := range names {
		s, err := v.secret(n)
		if err != nil || s.ObjectType != model.ObjectResource {
			return nil
		}
		o := v.resourceObjects([]string{s.Object}, false, "", "")
		if len(o) == 0 {
			return nil
		}
		out = append(out, o...)
	}
	return out
}
