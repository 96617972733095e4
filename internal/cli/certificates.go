package cli

// certificateNoun are the certificates that the cluster gives and the authorities that give them; those of users begin with `user certificate`.
func certificateNoun() noun {
	kind := option{"kind", "", text, "only these: node, user, partner, node-authority or user-authority"}
	old := option{"old", "", boolean, "also those that have ended, were replaced or revoked"}
	list := reads("certificate", "CERTIFICATE", "list", "show")
	for i := range list {
		list[i].options = []option{kind, old}
	}
	return noun{name: "certificate", short: "Renew, revoke and show certificates, and exchange the authorities that give them", verbs: append(list,
		verb{name: "renew", short: "Give nodes another certificate, for another key", example: "redoubt certificate renew n2", operand: "NODE", kind: "node", optional: true, long: true},
		verb{name: "revoke", short: "Make certificates count no more, on every node and at once", example: `redoubt certificate revoke -y --reason "laptop stolen" ada`, operand: "CERTIFICATE", destroys: true, options: []option{
			{"reason", "", text, "why, for whoever reads the list later"},
		}},
		verb{name: "rotate-authority", short: "Exchange an authority for another, while everything runs", example: "redoubt certificate rotate-authority -y", destroys: true, long: true, options: []option{
			{"users", "", boolean, "the authority of users and partners, not that of nodes"},
			{"force", "F", boolean, "do not wait for nodes that are away, nor for certificates of users: they are shut out"},
			{"abandon", "", boolean, "give the exchange that is under way up, when the only nodes that have the key of the new authority are lost: the old one stays"},
		}},
	)}
}
