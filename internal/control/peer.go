package control

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	v1 "redoubt/api/v1"
	"redoubt/internal/agent"
	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/balance"
	"redoubt/internal/rgm/life"
	"redoubt/internal/rgm/model"
	"redoubt/internal/yield"
)

// PeerFacts tells another node what only this one knows of itself.
func (c *Control) PeerFacts(ctx context.Context, who Caller, in v1.PeerFacts) (v1.NodeFacts, error) {
	r, err := c.enter(ctx, who, "peer facts")
	if err != nil {
		return v1.NodeFacts{}, err
	}
	return c.factsHere(ctx, r, in)
}

// factsHere is what this node says of itself to a question.
func (c *Control) factsHere(ctx context.Context, r *Running, in v1.PeerFacts) (v1.NodeFacts, error) {
	switch {
	case in.Memory != "":
		out := v1.NodeFacts{Node: string(r.Node), Memory: map[string][]byte{}, Sockets: map[string][]byte{}}
		if r.Memories != nil {
			for service, m := range r.Memories(cluster.ResourceName(in.Memory)) {
				out.Memory[string(service)] = m.Pack()
				out.Sockets[string(service)] = balance.Memory{Connections: m.Sockets}.Pack()
			}
		}
		return out, nil
	case in.Nodes:
		return nodesHere(r), nil
	case in.Toward != "":
		return c.publicHere(ctx, r, in)
	case in.Group != "":
		return c.restsHere(ctx, r, in)
	}
	facts, err := c.cfg.Local.Facts(ctx)
	if err == nil && in.Posture && c.cfg.Surveyor != nil {
		p := c.cfg.Surveyor.Survey(ctx)
		facts.Posture = &p
	}
	return facts, err
}

// nodesHere tells who is in the cluster. Who is not in quorum may not know, and says nothing.
func nodesHere(r *Running) v1.NodeFacts {
	out := v1.NodeFacts{Node: string(r.Node)}
	if !r.Membership.MayStart() {
		return out
	}
	for _, n := range r.Source.Snapshot().State.Nodes {
		out.Nodes = append(out.Nodes, v1.KnownNode{Name: string(n.Name), ID: n.ID})
	}
	return out
}

// factsFrom asks a node, which may be this one, a question about itself.
func (c *Control) factsFrom(ctx context.Context, r *Running, n cluster.NodeName, in v1.PeerFacts) (facts v1.NodeFacts, err error) {
	if n == r.Node {
		return c.factsHere(ctx, r, in)
	}
	err = r.Peers.Call(ctx, n, "peer", "facts", in, &facts)
	return facts, err
}

// PeerDescribe tells another node what a resource type is here.
func (c *Control) PeerDescribe(ctx context.Context, who Caller, in v1.PeerDescribe) (v1.PeerType, error) {
	r, err := c.enter(ctx, who, "peer describe")
	if err != nil {
		return v1.PeerType{}, err
	}
	t, err := r.Types.Describe(ctx, cluster.TypeName(in.Name), in.File)
	if err != nil {
		return v1.PeerType{}, err
	}
	body, err := json.Marshal(t)
	if err != nil {
		return v1.PeerType{}, fault.Errorf(fault.Internal, "encode resource type %s: %w", in.Name, err)
	}
	return v1.PeerType{Type: body}, nil
}

// PeerValidate runs Validate methods here for another node.
func (c *Control) PeerValidate(ctx context.Context, who Caller, in v1.PeerValidate) (v1.PeerResult, error) {
	results := make([]v1.PeerResult, 1+len(in.More))
	var group errgroup.Group
	group.SetLimit(validatedAtOnce)
	for i, call := range append([][]byte{in.Call}, in.More...) {
		group.Go(func() (err error) {
			results[i], err = c.runHere(ctx, who, "peer validate", model.MethodValidate, call)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return v1.PeerResult{}, err
	}
	out := results[0]
	out.More = results[1:]
	return out, nil
}

// PeerMonitorCheck runs a Monitor_check method here for another node.
func (c *Control) PeerMonitorCheck(ctx context.Context, who Caller, in v1.PeerMonitorCheck) (v1.PeerResult, error) {
	return c.runHere(ctx, who, "peer monitor-check", model.MethodMonitorCheck, in.Call)
}

func (c *Control) runHere(ctx context.Context, who Caller, name string, method model.Method, body []byte) (v1.PeerResult, error) {
	r, err := c.enter(ctx, who, name)
	if err != nil {
		return v1.PeerResult{}, err
	}
	yield.Piece()
	var call agent.Call
	if err := json.Unmarshal(body, &call); err != nil {
		return v1.PeerResult{}, fault.Errorf(fault.Invalid, "%s: the call can not be read; are the nodes of the same version? %w", name, err)
	}
	if call.Method != method || call.Node != r.Node {
		return v1.PeerResult{}, fault.Errorf(fault.Invalid, "%s: this runs %s on node %s, not %s on node %s", name, method, r.Node, call.Method, call.Node)
	}
	if call.Timeout <= 0 {
		call.Timeout = model.DefaultMethodTimeout * time.Second
	}
	return peerResult(r.Types.Run(ctx, call)), nil
}

// PeerAsk hands another node's request to the executor here.
func (c *Control) PeerAsk(ctx context.Context, who Caller, in v1.PeerAsk) (v1.Result, error) {
	r, err := c.enter(ctx, who, "peer ask")
	if err != nil {
		return v1.Result{}, err
	}
	kinds := []life.AskKind{life.AskClear, life.AskRestart, life.AskGiveover, life.AskResourceRestart, life.AskIsRestarted, life.AskStatus, life.AskKill}
	if !slices.Contains(kinds, life.AskKind(in.Kind)) {
		return v1.Result{}, fault.Errorf(fault.Unsupported, "node %s does not know the request %q; are the nodes of the same version?", r.Node, in.Kind)
	}
	return v1.Result{}, r.Executor.Ask(ctx, cluster.GroupName(in.Group), life.Asked{
		Kind: life.AskKind(in.Kind), Resource: cluster.ResourceName(in.Resource), Status: model.Status(in.Status), Message: in.Message,
	})
}

// PeerLeave makes this node leave the cluster in good order, as another node was told to see to.
func (c *Control) PeerLeave(ctx context.Context, who Caller, in v1.PeerLeave) (v1.Result, error) {
	if _, err := c.enter(ctx, who, "peer leave"); err != nil {
		return v1.Result{}, err
	}
	return v1.Result{}, c.cfg.Local.Leave(ctx, in.Why, in.Shutdown)
}

// Bounds of asking nodes about themselves.
const (
	factsLimit = 2 * time.Second
	factsFresh = time.Minute
	factsRetry = 5 * time.Second // of one that did not answer
)

// factsCache keeps what nodes said of themselves, so that status need not ask each time. The zero value is ready.
type factsCache struct {
	mu   sync.Mutex
	kept map[cluster.NodeName]keptFacts
}

type keptFacts struct {
	facts v1.NodeFacts // what it said last
	at    time.Time    // when it was asked last
	err   error        // why it did not answer then
}

// old reports whether it is time to ask again: soon one that did not answer, or is not heard any more.
func (k keptFacts) old(heard bool) bool {
	if k.err != nil || !heard {
		return time.Since(k.at) >= factsRetry
	}
	return time.Since(k.at) >= factsFresh
}

func (f *factsCache) get(n cluster.NodeName) (keptFacts, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	k, ok := f.kept[n]
	return k, ok
}

// put keeps an answer, or that there was none.
func (f *factsCache) put(n cluster.NodeName, facts v1.NodeFacts, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.kept == nil {
		f.kept = map[cluster.NodeName]keptFacts{}
	}
	if err != nil {
		facts = f.kept[n].facts
	}
	f.kept[n] = keptFacts{facts, time.Now(), err}
}

// factsOf asks a node about itself.
func (c *Control) factsOf(ctx context.Context, r *Running, n cluster.NodeName) (v1.NodeFacts, error) {
	bounded, cancel := context.WithTimeout(ctx, factsLimit)
	defer cancel()
	facts, err := c.factsFrom(bounded, r, n, v1.PeerFacts{})
	if !errors.Is(ctx.Err(), context.Canceled) { // whoever asked has gone: that says nothing of the node
		c.facts.put(n, facts, err)
	}
	return facts, err
}

// refresh asks, at once and no longer than limit, the members and quorum servers whose facts are old.
func (c *Control) refresh(ctx context.Context, r *Running, v view, limit time.Duration) {
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var group errgroup.Group
	group.SetLimit(atOnce)
	for _, n := range slices.Concat(v.members(), v.quorumServers()) {
		if k, ok := c.facts.get(n); ok && !k.old(c.hears(v, n)) {
			continue
		}
		group.Go(func() error {
			_, _ = c.factsOf(bounded, r, n) // who does not answer is shown without
			return nil
		})
	}
	_ = group.Wait()
}
