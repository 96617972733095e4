package ocf

import (
	"cmp"
	"context"
	"strconv"
	"strings"
	"time"

	"redoubt/internal/agent"
	"redoubt/internal/rgm/model"
)

// The properties of types whose agent can be promoted.
const (
	propPromote = "Promote"
	propNotify  = "Promote_notify"
)

// notifyTime is how long an agent may take over being told of a step, whatever the timeout of the method. What it answers does not count.
const notifyTime = time.Minute

// promotes reports whether the resource is promoted after its start and demoted before its stop.
func promotes(call agent.Call) bool { return strings.EqualFold(own(call, propPromote), "true") }

// promotedMeta is what Pacemaker tells an agent of a clone that can be promoted, for one that has a single instance.
func promotedMeta(call agent.Call) []string {
	out := []string{"OCF_RESKEY_CRM_meta_clone=0", "OCF_RESKEY_CRM_meta_globally_unique=false", "OCF_RESKEY_CRM_meta_promotable=true", "OCF_RESKEY_CRM_meta_notify=" + strconv.FormatBool(notifies(call))}
	for _, name := range []string{"clone_max", "clone_node_max", "master_max", "master_node_max", "promoted_max", "promoted_node_max"} {
		out = append(out, "OCF_RESKEY_CRM_meta_"+name+"=1")
	}
	return out
}

func notifies(call agent.Call) bool { return strings.EqualFold(own(call, propNotify), "true") }

// perform runs what a method comes to: one action of the agent, or, for a resource that is promoted, several. Each has the timeout of the method for itself.
// call is what the agent is run for, open the same with its secrets.
func (d *Driver) perform(ctx context.Context, call, open agent.Call, action string) agent.Result {
	switch {
	case call.Method == model.MethodStart && promotes(call):
		return d.startPromoted(ctx, call, open, action)
	case call.Method == model.MethodStop && promotes(call):
		d.demote(ctx, call, open)
		d.notify(ctx, call, open, "pre", "stop")
	}
	r, _ := d.action(ctx, call, action, d.environment(open))
	return r
}

// startPromoted starts and promotes. What has started and can not be promoted is left to Stop.
func (d *Driver) startPromoted(ctx context.Context, call, open agent.Call, action string) agent.Result {
	r, _ := d.action(ctx, call, action, d.environment(open))
	if !r.OK() {
		return r
	}
	d.notify(ctx, call, open, "post", "start")
	d.notify(ctx, call, open, "pre", "promote")
	begun := r.Output
	r, _ = d.action(ctx, call, "promote", d.environment(open))
	r.Output = tail(begun + r.Output)
	if r.OK() {
		d.notify(ctx, call, open, "post", "promote")
	}
	return r
}

// demote demotes a resource that is to be stopped, unless its agent says that it is not promoted or not even there: some would start it then. Whatever becomes of it, the
// stop that follows decides.
func (d *Driver) demote(ctx context.Context, call, open agent.Call) {
	asked := call
	asked.Method = ""
	r, _ := d.action(ctx, asked, "monitor", d.probeEnvironment(open, 0, time.Duration(call.Resource.ThoroughProbeInterval)*time.Second))
	if r.Exit == exitSuccess && r.OK() || r.Exit == exitNotRunning || r.Exit == exitDegraded || r.Aborted {
		return
	}
	d.notify(ctx, call, open, "pre", "demote")
	if r, _ = d.action(ctx, call, "demote", d.environment(open)); !r.OK() {
		d.cfg.Log.Warn("demote failed; the resource is stopped as it is", "resource", string(call.Resource.Name), "cause", r.Message)
		return
	}
	d.notify(ctx, call, open, "post", "demote")
}

// notify tells the agent that a step is about to be taken or has been, as Pacemaker tells the instances of a clone.
func (d *Driver) notify(ctx context.Context, call, open agent.Call, when, step string) {
	if !notifies(call) || ctx.Err() != nil {
		return
	}
	call.Timeout = min(cmp.Or(call.Timeout, notifyTime), notifyTime)
	open.Timeout = call.Timeout
	env := append(d.environment(open), "OCF_RESKEY_CRM_meta_notify_type="+when, "OCF_RESKEY_CRM_meta_notify_operation="+step)
	before := map[string]string{"start": "inactive", "promote": "unpromoted", "demote": "promoted", "stop": "unpromoted"}[step]
	lists := map[string]bool{step: true, before: true, "active": before != "inactive", "all": true, "available": true}
	for _, l := range []struct{ list, name string }{
		{"start", "start"}, {"stop", "stop"}, {"promote", "promote"}, {"demote", "demote"}, {"active", "active"}, {"inactive", "inactive"},
		{"promoted", "promoted"}, {"promoted", "master"}, {"unpromoted", "unpromoted"}, {"unpromoted", "slave"}, {"all", "all"}, {"available", "available"},
	} {
		resource, node := " ", " " // so Pacemaker writes an empty list
		if lists[l.list] {
			resource, node = string(call.Resource.Name), string(call.Node)
		}
		if l.name != "all" && l.name != "available" {
			env = append(env, "OCF_RESKEY_CRM_meta_notify_"+l.name+"_resource="+resource)
		}
		env = append(env, "OCF_RESKEY_CRM_meta_notify_"+l.name+"_uname="+node)
	}
	if r, _ := d.action(ctx, call, "notify", env); !r.OK() && r.Exit != exitUnimplemented {
		d.cfg.Log.Warn("notify failed, which changes nothing", "resource", string(call.Resource.Name), "step", when+"-"+step, "cause", r.Message)
	}
}

// tail is the end of an output, as much as is kept of one.
func tail(output string) string {
	return strings.ToValidUTF8(output[max(0, len(output)-agent.MaxOutput):], "")
}
