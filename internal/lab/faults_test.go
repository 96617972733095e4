package lab_test

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"redoubt/internal/fault"
	"redoubt/internal/lab"
)

// pair is a way for datagrams from one machine to another.
type pair struct {
	from, to net.PacketConn
	addr     *net.UDPAddr
}

func newPair(t *testing.T, l *lab.Lab, from, to, network string) pair {
	t.Helper()
	listen := func(machine string) net.PacketConn {
		var c net.PacketConn
		err := l.InNetwork(machine, func() (err error) {
			c, err = net.ListenPacket("udp", net.JoinHostPort(address(t, l, machine, network), "0"))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	p := pair{from: listen(from), to: listen(to)}
	p.addr = p.to.LocalAddr().(*net.UDPAddr)
	if got := p.arrived(t, 1); got != 1 { // both now know each other's hardware address, so that one direction can work alone
		t.Fatalf("%s does not reach %s on %s", from, to, network)
	}
	return p
}

// arrived sends n datagrams and counts those that arrive.
func (p pair) arrived(t *testing.T, n int) (got int) {
	t.Helper()
	for range n {
		if _, err := p.from.WriteTo([]byte("x"), p.addr); err != nil {
			t.Fatal(err)
		}
	}
	_ = p.to.SetReadDeadline(time.Now().Add(150 * time.Millisecond))
	for got < n {
		if _, _, err := p.to.ReadFrom(make([]byte, 8)); err != nil {
			return got
		}
		got++
	}
	return got
}

// ways are all pairs that a test looks at, by "FROM>TO NETWORK".
func ways(t *testing.T, l *lab.Lab, names ...string) func() string {
	t.Helper()
	all := make([]pair, len(names))
	for i, n := range names {
		var from, to, network string
		if _, err := fmt.Sscanf(strings.ReplaceAll(n, ">", " "), "%s %s %s", &from, &to, &network); err != nil {
			t.Fatal(err)
		}
		all[i] = newPair(t, l, from, to, network)
	}
	return func() string {
		var broken []string
		for i, p := range all {
			if p.arrived(t, 2) == 0 {
				broken = append(broken, names[i])
			}
		}
		return strings.Join(broken, ", ")
	}
}

func TestCutAndHeal(t *testing.T) {
	l := up(t, func(o *lab.Options) { o.Nodes = 3 })
	broken := ways(t, l, "n1>n2 ic1", "n2>n1 ic1", "n1>n3 ic1", "n3>n1 ic1", "n2>n3 ic1", "n1>n2 ic2", "n2>n1 ic2", "client>n1 pub", "n1>client pub")
	for _, c := range []struct {
		f    lab.Fault
		want string
	}{
		{lab.Fault{Machine: "n1"}, "n1>n2 ic1, n2>n1 ic1, n1>n3 ic1, n3>n1 ic1, n1>n2 ic2, n2>n1 ic2, client>n1 pub, n1>client pub"},
		{lab.Fault{Machine: "n1", Networks: []string{"ic1", "ic2"}}, "n1>n2 ic1, n2>n1 ic1, n1>n3 ic1, n3>n1 ic1, n1>n2 ic2, n2>n1 ic2"},
		{lab.Fault{Machine: "n1", Networks: []string{"ic1"}, Direction: lab.Out}, "n1>n2 ic1, n1>n3 ic1"},
		{lab.Fault{Machine: "n1", Networks: []string{"ic1"}, Direction: lab.In}, "n2>n1 ic1, n3>n1 ic1"},
		{lab.Fault{Machine: "n1", From: []string{"n2"}}, "n1>n2 ic1, n2>n1 ic1, n1>n2 ic2, n2>n1 ic2"},
		{lab.Fault{Machine: "n1", From: []string{"n2", "client"}, Direction: lab.In}, "n2>n1 ic1, n2>n1 ic2, client>n1 pub"},
	} {
		if err := l.Cut(c.f); err != nil {
			t.Fatal(err)
		}
		if got := broken(); got != c.want {
			t.Errorf("%+v: broken %s\nwant %s", c.f, got, c.want)
		}
		if err := l.Heal(); err != nil {
			t.Fatal(err)
		}
		if got := broken(); got != "" {
			t.Errorf("%+v: after healing still broken: %s", c.f, got)
		}
	}
	// Two faults at once, healed one by one; a cut outlives the death of the machine, as a broken cable does.
	for _, f := range []lab.Fault{{Machine: "n1", Networks: []string{"ic1"}}, {Machine: "n3", Networks: []string{"ic1"}}} {
		if err := l.Cut(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Heal("n3"); err != nil {
		t.Fatal(err)
	}
	if got, want := broken(), "n1>n2 ic1, n2>n1 ic1, n1>n3 ic1, n3>n1 ic1"; got != want {
		t.Errorf("after healing n3: broken %s, want %s", got, want)
	}
	if _, err := l.Kill("n1"); err != nil {
		t.Fatal(err)
	}
	if err := l.Start(t.Context(), "n1"); err != nil {
		t.Fatal(err)
	}
	serving(t, l, "n1")
	if reaches(t, l, "n2", "n1", "ic1") || !reaches(t, l, "n2", "n1", "ic2") {
		t.Error("the reboot of a machine mended its cable")
	}
}

func TestLose(t *testing.T) {
	l := up(t, nil)
	p := newPair(t, l, "n1", "n2", "ic1")
	back := newPair(t, l, "n2", "n1", "ic1")
	if got := p.arrived(t, 100); got != 100 {
		t.Fatalf("of 100 datagrams %d arrived without any loss", got)
	}
	if err := l.Cut(lab.Fault{Machine: "n1", Networks: []string{"ic1"}, Direction: lab.Out, Percent: 30}); err != nil {
		t.Fatal(err)
	}
	got := 0
	for range 4 {
		got += p.arrived(t, 100)
	}
	if got < 220 || got > 340 { // 280 expected, with a standard deviation of 9
		t.Errorf("of 400 datagrams %d arrived with a loss of 30 %%", got)
	}
	if got := back.arrived(t, 100); got != 100 {
		t.Errorf("the other direction lost %d of 100", 100-got)
	}
}

func TestWrongFaults(t *testing.T) {
	l := up(t, nil)
	for _, f := range []lab.Fault{
		{Machine: "n7"}, {Machine: "n1", From: []string{"n1"}}, {Machine: "n1", From: []string{"n8"}}, {Machine: "n1", Networks: []string{"ic3"}},
		{Machine: "client", Networks: []string{"ic1"}}, {Machine: "n1", Percent: 101}, {Machine: "n1", Percent: -1}, {Machine: "n1", Direction: "up"},
	} {
		if err := l.Cut(f); !fault.Is(err, fault.Invalid) && !fault.Is(err, fault.NotFound) {
			t.Errorf("%+v: %v", f, err)
		}
	}
	if all, err := l.Faults(); len(all) != 0 || err != nil {
		t.Errorf("refused faults are there: %+v, %v", all, err)
	}
	if !reaches(t, l, "n1", "n2", "ic1") {
		t.Error("a refused fault has an effect")
	}
}
