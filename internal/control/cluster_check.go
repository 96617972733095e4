package control

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	v1 "redoubt/api/v1"
	"redoubt/internal/admission"
	"redoubt/internal/confdb"
	"redoubt/internal/engine"
	"redoubt/internal/membership"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/execsec"
	"redoubt/internal/rgm/model"
)

// leastFree is how much room there has to be on the file system of the repository.
const leastFree = 512 << 20

// ClusterCheck looks for what could go wrong, and says plainly what this cluster is not protected against.
func (c *Control) ClusterCheck(ctx context.Context, who Caller, in v1.ClusterCheck) (v1.CheckReport, error) {
	r, err := c.enter(ctx, who, "cluster check")
	if err != nil {
		return v1.CheckReport{}, err
	}
	v, err := c.read(r)
	if err != nil {
		return v1.CheckReport{}, err
	}
	facts, silent := c.askAll(ctx, r, v)
	out := v1.CheckReport{Problems: c.status(r).Problems, Checked: []string{
		"membership and quorum", "interconnects", "the configuration", "nodes and their guards", "certificates, authorities and clocks", "protection against frozen machines", "who may join", "who may write the programs that root runs",
	}}
	add := func(severity, object, remedy, format string, args ...any) {
		out.Problems = append(out.Problems, v1.Problem{Severity: severity, Object: object, Text: fmt.Sprintf(format, args...), Remedy: remedy})
	}
	for _, p := range check.All(v.state) {
		add(severe, p.Path, "", "%s", p.Text)
	}
	c.checkCluster(v, add)
	checkSecrets(v, add)
	for _, s := range silent {
		add(severe, "node "+s, "see whether redoubtd runs there and whether the private network reaches it", "it is a member, but does not answer")
	}
	for _, f := range facts {
		checkNode(v, f, add)
	}
	checkFreezing(v, facts, add)
	return finish(out), nil
}

func finish(out v1.CheckReport) v1.CheckReport {
	if out.Problems == nil {
		out.Problems = []v1.Problem{}
	}
	slices.SortStableFunc(out.Problems, func(a, b v1.Problem) int { return strings.Compare(a.Severity, b.Severity) })
	out.OK = !slices.ContainsFunc(out.Problems, func(p v1.Problem) bool { return p.Severity == severe })
	return out
}

// askAll asks every member about itself; silent are those that do not answer.
func (c *Control) askAll(ctx context.Context, r *Running, v view) (facts []v1.NodeFacts, silent []string) {
	members := v.members()
	answers := make([]*v1.NodeFacts, len(members))
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i, n := range members {
		group.Go(func() error {
			if f, err := c.factsOf(ctx, r, n); err == nil {
				f.Node = string(n)
				answers[i] = &f
			}
			return nil
		})
	}
	_ = group.Wait()
	for i, a := range answers {
		if a == nil {
			silent = append(silent, string(members[i]))
		} else {
			facts = append(facts, *a)
		}
	}
	return facts, silent
}

// checkCluster judges what concerns the cluster as a whole.
func (c *Control) checkCluster(v view, add addProblem) {
	name := "cluster " + v.state.Cluster.Name
	enabled := slices.DeleteFunc(slices.Clone(v.state.Cluster.Interconnects), func(i model.Interconnect) bool { return i.Disabled })
	if len(enabled) == 1 && len(v.state.Nodes) > 1 {
		add(warning, name, "add a second network with `redoubt interconnect add`", "there is one interconnect: when it fails the nodes lose each other")
	}
	running := len(check.NodesThatRun(v.state))
	switch servers := len(v.state.Nodes) - running; {
	case running == 1:
		add(warning, name, "let a second machine join", "there is one node: nothing can take over from it")
	case running == 2 && servers == 0:
		add(warning, name, "add a quorum server with `redoubt quorum add`, or a third node", "two nodes have one vote that counts: when the node with the vote is lost, the other one stops too")
	}
	if l := execsec.LevelOf(v.state.Cluster); l != execsec.Secure {
		add(warning, name, "`redoubt cluster set -p resource_security=SECURE`", "resource_security is %s: programs that others than root may have written run as root", l)
	}
	if list, err := v.accessList(); err != nil {
		add(severe, "access list", "`redoubt access deny-all`", "it can not be read: %v", err)
	} else if list.Policy(v.now) == admission.AllowAll {
		add(warning, "access list", "`redoubt access deny-all`", "every host may ask to join")
	}
}

// checkNode judges what a node says of itself.
func checkNode(v view, f v1.NodeFacts, add addProblem) {
	object := "node " + f.Node
	for _, w := range f.GuardWarnings {
		add(warning, object, "give redoubtd the rights that its unit file asks for", "guard: %s", w)
	}
	for _, p := range f.Plantable {
		add(severe, object, "do what the remedy says, on that node", "others than root may write what root executes: %s", p)
	}
	for _, w := range f.Warnings {
		add(warning, object, "", "%s", w)
	}
	if at := f.AuthorityExpires; !at.IsZero() && at.Sub(v.now) < soonExpires { // the node's own certificate is in status
		add(warning, object, "make a new authority before that day", "the authority of the cluster expires on %s", at.Format(time.DateOnly))
	}
	if f.FreeBytes > 0 && f.FreeBytes < leastFree {
		add(severe, object, "make room on the file system of its data directory", "%d MB are free for the repository, which needs %d MB", f.FreeBytes>>20, leastFree>>20)
	}
}

// checkFreezing says plainly where nothing helps against a machine that freezes as a whole and thaws again.
func checkFreezing(v view, facts []v1.NodeFacts, add addProblem) {
	agents := map[string][]string{} // by node: the fence agents it has
	watchdogs := map[string]bool{}
	for _, f := range facts {
		agents[f.Node] = f.FenceAgents
		watchdogs[f.Node] = f.Watchdog != ""
	}
	var bare []string
	for _, n := range v.state.Nodes {
		if n.QuorumServer {
			continue
		}
		if n.Fence == nil && !watchdogs[string(n.Name)] {
			bare = append(bare, string(n.Name))
		}
		if n.Fence == nil {
			continue
		}
		for _, f := range facts {
			if f.Node != string(n.Name) && !slices.Contains(agents[f.Node], n.Fence.Agent) {
				add(severe, "node "+string(n.Name), "install the package fence-agents on node "+f.Node, "its fence agent %s is not installed on node %s: if that is president when the node is lost, its groups are not taken over", n.Fence.Agent, f.Node)
			}
		}
	}
	if len(bare) > 0 {
		add(warning, "cluster "+v.state.Cluster.Name, "give these machines a hardware watchdog, or configure a fence agent with `redoubt node set-fence`",
			"neither a watchdog nor a fence agent protects against a machine that freezes whole and thaws after its groups were taken over: %s", strings.Join(bare, ", "))
	}
}

// ClusterVerify reads every record from the repository itself and checks that it is whole and fits the others.
func (c *Control) ClusterVerify(ctx context.Context, who Caller, in v1.ClusterVerify) (v1.CheckReport, error) {
	r, err := c.enter(ctx, who, "cluster verify")
	if err != nil {
		return v1.CheckReport{}, err
	}
	snap, err := r.Store.Read(ctx, confdb.Root)
	if err != nil {
		return v1.CheckReport{}, err
	}
	out := v1.CheckReport{Checked: []string{fmt.Sprintf("%d records at revision %d", len(snap.Entries), snap.Revision)}}
	for _, e := range snap.Entries {
		if err := decodes(e); err != nil {
			out.Problems = append(out.Problems, v1.Problem{Severity: severe, Object: "record " + strings.TrimPrefix(e.Key, confdb.Root), Text: err.Error(), Remedy: "restore the repository from a snapshot"})
		}
	}
	for _, p := range check.All(c.look(r).state) {
		out.Problems = append(out.Problems, v1.Problem{Severity: severe, Object: p.Path, Text: p.Text})
	}
	return finish(out), nil
}

// decodes reads a record by its key.
func decodes(e confdb.Entry) error {
	var err error
	under := func(prefix string) bool { return strings.HasPrefix(e.Key, prefix) }
	switch k := e.Key; {
	case k == confdb.KeyCluster:
		_, err = confdb.Decode[model.Cluster](confdb.KindCluster, k, e.Value)
	case k == confdb.KeyMembership:
		_, err = confdb.Decode[membership.Record](confdb.KindMembership, k, e.Value)
	case k == confdb.KeyQuorum:
		_, err = confdb.Decode[engine.Quorum](confdb.KindQuorum, k, e.Value)
	case k == confdb.KeySerial:
		_, err = confdb.Decode[serial](confdb.KindSerial, k, e.Value)
	case under(confdb.PrefixSecret):
		_, err = confdb.Decode[model.Secret](confdb.KindSecret, k, e.Value)
	case under(confdb.PrefixNode):
		_, err = confdb.Decode[model.Node](confdb.KindNode, k, e.Value)
	case under(confdb.PrefixType):
		_, err = confdb.Decode[model.Type](confdb.KindType, k, e.Value)
	case under(confdb.PrefixGroup):
		_, err = confdb.Decode[model.Group](confdb.KindGroup, k, e.Value)
	case under(confdb.PrefixResource):
		_, err = confdb.Decode[model.Resource](confdb.KindResource, k, e.Value)
	case under(confdb.PrefixWant):
		_, err = confdb.Decode[model.Want](confdb.KindWant, k, e.Value)
	case under(confdb.PrefixAssign):
		_, err = confdb.Decode[model.Assignment](confdb.KindAssignment, k, e.Value)
	case under(confdb.PrefixInstance):
		_, err = confdb.Decode[model.Instance](confdb.KindInstance, k, e.Value)
	case under(confdb.PrefixAccess):
		_, err = confdb.Decode[admission.Entry](confdb.KindAccess, k, e.Value)
	case under(confdb.PrefixAsk):
		_, err = confdb.Decode[engine.Ask](confdb.KindAsk, k, e.Value)
	case under(confdb.PrefixAttr):
		_, err = confdb.Decode[attribute](confdb.KindAttr, k, e.Value)
	case under(confdb.PrefixRevoked):
		_, err = confdb.Decode[model.Revoked](confdb.KindRevoked, k, e.Value)
	case k == confdb.KeyAuthorities:
		_, err = confdb.Decode[model.Authorities](confdb.KindAuthorities, k, e.Value)
	case under(confdb.PrefixTrust):
		_, err = confdb.Decode[model.Trust](confdb.KindTrust, k, e.Value)
	case under(confdb.PrefixCertificate):
		_, err = confdb.Decode[model.Certificate](confdb.KindCertificate, k, e.Value)
	}
	return err
}
