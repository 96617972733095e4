package sim

import (
	"encoding/binary"
	"fmt"
	"hash"
	"io"
	"time"

	"redoubt/internal/cluster"
)

// kept is how many lines of the trace are kept for the report of a failure.
const kept = 60

// tracer digests everything that happens and keeps the last lines.
type tracer struct {
	w    *World
	hash hash.Hash64
	log  io.Writer
	ring [kept]line
	n    int
	buf  [16]byte
}

type line struct {
	at   int64
	node cluster.NodeName
	text string
}

// tick digests what happens too often to be written down.
func (t *tracer) tick(kind uint64) {
	binary.LittleEndian.PutUint64(t.buf[:8], uint64(t.w.now))
	binary.LittleEndian.PutUint64(t.buf[8:], kind)
	t.hash.Write(t.buf[:])
}

// note writes down what happened at a node ("": in the world).
func (t *tracer) note(n cluster.NodeName, text string) {
	t.tick(uint64(len(text)))
	t.hash.Write([]byte(n))
	t.hash.Write([]byte(text))
	l := line{t.w.now, n, text}
	t.ring[t.n%kept] = l
	t.n++
	if t.log != nil {
		fmt.Fprintln(t.log, l)
	}
}

// String gives a line as people read it.
func (l line) String() string {
	return fmt.Sprintf("%12v %-3s %s", time.Duration(l.at), l.node, l.text)
}

func (t *tracer) lines() []string {
	var out []string
	for i := max(0, t.n-kept); i < t.n; i++ {
		out = append(out, t.ring[i%kept].String())
	}
	return out
}
