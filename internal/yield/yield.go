// Package yield lets work that comes in heaps step back while the process is late. A Go program has no goroutines that come first: heartbeats wait behind thousands of small pieces of work as
// everything else does, and a lease ends when they wait too long.
package yield

import (
	"sync"
	"time"
)

const (
	pieces    = 5 * time.Millisecond   // of work between two looks at how late the process is
	nap       = time.Millisecond       // by which that is measured
	lateAfter = 10 * time.Millisecond  // a nap that ends so much later says that others wait as long
	restTimes = 4                      // times as long as that the work rests
	restMost  = 300 * time.Millisecond // but no longer
	heapAfter = 50 * time.Millisecond  // a piece so long after the last one begins a new heap, and waits for nothing
)

// Heap is work in many pieces, perhaps of several goroutines. The zero value is ready.
type Heap struct {
	mu     sync.Mutex
	last   time.Time // when a piece began
	looked time.Time // when the process was found late or not
	until  time.Time // so long all pieces rest
}

// Piece is called before each piece of the work, which ought to be short, and returns when it may begin.
func (h *Heap) Piece() {
	h.mu.Lock()
	now := time.Now()
	if now.Sub(h.last) > heapAfter && now.After(h.until) {
		h.looked = now
	}
	h.last = now
	look := now.Sub(h.looked) > pieces && !now.Before(h.until)
	if look {
		h.looked = now
	}
	h.mu.Unlock()
	if look {
		time.Sleep(nap)
		h.found(time.Since(now) - nap)
	}
	h.rest()
}

// found notes how late the process is.
func (h *Heap) found(late time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.looked = time.Now()
	if late >= lateAfter {
		h.until = h.looked.Add(min(restTimes*late, restMost))
	}
}

func (h *Heap) rest() {
	h.mu.Lock()
	left := time.Until(h.until)
	h.mu.Unlock()
	if left > 0 {
		time.Sleep(left)
		h.mu.Lock()
		h.last, h.looked = time.Now(), time.Now()
		h.mu.Unlock()
	}
}

// process is the work of the whole process: whose it is makes no difference to who waits.
var process Heap

// Piece is Heap.Piece for all work of the process.
func Piece() { process.Piece() }
