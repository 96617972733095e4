package cli

import "slices"

// The flags that many verbs share, with the letters they have in Solaris Cluster.
func optNodes() option {
	return option{"node", "n", list, "the nodes, in order of preference, separated by commas"}
}

func optProperty() option {
	return option{"property", "p", repeat, "a property, NAME=VALUE; NAME+=VALUE and NAME-=VALUE change a list"}
}

func optLimit() option {
	return option{"property", "p", repeat, "limitname=NAME, and softlimit=NUMBER and hardlimit=NUMBER, each also unlimited"}
}

// planVerb answers what-ifs.
func planVerb() verb {
	return verb{name: "plan", short: "Say where groups would run if something changed; nothing is changed", example: "redoubt plan --without n2 -o json", read: true, as: "cluster plan", options: []option{
		{"without", "", list, "nodes that would be lost, separated by commas"}, {"back", "", list, "nodes that would come back"},
		{"with", "", repeat, "a change, as it would be written after redoubt, such as 'group set -p Priority=900 web-rg'; it knows what places groups: most commands of group, node set, evacuate and those of load limits, cluster set; repeat it for each"},
	}}
}

func optGroup() option { return option{"group", "g", text, "the resource group"} }
func optForce() option { return option{"force", "F", boolean, "also when it is in use"} }

// optWait are the flags of commands that wait for what they asked for to happen.
func optWait() []option {
	return []option{{"no-wait", "", boolean, "do not wait until it has happened"}, optTimeout()}
}

func optTimeout() option {
	return option{"timeout", "", number, "seconds to wait until it has happened"}
}

func optBring() []option {
	return append(optWait(), []option{
		{"enable", "e", boolean, "enable the resources first"}, {"monitor", "m", boolean, "enable their monitoring first"},
		{"manage", "M", boolean, "manage the group first"}, optNodes(),
	}...)
}

// optKeepAway are the flags of evacuation.
func optKeepAway() []option {
	return []option{{"timeout", "T", number, "seconds in which no group comes back"}, {"no-wait", "", boolean, "do not wait until it has happened"}}
}

func optRecursive() option {
	return option{"recursive", "R", boolean, "also the resources that depend on it (enable: that it depends on)"}
}

// reads makes the verbs list, show and status for a noun.
func reads(noun, operand string, names ...string) []verb {
	about := map[string]string{"list": "List the names", "show": "Show the configuration", "status": "Show the state now", "list-props": "List the properties"}
	var vs []verb
	for _, n := range names {
		vs = append(vs, verb{
			name: n, short: about[n], example: "redoubt " + noun + " " + n + " -o json",
			operand: operand, optional: operand != "", read: true,
		})
	}
	return vs
}

func nouns() []noun {
	return []noun{
		clusterNoun(), nodeNoun(), quorumNoun(), interconnectNoun(), accessNoun(), authNoun(), typeNoun(), groupNoun(), resourceNoun(), logicalHostnameNoun(), sharedAddressNoun(), secretNoun(), userNoun(), roleNoun(), profileNoun(), sessionNoun(), certificateNoun(), attributeNoun(), logNoun(),
	}
}

func clusterNoun() noun {
	status := verb{name: "status", short: "Show the state of the whole cluster", example: "redoubt cluster status -w", read: true, options: []option{optFollow()}, act: follow}
	return noun{name: "cluster", short: "Create, watch and change the cluster", verbs: append(reads("cluster", "", "list", "show"), status,
		verb{name: "create", short: "Make a new cluster of this node", example: "redoubt cluster create --name demo --node n1 --interconnect 10.77.1.0/24 --interconnect 10.77.2.0/24", long: true, options: []option{
			{"name", "", text, "the cluster's name"}, {"node", "", text, "this node's name"},
			{"interconnect", "", repeat, "a private network as CIDR; repeat it for each"}, {"public", "", repeat, "a public network as CIDR"},
			{"profile", "", text, "the heartbeat profile: default, fast or wan"},
		}},
		planVerb(),
		verb{name: "set", short: "Change properties of the cluster", example: "redoubt cluster set -p heartbeat_timeout=500", long: true, options: []option{optProperty()}},
		verb{name: "check", short: "Look for what could go wrong", example: "redoubt cluster check -s warning -E RC-NET-003", read: true, act: clusterCheck, options: []option{
			{"check", "C", list, "only these checks, by identifier, separated by commas"}, {"exclude", "E", list, "not these checks"},
			{"severity", "s", text, "only checks that are at least so severe: error, warning or info"},
			{"vulndb", "", text, "a database of vulnerabilities of Go modules, such as vuln.go.dev gives: a folder of JSON files or a zip file of one; the dependencies of every node are looked up in it, here"},
		}},
		verb{name: "list-checks", short: "List the checks that cluster check runs", example: "redoubt cluster list-checks -v", read: true},
		verb{name: "verify", short: "Check that every record of the repository is whole", example: "redoubt cluster verify", read: true},
		verb{name: "export", short: "Print the configuration as a document that apply reads", example: "redoubt cluster export -o json", read: true, format: "yaml", act: exportWithSecrets, options: []option{
			{"secrets-to", "", text, "also the private strings, encrypted to this key, age1…"}, {"secrets-passphrase", "", boolean, "also the private strings, under a passphrase that is asked for"},
			{"passphrase-file", "", text, "the file with that passphrase"},
		}},
		verb{name: "apply", short: "Make the configuration what a document says", example: "redoubt cluster apply --dry-run -f demo.yaml", long: true, act: apply, options: []option{
			{"file", "f", text, "the document, YAML or JSON; - is standard input"}, {"dry-run", "", boolean, "only say what would be done"},
			{"prune", "", boolean, "delete groups, resources and types that the document does not have"},
			{"secrets-identity", "", text, "the file with the key that opens the document's private strings"}, {"passphrase-file", "", text, "the file with their passphrase; - is standard input"},
		}},
		verb{name: "snapshot", short: "Copy the repository into a file that restore reads", example: "redoubt cluster snapshot /var/backups/redoubt.db", read: true, operand: fileOperand, act: snapshot},
		verb{name: "upgrade", short: "Show or commit the version of the repository's schema", example: "redoubt cluster upgrade --commit", options: []option{
			{"commit", "", boolean, "make the newest version that every node reads count; older releases are refused from then on"},
		}},
		verb{name: "shutdown", short: "Take every group offline and stop the cluster", example: "redoubt cluster shutdown -y -g 60", destroys: true, long: true, options: []option{
			{"grace", "g", number, "seconds to wait before it begins"}, {"message", "m", text, "what to tell the users"},
		}},
	)}
}

// nodeReads are the reading verbs of nodes; the list says more with -v.
func nodeReads() []verb {
	vs := reads("node", "NODE", "list", "show", "status")
	vs[0].act, vs[0].example = nodeList, "redoubt node list -v"
	return vs
}

func nodeNoun() noun {
	return noun{name: "node", short: "Join, remove and evacuate nodes", old: []string{"clnode"}, verbs: append(nodeReads(),
		verb{name: "join", short: "Join this machine to a cluster", example: "redoubt node join --sponsor n1 --fingerprint SHA256:4f1c", long: true, options: []option{
			{"sponsor", "", text, "a node of the cluster: name or address"}, {"fingerprint", "", text, "the fingerprint of the cluster's certificate, as cluster show prints it"},
			{"node", "", text, "this node's name, if it is not the host's"}, {"address", "", repeat, "this node's address on an interconnect, if it can not be found out; repeat it for each"},
			{"public", "", text, "of a quorum server that is on no interconnect: its address, if it is not the one with which it reaches the sponsor"},
			{"token-file", "", text, "the file with the token that access allow printed; - is standard input. It holds the fingerprint too"},
			{"wait", "", number, "seconds to wait until this machine's key is approved; 600 if not given"}, {"show-key", "", boolean, "only print the fingerprint of this machine's key"},
		}, act: join},
		verb{name: "key", short: "Show the key with which this machine joins", example: "redoubt node key", read: true},
		verb{name: "add", short: "Make a machine join that has authorised this node", example: "redoubt node add n2 --fingerprint SHA256:4f1c", operand: "NODE", long: true, options: []option{
			{"fingerprint", "", text, "the fingerprint of the machine's key, as redoubt auth show prints it there"}, {"address", "", text, "where the machine is, if its name is not enough"},
		}},
		verb{name: "configure", short: "Join the cluster of the control node that calls", example: "redoubt node configure --node n2", hidden: true, options: []option{
			{"node", "", text, "this machine's name"}, {"sponsor", "", text, "where the control node is"},
		}},
		verb{name: "remove", short: "Remove a node from the cluster", example: "redoubt node remove -y n3", operand: "NODE", destroys: true, options: []option{optForce()}},
		verb{name: "evacuate", short: "Move every group off a node", example: "redoubt node evacuate -T 60 n2", operand: "NODE", long: true, options: optKeepAway()},
		verb{name: "set", short: "Change properties of a node", example: "redoubt node set -p privatehostname=n1-priv n1", operand: "NODE", options: []option{optProperty()}},
		verb{name: "create-loadlimit", short: "Limit a kind of load on a node", example: "redoubt node create-loadlimit -p limitname=mem -p softlimit=48 -p hardlimit=64 n1", operand: "NODE", options: []option{optLimit()}},
		verb{name: "set-loadlimit", short: "Change a load limit of a node", example: "redoubt node set-loadlimit -p limitname=mem -p hardlimit=unlimited n1", operand: "NODE", options: []option{optLimit()}},
		verb{name: "delete-loadlimit", short: "Take load limits of a node away", example: "redoubt node delete-loadlimit -y -p limitname=mem n1", operand: "NODE", destroys: true, options: []option{optLimit()}},
		verb{name: "set-fence", short: "Configure the fence agent of a node", example: "redoubt node set-fence -a fence_ipmilan -p ip=10.0.0.9 -p password_file=/etc/redoubt/n1.fence n1", operand: "NODE", options: []option{
			{"agent", "a", text, "the fence agent, such as fence_ipmilan"}, {"property", "p", repeat, "an option of the agent, NAME=VALUE; a secret only as NAME_file=PATH"},
			{"timeout", "T", number, "seconds the agent may take"},
		}},
		verb{name: "clear-fence", short: "Take the fence agent of a node away", example: "redoubt node clear-fence -y n1", operand: "NODE", destroys: true},
	)}
}

func quorumNoun() noun {
	return noun{name: "quorum", short: "See and change who votes", old: []string{"clquorum", "clq"}, verbs: append(reads("quorum", "DEVICE", "list", "show", "status"),
		verb{name: "add", short: "Add a quorum server", example: "redoubt quorum add -t quorum_server -p qshost=q1 q1", operand: "DEVICE", options: []option{
			{"type", "t", text, "the kind of device: quorum_server"}, optProperty(),
		}},
		verb{name: "remove", short: "Remove a quorum server", example: "redoubt quorum remove -y q1", operand: "DEVICE", destroys: true},
	)}
}

func interconnectNoun() noun {
	verbs := reads("interconnect", "NETWORK", "show", "status")
	for _, v := range []verb{
		{name: "add", short: "Add a private network"}, {name: "remove", short: "Remove a private network", destroys: true},
		{name: "enable", short: "Use a private network again"}, {name: "disable", short: "Stop using a private network", destroys: true},
	} {
		v.operand, v.example = "NETWORK", "redoubt interconnect "+v.name+" 10.77.2.0/24"
		verbs = append(verbs, v)
	}
	return noun{name: "interconnect", short: "See and change the private networks", old: []string{"clinterconnect", "clintr"}, verbs: verbs}
}

func accessNoun() noun {
	hosts := []option{{"host", "h", list, "the hosts, separated by commas"}}
	expires := option{"expires", "", number, "seconds until the permission ends; an hour if not given"}
	return noun{name: "access", short: "Say which machines may join", old: []string{"claccess"}, verbs: append(reads("access", "", "list", "show"),
		verb{name: "allow", short: "Let a host join, once", example: "redoubt access allow -h n2 --key SHA256:4f1c", options: append(slices.Clone(hosts), expires,
			option{"key", "", text, "the fingerprint of the host's key, as redoubt node key prints it there; without it the key has to be approved when the host asks"},
			option{"token", "", boolean, "print a token that the host joins with, once"},
			option{"address", "", repeat, "an address that the host may call from; repeat it for each"},
		)},
		verb{name: "approve", short: "Let the machine join that waits with a key", example: "redoubt access approve n2 SHA256:4f1c", operand: "HOST"},
		verb{name: "deny", short: "Take back a permission to join", example: "redoubt access deny -h n2", options: hosts},
		verb{name: "allow-all", short: "Let any host join", example: "redoubt access allow-all -y", destroys: true, options: []option{expires}},
		verb{name: "deny-all", short: "Let no host join", example: "redoubt access deny-all"},
		verb{name: "set", short: "Change properties of the access control", example: "redoubt access set -p protocol=key", options: []option{optProperty()}},
	)}
}

func authNoun() noun {
	return noun{name: "auth", short: "Say which node may make this machine join its cluster", old: []string{"clauth"}, verbs: []verb{
		{name: "enable", short: "Authorise a node to make this machine join its cluster", example: "redoubt auth enable -n n1 --fingerprint SHA256:4f1c", options: []option{
			{"node", "n", text, "the control node: a node of the cluster"}, {"fingerprint", "", text, "the fingerprint of its cluster, as cluster show prints it there"},
			{"address", "", text, "where the control node is, if its name is not enough"}, {"expires", "", number, "seconds until the authorisation ends; an hour if not given"},
		}},
		{name: "disable", short: "Let no node make this machine join", example: "redoubt auth disable"},
		{name: "show", short: "Show who may make this machine join, and its key", example: "redoubt auth show", read: true},
	}}
}

func typeNoun() noun {
	return noun{name: "type", short: "Register resource types", old: []string{"clresourcetype", "clrt"}, verbs: append(reads("type", "TYPE", "list", "show", "list-props"),
		verb{name: "register", short: "Make a resource type known to the cluster", example: "redoubt type register redoubt.gds", operand: "TYPE", options: []option{
			{"file", "f", text, "the type's folder"}, optNodes(), {"all-nodes", "N", boolean, "installed on every node"}, optProperty(),
		}},
		verb{name: "unregister", short: "Forget a resource type", example: "redoubt type unregister -y redoubt.gds", operand: "TYPE", destroys: true},
		verb{name: "set", short: "Change properties of a resource type", example: "redoubt type set -n n1,n2 redoubt.gds", operand: "TYPE", options: []option{
			optNodes(), {"all-nodes", "N", boolean, "installed on every node"}, optProperty(),
		}},
	)}
}

// attributeNoun is for the agents' tools and for whoever looks after them.
func attributeNoun() noun {
	node, name := option{"node", "n", text, "the node; the answering one if not given"}, option{"name", "", text, "the attribute"}
	return noun{name: "attribute", short: "Values that OCF agents keep for nodes", hidden: true, verbs: []verb{
		{name: "list", short: "List the attributes", example: "redoubt attribute list -n n1", read: true, options: []option{node}},
		{name: "get", short: "Show an attribute", example: "redoubt attribute get --name master-db", read: true, options: []option{node, name}},
		{name: "set", short: "Set an attribute", example: "redoubt attribute set --name master-db --value 100", options: []option{
			node, name, {"value", "", text, "its value"}, {"transient", "", boolean, "it ends with the node's incarnation"},
		}},
		{name: "delete", short: "Delete an attribute", example: "redoubt attribute delete -y --name master-db", destroys: true, options: []option{node, name}},
	}}
}
