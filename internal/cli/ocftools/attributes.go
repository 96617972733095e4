package ocftools

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

var attributeOptions = []option{
	{"query", nothing, "G query get-value"},
	{"update", aValue, "v update attr-value"},
	{"delete", nothing, "D delete delete-attr"},
	{"name", aValue, "n name attr-name"},
	{"promotion", maybe, "p promotion"},
	{"node", aValue, "N node U uname node-uname"},
	{"lifetime", aValue, "l lifetime"},
	{"type", aValue, "t type"},
	{"default", aValue, "d default"},
	{"utilization", nothing, "z utilization"},
	{"quiet", nothing, "q Q quiet"},
	{"ignored", aValue, "s set-name i id P pattern r resource-id"},
	{"ignored", nothing, "V verbose ! inhibit-policy-engine"},
}

// attribute is where an attribute is kept.
type attribute struct {
	node, name string
	lifetime   Lifetime
	scope      string // as Pacemaker calls it
}

// crmAttribute is crm_attribute: query (by default), update or delete one attribute.
func crmAttribute(ctx context.Context, c *call) int {
	if !c.parse(attributeOptions) {
		return exitUsage
	}
	return c.attribute(ctx)
}

// crmMaster is crm_master: crm_attribute for the promotion score of the resource that calls it.
func crmMaster(ctx context.Context, c *call) int {
	c.args = append([]string{"-p"}, c.args...)
	return crmAttribute(ctx, c)
}

func (c *call) attribute(ctx context.Context) int {
	a, complaint, err := c.place(ctx)
	if err != nil {
		return c.failed(err)
	}
	if complaint != "" {
		return c.usage("%s", complaint)
	}
	switch c.opt.last("query", "update", "delete") {
	case "update":
		return c.update(ctx, a, c.opt.get("update"))
	case "delete":
		if err := c.Client.Delete(ctx, a.node, a.name); err != nil {
			return c.failed(err)
		}
		if !c.opt.has("quiet") {
			fmt.Fprintf(c.Stdout, "Deleted %s attribute: name=%s\n", a.scope, a.name)
		}
		return exitOK
	}
	value, ok, err := c.Client.Get(ctx, a.node, a.name)
	switch {
	case err != nil:
		return c.failed(err)
	case !ok && c.opt.has("default"):
		value = c.opt.get("default")
	case !ok:
		if !c.opt.has("quiet") {
			fmt.Fprintf(c.Stdout, "scope=%s  name=%s value=(null)\n", a.scope, a.name)
		}
		return c.missing()
	}
	if c.opt.has("quiet") {
		fmt.Fprintln(c.Stdout, value)
	} else {
		fmt.Fprintf(c.Stdout, "scope=%s  name=%s value=%s\n", a.scope, a.name, value)
	}
	return exitOK
}

// place works out which attribute is meant; the complaint is about the options.
func (c *call) place(ctx context.Context) (a attribute, complaint string, err error) {
	a.name = c.opt.get("name")
	if c.opt.has("promotion") {
		resource := c.opt.get("promotion")
		if resource == "" {
			resource = c.Getenv("OCF_RESOURCE_INSTANCE")
		}
		if resource == "" {
			return a, "the promotion score of which resource? OCF_RESOURCE_INSTANCE is not set", nil
		}
		a.name = "master-" + resource
	}
	if a.name == "" {
		return a, "an attribute's name is needed (--name)", nil
	}
	switch c.opt.get("lifetime") {
	case "", "reboot", "status":
		a.lifetime = Reboot
	case "forever", "nodes":
		a.lifetime = Forever
	default:
		return a, fmt.Sprintf("lifetime %q is neither reboot nor forever", c.opt.get("lifetime")), nil
	}
	perNode := c.opt.has("node") || c.opt.has("lifetime") || c.opt.has("promotion") || c.opt.has("utilization")
	switch t := c.opt.get("type"); {
	case t == "status", t == "" && perNode && (c.opt.has("promotion") || c.opt.has("lifetime")) && a.lifetime == Reboot:
		a.scope, a.lifetime = "status", Reboot
	case t == "nodes", t == "" && perNode:
		a.scope, a.lifetime = "nodes", Forever
	case t == "crm_config", t == "":
		a.scope, a.lifetime = "crm_config", Forever
		return a, "", nil
	default:
		return a, fmt.Sprintf("attributes of type %q are not kept in this cluster", t), nil
	}
	if c.opt.has("utilization") {
		a.name = "utilization-" + a.name
	}
	a.node, err = c.node(ctx, c.opt.get("node"))
	return a, "", err
}

func (c *call) update(ctx context.Context, a attribute, value string) int {
	value, err := c.sum(ctx, a, value)
	if err == nil {
		err = c.Client.Set(ctx, a.node, a.name, value, a.lifetime)
	}
	if err != nil {
		return c.failed(err)
	}
	return exitOK
}

// sum works out "value++" and "value+=N" (or with the attribute's name for value); all else is itself.
func (c *call) sum(ctx context.Context, a attribute, value string) (string, error) {
	rest, ok := strings.CutPrefix(value, a.name)
	if !ok {
		rest, ok = strings.CutPrefix(value, "value")
	}
	by := 1
	if n, plus := strings.CutPrefix(rest, "+="); ok && plus {
		var err error
		if by, err = strconv.Atoi(n); err != nil {
			return value, nil
		}
	} else if !ok || rest != "++" {
		return value, nil
	}
	old, _, err := c.Client.Get(ctx, a.node, a.name)
	if err != nil {
		return "", err
	}
	n, err := strconv.Atoi(old)
	if err != nil {
		n = 0 // none yet, or no number: Pacemaker counts from 0 too
	}
	return strconv.Itoa(n + by), nil
}

var updaterOptions = []option{
	{"update", aValue, "U update v B update-both"},
	{"query", nothing, "Q query"},
	{"delete", nothing, "D delete"},
	{"refresh", nothing, "R refresh"},
	{"delay", aValue, "Y update-delay"},
	{"name", aValue, "n name"},
	{"node", aValue, "N node"},
	{"all", nothing, "A all"},
	{"ignored", aValue, "d delay s set-name S set l lifetime P pattern"},
	{"ignored", nothing, "p private q quiet V verbose W wait"},
}

// attrdUpdater is attrd_updater: attributes of nodes that last until the node leaves.
func attrdUpdater(ctx context.Context, c *call) int {
	if !c.parse(updaterOptions) {
		return exitUsage
	}
	what := c.opt.last("update", "query", "delete", "refresh", "delay")
	if what == "refresh" || what == "delay" && !c.opt.has("update") {
		return exitOK // there is nothing that is written late
	}
	a := attribute{name: c.opt.get("name"), lifetime: Reboot, scope: "status"}
	if a.name == "" || what == "" {
		return c.usage("an attribute's name and one of --update, --query, --delete are needed")
	}
	var err error
	if a.node, err = c.node(ctx, c.opt.get("node")); err != nil {
		return c.failed(err)
	}
	switch what {
	case "delete":
		if err := c.Client.Delete(ctx, a.node, a.name); err != nil {
			return c.failed(err)
		}
		return exitOK
	case "query":
		return c.attributeOn(ctx, a)
	}
	return c.update(ctx, a, c.opt.get("update"))
}

// attributeOn prints an attribute of one node or of all. Agents give the lines to eval.
func (c *call) attributeOn(ctx context.Context, a attribute) int {
	on := []string{a.node}
	if c.opt.has("all") {
		nodes, err := c.Client.Nodes(ctx)
		if err != nil {
			return c.failed(err)
		}
		on = on[:0]
		for _, n := range nodes.Nodes {
			on = append(on, n.Name)
		}
	}
	found := false
	for _, node := range on {
		value, ok, err := c.Client.Get(ctx, node, a.name)
		if err != nil {
			return c.failed(err)
		}
		if ok {
			found = true
			fmt.Fprintf(c.Stdout, "name=\"%s\" host=\"%s\" value=\"%s\"\n", forShell.Replace(a.name), forShell.Replace(node), forShell.Replace(value))
		}
	}
	if !found {
		fmt.Fprintf(c.Stderr, "%s: Could not query value of %s: attribute does not exist\n", c.name, a.name)
		return exitNoSuch
	}
	return exitOK
}

// forShell keeps a value between double quotes what it is when a shell evaluates it.
var forShell = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`")
