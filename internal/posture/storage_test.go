package posture

import (
	"strings"
	"testing"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/rgm/model"
)

// Storage that moves asks for fence agents on every node that it can be on; storage of one node, and nodes outside the nodelist, do not.
func TestUnfencedStorage(t *testing.T) {
	agent := &model.Fence{Agent: "fence_virt"}
	for _, c := range []struct {
		what  string
		typ   cluster.TypeName
		nodes []cluster.NodeName
		agent [3]*model.Fence
		names string // of nodes; "": no finding
	}{
		{"none", "redoubt.storage", []cluster.NodeName{"n1", "n2"}, [3]*model.Fence{}, "n1, n2"},
		{"one", "ocf:heartbeat:Filesystem", []cluster.NodeName{"n1", "n2"}, [3]*model.Fence{agent}, "n2"},
		{"all that matter", "redoubt.storage", []cluster.NodeName{"n1", "n2"}, [3]*model.Fence{agent, agent}, ""},
		{"it stays where it is", "redoubt.storage", []cluster.NodeName{"n1"}, [3]*model.Fence{}, ""},
		{"no storage", "redoubt.gds", []cluster.NodeName{"n1", "n2"}, [3]*model.Fence{}, ""},
	} {
		f := Facts{State: model.State{Groups: []model.Group{{Name: "g", Nodelist: c.nodes}}, Resources: []model.Resource{{Name: "disk", Group: "g", Type: c.typ}}}}
		for i, n := range []cluster.NodeName{"n1", "n2", "n3"} {
			f.State.Nodes = append(f.State.Nodes, model.NodeState{Node: model.Node{Name: n, Fence: c.agent[i]}})
		}
		for _, r := range Run(storageChecks(), f) {
			found := r.Status == v1.CheckFail
			if found != (c.names != "") || found && !strings.HasSuffix(r.Findings[0].Text, ": "+c.names) {
				t.Errorf("%s: %+v", c.what, r)
			}
		}
	}
}
