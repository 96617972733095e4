package guard

import (
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// TestTick: the addresses that are there get their life, those that are not do not come back, and nothing is left behind for a collection of garbage: the guard, whose
// memory is locked, makes none.
func TestTick(t *testing.T) {
	runtime.LockOSThread() // and never unlocked: the thread ends with the test
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	lo, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetUp(lo)
	}
	if err != nil {
		t.Fatal(err)
	}
	here := []string{"10.9.8.7/24", "fd00::7/64"}
	for _, cidr := range here {
		a, err := netlink.ParseAddr(cidr)
		if err != nil {
			t.Fatal(err)
		}
		a.ValidLft, a.PreferedLft, a.Flags = 20, 20, unix.IFA_F_NODAD
		if err := netlink.AddrAdd(lo, a); err != nil {
			t.Fatal(err)
		}
	}
	g := &guard{watchdog: -1, cfg: config{addressLife: time.Hour}}
	for _, cidr := range append(here, "10.9.8.8/24", "fd00::8/64") {
		g.target.owed = append(g.target.owed, Owed{Address: cidr, Interface: "lo"})
	}
	g.target.owed = append(g.target.owed, Owed{Address: "10.9.8.9/24", Interface: "gone0"}, Owed{Mount: "/mnt"})
	if g.target.net, err = openRtnl(); err != nil {
		t.Fatal(err)
	}
	defer g.target.net.close()
	if g.tick, err = unix.TimerfdCreate(unix.CLOCK_BOOTTIME, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(g.tick)
	if n := testing.AllocsPerRun(100, g.onTick); n != 0 {
		t.Errorf("a tick leaves %v pieces of garbage", n)
	}
	all, err := netlink.AddrList(lo, netlink.FAMILY_ALL)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, a := range all {
		cidr := a.IPNet.String()
		if !slices.Contains(here, cidr) {
			if a.IP.IsLoopback() {
				continue
			}
			t.Errorf("%s is there", cidr)
		}
		if seen++; a.ValidLft < 3000 || a.PreferedLft < 3000 {
			t.Errorf("%s lives %d s", cidr, a.ValidLft)
		}
	}
	if seen != len(here) {
		t.Errorf("%d of %v are there", seen, here)
	}
}
