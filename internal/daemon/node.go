package daemon

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"redoubt/internal/beat"
	"redoubt/internal/cluster"
	"redoubt/internal/control"
	"redoubt/internal/engine"
	"redoubt/internal/etcdstore"
	"redoubt/internal/fault"
	"redoubt/internal/fence"
	"redoubt/internal/guardlink"
	"redoubt/internal/membership"
	"redoubt/internal/metrics"
	"redoubt/internal/privnet"
	"redoubt/internal/relay"
)

// node is this machine as a node of its cluster: everything that exists between joining and leaving.
type node struct {
	cfg   Config
	log   *slog.Logger
	clock clock
	meter *metrics.Metrics
	creds atomic.Pointer[credentials]

	mu sync.Mutex
	id *identity // replaced as a whole; see topology.go

	// Owned by follow: what was last made of the membership.
	ends     []string
	routed   privnet.Desired
	relayed  relay.Desired
	routedAt time.Time

	guard     *os.File // its program; nil: this one
	control   *control.Control
	transport *beat.Transport
	private   *privnet.Net
	relay     *relay.Relay
	store     *etcdstore.Store
	seat      *seat
	sealer    control.Sealer // of private strings
	machine   *membership.Machine
	member    *engine.Member
	heard     atomic.Pointer[engine.Member] // member, once it is there: heartbeats may come before
	mirror    *engine.Mirror
	slot      *slot
	keeper    *keeper
	callback  *callback
	doubts    doubts
	lives     *lives

	work atomic.Pointer[work] // the present incarnation's executor and drivers; nil: none

	leaving atomic.Bool // this node stops its services and goes: see leave.go
}

// firstTry is how long a voter of the repository may take to answer before another is asked: less than an election takes.
const firstTry = 100 * time.Millisecond

// newNode prepares the parts of a node; nothing runs and nothing is sent before run.
func newNode(cfg Config, log *slog.Logger, meter *metrics.Metrics, id *identity, cred *credentials) (*node, error) {
	n := &node{cfg: cfg, log: log, meter: meter, id: id, slot: &slot{}, clock: clock{cfg.Test.Clock}, sealer: newSealer(cfg)}
	n.creds.Store(cred)
	n.keeper = &keeper{node: n, peers: &peers{
		node: n, clients: map[cluster.NodeName]peerClient{}, record: func() *membership.Record { return n.member.View().Record },
	}}
	n.callback = newCallback(n.shownAt, log)
	n.private, n.relay, n.seat = privnet.New(log), relay.New(log), newSeat(cfg, log)
	session, err := newSession()
	if err != nil {
		return nil, err
	}
	n.machine = membership.New(membership.Config{
		Self: cfg.Node, Session: session, QuorumServer: cfg.QuorumServer, Paths: id.pathCount(), Started: n.clock.Boot(),
	})

	if _, err := os.Stat(cfg.path(fileRevoked)); err != nil {
		if err := writeRevoked(cfg, engine.Snapshot{}, n.clock.Wall()); err != nil {
			return nil, err
		}
	}
	files := cfg.tlsFiles()
	files.Accept = n.acceptServer
	n.store, err = etcdstore.Dial(etcdstore.ClientConfig{Name: string(cfg.Node), Endpoints: n.endpoints(nil), TLS: files, Attempt: firstTry, Log: log})
	if err != nil {
		return nil, err
	}
	n.mirror = engine.NewMirror(n.store, log)
	return n, nil
}

func newSession() (membership.Session, error) {
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		return 0, fault.Errorf(fault.Internal, "random numbers: %w", err)
	}
	return membership.Session(binary.NativeEndian.Uint64(b[:]) | 1), nil
}

// identity returns what this node knows of its cluster. It is shared: do not change it.
func (n *node) identity() *identity {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.id
}

// run is the node's life in its cluster, until ctx ends, the node leaves, or something fails that it can not go on without. ready is called when the
// node may be asked about the cluster.
func (n *node) run(ctx context.Context, ready func()) error {
	_ = n.askAround(ctx) // before anybody is believed; that this node was removed it asks again below
	if err := n.connect(ctx); err != nil {
		return err
	}
	defer n.disconnect()
	if err := n.seat.startIfThere(ctx, n); err != nil {
		return err
	}
	defer n.seat.stop()
	if err := n.store.SetEndpoints(n.endpoints(nil)); err != nil {
		return err
	}
	gate, err := n.newGate(fenceGate, false) // an agent that an earlier daemon has started may still run
	if err != nil {
		return err
	}
	fencer := fence.New(fence.Config{AgentDir: n.cfg.Test.FenceAgents, SecretDir: filepath.Join(n.cfg.Etc, "fence"), Cgroup: filepath.Join(n.cfg.Cgroup, "fence"), Gate: gate, Log: n.log})
	g, ctx := errgroup.WithContext(ctx)
	econf := n.engineConfig()
	n.member = engine.NewMember(econf, n.machine, n.transport, n.slot, n.store)
	n.heard.Store(n.member)
	renewed := make(chan struct{})
	g.Go(func() error { return n.bootstrap(ctx, renewed) })
	g.Go(func() error { return n.mirror.Run(ctx) })
	g.Go(func() error {
		select { // a node that lived on by the record of a snapshot would begin services that may still run elsewhere
		case <-renewed:
			return n.member.Run(ctx)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
	g.Go(func() error { return n.follow(ctx) })
	g.Go(func() error { return n.publish(ctx) })
	g.Go(func() error { return n.agree(ctx) })
	g.Go(func() error { return n.keeper.run(ctx) })
	g.Go(func() error { return n.keepPublic(ctx) })
	g.Go(func() error { return n.askWhetherRemoved(ctx) })
	if n.cfg.QuorumServer {
		ready()
		return n.end(g.Wait())
	}
	n.lives = n.newLives()
	g.Go(func() error {
		select {
		case <-n.mirror.Filled():
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		return n.lives.run(ctx)
	})
	g.Go(func() error { return engine.NewPresident(econf, n.member, n.mirror, n.gated(), fencer).Run(ctx) })
	g.Go(func() error { return engine.NewAsks(econf, n.member, n.mirror, n.store).Run(ctx) })
	g.Go(func() error {
		return engine.NewVoters(econf, n.member, n.mirror, n.store, n.electorate()).Run(ctx)
	})
	ready()
	return n.end(g.Wait())
}

func (n *node) engineConfig() engine.Config {
	return engine.Config{Node: n.cfg.Node, Clock: n.clock, Log: n.log, Meter: n.meter, Methods: n.cfg.Methods, Successors: successorsOf{n}}
}

// end closes what outlives the loops. The guard's connection stays, unless the node was removed: who ended the node decides what becomes of the services.
func (n *node) end(err error) error {
	if errors.Is(err, errRemoved) {
		n.quit()
	}
	n.store.Close()
	return err
}

func (n *node) newLives() *lives {
	return &lives{
		guard: guardlink.Config{
			Program: n.guard, RunDir: n.cfg.Run + "/guard", Cgroup: n.cfg.services(), OnUnkillable: n.cfg.OnUnkillable, ShareMounts: true, Log: n.log,
		},
		log: n.log, node: n.cfg.Node, store: n.gated(), member: n.member, identify: n.machine.SetIncarnation, slot: n.slot, fencing: n.meter.Fencing, calm: n.stopWatchdog, leaving: n.leaving.Load, work: n.serve,
	}
}

// connect brings the private network and the heartbeats up, from what the node remembers.
func (n *node) connect(ctx context.Context) error {
	if err := n.private.Apply(ctx, n.routes(membership.View{})); err != nil {
		return err
	}
	id := n.identity()
	if err := n.relay.Apply(n.relays()); err != nil {
		n.log.Warn("a quorum server that is on no interconnect is not reached; trying again", "err", err) // follow does
	}
	own, err := id.paths(id.self())
	if err != nil {
		return err
	}
	n.transport, err = beat.Listen(beat.Config{
		Node: n.cfg.Node, ID: uint32(id.self().ID), ClusterID: id.Cluster.ID, Key: n.cred().heartbeat, Addresses: own, Port: cluster.PortHeartbeat, Log: n.log,
		Deliver: func(path int, msg membership.Message, at membership.Instant) {
			if m := n.heard.Load(); m != nil {
				m.Deliver(at, membership.Received{Path: path, Msg: msg})
			}
		},
	})
	if err != nil {
		return err
	}
	return n.transport.SetPeers(n.peers())
}

func (n *node) disconnect() {
	_ = n.transport.Close()
	n.relay.Close()
	bounded, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if n.leaving.Load() {
		if err := n.private.Close(bounded); err != nil {
			n.log.Warn("taking the private network down", "err", err)
		}
	}
}

// electorate is the repository's members as the nodes that they are on.
func (n *node) electorate() *etcdstore.Electorate {
	return etcdstore.NewElectorate(n.store, func() map[cluster.NodeName]string {
		out := map[cluster.NodeName]string{}
		for _, r := range n.identity().Nodes {
			out[r.Name] = r.PrivateAddress
		}
		return out
	}, cluster.PortPeer)
}

// cred is what this node shows and trusts now.
func (n *node) cred() *credentials { return n.creds.Load() }
