package engine

import "time"

// breath lets a loop that looks at the whole cluster after each piece of news rest after a look that took long, the looking alone and not what came of it: the news that come meanwhile are looked at together. Otherwise a storm, in which every group
// tells news several times a second, has nothing but looks. In a cluster whose look takes less than breathAfter nothing waits, nor does who hears of the membership.
type breath struct {
	news  <-chan struct{}
	heard <-chan struct{} // news; nil while it rests
	timer *time.Timer     // when over is to be called
}

const (
	breathAfter = 5 * time.Millisecond
	breathRest  = 6 // times as long as the look took: the loop takes a seventh of a processor at most
	breathMost  = 2 * time.Second
)

// rest is how long to rest after a look.
func rest(took time.Duration) time.Duration {
	if took < breathAfter {
		return 0
	}
	return min(breathRest*took, breathMost)
}

// newBreath makes one; stop ends it.
func newBreath(news <-chan struct{}) *breath {
	b := &breath{news: news, heard: news, timer: time.NewTimer(time.Hour)}
	b.timer.Stop()
	return b
}

func (b *breath) stop() { b.timer.Stop() }

// looked says how long the last look took.
func (b *breath) looked(took time.Duration) {
	pause := rest(took)
	if pause == 0 {
		b.timer.Stop()
		b.over()
		return
	}
	b.heard = nil
	b.timer.Reset(pause)
}

// over lets news be heard again.
func (b *breath) over() { b.heard = b.news }
