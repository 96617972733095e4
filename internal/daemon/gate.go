package daemon

import (
	"path/filepath"
	"slices"

	"redoubt/internal/execcheck"
	"redoubt/internal/exectype"
	"redoubt/internal/fence"
	"redoubt/internal/ocf"
	"redoubt/internal/rgm/execsec"
	"redoubt/internal/rgm/model"
)

// The folders of programs that the gates let through: methods, and fence agents, which run without a life of the services too.
const (
	methodGate = "exec"
	fenceGate  = "exec-fence"
)

// newGate makes a gate that every program passes before it runs as root.
func (n *node) newGate(dir string, fresh bool) (*execcheck.Gate, error) {
	return execcheck.New(execcheck.Config{
		Dir: filepath.Join(n.cfg.Run, dir), Level: func() execsec.Level { return execsec.LevelOf(n.mirror.Snapshot().State.Cluster) }, Log: n.log, Fresh: fresh,
	})
}

// plantable says, for each registered type and each configured fence agent that is installed here, where others than root may write what root runs.
func (n *node) plantable() []string {
	w := n.work.Load()
	if w == nil {
		return nil
	}
	var out []string
	for _, paths := range sources(n.mirror.Snapshot().State) {
		vs, err := w.gate.Inspect(paths...)
		if err != nil {
			continue // it is not installed here, which is said elsewhere
		}
		for _, v := range vs {
			if s := v.String(); !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
	}
	return out
}

// sources are the files and folders of what root runs, each with what it takes code from.
func sources(state model.State) (out [][]string) {
	looked := []string{}
	for _, t := range state.Types {
		if t.Driver != exectype.DriverName && t.Driver != ocf.Name || t.BaseDir == "" || slices.Contains(looked, t.BaseDir) {
			continue
		}
		looked = append(looked, t.BaseDir)
		paths := []string{t.BaseDir}
		if t.Driver == ocf.Name {
			paths = append(paths, filepath.Join(filepath.Dir(filepath.Dir(t.BaseDir)), "lib"))
		}
		out = append(out, paths)
	}
	for _, node := range state.Nodes {
		if node.Fence != nil && !slices.Contains(looked, node.Fence.Agent) {
			looked = append(looked, node.Fence.Agent)
			out = append(out, fence.Sources(node.Fence.Agent))
		}
	}
	return out
}
