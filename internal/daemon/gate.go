package daemon

import (
	"fmt"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"redoubt/internal/agent"
	"redoubt/internal/cluster"
	"redoubt/internal/execcheck"
	"redoubt/internal/exectype"
	"redoubt/internal/fence"
	"redoubt/internal/native/gds"
	"redoubt/internal/ocf"
	"redoubt/internal/rgm/check"
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

// plantableRest is how many times as long as a look at what others may write took, what it found is said again: every node is asked for it with each status, and where there are
// thousands of commands a look takes seconds.
const plantableRest = 20

// found is what a look has found, for a while. The zero value has looked at nothing.
type found struct {
	looks singleflight.Group
	last  atomic.Pointer[finding]
}

type finding struct {
	said  []string
	until time.Time // it is said again
}

// get gives what the newest look has found, or looks; who asks meanwhile waits for that look and makes none of his own.
func (f *found) get(look func() []string) []string {
	said, _, _ := f.looks.Do("", func() (any, error) {
		began := time.Now()
		if last := f.last.Load(); last != nil && began.Before(last.until) {
			return last.said, nil
		}
		said := look()
		ended := time.Now()
		f.last.Store(&finding{said: said, until: ended.Add(plantableRest * ended.Sub(began))})
		return said, nil
	})
	return said.([]string)
}

// plantable says, for each registered type, each configured fence agent that is installed here and each command of a resource that may run here, where others than
// root may write what root runs.
func (n *node) plantable() []string {
	w := n.work.Load()
	if w == nil {
		return nil
	}
	return w.wrong.get(func() []string { return n.lookForPlantable(w.gate) })
}

func (n *node) lookForPlantable(gate *execcheck.Gate) []string {
	state := n.mirror.Snapshot().State
	var out []string
	add := func(s string) {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	for _, paths := range sources(state) {
		vs, err := gate.Inspect(paths...)
		if err != nil {
			continue // it is not installed here, which is said elsewhere
		}
		for _, v := range vs {
			add(v.String())
		}
	}
	wrongCommands(gate, state, n.cfg.Node, gds.SearchPath(n.tools()), add)
	return out
}

// wrongCommands tells what is wrong with the commands of the resources that may run on a node. What many of them have in common is looked at once.
func wrongCommands(gate *execcheck.Gate, state model.State, here cluster.NodeName, path string, tell func(string)) {
	type asked struct{ command, user string }
	known := map[asked][]string{}
	for _, r := range state.Resources {
		t, registered := check.Type(state, r.Type)
		g, _ := check.Group(state, r.Group)
		if r.Type != gds.TypeName || !registered || !slices.Contains(g.Nodelist, here) {
			continue
		}
		call := agent.Call{Resource: r, Type: t, Node: here}
		for name, command := range gds.Commands(call) {
			ask := asked{command, r.ApplicationUser}
			if _, ok := known[ask]; !ok {
				wrong, err := gate.InspectCommand(call, command, []string{"PATH=" + path})
				if err != nil { // each would be waited for
					tell(fmt.Sprintf("resource %s, property %s: %v; commands of other resources were not looked at", r.Name, name, err))
					return
				}
				known[ask] = wrong
			}
			for _, wrong := range known[ask] {
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
