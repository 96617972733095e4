package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	v1 "redoubt/api/v1"
)

// quickly is how long a command may take without anybody wanting to know how it goes.
const quickly = 300 * time.Millisecond

// perform carries out a call. One that takes its time shows how far it is, at standard error: on a terminal in one line that changes, otherwise a
// line for each change.
func perform(c *cobra.Command, e Env, client Client, call Call, long bool) (json.RawMessage, error) {
	w, ok := client.(Watcher)
	if quiet, _ := c.Flags().GetBool("no-wait"); !long || !ok || quiet {
		return client.Do(c.Context(), call)
	}
	ctx, cancel := context.WithCancel(c.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		e.progress(ctx, w, call)
	}()
	answer, err := client.Do(c.Context(), call)
	cancel()
	<-done
	return answer, err
}

// progress shows what the cluster does until ctx ends.
func (e Env) progress(ctx context.Context, w Watcher, call Call) {
	about := subject(call)
	l := e.look()
	if !e.errTerminal() {
		l = look{}
	}
	line := e.line()
	defer line.clear()
	started := time.Now()
	retimes := call.Noun == "cluster" && (call.Verb == "set" || call.Verb == "apply")
	// What a machine lacks in the moments in which it enters a cluster is no problem: it is on its way.
	enters := call.Noun == "cluster" && call.Verb == "create" || call.Noun == "node" && call.Verb == "join"
	first := true
	var last, shown *v1.Status
	show := func() {
		if last == nil || time.Since(started) < quickly {
			return
		}
		if e.errTerminal() {
			if waits := clusterOf(last).Timing.Waits; retimes && len(waits) > 0 {
				line.set("the new timing waits " + waits[0])
			} else {
				line.set(l.moving(last, about))
			}
			return
		}
		if first && retimes {
			for _, w := range clusterOf(last).Timing.Waits {
				fmt.Fprintln(e.Stderr, "the new timing waits "+w)
			}
		}
		first = false
		if shown != nil {
			for _, c := range l.changes(shown, last) {
				if (c.group == "" || about(c.group)) && (!enters || !c.problem) {
					fmt.Fprintln(e.Stderr, c.text)
				}
			}
		}
		shown = last
	}
	events := make(chan v1.Event)
	go func() {
		defer close(events)
		for ev, err := range w.Watch(ctx) {
			if err != nil {
				continue // the command itself says what is wrong
			}
			select {
			case events <- ev:
			case <-ctx.Done():
				return
			}
		}
	}()
	soon := time.NewTimer(quickly)
	defer soon.Stop()
	for {
		select {
		case ev, ok := <-events:
			if !ok {
				return
			}
			if ev.Status == nil {
				continue
			}
			if shown == nil {
				shown = ev.Status // what was before is no news
			}
			last = ev.Status
		case <-soon.C:
		}
		show()
	}
}

// subject says which groups a command is about.
func subject(call Call) func(group string) bool {
	names, _ := call.Body["names"].([]string)
	switch group, _ := call.Body["group"].(string); {
	case call.Noun == "group" && len(names) > 0:
		return func(g string) bool { return slices.Contains(names, g) }
	case call.Noun == "resource" && group != "":
		return func(g string) bool { return g == group }
	}
	return func(string) bool { return true }
}
