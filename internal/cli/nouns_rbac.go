package cli

// The flags that say what is granted, with the letters that Solaris has for them.
func optGrant() []option {
	return []option{
		{"profile", "P", list, "rights profiles, separated by commas"}, {"authorization", "A", list, "authorizations, such as cluster.group.admin; the prefix solaris. may stand before them"},
		{"scope", "s", text, "where it counts: cluster (if not given), group:NAME or zone:NAME"},
	}
}

func optUnixGroup() option {
	return option{"unix-group", "g", boolean, "the names are those of Unix groups"}
}

func optPasswordFile() option {
	return option{"file", "f", text, "the file with the password; - is standard input"}
}

func userNoun() noun {
	roles := option{"role", "R", list, "roles that the users may assume, separated by commas"}
	vs := reads("user", "USER", "list", "show")
	for i := range vs {
		vs[i].options = []option{optUnixGroup()}
	}
	return noun{name: "user", short: "Say who may do what", verbs: append(vs,
		verb{name: "can", short: "Explain whether a user may do something: USER OPERATION [OBJECT]", example: `redoubt user can alice "group switch" web-rg`, operand: "USER", read: true, act: userCan, options: []option{
			{"unix-group", "g", list, "as if the user were in these Unix groups"}, {"role", "R", text, "as if the user were in this role"},
		}},
		verb{name: "whoami", short: "Show who you are to the cluster and what you hold", example: "redoubt whoami", read: true},
		verb{name: "grant", short: "Grant profiles, authorizations and roles", example: `redoubt user grant -P 'Cluster Operation' -s group:web-rg alice`, operand: "USER", options: append(optGrant(), roles, optUnixGroup())},
		verb{name: "revoke", short: "Take profiles, authorizations and roles back", example: `redoubt user revoke -P 'Cluster Operation' alice`, operand: "USER", options: append(optGrant(), roles, optUnixGroup())},
		verb{name: "delete", short: "Take everything from users, their certificates too", example: "redoubt user delete -y alice", operand: "USER", destroys: true, options: []option{optUnixGroup()}},
		verb{name: "certificate", short: "Make a key and a certificate with which a user is known over the network: on a node, for oneself; as root for anybody", example: "redoubt user certificate --dir /root/alice alice", operand: "USER", act: userCertificate, options: []option{
			{"dir", "d", text, "the folder for the key, the certificate and the authority of the nodes; this one if not given"},
			{"request", "", text, "a signing request, PEM or DER: the key then stays where it is"}, {"days", "", number, "how long it holds: 1 to 825"},
			{"revoke", "", boolean, "revoke the certificates of the user instead"}, {"fingerprint", "", text, "with --revoke: only this one"},
		}},
		verb{name: "revoke-certificate", short: "Revoke the certificates of users", example: "redoubt user revoke-certificate -y alice", operand: "USER", destroys: true, options: []option{
			{"fingerprint", "", text, "only the one with this fingerprint"},
		}},
	)}
}

func roleNoun() noun {
	describe := option{"description", "d", text, "what it is for"}
	return noun{name: "role", short: "Keep roles, which users assume with a password", verbs: append(reads("role", "ROLE", "list", "show"),
		verb{name: "create", short: "Create a role; its password comes from the terminal, standard input or a file", example: `redoubt role create -P 'Cluster Management' -f /root/boss.password boss`, operand: "ROLE", act: withPassword, options: append(optGrant(), describe, optPasswordFile())},
		verb{name: "delete", short: "Delete roles", example: "redoubt role delete -y boss", operand: "ROLE", destroys: true},
		verb{name: "set", short: "Change properties of roles", example: `redoubt role set -d 'on call' boss`, operand: "ROLE", options: []option{describe}},
		verb{name: "grant", short: "Grant profiles and authorizations to roles", example: `redoubt role grant -P 'Cluster Operation' boss`, operand: "ROLE", options: optGrant()},
		verb{name: "revoke", short: "Take profiles and authorizations from roles", example: `redoubt role revoke -P 'Cluster Operation' boss`, operand: "ROLE", options: optGrant()},
		verb{name: "password", short: "Give a role another password; whoever is in it is no longer", example: "redoubt role password -f /root/boss.password boss", operand: "ROLE", act: withPassword, options: []option{optPasswordFile()}},
		verb{name: "assume", short: "Take on a role: a shell in which commands are in the role", example: "redoubt role assume boss", operand: "ROLE", act: assume, options: []option{optPasswordFile()}},
		verb{name: "drop", short: "Leave the role that was assumed", example: "redoubt role drop"},
	)}
}

func profileNoun() noun {
	parts := []option{
		{"description", "d", text, "what it is for"}, {"authorization", "A", list, "authorizations, separated by commas"}, {"profile", "P", list, "profiles to put into it, separated by commas"},
	}
	return noun{name: "profile", short: "Keep rights profiles: authorizations under a name", verbs: append(reads("profile", "PROFILE", "list", "show"),
		verb{name: "create", short: "Create a rights profile", example: `redoubt profile create -A cluster.group.admin -P 'Cluster Read' 'Web Team'`, operand: "PROFILE", options: parts},
		verb{name: "set", short: "Change what is in a rights profile", example: `redoubt profile set -A cluster.group.admin,cluster.resource.admin 'Web Team'`, operand: "PROFILE", options: parts},
		verb{name: "delete", short: "Delete rights profiles that nobody holds", example: `redoubt profile delete -y 'Web Team'`, operand: "PROFILE", destroys: true},
	)}
}
