package cli

import "strings"

// schaOperand names the operands of the agent commands: further words that a tag needs.
const schaOperand = "ARGUMENT"

// schaCommands are the commands that agents call. Their answers are printed one value a line.
func schaCommands() []verb {
	op := option{"operation", "O", text, "the tag, in any case"}
	rs, rg := option{"resource", "R", text, "the resource"}, option{"group", "G", text, "the resource group"}
	get := func(name, short, example string, options ...option) verb {
		return verb{
			name: name, short: short, example: "redoubt " + name + " " + example, options: options,
			operand: schaOperand, optional: true, as: name + " call", read: strings.HasSuffix(name, "_get"), hidden: true,
		}
	}
	return []verb{
		get("scha_resource_get", "Print a property of a resource", "-O RESOURCE_STATE -R web -G web-rg", op, rs, rg),
		get("scha_resourcegroup_get", "Print a property of a resource group", "-O NODELIST -G web-rg", op, rg),
		get("scha_resourcetype_get", "Print a property of a resource type", "-O RT_VERSION -T redoubt.gds", op, option{"type", "T", text, "the resource type"}),
		get("scha_cluster_get", "Print a property of the cluster", "-O CLUSTERNAME", op),
		get("scha_control", "Ask for a restart or a giveover", "-O GIVEOVER -R web -G web-rg", op, rs, rg),
		get("scha_resource_setstatus", "Report the health of a resource", "-R web -G web-rg -s OK -m ready", rs, rg,
			option{"status", "s", text, "OK, DEGRADED, FAULTED, OFFLINE or UNKNOWN"}, option{"message", "m", text, "what to show beside it"}),
	}
}
