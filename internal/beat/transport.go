// Package beat carries the messages of the membership between nodes: UDP datagrams on every interconnect path, sealed between the two nodes of a
// pair by keys derived from their static X25519 keys. It proves who sent a message and to whom, and hides what it says; whether a message is
// new is for the membership to judge, which numbers them. What is forged, altered, or meant for another is dropped and counted.
//
// A path lives on one socket bound to this node's address on it. The socket outlasts the address and the interface: when they go and come
// back, it carries on.
package beat

import (
	"bytes"
	"crypto/ecdh"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/membership"
)

// Config is what a Transport needs to know of its own node.
type Config struct {
	Node      cluster.NodeName
	ID        uint32           // the node's number
	Key       *ecdh.PrivateKey // X25519; its public half is the node's heartbeat key
	ClusterID string
	Addresses []netip.Addr // own address on each path; the zero Addr: the path is not in use
	Port      uint16       // of every node
	Log       *slog.Logger
	// Deliver takes a message in as it arrives; at is CLOCK_BOOTTIME right after the datagram was read. It must not block, and is called from several
	// goroutines.
	Deliver func(path int, msg membership.Message, at membership.Instant)
}

// Peer is another node.
type Peer struct {
	Node      cluster.NodeName
	ID        uint32
	Key       string       // its public heartbeat key, base64
	Addresses []netip.Addr // on each path; the zero Addr: it has none there
}

// Transport sends and receives. Its methods may be called from several goroutines.
type Transport struct {
	cfg   Config
	self  party
	peers atomic.Pointer[peerTable]
	paths atomic.Pointer[[]*path] // by index; nil: not in use
	drops dropLog

	set sync.Mutex // one change of peers or paths at a time
	end bool       // guarded by set

	send struct { // one message at a time goes out, from buffers made once
		sync.Mutex
		plain, sealed []byte
		complained    map[cluster.NodeName]bool
	}
}

// peerTable is never changed once it is published.
type peerTable struct {
	byName map[cluster.NodeName]*peer
	byID   map[uint32]*peer
}

// Listen begins to receive on every path. A path whose address is not there yet is taken up when it comes; an address whose port is taken by
// another program is an error.
func Listen(cfg Config) (*Transport, error) {
	switch {
	case cfg.Key == nil || cfg.Key.Curve() != ecdh.X25519():
		return nil, fault.Errorf(fault.Invalid, "heartbeat of node %s: its key is no X25519 key", cfg.Node)
	case cfg.Node == "" || cfg.ID == 0 || cfg.ClusterID == "" || cfg.Port == 0 || cfg.Log == nil || cfg.Deliver == nil:
		return nil, fault.Errorf(fault.Internal, "heartbeat of node %s: name, number, cluster, port, log and receiver have to be given", cfg.Node)
	}
	t := &Transport{cfg: cfg, self: party{cfg.Node, cfg.ID, cfg.Key.PublicKey()}, drops: dropLog{log: cfg.Log}}
	t.peers.Store(&peerTable{})
	t.paths.Store(&[]*path{})
	t.send.complained = map[cluster.NodeName]bool{}
	t.send.plain, t.send.sealed = make([]byte, 0, maxMessage), make([]byte, 0, maxDatagram)
	if err := t.SetAddresses(cfg.Addresses); err != nil {
		_ = t.Close()
		return nil, err
	}
	return t, nil
}

// SetAddresses changes this node's addresses. Paths whose address stays the same are not disturbed.
func (t *Transport) SetAddresses(addresses []netip.Addr) error {
	t.set.Lock()
	defer t.set.Unlock()
	if t.end {
		return fault.Errorf(fault.Unavailable, "heartbeat of node %s has ended", t.cfg.Node)
	}
	for i, a := range addresses {
		if a.IsValid() && (a.IsUnspecified() || a.IsMulticast() || a.IsLinkLocalUnicast() || a.Zone() != "") {
			return fault.Errorf(fault.Invalid, "interconnect path %d: %s is no address that a node can be reached at on it", i, a)
		}
	}
	old := *t.paths.Load()
	next := make([]*path, len(addresses))
	for i, a := range addresses {
		if a = a.Unmap(); i < len(old) && old[i] != nil && old[i].addr == a {
			next[i] = old[i]
		}
	}
	t.paths.Store(&next)
	for _, p := range old {
		if p != nil && !slices.Contains(next, p) {
			p.close()
		}
	}
	var errs []error
	for i, a := range addresses {
		if next[i] != nil || !a.IsValid() {
			continue
		}
		p, err := openPath(t, i, a.Unmap())
		if err != nil {
			errs = append(errs, err)
			continue
		}
		// The slice is shared already: it is replaced, not changed.
		grown := slices.Clone(*t.paths.Load())
		grown[i] = p
		t.paths.Store(&grown)
	}
	return errors.Join(errs...)
}

// SetPeers says who the other nodes are, in place of those said before. A peer whose key can not be used is left out and is in the error.
func (t *Transport) SetPeers(peers []Peer) error {
	t.set.Lock()
	defer t.set.Unlock()
	old := t.peers.Load()
	next := &peerTable{byName: map[cluster.NodeName]*peer{}, byID: map[uint32]*peer{}}
	var errs []error
	for _, p := range peers {
		if p.Node == t.cfg.Node {
			continue
		}
		made, err := t.makePeer(p, old.byName[p.Node])
		if err != nil {
			errs = append(errs, fault.Errorf(fault.Invalid, "heartbeat of node %s: %w; let the node join again", p.Node, err))
			continue
		}
		if other, ok := next.byID[p.ID]; ok || p.ID == t.cfg.ID || p.ID == 0 {
			name := t.cfg.Node
			if ok {
				name = other.name
			}
			errs = append(errs, fault.Errorf(fault.Invalid, "heartbeat of node %s: its number %d is none or belongs to %s", p.Node, p.ID, name))
			continue
		}
		next.byName[p.Node], next.byID[p.ID] = made, made
	}
	t.peers.Store(next)
	return errors.Join(errs...)
}

// Send implements engine.Transport: one datagram on every path that is in use and that the receiver has an address on.
func (t *Transport) Send(to cluster.NodeName, msg membership.Message) {
	p, ok := t.peers.Load().byName[to]
	if !ok {
		return // not known yet, or not any more
	}
	t.send.Lock()
	defer t.send.Unlock()
	plain, err := appendMessage(t.send.plain[:0], &msg)
	if err != nil {
		if !t.send.complained[to] {
			t.send.complained[to] = true
			t.cfg.Log.Error("a message of the membership can not be sent", "node", to, "err", err)
		}
		return
	}
	for i, own := range *t.paths.Load() {
		if own == nil || i >= len(p.addrs) || !p.addrs[i].IsValid() {
			continue
		}
		t.send.sealed = seal(t.send.sealed[:0], p.seal, t.self.id, p.id, p.addrs[i], plain)
		own.write(t.send.sealed, &p.socknames[i])
	}
}

// Close ends receiving and sending. Deliver is not called any more once it has returned.
func (t *Transport) Close() error {
	t.set.Lock()
	defer t.set.Unlock()
	t.end = true
	old := *t.paths.Swap(&[]*path{})
	for _, p := range old {
		if p != nil {
			p.close()
		}
	}
	return nil
}

// receive takes one datagram apart that came by a path.
func (t *Transport) receive(p *path, datagram []byte, from *sockname, at membership.Instant) {
	sender, why := uint32(0), -1
	switch {
	case len(datagram) > maxDatagram:
		why = dropLong
	case len(datagram) < overhead:
		why = dropShort
	case datagram[0] != version:
		why = dropVersion
	}
	if why >= 0 {
		t.drop(p, why, "", from)
		return
	}
	sender, receiver := numbers(datagram)
	peer, ok := t.peers.Load().byID[sender]
	switch {
	case !ok:
		t.drop(p, dropSender, "", from)
		return
	case receiver != t.self.id:
		t.drop(p, dropReceiver, peer.name, from)
		return
	}
	plain, err := open(p.plain, peer.open, datagram, p.addr)
	if err != nil {
		t.drop(p, dropForged, peer.name, from)
		return
	}
	msg, err := parseMessage(plain, &p.names)
	if err != nil {
		t.drop(p, dropMalformed, peer.name, from)
		return
	}
	msg.From = peer.name
	p.count.received.Add(1)
	t.cfg.Deliver(p.index, msg, at)
}

func (t *Transport) drop(p *path, why int, claimed cluster.NodeName, from *sockname) {
	p.count.dropped[why].Add(1)
	t.drops.note(at(), p.index, dropNames[why], claimed, from)
}

// sameKey reports whether a peer's key is the one that it had.
func sameKey(a, b *ecdh.PublicKey) bool { return bytes.Equal(a.Bytes(), b.Bytes()) }
