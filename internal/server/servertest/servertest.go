// Package servertest is a cluster of three nodes for tests of the faces: the real control layer on a repository in memory, of which this node is n1. Nothing
// runs on it: groups are where an assignment that a test writes says, and commands are to be told not to wait.
package servertest

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/internal/agent"
	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/control"
	"redoubt/internal/engine"
	"redoubt/internal/fault"
	"redoubt/internal/membership"
	"redoubt/internal/rgm/life"
	"redoubt/internal/rgm/model"
)

// Copy is what the repository's copy consists of.
var Copy = bytes.Repeat([]byte("redoubt "), 100_000)

// Alone returns a control layer that is in no cluster.
func Alone() *control.Control {
	return control.New(control.Config{Clock: clock{}, Log: slog.New(slog.DiscardHandler), Local: machine{}})
}

// Cluster returns a control layer of node n1 in a cluster of n1, n2 and n3, all up, and the repository beneath it. It ends with the test.
func Cluster(t testing.TB) (*control.Control, confdb.Store) {
	t.Helper()
	c := Alone()
	return c, enter(t, c)
}

// enter takes a control layer into such a cluster.
func enter(t testing.TB, c *control.Control) confdb.Store {
	t.Helper()
	record := membership.Record{
		Epoch: 3, Formation: 1, President: "n1", VoterEpoch: 3, Timing: cluster.Profiles()[0],
		Members: []membership.Member{{Node: "n1", Incarnation: life1, Since: 1}, {Node: "n2", Incarnation: life1, Since: 2}, {Node: "n3", Incarnation: life1, Since: 3}},
		Voters:  []membership.Voter{{Node: "n1"}, {Node: "n2"}, {Node: "n3"}},
	}
	ops := []confdb.Op{
		op(t, confdb.KeySchema, confdb.KindSchema, model.Schema{Level: confdb.Newest()}),
		op(t, confdb.KeyMembership, confdb.KindMembership, record),
		op(t, confdb.KeyCluster, confdb.KindCluster, model.Cluster{Name: "demo", ID: "c0ffee", PrivateNet: "172.16.0.0/24", Interconnects: []model.Interconnect{
			{Index: 0, Network: "10.77.1.0/24"}, {Index: 1, Network: "10.77.2.0/24"},
		}}),
	}
	key := newSealer(t)
	for i, n := range []cluster.NodeName{"n1", "n2", "n3"} {
		ops = append(ops, op(t, confdb.KeyNode(n), confdb.KindNode, model.Node{
			Name: n, ID: i + 1, Addresses: []string{"10.77.1." + string(rune('1'+i)), "10.77.2." + string(rune('1'+i))}, PrivateAddress: "172.16.0." + string(rune('1'+i)),
			Keys: map[string]string{model.KeySecret: key.identity.Recipient().String()},
		}))
	}
	store := confdb.NewMemory()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	if _, err := store.Txn(ctx, nil, ops); err != nil {
		t.Fatal(err)
	}
	mirror := engine.NewMirror(store, slog.New(slog.DiscardHandler))
	go func() { _ = mirror.Run(ctx) }()
	select {
	case <-mirror.Filled():
	case <-time.After(10 * time.Second):
		t.Fatal("the repository was not read")
	}
	c.Enter(&control.Running{
		Node: "n1", Fingerprint: func() string { return "SHA256:test" }, Store: store, Source: mirror, Membership: members{record}, Executor: executor{}, Types: types{}, Peers: peers{}, Snapshotter: copier{}, Sealer: key, Current: func() bool { return true },
	})
	return store
}

var life1 = cluster.Incarnation{Number: 1, Tag: "a"}

func op(t testing.TB, key string, kind confdb.Kind, record any) confdb.Op {
	t.Helper()
	value, err := confdb.Encode(kind, record)
	if err != nil {
		t.Fatal(err)
	}
	return confdb.Op{Key: key, Value: value}
}

type clock struct{}

func (clock) Boot() membership.Instant { return membership.Instant(time.Hour) }
func (clock) Wall() time.Time          { return time.Date(2030, 1, 2, 12, 0, 0, 0, time.UTC) }

// members is a membership in which everybody is heard.
type members struct{ record membership.Record }

func (m members) View() membership.View {
	whole := membership.Copy{State: membership.CopyUsable}
	v := membership.View{Self: m.record.Members[0].Node, Copy: whole, Record: &m.record, Me: m.record.Members[0], IsMember: true, President: true, LeaseEnd: clock{}.Boot() + membership.Instant(time.Second)}
	for _, n := range []cluster.NodeName{"n2", "n3"} {
		v.Peers = append(v.Peers, membership.Peer{Node: n, Incarnation: life1, LastHeard: clock{}.Boot(), Epoch: m.record.Epoch, Copy: whole})
		for path := range 2 {
			v.Paths = append(v.Paths, membership.PathState{Node: n, Path: path, Up: true, LastHeard: clock{}.Boot()})
		}
	}
	return v
}

func (m members) MayStart() bool { return true }

type executor struct{}

func (executor) Ask(context.Context, cluster.GroupName, life.Asked) error { return nil }
func (executor) Rests(context.Context, cluster.GroupName) bool            { return true }

func (executor) Present(context.Context, cluster.GroupName) model.Instance {
	return model.Instance{}
}

// types are installed in every test: one whose methods always succeed.
type types struct{}

func (types) Describe(_ context.Context, name cluster.TypeName, _ string) (model.Type, error) {
	if name != "test.service" {
		return model.Type{}, fault.Errorf(fault.NotFound, "type %s: it is not installed on this node", name)
	}
	return model.Type{
		Name: name, Version: "1", Driver: "exec", BaseDir: "/nowhere", Methods: []model.MethodSpec{{Method: model.MethodStart, Program: "start"}, {Method: model.MethodStop, Program: "stop"}},
		Properties: []model.PropertySpec{{Name: "Start_command", Type: model.TypeString, Required: true, Tunable: model.TunableAnytime}},
	}, nil
}

func (types) Run(context.Context, agent.Call) agent.Result { return agent.Result{} }

type peers struct{}

func (peers) Call(_ context.Context, node cluster.NodeName, noun, verb string, _, _ any) error {
	return fault.Errorf(fault.Unavailable, "%s %s on %s: the node can not be reached", noun, verb, node)
}

type copier struct{}

func (copier) Snapshot(context.Context) (io.ReadCloser, int64, error) {
	return io.NopCloser(bytes.NewReader(Copy)), int64(len(Copy)), nil
}

// machine is a machine that makes and joins no cluster.
type machine struct{}

func (machine) Create(_ context.Context, in v1.ClusterCreate) (v1.ClusterCreated, error) {
	return v1.ClusterCreated{Name: in.Name, ID: "c0ffee", Node: in.Node, Fingerprint: "SHA256:test"}, nil
}

func (machine) Join(_ context.Context, in v1.NodeJoin) (v1.Result, error) {
	return v1.Result{}, fault.Errorf(fault.Unavailable, "join the cluster of %s: it can not be reached", in.Sponsor)
}
func (machine) Leave(context.Context, string, bool) error { return nil }

func (machine) Sign(context.Context, v1.NodeAdmit, model.Node, []netip.Addr) (control.Signed, error) {
	return control.Signed{}, fault.Errorf(fault.Unsupported, "sign a certificate: this test has no authority")
}

func (machine) PublicAddress(context.Context, netip.Addr) (netip.Addr, error) {
	return netip.MustParseAddr("10.0.0.1"), nil
}

func (machine) Facts(context.Context) (v1.NodeFacts, error) { return v1.NodeFacts{Node: "n1"}, nil }
