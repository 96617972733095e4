package cluster

import (
	"net/netip"
	"slices"
)

// The ports of a node.
const (
	PortHeartbeat = 7400
	PortAPI       = 7401
	PortClient    = 7402
	PortPeer      = 7403
	PortMetrics   = 7410
)

// Listener is something on which a node accepts what others send: one line of the table of the network that the documentation prints and that the tests hold
// the running program to.
type Listener struct {
	Name    string // what it is
	Network string // udp, tcp or unix
	Port    int    // 0 for a unix socket
	Where   Where  // on which addresses, as a program reads it; "" for a unix socket
	Address string // the same for people
	When    string // in which state of the node
	From    string // who connects
	Proof   string // what the other side has to prove, and how what is sent is protected
	Bounds  string // what keeps a stranger from using it up
}

// Where is a kind of address.
type Where string

// The kinds of addresses on which nodes listen.
const (
	WhereAny          Where = "any"
	WhereInterconnect Where = "interconnect" // the node's own address on one
	WherePrivate      Where = "private"      // the node's address on the private network
	WhereLoopback     Where = "loopback"
	WherePublic       Where = "public"  // the node's public address, while a quorum server is on no interconnect
	WhereCarried      Where = "carried" // the private address of a machine that only public addresses lead to, on this node's loopback interface
)

// Addresses are those of a node by their kind; the zero Addr: it has none.
type Addresses struct {
	Private       netip.Addr
	Interconnects []netip.Addr
	Public        netip.Addr
	Carried       []netip.Addr
}

// Covers reports whether the listener of a node with these addresses may be on an address.
func (l Listener) Covers(at netip.Addr, own Addresses) bool {
	at = at.Unmap()
	switch l.Where {
	case WhereAny:
		return true
	case WhereInterconnect:
		return slices.Contains(own.Interconnects, at)
	case WherePrivate:
		return at == own.Private
	case WherePublic:
		return at == own.Public
	case WhereCarried:
		return slices.Contains(own.Carried, at)
	case WhereLoopback:
		return at.IsLoopback()
	}
	return false
}

// Listeners is everything on which a node listens. Nothing of the program listens that is not in it.
func Listeners() []Listener {
	return []Listener{
		{
			Name: "heartbeats", Network: "udp", Port: PortHeartbeat, Where: WhereInterconnect, Address: "the node's address on each interconnect", When: "in a cluster", From: "nodes and quorum servers of the cluster",
			Proof:  "every datagram is sealed (ChaCha20-Poly1305) with a key that only the two nodes can compute; counters and sessions refuse what is replayed",
			Bounds: "datagrams of fixed length; what does not open is dropped unread",
		},
		{
			Name: "heartbeats, over the public network", Network: "udp", Port: PortHeartbeat, Where: WherePublic, Address: "the node's public address", When: "in a cluster with a quorum server that is on no interconnect",
			From: "that quorum server; on the quorum server, the nodes", Proof: "as on an interconnect", Bounds: "as on an interconnect",
		},
		{
			Name: "API", Network: "tcp", Port: PortAPI, Where: WhereAny, Address: "all, or `listen.api` of redoubtd.yaml", When: "in a cluster; before, only while a sponsor is authorised (`redoubt auth enable`)",
			From: "nodes, users with a certificate, machines that ask to join; with `sessions=on` also users in a session", Proof: "TLS 1.3; a certificate of the cluster's authorities that is not revoked; or, with `sessions=on`, the token of a session that lasts, in a header or a cookie; without either, only the operations that joining needs, which decide by the access list, and the description of the API",
			Bounds: "header 32 KiB, body 8 MiB read within 30 s (64 KiB of a stranger); 1024 connections of callers who have not shown who they are, 256 of one network, of which the oldest make room; 32 of a user; rates of requests; a wait after failed attempts to join, to be known by a session or to assume a role, while certificates that are refused are recorded",
		},
		{
			Name: "repository, for nodes", Network: "tcp", Port: PortClient, Where: WherePrivate, Address: "the node's private address", When: "on voters", From: "nodes of the cluster",
			Proof: "TLS 1.3 with a node's certificate that is on record and not revoked, both ways", Bounds: "requests of at most 4 MiB, snapshots excepted; calls only, no pages; who has not shown a certificate within ten seconds is sent away: 256 connections of such, 64 of one network, and 64 of each node, of which the oldest make room",
		},
		{
			Name: "repository, between voters", Network: "tcp", Port: PortPeer, Where: WherePrivate, Address: "the node's private address", When: "on voters", From: "voters and learners of the repository",
			Proof: "TLS 1.3 with a node's certificate that is not revoked and on record, both ways; while this node can not read the record, as it has read it last, or with what the node is seen to answer with at its own address", Bounds: "what members ask each other, their version and list included; connections as on the port for nodes, and five seconds without a word end one",
		},
		fromElsewhere("repository, for nodes, over the public network", PortClient),
		fromElsewhere("repository, between voters, over the public network", PortPeer),
		toElsewhere("the way to the repository elsewhere, for nodes", PortClient),
		toElsewhere("the way to the repository elsewhere, between voters", PortPeer),
		{
			Name: "metrics", Network: "tcp", Port: PortMetrics, Where: WhereLoopback, Address: "the loopback address that `metrics` of redoubtd.yaml names", When: "only when it is set there", From: "a monitoring system",
			Proof: "none: an address that other machines reach is refused; let a program of your monitoring on the machine read it", Bounds: "reads only; 256 connections, of which the oldest make room",
		},
		{
			Name: "local API", Network: "unix", Address: "`/run/redoubt/api.sock`", When: "always", From: "processes of this machine",
			Proof: "the kernel says who calls (SO_PEERCRED); the user's rights decide", Bounds: "as the API; 32 connections of a user, 512 of all but root",
		},
		{
			Name: "guard", Network: "unix", Address: "`/run/redoubt/guard/`, mode 0700", When: "while services may run", From: "redoubtd of this machine",
			Proof: "the kernel says who calls: root, and the process that the guard serves", Bounds: "one connection",
		},
	}
}

// fromElsewhere is where machines that only public addresses lead to come in, and toElsewhere where this node sends what is meant for them.
func fromElsewhere(name string, port int) Listener {
	return Listener{
		Name: name, Network: "tcp", Port: port, Where: WherePublic, Address: "the node's public address", When: "in a cluster with a quorum server that is on no interconnect",
		From:  "that quorum server; on the quorum server, the nodes",
		Proof: "TLS 1.3 with a node's certificate that is not revoked, both ways and from end to end: it goes on to the same port of the private address", Bounds: "who comes from another address than those on record is cut off unread; 256 connections",
	}
}

func toElsewhere(name string, port int) Listener {
	return Listener{
		Name: name, Network: "tcp", Port: port, Where: WhereCarried, Address: "the private address of the machine elsewhere, on the loopback interface", When: "in a cluster with a quorum server that is on no interconnect",
		From: "processes of this machine; the kernel refuses what comes from a network", Proof: "as at its other end, to which everything is carried unread", Bounds: "256 connections",
	}
}
