// Command redoubt is the command line of the cluster. It also answers to the old command names.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"redoubt/internal/cli"
	"redoubt/internal/lab"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	env := cli.OS()
	env.LabSockets = lab.Sockets
	env.Extra = []func(cli.Env) *cobra.Command{lab.Command}
	status := cli.Main(ctx, os.Args, env)
	stop()
	os.Exit(status)
}
