package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/spf13/cobra"

	v1 "redoubt/api/v1"
	"redoubt/internal/cli/ocftools"
	"redoubt/internal/fault"
	"redoubt/internal/version"
)

// one refuses anything but one operand.
func one(what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usageError{fmt.Errorf("%s needs one operand, %s", c.CommandPath(), what), ""}
		}
		return nil
	}
}

func versionCommand(e Env) *cobra.Command {
	c := &cobra.Command{Use: "version", Short: "Show which build this is", Example: "redoubt version -o json", Args: func(c *cobra.Command, args []string) error {
		return verb{name: "version"}.args(c, args)
	}}
	c.Flags().StringP("output", "o", "table", "how to print: table, json or yaml")
	c.RunE = func(c *cobra.Command, _ []string) error {
		form, err := format(c)
		if err != nil {
			return err
		}
		if form == "table" {
			_, err = fmt.Fprintln(e.Stdout, version.Version)
			return err
		}
		text, err := json.Marshal(struct {
			Version string `json:"version"`
			API     int    `json:"api"`
			Go      string `json:"go"`
			System  string `json:"system"`
		}{version.Version, v1.Level, runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH})
		if err != nil {
			return fault.Errorf(fault.Internal, "print the version: %w", err)
		}
		return write(e.Stdout, form, text)
	}
	return c
}

func linksCommand(e Env) *cobra.Command {
	c := &cobra.Command{Use: "links", Short: "Make the old command names", Example: "redoubt links install /usr/local/bin", Args: unknown, RunE: func(c *cobra.Command, _ []string) error {
		return usageError{errors.New("redoubt links needs a verb"), "See redoubt links --help."}
	}}
	sub := &cobra.Command{Use: "install DIR", Short: "Make a symbolic link for each old name", Example: "redoubt links install /usr/local/bin", Args: one("the directory")}
	agents := sub.Flags().Bool("agents", false, "also the tools that OCF agents call: crm_node, crm_attribute, ...; in a directory for agents only")
	sub.RunE = func(_ *cobra.Command, args []string) error {
		names := slices.Sorted(maps.Keys(oldNames()))
		if *agents { // not with the others: who has Pacemaker wants its own commands on his path
			names = append(append(names, ocftools.Names()...), "redoubt") // for redoubt run-as
		}
		return install(e.Executable, args[0], names)
	}
	c.AddCommand(sub)
	return c
}

// install makes the links. It replaces links but never a file that is something else.
func install(target, dir string, names []string) error {
	for _, name := range names {
		path := filepath.Join(dir, name)
		info, err := os.Lstat(path)
		switch {
		case err == nil && info.Mode()&fs.ModeSymlink == 0:
			return fault.Errorf(fault.Exists, "make link %s: a file of that name is there and is not a link; move it away", path)
		case err == nil:
			if err := os.Remove(path); err != nil {
				return fault.Errorf(fault.Internal, "replace link %s: %w", path, err)
			}
		}
		if err := os.Symlink(target, path); err != nil {
			return fault.Errorf(fault.Precondition, "make link: %w; links install takes a directory that exists and that you may write to", err)
		}
	}
	return nil
}
