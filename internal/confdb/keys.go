package confdb

import (
	"strings"

	"redoubt/internal/cluster"
)

// The key schema. Everything lives below Root. Specs are written by people (through package control), assignments and the membership
// record by the president, statuses by the node they name. Node names hold no slash, nor does any other name.
const (
	Root              = "/redoubt/"
	KeyCluster        = Root + "cluster"       // model.Cluster
	KeyMembership     = Root + "membership"    // membership.Record
	PrefixNode        = Root + "node/"         // model.Node
	PrefixType        = Root + "type/"         // model.Type
	PrefixGroup       = Root + "group/"        // model.Group
	PrefixResource    = Root + "resource/"     // model.Resource
	PrefixWant        = Root + "want/"         // model.Want, by group
	PrefixAssign      = Root + "assign/"       // model.Assignment, by group
	PrefixInstance    = Root + "instance/"     // model.Instance, by node, then group
	PrefixFarewell    = Root + "farewell/"     // model.Farewell, by node, then group, then resource
	PrefixAccess      = Root + "access/"       // the access list: who may join
	PrefixAsk         = Root + "ask/"          // requests to the president: see engine
	PrefixAttr        = Root + "attr/"         // node attributes kept for OCF agents, by node
	PrefixRevoked     = Root + "revoked/"      // model.Revoked, by fingerprint
	PrefixCertificate = Root + "certificate/"  // model.Certificate, by fingerprint: what was given
	KeyQuorum         = Root + "quorum"        // wanted voters: quorum servers, pinned voters
	PrefixSecret      = Root + "secret/"       // model.Secret: private strings, encrypted to the nodes
	PrefixUser        = Root + "rbac/user/"    // rbac.User, by name
	PrefixUnixGrp     = Root + "rbac/group/"   // rbac.Group, by the name of the Unix group
	PrefixRole        = Root + "rbac/role/"    // rbac.Role, by name
	PrefixProfile     = Root + "rbac/profile/" // rbac.Profile, by name
	PrefixSession     = Root + "session/"      // rbac.Session, by identifier
	KeyAuthorities    = Root + "authorities"   // model.Authorities: which roots are trusted
	PrefixTrust       = Root + "trust/"        // model.Trust, by node: what is in effect there
	KeyForward        = Root + "forward"       // model.Forward: where the command logs are sent
	PrefixNetwork     = Root + "network/"      // model.Network, by node: where it is reached
	PrefixFencing     = Root + "fencing/"      // model.Fencing, by node: its agent has failed so far
	KeySchema         = Root + "schema"        // model.Schema: the version of the schema on which the cluster has agreed; without it 1
	PrefixReads       = Root + "reads/"        // model.Reads, by node: which versions its daemon reads
	KeySerial         = Root + "serial"        // written with every change of the configuration: of two that were decided on one reading only one holds
)

// KeyNode is the key of a node's record.
func KeyNode(n cluster.NodeName) string { return PrefixNode + string(n) }

// KeyType is the key of a resource type's record.
func KeyType(t cluster.TypeName) string { return PrefixType + string(t) }

// KeyGroup is the key of a group's record.
func KeyGroup(g cluster.GroupName) string { return PrefixGroup + string(g) }

// KeyResource is the key of a resource's record.
func KeyResource(r cluster.ResourceName) string { return PrefixResource + string(r) }

// KeyWant is the key of what an administrator last asked of a group.
func KeyWant(g cluster.GroupName) string { return PrefixWant + string(g) }

// KeyAssign is the key of a group's assignment.
func KeyAssign(g cluster.GroupName) string { return PrefixAssign + string(g) }

// KeyInstance is the key of a group's state on a node.
func KeyInstance(n cluster.NodeName, g cluster.GroupName) string {
	return PrefixInstance + string(n) + "/" + string(g)
}

// KeyFarewell is the key of a Fini that a node has to run when it comes back.
func KeyFarewell(n cluster.NodeName, g cluster.GroupName, r cluster.ResourceName) string {
	return PrefixFarewell + string(n) + "/" + string(g) + "/" + string(r)
}

// Name returns what follows the prefix in key.
func Name(prefix, key string) string { return strings.TrimPrefix(key, prefix) }

// Split takes a key apart: the prefix of its kind, and the rest, which has several parts where the kind has. A key of which there is only one is its own prefix.
func Split(key string) (prefix, rest string) {
	below, _ := strings.CutPrefix(key, Root)
	if kind, rest, ok := strings.Cut(below, "/"); ok {
		return Root + kind + "/", rest
	}
	return key, ""
}
