package native_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"

	"redoubt/internal/cluster"
	"redoubt/internal/native"
	"redoubt/internal/rgm/balance"
	"redoubt/internal/rgm/model"
)

// sharing is load balancing that remembers what it was told, and whether the address was there at that moment.
type sharing struct {
	t      *testing.T
	told   []string
	refuse error
}

func (s *sharing) Hold(_ context.Context, r cluster.ResourceName, at []balance.Held) error {
	s.told = append(s.told, fmt.Sprintf("hold %s %v there=%v", r, at, present(s.t, "10.9.8.50/24")))
	return s.refuse
}

func (s *sharing) Release(_ context.Context, r cluster.ResourceName, at []balance.Held) {
	s.told = append(s.told, fmt.Sprintf("release %s %v there=%v", r, at, present(s.t, "10.9.8.50/24")))
}

func TestSharedAddressIsBalancedWhenItComesAndGoes(t *testing.T) {
	newPublic(t)
	n := newNode(t)
	balanced := &sharing{t: t}
	n.cfg.Sharing = balanced
	n.driver = native.New(n.cfg)
	lo, err := netlink.LinkByName("lo")
	ok(t, err)
	// An instance on this node answers from the address before the node holds it, and after.
	local := addr(t, "10.9.8.50/32")
	local.ValidLft, local.PreferedLft = 1000, 1000
	ok(t, netlink.AddrAdd(lo, local))
	t.Cleanup(func() { _ = netlink.AddrDel(lo, local) })
	call := n.call(t, balance.SharedAddress, "ip", set("Address", "10.9.8.50/24"))
	n.succeed(t, call, model.MethodStart)
	n.succeed(t, call, model.MethodStart)
	if !present(t, "10.9.8.50/24") {
		t.Error("the address did not come")
	}
	n.succeed(t, call, model.MethodStop)
	left, err := netlink.AddrList(lo, netlink.FAMILY_V4)
	ok(t, err)
	stays := slices.ContainsFunc(left, func(a netlink.Addr) bool { return a.IPNet.String() == "10.9.8.50/32" })
	if present(t, "10.9.8.50/24") || !stays {
		t.Error("the address on the interface had to go, and that of the instance to stay")
	}
	const at = "[{10.9.8.50 pub0}]"
	want := []string{"hold ip " + at + " there=false", "hold ip " + at + " there=true", "release ip " + at + " there=true"}
	if fmt.Sprint(balanced.told) != fmt.Sprint(want) {
		t.Errorf("told %q, want %q", balanced.told, want)
	}
	balanced.refuse = errors.New("no nf_tables")
	n.refuse(t, call, model.MethodStart, "no nf_tables")
	if present(t, "10.9.8.50/24") {
		t.Error("an address was taken whose load is not balanced")
	}
	n.cfg.Sharing = nil
	n.driver = native.New(n.cfg)
	n.refuse(t, call, model.MethodStart, "does not balance load")
}
