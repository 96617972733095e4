package engine

import (
	"context"
	"slices"
	"sync"
)

// watchers are those who want to hear of news. The zero value is ready.
type watchers struct {
	mu   sync.Mutex
	subs []chan struct{}
}

// subscribe returns a channel that gets a token with each tell until ctx ends; tokens do not pile up.
func (w *watchers) subscribe(ctx context.Context) <-chan struct{} {
	ch := make(chan struct{}, 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.subs = append(w.subs, ch)
	context.AfterFunc(ctx, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.subs = slices.DeleteFunc(w.subs, func(c chan struct{}) bool { return c == ch })
	})
	return ch
}

func (w *watchers) tell() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, ch := range w.subs {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}
