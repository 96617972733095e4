package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"redoubt/assess/incident"
	"redoubt/assess/model"
	"redoubt/internal/fault"
)

// defaultStore is the store of incidents where none is named.
const defaultStore = "incidents.jsonl"

func assessIncident(e Env) *cobra.Command {
	c := &cobra.Command{
		Use: "incident", Short: "Collect incidents, and count them into a model", Example: "redoubt assess incident import --form csv incidents.csv",
		Long: `Collect manifestations of threats in a store, a file beside the model, and count them into the observations of the model.

    redoubt assess incident add --threat theft --time 2026-11-02 --damage 1200
    redoubt assess incident import --column time=Date --column damage=Cost --threat theft book.csv
    redoubt assess incident import --form veris data.json
    redoubt assess incident list --threat theft --since 2025
    redoubt assess incident apply model.yaml --write

The store holds one incident on each line, as JSON; --store names it, ` + defaultStore + ` is taken otherwise.`,
		Args: func(c *cobra.Command, args []string) error { return unknown(c, args) },
		RunE: func(c *cobra.Command, _ []string) error {
			return usageError{fmt.Errorf("%s needs a verb", c.CommandPath()), fmt.Sprintf("See %s --help.", c.CommandPath())}
		},
	}
	c.PersistentFlags().String("store", defaultStore, "the file with the incidents")
	_ = c.RegisterFlagCompletionFunc("store", cobra.FixedCompletions([]string{"jsonl"}, cobra.ShellCompDirectiveFilterFileExt))
	c.AddCommand(incidentAdd(e), incidentImport(e), incidentList(e), incidentRemove(e), incidentRules(e), incidentApply(e))
	return c
}

// store reads a store.
func (in *inputs) store(e Env, name string) (*incident.Store, error) {
	text, err := in.take(e, name, incident.MaxSize)
	if err != nil {
		return nil, err
	}
	s, err := incident.Parse(text)
	if err != nil {
		return nil, fault.Errorf(fault.Invalid, "%s is no store of incidents:\n%w", name, err)
	}
	return s, nil
}

// changeStore changes a store, which nobody else does at the same time. It is written only where change asks for it.
func changeStore(name string, change func(*incident.Store) (bool, error)) error {
	f, err := lockStore(name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // which ends the lock
	text, err := io.ReadAll(io.LimitReader(f, incident.MaxSize+1))
	if err != nil {
		return fault.Errorf(fault.Internal, "%s can not be read: %w", name, plainPathError(err))
	}
	s, err := incident.Parse(text)
	if err != nil {
		return fault.Errorf(fault.Invalid, "%s is no store of incidents; nothing was changed:\n%w", name, err)
	}
	write, err := change(s)
	if err == nil && write {
		err = writeStore(name, s)
	}
	if len(text) == 0 && (err != nil || !write) {
		_ = os.Remove(name) // it was made for the lock
	}
	return err
}

func writeStore(name string, s *incident.Store) error {
	text, err := s.Text()
	if err != nil {
		return fault.Errorf(fault.Internal, "%s: %w", name, err)
	}
	return replaceFile(name, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
}

// lockStore opens a store, makes it where there is none, and waits until nobody else changes it. A writer puts a new file in its place: the lock has to be of that one.
func lockStore(name string) (*os.File, error) {
	for {
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, fault.Errorf(fault.Invalid, "%s can not be opened: %w", name, plainPathError(err))
		}
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
			_ = f.Close()
			return nil, fault.Errorf(fault.Internal, "%s can not be locked: %w", name, err)
		}
		mine, err := f.Stat()
		if err == nil {
			if there, err := os.Stat(name); err == nil && os.SameFile(mine, there) {
				return f, nil
			}
		}
		_ = f.Close()
	}
}

func incidentAdd(e Env) *cobra.Command {
	c := &cobra.Command{
		Use: "add", Short: "Add an incident by hand", Example: "redoubt assess incident add --threat theft --time 2026-11-02 --damage 1200", Args: noArgs,
		Long: `Add an incident by hand. Its time may be as coarse as it is known: 2026, 2026-11, 2026-11-02 or 2026-11-02T10:00:00Z; without --time it is today.

    redoubt assess incident add --threat theft --time 2026-11-02 --damage 1200 --note "a phone"
    redoubt assess incident add --threat outage --time 2026-10 --count 3 --model model.yaml`,
	}
	c.Flags().String("threat", "", "the threat that came true, as the model calls it")
	c.Flags().String("time", "", "when; default: today")
	c.Flags().String("object", "", "what it befell")
	c.Flags().Int("count", 1, "how many manifestations this stands for")
	c.Flags().Float64("damage", 0, "what it cost")
	c.Flags().String("currency", "", "of the damage; default: that of the model")
	c.Flags().String("note", "", "what happened")
	c.Flags().String("source", "", "who or what says so")
	c.Flags().String("id", "", "an id of your own; default: one is made")
	c.Flags().String("model", "", "hold the names of threat and object against this model")
	for _, name := range []string{"threat", "time", "object", "count", "damage", "currency", "note", "source", "id"} {
		_ = c.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	}
	c.RunE = func(c *cobra.Command, _ []string) error {
		text := func(name string) string { s, _ := c.Flags().GetString(name); return s }
		i := incident.Incident{
			ID: text("id"), Time: text("time"), Threat: text("threat"), Object: text("object"), Currency: text("currency"), Note: text("note"), Source: text("source"),
		}
		if i.Threat == "" {
			return usageError{errors.New("--threat says which threat came true"), ""}
		}
		if i.Time == "" {
			i.Time = e.now().Format("2006-01-02")
		}
		if n, _ := c.Flags().GetInt("count"); n != 1 {
			if n < 1 {
				return usageError{errors.New("--count wants a number from 1 on"), ""}
			}
			i.Count = n
		}
		if c.Flags().Changed("damage") {
			d, _ := c.Flags().GetFloat64("damage")
			if !(d >= 0) || math.IsInf(d, 0) {
				return usageError{fmt.Errorf("--damage %v: want a number that is not below 0", d), ""}
			}
			i.Damage = &d
		}
		if i.After(e.now()) {
			tell(e.Stderr, "warning: %s has not come yet\n", i.Time)
		}
		if err := fits(e, text("model"), i); err != nil {
			return err
		}
		err := changeStore(text("store"), func(s *incident.Store) (bool, error) {
			made := i.ID == ""
			for n := 0; made; n++ {
				i.ID = incident.Identify(i, n)
				made = slices.ContainsFunc(s.All(), func(x incident.Incident) bool { return x.ID == i.ID })
			}
			added, _, _, err := s.Merge([]incident.Incident{i}, false)
			if err != nil {
				return false, usageError{err, ""}
			}
			if added == 0 {
				return false, fault.Errorf(fault.Exists, "there is an incident %s already; nothing was added", i.ID)
			}
			return true, nil
		})
		if err == nil {
			_, err = fmt.Fprintln(e.Stdout, i.ID)
		}
		return err
	}
	return c
}

// fits holds an incident against a model, where one is named.
func fits(e Env, name string, i incident.Incident) error {
	if name == "" {
		return nil
	}
	m, err := new(inputs).model(e, name)
	if err != nil {
		return err
	}
	missing := func(kind, word string, names []string) error {
		hint := ""
		if near := model.Nearest(word, names); near != "" {
			hint = fmt.Sprintf("; is %s meant?", near)
		}
		return fault.Errorf(fault.NotFound, "%s has no %s %q%s", name, kind, word, hint)
	}
	if _, ok := m.FindThreat(i.Threat); !ok {
		var names []string
		for _, t := range m.Threats {
			names = append(names, t.Name)
		}
		return missing("threat", i.Threat, names)
	}
	if _, ok := m.FindObject(i.Object); !ok && i.Object != "" {
		var names []string
		for _, o := range m.Objects {
			names = append(names, o.Name)
		}
		return missing("object", i.Object, names)
	}
	return nil
}

func incidentList(e Env) *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "List incidents", Example: "redoubt assess incident list --threat theft --since 2025", Args: noArgs}
	c.Flags().StringSlice("threat", nil, "only of these threats")
	c.Flags().StringSlice("object", nil, "only of these objects")
	c.Flags().String("since", "", "from this time on, as 2025 or 2025-03-01")
	c.Flags().String("until", "", "before this time")
	c.Flags().Bool("damage", false, "only those whose damage is known")
	c.Flags().Bool("count", false, "only how many there are, by threat and year")
	addFormat(c, sectionFormats...)
	c.RunE = func(c *cobra.Command, _ []string) error {
		format, err := formatOf(c, sectionFormats...)
		if err != nil {
			return err
		}
		var f incident.Filter
		f.Threats, _ = c.Flags().GetStringSlice("threat")
		f.Objects, _ = c.Flags().GetStringSlice("object")
		f.Damage, _ = c.Flags().GetBool("damage")
		if f.Since, f.Until, err = sinceUntil(c, "since"); err != nil {
			return err
		}
		name, _ := c.Flags().GetString("store")
		s, err := new(inputs).store(e, name)
		if err != nil {
			return err
		}
		found := s.Select(f)
		if sum, _ := c.Flags().GetBool("count"); sum {
			return incidentCounts(e, format, found)
		}
		if format != "table" {
			return printJSON(e.Stdout, format, append([]incident.Incident{}, found...))
		}
		verbose, _ := c.Flags().GetBool("verbose")
		header := []string{"Time", "Threat", "Count", "Damage", "Object", "Note"}
		if verbose {
			header = append([]string{"Id", "Source"}, header...)
		}
		var rows [][]string
		for _, i := range found {
			damage := ""
			if i.Damage != nil {
				damage = strings.TrimSpace(spellNumber(*i.Damage) + " " + i.Currency)
			}
			row := []string{i.Time, oneLine(i.Threat), strconv.Itoa(i.Number()), oneLine(damage), oneLine(i.Object), printable(i.Note)}
			if verbose {
				row = append([]string{oneLine(i.ID), oneLine(i.Source)}, row...)
			}
			rows = append(rows, row)
		}
		if len(rows) == 0 {
			fmt.Fprintln(e.Stderr, "No incident fits.")
			return nil
		}
		_, err = io.WriteString(e.Stdout, e.look().grid("", header, rows))
		return err
	}
	return c
}

// incidentCounts prints how many incidents there are by threat and year.
func incidentCounts(e Env, format string, found []incident.Incident) error {
	counts := map[string]map[string]int{}
	years := map[string]bool{}
	for _, i := range found {
		if counts[i.Threat] == nil {
			counts[i.Threat] = map[string]int{}
		}
		year := i.Time[:4]
		counts[i.Threat][year] += i.Number()
		years[year] = true
	}
	if format != "table" {
		return printJSON(e.Stdout, format, counts)
	}
	header := append([]string{"Threat"}, slices.Sorted(maps.Keys(years))...)
	var rows [][]string
	for _, t := range slices.Sorted(maps.Keys(counts)) {
		row := []string{t}
		for _, y := range header[1:] {
			row = append(row, strconv.Itoa(counts[t][y]))
		}
		rows = append(rows, row)
	}
	_, err := io.WriteString(e.Stdout, e.look().grid("", header, rows))
	return err
}

func incidentRemove(e Env) *cobra.Command {
	c := &cobra.Command{
		Use: "remove ID...", Short: "Take incidents out of the store", Example: "redoubt assess incident remove veris:A-1",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{fmt.Errorf("%s needs the id of an incident", c.CommandPath()), "`redoubt assess incident list -v` shows them."}
			}
			return nil
		},
		ValidArgsFunction: func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			name, _ := c.Flags().GetString("store")
			s, err := new(inputs).store(e, name)
			if err != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			var out []string
			for _, i := range s.All() {
				if !slices.Contains(args, i.ID) {
					out = append(out, i.ID+"\t"+i.Time+" "+i.Threat)
				}
			}
			return out, cobra.ShellCompDirectiveNoFileComp
		},
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		name, _ := c.Flags().GetString("store")
		return changeStore(name, func(s *incident.Store) (bool, error) {
			if missing := s.Remove(args...); len(missing) > 0 {
				return false, fault.Errorf(fault.NotFound, "%s has no incident %s; nothing was removed", name, strings.Join(missing, ", "))
			}
			return true, nil
		})
	}
	return c
}

func incidentRules(e Env) *cobra.Command {
	return &cobra.Command{
		Use: "rules", Short: "Print the rules by which records become incidents, to edit them", Example: "redoubt assess incident rules", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := io.Copy(e.Stdout, bytes.NewReader(incident.ShippedText()))
			return err
		},
	}
}
