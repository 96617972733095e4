package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"redoubt/internal/cli"
	"redoubt/internal/fault"
	"redoubt/internal/lab/probe"
)

// ProbeResult is what Probe found.
type ProbeResult = probe.Result

// Probe asks a service in the lab again and again until its time is over or ctx ends; see probe.Options. from names the machines to ask from,
// the client when it is empty. A machine that dies meanwhile fails to connect from then on, also after it was started again.
func (l *Lab) Probe(ctx context.Context, o probe.Options, from ...string) (*ProbeResult, error) {
	if len(from) == 0 {
		from = []string{Client}
	}
	for _, name := range from {
		m, err := l.machine(name)
		if err != nil {
			return nil, err
		}
		pid, err := m.running()
		if err != nil {
			return nil, err
		}
		o.Sources = append(o.Sources, probe.Source{Name: name, Inside: func(f func() error) error { return aside(pid, []string{"net"}, f) }})
	}
	return probe.Run(ctx, o)
}

func (v verbs) probe() *cobra.Command {
	o := probe.Options{}
	var from []string
	var everywhere, attempts bool
	c := &cobra.Command{
		Use: "probe [flags] ADDRESS:PORT", Short: "Ask a service again and again, and draw who answered when",
		Long: "Ask a service again and again from the client host, with a new connection each time, and draw who answered when: a GET for HTTP servers; who\n" +
			"answers is the first word of the body, or of the whole answer when it is not HTTP. From several machines at once (--from, --all-nodes) it also sees\n" +
			"two servers that no single client can reach both. The exit status is 1 when two served at once. In JSON, times are nanoseconds from the start.",
		Example: "redoubt lab probe 10.77.0.100:8080 --every 5ms --for 20s\nredoubt lab probe 10.77.0.100:8080 --from client,n1 --http /name -o json",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return cli.UsageErrorf("See redoubt lab probe --help.", "redoubt lab probe needs one operand, ADDRESS:PORT")
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
			if everywhere {
				for _, m := range l.machines[1:] {
					if m.kind == kindNode && m.pid() != 0 {
						from = append(from, m.name)
					}
				}
			}
			o.Address = args[0]
			r, err := l.Probe(c.Context(), o, from...)
			if err != nil {
				return err
			}
			return v.showProbe(c, r, attempts)
		},
	}
	c.Flags().DurationVar(&o.Every, "every", 0, "time between two connections (default 5ms)")
	c.Flags().DurationVar(&o.For, "for", 0, "how long (default: until interrupted)")
	c.Flags().DurationVar(&o.Deadline, "deadline", 0, "how long a connection may take, with its answer (default 150ms)")
	c.Flags().IntVar(&o.Outstanding, "outstanding", 0, "connections at a time (default 64)")
	c.Flags().StringVar(&o.Path, "http", "", "path to GET (default /)")
	c.Flags().StringSliceVar(&from, "from", []string{Client}, "machines to ask from; the first one's view counts for gaps")
	c.Flags().BoolVar(&everywhere, "all-nodes", false, "ask from every running node too")
	c.Flags().BoolVar(&attempts, "attempts", false, "with -o json or yaml: every attempt too")
	outputFlag(c)
	return c
}

func (v verbs) serve() *cobra.Command {
	return &cobra.Command{
		Use: "serve [flags] ADDRESS:PORT", Short: "Be a web server that tells the name of its machine",
		Long: "Be a web server that tells the name of its machine: something for a resource to start and for a probe to ask. On a machine of a lab this program is\n" +
			toolDir + "/redoubt.",
		Example: "redoubt resource create -g web-rg -t redoubt.gds -p Start_command='" + toolDir + "/redoubt lab serve 10.77.0.100:8080' -p Port_list=8080/tcp web",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return cli.UsageErrorf("See redoubt lab serve --help.", "redoubt lab serve needs one operand, ADDRESS:PORT")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			l, err := (&net.ListenConfig{}).Listen(c.Context(), "tcp", args[0])
			if err != nil {
				return fault.Errorf(fault.Unavailable, "serve %s: %w", args[0], err)
			}
			name, err := os.Hostname()
			if err != nil {
				return fault.Errorf(fault.Internal, "serve %s: %w", args[0], err)
			}
			s := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, name) })}
			stop := context.AfterFunc(c.Context(), func() { _ = s.Close() })
			defer stop()
			if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				return fault.Errorf(fault.Internal, "serve %s: %w", args[0], err)
			}
			return nil
		},
	}
}

func (v verbs) showProbe(c *cobra.Command, r *ProbeResult, attempts bool) error {
	format, _ := c.Flags().GetString("output")
	var err error
	switch {
	case format == "table":
		r.Draw(v.env.Stdout, style(v.env))
	case attempts:
		err = v.print(c, struct {
			*ProbeResult
			Attempts []probe.Attempt `json:"attempts"`
		}{r, r.Attempts}, nil)
	default:
		err = v.print(c, r, nil)
	}
	if err == nil && r.Double != nil {
		err = fault.Errorf(fault.Precondition, "%s was served twice: %s and %s answered in turns", r.Address, r.Double.A, r.Double.B)
	}
	return err
}

// style fits a drawing to where it is shown.
func style(env cli.Env) probe.Style {
	s := probe.Style{Width: 80}
	f, ok := env.Stdout.(*os.File)
	if ok && term.IsTerminal(int(f.Fd())) {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			s.Width = w
		}
		s.Colour = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	}
	for _, k := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if value := os.Getenv(k); value != "" {
			s.Unicode = strings.Contains(strings.ToUpper(strings.ReplaceAll(value, "-", "")), "UTF8")
			break
		}
	}
	return s
}
