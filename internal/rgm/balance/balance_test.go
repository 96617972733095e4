package balance_test

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"redoubt/internal/cluster"
	"redoubt/internal/rgm/balance"
	"redoubt/internal/rgm/model"
)

func drawSeats(t *rapid.T) []balance.Seat {
	n := rapid.IntRange(1, 16).Draw(t, "seats")
	seats := make([]balance.Seat, n)
	for i := range seats {
		seats[i] = balance.Seat{
			Node: cluster.NodeName(fmt.Sprintf("n%d", i+1)), Weight: rapid.IntRange(0, 8).Draw(t, "weight"), Present: rapid.Float64().Draw(t, "here") < 0.8,
		}
	}
	return seats
}

func counts(dealt [balance.Slots]int, seats int) []int {
	out := make([]int, seats)
	for _, s := range dealt {
		if s >= 0 {
			out[s]++
		}
	}
	return out
}

// Nobody who is away serves; whoever has weight has slots, as many as the weight says when all are there; without weight nobody has any beside others.
func TestDealIsFair(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seats := drawSeats(t)
		dealt := balance.Deal(seats)
		if again := balance.Deal(seats); again != dealt {
			t.Fatal("the same seats are dealt differently")
		}
		here, weighty, sum, all := 0, false, 0, true
		for _, s := range seats {
			if s.Present {
				here++
				weighty = weighty || s.Weight > 0
			}
			all = all && s.Present
			sum += s.Weight
		}
		for i, n := range counts(dealt, len(seats)) {
			s := seats[i]
			switch {
			case !s.Present && n > 0:
				t.Fatalf("%s is away and has %d slots", s.Node, n)
			case s.Weight == 0 && weighty && n > 0:
				t.Fatalf("%s has no weight and %d slots", s.Node, n)
			case all && sum > 0 && n != balance.Slots*s.Weight/sum && n != balance.Slots*s.Weight/sum+1:
				t.Fatalf("%s has %d slots with weight %d of %d", s.Node, n, s.Weight, sum)
			case s.Present && s.Weight > 0 && n == 0:
				t.Fatalf("%s has weight %d of %d and no slot", s.Node, s.Weight, sum)
			}
		}
		for slot, s := range dealt {
			if (s < 0) != (here == 0) {
				t.Fatalf("slot %d is with %d, and %d are here", slot, s, here)
			}
		}
	})
}

// A seat that leaves or returns moves its own slots and no others, whoever else is away, as long as weight is left among those that stay.
func TestLeavingMovesOwnSlotsOnly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seats := drawSeats(t)
		who := rapid.IntRange(0, len(seats)-1).Draw(t, "who")
		with, without := append([]balance.Seat{}, seats...), append([]balance.Seat{}, seats...)
		with[who].Present, without[who].Present = true, false
		a, b := balance.Deal(with), balance.Deal(without)
		for slot := range a {
			if a[slot] != b[slot] && a[slot] != who {
				t.Fatalf("slot %d was with %s and is with %d since %s left", slot, seats[a[slot]].Node, b[slot], seats[who].Node)
			}
		}
	})
}

// A change of one weight moves not many more slots than the shares differ by.
func TestWeightsMoveFew(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seats := drawSeats(t)
		for i := range seats {
			seats[i].Present, seats[i].Weight = true, max(1, seats[i].Weight)
		}
		before := balance.Deal(seats)
		who := rapid.IntRange(0, len(seats)-1).Draw(t, "who")
		seats[who].Weight = rapid.IntRange(1, 16).Draw(t, "weight")
		after := balance.Deal(seats)
		moved, least := 0, 0
		for slot := range before {
			if before[slot] != after[slot] {
				moved++
			}
		}
		a, b := counts(before, len(seats)), counts(after, len(seats))
		for i := range a {
			least += max(0, b[i]-a[i])
		}
		if moved > 4*least+16 {
			t.Fatalf("%d slots moved where %d had to", moved, least)
		}
	})
}

// rig is a cluster of three nodes with a service on all and the address on n1.
func rig() model.State {
	s := model.State{
		Groups: []model.Group{
			{Name: "addr-rg", Nodelist: []cluster.NodeName{"n1", "n2", "n3"}, Managed: true, MaximumPrimaries: 1},
			{Name: "web-rg", Nodelist: []cluster.NodeName{"n3", "n2", "n1"}, Managed: true, MaximumPrimaries: 3},
		},
		Resources: []model.Resource{
			{Name: "ip", Group: "addr-rg", Type: balance.SharedAddress, Properties: []model.Property{{Name: "Address", Values: []string{"10.1.1.9/24", "fd00::9/64"}}}},
			{Name: "web", Group: "web-rg", Type: "redoubt.gds", Properties: []model.Property{
				{Name: "Scalable", Values: []string{"true"}}, {Name: "Network_resources_used", Values: []string{"ip"}}, {Name: "Port_list", Values: []string{"80/tcp", "53/UDP"}},
				{Name: "Load_balancing_weights", Values: []string{"2@n2"}},
			}},
		},
	}
	for i, n := range []cluster.NodeName{"n1", "n2", "n3"} {
		inc := cluster.Incarnation{Number: 1}
		s.Nodes = append(s.Nodes, model.NodeState{Node: model.Node{Name: n, ID: i + 1}, Member: true, Incarnation: inc})
		state := model.ResourceOffline
		if i == 0 {
			state = model.ResourceOnline
		}
		s.Instances = append(s.Instances, model.Instance{Node: n, Incarnation: inc, Group: "addr-rg", Resources: []model.ResourceInstance{{Name: "ip", State: state}}})
		s.Networks = append(s.Networks, model.Network{Node: n, Addresses: []string{fmt.Sprintf("10.1.1.%d/24", i+1), fmt.Sprintf("fd00::%d/64", i+1)}})
	}
	for i := range s.Nodes {
		s.Instances = append(s.Instances, model.Instance{
			Node: s.Nodes[i].Name, Incarnation: s.Nodes[i].Incarnation, Group: "web-rg", Resources: []model.ResourceInstance{{Name: "web", State: model.ResourceOnline, Status: model.StatusOnline}},
		})
	}
	return s
}

func TestPlaneOfTheHolder(t *testing.T) {
	s := rig()
	p := balance.Look(s, "n1", balance.Overrides{}).Plane()
	if len(p.Tables) != 1 || len(p.Silent) != 0 || len(p.Local) != 2 {
		t.Fatalf("%+v", p)
	}
	web := p.Tables[0]
	want := []balance.Hop{
		{Mark: 2, Address: addr("10.1.1.9"), Via: addr("10.1.1.2")}, {Mark: 2, Address: addr("fd00::9"), Via: addr("fd00::2")},
		{Mark: 3, Address: addr("10.1.1.9"), Via: addr("10.1.1.3")}, {Mark: 3, Address: addr("fd00::9"), Via: addr("fd00::3")},
	}
	if web.Self != 1 || !reflect.DeepEqual(web.Open, []uint32{1, 2, 3}) || !reflect.DeepEqual(web.Live, web.Open) || !reflect.DeepEqual(web.Hops, want) || web.BySource || web.Remember {
		t.Errorf("%+v", web)
	}
	n := map[uint32]int{}
	for _, m := range web.Slots {
		n[m]++
	}
	if n[1] != 256 || n[2] != 512 || n[3] != 256 {
		t.Errorf("weights 1, 2, 1: %v", n)
	}
	// The others answer from the addresses, silently, and know that they would deal the same.
	other := balance.Look(s, "n2", balance.Overrides{})
	if q := other.Plane(); len(q.Tables) != 0 || len(q.Local) != 2 || len(q.Silent) != 2 || q.Silent[0].Own != addr("10.1.1.2") {
		t.Errorf("%+v", q)
	}
	taken := balance.Look(s, "n2", balance.Overrides{Taking: map[cluster.ResourceName][]balance.Held{"ip": {{Address: addr("10.1.1.9"), Device: "eth0"}}}}).Plane()
	if len(taken.Tables) != 1 || taken.Tables[0].Slots != web.Slots || taken.Tables[0].Self != 2 || len(taken.Silent) != 0 {
		t.Errorf("who takes the address over deals differently: %+v", taken)
	}
}

func TestWhoTakesPart(t *testing.T) {
	ri := func(s *model.State, n int) *model.ResourceInstance { return &s.Instances[3+n-1].Resources[0] }
	for name, c := range map[string]struct {
		change func(s *model.State)
		open   []uint32
		live   []uint32
		why    string // of n2
	}{
		"all":                {func(*model.State) {}, []uint32{1, 2, 3}, []uint32{1, 2, 3}, ""},
		"dead node":          {func(s *model.State) { s.Nodes[1].Member = false }, []uint32{1, 3}, []uint32{1, 3}, "not in the cluster"},
		"another life":       {func(s *model.State) { s.Nodes[1].Incarnation.Number = 2 }, []uint32{1, 3}, []uint32{1, 3}, "offline"},
		"not healthy":        {func(s *model.State) { ri(s, 2).Status = model.StatusFaulted }, []uint32{1, 3}, []uint32{1, 3}, "not healthy"},
		"degraded":           {func(s *model.State) { ri(s, 2).Status = model.StatusDegraded }, []uint32{1, 2, 3}, []uint32{1, 2, 3}, ""},
		"starts":             {func(s *model.State) { ri(s, 2).State = model.ResourceStarting }, []uint32{1, 3}, []uint32{1, 3}, "starting"},
		"stops":              {func(s *model.State) { ri(s, 2).State = model.ResourceStopping }, []uint32{1, 3}, []uint32{1, 2, 3}, "about to stop"},
		"restarts, not well": {func(s *model.State) { ri(s, 2).State, ri(s, 2).Status = model.ResourceStopping, model.StatusFaulted }, []uint32{1, 3}, []uint32{1, 3}, "not healthy"},
		"is ordered away": {func(s *model.State) {
			s.Assignments = []model.Assignment{{Group: "web-rg", Targets: []model.Target{{Node: "n1", Incarnation: s.Nodes[0].Incarnation}, {Node: "n3", Incarnation: s.Nodes[2].Incarnation}}}}
		}, []uint32{1, 3}, []uint32{1, 2, 3}, "about to stop"},
		"in another network":   {func(s *model.State) { s.Networks[1].Addresses = []string{"192.0.2.1/24", "fd00::2/64"} }, []uint32{1, 3}, []uint32{1, 3}, "no address in the network"},
		"a moved address only": {func(s *model.State) { s.Networks[1].Addresses = []string{"10.1.1.9/24", "fd00::2/64"} }, []uint32{1, 3}, []uint32{1, 3}, "no address in the network"},
	} {
		t.Run(name, func(t *testing.T) {
			s := rig()
			c.change(&s)
			o := balance.Look(s, "n1", balance.Overrides{})
			web := o.Plane().Tables[0]
			if !reflect.DeepEqual(web.Open, c.open) || !reflect.DeepEqual(web.Live, c.live) {
				t.Errorf("open %v, live %v; want %v and %v", web.Open, web.Live, c.open, c.live)
			}
			if why := o.Shares[0].Instances[1].Why; !strings.Contains(why, c.why) || (why == "") != (c.why == "") {
				t.Errorf("why: %q", why)
			}
			if draining := balance.Draining(s, "ip"); (draining > 0) != (len(c.live) > len(c.open)) {
				t.Errorf("draining: %d", draining)
			}
		})
	}
}

// What the policies and affinities mean for the rules.
func TestPoliciesInRules(t *testing.T) {
	type rules struct{ bySource, bySourceUDP, remember, rememberUDP bool }
	for _, c := range []struct {
		policy, udp, weak string
		want              rules
	}{
		{"Lb_weighted", "false", "false", rules{}},
		{"Lb_weighted", "true", "false", rules{bySourceUDP: true, rememberUDP: true}},
		{"Lb_weighted", "true", "true", rules{bySourceUDP: true}},
		{"Lb_sticky", "false", "false", rules{bySource: true, bySourceUDP: true, remember: true}},
		{"Lb_sticky", "true", "false", rules{bySource: true, bySourceUDP: true, remember: true, rememberUDP: true}},
		{"Lb_sticky_wild", "true", "true", rules{bySource: true, bySourceUDP: true}},
	} {
		s := rig()
		r := &s.Resources[1]
		for name, value := range map[string]string{"Load_balancing_policy": c.policy, "UDP_affinity": c.udp, "Weak_affinity": c.weak} {
			r.Properties = append(r.Properties, model.Property{Name: name, Values: []string{value}})
		}
		web := balance.Look(s, "n1", balance.Overrides{}).Plane().Tables[0]
		if got := (rules{web.BySource, web.BySourceUDP, web.Remember, web.RememberUDP}); got != c.want {
			t.Errorf("%s, UDP_affinity %s, Weak_affinity %s: %+v, want %+v", c.policy, c.udp, c.weak, got, c.want)
		}
	}
}

func TestGivingUp(t *testing.T) {
	s := rig()
	held := map[cluster.ResourceName][]balance.Held{"ip": {{Address: addr("10.1.1.9"), Device: "eth0"}}}
	p := balance.Look(s, "n1", balance.Overrides{Leaving: map[cluster.ResourceName]bool{"ip": true}, Lingering: held}).Plane()
	if len(p.Silent) != 2 || len(p.Tables) != 1 {
		t.Errorf("about to give up: %+v", p)
	}
	s.Instances[0].Resources[0].State = model.ResourceOffline
	if p := balance.Look(s, "n1", balance.Overrides{Lingering: held}).Plane(); len(p.Silent) != 2 || len(p.Tables) != 1 {
		t.Errorf("given up a moment ago: %+v", p)
	}
	if p := balance.Look(s, "n1", balance.Overrides{}).Plane(); len(p.Silent) != 2 || len(p.Tables) != 0 {
		t.Errorf("given up: %+v", p)
	}
	s.Instances[0].Resources[0].State = model.ResourceStartFailed
	if p := balance.Look(s, "n1", balance.Overrides{}).Plane(); len(p.Silent) != 2 {
		t.Errorf("an address that could not be taken would be answered for: %+v", p)
	}
}

func TestReached(t *testing.T) {
	s := rig()
	var all []netip.Prefix
	for _, p := range []string{"192.0.2.1/24", "10.1.1.1/24", "10.1.1.9/24", "fd00::1/64", "172.16.1.1/24"} {
		all = append(all, netip.MustParsePrefix(p))
	}
	if got := fmt.Sprint(balance.Reached(s, "n1", all)); got != "[10.1.1.1/24 fd00::1/64]" {
		t.Error(got)
	}
}

// What is packed for another node comes out as it was, in whole seconds, and nothing else is read as a memory.
func TestWhoKnowsAConnection(t *testing.T) {
	at := func(port uint16, mark uint32, left time.Duration) balance.Known {
		return balance.Known{Client: netip.MustParseAddr("192.0.2.7"), Port: port, Mark: mark, Left: left}
	}
	joined := balance.Join(
		balance.Memory{Connections: []balance.Known{at(1, 2, 30*time.Minute), at(2, 2, time.Hour)}, Sockets: []balance.Known{at(5, 2, time.Hour), at(6, 2, time.Hour)}},
		balance.Memory{Connections: []balance.Known{at(1, 3, 50*time.Minute), at(2, 3, time.Minute)}, Sockets: []balance.Known{at(5, 3, time.Hour), at(7, 3, time.Hour), at(1, 2, time.Hour)}},
	)
	want := balance.Memory{
		Connections: []balance.Known{at(1, 3, 50*time.Minute), at(2, 2, time.Hour)},
		Sockets:     []balance.Known{at(1, 2, time.Hour), at(6, 2, time.Hour), at(7, 3, time.Hour)}, // 5: two ends
	}
	if !slices.Equal(joined.Connections, want.Connections) || !slices.Equal(joined.Sockets, want.Sockets) || len(joined.Clients) != 0 {
		t.Errorf("joined: %+v", joined)
	}
	own := balance.Memory{Connections: []balance.Known{at(1, 2, 10*time.Minute), at(2, 2, time.Hour-time.Second), at(6, 3, 10*time.Second)}}
	news := own.News(joined)
	if !slices.Equal(news.Connections, []balance.Known{at(1, 3, 50*time.Minute), at(7, 3, time.Hour)}) {
		t.Errorf("news of connections: %+v", news)
	}
	if !slices.Equal(news.Clients, []balance.Known{at(0, 3, time.Hour)}) {
		t.Errorf("news of clients: %+v", news)
	}
	own.Clients = []balance.Known{at(0, 2, time.Second)}
	if news := own.News(joined); len(news.Clients) != 0 {
		t.Errorf("a client that is known: %+v", news)
	}
	if again := balance.Join(own, news).News(joined); len(again.Connections)+len(again.Clients) != 0 {
		t.Errorf("what is known is no news: %+v", again)
	}
}

func TestPackedMemory(t *testing.T) {
	known := rapid.Custom(func(t *rapid.T) balance.Known {
		a := netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "v4")))
		if rapid.Bool().Draw(t, "six") {
			a = netip.AddrFrom16([16]byte(append([]byte{0xfd}, rapid.SliceOfN(rapid.Byte(), 15, 15).Draw(t, "v6")...)))
		}
		return balance.Known{Client: a, Port: rapid.Uint16().Draw(t, "port"), Mark: rapid.Uint32().Draw(t, "mark"), Left: time.Duration(rapid.Uint32().Draw(t, "left")) * time.Second}
	})
	rapid.Check(t, func(t *rapid.T) {
		m := balance.Memory{Connections: rapid.SliceOf(known).Draw(t, "connections"), Clients: rapid.SliceOf(known).Draw(t, "clients")}
		b := m.Pack()
		got, err := balance.Unpack(b)
		if err != nil || fmt.Sprint(got) != fmt.Sprint(m) {
			t.Fatalf("%+v, %v; packed was %+v", got, err, m)
		}
		if len(b) > 0 {
			if _, err := balance.Unpack(b[:len(b)-1]); err == nil {
				t.Fatal("a part is read")
			}
			b[0] = 7
			if _, err := balance.Unpack(b); err == nil {
				t.Fatal("an entry of no kind is read")
			}
		}
	})
}

func TestRead(t *testing.T) {
	set := func(pairs ...string) model.Resource {
		r := model.Resource{Name: "web"}
		for i := 0; i < len(pairs); i += 2 {
			r.Properties = append(r.Properties, model.Property{Name: pairs[i], Values: strings.Split(pairs[i+1], ",")})
		}
		return r
	}
	for _, c := range []struct {
		r     model.Resource
		fault string
	}{
		{set("Port_list", "80/tcp"), ""},
		{set("Load_balancing_policy", "Lb_sticky_wild"), ""},
		{set(), "Port_list names no port"},
		{set("Port_list", "80"), `Port_list "80"`},
		{set("Port_list", "0/tcp"), "0/tcp"},
		{set("Port_list", "65536/udp"), "65536/udp"},
		{set("Port_list", "80/sctp"), "80/sctp"},
		{set("Port_list", "80/tcp", "Load_balancing_weights", "1"), `Load_balancing_weights "1"`},
		{set("Port_list", "80/tcp", "Load_balancing_weights", "-1@n1"), "-1@n1"},
		{set("Port_list", "80/tcp", "Load_balancing_weights", "1001@n1"), "1001@n1"},
		{set("Port_list", "80/tcp", "Load_balancing_weights", "1@n1,2@n1"), "two weights"},
		{set("Port_list", "80/tcp", "Load_balancing_weights", "1@"), "1@"},
	} {
		_, faults := balance.Read(c.r)
		got := ""
		for _, f := range faults {
			got += f.Property + " " + f.Text
		}
		if !strings.Contains(got, c.fault) || (got == "") != (c.fault == "") {
			t.Errorf("%v: %q, want %q", c.r.Properties, got, c.fault)
		}
	}
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }
