package beat

import (
	"crypto/cipher"
	"encoding/binary"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/membership"
)

// peer is another node, with the keys of the pair. It is never changed.
type peer struct {
	party
	seal, open cipher.AEAD
	addrs      []netip.Addr
	socknames  []sockname // of addrs
}

// makePeer derives the keys of a peer, unless nothing that they depend on has changed.
func (t *Transport) makePeer(p Peer, old *peer) (*peer, error) {
	key, err := ParsePublicKey(p.Key)
	if err != nil {
		return nil, err
	}
	made := &peer{party: party{p.Node, p.ID, key}}
	if old != nil && old.id == p.ID && sameKey(old.key, key) {
		made.seal, made.open = old.seal, old.open
	} else if made.seal, made.open, err = pairKeys(t.cfg.Key, t.cfg.ClusterID, t.self, made.party); err != nil {
		return nil, err
	}
	for _, a := range p.Addresses {
		a = a.Unmap()
		made.addrs = append(made.addrs, a)
		made.socknames = append(made.socknames, socknameOf(a, t.cfg.Port))
	}
	return made, nil
}

// numbers reads the sender's and the receiver's number from a header.
func numbers(datagram []byte) (sender, receiver uint32) {
	return binary.BigEndian.Uint32(datagram[1:5]), binary.BigEndian.Uint32(datagram[5:9])
}

// dropLog tells people about dropped datagrams: the first of a peer at once, then one record in dropEvery with how many there were. All
// senders that are no peers share one turn.
type dropLog struct {
	log *slog.Logger
	mu  sync.Mutex
	by  map[cluster.NodeName]*dropTurn
}

type dropTurn struct {
	next       membership.Instant
	suppressed int
}

const dropEvery = 10 * time.Second

func (d *dropLog) note(now membership.Instant, path int, why string, claimed cluster.NodeName, from *sockname) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.by == nil {
		d.by = map[cluster.NodeName]*dropTurn{}
	}
	turn := d.by[claimed]
	if turn == nil {
		turn = &dropTurn{}
		d.by[claimed] = turn
	}
	if now < turn.next {
		turn.suppressed++
		return
	}
	d.log.Warn("heartbeat datagram dropped", "reason", why, "path", path, "claims", claimed, "from", from.addrPort(), "more", turn.suppressed)
	turn.next, turn.suppressed = now.Add(int64(dropEvery)), 0
}
