package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"redoubt/assess"
	"redoubt/assess/catalogue"
	"redoubt/assess/live"
	"redoubt/internal/fault"
	"redoubt/internal/version"
)

// liveFlags are what `assess live` was told.
type liveFlags struct {
	freeze, from, catalogue, model string
	since                          string
	lang                           string
	hardening                      []string // NODE=FILE
}

// liveEntries is how many entries of the log are asked for: as many as a node answers at once.
const liveEntries = 10_000

// printCatalogue is what --catalogue without a file means.
const printCatalogue = "print"

// assessLiveCommand makes `assess live`. finish computes the report of a model and prints it in the form that the caller's flags ask for; notes are what the report has to
// say beside its own.
func assessLiveCommand(e Env, finish func(c *cobra.Command, m *live.Model, lang string, notes []assess.Note) error) *cobra.Command {
	var f liveFlags
	c := &cobra.Command{
		Use: "live", Short: "Assess the cluster that is running, by what it says of itself",
		Example: "redoubt assess live -o html --output report.html\nredoubt assess live --freeze cluster.json\nredoubt assess live --from cluster.json --model model.yaml",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			l, err := langOf(c)
			if err != nil {
				return err
			}
			f.lang = string(l)
			return assessLive(c, e, f, finish)
		},
	}
	c.Flags().StringVar(&f.freeze, "freeze", "", "write what the cluster says to this file, and assess nothing; - is standard output")
	c.Flags().StringVar(&f.from, "from", "", "take what a cluster said from this file and ask nobody; - is standard input")
	c.Flags().StringVar(&f.catalogue, "catalogue", "", "take the catalogue of threats from this file; without =FILE print the one that comes with the program")
	c.Flags().Lookup("catalogue").NoOptDefVal = printCatalogue
	c.Flags().StringVar(&f.model, "model", "", "write the model to this file, to edit it and to run it with redoubt assess run; - is standard output")
	c.Flags().StringArrayVar(&f.hardening, "hardening", nil, "NODE=FILE: what `redoubt harden check -o json` printed on a node; may be given for each")
	c.Flags().StringVar(&f.since, "since", "1095d", "how far back the log is asked: a time, a day, or how long ago")
	return c
}

func assessLive(c *cobra.Command, e Env, f liveFlags, finish func(*cobra.Command, *live.Model, string, []assess.Note) error) error {
	switch {
	case f.catalogue == printCatalogue:
		_, err := e.Stdout.Write(catalogue.Text())
		return err
	case f.freeze != "" && f.from != "":
		return usageError{fmt.Errorf("--freeze asks the cluster and --from asks nobody; give one"), ""}
	case f.from != "" && len(f.hardening) > 0:
		return usageError{fmt.Errorf("--from takes a stored export as it is; give --hardening when it is made"), ""}
	case f.freeze != "" && f.model != "":
		return usageError{fmt.Errorf("--freeze makes no model; use --from with the file that it writes"), ""}
	}
	known, err := liveCatalogue(f.catalogue)
	if err != nil {
		return err
	}
	export, err := liveExport(c, e, f)
	if err != nil {
		return err
	}
	for _, x := range f.hardening {
		h, err := liveHardening(x)
		if err != nil {
			return err
		}
		export.Hardening = append(export.Hardening, h)
	}
	text, err := live.Freeze(export)
	if err != nil {
		return fault.Errorf(fault.Internal, "%w", err)
	}
	if f.freeze != "" {
		return liveWrite(e, f.freeze, text)
	}
	// What is assessed is what a stored export would give: nothing that is only known at this moment.
	if export, err = live.Thaw(bytes.NewReader(text)); err != nil {
		return fault.Errorf(fault.Precondition, "%w", err)
	}
	m, err := live.Build(export, known, f.lang)
	if err != nil {
		return fault.Errorf(fault.Precondition, "%w", err)
	}
	if f.model != "" {
		doc, err := liveModelText(m)
		if err != nil {
			return err
		}
		return liveWrite(e, f.model, doc)
	}
	notes := make([]assess.Note, len(m.Notes))
	for i, n := range m.Notes {
		notes[i] = assess.Note{Section: "live", Text: n}
	}
	return finish(c, m, f.lang, notes)
}

// liveHardening reads the report of a node's hardening.
func liveHardening(flag string) (live.Hardening, error) {
	node, file, ok := strings.Cut(flag, "=")
	if !ok || node == "" || file == "" {
		return live.Hardening{}, usageError{fmt.Errorf("--hardening %q: want NODE=FILE, the file as `redoubt harden check -o json` prints it", flag), ""}
	}
	out := live.Hardening{Node: node}
	text, err := os.ReadFile(file)
	if err != nil {
		return out, fault.Errorf(fault.Invalid, "the hardening of %s: %w", node, err)
	}
	if err := json.Unmarshal(text, &out.Items); err != nil {
		return out, fault.Errorf(fault.Invalid, "the hardening of %s: %s is not as `redoubt harden check -o json` prints it: %w", node, file, err)
	}
	for _, i := range out.Items {
		if i.ID == "" || i.Status == "" {
			return out, fault.Errorf(fault.Invalid, "the hardening of %s: %s has an entry without id or status; print it with `redoubt harden check -o json`", node, file)
		}
	}
	return out, nil
}

func liveCatalogue(file string) (*catalogue.Catalogue, error) {
	if file == "" {
		known, err := catalogue.Shipped()
		if err != nil {
			return nil, fault.Errorf(fault.Internal, "%w", err)
		}
		return known, nil
	}
	r, err := os.Open(file)
	if err != nil {
		return nil, fault.Errorf(fault.Invalid, "the catalogue: %w", err)
	}
	defer func() { _ = r.Close() }()
	known, err := catalogue.Read(r)
	if err != nil {
		return nil, fault.Errorf(fault.Invalid, "%s: %w", file, err)
	}
	return known, nil
}

// liveExport reads a stored export, or asks the cluster.
func liveExport(c *cobra.Command, e Env, f liveFlags) (*live.Export, error) {
	if f.from == "" {
		client, err := e.daemon(c)
		if err != nil {
			return nil, err
		}
		return liveGather(c.Context(), e, client, f.since)
	}
	in := e.Stdin
	if f.from != "-" {
		r, err := os.Open(f.from)
		if err != nil {
			return nil, fault.Errorf(fault.Invalid, "the export: %w", err)
		}
		defer func() { _ = r.Close() }()
		in = r
	}
	export, err := live.Thaw(in)
	if err != nil {
		return nil, fault.Errorf(fault.Invalid, "%s: %w", f.from, err)
	}
	return export, nil
}

// liveGather asks a cluster for everything that an export holds. Only its status is needed; whatever else can not be read is named in the export.
func liveGather(ctx context.Context, e Env, client Client, since string) (*live.Export, error) {
	out := &live.Export{Program: version.Version}
	ask := func(noun, verb string, body map[string]any, into any) error {
		answer, err := client.Do(ctx, Call{Noun: noun, Verb: verb, Read: true, Body: body})
		if err == nil && len(answer) > 0 {
			if err = json.Unmarshal(answer, into); err != nil {
				err = fault.Errorf(fault.Internal, "%s %s: the answer can not be read; is the daemon of the same version? %w", noun, verb, err)
			}
		}
		return err
	}
	if err := ask("cluster", "status", nil, &out.Status); err != nil {
		return nil, err
	}
	if !out.Status.InCluster || out.Status.Cluster == nil {
		return nil, fault.Errorf(fault.Precondition, "node %s is in no cluster: there is nothing to assess; ask a node of a cluster, or take a stored export with --from", out.Status.Node)
	}
	out.Taken = out.Status.Time
	if out.Taken.IsZero() {
		out.Taken = e.now().UTC()
	}
	var err error
	if out.Since, err = liveSince(since, out.Taken); err != nil {
		return nil, err
	}
	all := map[string]any{"all": true}
	log := map[string]any{"since": out.Since.Format(time.RFC3339), "limit": liveEntries}
	for _, x := range []struct {
		noun, verb string
		body       map[string]any
		into       any
	}{
		{"cluster", "show", nil, &out.Cluster},
		{"cluster", "check", nil, &out.Check},
		{"access", "show", nil, &out.Access},
		{"node", "show", all, &out.Nodes},
		{"group", "show", all, &out.Groups},
		{"resource", "show", all, &out.Resources},
		{"quorum", "show", all, &out.Quorum},
		{"user", "show", all, &out.Users},
		{"user", "show", map[string]any{"all": true, "unixGroup": true}, &out.UnixGroups},
		{"role", "show", all, &out.Roles},
		{"profile", "show", all, &out.Profiles},
		{"certificate", "show", all, &out.Certificates},
		{"secret", "show", all, &out.Secrets},
		{"log", "events", log, &out.Events},
		{"log", "commands", log, &out.Commands},
		{"log", "verify", nil, &out.Verified},
		{"log", "show-forward", nil, &out.Forward},
	} {
		err := ask(x.noun, x.verb, x.body, x.into)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil && !fault.Is(err, fault.NotFound) {
			out.Missing = append(out.Missing, live.Missing{Source: x.noun + " " + x.verb, Why: err.Error()})
		}
	}
	out.EventsCut, out.CommandsCut = len(out.Events) >= liveEntries, len(out.Commands) >= liveEntries
	return out, nil
}

// liveSince reads how far back the log is asked.
func liveSince(since string, now time.Time) (time.Time, error) {
	if days, ok := strings.CutSuffix(since, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n > 0 {
			return now.AddDate(0, 0, -n).UTC(), nil
		}
	}
	if d, err := time.ParseDuration(since); err == nil {
		return now.Add(-d).UTC(), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, since); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, usageError{fmt.Errorf("--since %q: want a time, a day, or how long ago, such as 365d", since), ""}
}

// liveModelText is the model as a file to edit, with what has to be known about it before it.
func liveModelText(m *live.Model) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("# Made by `redoubt assess live --model`. Run it with `redoubt assess run FILE`.\n")
	for _, n := range m.Notes {
		fmt.Fprintf(&b, "# - %s\n", strings.ReplaceAll(n, "\n", " "))
	}
	y := yaml.NewEncoder(&b)
	y.SetIndent(2)
	if err := y.Encode(m.Model); err != nil {
		return nil, fault.Errorf(fault.Internal, "write the model: %w", err)
	}
	if err := y.Close(); err != nil {
		return nil, fault.Errorf(fault.Internal, "write the model: %w", err)
	}
	return b.Bytes(), nil
}

// liveWrite writes a whole file, or standard output. An export says who may do what: only its owner reads a new file.
func liveWrite(e Env, file string, text []byte) error {
	return inputs{}.deliver(e, file, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
}
