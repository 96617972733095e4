package daemon

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"redoubt/internal/version"
)

const usage = `Usage: redoubtd [quorum-server] [-config FILE]
       redoubtd restore -from SNAPSHOT [-config FILE]
       redoubtd version

redoubtd is the daemon of a cluster node. As quorum-server it votes and runs no services: the third vote of a two-node cluster.
restore makes the repository of a new cluster life from a snapshot, on a node whose daemon is stopped.

Signals: TERM ends the daemon and leaves the services running for the next one, which has 15 seconds to come;
         INT  stops every service of this node first and leaves the membership;
         HUP  opens the log file anew.

Example:
  redoubtd -config /etc/redoubt/redoubtd.yaml
`

// Main is the program redoubtd without its guard. It returns the exit status: 0, 1 for a failure, 2 for a wrong call.
func Main(args []string, stderr io.Writer) int {
	word := ""
	if len(args) > 0 && args[0] != "" && args[0][0] != '-' {
		word, args = args[0], args[1:]
	}
	fs := flag.NewFlagSet("redoubtd", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() { fmt.Fprint(stderr, usage) }
	path := fs.String("config", DefaultConfigPath, "")
	from := ""
	if word == "restore" {
		fs.StringVar(&from, "from", "", "")
	}
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	if fs.NArg() > 0 {
		fmt.Fprintf(stderr, "redoubtd: %q is one word too many\n%s", fs.Arg(0), usage)
		return 2
	}
	switch word {
	case "version":
		fmt.Fprintln(stderr, version.Version)
		return 0
	case "", "quorum-server", "restore":
	default:
		fmt.Fprintf(stderr, "redoubtd: %q is no sub-program\n%s", word, usage)
		return 2
	}
	cfg, err := LoadConfig(*path)
	if err == nil {
		cfg.QuorumServer = cfg.QuorumServer || word == "quorum-server"
		if word == "restore" {
			err = restore(cfg, from, stderr)
		} else {
			err = serve(cfg, stderr)
		}
	}
	if err != nil {
		fmt.Fprintf(stderr, "redoubtd: %v\n", err)
		return 1
	}
	return 0
}

// serve runs a daemon until a signal ends it.
func serve(cfg Config, stderr io.Writer) error {
	if os.Geteuid() != 0 {
		return errors.New("only root can run a node: it sets addresses, mounts file systems and starts services")
	}
	d, err := New(cfg, stderr)
	if err != nil {
		return err
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	signal.Ignore(syscall.SIGPIPE)
	stop := make(chan Stop, 4)
	go func() {
		for s := range signals {
			switch s {
			case syscall.SIGTERM:
				stop <- Restart
			case syscall.SIGINT:
				stop <- Leave
			case syscall.SIGHUP:
				d.Reopen()
			}
		}
	}()
	return d.Run(context.Background(), stop)
}
