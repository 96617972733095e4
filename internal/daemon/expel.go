package daemon

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"math/big"
	"os"
	"slices"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/engine"
	"redoubt/internal/etcdstore"
	"redoubt/internal/fault"
	"redoubt/internal/pki"
	"redoubt/internal/rgm/model"
)

// expelled is what was last carried out of the repository's word on who counts no more.
type expelled struct {
	told     bool // the ports of the repository's members have been told the serials
	serials  []*big.Int
	standing []string  // on what the calls that are under way were admitted
	at       time.Time // when they were looked at
}

const (
	// lookAnew is how often calls are held to their certificates although nothing was changed: certificates end by themselves.
	lookAnew = time.Minute
	// expelAgain is the pause after an attempt that failed.
	expelAgain = time.Second
)

// expel shuts nodes and certificates that count no more out of this node's member of the repository, as soon as this node reads of them, until ctx ends. It is a loop of its own:
// nothing else that a keeper does may delay it.
func (k *keeper) expel(ctx context.Context) {
	n := k.node
	news := n.mirror.Subscribe(ctx)
	var done expelled
	for {
		pause := lookAnew
		if err := k.expelOnce(&done, n.mirror.Snapshot()); err != nil && ctx.Err() == nil {
			n.log.Error("who was shut out of the repository may still have connections; trying again", "err", err)
			pause = expelAgain
		}
		timer := time.NewTimer(pause)
		select {
		case <-news:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		timer.Stop()
	}
}

func (k *keeper) expelOnce(done *expelled, snap engine.Snapshot) error {
	n := k.node
	if id := n.identity(); snap.State.Cluster.ID == "" || snap.State.Cluster.ID != id.Cluster.ID || id.Restored { // what a restored repository does not know yet stays on the list
		return nil
	}
	if now, standing := time.Now(), standingOf(snap); !slices.Equal(standing, done.standing) || now.Sub(done.at) >= lookAnew {
		n.seat.readmit()
		done.standing, done.at = standing, now
	}
	serials := revokedSerials(snap)
	if done.told && sameSerials(serials, done.serials) {
		return nil
	}
	listed := done.told || listedAlready(n.cfg, serials)
	if err := writeRevoked(n.cfg, snap, n.clock.Wall()); err != nil {
		return err
	}
	if done.told || !listed { // otherwise nobody was let in since the daemon came up who is on the list
		if err := etcdstore.Cut(cluster.PortPeer); err != nil {
			return err
		}
	}
	done.told, done.serials = true, serials
	return nil
}

// listedAlready reports whether the list that an earlier life of this daemon wrote has all of these serials.
func listedAlready(c Config, serials []*big.Int) bool {
	list := listed(c)
	for _, s := range serials {
		if !slices.ContainsFunc(list, func(l *big.Int) bool { return l.Cmp(s) == 0 }) {
			return false
		}
	}
	return true
}

// listed are the serial numbers on the list that this node's ports read.
func listed(c Config) []*big.Int {
	out, err := listOf(c.path(fileRevoked))
	if err != nil {
		return nil
	}
	return out
}

// listOf are the serial numbers on the list in a file; none when there is no file.
func listOf(path string) (out []*big.Int, err error) {
	der, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "list of revoked certificates: %w", err)
	}
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		return nil, fault.Errorf(fault.Invalid, "list of revoked certificates %s: %w", path, err)
	}
	for _, e := range list.RevokedCertificateEntries {
		out = append(out, e.SerialNumber)
	}
	return out, nil
}

// standingOf is all of the repository that decides whether a node's certificate counts: who is configured, what was given and what was revoked.
func standingOf(snap engine.Snapshot) []string {
	out := slices.Clone(snap.Revoked)
	for _, s := range snap.State.Nodes {
		out = append(out, "node "+string(s.Name)+" "+s.Certificate)
	}
	for _, c := range snap.Certificates {
		if c.Kind == string(pki.Node) {
			out = append(out, c.Fingerprint)
		}
	}
	return out
}

// readmit ends what is open at this node's member of the repository for whoever counts no more.
func (s *seat) readmit() {
	s.mu.Lock()
	m := s.member
	s.mu.Unlock()
	if m != nil {
		m.Readmit()
	}
}

// writeRevoked writes the list that the ports of the repository's members read.
func writeRevoked(c Config, snap engine.Snapshot, now time.Time) error {
	return writeList(c, revokedSerials(snap), now)
}

func writeList(c Config, serials []*big.Int, now time.Time) error {
	der, err := pki.RevocationList(serials, now)
	if err != nil {
		return err
	}
	return writeFile(c.path(fileRevoked), der, 0o644)
}

// revokedSerials are the serial numbers of the nodes' certificates that count no more: all that the ports of the repository's members can be told.
func revokedSerials(snap engine.Snapshot) []*big.Int {
	var out []*big.Int
	for i, r := range snap.Revocations {
		serial := r.Serial
		if serial == "" {
			j := slices.IndexFunc(snap.Certificates, func(c model.Certificate) bool { return c.Fingerprint == snap.Revoked[i] })
			if j >= 0 {
				serial = snap.Certificates[j].Serial
			}
		}
		if b, err := hex.DecodeString(serial); err == nil && len(b) > 0 && (r.Kind == "" || r.Kind == string(pki.Node)) {
			out = append(out, new(big.Int).SetBytes(b))
		}
	}
	return out
}

func sameSerials(a, b []*big.Int) bool {
	return slices.EqualFunc(a, b, func(x, y *big.Int) bool { return x.Cmp(y) == 0 })
}
