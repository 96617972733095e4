// Package cli is the command line of the product: it turns arguments into calls to the daemon's API and answers into text. It holds
// no state of its own; everything it touches comes in an Env, so that a test runs the very program a person runs.
package cli

import (
	"context"
	"encoding/json"
	"io"

	"github.com/spf13/cobra"

	"redoubt/internal/fault"
)

// Call is one request as the command line understood it.
type Call struct {
	Noun string // the noun's new name: "group", never "clrg"; the command's own name for the scha_ commands
	Verb string // "create"; "call" for the scha_ commands
	// Operands are the objects named; empty with All.
	Operands []string
	// All is true when the operand was "+": every object of the noun's kind.
	All bool
	// Flags are the flags that were given, by long name, each with its values in order. A switch that is on has the value "true".
	Flags map[string][]string
}

// Client carries out calls. The answer is the API's JSON, or nil where there is nothing to say. Errors carry a fault.Code.
type Client interface {
	Do(ctx context.Context, c Call) (json.RawMessage, error)
}

// Lister is a Client that can also name the objects of a noun, for completion.
type Lister interface {
	Names(ctx context.Context, noun string) ([]string, error)
}

// Env is everything a command may touch.
type Env struct {
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	// Client connects to the daemon; it is called at most once a command, and only by commands that need the daemon.
	Client func() (Client, error)
	// IsTerminal reports whether a person sits at standard input. Nil means no.
	IsTerminal func() bool
	// Executable is the path of this program, which `links install` points at.
	Executable string
	// Extra makes commands that are mounted under the root, such as lab.
	Extra []func(Env) *cobra.Command
}

func (e Env) client() (Client, error) {
	if e.Client == nil {
		return nil, fault.Errorf(fault.Unsupported, "connect to the daemon: this build has no API client")
	}
	return e.Client()
}

func (e Env) terminal() bool { return e.IsTerminal != nil && e.IsTerminal() }
