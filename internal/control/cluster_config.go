package control

import (
	"context"
	"io"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/model"
)

// ClusterCreate makes a new cluster of this node.
func (c *Control) ClusterCreate(ctx context.Context, who Caller, in v1.ClusterCreate) (v1.ClusterCreated, error) {
	if err := c.authorise(ctx, who, "cluster create"); err != nil {
		return v1.ClusterCreated{}, err
	}
	if r := c.running.Load(); r != nil {
		return v1.ClusterCreated{}, c.alreadyIn(r)
	}
	return c.cfg.Local.Create(ctx, in)
}

// ClusterList lists the cluster's name.
func (c *Control) ClusterList(ctx context.Context, who Caller, in v1.ClusterList) ([]string, error) {
	r, err := c.enter(ctx, who, "cluster list")
	if err != nil {
		return nil, err
	}
	v, err := c.read(r)
	return []string{v.state.Cluster.Name}, err
}

// ClusterShow shows the cluster's configuration.
func (c *Control) ClusterShow(ctx context.Context, who Caller, in v1.ClusterShow) (v1.Cluster, error) {
	r, err := c.enter(ctx, who, "cluster show")
	if err != nil {
		return v1.Cluster{}, err
	}
	v, err := c.read(r)
	if err != nil {
		return v1.Cluster{}, err
	}
	return v1.Cluster{
		Name: v.state.Cluster.Name, ID: v.state.Cluster.ID, Fingerprint: r.Fingerprint(), PrivateNet: v.state.Cluster.PrivateNet,
		Interconnects: interconnects(v.state.Cluster), Nodes: nodeNames(v.state), Properties: propertiesOf(check.ClusterValues(v.settings())),
	}, nil
}

// settings are the properties of the cluster as they are now.
func (v view) settings() check.ClusterSettings {
	s := check.ClusterSettings{Properties: v.state.Cluster.Properties}
	if v.member.Record != nil {
		s.Timing = v.member.Record.Timing
	}
	return s
}

// ClusterSet changes properties of the cluster. A new timing comes into force on all nodes without harm: the longer of old and new counts until all have it.
func (c *Control) ClusterSet(ctx context.Context, who Caller, in v1.ClusterSet) (v1.Result, error) {
	r, err := c.enter(ctx, who, "cluster set")
	if err != nil {
		return v1.Result{}, err
	}
	settings, ps := check.ParseSettings("cluster", in.Property)
	if err := ps.Err(); err != nil {
		return v1.Result{}, err
	}
	if len(settings) == 0 {
		return v1.Result{}, fault.Errorf(fault.Invalid, "cluster set: name the properties to change with -p")
	}
	return c.setCluster(ctx, r, who, settings)
}

func (c *Control) setCluster(ctx context.Context, r *Running, who Caller, settings []check.Setting) (v1.Result, error) {
	var timing cluster.Timing
	retime := false
	out, err := c.change(ctx, r, who, configuration(func(d *draft) error {
		if d.member.Record == nil {
			return fault.Errorf(fault.Unavailable, "this node knows no membership yet; try again in a moment")
		}
		old := d.settings()
		now, ps := check.SetCluster(old, settings)
		if err := ps.Err(); err != nil {
			return err
		}
		if err := d.changesProtection(old, now); err != nil {
			return err
		}
		timing, retime = now.Timing, now.Timing != old.Timing
		if !slices.EqualFunc(old.Properties, now.Properties, func(a, b model.Property) bool { return a.Name == b.Name && slices.Equal(a.Values, b.Values) }) {
			cl := d.state.Cluster
			cl.Properties = now.Properties
			d.put(confdb.KeyCluster, confdb.KindCluster, cl)
		}
		d.say("the properties of the cluster are changed")
		return nil
	}))
	if err != nil || !retime {
		return out, err
	}
	return out, c.setTiming(ctx, r, who, timing)
}

// Snapshot is a copy of the repository on its way to the caller, who closes Body.
type Snapshot struct {
	Body io.ReadCloser
	Size int64 // 0: not known
}

// ClusterSnapshot copies the repository.
func (c *Control) ClusterSnapshot(ctx context.Context, who Caller, in v1.ClusterSnapshot) (Snapshot, error) {
	r, err := c.enter(ctx, who, "cluster snapshot")
	if err != nil {
		return Snapshot{}, err
	}
	if r.Snapshotter == nil {
		return Snapshot{}, fault.Errorf(fault.Unsupported, "this node can make no snapshot of the repository; ask another node")
	}
	body, size, err := r.Snapshotter.Snapshot(ctx)
	return Snapshot{Body: body, Size: size}, err
}

// ClusterShutdown takes every group offline and then stops the cluster on all nodes. When it is started again, groups with
// Auto_start_on_new_cluster come online again.
func (c *Control) ClusterShutdown(ctx context.Context, who Caller, in v1.ClusterShutdown) (v1.Result, error) {
	r, err := c.enter(ctx, who, "cluster shutdown")
	if err != nil {
		return v1.Result{}, err
	}
	if in.Grace < 0 || in.Grace > 24*3600 {
		return v1.Result{}, fault.Errorf(fault.Invalid, "cluster shutdown: a grace of %d seconds is out of bounds: 0 to a day", in.Grace)
	}
	c.cfg.Log.Warn("the cluster is being shut down", "by", who.String(), "grace", in.Grace, "message", in.Message)
	if in.Grace > 0 {
		timer := time.NewTimer(time.Duration(in.Grace) * time.Second)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return v1.Result{}, fault.Errorf(fault.Timeout, "the shutdown was called off while it waited: nothing was stopped")
		}
	}
	if err := c.allOffline(ctx, r, who); err != nil {
		return v1.Result{}, err
	}
	v := c.look(r)
	var group errgroup.Group
	nodes := v.members() // not the quorum servers: they run nothing and may serve on
	errs := make([]error, len(nodes))
	for i, n := range nodes {
		if n == r.Node {
			continue
		}
		group.Go(func() error {
			var none v1.Result
			if err := r.Peers.Call(ctx, n, "peer", "leave", v1.PeerLeave{Why: "the cluster is shut down", Shutdown: true}, &none); err != nil {
				errs[i] = fault.Errorf(fault.CodeOf(err), "stop node %s: %w", n, err)
			}
			return nil
		})
	}
	_ = group.Wait()
	if err := together(errs); err != nil {
		return v1.Result{Messages: []string{"every group is offline"}}, err
	}
	if err := c.cfg.Local.Leave(ctx, "the cluster is shut down", true); err != nil {
		return v1.Result{}, err
	}
	return v1.Result{Messages: []string{"every group is offline and the nodes have left; start redoubtd on them to start the cluster again"}}, nil
}

// allOffline orders every managed group offline and waits for it.
func (c *Control) allOffline(ctx context.Context, r *Running, who Caller) error {
	var names []string
	for _, g := range c.look(r).state.Groups {
		if g.Managed {
			names = append(names, string(g.Name))
		}
	}
	for part := range slices.Chunk(names, maxOps/2) {
		p := placing{names: part, waiting: wait(false, 0)}
		_, err := c.wish(ctx, r, who, p, func(_ *draft, g model.Group) (model.Want, error) { return model.Want{Group: g.Name}, nil },
			"is offline", func(g cluster.GroupName, seq uint64) func(view) error { return offline(g, seq, nil) })
		if err != nil {
			return err
		}
	}
	return nil
}
