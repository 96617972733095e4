package cli

import "slices"

func groupNoun() noun {
	kill := option{"kill", "k", boolean, "kill the methods that run"}
	vs := reads("group", "GROUP", "list", "show", "status", "list-props")
	vs[0].options = []option{optNodes(), {"state", "s", list, "only those in one of these states"}, {"type", "t", list, "only those with a resource of one of these types"}}
	vs = append(vs, verb{name: "why", short: "Explain where groups are and why not elsewhere", example: "redoubt group why web-rg", operand: "GROUP", optional: true, read: true})
	add := func(name, short, flags string, destroys bool, options ...option) *verb {
		example := "redoubt group " + name + " "
		if flags != "" {
			example += flags + " "
		}
		vs = append(vs, verb{name: name, short: short, example: example + "web-rg", operand: "GROUP", options: options, destroys: destroys})
		return &vs[len(vs)-1]
	}
	moves := func(v *verb) { v.long = true }
	add("create", "Create resource groups", "-n n1,n2,n3", false, option{"scalable", "S", boolean, "on all its nodes at once"}, optNodes(), optProperty())
	moves(add("delete", "Delete resource groups", "-y -F", true, optForce()))
	moves(add("online", "Bring groups online", "-eM", false, optBring()...))
	moves(add("offline", "Take groups offline", "-y", true, append(optWait(), optNodes())...))
	moves(add("switch", "Move groups to the nodes named", "-n n2", false, optBring()...))
	moves(add("restart", "Take groups offline and online again where they are", "-y", true, append(optWait(), optNodes())...))
	moves(add("remaster", "Move groups to their most preferred nodes", "", false, optWait()...))
	add("suspend", "Stop automatic recovery of groups", "", false, kill)
	add("resume", "Start automatic recovery of groups again", "", false)
	moves(add("quiesce", "Stop groups from moving about", "-k", false, optTimeout(), kill))
	add("manage", "Put groups under the control of the cluster", "", false)
	add("unmanage", "Release groups from the control of the cluster", "-y", true)
	add("set", "Change properties of groups", "-p Failback=true", false, optNodes(), optProperty())
	add("add-node", "Add nodes to the nodelist", "-n n3", false, option{"scalable", "S", boolean, "raise the number of primaries too"}, optNodes())
	add("remove-node", "Remove nodes from the nodelist", "-y -n n3", true, optNodes())
	vs = append(vs, verb{name: "evacuate", short: "Move groups off nodes", example: "redoubt group evacuate -n n2 -T 60 +", operand: "GROUP", long: true, options: append(optKeepAway(), optNodes())})
	return noun{name: "group", short: "Create, move and watch resource groups", old: []string{"clresourcegroup", "clrg"}, verbs: vs}
}

// optCreate are the flags with which a resource is made.
func optCreate() []option {
	return append(optWait(), optGroup(), option{"disabled", "d", boolean, "leave it disabled"}, optProperty(), optExtension(), optStandard())
}

func optExtension() option {
	return option{"extension", "x", repeat, "an extension property, NAME=VALUE"}
}

func optStandard() option { return option{"standard", "y", repeat, "a standard property, NAME=VALUE"} }

func optLogicalHostname() []option {
	return append(optCreate(),
		option{"host", "h", list, "host names whose addresses are served"},
		option{"netif", "N", list, "interface@node, where it is not the one with the address's network"},
		option{"address", "", repeat, "an address with its prefix length, such as 10.77.0.100/24"})
}

func resourceNoun() noun {
	sel := []option{optGroup(), {"type", "t", text, "only those of this type"}, optNodes()}
	// with gives the flags that select, and more; no two commands share a slice.
	with := func(more ...option) []option { return append(slices.Clone(sel), more...) }
	vs := reads("resource", "RESOURCE", "list", "show", "status", "list-props")
	for i := range vs {
		vs[i].options = with()
	}
	vs[3].options = with(option{"list", "l", text, "which: all, extension or standard"})
	add := func(name, short, flags string, destroys bool, options ...option) *verb {
		vs = append(vs, verb{name: name, short: short, example: "redoubt resource " + name + " " + flags + "web", operand: "RESOURCE", options: options, destroys: destroys})
		return &vs[len(vs)-1]
	}
	moves := func(v *verb) { v.long = true }
	moves(add("create", "Create resources", "-g web-rg -t redoubt.gds -p Start_command='/srv/web -l 8080' ", false, append(optCreate(), option{"type", "t", text, "the resource type"})...))
	moves(add("create-logicalhostname", "Create an address that moves with its group", "-g web-rg --address 10.77.0.100/24 ", false, optLogicalHostname()...))
	moves(add("create-sharedaddress", "Create an address whose load scalable services share", "-g address-rg --address 10.77.0.100/24 ", false, optLogicalHostname()...))
	moves(add("delete", "Delete resources", "-y ", true, with(append(optWait(), optForce())...)...))
	moves(add("enable", "Enable resources", "-R ", false, with(append(optWait(), optRecursive())...)...))
	moves(add("disable", "Disable resources", "-y -R ", true, with(append(optWait(), optRecursive())...)...))
	add("monitor", "Start monitoring resources", "", false, with()...)
	add("unmonitor", "Stop monitoring resources", "", false, with()...)
	moves(add("clear", "Clear an error flag after the cause is gone", "-f STOP_FAILED -n n1 ", false, with(append(optWait(), option{"flag", "f", text, "the error flag: STOP_FAILED, START_FAILED or MONITOR_FAILED"})...)...))
	add("set", "Change properties of resources", "-p Retry_count=3 ", false, with(optProperty(), optExtension(), optStandard())...)
	return noun{name: "resource", short: "Create, change and watch resources", old: []string{"clresource", "clrs"}, verbs: vs}
}

// logicalHostnameNoun and sharedAddressNoun are the old commands for address resources. They have no new name of their own and are kept off the overview.
func logicalHostnameNoun() noun {
	return addressNoun("clrslh", "clreslogicalhostname", "create-logicalhostname", "Logical hostnames, under the old name", "Create an address that moves with its group")
}

func sharedAddressNoun() noun {
	return addressNoun("clrssa", "clressharedaddress", "create-sharedaddress", "Shared addresses, under the old name", "Create an address whose load scalable services share")
}

func addressNoun(name, old, create, short, creates string) noun {
	vs := []verb{{
		name: "create", short: creates, example: "redoubt " + name + " create -g web-rg -h web web-ip",
		operand: "RESOURCE", kind: "resource", options: optLogicalHostname(), as: "resource " + create, long: true,
	}}
	for _, v := range resourceNoun().verbs {
		switch v.name {
		case "create", "create-logicalhostname", "create-sharedaddress", "clear":
		default:
			v.kind, v.as, v.example = "resource", "resource "+v.name, "redoubt "+name+" "+v.name+" web-ip"
			vs = append(vs, v)
		}
	}
	return noun{name: name, short: short, old: []string{old}, verbs: vs, hidden: true}
}
