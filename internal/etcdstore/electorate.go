package etcdstore

import (
	"context"
	"net/url"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"

	"redoubt/internal/cluster"
	"redoubt/internal/engine"
	"redoubt/internal/fault"
)

// Electorate implements engine.Electorate over a Store. Members are known by their private addresses: one that has not started yet has no name.
type Electorate struct {
	store     *Store
	addresses func() map[cluster.NodeName]string
	peerPort  int
}

var _ engine.Electorate = (*Electorate)(nil)

// NewElectorate returns the electorate of the repository behind store. addresses gives the private address of every configured node.
func NewElectorate(store *Store, addresses func() map[cluster.NodeName]string, peerPort int) *Electorate {
	return &Electorate{store: store, addresses: addresses, peerPort: peerPort}
}

// member is one member of the repository with the node it is on.
type member struct {
	id      uint64
	node    cluster.NodeName
	address string
	learner bool
	started bool
}

// Seats implements engine.Electorate.
func (e *Electorate) Seats(ctx context.Context) ([]engine.Seat, error) {
	members, err := e.members(ctx)
	if err != nil {
		return nil, err
	}
	seats := make([]engine.Seat, 0, len(members))
	for _, m := range members {
		seats = append(seats, engine.Seat{Node: m.node, ID: m.id, Learner: m.learner, Started: m.started})
	}
	return seats, nil
}

// Peers gives the private addresses of all members: what MemberConfig.Peers wants from a node that joins.
func (e *Electorate) Peers(ctx context.Context) (map[cluster.NodeName]string, error) {
	members, err := e.members(ctx)
	if err != nil {
		return nil, err
	}
	peers := make(map[cluster.NodeName]string, len(members))
	for _, m := range members {
		peers[m.node] = m.address
	}
	return peers, nil
}

// AddLearner implements engine.Electorate.
func (e *Electorate) AddLearner(ctx context.Context, node cluster.NodeName) error {
	address, ok := e.addresses()[node]
	if !ok {
		return fault.Errorf(fault.NotFound, "node %s is to have the repository but is not configured", node)
	}
	peer := secureURL(address, e.peerPort)
	err := e.change(ctx, "seat node "+string(node)+" in the repository", func(ctx context.Context, c etcdserverpb.ClusterClient) error {
		_, err := c.MemberAdd(ctx, &etcdserverpb.MemberAddRequest{PeerURLs: []string{peer.String()}, IsLearner: true})
		if says(err, rpctypes.ErrGRPCPeerURLExist) || says(err, rpctypes.ErrGRPCMemberExist) {
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	_, err = e.find(ctx, node)
	return err
}

// Promote implements engine.Electorate.
func (e *Electorate) Promote(ctx context.Context, node cluster.NodeName) error {
	m, err := e.find(ctx, node)
	if err != nil || !m.learner {
		return err
	}
	return e.change(ctx, "give node "+string(node)+" its vote", func(ctx context.Context, c etcdserverpb.ClusterClient) error {
		_, err := c.MemberPromote(ctx, &etcdserverpb.MemberPromoteRequest{ID: m.id})
		if says(err, rpctypes.ErrGRPCMemberNotLearner) {
			return nil
		}
		return err
	})
}

// Remove implements engine.Electorate.
func (e *Electorate) Remove(ctx context.Context, node cluster.NodeName) error {
	m, err := e.find(ctx, node)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return e.change(ctx, "take the repository from node "+string(node), func(ctx context.Context, c etcdserverpb.ClusterClient) error {
		_, err := c.MemberRemove(ctx, &etcdserverpb.MemberRemoveRequest{ID: m.id})
		if says(err, rpctypes.ErrGRPCMemberNotFound) {
			return nil
		}
		return err
	})
}

// change repeats a change of the members until it is answered: each may be repeated. One that would break the majority is refused at once.
func (e *Electorate) change(ctx context.Context, what string, call func(context.Context, etcdserverpb.ClusterClient) error) error {
	return e.store.try(ctx, what, func(ctx context.Context, conn *grpc.ClientConn) error {
		err := call(ctx, etcdserverpb.NewClusterClient(conn))
		if says(err, rpctypes.ErrGRPCUnhealthy) || says(err, rpctypes.ErrGRPCMemberNotEnoughStarted) {
			return fault.Errorf(fault.Unavailable, "%s: the members have not all been connected for five seconds; it has to be tried again", what)
		}
		return err
	})
}

func (e *Electorate) find(ctx context.Context, node cluster.NodeName) (member, error) {
	members, err := e.members(ctx)
	if err != nil {
		return member{}, err
	}
	for _, m := range members {
		if m.node == node {
			return m, nil
		}
	}
	return member{}, fault.Errorf(fault.NotFound, "node %s has no seat in the repository", node)
}

// members lists the members, linearizably.
func (e *Electorate) members(ctx context.Context) ([]member, error) {
	byAddress := map[string]cluster.NodeName{}
	for n, a := range e.addresses() {
		byAddress[a] = n
	}
	var out []member
	err := e.store.read(ctx, "list the members of the repository", func(ctx context.Context, conn *grpc.ClientConn) error {
		resp, err := etcdserverpb.NewClusterClient(conn).MemberList(ctx, &etcdserverpb.MemberListRequest{Linearizable: true})
		if err != nil {
			return err
		}
		out = nil
		for _, m := range resp.Members {
			address := hostOf(m.PeerURLs)
			name, ok := byAddress[address]
			if !ok {
				name = cluster.NodeName(m.Name) // a node that is no more configured
			}
			out = append(out, member{id: m.ID, node: name, address: address, learner: m.IsLearner, started: m.Name != ""})
		}
		return nil
	})
	return out, err
}

func hostOf(urls []string) string {
	for _, raw := range urls {
		if u, err := url.Parse(raw); err == nil {
			return u.Hostname()
		}
	}
	return ""
}
