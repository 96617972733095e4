package daemon

import "context"

// serveMetrics serves /metrics in plain HTTP on this machine until ctx ends, when the configuration asks for it. A port that is taken does not stop a node.
func (d *Daemon) serveMetrics(ctx context.Context) {
	if d.cfg.Metrics == "" {
		return
	}
	if err := d.server.ServeMetrics(ctx, d.cfg.Metrics); err != nil && ctx.Err() == nil {
		d.log.Error("the metrics are not served in plain HTTP; free the port, or change metrics in the configuration, and restart the daemon", "address", d.cfg.Metrics, "err", err)
	}
}
