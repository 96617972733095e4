package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"redoubt/assess"
	"redoubt/assess/compare"
	"redoubt/assess/report"
	"redoubt/internal/fault"
)

// assessCompare says what changed between two models.
func assessCompare(e Env) *cobra.Command {
	c := &cobra.Command{
		Use: "compare BEFORE AFTER", Short: "Tell what changed between two models, and what it does to every figure", Example: "redoubt assess compare before.yaml after.yaml",
		Long: `Tell what changed between two models, and what it does to every figure of the report, with the absolute and the relative change. Entries of lists are compared by
their names, so that an entry that only moved did not change.

    redoubt assess compare before.yaml after.yaml
    redoubt assess compare before.yaml after.yaml --inputs         only what changed in the models
    redoubt assess compare before.yaml after.yaml --least 0.05     only figures that changed by five in a hundred
    redoubt assess compare before.yaml after.yaml -o json`,
		ValidArgsFunction: completeModel(2),
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 2 || args[0] == "-" && args[1] == "-" {
				return usageError{fmt.Errorf("%s wants the files of two models", c.CommandPath()), fmt.Sprintf("See %s --help.", c.CommandPath())}
			}
			return nil
		},
	}
	c.Flags().Bool("inputs", false, "only what changed in the models; nothing is computed")
	c.Flags().Float64("least", 0, "leave out numbers that changed by less than this share of themselves")
	addFormat(c, sectionFormats...)
	addFile(c)
	c.Flags().Int("workers", 0, "processors to use; 0: all. The figures do not depend on it")
	c.RunE = func(c *cobra.Command, args []string) error { return comparing(c, e, args) }
	return c
}

func comparing(c *cobra.Command, e Env, args []string) error {
	format, err := formatOf(c, sectionFormats...)
	if err != nil {
		return err
	}
	lang, err := langOf(c)
	if err != nil {
		return err
	}
	least, _ := c.Flags().GetFloat64("least")
	if !(least >= 0 && least < 1) {
		return usageError{errors.New("--least wants a share from 0 to 1"), ""}
	}
	var in inputs
	before, err := in.model(e, args[0])
	if err != nil {
		return err
	}
	after, err := in.model(e, args[1])
	if err != nil {
		return err
	}
	result := compare.Result{Figures: []compare.Figure{}}
	if result.Inputs, err = compare.Models(before, after); err != nil {
		return fault.Errorf(fault.Internal, "%w", err)
	}
	onlyInputs, _ := c.Flags().GetBool("inputs")
	if !onlyInputs {
		o, end := computing(c, e)
		defer end()
		was, err := assess.Run(c.Context(), before, o)
		if err != nil {
			return fault.Errorf(fault.Invalid, "%s: %w", args[0], assessError(err))
		}
		is, err := assess.Run(c.Context(), after, o)
		if err != nil {
			return fault.Errorf(fault.Invalid, "%s: %w", args[1], assessError(err))
		}
		if result.Figures, result.Same, err = compare.Reports(was, is, least); err != nil {
			return fault.Errorf(fault.Internal, "%w", err)
		}
		end()
	}
	file, _ := c.Flags().GetString("output")
	l := e.look()
	if file != "" {
		l = look{}
	}
	verbose, _ := c.Flags().GetBool("verbose")
	return in.deliver(e, file, func(w io.Writer) error {
		if format != "table" {
			return printJSON(w, format, result)
		}
		_, err := io.WriteString(w, assessTables{l, string(lang)}.compared(result, onlyInputs, verbose))
		return err
	})
}

// compared sets what changed for people.
func (l assessTables) compared(r compare.Result, onlyInputs, verbose bool) string {
	var b strings.Builder
	if len(r.Inputs) == 0 {
		b.WriteString(l.say("compare.same", "The models say the same.") + "\n")
	} else {
		b.WriteString(l.paint(heading, l.say("compare.inputs", "What changed in the model")) + "\n")
		var rows [][]string
		for _, i := range r.Inputs {
			rows = append(rows, []string{oneLine(i.Path), valueText(i.Before), valueText(i.After)})
		}
		b.WriteString(l.grid("  ", []string{l.say("compare.entry", "Entry"), l.say("compare.before", "Before"), l.say("compare.after", "After")}, rows))
	}
	if onlyInputs {
		return b.String()
	}
	var rows [][]string
	section, series := "", 0
	for _, f := range r.Figures {
		if f.Series && !verbose {
			series++
			continue
		}
		if f.Section != section {
			section = f.Section
			rows = append(rows, []string{l.paint(heading, strings.ToUpper(l.section(assess.Section(section)))), "", "", "", ""})
		}
		said := l.spoken([]report.Row{{Section: f.Section, Item: f.Item, Group: strings.ReplaceAll(f.Item, " / ", "."), Figure: f.Figure, Unit: f.Unit}})[0]
		name := strings.TrimPrefix(said.Item+" "+said.Figure, " ")
		if said.Unit != "" {
			name += ", " + said.Unit
		}
		change, relative := "", ""
		if f.Change != nil {
			change = signed(*f.Change, spellNumber)
		}
		if f.Relative != nil {
			relative = signed(100**f.Relative, func(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }) + " %"
		}
		rows = append(rows, []string{oneLine(name), valueText(l.word(f.Figure, f.Before)), valueText(l.word(f.Figure, f.After)), change, relative})
	}
	if len(rows) > 0 {
		b.WriteString("\n" + l.paint(heading, l.say("compare.figures", "What it does to the figures")) + "\n")
		b.WriteString(l.grid("  ", []string{l.say("figure", "Figure"), l.say("compare.before", "Before"), l.say("compare.after", "After"), l.say("compare.change", "Change"), l.say("compare.relative", "Relative")}, rows))
	}
	if l.translated() {
		b.WriteString("\n" + report.Word(l.lang, "compare.kept", r.Same))
		if series > 0 {
			b.WriteString(report.Word(l.lang, "compare.series", series))
		}
		return b.String() + ".\n"
	}
	fmt.Fprintf(&b, "\n%s did not change", count(r.Same, "figure"))
	if series > 0 {
		fmt.Fprintf(&b, "; %s of plots did (-v shows them)", count(series, "number"))
	}
	b.WriteString(".\n")
	return b.String()
}

func signed(v float64, spell func(float64) string) string {
	if v > 0 {
		return "+" + spell(v)
	}
	return spell(v)
}

// valueText is a value in a cell: what is no single value is told in short.
func valueText(v any) string {
	switch v := v.(type) {
	case nil:
		return "-"
	case float64:
		return figure(report.Row{Value: v})
	case string:
		return shortCell(v)
	case bool:
		return strconv.FormatBool(v)
	}
	text, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	return shortCell(string(text))
}

func shortCell(s string) string {
	s = oneLine(s)
	if r := []rune(s); len(r) > 48 {
		return string(r[:45]) + "..."
	}
	return s
}
