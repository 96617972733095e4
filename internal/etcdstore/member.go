package etcdstore

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"google.golang.org/grpc"

	"redoubt/internal/cluster"
	"redoubt/internal/fault"
)

// Mode says what StartMember shall find in the data directory.
type Mode string

// The modes.
const (
	ModeNew     Mode = "new"     // nothing; a new repository with this member alone begins
	ModeJoin    Mode = "join"    // nothing, or what an interrupted join has left; the member joins those in Peers
	ModeRestart Mode = "restart" // the data of an earlier run
)

// MemberConfig describes this node's member of the repository.
type MemberConfig struct {
	Node       cluster.NodeName
	Address    string // the node's private address
	ClientPort int
	PeerPort   int
	Dir        string // data directory; made when missing
	TLS        TLSFiles
	Mode       Mode
	Peers      map[cluster.NodeName]string // ModeJoin: private addresses of all members, this one included; see Electorate.Peers
	Cluster    string                      // name of the cluster: members of different clusters refuse each other

	Heartbeat time.Duration // default 50 ms
	Election  time.Duration // default 500 ms
	Quota     int64         // bytes the repository may take; default 256 MiB

	// Admit says whether who shows a chain that begins with a certificate of the cluster's authority may speak to this member as a client; nil: every one may. Unavailable: it
	// can not be told at this moment, and the client asks another member.
	Admit func(chain []*x509.Certificate) error
	// AdmitPeer is the same for who speaks to it as another member.
	AdmitPeer func(chain []*x509.Certificate) error
	Log       *slog.Logger
}

// Member is an embedded member of the repository: a voter or a learner.
type Member struct {
	cfg  MemberConfig
	etcd *embed.Etcd
	gate *gate

	peerGate             *gate
	clientPort, peerPort net.Listener
	calls                *grpc.Server // on clientPort
	peers                *http.Server // on peerPort
	peerDoor             *door        // of peerPort

	stirred chan struct{} // for keepReading

	stop   context.CancelFunc // ends the loops of this member
	ctx    context.Context
	loops  sync.WaitGroup
	done   chan struct{}
	failed chan struct{} // closed with the first failure

	alarmed bool   // of keepRoom alone: the quota's alarm was seen and has not been ended yet
	fullAt  uint64 // of keepRoom alone: the newest entry when giving pages back was not enough

	mu      sync.Mutex
	err     error
	closing bool
	removed bool
}

// What is set for a small repository in a process that carries services.
const (
	defaultHeartbeat = 50 * time.Millisecond
	defaultElection  = 500 * time.Millisecond
	defaultQuota     = 256 << 20
	segmentSize      = 8 << 20 // of the log; two are allocated ahead
	snapshotCount    = 2000    // entries between snapshots of the log; all since the last one are in memory
	catchUpEntries   = 1000    // kept for slow members; who is further behind gets the whole repository
	keptRevisions    = "1000"  // of the history, for watches that come back
	maxTxnOps        = 2 * MaxOps
	maxRequest       = 4 << 20 // bytes of one transaction
	maxLearners      = 5       // all that are going to vote may be seated before the first of them votes
	handOver         = 500 * time.Millisecond
	closePatience    = 3 * time.Second
)

// tune sets what etcd has as a variable of the process.
var tune = sync.OnceFunc(func() { wal.SegmentSizeBytes = segmentSize })

// StartMember starts the member and returns once it listens; Ready says when it serves. The errors say what has to be done: data that is
// damaged (Internal), a full disk (Unavailable), a directory that does not fit the mode (Exists, Precondition).
func StartMember(ctx context.Context, cfg MemberConfig) (*Member, error) {
	cfg.fill()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if err := cfg.TLS.check(time.Now()); err != nil {
		return nil, err
	}
	if err := cfg.prepare(ctx); err != nil {
		return nil, err
	}
	tune()
	m := &Member{cfg: cfg, gate: newGate(cfg.Admit), peerGate: newGate(cfg.AdmitPeer), done: make(chan struct{}), failed: make(chan struct{}), stirred: make(chan struct{}, 1)}
	m.ctx, m.stop = context.WithCancel(context.WithoutCancel(ctx))
	if err := m.start(ctx); err != nil {
		m.stop()
		return nil, err
	}
	m.loops.Go(m.keepRoom)
	m.loops.Go(m.keepTidy)
	m.loops.Go(m.keepReading)
	go m.supervise()
	return m, nil
}

func (c *MemberConfig) fill() {
	if c.Heartbeat == 0 {
		c.Heartbeat = defaultHeartbeat
	}
	if c.Election == 0 {
		c.Election = defaultElection
	}
	if c.Quota == 0 {
		c.Quota = defaultQuota
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
}

func (c *MemberConfig) check() error {
	switch {
	case net.ParseIP(c.Address) == nil:
		return fault.Errorf(fault.Invalid, "member of the repository on node %s: private address %q is no IP address", c.Node, c.Address)
	case c.Mode != ModeNew && c.Mode != ModeJoin && c.Mode != ModeRestart:
		return fault.Errorf(fault.Invalid, "member of the repository on node %s: unknown mode %q", c.Node, c.Mode)
	case c.Mode == ModeJoin && c.Peers[c.Node] != c.Address:
		return fault.Errorf(fault.Invalid, "member of the repository on node %s: it is not seated among the members that it shall join", c.Node)
	case c.Election < 5*c.Heartbeat:
		return fault.Errorf(fault.Invalid, "member of the repository on node %s: election timeout %v is shorter than five heartbeats of %v", c.Node, c.Election, c.Heartbeat)
	}
	return nil
}

// prepare looks at the data directory before etcd does.
func (c *MemberConfig) prepare(ctx context.Context) error {
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return fault.Errorf(fault.Unavailable, "data directory of the repository: %w", err)
	}
	found := HasData(c.Dir)
	switch {
	case found && c.Mode == ModeNew:
		return fault.Errorf(fault.Exists, "data directory %s holds a repository already: start it as it is, or move the directory away", c.Dir)
	case !found && c.Mode == ModeRestart:
		return fault.Errorf(fault.Precondition, "data directory %s holds no repository: let the node join the cluster again, or restore a snapshot", c.Dir)
	}
	if err := checkRoom(c.Dir); err != nil {
		return err
	}
	if found {
		return checkData(ctx, c.Dir)
	}
	return nil
}

// HasData reports whether dir holds a member's data, so that ModeRestart is right. A directory in which a member died before it had begun has none.
func HasData(dir string) bool { return wal.Exist(walDir(dir)) }

func walDir(dir string) string { return filepath.Join(dir, "member", "wal") }
func dbFile(dir string) string { return filepath.Join(dir, "member", "snap", "db") }

// embedded is the configuration of etcd itself.
func (c *MemberConfig) embedded() *embed.Config {
	e := embed.NewConfig()
	e.Name, e.Dir = string(c.Node), c.Dir
	client, peer := secureURL(c.Address, c.ClientPort), secureURL(c.Address, c.PeerPort)
	e.ListenClientUrls, e.ListenPeerUrls = nil, nil // see openPorts
	e.AdvertiseClientUrls, e.AdvertisePeerUrls = []url.URL{client}, []url.URL{peer}
	e.InitialClusterToken = "redoubt-" + c.Cluster
	e.ClusterState, e.InitialCluster = embed.ClusterStateFlagNew, initialCluster(map[cluster.NodeName]string{c.Node: c.Address}, c.PeerPort)
	if c.Mode == ModeJoin {
		e.ClusterState, e.InitialCluster = embed.ClusterStateFlagExisting, initialCluster(c.Peers, c.PeerPort)
	}
	e.ClientTLSInfo, e.PeerTLSInfo = c.served(), c.served()
	e.TlsMinVersion = "TLS1.3"
	e.TickMs, e.ElectionMs = uint(c.Heartbeat.Milliseconds()), uint(c.Election.Milliseconds())
	e.PreVote, e.StrictReconfigCheck = true, true
	e.EnableGRPCGateway = false
	e.SnapshotCount, e.SnapshotCatchUpEntries = snapshotCount, catchUpEntries
	e.MaxSnapFiles, e.MaxWalFiles = 2, 2
	e.AutoCompactionMode, e.AutoCompactionRetention = embed.CompactorModeRevision, keptRevisions
	e.QuotaBackendBytes = c.Quota
	// What is durable is the log; the database behind it may lag. etcd looks at it this often, whether there is anything to write or not.
	e.BackendBatchInterval, e.BackendBatchLimit = 200*time.Millisecond, 500
	e.MaxTxnOps, e.MaxRequestBytes = maxTxnOps, maxRequest
	e.MaxLearners = maxLearners
	e.WarningApplyDuration, e.WarningUnaryRequestDuration = time.Second, 2*time.Second
	return e
}

// served is how the ports meet those that connect: they are checked by certificate and gate. The address they come from is not: a node has one address for each interconnect.
func (c *MemberConfig) served() transport.TLSInfo {
	return transport.TLSInfo{
		CertFile: c.TLS.Cert, KeyFile: c.TLS.Key, TrustedCAFile: c.TLS.CA, CRLFile: c.TLS.Revoked, ClientCertAuth: true, SkipClientSANVerify: true, MinVersion: tls.VersionTLS13,
	}
}

// initialCluster is how etcd takes the members.
func initialCluster(peers map[cluster.NodeName]string, port int) string {
	var out []string
	for _, n := range slices.Sorted(maps.Keys(peers)) {
		u := secureURL(peers[n], port)
		out = append(out, fmt.Sprintf("%s=%s", n, u.String()))
	}
	return strings.Join(out, ",")
}

// start runs etcd's start in a goroutine of its own, because a fatal error ends the goroutine that meets it.
func (m *Member) start(ctx context.Context) error {
	cfg := m.cfg.embedded()
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(newZap(m.cfg.Log, m.fatal, m.noteRemoved))
	if err := m.openPorts(); err != nil {
		return err
	}
	started := make(chan error, 1)
	go func() {
		err := error(fault.Errorf(fault.Internal, "it ended while starting"))
		defer func() {
			if r := recover(); r != nil {
				err = fault.Errorf(fault.Internal, "%v", r)
			}
			started <- err
		}()
		m.etcd, err = embed.StartEtcd(cfg)
	}()
	select {
	case err := <-started:
		if err == nil {
			m.serveClients()
			m.servePeers(cfg.GetLogger())
			return nil
		}
		m.shutClients()
		m.shutPeers()
		if why := m.failure(); why != nil {
			return why
		}
		return m.explain(err)
	case <-ctx.Done():
		m.shutClients()
		m.shutPeers()
		// The start cannot be called off: it is closed when it ends.
		go func() {
			if err := <-started; err == nil {
				m.etcd.Close()
			}
		}()
		return fault.Errorf(fault.Timeout, "start of the repository on node %s was called off: %w", m.cfg.Node, context.Cause(ctx))
	}
}

// explain turns the error of a start into what an administrator can act on.
func (m *Member) explain(err error) error {
	switch text := err.Error(); {
	case strings.Contains(text, "address already in use"):
		return fault.Errorf(fault.Unavailable, "start of the repository on node %s: %w; end the other program that listens there", m.cfg.Node, err)
	case strings.Contains(text, "cannot fetch cluster info"):
		return fault.Errorf(fault.Unavailable, "start of the repository on node %s: no member of the repository answers: %w", m.cfg.Node, err)
	}
	return fault.Errorf(fault.Internal, "start of the repository on node %s from %s: %w", m.cfg.Node, m.cfg.Dir, err)
}

// Ready is closed once the member takes part and serves clients. A voter without a majority waits for it.
func (m *Member) Ready() <-chan struct{} { return m.etcd.Server.ReadyNotify() }

// Done is closed when the member has stopped, asked or not; Err then says why.
func (m *Member) Done() <-chan struct{} { return m.done }

// Err is why the member stopped by itself; nil while it runs and after Close. Unavailable: the disk is full, see WaitForRoom; Precondition: the member
// was removed from the repository, its data directory is of no more use; Internal: restart the process.
func (m *Member) Err() error { return m.failure() }

// IsLeader reports whether this member leads the others.
func (m *Member) IsLeader() bool { return m.etcd.Server.Leader() == m.etcd.Server.MemberID() }

// Standing is how far a member is.
type Standing struct {
	Seat    uint64 // the member's number, as in engine.Seat
	Index   uint64 // the newest entry of the log that it has applied
	Ready   bool   // it takes part
	Follows bool   // it knows a leader, or is it
	Learner bool   // it has no vote, or none any more
}

// Standing says how far this member is.
func (m *Member) Standing() Standing {
	server := m.etcd.Server
	p := Standing{Seat: uint64(server.MemberID()), Index: server.AppliedIndex(), Follows: server.Leader() != 0, Learner: true}
	if me := server.Cluster().Member(server.MemberID()); me != nil {
		p.Learner = me.IsLearner
	}
	select {
	case <-server.ReadyNotify():
		p.Ready = true
	default:
	}
	return p
}

// Readmit asks Admit and AdmitPeer anew about every call that is under way, and ends those that it refuses now: a watch outlives the reasons for which it was admitted.
func (m *Member) Readmit() {
	m.gate.readmit()
	m.peerGate.readmit()
}

// MoveLeader hands the leadership to another voter, so that nobody waits for an election when this member stops; it does nothing where it does not lead.
// Close does it too, if it is quick.
func (m *Member) MoveLeader(ctx context.Context) error {
	server := m.etcd.Server
	for m.IsLeader() {
		others := 0
		for _, other := range server.Cluster().Members() {
			if other.IsLearner || other.ID == server.MemberID() {
				continue
			}
			others++
			attempt, cancel := context.WithTimeout(ctx, m.cfg.Election)
			err := server.MoveLeader(attempt, uint64(server.MemberID()), uint64(other.ID))
			cancel()
			if err == nil {
				return nil
			}
			if ctx.Err() != nil {
				return fault.Errorf(fault.Timeout, "hand the repository's leadership over: %w", err)
			}
		}
		if others == 0 {
			return fault.Errorf(fault.Precondition, "node %s is the only voter of the repository: there is nobody to lead it instead", m.cfg.Node)
		}
	}
	return nil
}

// Close stops the member and waits for its end, a few seconds at most.
func (m *Member) Close() {
	m.mu.Lock()
	m.closing = true
	m.mu.Unlock()
	m.stop()
	<-m.done
}

// supervise waits for the end of the member and carries it out.
func (m *Member) supervise() {
	select {
	case <-m.ctx.Done():
	case <-m.failed:
	case <-m.etcd.Server.StopNotify():
		m.stoppedByItself(nil)
	case err := <-m.etcd.Err():
		m.stoppedByItself(err)
	}
	m.stop()
	m.shutDown()
	m.loops.Wait()
	close(m.done)
}

// shutDown ends etcd. One that has met a fatal error may never end; its listeners are closed all the same.
func (m *Member) shutDown() {
	m.gate.shut()
	m.shutClients()
	defer m.shutPeers()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if m.failure() == nil {
			ctx, cancel := context.WithTimeout(context.Background(), handOver)
			defer cancel()
			if err := m.MoveLeader(ctx); err != nil && !fault.Is(err, fault.Precondition) {
				m.cfg.Log.Debug("the repository's leader stops", "err", err)
			}
		}
		m.etcd.Server.HardStop()
		m.etcd.Close()
	}()
	select {
	case <-ended:
		return
	case <-time.After(closePatience):
	}
	m.cfg.Log.Warn("the repository's member did not end in time and is left behind", "node", m.cfg.Node)
}

func (m *Member) stoppedByItself(cause error) {
	m.mu.Lock()
	removed := m.removed
	m.mu.Unlock()
	switch {
	case removed || m.etcd.Server.IsIDRemoved(uint64(m.etcd.Server.MemberID())):
		m.fail(fault.Errorf(fault.Precondition, "node %s is no member of the repository any more: %s is of no more use and can be removed", m.cfg.Node, m.cfg.Dir))
	case cause != nil:
		m.fail(fault.Errorf(fault.Unavailable, "the repository's member on node %s stopped: %w", m.cfg.Node, cause))
	default:
		m.fail(fault.Errorf(fault.Unavailable, "the repository's member on node %s stopped by itself; the log says why", m.cfg.Node))
	}
}

// fatal hears what etcd would have ended the process with.
func (m *Member) fatal(why string) {
	if roomLeft(m.cfg.Dir) < minimalRoom || strings.Contains(why, "no space left") {
		m.fail(fault.Errorf(fault.Internal, "the disk under %s is full and the repository's member on node %s could not go on (%s): make room there and restart redoubtd", m.cfg.Dir, m.cfg.Node, why))
		return
	}
	m.fail(damaged(m.cfg.Dir, why))
}

func (m *Member) noteRemoved() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.removed = true
}

// fail keeps the first failure.
func (m *Member) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil || m.closing {
		return
	}
	m.err = err
	close(m.failed)
}

func (m *Member) failure() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}
