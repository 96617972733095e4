package yield

import (
	"testing"
	"testing/synctest"
	"time"
)

// Single pieces of work wait for nothing, however many there are in an hour.
func TestSinglePieces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h Heap
		for range 100 {
			began := time.Now()
			h.Piece()
			if d := time.Since(began); d != 0 {
				t.Fatalf("it waited %v", d)
			}
			time.Sleep(time.Second)
		}
	})
}

// A heap of work in a process that is not late naps now and then.
func TestHeap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h Heap
		began := time.Now()
		for range 1000 {
			h.Piece()
			time.Sleep(100 * time.Microsecond) // the work
		}
		if d := time.Since(began) - 100*time.Millisecond; d < 10*nap || d > 20*nap {
			t.Errorf("it waited %v of 100ms", d)
		}
	})
}

// Once the process is found late all pieces rest, four times as long, and no longer than the most.
func TestLate(t *testing.T) {
	for late, want := range map[time.Duration]time.Duration{
		9 * time.Millisecond: 0, 20 * time.Millisecond: 80 * time.Millisecond, time.Second: restMost,
	} {
		synctest.Test(t, func(t *testing.T) {
			var h Heap
			h.Piece()
			h.found(late)
			began := time.Now()
			done := make(chan time.Duration)
			for range 3 {
				go func() {
					h.Piece()
					done <- time.Since(began)
				}()
			}
			for range 3 {
				if got := <-done; got != want {
					t.Errorf("late by %v: it rested %v, want %v", late, got, want)
				}
			}
			h.Piece()
			if d := time.Since(began); d != want {
				t.Errorf("late by %v: the piece after it began at %v, want %v", late, d, want)
			}
		})
	}
}
