package realtime

import (
	"slices"
	"testing"
	"time"
)

// A process goes to one processor when it has rested, and back to all of them when something happens or it works without saying so.
func TestPace(t *testing.T) {
	now, used := 4, time.Duration(0)
	var settings []int
	var rests []bool
	p := &Pace{Changed: func(is bool) { rests = append(rests, is) }, setting: func(n int) int {
		before := now
		now = n
		settings = append(settings, n)
		return before
	}}
	clock := time.Now()
	pass := func(seconds int, share time.Duration) {
		for range seconds {
			clock = clock.Add(time.Second)
			used += share * time.Second / 1000
			p.look(clock, used)
		}
	}
	pass(10, restShare+10)
	if now != 4 {
		t.Fatal("a process that works was slowed down")
	}
	pass(4, 20)
	if now != 4 {
		t.Fatal("it was slowed down before it had rested for long enough")
	}
	pass(4, 20)
	if now != 1 {
		t.Fatal("a process that rests uses all processors")
	}
	p.Busy()
	if now != 4 {
		t.Fatal("it was not told to use all processors when something happened")
	}
	clock = time.Now() // Busy has taken the time
	pass(3, 20)
	if now != 4 {
		t.Fatal("it rests too soon after something has happened")
	}
	pass(10, 20)
	pass(1, 600)
	if now != 4 || !slices.Equal(settings, []int{1, 4, 1, 4}) {
		t.Errorf("settings %v; it is now %d of 4 processors", settings, now)
	}
	pass(30, 20)
	p.Full()
	if now != 4 {
		t.Error("the end does not give all processors back")
	}
	if want := []bool{true, false, true, false, true, false}; !slices.Equal(rests, want) || p.Rests() {
		t.Errorf("it said that it rests: %v, want %v", rests, want)
	}
}
