package etcdstore

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"redoubt/internal/confdb"
)

// pair makes a connection with a port of its own.
func pair(t *testing.T) (here, there net.Conn, port int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	if here, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if there, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { here.Close(); there.Close() })
	return here, there, l.Addr().(*net.TCPAddr).Port
}

// Connections with the port end, on both sides, and no other does; who listens goes on.
func TestCutEndsWhatIsOpen(t *testing.T) {
	here, there, port := pair(t)
	other, another, _ := pair(t)
	if err := Cut(port); err != nil {
		t.Fatal(err)
	}
	for _, c := range []net.Conn{here, there} {
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s - %s goes on: %v", c.LocalAddr(), c.RemoteAddr(), err)
		}
	}
	go func() { _, _ = other.Write([]byte("x")) }()
	if _, err := io.ReadFull(another, make([]byte, 1)); err != nil {
		t.Errorf("a connection with another port was ended: %v", err)
	}
}

// Members whose connections are ended find each other again, and a client that connects anew goes on with its calls and its watch.
func TestGoesOnAfterCutAndRenewal(t *testing.T) {
	m := newMembers(t)
	s := m.grow(3)
	put(t, s, "k/before", "1")
	news := s.Watch(bounded(t), confdb.Root+"k/")
	if first := <-news; first.Reset == nil || len(first.Reset.Entries) == 0 {
		t.Fatalf("the watch begins with %+v", first)
	}
	if err := Cut(m.peer); err != nil {
		t.Fatal(err)
	}
	put(t, s, "k/cut", "2")
	if err := s.Renew(); err != nil {
		t.Fatal(err)
	}
	put(t, s, "k/renewed", "3")
	for _, want := range []string{confdb.Root + "k/cut", confdb.Root + "k/renewed"} {
		if c := <-news; len(c.Entries) != 1 || c.Entries[0].Key != want {
			t.Errorf("the watch brings %+v, not %s", c, want)
		}
	}
}
