// Package check says whether a configuration makes sense: names, references, properties and their values, dependencies, and whether a thing may be
// changed or deleted now. It is pure, and it finds all faults at once, each with the path of the object it is about.
package check

import (
	"fmt"
	"strings"

	"redoubt/internal/fault"
)

// Problem is one fault of a configuration.
type Problem struct {
	Code fault.Code
	Path string // "resource web: property Port_list"
	Text string // what is wrong, and what to do
}

// String gives path and text.
func (p Problem) String() string { return p.Path + ": " + p.Text }

// Problems are all faults that were found.
type Problems []Problem

// add notes a problem.
func (ps *Problems) add(code fault.Code, path, format string, args ...any) {
	*ps = append(*ps, Problem{Code: code, Path: path, Text: fmt.Sprintf(format, args...)})
}

// Lines gives one line a problem.
func (ps Problems) Lines() []string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return lines
}

// Err gives the problems as one error, nil when there is none. Its code is theirs if they agree, otherwise Invalid; the detail names every one.
func (ps Problems) Err() error {
	if len(ps) == 0 {
		return nil
	}
	if len(ps) == 1 {
		return fault.Errorf(ps[0].Code, "%s", ps[0])
	}
	code := ps[0].Code
	for _, p := range ps {
		if p.Code != code {
			code = fault.Invalid
		}
	}
	return fault.Errorf(code, "%d faults were found, the first is %s", len(ps), ps[0]).WithDetail(strings.Join(ps.Lines(), "\n"))
}
