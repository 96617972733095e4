package control

import (
	"context"
	"io"
	v1 "redoubt/api/v1"
	"redoubt/internal/fault"
)

type factsCache struct{}

type Snapshot struct {
	Body io.ReadCloser
	Size int64
}

func (c *Control) Watch(ctx context.Context, who Caller) (<-chan v1.Event, error) {
	return nil, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) ClusterCreate(ctx context.Context, who Caller, in v1.ClusterCreate) (v1.ClusterCreated, error) {
	var out v1.ClusterCreated
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) ClusterList(ctx context.Context, who Caller, in v1.ClusterList) ([]string, error) {
	var out []string
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) ClusterShow(ctx context.Context, who Caller, in v1.ClusterShow) (v1.Cluster, error) {
	var out v1.Cluster
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) ClusterStatus(ctx context.Context, who Caller, in v1.ClusterStatus) (v1.Status, error) {
	var out v1.Status
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) ClusterSet(ctx context.Context, who Caller, in v1.ClusterSet) (v1.Result, error) {
	var out v1.Result
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) ClusterCheck(ctx context.Context, who Caller, in v1.ClusterCheck) (v1.CheckReport, error) {
	var out v1.CheckReport
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) ClusterVerify(ctx context.Context, who Caller, in v1.ClusterVerify) (v1.CheckReport, error) {
	var out v1.CheckReport
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) ClusterExport(ctx context.Context, who Caller, in v1.ClusterExport) (v1.Document, error) {
	var out v1.Document
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) ClusterApply(ctx context.Context, who Caller, in v1.ClusterApply) (v1.Result, error) {
	var out v1.Result
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) ClusterSnapshot(ctx context.Context, who Caller, in v1.ClusterSnapshot) (Snapshot, error) {
	var out Snapshot
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) ClusterShutdown(ctx context.Context, who Caller, in v1.ClusterShutdown) (v1.Result, error) {
	var out v1.Result
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) NodeList(ctx context.Context, who Caller, in v1.NodeList) ([]string, error) {
	var out []string
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) NodeShow(ctx context.Context, who Caller, in v1.NodeShow) ([]v1.Node, error) {
	var out []v1.Node
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) NodeStatus(ctx context.Context, who Caller, in v1.NodeStatus) ([]v1.NodeState, error) {
	var out []v1.NodeState
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) NodeJoin(ctx context.Context, who Caller, in v1.NodeJoin) (v1.Result, error) {
	var out v1.Result
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) NodeAdmit(ctx context.Context, who Caller, in v1.NodeAdmit) (v1.NodeAdmitted, error) {
	var out v1.NodeAdmitted
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) NodeRemove(ctx context.Context, who Caller, in v1.NodeRemove) (v1.Result, error) {
	var out v1.Result
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) NodeEvacuate(ctx context.Context, who Caller, in v1.NodeEvacuate) (v1.Result, error) {
	var out v1.Result
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) NodeSet(ctx context.Context, who Caller, in v1.NodeSet) (v1.Result, error) {
	var out v1.Result
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) NodeSetFence(ctx context.Context, who Caller, in v1.NodeSetFence) (v1.Result, error) {
	var out v1.Result
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) NodeClearFence(ctx context.Context, who Caller, in v1.NodeClearFence) (v1.Result, error) {
	var out v1.Result
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) QuorumList(ctx context.Context, who Caller, in v1.QuorumList) ([]string, error) {
	var out []string
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) QuorumShow(ctx context.Context, who Caller, in v1.QuorumShow) (v1.Quorum, error) {
	var out v1.Quorum
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) QuorumStatus(ctx context.Context, who Caller, in v1.QuorumStatus) (v1.QuorumState, error) {
	var out v1.QuorumState
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) QuorumAdd(ctx context.Context, who Caller, in v1.QuorumAdd) (v1.Result, error) {
	var out v1.Result
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) QuorumRemove(ctx context.Context, who Caller, in v1.QuorumRemove) (v1.Result, error) {
	var out v1.Result
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) InterconnectShow(ctx context.Context, who Caller, in v1.InterconnectShow) ([]v1.Interconnect, error) {
	var out []v1.Interconnect
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) InterconnectStatus(ctx context.Context, who Caller, in v1.InterconnectStatus) ([]v1.InterconnectState, error) {
	var out []v1.InterconnectState
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) InterconnectAdd(ctx context.Context, who Caller, in v1.InterconnectAdd) (v1.Result, error) {
	var out v1.Result
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) InterconnectRemove(ctx context.Context, who Caller, in v1.InterconnectRemove) (v1.Result, error) {
	var out v1.Result
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) InterconnectEnable(ctx context.Context, who Caller, in v1.InterconnectEnable) (v1.Result, error) {
	var out v1.Result
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) InterconnectDisable(ctx context.Context, who Caller, in v1.InterconnectDisable) (v1.Result, error) {
	var out v1.Result
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) AccessList(ctx context.Context, who Caller, in v1.AccessList) ([]string, error) {
	var out []string
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) AccessShow(ctx context.Context, who Caller, in v1.AccessShow) (v1.Access, error) {
	var out v1.Access
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) AccessAllow(ctx context.Context, who Caller, in v1.AccessAllow) (v1.Result, error) {
	var out v1.Result
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) AccessDeny(ctx context.Context, who Caller, in v1.AccessDeny) (v1.Result, error) {
	var out v1.Result
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) AccessAllowAll(ctx context.Context, who Caller, in v1.AccessAllowAll) (v1.Result, error) {
	var out v1.Result
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) AccessDenyAll(ctx context.Context, who Caller, in v1.AccessDenyAll) (v1.Result, error) {
	var out v1.Result
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) AccessSet(ctx context.Context, who Caller, in v1.AccessSet) (v1.Result, error) {
	var out v1.Result
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) TypeList(ctx context.Context, who Caller, in v1.TypeList) ([]string, error) {
	var out []string
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) TypeShow(ctx context.Context, who Caller, in v1.TypeShow) ([]v1.Type, error) {
	var out []v1.Type
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) TypeListProps(ctx context.Context, who Caller, in v1.TypeListProps) ([]v1.TypeProps, error) {
	var out []v1.TypeProps
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) TypeRegister(ctx context.Context, who Caller, in v1.TypeRegister) (v1.Result, error) {
	var out v1.Result
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) TypeUnregister(ctx context.Context, who Caller, in v1.TypeUnregister) (v1.Result, error) {
	var out v1.Result
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) TypeSet(ctx context.Context, who Caller, in v1.TypeSet) (v1.Result, error) {
	var out v1.Result
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) GroupList(ctx context.Context, who Caller, in v1.GroupList) ([]string, error) {
	var out []string
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) GroupShow(ctx context.Context, who Caller, in v1.GroupShow) ([]v1.Group, error) {
	var out []v1.Group
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) GroupStatus(ctx context.Context, who Caller, in v1.GroupStatus) ([]v1.GroupState, error) {
	var out []v1.GroupState
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) GroupListProps(ctx context.Context, who Caller, in v1.GroupListProps) ([]v1.PropertySpec, error) {
	var out []v1.PropertySpec
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) GroupCreate(ctx context.Context, who Caller, in v1.GroupCreate) (v1.Result, error) {
	var out v1.Result
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) GroupDelete(ctx context.Context, who Caller, in v1.GroupDelete) (v1.Result, error) {
	var out v1.Result
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) GroupOnline(ctx context.Context, who Caller, in v1.GroupOnline) (v1.Result, error) {
	var out v1.Result
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) GroupOffline(ctx context.Context, who Caller, in v1.GroupOffline) (v1.Result, error) {
	var out v1.Result
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) GroupSwitch(ctx context.Context, who Caller, in v1.GroupSwitch) (v1.Result, error) {
	var out v1.Result
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) GroupRestart(ctx context.Context, who Caller, in v1.GroupRestart) (v1.Result, error) {
	var out v1.Result
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) GroupRemaster(ctx context.Context, who Caller, in v1.GroupRemaster) (v1.Result, error) {
	var out v1.Result
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) GroupSuspend(ctx context.Context, who Caller, in v1.GroupSuspend) (v1.Result, error) {
	var out v1.Result
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) GroupResume(ctx context.Context, who Caller, in v1.GroupResume) (v1.Result, error) {
	var out v1.Result
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) GroupQuiesce(ctx context.Context, who Caller, in v1.GroupQuiesce) (v1.Result, error) {
	var out v1.Result
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) GroupManage(ctx context.Context, who Caller, in v1.GroupManage) (v1.Result, error) {
	var out v1.Result
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) GroupUnmanage(ctx context.Context, who Caller, in v1.GroupUnmanage) (v1.Result, error) {
	var out v1.Result
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) GroupSet(ctx context.Context, who Caller, in v1.GroupSet) (v1.Result, error) {
	var out v1.Result
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) GroupAddNode(ctx context.Context, who Caller, in v1.GroupAddNode) (v1.Result, error) {
	var out v1.Result
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) GroupRemoveNode(ctx context.Context, who Caller, in v1.GroupRemoveNode) (v1.Result, error) {
	var out v1.Result
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) GroupEvacuate(ctx context.Context, who Caller, in v1.GroupEvacuate) (v1.Result, error) {
	var out v1.Result
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) ResourceList(ctx context.Context, who Caller, in v1.ResourceList) ([]string, error) {
	var out []string
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) ResourceShow(ctx context.Context, who Caller, in v1.ResourceShow) ([]v1.Resource, error) {
	var out []v1.Resource
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) ResourceStatus(ctx context.Context, who Caller, in v1.ResourceStatus) ([]v1.ResourceState, error) {
	var out []v1.ResourceState
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) ResourceListProps(ctx context.Context, who Caller, in v1.ResourceListProps) ([]v1.ResourceProps, error) {
	var out []v1.ResourceProps
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) ResourceCreate(ctx context.Context, who Caller, in v1.ResourceCreate) (v1.Result, error) {
	var out v1.Result
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) ResourceCreateLogicalhostname(ctx context.Context, who Caller, in v1.ResourceCreateLogicalhostname) (v1.Result, error) {
	var out v1.Result
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) ResourceDelete(ctx context.Context, who Caller, in v1.ResourceDelete) (v1.Result, error) {
	var out v1.Result
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) ResourceEnable(ctx context.Context, who Caller, in v1.ResourceEnable) (v1.Result, error) {
	var out v1.Result
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) ResourceDisable(ctx context.Context, who Caller, in v1.ResourceDisable) (v1.Result, error) {
	var out v1.Result
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) ResourceMonitor(ctx context.Context, who Caller, in v1.ResourceMonitor) (v1.Result, error) {
	var out v1.Result
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) ResourceUnmonitor(ctx context.Context, who Caller, in v1.ResourceUnmonitor) (v1.Result, error) {
	var out v1.Result
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) ResourceClear(ctx context.Context, who Caller, in v1.ResourceClear) (v1.Result, error) {
	var out v1.Result
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) ResourceSet(ctx context.Context, who Caller, in v1.ResourceSet) (v1.Result, error) {
	var out v1.Result
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) SchaResourceGetCall(ctx context.Context, who Caller, in v1.SchaResourceGetCall) ([]string, error) {
	var out []string
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) SchaResourcegroupGetCall(ctx context.Context, who Caller, in v1.SchaResourcegroupGetCall) ([]string, error) {
	var out []string
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) SchaResourcetypeGetCall(ctx context.Context, who Caller, in v1.SchaResourcetypeGetCall) ([]string, error) {
	var out []string
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) SchaClusterGetCall(ctx context.Context, who Caller, in v1.SchaClusterGetCall) ([]string, error) {
	var out []string
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) SchaControlCall(ctx context.Context, who Caller, in v1.SchaControlCall) (v1.Result, error) {
	var out v1.Result
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) SchaResourceSetstatusCall(ctx context.Context, who Caller, in v1.SchaResourceSetstatusCall) (v1.Result, error) {
	var out v1.Result
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) AttributeGet(ctx context.Context, who Caller, in v1.AttributeGet) (v1.Attribute, error) {
	var out v1.Attribute
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) AttributeList(ctx context.Context, who Caller, in v1.AttributeList) ([]v1.Attribute, error) {
	var out []v1.Attribute
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) AttributeSet(ctx context.Context, who Caller, in v1.AttributeSet) (v1.Result, error) {
	var out v1.Result
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) AttributeDelete(ctx context.Context, who Caller, in v1.AttributeDelete) (v1.Result, error) {
	var out v1.Result
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) PeerFacts(ctx context.Context, who Caller, in v1.PeerFacts) (v1.NodeFacts, error) {
	var out v1.NodeFacts
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) PeerDescribe(ctx context.Context, who Caller, in v1.PeerDescribe) (v1.PeerType, error) {
	var out v1.PeerType
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) PeerValidate(ctx context.Context, who Caller, in v1.PeerValidate) (v1.PeerResult, error) {
	var out v1.PeerResult
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) PeerMonitorCheck(ctx context.Context, who Caller, in v1.PeerMonitorCheck) (v1.PeerResult, error) {
	var out v1.PeerResult
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) PeerAsk(ctx context.Context, who Caller, in v1.PeerAsk) (v1.Result, error) {
	var out v1.Result
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) PeerLeave(ctx context.Context, who Caller, in v1.PeerLeave) (v1.Result, error) {
	var out v1.Result
	return out, fault.Errorf(fault.Unsupported, "not yet")
}
