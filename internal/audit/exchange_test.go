package audit_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/internal/audit"
	"redoubt/internal/auditfile"
	"redoubt/internal/auditlog"
	"redoubt/internal/fault"
)

// meter counts nothing.
type meter struct{}

func (meter) LogRecord(string)      {}
func (meter) LogFailure()           {}
func (meter) LogForwarded(_, _ int) {}

// machine is a node with its log in a directory.
type machine struct {
	name    string
	dir     string
	journal *audit.Journal
	file    *auditfile.Log
	copies  *auditfile.Copies
	down    atomic.Bool
	broken  atomic.Bool
	full    atomic.Bool

	older  atomic.Bool  // it does not know the question for heads
	asked  atomic.Int32 // how often it was asked for them
	during func()       // runs once while records are fetched from it

	hangs map[string]bool // questions that it does not answer

	tells func(h []v1.LogHead) []v1.LogHead // what it answers; nil: the truth
}

// fullLog is a log on a disk that has room for a few small records when it is full.
type fullLog struct {
	audit.Log
	full *atomic.Bool
}

func (l fullLog) Room() error {
	if l.full.Load() {
		return fault.Errorf(fault.Unavailable, "no space left on device")
	}
	return l.Log.Room()
}

// network is some machines that call each other.
type network struct {
	t       *testing.T
	nodes   map[string]*machine
	records map[string]audit.Peer // what the configuration says of a machine, where a test says so
}

func newNetwork(t *testing.T, names ...string) *network {
	n := &network{t: t, nodes: map[string]*machine{}, records: map[string]audit.Peer{}}
	for _, name := range names {
		n.nodes[name] = &machine{name: name, dir: filepath.Join(t.TempDir(), name)}
		n.start(name)
	}
	return n
}

// start starts a machine's daemon.
func (n *network) start(name string) *machine {
	n.t.Helper()
	m := n.nodes[name]
	public, err := auditfile.PublicKey(m.dir)
	if err != nil {
		n.t.Fatal(err)
	}
	if m.copies, err = auditfile.OpenCopies(filepath.Join(m.dir, "peers")); err != nil {
		n.t.Fatal(err)
	}
	m.journal = audit.New(audit.Config{
		Node: name, Public: public, Copies: m.copies, Now: time.Now, Log: slog.New(slog.DiscardHandler), Meter: meter{},
		Open: func() (audit.Log, error) {
			if m.broken.Load() {
				return nil, fault.Errorf(fault.Unavailable, "no space left on device")
			}
			f, err := auditfile.Open(auditfile.Config{Dir: m.dir, Node: name, Now: time.Now, User: "redoubtd"})
			if err != nil {
				return nil, err
			}
			m.file = f
			return fullLog{f, &m.full}, nil
		},
	})
	return m
}

func (n *network) stop(name string) {
	m := n.nodes[name]
	if m.file != nil {
		m.file.Close()
		m.file = nil
	}
	m.copies.Close()
}

// stopAll closes what all machines have open.
func (n *network) stopAll() {
	for name := range n.nodes {
		n.stop(name)
	}
}

// of is the network as one machine sees it.
type of struct {
	n    *network
	name string
}

func (o of) Peers() []audit.Peer {
	var out []audit.Peer
	for i, name := range []string{"n1", "n2", "n3"} {
		if _, ok := o.n.nodes[name]; ok && name != o.name {
			p := audit.Peer{Name: name, ID: i + 1, Certificate: "SHA256:" + name}
			if r, ok := o.n.records[name]; ok {
				p = r
			}
			out = append(out, p)
		}
	}
	return out
}

func (o of) Call(ctx context.Context, node, _, verb string, in, out any) error {
	m := o.n.nodes[node]
	if m.hangs[verb] {
		<-ctx.Done()
		return fault.Errorf(fault.Timeout, "node %s does not answer: %w", node, context.Cause(ctx))
	}
	if m.down.Load() {
		return fault.Errorf(fault.Unavailable, "node %s can not be reached", node)
	}
	var answer any
	var err error
	switch in := in.(type) {
	case v1.PeerLogNews:
		m.journal.News(in.Node)
		answer = v1.Result{}
	case v1.PeerLogOffer:
		var f auditlog.Offer
		f, err = m.journal.Offer(uint64(in.Known))
		answer = v1.LogOffer{Public: f.Public, Head: f.Head, Proof: f.Proof}
	case v1.PeerLogHeads:
		m.asked.Add(1)
		if m.older.Load() {
			return fault.Errorf(fault.NotFound, "there is no such operation")
		}
		var h v1.LogHeads
		h.Heads, err = m.journal.Heads()
		if m.tells != nil {
			h.Heads = m.tells(h.Heads)
		}
		answer = h
	case v1.PeerLogLeaves:
		if during := m.during; during != nil {
			m.during = nil
			during()
		}
		var l v1.LogLeaves
		l.Leaves, err = m.journal.Leaves(uint64(in.From), in.Limit)
		answer = l
	}
	if err != nil {
		return err
	}
	b, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, out)
}

// exchange lets a machine exchange logs with the others until it is told to stop.
func (n *network) exchange(name string) (stop func()) {
	ctx, cancel := context.WithCancel(n.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = n.nodes[name].journal.Exchange(ctx, of{n, name})
	}()
	return func() { cancel(); <-done }
}

// does records a command on a machine.
func (n *network) does(name, command string) {
	n.t.Helper()
	done, err := n.nodes[name].journal.Begin(auditlog.Record{User: "root", From: "uid 0", Operation: "group set", Command: command}, false)
	if err != nil {
		n.t.Fatal(err)
	}
	done(auditlog.Record{Exit: new(0)})
}

// looks lets a machine look at another one's log, and returns what it found.
func (n *network) looks(name, at string) string {
	n.t.Helper()
	for _, p := range (of{n, name}).Peers() {
		if p.Name == at {
			found, err := n.nodes[name].journal.VerifyPeer(n.t.Context(), of{n, name}, p)
			if err != nil {
				return "error: " + err.Error()
			}
			return strings.Join(found, "; ")
		}
	}
	return "no such node"
}

func (n *network) commands(name string, q auditlog.Query) []string {
	n.t.Helper()
	list, err := n.nodes[name].journal.Commands(q)
	if err != nil {
		n.t.Fatal(err)
	}
	var out []string
	for _, e := range list {
		out = append(out, e.Node+" "+e.Command+" "+e.State)
	}
	return out
}

// TestExchange: what was done on a node is known on the others within a moment, and stays known when the node is gone.
func TestExchange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, "n1", "n2")
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		for name, m := range n.nodes {
			group.Go(func() { _ = m.journal.Exchange(ctx, of{n, name}) })
		}
		n.does("n1", "redoubt group create web")
		time.Sleep(time.Second)
		n.nodes["n1"].down.Store(true)
		if got := n.commands("n2", auditlog.Query{}); len(got) != 1 || got[0] != "n1 redoubt group create web done" {
			t.Errorf("%q", got)
		}
		if got := n.commands("n2", auditlog.Query{User: "eve"}); len(got) != 0 {
			t.Errorf("%q", got)
		}
		cancel()
		group.Wait()
		n.stopAll()
	})
}

// rewrite replaces a machine's whole log by one of other commands that is signed with the same key.
func (n *network) rewrite(name string, commands int) {
	n.t.Helper()
	n.stop(name)
	m := n.nodes[name]
	for _, f := range []string{auditlog.NameText, auditlog.NameTwin, auditlog.NameTree, auditlog.NameHead} {
		if err := os.Remove(filepath.Join(m.dir, f)); err != nil {
			n.t.Fatal(err)
		}
	}
	n.start(name)
	for i := range commands {
		n.does(name, fmt.Sprintf("redoubt group list x%d", i))
	}
}

// TestRewrittenHistory: a shorter, an equal and a longer log that were signed anew, and one under another key, are all caught, and the proof is kept.
func TestRewrittenHistory(t *testing.T) {
	for name, attack := range map[string]func(n *network){
		"shorter": func(n *network) { n.rewrite("n2", 2) },
		"equal":   func(n *network) { n.rewrite("n2", 4) },
		"longer":  func(n *network) { n.rewrite("n2", 9) },
		"new key": func(n *network) {
			n.stop("n2")
			if err := os.Remove(filepath.Join(n.nodes["n2"].dir, "commandlog.key")); err != nil {
				t.Fatal(err)
			}
			n.start("n2")
			n.does("n2", "redoubt group list")
		},
		"a record on disk": func(n *network) {
			path := filepath.Join(n.nodes["n2"].dir, auditlog.NameTwin)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(strings.Replace(string(b), "g1", "g7", 1)), 0o600); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNetwork(t, "n1", "n2")
			for i := range 4 {
				n.does("n2", fmt.Sprintf("redoubt group set g%d", i))
			}
			if found := n.looks("n1", "n2"); found != "" {
				t.Fatalf("an honest log: %s", found)
			}
			n.t = t
			attack(n)
			found := n.looks("n1", "n2")
			if !strings.Contains(found, "its command log") && !strings.Contains(found, "the key of its log was replaced") {
				t.Fatalf("it is not caught: %q", found)
			}
			if name != "new key" && !strings.Contains(found, "entry") {
				t.Errorf("the first entry is not named: %s", found)
			}
			if b, err := os.ReadFile(filepath.Join(n.nodes["n1"].dir, "peers", "n2", "evidence.jsonl")); err != nil || len(b) == 0 {
				t.Errorf("no evidence is kept: %v", err)
			}
			// It is not forgotten by a restart, nor by the node's return to honesty, and what was copied is still there.
			n.stop("n1")
			m := n.start("n1")
			if len(m.journal.Findings()) == 0 {
				t.Error("it is forgotten")
			}
			if got := n.commands("n1", auditlog.Query{Nodes: []string{"n2"}}); len(got) < 4 || !strings.Contains(got[1], "g1") {
				t.Errorf("the copy was changed: %q", got)
			}
			if err := m.journal.Accept("n2"); err != nil {
				t.Fatal(err)
			}
			if name != "a record on disk" { // the hashes of that one are still those of before
				if found := n.looks("n1", "n2"); found != "" {
					t.Errorf("after it was accepted: %s", found)
				}
			}
			n.stop("n1")
			n.stop("n2")
		})
	}
}

// TestFetchedMeanwhile: whoever verifies a node's log while its news are fetched gets an answer about all of it, and the copy is that log.
func TestFetchedMeanwhile(t *testing.T) {
	for name, before := range map[string]int{"the first time": 0, "later": 1} {
		t.Run(name, func(t *testing.T) {
			n := newNetwork(t, "n1", "n2")
			for range before {
				n.does("n2", "redoubt group set before")
				n.looks("n1", "n2")
			}
			n.does("n2", "redoubt group set g1")
			n.nodes["n2"].during = func() {
				n.does("n2", "redoubt group set g2")
				if found := n.looks("n1", "n2"); found != "" {
					t.Errorf("the one who came first: %s", found)
				}
			}
			if found := n.looks("n1", "n2"); found != "" {
				t.Errorf("the one who came second: %s", found)
			}
			n.stop("n1")
			n.start("n1")
			if found := n.looks("n1", "n2"); found != "" {
				t.Errorf("opened again: %s", found)
			}
			if f := n.nodes["n1"].journal.Findings(); len(f) > 0 {
				t.Errorf("%+v", f)
			}
			if got := n.commands("n1", auditlog.Query{Nodes: []string{"n2"}}); len(got) != 2+before {
				t.Errorf("%q", got)
			}
			n.stop("n1")
			n.stop("n2")
		})
	}
}

// TestDamagedCopy: a copy that was changed here is not blamed on its node, and is taken anew.
func TestDamagedCopy(t *testing.T) {
	n := newNetwork(t, "n1", "n2")
	n.does("n2", "redoubt group set g1")
	if found := n.looks("n1", "n2"); found != "" {
		t.Fatal(found)
	}
	n.stop("n1")
	path := filepath.Join(n.nodes["n1"].dir, "peers", "n2", auditlog.NameTwin)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(b), "g1", "g7", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	n.start("n1")
	if found := n.looks("n1", "n2"); found != "" {
		t.Errorf("the node is blamed: %s", found)
	}
	if f := n.nodes["n1"].journal.Findings(); len(f) != 1 || f[0].Node != "n1" || !strings.Contains(f[0].Text, "the copy of the log of node n2") {
		t.Errorf("%+v", f)
	}
	if got := n.commands("n1", auditlog.Query{Nodes: []string{"n2"}}); len(got) != 1 || !strings.Contains(got[0], "g1") {
		t.Errorf("%q", got)
	}
	n.stop("n1")
	n.stop("n2")
}

// TestLate: an emergency goes on while the log can not be written, and is recorded when it can be again.
func TestLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, "n1")
		m := n.nodes["n1"]
		m.broken.Store(true)
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		group.Go(func() { _ = m.journal.Run(ctx) })
		if _, err := m.journal.Begin(auditlog.Record{User: "root", Command: "redoubt group set g"}, false); err == nil {
			t.Error("a change goes on without a record")
		}
		done, err := m.journal.Begin(auditlog.Record{User: "root", Command: "redoubt group offline g"}, true)
		if err != nil {
			t.Fatal(err)
		}
		done(auditlog.Record{Exit: new(0)})
		if f := m.journal.Findings(); len(f) != 1 {
			t.Errorf("%+v", f)
		}
		m.broken.Store(false)
		time.Sleep(10 * time.Second)
		if got := n.commands("n1", auditlog.Query{}); len(got) != 1 || got[0] != "n1 redoubt group offline g done" {
			t.Errorf("%q", got)
		}
		if f := m.journal.Findings(); len(f) != 0 {
			t.Errorf("%+v", f)
		}
		// A stranger does not decide how large the log becomes.
		for range 1000 {
			m.journal.Deny(auditlog.Record{User: "nobody", From: "10.0.0.9", Operation: "group set", Command: "redoubt group set"})
		}
		time.Sleep(2 * time.Minute)
		list, err := m.journal.Commands(auditlog.Query{Failed: true})
		if err != nil || len(list) != 2 || list[1].Count != 999 {
			t.Errorf("%+v, %v", list, err)
		}
		cancel()
		group.Wait()
		n.stop("n1")
	})
}

// collector is a receiver that can be restarted.
type collector struct {
	mu   sync.Mutex
	up   bool
	conn *pipe
	got  []string
}

type pipe struct {
	c      *collector
	buf    []byte
	closed chan struct{}
	once   sync.Once
}

func (p *pipe) Read([]byte) (int, error) { <-p.closed; return 0, io.EOF }
func (p *pipe) Close() error             { p.once.Do(func() { close(p.closed) }); return nil }

// Write loses what comes after the collector stopped reading, as a socket's buffer does.
func (p *pipe) Write(b []byte) (int, error) {
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	if !p.c.up {
		return len(b), nil
	}
	p.buf = append(p.buf, b...)
	for {
		m, rest, ok, err := auditlog.Unframe(p.buf)
		if err != nil {
			return 0, err
		}
		if !ok {
			return len(b), nil
		}
		p.c.got, p.buf = append(p.c.got, string(m)), rest
	}
}

func (c *collector) Dial(context.Context, string, string, string) (io.ReadWriteCloser, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.up {
		return nil, fault.Errorf(fault.Unavailable, "connection refused")
	}
	c.conn = &pipe{c: c, closed: make(chan struct{})}
	return c.conn, nil
}

// TestForward: nothing is lost over a restart of the collector, and what exceeds the backlog is counted.
func TestForward(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, "n1")
		m, c := n.nodes["n1"], &collector{up: true}
		to := audit.Collector{Server: "siem:6514", Cluster: "demo", Backlog: 10}
		f := audit.NewForwarder(m.journal, c, auditfile.Cursor{Path: filepath.Join(m.dir, "cursor")}, func() (audit.Collector, error) { return to, nil })
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		group.Go(func() { _ = f.Run(ctx, nil) })
		n.does("n1", "redoubt group set before")
		time.Sleep(10 * time.Second)
		c.mu.Lock()
		c.up = false // it has stopped reading; the connection breaks a moment later
		c.mu.Unlock()
		n.does("n1", "redoubt group set during")
		time.Sleep(3 * time.Second)
		_ = c.conn.Close()
		n.does("n1", "redoubt group set after")
		time.Sleep(30 * time.Second)
		c.mu.Lock()
		c.up = true
		c.mu.Unlock()
		time.Sleep(2 * time.Minute)
		c.mu.Lock()
		all := strings.Join(c.got, "\n")
		c.mu.Unlock()
		for _, want := range []string{"before", "during", "after"} {
			if !strings.Contains(all, "redoubt group set "+want) {
				t.Errorf("%s was lost:\n%s", want, all)
			}
		}
		if s := f.State(); !s.Connected || s.Dropped != 0 {
			t.Errorf("%+v", s)
		}
		c.mu.Lock()
		c.up = false
		c.mu.Unlock()
		_ = c.conn.Close()
		for i := range 20 {
			n.does("n1", fmt.Sprintf("redoubt group set many%d", i))
		}
		time.Sleep(time.Minute)
		c.mu.Lock()
		c.up = true
		c.mu.Unlock()
		time.Sleep(3 * time.Minute)
		if s := f.State(); s.Dropped < 20 || !strings.Contains(strings.Join(c.got, "\n"), "many19") {
			t.Errorf("%+v", s)
		}
		cancel()
		group.Wait()
		n.stop("n1")
	})
}
