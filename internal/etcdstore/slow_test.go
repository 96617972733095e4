package etcdstore

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
	"pgregory.net/rapid"

	"redoubt/internal/confdb"
	"redoubt/internal/fault"
)

// slowWay is a client's way to a member on which the test decides what becomes of each transaction that is asked for.
type slowWay struct {
	mu     sync.Mutex
	fates  []fate // of those to come; none are left: answered
	onWay  []*etcdserverpb.TxnRequest
	lost   func() // called after an answer is lost, once
	member *grpc.ClientConn
}

type fate int

const (
	fateAnswered fate = iota
	fateUnheard       // done, and the answer is lost
	fateDelayed       // not answered, and done whenever deliver is called
)

func (w *slowWay) intercept(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, call grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	txn, ok := req.(*etcdserverpb.TxnRequest)
	if !ok {
		return call(ctx, method, req, reply, conn, opts...)
	}
	w.mu.Lock()
	how := fateAnswered
	if len(w.fates) > 0 {
		how, w.fates = w.fates[0], w.fates[1:]
	}
	if how == fateDelayed {
		w.onWay = append(w.onWay, txn)
	}
	w.mu.Unlock()
	lost := status.Error(codes.Unavailable, "lost on the way")
	if how == fateDelayed {
		return lost
	}
	if err := call(ctx, method, req, reply, conn, opts...); err != nil || how == fateAnswered {
		return err
	}
	if w.lost != nil {
		w.lost()
		w.lost = nil
	}
	return lost
}

// deliver does what is on its way, or one of it; it reports how many of them were applied.
func (w *slowWay) deliver(t testing.TB, ctx context.Context, which ...int) (applied int) {
	t.Helper()
	w.mu.Lock()
	late := w.onWay
	if len(which) > 0 {
		late = []*etcdserverpb.TxnRequest{w.onWay[which[0]]}
		w.onWay = slices.Delete(slices.Clone(w.onWay), which[0], which[0]+1)
	} else {
		w.onWay = nil
	}
	w.mu.Unlock()
	for _, req := range late {
		resp, err := etcdserverpb.NewKVClient(w.member).Txn(ctx, req)
		if err != nil {
			t.Fatal(err)
		}
		if resp.Succeeded {
			applied++
		}
	}
	return applied
}

// slowStore is a client of a name on a slow way, a plain one beside it, and the member of both.
func slowStore(t *testing.T, name string) (*Store, *slowWay, *Store, *Member) {
	t.Helper()
	m := newMembers(t)
	member := m.start(1, ModeNew, nil)
	beside := m.open(1)
	files := m.authority.files("slow", "127.0.0.1", time.Now())
	s, err := Dial(ClientConfig{Name: name, Endpoints: []string{m.endpoint(1)}, TLS: files, Log: m.log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	tls, err := files.client(m.ip(1))
	if err != nil {
		t.Fatal(err)
	}
	w := &slowWay{member: beside.endpoints[0].conn}
	conn, err := grpc.NewClient("passthrough:///"+m.endpoint(1), grpc.WithTransportCredentials(credentials.NewTLS(tls)), grpc.WithUnaryInterceptor(w.intercept))
	if err != nil {
		t.Fatal(err)
	}
	_ = s.endpoints[0].conn.Close()
	s.endpoints[0].conn = conn
	return s, w, beside, member
}

// times is how often a key was written since it exists.
func times(t testing.TB, ctx context.Context, w *slowWay, key string) int64 {
	t.Helper()
	resp, err := etcdserverpb.NewKVClient(w.member).Range(ctx, &etcdserverpb.RangeRequest{Key: []byte(key)})
	if err != nil {
		t.Fatal(err)
	}
	if len(resp.Kvs) == 0 {
		return 0
	}
	return resp.Kvs[0].Version
}

func slotsOf(t testing.TB, ctx context.Context, s *Store) (keys []string) {
	t.Helper()
	snap, err := s.Read(ctx, slotPrefix)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range snap.Entries {
		keys = append(keys, strings.TrimPrefix(e.Key, slotPrefix))
	}
	return keys
}

// However many transactions are given up, a client that writes one after the other has one slot; and what was on its way when the next one was done is never applied.
func TestGivenUpTransactionsLeaveNoSlots(t *testing.T) {
	s, w, beside, _ := slowStore(t, "n1")
	for i := range 5 {
		// The first one is lost in the claim of its slot: then it is certain that nothing was written.
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		w.fates = slices.Repeat([]fate{fateDelayed}, 1000)
		_, err := s.Txn(ctx, nil, []confdb.Op{{Key: fmt.Sprintf("%sgiven-up/%d", confdb.Root, i), Value: []byte("v")}})
		cancel()
		if want := map[bool]fault.Code{true: fault.Unavailable, false: fault.Timeout}[i == 0]; !fault.Is(err, want) {
			t.Fatalf("transaction %d: %v, want %s", i, err, want)
		}
		w.fates = nil
		put(t, s, fmt.Sprintf("done/%d", i), "v")
		if n := w.deliver(t, bounded(t)); n > 0 {
			t.Errorf("%d late tries of transaction %d were applied after the next had used its slot", n, i)
		}
	}
	if got := slotsOf(t, bounded(t), beside); !slices.Equal(got, []string{"n1/1"}) {
		t.Errorf("slots %v", got)
	}
}

// What nobody needs is deleted: the slots of clients that are no nodes, when they have been silent from one look to the next.
func TestSlotsOfThoseWhoAreGoneAreSwept(t *testing.T) {
	s, _, beside, member := slowStore(t, "gone")
	ctx := bounded(t)
	put(t, beside, "node/n1", "{}")
	put(t, s, "k", "v")
	stays, err := Dial(ClientConfig{Name: "n1", Endpoints: s.Endpoints(), TLS: s.cfg.TLS})
	if err != nil {
		t.Fatal(err)
	}
	defer stays.Close()
	put(t, stays, "k", "v")
	silent := slotsOf(t, ctx, s)
	slices.Sort(silent)
	seen, err := member.sweep(ctx, 0)
	if err != nil || len(slotsOf(t, ctx, s)) != len(silent) {
		t.Fatalf("the first look deletes nothing: %v, %v", slotsOf(t, ctx, s), err)
	}
	put(t, s, "k", "again")
	if seen, err = member.sweep(ctx, seen); err != nil || !slices.Contains(slotsOf(t, ctx, s), "gone/1") {
		t.Fatalf("a client that has written: %v, %v", slotsOf(t, ctx, s), err)
	}
	if seen, err = member.sweep(ctx, seen); err != nil {
		t.Fatal(err)
	}
	if got := slotsOf(t, ctx, s); !slices.Equal(got, []string{"n1/1"}) {
		t.Errorf("slots that are left: %v", got)
	}
	put(t, s, "k", "back") // one that comes back makes a new one
	if got := slotsOf(t, ctx, s); !slices.Equal(got, []string{"gone/1", "n1/1"}) {
		t.Errorf("slots of the one that came back: %v", got)
	}
	if _, err = member.sweep(ctx, seen); err != nil {
		t.Fatal(err)
	}
}

// The slot of a slow writer may be deleted in the middle of a transaction: it is done once or not at all, and what is said of it holds.
func TestSlotDeletedUnderASlowWriter(t *testing.T) {
	s, w, beside, member := slowStore(t, "gone")
	ctx := bounded(t)
	put(t, s, "warm", "v")
	key := confdb.Root + "k"
	// Done, the answer lost, a second try on its way; then the slot goes, and the second try comes.
	w.fates = append([]fate{fateUnheard}, slices.Repeat([]fate{fateDelayed}, 1000)...)
	short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	if _, err := s.Txn(short, nil, []confdb.Op{{Key: key, Value: []byte("v")}}); !fault.Is(err, fault.Timeout) {
		t.Fatal(err)
	}
	w.fates = nil
	if _, err := member.sweep(ctx, int64(revision(t, beside))); err != nil || len(slotsOf(t, ctx, s)) > 1 {
		t.Fatalf("%v, slots %v", err, slotsOf(t, ctx, s))
	}
	if n := w.deliver(t, ctx); n > 0 || times(t, ctx, w, key) != 1 {
		t.Errorf("%d late tries were applied, the key was written %d times", n, times(t, ctx, w, key))
	}
	// The slot goes in the middle of a transaction, after the try that was done: nobody knows any more, and nothing is done twice.
	put(t, s, "warm", "v")
	w.fates = []fate{fateUnheard}
	w.lost = func() {
		if _, err := member.sweep(ctx, int64(revision(t, beside))); err != nil {
			t.Error(err)
		}
	}
	if _, err := s.Txn(ctx, nil, []confdb.Op{{Key: key + "2", Value: []byte("v")}}); !fault.Is(err, fault.Timeout) {
		t.Errorf("a transaction whose slot was deleted says %v", err)
	}
	if n := times(t, ctx, w, key+"2"); n != 1 {
		t.Errorf("it was done %d times", n)
	}
	put(t, s, "k3", "v")
}

// Transactions one after the other on a way that loses and delays, slots that are deleted at any time: no transaction is ever done twice, what is said to be done is, what
// is said to be refused never is, also when all that is late has come.
func TestSlowWriterLaws(t *testing.T) {
	s, w, beside, member := slowStore(t, "gone")
	number := 0
	rapid.Check(t, func(rt *rapid.T) {
		ctx := bounded(t)
		type said struct {
			key  string
			done bool
			may  bool
		}
		var all []said
		for range rapid.IntRange(1, 8).Draw(rt, "steps") {
			switch rapid.IntRange(0, 4).Draw(rt, "step") {
			case 0:
				if n := len(w.onWay); n > 0 {
					w.deliver(t, ctx, rapid.IntRange(0, n-1).Draw(rt, "late"))
				}
			case 1:
				if _, err := member.sweep(ctx, int64(revision(t, beside))); err != nil {
					t.Fatal(err)
				}
			default:
				number++
				key := fmt.Sprintf("%slaw/%d", confdb.Root, number)
				w.fates = rapid.SliceOfN(rapid.SampledFrom([]fate{fateAnswered, fateUnheard, fateDelayed}), 0, 4).Draw(rt, "fates")
				limit := patience
				if rapid.Bool().Draw(rt, "given up") {
					w.fates = append(w.fates, slices.Repeat([]fate{fateDelayed}, 100)...)
					limit = 60 * time.Millisecond
				}
				var compares []confdb.Compare
				if rapid.IntRange(0, 3).Draw(rt, "conflict") == 0 {
					compares = []confdb.Compare{{Key: key + "/none", Revision: 1}}
				}
				short, cancel := context.WithTimeout(ctx, limit)
				_, err := s.Txn(short, compares, []confdb.Op{{Key: key, Value: []byte("v")}})
				cancel()
				w.fates = nil
				all = append(all, said{key: key, done: err == nil, may: fault.Is(err, fault.Timeout)})
			}
		}
		w.deliver(t, ctx)
		for _, x := range all {
			switch n := times(t, ctx, w, x.key); {
			case n > 1:
				rt.Fatalf("%s was written %d times", x.key, n)
			case x.done && n == 0:
				rt.Fatalf("%s is said to be written and is not", x.key)
			case !x.done && !x.may && n > 0:
				rt.Fatalf("%s is said not to be written and is", x.key)
			}
		}
	})
}
