package harden

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"redoubt/internal/cli"
	"redoubt/internal/fault"
)

// Command is `redoubt harden`.
func Command(env cli.Env) *cobra.Command {
	c := &cobra.Command{
		Use: "harden", Short: "Make this machine harder to misuse", Example: "redoubt harden check",
		Long: "Make this machine harder to misuse: settings of the kernel, owners and modes of Redoubt's files, rules of auditd. Needs no daemon and no cluster, and changes\n" +
			"nothing but on `apply` and `revert`. Every change is written into " + DefaultJournal + " before it is made.",
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return cli.UsageErrorf("See redoubt harden --help.", "redoubt harden has no command %q", args[0])
			}
			return cli.UsageErrorf("See redoubt harden --help.", "redoubt harden needs a verb")
		},
	}
	c.AddCommand(checkCommand(env), applyCommand(env), revertCommand(env))
	return c
}

// host adds the flags that say which machine, and gives it.
func host(c *cobra.Command, env cli.Env) func() *Host {
	h := &Host{Now: env.Now}
	if h.Now == nil {
		h.Now = time.Now
	}
	c.Flags().StringVar(&h.Root, "root", "", "work on the files of a machine that lie below this folder, such as those of an image")
	return func() *Host {
		h.Root = strings.TrimSuffix(h.Root, "/")
		return h
	}
}

func checkCommand(env cli.Env) *cobra.Command {
	c := &cobra.Command{Use: "check [flags] [ITEM...]", Short: "Show what could be hardened, and change nothing", Example: "redoubt harden check -v", DisableFlagsInUseLine: true}
	machine := host(c, env)
	output := c.Flags().StringP("output", "o", "table", "how to print the answer: table, json or yaml")
	c.RunE = func(c *cobra.Command, ids []string) error {
		items, err := Select(ids)
		if err != nil {
			return fault.Errorf(fault.NotFound, "harden check: %w", err)
		}
		findings, err := machine().Check(items)
		if err != nil {
			return fault.Errorf(fault.Internal, "harden check: %w", err)
		}
		verbose, _ := c.Flags().GetBool("verbose")
		return printFindings(env, findings, *output, verbose)
	}
	return c
}

func printFindings(env cli.Env, findings []Finding, form string, verbose bool) error {
	switch form {
	case "table":
	case "json", "yaml":
		b, err := json.MarshalIndent(findings, "", "  ")
		if err == nil && form == "yaml" {
			var doc any
			if err = json.Unmarshal(b, &doc); err == nil {
				b, err = yaml.Marshal(doc)
			}
		}
		if err != nil {
			return fault.Errorf(fault.Internal, "print the findings: %w", err)
		}
		fmt.Fprintln(env.Stdout, strings.TrimSpace(string(b)))
		return nil
	default:
		return cli.UsageErrorf("", "-o %s: the formats are table, json and yaml", form)
	}
	wrong := 0
	for _, f := range findings {
		mark := ""
		if f.Applied {
			mark = " (applied)"
		}
		fmt.Fprintf(env.Stdout, "%-6s %s %s%s\n", f.Status, f.ID, f.Title, mark)
		if f.Status == Wrong {
			wrong++
		}
		for _, d := range f.Details {
			fmt.Fprintln(env.Stdout, "         "+d)
		}
		if verbose {
			fmt.Fprintf(env.Stdout, "         why: %s\n         breaks: %s\n", f.Rationale, f.Breaks)
		}
	}
	if wrong > 0 {
		fmt.Fprintf(env.Stdout, "%d of %d can be hardened: redoubt harden apply --dry-run, then redoubt harden apply [ITEM...]\n", wrong, len(findings))
	}
	return nil
}

func applyCommand(env cli.Env) *cobra.Command {
	c := &cobra.Command{Use: "apply [flags] [ITEM...]", Short: "Harden this machine: all items, or those that are named", Example: "redoubt harden apply --dry-run HD-SYS-001", DisableFlagsInUseLine: true}
	machine := host(c, env)
	dry := c.Flags().Bool("dry-run", false, "only say what would be changed")
	yes := c.Flags().BoolP("yes", "y", false, "do not ask")
	c.RunE = func(_ *cobra.Command, ids []string) error {
		items, err := Select(ids)
		if err != nil {
			return fault.Errorf(fault.NotFound, "harden apply: %w", err)
		}
		if !*dry {
			if err := allowed(env, machine(), "apply", *yes); err != nil {
				return err
			}
		}
		said, err := machine().Apply(items, *dry)
		return report(env, "apply", said, err)
	}
	return c
}

func revertCommand(env cli.Env) *cobra.Command {
	c := &cobra.Command{Use: "revert [flags] [ITEM...]", Short: "Take back what harden apply changed: all of it, or the items that are named", Example: "redoubt harden revert --dry-run", DisableFlagsInUseLine: true}
	machine := host(c, env)
	dry := c.Flags().Bool("dry-run", false, "only say what would be changed")
	yes := c.Flags().BoolP("yes", "y", false, "do not ask")
	force := c.Flags().BoolP("force", "F", false, "also what somebody else has changed since")
	c.RunE = func(_ *cobra.Command, ids []string) error {
		items, err := Select(ids)
		if err != nil {
			return fault.Errorf(fault.NotFound, "harden revert: %w", err)
		}
		if !*dry {
			if err := allowed(env, machine(), "revert", *yes); err != nil {
				return err
			}
		}
		said, err := machine().Revert(items, *dry, *force)
		return report(env, "revert", said, err)
	}
	return c
}

// allowed: only root changes this machine, and a person is asked first.
func allowed(env cli.Env, h *Host, verb string, yes bool) error {
	if h.Root == "" && os.Geteuid() != 0 {
		return fault.Errorf(fault.Denied, "harden %s: only root changes this machine; --dry-run needs no rights", verb)
	}
	if yes || env.IsTerminal == nil || !env.IsTerminal() {
		return nil
	}
	fmt.Fprintf(env.Stderr, "harden %s changes this machine; `--dry-run` says how. Go on? [y/N] ", verb)
	var answer string
	_, _ = fmt.Fscanln(env.Stdin, &answer)
	if !strings.EqualFold(answer, "y") && !strings.EqualFold(answer, "yes") {
		return fault.Errorf(fault.Precondition, "harden %s: not confirmed, nothing was changed", verb)
	}
	return nil
}

func report(env cli.Env, verb string, said []string, err error) error {
	for _, s := range said {
		fmt.Fprintln(env.Stdout, s)
	}
	if len(said) == 0 && err == nil {
		fmt.Fprintln(env.Stdout, "There is nothing to change.")
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrPermission):
		return fault.Errorf(fault.Denied, "harden %s: %w; what was changed is in the journal, and `redoubt harden revert` takes it back", verb, err)
	}
	return fault.Errorf(fault.Precondition, "harden %s: %w", verb, err)
}
