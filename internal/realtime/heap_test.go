package realtime

import (
	"runtime"
	"testing"
)

// What was reserved is what the heap grows into.
func TestReserveHeap(t *testing.T) {
	const size = 256 << 20
	heap := func() (m runtime.MemStats) {
		runtime.ReadMemStats(&m)
		return m
	}
	if !ReserveHeap(size) {
		t.Fatal("this machine limits the address space, or counts what is asked for: the daemon reserves nothing there")
	}
	before := heap()
	if before.HeapIdle < size {
		t.Fatalf("%d bytes of the heap are idle, want %d", before.HeapIdle, size)
	}
	var kept [][]byte
	for range size / (64 << 10) / 2 {
		kept = append(kept, make([]byte, 64<<10))
	}
	if after := heap(); after.HeapSys > before.HeapSys {
		t.Errorf("the heap asked for %d bytes more", after.HeapSys-before.HeapSys)
	}
	runtime.KeepAlive(kept)
}
