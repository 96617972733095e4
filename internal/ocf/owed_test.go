package ocf_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"redoubt/internal/agent"
	"redoubt/internal/fault"
	"redoubt/internal/guard"
	"redoubt/internal/membership"
)

func TestIPaddr2(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil)
	c := h.call(t, "ocf:heartbeat:IPaddr2", "vip", "ip", "10.99.0.100") // interface and netmask come from the route
	if !c.Type.NetworkAddress {
		t.Error("IPaddr2 is no network address")
	}
	h.must(t, c, validate)
	began := time.Now()
	h.must(t, c, start)
	if took := time.Since(began); took > 900*time.Millisecond {
		t.Logf("start took %v: the announcement in the background takes a second, and is not to be waited for", took)
	}
	if pids, err := h.launcher.Processes(agent.Ref{Group: "g", Resource: "vip"}); err != nil || len(pids) == 0 {
		t.Errorf("after start the announcement goes on in the background: processes %v, %v", pids, err)
	}
	h.must(t, c, start)
	w := h.watch(t, c)
	w.expect(t, 10*time.Second, agent.Healthy)
	// The guard's renewal gives the address a short life. The agent must not mind.
	within(t, 5*time.Second, "the guard renews the address", func() bool {
		a := address(t, "10.99.0.100")
		return a != nil && a.ValidLft > 0 && a.ValidLft <= 3
	})
	if got := h.status(t, c); got != 0 {
		t.Errorf("monitor of an address with a short life: exit status %d", got)
	}
	// The background helper has ended by now; that is no reason to report anything.
	ref := agent.Ref{Group: "g", Resource: "vip"}
	within(t, 10*time.Second, "the announcement ends", func() bool {
		pids, err := h.launcher.Processes(ref)
		return err == nil && len(pids) == 0
	})
	if out, err := exec.Command("ip", "addr", "del", "10.99.0.100/24", "dev", "eth0").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	// Dead when that is seen by the second look after the helper's end.
	if o := w.next(t, 10*time.Second); o.Kind != agent.Failed && o.Kind != agent.Dead || !strings.Contains(o.Message, "not running") {
		t.Errorf("observed %+v", o)
	}
	w.stop()
	h.must(t, c, stop, stop)
	if got := h.status(t, c); got != 7 {
		t.Errorf("monitor after stop: exit status %d", got)
	}
	if got, want := h.ledger.String(), "owe 10.99.0.100/24 eth0; owe 10.99.0.100/24 eth0; settle 10.99.0.100/24 eth0; settle 10.99.0.100/24 eth0"; got != want {
		t.Errorf("the guard was told %s\nwant %s", got, want)
	}
}

func TestIPaddr2IPv6WithLabel(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil)
	v6 := h.call(t, "ocf:heartbeat:IPaddr2", "v6", "ip", "fd99::100", "nodad", "true")
	v4 := h.call(t, "ocf:heartbeat:IPaddr2", "v4", "ip", "10.99.0.101", "nic", "eth0", "cidr_netmask", "32", "iflabel", "ha")
	for _, c := range []agent.Call{v6, v4} {
		h.must(t, c, validate, start)
		within(t, 5*time.Second, "the guard renews the address", func() bool {
			ip, _ := firstValue(c, "ip")
			a := address(t, ip)
			return a != nil && a.ValidLft > 0 && a.ValidLft <= 3
		})
		if got := h.status(t, c); got != 0 {
			t.Errorf("%s: monitor: exit status %d", c.Resource.Name, got)
		}
	}
	if a := address(t, "10.99.0.101"); a == nil || a.Label != "eth0:ha" {
		t.Errorf("labelled address: %+v", a)
	}
	if got, want := h.ledger.String(), "owe fd99::100/64 eth0; owe 10.99.0.101/32 eth0"; got != want {
		t.Errorf("the guard was told %s, want %s", got, want)
	}
	h.must(t, v6, stop)
	h.must(t, v4, stop)
}

func firstValue(c agent.Call, name string) (string, bool) {
	for _, p := range c.Resource.Properties {
		if p.Name == name {
			return p.Values[0], true
		}
	}
	return "", false
}

// TestGuardUndoesWhatAgentsDid ends the lease: nobody calls the agents any more.
func TestGuardUndoesWhatAgentsDid(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil)
	dir := filepath.Join(openDir(t), "mnt")
	ip := h.call(t, "ocf:heartbeat:IPaddr2", "vip", "ip", "10.99.0.102", "cidr_netmask", "255.255.255.0", "nic", "eth0")
	fs := h.call(t, "ocf:heartbeat:Filesystem", "fs", "device", "tmpfs", "directory", dir, "fstype", "tmpfs")
	h.must(t, ip, start)
	h.must(t, fs, start)
	if address(t, "10.99.0.102") == nil || !h.mounted(t, dir) {
		t.Fatal("the agents have not done their work")
	}
	if err := h.link.Lease(membership.Instant(guard.Now())); err != nil {
		t.Fatal(err)
	}
	select {
	case <-h.link.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("the guard does not fire")
	}
	if r, ok := h.link.Report(); !ok || !r.Clean {
		t.Errorf("report %+v, %v", r, ok)
	}
	if address(t, "10.99.0.102") != nil {
		t.Error("the address is still there")
	}
}

func TestAddressThatNobodyCouldRemoveIsNotMade(t *testing.T) {
	h := newHost(t, nil)
	for _, c := range []struct {
		call agent.Call
		want string
	}{
		{h.call(t, "ocf:heartbeat:IPaddr2", "a", "ip", "192.0.2.1"), "no interface of this node is in its network"},
		{h.call(t, "ocf:heartbeat:IPaddr2", "b", "ip", "10.99.0.300"), `"10.99.0.300" is not an IP address`},
		{h.call(t, "ocf:heartbeat:IPaddr2", "c", "ip", "10.99.0.9", "cidr_netmask", "99"), `netmask "99"`},
		{h.call(t, "ocf:heartbeat:IPaddr2", "d", "ip", "10.99.0.9", "network_namespace", "blue"), "network_namespace"},
		{h.call(t, "ocf:heartbeat:Filesystem", "e", "device", "tmpfs", "directory", "mnt", "fstype", "tmpfs"), "not an absolute path"},
	} {
		r := h.do(t.Context(), c.call, start)
		if r.OK() || !strings.Contains(r.Message, c.want) || !strings.Contains(r.Message, string(c.call.Resource.Name)) {
			t.Errorf("%s: %+v, want a message that says %q", c.call.Resource.Name, r, c.want)
		}
	}
	if got := h.ledger.String(); got != "" {
		t.Errorf("the guard was told %s", got)
	}
}

type deaf struct{}

func (deaf) Owe(context.Context, agent.Obligation) error {
	return fault.Errorf(fault.Unavailable, "the guard is dead")
}
func (deaf) Settle(context.Context, agent.Obligation) error { return nil }

func TestNothingStartsWithoutTheGuard(t *testing.T) {
	h := newHost(t, nil)
	h.ledger.Obligations = deaf{}
	r := h.do(t.Context(), h.call(t, "ocf:heartbeat:IPaddr2", "vip", "ip", "10.99.0.103"), start)
	if r.OK() || !strings.Contains(r.Message, "the guard is dead") || address(t, "10.99.0.103") != nil {
		t.Errorf("%+v", r)
	}
}

func TestFilesystem(t *testing.T) {
	t.Parallel()
	image := filepath.Join(openDir(t), "image")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 16<<20); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkfs.ext4", "-q", "-F", image).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	out, err := exec.Command("losetup", "-f", "--show", image).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	device := strings.TrimSpace(string(out))
	t.Cleanup(func() {
		if out, err := exec.Command("losetup", "-d", device).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
	for _, c := range []struct{ name, device, fstype string }{{"tmpfs", "tmpfs", "tmpfs"}, {"ext4", device, "ext4"}} {
		t.Run(c.name, func(t *testing.T) {
			h := newHost(t, nil)
			dir := filepath.Join(openDir(t), "mnt")
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			call := h.call(t, "ocf:heartbeat:Filesystem", "fs", "device", c.device, "directory", dir, "fstype", c.fstype)
			if !call.Type.Failover {
				t.Error("a file system may be mounted on several nodes")
			}
			if c.fstype == "tmpfs" {
				h.must(t, call, validate, start)
				if !h.mounted(t, dir) {
					t.Error("not mounted")
				}
				h.must(t, call, stop)
			} else {
				life(t, h, call, "")
			}
			if got, want := h.ledger.String(), "owe "+dir+"; "; !strings.HasPrefix(got, want) || !strings.HasSuffix(got, "; settle "+dir) {
				t.Errorf("the guard was told %s", got)
			}
			if h.mounted(t, dir) {
				t.Error("still mounted")
			}
		})
	}
}

func TestStopAfterARestartOfTheDaemon(t *testing.T) {
	h := newHost(t, nil)
	c := h.call(t, "ocf:heartbeat:IPaddr2", "vip", "ip", "10.99.0.104")
	h.must(t, c, start)
	other := newHostLike(t, h)
	if r := other.do(t.Context(), c, stop); !r.OK() {
		t.Fatalf("%+v", r)
	}
	if got, want := h.ledger.String(), "owe 10.99.0.104/24 eth0; settle 10.99.0.104/24 eth0"; got != want {
		t.Errorf("the guard was told %s, want %s", got, want)
	}
}
