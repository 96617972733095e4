package cluster

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
	Address string // on which addresses
	When    string // in which state of the node
	From    string // who connects
	Proof   string // what the other side has to prove, and how what is sent is protected
	Bounds  string // what keeps a stranger from using it up
}

// Listeners is everything on which a node listens. Nothing of the program listens that is not in it.
func Listeners() []Listener {
	return []Listener{
		{
			Name: "heartbeats", Network: "udp", Port: PortHeartbeat, Address: "the node's address on each interconnect", When: "in a cluster", From: "nodes and quorum servers of the cluster",
			Proof:  "every datagram is sealed (ChaCha20-Poly1305) with a key that only the two nodes can compute; counters and sessions refuse what is replayed",
			Bounds: "datagrams of fixed length; what does not open is dropped unread",
		},
		{
			Name: "API", Network: "tcp", Port: PortAPI, Address: "all, or `listen.api` of redoubtd.yaml", When: "in a cluster; before, only while a sponsor is authorised (`redoubt auth enable`)",
			From: "nodes, users with a certificate, machines that ask to join", Proof: "TLS 1.3; a certificate of the cluster's authorities that is not revoked; without one, only the operations that joining needs, which decide by the access list",
			Bounds: "header 32 KiB, body 8 MiB read within 30 s, connections and rates per address, lockout after failed attempts",
		},
		{
			Name: "repository, for nodes", Network: "tcp", Port: PortClient, Address: "the node's private address", When: "on voters", From: "nodes of the cluster",
			Proof: "TLS 1.3 with a node's certificate that is not revoked, both ways", Bounds: "requests of at most 1.5 MiB, snapshots excepted",
		},
		{
			Name: "repository, between voters", Network: "tcp", Port: PortPeer, Address: "the node's private address", When: "on voters", From: "voters and learners of the repository",
			Proof: "TLS 1.3 with a node's certificate that is not revoked, both ways", Bounds: "members of the repository only",
		},
		{
			Name: "metrics", Network: "tcp", Port: PortMetrics, Address: "as `metrics` of redoubtd.yaml says", When: "only when it is set there", From: "a monitoring system",
			Proof: "none: give it a loopback or management address", Bounds: "reads only",
		},
		{
			Name: "local API", Network: "unix", Address: "`/run/redoubt/api.sock`", When: "always", From: "processes of this machine",
			Proof: "the kernel says who calls (SO_PEERCRED); the user's rights decide", Bounds: "as the API; connections per user",
		},
		{
			Name: "guard", Network: "unix", Address: "`/run/redoubt/guard/`, mode 0700", When: "while services may run", From: "redoubtd of this machine",
			Proof: "the kernel says who calls: root, and the process that the guard serves", Bounds: "one connection",
		},
	}
}
