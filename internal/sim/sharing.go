package sim

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/engine"
	"redoubt/internal/rgm/balance"
	"redoubt/internal/rgm/model"
)

// The scalable service of the simulated cluster: instances of "shop" on all nodes, and its address, which one of them holds.
const (
	gateIP cluster.ResourceName = "gate-ip"
	shop   cluster.ResourceName = "shop"
)

var gateAddress = netip.MustParseAddr("10.0.0.100")

// remembered is for how long a connection is remembered after a packet.
const remembered = time.Hour

// kernel is what the kernel of a machine has for the service. It outlives daemons, and ends with the machine.
type kernel struct {
	table  *balance.Table
	local  bool                  // the address is on the loopback interface
	silent bool                  // and nobody hears of it
	memory map[int]balance.Known // by connection
	// unasked are marks of nodes that did not say which connections they have: theirs are known by packets alone. asked is when the others were asked.
	unasked map[uint32]bool
	asked   int64
}

// table takes what the plane says.
func (k *kernel) apply(p balance.Plane) {
	k.local, k.silent, k.table = len(p.Local) > 0, len(p.Silent) > 0, nil
	if len(p.Tables) > 0 {
		k.table = &p.Tables[0]
	} else {
		k.memory, k.unasked = nil, nil
	}
}

// balancer is engine.Balancer of one incarnation in one daemon.
type balancer struct {
	l     *lifetime
	over  balance.Overrides
	left  map[cluster.ResourceName]int64
	again []int64 // true times
	begun bool
	last  *balance.Outline
}

func newBalancer(l *lifetime) *balancer {
	return &balancer{l: l, left: map[cluster.ResourceName]int64{}, over: balance.Overrides{
		Taking: map[cluster.ResourceName][]balance.Held{}, Leaving: map[cluster.ResourceName]bool{}, Lingering: map[cluster.ResourceName][]balance.Held{},
	}}
}

var held = []balance.Held{{Address: gateAddress, Device: "eth0"}}

// state is what the node knows of the cluster.
func (b *balancer) state() model.State {
	return engine.BuildState(b.l.d.mirror, b.l.d.view, b.l.d.n.wall())
}

// follow applies what is different.
func (b *balancer) follow() {
	n := b.l.d.n
	if !n.w.scalable || !b.l.live() || b.l.d.mirror.Record == nil || n.guard != b.l.guard || n.guard.firing {
		return
	}
	if !b.begun && !b.l.d.view.IsMember {
		return
	}
	s := b.state()
	holder := cluster.NodeName("")
	for _, r := range s.Resources {
		if r.Name == gateIP {
			holder = balance.Holder(s, r)
		}
	}
	if !b.begun {
		b.begun = true
		if n.kernel.table != nil && holder != n.name {
			b.over.Lingering[gateIP], b.left[gateIP] = held, 0
		}
	}
	if end, ok := b.left[gateIP]; ok {
		switch {
		case n.w.opt.ShortLinger && end == 0:
			b.left[gateIP] = n.w.now + int64(50*time.Millisecond)
		case end == 0 && holder != "" && holder != n.name:
			b.left[gateIP] = n.w.now + int64(5*time.Second)
		case end != 0 && n.w.now > end:
			delete(b.left, gateIP)
			delete(b.over.Lingering, gateIP)
		}
	}
	now := balance.Look(s, n.name, b.over)
	if b.last != nil && reflect.DeepEqual(*b.last, now) {
		return
	}
	b.last = &now
	n.kernel.apply(now.Plane())
	n.w.checkHeard()
}

// tick is what the loop does each second.
func (b *balancer) tick() {
	b.follow()
	b.ask()
}

// ask asks the others once more, when it is time.
func (b *balancer) ask() {
	if len(b.again) > 0 && b.l.d.n.w.now >= b.again[0] {
		b.again = b.again[1:]
		b.inherit(func() {})
	}
}

// hold makes the machine ready for the address, then goes on; not when what asked for it was aborted meanwhile.
func (b *balancer) hold(aborted func() bool, then func()) {
	b.inherit(func() {
		if aborted() {
			return
		}
		b.over.Taking[gateIP] = held
		delete(b.over.Leaving, gateIP)
		delete(b.over.Lingering, gateIP)
		delete(b.left, gateIP)
		now := b.l.d.n.w.now
		b.again = []int64{now + int64(100*time.Millisecond), now + int64(time.Second)}
		b.l.d.after(100*time.Millisecond, func(*daemon) {
			if b.l.live() {
				b.ask()
			}
		})
		b.follow()
		then()
	})
}

// release makes the machine silent about the address, before it is taken away.
func (b *balancer) release() {
	delete(b.over.Taking, gateIP)
	b.again = nil
	b.over.Leaving[gateIP], b.over.Lingering[gateIP], b.left[gateIP] = true, held, 0
	b.follow()
}

// inherit asks the members, each of which answers within some milliseconds or not at all, and remembers what they said when all have answered or two seconds are over.
func (b *balancer) inherit(then func()) {
	n, w := b.l.d.n, b.l.d.n.w
	said := []balance.Memory{{Sockets: n.sockets()}}
	unasked := map[uint32]bool{}
	waits, over, began := 1, false, w.now
	finish := func(*daemon) {
		if over || !b.l.live() {
			return
		}
		over = true
		k := &n.kernel
		own := balance.Memory{Connections: k.known(w.now)}
		if k.memory == nil {
			k.memory = map[int]balance.Known{}
		}
		for _, c := range own.News(balance.Join(said...)).Connections {
			k.remember(connection(c), c.Mark, w.now-int64(remembered-c.Left))
		}
		k.unasked, k.asked = unasked, began
		then()
	}
	answered := func() {
		if waits--; waits == 0 {
			b.l.d.exec(finish)
		}
	}
	if rec := b.l.d.mirror.Record; rec != nil && !w.opt.Forget {
		for _, m := range rec.Members {
			o := w.byName[m.Node]
			if o == n {
				continue
			}
			unasked[uint32(o.index+1)] = true
			waits++
			w.after(w.between(time.Millisecond, 5*time.Millisecond), func() {
				if d := o.daemon; d != nil && w.reaches(n, o) {
					d.exec(func(d *daemon) {
						if d.life == nil || over {
							return
						}
						said = append(said, d.life.sharing.memories())
						delete(unasked, uint32(o.index+1))
						answered()
					})
				}
			})
		}
	}
	b.l.d.after(2*time.Second, finish)
	b.l.d.after(0, func(*daemon) { answered() })
}

// memories is what a node tells one that takes the address.
func (b *balancer) memories() balance.Memory {
	n := b.l.d.n
	m := balance.Memory{Sockets: n.sockets()}
	if _, lingers := b.over.Lingering[gateIP]; lingers {
		m.Connections = n.kernel.known(n.w.now)
	}
	return m
}

// sockets are the connections that the machine has.
func (n *node) sockets() []balance.Known {
	var out []balance.Known
	for _, c := range n.w.clients {
		if c.lives() && c.at == n {
			out = append(out, balance.Known{Client: c.address(), Port: 1, Mark: uint32(n.index + 1), Left: remembered})
		}
	}
	return out
}

// known is what the kernel remembers.
func (k *kernel) known(now int64) []balance.Known {
	var out []balance.Known
	for _, c := range k.memory {
		c.Left -= time.Duration(now) // it was counted from the beginning of time
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b balance.Known) int { return a.Client.Compare(b.Client) })
	return out
}

func (k *kernel) remember(id int, mark uint32, seen int64) {
	if k.memory != nil {
		k.memory[id] = balance.Known{Client: (&client{id: id}).address(), Port: 1, Mark: mark, Left: remembered + time.Duration(seen)}
	}
}

// client is a connection as its client has it.
type client struct {
	id, slot int
	at       *node // whose instance has it
	boot     int
	instance *proc
	by       *node // to which machine it began
	began    int64
}

func (c *client) address() netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(c.id >> 16), byte(c.id >> 8), byte(c.id)})
}

func connection(k balance.Known) int {
	a := k.Client.As4()
	return int(a[1])<<16 | int(a[2])<<8 | int(a[3])
}

// lives reports whether the instance that has the connection is there and well.
func (c *client) lives() bool {
	return c.at.on && c.at.boot == c.boot && !c.at.frozen && c.at.procs[shop] == c.instance && c.instance.up
}

// most is how many long connections there are.
const most = 24

// traffic is one packet of a client: of a connection that there is, or of one that begins.
func (w *World) traffic() {
	w.after(w.between(5*time.Millisecond, 60*time.Millisecond), w.traffic)
	w.checkHeard()
	w.clients = slices.DeleteFunc(w.clients, func(c *client) bool { return !c.at.frozen && !c.lives() })
	if len(w.clients) < most && w.chance(400) {
		w.opened++
		c := &client{id: w.opened, slot: w.rng.IntN(balance.Slots)}
		at, by := w.deliverTo(c)
		if at == nil {
			return
		}
		if p := at.procs[shop]; p != nil && p.up {
			c.at, c.boot, c.instance, c.by, c.began = at, at.boot, p, by, w.now
			w.clients = append(w.clients, c)
			w.stats.Connections++
		}
		return
	}
	if len(w.clients) == 0 {
		return
	}
	c := w.clients[w.rng.IntN(len(w.clients))]
	at, by := w.deliverTo(c)
	if at == nil || at == c.at || !c.lives() {
		return
	}
	// The node that the packet came to refuses it.
	mark := uint32(c.at.index + 1)
	switch k := &by.kernel; {
	case k.table == nil:
		w.violated("S3", "connection %d to %s is refused by %s, which has its packets and no rules for them", c.id, c.at.name, by.name)
	case !slices.Contains(k.table.Live, mark):
		// As far as the holder knows the instance does not run any more.
	case k.unasked[mark]:
		// Nobody has told the holder of it.
	case c.by != by && c.began >= k.asked:
		// It began while the address moved, and the holder has not asked since.
	default:
		w.violated("S3", "connection %d to %s, whose instance lives, was handed to %s by %s", c.id, c.at.name, at.name, by.name)
	}
	w.clients = slices.DeleteFunc(w.clients, func(o *client) bool { return o == c })
}

// deliverTo is the machine that gets a packet, and the one that the clients send it to; nil: it is lost.
func (w *World) deliverTo(c *client) (at, by *node) {
	by = w.heard
	// A real machine takes longer to boot than its address takes to be elsewhere: what comes to one that has booted since is lost.
	if by == nil || !by.on || by.frozen || by.boot != w.heardBoot {
		return nil, nil
	}
	k := &by.kernel
	if k.table == nil {
		if !by.hasAddress() {
			return nil, nil
		}
		return by, by
	}
	mark := uint32(0)
	if m, ok := k.memory[c.id]; ok && c.at != nil && slices.Contains(k.table.Live, m.Mark) {
		mark = m.Mark
	} else {
		mark = k.table.Slots[c.slot]
	}
	if k.memory == nil {
		k.memory = map[int]balance.Known{}
	}
	if mark == 0 {
		mark = k.table.Self
	}
	if mark == 0 { // nobody has the slot, and the holder has no number of its own: its own programs get the packet
		if !by.hasAddress() {
			return nil, nil
		}
		return by, by
	}
	k.remember(c.id, mark, w.now)
	at = w.nodes[mark-1]
	if !at.on || at.frozen || !at.hasAddress() {
		return nil, nil
	}
	return at, by
}

// hasAddress reports whether the machine's own programs have the address.
func (n *node) hasAddress() bool {
	p := n.procs[gateIP]
	return n.guard != nil && !n.guard.dead && (n.kernel.local || p != nil && p.up)
}

// answers reports whether others find the address at this machine.
func (n *node) answers() bool {
	p := n.procs[gateIP]
	return n.on && !n.frozen && n.guard != nil && !n.guard.dead && (p != nil && (p.up || p.stopping) && !n.kernel.silent || n.kernel.local && !n.kernel.silent)
}

// checkHeard is invariant S1: at most one machine is found by the shared address, and that one has rules for it.
func (w *World) checkHeard() {
	if !w.scalable {
		return
	}
	var who []cluster.NodeName
	for _, n := range w.nodes {
		if n.answers() && !n.asleep() {
			who = append(who, n.name)
			if n.kernel.table == nil {
				w.violated("S1", "%s is found by the shared address and has no rules for it", n.name)
			}
		}
	}
	if len(who) > 1 {
		w.violated("S1", "%v are found by the shared address", who)
	}
}

// announce tells the clients where the address is.
func (n *node) announce() {
	n.after(n.w.between(0, 2*time.Millisecond), func() {
		if p := n.procs[gateIP]; p != nil && p.up {
			n.w.heard, n.w.heardBoot = n, n.boot
		}
	})
}

// unshared says what is wrong with the sharing of load in a cluster at rest, which is invariant S2: every slot is with a living instance, all that take part have some, and
// the clients find the holder.
func (w *World) unshared() string {
	if !w.scalable {
		return ""
	}
	var holder *node
	living := map[uint32]bool{}
	for _, n := range w.nodes {
		if p := n.procs[gateIP]; p != nil && p.up {
			holder = n
		}
		if p := n.procs[shop]; p != nil && p.up {
			living[uint32(n.index+1)] = true
		}
	}
	switch {
	case holder == nil:
		return ""
	case holder.kernel.table == nil || holder.kernel.silent:
		return fmt.Sprintf("%s holds the shared address and hands nothing on", holder.name)
	case w.heard != holder:
		return "the clients do not find the shared address"
	}
	for slot, mark := range holder.kernel.table.Slots {
		if mark == 0 && len(living) > 0 || mark != 0 && !living[mark] {
			return fmt.Sprintf("slot %d is with %d, living are %v", slot, mark, living)
		}
	}
	return ""
}

// scale adds the scalable service to what people have asked for.
func (w *World) scale(conf map[string]any, group func(cluster.GroupName, int) model.Group, resource func(model.Group, cluster.ResourceName, cluster.TypeName, ...cluster.ResourceName)) {
	method := func(ms ...model.Method) (specs []model.MethodSpec) {
		for _, m := range ms {
			specs = append(specs, model.MethodSpec{Method: m, Timeout: 5})
		}
		return specs
	}
	conf[confdb.KeyType(balance.SharedAddress)] = stored(confdb.KindType, model.Type{Name: balance.SharedAddress, NetworkAddress: true, Methods: method(model.MethodStart, model.MethodStop)})
	for _, n := range w.nodes {
		conf[confdb.PrefixNetwork+string(n.name)] = stored(confdb.KindNetwork, model.Network{Node: n.name, Addresses: []string{fmt.Sprintf("10.0.0.%d/24", n.index+1)}})
	}
	set := func(name cluster.ResourceName, properties ...model.Property) {
		r := &w.op.resources[slices.IndexFunc(w.op.resources, func(r model.Resource) bool { return r.Name == name })]
		r.Properties = properties
		conf[confdb.KeyResource(name)] = stored(confdb.KindResource, *r)
	}
	nodes := 0
	for _, n := range w.nodes {
		if !n.server {
			nodes++
		}
	}
	resource(group("gate", 1), gateIP, balance.SharedAddress)
	set(gateIP, model.Property{Name: "Address", Values: []string{gateAddress.String() + "/24"}})
	resource(group("shop", nodes), shop, "plain")
	set(shop, w.shopProperties()...)
}

// shopProperties are those of the service, with weights that somebody chose.
func (w *World) shopProperties() []model.Property {
	var weights []string
	for _, n := range w.nodes {
		if !n.server && w.chance(500) {
			weights = append(weights, fmt.Sprintf("%d@%s", w.rng.IntN(4), n.name))
		}
	}
	out := []model.Property{
		{Name: balance.PropertyScalable, Values: []string{"true"}}, {Name: balance.PropertyAddresses, Values: []string{string(gateIP)}}, {Name: balance.PropertyPorts, Values: []string{"80/tcp"}},
	}
	if len(weights) > 0 {
		out = append(out, model.Property{Name: balance.PropertyWeights, Values: weights})
	}
	return out
}
