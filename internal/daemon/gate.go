package daemon

import (
	"fmt"
	"path/filepath"
	"slices"

	"redoubt/internal/agent"
	"redoubt/internal/cluster"
	"redoubt/internal/execcheck"
	"redoubt/internal/exectype"
	"redoubt/internal/fence"
	"redoubt/internal/native/gds"
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

// plantable says, for each registered type, each configured fence agent that is installed here and each command of a resource that may run here, where others than
// root may write what root runs.
func (n *node) plantable() []string {
	w := n.work.Load()
	if w == nil {
		return nil
	}
	state := n.mirror.Snapshot().State
	var out []string
	add := func(s string) {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	for _, paths := range sources(state) {
		vs, err := w.gate.Inspect(paths...)
		if err != nil {
			continue // it is not installed here, which is said elsewhere
		}
		for _, v := range vs {
			add(v.String())
		}
	}
	wrongCommands(w.gate, state, n.cfg.Node, gds.SearchPath(n.tools()), add)
	return out
}

// wrongCommands tells what is wrong with the commands of the resources that may run on a node.
func wrongCommands(gate *execcheck.Gate, state model.State, here cluster.NodeName, path string, tell func(string)) {
	for _, r := range state.Resources {
		t := slices.IndexFunc(state.Types, func(t model.Type) bool { return t.Name == r.Type })
		g := slices.IndexFunc(state.Groups, func(g model.Group) bool { return g.Name == r.Group })
		if r.Type != gds.TypeName || t < 0 || g < 0 || !slices.Contains(state.Groups[g].Nodelist, here) {
			continue
		}
		call := agent.Call{Resource: r, Type: state.Types[t], Node: here}
		for name, command := range gds.Commands(call) {
			found, err := gate.InspectCommand(call, command, []string{"PATH=" + path})
			if err != nil { // each would be waited for
				tell(fmt.Sprintf("resource %s, property %s: %v; commands of other resources were not looked at", r.Name, name, err))
				return
			}
			for _, wrong := range found {
				tell(fmt.Sprintf("resource %s, property %s: %s", r.Name, name, wrong))
			}
		}
	}
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
