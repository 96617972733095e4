package cli

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"redoubt/assess/incident"
	"redoubt/assess/model"
	"redoubt/internal/fault"
)

func incidentImport(e Env) *cobra.Command {
	c := &cobra.Command{
		Use: "import FILE...", Short: "Import incidents from another program's files", Example: "redoubt assess incident import --form veris data.json",
		Long: `Import incidents from another program's files. Rules say which record is which threat: incident rules prints those that come with the program, --rules takes
edited ones. A record that was imported before is known by its id, or by what it says, and is not added again.

    csv         a table whose first line names the columns; --column says which is what
    veris       incidents of the VERIS schema, as JSON: one, a list, or one after the other
    stix        a bundle of STIX 2.1: incidents and sightings
    syslog      lines of RFC 5424 or of the files of a machine; a line that no rule fits is no incident
    commandlog  what redoubt log export, log commands -o json and log events -o json print

    redoubt assess incident import --column time=year --column threat=breach_type --column count=breaches breaches.csv
    redoubt assess incident import --rules my-rules.yaml --dry-run /var/log/auth.log`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{fmt.Errorf("%s needs a file", c.CommandPath()), ""}
			}
			return nil
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveDefault
		},
	}
	c.Flags().String("form", "", "the form of the files: "+strings.Join(incident.Formats, ", ")+"; default: found out")
	c.Flags().String("rules", "", "the file with the rules")
	c.Flags().StringArray("column", nil, "WHAT=NAME of a table, as time=Year; what is id, time, threat, object, count, damage, currency or note")
	c.Flags().String("decimal", "", "what stands before the fraction of an amount in a table: . or ,")
	c.Flags().String("threat", "", "the threat of every record that no rule fits")
	c.Flags().Bool("replace", false, "take the place of incidents that are there already and say something else")
	c.Flags().Bool("dry-run", false, "only say what would be imported")
	_ = c.RegisterFlagCompletionFunc("form", cobra.FixedCompletions(incident.Formats, cobra.ShellCompDirectiveNoFileComp))
	c.RunE = func(c *cobra.Command, args []string) error { return importing(c, e, args) }
	return c
}

// mapping makes the rules of an import from the command's flags.
func (in *inputs) mapping(c *cobra.Command, e Env) (*incident.Mapping, error) {
	text, name := incident.ShippedText(), "the rules that come with the program"
	if file, _ := c.Flags().GetString("rules"); file != "" {
		var err error
		if text, err = in.take(e, file, 1<<20); err != nil {
			return nil, err
		}
		name = file
	}
	m, err := incident.ParseRules(text)
	if faults, ok := errors.AsType[model.Faults](err); ok {
		tell(e.Stderr, "%s", faultLines(name, faults))
		return nil, fault.Errorf(fault.Invalid, "%s: %s; nothing was imported", name, count(len(faults), "fault"))
	} else if err != nil {
		return nil, err
	}
	columns := maps.Clone(m.Columns)
	if columns == nil {
		columns = map[string]string{}
	}
	given, _ := c.Flags().GetStringArray("column")
	for _, g := range given {
		what, column, ok := strings.Cut(g, "=")
		if !ok || !slices.Contains(incident.ColumnNames(), what) {
			return nil, usageError{fmt.Errorf("--column %s: want WHAT=NAME, where what is one of %s", g, strings.Join(incident.ColumnNames(), ", ")), ""}
		}
		columns[what] = column
	}
	m.Columns = columns
	if d, _ := c.Flags().GetString("decimal"); d != "" {
		if d != "." && d != "," {
			return nil, usageError{fmt.Errorf("--decimal %s: want . or ,", d), ""}
		}
		m.Decimal = d
	}
	if threat, _ := c.Flags().GetString("threat"); threat != "" {
		m.Otherwise(threat)
	}
	return m, nil
}

func importing(c *cobra.Command, e Env, args []string) error {
	var in inputs
	m, err := in.mapping(c, e)
	if err != nil {
		return err
	}
	form, _ := c.Flags().GetString("form")
	if form != "" && !slices.Contains(incident.Formats, form) {
		return usageError{fmt.Errorf("--form %s: the forms are %s", form, strings.Join(incident.Formats, ", ")), ""}
	}
	var all []incident.Incident
	byThreat := map[string]int{}
	for _, name := range args {
		text, err := in.take(e, name, incident.MaxSize)
		if err != nil {
			return err
		}
		form := form
		if form == "" {
			if form = incident.Detect(name, text); form == "" {
				return usageError{fmt.Errorf("%s: the form of the file can not be found out; --form says it: %s", name, strings.Join(incident.Formats, ", ")), ""}
			}
		}
		got, err := m.Import(form, text, incident.Options{Source: filepath.Base(name), Now: e.now()})
		if err != nil {
			return fault.Errorf(fault.Invalid, "%s: %w", name, err)
		}
		tell(e.Stderr, "%s: %s, %d of them incidents\n", name, count(got.Records, form+" record"), len(got.Incidents))
		if got.Unmatched > 0 && form != incident.Syslog {
			tell(e.Stderr, "  %d fit no rule or are ignored, as %s\n", got.Unmatched, strings.Join(got.Examples, "; "))
		}
		if got.Unread > 0 {
			tell(e.Stderr, "  %d can not be read:\n    %s\n", got.Unread, strings.Join(got.Problems, "\n    "))
			if len(got.Incidents) == 0 {
				return fault.Errorf(fault.Invalid, "%s has no incident that can be read; nothing was imported", name)
			}
		}
		if got.LaterAll > 0 {
			tell(e.Stderr, "  warning: %d of a time that has not come yet, as %s\n", got.LaterAll, strings.Join(got.Later, "; "))
		}
		all = append(all, got.Incidents...)
		for t, n := range got.ByThreat {
			byThreat[t] += n
		}
	}
	store, _ := c.Flags().GetString("store")
	replace, _ := c.Flags().GetBool("replace")
	dry, _ := c.Flags().GetBool("dry-run")
	var added, replaced, known int
	err = changeStore(store, func(s *incident.Store) (bool, error) {
		var err error
		if added, replaced, known, err = s.Merge(all, replace); err != nil {
			return false, fault.Errorf(fault.Invalid, "%s: %w", store, err)
		}
		return !dry && added+replaced > 0, nil
	})
	if err != nil {
		return err
	}
	for _, t := range slices.Sorted(maps.Keys(byThreat)) {
		tell(e.Stdout, "%s: %d\n", t, byThreat[t])
	}
	word := "added"
	if dry {
		word = "would be added"
	}
	tell(e.Stdout, "%s: %d %s, %d replaced, %d known before\n", store, added, word, replaced, known)
	return nil
}
