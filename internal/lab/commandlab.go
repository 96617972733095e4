package lab

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"redoubt/internal/cli"
	"redoubt/internal/cluster"
)

func (v verbs) up() *cobra.Command {
	o := Options{}
	c := &cobra.Command{
		Use: "up [flags]", Short: "Make a lab, and a cluster of its nodes", Args: none,
		Long: "Make a lab, and a cluster of its nodes. Every command that forms the cluster is shown; on real machines the same ones do it. With --bare the\n" +
			"machines and their daemons are started, and no cluster is formed.",
		Example: "redoubt lab up -n 3\nredoubt lab up -n 2 --quorum-server --profile fast\nredoubt lab up -n 3 --name other --bare",
		RunE: func(c *cobra.Command, _ []string) error {
			if _, ok := cluster.ProfileTiming(o.Profile); !ok {
				return cli.UsageErrorf("The profiles are default, fast and wan.", "--profile %s: there is no such timing", o.Profile)
			}
			o.Name, _ = c.Flags().GetString("name")
			o.Program = v.env.Executable
			size, _ := c.Flags().GetInt64("disk")
			o.DiskSize = size << 20
			if on, _ := c.Flags().GetString("restart"); on != "on" && on != "off" {
				return cli.UsageErrorf("", "--restart %s: want on or off", on)
			} else if on == "off" {
				o.NoRestart = true
			}
			began := time.Now()
			o.Progress = func(s string) { fmt.Fprintf(v.env.Stderr, "[%5.1f s] %s\n", time.Since(began).Seconds(), s) }
			l, err := Up(c.Context(), o)
			if err != nil {
				return err
			}
			if !o.Bare {
				v.next(l)
			}
			return nil
		},
	}
	c.Flags().IntVarP(&o.Nodes, "nodes", "n", 3, "how many nodes")
	c.Flags().BoolVar(&o.QuorumServer, "quorum-server", false, "a further machine, q1, that votes and runs no services: the third vote of two nodes")
	c.Flags().BoolVar(&o.QuorumPublic, "quorum-public", false, "the same, with q1 on the public network alone and on no interconnect")
	c.Flags().BoolVar(&o.Bare, "bare", false, "form no cluster")
	c.Flags().BoolVar(&o.NoDaemon, "no-daemon", false, "with --bare: leave the daemons stopped; lab daemon start starts them")
	c.Flags().StringVar(&o.Profile, "profile", "default", "timing of the cluster: default, fast or wan")
	c.Flags().StringVar(&o.Daemon, "daemon", "", "path of redoubtd; default: beside this program")
	c.Flags().Int64("disk", 0, "size in MiB of a file system of its own at each node's /var/lib/redoubt (default: the host's)")
	c.Flags().String("restart", "on", "whether a daemon that dies is started again after a second: on or off")
	c.Flags().StringSliceVar(&o.Private, "private", nil, "a directory of which each machine gets one of its own; may be repeated")
	return c
}

// next tells the person what can be done with the new lab.
func (v verbs) next(l *Lab) {
	name := ""
	if l.Name() != DefaultName {
		name = " --name " + l.Name()
	}
	fmt.Fprintf(v.env.Stdout, "Lab %s runs: %s.\n\n", l.Name(), strings.Join(l.Nodes(), ", "))
	for _, line := range [][2]string{
		{"lab exec" + name + " n1 -- redoubt status", "see the cluster"},
		{"lab shell" + name + " n1", "work on a node"},
		{"lab kill" + name + " n1", "take its power away; start brings it back"},
		{"lab cut" + name + " n1 --network ic", "cut its interconnects; heal mends them"},
		{"lab down" + name, "take everything down"},
	} {
		fmt.Fprintf(v.env.Stdout, "  redoubt %-44s %s\n", line[0], line[1])
	}
}

func (v verbs) down() *cobra.Command {
	c := &cobra.Command{
		Use: "down [flags]", Short: "End a lab and remove everything of it", Args: none,
		Long:    "End a lab and remove everything of it, whatever state it is in. A lab that is not there is no error.",
		Example: "redoubt lab down\nredoubt lab down --name other\nredoubt lab down --all",
		RunE: func(c *cobra.Command, _ []string) error {
			name, _ := c.Flags().GetString("name")
			doomed := []string{name}
			if all, _ := c.Flags().GetBool("all"); all {
				doomed = names()
			}
			for _, n := range doomed {
				if err := Remove(n); err != nil {
					return err
				}
			}
			return nil
		},
	}
	c.Flags().Bool("all", false, "all labs of this host")
	return c
}

func (v verbs) list() *cobra.Command {
	c := &cobra.Command{
		Use: "list [flags]", Short: "List the labs of this host", Example: "redoubt lab list -o json", Args: none,
		RunE: func(c *cobra.Command, _ []string) error {
			all := List()
			if all == nil {
				all = []Summary{}
			}
			return v.print(c, all, func(w io.Writer) error {
				rows := [][]string{{"NAME", "NODES", "RUNNING", "AGE", "NOTE"}}
				for _, s := range all {
					age := "-"
					if !s.Made.IsZero() {
						age = time.Since(s.Made).Round(time.Second).String()
					}
					rows = append(rows, []string{s.Name, strconv.Itoa(s.Nodes), strconv.Itoa(s.Running), age, s.Note})
				}
				return columns(w, rows...)
			})
		},
	}
	outputFlag(c)
	return c
}

func (v verbs) status() *cobra.Command {
	c := &cobra.Command{
		Use: "status [flags]", Short: "Show the machines and the faults of a lab", Example: "redoubt lab status\nredoubt lab status -o json", Args: none,
		Long: "Show the machines and the faults of a lab. The state of the cluster itself is shown by redoubt status.",
		RunE: func(c *cobra.Command, _ []string) error {
			l, err := v.lab(c)
			if err != nil {
				return err
			}
			s, err := l.Status()
			if err != nil {
				return err
			}
			return v.print(c, s, func(w io.Writer) error { return s.table(w) })
		},
	}
	outputFlag(c)
	return c
}

func (s Status) table(w io.Writer) error {
	rows := [][]string{{"MACHINE", "KIND", "STATE", "DAEMON", "RESTARTS", "ADDRESSES"}}
	for _, m := range s.Machines {
		rows = append(rows, []string{m.Name, m.Kind, m.State, m.Daemon.State, strconv.Itoa(m.Daemon.Restarts), strings.Join(m.Addresses, " ")})
	}
	if err := columns(w, rows...); err != nil || len(s.Faults) == 0 {
		return err
	}
	fmt.Fprintln(w)
	rows = [][]string{{"FAULT", "NETWORKS", "DIRECTION", "FROM", "LOST"}}
	for _, f := range s.Faults {
		from := "all"
		if len(f.From) > 0 {
			from = strings.Join(f.From, ",")
		}
		rows = append(rows, []string{f.Machine, strings.Join(f.Networks, ","), string(f.Direction), from, strconv.FormatFloat(f.Percent, 'g', -1, 64) + " %"})
	}
	return columns(w, rows...)
}

func (v verbs) logs() *cobra.Command {
	c := &cobra.Command{
		Use: "logs [flags] MACHINE", Short: "Show what a machine's daemon wrote", Example: "redoubt lab logs n1\nredoubt lab logs -f n2", Args: atLeastOne("machine"), ValidArgsFunction: v.complete,
		RunE: func(c *cobra.Command, args []string) error {
			l, err := v.lab(c)
			if err != nil {
				return err
			}
			if _, err := l.machine(args[0]); err != nil {
				return err
			}
			follow, _ := c.Flags().GetBool("follow")
			return tail(c.Context(), v.env.Stdout, l.Console(args[0]), follow)
		},
	}
	c.Flags().BoolP("follow", "f", false, "go on with what is written later")
	return c
}
