package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"redoubt/internal/cli"
	"redoubt/internal/fault"
)

func (v verbs) exec() *cobra.Command {
	c := &cobra.Command{
		Use: "exec [flags] MACHINE -- COMMAND [ARGUMENT...]", Short: "Run a command on a machine", ValidArgsFunction: v.complete,
		Long:    "Run a command on a machine, as somebody logged in there would. The exit status is the command's; 128 and the signal's number when it was killed.",
		Example: "redoubt lab exec n1 -- redoubt status\nredoubt lab exec client -- ping -c 1 10.77.0.1",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) < 2 {
				return cli.UsageErrorf("See redoubt lab exec --help.", "redoubt lab exec needs a machine and a command")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return v.run(c, args[0], args[1:]) },
	}
	c.Flags().SetInterspersed(false) // what follows the machine is the command's own
	return c
}

func (v verbs) shell() *cobra.Command {
	return &cobra.Command{
		Use: "shell [flags] MACHINE", Short: "Work on a machine", Example: "redoubt lab shell n1", Args: atLeastOne("machine"), ValidArgsFunction: v.complete,
		RunE: func(c *cobra.Command, args []string) error { return v.run(c, args[0], []string{"bash", "-i"}) },
	}
}

// run runs a program with the caller's own standard files, so that a terminal stays one.
func (v verbs) run(c *cobra.Command, name string, argv []string) error {
	l, err := v.lab(c)
	if err != nil {
		return err
	}
	if argv[0] == "--" { // without interspersed flags the dashes after the machine are still there
		argv = argv[1:]
	}
	if len(argv) == 0 {
		return cli.UsageErrorf("See redoubt lab exec --help.", "redoubt lab exec needs a command after %q", name)
	}
	// A terminal sends its signals to both; the program decides what they mean. Others' signals are handed on.
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	p, err := l.Run(name, Stdio{In: v.env.Stdin, Out: v.env.Stdout, Err: v.env.Stderr}, argv...)
	if err != nil {
		return err
	}
	done := make(chan struct{})
	defer close(done)
	go func() {
		for {
			select {
			case s := <-signals:
				if s != syscall.SIGINT || v.env.IsTerminal == nil || !v.env.IsTerminal() {
					p.Signal(s)
				}
			case <-done:
				return
			}
		}
	}()
	status, err := p.Wait()
	if err == nil && status != 0 {
		return cli.StatusError{Status: status}
	}
	return err
}

func (v verbs) kill() *cobra.Command {
	return v.machines("kill [flags] MACHINE...", "Take the power from a machine",
		"Take the power from a machine: everything on it ends, and its links go in the same moment, so that nobody is told. start brings it back.",
		"redoubt lab kill n1", func(_ *cobra.Command, l *Lab, name string) error {
			_, err := l.Kill(name)
			return err
		})
}

func (v verbs) start() *cobra.Command {
	return v.machines("start [flags] MACHINE...", "Start a killed machine again, with the disk it had", "", "redoubt lab start n1", func(c *cobra.Command, l *Lab, name string) error {
		return l.Start(c.Context(), name)
	})
}

func (v verbs) pause() *cobra.Command {
	return v.machines("pause [flags] MACHINE...", "Freeze a machine with everything on it",
		"Freeze a machine with everything on it, as a virtual machine is frozen. Its network stays: the kernel still answers for it. resume lets it go on.",
		"redoubt lab pause n1", func(_ *cobra.Command, l *Lab, name string) error { return l.Pause(name) })
}

func (v verbs) resume() *cobra.Command {
	return v.machines("resume [flags] MACHINE...", "Let a paused machine go on", "", "redoubt lab resume n1", func(_ *cobra.Command, l *Lab, name string) error { return l.Resume(name) })
}

// faultFlags are those of cut and lose.
func faultFlags(c *cobra.Command) {
	c.Flags().StringSlice("from", nil, "only between it and these machines; default: all")
	c.Flags().StringSlice("network", []string{"all"}, "ic1, ic2, ic (both), pub or all; may be repeated")
	c.Flags().String("direction", string(Both), "as seen from the machine: in, out or both")
}

func readFault(c *cobra.Command, l *Lab, name string) (Fault, error) {
	f := Fault{Machine: name}
	f.From, _ = c.Flags().GetStringSlice("from")
	direction, _ := c.Flags().GetString("direction")
	f.Direction = Direction(direction)
	m, err := l.machine(name)
	if err != nil {
		return f, err
	}
	wanted, _ := c.Flags().GetStringSlice("network")
	for _, n := range wanted {
		switch n {
		case "all":
			f.Networks = append(f.Networks, m.nets...)
		case "ic":
			f.Networks = append(f.Networks, netIC1, netIC2)
		default:
			f.Networks = append(f.Networks, n)
		}
	}
	slices.Sort(f.Networks)
	f.Networks = slices.Compact(f.Networks)
	return f, nil
}

func (v verbs) cut() *cobra.Command {
	c := v.machines("cut [flags] MACHINE...", "Cut a machine off from its networks",
		"Cut a machine off from its networks: frames are dropped without a word, one way or both. heal mends what was cut.",
		"redoubt lab cut n1 --network ic\nredoubt lab cut n1 --from n2 --direction out\nredoubt lab heal n1", func(c *cobra.Command, l *Lab, name string) error {
			f, err := readFault(c, l, name)
			if err != nil {
				return err
			}
			return l.Cut(f)
		})
	faultFlags(c)
	return c
}

func (v verbs) lose() *cobra.Command {
	c := v.machines("lose [flags] MACHINE...", "Lose some of a machine's packets at random", "", "redoubt lab lose n1 --percent 20 --network ic1", func(c *cobra.Command, l *Lab, name string) error {
		f, err := readFault(c, l, name)
		if err != nil {
			return err
		}
		if f.Percent, err = c.Flags().GetFloat64("percent"); err != nil {
			return err
		}
		return l.Cut(f)
	})
	faultFlags(c)
	c.Flags().Float64("percent", 20, "how many of a hundred are lost")
	return c
}

func (v verbs) heal() *cobra.Command {
	return &cobra.Command{
		Use: "heal [flags] [MACHINE...]", Short: "Mend what cut and lose did", Long: "Mend what cut and lose did to the machines named, or everything.", Example: "redoubt lab heal\nredoubt lab heal n1",
		ValidArgsFunction: v.complete,
		RunE: func(c *cobra.Command, args []string) error {
			l, err := v.lab(c)
			if err != nil {
				return err
			}
			return l.Heal(args...)
		},
	}
}

func (v verbs) daemon() *cobra.Command {
	known := []string{DaemonStart, DaemonStop, DaemonRestart, DaemonLeave, DaemonKill, DaemonKillGuard, DaemonKillBoth, DaemonShow}
	c := &cobra.Command{
		Use: "daemon [flags] VERB MACHINE...", Short: "Start, stop or kill a node's daemon", ValidArgs: known,
		Long: "Start, stop or kill a node's daemon without touching the machine. stop lets the services run on for a daemon that is started soon, restart is both;\n" +
			"leave stops the services and leaves the membership first. kill is a crash of the daemon, kill-guard one of its guard, kill-both of both in the same\n" +
			"moment. A daemon that dies without having been stopped is started again after a second (lab up --restart).",
		Example: "redoubt lab daemon stop n1\nredoubt lab daemon kill-both n1\nredoubt lab daemon status n1 n2",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 2 || !slices.Contains(known, args[0]) {
				return cli.UsageErrorf("See redoubt lab daemon --help.", "redoubt lab daemon needs a verb (%s) and a machine", strings.Join(known, ", "))
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if err := checkOutput(c); err != nil {
				return err
			}
			l, err := v.lab(c)
			if err != nil {
				return err
			}
			type row struct {
				Machine string `json:"machine"`
				DaemonStatus
			}
			var rows []row
			for _, m := range args[1:] {
				s, err := l.Daemon(m, args[0])
				if err != nil {
					return err
				}
				rows = append(rows, row{m, s})
			}
			if args[0] != DaemonShow {
				return nil
			}
			return v.print(c, rows, func(w io.Writer) error {
				text := [][]string{{"MACHINE", "STATE", "SINCE", "RESTARTS", "LAST END"}}
				for _, r := range rows {
					text = append(text, []string{r.Machine, r.State, r.Since.Format(time.TimeOnly), fmt.Sprint(r.Restarts), r.LastEnd})
				}
				return columns(w, text...)
			})
		},
	}
	outputFlag(c)
	return c
}

// followEvery is how often a followed file is looked at.
const followEvery = 200 * time.Millisecond

// tail copies a file, and what is added to it until ctx ends.
func tail(ctx context.Context, w io.Writer, path string, follow bool) error {
	f, err := os.Open(path)
	if err != nil {
		return fault.Errorf(fault.NotFound, "open the log: %w", err)
	}
	defer f.Close()
	for {
		_, err := io.Copy(w, f)
		if err != nil && !errors.Is(err, io.EOF) {
			return fault.Errorf(fault.Internal, "read the log: %w", err)
		}
		if !follow {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(followEvery):
		}
	}
}
