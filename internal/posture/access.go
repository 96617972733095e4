package posture

import (
	"maps"
	"slices"
	"strings"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/internal/rbac"
	"redoubt/internal/rgm/model"
)

// accessChecks are about who may join, who may do what, and private strings.
func accessChecks() []Check {
	return []Check{
		{v1.CheckInfo{
			ID: "RC-ACC-001", Severity: Warning, Area: areaAccess, Title: "Not every host may ask to join",
			Rationale: "The list of hosts that may join is closed but for those that are about to.", Remedy: "`redoubt access deny-all`",
		}, func(f Facts, r *report) {
			if f.Access.Everybody {
				r.fail("access list", "every host may ask to join")
			}
		}},
		{v1.CheckInfo{
			ID: "RC-ACC-002", Severity: Error, Area: areaAccess, Title: "The access list can be read",
			Rationale: "A list that can not be read lets nobody in, and can not be judged.", Remedy: "`redoubt access deny-all`",
		}, func(f Facts, r *report) {
			if f.Access.Unreadable != "" {
				r.fail("access list", "it can not be read: %s", f.Access.Unreadable)
			}
		}},
		{v1.CheckInfo{
			ID: "RC-ACC-003", Severity: Warning, Area: areaAccess, Title: "A machine that joins proves more than its address",
			Rationale: "An address is as good as the network keeps others from taking it.", Remedy: "`redoubt access set -p protocol=key`",
		}, func(f Facts, r *report) {
			if f.Access.ByAddress {
				r.fail("access list", "the protocol is sys, or a host is allowed with it: an address is enough to join")
			}
		}},
		{v1.CheckInfo{
			ID: "RC-USR-001", Severity: Info, Area: areaAccess, Title: "Nobody but root may change the whole configuration, or what others hold",
			Rationale: "Such rights are often given for a day and kept for years. Look whether each is still wanted.", Remedy: "`redoubt user revoke`, `redoubt role revoke`",
		}, mighty},
		{v1.CheckInfo{
			ID: "RC-USR-002", Severity: Warning, Area: areaAccess, Title: "Every role has a password",
			Rationale: "Nobody can assume a role without one: its rights are where nobody looks for them.", Remedy: "`redoubt role password`, or delete the role",
		}, func(f Facts, r *report) {
			for _, name := range slices.Sorted(maps.Keys(f.Policy.Roles)) {
				if f.Policy.Roles[name].Password == "" {
					r.fail("role "+name, "it has no password, so nobody can assume it")
				}
			}
		}},
		{v1.CheckInfo{
			ID: "RC-USR-003", Severity: Warning, Area: areaAccess, Title: "Sessions of people without a certificate are short",
			Rationale: "Whoever has the token of a session is its user until it ends: one that lasts for weeks is a password that nobody has chosen and that stands in files.",
			Remedy:    "`redoubt cluster set -p session_limit=720`, or `-p sessions=off` where nobody needs them; `redoubt session close` for a single one",
		}, lasting},
		{v1.CheckInfo{
			ID: "RC-SEC-001", Severity: Error, Area: areaAccess, Title: "A node can read every private string",
			Rationale: "The resource that needs it does not start.", Remedy: "set it anew with `redoubt secret set`",
		}, func(f Facts, r *report) {
			for _, s := range f.Secrets {
				if len(s.Readable) == 0 {
					r.failed(Error, "secret "+s.Name, "set it anew with `redoubt secret set "+s.Name+"`", "no node can read it any more")
				}
			}
		}},
		{v1.CheckInfo{
			ID: "RC-SEC-002", Severity: Warning, Area: areaAccess, Title: "Private strings are on their way to all nodes",
			Rationale: "On a node that can not read it, the resource that needs it does not start.", Remedy: "start a node that can read it",
		}, func(f Facts, r *report) {
			for _, s := range f.Secrets {
				if len(s.Readable) > 0 && s.Stuck {
					r.failed(Warning, "secret "+s.Name, "start a node that can read it: "+strings.Join(s.Readable, ", "), "node %s can not read it, and no node that can is in the cluster now", strings.Join(s.Waiting, ", "))
				}
			}
		}},
		{v1.CheckInfo{
			ID: "RC-SEC-003", Severity: Warning, Area: areaAccess, Title: "No removed node knows a private string",
			Rationale: "Nothing makes a machine forget what it has read.", Remedy: "set a new value with `redoubt secret set`",
		}, func(f Facts, r *report) {
			for _, s := range f.Secrets {
				if len(s.KnownTo) > 0 {
					r.failed(Warning, "secret "+s.Name, "set a new value with `redoubt secret set "+s.Name+"`", "node %s has known its value and was removed since", strings.Join(s.KnownTo, ", "))
				}
			}
		}},
	}
}

// The longest times that are not complained of.
const (
	longSession = 24 * time.Hour
	longIdle    = 8 * time.Hour
)

// lasting names sessions that last too long, or may.
func lasting(f Facts, r *report) {
	on, longest := f.State.Cluster.SessionRule()
	if !on {
		return
	}
	if longest > longSession {
		r.fail(f.cluster(), "%s allows sessions of %v, more than %v", model.SessionLimit, longest, longSession)
	}
	for _, s := range f.Sessions {
		if idle := s.IdleTime(); s.Over(f.Now, s.Used, longest) == "" && idle > longIdle {
			r.failed(Warning, "session "+s.ID, "`redoubt session close "+s.ID+"`", "it is of user %s and ends only %v after its last request", s.User, idle)
		}
	}
}

// mighty names who holds what only root needs to hold.
func mighty(f Facts, r *report) {
	say := func(kind, name string, grants []rbac.Grant) {
		for _, g := range grants {
			within := f.Policy.Within(g.Profile)
			if slices.Contains(within, rbac.ClusterManagement) || slices.Contains(within, rbac.UserSecurity) || g.Authorization == "cluster.modify" || g.Authorization == "cluster.user.modify" {
				r.fail(kind+" "+name, "holds %s", g)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.Policy.Users)) {
		say("user", name, f.Policy.Users[name].Grants)
	}
	for _, name := range slices.Sorted(maps.Keys(f.Policy.Groups)) {
		say("users of group", name, f.Policy.Groups[name].Grants)
	}
	for _, name := range slices.Sorted(maps.Keys(f.Policy.Roles)) {
		say("role", name, f.Policy.Roles[name].Grants)
	}
}
