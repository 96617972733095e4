package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"redoubt/assess"
	"redoubt/assess/formula"
	"redoubt/assess/game"
	"redoubt/assess/live"
	"redoubt/assess/model"
	"redoubt/assess/report"
	"redoubt/internal/fault"
)

// The formats of a whole report, and of a section.
var (
	runFormats     = []string{"table", "json", "yaml", "html", "oscal", "csv", "xlsx"}
	sectionFormats = []string{"table", "json", "yaml"}
)

// sectionText is a section as the command line speaks of it.
type sectionText struct {
	section assess.Section
	short   string
	long    string // what the model needs, and how to read the figures
}

// assessSections are the sections, in the order of the report.
var assessSections = []sectionText{
	{assess.SectionDynamics, "Compute how often threats come true and what they cost, learned from observations", "section frequency, and section damage for what they cost"},
	{assess.SectionLosses, "Compute the distribution of the total loss", "sections frequency and damage; section losses says to which error, and holds tolerance, limits and insurance"},
	{assess.SectionIBM, "Compute expected losses by orders of magnitude", "section ibm"},
	{assess.SectionOptimum, "Compute what to spend on protection, and which measures to choose", "section costs; measures are the means that say what they reduce"},
	{assess.SectionGame, "Compute what an attacker and a defender would spend", "section game"},
	{assess.SectionCoverage, "Compute which threats no means stands against, and the cheapest means that cover all", "section coverage"},
	{assess.SectionVulnerability, "Compute the chances of unauthorised acquisition, of violated integrity and of copying", "section vulnerability, integrity or copying"},
	{assess.SectionAccess, "Decide requests for access, each with its reason", "section access with adept50 or hartson"},
	{assess.SectionCodes, "Compute access codes for a hierarchy, and how well they protect", "section codes"},
}

func sectionOf(s assess.Section) sectionText {
	for _, x := range assessSections {
		if x.section == s {
			return x
		}
	}
	return sectionText{section: s}
}

// oneModel wants the file of a model.
func oneModel(c *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usageError{fmt.Errorf("%s wants the file of one model, and got %d", c.CommandPath(), len(args)), "`redoubt assess init > model.yaml` makes one; - is standard input."}
	}
	return nil
}

func assessRun(e Env) *cobra.Command {
	c := &cobra.Command{
		Use: "run MODEL", Short: "Compute the whole report of a model", Example: "redoubt assess run model.yaml -o html --output report.html",
		Long: `Compute the whole report of a model: every section that the model has something for.

    redoubt assess run model.yaml                                     tables; -v with every number of a row
    redoubt assess run model.yaml -o json | jq .losses.total          the report for programs
    redoubt assess run model.yaml -o html --output report.html        one page with plots, that needs nothing else
    redoubt assess run model.yaml -o xlsx --output report.xlsx
    redoubt assess run model.yaml --incidents incidents.jsonl         with a store of incidents counted in
    redoubt assess run - -o csv < model.yaml

The figures are the same, to the bit, on any number of processors.`,
		Args: oneModel, ValidArgsFunction: completeModel(1),
	}
	addFormat(c, runFormats...)
	addFile(c)
	addComputing(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if _, err := formatOf(c, runFormats...); err != nil {
			return err
		}
		lang, err := langOf(c)
		if err != nil {
			return err
		}
		var in inputs
		m, err := in.model(e, args[0])
		if err != nil {
			return err
		}
		if err := in.withIncidents(c, e, m); err != nil {
			return err
		}
		return in.report(c, e, m, lang, nil)
	}
	return c
}

// report computes the whole report and prints it as the command's flags say.
func (in inputs) report(c *cobra.Command, e Env, m *model.Model, lang formula.Lang, notes []assess.Note) error {
	format, err := formatOf(c, runFormats...)
	if err != nil {
		return err
	}
	file, _ := c.Flags().GetString("output")
	if _, _, screen := e.screen(); format == "xlsx" && file == "" && screen {
		return usageError{errors.New("a workbook is nothing for a terminal: --output says where to write it"), ""}
	}
	o, end := computing(c, e)
	r, err := assess.Run(c.Context(), m, o)
	end()
	if err != nil {
		return assessError(err)
	}
	r.Notes = append(notes, r.Notes...)
	if err := e.warnMissing(r); err != nil {
		return err
	}
	l := e.look()
	if file != "" {
		l = look{}
	}
	verbose, _ := c.Flags().GetBool("verbose")
	return in.deliver(e, file, func(w io.Writer) error {
		switch format {
		case "html":
			return report.HTML(w, r, m, string(lang))
		case "oscal":
			return report.OSCAL(w, r, m, string(lang))
		case "csv":
			return report.CSV(w, r, m, string(lang))
		case "xlsx":
			return report.XLSX(w, r, m, string(lang))
		case "table":
			return assessTables{l, string(lang)}.assessReport(w, r, m, verbose)
		}
		return printJSON(w, format, r)
	})
}

// assessError is what a computation that failed says.
func assessError(err error) error {
	if errors.Is(err, context.Canceled) {
		return fault.Errorf(fault.Internal, "the computation was ended before it was done")
	}
	return fault.Errorf(fault.Invalid, "%w", err)
}

func assessSection(e Env, s sectionText) *cobra.Command {
	name := string(s.section)
	c := &cobra.Command{
		Use: name + " MODEL", Short: s.short, Example: "redoubt assess " + name + " model.yaml -o json", Args: oneModel, ValidArgsFunction: completeModel(1),
		Long: s.short + ".\n\nThe model needs " + s.long + ".\n\n    redoubt assess " + name + " model.yaml\n    redoubt assess " + name + " model.yaml -o json   exactly the object " + name + " of the report\n" +
			"    redoubt assess explain                  the formulas that figures name",
	}
	formats := sectionFormats
	if s.section == assess.SectionGame {
		formats = append(slices.Clone(formats), "nfg")
		c.Long += "\n\nThe file may also be a game of two players in gambit's format .nfg; -o nfg prints the game of a model in that format, where it has one in normal form."
	}
	addFormat(c, formats...)
	addFile(c)
	addComputing(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		format, err := formatOf(c, formats...)
		if err != nil {
			return err
		}
		var in inputs
		m, err := in.modelOrGame(e, args[0], s.section == assess.SectionGame)
		if err != nil {
			return err
		}
		if err := in.withIncidents(c, e, m); err != nil {
			return err
		}
		if format == "nfg" {
			return in.normalForm(c, e, m)
		}
		return in.section(c, e, m, s)
	}
	if s.section == assess.SectionCodes {
		c.AddCommand(assessDesign(e))
	}
	return c
}

// normalForm writes the game of a model in gambit's format.
func (in inputs) normalForm(c *cobra.Command, e Env, m *model.Model) error {
	var text []byte
	switch g := m.Game; {
	case g != nil && g.NFG != "":
		text = []byte(g.NFG)
	case g != nil && g.Matrix != nil:
		b := game.Bimatrix{Title: m.Title, Players: [2]string{"attacker", "defender"}, Rows: g.Matrix.Rows, Columns: g.Matrix.Columns, A: g.Matrix.Attacker, B: g.Matrix.Defender}
		if b.B == nil { // what one gains the other loses
			for _, row := range b.A {
				loses := make([]float64, len(row))
				for i, v := range row {
					loses[i] = -v
				}
				b.B = append(b.B, loses)
			}
		}
		var err error
		if text, err = b.NFG(); err != nil {
			return fault.Errorf(fault.Invalid, "%w", err)
		}
	default:
		return fault.Errorf(fault.Invalid, "the model has no game in normal form: matrix or nfg of section game")
	}
	file, _ := c.Flags().GetString("output")
	return in.deliver(e, file, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
}

// section computes one section and prints it.
func (in inputs) section(c *cobra.Command, e Env, m *model.Model, s sectionText) error {
	format, err := formatOf(c, sectionFormats...)
	if err != nil {
		return err
	}
	lang, err := langOf(c)
	if err != nil {
		return err
	}
	o, end := computing(c, e)
	r, err := assess.RunSection(c.Context(), m, s.section, o)
	end()
	if err != nil && !errors.Is(err, assess.ErrNothing) {
		return assessError(err)
	}
	var part json.RawMessage
	if err == nil {
		if part, err = sectionJSON(r, s.section); err != nil {
			return err
		}
	}
	if part == nil {
		if why := reasons(r, s.section); len(why) > 0 {
			return fault.Errorf(fault.Invalid, "%s can not be computed: %s", s.section, strings.Join(why, "; "))
		}
		return fault.Errorf(fault.Invalid, "the model has nothing for %s: it needs %s", s.section, s.long)
	}
	file, _ := c.Flags().GetString("output")
	l := e.look()
	if file != "" {
		l = look{}
	}
	verbose, _ := c.Flags().GetBool("verbose")
	if format != "table" {
		for _, n := range r.Notes {
			tell(e.Stderr, "note: %s\n", noteText(n))
		}
	}
	return in.deliver(e, file, func(w io.Writer) error {
		if format == "table" {
			return assessTables{l, string(lang)}.assessSection(w, r, s.section, verbose)
		}
		return printJSON(w, format, part)
	})
}

// reasons are the notes of a report on a section: why it is not there, where it is not.
func reasons(r *assess.Report, s assess.Section) (why []string) {
	if r == nil {
		return nil
	}
	for _, n := range r.Notes {
		if n.Section == string(s) {
			why = append(why, noteText(n))
		}
	}
	return why
}

// warnMissing says at standard error which sections a report lacks although the model has something for them, and why.
func (e Env) warnMissing(r *assess.Report) error {
	for _, s := range assessSections {
		why := reasons(r, s.section)
		if len(why) == 0 {
			continue
		}
		part, err := sectionJSON(r, s.section)
		if err != nil {
			return err
		}
		if part == nil {
			tell(e.Stderr, "warning: the report has no section %s: %s\n", s.section, strings.Join(why, "; "))
		}
	}
	return nil
}

// sectionJSON is the object of a section in the report; nil where there is none.
func sectionJSON(r *assess.Report, s assess.Section) (json.RawMessage, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "write the report as JSON: %w", err)
	}
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(text, &parts); err != nil {
		return nil, fault.Errorf(fault.Internal, "read the report's JSON: %w", err)
	}
	return parts[string(s)], nil
}

// assessDesign finds how many bits access codes need.
func assessDesign(e Env) *cobra.Command {
	c := &cobra.Command{
		Use: "design [MODEL]", Short: "Find the fewest bits of access codes that reach a wanted degree of protection", Example: "redoubt assess codes design --levels 8 --degree 0.9",
		ValidArgsFunction: completeModel(1),
		Long: `Find the fewest bits of access codes that reach a wanted degree of protection, for the hierarchy of a model or for one that the flags describe.

    redoubt assess codes design model.yaml --degree 0.95
    redoubt assess codes design --levels 8 --degree 0.9        a linear hierarchy of eight levels
    redoubt assess codes design --tree 4                       a complete binary tree of four levels, fully protected`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 1 {
				return oneModel(c, args)
			}
			return nil
		},
	}
	c.Flags().Float64("degree", 1, "the degree of protection that is wanted, from 0 to 1")
	c.Flags().String("measure", "", "which degree: relative, absolute or minimum; default: the model's, or relative")
	c.Flags().String("phi", "", "the function of the bits: subset, and, xnor, or four digits; default: the model's, or subset")
	c.Flags().Int("levels", 0, "a linear hierarchy of so many levels, in place of a model")
	c.Flags().Int("tree", 0, "a complete binary tree of so many levels, in place of a model")
	_ = c.RegisterFlagCompletionFunc("measure", cobra.FixedCompletions([]string{"relative", "absolute", "minimum"}, cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("phi", cobra.FixedCompletions([]string{"subset", "and", "xnor"}, cobra.ShellCompDirectiveNoFileComp))
	addFormat(c, sectionFormats...)
	addFile(c)
	c.Flags().Int("workers", 0, "processors to use; 0: all. The figures do not depend on it")
	c.RunE = func(c *cobra.Command, args []string) error {
		var in inputs
		m, err := in.design(c, e, args)
		if err != nil {
			return err
		}
		return in.section(c, e, m, sectionOf(assess.SectionCodes))
	}
	return c
}

// design makes the model whose codes are looked for.
func (in *inputs) design(c *cobra.Command, e Env, args []string) (*model.Model, error) {
	levels, _ := c.Flags().GetInt("levels")
	tree, _ := c.Flags().GetInt("tree")
	m := &model.Model{Version: model.Version}
	switch {
	case len(args) == 1 && levels == 0 && tree == 0:
		read, err := in.model(e, args[0])
		if err != nil {
			return nil, err
		}
		if read.Codes == nil {
			return nil, fault.Errorf(fault.Invalid, "%s has no section codes, which says what the hierarchy is", args[0])
		}
		m = read
	case len(args) == 0 && levels > 0 && tree == 0:
		m.Codes = &model.Codes{Ring: &model.Ring{Levels: levels}}
	case len(args) == 0 && levels == 0 && tree > 0:
		m.Codes = &model.Codes{TreeDepth: tree}
	default:
		return nil, usageError{fmt.Errorf("%s wants one of a model, --levels and --tree", c.CommandPath()), fmt.Sprintf("See %s --help.", c.CommandPath())}
	}
	m.Codes.N = 0
	if c.Flags().Changed("degree") || len(args) == 0 {
		m.Codes.Degree, _ = c.Flags().GetFloat64("degree")
	}
	if s, _ := c.Flags().GetString("measure"); s != "" {
		m.Codes.Measure = s
	}
	if s, _ := c.Flags().GetString("phi"); s != "" {
		m.Codes.Phi = s
	}
	if faults := m.Check(); len(faults) > 0 {
		return nil, fault.Errorf(fault.Invalid, "these codes can not be designed: %s", faults[0])
	}
	return m, nil
}

// assessLiveMounted is `assess live`, with the report that every other verb gives.
func assessLiveMounted(e Env) *cobra.Command {
	c := assessLiveCommand(e, func(c *cobra.Command, m *live.Model, lang string, notes []assess.Note) error {
		l, err := formula.ParseLang(lang)
		if err != nil {
			return usageError{err, ""}
		}
		return inputs{}.report(c, e, m.Model, l, notes)
	})
	c.Long = c.Short + ".\n\n    " + strings.ReplaceAll(c.Example, "\n", "\n    ")
	c.Example, _, _ = strings.Cut(c.Example, "\n")
	addFormat(c, runFormats...)
	addFile(c)
	c.Flags().Int("workers", 0, "processors to use; 0: all. The figures do not depend on it")
	return c
}
