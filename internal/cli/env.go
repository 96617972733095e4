// Package cli is the command line of the product: it turns arguments into calls to the daemon's API and answers into text. It holds
// no state of its own; everything it touches comes in an Env, so that a test runs the very program a person runs.
package cli

import (
	"context"
	"encoding/json"
	"io"
	"iter"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	v1 "redoubt/api/v1"
	"redoubt/internal/fault"
)

// Call is one request as the command line understood it.
type Call struct {
	Noun string // the noun's new name: "group", never "clrg"; the command's own name for the scha_ commands
	Verb string // "create"; "call" for the scha_ commands
	Read bool   // it changes nothing
	// Body is the input of the operation: the operands as "names", the operand "+" as "all", each flag that was given under its long name in camelCase.
	Body map[string]any
}

// Client carries out calls. The answer is the API's JSON, or nil where there is nothing to say. Errors carry a fault.Code.
type Client interface {
	Do(ctx context.Context, c Call) (json.RawMessage, error)
}

// ask carries out a call and reads the answer, which is a T of package v1.
func ask[T any](ctx context.Context, client Client, c Call) (T, error) {
	answer, err := client.Do(ctx, c)
	if err != nil {
		return *new(T), err
	}
	return decoded[T](answer)
}

// decoded reads the daemon's answer.
func decoded[T any](answer json.RawMessage) (out T, err error) {
	if err := json.Unmarshal(answer, &out); err != nil {
		return out, fault.Errorf(fault.Internal, "the daemon's answer can not be read; is it of the same version? %w", err)
	}
	return out, nil
}

// Watcher is a Client that can also follow the cluster, for progress and for status -w.
type Watcher interface {
	Watch(ctx context.Context) iter.Seq2[v1.Event, error]
}

// Downloader is a Client that can also copy what an operation streams.
type Downloader interface {
	Download(ctx context.Context, noun, verb string, w io.Writer, progress func(done, total int64)) error
}

// Lister is a Client that can also name the objects of a noun, for completion.
type Lister interface {
	Names(ctx context.Context, noun string) ([]string, error)
}

// Env is everything a command may touch. The zero value of a function is one that knows nothing.
type Env struct {
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	// Client connects to a daemon in place of the sockets below; it is called at most once a command, and only by commands that need the daemon.
	Client func() (Client, error)
	// Socket is where the daemon of this machine listens; DefaultSocket if it is empty. LabSockets are those of the nodes of labs on this machine.
	Socket     string
	LabSockets func() []string
	Getenv     func(string) string
	Now        func() time.Time
	// Hidden asks a question on the terminal and reads the answer without showing it.
	Hidden func(question string) ([]byte, error)
	// IsTerminal reports whether a person sits at standard input.
	IsTerminal func() bool
	// Screen reports the size of the terminal at standard output, and at standard error whether there is one at all.
	Screen      func() (width, height int, ok bool)
	ErrTerminal func() bool
	// Executable is the path of this program, which `links install` points at.
	Executable string
	// Extra makes commands that are mounted under the root, such as lab.
	Extra []func(Env) *cobra.Command
}

// DefaultSocket is where the daemon of a machine listens unless it is told otherwise.
const DefaultSocket = "/run/redoubt/api.sock"

// OS is the Env of a real command.
func OS() Env {
	exe, _ := os.Executable()
	tty := func(f *os.File) func() bool { return func() bool { return term.IsTerminal(int(f.Fd())) } }
	return Env{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Executable: exe, Getenv: os.Getenv, Now: time.Now,
		IsTerminal: tty(os.Stdin), ErrTerminal: tty(os.Stderr), Hidden: hidden,
		Screen: func() (int, int, bool) {
			w, h, err := term.GetSize(int(os.Stdout.Fd()))
			return w, h, err == nil
		},
	}
}

func (e Env) terminal() bool    { return e.IsTerminal != nil && e.IsTerminal() }
func (e Env) errTerminal() bool { return e.ErrTerminal != nil && e.ErrTerminal() }

func (e Env) getenv(name string) string {
	if e.Getenv == nil {
		return ""
	}
	return e.Getenv(name)
}

func (e Env) now() time.Time {
	if e.Now == nil {
		return time.Now()
	}
	return e.Now()
}

func (e Env) screen() (width, height int, ok bool) {
	if e.Screen == nil {
		return 0, 0, false
	}
	return e.Screen()
}
