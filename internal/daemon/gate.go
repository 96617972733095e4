package daemon

import (
	"path/filepath"
	"slices"

	"redoubt/internal/execcheck"
	"redoubt/internal/exectype"
	"redoubt/internal/ocf"
	"redoubt/internal/rgm/execsec"
)

// newGate makes the gate that every program passes before it runs as root.
func (n *node) newGate(fresh bool) (*execcheck.Gate, error) {
	return execcheck.New(execcheck.Config{
		Dir: filepath.Join(n.cfg.Run, "exec"), Level: func() execsec.Level { return execsec.LevelOf(n.mirror.Snapshot().State.Cluster) }, Log: n.log, Fresh: fresh,
	})
}

// plantable says, for each registered type that is installed here, where others than root may write what root runs.
func (n *node) plantable() []string {
	w := n.work.Load()
	if w == nil {
		return nil
	}
	var out []string
	looked := []string{}
	for _, t := range n.mirror.Snapshot().State.Types {
		if t.Driver != exectype.DriverName && t.Driver != ocf.Name || t.BaseDir == "" || slices.Contains(looked, t.BaseDir) {
			continue
		}
		looked = append(looked, t.BaseDir)
		paths := []string{t.BaseDir}
		if t.Driver == ocf.Name {
			paths = append(paths, filepath.Join(filepath.Dir(filepath.Dir(t.BaseDir)), "lib"))
		}
		vs, err := w.gate.Inspect(paths...)
		if err != nil {
			continue // it is not installed here, which is said elsewhere
		}
		for _, v := range vs {
			out = append(out, v.String())
		}
	}
	return out
}
