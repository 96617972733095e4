package tick

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestTicksCoincide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		time.Sleep(130 * time.Millisecond)
		a := New(time.Second)
		time.Sleep(777 * time.Millisecond)
		b, half := New(time.Second), New(500*time.Millisecond)
		defer a.Stop()
		defer b.Stop()
		defer half.Stop()
		for i := range 3 {
			at := [3]time.Duration{(<-a.C).Sub(begin)}
			if i == 0 {
				<-half.C // 1 s
				at[0] = (<-a.C).Sub(begin)
			}
			at[1] = (<-b.C).Sub(begin)
			at[2] = (<-half.C).Sub(begin)
			if at[0] != at[1] || at[0]%time.Second != 0 || at[2]%(500*time.Millisecond) != 0 {
				t.Errorf("ticks at %v", at)
			}
		}
	})
}

func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := New(time.Second)
		<-a.C
		a.Stop()
		a.Stop()
		time.Sleep(10 * time.Second)
		select {
		case <-a.C:
			t.Error("a tick after the end")
		default:
		}
	})
}

// A slow reader gets one tick, not those that it missed.
func TestSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := New(time.Second)
		defer a.Stop()
		time.Sleep(10*time.Second + time.Millisecond)
		<-a.C
		begin := time.Now()
		<-a.C
		if d := time.Since(begin); d != 999*time.Millisecond {
			t.Errorf("the next tick after %v", d)
		}
	})
}

func TestUntil(t *testing.T) {
	for _, c := range []struct{ at, every, want time.Duration }{
		{0, time.Second, time.Second},
		{1, time.Second, time.Second - 1},
		{400 * time.Millisecond, time.Second, 600 * time.Millisecond},
		{999_999_000, time.Second, time.Second + 1000},
		{600 * time.Millisecond, time.Second, 1400 * time.Millisecond},
	} {
		if got := Until(time.Unix(1000, int64(c.at)), c.every); got != c.want {
			t.Errorf("%v after: %v, want %v", c.at, got, c.want)
		}
	}
}
