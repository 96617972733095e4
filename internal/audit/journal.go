// Package audit records what is done to the cluster: it takes operations into this node's command log before they act, exchanges the logs with the other nodes
// and watches that nobody changes his own, and hands the records on to a collector. What a record is and how logs are verified is package auditlog's.
package audit

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"redoubt/internal/auditlog"
	"redoubt/internal/tick"
)

// Log is this node's own log on disk.
type Log interface {
	// Append returns when the records are on disk, with their places.
	Append(records ...auditlog.Record) ([]auditlog.Record, error)
	// Room makes sure that there is room for a record, and writes none.
	Room() error
	Head() (signed []byte, head auditlog.Head)
	Proof(old, size uint64) ([][]byte, error)
	Leaves(from uint64, most int) ([][]byte, error)
	Stored() (auditlog.Stored, error)
}

// Copies are the logs of other nodes as far as this one has them.
type Copies interface {
	Copy(node string) (auditlog.Pinned, error)
	Tree(node string) (*auditlog.Tree, error)
	// Extend fails with fault.Conflict when the copy has not from entries any more.
	Extend(node string, from uint64, p auditlog.Pinned, leaves [][]byte) error
	Evidence(node string, e auditlog.Evidence) error
	Archive
}

// Archive is the copies as they are read and set aside.
type Archive interface {
	Nodes() []string
	Records(node string) ([]auditlog.Record, error)
	Accept(node string, now time.Time) error
}

// Meter counts what is done here.
type Meter interface {
	LogRecord(kind string)
	LogFailure()
	LogForwarded(sent, dropped int)
}

// Config is what a Journal needs.
type Config struct {
	Node   string
	Public string // the key of this node's log
	// Open opens the log. It is tried again whenever it failed.
	Open   func() (Log, error)
	Copies Copies
	Now    func() time.Time
	Log    *slog.Logger
	Meter  Meter
}

// The bounds of what waits in memory.
const (
	maxLate     = 1024
	settleEvery = 5 * time.Second
)

// Journal is the command log of a node. It is safe for use by several goroutines.
type Journal struct {
	cfg  Config
	news chan struct{} // something was appended
	pull chan string   // a node has something new

	openMu sync.Mutex
	log    Log

	mu       sync.Mutex
	late     []*operation        // what is still to be written
	lost     int                 // what was dropped because too much waited
	refused  map[string]*refused // by caller
	findings map[string]Finding
	missed   map[string]missed // by node
	failing  error             // why the log could not be written last
}

// Finding is something wrong with the log of a node.
type Finding struct {
	Node string
	Text string
	Here bool // it is about this node's own files
}

// New makes a journal. The log is opened with the first record, or by Run.
func New(cfg Config) *Journal {
	j := &Journal{cfg: cfg, news: make(chan struct{}, 1), pull: make(chan string, 64), refused: map[string]*refused{}, findings: map[string]Finding{}, missed: map[string]missed{}}
	for _, n := range cfg.Copies.Nodes() {
		if p, err := cfg.Copies.Copy(n); err != nil {
			j.findings["copy "+n] = Finding{Node: cfg.Node, Text: err.Error(), Here: true}
		} else if p.Against != "" {
			j.findings["peer "+n] = Finding{Node: n, Text: p.Against}
		}
	}
	return j
}

// opened returns the log, and opens it if it is not.
func (j *Journal) opened() (Log, error) {
	j.openMu.Lock()
	defer j.openMu.Unlock()
	if j.log != nil {
		return j.log, nil
	}
	log, err := j.cfg.Open()
	if err != nil {
		return nil, err
	}
	j.log = log
	if s, err := log.Stored(); err == nil {
		j.judgeOwn(auditlog.Verify(s))
	}
	return log, nil
}

// write appends, after everything that waits.
func (j *Journal) write(records ...auditlog.Record) ([]auditlog.Record, error) {
	log, err := j.opened()
	if err != nil {
		return nil, err
	}
	out, err := log.Append(records...)
	if err != nil {
		return nil, err
	}
	for _, r := range out {
		j.cfg.Meter.LogRecord(string(r.Kind))
	}
	select {
	case j.news <- struct{}{}:
	default:
	}
	return out, nil
}

// failed remembers that the log could not be written.
func (j *Journal) failed(err error) {
	j.cfg.Meter.LogFailure()
	j.cfg.Log.Error("the command log can not be written", "err", err)
	j.mu.Lock()
	j.failing = err
	j.mu.Unlock()
}

// writable fails when a record could not be written now. As long as the log is known to be ill it is left to Run to try it again: strangers cost no more then.
func (j *Journal) writable() error {
	j.mu.Lock()
	err := j.failing
	j.mu.Unlock()
	if err != nil {
		return err
	}
	log, err := j.opened()
	if err == nil {
		err = log.Room()
	}
	if err != nil {
		j.failed(err)
	}
	return err
}

// operation is one that is under way.
type operation struct {
	start, end auditlog.Record
	written    bool // the start is on disk
	ended      bool
	queued     bool
	finished   bool // the end is, too
}

// Begin records that an operation is about to begin; done records its end. It fails when the record can not be written, also where it would be written only after a
// success; with anyway it does not, and the record is written when that is possible again.
func (j *Journal) Begin(r auditlog.Record, anyway bool) (done func(end auditlog.Record), err error) {
	r.Kind, r.Time = auditlog.Start, j.cfg.Now()
	if cheap(r) && !j.mayName(r) {
		if err := j.writable(); err != nil && !anyway {
			return nil, err
		}
		return j.held(r), nil
	}
	o := &operation{start: r}
	out, err := j.write(r)
	if err == nil {
		o.start, o.written = out[0], true
	} else {
		j.failed(err)
		if !anyway {
			return nil, err
		}
		o.start.Late = true
		j.queue(o)
	}
	return func(end auditlog.Record) { j.end(o, end) }, nil
}

func (j *Journal) end(o *operation, end auditlog.Record) {
	now := j.cfg.Now()
	end.Kind, end.Time, end.Millis = auditlog.End, now, max(0, now.Sub(o.start.Time).Milliseconds())
	end.PID, end.User, end.Role, end.From, end.Certificate, end.Resource = o.start.PID, o.start.User, o.start.Role, o.start.From, o.start.Certificate, o.start.Resource
	end.Operation = o.start.Operation
	j.mu.Lock()
	o.end, o.ended = end, true
	written, seq := o.written, o.start.Seq
	j.mu.Unlock()
	if written {
		end.Start = &seq
		if _, err := j.write(end); err == nil {
			return
		} else {
			j.failed(err)
		}
	}
	j.queue(o)
}

func (j *Journal) queue(o *operation) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if o.queued {
		return
	}
	if len(j.late) >= maxLate {
		j.lost++
		return
	}
	o.queued = true
	j.late = append(j.late, o)
}

// Event records something that happened to the cluster.
func (j *Journal) Event(event, subject, state, text string) {
	if _, err := j.write(auditlog.Record{Kind: auditlog.Event, Event: event, Subject: subject, State: state, Text: text}); err != nil {
		j.failed(err)
	}
}

// Run writes what waits, until ctx ends.
func (j *Journal) Run(ctx context.Context) error {
	if _, err := j.opened(); err != nil {
		j.failed(err)
	}
	t := tick.New(settleEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			j.settle()
		case <-ctx.Done():
			j.flushDenied(true)
			return context.Cause(ctx)
		}
	}
}

// settle writes what could not be written before, and tells of refusals whose time is over.
func (j *Journal) settle() {
	j.flushDenied(false)
	j.mu.Lock()
	late, lost := j.late, j.lost
	j.late = nil
	failing := j.failing != nil
	j.mu.Unlock()
	if len(late) == 0 && lost == 0 {
		if failing { // is it well again?
			j.Recovered()
		}
		return
	}
	for i, o := range late {
		if err := j.writeLate(o); err != nil {
			j.mu.Lock()
			j.late = append(late[i:], j.late...)
			j.mu.Unlock()
			return
		}
	}
	j.mu.Lock()
	j.lost, j.failing = 0, nil
	j.mu.Unlock()
	if lost > 0 {
		j.Event("log", "node "+j.cfg.Node, "lossy", fmt.Sprintf("%d commands could not be recorded while the log could not be written", lost))
	}
}

// Recovered notes that the log can be written again.
func (j *Journal) Recovered() {
	if log, err := j.opened(); err != nil || log.Room() != nil {
		return
	}
	if _, err := j.write(auditlog.Record{Kind: auditlog.Event, Event: "log", Subject: "node " + j.cfg.Node, State: "well", Text: "the command log can be written again"}); err != nil {
		return
	}
	j.mu.Lock()
	j.failing = nil
	j.mu.Unlock()
}

// writeLate writes what an operation still lacks. Its end, if it has not come yet, comes by itself or is queued again.
func (j *Journal) writeLate(o *operation) error {
	j.mu.Lock()
	start, end, written, ended, finished := o.start, o.end, o.written, o.ended, o.finished
	o.queued = ended
	j.mu.Unlock()
	if finished {
		return nil
	}
	if !written {
		out, err := j.write(start)
		if err != nil {
			return err
		}
		start = out[0]
		j.mu.Lock()
		o.start, o.written = start, true
		j.mu.Unlock()
	}
	if !ended {
		return nil
	}
	end.Start, end.Late = &start.Seq, true
	if _, err := j.write(end); err != nil {
		return err
	}
	j.mu.Lock()
	o.finished = true
	j.mu.Unlock()
	return nil
}

// Findings are what is wrong with the logs, as far as this node knows.
func (j *Journal) Findings() []Finding {
	j.mu.Lock()
	defer j.mu.Unlock()
	var out []Finding
	if j.failing != nil {
		out = append(out, Finding{Node: j.cfg.Node, Here: true, Text: "the command log can not be written, so changes are refused except those that an emergency needs: " + j.failing.Error()})
	}
	for _, f := range j.findings {
		out = append(out, f)
	}
	return out
}

// found adds a finding and says so once, in the log of the daemon and in the command log.
func (j *Journal) found(key string, f Finding) {
	j.mu.Lock()
	had, known := j.findings[key]
	j.findings[key] = f
	j.mu.Unlock()
	if known && had.Text == f.Text {
		return
	}
	j.cfg.Log.Error("a command log was changed", "node", f.Node, "found", f.Text)
	j.Event("log", "node "+f.Node, "changed", f.Text)
}

// judgeOwn takes over what a verification of this node's own log found.
func (j *Journal) judgeOwn(r auditlog.Report) {
	if len(r.Findings) == 0 {
		return
	}
	f := Finding{Node: j.cfg.Node, Text: "its command log on disk was changed: " + r.Summary(), Here: true}
	j.mu.Lock()
	j.findings["own"] = f
	j.mu.Unlock()
	j.cfg.Log.Error("the command log of this node was changed", "found", r.Summary())
}
