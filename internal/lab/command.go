package lab

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"redoubt/internal/cli"
	"redoubt/internal/fault"
)

// Command is the tree of redoubt lab.
func Command(env cli.Env) *cobra.Command {
	c := &cobra.Command{
		Use: "lab", Short: "Run a cluster of several nodes on this one machine",
		Long: "Run a cluster of several nodes on this one machine: each a set of namespaces with two interconnects (10.77.1.0/24, 10.77.2.0/24), a public network\n" +
			"(10.77.0.0/24, fd77::/64) and the real daemon, and one client host (10.77.0.250). Node nK has the address .K in each network.\n\n" +
			"The API socket of node n1 of lab NAME is /run/redoubt-lab/NAME/n1/run/api.sock; without a daemon of its own, this machine's redoubt uses it.",
		Example: "redoubt lab up -n 3\nredoubt lab exec n1 -- redoubt status\nredoubt lab kill n1\nredoubt lab down",
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return cli.UsageErrorf("See redoubt lab --help.", "redoubt lab has no command %q", args[0])
			}
			return cli.UsageErrorf("See redoubt lab --help.", "redoubt lab needs a verb")
		},
	}
	c.PersistentFlags().String("name", DefaultName, "the lab's name; labs of different names do not disturb each other")
	v := verbs{env}
	c.AddCommand(
		v.up(), v.down(), v.list(), v.status(), v.exec(), v.shell(), v.logs(),
		v.kill(), v.start(), v.pause(), v.resume(), v.cut(), v.heal(), v.lose(), v.daemon(), v.probe(), v.serve(), v.demo(), v.init(),
	)
	return c
}

// verbs makes the commands; each is built from the same Env and shares nothing else.
type verbs struct{ env cli.Env }

// lab opens the lab that the command line names.
func (v verbs) lab(c *cobra.Command) (*Lab, error) {
	name, err := c.Flags().GetString("name")
	if err != nil {
		return nil, err
	}
	return Open(name)
}

// machines makes a command that does something to each machine named.
func (v verbs) machines(use, short, long, example string, do func(c *cobra.Command, l *Lab, name string) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Long: long, Example: example, Args: atLeastOne("machine"), ValidArgsFunction: v.complete,
		RunE: func(c *cobra.Command, args []string) error {
			l, err := v.lab(c)
			if err != nil {
				return err
			}
			for _, a := range args {
				if _, err := l.machine(a); err != nil { // all are known before the first is touched
					return err
				}
			}
			for _, a := range args {
				if err := do(c, l, a); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// complete offers the machines of the lab.
func (v verbs) complete(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	l, err := v.lab(c)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var all []string
	for _, m := range l.machines[1:] {
		all = append(all, m.name)
	}
	return all, cobra.ShellCompDirectiveNoFileComp
}

func atLeastOne(what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cli.UsageErrorf("See "+c.CommandPath()+" --help.", "%s needs the name of at least one %s", c.CommandPath(), what)
		}
		return nil
	}
}

func none(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return cli.UsageErrorf("See "+c.CommandPath()+" --help.", "%s takes no operand, but was given %q", c.CommandPath(), args[0])
	}
	return nil
}

// outputFlag adds -o; print writes v in the format it names, and calls table for people.
func outputFlag(c *cobra.Command) {
	c.Flags().StringP("output", "o", "table", "how to print: table, json or yaml")
}

// checkOutput refuses a format before anything was done.
func checkOutput(c *cobra.Command) error {
	format, _ := c.Flags().GetString("output")
	if format != "table" && format != "json" && format != "yaml" {
		return cli.UsageErrorf("", "-o %s: the formats are table, json and yaml", format)
	}
	return nil
}

func (v verbs) print(c *cobra.Command, data any, table func(io.Writer) error) error {
	if err := checkOutput(c); err != nil {
		return err
	}
	format, _ := c.Flags().GetString("output")
	if format == "table" {
		return table(v.env.Stdout)
	}
	b, err := json.MarshalIndent(data, "", "  ")
	if err != nil {
		return fault.Errorf(fault.Internal, "print: %w", err)
	}
	if format == "json" {
		_, err = fmt.Fprintf(v.env.Stdout, "%s\n", b)
		return err
	}
	var doc yaml.Node // JSON is YAML; without the style of JSON it looks like it too
	if err := yaml.Unmarshal(b, &doc); err != nil {
		return fault.Errorf(fault.Internal, "print: %w", err)
	}
	plain(&doc)
	enc := yaml.NewEncoder(v.env.Stdout)
	enc.SetIndent(2)
	if err := enc.Encode(&doc); err != nil {
		return fault.Errorf(fault.Internal, "print: %w", err)
	}
	return enc.Close()
}

func plain(n *yaml.Node) {
	n.Style = 0
	for _, c := range n.Content {
		plain(c)
	}
}

// columns writes rows under a heading.
func columns(w io.Writer, rows ...[]string) error {
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for _, r := range rows {
		fmt.Fprintln(tw, strings.TrimRight(strings.Join(r, "\t"), "\t"))
	}
	return tw.Flush()
}

func (v verbs) init() *cobra.Command {
	return &cobra.Command{
		Use: "init FILE", Short: "Be the first process of a machine", Hidden: true, Args: atLeastOne("file"), Example: "redoubt lab init /run/redoubt-lab/lab/n1/boot.json",
		RunE: func(_ *cobra.Command, args []string) error { return runInit(args[0]) },
	}
}
