package etcdstore

import (
	"context"

	"go.etcd.io/raft/v3/raftpb"

	"redoubt/internal/cluster"
	"redoubt/internal/fault"
)

// Leader is the node whose member leads the repository as far as this member knows; "" when there is none.
func (m *Member) Leader() cluster.NodeName {
	server := m.etcd.Server
	if lead := server.Cluster().Member(server.Leader()); lead != nil {
		return cluster.NodeName(lead.Name)
	}
	return ""
}

// Campaign has this member ask for the leadership at once, for whoever knows that the leader is gone before its silence is long enough for the members to notice. It is
// what a leader that hands over tells its successor; the others follow unless they are further than this member. An election at the wrong time costs a moment, no more.
func (m *Member) Campaign(ctx context.Context) error {
	server := m.etcd.Server
	self := uint64(server.MemberID())
	if err := server.Process(ctx, &raftpb.Message{Type: raftpb.MsgTimeoutNow.Enum(), To: &self}); err != nil {
		return fault.Errorf(fault.Unavailable, "ask for the leadership of the repository: %w", err)
	}
	return nil
}
