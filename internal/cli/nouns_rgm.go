package cli

func groupNoun() noun {
	kill := option{"kill", "k", boolean, "kill the methods that run"}
	vs := reads("group", "GROUP", "list", "show", "status", "list-props")
	add := func(name, short, flags string, destroys bool, options ...option) {
		example := "redoubt group " + name + " "
		if flags != "" {
			example += flags + " "
		}
		vs = append(vs, verb{name: name, short: short, example: example + "web-rg", operand: "GROUP", options: options, destroys: destroys})
	}
	add("create", "Create resource groups", "-n n1,n2,n3", false, option{"scalable", "S", boolean, "on all its nodes at once"}, optNodes(), optProperty())
	add("delete", "Delete resource groups", "-y -F", true, optForce())
	add("online", "Bring groups online", "-eM", false, optBring()...)
	add("offline", "Take groups offline", "-y", true, optNodes())
	add("switch", "Move groups to the nodes named", "-n n2", false, optBring()...)
	add("restart", "Take groups offline and online again where they are", "-y", true, optNodes())
	add("remaster", "Move groups to their most preferred nodes", "", false)
	add("suspend", "Stop automatic recovery of groups", "", false, kill)
	add("resume", "Start automatic recovery of groups again", "", false)
	add("quiesce", "Stop groups from moving about", "-k", false, kill)
	add("manage", "Put groups under the control of the cluster", "", false)
	add("unmanage", "Release groups from the control of the cluster", "-y", true)
	add("set", "Change properties of groups", "-p Failback=true", false, optNodes(), optProperty())
	add("add-node", "Add nodes to the nodelist", "-n n3", false, option{"scalable", "S", boolean, "raise the number of primaries too"}, optNodes())
	add("remove-node", "Remove nodes from the nodelist", "-y -n n3", true, optNodes())
	vs = append(vs, verb{name: "evacuate", short: "Move groups off nodes", example: "redoubt group evacuate -n n2 -T 60 +", operand: "GROUP", options: []option{
		optNodes(), {"timeout", "T", text, "seconds in which no group comes back"},
	}})
	return noun{name: "group", short: "Create, move and watch resource groups", old: []string{"clresourcegroup", "clrg"}, verbs: vs}
}

// optCreate are the flags with which a resource is made.
func optCreate() []option {
	return []option{
		optGroup(), {"disabled", "d", boolean, "leave it disabled"}, optProperty(),
		{"extension", "x", repeat, "an extension property, NAME=VALUE"}, {"standard", "y", repeat, "a standard property, NAME=VALUE"},
	}
}

func optLogicalHostname() []option {
	return append(optCreate(),
		option{"host", "h", list, "host names whose addresses are served"},
		option{"netif", "N", list, "interface@node, where it is not the one with the address's network"},
		option{"address", "", repeat, "an address with its prefix length, such as 10.77.0.100/24"})
}

func resourceNoun() noun {
	sel := []option{optGroup(), {"type", "t", text, "only those of this type"}, optNodes()}
	vs := reads("resource", "RESOURCE", "list", "show", "status", "list-props")
	add := func(name, short, flags string, destroys bool, options ...option) {
		vs = append(vs, verb{name: name, short: short, example: "redoubt resource " + name + " " + flags + "web", operand: "RESOURCE", options: options, destroys: destroys})
	}
	add("create", "Create resources", "-g web-rg -t redoubt.gds -p Start_command='/srv/web -l 8080' ", false, append(optCreate(), option{"type", "t", text, "the resource type"})...)
	add("create-logicalhostname", "Create an address that moves with its group", "-g web-rg --address 10.77.0.100/24 ", false, optLogicalHostname()...)
	add("delete", "Delete resources", "-y ", true, append(sel, optForce())...)
	add("enable", "Enable resources", "-R ", false, append(sel, optRecursive())...)
	add("disable", "Disable resources", "-y -R ", true, append(sel, optRecursive())...)
	add("monitor", "Start monitoring resources", "", false, sel...)
	add("unmonitor", "Stop monitoring resources", "", false, sel...)
	add("clear", "Clear an error flag after the cause is gone", "-f STOP_FAILED -n n1 ", false, append(sel, option{"flag", "f", text, "the error flag: STOP_FAILED"})...)
	add("set", "Change properties of resources", "-p Retry_count=3 ", false, optCreate()[2:]...)
	return noun{name: "resource", short: "Create, change and watch resources", old: []string{"clresource", "clrs"}, verbs: vs}
}

// logicalHostnameNoun is the old command for address resources. It has no new name of its own and is kept off the overview.
func logicalHostnameNoun() noun {
	vs := []verb{{
		name: "create", short: "Create an address that moves with its group", example: "redoubt clrslh create -g web-rg -h web web-ip",
		operand: "RESOURCE", options: optLogicalHostname(), as: "resource create-logicalhostname",
	}}
	for _, v := range resourceNoun().verbs {
		switch v.name {
		case "create", "create-logicalhostname", "clear":
		default:
			v.as, v.example = "resource "+v.name, "redoubt clrslh "+v.name+" web-ip"
			vs = append(vs, v)
		}
	}
	return noun{name: "clrslh", short: "Logical hostnames, under the old name", old: []string{"clreslogicalhostname"}, verbs: vs, hidden: true}
}
