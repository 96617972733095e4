// Command redoubt is the command line of the cluster. It also answers to the old command names.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"redoubt/internal/cli"
	"redoubt/internal/lab"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	exe, _ := os.Executable()
	status := cli.Main(ctx, os.Args, cli.Env{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Executable: exe,
		IsTerminal: func() bool { return term.IsTerminal(int(os.Stdin.Fd())) },
		Extra:      []func(cli.Env) *cobra.Command{lab.Command},
	})
	stop()
	os.Exit(status)
}
