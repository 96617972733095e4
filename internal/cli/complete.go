package cli

import (
	"context"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// completes says whose names a flag takes, by the flag's long name.
var completes = map[string]string{"node": "node", "group": "group"}

// words are flags that take one of a few words.
var words = map[string][]string{
	"output": {"table", "json", "yaml"}, "flag": {"STOP_FAILED", "START_FAILED", "MONITOR_FAILED"}, "profile": {"default", "fast", "wan"},
	"list": {"all", "extension", "standard"}, "status": {"OK", "DEGRADED", "FAULTED", "OFFLINE", "UNKNOWN"},
	"state": {"ONLINE", "OFFLINE", "PENDING_ONLINE", "PENDING_OFFLINE", "ONLINE_FAULTED", "PENDING_ONLINE_BLOCKED", "ERROR_STOP_FAILED", "UNMANAGED"},
}

// complete makes the shell's completion of a command: its operands and the values of its flags.
func complete(c *cobra.Command, e Env, nounName string, v verb) {
	kind := v.kind
	if kind == "" {
		kind = nounName
	}
	c.ValidArgsFunction = func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		switch {
		case v.operand == fileOperand:
			return nil, cobra.ShellCompDirectiveDefault
		case v.operand == "" || v.operand == schaOperand || v.name == "create" || strings.HasPrefix(v.name, "create-"):
			return nil, cobra.ShellCompDirectiveNoFileComp // what is created has no name to offer yet
		}
		found := slices.DeleteFunc(names(c, e, kind), func(n string) bool { return slices.Contains(args, n) })
		return found, cobra.ShellCompDirectiveNoFileComp
	}
	for _, o := range append(slices.Clone(v.options), option{long: "output"}) {
		if c.Flags().Lookup(o.long) == nil {
			continue
		}
		of := completes[o.long]
		if o.long == "type" && nounName != "quorum" {
			of = "type"
		}
		if nounName == "cluster" && o.long == "node" {
			of = "" // the name of a node that is made
		}
		if nounName == "user" || nounName == "role" || nounName == "profile" { // there --profile names a rights profile
			of = map[string]string{"profile": "profile", "role": "role"}[o.long]
		}
		if nounName == "session" && o.long == "user" {
			of = "user"
		}
		switch {
		case of != "":
			_ = c.RegisterFlagCompletionFunc(o.long, func(c *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
				return after(o, typed, names(c, e, of)), cobra.ShellCompDirectiveNoFileComp
			})
		case words[o.long] != nil:
			_ = c.RegisterFlagCompletionFunc(o.long, func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
				return after(o, typed, words[o.long]), cobra.ShellCompDirectiveNoFileComp
			})
		case o.kind == boolean || o.long == "file":
		default:
			_ = c.RegisterFlagCompletionFunc(o.long, cobra.NoFileCompletions)
		}
	}
}

// after offers the words for the last element of a list, behind those that are typed already.
func after(o option, typed string, offered []string) []string {
	if o.kind != list {
		return offered
	}
	cut := strings.LastIndexByte(typed, ',') + 1
	before := typed[:cut]
	taken := strings.Split(before, ",")
	var out []string
	for _, w := range offered {
		if !slices.Contains(taken, w) {
			out = append(out, before+w)
		}
	}
	return out
}

// names asks the daemon for the objects of a noun. Completion stays silent, and is quick about it, when the daemon can not be reached.
func names(c *cobra.Command, e Env, nounName string) []string {
	e.Stderr = io.Discard
	client, err := e.daemon(c)
	if err != nil {
		return nil
	}
	l, ok := client.(Lister)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(c.Context(), 2*time.Second)
	defer cancel()
	found, err := l.Names(ctx, nounName)
	if err != nil {
		return nil
	}
	return found
}
