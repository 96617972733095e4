package daemon

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"redoubt/api/client"
	v1 "redoubt/api/v1"
	"redoubt/internal/agent"
	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/control"
	"redoubt/internal/etcdstore"
	"redoubt/internal/fault"
	"redoubt/internal/membership"
	"redoubt/internal/metrics"
	"redoubt/internal/pki"
	"redoubt/internal/privnet"
	"redoubt/internal/rgm/life"
	"redoubt/internal/rgm/model"
	"redoubt/internal/version"
)

// running is what the control layer gets while this node is in a cluster.
func (n *node) running() *control.Running {
	return &control.Running{
		Node: n.cfg.Node, Store: n.gated(), Source: n.mirror, Membership: n.member,
		Executor: executorOf{n}, Types: typesOf{n}, Peers: n.keeper.peers, Snapshotter: snapshotOf{n},
		Fingerprint: func() string { return pki.Fingerprint(n.cred().issuer()) },
		Sealer:      n.sealer, Authority: n.keeper, Memories: n.memories, Current: n.current,
	}
}

// executorOf hands requests to the executor of the present incarnation.
type executorOf struct{ *node }

// Ask implements control.Executor.
func (e executorOf) Ask(ctx context.Context, group cluster.GroupName, ask life.Asked) error {
	w := e.work.Load()
	if w == nil {
		return fault.Errorf(fault.Unavailable, "node %s runs no services at this moment; try again", e.cfg.Node)
	}
	return w.executor.Ask(ctx, group, ask)
}

// Rests implements control.Executor: a node that runs no services has nothing to do.
func (e executorOf) Rests(ctx context.Context, group cluster.GroupName) bool {
	if w := e.work.Load(); w != nil {
		return w.executor.Rests(ctx, group)
	}
	return true
}

// Present implements control.Executor: a node that runs no services has nothing of any group.
func (e executorOf) Present(ctx context.Context, group cluster.GroupName) model.Instance {
	if w := e.work.Load(); w != nil {
		return w.executor.Present(ctx, group)
	}
	return model.Instance{}
}

// successorsOf asks the other nodes, as scha_control does, whether they would do better.
type successorsOf struct{ *node }

// Refusals implements engine.Successors.
func (s successorsOf) Refusals(ctx context.Context, group cluster.GroupName, resource cluster.ResourceName) []model.Refusal {
	return s.control.Refusals(ctx, s.running(), group, resource)
}

// typesOf finds resource types by asking the drivers of the present incarnation.
type typesOf struct{ *node }

// Describe implements control.Types: the type's own folder if one is given, otherwise the first driver that knows the name.
func (t typesOf) Describe(ctx context.Context, name cluster.TypeName, file string) (model.Type, error) {
	w := t.work.Load()
	if w == nil {
		return model.Type{}, fault.Errorf(fault.Unavailable, "resource type %s: node %s runs no services at this moment; try again", name, t.cfg.Node)
	}
	if file != "" {
		return w.exec.DescribeFolder(ctx, name, file)
	}
	var last error
	for _, d := range w.drivers.order() {
		if strings.HasPrefix(string(name), "ocf:") != (d == "ocf") {
			continue
		}
		typ, err := w.drivers[d].Describe(ctx, name)
		if err == nil {
			return typ, nil
		}
		if last = err; !fault.Is(err, fault.NotFound) {
			break
		}
	}
	return model.Type{}, last
}

// Run implements control.Types.
func (t typesOf) Run(ctx context.Context, call agent.Call) agent.Result {
	w := t.work.Load()
	if w == nil {
		return agent.Result{Exit: 1, Message: "node " + string(t.cfg.Node) + " runs no services at this moment; try again"}
	}
	d, ok := w.drivers.Driver(call.Type.Driver)
	if !ok {
		return agent.Result{Exit: 1, Message: "this build has no driver " + call.Type.Driver}
	}
	return d.Run(ctx, call)
}

// peers calls the API of other nodes over the private network.
type peers struct {
	node    *node
	mu      sync.Mutex
	clients map[cluster.NodeName]peerClient
	record  func() *membership.Record // who is a member in which life
}

// peerClient speaks to a life of a node at an address. One that was removed and joined again has another address; and to one that has died and come back, connections of before
// lead nowhere: the first call on each would break off, with nobody knowing whether it was carried out.
type peerClient struct {
	*client.Client
	address string
	life    cluster.Incarnation
	cred    *credentials
}

// Call implements control.Peers.
func (p *peers) Call(ctx context.Context, name cluster.NodeName, noun, verb string, in, out any) error {
	c, err := p.client(name)
	if err != nil {
		return err
	}
	return c.Do(ctx, noun, verb, in, out)
}

// client gives the client of a node where the node is now.
func (p *peers) client(name cluster.NodeName) (*client.Client, error) {
	id := p.node.identity()
	r, ok := id.find(name)
	if !ok {
		return nil, fault.Errorf(fault.NotFound, "node %s is not in the cluster", name)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c, ok := p.clients[name]
	at := id.api(r)
	cred, life := p.node.cred(), lifeOf(p.record(), name)
	if ok && c.address == at && c.life == life && c.cred == cred {
		return c.Client, nil
	}
	if ok {
		c.Close()
	}
	c = peerClient{client.TLS(net.JoinHostPort(at, strconv.Itoa(p.node.apiPort())), cred.client(string(name), p.node.clock.Wall, p.node.acceptServer)), at, life, cred}
	p.clients[name] = c
	return c.Client, nil
}

// lifeOf is the incarnation in which a node is a member; none if it is not.
func lifeOf(rec *membership.Record, name cluster.NodeName) cluster.Incarnation {
	if rec != nil {
		for _, m := range rec.Members {
			if m.Node == name {
				return m.Incarnation
			}
		}
	}
	return cluster.Incarnation{}
}

func (n *node) apiPort() int {
	if _, port, err := net.SplitHostPort(n.cfg.Listen.API); err == nil {
		if p, err := strconv.Atoi(port); err == nil {
			return p
		}
	}
	return cluster.PortAPI
}

// snapshotOf copies the repository.
type snapshotOf struct{ *node }

// Snapshot implements control.Snapshotter: the copy is made and verified in a file of its own before the first byte is handed out.
func (s snapshotOf) Snapshot(ctx context.Context) (io.ReadCloser, int64, error) {
	f, err := os.CreateTemp(s.cfg.Data, ".snapshot-*")
	if err != nil {
		return nil, 0, fault.Errorf(fault.Internal, "make a snapshot: %w", err)
	}
	path := f.Name()
	_ = f.Close()
	_ = os.Remove(path)
	info, err := etcdstore.SaveSnapshot(ctx, s.store, path, nil)
	if err != nil {
		return nil, 0, err
	}
	f, err = os.Open(path)
	_ = os.Remove(path) // the open file stays readable, and goes with its last reader
	if err != nil {
		return nil, 0, fault.Errorf(fault.Internal, "make a snapshot: %w", err)
	}
	return f, info.Size, nil
}

// tls is the configuration of the next connection to this node; nil while it is in no cluster.
func (d *Daemon) tls() *tls.Config {
	if n := d.node.Load(); n != nil {
		return n.cred().server(n.clock.Wall)
	}
	return nil
}

// healthy says why this daemon does not do its work.
func (d *Daemon) healthy() error {
	n := d.node.Load()
	switch {
	case n == nil:
		return fault.Errorf(fault.Precondition, "this node is in no cluster, or not up yet")
	case !d.cfg.QuorumServer && !n.member.MayStart():
		return fault.Errorf(fault.Unavailable, "node %s holds no lease: it runs no services", d.cfg.Node)
	}
	return nil
}

// Leave implements control.Local: in its own time, since the caller waits for an answer.
func (d *Daemon) Leave(ctx context.Context, why string, shutdown bool) error {
	n := d.node.Load()
	if n == nil {
		return fault.Errorf(fault.Precondition, "this node is in no cluster")
	}
	d.log.Warn("this node leaves", "why", why, "shutdown", shutdown)
	if err := n.drain(ctx); err != nil {
		n.stay()
		return err
	}
	if shutdown {
		select {
		case d.down <- struct{}{}:
		default: // told already
		}
	}
	return nil
}

// Facts implements control.Local.
func (d *Daemon) Facts(context.Context) (v1.NodeFacts, error) {
	f := v1.NodeFacts{Node: string(d.cfg.Node), Version: version.Version, SchemaOldest: confdb.OldestLevel, SchemaNewest: confdb.Newest(), Warnings: slices.Clone(d.weak)}
	local, err := privnet.LocalPrefixes()
	if err != nil {
		return f, err
	}
	for _, p := range local {
		f.Addresses = append(f.Addresses, p.String())
	}
	if agents, err := filepath.Glob("/usr/sbin/fence_*"); err == nil {
		for _, a := range agents {
			f.FenceAgents = append(f.FenceAgents, filepath.Base(a))
		}
	}
	var fs unix.Statfs_t
	if unix.Statfs(d.cfg.Data, &fs) == nil {
		f.FreeBytes = max(int64(fs.Bavail)*fs.Bsize, 1) // 0 would say that it is not known
	}
	n := d.node.Load()
	if n == nil {
		f.Removed = d.cfg.removed()
		return f, nil
	}
	f.CertificateExpires, f.AuthorityExpires = n.cred().leaf.NotAfter, n.cred().issuer().NotAfter
	if link, err := n.slot.get(); err == nil {
		f.GuardWarnings = link.State().Warnings
	}
	if w := n.work.Load(); w != nil {
		f.Watchdog = w.watchdog
		f.Plantable = n.plantable()
	}
	if err := n.seat.trouble(); err != nil {
		f.Warnings = append(f.Warnings, "its copy of the repository is not usable: "+err.Error())
	}
	return f, nil
}

// membershipNow, stateNow, beats and certificateDays are what metrics read.
func (d *Daemon) membershipNow() (membership.View, membership.Instant, bool) {
	n := d.node.Load()
	if n == nil {
		return membership.View{}, 0, false
	}
	return n.member.View(), n.clock.Boot(), true
}

func (d *Daemon) stateNow() (model.State, bool) {
	n := d.node.Load()
	if n == nil {
		return model.State{}, false
	}
	return n.mirror.Snapshot().State, true
}

func (d *Daemon) beats() metrics.Beats {
	sum := metrics.Beats{Dropped: map[string]uint64{}}
	n := d.node.Load()
	if n == nil {
		return sum
	}
	for _, c := range n.transport.Counts() {
		sum.Sent += c.Sent
		sum.Received += c.Received
		for why, k := range c.Dropped {
			sum.Dropped[why] += k
		}
	}
	return sum
}

func (d *Daemon) certificateDays() (int, bool) {
	n := d.node.Load()
	if n == nil {
		return 0, false
	}
	return n.cred().expiry(d.clock()), true
}

// certificatesNow are the certificates that count, for metrics.
func (d *Daemon) certificatesNow() []metrics.Certificate {
	n := d.node.Load()
	if n == nil {
		return nil
	}
	snap, now := n.mirror.Snapshot(), d.clock()
	var out []metrics.Certificate
	for _, c := range snap.Certificates {
		if _, revoked := slices.BinarySearch(snap.Revoked, c.Fingerprint); !revoked && (c.Kind != string(pki.Node) || snap.Uses(c)) {
			out = append(out, metrics.Certificate{Kind: c.Kind, Name: c.Name, Left: c.NotAfter.Sub(now)})
		}
	}
	for kind, l := range map[pki.Kind]model.Lineage{pki.AuthorityOfNodes: snap.Authorities.Node, pki.AuthorityOfUsers: snap.Authorities.User} {
		if root, ok := l.Signing(); ok {
			out = append(out, metrics.Certificate{Kind: string(kind), Name: snap.State.Cluster.Name, Left: root.NotAfter.Sub(now)})
		}
	}
	return out
}
