// Command redoubt is the command line of the cluster. It also answers to the old command names.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"redoubt/internal/appuser"
	"redoubt/internal/cli"
	"redoubt/internal/harden"
	"redoubt/internal/lab"
	"redoubt/internal/nocore"
)

func main() {
	nocore.Set()
	ends := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as under nohup
		ends = append(ends, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), ends...)
	status := cli.Main(ctx, os.Args, environment())
	stop()
	os.Exit(status)
}

// environment is this process, with the commands that are not those of a cluster.
func environment() cli.Env {
	env := cli.OS()
	env.LabSockets = lab.Sockets
	env.Extra = []func(cli.Env) *cobra.Command{lab.Command, harden.Command, appuser.Check, appuser.RunAs}
	return env
}
