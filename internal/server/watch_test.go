package server

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"redoubt/api/client"
	v1 "redoubt/api/v1"
	"redoubt/internal/control"
	"redoubt/internal/fault"
	"redoubt/internal/server/servertest"
)

// feed makes a server whose watch gives what the test sends, to each watcher.
func feed(t *testing.T) (*Server, *logbook, chan chan v1.Event) {
	s, log := start(t, nil)
	watchers := make(chan chan v1.Event, maxWatches)
	s.events = func(ctx context.Context, who control.Caller) (<-chan v1.Event, error) {
		if who.Kind != control.CallerLocal {
			return nil, fault.Errorf(fault.Denied, "no")
		}
		ch := make(chan v1.Event)
		watchers <- ch
		return ch, nil
	}
	return s, log, watchers
}

func TestWatch(t *testing.T) {
	s, _, watchers := feed(t)
	socket := onSocket(t, s)
	go func() {
		ch := <-watchers
		ch <- v1.Event{Kind: "status", Status: &v1.Status{Node: "n1"}}
		ch <- v1.Event{Kind: "note", Note: &v1.Notice{Object: "group web-rg", Text: "moved\nto n2"}}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var status *v1.Status
	var note *v1.Notice
	for e, err := range client.Unix(socket).Watch(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Status != nil {
			status = e.Status
		}
		if e.Note != nil {
			note = e.Note
		}
		if status != nil && note != nil {
			break
		}
	}
	if status.Node != "n1" || note.Text != "moved\nto n2" {
		t.Errorf("%+v, %+v", status, note)
	}
}

// A watcher that does not read holds nobody up: what it has not read is replaced by what is newer, and in the end it is dropped.
func TestSlowReader(t *testing.T) {
	s, log, watchers := feed(t)
	s.patience = 200 * time.Millisecond
	socket := onSocket(t, s)
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET /v1/watch HTTP/1.1\r\nHost: x\r\n\r\n")
	if line, err := bufio.NewReaderSize(conn, 16).ReadString('\n'); err != nil || !strings.Contains(line, "200") {
		t.Fatalf("%q, %v", line, err)
	}
	ch := <-watchers
	big := &v1.Status{Degraded: strings.Repeat("x", 1<<20)}
	began := time.Now()
	for range 500 { // far more than fits into the buffers of a socket
		select {
		case ch <- v1.Event{Status: big}:
		case <-time.After(patience):
			t.Fatal("a slow watcher holds up the sender")
		}
	}
	if took := time.Since(began); took > patience {
		t.Errorf("sending took %v", took)
	}
	await(t, "the watcher to be dropped", func() bool { return strings.Contains(log.String(), "a watch was dropped") })
	await(t, "its place to be free", func() bool { return s.watches.Load() == 0 })
}

func TestInboxKeepsTheNewest(t *testing.T) {
	in := newInbox()
	events := make(chan v1.Event)
	done := make(chan struct{})
	go func() { in.fill(events); close(done) }()
	for i := range maxNotes + 10 {
		events <- v1.Event{Status: &v1.Status{Revision: int64(i)}}
		events <- v1.Event{Note: &v1.Notice{Text: fmt.Sprint(i)}}
	}
	close(events)
	<-done
	if in.status.Revision != maxNotes+9 || len(in.notes) != maxNotes || in.notes[0].Text != "10" || !in.ended {
		t.Errorf("status %d, %d notes from %s", in.status.Revision, len(in.notes), in.notes[0].Text)
	}
}

func TestTooManyWatches(t *testing.T) {
	s, _, _ := feed(t)
	socket := onSocket(t, s)
	s.watches.Store(maxWatches)
	status, text := raw(t, socket, "GET", "/v1/watch", "", "")
	if status != 503 || !strings.Contains(text, "close one") || s.watches.Load() != maxWatches {
		t.Errorf("%d %s, %d watches", status, text, s.watches.Load())
	}
}

// When the server ends, watches end at once and a running request may finish.
func TestGracefulEnd(t *testing.T) {
	s, _, watchers := feed(t)
	s.cfg.Grace = patience
	ctx, cancel := context.WithCancel(t.Context())
	path := t.TempDir() + "/s"
	done := make(chan error, 1)
	go func() { done <- s.ServeUnix(ctx, path) }()
	await(t, "the socket", func() bool {
		c, err := net.Dial("unix", path)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	watching, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	ended := make(chan error, 1)
	go func() {
		for _, err := range client.Unix(path).Watch(watching) {
			if err != nil {
				ended <- err
				return
			}
		}
	}()
	<-watchers
	cancel()
	select {
	case err := <-ended:
		if !fault.Is(err, fault.Unavailable) {
			t.Error(err)
		}
	case <-time.After(patience / 2):
		t.Error("a watch outlives the server")
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// The watch of the real control layer: the state at once, and again after a change made through the same socket.
func TestWatchOfACluster(t *testing.T) {
	c, _ := servertest.Cluster(t)
	s, _ := start(t, func(cfg *Config) { cfg.Control = c })
	api := client.Unix(onSocket(t, s))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	made := false
	for e, err := range api.Watch(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Status == nil {
			continue
		}
		if !made {
			made = true
			if e.Status.Cluster.Name != "demo" || len(e.Status.Nodes) != 3 || len(e.Status.Groups) != 0 {
				t.Errorf("first status: %+v", e.Status)
			}
			var r v1.Result
			if err := api.Do(ctx, "group", "create", v1.GroupCreate{Names: []string{"web-rg"}, Node: []string{"n1", "n2"}}, &r); err != nil || r.Revision == 0 {
				t.Fatalf("%+v, %v", r, err)
			}
		}
		if len(e.Status.Groups) == 1 {
			return
		}
	}
	t.Error("the change was not seen")
}
