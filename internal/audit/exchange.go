package audit

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	v1 "redoubt/api/v1"
	"redoubt/internal/auditlog"
	"redoubt/internal/fault"
)

// Peer is another node of the cluster, as its record has it.
type Peer struct {
	Name        string
	ID          int
	Key         string // of its log; "" if its record has none
	Certificate string // fingerprint of its present one
	// QuorumServer is set when it only votes.
	QuorumServer bool
	// Removals are the certificates of nodes of this name that count no more because the node was removed.
	Removals []Removal
}

// Removal says when a node was removed, by the clock of the node that removed it.
type Removal struct {
	Certificate string // fingerprint of one that the removed node had
	At          time.Time
}

// Cluster is what the exchange needs of the cluster.
type Cluster interface {
	Peers() []Peer
	// Call calls an operation of another node.
	Call(ctx context.Context, node, noun, verb string, in, out any) error
}

// The rhythm of the exchange: news are told at once, but not more often than settleNews; every node is asked now and then in any case.
const (
	settleNews = 300 * time.Millisecond
	askEvery   = 30 * time.Second
	callLimit  = 10 * time.Second
	pullLimit  = 2 * time.Minute
	atOnce     = 4   // nodes that are told of news
	fetchTries = 5   // fetchings for who asks, while Exchange fetches the same
	spotCheck  = 256 // records of a node that are read again each time
	maxSearch  = 500 // pages of records that are read to find the first difference
)

// Exchange keeps copies of the logs of the other nodes and watches over them, until ctx ends.
func (j *Journal) Exchange(ctx context.Context, c Cluster) error {
	x := newExchange(j, c)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return x.tell(ctx) })
	g.Go(func() error { return x.fetch(ctx) })
	g.Go(func() error { return x.watch(ctx) })
	return g.Wait()
}

type exchange struct {
	j     *Journal
	c     Cluster
	mu    sync.Mutex
	spot  map[string]uint64     // where reading again goes on
	later map[string]time.Time  // when a node that does not know the heads of others is asked again
	pulls map[string]*pull      // nodes whose logs are being fetched
	seen  map[string]v1.LogHead // heads of third nodes that were compared, by who holds them and whose they are
}

func newExchange(j *Journal, c Cluster) *exchange {
	return &exchange{j: j, c: c, pulls: map[string]*pull{}, spot: map[string]uint64{}, later: map[string]time.Time{}, seen: map[string]v1.LogHead{}}
}

// News says that a node has something new in its log.
func (j *Journal) News(node string) {
	select {
	case j.pull <- node:
	default: // it is asked soon anyway
	}
}

// tell tells the other nodes that this one has something new.
func (x *exchange) tell(ctx context.Context) error {
	for {
		select {
		case <-x.j.news:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		var g errgroup.Group
		g.SetLimit(atOnce)
		for _, p := range x.c.Peers() {
			g.Go(func() error {
				bounded, cancel := context.WithTimeout(ctx, callLimit)
				defer cancel()
				_ = x.c.Call(bounded, p.Name, "peer", "log-news", v1.PeerLogNews{Node: x.j.cfg.Node}, &v1.Result{}) // it asks by itself later
				return nil
			})
		}
		_ = g.Wait()
		if pause(ctx, settleNews) != nil {
			return context.Cause(ctx)
		}
	}
}

// fetch asks nodes that have news, and all of them now and then. Nobody waits for one that is slow, but who fetches from it.
func (x *exchange) fetch(ctx context.Context) error {
	all := time.NewTicker(askEvery)
	defer all.Stop()
	var fetching sync.WaitGroup
	defer fetching.Wait()
	x.round(ctx, &fetching, "")
	for {
		select {
		case node := <-x.j.pull:
			x.round(ctx, &fetching, node)
		case <-all.C:
			x.round(ctx, &fetching, "")
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// pull is a fetching that goes on, with what was asked for meanwhile.
type pull struct {
	more  bool // something was
	again bool // what was copied before is to be read again, too
}

// round begins to fetch from one node, or from all; a node from which something is being fetched is asked once more after that.
func (x *exchange) round(ctx context.Context, fetching *sync.WaitGroup, only string) {
	for _, p := range x.c.Peers() {
		if only != "" && p.Name != only {
			continue
		}
		x.mu.Lock()
		going := x.pulls[p.Name]
		if going != nil {
			going.more, going.again = true, going.again || only == ""
		} else {
			x.pulls[p.Name] = &pull{}
		}
		x.mu.Unlock()
		if going == nil {
			fetching.Go(func() { x.fetchFrom(ctx, p.Name, only == "") })
		}
	}
}

// fetchFrom fetches what a node has, and what it has got meanwhile.
func (x *exchange) fetchFrom(ctx context.Context, node string, again bool) {
	for more := true; more && ctx.Err() == nil; more, again = x.asked(node) {
		for _, p := range x.c.Peers() { // its record may have changed
			if p.Name == node {
				x.ask(ctx, p, again)
			}
		}
	}
}

// asked ends a fetching; more says that another one was asked for meanwhile, which has begun with that.
func (x *exchange) asked(node string) (more, again bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	going := x.pulls[node]
	delete(x.pulls, node)
	if going.more {
		x.pulls[node] = &pull{}
	}
	return going.more, going.again
}

func (x *exchange) ask(ctx context.Context, p Peer, again bool) {
	bounded, cancel := context.WithTimeout(ctx, pullLimit)
	defer cancel()
	if err := x.follow(bounded, p, again); err != nil && ctx.Err() == nil {
		x.j.cfg.Log.Debug("the command log of a node was not fetched", "node", p.Name, "err", err)
	}
}

// follow brings the copy of a node's log up to date, and looks whether the node has changed what was copied before.
func (x *exchange) follow(ctx context.Context, p Peer, again bool) error {
	pinned, err := x.j.cfg.Copies.Copy(p.Name)
	if err != nil {
		return err
	}
	if pinned.Damaged != "" {
		x.j.found("copy "+p.Name, Finding{Node: x.j.cfg.Node, Text: pinned.Damaged, Here: true})
	}
	known := uint64(0)
	if len(pinned.Head) > 0 {
		if head, err := auditlog.OpenHead(pinned.Public, pinned.Head); err == nil {
			known = head.Size
		}
	}
	offer, err := x.offer(ctx, p.Name, known)
	if err != nil {
		return err
	}
	if pinned.ID != 0 && pinned.ID != p.ID && pinned.Public != offer.Public {
		removed, err := x.removed(p, pinned)
		switch {
		case err != nil:
			return err
		case !removed:
			return x.accuse(ctx, p, pinned, offer, fmt.Errorf("its record has another number, %d and not %d, and its log another key, %s and not %s, and no other node has on record that it removed it",
				p.ID, pinned.ID, auditlog.Fingerprint(offer.Public), auditlog.Fingerprint(pinned.Public)))
		}
		// It was removed and joined again, with a log of its own: the old one is history and stays readable in its place.
		x.j.Event("log", "node "+p.Name, "anew", fmt.Sprintf("node %s joined again and begins a new command log; the copy of the one before is set aside", p.Name))
		if err := x.j.setAside(p.Name); err != nil {
			return err
		}
		if pinned, err = x.j.cfg.Copies.Copy(p.Name); err != nil {
			return err
		}
	}
	head, err := auditlog.Judge(pinned, p.Key, offer)
	if err != nil {
		return x.accuse(ctx, p, pinned, offer, err)
	}
	if err := x.grow(ctx, p, pinned, offer, head); err != nil {
		return err
	}
	if again {
		return x.reread(ctx, p)
	}
	return nil
}

func (x *exchange) offer(ctx context.Context, node string, known uint64) (auditlog.Offer, error) {
	bounded, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	var out v1.LogOffer
	if err := x.c.Call(bounded, node, "peer", "log-offer", v1.PeerLogOffer{Known: int64(known)}, &out); err != nil {
		return auditlog.Offer{}, err
	}
	return auditlog.Offer{Public: out.Public, Head: out.Head, Proof: out.Proof}, nil
}

func (x *exchange) leaves(ctx context.Context, node string, from uint64, most int) ([][]byte, error) {
	bounded, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	var out v1.LogLeaves
	if err := x.c.Call(bounded, node, "peer", "log-leaves", v1.PeerLogLeaves{From: int64(from), Limit: most}, &out); err != nil {
		return nil, err
	}
	if len(out.Leaves) > most {
		out.Leaves = out.Leaves[:most]
	}
	return out.Leaves, nil
}

// grow fetches the records up to the head. The new head is pinned only when the records give it.
func (x *exchange) grow(ctx context.Context, p Peer, pinned auditlog.Pinned, offer auditlog.Offer, head auditlog.Head) error {
	tree, err := x.j.cfg.Copies.Tree(p.Name)
	if err != nil {
		return err
	}
	if tree.Size() != pinned.Have { // the head that is pinned is another one, too
		return fault.Errorf(fault.Conflict, "copy of the command log of node %s: it has %d entries now, not %d; fetch again from there", p.Name, tree.Size(), pinned.Have)
	}
	next := pinned
	next.Public, next.ID, next.Certificate, next.QuorumServer = offer.Public, p.ID, p.Certificate, p.QuorumServer
	for tree.Size() < head.Size {
		lines, err := x.leaves(ctx, p.Name, tree.Size(), page)
		if err != nil {
			return err
		}
		if len(lines) == 0 {
			return x.accuse(ctx, p, pinned, offer, fmt.Errorf("it signed %d entries and gives only %d: entry %d is missing", head.Size, tree.Size(), tree.Size()))
		}
		lines = lines[:min(uint64(len(lines)), head.Size-tree.Size())] // it may have grown meanwhile
		from := tree.Size()
		if err := auditlog.Grow(tree, head, p.Name, lines); err != nil {
			return x.accuse(ctx, p, pinned, offer, err)
		}
		if tree.Size() == head.Size {
			next.Head, next.At = offer.Head, x.j.cfg.Now()
		}
		if err := x.j.cfg.Copies.Extend(p.Name, from, next, lines); err != nil {
			return err
		}
	}
	if next.ID != pinned.ID || next.Certificate != pinned.Certificate || next.QuorumServer != pinned.QuorumServer || len(pinned.Head) == 0 && head.Size == 0 {
		return x.j.cfg.Copies.Extend(p.Name, tree.Size(), next, nil)
	}
	return nil
}

// reread compares a part of what the node has on disk with the copy; in the course of time that is everything.
func (x *exchange) reread(ctx context.Context, p Peer) error {
	tree, err := x.j.cfg.Copies.Tree(p.Name)
	if err != nil || tree.Size() == tree.Base().Size {
		return err
	}
	x.mu.Lock()
	from := x.spot[p.Name]
	x.mu.Unlock()
	if from < tree.Base().Size || from >= tree.Size() {
		from = tree.Base().Size
	}
	lines, err := x.leaves(ctx, p.Name, from, spotCheck)
	if err != nil {
		return err
	}
	x.mu.Lock()
	x.spot[p.Name] = from + max(1, uint64(len(lines)))
	x.mu.Unlock()
	if first, line, differs := tree.Differs(from, lines); differs {
		return x.keep(p, auditlog.Evidence{First: &first, Is: line, Text: fmt.Sprintf("its command log was changed on disk: entry %d is not the one that was copied from it before", first)})
	}
	return nil
}

// accuse keeps a proof that a node's log is not the one that it was, with the first entry that differs.
func (x *exchange) accuse(ctx context.Context, p Peer, pinned auditlog.Pinned, offer auditlog.Offer, why error) error {
	e := auditlog.Evidence{Before: pinned.Head, Now: offer.Head, KeyBefore: pinned.Public, KeyNow: offer.Public, Proof: offer.Proof}
	e.Text = "its command log is not the one that it was: " + why.Error()
	first, line, err := x.search(ctx, p)
	switch {
	case err != nil:
		e.Text += fmt.Sprintf("; the first entry that differs could not be found out: %v", err)
	case first != nil && line == nil:
		e.First = first
		e.Text += fmt.Sprintf("; the first entry that is missing is %d", *first)
	case first != nil:
		e.First, e.Is = first, line
		e.Text += fmt.Sprintf("; the first entry that differs is %d", *first)
	}
	return x.keep(p, e)
}

// search finds the first entry of a node's log that is not the one that was copied. A missing one has no line.
func (x *exchange) search(ctx context.Context, p Peer) (*uint64, []byte, error) {
	tree, err := x.j.cfg.Copies.Tree(p.Name)
	if err != nil {
		return nil, nil, err
	}
	from := tree.Base().Size
	for range maxSearch {
		if from >= tree.Size() {
			return nil, nil, nil
		}
		lines, err := x.leaves(ctx, p.Name, from, page)
		if err != nil {
			return nil, nil, err
		}
		if first, line, differs := tree.Differs(from, lines); differs {
			return &first, line, nil
		}
		if from += uint64(len(lines)); len(lines) == 0 {
			return &from, nil, nil
		}
	}
	return nil, nil, fmt.Errorf("the log is too long")
}

func (x *exchange) keep(p Peer, e auditlog.Evidence) error {
	e.At = x.j.cfg.Now()
	x.j.found("peer "+p.Name, Finding{Node: p.Name, Text: e.Text})
	return x.j.cfg.Copies.Evidence(p.Name, e)
}

// VerifyPeer compares everything that a node has on disk with the copy here, and looks at its newest head.
func (j *Journal) VerifyPeer(ctx context.Context, c Cluster, p Peer) (findings []string, err error) {
	x := newExchange(j, c)
	for try := 1; ; try++ {
		err := x.follow(ctx, p, false)
		if err == nil {
			break
		}
		if !fault.Is(err, fault.Conflict) || try == fetchTries { // Exchange fetched the same records: what is new after them is still to be looked at
			return nil, err
		}
	}
	x.compare(ctx, p.Name)
	if !j.accused(p.Name) { // or that is what is known of it, with the first entry that differs
		first, line, err := x.search(ctx, p)
		switch {
		case err != nil:
		case first != nil && line == nil:
			err = x.keep(p, auditlog.Evidence{First: first, Text: fmt.Sprintf("its command log is shorter than the copy: the first entry that is missing is %d", *first)})
		case first != nil:
			err = x.keep(p, auditlog.Evidence{First: first, Is: line, Text: fmt.Sprintf("its command log was changed on disk: entry %d is not the one that was copied from it before", *first)})
		}
		if err != nil {
			return nil, err
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, f := range j.findings {
		if f.Node == p.Name && !f.Here {
			findings = append(findings, f.Text)
		}
	}
	return findings, nil
}

// accused reports whether something is known against a node's log.
func (j *Journal) accused(node string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	_, found := j.findings["peer "+node]
	return found
}

// pause waits.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
