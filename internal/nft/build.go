package nft

import (
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"redoubt/internal/rgm/balance"
)

// rebuild makes a table with all it has, in the place of the one that may be there, and with what that one remembered.
func rebuild(name string, t balance.Table, devices []device, shape string, replace bool, room uint32, m balance.Memory) error {
	return commit(func(c *nftables.Conn) ([]netlink.Message, error) {
		b := builder{c: c, t: t, table: &nftables.Table{Name: name, Family: nftables.TableFamilyNetdev}}
		if replace {
			c.DelTable(b.table)
		}
		c.AddTable(b.table)
		b.chain(shape)
		for _, s := range sets(b.table, t, room) {
			var elements []nftables.SetElement
			if s.elements != nil {
				elements = s.elements()
			}
			if err := c.AddSet(s.set, elements); err != nil {
				return nil, err
			}
			if err := b.inherit(s.set, m); err != nil {
				return nil, err
			}
		}
		for _, v6 := range families(t.Shape) {
			if err := b.send(v6); err != nil {
				return nil, err
			}
			b.variant(variant{v6: v6})
			b.variant(variant{v6: v6, udp: true})
		}
		b.entries(devices)
		return b.late, nil
	})
}

// builder writes the chains of a table. A rule reads only registers that it has filled itself; from rule to rule the mark of the packet carries the node.
type builder struct {
	c     *nftables.Conn
	t     balance.Table
	table *nftables.Table
	late  []netlink.Message
}

func (b *builder) chain(name string) *nftables.Chain {
	return b.c.AddChain(&nftables.Chain{Name: name, Table: b.table})
}

func (b *builder) rule(chain *nftables.Chain, parts ...[]expr.Any) {
	b.c.AddRule(&nftables.Rule{Table: b.table, Chain: chain, Exprs: join(parts...)})
}

func join(parts ...[]expr.Any) []expr.Any {
	var out []expr.Any
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

// entries hangs the table into the devices: packets to the ports of the service go to the chain of their family and protocol.
func (b *builder) entries(devices []device) {
	for _, d := range devices {
		accept := nftables.ChainPolicyAccept
		in := b.c.AddChain(&nftables.Chain{
			Name: entryChain + d.name, Table: b.table, Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookIngress, Priority: nftables.ChainPriorityFilter, Policy: &accept, Device: d.name,
		})
		for _, a := range d.addresses {
			to := variant{v6: a.Is6()}
			protocol := be16(unix.ETH_P_IP)
			if to.v6 {
				protocol = be16(unix.ETH_P_IPV6)
			}
			address := join(meta(expr.MetaKeyPROTOCOL, rKey), equal(rKey, protocol), network(offsetTo(to.v6), to.width(), rKey), equal(rKey, a.AsSlice()))
			for _, p := range b.t.Except {
				b.rule(in, address, port(p), verdict(expr.VerdictAccept, ""))
			}
			for _, p := range b.t.Ports {
				to.udp = p.UDP
				b.rule(in, address, port(p), verdict(expr.VerdictGoto, "flow"+to.name()))
			}
			if len(b.t.Ports) == 0 {
				for _, udp := range []bool{false, true} {
					to.udp = udp
					b.rule(in, address, protocolIs(udp), verdict(expr.VerdictGoto, "flow"+to.name()))
				}
			}
		}
	}
}

// variant writes how a packet of a family and protocol finds its node.
func (b *builder) variant(v variant) {
	bySource, remember, life, begin, beginClient := b.t.BySource, b.t.Remember, tcpLife, beginLife, beginLife
	if v.udp {
		bySource, remember, life, begin, beginClient = b.t.BySourceUDP, b.t.RememberUDP, udpLife, udpLife, b.affinity(udpLife)
	}
	flows := !v.udp || !remember
	flow, fresh, bind := b.chain("flow"+v.name()), b.chain("new"+v.name()), b.chain("bind"+v.name())
	client := network(offsetFrom(v.v6), v.width(), rKey)
	connection := join(client, transport(0, 2, rKey+v.width()/4))
	part, length := connection, v.width()+4
	if bySource {
		part, length = client, v.width()
	}
	clientsName, flowsName := "clients"+v.family(), "flows"+v.family()
	known := func(life time.Duration) [][]expr.Any {
		return [][]expr.Any{connection, recall(flowsName), among("live", rMark), note(opUpdate, flowsName, rMark, life), verdict(expr.VerdictGoto, "send"+v.family())}
	}

	if !v.udp {
		b.ends(v, flow, connection, client, remember, known(closeLife))
	}
	switch {
	case remember && v.udp:
		b.rule(flow, client, recall(clientsName), note(opUpdate, clientsName, rMark, b.affinity(udpLife)))
	case remember:
		// The first part of the key of a connection is that of its client, who stays as long as it is open.
		b.rule(flow, connection, recall(flowsName), among("live", rMark), note(opUpdate, clientsName, rMark, b.affinity(tcpLife)))
	}
	if flows {
		b.rule(flow, known(life)...)
	}
	b.rule(flow, verdict(expr.VerdictGoto, fresh.Name))

	b.rule(fresh, immediate(rMark, host32(0)), mark(rMark))
	if flows {
		b.rule(fresh, connection, immediate(rMark, host32(0)), note(opDelete, flowsName, rMark, 0))
	}
	if remember {
		b.rule(fresh, client, recall(clientsName), among("open", rMark), verdict(expr.VerdictGoto, bind.Name))
	}
	b.rule(fresh, part, hash(rKey, rMark, length), find("slots", rMark, rMark), mark(rMark))
	// Nobody serves: this node refuses, unless an instance of its own is up already of which nobody has heard yet.
	b.rule(fresh, meta(expr.MetaKeyMARK, rMark), equal(rMark, host32(0)), immediate(rMark, host32(b.t.Self)), mark(rMark), verdict(expr.VerdictGoto, bind.Name))
	if remember {
		b.rule(fresh, client, immediate(rMark, host32(0)), note(opDelete, clientsName, rMark, 0))
		b.rule(fresh, client, meta(expr.MetaKeyMARK, rMark), note(opAdd, clientsName, rMark, beginClient))
	}
	b.rule(fresh, verdict(expr.VerdictGoto, bind.Name))

	if flows {
		b.rule(bind, connection, meta(expr.MetaKeyMARK, rMark), note(opAdd, flowsName, rMark, begin))
	}
	b.rule(bind, verdict(expr.VerdictGoto, "send"+v.family()))
}

// ends writes how TCP begins and ends: what begins is not about to close, and what the client has closed (FIN, RST) is forgotten soon, whatever still comes of it; known
// is what brings such a packet to its node.
func (b *builder) ends(v variant, flow *nftables.Chain, connection, client []expr.Any, remember bool, known [][]expr.Any) {
	end, last := b.chain("end"+v.name()), b.chain("last"+v.name())
	closingName, freshName := "closing"+v.family(), "new"+v.name()
	begins := join(transport(13, 1, rKey), mask(rKey, 0x17), equal(rKey, []byte{0x02})) // SYN alone
	b.rule(flow, begins, connection, note(opDelete, closingName, 0, 0))
	b.rule(flow, begins, verdict(expr.VerdictGoto, freshName))
	b.rule(flow, transport(13, 1, rKey), mask(rKey, 0x05), differs(rKey, []byte{0}), verdict(expr.VerdictGoto, end.Name))
	b.rule(flow, connection, among(closingName, rKey), verdict(expr.VerdictGoto, last.Name))

	b.rule(end, connection, note(opUpdate, closingName, 0, closeLife))
	if remember {
		b.rule(end, client, recall("clients"+v.family()), note(opUpdate, "clients"+v.family(), rMark, b.affinity(graceLife)))
	}
	b.rule(end, verdict(expr.VerdictGoto, last.Name))

	b.rule(last, known...)
	b.rule(last, verdict(expr.VerdictGoto, freshName))
}

// affinity is for how long a client is remembered from now on: as long as the service wants, and no less than given.
func (b *builder) affinity(least time.Duration) time.Duration {
	if b.t.Affinity < 0 {
		return forGood
	}
	return max(least, time.Duration(b.t.Affinity)*time.Second)
}

// send writes what brings a packet to the node of its mark: up, if that is this one, else out again where it came in, to that node.
func (b *builder) send(v6 bool) error {
	v := variant{v6: v6}
	send := b.chain("send" + v.family())
	b.rule(send, meta(expr.MetaKeyMARK, rMark), equal(rMark, host32(b.t.Self)), immediate(rMark, host32(0)), mark(rMark), verdict(expr.VerdictAccept, ""))
	hop := join(meta(expr.MetaKeyMARK, rKey), network(offsetTo(v6), v.width(), rKey+1), find("hops"+v.family(), rKey, rVia), meta(expr.MetaKeyIIF, rDev))
	family := byte(unix.NFPROTO_IPV4)
	if v6 {
		family = unix.NFPROTO_IPV6
	}
	message, err := forwardRule(b.table.Name, send.Name, hop, rDev, rVia, family)
	b.late = append(b.late, message)
	return err
}

// Where the addresses are in the header of their family.
func offsetFrom(v6 bool) uint32 {
	if v6 {
		return 8
	}
	return 12
}

func offsetTo(v6 bool) uint32 {
	if v6 {
		return 24
	}
	return 16
}

// The words of rules.

func be16(n uint16) []byte { return []byte{byte(n >> 8), byte(n)} }

func meta(key expr.MetaKey, to uint32) []expr.Any {
	return []expr.Any{&expr.Meta{Key: key, Register: to}}
}

func mark(from uint32) []expr.Any {
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyMARK, SourceRegister: true, Register: from}}
}

func equal(register uint32, to []byte) []expr.Any {
	return []expr.Any{&expr.Cmp{Op: expr.CmpOpEq, Register: register, Data: to}}
}

func differs(register uint32, from []byte) []expr.Any {
	return []expr.Any{&expr.Cmp{Op: expr.CmpOpNeq, Register: register, Data: from}}
}

func mask(register uint32, bits byte) []expr.Any {
	return []expr.Any{&expr.Bitwise{SourceRegister: register, DestRegister: register, Len: 1, Mask: []byte{bits}, Xor: []byte{0}}}
}

func network(offset, length, to uint32) []expr.Any {
	return []expr.Any{&expr.Payload{Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: length, DestRegister: to}}
}

func transport(offset, length, to uint32) []expr.Any {
	return []expr.Any{&expr.Payload{Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: length, DestRegister: to}}
}

func immediate(to uint32, value []byte) []expr.Any {
	return []expr.Any{&expr.Immediate{Register: to, Data: value}}
}

func find(mapName string, key, to uint32) []expr.Any {
	return []expr.Any{&expr.Lookup{SetName: mapName, SourceRegister: key, DestRegister: to, IsDestRegSet: true}}
}

func among(setName string, key uint32) []expr.Any {
	return []expr.Any{&expr.Lookup{SetName: setName, SourceRegister: key}}
}

// recall puts the node that a map has for the key in the first register into the mark, and reads it from there: nft can not list rules that go on with what they looked up.
func recall(mapName string) []expr.Any {
	return join(find(mapName, rKey, rMark), mark(rMark), meta(expr.MetaKeyMARK, rMark))
}

// note changes what a map knows of the key in the first register.
func note(op uint32, mapName string, value uint32, life time.Duration) []expr.Any {
	return []expr.Any{&expr.Dynset{Operation: op, SetName: mapName, SrcRegKey: rKey, SrcRegData: value, Timeout: life}}
}

func hash(from, to, length uint32) []expr.Any {
	return []expr.Any{&expr.Hash{SourceRegister: from, DestRegister: to, Length: length, Modulus: balance.Slots, Seed: seed, Type: expr.HashTypeJenkins}}
}

func verdict(kind expr.VerdictKind, chain string) []expr.Any {
	return []expr.Any{&expr.Verdict{Kind: kind, Chain: chain}}
}

func protocolIs(udp bool) []expr.Any {
	protocol := byte(unix.IPPROTO_TCP)
	if udp {
		protocol = unix.IPPROTO_UDP
	}
	return join(meta(expr.MetaKeyL4PROTO, rKey), equal(rKey, []byte{protocol}))
}

func port(p balance.Port) []expr.Any {
	return join(protocolIs(p.UDP), transport(2, 2, rKey), equal(rKey, be16(p.Number)))
}
