package server

import (
	"context"
	"log"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"time"

	"redoubt/internal/admission"
	"redoubt/internal/control"
	"redoubt/internal/fault"
)

// Bounds of the handshakes that failed and are recorded: whoever tries without end fills no log, and no memory.
const (
	handshakeEvery = time.Minute // one record for an address in this time; the next says how many there were
	handshakeFrom  = 256         // addresses that are counted apart; all others count together
)

// handshakes records in the command log who was refused before he could ask for anything: with a certificate that is not known, has ended or was revoked, or with an
// old version of TLS. The library tells of them in its log alone, and each is one line there.
type handshakes struct {
	log    *slog.Logger
	refuse func(who control.Caller, what string, err error)
	now    func() time.Time

	mu   sync.Mutex
	seen map[netip.Addr]*attempts
}

type attempts struct {
	told    time.Time
	skipped int
}

func (s *Server) handshakeLog() *log.Logger {
	return log.New(&handshakes{log: s.cfg.Log, refuse: s.cfg.Control.Refused, now: time.Now, seen: map[netip.Addr]*attempts{}}, "", 0)
}

const handshakeFailed = "http: TLS handshake error from "

// Write takes one line of the library.
func (h *handshakes) Write(line []byte) (int, error) {
	text := strings.TrimSpace(string(line))
	h.log.Log(context.Background(), slog.LevelDebug, text)
	rest, ok := strings.CutPrefix(text, handshakeFailed)
	from, why, cut := strings.Cut(rest, ": ")
	// Who goes away in the middle was not refused.
	if !ok || !cut || !strings.Contains(why, "tls:") {
		return len(line), nil
	}
	at, err := netip.ParseAddrPort(from)
	if err != nil {
		return len(line), nil
	}
	addr := at.Addr().Unmap()
	if more, tell := h.count(admission.Network(addr).Addr()); tell {
		err := fault.Errorf(fault.Denied, "the connection was refused: %s", why)
		if more > 0 {
			err = fault.Errorf(fault.Denied, "the connection was refused: %s; %d more since the last record", why, more)
		}
		h.refuse(control.Caller{Kind: control.CallerNone, From: addr}, "TLS handshake", err)
	}
	return len(line), nil
}

// count notes an attempt and says whether to record it, and how many before it were not.
func (h *handshakes) count(addr netip.Addr) (skipped int, tell bool) {
	now := h.now()
	h.mu.Lock()
	defer h.mu.Unlock()
	a := h.seen[addr]
	if a == nil && len(h.seen) >= handshakeFrom {
		for other, o := range h.seen {
			if o.skipped == 0 && now.Sub(o.told) >= handshakeEvery {
				delete(h.seen, other)
			}
		}
		if len(h.seen) >= handshakeFrom {
			addr = netip.Addr{}
			a = h.seen[addr]
		}
	}
	if a == nil {
		a = &attempts{}
		h.seen[addr] = a
	}
	if !a.told.IsZero() && now.Sub(a.told) < handshakeEvery {
		a.skipped++
		return 0, false
	}
	skipped, a.skipped, a.told = a.skipped, 0, now
	return skipped, true
}
