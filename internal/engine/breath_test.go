package engine

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestRest(t *testing.T) {
	for took, want := range map[time.Duration]time.Duration{
		0: 0, 4 * time.Millisecond: 0, 5 * time.Millisecond: 30 * time.Millisecond, 50 * time.Millisecond: 300 * time.Millisecond, 3 * time.Second: 2 * time.Second,
	} {
		if got := rest(took); got != want {
			t.Errorf("after %v it rests %v, want %v", took, got, want)
		}
	}
}

// After a long look news are heard when the rest is over, all of them at once, and without news there is no further look.
func TestBreath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		news := make(chan struct{}, 1)
		b := newBreath(news)
		defer b.stop()
		began := time.Now()
		time.Sleep(10 * time.Millisecond)
		b.looked(time.Since(began))
		news <- struct{}{}
		select {
		case <-b.heard:
			t.Error("news are heard during the rest")
		case <-b.timer.C:
			b.over()
		}
		if d := time.Since(began); d != 70*time.Millisecond {
			t.Errorf("the rest was over after %v", d)
		}
		<-b.heard
		b.looked(0)
		select {
		case <-b.heard:
			t.Error("news that nobody told")
		case <-time.After(time.Minute):
		}
		news <- struct{}{}
		<-b.heard
	})
}
