package nstest

import (
	"io"
	"net"
	"net/netip"
	"runtime"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Space is a network namespace of its own within a test. It has no name: it ends with the test.
type Space struct {
	T *testing.T
	// NS is the namespace, and NL makes links, addresses and routes in it.
	NS netns.NsHandle
	NL *netlink.Handle
}

// NewSpace makes one, in which the loopback interface is up.
func NewSpace(t *testing.T) *Space {
	t.Helper()
	s := &Space{T: t}
	made := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends in its namespace
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			s.NS, err = netns.Get()
		}
		made <- err
	}()
	s.Must(<-made)
	var err error
	s.NL, err = netlink.NewHandleAt(s.NS)
	s.Must(err)
	t.Cleanup(func() { s.NL.Close(); _ = s.NS.Close() })
	s.Up("lo")
	return s
}

// In runs f on a thread in a namespace.
func In(ns netns.NsHandle, f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		err := netns.Set(ns)
		if err == nil {
			err = f()
		}
		done <- err
	}()
	return <-done
}

// In runs f on a thread in the namespace.
func (s *Space) In(f func() error) error { return In(s.NS, f) }

// Must ends the test on an error.
func (s *Space) Must(err error) {
	s.T.Helper()
	if err != nil {
		s.T.Fatal(err)
	}
}

// Link finds a link by its name.
func (s *Space) Link(name string) netlink.Link {
	s.T.Helper()
	l, err := s.NL.LinkByName(name)
	s.Must(err)
	return l
}

// Up brings a link up.
func (s *Space) Up(name string) { s.T.Helper(); s.Must(s.NL.LinkSetUp(s.Link(name))) }

// Down takes a link down.
func (s *Space) Down(name string) { s.T.Helper(); s.Must(s.NL.LinkSetDown(s.Link(name))) }

// Address gives a link an address, written 10.1.0.1/24, which can be used at once.
func (s *Space) Address(name, cidr string) {
	s.T.Helper()
	a, err := netlink.ParseAddr(cidr)
	s.Must(err)
	if a.IP.To4() == nil {
		a.Flags = unix.IFA_F_NODAD
	}
	s.Must(s.NL.AddrAdd(s.Link(name), a))
}

// Wire makes a cable: one end, here, is called name, and the other, in the other namespace, far.
func (s *Space) Wire(name string, other *Space, far string) {
	s.T.Helper()
	s.Must(s.NL.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name}, PeerName: far, PeerNamespace: netlink.NsFd(other.NS)}))
	s.Up(name)
	other.Up(far)
}

// Echo serves TCP in the namespace until the test ends: whatever comes in goes back, and the end of one direction is the end of the other.
func (s *Space) Echo(at netip.AddrPort) {
	s.T.Helper()
	s.Must(s.In(func() error {
		l, err := net.Listen("tcp", at.String())
		if err != nil {
			return err
		}
		s.T.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go func() { _, _ = io.Copy(c, c); c.Close() }()
			}
		}()
		return nil
	}))
}
