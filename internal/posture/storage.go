package posture

import (
	"slices"
	"strings"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/rgm/model"
)

// storageChecks are about file systems that more than one node can mount.
func storageChecks() []Check {
	return []Check{{v1.CheckInfo{
		ID: "RC-GRD-005", Severity: Warning, Area: areaNodes, Title: "Storage that moves between nodes is only on nodes with a fence agent",
		Rationale: "When a node loses its lease its guard unmounts, and the kernel writes out what is left; nothing bounds how long that takes. " +
			"Without a fence agent another node mounts after a time, with one only when it is proven that the first has ended.",
		Remedy: "configure a fence agent for the node with `redoubt node set-fence`",
	}, unfencedStorage}}
}

// mounts are the types whose resources mount file systems.
var mounts = []cluster.TypeName{"redoubt.storage", "ocf:heartbeat:Filesystem"}

// unfencedStorage finds the resources whose file system may be mounted elsewhere while a node without a fence agent still writes to it.
func unfencedStorage(f Facts, r *report) {
	for _, res := range f.State.Resources {
		i := slices.IndexFunc(f.State.Groups, func(g model.Group) bool { return g.Name == res.Group })
		if i < 0 || len(f.State.Groups[i].Nodelist) < 2 || !slices.Contains(mounts, res.Type) {
			continue
		}
		var bare []string
		for _, n := range f.State.Nodes {
			if n.Fence == nil && slices.Contains(f.State.Groups[i].Nodelist, n.Name) {
				bare = append(bare, string(n.Name))
			}
		}
		if len(bare) > 0 {
			r.fail("resource "+string(res.Name), "its file system may be mounted on another node while one that was lost still writes to it; these nodes have no fence agent: %s", strings.Join(bare, ", "))
		}
	}
}
