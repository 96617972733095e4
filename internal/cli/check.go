package cli

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/spf13/cobra"

	v1 "redoubt/api/v1"
	"redoubt/internal/fault"
	"redoubt/internal/posture"
)

// clusterCheck asks for the checks. The database of vulnerabilities is a file of this machine: what the nodes say that their programs are built from is looked up
// here.
func clusterCheck(c *cobra.Command, e Env, call Call, _ []string) error {
	from, _ := call.Body["vulndb"].(string)
	delete(call.Body, "vulndb")
	var db *posture.Vulnerabilities
	if from != "" { // first: a database that can not be read is no reason to ask every node
		var err error
		if db, err = vulnerabilities(from); err != nil {
			return err
		}
	}
	client, err := e.daemon(c)
	if err != nil {
		return err
	}
	answer, err := perform(c, e, client, call, true)
	if err != nil {
		return err
	}
	if db == nil {
		return show(c, e, call, answer)
	}
	r, err := decoded[v1.CheckReport](answer)
	if err != nil {
		return err
	}
	r.Results = posture.Dependencies(r.Results, r.Modules, db, e.now())
	r.Problems = posture.Findings(r.Results)
	r.OK = len(r.Problems) == 0 || r.Problems[0].Severity != posture.Error
	if answer, err = json.Marshal(r); err != nil {
		return fault.Errorf(fault.Internal, "encode the report: %w", err)
	}
	return show(c, e, call, answer)
}

// Bounds of a database of vulnerabilities.
const (
	maxEntries   = 200_000
	maxEntrySize = 8 << 20
)

// vulnerabilities reads a database: a folder, or a zip file, with an entry in each JSON file but those of the index.
func vulnerabilities(from string) (*posture.Vulnerabilities, error) {
	bad := func(err error) (*posture.Vulnerabilities, error) {
		return nil, fault.Errorf(fault.Invalid, "the database of vulnerabilities %s can not be read: %w; want a folder of JSON files in the OSV form, or a zip file of one, such as https://vuln.go.dev/vulndb.zip", from, err)
	}
	info, err := os.Stat(from)
	if err != nil {
		return bad(err)
	}
	var tree fs.FS
	if info.IsDir() {
		tree = os.DirFS(from)
	} else {
		z, err := zip.OpenReader(from)
		if err != nil {
			return bad(err)
		}
		defer func() { _ = z.Close() }()
		tree = z
	}
	db := &posture.Vulnerabilities{}
	err = fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && d.Name() == "index" {
			return fs.SkipDir
		}
		if d.IsDir() || path.Ext(name) != ".json" {
			return nil
		}
		if db.Len() >= maxEntries {
			return fmt.Errorf("it has more than %d entries", maxEntries)
		}
		text, err := readEntry(tree, name)
		if err == nil {
			err = db.Add(text)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	})
	if err == nil && db.Len() == 0 {
		err = errors.New("there is no entry in it")
	}
	if err != nil {
		return bad(err)
	}
	return db, nil
}

func readEntry(tree fs.FS, name string) ([]byte, error) {
	f, err := tree.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, maxEntrySize+1))
	if err == nil && len(text) > maxEntrySize {
		err = fmt.Errorf("it is larger than %d MB", maxEntrySize>>20)
	}
	return text, err
}

// checkedEach prints what the checks found: problems, then what could not be looked at, then how many passed; with -v every check.
func checkedEach(l look, r v1.CheckReport, verbose bool) string {
	var b, unseen strings.Builder
	passed := 0
	for _, res := range r.Results {
		if res.Status == v1.CheckPass {
			passed++
		}
		if verbose {
			colour := working
			switch res.Status {
			case v1.CheckPass:
				colour = good
			case v1.CheckFail:
				colour = bad
			}
			fmt.Fprintf(&b, "%s %s %s\n", l.paint(colour, fmt.Sprintf("%-7s", res.Status)), res.ID, res.Title)
		}
	}
	for _, severity := range []string{posture.Error, posture.Warning, posture.Info} {
		for _, res := range r.Results {
			for _, f := range res.Findings {
				if f.Severity != severity {
					continue
				}
				colour := working
				if severity == posture.Error {
					colour = bad
				}
				b.WriteString(l.wrapped("  ", l.paint(colour, severity)+" "+res.ID+": "+f.Object+": "+f.Text))
				if f.Remedy != "" {
					b.WriteString(l.wrapped("    ", "-> "+f.Remedy))
				}
			}
		}
	}
	for _, res := range r.Results {
		for _, u := range res.Unknown {
			unseen.WriteString(l.wrapped("  ", "unknown "+res.ID+": "+u.Object+": "+u.Why))
		}
	}
	fmt.Fprintf(&b, "%s%d of %s passed.\n", unseen.String(), passed, count(len(r.Results), "check"))
	return b.String()
}

func checkList(l look, list []v1.CheckInfo, verbose bool) string {
	if !verbose {
		var rows [][]string
		for _, c := range list {
			rows = append(rows, []string{c.ID, c.Severity, c.Title})
		}
		return l.grid("", []string{"Check Id", "Severity", "Title"}, rows)
	}
	var b strings.Builder
	for _, c := range list {
		fmt.Fprintf(&b, "%s (%s, %s)\n", l.paint(heading, c.ID+" "+c.Title), c.Severity, c.Area)
		b.WriteString(l.wrapped("  ", c.Rationale))
		b.WriteString(l.wrapped("  ", "-> "+c.Remedy))
	}
	return b.String()
}

// checksPage is the page of the reference with the checks.
const checksPage = "checks.md"

// checkPage prints the table of checks.
func checkPage() []byte {
	var b bytes.Buffer
	b.WriteString("# Checks\n\nWhat `redoubt cluster check` looks at; `-C` picks checks, `-E` leaves some out, `-s` sets the least severity, `-o json` gives every result. " +
		"A check passes, fails, or is *unknown* when what it needs could not be learned: that is no pass. A finding may be less severe than its check. This page is made from the program.\n\n")
	b.WriteString("| check | severity | what is so when it passes | why | remedy |\n| --- | --- | --- | --- | --- |\n")
	for _, c := range posture.Checks() {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", c.ID, c.Severity, c.Title, c.Rationale, c.Remedy)
	}
	return b.Bytes()
}
