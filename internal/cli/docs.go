package cli

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"redoubt/internal/fault"
)

// docsCommand writes the reference from the command tree itself, so that the two can not differ.
func docsCommand() *cobra.Command {
	c := &cobra.Command{Use: "docs", Short: "Write the command reference", Example: "redoubt docs man docs/man", Hidden: true, Args: unknown, RunE: func(*cobra.Command, []string) error {
		return usageError{errors.New("redoubt docs needs man, markdown or completion"), ""}
	}}
	for name, generate := range map[string]func(*cobra.Command) (map[string][]byte, error){
		"man": manPages, "markdown": markdownPages, "completion": completions,
	} {
		c.AddCommand(&cobra.Command{
			Use: name + " DIR", Short: "Write the files of kind " + name, Example: "redoubt docs " + name + " docs/" + name, Args: one("the directory"),
			RunE: func(c *cobra.Command, args []string) error {
				root := c.Root()
				root.DisableAutoGenTag = true // the same tree gives the same files on any day
				for _, sub := range root.Commands() {
					if sub.Name() == "completion" {
						sub.Hidden = true // the files that it would print are written here
					}
				}
				files, err := generate(root)
				if err != nil {
					return fault.Errorf(fault.Internal, "write the %s of the commands: %w", name, err)
				}
				return replace(args[0], files)
			},
		})
	}
	return c
}

// replace makes a directory hold exactly these files, of all that have the endings of theirs.
func replace(dir string, files map[string][]byte) error {
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fault.Errorf(fault.Internal, "make the directory of the reference: %w", err)
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			return fault.Errorf(fault.Internal, "write the reference: %w", err)
		}
		// redoubtd writes pages of its own beside these.
		before, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*"+filepath.Ext(path)))
		if err != nil {
			return fault.Errorf(fault.Internal, "look for pages of commands that there are no more: %w", err)
		}
		for _, old := range before {
			rel, err := filepath.Rel(dir, old)
			if _, still := files[rel]; err == nil && !still && filepath.Ext(old) != "" && strings.HasPrefix(filepath.Base(old), "redoubt") && !strings.HasPrefix(filepath.Base(old), "redoubtd") {
				os.Remove(old)
			}
		}
	}
	return nil
}

// pages makes one page of each command that people see.
func pages(c *cobra.Command, out map[string][]byte, name func(*cobra.Command) string, page func(*cobra.Command, *bytes.Buffer) error) error {
	for _, sub := range c.Commands() {
		if !sub.IsAvailableCommand() || sub.IsAdditionalHelpTopicCommand() {
			continue
		}
		if err := pages(sub, out, name, page); err != nil {
			return err
		}
	}
	var text bytes.Buffer
	if err := page(c, &text); err != nil {
		return err
	}
	out[name(c)] = text.Bytes()
	return nil
}

func manPages(root *cobra.Command) (map[string][]byte, error) {
	out := map[string][]byte{}
	name := func(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") + ".8" }
	return out, pages(root, out, name, func(c *cobra.Command, text *bytes.Buffer) error {
		// The generator wants a date. It is put in, and taken out again: a page is not new because it was made again.
		epoch := time.Unix(0, 0).UTC()
		var dated bytes.Buffer
		if err := doc.GenMan(c, &doc.GenManHeader{Section: "8", Source: "Redoubt", Manual: "Redoubt", Date: &epoch}, &dated); err != nil {
			return err
		}
		text.Write(bytes.Replace(dated.Bytes(), []byte(`"Jan 1970"`), []byte(`""`), 1))
		return nil
	})
}

// oldNamesPage is the page of the reference that says which command an old name is.
const oldNamesPage = "old-names.md"

func markdownPages(root *cobra.Command) (map[string][]byte, error) {
	out := map[string][]byte{}
	name := func(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "_") + ".md" }
	err := pages(root, out, name, func(c *cobra.Command, text *bytes.Buffer) error { return doc.GenMarkdown(c, text) })
	var text bytes.Buffer
	text.WriteString("# Old names\n\nThe program answers under these names too, when it is called by them; `redoubt links install DIR` makes the links. " +
		"The verbs and the letters of the options are the same.\n\n| called as | is |\n| --- | --- |\n")
	old := oldNames()
	for _, name := range slices.Sorted(maps.Keys(old)) {
		is := "`redoubt " + old[name] + "`"
		if strings.HasPrefix(name, "scha_") {
			is = "for the methods of resource types: see [agents.md](../agents.md)"
		}
		fmt.Fprintf(&text, "| `%s` | %s |\n", name, is)
	}
	out[oldNamesPage] = text.Bytes()
	out[authorizationsPage] = authorizations()
	out[networkPage] = network()
	out[checksPage] = checkPage()
	return out, err
}

// completions are the completion of each shell under the name its package expects. That of bash and zsh is also for the old names.
func completions(root *cobra.Command) (map[string][]byte, error) {
	var bash, zsh, fish bytes.Buffer
	err := errors.Join(root.GenBashCompletionV2(&bash, true), root.GenZshCompletion(&zsh), root.GenFishCompletion(&fish, true))
	old := strings.Join(slices.Sorted(maps.Keys(oldNames())), " ")
	fmt.Fprintf(&bash, "\ncomplete -o default -o nospace -F __start_redoubt %s\n", old)
	fmt.Fprintf(&zsh, "\ncompdef _redoubt %s\n", old)
	return map[string][]byte{"bash/redoubt": bash.Bytes(), "zsh/_redoubt": zsh.Bytes(), "fish/redoubt.fish": fish.Bytes()}, err
}
