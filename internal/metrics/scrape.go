package metrics

import (
	"math"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"redoubt/internal/membership"
	"redoubt/internal/rgm/model"
)

// scrape reads the sources when it is asked. It is unchecked (it describes nothing in advance), because what it gives depends on whether
// the node is in a cluster.
type scrape struct{ s Sources }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("redoubt_"+name, help, labels, nil)
}

var (
	descMember    = desc("member", "1 while this node is a member of the cluster in its present incarnation.")
	descEpoch     = desc("epoch", "The epoch of the newest membership record this node knows.")
	descLease     = desc("lease_seconds", "How long this node may still run services without hearing from a majority; 0 without a lease.")
	descPresident = desc("president", "1 while this node is the president.")
	descMembers   = desc("members", "How many members the newest membership record has.")
	descVoters    = desc("voters", "How many voters the newest membership record has.")
	descVote      = desc("voter_present", "1 while a voter is heard by this node, or is this one.", "voter")
	descCopy      = desc("voter_copy_usable", "1 while a voter is heard and has a usable copy of the repository.", "voter")
	descCopies    = desc("repository_copies_usable", "How many of the voters that are heard have a usable copy of the repository.")
	descMargin    = desc("voters_margin", "How many more voters may be lost, whichever they are; negative when too many are lost already.")
	descPath      = desc("path_up", "1 while a node is heard on a path of the interconnect.", "node", "path")
	descSuspected = desc("node_suspected", "1 while this node suspects another to be dead.", "node")
	descSent      = desc("heartbeats_sent_total", "Heartbeats and answers sent.")
	descReceived  = desc("heartbeats_received_total", "Heartbeats and answers received and used.")
	descDropped   = desc("heartbeats_dropped_total", "Heartbeats and answers received and dropped, by why.", "reason")
	descGroup     = desc("group_state", "1 for the state that a group has on a node.", "group", "node", "state")
	descManaged   = desc("group_managed", "1 while a group is under the control of the cluster.", "group")
	descSuspended = desc("group_suspended", "1 while automatic recovery of a group is suspended.", "group")
	descPrimaries = desc("group_primaries", "On how many nodes a group is online.", "group")
	descResource  = desc("resource_state", "1 for the state that a resource has on a node.", "group", "resource", "node", "state")
	descStatus    = desc("resource_status", "1 for the health that is reported of a resource on a node.", "group", "resource", "node", "status")
	descDays      = desc("certificate_expiry_days", "How many days this node's certificate still holds; negative once it has ended.")
	descLeft      = desc("certificate_days_left", "How many days a certificate still holds, by what it is for and whose it is; negative once it has ended.", "kind", "name")
)

// Describe implements prometheus.Collector.
func (c scrape) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c scrape) Collect(out chan<- prometheus.Metric) {
	if c.s.Membership != nil {
		if view, now, ok := c.s.Membership(); ok {
			members(out, view, now)
		}
	}
	if c.s.State != nil {
		if state, ok := c.s.State(); ok {
			groups(out, state)
		}
	}
	if c.s.Beats != nil {
		beats := c.s.Beats()
		count(out, descSent, beats.Sent)
		count(out, descReceived, beats.Received)
		for reason, n := range beats.Dropped {
			count(out, descDropped, n, reason)
		}
	}
	if c.s.CertificateDays != nil {
		if days, ok := c.s.CertificateDays(); ok {
			gauge(out, descDays, float64(days))
		}
	}
	if c.s.Certificates != nil {
		certificates(out, c.s.Certificates())
	}
}

// certificates tells when the certificates end, each kind and name once: of several the last to end.
func certificates(out chan<- prometheus.Metric, list []Certificate) {
	type key struct{ kind, name string }
	left := map[key]time.Duration{}
	for _, c := range list {
		k := key{c.Kind, c.Name}
		if l, ok := left[k]; !ok || c.Left > l {
			left[k] = c.Left
		}
	}
	for k, l := range left {
		gauge(out, descLeft, math.Floor(l.Hours()/24), k.kind, k.name)
	}
}

func members(out chan<- prometheus.Metric, v membership.View, now membership.Instant) {
	gauge(out, descMember, truth(v.IsMember))
	gauge(out, descPresident, truth(v.President))
	gauge(out, descLease, max(0, time.Duration(v.LeaseEnd-now).Seconds()))
	if v.Record != nil {
		gauge(out, descEpoch, float64(v.Record.Epoch))
		gauge(out, descMembers, float64(len(v.Record.Members)))
		gauge(out, descVoters, float64(len(v.Record.Voters)))
		for _, voter := range v.Record.Voters {
			c, heard := v.CopyOf(voter.Node, now)
			gauge(out, descVote, truth(heard), string(voter.Node))
			gauge(out, descCopy, truth(heard && c.State == membership.CopyUsable), string(voter.Node))
		}
		t := v.Tally(now)
		gauge(out, descCopies, float64(t.Usable))
		gauge(out, descMargin, float64(t.Margin))
	}
	for _, p := range v.Paths {
		gauge(out, descPath, truth(p.Up), string(p.Node), strconv.Itoa(p.Path))
	}
	for _, p := range v.Peers {
		gauge(out, descSuspected, truth(p.Suspected), string(p.Node))
	}
}

func groups(out chan<- prometheus.Metric, s model.State) {
	primaries := map[string]int{}
	for _, i := range s.Instances {
		gauge(out, descGroup, 1, string(i.Group), string(i.Node), string(i.State))
		if i.State == model.GroupOnline || i.State == model.GroupOnlineFaulted {
			primaries[string(i.Group)]++
		}
		for _, r := range i.Resources {
			gauge(out, descResource, 1, string(i.Group), string(r.Name), string(i.Node), string(r.State))
			gauge(out, descStatus, 1, string(i.Group), string(r.Name), string(i.Node), string(r.Status))
		}
	}
	for _, g := range s.Groups {
		gauge(out, descManaged, truth(g.Managed), string(g.Name))
		gauge(out, descSuspended, truth(g.Suspended), string(g.Name))
		gauge(out, descPrimaries, float64(primaries[string(g.Name)]), string(g.Name))
	}
}

func gauge(out chan<- prometheus.Metric, d *prometheus.Desc, v float64, labels ...string) {
	out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func count(out chan<- prometheus.Metric, d *prometheus.Desc, v uint64, labels ...string) {
	out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
