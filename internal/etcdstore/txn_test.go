package etcdstore

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/fault"
)

// lossy is a network between a client and a member that loses what it is told to lose. It listens at the member's address under another port.
type lossy struct {
	t   *testing.T
	l   net.Listener
	to  string
	now func() cluster.Revision

	mu     sync.Mutex
	loss   loss
	before cluster.Revision // when the loss was ordered
	done   func()           // returns when the member has done what was asked
	meet   func()           // called once, after a loss, before the client gets another connection
}

// loss is what is lost next, and the connection with it.
type loss int

const (
	lossNothing loss = iota
	lossAnswer       // the member has done what was asked
	lossRequest      // the member hears nothing of it
)

func newLossy(t *testing.T, ip, to string) *lossy {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(ip, "0"))
	if err != nil {
		t.Fatal(err)
	}
	p := &lossy{t: t, l: l, to: to}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.met()
			go p.serve(c)
		}
	}()
	t.Cleanup(func() { l.Close() })
	return p
}

func (p *lossy) lose(l loss, meet func()) {
	p.before = p.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.loss, p.meet = l, meet
}

func (p *lossy) met() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.loss == lossNothing && p.meet != nil {
		p.meet()
		p.meet = nil
	}
}

func (p *lossy) loses(l loss) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.loss == l
}

// hit reports whether this is what is to be lost, once.
func (p *lossy) hit(l loss) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.loss != l {
		return false
	}
	p.loss = lossNothing
	return true
}

func (p *lossy) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	defer server.Close()
	var wg sync.WaitGroup
	wg.Go(func() { p.copy(server, client, lossRequest) })
	wg.Go(func() { p.copy(client, server, lossAnswer) })
	wg.Wait()
}

func (p *lossy) copy(to, from net.Conn, kind loss) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 && kind == lossAnswer && p.loses(kind) {
			p.done() // until then nothing comes through
		}
		if n > 0 && p.hit(kind) {
			return
		}
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// lossyStore is a store behind a lossy network, warm, and one beside it.
func lossyStore(t *testing.T) (s, beside *Store, p *lossy) {
	t.Helper()
	m := newMembers(t)
	m.start(1, ModeNew, nil)
	p = newLossy(t, m.ip(1), m.endpoint(1))
	beside, s = m.open(1), m.open()
	if err := s.SetEndpoints([]string{p.l.Addr().String()}); err != nil {
		t.Fatal(err)
	}
	put(t, s, "warm", "")
	p.done = func() {
		eventually(t, "the write is applied", func() error {
			if now := revision(t, beside); now <= p.before {
				return fmt.Errorf("the newest revision is still %d", now)
			}
			return nil
		})
	}
	p.now = func() cluster.Revision { return revision(t, beside) }
	return s, beside, p
}

// revision is the newest one of the repository.
func revision(t *testing.T, s *Store) cluster.Revision {
	snap, err := s.Read(t.Context(), confdb.Root+"none")
	if err != nil {
		t.Error(err)
	}
	return snap.Revision
}

func TestAnswerLost(t *testing.T) {
	s, beside, p := lossyStore(t)
	key := confdb.Root + "k"

	p.lose(lossAnswer, nil)
	rev, err := s.Txn(bounded(t), []confdb.Compare{{Key: key}}, []confdb.Op{{Key: key, Value: []byte("mine")}})
	if err != nil {
		t.Fatal(err)
	}
	if p.loss != lossNothing {
		t.Fatal("nothing was lost")
	}
	if e, err := beside.Get(bounded(t), key); err != nil || e.ModRevision != rev {
		t.Fatalf("the transaction says revision %d, the key %d, %v", rev, e.ModRevision, err)
	}

	// Somebody else overwrites it before the client has found out: it was done all the same.
	var theirs int64
	p.lose(lossAnswer, func() { theirs = int64(put(t, beside, "k", "theirs")) })
	mine, err := s.Txn(bounded(t), []confdb.Compare{{Key: key, Revision: rev}}, []confdb.Op{{Key: key, Value: []byte("mine again")}})
	if err != nil || int64(mine) >= theirs || mine <= rev {
		t.Fatalf("the transaction says revision %d, %v; the one that overwrote it has %d", mine, err, theirs)
	}

	// A write without compares must not come twice over somebody else's.
	p.lose(lossAnswer, func() { put(t, beside, "k", "theirs") })
	if _, err := s.Txn(bounded(t), nil, []confdb.Op{{Key: key, Value: []byte("blind")}}); err != nil {
		t.Fatal(err)
	}
	if got := get(t, beside, "k"); got != "theirs" {
		t.Fatalf("the key is %q: the lost write was done twice", got)
	}
}

func TestRequestLost(t *testing.T) {
	s, beside, p := lossyStore(t)
	key := confdb.Root + "k"

	p.lose(lossRequest, nil)
	rev, err := s.Txn(bounded(t), []confdb.Compare{{Key: key}}, []confdb.Op{{Key: key, Value: []byte("mine")}})
	if err != nil {
		t.Fatal(err)
	}
	if p.loss != lossNothing {
		t.Fatal("nothing was lost")
	}

	p.lose(lossRequest, func() { put(t, beside, "k", "theirs") })
	_, err = s.Txn(bounded(t), []confdb.Compare{{Key: key, Revision: rev}}, []confdb.Op{{Key: key, Value: []byte("mine again")}})
	if !fault.Is(err, fault.Conflict) {
		t.Fatalf("somebody else was first: %v", err)
	}
	if got := get(t, beside, "k"); got != "theirs" {
		t.Fatalf("a conflict wrote %q", got)
	}
	put(t, s, "k", "after") // the slot is still good
}

// TestVoidedTryIsNeverApplied sends the try that was on its way after the client was told of a conflict.
func TestVoidedTryIsNeverApplied(t *testing.T) {
	m := newMembers(t)
	m.start(1, ModeNew, nil)
	s, beside := m.open(1), m.open(1)
	key := confdb.Root + "k"
	put(t, beside, "k", "theirs")
	slot := s.takeSlot()
	tr := transaction{store: s, slot: slot, mark: []byte("mark"), what: "write k", asked: 1}
	late := tr.request([]confdb.Compare{{Key: key}}, []confdb.Op{{Key: key, Value: []byte("mine")}})
	if _, err := tr.run(bounded(t), []confdb.Compare{{Key: key}}, []confdb.Op{{Key: key, Value: []byte("mine")}}); !fault.Is(err, fault.Conflict) {
		t.Fatalf("the key exists: %v", err)
	}
	if _, err := beside.Txn(bounded(t), nil, []confdb.Op{{Key: key}}); err != nil {
		t.Fatal(err)
	}
	again := transaction{store: s, slot: slot, mark: tr.mark, what: "the late try"}
	resp, err := again.commit(bounded(t), late)
	if err != nil || resp.Succeeded {
		t.Fatalf("the late try was applied after its conflict was reported: %v, %v", resp, err)
	}
}

func TestUnknownOutcome(t *testing.T) {
	s, _, p := lossyStore(t)
	p.l.Close()
	p.lose(lossAnswer, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 600*time.Millisecond)
	defer cancel()
	_, err := s.Txn(ctx, nil, []confdb.Op{{Key: confdb.Root + "k", Value: []byte("v")}})
	if !fault.Is(err, fault.Timeout) {
		t.Fatalf("an answer was lost and nobody is left to ask: %v", err)
	}
	_, err = s.Get(ctx, confdb.Root+"k")
	if !fault.Is(err, fault.Unavailable) {
		t.Fatalf("reading: %v", err)
	}
}

func TestLimits(t *testing.T) {
	m := newMembers(t)
	m.start(1, ModeNew, nil)
	s := m.open(1)
	var ops []confdb.Op
	var compares []confdb.Compare
	for i := range MaxOps {
		key := fmt.Sprintf("%sl/%d", confdb.Root, i)
		ops, compares = append(ops, confdb.Op{Key: key, Value: []byte("v")}), append(compares, confdb.Compare{Key: key})
	}
	if _, err := s.Txn(bounded(t), compares, ops); err != nil {
		t.Fatal(err)
	}
	more := append(ops, confdb.Op{Key: confdb.Root + "one more"})
	for what, err := range map[string]error{
		"too many writes": second(s.Txn(bounded(t), nil, more)),
		"a key twice":     second(s.Txn(bounded(t), nil, append(ops[:1:1], ops[0]))),
		"no key":          second(s.Txn(bounded(t), nil, []confdb.Op{{}})),
		"5 MiB":           second(s.Txn(bounded(t), nil, []confdb.Op{{Key: confdb.Root + "big", Value: make([]byte, 5<<20)}})),
	} {
		if !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }
