package nft

import (
	"cmp"
	"encoding/binary"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/balance"
)

// readings is how often a set is read at most until nothing new is found in it.
const readings = 5

// chunk is how many elements one message to the kernel carries: the length of the list has to fit 16 bits.
const chunk = 512

// inherit puts what was remembered into a set that remembers.
func (b *builder) inherit(s *nftables.Set, m balance.Memory) error {
	for part := range slices.Chunk(elementsFor(s, m), chunk) {
		if err := b.c.SetAddElements(s, part); err != nil {
			return err
		}
	}
	return nil
}

// elementsFor picks what a set of flows or clients has to hold of a memory; other sets hold nothing of it.
func elementsFor(s *nftables.Set, m balance.Memory) []nftables.SetElement {
	var out []nftables.SetElement
	add := func(list []balance.Known, v6, port bool) {
		for _, k := range list {
			if k.Client.Is6() != v6 || k.Left <= 0 {
				continue
			}
			key := k.Client.AsSlice()
			if port {
				key = append(binary.BigEndian.AppendUint16(key, k.Port), 0, 0)
			}
			out = append(out, nftables.SetElement{Key: key, Val: host32(k.Mark), Timeout: k.Left})
		}
	}
	for _, v6 := range []bool{false, true} {
		f := variant{v6: v6}.family()
		switch s.Name {
		case "flows" + f:
			add(m.Connections, v6, true)
		case "clients" + f:
			add(m.Clients, v6, false)
		}
	}
	return out
}

// read gives what a set of flows or clients holds.
func read(s *nftables.Set, v6 bool) ([]balance.Known, error) {
	have, err := elementsOf(s)
	if err != nil {
		return nil, err
	}
	out := make([]balance.Known, 0, len(have))
	width := int(variant{v6: v6}.width())
	for _, e := range have {
		if len(e.Key) < width || len(e.Val) < 4 {
			continue
		}
		k := balance.Known{Mark: binary.NativeEndian.Uint32(e.Val), Left: e.Expires}
		k.Client, _ = netip.AddrFromSlice(e.Key[:width])
		if len(e.Key) >= width+2 {
			k.Port = binary.BigEndian.Uint16(e.Key[width:])
		}
		out = append(out, k)
	}
	return out, nil
}

// recollect reads what a table remembers, and in which of its sets. What can not be read is not remembered.
func recollect(name string, room uint32) (m balance.Memory, in []*nftables.Set) {
	table := &nftables.Table{Name: name, Family: nftables.TableFamilyNetdev}
	for _, v6 := range []bool{false, true} {
		flows, clients := flowsOf(table, v6, room), clientsOf(table, v6, room)
		if list, ok := readAll(flows, v6); ok {
			m.Connections, in = append(m.Connections, list...), append(in, flows)
		}
		if list, ok := readAll(clients, v6); ok {
			m.Clients, in = append(m.Clients, list...), append(in, clients)
		}
	}
	return m, in
}

// readAll reads a set until a reading finds nothing new: while the kernel makes room in a set that has grown, or takes out what has expired, a reading leaves some out.
// It is false for a set that could not be read at all.
func readAll(s *nftables.Set, v6 bool) (list []balance.Known, ok bool) {
	known := map[netip.AddrPort]balance.Known{}
	for range readings {
		list, err := read(s, v6)
		if err != nil {
			continue
		}
		ok = true
		before := len(known)
		for _, k := range list {
			known[netip.AddrPortFrom(k.Client, k.Port)] = k
		}
		if len(known) == before {
			break
		}
	}
	return slices.Collect(maps.Values(known)), ok
}

// Recollect gives what this host remembers of a service; nothing, when it has no table of it.
func (k *Kernel) Recollect(service cluster.ResourceName) balance.Memory {
	m, _ := recollect(prefix+string(service), k.cfg.Room)
	return m
}

// Remember adds what other nodes know of a service to what this one does (balance.Memory.News). What is known of a service without a table goes into the table that an
// Apply makes within a minute.
func (k *Kernel) Remember(service cluster.ResourceName, m balance.Memory) error {
	have, err := ours()
	if err != nil {
		return err
	}
	name := prefix + string(service)
	if _, there := have[name]; !there {
		k.mu.Lock()
		defer k.mu.Unlock()
		had := k.awaited[name].memory
		k.awaited[name] = awaited{balance.Join(had, had.News(m)), time.Now()}
		return nil
	}
	// A packet may be faster with one of the connections, or its time may come.
	if err := again(func() error { return takeOver(name, k.cfg.Room, m) }); err != nil {
		return fault.Errorf(fault.Internal, "take over the connections of %s: %w", service, err)
	}
	return nil
}

// takeOver adds to the sets of a table what they have to hear of a memory. Sets that the table does not have hear nothing.
func takeOver(name string, room uint32, m balance.Memory) error {
	own, there := recollect(name, room)
	news := own.News(m)
	for _, s := range there {
		had := map[string]nftables.SetElement{}
		for _, e := range elementsFor(s, own) {
			had[string(e.Key)] = e
		}
		for part := range slices.Chunk(elementsFor(s, news), chunk) {
			var gone []nftables.SetElement
			for _, e := range part {
				if h, ok := had[string(e.Key)]; ok {
					gone = append(gone, h)
				}
			}
			if err := replace(s, gone, part); err != nil && !errors.Is(err, unix.ENFILE) {
				return err
			}
		}
	}
	return nil
}

// Tend looks after what the tables remember, and says how full they are: clients that have a connection stay as long as it is open, and where there is not much room
// left, what has been quiet for the longest goes. It is to be called every few seconds.
func (k *Kernel) Tend() ([]balance.Fill, error) {
	k.mu.Lock()
	var tables []balance.Table
	if k.applied != nil {
		tables = k.applied.Tables
	}
	k.mu.Unlock()
	if len(tables) == 0 {
		return nil, nil
	}
	have, err := ours()
	if err != nil {
		return nil, err
	}
	var out []balance.Fill
	var errs []error
	for _, t := range tables {
		if _, ok := have[prefix+t.Name]; !ok {
			continue
		}
		full := 0
		for _, v6 := range families(t.Shape) {
			n, err := k.tend(&nftables.Table{Name: prefix + t.Name, Family: nftables.TableFamilyNetdev}, t, v6)
			if err != nil && !errors.Is(err, unix.ENOENT) { // gone meanwhile: so is the need
				errs = append(errs, fault.Errorf(fault.Internal, "look after the connections of %s: %w", t.Name, err))
			}
			full = max(full, n)
		}
		out = append(out, balance.Fill{Resource: cluster.ResourceName(t.Name), Full: full})
	}
	return out, errors.Join(errs...)
}

// tend does so for one family of a table.
func (k *Kernel) tend(table *nftables.Table, t balance.Table, v6 bool) (full int, err error) {
	flows := flowsOf(table, v6, k.cfg.Room)
	connections, err := read(flows, v6)
	if err != nil {
		return 0, err
	}
	full = k.percent(len(connections))
	if t.Remember || t.RememberUDP {
		clients := clientsOf(table, v6, k.cfg.Room)
		list, err := read(clients, v6)
		if err != nil {
			return full, err
		}
		full = max(full, k.percent(len(list)))
		late, missing := overdue(connections, list)
		if err := k.renew(clients, late, missing); err != nil {
			return full, err
		}
		if err := k.relieve(clients, list); err != nil {
			return full, err
		}
	}
	return full, k.relieve(flows, connections)
}

func (k *Kernel) percent(n int) int { return n * 100 / int(k.cfg.Room) }

// overdue picks the clients that would be forgotten before the last of their connections is, with the time that they are to have: those that are known, and others.
func overdue(connections, clients []balance.Known) (late, missing []balance.Known) {
	open := map[netip.Addr]balance.Known{}
	for _, c := range connections {
		if c.Left > max(beginLife, closeLife) && c.Left > open[c.Client].Left {
			open[c.Client] = balance.Known{Client: c.Client, Mark: c.Mark, Left: c.Left}
		}
	}
	for _, c := range clients {
		if o, ok := open[c.Client]; ok && c.Left <= graceLife && c.Left < o.Left {
			c.Left = o.Left
			late = append(late, c)
		}
		delete(open, c.Client)
	}
	for _, o := range open {
		missing = append(missing, o)
	}
	return late, missing
}

// renew gives clients their new time: those that are there are taken out and put in again in one step, which every kernel can.
func (k *Kernel) renew(s *nftables.Set, late, missing []balance.Known) error {
	for part := range slices.Chunk(late, chunk) {
		if err := replace(s, elementsFor(s, balance.Memory{Clients: part}), elementsFor(s, balance.Memory{Clients: part})); err != nil {
			return err
		}
	}
	for part := range slices.Chunk(missing, chunk) {
		if err := replace(s, nil, elementsFor(s, balance.Memory{Clients: part})); err != nil && !errors.Is(err, unix.ENFILE) {
			return err
		}
	}
	return nil
}

// relieve takes out of a set that is nearly full what has been quiet for the longest, until a quarter is free.
func (k *Kernel) relieve(s *nftables.Set, list []balance.Known) error {
	room := int(k.cfg.Room)
	if len(list) <= room-room/8 {
		return nil
	}
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b balance.Known) int { return cmp.Compare(a.Left, b.Left) })
	list = slices.DeleteFunc(list[:len(list)-(room-room/4)], func(x balance.Known) bool { return x.Left < time.Second }) // these go by themselves
	for part := range slices.Chunk(list, chunk) {
		if err := replace(s, elementsFor(s, balance.Memory{Connections: part, Clients: part}), nil); err != nil {
			return err
		}
	}
	return nil
}

// replace takes elements out of a set and puts others in, in one step.
func replace(s *nftables.Set, gone, added []nftables.SetElement) error {
	return commit(func(c *nftables.Conn) ([]netlink.Message, error) {
		if len(gone) > 0 {
			if err := c.SetDeleteElements(s, gone); err != nil {
				return nil, err
			}
		}
		if len(added) > 0 {
			if err := c.SetAddElements(s, added); err != nil {
				return nil, err
			}
		}
		return nil, nil
	})
}
