package beat

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"redoubt/internal/cluster"
	"redoubt/internal/membership"
)

// tap records what goes over the loopback network, as somebody on the wire does.
type tap struct{ fd int }

func newTap(t *testing.T) tap {
	t.Helper()
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	var proto [2]byte
	binary.BigEndian.PutUint16(proto[:], unix.ETH_P_IP)
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 16<<20)
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: binary.NativeEndian.Uint16(proto[:]), Ifindex: lo.Index}); err != nil {
		t.Fatal(err)
	}
	return tap{fd}
}

// recorded gives the datagrams of heartbeats to an address that went by since it was asked last.
func (w tap) recorded(t *testing.T, to string) (out [][]byte) {
	t.Helper()
	buf := make([]byte, 64<<10)
	for {
		n, from, err := unix.Recvfrom(w.fd, buf, 0)
		if errors.Is(err, unix.EAGAIN) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		ll, ok := from.(*unix.SockaddrLinklayer)
		if !ok || ll.Pkttype == unix.PACKET_OUTGOING || n < 28 || buf[9] != unix.IPPROTO_UDP { // each goes by twice
			continue
		}
		head := int(buf[0]&15) * 4
		dst, _ := netip.AddrFromSlice(buf[16:20])
		if dst.String() == to && binary.BigEndian.Uint16(buf[head+2:]) == port {
			out = append(out, append([]byte(nil), buf[head+8:n]...))
		}
	}
}

// life is one life of a daemon: a real end of the wire, and the judgement of what is new.
type life struct {
	*end
	m        *membership.Machine
	promised int // promises that it has sent
}

// pair is two nodes that form a cluster over real sockets, in a time that the test lets pass.
type pair struct {
	t     *testing.T
	now   membership.Instant
	rec   *membership.Record
	lives map[cluster.NodeName]*life
	up    map[cluster.NodeName]bool // it listens
	due   map[cluster.NodeName]int  // messages on their way
}

func (p *pair) begin(name cluster.NodeName, session membership.Session, e *end) *life {
	l := &life{end: e, m: membership.New(membership.Config{Self: name, Session: session, Paths: 1, Started: p.now})}
	p.lives[name] = l
	l.m.SetNodes([]membership.Configured{{Node: "n1"}, {Node: "n2"}})
	p.step(name, membership.Applied{Record: p.rec, Linearizable: true})
	l.m.SetIncarnation(cluster.Incarnation{Number: 1, Tag: "t"})
	p.step(name, membership.Tick{})
	return l
}

func (p *pair) step(name cluster.NodeName, ev membership.Event) {
	l := p.lives[name]
	for _, eff := range l.m.Step(p.now, ev) {
		switch e := eff.(type) {
		case membership.Send:
			if e.Msg.Answer != nil && e.Msg.Answer.Hold > 0 {
				l.promised++
			}
			l.Send(e.To, e.Msg)
			if p.up[e.To] {
				p.due[e.To]++
			}
		case membership.Propose:
			ok := e.Basis == p.rec.Epoch
			if ok {
				p.rec = e.Record
				for n := range p.lives {
					p.step(n, membership.Applied{Record: p.rec})
				}
			}
			p.step(name, membership.ProposalDone{OK: ok})
		}
	}
}

// settle hands over what is on its way.
func (p *pair) settle() {
	for again := true; again; {
		again = false
		for n := range p.lives {
			for ; p.due[n] > 0; p.due[n]-- {
				again = true
				a := p.lives[n].next(p.t)
				p.step(n, membership.Received{Path: a.path, Msg: a.msg})
			}
		}
	}
}

func (p *pair) run(span time.Duration) {
	for end := p.now.Add(int64(span)); p.now < end; p.now = p.now.Add(int64(5 * time.Millisecond)) {
		for n, l := range p.lives {
			if l.m.Deadline() <= p.now {
				p.step(n, membership.Tick{})
			}
		}
		p.settle()
	}
}

// kill ends a daemon.
func (p *pair) kill(name cluster.NodeName) {
	p.lives[name].Close()
	delete(p.lives, name)
	p.up[name], p.due[name] = false, 0
}

func (l *life) heard(of cluster.NodeName) membership.Instant {
	for _, p := range l.m.View().Peers {
		if p.Node == of {
			return p.LastHeard
		}
	}
	return 0
}

// TestReplayOnTheWire records every datagram that a node sends to another one, and sends them again, on the same path, to the real end: while the node lives, after it
// is dead, and after the other one was restarted. The seal of each is good; none counts as a sign of life, and none gets a promise.
func TestReplayOnTheWire(t *testing.T) {
	timing, _ := cluster.ProfileTiming("default")
	p := &pair{t: t, now: 1000 * membership.Instant(time.Millisecond), lives: map[cluster.NodeName]*life{}, up: map[cluster.NodeName]bool{"n1": true, "n2": true}, due: map[cluster.NodeName]int{}}
	p.rec = &membership.Record{Epoch: 1, VoterEpoch: 1, Timing: timing, Voters: []membership.Voter{{Node: "n1"}, {Node: "n2"}}}
	wire := newTap(t)
	e1, e2 := listen(t, "n1", 1, addrs("127.0.1.1"), nil), listen(t, "n2", 2, addrs("127.0.1.2"), nil)
	introduce(t, e1, e2)
	p.begin("n1", 71, e1)
	n2 := p.begin("n2", 72, e2)
	p.settle()
	p.run(1500 * time.Millisecond)
	if len(p.rec.Members) != 2 || n2.heard("n1") == 0 || n2.promised == 0 {
		t.Fatalf("the cluster did not form: %+v", p.rec)
	}
	recorded := wire.recorded(t, "127.0.1.2")
	if len(recorded) < 10 {
		t.Fatalf("%d datagrams were recorded", len(recorded))
	}
	again := func(when string, to *life, want membership.Instant) {
		t.Helper()
		promised, before := to.promised, to.Counts()[0].Received
		p.now = p.now.Add(int64(time.Millisecond))
		wiretap(t, "127.0.1.2:7400", recorded...)
		for range recorded {
			a := to.next(t)
			p.step("n2", membership.Received{Path: a.path, Msg: a.msg})
		}
		if got := to.Counts()[0]; got.Received != before+uint64(len(recorded)) || to.dropped("forged") != 0 {
			t.Errorf("%s: %+v: they were not genuine, or not all of them came", when, got)
		}
		if got := to.heard("n1"); got != want {
			t.Errorf("%s: a recorded datagram counted as a sign of life: heard at %d, and not at %d", when, got, want)
		}
		if to.promised != promised {
			t.Errorf("%s: %d promises for recorded datagrams", when, to.promised-promised)
		}
	}
	again("while the node lives", n2, n2.heard("n1"))
	p.settle()
	p.run(100 * time.Millisecond)
	recorded = append(recorded, wire.recorded(t, "127.0.1.2")...) // with those that were sent again
	p.kill("n1")
	last := n2.heard("n1")
	p.run(200 * time.Millisecond)
	again("after its death", n2, last)

	key := e2.cfg.Key
	p.kill("n2")
	e2 = listen(t, "n2", 2, addrs("127.0.1.2"), func(c *Config) { c.Key = key })
	e1 = listen(t, "n1", 1, addrs("127.0.1.1"), func(c *Config) { c.Key = e1.cfg.Key })
	introduce(t, e1, e2)
	p.up["n1"], p.up["n2"] = true, true
	n2 = p.begin("n2", 73, e2)
	again("after a restart of the receiver", n2, 0)

	// It is not deaf: a living node is heard in the same session, and what was recorded before is still worth nothing.
	p.begin("n1", 74, e1)
	p.settle()
	p.run(500 * time.Millisecond)
	last = n2.heard("n1")
	if last == 0 || n2.promised == 0 {
		t.Fatal("a living node is not heard")
	}
	again("beside the living node", n2, last)
}
