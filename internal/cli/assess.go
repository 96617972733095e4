package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"redoubt/assess"
	"redoubt/assess/formula"
	"redoubt/assess/incident"
	"redoubt/assess/model"
	"redoubt/internal/fault"
)

// assessCommand is the assessor: it reads and writes files, and asks no daemon.
func assessCommand(e Env) *cobra.Command {
	c := &cobra.Command{
		Use: "assess", Short: "Compute how well a system is protected", Example: "redoubt assess run model.yaml -o html --output report.html",
		Long: `Compute how well a system is protected, from a model of it: a file with objects, threats, means of protection and what is known of them. No daemon is needed.

    redoubt assess init > model.yaml                            a complete example to change
    redoubt assess check model.yaml                             everything that is wrong with it
    redoubt assess run model.yaml -o html --output report.html  the whole report
    redoubt assess losses model.yaml -o json                    one section of it
    redoubt assess explain 3.7                                  what a figure is computed by

A file named - is standard input.`,
		Args: func(c *cobra.Command, args []string) error { return unknown(c, args) },
		RunE: func(c *cobra.Command, _ []string) error {
			return usageError{fmt.Errorf("%s needs a verb", c.CommandPath()), fmt.Sprintf("See %s --help.", c.CommandPath())}
		},
	}
	c.PersistentFlags().String("lang", "en", "language of texts: en or ru")
	_ = c.RegisterFlagCompletionFunc("lang", cobra.FixedCompletions([]string{"en", "ru"}, cobra.ShellCompDirectiveNoFileComp))
	c.AddCommand(assessInit(e), assessSchema(e), assessCheck(e), assessRun(e), assessExplain(e), assessCompare(e), assessIncident(e), assessLiveMounted(e))
	for _, s := range assessSections {
		c.AddCommand(assessSection(e, s))
	}
	return c
}

// inputs are the files that a command has read, so that none of them is written over by mistake.
type inputs []string

// take reads a file within a bound; - is standard input.
func (in *inputs) take(e Env, name string, most int64) ([]byte, error) {
	r := e.Stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, fault.Errorf(fault.NotFound, "%s can not be read: %w", name, plainPathError(err))
		}
		defer func() { _ = f.Close() }()
		r = f
		*in = append(*in, name)
	}
	if r == nil {
		return nil, fault.Errorf(fault.Invalid, "there is no standard input to read")
	}
	text, err := io.ReadAll(io.LimitReader(r, most+1))
	if err != nil {
		return nil, fault.Errorf(fault.Invalid, "%s can not be read: %w", name, plainPathError(err))
	}
	if int64(len(text)) > most {
		return nil, fault.Errorf(fault.Invalid, "%s is larger than %d MB", name, most>>20)
	}
	return text, nil
}

// plainPathError leaves the path out of an error, where the message has it already.
func plainPathError(err error) error {
	if p, ok := errors.AsType[*os.PathError](err); ok {
		return p.Err
	}
	return err
}

// model reads a model; what is wrong with it is told at standard error.
func (in *inputs) model(e Env, name string) (*model.Model, error) {
	return in.modelOrGame(e, name, false)
}

// modelOrGame reads a model, or where games are taken a game in gambit's format.
func (in *inputs) modelOrGame(e Env, name string, games bool) (*model.Model, error) {
	text, err := in.take(e, name, model.MaxSize)
	if err != nil {
		return nil, err
	}
	if games && bytes.HasPrefix(text, []byte("NFG ")) {
		m := &model.Model{Version: model.Version, Game: &model.Game{NFG: string(text)}}
		if faults := m.Check(); len(faults) > 0 {
			return nil, fault.Errorf(fault.Invalid, "%s: %s", name, faults[0].Text)
		}
		return m, nil
	}
	m, err := model.Read(text)
	if faults, ok := errors.AsType[model.Faults](err); ok {
		tell(e.Stderr, "%s", faultLines(name, faults))
		return nil, fault.Errorf(fault.Invalid, "%s has %s; nothing was computed", name, count(len(faults), "fault"))
	}
	return m, err
}

// faultLines are the faults as compilers tell them, so that editors find the place.
func faultLines(name string, faults model.Faults) string {
	var b strings.Builder
	for _, f := range faults {
		if f.Line > 0 {
			fmt.Fprintf(&b, "%s:%s\n", name, f)
		} else {
			fmt.Fprintf(&b, "%s: %s\n", name, f)
		}
	}
	return b.String()
}

// withIncidents counts a store of incidents into a model, where one is given.
func (in *inputs) withIncidents(c *cobra.Command, e Env, m *model.Model) error {
	store, _ := c.Flags().GetString("incidents")
	if store == "" {
		if c.Flags().Changed("from") || c.Flags().Changed("until") {
			return usageError{errors.New("--from and --until go with --incidents"), ""}
		}
		return nil
	}
	s, err := in.store(e, store)
	if err != nil {
		return err
	}
	from, until, err := sinceUntil(c, "from")
	if err != nil {
		return err
	}
	applied, err := incident.Apply(m, s.All(), incident.Span{From: from, Until: until, Today: today(e, m), Store: storeName(store)})
	if err != nil {
		return fault.Errorf(fault.Invalid, "count the incidents of %s: %w", store, err)
	}
	for _, n := range applied.Notes {
		tell(e.Stderr, "note: %s\n", n)
	}
	if faults := m.Check(); len(faults) > 0 {
		return fault.Errorf(fault.Invalid, "with the incidents of %s the model has %s, the first: %s", store, count(len(faults), "fault"), faults[0])
	}
	return nil
}

// today is the day of the model, or that of the clock.
func today(e Env, m *model.Model) time.Time {
	if at, err := incident.When(m.Date); err == nil && len(m.Date) >= len(time.DateOnly) {
		return at
	}
	return e.now().UTC()
}

func storeName(path string) string { return filepath.Base(path) }

// addFormat gives a command the flag -o.
func addFormat(c *cobra.Command, formats ...string) {
	c.Flags().StringP("format", "o", formats[0], "how to print: "+strings.Join(formats, ", "))
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
}

// addFile gives a command the flag --output.
func addFile(c *cobra.Command) {
	c.Flags().String("output", "", "write to this file, whole or not at all; not to standard output")
}

// formatOf is the format that a command is to print in.
func formatOf(c *cobra.Command, formats ...string) (string, error) {
	f, _ := c.Flags().GetString("format")
	if !slices.Contains(formats, f) {
		return "", usageError{fmt.Errorf("-o %s: the formats are %s", f, strings.Join(formats, ", ")), ""}
	}
	if file, err := c.Flags().GetString("output"); err == nil && slices.Contains(formats, file) && !c.Flags().Changed("format") {
		return "", usageError{fmt.Errorf("--output names a file; the format is -o %s", file), ""}
	}
	return f, nil
}

// langOf is the language of texts.
func langOf(c *cobra.Command) (formula.Lang, error) {
	s, _ := c.Flags().GetString("lang")
	l, err := formula.ParseLang(s)
	if err != nil {
		return "", usageError{err, ""}
	}
	return l, nil
}

// printJSON prints a value as JSON, or as YAML.
func printJSON(w io.Writer, format string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fault.Errorf(fault.Internal, "write the answer as JSON: %w", err)
	}
	return write(w, format, escaped(text))
}

// completeModel completes the names of model files.
func completeModel(most int) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return []string{"yaml", "yml", "json"}, cobra.ShellCompDirectiveFilterFileExt
	}
}

func noArgs(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("%s takes no operand, and %q is one", c.CommandPath(), args[0]), ""}
	}
	return nil
}

func assessInit(e Env) *cobra.Command {
	return &cobra.Command{
		Use: "init", Short: "Print a complete example of a model, with comments", Example: "redoubt assess init", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := io.WriteString(e.Stdout, model.Example())
			return err
		},
	}
}

func assessSchema(e Env) *cobra.Command {
	return &cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of model files, for editors", Example: "redoubt assess schema", Args: noArgs,
		Long: "Print the JSON Schema of model files. Editors complete and check a model whose first line is\n\n    # yaml-language-server: $schema=model.schema.json\n\n" +
			"when the schema lies beside it:\n\n    redoubt assess schema > model.schema.json",
		RunE: func(*cobra.Command, []string) error {
			_, err := e.Stdout.Write(model.Schema())
			return err
		},
	}
}

func assessCheck(e Env) *cobra.Command {
	c := &cobra.Command{
		Use: "check MODEL...", Short: "Tell everything that is wrong with a model", Example: "redoubt assess check model.yaml", ValidArgsFunction: completeModel(100),
		Long: "Tell everything that is wrong with a model, with file, line and column. The exit status is 0 when nothing is, and 1 otherwise.",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{fmt.Errorf("%s needs the file of a model", c.CommandPath()), "`redoubt assess init > model.yaml` makes one."}
			}
			return nil
		},
	}
	addFormat(c, "table", "json", "yaml")
	c.RunE = func(c *cobra.Command, args []string) error {
		format, err := formatOf(c, "table", "json", "yaml")
		if err != nil {
			return err
		}
		type checked struct {
			File   string       `json:"file"`
			Digest string       `json:"digest,omitempty"`
			Faults model.Faults `json:"faults"`
		}
		all, wrong := []checked{}, false
		for _, name := range args {
			text, err := new(inputs).take(e, name, model.MaxSize)
			if err != nil {
				return err
			}
			m, err := model.Read(text)
			faults, _ := errors.AsType[model.Faults](err)
			switch {
			case faults != nil:
				wrong = true
			case err != nil:
				return err
			}
			x := checked{File: name, Faults: append(model.Faults{}, faults...)}
			if m != nil {
				x.Digest = m.Digest()
			}
			all = append(all, x)
			if format != "table" {
				continue
			}
			tell(e.Stdout, "%s", faultLines(name, faults))
			if m != nil {
				if _, err := fmt.Fprintf(e.Stdout, "%s: no fault: %s\n", name, modelHolds(m)); err != nil {
					return err
				}
			}
		}
		if format != "table" {
			if err := printJSON(e.Stdout, format, all); err != nil {
				return err
			}
		}
		if wrong {
			return StatusError{exitFail}
		}
		return nil
	}
	return c
}

// modelHolds says in a line what a model holds.
func modelHolds(m *model.Model) string {
	parts := []string{count(len(m.Objects), "object"), count(len(m.Threats), "threat")}
	if n := len(m.Means); n == 1 {
		parts = append(parts, "1 means")
	} else {
		parts = append(parts, fmt.Sprintf("%d means", n))
	}
	if m.Coverage != nil {
		parts = append(parts, count(len(m.Coverage.Edges), "edge"))
	}
	return strings.Join(parts, ", ")
}

// assessing tells at a terminal how far a computation is.
func (e Env) assessing() (tell func(section string, done float64), end func()) {
	line := e.line()
	var lock sync.Mutex
	started := time.Now()
	over := false
	return func(section string, done float64) {
			lock.Lock()
			defer lock.Unlock()
			if !over && time.Since(started) > quickly {
				line.set(fmt.Sprintf("%s: %.0f %%", section, 100*min(1, max(0, done))))
			}
		}, func() {
			lock.Lock()
			defer lock.Unlock()
			over = true
			line.clear()
		}
}

// computing makes the options of a computation from a command's flags; end is called when it is over.
func computing(c *cobra.Command, e Env) (o assess.Options, end func()) {
	o.Workers, _ = c.Flags().GetInt("workers")
	o.Progress, end = e.assessing()
	return o, end
}

// addComputing gives a command the flags of a computation.
func addComputing(c *cobra.Command) {
	c.Flags().Int("workers", 0, "processors to use; 0: all. The figures do not depend on it")
	c.Flags().String("incidents", "", "count the incidents of this store in, see redoubt assess incident")
	c.Flags().String("from", "", "with --incidents: the time from which on every incident was noted; default: that of the earliest")
	c.Flags().String("until", "", "with --incidents: the end of that time; default: the day of the model or today, but not after the period of the latest incident")
	_ = c.RegisterFlagCompletionFunc("incidents", cobra.FixedCompletions([]string{"jsonl"}, cobra.ShellCompDirectiveFilterFileExt))
	_ = c.RegisterFlagCompletionFunc("workers", cobra.NoFileCompletions)
}
