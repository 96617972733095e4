package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"redoubt/assess/incident"
	"redoubt/assess/model"
	"redoubt/internal/fault"
)

// sinceUntil reads two flags that are times.
func sinceUntil(c *cobra.Command, since string) (from, until time.Time, err error) {
	for name, at := range map[string]*time.Time{since: &from, "until": &until} {
		if s, _ := c.Flags().GetString(name); s != "" {
			if *at, err = incident.When(s); err != nil {
				return from, until, usageError{fmt.Errorf("--%s: %w", name, err), ""}
			}
		}
	}
	return from, until, nil
}

func incidentApply(e Env) *cobra.Command {
	c := &cobra.Command{
		Use: "apply MODEL", Short: "Count the incidents into the observations of a model", Example: "redoubt assess incident apply model.yaml --write",
		Long: `Count the incidents of the store into the observations of a model, and print the model; --write changes its file. Everything else in the file stays as it is, with
its comments. For each threat there is then an observation for each period, also where nothing happened: so the span has to be one in which every incident would have
been noted. Without --from it begins with the earliest incident; without --until it ends on the day of the model or today, but not after the period of the latest
incident. A period that is cut off counts for the part that has passed. Counting again replaces what was counted before, and leaves alone what somebody wrote.

    redoubt assess incident apply model.yaml                                   print the changed model
    redoubt assess incident apply model.yaml --from 2023 --until 2026-11-01 --write
    redoubt assess run model.yaml --incidents incidents.jsonl                  or count them in without changing a file`,
		Args: oneModel, ValidArgsFunction: completeModel(1),
	}
	c.Flags().String("from", "", "the time from which on every incident was noted; default: that of the earliest")
	c.Flags().String("until", "", "the end of that time; default: the day of the model or today, but not after the period of the latest incident")
	c.Flags().Bool("write", false, "change the file of the model")
	addFile(c)
	c.RunE = func(c *cobra.Command, args []string) error { return applying(c, e, args[0]) }
	return c
}

func applying(c *cobra.Command, e Env, name string) error {
	file, _ := c.Flags().GetString("output")
	inPlace, _ := c.Flags().GetBool("write")
	if inPlace && (file != "" || name == "-") {
		return usageError{errors.New("--write changes the file of the model; --output and standard input do not go with it"), ""}
	}
	from, end, err := sinceUntil(c, "from")
	if err != nil {
		return err
	}
	store, _ := c.Flags().GetString("store")
	var in inputs
	s, err := in.store(e, store)
	if err != nil {
		return err
	}
	text, err := in.take(e, name, model.MaxSize)
	if err != nil {
		return err
	}
	m, err := model.Read(text)
	if faults, ok := errors.AsType[model.Faults](err); ok {
		tell(e.Stderr, "%s", faultLines(name, faults))
		return fault.Errorf(fault.Invalid, "%s has %s; nothing was changed", name, count(len(faults), "fault"))
	} else if err != nil {
		return err
	}
	applied, err := incident.Apply(m, s.All(), incident.Span{From: from, Until: end, Today: today(e, m), Store: storeName(store)})
	if err != nil {
		return fault.Errorf(fault.Invalid, "count the incidents of %s: %w", store, err)
	}
	tell(e.Stderr, "from %s to %s:\n", applied.From, applied.To)
	for _, t := range applied.Threats {
		tell(e.Stderr, "  %s: %s, %s\n", t.Threat, count(t.Incidents, "incident"), count(len(t.Damages), "new damage"))
	}
	for _, n := range applied.Notes {
		tell(e.Stderr, "note: %s\n", n)
	}
	changed, err := rewritten(text, m)
	if err != nil {
		return fault.Errorf(fault.Invalid, "%s: %w", name, err)
	}
	put := func(w io.Writer) error {
		_, err := w.Write(changed)
		return err
	}
	if inPlace {
		return replaceFile(name, put)
	}
	return in.deliver(e, file, put)
}

// rewritten is the text of a changed model: that of the file with new observations, or new JSON where the file is JSON.
func rewritten(text []byte, m *model.Model) ([]byte, error) {
	if start := bytes.TrimSpace(text); len(start) > 0 && start[0] == '{' {
		var b bytes.Buffer
		err := printJSON(&b, "json", m)
		return b.Bytes(), err
	}
	return incident.Rewrite(text, m)
}
