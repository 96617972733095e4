// Vuln looks for known vulnerabilities in what the programs are built from, with govulncheck. Its database comes over the network or lies in a folder. When it
// can not be had, vuln says that nothing was checked, and fails: silence would look like a clean result.
//
// Exit status: 0 nothing found, 1 something found, 2 nothing could be checked.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
)

// found is govulncheck's exit status when it found something that the programs call.
const found = 3

func main() {
	db := flag.String("db", "", "folder with the database (index/db.json in it); empty: over the network")
	program := flag.String("govulncheck", "govulncheck", "the program")
	flag.Parse()
	os.Exit(run(*program, *db, os.Stdout, os.Stderr))
}

func run(program, db string, stdout, stderr io.Writer) int {
	args := []string{}
	if db != "" {
		at, err := folder(db)
		if err != nil {
			fmt.Fprintf(stderr, "vuln: NOTHING WAS CHECKED: %v\n", err)
			return 2
		}
		args = append(args, "-db", at)
	}
	cmd := exec.Command(program, append(args, "./...")...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = io.MultiWriter(stdout, &said), io.MultiWriter(stderr, &said)
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit) && exit.ExitCode() == found:
		return 1
	}
	fmt.Fprintf(stderr, "vuln: NOTHING WAS CHECKED: govulncheck did not end well (%v). If its database can not be reached from here, copy it and name its folder: make vuln VULNDB=FOLDER\n", err)
	return 2
}

// folder makes the form that govulncheck takes of a folder that holds a database.
func folder(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(filepath.Join(abs, "index", "db.json")); err != nil {
		return "", fmt.Errorf("%s is no vulnerability database: %w", path, err)
	}
	return (&url.URL{Scheme: "file", Path: abs}).String(), nil
}
