package daemon

import (
	"path/filepath"
	"slices"
	"testing"

	"redoubt/internal/fence"
	"redoubt/internal/ocf"
	"redoubt/internal/rgm/model"
)

// TestSourcesOfWhatRootRuns: the check of who could write what root runs looks at types and at fence agents, at each once.
func TestSourcesOfWhatRootRuns(t *testing.T) {
	with := func(agent string) model.NodeState {
		return model.NodeState{Node: model.Node{Fence: &model.Fence{Agent: agent}}}
	}
	got := sources(model.State{
		Types: []model.Type{{Name: "ocf:heartbeat:a", Driver: ocf.Name, BaseDir: "/usr/lib/ocf/resource.d/heartbeat"}, {Name: "ocf:heartbeat:b", Driver: ocf.Name, BaseDir: "/usr/lib/ocf/resource.d/heartbeat"}},
		Nodes: []model.NodeState{with("fence_x"), with("fence_x"), {}, with("fence_y")},
	})
	var first []string
	for _, paths := range got {
		first = append(first, paths[0])
	}
	if want := []string{"/usr/lib/ocf/resource.d/heartbeat", filepath.Join(fence.AgentDir, "fence_x"), filepath.Join(fence.AgentDir, "fence_y")}; !slices.Equal(first, want) {
		t.Errorf("looked at %q, want %q", first, want)
	}
	if len(got) == 0 || !slices.Contains(got[0], "/usr/lib/ocf/lib") {
		t.Errorf("the libraries of OCF agents are not among %q", got)
	}
}
