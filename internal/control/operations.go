package control

import (
	"slices"

	v1 "redoubt/api/v1"
)

// Operations returns the table of operations: everything that can be asked, what it needs and who may ask. For each entry there is one method of Control, called
// after noun and verb, and one input type in api/v1 of the same name.
func Operations() []v1.Operation { return slices.Clone(operations) }

func operationByName(name string) (v1.Operation, bool) {
	for _, op := range operations {
		if op.Noun+" "+op.Verb == name {
			return op, true
		}
	}
	return v1.Operation{}, false
}

var operations = []v1.Operation{
	{Noun: "cluster", Verb: "create", Authorization: v1.AuthModify, Summary: "Make a new cluster of this node", Single: true},
	{Noun: "cluster", Verb: "list", Read: true, Authorization: v1.AuthRead, Summary: "List the cluster's name"},
	{Noun: "cluster", Verb: "show", Read: true, Authorization: v1.AuthRead, Summary: "Show the cluster's configuration"},
	{Noun: "cluster", Verb: "status", Read: true, Authorization: v1.AuthRead, Summary: "Show the state of the whole cluster", Single: true},
	{Noun: "cluster", Verb: "set", Authorization: v1.AuthModify, Summary: "Change properties of the cluster"},
	{Noun: "cluster", Verb: "check", Read: true, Authorization: v1.AuthRead, Summary: "Look for what could go wrong"},
	{Noun: "cluster", Verb: "verify", Read: true, Authorization: v1.AuthRead, Summary: "Check that every record of the repository is whole"},
	{Noun: "cluster", Verb: "export", Read: true, Authorization: v1.AuthRead, Summary: "Give the configuration as a document that apply reads"},
	{Noun: "cluster", Verb: "apply", Authorization: v1.AuthModify, Summary: "Make the configuration what a document says"},
	{Noun: "cluster", Verb: "snapshot", Read: true, Authorization: v1.AuthModify, Summary: "Copy the repository", Stream: true},
	{Noun: "cluster", Verb: "shutdown", Authorization: v1.AuthAdmin, Summary: "Take every group offline and stop the cluster"},
	{Noun: "node", Verb: "list", Read: true, Authorization: v1.AuthRead, Summary: "List the nodes"},
	{Noun: "node", Verb: "show", Read: true, Authorization: v1.AuthRead, Summary: "Show the configuration of nodes"},
	{Noun: "node", Verb: "status", Read: true, Authorization: v1.AuthRead, Summary: "Show the state of nodes"},
	{Noun: "node", Verb: "join", Authorization: v1.AuthModify, Summary: "Join this machine to a cluster", Single: true},
	{Noun: "node", Verb: "admit", Authorization: v1.AuthModify, Summary: "Admit a machine that asks to join", Open: true},
	{Noun: "node", Verb: "remove", Authorization: v1.AuthModify, Summary: "Remove nodes from the cluster"},
	{Noun: "node", Verb: "evacuate", Authorization: v1.AuthAdmin, Summary: "Move every group off nodes"},
	{Noun: "node", Verb: "set", Authorization: v1.AuthModify, Summary: "Change properties of nodes"},
	{Noun: "node", Verb: "set-fence", Authorization: v1.AuthModify, Summary: "Configure the fence agent of nodes"},
	{Noun: "node", Verb: "clear-fence", Authorization: v1.AuthModify, Summary: "Take the fence agent of nodes away"},
	{Noun: "quorum", Verb: "list", Read: true, Authorization: v1.AuthRead, Summary: "List the voters"},
	{Noun: "quorum", Verb: "show", Read: true, Authorization: v1.AuthRead, Summary: "Show who votes and who could"},
	{Noun: "quorum", Verb: "status", Read: true, Authorization: v1.AuthRead, Summary: "Show the votes"},
	{Noun: "quorum", Verb: "add", Authorization: v1.AuthModify, Summary: "Let a quorum server join"},
	{Noun: "quorum", Verb: "remove", Authorization: v1.AuthModify, Summary: "Remove quorum servers"},
	{Noun: "interconnect", Verb: "show", Read: true, Authorization: v1.AuthRead, Summary: "Show the private networks"},
	{Noun: "interconnect", Verb: "status", Read: true, Authorization: v1.AuthRead, Summary: "Show the paths between the nodes"},
	{Noun: "interconnect", Verb: "add", Authorization: v1.AuthModify, Summary: "Add private networks"},
	{Noun: "interconnect", Verb: "remove", Authorization: v1.AuthModify, Summary: "Remove private networks"},
	{Noun: "interconnect", Verb: "enable", Authorization: v1.AuthModify, Summary: "Use private networks again"},
	{Noun: "interconnect", Verb: "disable", Authorization: v1.AuthModify, Summary: "Stop using private networks"},
	{Noun: "access", Verb: "list", Read: true, Authorization: v1.AuthRead, Summary: "List the hosts that may join"},
	{Noun: "access", Verb: "show", Read: true, Authorization: v1.AuthRead, Summary: "Show the access list"},
	{Noun: "access", Verb: "allow", Authorization: v1.AuthModify, Summary: "Let hosts join, once each"},
	{Noun: "access", Verb: "deny", Authorization: v1.AuthModify, Summary: "Take the permission of hosts back"},
	{Noun: "access", Verb: "allow-all", Authorization: v1.AuthModify, Summary: "Let every host join"},
	{Noun: "access", Verb: "deny-all", Authorization: v1.AuthModify, Summary: "Let no host join"},
	{Noun: "access", Verb: "set", Authorization: v1.AuthModify, Summary: "Change properties of the access control"},
	{Noun: "type", Verb: "list", Read: true, Authorization: v1.AuthRead, Summary: "List the resource types"},
	{Noun: "type", Verb: "show", Read: true, Authorization: v1.AuthRead, Summary: "Show resource types"},
	{Noun: "type", Verb: "list-props", Read: true, Authorization: v1.AuthRead, Summary: "List the properties of resource types"},
	{Noun: "type", Verb: "register", Authorization: v1.AuthModify, Summary: "Make resource types known to the cluster"},
	{Noun: "type", Verb: "unregister", Authorization: v1.AuthModify, Summary: "Forget resource types"},
	{Noun: "type", Verb: "set", Authorization: v1.AuthModify, Summary: "Change properties of resource types"},
	{Noun: "group", Verb: "list", Read: true, Authorization: v1.AuthRead, Summary: "List the groups"},
	{Noun: "group", Verb: "show", Read: true, Authorization: v1.AuthRead, Summary: "Show the configuration of groups"},
	{Noun: "group", Verb: "status", Read: true, Authorization: v1.AuthRead, Summary: "Show the state of groups"},
	{Noun: "group", Verb: "list-props", Read: true, Authorization: v1.AuthRead, Summary: "List the properties that groups have"},
	{Noun: "group", Verb: "create", Authorization: v1.AuthModify, Summary: "Create groups"},
	{Noun: "group", Verb: "delete", Authorization: v1.AuthModify, Summary: "Delete groups"},
	{Noun: "group", Verb: "online", Authorization: v1.AuthAdmin, Summary: "Bring groups online"},
	{Noun: "group", Verb: "offline", Authorization: v1.AuthAdmin, Summary: "Take groups offline"},
	{Noun: "group", Verb: "switch", Authorization: v1.AuthAdmin, Summary: "Move groups to the nodes named"},
	{Noun: "group", Verb: "restart", Authorization: v1.AuthAdmin, Summary: "Take groups offline and online again where they are"},
	{Noun: "group", Verb: "remaster", Authorization: v1.AuthAdmin, Summary: "Move groups to their most preferred nodes"},
	{Noun: "group", Verb: "suspend", Authorization: v1.AuthAdmin, Summary: "Stop automatic recovery of groups"},
	{Noun: "group", Verb: "resume", Authorization: v1.AuthAdmin, Summary: "Start automatic recovery of groups again"},
	{Noun: "group", Verb: "quiesce", Authorization: v1.AuthAdmin, Summary: "Stop groups from moving about"},
	{Noun: "group", Verb: "manage", Authorization: v1.AuthModify, Summary: "Put groups under the control of the cluster"},
	{Noun: "group", Verb: "unmanage", Authorization: v1.AuthModify, Summary: "Release groups from the control of the cluster"},
	{Noun: "group", Verb: "set", Authorization: v1.AuthModify, Summary: "Change properties of groups"},
	{Noun: "group", Verb: "add-node", Authorization: v1.AuthModify, Summary: "Add nodes to the nodelist"},
	{Noun: "group", Verb: "remove-node", Authorization: v1.AuthModify, Summary: "Remove nodes from the nodelist"},
	{Noun: "group", Verb: "evacuate", Authorization: v1.AuthAdmin, Summary: "Move groups off nodes"},
	{Noun: "resource", Verb: "list", Read: true, Authorization: v1.AuthRead, Summary: "List the resources"},
	{Noun: "resource", Verb: "show", Read: true, Authorization: v1.AuthRead, Summary: "Show the configuration of resources"},
	{Noun: "resource", Verb: "status", Read: true, Authorization: v1.AuthRead, Summary: "Show the state of resources"},
	{Noun: "resource", Verb: "list-props", Read: true, Authorization: v1.AuthRead, Summary: "List the properties of resources"},
	{Noun: "resource", Verb: "create", Authorization: v1.AuthModify, Summary: "Create resources"},
	{Noun: "resource", Verb: "create-logicalhostname", Authorization: v1.AuthModify, Summary: "Create an address that moves with its group"},
	{Noun: "resource", Verb: "delete", Authorization: v1.AuthModify, Summary: "Delete resources"},
	{Noun: "resource", Verb: "enable", Authorization: v1.AuthAdmin, Summary: "Enable resources"},
	{Noun: "resource", Verb: "disable", Authorization: v1.AuthAdmin, Summary: "Disable resources"},
	{Noun: "resource", Verb: "monitor", Authorization: v1.AuthAdmin, Summary: "Start monitoring resources"},
	{Noun: "resource", Verb: "unmonitor", Authorization: v1.AuthAdmin, Summary: "Stop monitoring resources"},
	{Noun: "resource", Verb: "clear", Authorization: v1.AuthAdmin, Summary: "Clear an error flag after the cause is gone"},
	{Noun: "resource", Verb: "set", Authorization: v1.AuthModify, Summary: "Change properties of resources"},
	{Noun: "scha_resource_get", Verb: "call", Read: true, Authorization: v1.AuthRead, Summary: "Give a property of a resource to an agent"},
	{Noun: "scha_resourcegroup_get", Verb: "call", Read: true, Authorization: v1.AuthRead, Summary: "Give a property of a group to an agent"},
	{Noun: "scha_resourcetype_get", Verb: "call", Read: true, Authorization: v1.AuthRead, Summary: "Give a property of a type to an agent"},
	{Noun: "scha_cluster_get", Verb: "call", Read: true, Authorization: v1.AuthRead, Summary: "Give a property of the cluster to an agent"},
	{Noun: "scha_control", Verb: "call", Authorization: v1.AuthAdmin, Summary: "Ask for a restart or a giveover, as an agent"},
	{Noun: "scha_resource_setstatus", Verb: "call", Authorization: v1.AuthAdmin, Summary: "Report the health of a resource, as an agent"},
	{Noun: "attribute", Verb: "get", Read: true, Authorization: v1.AuthRead, Summary: "Show an attribute of a node"},
	{Noun: "attribute", Verb: "list", Read: true, Authorization: v1.AuthRead, Summary: "List the attributes of nodes"},
	{Noun: "attribute", Verb: "set", Authorization: v1.AuthAdmin, Summary: "Set an attribute of a node"},
	{Noun: "attribute", Verb: "delete", Authorization: v1.AuthAdmin, Summary: "Delete an attribute of a node"},
	{Noun: "peer", Verb: "facts", Read: true, Authorization: v1.AuthRead, Summary: "Tell what only this node knows of itself", Peer: true},
	{Noun: "peer", Verb: "describe", Read: true, Authorization: v1.AuthRead, Summary: "Describe a resource type as this node has it", Peer: true},
	{Noun: "peer", Verb: "validate", Authorization: v1.AuthAdmin, Summary: "Run a Validate method on this node", Peer: true},
	{Noun: "peer", Verb: "monitor-check", Authorization: v1.AuthAdmin, Summary: "Run a Monitor_check method on this node", Peer: true},
	{Noun: "peer", Verb: "ask", Authorization: v1.AuthAdmin, Summary: "Hand a request to the executor of this node", Peer: true},
	{Noun: "peer", Verb: "leave", Authorization: v1.AuthAdmin, Summary: "Leave the cluster in good order", Peer: true},
}
