package sim

import (
	"time"

	"redoubt/internal/membership"
)

// paths is how many interconnects there are.
const paths = 2

// network carries messages on every path.
type network struct {
	cut    map[link]int // how many cuts lie on it
	loss   int          // per mille
	slow   time.Duration
	double int // per mille
}

// link is one direction of one path between two nodes.
type link struct{ from, to, path int }

// send hands one message to the network on every path.
func (w *World) send(from *node, to *node, msg membership.Message) {
	for p := range paths {
		if w.net.cut[link{from.index, to.index, p}] > 0 || w.net.loss > 0 && w.chance(w.net.loss) {
			continue
		}
		w.deliver(from, to, p, msg)
		if w.net.double > 0 && w.chance(w.net.double) {
			w.deliver(from, to, p, msg)
		}
	}
}

func (w *World) deliver(from, to *node, path int, msg membership.Message) {
	d := 100*time.Microsecond + time.Duration(w.rng.Int64N(int64(400*time.Microsecond)))
	if w.net.slow > 0 {
		d += time.Duration(w.rng.Int64N(int64(w.net.slow)))
	}
	if to.inbound > 0 {
		d += time.Duration(w.rng.Int64N(int64(to.inbound)))
	}
	w.after(d, func() {
		// A cut that began meanwhile takes what is on the way too.
		if w.net.cut[link{from.index, to.index, path}] > 0 || to.daemon == nil {
			return
		}
		to.daemon.exec(func(d *daemon) { d.step(membership.Received{Path: path, Msg: msg}) })
	})
}

// reaches reports whether two nodes can hold a connection: some path works in both directions.
func (w *World) reaches(a, b *node) bool {
	if a == b {
		return true
	}
	for p := range paths {
		if w.net.cut[link{a.index, b.index, p}] == 0 && w.net.cut[link{b.index, a.index, p}] == 0 {
			return true
		}
	}
	return false
}

// sever cuts links and returns what heals them.
func (w *World) sever(links []link) (heal func()) {
	for _, l := range links {
		w.net.cut[l]++
	}
	return func() {
		if w.calm {
			return // everything is healed
		}
		for _, l := range links {
			w.net.cut[l]--
		}
	}
}
