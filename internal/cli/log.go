package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	ansi "github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	v1 "redoubt/api/v1"
	"redoubt/internal/auditlog"
	"redoubt/internal/fault"
)

func logNoun() noun {
	since, until := option{"since", "", text, "from this time on: a time, a day, or how long ago, such as 2h or 7d"}, option{"until", "", text, "before this time"}
	node, object := option{"node", "n", list, "only of these nodes"}, option{"object", "", text, "only what concerns this object"}
	limit := option{"limit", "", number, "the newest so many; 100 if not given"}
	return noun{name: "log", short: "See who did what, and whether the logs of it are whole", verbs: []verb{
		{name: "commands", short: "Show what was done to the cluster, and by whom", example: "redoubt log commands --since 7d --failed", read: true, options: []option{
			since, until, {"user", "", text, "only this user's"}, {"role", "", text, "only those in this role"}, node, {"failed", "", boolean, "only what failed, was denied or was interrupted"}, object, limit,
		}},
		{name: "events", short: "Show what happened to the cluster", example: "redoubt log events --since 1d --object web-rg", read: true, options: []option{since, until, node, object, limit}},
		{name: "verify", short: "Look whether anybody changed the command logs", example: "redoubt log verify --node n3", read: true, act: verifyLog, options: []option{
			node, {"dir", "", text, "verify the log in this directory, without a daemon"}, {"key", "", text, "with --dir: the public key of the log, as node show prints it, or a file with it"},
		}},
		{name: "export", short: "Print the commands for other programs", example: "redoubt log export --format ocsf --since 30d", read: true, act: exportLog, options: []option{
			{"format", "", text, "jsonl, ocsf or cef; jsonl if not given"}, since, until, node, {"skip", "", number, "leave the first so many out"},
		}},
		{name: "accept", short: "Take the command log of a node as it is now, after it was found to be changed", example: "redoubt log accept -y n3", operand: "NODE", kind: "node", destroys: true},
		{name: "set-forward", short: "Send the command logs to a collector (RFC 5424 over TLS)", example: "redoubt log set-forward -p server=siem.example.org:6514 -p ca=/etc/redoubt/siem-ca.pem", act: setForward, options: []option{
			{"property", "p", repeat, "server=HOST:PORT, ca=FILE, name=NAME in the collector's certificate, backlog=ENTRIES that may wait"},
		}},
		{name: "show-forward", short: "Show where the command logs are sent, and how that goes on this node", example: "redoubt log show-forward", read: true},
		{name: "clear-forward", short: "Stop sending the command logs", example: "redoubt log clear-forward -y", destroys: true},
	}}
}

// logSetters set the answers of the log for people.
var logSetters = map[string]setter{
	"log commands": set(func(l look, list []v1.LoggedCommand, verbose bool) string {
		if len(list) == 0 {
			return ""
		}
		var rows [][]string
		for _, c := range list {
			user := c.User
			if c.Role != "" {
				user += " (" + c.Role + ")"
			}
			if c.Count > 1 {
				user += fmt.Sprintf(" %d×", c.Count)
			}
			took := ""
			if c.State == auditlog.StateDone || c.State == auditlog.StateFailed {
				took = strconv.FormatFloat(float64(c.Ms)/1000, 'f', 1, 64) + " s"
			}
			command := c.Command
			if c.Error != "" && (verbose || c.State != auditlog.StateDone) {
				command += "\n" + strings.ReplaceAll(c.Error, "\n", " ")
			}
			if verbose && c.From != "" {
				command += "\nfrom " + c.From + " " + c.Certificate
			}
			rows = append(rows, []string{c.Time.Format("2006-01-02 15:04:05"), c.Node, user, l.paint(commandState(c.State), c.State), took, command})
		}
		return l.grid("", []string{"Time", "Node", "User", "State", "Took", "Command"}, rows)
	}),
	"log events": set(func(l look, list []v1.LogEvent, _ bool) string {
		if len(list) == 0 {
			return ""
		}
		var rows [][]string
		for _, e := range list {
			rows = append(rows, []string{e.Time.Format("2006-01-02 15:04:05"), e.Object, e.Text})
		}
		return l.grid("", []string{"Time", "Object", "Event"}, rows)
	}),
	"log verify": set(func(l look, list []v1.LogVerified, _ bool) string {
		var b strings.Builder
		for _, v := range list {
			word := l.paint(good, "whole")
			if !v.OK {
				word = l.paint(bad, "CHANGED")
				if len(v.Findings) == 0 {
					word = l.paint(working, "not verified")
				}
			}
			fmt.Fprintf(&b, "%s: %s, %d entries\n", v.Node, word, v.Entries)
			for _, f := range v.Findings {
				b.WriteString(l.wrapped("  ", f.Text))
			}
			for _, n := range v.Notes {
				b.WriteString(l.wrapped("  note: ", n))
			}
		}
		return b.String()
	}),
	"log show-forward": set(func(l look, f v1.LogForward, _ bool) string {
		if f.Server == "" {
			return "The command logs are not sent anywhere.\n"
		}
		state := l.paint(good, "connected")
		if !f.Connected {
			state = l.paint(bad, "not connected") + ": " + f.Problem
		}
		return fmt.Sprintf("Collector %s: %s\n%d entries sent, %d wait, %d dropped\n", f.Server, state, f.Sent, f.Waiting, f.Dropped)
	}),
}

// commandState is the colour of how a command ended.
func commandState(state string) ansi.Colors {
	switch state {
	case auditlog.StateDone:
		return good
	case auditlog.StateRunning:
		return working
	}
	return bad
}

// verifyLog verifies by the daemon, or the files of a directory without one.
func verifyLog(c *cobra.Command, e Env, call Call, _ []string) error {
	dir, _ := call.Body["dir"].(string)
	key, _ := call.Body["key"].(string)
	delete(call.Body, "dir")
	delete(call.Body, "key")
	var answer json.RawMessage
	if dir == "" {
		if key != "" {
			return usageError{err: errors.New("--key goes with --dir")}
		}
		client, err := e.daemon(c)
		if err != nil {
			return err
		}
		if answer, err = client.Do(c.Context(), call); err != nil {
			return err
		}
	} else {
		v, err := verifyFiles(dir, key)
		if err != nil {
			return err
		}
		if answer, err = json.Marshal([]v1.LogVerified{v}); err != nil {
			return fault.Errorf(fault.Internal, "log verify: %w", err)
		}
	}
	if err := show(c, e, call, answer); err != nil {
		return err
	}
	list, err := decoded[[]v1.LogVerified](answer)
	if err != nil {
		return err
	}
	for _, v := range list {
		if !v.OK {
			return StatusError{Status: exitFail}
		}
	}
	return nil
}

// verifyFiles verifies a log as it lies in a directory.
func verifyFiles(dir, key string) (v1.LogVerified, error) {
	out := v1.LogVerified{Node: dir}
	s, err := auditlog.Load(func(name string) ([]byte, error) {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if errors.Is(err, os.ErrNotExist) {
			return nil, nil
		}
		if err == nil && b == nil {
			b = []byte{}
		}
		return b, err
	})
	if err != nil {
		return out, fault.Errorf(fault.Invalid, "log verify: %w", err)
	}
	if s.Twin == nil && s.Head == nil && len(s.Text) == 0 {
		return out, fault.Errorf(fault.NotFound, "log verify: there is no command log in %s", dir)
	}
	if s.Public, err = logKey(dir, key, &out); err != nil {
		return out, err
	}
	report := auditlog.Verify(s)
	out.Entries, out.Root, out.Notes = int64(report.Size), report.Root, append(out.Notes, report.Notes...)
	for _, f := range report.Findings {
		v := v1.LogFinding{What: string(f.What), File: f.File, Line: f.Line, Text: f.Text}
		if f.Seq != nil {
			v.Entry = new(int64(*f.Seq))
		}
		out.Findings = append(out.Findings, v)
	}
	out.OK = len(out.Findings) == 0
	return out, nil
}

// logKey finds the public key: what was given, what is in the file that was given, or the one beside the log, which proves less.
func logKey(dir, key string, out *v1.LogVerified) (string, error) {
	if key == "" {
		b, err := os.ReadFile(filepath.Join(dir, "commandlog.key"))
		if err != nil {
			return "", fault.Errorf(fault.Invalid, "log verify: give the public key of the log with --key; `redoubt node show -o json` has it: %w", err)
		}
		k, err := auditlog.ParseKey(string(b))
		if err != nil {
			return "", fault.Errorf(fault.Invalid, "log verify: %w", err)
		}
		out.Notes = append(out.Notes, "verified with the key that lies beside the log: whoever has that could have signed anew; --key takes the one that the cluster knows")
		return k.Public(), nil
	}
	if b, err := os.ReadFile(key); err == nil {
		return strings.TrimSpace(string(b)), nil
	}
	return key, nil
}

// exportLog prints all parts of an export.
func exportLog(c *cobra.Command, e Env, call Call, _ []string) error {
	client, err := e.daemon(c)
	if err != nil {
		return err
	}
	skip, _ := call.Body["skip"].(int)
	for {
		call.Body["skip"] = skip
		part, err := ask[v1.LogExported](c.Context(), client, call)
		if err != nil {
			return err
		}
		for _, line := range part.Lines {
			if _, err := fmt.Fprintln(e.Stdout, line); err != nil {
				return err
			}
		}
		if skip += len(part.Lines); !part.More || len(part.Lines) == 0 {
			return nil
		}
	}
}

// setForward sends the authority's certificate itself: the nodes need not have the file.
func setForward(c *cobra.Command, e Env, call Call, _ []string) error {
	properties, _ := call.Body["property"].([]string)
	for i, p := range properties {
		name, file, ok := strings.Cut(p, "=")
		if !ok || !strings.EqualFold(name, "ca") {
			continue
		}
		b, err := os.ReadFile(file)
		if err != nil {
			return fault.Errorf(fault.Invalid, "%s: -p ca=FILE: %w", c.CommandPath(), err)
		}
		properties[i] = "ca=" + string(b)
	}
	return carryOut(c, e, call)
}
