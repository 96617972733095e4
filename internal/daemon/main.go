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

// Main is the program redoubtd without its guard. It returns the exit status: 0, 1 for a failure, 2 for a wrong call.
func Main(args []string, stderr io.Writer) int {
	word := ""
	if len(args) > 0 && args[0] != "" && args[0][0] != '-' {
		word, args = args[0], args[1:]
	}
	this, known := described(word)
	usage := this.help()
	if word == "docs" && len(args) == 1 { // for the makers of the documents, not for people
		if err := writeManPages(args[0]); err != nil {
			fmt.Fprintf(stderr, "redoubtd: %v\n", err)
			return 1
		}
		return 0
	}
	fs := flag.NewFlagSet("redoubtd", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() { fmt.Fprint(stderr, usage) }
	path := fs.String("config", DefaultConfigPath, "")
	from, copies := "", []string{}
	if word == "restore" {
		fs.StringVar(&from, "from", "", "")
		fs.Func("copy", "", func(path string) error {
			copies = append(copies, path)
			return nil
		})
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
	switch {
	case word == "version":
		fmt.Fprintln(stderr, version.Version)
		return 0
	case !known || word == "guard": // that one has a Main of its own
		fmt.Fprintf(stderr, "redoubtd: %q is no sub-program\n%s", word, usage)
		return 2
	}
	cfg, err := LoadConfig(*path)
	if err == nil {
		cfg.QuorumServer = cfg.QuorumServer || word == "quorum-server"
		if word == "restore" {
			err = restore(cfg, from, copies, stderr)
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
	release, err := lockNode(cfg)
	if err != nil {
		return err
	}
	defer release()
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
