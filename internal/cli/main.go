package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"redoubt/internal/cli/ocftools"
	"redoubt/internal/fault"
	"redoubt/internal/version"
)

// Main runs one command line and returns its exit status. args is the whole of it, the program's name first: under an old name
// (clrg, scha_cluster_get) the program is that command and speaks its exit statuses; under the name of a tool that OCF agents call it is that tool.
func Main(ctx context.Context, args []string, e Env) int {
	if len(args) == 0 {
		return exitUsage
	}
	if tool := filepath.Base(args[0]); slices.Contains(ocftools.Names(), tool) {
		return agentTool(ctx, e, tool, args[1:])
	}
	old := oldNames()
	link := false // called by an old name as argv[0]; "cluster" is both an old and a new name, and only this tells them apart
	if name := filepath.Base(args[0]); old[name] != "" {
		link = true
		rest := args[1:]
		args = []string{"redoubt", name}
		if len(rest) > 0 && strings.HasPrefix(rest[0], cobra.ShellCompRequestCmd) { // the shell asks about the old name
			args, rest = []string{"redoubt", rest[0], name}, rest[1:]
		}
		args = append(args, rest...)
	}
	d, name := dialectNew, ""
	if len(args) > 1 {
		name = args[1]
		switch {
		case strings.HasPrefix(name, "scha_"):
			d = dialectScha
		case old[name] != "" && (link || name != "cluster"):
			d = dialectCL
		}
	}
	root := Root(e)
	root.SetArgs(args[1:])
	err := root.ExecuteContext(ctx)
	if err != nil {
		complain(e.Stderr, err)
	}
	return exitStatus(d, name, err)
}

// complain writes the error, and what may help, to the person.
func complain(w io.Writer, err error) {
	if _, ok := errors.AsType[StatusError](err); ok {
		return
	}
	tell(w, "redoubt: %s\n", err)
	if u, ok := errors.AsType[usageError](err); ok && u.hint != "" {
		fmt.Fprintln(w, u.hint)
	}
}

// checkAppUser is an agents' command that is mounted under the root (see internal/appuser): it looks at programs of this machine.
const checkAppUser = "scha_check_app_user"

// oldNames maps each name the program answers to by argv[0] to the noun or command it stands for.
func oldNames() map[string]string {
	names := map[string]string{"cluster": "cluster", "clrslh": "clrslh", "clrssa": "clrssa", checkAppUser: checkAppUser}
	for _, n := range nouns() {
		for _, o := range n.old {
			names[o] = n.name
		}
	}
	for _, s := range schaCommands() {
		names[s.name] = s.name
	}
	return names
}

// Root builds the command tree. Nothing is shared between two trees.
func Root(e Env) *cobra.Command {
	root := &cobra.Command{
		Use: "redoubt", Short: "Keep services up on a group of machines", SilenceUsage: true, SilenceErrors: true,
		Example: "redoubt status", SuggestionsMinimumDistance: 2,
		Args: func(c *cobra.Command, args []string) error { return unknown(c, args) },
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetIn(e.Stdin)
	root.SetOut(e.Stdout)
	root.SetErr(e.Stderr)
	root.PersistentFlags().BoolP("help", "?", false, "show what the command does")
	root.PersistentFlags().BoolP("verbose", "v", false, "say more")
	root.PersistentFlags().String("socket", "", "the socket of the daemon to ask; $REDOUBT_SOCKET or "+DefaultSocket+" if not given")
	root.PersistentFlags().String("host", "", "a node to ask over the network, NODE, NODE:PORT or NODE@ADDRESS:PORT; with --cert, --key and --ca, or $REDOUBT_CERT, $REDOUBT_KEY and $REDOUBT_CA; or with --session and --ca")
	root.PersistentFlags().String("session", "", "the file with the token of a session, in place of --cert and --key; - is standard input; or $REDOUBT_SESSION_FILE")
	root.PersistentFlags().String("cert", "", "the file with your certificate")
	root.PersistentFlags().String("key", "", "the file with your key")
	root.PersistentFlags().String("ca", "", "the file with the authority of the nodes")
	root.PersistentFlags().String("role", "", "be in this role for the command: its password is asked for")
	root.PersistentFlags().String("role-password-file", "", "the file with the role's password; - is standard input")
	root.TraverseChildren = true // a flag before the command is the program's own, also where the command has one of that name
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usageError{err, fmt.Sprintf("See %s --help.", c.CommandPath())}
	})
	for _, n := range nouns() {
		root.AddCommand(nounCommand(e, n))
	}
	for _, v := range schaCommands() {
		c := verbCommand(e, v.name, v)
		c.Hidden = true
		root.AddCommand(c)
	}
	status := verb{name: "status", short: "Show the state of the whole cluster", example: "redoubt status -o json", read: true, as: "cluster status", options: []option{optFollow()}, act: follow}
	whoami := verb{name: "whoami", short: "Show who you are to the cluster and what you hold", example: "redoubt whoami", read: true, as: "user whoami"}
	root.AddCommand(verbCommand(e, "user", whoami), verbCommand(e, "cluster", status), verbCommand(e, "cluster", planVerb()), versionCommand(e), linksCommand(e), docsCommand(), assessCommand(e))
	for _, extra := range e.Extra {
		root.AddCommand(extra(e))
	}
	return root
}

// unknown refuses a word that names no command, with the commands whose names are like it.
func unknown(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := fmt.Sprintf("See %s --help.", c.CommandPath())
	if c.SuggestionsMinimumDistance == 0 {
		c.SuggestionsMinimumDistance = 2
	}
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		hint = "Did you mean " + strings.Join(near, " or ") + "?"
	}
	return usageError{fmt.Errorf("%s has no command %q", c.CommandPath(), args[0]), hint}
}

func nounCommand(e Env, n noun) *cobra.Command {
	c := &cobra.Command{
		Use: n.name, Short: n.short, Aliases: n.old, Hidden: n.hidden, Example: n.verbs[0].example,
		Args: func(c *cobra.Command, args []string) error { return unknown(c, args) },
	}
	v := c.Flags().BoolP("version", "V", false, "show the version")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *v {
			fmt.Fprintln(e.Stdout, version.Version)
			return nil
		}
		return usageError{fmt.Errorf("%s needs a verb", c.CommandPath()), fmt.Sprintf("See %s --help.", c.CommandPath())}
	}
	for _, v := range n.verbs {
		c.AddCommand(verbCommand(e, n.name, v))
	}
	return c
}

func verbCommand(e Env, nounName string, v verb) *cobra.Command {
	c := &cobra.Command{Use: v.use(), Short: v.short, Example: v.example, Hidden: v.hidden, DisableFlagsInUseLine: true}
	c.Args = func(c *cobra.Command, args []string) error { return v.args(c, args) }
	v.flags(c.Flags())
	c.RunE = func(c *cobra.Command, args []string) error {
		call, err := v.call(nounName, c.Flags(), args)
		if err != nil {
			return err
		}
		return run(c, e, v, call, args)
	}
	complete(c, e, nounName, v)
	return c
}

// run carries a command out, after it has asked where it destroys something.
func run(c *cobra.Command, e Env, v verb, call Call, args []string) error {
	if _, err := format(c); err != nil {
		return err
	}
	if yes, _ := c.Flags().GetBool("yes"); v.destroys && !yes && e.terminal() {
		if !confirmed(e, call, args) {
			return fault.Errorf(fault.Precondition, "%s %s: not confirmed, nothing was changed", call.Noun, call.Verb)
		}
	}
	if v.act != nil {
		return v.act(c, e, call, args)
	}
	client, err := e.daemon(c)
	if err != nil {
		return err
	}
	answer, err := perform(c, e, client, call, v.long)
	if err != nil {
		return err
	}
	return show(c, e, call, answer)
}

// format is how the answer shall be printed.
func format(c *cobra.Command) (string, error) {
	if c.Flags().Lookup("output") == nil {
		return "table", nil
	}
	f, _ := c.Flags().GetString("output")
	if f != "table" && f != "json" && f != "yaml" {
		return f, usageError{fmt.Errorf("-o %s: the formats are table, json and yaml", f), ""}
	}
	return f, nil
}

func confirmed(e Env, c Call, args []string) bool {
	what := strings.Join(args, " ")
	if c.Body["all"] == true {
		what = "all"
	}
	fmt.Fprintf(e.Stderr, "%s: go on? [y/N] ", strings.TrimSpace(c.Noun+" "+c.Verb+" "+what))
	var answer string
	_, _ = fmt.Fscanln(e.Stdin, &answer)
	return strings.EqualFold(answer, "y") || strings.EqualFold(answer, "yes")
}
