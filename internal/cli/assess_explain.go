package cli

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"redoubt/assess/formula"
	"redoubt/internal/fault"
)

// assessExplain explains formulas, or lists them.
func assessExplain(e Env) *cobra.Command {
	c := &cobra.Command{
		Use: "explain [FORMULA]...", Short: "Explain a formula, or list them", Example: "redoubt assess explain 3.7",
		Long: `Explain a formula: what it means, its symbols, where it comes from, and how sure it is that it is that of the original:
[C] confirmed by a public source, [L] said in words by the lecture, [M] from literature as remembered, [R] reconstructed and checked.

    redoubt assess explain                       all formulas
    redoubt assess explain 3.7 C3.exact          two of them
    redoubt assess explain --section losses      those that a section of the report uses
    redoubt assess explain --search negative     those in which a word occurs
    redoubt assess explain 3.1 --lang ru`,
		ValidArgsFunction: func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			lang, err := langOf(c)
			if err != nil {
				lang = formula.English
			}
			var out []string
			for _, f := range formula.All(lang) {
				if !slices.Contains(args, f.ID) {
					out = append(out, f.ID+"\t"+f.Title)
				}
			}
			return out, cobra.ShellCompDirectiveNoFileComp
		},
	}
	c.Flags().String("section", "", "only formulas that this section of the report uses")
	c.Flags().String("search", "", "only formulas in which these words occur")
	sections := make([]string, len(assessSections))
	for i, s := range assessSections {
		sections[i] = string(s.section)
	}
	_ = c.RegisterFlagCompletionFunc("section", cobra.FixedCompletions(sections, cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("search", cobra.NoFileCompletions)
	addFormat(c, sectionFormats...)
	c.RunE = func(c *cobra.Command, args []string) error {
		format, err := formatOf(c, sectionFormats...)
		if err != nil {
			return err
		}
		lang, err := langOf(c)
		if err != nil {
			return err
		}
		section, _ := c.Flags().GetString("section")
		search, _ := c.Flags().GetString("search")
		if len(args) > 0 && (section != "" || search != "") {
			return usageError{errors.New("--section and --search list formulas; with the name of one there is nothing to list"), ""}
		}
		if section != "" && !slices.Contains(sections, section) {
			return usageError{fmt.Errorf("the report has no section %q; it has %s", section, strings.Join(sections, ", ")), ""}
		}
		found := formula.All(lang)
		if search != "" {
			found = formula.Search(search, lang)
		}
		if section != "" {
			found = slices.DeleteFunc(slices.Clone(found), func(f formula.Formula) bool { return !slices.Contains(f.Sections, section) })
		}
		if len(args) > 0 {
			found = nil
			for _, id := range args {
				f, err := formula.Get(id, lang)
				if err != nil {
					return fault.Errorf(fault.NotFound, "%w", err)
				}
				found = append(found, f)
			}
		}
		switch {
		case format != "table" && len(args) == 1:
			return printJSON(e.Stdout, format, found[0])
		case format != "table":
			return printJSON(e.Stdout, format, found)
		case len(args) == 0 && len(found) == 0:
			return fault.Errorf(fault.NotFound, "no formula fits; `redoubt assess explain` lists them all")
		case len(args) == 0:
			_, err := io.WriteString(e.Stdout, formula.List(found))
			return err
		}
		for i, f := range found {
			if i > 0 {
				fmt.Fprintln(e.Stdout)
			}
			if _, err := io.WriteString(e.Stdout, formula.Text(f)); err != nil {
				return err
			}
		}
		return nil
	}
	return c
}
