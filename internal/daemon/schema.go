package daemon

import (
	"context"

	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/fault"
	"redoubt/internal/version"
)

// readable refuses to belong to a cluster whose records this daemon would misread: it was replaced by an older release, or it skipped one. 0: not known yet.
func readable(level int, node cluster.NodeName, name string) error {
	if level == 0 || confdb.Reads(level) {
		return nil
	}
	if level > confdb.Newest() {
		return fault.Errorf(fault.Unsupported, "this redoubtd (%s) is too old for cluster %s: it reads versions %d to %d of the repository's schema, and the cluster has committed version %d; a release that reads it has to be installed on node %s. "+
			"Nothing was changed, and no service is started here by this one", version.Version, name, confdb.OldestLevel, confdb.Newest(), level, node)
	}
	return fault.Errorf(fault.Unsupported, "this redoubtd (%s) is too new for cluster %s: it reads versions %d to %d of the repository's schema, and the cluster has committed version %d; "+
		"install a release in between on every node first and run `redoubt cluster upgrade --commit`", version.Version, name, confdb.OldestLevel, confdb.Newest(), level)
}

// gated is the repository for what writes records of the configuration and of its state: under the version of the schema that was agreed on.
func (n *node) gated() confdb.Store {
	return confdb.Gate{Store: n.store, Agreed: func() int { return n.mirror.Snapshot().Schema }}
}

// agree ends this daemon when the cluster agrees on a version of the schema that it does not read.
func (n *node) agree(ctx context.Context) error {
	news := n.mirror.Subscribe(ctx)
	for {
		if err := readable(n.mirror.Snapshot().Schema, n.cfg.Node, n.identity().Cluster.Name); err != nil {
			return err
		}
		select {
		case <-news:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
