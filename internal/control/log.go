package control

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/internal/audit"
	"redoubt/internal/auditlog"
	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/model"
)

// CommandLog is the command log of all nodes as this one has it.
type CommandLog interface {
	Commands(q auditlog.Query) ([]auditlog.Entry, error)
	Events(q auditlog.Query) ([]auditlog.Record, error)
	Findings() []audit.Finding
	Accept(node string) error
}

// LogKeeper is the command log as the nodes exchange and verify it.
type LogKeeper interface {
	Offer(known uint64) (auditlog.Offer, error)
	Leaves(from uint64, most int) ([][]byte, error)
	Heads() ([]v1.LogHead, error)
	News(node string)
	VerifyOwn() (auditlog.Report, error)
	VerifyPeer(ctx context.Context, c audit.Cluster, p audit.Peer) (findings []string, err error)
}

// Bounds of what is answered about the log.
const (
	logLimit    = 100
	maxLogLimit = 10_000
	exportPage  = 1000
)

// errNoLog is what a node without a command log answers: there is none in tests only.
func errNoLog() error { return fault.Errorf(fault.Unsupported, "this node keeps no command log") }

// logged enters an operation on the log.
func (c *Control) logged(ctx context.Context, who Caller, name string) (*Running, error) {
	r, err := c.enter(ctx, who, name)
	if err == nil && (c.cfg.CommandLog == nil || c.cfg.LogKeeper == nil) {
		err = errNoLog()
	}
	return r, err
}

// LogCommands shows what was done to the cluster, on every node.
func (c *Control) LogCommands(ctx context.Context, who Caller, in v1.LogCommands) ([]v1.LoggedCommand, error) {
	if _, err := c.logged(ctx, who, "log commands"); err != nil {
		return nil, err
	}
	q := auditlog.Query{User: in.User, Role: in.Role, Nodes: in.Node, Failed: in.Failed, Object: in.Object}
	if err := c.window(&q, in.Since, in.Until, in.Limit); err != nil {
		return nil, err
	}
	entries, err := c.cfg.CommandLog.Commands(q)
	if err != nil {
		return nil, err
	}
	out := make([]v1.LoggedCommand, len(entries))
	for i, e := range entries {
		out[i] = loggedCommand(e)
	}
	return out, nil
}

func loggedCommand(e auditlog.Entry) v1.LoggedCommand {
	return v1.LoggedCommand{
		Time: e.Time, Node: e.Node, Entry: int64(e.Seq), User: e.User, Role: e.Role, From: e.From, Certificate: e.Certificate, Resource: e.Resource, PID: e.PID,
		State: e.State, Exit: e.Outcome.Exit, Ms: e.Outcome.Millis, Operation: e.Operation, Command: e.Command, Objects: e.Objects,
		Code: e.Outcome.Code, Error: e.Outcome.Error, Said: e.Outcome.Said, Count: e.Count, Late: e.Late,
	}
}

// LogEvents shows what happened to the cluster.
func (c *Control) LogEvents(ctx context.Context, who Caller, in v1.LogEvents) ([]v1.LogEvent, error) {
	if _, err := c.logged(ctx, who, "log events"); err != nil {
		return nil, err
	}
	q := auditlog.Query{Nodes: in.Node, Object: in.Object}
	if err := c.window(&q, in.Since, in.Until, in.Limit); err != nil {
		return nil, err
	}
	records, err := c.cfg.CommandLog.Events(q)
	if err != nil {
		return nil, err
	}
	out := make([]v1.LogEvent, len(records))
	for i, r := range records {
		out[i] = v1.LogEvent{Time: r.Time, Node: r.Node, Entry: int64(r.Seq), Kind: r.Event, Object: r.Subject, State: r.State, Text: r.Text}
	}
	return out, nil
}

// window reads the bounds of a query.
func (c *Control) window(q *auditlog.Query, since, until string, limit int) (err error) {
	now := c.cfg.Clock.Wall()
	if q.Since, err = logTime("since", since, now); err != nil {
		return err
	}
	if q.Until, err = logTime("until", until, now); err != nil {
		return err
	}
	if limit < 0 || limit > maxLogLimit {
		return fault.Errorf(fault.Invalid, "limit %d: want 1 to %d", limit, maxLogLimit)
	}
	if q.Limit = limit; limit == 0 {
		q.Limit = logLimit
	}
	return nil
}

// logTime reads a time, or how long ago it was.
func logTime(name, s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			return t, nil
		}
	}
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n >= 0 && n < 100_000 {
			return now.AddDate(0, 0, -n), nil
		}
	}
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	return time.Time{}, fault.Errorf(fault.Invalid, "%s %q: want a time such as 2030-01-31T15:04:05Z, a day such as 2030-01-31, or how long ago, such as 2h or 7d", name, s)
}

// LogExport gives commands and refusals in a form for other programs.
func (c *Control) LogExport(ctx context.Context, who Caller, in v1.LogExport) (v1.LogExported, error) {
	r, err := c.logged(ctx, who, "log export")
	if err != nil {
		return v1.LogExported{}, err
	}
	q := auditlog.Query{Nodes: in.Node}
	if err := c.window(&q, in.Since, in.Until, 0); err != nil {
		return v1.LogExported{}, err
	}
	q.Limit = 0
	format := in.Format
	if format == "" {
		format = auditlog.FormatJSON
	}
	if !slices.Contains(auditlog.Formats(), format) {
		return v1.LogExported{}, fault.Errorf(fault.Invalid, "format %q: there are %s", format, strings.Join(auditlog.Formats(), ", "))
	}
	entries, err := c.cfg.CommandLog.Commands(q)
	if err != nil {
		return v1.LogExported{}, err
	}
	out := v1.LogExported{Lines: []string{}}
	if in.Skip < 0 || in.Skip >= len(entries) {
		return out, nil
	}
	entries = entries[in.Skip:]
	if out.More = len(entries) > exportPage; out.More {
		entries = entries[:exportPage]
	}
	name := r.Source.Snapshot().State.Cluster.Name
	for _, e := range entries {
		line, err := auditlog.Export(format, name, e)
		if err != nil {
			return out, fault.Errorf(fault.Internal, "log export: %w", err)
		}
		out.Lines = append(out.Lines, line)
	}
	return out, nil
}

// LogAccept takes the log of nodes as it is now.
func (c *Control) LogAccept(ctx context.Context, who Caller, in v1.LogAccept) (v1.Result, error) {
	if _, err := c.logged(ctx, who, "log accept"); err != nil {
		return v1.Result{}, err
	}
	if in.All || len(in.Names) == 0 {
		return v1.Result{}, fault.Errorf(fault.Invalid, "log accept: name each node; what is known of its log is set aside")
	}
	var out v1.Result
	for _, n := range in.Names {
		if err := c.cfg.CommandLog.Accept(n); err != nil {
			return out, err
		}
		out.Messages = append(out.Messages, "the log of node "+n+" is taken as it is now on this node; the other nodes have copies of their own: repeat it there")
	}
	return out, nil
}

// LogVerify verifies the logs: this node's own with its text files, and those of the others against what is known of them here.
func (c *Control) LogVerify(ctx context.Context, who Caller, in v1.LogVerify) ([]v1.LogVerified, error) {
	r, err := c.logged(ctx, who, "log verify")
	if err != nil {
		return nil, err
	}
	done, err := c.turn(ctx, who, "log verify")
	if err != nil {
		return nil, err
	}
	defer done()
	out := []v1.LogVerified{}
	peers := LogPeers(r)
	wanted := func(n string) bool { return len(in.Node) == 0 || slices.Contains(in.Node, n) }
	found := map[string]bool{}
	if wanted(string(r.Node)) {
		found[string(r.Node)] = true
		own, err := c.verifyOwn(r)
		if err != nil {
			return nil, err
		}
		out = append(out, own)
	}
	for _, p := range peers.Peers() {
		if wanted(p.Name) {
			found[p.Name] = true
			out = append(out, c.verifyPeer(ctx, r, peers, p))
		}
	}
	for _, n := range in.Node {
		if !found[n] {
			return nil, fault.Errorf(fault.NotFound, "log verify: there is no node %s", n)
		}
	}
	return out, nil
}

func (c *Control) verifyOwn(r *Running) (v1.LogVerified, error) {
	report, err := c.cfg.LogKeeper.VerifyOwn()
	if err != nil {
		return v1.LogVerified{}, err
	}
	out := v1.LogVerified{Node: string(r.Node), Entries: int64(report.Size), Root: report.Root, Notes: report.Notes}
	for _, f := range report.Findings {
		v := v1.LogFinding{What: string(f.What), File: f.File, Line: f.Line, Text: f.Text}
		if f.Seq != nil {
			v.Entry = new(int64(*f.Seq))
		}
		out.Findings = append(out.Findings, v)
	}
	for _, f := range c.cfg.CommandLog.Findings() { // what was found before, and cannot be seen in the files any more
		if f.Here && len(report.Findings) == 0 {
			out.Findings = append(out.Findings, v1.LogFinding{What: string(auditlog.Changed), Text: f.Text})
		}
	}
	out.OK = len(out.Findings) == 0
	return out, nil
}

// verifyPeer asks the node to verify its own files, and compares what it has with the copy here, which the node can not change.
func (c *Control) verifyPeer(ctx context.Context, r *Running, peers audit.Cluster, p audit.Peer) v1.LogVerified {
	var out v1.LogVerified
	if err := r.Peers.Call(ctx, cluster.NodeName(p.Name), "peer", "log-verify", v1.PeerLogVerify{}, &out); err != nil {
		out = v1.LogVerified{Notes: []string{"it does not answer, so its own files were not verified: " + err.Error()}}
	}
	out.Node = p.Name
	findings, err := c.cfg.LogKeeper.VerifyPeer(ctx, peers, p)
	if err != nil && !fault.Is(err, fault.Unavailable) {
		out.Notes = append(out.Notes, "it could not be compared with the copy here: "+err.Error())
	}
	if fault.Is(err, fault.Unavailable) { // what was found before holds
		for _, f := range c.cfg.CommandLog.Findings() {
			if f.Node == p.Name && !f.Here {
				findings = append(findings, f.Text)
			}
		}
	}
	for _, text := range findings {
		out.Findings = append(out.Findings, v1.LogFinding{What: string(auditlog.Forked), Text: text})
	}
	out.OK = len(out.Findings) == 0 && err == nil
	return out
}

// PeerLogNews takes notice that another node has something new in its log.
func (c *Control) PeerLogNews(ctx context.Context, who Caller, in v1.PeerLogNews) (v1.Result, error) {
	if _, err := c.logged(ctx, who, "peer log-news"); err != nil {
		return v1.Result{}, err
	}
	c.cfg.LogKeeper.News(in.Node)
	return v1.Result{}, nil
}

// PeerLogOffer gives another node this one's signed head.
func (c *Control) PeerLogOffer(ctx context.Context, who Caller, in v1.PeerLogOffer) (v1.LogOffer, error) {
	if _, err := c.logged(ctx, who, "peer log-offer"); err != nil {
		return v1.LogOffer{}, err
	}
	o, err := c.cfg.LogKeeper.Offer(uint64(max(0, in.Known)))
	return v1.LogOffer{Public: o.Public, Head: o.Head, Proof: o.Proof}, err
}

// PeerLogLeaves gives another node records of this one's log.
func (c *Control) PeerLogLeaves(ctx context.Context, who Caller, in v1.PeerLogLeaves) (v1.LogLeaves, error) {
	if _, err := c.logged(ctx, who, "peer log-leaves"); err != nil {
		return v1.LogLeaves{}, err
	}
	lines, err := c.cfg.LogKeeper.Leaves(uint64(max(0, in.From)), in.Limit)
	if lines == nil {
		lines = [][]byte{}
	}
	return v1.LogLeaves{Leaves: lines}, err
}

// PeerLogHeads tells another node which heads this one holds of the logs of others.
func (c *Control) PeerLogHeads(ctx context.Context, who Caller, _ v1.PeerLogHeads) (v1.LogHeads, error) {
	if _, err := c.logged(ctx, who, "peer log-heads"); err != nil {
		return v1.LogHeads{}, err
	}
	heads, err := c.cfg.LogKeeper.Heads()
	return v1.LogHeads{Heads: heads}, err
}

// PeerLogVerify verifies this node's own log for another one.
func (c *Control) PeerLogVerify(ctx context.Context, who Caller, in v1.PeerLogVerify) (v1.LogVerified, error) {
	r, err := c.logged(ctx, who, "peer log-verify")
	if err != nil {
		return v1.LogVerified{}, err
	}
	return c.verifyOwn(r)
}

// logPeers are the other nodes as the exchange of the logs sees them.
type logPeers struct{ r *Running }

// LogPeers gives the exchange of the logs the other nodes of a cluster.
func LogPeers(r *Running) audit.Cluster { return logPeers{r} }

// Peers implements audit.Cluster.
func (l logPeers) Peers() []audit.Peer {
	snap := l.r.Source.Snapshot()
	removals := map[cluster.NodeName][]audit.Removal{}
	for i, r := range snap.Revocations {
		if r.Reason == nodeRemoved {
			removals[r.Node] = append(removals[r.Node], audit.Removal{Certificate: snap.Revoked[i], At: r.At})
		}
	}
	var out []audit.Peer
	for _, n := range snap.State.Nodes {
		if n.Name != l.r.Node {
			out = append(out, audit.Peer{Name: string(n.Name), ID: n.ID, Key: n.Keys[model.KeyLog], Certificate: n.Certificate, QuorumServer: n.QuorumServer, Removals: removals[n.Name]})
		}
	}
	return out
}

// Call implements audit.Cluster.
func (l logPeers) Call(ctx context.Context, node, noun, verb string, in, out any) error {
	return l.r.Peers.Call(ctx, cluster.NodeName(node), noun, verb, in, out)
}

// logProblems are what is wrong with the logs.
func (c *Control) logProblems(add addProblem) {
	if c.cfg.CommandLog == nil {
		return
	}
	for _, f := range c.cfg.CommandLog.Findings() {
		remedy := "see `redoubt log verify --node " + f.Node + "`; find out who changed it; when that is settled, `redoubt log accept " + f.Node + "` on every other node takes its log as it is now"
		if f.Here {
			remedy = "see `redoubt log verify --node " + f.Node + "`, and the disk of that node"
		}
		add(severe, "node "+f.Node, remedy, "%s", f.Text)
	}
}
