package beat

import (
	"errors"
	"net/netip"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/membership"
)

// Datagram is a sealed message with the connected socket to write it to.
type Datagram struct {
	Socket  *os.File
	Payload []byte
}

// FencedDatagrams seals, for every peer and path, the message that an incarnation of this node has ended for ever. They are for the guard, which knows no keys
// and sends them once that is true; whoever gets hold of them earlier can make the others believe it. The caller closes the sockets.
//
// A path that can not reach a peer at the moment is left out: call again when the peers, the addresses or the states of the paths have changed.
// It is an error if no peer can be told at all.
func (t *Transport) FencedDatagrams(incarnation cluster.Incarnation) ([]Datagram, error) {
	plain, err := appendMessage(nil, &membership.Message{Incarnation: incarnation, Fenced: &membership.Fenced{Incarnation: incarnation}})
	if err != nil {
		return nil, fault.Errorf(fault.Invalid, "seal the end of incarnation %s: %w", incarnation, err)
	}
	var out []Datagram
	var errs []error
	peers := t.peers.Load().sorted()
	for _, p := range peers {
		for i, own := range *t.paths.Load() {
			if own == nil || i >= len(p.addrs) || !p.addrs[i].IsValid() {
				continue
			}
			socket, err := connect(own.addr, p.addrs[i], t.cfg.Port)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			out = append(out, Datagram{Socket: socket, Payload: seal(nil, p.seal, t.self.id, p.id, p.addrs[i], plain)})
		}
	}
	if len(out) == 0 && len(peers) > 0 {
		return nil, fault.Errorf(fault.Unavailable, "seal the end of incarnation %s: no other node can be reached: %w", incarnation, errors.Join(errs...))
	}
	return out, nil
}

// connect makes a socket from own, at any port, to the peer's port.
func connect(own, to netip.Addr, port uint16) (*os.File, error) {
	family := unix.AF_INET
	if own.Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if err = configure(fd, family); err == nil {
		err = unix.Bind(fd, sockaddr(own, 0))
	}
	if err == nil {
		err = unix.Connect(fd, sockaddr(to, port))
	}
	if err != nil {
		unix.Close(fd)
		return nil, fault.Errorf(fault.Unavailable, "from %s to %s: %w", own, to, err)
	}
	return os.NewFile(uintptr(fd), "fenced "+to.String()), nil
}

// sorted lists the peers by name.
func (t *peerTable) sorted() []*peer {
	list := make([]*peer, 0, len(t.byName))
	for _, p := range t.byName {
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b *peer) int { return strings.Compare(string(a.name), string(b.name)) })
	return list
}
